//! Odoo's rows -> Baton's words. Pure.
//!
//! One `crm.lead` carries one journey of one person. Its history comes from `mail.tracking.value`, which is committed
//! together with the record's own change; which is why `leads` brings both and tracking is no stream of its own. Reading
//! order: `history` (stages, owners, sales' word), `values` (fields, keys, signals), `touches` (messages).

use std::collections::HashMap;

use jiff::Timestamp;

use super::catalogue::{Catalogue, Named};
use super::settings::{Maps, STAGE, WON_STATUS};
use super::wire::{Row, instant};
use crate::connector::phone;
use crate::domain::finding::{Finding, FindingKind, Subject};
use crate::domain::id::{ConnectionId, Name, Object, RecordRef};
use crate::domain::observation::{Content, Observation, PersonSeen, TaskSeen, UserSeen};
use crate::domain::stage::StageEntry;

mod deals;
mod history;
#[cfg(test)]
mod tests;
mod touches;
mod values;

pub(super) use deals::{WORTH, deal};
use history::{disposition, lost_deal, owners, stages};
pub(super) use touches::{message, wants_recipients};
use values::{keys, signals, values};

/// One tracked change of a lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The lead.
    pub(super) lead: i64,
    /// Its place among the changes: later ones are greater.
    pub(super) id: i64,
    /// The message it came with: changes of one transaction share it.
    pub(super) message: i64,
    /// The field.
    pub(super) field: String,
    /// The number before; 0 for none.
    pub(super) old: Named,
    /// The number after; 0 for none.
    pub(super) new: Named,
    /// When the transaction began.
    pub(super) at: Timestamp,
    /// The user.
    pub(super) by: i64,
}

/// A notification of a message to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) message: i64,
    /// The partner it went to, if not a bare address.
    pub(super) partner: Option<i64>,
    pub(super) status: String,
}

/// What a page of leads is read with.
#[derive(Clone, Debug, Default)]
pub(super) struct Beside {
    /// Changes by lead, oldest first.
    pub(super) changes: HashMap<i64, Vec<Change>>,
    /// Names of Baton's external ids by lead.
    pub(super) keys: HashMap<i64, Vec<String>>,
}

/// Reads a tracking value; `lead_of` knows the messages.
pub(super) fn change(row: &Row, catalogue: &Catalogue, lead_of: &HashMap<i64, i64>) -> Option<Change> {
    let side = |number: &str, name: &str| Named {
        id: row.integer(number).unwrap_or_default(),
        name: row.text(name).unwrap_or_default().to_owned(),
    };
    let message = row.link_id("mail_message_id")?;
    Some(Change {
        lead: *lead_of.get(&message)?,
        id: row.id()?,
        message,
        field: catalogue.tracked.as_ref()?.get(&row.link_id("field_id")?)?.clone(),
        old: side("old_value_integer", "old_value_char"),
        new: side("new_value_integer", "new_value_char"),
        at: row.time("create_date")?,
        by: row.link_id("create_uid")?,
    })
}

/// A member of staff.
pub(super) fn user(row: &Row, connection: &ConnectionId) -> Option<Observation> {
    let name = |field: &str| row.text(field).map(Name::from);
    let content = Content::User(UserSeen {
        email: row.text("email").map(|email| Name::from(email.to_lowercase())),
        login: name("login"),
        name: name("name").or_else(|| name("login"))?,
        is_active: row.flag("active"),
    });
    Some(observation(connection, Object::User, row, content, Vec::new()))
}

/// A lead with its history.
pub(super) fn lead(row: &Row, beside: &Beside, maps: &Maps, catalogue: &Catalogue) -> Option<Observation> {
    let id = row.id()?;
    let modified = row.time("write_date")?;
    // Changes newer than the row belong to a write that came between the two reads; the next pass brings them.
    let all = beside.changes.get(&id).map_or(&[][..], Vec::as_slice);
    let changes: Vec<&Change> = all.iter().filter(|change| change.at <= modified).collect();
    let mut findings = Vec::new();
    if !row.flag("active") && row.text(WON_STATUS) == Some("pending") {
        // Archived without being lost: out of sight for everybody, as good as deleted.
        return Some(observation(&maps.connection, Object::Person, row, Content::Gone, findings));
    }
    let stages = stages(row, &changes, maps, catalogue, &mut findings);
    let disposition = disposition(row, &changes, &stages, maps, catalogue, &mut findings);
    let mut ledger: Vec<StageEntry> = stages.clone();
    if let Some(lost) = lost_deal(&stages, disposition.as_ref()) {
        ledger.push(lost);
    }
    let values = values(row, modified, maps, catalogue, &mut findings);
    let mut keys = keys(row, beside.keys.get(&id).map_or(&[], Vec::as_slice), maps);
    keys.extend(phone::key(&values, maps.country.as_ref().map(Name::as_str)));
    let seen = PersonSeen {
        created: row.time("create_date").unwrap_or(modified),
        values,
        keys,
        merged: Vec::new(),
        company: None,
        stages: ledger,
        owners: owners(row, &changes, catalogue),
        // Fields of one's own are not tracked, so nobody could be named.
        scores: Vec::new(),
        disposition,
        signals: signals(row, modified, maps),
        has_history: catalogue.tracked.is_some(),
    };
    Some(observation(&maps.connection, Object::Person, row, Content::Person(Box::new(seen)), findings))
}

