//! Effects on an Odoo: each looks before it writes, because JSON-2 has neither idempotency keys nor compare-and-set.
//!
//! - Creates go through `load` with an external id that names the operation: the database allows one record of it.
//! - Tasks and notes carry a marker with the operation's id, invisible to readers, which is searched for first.
//! - Owner, stage, tags and lost are set-style. None is set again while a request that was not answered may still set it: it
//!   may come after a newer one (`connector/doubt.rs`). After an owner write the tracking tells whether a person changed the owner
//!   between the look and the write; then the person's value is put back and stands (trap 8). So it is with a stage or lost reason that comes late (`overtaken`).
//! - Changing the owner may move the lead to a team of the new owner: Odoo's own rule (trap 6), left as it is.
//! - The person is not mailed by Odoo about what Baton does (`mail_auto_subscribe_no_notify`, `mail_activity_quick_update`):
//!   telling people is the notices' business.
//!
//! `create` makes or finds a record, `record` sets what a record holds, `thread` adds tasks and notes, `restore` takes earlier
//! writes back, `effect` looks whether a write took effect, `overtaken` gives back what a person chose before one came late.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::api::Failure;
use super::wire::Row;
use super::{Odoo, query};
use crate::connector::{Addressed, Before, Done, Outcome};
use crate::domain::id::{Object, RecordRef};
use crate::domain::plan::{Effect, Lane, Leaving, Was, Write};
use crate::http::limiter;

mod create;
mod effect;
mod overtaken;
mod record;
mod restore;
mod thread;

use record::{handoff_values, score_values};

/// Baton acts, Odoo does not mail about it.
fn quiet() -> Value {
    json!({ "mail_auto_subscribe_no_notify": true, "mail_activity_quick_update": true, "mail_notify_author": false })
}

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

impl Odoo {
    /// Writes once; what an earlier try of it may still do is waited for.
    pub(in crate::connector::odoo) async fn apply(&self, addressed: &Addressed, before: &dyn Before) -> Outcome {
        let op = addressed.write.op;
        if addressed.attempt <= 1 {
            self.doubts.first_try([op]);
        } else if let Some(outcome) = self.settled_before(addressed).await {
            return outcome;
        }
        self.try_once(addressed, before).await
    }

    /// What became of an earlier try, as far as it is still open. A create is never in doubt: its external id stands once.
    async fn settled_before(&self, addressed: &Addressed) -> Option<Outcome> {
        let write = &addressed.write;
        if let (Effect::SetOwner { owner, expected }, Some(lead)) = (&write.effect, number(addressed)) {
            match self.landed(write, lead, owner, expected.as_ref()).await {
                Ok(landed @ Some(_)) => return landed,
                Ok(None) => {}
                Err(failure) => return Some(failure.before_writing()),
            }
        }
        if matches!(write.effect, Effect::Create { .. }) {
            return None;
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

    async fn try_once(&self, addressed: &Addressed, before: &dyn Before) -> Outcome {
        let sent_at = Instant::now();
        let order = Order { write: &addressed.write, before, looked_at: None };
        let done = match &addressed.write.effect {
            Effect::Create { values, owner, is_new_journey, not } => {
                let owner = owner.as_ref().map(|owner| owner.as_str());
                self.create(order, values, owner, (*is_new_journey, not)).await
            }
            other => match number(addressed) {
                Some(lead) => self.change(order, lead, other).await,
                None => Err(refused("the write names no crm.lead")),
            },
        };
        match done {
            Ok(done) => Outcome::Done(done),
            Err(Stop::Outcome(outcome)) => outcome,
            Err(Stop::Look(failure)) => failure.before_writing(),
            Err(Stop::Write(failure)) => {
                if matches!(failure, Failure::Pending(_)) {
                    self.doubts.note([addressed.write.op], sent_at);
                }
                failure.writing()
            }
        }
    }

    async fn change(&self, order: Order<'_>, lead: i64, effect: &Effect) -> Step<Done> {
        let write = order.write;
        let row = self.look(lead).await.map_err(Stop::Look)?;
        let Some(row) = row else { return Err(Outcome::gone(effect).into()) };
        let order = Order { looked_at: row.time("write_date"), ..order };
        match effect {
            Effect::Create { .. } => Err(refused("a create names no record")),
            Effect::SetOwner { owner, expected } => {
                let expected = expected.as_ref().map(|expected| expected.as_str());
                self.set_owner(order, &row, lead, owner.as_str(), expected).await
            }
            Effect::SetStage { stage, .. } => self.set_stage(order, &row, lead, *stage).await,
            Effect::SetScore(points) => self.set_values(order, lead, score_values(&self.maps, *points), "score").await,
            Effect::SetHandoff(fields) => {
                self.set_values(order, lead, handoff_values(&self.maps, fields), "hand-off").await
            }
            Effect::AddTask { title, body, due_at, owner } => {
                let owner = owner.as_ref().and_then(|owner| owner.as_str().parse().ok());
                self.add_task(order, lead, title, body, *due_at, owner).await
            }
            Effect::AddNote { body } => self.add_note(order, lead, body).await,
            Effect::JoinTrack(track) => self.set_tag(order, &row, lead, track, true).await,
            Effect::LeaveTrack(track) => self.set_tag(order, &row, lead, track, false).await,
            Effect::Reject(reason) => self.reject(order, &row, lead, reason).await,
            Effect::Restore { values, .. } => self.restore(write, lead, values).await,
            Effect::Withdraw { task, .. } => self.withdraw(write, task).await,
        }
    }

    /// The lead as it is now.
    async fn look(&self, lead: i64) -> Result<Option<Row>, Failure> {
        let fields = ["user_id", "stage_id", "active", "won_status", "tag_ids", "is_blacklisted", "write_date"];
        let rows = self.api.rows("crm.lead", &query(&[json!(["id", "=", lead])], &fields, "id asc", 1)).await?;
        Ok(rows.into_iter().next())
    }

    async fn write(&self, write: &Write, lead: i64, vals: Map<String, Value>) -> Step<()> {
        let arguments = json!({ "ids": [lead], "vals": vals, "context": quiet() });
        self.api.write(lane(write.lane), "crm.lead", "write", &arguments).await.map_err(Stop::Write)?;
        Ok(())
    }

    fn made(&self, object: Object, id: Option<i64>, at: Option<Timestamp>) -> Done {
        Done { made: id.map(|id| RecordRef::new(&self.maps.connection, object, id.to_string())), at, ..Done::default() }
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

fn number(addressed: &Addressed) -> Option<i64> {
    addressed.record.as_ref().filter(|of| of.object == Object::Person)?.id.as_str().parse().ok()
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
