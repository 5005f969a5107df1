//! Tasks and events: what counts as a touch, and what only looks like one. Source: the sheet, section 4, "Evidence of sales follow-up".
//!
//! A closed call or e-mail task is the evidence, by its owner, at `CompletedDateTime`. `ActivityDate` is a plan, and a lead's
//! `LastActivityDate` is made of it, so neither is a touch. A task that Baton made and a rep has closed is the rep's; what Baton made and
//! closed itself (its notes) is a machine's.

use jiff::Timestamp;

use super::super::catalogue::Catalogue;
use super::super::settings::Maps;
use super::super::wire::Row;
use super::{observation, person, remote};
use crate::domain::id::{ConnectionId, Name, Object, RecordRef};
use crate::domain::observation::{Content, Observation};
use crate::domain::touch::{Channel, Genuine, NotGenuine, Touch};

/// A task as a way to reach somebody; nothing if it is none. Tasks are one kind of object, whatever way they are of: the way can be
/// edited.
pub(in crate::connector::salesforce) fn task(
    row: &Row,
    catalogue: &Catalogue,
    connection: &ConnectionId,
) -> Option<Observation> {
    if row.flag("IsDeleted") {
        return observation(connection, Object::Call, row, Content::Gone, Vec::new());
    }
    let (Some(who), Some(channel)) = (row.id("WhoId"), channel(row)) else {
        return observation(connection, Object::Call, row, Content::Touch(Vec::new()), Vec::new());
    };
    let is_closed = row.flag("IsClosed");
    let at = if is_closed {
        row.time("CompletedDateTime").or_else(|| row.time("CreatedDate"))
    } else {
        row.time("CreatedDate")
    };
    let Some(at) = at else {
        let why = Content::Undecodable(Name::from("CreatedDate is no time"));
        return observation(connection, Object::Call, row, why, Vec::new());
    };
    let genuine = match (is_closed, is_machines(row, catalogue)) {
        (false, _) => Genuine::No(NotGenuine::NotDone),
        (true, true) => Genuine::No(NotGenuine::Automated),
        (true, false) => Genuine::Yes,
    };
    let touch = Touch {
        of: RecordRef::new(connection, Object::Call, row.id("Id")?.as_str()),
        person: person(connection, &who),
        channel,
        at,
        by: doer(row).map(|user| remote(&user)),
        genuine,
    };
    observation(connection, Object::Call, row, Content::Touch(vec![touch]), Vec::new())
}

/// By which way a task reaches somebody. A plain task says it by its type, if at all.
fn channel(row: &Row) -> Option<Channel> {
    match row.text("TaskSubtype") {
        Some("Call") => Some(Channel::Call),
        Some("Email" | "List Email" | "Cadence") => Some(Channel::Email),
        _ => match row.text("Type")? {
            "Call" => Some(Channel::Call),
            "Email" => Some(Channel::Email),
            "Meeting" => Some(Channel::Meeting),
            _ => None,
        },
    }
}

/// Automation logs tasks, too. Source: section 4, "Evidence".
fn is_machines(row: &Row, catalogue: &Catalogue) -> bool {
    if matches!(row.text("TaskSubtype"), Some("List Email" | "Cadence")) {
        return true;
    }
    let is_machine = |field: &str| {
        row.id(field).is_some_and(|user| catalogue.own.as_ref() == Some(&user) || catalogue.robots.contains_key(&user))
    };
    // What a person made and a machine has touched since was done by the person all the same.
    is_machine("CreatedById") && is_machine("LastModifiedById")
}

fn doer(row: &Row) -> Option<super::super::soql::Id> {
    row.id("OwnerId").filter(|owner| owner.prefix() == "005").or_else(|| row.id("LastModifiedById"))
}

/// An event. No flag says that it took place: one that lies in the past proves a booking, and counts as a meeting only if the settings take
/// it for held. Source: section 4, Event and "Evidence".
pub(in crate::connector::salesforce) fn event(
    row: &Row,
    now: Timestamp,
    maps: &Maps,
    catalogue: &Catalogue,
) -> Option<Observation> {
    let connection = &maps.connection;
    if row.flag("IsDeleted") {
        return observation(connection, Object::Meeting, row, Content::Gone, Vec::new());
    }
    let ends = row.time("EndDateTime").or_else(|| row.time("StartDateTime"));
    let (Some(who), Some(at)) = (row.id("WhoId"), ends) else {
        return observation(connection, Object::Meeting, row, Content::Touch(Vec::new()), Vec::new());
    };
    let genuine = match (at <= now, is_machines(row, catalogue)) {
        (false, _) => Genuine::No(NotGenuine::NotDone),
        (true, true) => Genuine::No(NotGenuine::Automated),
        (true, false) if maps.events_are_held => Genuine::Yes,
        (true, false) => Genuine::No(NotGenuine::Unsaid),
    };
    let touch = Touch {
        of: RecordRef::new(connection, Object::Meeting, row.id("Id")?.as_str()),
        person: person(connection, &who),
        channel: Channel::Meeting,
        at,
        by: doer(row).map(|user| remote(&user)),
        genuine,
    };
    observation(connection, Object::Meeting, row, Content::Touch(vec![touch]), Vec::new())
}
