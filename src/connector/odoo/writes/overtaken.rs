//! What was written late, after a person had chosen something else (`connector/overtaken.rs`).
//!
//! The tracking says who set stage, lost reason and archive to what. What Odoo does not track, such as fields of one's own for the
//! score, tells nobody who set it: there a late value stands until the next one.

use serde_json::{Map, Value, json};

use super::super::api::Failure;
use super::super::catalogue::{Catalogue, ODOOBOT, find};
use super::super::settings::STAGE;
use super::super::{Odoo, map, query};
use super::record::stage_values;
use super::{Stop, lane, number, quiet, superseded};
use crate::connector::overtaken::{By, Change, Chosen, chosen};
use crate::connector::{Addressed, Outcome};
use crate::domain::plan::{Earlier, Effect, Write};

/// Whether a lead is in use; lost ones are not.
const ACTIVE: &str = "active";

/// Tracked fields that an effect sets, with the number that each gets, and others that say something of the same matter.
type Sets = (Vec<(&'static str, String)>, &'static [&'static str]);

impl Odoo {
    /// What becomes of a stage or a lost reason whose earlier try was overtaken by a person: theirs stands, and is put back where ours
    /// came over it.
    pub(super) async fn heed_chosen(&self, addressed: &Addressed) -> Result<Option<Outcome>, Failure> {
        let write = &addressed.write;
        let (Some(lead), Some(chosen)) = (number(addressed), self.chosen_since(addressed).await?) else {
            return Ok(None);
        };
        let ours = match chosen {
            // Ours may come over it yet.
            Chosen::Stands(_) if self.doubts.waits(write.op).is_some() => return Ok(None),
            Chosen::Stands(field) => return Ok(Some(superseded(&Chosen::found(&field)))),
            Chosen::Over(ours) => ours,
        };
        Ok(Some(match self.give_back(write, lead, &ours).await {
            Ok(()) => superseded(&Chosen::found(ours.first().map_or("", |change| &change.field))),
            Err(Stop::Outcome(outcome)) => outcome,
            Err(Stop::Look(failure) | Stop::Write(failure)) => failure.writing(),
        }))
    }

    /// What a person chose while the earlier try of a stage or a lost reason was under way.
    pub(super) async fn chosen_since(&self, addressed: &Addressed) -> Result<Option<Chosen>, Failure> {
        let (Some(lead), Some(earlier)) = (number(addressed), &addressed.earlier) else { return Ok(None) };
        let effect = &addressed.write.effect;
        if !matches!(effect, Effect::SetStage { .. } | Effect::Reject(_)) {
            return Ok(None);
        }
        let catalogue = self.catalogue().await?;
        let Some((sets, also)) = self.sets(effect, &catalogue) else { return Ok(None) };
        let changes = self.changes(&[lead], &catalogue).await?;
        let changes = changes.get(&lead).map_or(&[][..], Vec::as_slice).iter();
        let changes: Vec<Change> = changes.map(|change| told(change, catalogue.own)).collect();
        Ok(chosen(&changes, &sets, also, earlier, |field| before(earlier, field)))
    }

    /// Whoever moves a lead on in the pipeline does not want it lost.
    fn sets(&self, effect: &Effect, catalogue: &Catalogue) -> Option<Sets> {
        match effect {
            Effect::SetStage { stage, .. } => {
                let vals = stage_values(&self.maps, catalogue, *stage).ok()?;
                Some((vec![(STAGE, vals.get(STAGE)?.to_string())], &[]))
            }
            Effect::Reject(reason) => {
                let reason = find(&catalogue.reasons, self.maps.said(reason))?.id;
                Some((vec![(map::LOST_REASON, reason.to_string()), (ACTIVE, "0".to_owned())], &[STAGE]))
            }
            _ => None,
        }
    }

    /// Puts back what these changes of ours replaced.
    async fn give_back(&self, write: &Write, lead: i64, ours: &[Change]) -> Result<(), Stop> {
        let old = |field: &str| ours.iter().find(|change| change.field == field).map(|change| change.old.as_str());
        let mut vals = Map::new();
        for field in [STAGE, map::LOST_REASON] {
            let id = old(field).map(|id| id.parse::<i64>().unwrap_or_default());
            vals.extend(id.map(|id| (field.to_owned(), if id > 0 { json!(id) } else { json!(false) })));
        }
        if old(ACTIVE) == Some("1") {
            // Odoo works the probability out anew, and the lead has no reason any more; a plain write of the field does neither.
            let arguments = json!({ "ids": [lead], "context": quiet() });
            let unarchived = self.api.write(lane(write.lane), "crm.lead", "action_unarchive", &arguments).await;
            unarchived.map_err(Stop::Write)?;
            vals.retain(|_, value| *value != json!(false));
            if self.is_in_won_stage(lead).await.map_err(Stop::Write)? {
                vals.insert("probability".to_owned(), json!(100));
            }
        }
        if vals.is_empty() { Ok(()) } else { self.write(write, lead, vals).await }
    }

    /// Does the lead stand in a stage that means it is won?
    async fn is_in_won_stage(&self, lead: i64) -> Result<bool, Failure> {
        let domain = [json!(["id", "=", lead]), json!(["stage_id.is_won", "=", true])];
        Ok(!self.api.rows("crm.lead", &query(&domain, &["id"], "id asc", 1)).await?.is_empty())
    }
}

fn told(change: &map::Change, own: i64) -> Change {
    let by = match change.by {
        user if user == own => By::Baton,
        ODOOBOT => By::Other,
        _ => By::Person,
    };
    Change {
        field: change.field.clone(),
        old: change.old.id.to_string(),
        new: change.new.id.to_string(),
        at: change.at,
        by,
        batch: change.message,
    }
}

/// The number that a field held when it was looked before the earlier try, where that replaced it.
fn before(earlier: &Earlier, field: &str) -> Option<String> {
    let was = earlier.was.iter().find(|was| was.name.as_str() == field)?;
    let Some(text) = &was.before else { return Some("0".to_owned()) };
    match serde_json::from_str(text.as_str()).ok()? {
        Value::Bool(flag) => Some(i64::from(flag).to_string()),
        other => Some(other.to_string()),
    }
}
