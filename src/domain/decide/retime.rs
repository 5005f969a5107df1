//! Moves a running turn to the agreement in force: new times and ladders, while what has been told stays told.
//!
//! Time and ladder are frozen for a turn, so that nobody's deadline moves because somebody edits a file. A person may move
//! running turns on purpose; then each row of the list is what happens, and nothing else.

use jiff::Timestamp;

use crate::domain::calendar::Calendar;
use crate::domain::handoff::{CommitmentClock, Handoff, Step, Turn};
use crate::domain::id::{HandoffId, Name, PersonId};
use crate::domain::plan::{Case, Happening, Plan, Policy};

use super::Draft;

/// What the agreement in force would change for one running turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retimed {
    /// The hand-off.
    pub handoff: HandoffId,
    /// The running turn.
    pub turn: u32,
    /// Who has it.
    pub owner: PersonId,
    /// The agreement that it began under.
    pub from: Name,
    /// The commitments that differ.
    pub rows: Vec<ClockMoved>,
}

/// What changes for one commitment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockMoved {
    /// Which.
    pub commitment: Name,
    /// When it is due under the terms that the turn began with; `None`: the agreement did not ask for it, or no clock runs.
    pub from: Option<Timestamp>,
    /// When it is due under those in force; `None`: they do not ask for it any more, or no clock runs.
    pub to: Option<Timestamp>,
    /// Steps that were told already, at how many percent: they are not told again.
    pub told: Vec<u32>,
    /// Steps that the new terms would have had told by now, at how many percent: they would be told at once.
    pub at_once: Vec<u32>,
}

impl Retimed {
    /// Would somebody be told at once of a time that was not theirs until now?
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        self.rows.iter().any(|row| !row.at_once.is_empty())
    }
}

/// What the agreement in force changes for the running turn of `case`, and the plan that makes it so; `None` if nothing does.
#[must_use]
pub fn retime(now: Timestamp, case: &Case, policy: &Policy) -> Option<(Retimed, Plan)> {
    let mut draft = Draft::new(now, case, policy);
    draft.look_at = case.lead.look_again_at;
    draft.evidence_at = case.lead.evidence_at;
    let handoff = case.handoff.as_ref().filter(|handoff| handoff.is_open())?;
    let turn = handoff.turn()?.clone();
    let (calendar, next) = (draft.calendar_of(&turn), draft.next_clocks(&turn));
    let rows = moved(now, &turn, &next, &calendar);
    if rows.is_empty() {
        return None;
    }
    let (from, to) = (turn.agreement.clone(), policy.agreement.version.clone());
    let retimed =
        Retimed { handoff: handoff.id, turn: turn.number, owner: turn.owner.clone(), from: from.clone(), rows };
    if let Some(turn) = draft.handoff.as_mut().and_then(Handoff::turn_mut) {
        turn.agreement = to.clone();
        turn.clocks = next;
    }
    let due_at = draft.handoff.as_ref().and_then(Handoff::due_at);
    draft.happened(now, Happening::Retimed { turn: turn.number, from, to, due_at });
    // What is due under the new terms is decided as ever: by the next look.
    draft.look_again(now);
    Some((retimed, draft.finish()))
}

impl Draft<'_> {
    /// The promises of `turn` as the agreement in force makes them, each with what has become of it so far.
    fn next_clocks(&self, turn: &Turn) -> Vec<CommitmentClock> {
        let calendar = self.calendar_of(turn);
        let end = |clock: &CommitmentClock| clock.time.end(&calendar, turn.clock_from?).ok();
        let go_on = |mut clock: CommitmentClock| {
            let known = turn.clocks.iter().find(|known| known.name == clock.name);
            let Some(known) = known else {
                clock.due_at = end(&clock);
                return clock;
            };
            // A time that the agreement still gives was chosen for this lead, whatever is known of it by now, and stays.
            if self.policy.agreement.handoff.commitments.iter().any(|commitment| {
                commitment.name == known.name && commitment.within.iter().any(|tier| tier.time == known.time)
            }) {
                clock.time = known.time;
            }
            clock.met.clone_from(&known.met);
            for (step, rung) in clock.steps.iter_mut().zip(&clock.ladder) {
                let place = known.ladder.iter().position(|before| before.at_percent == rung.at_percent);
                *step = place.and_then(|place| known.steps.get(place).copied()).unwrap_or(Step::Waiting);
            }
            clock.due_at = end(&clock);
            clock
        };
        self.promises().into_iter().map(go_on).collect()
    }
}

/// The commitments that differ between the turn as it is and `next`.
fn moved(now: Timestamp, turn: &Turn, next: &[CommitmentClock], calendar: &Calendar) -> Vec<ClockMoved> {
    let mut rows = Vec::new();
    for clock in next {
        let known = turn.clocks.iter().find(|known| known.name == clock.name);
        let is_same = |known: &CommitmentClock| {
            (known.time, &known.ladder, &known.done_by) == (clock.time, &clock.ladder, &clock.done_by)
        };
        if known.is_some_and(is_same) {
            continue;
        }
        let told = clock.ladder.iter().zip(&clock.steps).filter(|(_, step)| step.is_fired());
        rows.push(ClockMoved {
            commitment: clock.name.clone(),
            from: known.and_then(|known| known.due_at),
            to: clock.due_at,
            told: told.map(|(rung, _)| rung.at_percent).collect(),
            at_once: at_once(now, turn, known, clock, calendar),
        });
    }
    for known in turn.clocks.iter().filter(|known| known.is_running()) {
        if !next.iter().any(|clock| clock.name == known.name) {
            let gone = ClockMoved {
                commitment: known.name.clone(),
                from: known.due_at,
                to: None,
                told: Vec::new(),
                at_once: Vec::new(),
            };
            rows.push(gone);
        }
    }
    rows
}

/// The steps of `clock` that have not been told, whose instant has passed, and had not under the terms before.
fn at_once(
    now: Timestamp,
    turn: &Turn,
    known: Option<&CommitmentClock>,
    clock: &CommitmentClock,
    calendar: &Calendar,
) -> Vec<u32> {
    let Some(from) = turn.clock_from else { return Vec::new() };
    let instant =
        |clock: &CommitmentClock, percent: u32| clock.time.at_percent(calendar, from, clock.due_at?, percent).ok();
    let has_passed = |clock: &CommitmentClock, percent: u32| {
        let is_kept = |at: Timestamp| clock.met.as_ref().is_some_and(|met| met.at <= at);
        instant(clock, percent).is_some_and(|at| at <= now && !is_kept(at))
    };
    let had = |percent: u32| {
        known.is_some_and(|known| {
            known.ladder.iter().any(|rung| rung.at_percent == percent) && has_passed(known, percent)
        })
    };
    let steps = clock.ladder.iter().zip(&clock.steps);
    let waiting = steps.filter(|(_, step)| **step == Step::Waiting).map(|(rung, _)| rung.at_percent);
    waiting.filter(|percent| has_passed(clock, *percent) && !had(*percent)).collect()
}
