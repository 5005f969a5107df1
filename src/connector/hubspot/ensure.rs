//! Makes what a portal lacks: properties for the score and the hand-off in a group of their own, static lists for tracks. Source: sections 10.5
//! and 10.7.
//!
//! A name that is taken is left as it is, so that it can be run twice; a property that was archived comes back by being
//! made again.

use serde_json::{Value, json};

use super::HubSpot;
use super::answer::Failure;
use crate::connector::requirement::{Ensured, FieldShape, FieldSpec, Making, Requirement, State, named};
use crate::domain::id::Name;
use crate::http::Method;
use crate::http::limiter::{Budget, Lane};

/// The group that Baton's properties stand in.
const GROUP: &str = "baton";

impl HubSpot {
    pub(super) async fn ensure_one(
        &self,
        requirement: &Requirement,
        making: Making,
    ) -> Result<Option<Ensured>, Failure> {
        match requirement {
            Requirement::Score(part) => {
                let known = named(&self.settings.score_properties, *part);
                self.ensure_property(part.spec(), known, making).await.map(Some)
            }
            Requirement::Handoff(part) => {
                let known = named(&self.settings.handoff_properties, *part);
                self.ensure_property(part.spec(), known, making).await.map(Some)
            }
            Requirement::Track(track) => self.ensure_list(track, making).await.map(Some),
            // Reasons are values of a property that the portal chose: `handoff.reason` in the settings.
            Requirement::Reason(_) => Ok(None),
        }
    }

    async fn ensure_property(&self, spec: FieldSpec, known: Option<&str>, making: Making) -> Result<Ensured, Failure> {
        let usual = format!("baton_{}", spec.suffix);
        let line = known.is_none().then(|| {
            (format!("[connections.{}.{}]", self.settings.id, spec.section), format!("{} = {usual:?}", spec.key))
        });
        let name = known.map_or(usual, str::to_owned);
        let path = ["crm", "properties", self.api.version(), "contacts", name.as_str()];
        let state = if self.is_there(&path).await? {
            State::There
        } else if making == Making::Show {
            State::Missing
        } else {
            self.ensure_group().await?;
            let (kind, field) = match spec.shape {
                FieldShape::Number => ("number", "number"),
                FieldShape::Text => ("string", "text"),
                FieldShape::Moment => ("datetime", "date"),
            };
            let property = json!({
                "groupName": GROUP, "name": name, "label": spec.label, "type": kind, "fieldType": field,
                "description": "Written by Baton; do not change by hand",
            });
            self.make(&["crm", "properties", self.api.version(), "contacts"], &property).await?
        };
        Ok(Ensured { what: format!("property {name} of contacts"), state, line })
    }

    async fn ensure_group(&self) -> Result<(), Failure> {
        let groups = ["crm", "properties", self.api.version(), "contacts", "groups"];
        if !self.is_there(&[&groups[..], &[GROUP]].concat()).await? {
            self.make(&groups, &json!({ "name": GROUP, "label": "Baton" })).await?;
        }
        Ok(())
    }

    async fn ensure_list(&self, track: &Name, making: Making) -> Result<Ensured, Failure> {
        let known = self.settings.tracks.iter().find(|(of, _)| of == track).map(|(_, list)| list.clone());
        let usual = format!("Baton: {track}");
        let line = known.is_none().then(|| {
            (format!("[connections.{}.tracks]", self.settings.id), format!("{track} = {{ list = {usual:?} }}"))
        });
        let name = known.unwrap_or(usual);
        let path = ["crm", "lists", self.api.version(), "object-type-id", "0-1", "name", name.as_str()];
        let state = if self.is_there(&path).await? {
            State::There
        } else if making == Making::Show {
            State::Missing
        } else {
            let list = json!({ "name": name, "objectTypeId": "0-1", "processingType": "MANUAL" });
            self.make(&["crm", "lists", self.api.version()], &list).await?
        };
        Ok(Ensured { what: format!("static list \"{name}\""), state, line })
    }

    async fn is_there(&self, path: &[&str]) -> Result<bool, Failure> {
        match self.api.read(Budget::Burst, Lane::Read, self.api.get(path)).await {
            Ok(_) => Ok(true),
            Err(Failure::NotFound(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Somebody else may have made it meanwhile: then it is there.
    async fn make(&self, path: &[&str], what: &Value) -> Result<State, Failure> {
        let request = self.api.request(Method::Post, path, Some(what))?;
        match self.api.write(Lane::Assign, request).await {
            Ok(_) => Ok(State::Made),
            Err(Failure::Conflict(..)) => Ok(State::There),
            Err(Failure::Forbidden(message)) => {
                Ok(State::ByHand(format!("make it in HubSpot, or let Baton: {message}")))
            }
            Err(other) => Err(other),
        }
    }
}