/// The first field of a lead whose value has another shape than the CRM says of it: such a record is not guessed at. `kinds`
/// are the types by field.
pub(super) fn misshapen(row: &Row, kinds: &HashMap<String, String>) -> Option<String> {
    let bad = row.0.iter().find_map(|(name, value)| {
        let kind = kinds.get(name)?;
        (!has_shape(kind, value)).then_some((name, kind))
    });
    bad.map(|(name, kind)| format!("{name} is no {kind}"))
}

/// Does a value look as `search_read` shows values of this type? Empty is `false`. Source: `fields_get` and rows of 19.0.
fn has_shape(kind: &str, value: &serde_json::Value) -> bool {
    use serde_json::Value;
    if matches!(value, Value::Null | Value::Bool(false)) {
        return true;
    }
    match kind {
        "many2one" => value.as_array().is_some_and(|pair| pair.first().is_some_and(Value::is_i64)),
        "datetime" => value.as_str().is_some_and(|text| instant(text).is_some()),
        "char" | "text" | "html" | "selection" | "date" => value.is_string(),
        "integer" | "float" | "monetary" => value.is_number(),
        "boolean" => value.is_boolean(),
        "many2many" | "one2many" => value.is_array(),
        _ => true,
    }
}

/// A task.
pub(super) fn activity(row: &Row, connection: &ConnectionId) -> Option<Observation> {
    row.id()?;
    let lead = row.integer("res_id").map(|id| person(connection, id));
    let content = Content::Task(TaskSeen { person: lead, is_done: !row.flag("active") });
    Some(observation(connection, Object::Task, row, content, Vec::new()))
}

/// The field of a lead that holds why it was lost.
pub(super) const LOST_REASON: &str = "lost_reason_id";

/// The finding of a stage that no map knows, with the line that maps it.
pub(super) fn unmapped_stage(maps: &Maps, name: &str) -> Finding {
    let connection = &maps.connection;
    finding(
        maps,
        FindingKind::Unmapped,
        format!("{STAGE}={name}"),
        format!(
            "stage {name:?} means nothing to Baton; if it should, add to [connections.{connection}.stages]: \
             negotiation = {{ read = {{ {STAGE} = [{name:?}] }}, write = {{ {STAGE} = {name:?} }} }}"
        ),
    )
}

/// The name that a reason of the agreement would have: "Bad timing" reads as `bad_timing`.
fn reason_like(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let like = words.collect::<Vec<_>>().join("_").to_ascii_lowercase();
    if like.is_empty() { "bad_timing".to_owned() } else { like }
}

/// The finding of a lost reason that no map knows, with the line that maps it.
pub(super) fn unmapped_reason(maps: &Maps, name: &str) -> Finding {
    let connection = &maps.connection;
    finding(
        maps,
        FindingKind::Unmapped,
        format!("{LOST_REASON}={name}"),
        format!(
            "lost reason {name:?} is not mapped, so a lead lost with it is rejected without a reason of the agreement; \
             add to [connections.{connection}.reasons] the reason it means: {} = [{name:?}]",
            reason_like(name)
        ),
    )
}

/// Any finding about a part of the connection.
pub(super) fn finding(maps: &Maps, kind: FindingKind, part: String, text: String) -> Finding {
    Finding { kind, subject: Subject::Connection(maps.connection.clone(), Name::from(part)), text }
}

/// The record of a lead.
pub(super) fn person(connection: &ConnectionId, id: i64) -> RecordRef {
    RecordRef::new(connection, Object::Person, id.to_string())
}

fn observation(
    connection: &ConnectionId,
    object: Object,
    row: &Row,
    content: Content,
    findings: Vec<Finding>,
) -> Observation {
    let id = row.id().unwrap_or_default().to_string();
    let modified = row.time("write_date").unwrap_or_default();
    Observation { of: RecordRef::new(connection, object, id), modified, content, findings }
}
