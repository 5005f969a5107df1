//! Effects on a Pipedrive: each looks before it writes, because there are neither idempotency keys nor conditional writes.
//!
//! - One record for each request: there are no batches (section 7).
//! - What is made carries the operation's id (`origin_id` of a lead, the text of activities and notes) and is looked for before it is
//!   made again. None is made or set again while a request that was not answered may still have its effect.
//! - Lists are replaced as a whole (section 1.9): `label_ids` are read, changed and written.
//! - A lead that is archived cannot be edited any more (section 1.7), so of the writes of one push what archives goes last.
//!
//! `create` makes or finds a person and their lead, `journey` sets what a lead or deal holds, `fields` what a person holds, `labels`
//! tracks, `thread` adds tasks and notes, `restore` takes earlier writes back, `effect` looks whether a write took effect.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Pipedrive;
use super::answer::Failure;
use super::book::{Journey, JourneyId};
use super::catalogue::Catalogue;
use super::wire::Row;
use crate::connector::{Addressed, Before, Done, Outcome};
use crate::domain::id::{Name, Object, OperationId, RecordRef, RemoteId};
use crate::domain::plan::{self, Effect, Leaving, Was, Write};
use crate::http::Method;
use crate::http::limiter::Lane;

mod create;
mod effect;
mod fields;
mod journey;
mod labels;
mod restore;
mod thread;

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
    /// Has it been tried before? Then what it makes is looked for first.
    is_repeated: bool,
    before: &'a dyn Before,
    /// The last change of the record that is known, by the CRM's clock.
    looked_at: Option<Timestamp>,
    catalogue: &'a Catalogue,
}

impl Order<'_> {
    /// Keeps what is about to be replaced, right before it is.
    async fn keep(self, was: Vec<Was>) -> Step<Vec<Was>> {
        let leaving = Leaving { op: self.write.op, was: was.clone(), looked_at: self.looked_at };
        self.before.keep(vec![leaving]).await.map_err(|error| Stop::Outcome(error.into()))?;
        Ok(was)
    }

    fn lane(self) -> Lane {
        lane(self.write.lane)
    }
}

/// What a write goes to: the person, and the lead or deal that carries their journey.
struct Target {
    person: i64,
    row: Row,
    journey: Option<Journey>,
}

