//! Activities: what counts as a touch, and what only looks like one.
//!
//! A call, e-mail or meeting that is done is a touch of its owner: who ticked it off is not told. One that Baton made, or that is
//! Baton's, proves nothing. "Done can be ticked without work" (section 4): nobody can tell from here.

use super::super::catalogue::Catalogue;
use super::super::wire::Row;
use super::{observation, undecodable};
use crate::domain::id::{ConnectionId, Object, RecordRef, RemoteId};
use crate::domain::observation::{Content, Observation, TaskSeen};
use crate::domain::touch::{Channel, Genuine, NotGenuine, Touch};

/// The record that an activity without a person hangs on: a lead or a deal, whose person it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::connector::pipedrive) enum Hangs {
    Lead(String),
    Deal(i64),
}

/// On what an activity hangs that names nobody.
pub(in crate::connector::pipedrive) fn hangs_on(row: &Row) -> Option<Hangs> {
    if !people(row).is_empty() {
        return None;
    }
    let lead = row.text("lead_id").map(|id| Hangs::Lead(id.to_owned()));
    lead.or_else(|| row.integer("deal_id").map(Hangs::Deal))
}

/// The people of an activity: its participants, and the one it is of.
fn people(row: &Row) -> Vec<i64> {
    let participants = row.list("participants").iter().filter_map(|one| one.get("person_id")?.as_i64());
    let mut people: Vec<i64> = row.integer("person_id").into_iter().chain(participants).collect();
    people.sort_unstable();
    people.dedup();
    people
}

/// An activity; `beside` is the person of the lead or deal that it hangs on, where it names nobody itself.
pub(in crate::connector::pipedrive) fn activity(
    row: &Row,
    beside: Option<i64>,
    catalogue: &Catalogue,
    connection: &ConnectionId,
) -> Result<Observation, String> {
    let id = row.number().ok_or("it has no number")?;
    let modified = row.time("update_time").ok_or("update_time is no time")?;
    let mut people = people(row);
    if people.is_empty() {
        people.extend(beside);
    }
    let person = |id: i64| RecordRef::new(connection, Object::Person, id.to_string());
    let Some(channel) = row.text("type").and_then(|kind| catalogue.channels.get(kind)).copied() else {
        let seen = TaskSeen { person: people.first().map(|id| person(*id)), is_done: row.flag("done") };
        return Ok(observation(connection, Object::Task, id, modified, Content::Task(seen)));
    };
    let object = match channel {
        Channel::Call => Object::Call,
        Channel::Email => Object::Email,
        Channel::Meeting => Object::Meeting,
    };
    if row.flag("is_deleted") {
        return Ok(observation(connection, object, id, modified, Content::Gone));
    }
    let done_at = row.time("marked_as_done_time").filter(|_| row.flag("done"));
    if row.flag("done") && done_at.is_none() {
        return Ok(undecodable(connection, object, &id.to_string(), "marked_as_done_time is no time"));
    }
    let own = Some(catalogue.own);
    let is_ours = row.integer("creator_user_id") == own || row.integer("owner_id") == own;
    let genuine = match done_at {
        None => Genuine::No(NotGenuine::NotDone),
        Some(_) if is_ours => Genuine::No(NotGenuine::Automated),
        Some(_) => Genuine::Yes,
    };
    let of = RecordRef::new(connection, object, id.to_string());
    let touch = |of_person: i64| Touch {
        of: of.clone(),
        person: person(of_person),
        channel,
        at: done_at.unwrap_or(modified),
        by: row.integer("owner_id").map(|user| RemoteId::from(user.to_string())),
        genuine,
    };
    let touches = people.into_iter().map(touch).collect();
    Ok(observation(connection, object, id, modified, Content::Touch(touches)))
}
