//! Salesforce's rows -> Baton's words. Pure.
//!
//! A person stands in a Lead, and after its conversion in a Contact: the contact's observation names the lead as one that was merged into
//! it, so that hand-off, owner and clock go on. Reading order: `lead` (a lead with its history), `contact` (a contact with the leads that
//! became it and the opportunities it is in), `values` (fields, keys, signals), `deals`, `touches`.

use jiff::Timestamp;

use super::catalogue::Catalogue;
use super::settings::{Maps, STAGE, STATUS};
use super::soql::Id;
use super::wire::Row;
use crate::connector::settings::StageMap;
use crate::domain::finding::{Finding, FindingKind, Subject};
use crate::domain::id::{ConnectionId, Name, Object, RecordRef, RemoteId};
use crate::domain::observation::{CompanySeen, Content, Observation, TaskSeen, UserSeen};
use crate::domain::record::Author;
use crate::domain::stage::Stage;

mod contact;
mod deals;
mod lead;
mod touches;
mod values;

pub(super) use contact::{Around, contact};
pub(super) use deals::deal;
pub(super) use lead::{Change, change, lead};
pub(super) use touches::{event, task};

/// A member of staff.
pub(super) fn user(row: &Row, connection: &ConnectionId) -> Option<Observation> {
    let name = |field: &str| row.text(field).map(Name::from);
    let content = Content::User(UserSeen {
        email: row.text("Email").map(|email| Name::from(email.to_lowercase())),
        login: name("Username"),
        name: name("Name").or_else(|| name("Username"))?,
        is_active: row.flag("IsActive"),
    });
    observation(connection, Object::User, row, content, Vec::new())
}

/// An employer.
pub(super) fn account(row: &Row, maps: &Maps) -> Option<Observation> {
    if row.flag("IsDeleted") {
        return ended(&maps.connection, Object::Company, row);
    }
    let mut findings = Vec::new();
    let values = values::values(row, row.stamp()?, super::settings::Kind::Account, maps, &mut findings);
    let content = Content::Company(CompanySeen { values, owner: person_owner(row) });
    observation(&maps.connection, Object::Company, row, content, findings)
}

/// A task, for "has it been done".
pub(super) fn task_state(row: &Row, connection: &ConnectionId) -> Option<Observation> {
    let content = if row.flag("IsDeleted") {
        Content::Gone
    } else {
        let who = row.id("WhoId").map(|who| person(connection, &who));
        Content::Task(TaskSeen { person: who, is_done: row.flag("IsClosed") })
    };
    observation(connection, Object::Task, row, content, Vec::new())
}

/// A deleted row: the one that it was merged into, or nothing. Source: section 6, "Merges".
fn ended(connection: &ConnectionId, object: Object, row: &Row) -> Option<Observation> {
    let content = match row.id("MasterRecordId") {
        Some(master) => Content::MergedInto(remote(&master)),
        None => Content::Gone,
    };
    observation(connection, object, row, content, Vec::new())
}

/// The owner, if it is a person: a queue is nobody. Source: section 4, `OwnerId`.
pub(super) fn person_owner(row: &Row) -> Option<RemoteId> {
    row.id("OwnerId").filter(|owner| owner.prefix() == "005").map(|owner| remote(&owner))
}

/// Who did something.
pub(super) fn author(user: Option<&Id>, catalogue: &Catalogue) -> Author {
    match user {
        None => Author::Unknown,
        Some(user) if catalogue.own.as_ref() == Some(user) => Author::Baton,
        Some(user) => match catalogue.robots.get(user) {
            Some(name) => Author::Automation(Name::from(name.as_str())),
            None => Author::Person(Some(remote(user))),
        },
    }
}

/// The last editor changed something, not necessarily this. Source: section 4, "Evidence".
fn last_editor(row: &Row, catalogue: &Catalogue) -> Author {
    match author(row.id("LastModifiedById").as_ref(), catalogue) {
        Author::Baton => Author::Baton,
        Author::Person(_) | Author::Automation(_) | Author::Unknown => Author::Unknown,
    }
}

/// The finding of a status that no map knows, with the line that maps it.
pub(super) fn unmapped_status(maps: &Maps, name: &str) -> Finding {
    let line =
        StageMap { stage: Stage::Sal, read: vec![(STATUS.to_owned(), vec![name.to_owned()])], write: Vec::new() };
    unmapped(maps, STATUS, "status", name, &line)
}

/// The same for a stage of opportunities.
pub(super) fn unmapped_stage(maps: &Maps, name: &str) -> Finding {
    let line = StageMap { stage: Stage::Sql, read: vec![(STAGE.to_owned(), vec![name.to_owned()])], write: Vec::new() };
    unmapped(maps, STAGE, "stage", name, &line)
}

fn unmapped(maps: &Maps, property: &str, what: &str, name: &str, line: &StageMap) -> Finding {
    let connection = &maps.connection;
    finding(
        maps,
        FindingKind::Unmapped,
        format!("{property}={name}"),
        format!(
            "{what} {name:?} means nothing to Baton; if it should, add to [connections.{connection}.stages]: {}",
            line.line()
        ),
    )
}

/// The finding of a reason that no map knows, with the line that maps it.
pub(super) fn unmapped_reason(maps: &Maps, said: &str) -> Finding {
    let connection = &maps.connection;
    let property = maps.reason_field.as_deref().unwrap_or(STATUS);
    finding(
        maps,
        FindingKind::Unmapped,
        format!("{property}={said}"),
        format!(
            "{property} {said:?} is no reason of the agreement, so a lead that is given back with it is rejected without one; add to \
             [connections.{connection}.reasons] the reason it means: bad_timing = [{said:?}]"
        ),
    )
}

/// Any finding about a part of the connection.
pub(super) fn finding(maps: &Maps, kind: FindingKind, part: String, text: String) -> Finding {
    Finding { kind, subject: Subject::Connection(maps.connection.clone(), Name::from(part)), text }
}

/// The record of a lead or a contact.
pub(super) fn person(connection: &ConnectionId, id: &Id) -> RecordRef {
    RecordRef::new(connection, Object::Person, id.as_str())
}

pub(super) fn remote(id: &Id) -> RemoteId {
    RemoteId::from(id.as_str())
}

fn observation(
    connection: &ConnectionId,
    object: Object,
    row: &Row,
    content: Content,
    findings: Vec<Finding>,
) -> Option<Observation> {
    let of = RecordRef::new(connection, object, row.id("Id")?.as_str());
    Some(Observation { of, modified: row.stamp()?, content, findings })
}

/// The newest of these times.
fn newest(times: impl IntoIterator<Item = Timestamp>, least: Timestamp) -> Timestamp {
    times.into_iter().fold(least, Timestamp::max)
}
