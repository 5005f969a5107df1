//! Effects on an org: each looks before it writes. Source: the sheet, sections 7 and 11.
//!
//! - A create and a task go by the external id `BatonKey__c` where the org has it: an upsert, which cannot make two. Without it they are
//!   looked for first.
//! - An owner alone is written under `If-Unmodified-Since`; many go as one collection of up to 200, each row with an outcome of its own, if
//!   the history can tell afterwards whom each replaced (`owner`). Scores and hand-offs, which are Baton's own fields, go as collections, too.
//! - A converted lead is read-only: what was meant for it goes to nobody, and the next decision finds the contact.
//!
//! `create` makes or finds a record, `owner` sets who has it, `record` what else it holds, `rows` does so for many, `task` adds tasks and notes, `track` campaign
//! members, `restore` takes earlier writes back, `effect` looks whether a write took effect.

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::Salesforce;
use super::failure::Failure;
use super::read::{Ask, Source};
use super::soql::{Condition, Id};
use super::wire::Row;
use crate::connector::{Addressed, Before, Done, Outcome};
use crate::domain::id::{Object, OperationId, RecordRef};
use crate::domain::plan::{Effect, Lane, Leaving, Was, Write};
use crate::http::limiter;

mod create;
mod effect;
mod overtaken;
mod owner;
mod record;
mod restore;
mod rows;
mod task;
mod track;

pub(super) use rows::ROWS;

/// Why a write ends early.
enum Stop {
    Outcome(Outcome),
    /// The look before failed: nothing was written.
    Look(Failure),
    /// The write itself failed.
    Write(Failure),
}

impl From<Outcome> for Stop {
    fn from(outcome: Outcome) -> Self {
        Self::Outcome(outcome)
    }
}

type Step<T> = Result<T, Stop>;

/// A write under way.
#[derive(Clone, Copy)]
struct Order<'a> {
    write: &'a Write,
    before: &'a dyn Before,
    /// The last change of the record that is known, by the CRM's clock.
    looked_at: Option<Timestamp>,
}

impl Order<'_> {
    /// Keeps what is about to be replaced, right before it is.
    async fn keep(self, was: Vec<Was>) -> Step<Vec<Was>> {
        let leaving = Leaving { op: self.write.op, was: was.clone(), looked_at: self.looked_at };
        self.before.keep(vec![leaving]).await.map_err(|error| Stop::Outcome(error.into()))?;
        Ok(was)
    }
}

/// A person's record, by its id.
#[derive(Clone, Debug)]
struct Person {
    id: Id,
    source: Source,
}

impl Person {
    fn object(&self) -> &'static str {
        self.source.object()
    }
}

/// The record that a write goes to.
fn target(addressed: &Addressed) -> Option<Person> {
    let record = addressed.record.as_ref().filter(|of| of.object == Object::Person)?;
    let id = Id::parse(record.id.as_str())?;
    let source = match id.prefix() {
        "00Q" => Source::Leads,
        "003" => Source::Contacts,
        _ => return None,
    };
    Some(Person { id, source })
}

impl Salesforce {
    /// Writes a batch. What can go as one collection does; the rest goes one by one, in order.
    pub(super) async fn push_all(&self, writes: &[Addressed], before: &dyn Before) -> Vec<(OperationId, Outcome)> {
        let mut outcomes = self.push_rows(writes, before).await;
        for addressed in writes {
            if outcomes.iter().all(|(op, _)| *op != addressed.write.op) {
                outcomes.push((addressed.write.op, self.apply(addressed, before).await));
            }
        }
        outcomes
    }

    /// Writes once; what an earlier try of it may still do is waited for.
    async fn apply(&self, addressed: &Addressed, before: &dyn Before) -> Outcome {
        let op = addressed.write.op;
        if addressed.attempt <= 1 {
            self.doubts.first_try([op]);
        } else if let Some(outcome) = self.settled_before(addressed).await {
            return outcome;
        }
        let sent_at = Instant::now();
        match self.try_once(addressed, before).await {
            Ok(done) => Outcome::Done(done),
            Err(Stop::Outcome(outcome)) => outcome,
            Err(Stop::Look(failure)) => failure.before_writing(),
            Err(Stop::Write(failure)) => {
                if matches!(failure, Failure::Pending(_)) {
                    self.doubts.note([op], sent_at);
                }
                failure.writing()
            }
        }
    }

    /// What became of an earlier try, as far as it is still open. What goes by its key is never in doubt: the key stands once.
    async fn settled_before(&self, addressed: &Addressed) -> Option<Outcome> {
        let write = &addressed.write;
        if self.is_keyed(&write.effect).await {
            return None;
        }
        if let (Effect::SetOwner { owner, expected }, Some(person)) = (&write.effect, target(addressed)) {
            match self.landed(write, &person, owner, expected.as_ref()).await {
                Ok(landed @ Some(_)) => return landed,
                Ok(None) => {}
                Err(failure) => return Some(failure.before_writing()),
            }
        }
        self.doubts.recall([addressed]);
        match self.heed_chosen(addressed).await {
            Ok(heeded @ Some(_)) => return heeded,
            Ok(None) => {}
            Err(failure) => return Some(failure.before_writing()),
        }
        let waits = self.doubts.waits(write.op)?;
        Some(match self.effect(addressed).await {
            Ok(Some(done)) => Outcome::Done(done),
            Ok(None) => waits,
            Err(failure) => failure.before_writing(),
        })
    }

