//! Sets what a record holds: status, score, the hand-off, the status of a lead that is given back.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::Salesforce;
use super::super::failure::Failure;
use super::super::settings::STATUS;
use super::super::wire::{self, Row};
use super::{Order, Person, Step, Stop, done, lane, one, refused, superseded};
use crate::connector::Done;
use crate::connector::settings::{HandoffPart, ScorePart};
use crate::domain::handoff_fields::HandoffFields;
use crate::domain::id::Name;
use crate::domain::lead::Points;
use crate::domain::plan::{Was, Write};
use crate::domain::stage::Stage;
use crate::http::Method;

impl Salesforce {
    pub(super) async fn set_stage(&self, order: Order<'_>, person: &Person, row: &Row, stage: Stage) -> Step<Done> {
        let Some(writes) = self.maps.writes(stage) else {
            return Err(refused(&format!("stage {stage} has no value to write")));
        };
        if person.object() != "Lead" {
            return Err(refused("a contact has no status: what is said of it is said of its opportunities"));
        }
        if let Some(by) = row.text(STATUS).filter(|status| self.maps.stage(STATUS, status) == Some(Stage::Disqualified))
        {
            return Err(superseded(&format!("the lead was given back meanwhile: {by}")).into());
        }
        let values = writes.iter().map(|(property, value)| (property.clone(), json!(value))).collect();
        self.set_values(order, person, row, values, "the stage").await
    }

    pub(super) async fn set_values(
        &self,
        order: Order<'_>,
        person: &Person,
        row: &Row,
        values: Map<String, Value>,
        what: &str,
    ) -> Step<Done> {
        let catalogue = self.catalogue().await.map_err(Stop::Look)?;
        let values: Map<String, Value> =
            values.into_iter().filter(|(name, _)| catalogue.field(person.object(), name).is_some()).collect();
        if values.is_empty() {
            return Err(refused(&format!("{} has no field for {what}", person.object())));
        }
        let was = replaced(row, &values);
        if was.is_empty() {
            return Ok(done(row.time("LastModifiedDate")));
        }
        let was = order.keep(was).await?;
        self.patch(order.write, person, &values, None).await.map_err(Stop::Write)?;
        let after = self.look(person).await.map_err(Stop::Write)?;
        Ok(Done { was, ..done(after.and_then(|row| row.time("LastModifiedDate"))) })
    }

    /// Marks a lead as given back: the status, and the reason where the org has a field for it.
    pub(super) async fn reject(&self, order: Order<'_>, person: &Person, row: &Row, reason: &Name) -> Step<Done> {
        if person.object() != "Lead" {
            return Err(refused("a contact cannot be given back by a status: sales closes its opportunity"));
        }
        let values = self.rejection(reason).map_err(|message| refused(&message))?;
        let status = row.text(STATUS).unwrap_or_default();
        if self.maps.stage(STATUS, status) == Some(Stage::Disqualified) || self.maps.reason(status).is_some() {
            return Ok(done(row.time("LastModifiedDate")));
        }
        self.set_values(order, person, row, values, "the reason").await
    }

    /// What says that a lead was given back for `reason`.
    pub(super) fn rejection(&self, reason: &Name) -> Result<Map<String, Value>, String> {
        let connection = &self.maps.connection;
        let said = self.maps.reasons.iter().find(|(name, _)| name == reason).and_then(|(_, values)| values.first());
        let Some(said) = said else {
            return Err(format!(
                "reason {reason} has no value; add to [connections.{connection}.reasons]: {reason} = [\"…\"]"
            ));
        };
        let status = self.maps.given_back();
        match (&self.maps.reason_field, status) {
            (Some(field), Some(status)) => {
                Ok([(STATUS.to_owned(), json!(status)), (field.clone(), json!(said))].into_iter().collect())
            }
            (None, _) => Ok(one(STATUS, json!(said))),
            (Some(_), None) => {
                Err(format!("no status says that a lead is given back: name one in [connections.{connection}.stages]"))
            }
        }
    }

    pub(super) async fn patch(
        &self,
        write: &Write,
        person: &Person,
        values: &Map<String, Value>,
        unmodified_since: Option<Timestamp>,
    ) -> Result<(), Failure> {
        let path = ["sobjects", person.object(), person.id.as_str()];
        self.api.write(lane(write.lane), Method::Patch, &path, values, unmodified_since).await.map(drop)
    }

    /// What is nothing is written as null, which clears the field.
    pub(super) fn handoff_values(&self, fields: &HandoffFields) -> Map<String, Value> {
        let value = |part: &HandoffPart| match part {
            HandoffPart::Reason => fields.reason.as_ref().map(|reason| json!(reason.as_str())),
            HandoffPart::OwnerDue => fields.owner_due.map(|due| json!(wire::stamp(due))),
        };
        self.maps
            .handoff
            .iter()
            .map(|(part, property)| (property.clone(), value(part).unwrap_or(Value::Null)))
            .collect()
    }

    pub(super) fn score_values(&self, points: Points) -> Map<String, Value> {
        let value = |part: &ScorePart| match part {
            ScorePart::Fit => json!(points.fit),
            ScorePart::Intent => json!(points.intent),
            ScorePart::Engagement => json!(points.engagement),
            ScorePart::Grade => json!(points.grade.to_string()),
        };
        self.maps.score.iter().map(|(part, property)| (property.clone(), value(part))).collect()
    }
}

/// What writing `values` over `row` replaces.
pub(super) fn replaced(row: &Row, values: &Map<String, Value>) -> Vec<Was> {
    let text =
        |value: Option<&Value>| value.filter(|value| !value.is_null()).map(|value| Name::from(value.to_string()));
    let changed = values.iter().filter(|(name, value)| !is_same(row.0.get(*name), Some(value)));
    changed
        .map(|(name, value)| Was {
            name: Name::from(name.as_str()),
            before: text(row.0.get(name)),
            after: text(Some(value)),
        })
        .collect()
}

/// Numbers and times may come back in another form.
pub(super) fn is_same(one: Option<&Value>, other: Option<&Value>) -> bool {
    let set = |value: Option<&Value>| value.filter(|value| !value.is_null()).cloned();
    match (set(one), set(other)) {
        (None, None) => true,
        (Some(Value::Number(one)), Some(Value::Number(other))) => {
            crate::connector::number::is_same(&one.to_string(), &other.to_string())
        }
        (Some(Value::String(one)), Some(Value::String(other))) => {
            let at = |text: &str| if text.len() > 10 { wire::instant(text) } else { None };
            one == other || (at(&one).is_some() && at(&one) == at(&other))
        }
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}
