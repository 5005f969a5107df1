//! Sets what a lead or deal holds: owner, stage, lost or archived.

use serde_json::{Map, Value, json};

use super::super::Pipedrive;
use super::super::book::{Journey, JourneyId, State};
use super::super::catalogue::{Catalogue, find};
use super::super::settings::{LABEL, Maps, STAGE, STATUS};
use super::{Order, Step, Stop, Target, done, place_of, refused, superseded, was};
use crate::connector::Done;
use crate::domain::id::Name;
use crate::domain::stage::Stage;
use crate::http::Method;

impl Pipedrive {
    pub(super) async fn set_owner(
        &self,
        order: Order<'_>,
        target: &Target,
        owner: &str,
        expected: Option<&str>,
    ) -> Step<Done> {
        let Ok(wanted) = owner.parse::<i64>() else { return Err(refused("the owner's id is no number")) };
        let Some(journey) = &target.journey else { return self.open_journey(order, target, wanted, expected).await };
        if !journey.is_open() {
            return Err(superseded(&format!("the {} was {} meanwhile", kind(journey), ended(journey.state))));
        }
        let before = journey.owner;
        let expects = before.map(|id| id.to_string()).as_deref() == expected;
        if before != Some(wanted) && !expects {
            return Err(owned_by(before));
        }
        let (mut kept, mut at) = (Vec::new(), Some(journey.updated));
        if before != Some(wanted) {
            let replaced = was(
                format!("{}/owner_id", place_of(&journey.id)),
                before.map(|id| json!(id)).as_ref(),
                Some(&json!(wanted)),
            );
            kept = order.keep(vec![replaced]).await?;
            let row = self.patch(order, &journey.id, &json!({ "owner_id": wanted })).await?;
            if row.integer("owner_id") != Some(wanted) {
                return Err(owned_by(row.integer("owner_id")));
            }
            at = row.time("update_time");
        }
        self.person_follows(order, target, before, wanted).await?;
        Ok(Done { was: kept, ..done(at) })
    }

    /// The person's own owner goes with that of their lead, where it was the same, or Baton's own; another was somebody's choice.
    async fn person_follows(&self, order: Order<'_>, target: &Target, before: Option<i64>, wanted: i64) -> Step<()> {
        let own = target.row.integer("owner_id");
        let follows = own == before || own == Some(order.catalogue.own);
        if own == Some(wanted) || !follows {
            return Ok(());
        }
        let path = ["v2", "persons", &target.person.to_string()];
        self.api
            .write(order.lane(), Method::Patch, &path, &json!({ "owner_id": wanted }))
            .await
            .map_err(Stop::Write)?;
        Ok(())
    }

    /// A person whom sales has, but nobody works on: their lead is what is handed over.
    async fn open_journey(&self, order: Order<'_>, target: &Target, wanted: i64, expected: Option<&str>) -> Step<Done> {
        let before = target.row.integer("owner_id");
        if before.map(|id| id.to_string()).as_deref() != expected && before != Some(wanted) {
            return Err(owned_by(before));
        }
        let title = target.row.text("name").unwrap_or("New lead").to_owned();
        let organization = target.row.integer("org_id");
        let done = self.open_lead(order, target.person, organization, Some(wanted), &title).await?;
        Ok(Done { made: None, ..done })
    }

    pub(super) async fn set_stage(&self, order: Order<'_>, target: &Target, stage: Stage) -> Step<Done> {
        let Some(journey) = target.journey.as_ref().filter(|journey| journey.is_open()) else {
            return Err(superseded("the person has no open lead or deal any more"));
        };
        let body = stage_values(&self.maps, order.catalogue, journey, stage).map_err(|message| refused(&message))?;
        if holds(journey, &body) {
            return Ok(done(Some(journey.updated)));
        }
        let kept = order.keep(replaced(journey, &body)).await?;
        let row = self.patch(order, &journey.id, &Value::Object(body)).await?;
        Ok(Done { was: kept, ..done(row.time("update_time")) })
    }

