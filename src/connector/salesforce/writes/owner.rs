//! Owners, where a person's choice wins (promise 5).
//!
//! Between the look and the write somebody may give the lead to another. An owner that goes alone is written under `If-Unmodified-Since`; a
//! collection knows no such condition (section 7). Where owners are tracked, the history's entry of our own change therefore says whom it
//! really replaced: one question for up to 200 leads, right after the write. A person's owner that was overwritten is put back, and stands.
//! Where no history tells, owners never go as a collection, and what remains is the second that the condition is exact to.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::Salesforce;
use super::super::catalogue::Catalogue;
use super::super::failure::Failure;
use super::super::map::Change;
use super::super::read::Source;
use super::super::soql::Id;
use super::super::wire::Row;
use super::record::replaced;
use super::{Order, Person, Step, Stop, done, one, refused};
use crate::connector::{Done, Outcome};
use crate::domain::id::RemoteId;
use crate::domain::plan::Write;

/// What the history says of an owner that Baton wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It stands since then, and replaced whom it was meant to replace.
    Stands(Timestamp),
    /// It was written at `at` over `owner`, whom a person had chosen meanwhile.
    Over { owner: Id, at: Timestamp },
    /// Somebody else has the record by now.
    Passed(Option<Id>),
    /// Nothing of it.
    Silent,
}

/// What was looked at before an owner was written.
#[derive(Clone, Debug)]
pub(super) struct Looked {
    /// The owner, a queue's id included.
    pub(super) owner: Option<Id>,
    /// The record's last change then; `None` for a write of an earlier try.
    pub(super) modified: Option<Timestamp>,
}

impl Looked {
    pub(super) fn of(row: &Row) -> Self {
        Self { owner: row.id("OwnerId"), modified: row.time("LastModifiedDate") }
    }

    fn expected(expected: Option<&RemoteId>) -> Self {
        Self { owner: expected.and_then(|owner| Id::parse(owner.as_str())), modified: None }
    }
}

impl Salesforce {
    pub(super) async fn set_owner(
        &self,
        order: Order<'_>,
        person: &Person,
        row: &Row,
        owner: &RemoteId,
        expected: Option<&RemoteId>,
    ) -> Step<Done> {
        let Some(values) = owner_values(row, owner, expected)? else {
            return Ok(done(row.time("LastModifiedDate")));
        };
        let was = order.keep(replaced(row, &values)).await?;
        match self.patch(order.write, person, &values, row.time("LastModifiedDate")).await {
            Ok(()) => {}
            // Somebody was quicker: the next look tells whether it was the owner.
            Err(Failure::Changed(_)) => {
                let now = self.look(person).await.map_err(Stop::Look)?;
                let owner_now = now.as_ref().and_then(|now| now.id("OwnerId"));
                if owner_now != row.id("OwnerId") {
                    return Err(owned_by(owner_now.as_ref()).into());
                }
                let message = "somebody changed the record in the same moment".to_owned();
                return Err(Outcome::Again { after: None, counts: true, message }.into());
            }
            Err(other) => return Err(Stop::Write(other)),
        }
        let told = self.told(person, &Looked::of(row), owner).await.map_err(unsure)?;
        let at = match told {
            Told::Stands(at) => Some(at),
            Told::Over { .. } | Told::Passed(_) => return Err(self.given_way(order.write, person, &told).await.into()),
            Told::Silent => self.still_has(person, owner).await?,
        };
        Ok(Done { was, ..done(at) })
    }

    /// The record's last change, if `owner` has it still.
    async fn still_has(&self, person: &Person, owner: &RemoteId) -> Step<Option<Timestamp>> {
        let after = self.look(person).await.map_err(unsure)?;
        let Some(after) = after else { return Err(refused("the record was deleted meanwhile")) };
        let now = after.id("OwnerId");
        if now.as_ref().map(Id::as_str) != Some(owner.as_str()) {
            return Err(owned_by(now.as_ref()).into());
        }
        Ok(after.time("LastModifiedDate"))
    }

    /// What became of an owner that an earlier try has written, if it has: a person's, over which it came late, is put back.
    pub(super) async fn landed(
        &self,
        write: &Write,
        person: &Person,
        owner: &RemoteId,
        expected: Option<&RemoteId>,
    ) -> Result<Option<Outcome>, Failure> {
        let Some(row) = self.look(person).await? else { return Ok(None) };
        if row.text("OwnerId") != Some(owner.as_str()) {
            return Ok(None);
        }
        let told = self.told(person, &Looked::expected(expected), owner).await?;
        Ok(match &told {
            Told::Over { .. } => Some(self.given_way(write, person, &told).await),
            Told::Stands(_) | Told::Passed(_) | Told::Silent => Some(Outcome::Done(done(row.time("LastModifiedDate")))),
        })
    }

    /// Does Baton's owner stand over one whom a person had chosen? The next try gives it back.
    pub(super) async fn is_over(
        &self,
        person: &Person,
        owner: &RemoteId,
        expected: Option<&RemoteId>,
    ) -> Result<bool, Failure> {
        let told = self.told(person, &Looked::expected(expected), owner).await?;
        Ok(matches!(told, Told::Over { .. }))
    }

