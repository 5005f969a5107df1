//! What must hold, looked at after every pass and at the end of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use baton::domain::agreement::Proof;
use baton::domain::coverage::Coverage;
use baton::domain::field::Field;
use baton::domain::handoff::{Handoff, Step, TurnBy};
use baton::domain::id::{LeadId, Name, Object, OperationId};
use baton::domain::plan::{Effect, Happening, Mode};
use baton::domain::record::Presence;
use baton::engine::Engine;
use jiff::{SignedDuration, Timestamp};

use super::model::Model;
use super::run::Run;

/// One rung of one commitment of one turn.
type Rung = (LeadId, Option<u32>, u32, Name, u32);

/// What was seen of the journal so far.
#[derive(Default)]
pub(super) struct Watch {
    seq: i64,
    fired: BTreeSet<Rung>,
    /// Everything that happened, in words: the run's own story, and what its hash is made of.
    pub(super) story: String,
    pub(super) broken: Vec<String>,
}

impl Watch {
    pub(super) fn events_seen(&self) -> i64 {
        self.seq
    }

    /// Looks at what was decided since the last look. `read` is how far the streams had been read then.
    pub(super) async fn look(&mut self, engine: &Engine, read: &Coverage) {
        let mut rows = engine.store().recent_events(self.seq, 10_000).await.unwrap();
        rows.reverse();
        for row in rows {
            self.seq = row.seq;
            let (lead, handoff) = (row.lead, row.event.handoff);
            writeln!(self.story, "{} {} {lead} {:?}", row.seq, row.event.at, row.event.what).unwrap();
            match &row.event.what {
                Happening::StepFired { turn, commitment, at_percent, due_at } => {
                    let rung = (lead, handoff, *turn, commitment.clone(), *at_percent);
                    if row.decided_at < *due_at {
                        self.broken.push(format!("{rung:?} fired at {} before it was due at {due_at}", row.decided_at));
                    }
                    if *at_percent >= 100 {
                        self.check_evidence(commitment, *due_at, read, &rung);
                    }
                    if !self.fired.insert(rung.clone()) {
                        self.broken.push(format!("{rung:?} fired twice"));
                    }
                }
                Happening::StepWithdrawn { turn, commitment, at_percent } => {
                    self.fired.remove(&(lead, handoff, *turn, commitment.clone(), *at_percent));
                }
                _ => {}
            }
        }
    }

    /// Promise 9: a step that accuses waits until every stream that could prove a touch was read past its instant.
    fn check_evidence(&mut self, commitment: &Name, due_at: Timestamp, read: &Coverage, rung: &Rung) {
        let proofs = match commitment.as_str() {
            "first touch" => vec![Proof::Call, Proof::Email, Proof::Meeting],
            _ => vec![Proof::Accepted, Proof::Rejected],
        };
        if read.until(&proofs).is_none_or(|until| until < due_at) {
            self.broken.push(format!("{rung:?}, due at {due_at}, accuses on {read:?}"));
        }
    }
}

/// Everything that does not hold at the end of a run; empty = all promises kept.
pub(super) async fn judge(run: &mut Run) -> Vec<String> {
    let mut broken = std::mem::take(&mut run.watch.broken);
    for model in [&run.marketing, &run.sales] {
        broken.append(&mut model.lock().broken);
    }
    check_outbox(run, &mut broken).await;
    check_ledger(run, &mut broken);
    check_handoffs(run, &mut broken).await;
    check_records(run, &mut broken).await;
    check_echo(run, &mut broken).await;
    broken
}

/// Promises 3 and 8: what was decided is done, or dead with its reason; without leave nothing is written at all.
async fn check_outbox(run: &Run, broken: &mut Vec<String>) {
    let open = run.engine().store().effects_in(&["pending", "sending", "unknown"], 100).await.unwrap();
    let is_notice = |effect: &str| !WRITES.contains(&effect);
    for row in open.iter().filter(|row| !is_notice(&row.effect)) {
        broken.push(format!("{} {} is still {}: {:?}", row.op, row.effect, row.state, row.message));
    }
    for row in run.engine().store().effects_in(&["dead", "cancelled"], 1_000).await.unwrap() {
        if row.message.is_none() {
            broken.push(format!("{} {} is {} without a reason", row.op, row.effect, row.state));
        }
    }
    let written = run.marketing.lock().ledger.len() + run.sales.lock().ledger.len();
    if run.writes == Mode::Off && written > 0 {
        broken.push(format!("{written} effects although writes are off"));
    }
    let done = run.engine().store().effects_in(&["done"], 10_000).await.unwrap();
    let ops: BTreeSet<String> = [&run.marketing, &run.sales].iter().flat_map(|model| ops(model)).collect();
    for row in done.iter().filter(|row| ["create", "task", "note"].contains(&row.effect.as_str())) {
        // A create that found the person's record makes none.
        if row.effect != "create" && !ops.contains(&row.op) {
            broken.push(format!("{} {} is done, but no CRM has it", row.op, row.effect));
        }
    }
}

const WRITES: [&str; 9] = ["create", "owner", "stage", "score", "task", "note", "join_track", "leave_track", "reject"];

fn ops(model: &Model) -> Vec<String> {
    model.lock().ledger.iter().map(|entry| entry.op.to_string()).collect()
}

