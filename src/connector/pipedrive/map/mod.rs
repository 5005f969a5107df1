//! Pipedrive's rows -> Baton's words. Pure.
//!
//! A person is told whole: who they are (their own record), and how far sales is with them (the lead or deal that carries the
//! journey). Reading order: `values` (fields, keys, signals), `journey` (stage, owner, sales' word), `touches` (activities), `deals`
//! (deals, organizations).

use jiff::Timestamp;

use super::book::Book;
use super::catalogue::Catalogue;
use super::settings::Maps;
use super::wire::Row;
use crate::connector::phone;
use crate::domain::finding::{Finding, FindingKind, Subject};
use crate::domain::id::{ConnectionId, Name, Object, RecordRef};
use crate::domain::observation::{Content, Observation, PersonSeen, UserSeen};

mod deals;
mod journey;
#[cfg(test)]
mod tests;
mod touches;
pub(super) mod values;

pub(super) use deals::{deal, organization};
pub(super) use journey::unmapped_stage;
pub(super) use touches::{Hangs, activity, hangs_on};

/// What people are mapped with.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) maps: &'a Maps,
    pub(super) catalogue: &'a Catalogue,
    pub(super) book: &'a Book,
}

/// A person with the journey that is theirs; the error says what is wrong with the row.
pub(super) fn person(row: &Row, context: Context<'_>) -> Result<Observation, String> {
    let id = row.number().ok_or("it has no number")?;
    let own = row.time("update_time").ok_or("update_time is no time")?;
    let Context { maps, book, catalogue } = context;
    if row.flag("is_deleted") {
        let at = book.changed(id).map_or(own, |at| at.max(own));
        return Ok(observation(&maps.connection, Object::Person, id, at, Content::Gone));
    }
    let modified = book.changed(id).map_or(own, |changed| changed.max(own));
    let mut findings = Vec::new();
    let current = book.current(id);
    let told = journey::told(current, context, &mut findings);
    let values = values::values(row, current, modified, context, &mut findings);
    let mut keys = values::keys(row, id, context);
    keys.extend(phone::key(&values, maps.country.as_ref().map(Name::as_str)));
    let organization = row.integer("org_id").or_else(|| current.and_then(|journey| journey.organization));
    let company = organization.map(|org| RecordRef::new(&maps.connection, Object::Company, org.to_string()));
    let seen = PersonSeen {
        created: row.time("add_time").unwrap_or(own),
        values,
        keys,
        // Polling cannot tell a merge from a deletion; webhooks can. Source: section 5.
        merged: Vec::new(),
        company: Some(company),
        stages: told.stage.into_iter().collect(),
        owners: vec![journey::owner(current, row, own)],
        // Fields of one's own have no history, so nobody could be named.
        scores: Vec::new(),
        disposition: told.disposition,
        signals: values::signals(row, current, modified, maps, catalogue),
        has_history: false,
    };
    let mut told = observation(&maps.connection, Object::Person, id, modified, Content::Person(Box::new(seen)));
    told.findings = findings;
    Ok(told)
}

/// A member of staff. Source: section 4.
pub(super) fn user(row: &Row, connection: &ConnectionId, now: Timestamp) -> Result<Observation, String> {
    let id = row.number().ok_or("it has no number")?;
    let email = row.text("email").map(|email| Name::from(email.to_lowercase()));
    let name = row.text("name").map(Name::from).or_else(|| email.clone()).ok_or("it has no name")?;
    let is_active = row.flag("active_flag") && !row.flag("is_deleted");
    let content = Content::User(UserSeen { email, login: None, name, is_active });
    let at = row.time("modified").or_else(|| row.time("created")).unwrap_or(now);
    Ok(observation(connection, Object::User, id, at, content))
}

/// A record that cannot be read is kept by id with the reason.
pub(super) fn undecodable(connection: &ConnectionId, object: Object, id: &str, why: &str) -> Observation {
    Observation {
        of: RecordRef::new(connection, object, id),
        modified: Timestamp::default(),
        content: Content::Undecodable(Name::from(why)),
        findings: Vec::new(),
    }
}

/// Any finding about a part of the connection.
pub(super) fn finding(maps: &Maps, kind: FindingKind, part: String, text: String) -> Finding {
    Finding { kind, subject: Subject::Connection(maps.connection.clone(), Name::from(part)), text }
}

pub(super) fn observation(
    connection: &ConnectionId,
    object: Object,
    id: i64,
    modified: Timestamp,
    content: Content,
) -> Observation {
    Observation { of: RecordRef::new(connection, object, id.to_string()), modified, content, findings: Vec::new() }
}
