//! The clocks of a turn: when they started, what kept them, and which steps of their ladders are due.
//!
//! Warnings fire at their instant. A step that accuses or takes away fires only once every stream that could prove the
//! commitment kept has been read past the step's instant; a touch that comes to light later with an earlier time
//! withdraws it.

use jiff::{SignedDuration, Timestamp};

use crate::domain::agreement::{Audience, Proof, Rung};
use crate::domain::answer::Verdict;
use crate::domain::calendar::Calendar;
use crate::domain::coverage::BLIND_AFTER;
use crate::domain::finding::FindingKind;
use crate::domain::handoff::{Met, Outcome, Step, Turn, TurnBy, TurnEnd, TurnEnded};
use crate::domain::id::{ConnectionId, Name};
use crate::domain::instant::is_since;
use crate::domain::plan::{Happening, NoticeKind};
use crate::domain::record::Word;
use crate::domain::touch::{Genuine, Touch};

pub(super) use crate::domain::handoff::CommitmentClock;

use super::{Draft, TOUCHES};

/// How long an accusing step waits before it asks again whether the time is sure.
const SURE_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// How long a hand-off of a paused team waits until it is looked at, should nobody let the team go on.
const PAUSED_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// One rung that is due.
struct Due {
    clock: usize,
    rung: usize,
    at: Timestamp,
}