/// Promises 4, 5 and 11, by what the CRMs took.
fn check_ledger(run: &Run, broken: &mut Vec<String>) {
    for model in [&run.marketing, &run.sales] {
        let state = model.lock();
        let mut made: BTreeMap<OperationId, u32> = BTreeMap::new();
        for entry in &state.ledger {
            match &entry.effect {
                Effect::Create { .. } | Effect::AddTask { .. } | Effect::AddNote { .. } => {
                    *made.entry(entry.op).or_default() += 1;
                }
                Effect::JoinTrack(_) if entry.was_opted_out => {
                    broken.push(format!("{} was put on a list although they had opted out", entry.record));
                }
                Effect::SetOwner { .. } => {
                    let by_person = entry.before.as_ref().is_some_and(|before| before.by.is_person());
                    if by_person && !is_of_later_handoff(run, entry.handoff) {
                        broken.push(format!("a person's owner of {} was overwritten by {}", entry.record, entry.op));
                    }
                }
                Effect::SetStage { .. }
                | Effect::SetScore(_)
                | Effect::SetHandoff(_)
                | Effect::JoinTrack(_)
                | Effect::LeaveTrack(_)
                | Effect::Reject(_)
                | Effect::Restore { .. }
                | Effect::Withdraw { .. } => {}
            }
        }
        for (op, count) in made.iter().filter(|(_, count)| **count > 1) {
            broken.push(format!("{op} took effect {count} times"));
        }
    }
}

/// A person's choice holds until the hand-off ends: the next one may choose anew.
fn is_of_later_handoff(_: &Run, handoff: Option<u32>) -> bool {
    handoff.is_none_or(|number| number > 1)
}

/// Promises 1 and 2: an open hand-off has one active owner, and no rung of it was forgotten.
async fn check_handoffs(run: &Run, broken: &mut Vec<String>) {
    let now = run.clock.now();
    for row in run.engine().store().open_handoffs(10_000).await.unwrap() {
        let handoff = &row.handoff;
        if !handoff.is_open() {
            continue;
        }
        let active = handoff.turns.iter().filter(|turn| turn.ended.is_none()).count();
        if active != 1 {
            broken.push(format!("{} is open with {active} active owners", handoff.id));
        }
        check_steps(handoff, now, broken);
    }
}

fn check_steps(handoff: &Handoff, now: Timestamp, broken: &mut Vec<String>) {
    let Some(turn) = handoff.turn().filter(|_| !handoff.is_shadow) else { return };
    for clock in turn.clocks.iter().filter(|clock| clock.is_running()) {
        let is_late = clock.due_at.is_some_and(|due_at| due_at + SignedDuration::from_mins(40) < now);
        let waits =
            clock.ladder.iter().zip(&clock.steps).any(|(rung, step)| rung.at_percent <= 100 && *step == Step::Waiting);
        if is_late && waits {
            broken.push(format!(
                "{} turn {} {}: a rung of {:?} was forgotten",
                handoff.id, turn.number, clock.name, clock.steps
            ));
        }
        if turn.by == TurnBy::Person && clock.due_at.is_none() {
            broken.push(format!("{} turn {}: a person's choice without a clock", handoff.id, turn.number));
        }
    }
}

/// Promise 7: what the CRMs know is what the store knows.
async fn check_records(run: &Run, broken: &mut Vec<String>) {
    for model in [&run.marketing, &run.sales] {
        let people: Vec<_> = model.lock().people.clone().into_iter().collect();
        for (id, person) in people {
            let of = model.of(Object::Person, &id);
            let stored = run.engine().store().people(std::slice::from_ref(&of)).await.unwrap();
            let Some(record) = stored.first() else {
                if !person.is_gone {
                    broken.push(format!("{of} was never read"));
                }
                continue;
            };
            if person.is_gone {
                if record.presence == Presence::Live {
                    broken.push(format!("{of} is gone, but Baton takes it for live"));
                }
                continue;
            }
            let owner = record.owner().and_then(|entry| entry.owner.as_ref());
            let stage = record.stage().map(|entry| entry.stage);
            let email = record.value(Field::Email);
            let same = owner == person.owner()
                && stage == person.stages.last().map(|entry| entry.stage)
                && email == person.values.get(&Field::Email).map(|(value, _)| value)
                && record.value(Field::OptedOut) == person.values.get(&Field::OptedOut).map(|(value, _)| value)
                && record.is_live();
            if !same {
                broken.push(format!(
                    "{of} is owned by {:?} at {:?}, but stored with {owner:?} at {stage:?}, {:?}",
                    person.owner(),
                    person.stages.last(),
                    record.presence
                ));
            }
        }
    }
}

/// Promise 6: nothing follows from reading our own effects again.
async fn check_echo(run: &mut Run, broken: &mut Vec<String>) {
    let before = run.watch.story.len();
    let effects = run.engine().store().overview().await.unwrap().effects;
    run.beat().await;
    let again = run.engine().store().overview().await.unwrap().effects;
    if run.watch.story.len() != before || effects != again {
        broken.push(format!("something follows from nothing: {} {again:?}", &run.watch.story[before..]));
    }
}

/// Everything that two runs of one seed must have in common.
pub(super) async fn trace(run: &Run) -> String {
    let mut trace = run.watch.story.clone();
    for model in [&run.marketing, &run.sales] {
        for entry in &model.lock().ledger {
            writeln!(trace, "{} {} {} {:?}", entry.op, entry.effect.as_str(), entry.record, entry.before).unwrap();
        }
    }
    let states = ["pending", "sending", "unknown", "done", "dead", "cancelled"];
    for row in run.engine().store().effects_in(&states, 100_000).await.unwrap() {
        writeln!(trace, "{} {} {} {}", row.op, row.to, row.effect, row.state).unwrap();
    }
    trace
}