impl Pipedrive {
    /// Each write with its outcome. Writes for one person go in order, but that what archives goes last; one that has not come
    /// through keeps those behind it back.
    pub(super) async fn push_all(&self, writes: &[Addressed], before: &dyn Before) -> Vec<(OperationId, Outcome)> {
        let mut order: Vec<usize> = (0..writes.len()).collect();
        order.sort_by_key(|place| matches!(writes[*place].write.effect, Effect::Reject(_)));
        let mut outcomes: Vec<Option<Outcome>> = vec![None; writes.len()];
        let mut stuck: HashSet<&RemoteId> = HashSet::new();
        let mut halted: Option<Outcome> = None;
        for place in order {
            let write = &writes[place];
            let id = write.record.as_ref().map(|of| &of.id);
            if let Some(halted) = &halted {
                outcomes[place] = Some(halted.clone());
                continue;
            }
            if id.is_some_and(|id| stuck.contains(id)) {
                let message = "waits for an earlier write to the same record".to_owned();
                outcomes[place] = Some(Outcome::Again { after: None, counts: false, message });
                continue;
            }
            let (outcome, halts) = self.apply(write, before).await;
            if matches!(outcome, Outcome::Again { .. } | Outcome::Unknown { .. }) {
                stuck.extend(id);
            }
            if halts {
                halted = Some(outcome.clone());
            }
            outcomes[place] = Some(outcome);
        }
        let unsent = || Outcome::Again { after: None, counts: false, message: "not sent".to_owned() };
        let outcomes = outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(unsent));
        writes.iter().map(|write| write.write.op).zip(outcomes).collect()
    }

    /// Writes once, and says whether every other write would fail alike; what an earlier try of it may still do is waited for.
    async fn apply(&self, addressed: &Addressed, before: &dyn Before) -> (Outcome, bool) {
        let op = addressed.write.op;
        self.doubts.recall([addressed]);
        if addressed.attempt <= 1 {
            self.doubts.first_try([op]);
        } else if let Some(waits) = self.doubts.waits(op) {
            return match self.effect(addressed).await {
                Ok(Some(done)) => (Outcome::Done(done), false),
                Ok(None) => (waits, false),
                Err(failure) => (failure.clone().before_writing(), failure.halts()),
            };
        }
        let sent_at = Instant::now();
        match self.try_once(addressed, before).await {
            Ok(done) => (Outcome::Done(done), false),
            Err(Stop::Outcome(outcome)) => (outcome, false),
            Err(Stop::Look(failure)) => {
                let halts = failure.halts();
                (failure.before_writing(), halts)
            }
            Err(Stop::Write(failure)) => {
                if matches!(failure, Failure::Pending(_)) {
                    self.doubts.note([op], sent_at);
                }
                let halts = failure.halts();
                (failure.writing(), halts)
            }
        }
    }

    async fn try_once(&self, addressed: &Addressed, before: &dyn Before) -> Step<Done> {
        let catalogue = self.ready().await.map_err(Stop::Look)?;
        let order = Order {
            write: &addressed.write,
            is_repeated: addressed.attempt > 1,
            before,
            looked_at: None,
            catalogue: &catalogue,
        };
        if let Effect::Create { values, owner, is_new_journey, not } = &addressed.write.effect {
            let owner = owner.as_ref().map(|owner| owner.as_str());
            return self.create(order, values, owner, *is_new_journey, not).await;
        }
        let person = number(addressed).ok_or_else(|| refused("the write names no person"))?;
        let target = self.target(person, &catalogue).await.map_err(Stop::Look)?;
        let Some(target) = target else { return Err(refused("the person does not exist any more")) };
        let looked_at = target.journey.as_ref().map(|journey| journey.updated);
        self.change(Order { looked_at, ..order }, &target).await
    }

    async fn change(&self, order: Order<'_>, target: &Target) -> Step<Done> {
        match &order.write.effect {
            Effect::Create { .. } => Err(refused("a create names no record")),
            Effect::SetOwner { owner, expected } => {
                let expected = expected.as_ref().map(|expected| expected.as_str());
                self.set_owner(order, target, owner.as_str(), expected).await
            }
            Effect::SetStage { stage, .. } => self.set_stage(order, target, *stage).await,
            Effect::SetScore(points) => {
                let wanted = fields::score(&self.maps, *points);
                self.set_fields(order, target, wanted, "score").await
            }
            Effect::SetHandoff(shown) => {
                let wanted = fields::handoff(&self.maps, shown);
                self.set_fields(order, target, wanted, "hand-off").await
            }
            Effect::AddTask { title, body, due_at, owner } => {
                let owner = owner.as_ref().and_then(|owner| owner.as_str().parse().ok());
                self.add_task(order, target, title, body, *due_at, owner).await
            }
            Effect::AddNote { body } => self.add_note(order, target, body).await,
            Effect::JoinTrack(track) => self.set_track(order, target, track, true).await,
            Effect::LeaveTrack(track) => self.set_track(order, target, track, false).await,
            Effect::Reject(reason) => self.reject(order, target, reason).await,
            Effect::Restore { values, .. } => self.restore(order, target, values).await,
            Effect::Withdraw { task, .. } => self.withdraw(order, task).await,
        }
    }

    /// A person as they are now, with the lead or deal that carries their journey.
    async fn target(&self, person: i64, catalogue: &Catalogue) -> Result<Option<Target>, Failure> {
        let Some(row) = self.api.one(&["v2", "persons", &person.to_string()], &[]).await? else { return Ok(None) };
        self.refresh_journeys(&[person], catalogue).await?;
        let is_open = self.book().current(person).is_some_and(Journey::is_open);
        if !is_open {
            // Somebody may have opened one since the last look at the lists.
            self.look_at_person(person, catalogue).await?;
        }
        let journey = self.book().current(person).cloned();
        Ok(Some(Target { person, row, journey }))
    }

    /// Writes a lead or deal, and notes what came back.
    async fn patch(&self, order: Order<'_>, id: &JourneyId, body: &Value) -> Step<Row> {
        let lane = order.lane();
        let keep = self.kept(order.catalogue);
        let (row, journey) = match id {
            JourneyId::Lead(id) => {
                let row = self.api.write(lane, Method::Patch, &["v1", "leads", id], body).await.map_err(Stop::Write)?;
                let journey = Journey::of_lead(&row, &keep);
                (row, journey)
            }
            JourneyId::Deal(id) => {
                let path = ["v2", "deals", &id.to_string()];
                let row = self.api.write(lane, Method::Patch, &path, body).await.map_err(Stop::Write)?;
                let journey = Journey::of_deal(&row, &keep);
                (row, journey)
            }
        };
        self.note(journey);
        Ok(row)
    }

    fn made(&self, object: Object, id: Option<i64>, at: Option<Timestamp>) -> Done {
        Done { made: id.map(|id| RecordRef::new(self.connection(), object, id.to_string())), at, ..Done::default() }
    }
}

fn done(at: Option<Timestamp>) -> Done {
    Done { at, ..Done::default() }
}

fn refused(message: &str) -> Stop {
    Stop::Outcome(Outcome::Refused { message: message.to_owned() })
}

fn superseded(found: &str) -> Stop {
    Stop::Outcome(Outcome::Superseded { found: found.to_owned() })
}

fn number(addressed: &Addressed) -> Option<i64> {
    addressed.record.as_ref().filter(|of| of.object == Object::Person)?.id.as_str().parse().ok()
}

fn lane(lane: plan::Lane) -> Lane {
    match lane {
        plan::Lane::Alert => Lane::Alert,
        plan::Lane::Assign => Lane::Assign,
        plan::Lane::Recycle => Lane::Recycle,
        plan::Lane::Score => Lane::Score,
    }
}

/// A value that was replaced, in the CRM's JSON; `name` says of which record: `lead:<id>/owner_id`.
fn was(name: String, before: Option<&Value>, after: Option<&Value>) -> Was {
    let text =
        |value: Option<&Value>| value.filter(|value| !value.is_null()).map(|value| Name::from(value.to_string()));
    Was { name: Name::from(name), before: text(before), after: text(after) }
}

/// What names a record in what was replaced.
fn place_of(id: &JourneyId) -> String {
    match id {
        JourneyId::Lead(id) => format!("lead:{id}"),
        JourneyId::Deal(id) => format!("deal:{id}"),
    }
}

/// The link of an activity or a note to its lead or deal.
fn link(journey: Option<&Journey>) -> Option<(&'static str, Value)> {
    journey.map(|journey| match &journey.id {
        JourneyId::Lead(id) => ("lead_id", json!(id)),
        JourneyId::Deal(id) => ("deal_id", json!(id)),
    })
}
