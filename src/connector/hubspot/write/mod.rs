//! Writes: looked at before, compared after, as many rows in one request as HubSpot takes, and never two for one record in one
//! batch (batches have no order, section 6).
//!
//! `wanted.rs` says what an effect asks for, `update.rs` sets values, `make.rs` makes tasks and notes and `mark.rs` finds them again, `list.rs` changes lists,
//! `withdraw.rs` takes tasks back, `contact.rs` creates people, `find.rs` looks for the effect of a write. Tasks and
//! notes carry their operation id in the body and are looked for before they are made again. While HubSpot may still carry out a
//! request that it has not answered (`connector/doubt.rs`), nothing is made again, and no value is set again: the old request
//! may come after a newer one. `overtaken.rs` gives back what a person chose before it came. Looks go by id and by association, never by
//! search: the index lags.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use tokio::time::Instant;

use super::HubSpot;
use super::answer::Failure;
use super::streams::LIST;
use super::wire;
use crate::connector::{Addressed, Before, Done, NotKept, Outcome};
use crate::domain::id::{Name, OperationId, RemoteId};
use crate::domain::plan::{self, Leaving, Was};
use crate::http::limiter::Lane;

mod contact;
mod find;
mod list;
mod make;
mod mark;
mod overtaken;
mod update;
mod wanted;
mod withdraw;

use update::{Back, Update};
use wanted::{Seen, Wanted};

/// Property names and values of one record.
type Values = Vec<(String, String)>;

/// One call of `push`: the writes, and what has become of them so far.
struct Push<'a> {
    hub: &'a HubSpot,
    writes: &'a [Addressed],
    before: &'a dyn Before,
    outcomes: Vec<Option<Outcome>>,
    /// What each write replaces, as far as a look showed it.
    was: Vec<Vec<Was>>,
    /// When it was looked last, by HubSpot's clock.
    looked_at: Option<Timestamp>,
    /// What ended the sending for all that is left: HubSpot asked to wait, or does not know the token.
    halted: Option<Failure>,
}

/// Writes of which no two are for one record, by how they are sent.
#[derive(Default)]
struct Work {
    updates: Vec<Update>,
    backs: Vec<Back>,
    makes: Vec<usize>,
    creates: Vec<usize>,
    withdraws: Vec<(usize, RemoteId)>,
    lists: BTreeMap<(Name, bool), Vec<usize>>,
    /// Owners that stand there already, by an earlier try that was not answered perhaps.
    landed: Vec<usize>,
}

impl HubSpot {
    /// Each write with its outcome. Writes for one record go in order: one that has not come through keeps those behind it back.
    pub(super) async fn push_all(&self, writes: &[Addressed], before: &dyn Before) -> Vec<(OperationId, Outcome)> {
        let mut push = Push {
            hub: self,
            writes,
            before,
            outcomes: vec![None; writes.len()],
            was: vec![Vec::new(); writes.len()],
            looked_at: None,
            halted: None,
        };
        let mut left: Vec<usize> = (0..writes.len()).collect();
        while !left.is_empty() {
            let mut busy: HashSet<&RemoteId> = HashSet::new();
            let (wave, rest): (Vec<usize>, Vec<usize>) =
                left.iter().partition(|place| writes[**place].record.as_ref().is_none_or(|of| busy.insert(&of.id)));
            push.send(&wave).await;
            left = push.keep_back(&wave, rest);
        }
        let unsent = || Outcome::Again { after: None, counts: false, message: "not sent".to_owned() };
        let outcomes = push.outcomes.into_iter().zip(push.was).map(|(outcome, was)| match outcome {
            Some(Outcome::Done(done)) if done.was.is_empty() => Outcome::Done(Done { was, ..done }),
            other => other.unwrap_or_else(unsent),
        });
        writes.iter().map(|write| write.write.op).zip(outcomes).collect()
    }
}

