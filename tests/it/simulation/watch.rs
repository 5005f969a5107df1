//! What is looked at after every pass of the daemon: each event once, and who is put on lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use baton::domain::agreement::Proof;
use baton::domain::coverage::Coverage;
use baton::domain::handoff::{Outcome, TurnEnded};
use baton::domain::id::{LeadId, Name};
use baton::domain::plan::{Effect, Event, Happening};
use baton::engine::Engine;
use jiff::Timestamp;

use super::faults::{Faults, Met};
use super::model::Model;

/// A hand-off of a lead.
pub(super) type Passed = (LeadId, Option<u32>);

/// One rung of one commitment of one turn.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rung {
    pub(super) passed: Passed,
    pub(super) turn: u32,
    pub(super) commitment: Name,
    pub(super) at_percent: u32,
}

/// What was seen of the journal so far.
#[derive(Default)]
pub(super) struct Watch {
    seq: i64,
    /// Rungs that fired and were not withdrawn, with the instant they were due at.
    pub(super) fired: BTreeMap<Rung, Timestamp>,
    withdrawn: BTreeSet<Rung>,
    /// The turn that each open hand-off is in.
    active: BTreeMap<Passed, u32>,
    /// When each turn began.
    pub(super) began: BTreeMap<(Passed, u32), Timestamp>,
    /// The newest hand-off of each lead.
    pub(super) newest: BTreeMap<LeadId, Option<u32>>,
    /// Leads whose records went to another.
    pub(super) joined: BTreeSet<LeadId>,
    /// How often each lead's stage changed.
    pub(super) stage_changes: BTreeMap<LeadId, usize>,
    /// How much of each CRM's ledger was looked at.
    ledger_seen: [usize; 2],
    /// Everything that happened, in words: the run's own story, and what its hash is made of.
    pub(super) story: String,
    pub(super) broken: Vec<String>,
}

impl Watch {
    pub(super) fn events_seen(&self) -> i64 {
        self.seq
    }

    /// Looks at what was decided since the last look. `read` is how far the streams had been read then; `is_sure` says
    /// whether the clock could be believed.
    pub(super) async fn look(&mut self, engine: &Engine, read: &Coverage, is_sure: bool, faults: &mut Faults) {
        let mut rows = engine.store().recent_events(self.seq, 10_000).await.unwrap();
        rows.reverse();
        if !rows.is_empty() && !is_sure {
            faults.met(Met::DecidedOnUnsureTime);
        }
        for row in rows {
            self.seq = row.seq;
            writeln!(self.story, "{} {} {} {:?}", row.seq, row.event.at, row.lead, row.event.what).unwrap();
            self.count(&row.event.what, faults);
            self.follow(row.lead, &row.event);
            if let Happening::StepFired { turn, commitment, at_percent, due_at } = &row.event.what {
                let passed = (row.lead, row.event.handoff);
                let rung = Rung { passed, turn: *turn, commitment: commitment.clone(), at_percent: *at_percent };
                if row.decided_at < *due_at {
                    self.broken.push(format!("{rung:?} fired at {} before it was due at {due_at}", row.decided_at));
                }
                if *at_percent >= 100 {
                    self.check_evidence(&rung, *due_at, read);
                    if !is_sure {
                        self.broken.push(format!("{rung:?} accuses by a clock that stepped"));
                    }
                }
                if self.withdrawn.contains(&rung) || self.fired.insert(rung.clone(), *due_at).is_some() {
                    self.broken.push(format!("{rung:?} fired twice"));
                }
            }
        }
    }

    /// Promise 9: a step that accuses waits until every stream that could prove a touch was read past its instant.
    fn check_evidence(&mut self, rung: &Rung, due_at: Timestamp, read: &Coverage) {
        let proofs = match rung.commitment.as_str() {
            "first touch" => vec![Proof::Call, Proof::Email, Proof::Meeting],
            _ => vec![Proof::Accepted, Proof::Rejected],
        };
        if read.until(&proofs).is_none_or(|until| until <= due_at) {
            self.broken.push(format!("{rung:?}, due at {due_at}, accuses on {read:?}"));
        }
    }

