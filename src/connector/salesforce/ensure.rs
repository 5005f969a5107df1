//! What an org lacks: campaigns for tracks are made; fields are named, with all that a person must choose.
//!
//! REST makes no fields, and a field that nobody is given access to is hidden from Baton all the same (section 1.9): so an administrator
//! makes them, and is told the name, the type and the permission.

use serde_json::json;

use super::Salesforce;
use super::failure::Failure;
use super::settings::STATUS;
use super::soql::{Condition, Literal, Query, Sign};
use super::wire::{self, Saved};
use crate::connector::requirement::{Ensured, FieldShape, FieldSpec, Making, Requirement, State, named, words_of};
use crate::domain::id::Name;
use crate::http::Method;
use crate::http::limiter::Lane;

/// What an administrator does to make the field of Baton's key on `object`.
pub(super) fn key_by_hand(key: &str, object: &str) -> String {
    format!(
        "Setup, Object Manager, {object}, Fields & Relationships, New: Text of 80, name {}, External ID and Unique (case-sensitive) checked; \
         then edit access to it in the permission set of Baton's user",
        key.trim_end_matches("__c")
    )
}

impl Salesforce {
    pub(super) async fn ensure_one(
        &self,
        requirement: &Requirement,
        making: Making,
    ) -> Result<Option<Ensured>, Failure> {
        Ok(Some(match requirement {
            Requirement::Score(part) => self.ensure_field(part.spec(), named(&self.maps.score, *part)).await?,
            Requirement::Handoff(part) => self.ensure_field(part.spec(), named(&self.maps.handoff, *part)).await?,
            Requirement::Track(track) => self.ensure_campaign(track, making).await?,
            Requirement::Reason(reason) => self.ensure_reason(reason).await?,
        }))
    }

    async fn ensure_field(&self, spec: FieldSpec, known: Option<&str>) -> Result<Ensured, Failure> {
        let FieldSpec { section, key, suffix, label, shape } = spec;
        let usual = format!("baton_{suffix}__c");
        let line = known.is_none().then(|| (self.section(section), format!("{key} = {usual:?}")));
        let name = known.map_or(usual, str::to_owned);
        let catalogue = self.refresh(std::time::Duration::ZERO).await?;
        let state = if catalogue.field("Lead", &name).is_some() {
            State::There
        } else {
            let kind = match shape {
                FieldShape::Number => "Number (18, 0)",
                FieldShape::Text => "Text of 255",
                FieldShape::Moment => "Date/Time",
            };
            State::ByHand(format!(
                "Setup, Object Manager, Lead, Fields & Relationships, New: {kind}, label \"{label}\", name {}; then edit access to it in \
                 the permission set of Baton's user",
                name.trim_end_matches("__c")
            ))
        };
        Ok(Ensured { what: format!("field {name} of Lead"), state, line })
    }

    async fn ensure_campaign(&self, track: &Name, making: Making) -> Result<Ensured, Failure> {
        let known = self.maps.tracks.iter().find(|(of, _)| of == track).map(|(_, campaign)| campaign.clone());
        let usual = format!("Baton: {track}");
        let line = known.is_none().then(|| (self.section("tracks"), format!("{track} = {{ campaign = {usual:?} }}")));
        let name = known.unwrap_or(usual);
        let found = Query::of("Campaign", &["Id"])
            .filter(Condition::Is("Name", Sign::Equal, Literal::Text(name.clone())))
            .limit(1);
        let state = if !self.api.rows(&found, false).await?.is_empty() {
            State::There
        } else if making == Making::Show {
            State::Missing
        } else {
            let body = json!({ "Name": name, "IsActive": true });
            let answer = self.api.write(Lane::Assign, Method::Post, &["sobjects", "Campaign"], &body, None).await?;
            let saved: Saved = wire::whole(&answer.response.body).map_err(Failure::Unclear)?;
            if !saved.success {
                return Err(Failure::Unclear("the campaign was not made".to_owned()));
            }
            State::Made
        };
        Ok(Ensured { what: format!("campaign \"{name}\""), state, line })
    }

    /// A reason is a value of the field for reasons, or a status of leads; neither can be added over REST.
    async fn ensure_reason(&self, reason: &Name) -> Result<Ensured, Failure> {
        let known = self.maps.reasons.iter().find(|(of, _)| of == reason).and_then(|(_, said)| said.first().cloned());
        let usual = words_of(reason);
        let line = known.is_none().then(|| (self.section("reasons"), format!("{reason} = [{usual:?}]")));
        let name = known.unwrap_or(usual);
        let (what, state) = match &self.maps.reason_field {
            Some(field) => {
                let has_field = self.catalogue().await?.field("Lead", field).is_some();
                let by_hand =
                    format!("Setup, Object Manager, Lead, {field}: add the value {name:?}, if it is a picklist");
                let missing = State::ByHand(format!(
                    "Setup, Object Manager, Lead: add the picklist {field}, with the value {name:?}"
                ));
                (format!("value {name:?} of Lead.{field}"), if has_field { State::ByHand(by_hand) } else { missing })
            }
            None => {
                let (statuses, _) = super::catalogue::Catalogue::choices(&self.api).await?;
                let is_there = statuses.iter().any(|status| status.name.eq_ignore_ascii_case(&name));
                let by_hand = format!(
                    "Setup, Object Manager, Lead, {STATUS}: add the value {name:?}; or name a field of your own for it under fields, \"handoff.reason\""
                );
                (format!("lead status {name:?}"), if is_there { State::There } else { State::ByHand(by_hand) })
            }
        };
        Ok(Ensured { what, state, line })
    }

    fn section(&self, part: &str) -> String {
        format!("[connections.{}.{part}]", self.maps.connection)
    }
}
