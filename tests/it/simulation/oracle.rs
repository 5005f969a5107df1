//! What must hold at the end of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use baton::domain::coverage::Coverage;
use baton::domain::field::Field;
use baton::domain::handoff::{Handoff, Step, TurnBy};
use baton::domain::id::{LeadId, Object, OperationId, RemoteId};
use baton::domain::plan::{Effect, Mode};
use baton::domain::record::Presence;
use baton::domain::touch::Genuine;
use baton::engine::replay;
use jiff::{SignedDuration, Timestamp};

use super::faults::{Met, Tally};
use super::model::{Entry, Model};
use super::run::Run;

/// Every state of an effect.
const STATES: [&str; 8] = ["pending", "sending", "unknown", "done", "dead", "cancelled", "held", "superseded"];

/// Everything that does not hold at the end of a run; empty = all promises kept.
pub(super) async fn judge(run: &mut Run) -> Vec<String> {
    let mut broken = std::mem::take(&mut run.watch.broken);
    for model in [&run.marketing, &run.sales] {
        broken.append(&mut model.lock().broken);
    }
    check_outbox(run, &mut broken).await;
    check_ledger(run, &mut broken);
    check_to_and_fro(run, &mut broken);
    check_handoffs(run, &mut broken).await;
    check_records(run, &mut broken).await;
    check_accusations(run, &mut broken).await;
    check_echo(run, &mut broken).await;
    broken
}

/// What the journal says of itself: every decision comes out the same again, and the chain holds.
pub(super) async fn judge_journal(run: &Run) -> Vec<String> {
    let store = run.engine().store();
    let replayed = replay(store, None, Timestamp::MIN).await.unwrap();
    let different = replayed.told.iter().map(|different| format!("decided otherwise: {different:?}"));
    different.chain(store.verify(None).await.unwrap().problems).collect()
}

/// What became of effects.
pub(super) async fn fates(run: &Run) -> Tally {
    let mut tally = Tally::default();
    for row in run.engine().store().effects_in(&["dead"], 1_000).await.unwrap() {
        let is_consent = row.message.as_ref().is_some_and(|message| message.contains("opted out"));
        tally.add(if is_consent { Met::NotPutOnList } else { Met::DeadEffect }, 1);
    }
    tally
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
    let ops: BTreeSet<String> = [&run.marketing, &run.sales].iter().flat_map(|model| ops(model)).collect();
    // Nobody approves of anything in these lives.
    if run.writes != Mode::On && !ops.is_empty() {
        broken.push(format!("{} effects although writes are {:?}", ops.len(), run.writes));
    }
    let all = run.engine().store().effects_in(&STATES, 100_000).await.unwrap();
    let known: BTreeSet<&str> = all.iter().map(|row| row.op.as_str()).collect();
    broken.extend(ops.iter().filter(|op| !known.contains(op.as_str())).map(|op| format!("{op} was sent, not decided")));
    let done = run.engine().store().effects_in(&["done"], 10_000).await.unwrap();
    for row in done.iter().filter(|row| ["create", "task", "note"].contains(&row.effect.as_str())) {
        // A create that found the person's record makes none.
        if row.effect != "create" && !ops.contains(&row.op) {
            broken.push(format!("{} {} is done, but no CRM has it", row.op, row.effect));
        }
    }
}

const WRITES: [&str; 10] =
    ["handoff", "create", "owner", "stage", "score", "task", "note", "join_track", "leave_track", "reject"];

fn ops(model: &Model) -> Vec<String> {
    model.lock().ledger.iter().map(|entry| entry.op.to_string()).collect()
}

