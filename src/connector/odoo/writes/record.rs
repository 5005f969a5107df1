//! Sets what a record holds: owner, stage, score, tags, lost.

use serde_json::{Map, Value, json};

use super::super::api::Failure;
use super::super::catalogue::{Catalogue, ODOOBOT, find};
use super::super::settings::{Maps, STAGE, WON_STATUS};
use super::super::wire::{self, Row};
use super::super::{Odoo, map, query};
use super::{Order, Step, Stop, done, lane, one, quiet, refused, restore, superseded};
use crate::connector::settings::{HandoffPart, ScorePart};
use crate::connector::{Done, Outcome};
use crate::domain::handoff_fields::HandoffFields;
use crate::domain::id::{Name, RemoteId};
use crate::domain::lead::Points;
use crate::domain::plan::Write;
use crate::domain::stage::Stage;

impl Odoo {
    pub(super) async fn set_owner(
        &self,
        order: Order<'_>,
        row: &Row,
        lead: i64,
        owner: &str,
        expected: Option<&str>,
    ) -> Step<Done> {
        let Ok(wanted) = owner.parse::<i64>() else { return Err(refused("the owner's id is no number")) };
        let before = row.link("user_id").map(|link| link.id);
        if before == Some(wanted) {
            return Ok(done(row.time("write_date")));
        }
        if before.map(|id| id.to_string()).as_deref() != expected {
            return Err(owned_by(before).into());
        }
        if is_lost(row) {
            return Err(superseded("the lead was lost or archived meanwhile").into());
        }
        let was = vec![restore::was("user_id", before.map(|id| json!(id)), Some(json!(wanted)))];
        let was = order.keep(was).await?;
        self.write(order.write, lead, one("user_id", json!(wanted))).await?;
        let after = self.look(lead).await.map_err(Stop::Write)?;
        let Some(after) = after else { return Err(refused("the lead was deleted meanwhile")) };
        let now = after.link_id("user_id");
        if now != Some(wanted) {
            return Err(owned_by(now).into());
        }
        if let Some(person) = self.overwritten(lead, before, wanted).await.map_err(Stop::Write)? {
            self.write(order.write, lead, one("user_id", person.map_or(json!(false), |id| json!(id)))).await?;
            return Err(owned_by(person).into());
        }
        Ok(Done { was, ..done(after.time("write_date")) })
    }

    /// What became of an owner that an earlier try has written, if it has: a person's, over which it came late, is put back.
    pub(super) async fn landed(
        &self,
        write: &Write,
        lead: i64,
        owner: &RemoteId,
        expected: Option<&RemoteId>,
    ) -> Result<Option<Outcome>, Failure> {
        let (Some(row), Ok(wanted)) = (self.look(lead).await?, owner.as_str().parse::<i64>()) else { return Ok(None) };
        if row.link_id("user_id") != Some(wanted) {
            return Ok(None);
        }
        let read = expected.and_then(|expected| expected.as_str().parse().ok());
        let Some(person) = self.overwritten(lead, read, wanted).await? else {
            return Ok(Some(Outcome::Done(done(row.time("write_date")))));
        };
        let back = one("user_id", person.map_or(json!(false), |id| json!(id)));
        Ok(Some(match self.write(write, lead, back).await {
            Ok(()) => owned_by(person),
            Err(Stop::Outcome(outcome)) => outcome,
            Err(Stop::Look(failure) | Stop::Write(failure)) => failure.writing(),
        }))
    }