    /// Promise 1, event by event: nobody gets a lead that somebody has.
    fn follow(&mut self, lead: LeadId, event: &Event) {
        let passed = (lead, event.handoff);
        match &event.what {
            Happening::Assigned { turn, .. } => {
                if let Some(other) = self.active.insert(passed, *turn) {
                    self.broken.push(format!("{passed:?}: turn {turn} began while turn {other} went on"));
                }
                self.began.insert((passed, *turn), event.at);
            }
            Happening::TakenOver { turn, .. } => {
                if self.active.insert(passed, *turn).is_none() {
                    self.broken.push(format!("{passed:?}: turn {turn} took over from nobody"));
                }
                self.began.insert((passed, *turn), event.at);
            }
            Happening::TurnEnded { turn, .. } => {
                let ended = self.active.remove(&passed);
                if ended != Some(*turn) {
                    self.broken.push(format!("{passed:?}: turn {turn} ended, which was not the active one"));
                }
            }
            Happening::Closed(_) | Happening::Reopened => drop(self.active.remove(&passed)),
            Happening::Opened { .. } => drop(self.newest.insert(lead, event.handoff)),
            Happening::JoinedTo { .. } => drop(self.joined.insert(lead)),
            Happening::StageChanged { .. } => *self.stage_changes.entry(lead).or_default() += 1,
            Happening::StepWithdrawn { turn, commitment, at_percent } => {
                let rung = Rung { passed, turn: *turn, commitment: commitment.clone(), at_percent: *at_percent };
                self.fired.remove(&rung);
                self.withdrawn.insert(rung);
            }
            _ => {}
        }
    }

    fn count(&self, what: &Happening, faults: &mut Faults) {
        let met = match what {
            Happening::Opened { .. } => Met::HandedOver,
            Happening::StepFired { at_percent, .. } if *at_percent >= 100 => Met::Accused,
            Happening::StepFired { .. } => Met::StepFired,
            Happening::StepWithdrawn { .. } => Met::AccusationWithdrawn,
            Happening::TakenOver { .. } => Met::TakenOverByPerson,
            Happening::TurnEnded { how: TurnEnded::Missed, .. } => Met::ReassignedByClock,
            Happening::TurnEnded { how: TurnEnded::OwnerGone, .. } => Met::OwnerGone,
            Happening::Assigned { why, .. } if why.contains("stands in as the fallback") => Met::FellBack,
            Happening::Contested(_) => Met::FieldContested,
            Happening::Joined { .. } => Met::LeadsJoined,
            Happening::Closed(Outcome::Gone) => Met::RecordGone,
            Happening::Closed(Outcome::Recycled(_)) => Met::Recycled,
            Happening::Closed(Outcome::Rejected(_)) => Met::RejectedBySales,
            Happening::Closed(Outcome::Qualified) => Met::QualifiedBySales,
            _ => return,
        };
        faults.met(met);
    }

    /// Promise 11: nobody is put on a list who has opted out by then, in whichever CRM.
    pub(super) fn look_at_lists(&mut self, models: [&Model; 2], faults: &mut Faults) {
        for (place, model) in models.iter().enumerate() {
            let put: Vec<_> = {
                let state = model.lock();
                let new = state.ledger[self.ledger_seen[place]..].iter();
                let put = new.filter(|entry| matches!(entry.effect, Effect::JoinTrack(_)));
                let put = put.map(|entry| (entry.lead, entry.record.clone(), entry.was_opted_out)).collect();
                self.ledger_seen[place] = state.ledger.len();
                put
            };
            for (lead, record, was_opted_out) in put {
                faults.met(Met::PutOnList);
                let elsewhere = models.iter().any(|model| {
                    let state = model.lock();
                    state
                        .people
                        .values()
                        .any(|person| person.own == Some(lead) && !person.is_gone && person.is_opted_out())
                });
                if was_opted_out || elsewhere {
                    self.broken.push(format!("{record} was put on a list although they had opted out"));
                }
            }
        }
    }
}