/// Promises 4 and 5, by what the CRMs took.
fn check_ledger(run: &Run, broken: &mut Vec<String>) {
    for model in [&run.marketing, &run.sales] {
        let state = model.lock();
        let mut made: BTreeMap<OperationId, u32> = BTreeMap::new();
        for entry in &state.ledger {
            match &entry.effect {
                Effect::Create { .. } | Effect::AddTask { .. } | Effect::AddNote { .. } => {
                    *made.entry(entry.op).or_default() += 1;
                }
                Effect::SetOwner { .. } => {
                    // What no look could have told is not overwritten: Baton had chosen the very same, and was shown nothing else.
                    let by_person = entry.before.as_ref().is_some_and(|before| before.by.is_person());
                    if by_person && entry.was_shown && !is_of_later_handoff(run, entry.handoff) {
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

/// Promise 6: whoever fights for a field, Baton writes it once for each reason and once more.
fn check_to_and_fro(run: &Run, broken: &mut Vec<String>) {
    for model in [&run.marketing, &run.sales] {
        // One operation may take effect again where its answer was lost and the other party was quicker than the look.
        let mut owners: BTreeMap<(LeadId, Option<u32>, RemoteId), BTreeSet<OperationId>> = BTreeMap::new();
        let mut stages: BTreeMap<(LeadId, RemoteId), BTreeSet<OperationId>> = BTreeMap::new();
        for entry in &model.lock().ledger {
            match &entry.effect {
                Effect::SetOwner { .. } => {
                    owners.entry((entry.lead, entry.handoff, entry.record.clone())).or_default().insert(entry.op);
                }
                Effect::SetStage { .. } => {
                    stages.entry((entry.lead, entry.record.clone())).or_default().insert(entry.op);
                }
                _ => {}
            }
        }
        for ((lead, handoff, record), ops) in owners {
            let count = u32::try_from(ops.len()).unwrap();
            let of = run.watch.began.keys().filter(|(passed, _)| *passed == (lead, handoff));
            let turns = of.map(|(_, turn)| *turn).max().unwrap_or(1);
            if count > 2 * turns {
                broken.push(format!("the owner of {record} was written {count} times in {turns} turns"));
            }
        }
        for ((lead, record), ops) in stages {
            let count = ops.len();
            let reasons = run.watch.stage_changes.get(&lead).copied().unwrap_or(0) + 1;
            if count > 2 * reasons {
                broken.push(format!("the stage of {record} was written {count} times for {reasons} reasons"));
            }
        }
    }
}

/// Promise 9: no accusation stands that a touch in time, logged however late, takes back.
async fn check_accusations(run: &Run, broken: &mut Vec<String>) {
    let touches: Vec<_> = run.sales.lock().touches.values().map(|(_, touch)| touch.clone()).collect();
    let genuine: Vec<_> = touches.into_iter().filter(|touch| touch.genuine == Genuine::Yes).collect();
    let mut touched: Vec<(LeadId, Timestamp)> = Vec::new();
    for touch in &genuine {
        let records = run.engine().store().people(std::slice::from_ref(&touch.person)).await.unwrap();
        touched.extend(records.iter().filter(|record| record.is_live()).map(|record| (record.link.lead, touch.at)));
    }
    for (rung, due_at) in &run.watch.fired {
        let (lead, handoff) = rung.passed;
        let is_newest = run.watch.newest.get(&lead) == Some(&handoff) && !run.watch.joined.contains(&lead);
        let Some(began) = run.watch.began.get(&(rung.passed, rung.turn)).filter(|_| is_newest) else { continue };
        let ended = run.watch.began.get(&(rung.passed, rung.turn + 1)).copied().unwrap_or(Timestamp::MAX);
        if rung.at_percent < 100 || rung.commitment.as_str() != "first touch" {
            continue;
        }
        let proof = touched.iter().find(|(of, at)| *of == lead && at >= began && at <= due_at && *at < ended);
        if let Some((_, at)) = proof {
            broken.push(format!("{rung:?}, due at {due_at}, accuses although they were called at {at}"));
        }
    }
}

/// Promises 1 and 2: an open hand-off has one active owner, and no rung of it was forgotten.
async fn check_handoffs(run: &Run, broken: &mut Vec<String>) {
    let now = run.clock.now();
    let read = run.engine().coverage().await.unwrap();
    for row in run.engine().store().open_handoffs(10_000).await.unwrap() {
        let handoff = &row.handoff;
        if !handoff.is_open() {
            continue;
        }
        let active = handoff.turns.iter().filter(|turn| turn.ended.is_none()).count();
        if active != 1 {
            broken.push(format!("{} is open with {active} active owners", handoff.id));
        }
        if let Some(turn) = handoff.turn().filter(|turn| turn.by == TurnBy::Routing) {
            let state = run.sales.lock();
            let mut users = state.users.values().map(|(_, user)| user);
            let is_owner = |email: &str| email == turn.owner.as_str();
            if !users.any(|user| user.is_active && user.email.as_ref().is_some_and(|email| is_owner(email.as_str()))) {
                broken.push(format!("{} is with {}, who cannot own records any more", handoff.id, turn.owner));
            }
        }
        check_steps(handoff, now, &read, broken);
    }
}

fn check_steps(handoff: &Handoff, now: Timestamp, read: &Coverage, broken: &mut Vec<String>) {
    let Some(turn) = handoff.turn().filter(|_| !handoff.is_shadow) else { return };
    for clock in turn.clocks.iter().filter(|clock| clock.is_running()) {
        // A feed that lagged of late is believed less far: what waits for it is not forgotten.
        let known = read.until(&clock.done_by).map_or(now, |until| until.min(now));
        let is_late = clock.due_at.is_some_and(|due_at| due_at + SignedDuration::from_mins(40) < known);
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
    run.beat(true).await;
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
            let Entry { op, lead, handoff, effect, record, before, .. } = entry;
            let to = if let Effect::SetOwner { owner, expected } = effect {
                format!("{owner} over {expected:?}, ")
            } else {
                String::new()
            };
            writeln!(trace, "{op} {lead}/{handoff:?} {} {to}{record} {before:?}", effect.as_str()).unwrap();
        }
    }
    for row in run.engine().store().effects_in(&STATES, 100_000).await.unwrap() {
        writeln!(trace, "{} {} {} {}", row.op, row.to, row.effect, row.state).unwrap();
    }
    trace
}