    /// The owner whom a person set between Baton's look and Baton's write, if one did: the tracking of our write shows another
    /// "before" than the one we had read.
    pub(super) async fn overwritten(
        &self,
        lead: i64,
        read: Option<i64>,
        written: i64,
    ) -> Result<Option<Option<i64>>, Failure> {
        let catalogue = self.catalogue().await?;
        let changes = self.changes(&[lead], &catalogue).await?;
        let owners: Vec<&map::Change> =
            changes.get(&lead).into_iter().flatten().filter(|change| change.field == "user_id").collect();
        let ours = owners.iter().rposition(|change| change.by == catalogue.own && change.new.id == written);
        let Some(ours) = ours else { return Ok(None) };
        let before = owners[ours].old.id;
        if before == read.unwrap_or_default() {
            return Ok(None);
        }
        let setter = owners[..ours].iter().rev().find(|change| change.new.id == before).map(|change| change.by);
        let is_person = setter.is_some_and(|user| user != ODOOBOT && user != catalogue.own);
        Ok(is_person.then_some((before > 0).then_some(before)))
    }

    pub(super) async fn set_stage(&self, order: Order<'_>, row: &Row, lead: i64, stage: Stage) -> Step<Done> {
        let catalogue = self.catalogue().await.map_err(Stop::Look)?;
        let vals = stage_values(&self.maps, &catalogue, stage).map_err(|message| refused(&message))?;
        if vals.get(STAGE).and_then(Value::as_i64).is_some_and(|wanted| row.link_id(STAGE) == Some(wanted)) {
            return Ok(done(row.time("write_date")));
        }
        if is_lost(row) {
            return Err(superseded("the lead was lost or archived meanwhile").into());
        }
        let was = order.keep(self.replaced(lead, &vals).await.map_err(Stop::Look)?).await?;
        self.write(order.write, lead, vals).await?;
        let after = self.look(lead).await.map_err(Stop::Write)?;
        Ok(Done { was, ..done(after.and_then(|row| row.time("write_date"))) })
    }

    pub(super) async fn set_values(
        &self,
        order: Order<'_>,
        lead: i64,
        vals: Map<String, Value>,
        what: &str,
    ) -> Step<Done> {
        if vals.is_empty() {
            return Err(refused(&format!("no field is mapped for the {what}")));
        }
        let was = order.keep(self.replaced(lead, &vals).await.map_err(Stop::Look)?).await?;
        self.write(order.write, lead, vals).await?;
        Ok(Done { was, ..Done::default() })
    }

    pub(super) async fn set_tag(
        &self,
        order: Order<'_>,
        row: &Row,
        lead: i64,
        track: &Name,
        joins: bool,
    ) -> Step<Done> {
        let Some((_, tag)) = self.maps.tracks.iter().find(|(known, _)| known == track) else {
            return Err(refused(&format!("track {track} has no tag in [connections.{}.tracks]", self.maps.connection)));
        };
        if joins && row.flag("is_blacklisted") {
            return Err(refused("the person has opted out of e-mail"));
        }
        let known = self.tag(tag).await.map_err(Stop::Look)?;
        let has = known.is_some_and(|tag| row.ids("tag_ids").contains(&tag));
        if has == joins {
            return Ok(done(row.time("write_date")));
        }
        let tag = match known {
            Some(tag) => tag,
            None => self.make_tag(order.write, tag).await?,
        };
        // 4 links and 3 unlinks one tag; the others stay as they are.
        let command = if joins { json!([[4, tag]]) } else { json!([[3, tag]]) };
        let on = || Some(json!("on"));
        let was =
            if joins { restore::was(track.as_str(), None, on()) } else { restore::was(track.as_str(), on(), None) };
        let was = order.keep(vec![was]).await?;
        self.write(order.write, lead, one("tag_ids", command)).await?;
        Ok(Done { was, ..Done::default() })
    }

    pub(super) async fn tag(&self, name: &str) -> Result<Option<i64>, Failure> {
        let domain = [json!(["name", "=", name])];
        Ok(self.api.rows("crm.tag", &query(&domain, &["name"], "id asc", 1)).await?.first().and_then(Row::id))
    }

