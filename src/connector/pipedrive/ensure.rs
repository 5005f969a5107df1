//! Makes what a company lacks: labels for tracks and reasons, and fields of persons for the score and the hand-off.

use serde_json::json;

use super::Pipedrive;
use super::answer::Failure;
use super::catalogue::find;
use super::settings::Of;
use crate::connector::requirement::{Ensured, FieldShape, FieldSpec, Making, Requirement, State, named, words_of};
use crate::domain::id::Name;
use crate::http::Method;
use crate::http::limiter::Lane;

impl Pipedrive {
    pub(super) async fn ensure_one(
        &self,
        requirement: &Requirement,
        making: Making,
    ) -> Result<Option<Ensured>, Failure> {
        let ensured = match requirement {
            Requirement::Score(part) => self.ensure_field(part.spec(), named(&self.maps.score, *part), making).await?,
            Requirement::Handoff(part) => {
                self.ensure_field(part.spec(), named(&self.maps.handoff, *part), making).await?
            }
            Requirement::Track(track) => self.ensure_track(track, making).await?,
            Requirement::Reason(reason) => self.ensure_reason(reason, making).await?,
        };
        Ok(Some(ensured))
    }

    async fn ensure_track(&self, track: &Name, making: Making) -> Result<Ensured, Failure> {
        let usual = format!("Baton: {track}");
        let known = self.label_of(track);
        let line = known.is_none().then(|| (self.section("tracks"), format!("{track} = {{ tag = {usual:?} }}")));
        self.ensure_label(known.unwrap_or(usual), line, making).await
    }

    /// Lost reasons of deals are free text; on a lead a label says the reason.
    async fn ensure_reason(&self, reason: &Name, making: Making) -> Result<Ensured, Failure> {
        let usual = words_of(reason);
        let known = self.maps.words(reason).map(str::to_owned);
        let line = known.is_none().then(|| (self.section("reasons"), format!("{reason} = [{usual:?}]")));
        self.ensure_label(known.unwrap_or(usual), line, making).await
    }

    async fn ensure_label(
        &self,
        name: String,
        line: Option<(String, String)>,
        making: Making,
    ) -> Result<Ensured, Failure> {
        let catalogue = self.catalogue().await?;
        let state = match (find(&catalogue.labels, &name), making) {
            (Some(_), _) => State::There,
            (None, Making::Show) => State::Missing,
            (None, Making::Make) => {
                self.new_label(&name, Lane::Assign).await?;
                self.refresh(std::time::Duration::ZERO).await?;
                State::Made
            }
        };
        Ok(Ensured { what: format!("label \"{name}\" of leads"), state, line })
    }

    async fn ensure_field(&self, spec: FieldSpec, known: Option<&str>, making: Making) -> Result<Ensured, Failure> {
        let FieldSpec { section, key, label, shape, .. } = spec;
        let line = known.is_none().then(|| (self.section(section), format!("{key} = {label:?}")));
        let name = known.unwrap_or(label).to_owned();
        // No type holds an instant. Source: the specification of fields.
        let holds = match shape {
            FieldShape::Number => "double",
            FieldShape::Text | FieldShape::Moment => "varchar",
        };
        let catalogue = self.catalogue().await?;
        let what = format!("field \"{name}\" of persons");
        let state = match (catalogue.field(Of::Person, &name), making) {
            (Some(_), _) => State::There,
            (None, Making::Show) => State::Missing,
            (None, Making::Make) => {
                let body = json!({ "field_name": name, "field_type": holds });
                match self.api.write(Lane::Assign, Method::Post, &["v2", "personFields"], &body).await {
                    Ok(_) => {
                        self.refresh(std::time::Duration::ZERO).await?;
                        State::Made
                    }
                    Err(Failure::Forbidden(_)) => State::ByHand(format!(
                        "as an administrator, Company settings > Data fields > Person: add \"{name}\", {}",
                        if holds == "double" { "numerical" } else { "text" }
                    )),
                    Err(other) => return Err(other),
                }
            }
        };
        Ok(Ensured { what, state, line })
    }

    fn section(&self, part: &str) -> String {
        format!("[connections.{}.{part}]", self.connection())
    }
}