    /// What the history says of `owner`, whom Baton has written.
    pub(super) async fn told(&self, person: &Person, looked: &Looked, owner: &RemoteId) -> Result<Told, Failure> {
        let Some(wanted) = Id::parse(owner.as_str()) else { return Ok(Told::Silent) };
        if !self.tells_owners(person).await? {
            return Ok(Told::Silent);
        }
        let all = self.told_of(&[(person.id.clone(), looked.clone(), wanted)]).await?;
        Ok(all.into_values().next().unwrap_or(Told::Silent))
    }

    /// The same for many leads in one question: id, what was looked at, whom Baton has written.
    pub(super) async fn told_of(&self, written: &[(Id, Looked, Id)]) -> Result<HashMap<Id, Told>, Failure> {
        let ids: Vec<Id> = written.iter().map(|(id, _, _)| id.clone()).collect();
        let changes = self.owner_changes(&ids).await?;
        let catalogue = self.catalogue().await?;
        let of = |(id, looked, wanted): &(Id, Looked, Id)| {
            let changes = changes.get(id).map_or(&[][..], Vec::as_slice);
            (id.clone(), told(changes, looked, wanted, &catalogue))
        };
        Ok(written.iter().map(of).collect())
    }

    /// Can the history say whom an owner that Baton writes has replaced? Only of leads, if their owners are tracked (section 4).
    pub(super) async fn tells_owners(&self, person: &Person) -> Result<bool, Failure> {
        let catalogue = self.catalogue().await?;
        let is_told = catalogue.tracks_owner && !catalogue.owners_untold;
        Ok(person.source == Source::Leads && is_told && catalogue.own.is_some())
    }

    /// Puts a person's owner back, unless the record was changed again meanwhile; then the next try looks anew.
    pub(super) async fn given_way(&self, write: &Write, person: &Person, told: &Told) -> Outcome {
        match told {
            Told::Over { owner, at } => {
                let back = one("OwnerId", json!(owner.as_str()));
                match self.patch(write, person, &back, Some(*at)).await {
                    Ok(()) => owned_by(Some(owner)),
                    Err(failure) => failure.writing(),
                }
            }
            Told::Passed(now) => owned_by(now.as_ref()),
            Told::Stands(_) | Told::Silent => Outcome::Done(Done::default()),
        }
    }
}

/// It was written, and what became of it could not be looked at.
fn unsure(failure: Failure) -> Stop {
    Stop::Outcome(failure.after_writing())
}

/// What `changes`, oldest first, say of `wanted`, whom Baton has written after it had looked.
fn told(changes: &[Change], looked: &Looked, wanted: &Id, catalogue: &Catalogue) -> Told {
    let owners: Vec<&Change> = changes.iter().filter(|change| change.owners().is_some()).collect();
    let is_ours = |change: &&&Change| {
        change.by.is_some()
            && change.by == catalogue.own
            && change.owners().is_some_and(|(_, new)| new.as_ref() == Some(wanted))
            // An older entry of the same kind is that of an earlier turn.
            && looked.modified.is_none_or(|modified| change.at >= modified)
    };
    let Some(place) = owners.iter().rposition(|change| is_ours(&change)) else { return Told::Silent };
    let ours = owners[place];
    if let Some((_, now)) = owners[place + 1..].last().and_then(|later| later.owners())
        && now.as_ref() != Some(wanted)
    {
        return Told::Passed(now);
    }
    let Some((Some(before), _)) = ours.owners() else { return Told::Stands(ours.at) };
    let user = |id: Option<&Id>| id.filter(|id| id.prefix() == "005").cloned();
    if user(Some(&before)) == user(looked.owner.as_ref()) {
        return Told::Stands(ours.at);
    }
    let setter = owners[..place]
        .iter()
        .rev()
        .find(|change| change.owners().is_some_and(|(_, new)| new.as_ref() == Some(&before)));
    // What nobody is named for counts as a person's.
    let is_machines = setter
        .and_then(|change| change.by.as_ref())
        .is_some_and(|user| catalogue.own.as_ref() == Some(user) || catalogue.robots.contains_key(user));
    if is_machines { Told::Stands(ours.at) } else { Told::Over { owner: before, at: ours.at } }
}

/// What gives the record to `owner`; `None` if that one has it. Queues are nobody, so a lead in a queue is free. A person's change wins.
pub(super) fn owner_values(
    row: &Row,
    owner: &RemoteId,
    expected: Option<&RemoteId>,
) -> Result<Option<Map<String, Value>>, Outcome> {
    let Some(wanted) = Id::parse(owner.as_str()).filter(|id| id.prefix() == "005") else {
        return Err(Outcome::Refused { message: "the owner's id is none of a user".to_owned() });
    };
    let present = row.id("OwnerId");
    if present.as_ref() == Some(&wanted) {
        return Ok(None);
    }
    let person = present.as_ref().filter(|id| id.prefix() == "005");
    if person.map(Id::as_str) != expected.map(RemoteId::as_str) {
        return Err(owned_by(present.as_ref()));
    }
    Ok(Some(one("OwnerId", json!(wanted.as_str()))))
}

fn owned_by(user: Option<&Id>) -> Outcome {
    let found = match user {
        None => "nobody owns it now".to_owned(),
        Some(queue) if queue.prefix() == "00G" => format!("queue {queue} has it now"),
        Some(user) => format!("user {user} owns it now"),
    };
    Outcome::Superseded { found }
}