    /// Tag names are unique in Odoo, so that two at once cannot make two.
    async fn make_tag(&self, write: &Write, name: &str) -> Step<i64> {
        let arguments = json!({ "vals_list": [{ "name": name }] });
        let answer = self.api.write(lane(write.lane), "crm.tag", "create", &arguments).await.map_err(Stop::Write)?;
        let ids: Vec<i64> = wire::whole(&answer.body).map_err(|at| Stop::Write(Failure::Unclear(at)))?;
        ids.first().copied().ok_or_else(|| Stop::Write(Failure::Unclear("no tag was made".to_owned())))
    }

    pub(super) async fn reject(&self, order: Order<'_>, row: &Row, lead: i64, reason: &Name) -> Step<Done> {
        if row.text(WON_STATUS) == Some("lost") {
            return Ok(done(row.time("write_date")));
        }
        if row.text(WON_STATUS) == Some("won") {
            return Err(superseded("the lead was won meanwhile").into());
        }
        let said = self.maps.said(reason);
        let catalogue = self.catalogue().await.map_err(Stop::Look)?;
        let Some(found) = find(&catalogue.reasons, said) else {
            let connection = &self.maps.connection;
            return Err(refused(&format!(
                "reason {reason} has no lost reason; add to [connections.{connection}.reasons]: {reason} = [\"…\"]"
            )));
        };
        let was = order.keep(self.lost(lead, found.id).await.map_err(Stop::Look)?).await?;
        let arguments = json!({ "ids": [lead], "lost_reason_id": found.id, "context": quiet() });
        self.api.write(lane(order.write.lane), "crm.lead", "action_set_lost", &arguments).await.map_err(Stop::Write)?;
        let after = self.look(lead).await.map_err(Stop::Write)?;
        Ok(Done { was, ..done(after.and_then(|row| row.time("write_date"))) })
    }
}

fn owned_by(user: Option<i64>) -> Outcome {
    let found = user.map_or("nobody owns it now".to_owned(), |user| format!("user {user} owns it now"));
    Outcome::Superseded { found }
}

fn is_lost(row: &Row) -> bool {
    !row.flag("active") || row.text(WON_STATUS) == Some("lost")
}

pub(super) fn stage_values(maps: &Maps, catalogue: &Catalogue, stage: Stage) -> Result<Map<String, Value>, String> {
    let Some(writes) = maps.writes(stage) else { return Err(format!("stage {stage} has no value to write")) };
    let mut vals = Map::new();
    for (property, value) in writes {
        if property == STAGE {
            let Some(found) = find(&catalogue.stages, value) else {
                let known = maps.stages.iter().find(|map| map.stage == stage);
                let line = known.map_or_else(String::new, |map| map.clone().writing(STAGE, "...").line());
                return Err(format!(
                    "there is no stage {value:?} in this Odoo: name one in [connections.{}.stages], in place of the dots: {line}",
                    maps.connection
                ));
            };
            vals.insert(property.clone(), json!(found.id));
        } else {
            vals.insert(property.clone(), json!(value));
        }
    }
    Ok(vals)
}

/// What is nothing is written as `false`, which clears the field.
pub(super) fn handoff_values(maps: &Maps, fields: &HandoffFields) -> Map<String, Value> {
    let value = |part: &HandoffPart| match part {
        HandoffPart::Reason => fields.reason.as_ref().map(|reason| json!(reason.as_str())),
        HandoffPart::OwnerDue => fields.owner_due.map(|due| json!(wire::stamp(due))),
    };
    maps.handoff.iter().map(|(part, property)| (property.clone(), value(part).unwrap_or(json!(false)))).collect()
}

pub(super) fn score_values(maps: &Maps, points: Points) -> Map<String, Value> {
    let value = |part: &ScorePart| match part {
        ScorePart::Fit => json!(points.fit),
        ScorePart::Intent => json!(points.intent),
        ScorePart::Engagement => json!(points.engagement),
        ScorePart::Grade => json!(points.grade.to_string()),
    };
    maps.score.iter().map(|(part, property)| (property.clone(), value(part))).collect()
}