    /// Is this effect an upsert by Baton's key here?
    async fn is_keyed(&self, effect: &Effect) -> bool {
        let object = match effect {
            Effect::Create { .. } => "Lead",
            Effect::AddTask { .. } | Effect::AddNote { .. } => "Task",
            _ => return false,
        };
        self.catalogue().await.is_ok_and(|catalogue| catalogue.is_key(object, &self.maps.key))
    }

    async fn try_once(&self, addressed: &Addressed, before: &dyn Before) -> Step<Done> {
        let order = Order { write: &addressed.write, before, looked_at: None };
        if let Effect::Create { values, owner, is_new_journey, not } = &order.write.effect {
            return self.create(order.write, values, owner.as_ref(), *is_new_journey, not).await;
        }
        if let Effect::Withdraw { task, .. } = &order.write.effect {
            return self.withdraw(order.write, task).await;
        }
        let Some(person) = target(addressed) else { return Err(refused("the write names no lead and no contact")) };
        let row = self.look(&person).await.map_err(Stop::Look)?;
        let Some(row) = row.filter(|row| !row.flag("IsDeleted")) else {
            return Err(Outcome::gone(&order.write.effect).into());
        };
        if row.flag("IsConverted") {
            return Err(superseded("the lead was converted meanwhile: it goes on as a contact").into());
        }
        let order = Order { looked_at: row.time("LastModifiedDate"), ..order };
        match &order.write.effect {
            Effect::Create { .. } | Effect::Withdraw { .. } => Err(refused("this write names no record")),
            Effect::SetOwner { owner, expected } => {
                self.set_owner(order, &person, &row, owner, expected.as_ref()).await
            }
            Effect::SetStage { stage, .. } => self.set_stage(order, &person, &row, *stage).await,
            Effect::SetScore(points) => {
                self.set_values(order, &person, &row, self.score_values(*points), "the score").await
            }
            Effect::SetHandoff(fields) => {
                self.set_values(order, &person, &row, self.handoff_values(fields), "the hand-off").await
            }
            Effect::AddTask { title, body, due_at, owner } => {
                self.add_task(order, &person, title, body, *due_at, owner.as_ref()).await
            }
            Effect::AddNote { body } => self.add_note(order, &person, body).await,
            Effect::JoinTrack(track) => self.join(order, &person, &row, track).await,
            Effect::LeaveTrack(track) => self.leave(order, &person, track).await,
            Effect::Reject(reason) => self.reject(order, &person, &row, reason).await,
            Effect::Restore { values, .. } => self.restore(order.write, &person, values).await,
        }
    }

    /// A person's record as it is now, deleted or converted ones included.
    async fn look(&self, person: &Person) -> Result<Option<Row>, Failure> {
        Ok(self.look_at(person.source, std::slice::from_ref(&person.id)).await?.into_iter().next())
    }

    async fn look_at(&self, source: Source, ids: &[Id]) -> Result<Vec<Row>, Failure> {
        let catalogue = self.catalogue().await?;
        let query = |some: &[Id]| {
            let ask = Ask { filter: Some(Condition::ids("Id", some)), ..Ask::default() };
            let mut query = self.query(source, &catalogue, &ask);
            // What is written is looked at, too.
            for name in
                self.maps.score.iter().map(|(_, name)| name).chain(self.maps.handoff.iter().map(|(_, name)| name))
            {
                let column = super::soql::Column::parse(name);
                query
                    .columns
                    .extend(column.filter(|_| source == Source::Leads && catalogue.field("Lead", name).is_some()));
            }
            query.columns.sort();
            query.columns.dedup();
            query
        };
        self.api.by_ids(query, ids, true).await
    }

    fn made(&self, object: Object, id: &str, at: Option<Timestamp>) -> Done {
        Done { made: Some(RecordRef::new(&self.maps.connection, object, id)), at, ..Done::default() }
    }
}

fn done(at: Option<Timestamp>) -> Done {
    Done { at, ..Done::default() }
}

fn refused(message: &str) -> Stop {
    Stop::Outcome(Outcome::Refused { message: message.to_owned() })
}

fn superseded(found: &str) -> Outcome {
    Outcome::Superseded { found: found.to_owned() }
}

fn one(name: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value)])
}

fn lane(lane: Lane) -> limiter::Lane {
    match lane {
        Lane::Alert => limiter::Lane::Alert,
        Lane::Assign => limiter::Lane::Assign,
        Lane::Recycle => limiter::Lane::Recycle,
        Lane::Score => limiter::Lane::Score,
    }
}
