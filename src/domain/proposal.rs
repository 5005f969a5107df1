//! Writes that wait for a person: what each would change, and whether what it was planned on still stands.

use super::handoff::Handoff;
use super::handoff_fields::HandoffFields;
use super::id::{Name, PersonId, RemoteId};
use super::lead::Points;
use super::plan::{Case, Effect, Write};
use super::record::{Author, PersonRecord};
use super::roster::Directory;

/// Points by which a score may move before a write of the old one is pointless.
const POINTS_THAT_MATTER: i32 = 5;

/// One line of the diff: from which value to which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What changes: `owner`, `stage`, `task`.
    pub what: &'static str,
    /// What it is now; `None` = nothing, or not known.
    pub from: Option<Shown>,
    /// What it becomes.
    pub to: Shown,
}

/// A value of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Somebody of the roster.
    Person(PersonId),
    /// Anything else.
    Text(String),
}

/// What `write` changes, as its lead stands in `case`.
#[must_use]
pub fn change(write: &Write, case: &Case, directory: &Directory) -> Change {
    let record = record(write, case);
    let person = |account: &RemoteId| match directory.person(&write.connection, account) {
        Some(person) => Shown::Person(person.clone()),
        None => Shown::Text(format!("user {account}")),
    };
    let text = |text: &str| Shown::Text(text.to_owned());
    let (from, to) = match &write.effect {
        Effect::Create { owner, .. } => (None, owner.as_ref().map_or_else(|| text("a new record"), person)),
        Effect::SetOwner { owner, .. } => {
            let now = record.and_then(PersonRecord::owner).and_then(|entry| entry.owner.as_ref());
            (now.map(person), person(owner))
        }
        Effect::SetStage { stage, .. } => {
            (record.and_then(PersonRecord::stage).map(|entry| text(entry.stage.as_str())), text(stage.as_str()))
        }
        Effect::SetScore(points) => (None, Shown::Text(score(*points))),
        Effect::SetHandoff(fields) => (None, Shown::Text(shows(fields))),
        Effect::AddTask { title, .. } => (None, text(title)),
        Effect::AddNote { body } => (None, text(body.lines().next().unwrap_or_default())),
        Effect::JoinTrack(track) => (None, Shown::Text(format!("on {track}"))),
        Effect::LeaveTrack(track) => (Some(Shown::Text(format!("on {track}"))), Shown::Text(format!("not on {track}"))),
        Effect::Reject(reason) => (None, Shown::Text(format!("given back: {reason}"))),
        Effect::Restore { values, .. } => {
            let all = |side: fn(&super::plan::Was) -> Option<&super::id::Name>| {
                let one = |was| format!("{} = {}", name(was), side(was).map_or("nothing", super::id::Name::as_str));
                values.iter().map(one).collect::<Vec<_>>().join(", ")
            };
            (Some(Shown::Text(all(|was| was.after.as_ref()))), Shown::Text(all(|was| was.before.as_ref())))
        }
        Effect::Withdraw { task, .. } => (Some(Shown::Text(task.to_string())), text("done with")),
    };
    Change { what: write.effect.as_str(), from, to }
}

fn name(was: &super::plan::Was) -> &str {
    was.name.as_str()
}

fn score(points: Points) -> String {
    let Points { fit, intent, engagement, grade } = points;
    format!("{grade} (fit {fit}, intent {intent}, engagement {engagement})")
}

fn shows(fields: &HandoffFields) -> String {
    let due = fields.owner_due.map_or_else(|| "nothing due".to_owned(), |due| format!("due {due}"));
    format!("{}, {due}", fields.reason.as_ref().map_or("no reason", Name::as_str))
}

/// Is this what the record was told last?
fn shows_last(write: &Write, fields: &HandoffFields, case: &Case) -> bool {
    case.lead.handoff_written.iter().any(|told| Some(&told.record) == write.record.as_ref() && told.fields == *fields)
}

/// The record that `write` goes to, as far as one is known.
fn record<'a>(write: &Write, case: &'a Case) -> Option<&'a PersonRecord> {
    match &write.record {
        Some(of) => case.records.iter().find(|record| &record.of == of),
        None => {
            let there = |record: &&PersonRecord| record.is_live() && record.of.connection == write.connection;
            case.records.iter().filter(there).max_by_key(|record| record.created)
        }
    }
}

/// Does what `write` was planned on still stand?
///
/// # Errors
/// What changed meanwhile, for a person to read.
pub fn stands(write: &Write, case: &Case) -> Result<(), String> {
    let record = record(write, case);
    if write.record.is_some() && record.is_none_or(|record| !record.is_live()) {
        return Err("the record is gone, or belongs to another lead now".to_owned());
    }
    let is_ended = |handoff: &Handoff| handoff.is_closed() && Some(handoff.id.number) == write.handoff;
    let has_ended = case.handoff.as_ref().is_some_and(is_ended);
    match &write.effect {
        Effect::SetOwner { owner, expected } => {
            let now = record.and_then(PersonRecord::owner).and_then(|entry| entry.owner.as_ref());
            if has_ended {
                Err("the hand-off has ended".to_owned())
            } else if now != expected.as_ref() && now != Some(owner) {
                let whose = now.map_or_else(|| "nobody".to_owned(), |now| format!("user {now}"));
                Err(format!("the owner is {whose} now"))
            } else {
                Ok(())
            }
        }
        Effect::Create { is_new_journey: false, .. } if record.is_some() => {
            Err("there is a record of this person now".to_owned())
        }
        Effect::Create { .. } | Effect::AddTask { .. } if has_ended => Err("the hand-off has ended".to_owned()),
        Effect::SetStage { stage, .. } if *stage != case.lead.stage => {
            Err(format!("the lead is at {} now", case.lead.stage))
        }
        Effect::SetStage { .. } => match record.and_then(PersonRecord::stage) {
            Some(entry) if matches!(entry.by, Author::Person(_)) && entry.at > case.lead.stage_since => {
                Err(format!("a person set {} meanwhile", entry.stage))
            }
            Some(_) | None => Ok(()),
        },
        Effect::SetScore(points) if moved(*points, case.lead.score) => {
            Err(format!("the score is {} now", score(case.lead.score)))
        }
        Effect::SetHandoff(fields) if !shows_last(write, fields, case) => Err("the hand-off has moved on".to_owned()),
        Effect::JoinTrack(track) if case.lead.track.as_ref() != Some(track) => {
            Err(format!("the lead is not on track {track} any more"))
        }
        Effect::Create { .. }
        | Effect::SetScore(_)
        | Effect::SetHandoff(_)
        | Effect::AddTask { .. }
        | Effect::AddNote { .. }
        | Effect::JoinTrack(_)
        | Effect::LeaveTrack(_)
        | Effect::Reject(_)
        | Effect::Restore { .. }
        | Effect::Withdraw { .. } => Ok(()),
    }
}

fn moved(one: Points, other: Points) -> bool {
    let far = |one: i32, other: i32| (one - other).abs() >= POINTS_THAT_MATTER;
    one.grade != other.grade
        || far(one.fit, other.fit)
        || far(one.intent, other.intent)
        || far(one.engagement, other.engagement)
}
