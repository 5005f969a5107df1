//! Looks: did a write take effect, and can everything be written that the settings want to write?

use serde_json::{Map, Value, json};

use super::super::api::Failure;
use super::super::catalogue::{Catalogue, find};
use super::super::settings::{STAGE, WON_STATUS};
use super::super::wire::Row;
use super::super::{Odoo, map, query};
use super::create::external_id;
use super::record::{handoff_values, score_values, stage_values};
use super::{done, number};
use crate::connector::{Addressed, Done};
use crate::domain::finding::{Finding, FindingKind};
use crate::domain::id::{Name, Object};
use crate::domain::lead::Points;
use crate::domain::plan::Effect;

impl Odoo {
    /// Did this write take effect?
    pub(in crate::connector::odoo) async fn effect(&self, addressed: &Addressed) -> Result<Option<Done>, Failure> {
        let write = &addressed.write;
        if let Effect::Create { .. } = write.effect {
            let catalogue = self.catalogue().await?;
            let found = self.by_external_id(&external_id(write.lead, write.op), &catalogue).await?;
            return Ok(found.map(|lead| self.made(Object::Person, Some(lead), None)));
        }
        let Some(lead) = number(addressed) else { return Ok(None) };
        match &write.effect {
            Effect::AddTask { .. } => return self.task(lead, write.op).await,
            Effect::AddNote { .. } => return self.note(lead, write.op).await,
            Effect::Withdraw { task, .. } => {
                let is_there = self.is_open_task(task).await?;
                return Ok((!is_there).then(Done::default));
            }
            _ => {}
        }
        let Some(row) = self.look(lead).await? else { return Ok(None) };
        let holds = match &write.effect {
            Effect::SetOwner { owner, expected } => {
                let has = row.link_id("user_id").filter(|user| user.to_string() == owner.as_str());
                let read = expected.as_ref().and_then(|expected| expected.as_str().parse().ok());
                // One that a person's choice was overwritten by is not as it shall stay: the next try gives it back.
                match has {
                    Some(wanted) => self.overwritten(lead, read, wanted).await?.is_none(),
                    None => false,
                }
            }
            Effect::SetStage { stage, .. } => {
                let catalogue = self.catalogue().await?;
                let wanted = stage_values(&self.maps, &catalogue, *stage).ok();
                wanted.is_some_and(|vals| vals.get(STAGE).and_then(Value::as_i64) == row.link_id(STAGE))
            }
            Effect::SetScore(points) => self.has_score(lead, *points).await?,
            Effect::SetHandoff(fields) => self.replaced(lead, &handoff_values(&self.maps, fields)).await?.is_empty(),
            Effect::JoinTrack(track) => self.has_tag(&row, track).await?,
            Effect::LeaveTrack(track) => !self.has_tag(&row, track).await?,
            Effect::Reject(_) => row.text(WON_STATUS) == Some("lost"),
            Effect::Restore { values, .. } => self.is_restored(lead, values).await?,
            Effect::Create { .. } | Effect::AddTask { .. } | Effect::AddNote { .. } | Effect::Withdraw { .. } => false,
        };
        if holds && self.chosen_since(addressed).await?.is_some() {
            // Not as it shall stay, or not ours: the next try settles it.
            return Ok(None);
        }
        Ok(holds.then(|| done(row.time("write_date"))))
    }

    async fn has_score(&self, lead: i64, points: Points) -> Result<bool, Failure> {
        let vals = score_values(&self.maps, points);
        let fields: Vec<&str> = vals.keys().map(String::as_str).collect();
        let rows = self.api.rows("crm.lead", &query(&[json!(["id", "=", lead])], &fields, "id asc", 1)).await?;
        let same = |name: &String, wanted: &Value| {
            rows.first().and_then(|row| row.0.get(name)).is_some_and(|found| match (found.as_f64(), wanted.as_f64()) {
                (Some(found), Some(wanted)) => (found - wanted).abs() < 0.5,
                _ => found == wanted,
            })
        };
        Ok(vals.iter().all(|(name, wanted)| same(name, wanted)))
    }

    async fn has_tag(&self, row: &Row, track: &Name) -> Result<bool, Failure> {
        let Some((_, tag)) = self.maps.tracks.iter().find(|(known, _)| known == track) else { return Ok(false) };
        Ok(self.tag(tag).await?.is_some_and(|tag| row.ids("tag_ids").contains(&tag)))
    }

    /// Values that the settings want to write and this Odoo lacks.
    pub(in crate::connector::odoo) fn unwritable(&self, catalogue: &Catalogue) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut tell = |part: String, text: String| {
            findings.push(map::finding(&self.maps, FindingKind::MissingField, part, text));
        };
        for map in &self.maps.stages {
            if let Err(message) = stage_values(&self.maps, catalogue, map.stage).filter_unwritten(map.write.is_empty())
            {
                tell(format!("stages.{}", map.stage), message);
            }
        }
        for (reason, values) in &self.maps.reasons {
            for value in values.iter().filter(|value| find(&catalogue.reasons, value).is_none()) {
                tell(format!("reasons.{reason}"), format!("there is no lost reason {value:?}"));
            }
        }
        let score = self.maps.score.iter().map(|(_, name)| (name, "the score"));
        let handoff = self.maps.handoff.iter().map(|(_, name)| (name, "the hand-off"));
        for (property, what) in score.chain(handoff).filter(|(name, _)| !catalogue.fields.contains_key(*name)) {
            tell(property.clone(), format!("crm.lead has no field {property} for {what}"));
        }
        findings
    }
}

trait FilterUnwritten {
    /// A stage that is never written cannot lack a value.
    fn filter_unwritten(self, is_unwritten: bool) -> Result<(), String>;
}

impl FilterUnwritten for Result<Map<String, Value>, String> {
    fn filter_unwritten(self, is_unwritten: bool) -> Result<(), String> {
        if is_unwritten { Ok(()) } else { self.map(drop) }
    }
}