impl Push<'_> {
    /// What of `rest` may go next: nothing behind a write of the same record that has not come through.
    fn keep_back(&mut self, wave: &[usize], mut rest: Vec<usize>) -> Vec<usize> {
        let is_stuck = |place: &&usize| {
            matches!(self.outcomes[**place], Some(Outcome::Again { .. } | Outcome::Unknown { .. }) | None)
        };
        let stuck: HashSet<&RemoteId> = wave.iter().filter(is_stuck).filter_map(|place| self.id_of(*place)).collect();
        let (behind, next) = rest.drain(..).partition(|place| self.id_of(*place).is_some_and(|id| stuck.contains(id)));
        let behind: Vec<usize> = behind;
        let message = "waits for an earlier write to the same record".to_owned();
        self.settle_all(behind, &Outcome::Again { after: None, counts: false, message });
        next
    }

    /// Sends writes of which no two are for one record.
    async fn send(&mut self, wave: &[usize]) {
        if self.halts(wave.iter().copied()) {
            return;
        }
        let lane = wave.iter().map(|place| lane(self.writes[*place].write.lane)).min().unwrap_or(Lane::Score);
        let first = wave.iter().map(|place| &self.writes[*place]).filter(|write| write.attempt <= 1);
        self.hub.doubts.first_try(first.map(|write| write.write.op));
        self.hub.doubts.recall(wave.iter().map(|place| &self.writes[*place]));
        let seen = match self.look(wave, lane).await {
            Ok(seen) => seen,
            Err(failure) => return self.fail_unsent(wave.iter().copied(), failure),
        };
        self.looked_at = self.hub.api.crm_now();
        for place in wave.iter().copied() {
            self.heed_chosen(place, lane).await;
        }
        let open: Vec<usize> = wave.iter().copied().filter(|place| self.outcomes[*place].is_none()).collect();
        let wave = open.as_slice();
        let mut work = self.sort(wave, &seen);
        for place in std::mem::take(&mut work.landed) {
            self.heed_overtaken(place, lane).await;
        }
        self.look_at_lists(&mut work, lane).await;
        let leaves = |place: &usize| !work.makes.contains(place) && !work.creates.contains(place);
        let leaving: Vec<usize> = wave.iter().copied().filter(leaves).collect();
        if self.keep(&leaving).await.is_err() {
            return;
        }
        for place in work.creates {
            self.create(place, lane).await;
        }
        self.update(&work.updates, lane).await;
        self.learn_own_app(&work.updates).await;
        self.move_back(&work.backs, lane).await;
        self.make(&work.makes, lane).await;
        for (place, task) in &work.withdraws {
            self.withdraw(*place, task, lane).await;
        }
        for ((track, joins), places) in &work.lists {
            self.change_list(track, *joins, places, lane).await;
        }
    }

    /// Keeps what those of these writes that are open are about to replace, right before they leave. What cannot be kept is not sent.
    async fn keep(&mut self, places: &[usize]) -> Result<(), NotKept> {
        let open: Vec<usize> = places.iter().copied().filter(|place| self.outcomes[*place].is_none()).collect();
        let leaving = |place: &usize| Leaving {
            op: self.writes[*place].write.op,
            was: self.was[*place].clone(),
            looked_at: self.looked_at,
        };
        let leaving: Vec<Leaving> = open.iter().map(leaving).collect();
        let kept = if leaving.is_empty() { Ok(()) } else { self.before.keep(leaving).await };
        if let Err(error) = kept {
            self.settle_all(open, &error.into());
        }
        kept
    }

    /// The present values of the records that a look is needed for: one request for a hundred.
    async fn look(&self, wave: &[usize], lane: Lane) -> Result<HashMap<String, Seen>, Failure> {
        let needs_look = |place: &&usize| wanted::needs_look(&self.writes[**place].write.effect);
        let ids: Vec<&str> =
            wave.iter().filter(needs_look).filter_map(|place| Some(self.id_of(*place)?.as_str())).collect();
        let mut seen = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(LIST) {
            let response = self.hub.look_at(chunk, lane).await?;
            let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
            for id in chunk {
                if let Some(record) = decoded.records.iter().find(|record| record.was(id)) {
                    seen.insert((*id).to_owned(), Seen::of(record));
                } else if decoded.errors.iter().any(|error| error.names(id)) {
                    seen.insert((*id).to_owned(), Seen::Gone);
                } else {
                    return Err(Failure::Malformed("results: a record is neither there nor missing".to_owned()));
                }
            }
        }
        Ok(seen)
    }

    /// Settles what the look already decides, and sorts the rest.
    fn sort(&mut self, wave: &[usize], seen: &HashMap<String, Seen>) -> Work {
        let mut work = Work::default();
        for place in wave.iter().copied() {
            let write = &self.writes[place];
            let Some(of) = &write.record else {
                work.creates.push(place);
                continue;
            };
            let found = seen.get(of.id.as_str());
            if found == Some(&Seen::Gone) {
                self.settle(place, Outcome::gone(&write.write.effect));
                continue;
            }
            let update = |values: Values| Update {
                place,
                id: of.id.as_str().to_owned(),
                trace: write.write.op.to_string(),
                values,
            };
            let wanted = self.hub.wanted(&write.write.effect, found.and_then(Seen::values));
            let is_set = matches!(wanted, Wanted::Set(_) | Wanted::Back { .. } | Wanted::Superseded(_));
            if let Some(waits) = self.hub.doubts.waits(write.write.op).filter(|_| is_set && write.attempt > 1) {
                self.settle(place, waits);
                continue;
            }
            match wanted {
                Wanted::Nothing if write.attempt > 1 && overtaken::may_be(&write.write.effect) => {
                    work.landed.push(place);
                }
                Wanted::Nothing => self.settle(place, Outcome::Done(Done::default())),
                Wanted::Superseded(found) => self.settle(place, Outcome::Superseded { found }),
                Wanted::Refused(message) => self.settle(place, Outcome::Refused { message }),
                Wanted::Set(values) => {
                    self.was[place] = wanted::replaced(&values, found.and_then(Seen::values));
                    work.updates.push(update(values));
                }
                Wanted::Back { values, clear } => {
                    self.was[place] = wanted::replaced(&values, found.and_then(Seen::values));
                    work.backs.push(Back { update: update(values), clear });
                }
                Wanted::Withdraw(task) => work.withdraws.push((place, task)),
                Wanted::Make => work.makes.push(place),
                Wanted::List(track, joins) => work.lists.entry((track, joins)).or_default().push(place),
            }
        }
        work
    }

    fn id_of(&self, place: usize) -> Option<&RemoteId> {
        self.writes[place].record.as_ref().map(|of| &of.id)
    }

    fn settle(&mut self, place: usize, outcome: Outcome) {
        self.outcomes[place] = Some(outcome);
    }

    fn settle_all(&mut self, places: impl IntoIterator<Item = usize>, outcome: &Outcome) {
        places.into_iter().for_each(|place| self.settle(place, outcome.clone()));
    }

    /// Has the sending ended? Then these are not sent, and wait as the others do.
    fn halts(&mut self, places: impl IntoIterator<Item = usize>) -> bool {
        let Some(failure) = self.halted.clone() else { return false };
        self.settle_all(places, &failure.writing());
        true
    }

    /// A request that carried these writes failed.
    fn fail(&mut self, places: impl IntoIterator<Item = usize>, failure: Failure) {
        if failure.halts() {
            self.halted = Some(failure.clone());
        }
        self.settle_all(places, &failure.writing());
    }

    /// A request of `sent_at` that carried these writes failed, and may have its effect yet.
    fn fail_sent(&mut self, places: &[usize], failure: Failure, sent_at: Instant) {
        if failure.may_still_come() {
            self.hub.doubts.note(places.iter().map(|place| self.writes[*place].write.op), sent_at);
        }
        self.fail(places.iter().copied(), failure);
    }

    /// A look before these writes failed, so nothing was written.
    fn fail_unsent(&mut self, places: impl IntoIterator<Item = usize>, failure: Failure) {
        if failure.halts() {
            self.halted = Some(failure.clone());
        }
        self.settle_all(places, &unsent(failure));
    }
}

/// What a failed look means for a write that was to follow it.
fn unsent(failure: Failure) -> Outcome {
    match failure.writing() {
        Outcome::Unknown { message } => Outcome::Again { after: None, counts: true, message },
        other => other,
    }
}

fn is_done(outcome: Option<&Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Done(_)))
}

/// Is this refusal of one row of a batch final? Whatever else the row says, it is asked about alone. Source: section 9.
fn is_final(error: &wire::RowError<'_>) -> bool {
    let category = error.category.as_ref().map_or("", wire::Text::as_str);
    matches!(category, "VALIDATION_ERROR" | "OBJECT_NOT_FOUND" | "CONFLICT")
}

fn lane(lane: plan::Lane) -> Lane {
    match lane {
        plan::Lane::Alert => Lane::Alert,
        plan::Lane::Assign => Lane::Assign,
        plan::Lane::Recycle => Lane::Recycle,
        plan::Lane::Score => Lane::Score,
    }
}
