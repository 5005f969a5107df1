//! Sets what a person's own fields hold: the score, and what is shown of the hand-off.

use serde_json::{Map, Value, json};

use super::super::Pipedrive;
use super::super::catalogue::FieldDef;
use super::super::settings::{Maps, Of};
use super::super::wire::{Row, stamp};
use super::{Order, Step, Stop, Target, done, refused, was};
use crate::connector::settings::{HandoffPart, ScorePart};
use crate::connector::{Done, number};
use crate::domain::handoff_fields::HandoffFields;
use crate::domain::lead::Points;
use crate::domain::plan::Was;
use crate::http::Method;

/// Names of fields, as the settings have them, and what goes into them.
pub(super) type Wanted = Vec<(String, Value)>;

pub(super) fn score(maps: &Maps, points: Points) -> Wanted {
    let value = |part: &ScorePart| match part {
        ScorePart::Fit => json!(points.fit),
        ScorePart::Intent => json!(points.intent),
        ScorePart::Engagement => json!(points.engagement),
        ScorePart::Grade => json!(points.grade.to_string()),
    };
    maps.score.iter().map(|(part, name)| (name.clone(), value(part))).collect()
}

/// What is nothing is written as `null`, which clears the field.
pub(super) fn handoff(maps: &Maps, shown: &HandoffFields) -> Wanted {
    let value = |part: &HandoffPart| match part {
        HandoffPart::Reason => shown.reason.as_ref().map(|reason| json!(reason.as_str())),
        HandoffPart::OwnerDue => shown.owner_due.map(|due| json!(stamp(due))),
    };
    maps.handoff.iter().map(|(part, name)| (name.clone(), value(part).unwrap_or(Value::Null))).collect()
}

impl Pipedrive {
    pub(super) async fn set_fields(&self, order: Order<'_>, target: &Target, wanted: Wanted, what: &str) -> Step<Done> {
        if wanted.is_empty() {
            return Err(refused(&format!("no field is mapped for the {what}")));
        }
        let mut body = Map::new();
        let mut replaced: Vec<Was> = Vec::new();
        for (name, value) in wanted {
            let Some(field) = order.catalogue.field(Of::Person, &name).filter(|field| field.is_custom) else {
                return Err(refused(&format!("persons have no field {name:?} of the company's own for the {what}")));
            };
            let value = as_held(field, value);
            let now = target.row.custom(&field.code);
            if !is_same(now, Some(&value)) {
                replaced.push(was(format!("person/{}", field.code), now, Some(&value)));
                body.insert(field.code.clone(), value);
            }
        }
        // An empty `custom_fields` would clear all of them. Source: section 10.
        if body.is_empty() {
            return Ok(done(target.row.time("update_time")));
        }
        let kept = order.keep(replaced).await?;
        let path = ["v2", "persons", &target.person.to_string()];
        let body = json!({ "custom_fields": body });
        let row = self.api.write(order.lane(), Method::Patch, &path, &body).await.map_err(Stop::Write)?;
        Ok(Done { was: kept, ..done(row.time("update_time")) })
    }

    /// Does the person's row show all of this?
    pub(super) fn shows(&self, row: &Row, wanted: &Wanted, catalogue: &super::super::catalogue::Catalogue) -> bool {
        !wanted.is_empty()
            && wanted.iter().all(|(name, value)| {
                let field = catalogue.field(Of::Person, name).filter(|field| field.is_custom);
                field.is_some_and(|field| is_same(row.custom(&field.code), Some(&as_held(field, value.clone()))))
            })
    }
}

/// v2 takes no number for a text. Source: section 3.
fn as_held(field: &FieldDef, value: Value) -> Value {
    match (field.holds.as_str(), &value) {
        ("varchar" | "text" | "varchar_auto", Value::Number(number)) => json!(number.to_string()),
        _ => value,
    }
}

/// Numbers may come back in another form, and nothing is null.
pub(super) fn is_same(one: Option<&Value>, other: Option<&Value>) -> bool {
    let set = |value: Option<&Value>| value.filter(|value| !value.is_null() && **value != json!("")).cloned();
    match (set(one), set(other)) {
        (Some(Value::Number(one)), Some(Value::Number(other))) => number::is_same(&one.to_string(), &other.to_string()),
        (one, other) => one == other,
    }
}
