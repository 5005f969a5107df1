//! Makes what an Odoo lacks: tags for tracks, lost reasons, and fields of `crm.lead` for the score and the hand-off.
//!
//! Fields may be made by administrators alone, and a field of one's own must be called `x_...`; where the key may not, the
//! person is told what to add. Source: `ir.model.fields` of 19.0, `_check_name` and its access rules.

use serde_json::{Value, json};

use super::api::Failure;
use super::wire::{self, Row};
use super::{Odoo, query};
use crate::connector::requirement::{Ensured, FieldShape, FieldSpec, Making, Requirement, State, named, words_of};
use crate::domain::id::Name;
use crate::http::limiter::Lane;

impl Odoo {
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
            Requirement::Track(track) => self.ensure_tag(track, making).await?,
            Requirement::Reason(reason) => self.ensure_reason(reason, making).await?,
        };
        Ok(Some(ensured))
    }

    async fn ensure_tag(&self, track: &Name, making: Making) -> Result<Ensured, Failure> {
        let known = self.maps.tracks.iter().find(|(of, _)| of == track).map(|(_, tag)| tag.clone());
        let usual = format!("Baton: {track}");
        let line = known.is_none().then(|| (self.section("tracks"), format!("{track} = {{ tag = {usual:?} }}")));
        let name = known.unwrap_or(usual);
        let state = self.ensure_named("crm.tag", &name, making).await?;
        Ok(Ensured { what: format!("tag \"{name}\""), state, line })
    }

    async fn ensure_reason(&self, reason: &Name, making: Making) -> Result<Ensured, Failure> {
        let known = self.maps.reasons.iter().find(|(of, _)| of == reason).and_then(|(_, said)| said.first().cloned());
        let usual = words_of(reason);
        let line = known.is_none().then(|| (self.section("reasons"), format!("{reason} = [{usual:?}]")));
        let name = known.unwrap_or(usual);
        let state = self.ensure_named("crm.lost.reason", &name, making).await?;
        Ok(Ensured { what: format!("lost reason \"{name}\""), state, line })
    }

    async fn ensure_named(&self, model: &str, name: &str, making: Making) -> Result<State, Failure> {
        let found = self.api.rows(model, &query(&[json!(["name", "=ilike", name])], &["name"], "id asc", 1)).await?;
        if !found.is_empty() {
            return Ok(State::There);
        }
        if making == Making::Show {
            return Ok(State::Missing);
        }
        self.make(model, &json!({ "name": name })).await
    }

    async fn ensure_field(&self, spec: FieldSpec, known: Option<&str>, making: Making) -> Result<Ensured, Failure> {
        let FieldSpec { section, key, label, shape, .. } = spec;
        let usual = format!("x_baton_{key}");
        let line = known.is_none().then(|| (self.section(section), format!("{key} = {usual:?}")));
        let name = known.map_or(usual, str::to_owned);
        let kind = match shape {
            FieldShape::Number => "integer",
            FieldShape::Text => "char",
            FieldShape::Moment => "datetime",
        };
        let what = format!("field {name} of crm.lead");
        let model = self.lead_model().await?;
        let is_known = self.catalogue().await?.fields.contains_key(&name);
        if is_known || self.has_field(model, &name).await? {
            return Ok(Ensured { what, state: State::There, line });
        }
        let may = json!({ "ids": [], "operation": "create" });
        let by_hand = || {
            State::ByHand(format!(
                "in developer mode, Settings > Technical > Fields: model crm.lead, name {name}, label \"{label}\", type {kind}"
            ))
        };
        let state = if !self.api.value::<bool>("ir.model.fields", "has_access", &may).await? || !name.starts_with("x_")
        {
            by_hand()
        } else if making == Making::Show {
            State::Missing
        } else {
            match model {
                None => by_hand(),
                Some(model) => {
                    let field = json!({ "model_id": model, "name": name, "field_description": label, "ttype": kind });
                    self.make("ir.model.fields", &field).await?
                }
            }
        };
        Ok(Ensured { what, state, line })
    }

    /// The number of `crm.lead` among the models, where the key may see them.
    async fn lead_model(&self) -> Result<Option<i64>, Failure> {
        let may = json!({ "ids": [], "operation": "read" });
        if !self.api.value::<bool>("ir.model.fields", "has_access", &may).await? {
            return Ok(None);
        }
        let domain = [json!(["model", "=", "crm.lead"])];
        let models = self.api.rows("ir.model", &query(&domain, &["model"], "id asc", 1)).await?;
        Ok(models.first().and_then(Row::id))
    }

    async fn has_field(&self, model: Option<i64>, name: &str) -> Result<bool, Failure> {
        let Some(model) = model else { return Ok(false) };
        let domain = [json!(["model_id", "=", model]), json!(["name", "=", name])];
        let found = self.api.rows("ir.model.fields", &query(&domain, &["name"], "id asc", 1)).await?;
        Ok(!found.is_empty())
    }

    async fn make(&self, model: &str, values: &Value) -> Result<State, Failure> {
        let answer = self.api.write(Lane::Assign, model, "create", &json!({ "vals_list": [values] })).await?;
        let made: Vec<i64> = wire::whole(&answer.body).map_err(Failure::Unclear)?;
        if made.is_empty() { Err(Failure::Unclear(format!("{model}: nothing was made"))) } else { Ok(State::Made) }
    }

    fn section(&self, part: &str) -> String {
        format!("[connections.{}.{part}]", self.connection())
    }
}