    /// Gives a lead back: a deal is lost with its reason; a lead gets the label of the reason, where there is one, a note, and is
    /// archived, which ends every write to it. Source: section 9.
    pub(super) async fn reject(&self, order: Order<'_>, target: &Target, reason: &Name) -> Step<Done> {
        let Some(journey) = &target.journey else { return Err(superseded("the person has no lead or deal any more")) };
        match journey.state {
            State::Open => {}
            State::Archived | State::Lost | State::Deleted => return Ok(done(Some(journey.since))),
            State::Won => return Err(superseded("the deal was won meanwhile")),
        }
        let Some(words) = self.maps.words(reason) else {
            let connection = self.connection();
            return Err(refused(&format!(
                "reason {reason} has no words; add to [connections.{connection}.reasons]: {reason} = [\"…\"]"
            )));
        };
        let mut body = Map::new();
        match &journey.id {
            JourneyId::Deal(_) => {
                body.insert("status".to_owned(), json!("lost"));
                body.insert("lost_reason".to_owned(), json!(words));
            }
            JourneyId::Lead(_) => {
                self.add_note(order, target, &format!("Given back to marketing: {words}")).await?;
                if let Some(label) =
                    find(&order.catalogue.labels, words).filter(|label| !journey.labels.contains(&label.id))
                {
                    let labels: Vec<&String> = journey.labels.iter().chain([&label.id]).collect();
                    body.insert("label_ids".to_owned(), json!(labels));
                }
                body.insert("is_archived".to_owned(), json!(true));
            }
        }
        let kept = order.keep(replaced(journey, &body)).await?;
        let row = self.patch(order, &journey.id, &Value::Object(body)).await?;
        Ok(Done { was: kept, ..done(row.time("update_time")) })
    }
}

fn owned_by(user: Option<i64>) -> Stop {
    superseded(&user.map_or("nobody owns it now".to_owned(), |user| format!("user {user} owns it now")))
}

fn kind(journey: &Journey) -> &'static str {
    if journey.is_lead() { "lead" } else { "deal" }
}

fn ended(state: State) -> &'static str {
    match state {
        State::Open => "opened",
        State::Archived => "archived",
        State::Deleted => "deleted",
        State::Won => "won",
        State::Lost => "lost",
    }
}

/// The present value of what is written to a lead or deal.
pub(super) fn present(journey: &Journey, name: &str) -> Option<Value> {
    match name {
        "owner_id" => journey.owner.map(|id| json!(id)),
        "stage_id" => journey.stage.map(|id| json!(id)),
        "label_ids" => Some(json!(journey.labels)),
        "is_archived" => Some(json!(journey.state == State::Archived)),
        "lost_reason" => journey.lost_reason.as_ref().map(|reason| json!(reason)),
        "status" => Some(json!(match journey.state {
            State::Won => "won",
            State::Lost => "lost",
            State::Open | State::Archived | State::Deleted => "open",
        })),
        _ => None,
    }
}

fn holds(journey: &Journey, body: &Map<String, Value>) -> bool {
    body.iter().all(|(name, value)| present(journey, name).as_ref() == Some(value))
}

fn replaced(journey: &Journey, body: &Map<String, Value>) -> Vec<crate::domain::plan::Was> {
    let place = place_of(&journey.id);
    let changed = body.iter().filter(|(name, value)| present(journey, name).as_ref() != Some(*value));
    changed.map(|(name, value)| was(format!("{place}/{name}"), present(journey, name).as_ref(), Some(value))).collect()
}

/// What enters a stage: a deal's place in the pipeline or its status, a lead's label.
pub(super) fn stage_values(
    maps: &Maps,
    catalogue: &Catalogue,
    journey: &Journey,
    stage: Stage,
) -> Result<Map<String, Value>, String> {
    let connection = &maps.connection;
    let Some(writes) = maps.writes(stage) else { return Err(format!("stage {stage} has no value to write")) };
    let mut body = Map::new();
    for (name, value) in writes {
        let missing = |what: &str| {
            format!(
                "there is no {what} {value:?} in this Pipedrive: name one in [connections.{connection}.stages] for {stage}"
            )
        };
        match (name.as_str(), journey.is_lead()) {
            (STAGE, false) => {
                let found = find(&catalogue.stages, value).ok_or_else(|| missing("stage"))?;
                let id: i64 = found.id.parse().map_err(|_| missing("stage"))?;
                body.insert("stage_id".to_owned(), json!(id));
            }
            (STATUS, false) => drop(body.insert("status".to_owned(), json!(value))),
            (LABEL, true) => {
                let found = find(&catalogue.labels, value).ok_or_else(|| missing("label of leads"))?;
                let mut labels = journey.labels.clone();
                if !labels.contains(&found.id) {
                    labels.push(found.id.clone());
                }
                body.insert("label_ids".to_owned(), json!(labels));
            }
            // Of the other kind of record.
            _ => {}
        }
    }
    if body.is_empty() {
        let other = if journey.is_lead() { LABEL } else { STAGE };
        return Err(format!(
            "stage {stage} has no value for a {}: add {other} to its `write` in [connections.{connection}.stages]",
            kind(journey)
        ));
    }
    Ok(body)
}