impl Draft<'_> {
    /// Starts, keeps, withdraws and fires whatever is due.
    pub(super) fn run_clocks(&mut self) {
        let Some(handoff) = &self.handoff else { return };
        for index in 0..handoff.turns.len() {
            self.start_clock(index);
            self.set_due(index);
            self.hear_evidence(index);
        }
        if self.handoff.as_ref().is_some_and(|handoff| handoff.is_shadow) {
            return;
        }
        for index in 0..self.handoff.as_ref().map_or(0, |handoff| handoff.turns.len()) {
            self.withdraw(index);
        }
        self.fire();
    }

    fn turn_at(&self, index: usize) -> Option<&Turn> {
        self.handoff.as_ref().and_then(|handoff| handoff.turns.get(index))
    }

    fn turn_at_mut(&mut self, index: usize) -> Option<&mut Turn> {
        self.handoff.as_mut().and_then(|handoff| handoff.turns.get_mut(index))
    }

    /// Sales' clock starts when the owner is known in the CRM.
    fn start_clock(&mut self, index: usize) {
        let Some(turn) = self.turn_at(index) else { return };
        if turn.clock_from.is_some() || turn.ended.is_some() {
            return;
        }
        let number = turn.number;
        let Some(at) = self.owner_known_at(number) else { return };
        if let Some(turn) = self.turn_at_mut(index) {
            turn.clock_from = Some(at);
        }
        self.happened(at, Happening::ClockStarted { turn: number });
    }

    /// Works the deadlines out anew: calendars, holidays and absences may have changed since.
    fn set_due(&mut self, index: usize) {
        let Some(turn) = self.turn_at(index) else { return };
        let Some(from) = turn.clock_from else { return };
        let calendar = self.calendar_of(turn);
        let due: Vec<_> = turn.clocks.iter().map(|clock| clock.time.end(&calendar, from).ok()).collect();
        let beyond = || {
            let business = turn.clocks.iter().zip(&due).filter(|(clock, _)| clock.time.is_business());
            business.filter_map(|(_, due)| *due).find(|due| calendar.assumes_no_holidays(*due))
        };
        let beyond = beyond().filter(|_| turn.ended.is_none()).map(|due| (due, self.no_holidays(&calendar)));
        if let Some(turn) = self.turn_at_mut(index) {
            for (clock, due) in turn.clocks.iter_mut().zip(due) {
                clock.due_at = due;
            }
        }
        if let Some((due, assumes)) = beyond {
            let text = format!(
                "the deadline {} {assumes}: add a holiday file for the time after to `holidays` of [calendars.{}] in the \
                 roster",
                self.when(Some(due)),
                calendar.name()
            );
            self.find(FindingKind::NoHolidays, text);
        }
    }

    /// What is to be said of a deadline behind the calendar's holiday data.
    pub(super) fn no_holidays(&self, calendar: &Calendar) -> String {
        let known = calendar.holidays_known_until().map_or_else(String::new, |known| known.to_string());
        format!("assumes no holidays after {known}, the last date that calendar {} knows of", calendar.name())
    }

    /// The working hours of the turn's owner.
    pub(super) fn calendar_of(&self, turn: &Turn) -> Calendar {
        let known = self.policy.roster.calendar_of(&turn.owner, turn.team.as_ref());
        known.map_or_else(Calendar::always_open, |(_, calendar)| Calendar::clone(calendar))
    }

    /// Finds what kept each commitment: the earliest proof since the turn began (the first turn: since the lead
    /// qualified), which may come to light long after.
    fn hear_evidence(&mut self, index: usize) {
        let Some(handoff) = &self.handoff else { return };
        let Some(turn) = handoff.turns.get(index) else { return };
        let since = if index == 0 { handoff.qualified_at } else { turn.granted_at };
        // A person's change goes on with the clock, and so with what was done before it.
        let since =
            if turn.by == TurnBy::Person && index > 0 { handoff.turns[index - 1].granted_at.min(since) } else { since };
        let until = turn.ended.map(|end| end.at);
        let found: Vec<(usize, Met)> = turn
            .clocks
            .iter()
            .enumerate()
            .filter_map(|(at, clock)| Some((at, self.proof(clock, since, until)?)))
            .filter(|(at, met)| turn.clocks[*at].met.as_ref().is_none_or(|known| met.at < known.at))
            .collect();
        let number = turn.number;
        for (at, met) in found {
            let Some(clock) = self.turn_at_mut(index).and_then(|turn| turn.clocks.get_mut(at)) else { continue };
            let is_first = clock.met.is_none();
            let commitment = clock.name.clone();
            let in_time = clock.due_at.is_none_or(|due| met.at <= due);
            clock.met = Some(met.clone());
            if is_first {
                let what = Happening::Kept { turn: number, commitment, in_time, evidence: met.evidence };
                self.happened(met.at, what);
            }
        }
    }

    fn proof(&self, clock: &CommitmentClock, since: Timestamp, until: Option<Timestamp>) -> Option<Met> {
        let touches = self.case.touches.iter();
        let touch = touches
            .filter(|touch| clock.done_by.contains(&Proof::of(touch.channel)) && self.is_ours(touch))
            .filter_map(|touch| Some((self.in_favour(&touch.of.connection, touch.at, since, until)?, touch)))
            .min_by_key(|(at, _)| *at)
            .map(|(at, touch)| Met { at, proof: Proof::of(touch.channel), evidence: touch.of.clone() });
        let within = |met: &Met| until.is_none_or(|end| met.at <= end);
        let word = self.spoken(clock, since).filter(within);
        let answer = self.answered(clock, since).filter(within);
        [touch, word, answer].into_iter().flatten().min_by_key(|met| met.at)
    }

    /// When what a CRM dates `theirs` happened, in the owner's favour: as early as its clock allows, but not before `since`.
    /// `None` if it lies before `since`, after `until` or after now, whatever its clock. One that is not known to be off is
    /// believed to the instant.
    fn in_favour(
        &self,
        connection: &ConnectionId,
        theirs: Timestamp,
        since: Timestamp,
        until: Option<Timestamp>,
    ) -> Option<Timestamp> {
        let (first, last) = self.policy.coverage.span(connection, theirs);
        let counts = is_since(last, since) && first <= self.now && until.is_none_or(|end| first <= end);
        counts.then(|| if is_since(first, since) { first } else { since })
    }

    /// A touch counts if a person made it, outward, and it took place, and they are not known to be of marketing alone.
    fn is_ours(&self, touch: &Touch) -> bool {
        let is_genuine = touch.genuine == Genuine::Yes;
        let person = touch.by.as_ref().and_then(|by| self.policy.directory.person(&touch.of.connection, by));
        let team = person.and_then(|person| self.policy.roster.team_of(person));
        is_genuine && team.is_none_or(|(id, _)| id.as_str() != "marketing")
    }

    /// Sales' word as a proof.
    fn spoken(&self, clock: &CommitmentClock, since: Timestamp) -> Option<Met> {
        self.case
            .records
            .iter()
            .filter_map(|record| Some((record, record.disposition.as_ref()?)))
            .filter_map(|(record, said)| {
                let at = self.in_favour(&record.of.connection, said.at, since, None)?;
                let proof = match said.word {
                    Word::Accepted => Proof::Accepted,
                    // Without a reason that the agreement knows it is not an answer yet.
                    Word::Rejected { ref reason, .. } => reason.as_ref().map(|_| Proof::Rejected)?,
                };
                let met = Met { at, proof, evidence: record.of.clone() };
                clock.done_by.contains(&proof).then_some(met)
            })
            .min_by_key(|met| met.at)
    }

    /// The owner's word by a link as a proof. Its evidence is the record that it is written to.
    fn answered(&self, clock: &CommitmentClock, since: Timestamp) -> Option<Met> {
        let evidence = self.sales_record().or_else(|| self.case.records.first())?.of.clone();
        let turns = &self.handoff.as_ref()?.turns;
        let answers = turns.iter().filter_map(|turn| turn.answer.as_ref()).filter(|answer| answer.at >= since);
        let proofs = answers.map(|answer| match answer.word {
            Verdict::Accepted => (Proof::Accepted, answer.at),
            Verdict::Rejected(_) => (Proof::Rejected, answer.at),
        });
        let (proof, at) = proofs.filter(|(proof, _)| clock.done_by.contains(proof)).min_by_key(|(_, at)| *at)?;
        Some(Met { at, proof, evidence })
    }

    /// Takes back every accusing step that would not have fired had all been known.
    fn withdraw(&mut self, index: usize) {
        let Some(turn) = self.turn_at(index) else { return };
        let mut wrong: Vec<(usize, usize, Timestamp)> = Vec::new();
        for (at, clock) in turn.clocks.iter().enumerate() {
            let Some(met) = &clock.met else { continue };
            for (rung, step) in clock.steps.iter().enumerate() {
                if let Step::Fired { due_at, .. } = step
                    && met.at <= *due_at
                    && clock.ladder[rung].needs_evidence()
                {
                    wrong.push((at, rung, met.at));
                }
            }
        }
        let number = turn.number;
        for (at, rung, met_at) in wrong {
            let now = self.now;
            let Some(clock) = self.turn_at_mut(index).and_then(|turn| turn.clocks.get_mut(at)) else { continue };
            clock.steps[rung] = Step::Withdrawn { at: now };
            let (commitment, percent) = (clock.name.clone(), clock.ladder[rung].at_percent);
            self.happened(
                now,
                Happening::StepWithdrawn { turn: number, commitment: commitment.clone(), at_percent: percent },
            );
            if !self.turn_at(index).is_none_or(|turn| turn.clocks[at].ladder[rung].tell.is_empty()) {
                self.tell(NoticeKind::Withdrawal, |draft| draft.withdrawal_notice(index, at, rung, met_at));
            }
        }
    }

    /// Fires the steps of the running turn that are due, in the order of their instants.
    fn fire(&mut self) {
        if !self.handoff.as_ref().is_some_and(super::Handoff::is_open) {
            return;
        }
        let Some(turn) = self.handoff.as_ref().and_then(|handoff| handoff.turn()).cloned() else { return };
        // A person stopped it: what falls due meanwhile fires when they let it go on, and then the lead is looked at again.
        if self.policy.paused.stops_team(turn.team.as_ref()) {
            self.look_again(self.now + PAUSED_AGAIN);
            return;
        }
        let Some(from) = turn.clock_from else { return };
        let calendar = self.calendar_of(&turn);
        let mut due: Vec<Due> = Vec::new();
        for (at, clock) in turn.clocks.iter().enumerate() {
            let Some(due_at) = clock.due_at else { continue };
            for (index, rung) in clock.ladder.iter().enumerate() {
                let Ok(instant) = clock.time.at_percent(&calendar, from, due_at, rung.at_percent) else { continue };
                // Contact in time always wins, to the instant.
                let is_kept = clock.met.as_ref().is_some_and(|met| met.at <= instant);
                if clock.steps[index] == Step::Waiting && !is_kept {
                    due.push(Due { clock: at, rung: index, at: instant });
                }
            }
        }
        due.sort_by_key(|due| (due.at, due.clock, due.rung));
        for step in due {
            let clock = &turn.clocks[step.clock];
            let rung = &clock.ladder[step.rung];
            if step.at > self.now {
                if clock.is_running() {
                    self.look_again(step.at);
                }
                continue;
            }
            if rung.needs_evidence() && !self.policy.is_time_sure {
                // Nobody is accused by a clock that stepped: it may be right, or an hour ahead.
                self.look_again(self.now + SURE_AGAIN);
                break;
            }
            if rung.needs_evidence() && !self.is_covered(clock, step.at) {
                self.await_evidence(clock, step.at);
                // Nothing later of this turn may overtake a step that waits.
                break;
            }
            let goes_on = self.fire_step(&turn, step.clock, step.rung, step.at);
            if !goes_on {
                break;
            }
        }
    }

    fn is_covered(&self, clock: &CommitmentClock, instant: Timestamp) -> bool {
        self.policy.coverage.until(&clock.done_by).is_some_and(|until| until > instant)
    }

    fn await_evidence(&mut self, clock: &CommitmentClock, instant: Timestamp) {
        self.evidence_at = Some(self.evidence_at.map_or(instant, |known| known.min(instant)));
        let blind_at = instant + BLIND_AFTER;
        if blind_at > self.now {
            self.look_again(blind_at);
            return;
        }
        // The sweep wakes whoever waits for evidence once every stream has passed; another stream may stay blind for days.
        self.look_again(self.now + BLIND_AFTER);
        let behind: Vec<String> = self
            .policy
            .coverage
            .behind(&clock.done_by, instant)
            .map(|stream| match stream.covered_until {
                Some(until) => format!("{} since {until:.0}", stream.stream),
                None => format!("{} from the beginning", stream.stream),
            })
            .collect();
        let text = format!(
            "cannot judge {}: blind on {}; nobody is told of a breach until it is read",
            clock.name,
            behind.join(", ")
        );
        self.find(FindingKind::Blind, text);
    }

    /// Fires one step. Says whether the turn goes on after it.
    fn fire_step(&mut self, turn: &Turn, at: usize, index: usize, due_at: Timestamp) -> bool {
        let clock = &turn.clocks[at];
        let rung = &clock.ladder[index];
        let is_kept = clock.met.is_some();
        let now = self.now;
        if let Some(open) = self.handoff.as_mut().and_then(|handoff| handoff.turn_mut()) {
            open.clocks[at].steps[index] = Step::Fired { due_at, at: now };
        }
        let (commitment, at_percent) = (clock.name.clone(), rung.at_percent);
        self.happened(due_at, Happening::StepFired { turn: turn.number, commitment, at_percent, due_at });
        let kind = kind_of(rung);
        if !rung.tell.is_empty() {
            self.tell(kind, |draft| draft.step_notice(kind, turn, at, index, due_at));
        }
        // What was kept late is still a breach to tell of, but nothing to work off or to take away.
        if is_kept {
            return true;
        }
        if rung.task {
            let step = format!("{}:{at_percent}", clock.name);
            self.write_task(turn, &step, turn.number, Some(clock));
        }
        if let Some(reason) = &rung.recycle {
            self.close(now, Outcome::Recycled(reason.clone()));
            self.return_to_marketing(reason, now, true);
            return false;
        }
        // The owner whom a person chose holds until the hand-off ends; after the fallback there is nobody.
        if rung.reassign && turn.by == TurnBy::Routing && !self.is_persons_choice_too(turn) {
            self.reassign(turn.number);
            return false;
        }
        true
    }

    fn reassign(&mut self, number: u32) {
        let now = self.now;
        if let Some(turn) = self.handoff.as_mut().and_then(|handoff| handoff.turn_mut()) {
            turn.ended = Some(TurnEnd { at: now, how: TurnEnded::Missed });
        }
        self.happened(now, Happening::TurnEnded { turn: number, how: TurnEnded::Missed });
        self.follow_owner();
    }

    /// Genuine touches on the lead since it qualified.
    pub(super) fn touches_made(&self) -> u32 {
        let Some(since) = self.handoff.as_ref().map(|handoff| handoff.qualified_at) else { return 0 };
        let made = self.case.touches.iter().filter(|touch| {
            self.in_favour(&touch.of.connection, touch.at, since, None).is_some()
                && TOUCHES.contains(&Proof::of(touch.channel))
                && self.is_ours(touch)
        });
        u32::try_from(made.count()).unwrap_or(u32::MAX)
    }
}

fn kind_of(rung: &Rung) -> NoticeKind {
    if rung.recycle.is_some() {
        NoticeKind::Recycle
    } else if rung.reassign {
        NoticeKind::Reassignment
    } else if rung.at_percent >= 100 || rung.tell.contains(&Audience::Manager) {
        NoticeKind::Breach
    } else {
        NoticeKind::Warning
    }
}

/// What a step's notice is about: for operation ids.
pub(super) fn step_name(commitment: &Name, at_percent: u32) -> String {
    format!("{commitment}:{at_percent}")
}
