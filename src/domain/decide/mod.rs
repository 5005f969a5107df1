//! Case + policy + now -> plan: what follows for one lead.
//!
//! [`decide`] is pure and synchronous: what it needs was looked up before, what it wants is a value. It reads the case in
//! the order in which a person would: who is this ([`kin`], [`facts`]), beside whom ([`committee`]), how good ([`super::score`]), how far
//! ([`stage`]), who has it ([`owner`]), is it kept ([`clock`]), did sales speak ([`disposition`]). What people read
//! is worded in [`story`] and [`package`], whom it reaches in [`spread`], what CRMs get in [`effects`]. A turn that wants an owner is completed by [`grant`] once
//! somebody was chosen under the team's row.

mod answer;
mod clock;
mod committee;
mod consent;
mod contest;
mod disposition;
mod effects;
mod facts;
mod gate;
mod kin;
mod owner;
mod package;
mod proposal;
mod retime;
mod spread;
mod stage;
mod story;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

use super::agreement::Proof;
use super::expr::{Facts, Verdict};
use super::finding::{Finding, FindingKind, Subject};
use super::handoff::{Handoff, HandoffState, Outcome, TurnEnd, TurnEnded};
use super::id::{ConnectionId, Name, OperationId};
use super::lead::{LeadState, Projection};
use super::plan::{Case, Event, Happening, Hold, Mode, Notice, Plan, Policy, Wanted, Write};
use super::record::PersonRecord;
use super::sales;
use super::score::Score;

pub use consent::DO_NOT_WRITE;
pub use facts::{appraise, gather};
pub use owner::{Granted, grant};
pub use package::PACKAGE_CHARS_MAX;
pub use proposal::{order, would_write};
pub use retime::{ClockMoved, Retimed, retime};

/// What follows for the lead of `case` at `now`.
///
/// Deciding twice about the same case plans nothing the second time: every effect carries an operation id that only
/// depends on what was decided, and state that has been reached is not reached again.
#[must_use]
pub fn decide(now: Timestamp, case: &Case, policy: &Policy) -> Plan {
    let mut draft = Draft::new(now, case, policy);
    draft.hear_who_it_is();
    if draft.lead.merged_into.is_some() {
        draft.lead.committee = None;
        return draft.finish();
    }
    draft.describe_lead();
    draft.sit_down();
    draft.go_on_after_split();
    let rise = draft.settle_stage();
    draft.follow_handoff();
    draft.open_handoff(rise);
    draft.adopt_on_purpose();
    draft.watch_committee();
    draft.watch_score();
    draft.tell_of_contests();
    draft.keep_track();
    draft.write_score();
    draft.show_handoff();
    draft.finish()
}

/// A plan in the making, with everything that was worked out for it.
pub(super) struct Draft<'a> {
    now: Timestamp,
    case: &'a Case,
    policy: &'a Policy,
    projection: Projection,
    facts: Facts,
    score: Score,
    lead: LeadState,
    handoff: Option<Handoff>,
    events: Vec<Event>,
    writes: Vec<Write>,
    notices: Vec<Notice>,
    cancels: Option<Name>,
    findings: Vec<Finding>,
    wants_owner: Option<Wanted>,
    /// The earliest instant at which something is due without any new fact.
    look_at: Option<Timestamp>,
    /// The earliest instant that an accusing step waits for the streams to pass.
    evidence_at: Option<Timestamp>,
}

impl<'a> Draft<'a> {
    fn new(now: Timestamp, case: &'a Case, policy: &'a Policy) -> Self {
        let projection = Projection::of(&case.records);
        let mut facts = facts::gather(case, &projection);
        let score = facts::appraise(now, case, &policy.agreement, &policy.zone, &mut facts);
        Self {
            now,
            case,
            policy,
            projection,
            facts,
            score,
            lead: case.lead.clone(),
            handoff: case.handoff.clone(),
            events: Vec::new(),
            writes: Vec::new(),
            notices: Vec::new(),
            cancels: None,
            findings: Vec::new(),
            wants_owner: None,
            look_at: None,
            evidence_at: None,
        }
    }

    /// Everything about an open or ended hand-off: sales' word first, since it ends what the clock would accuse of.
    fn follow_handoff(&mut self) {
        if self.handoff.is_none() {
            return;
        }
        self.confirm_proposal();
        self.end_if_gone();
        self.end_if_skipped();
        self.hear_answer();
        self.hear_disposition();
        self.complete_gate();
        self.follow_owner();
        self.run_clocks();
    }

    fn finish(mut self) -> Plan {
        if let Some(next) = self.score.next_change {
            self.look_again(facts::midnight(self.policy, next));
        }
        if self.wants_owner.is_some() {
            // Should nobody be found now, somebody may come back without any news of the lead.
            self.look_again(self.now + OWNER_AGAIN);
        }
        self.lead.look_again_at = self.look_at;
        self.lead.evidence_at = self.evidence_at;
        let handoff = if self.handoff == self.case.handoff { None } else { self.handoff };
        let present = handoff.as_ref().or(self.case.handoff.as_ref());
        // A proposal is what waits for approval; what was told before its turn began stays told.
        let is_shadow = present.is_some_and(|handoff| handoff.is_shadow && handoff.proposed_at.is_none());
        if self.policy.writes == Mode::Off || is_shadow {
            self.writes.clear();
        }
        if self.policy.notices == Mode::Off || is_shadow {
            self.notices.clear();
        }
        let team = present.and_then(|handoff| handoff.turn()).and_then(|turn| turn.team.as_ref());
        let paused = team.filter(|team| self.policy.paused.teams.contains(*team));
        let hold = match (paused, self.policy.writes) {
            (Some(team), _) => Some(Hold::Paused(team.clone())),
            (None, Mode::Plan) => Some(Hold::Plan),
            (None, Mode::Off | Mode::On) => None,
        };
        Plan {
            hold,
            lead: self.lead,
            handoff,
            events: self.events,
            writes: self.writes,
            notices: self.notices,
            cancels: self.cancels,
            findings: self.findings,
            wants_owner: self.wants_owner,
        }
    }

    /// Decide again at `at` at the latest.
    fn look_again(&mut self, at: Timestamp) {
        let at = at.max(self.now);
        self.look_at = Some(self.look_at.map_or(at, |known| known.min(at)));
    }

    fn happened(&mut self, at: Timestamp, what: Happening) {
        let handoff = self.handoff.as_ref().map(|handoff| handoff.id.number);
        self.events.push(Event { at, handoff, what });
    }

    fn find(&mut self, kind: FindingKind, text: String) {
        self.findings.push(Finding { kind, subject: Subject::Lead(self.lead.id), text });
    }

    /// The operation id of an effect of the open hand-off.
    fn op(&self, commitment: &str, turn: u32, step: &str, effect: &str) -> OperationId {
        let handoff = self.handoff.as_ref().map_or_else(|| self.lead.id.to_string(), |handoff| handoff.id.to_string());
        operation(self.policy, &handoff, commitment, turn, step, effect)
    }

    /// Does `rule` hold? Unknown counts as no.
    fn holds(&self, rule: &super::expr::Rule) -> bool {
        rule.eval(&self.facts) == Verdict::Yes
    }

    /// The connection where sales works on the lead: its team's, else the agreement's, else the one where the lead lives.
    fn sales(&self) -> Option<&'a ConnectionId> {
        let named = sales::of_handoff(&self.policy.agreement, &self.policy.roster, self.handoff.as_ref());
        named.or_else(|| lives(self.case))
    }

    /// Does some team of sales work there?
    fn is_sales(&self, connection: &ConnectionId) -> bool {
        sales::is_sales(&self.policy.agreement, &self.policy.roster, connection)
    }

    /// The record in sales' CRM that carries the present journey: the newest one without a word of sales.
    fn sales_record(&self) -> Option<&'a PersonRecord> {
        self.journey(self.sales()?)
    }

    /// The record on `connection` that carries the present journey.
    fn journey(&self, connection: &ConnectionId) -> Option<&'a PersonRecord> {
        journey(&self.case.records, connection).or_else(|| self.given_back_unheard(connection))
    }

    /// The record that sales gave back with no reason of the agreement: the hand-off stays open until there is one, and it stays its
    /// record.
    fn given_back_unheard(&self, connection: &ConnectionId) -> Option<&'a PersonRecord> {
        use super::record::Word;
        let opened_at = self.handoff.as_ref().filter(|handoff| handoff.is_open())?.opened_at;
        let is_unheard = |record: &&PersonRecord| {
            let Some(said) = &record.disposition else { return false };
            let Word::Rejected { reason, .. } = &said.word else { return false };
            let is_ours = |reason| self.policy.agreement.handoff.rejections.contains_key(reason);
            said.at >= opened_at && !reason.as_ref().is_some_and(is_ours)
        };
        let live = self.case.records.iter().filter(|record| record.is_live() && &record.of.connection == connection);
        live.filter(is_unheard).max_by_key(|record| (!record.came_along(), record.created))
    }

    /// The record on `connection` by which marketing finds the lead on its track: the one that carries the journey, else the
    /// one that sales has given back itself. Who nurtures looks for the tag, whoever ended the journey.
    fn tracked(&self, connection: &ConnectionId) -> Option<&'a PersonRecord> {
        let live = self.case.records.iter().filter(|record| record.is_live() && &record.of.connection == connection);
        self.journey(connection).or_else(|| live.max_by_key(|record| (!record.came_along(), record.created)))
    }

    /// Ends the hand-off: the turn with it, and whatever is queued for it.
    fn close(&mut self, at: Timestamp, outcome: Outcome) {
        // A step that fell due before the end may have asked for the next owner: nobody gets what has ended.
        self.wants_owner = None;
        self.lead.contested.clear();
        let Some(handoff) = self.handoff.as_mut() else { return };
        handoff.proposed_at = None;
        if let Some(turn) = handoff.turn_mut() {
            turn.ended = Some(TurnEnd { at, how: TurnEnded::Closed });
        }
        handoff.state = HandoffState::Closed { outcome: outcome.clone(), at };
        self.cancels = Some(Name::from(match &outcome {
            Outcome::Qualified => "sales confirmed the lead",
            Outcome::Rejected(_) => "sales gave the lead back",
            Outcome::Recycled(_) => "the lead returned to marketing",
            Outcome::Merged(_) => "the lead was merged into another",
            Outcome::Gone => "the record is gone",
            Outcome::Skipped(_) => "the lead must not be handed over any more",
        }));
        self.happened(at, Happening::Closed(outcome));
    }
}

/// The connection where the lead lives.
#[must_use]
pub fn lives(case: &Case) -> Option<&ConnectionId> {
    case.records.iter().find(|record| record.is_live()).map(|record| &record.of.connection)
}

/// The record on `connection` that carries the present journey: the newest that is live and not ended by sales.
///
/// Records of
/// leads that were joined to this one come last: the owner of the hand-off that goes on was not written to them.
#[must_use]
pub fn journey<'a>(records: &'a [PersonRecord], connection: &ConnectionId) -> Option<&'a PersonRecord> {
    records
        .iter()
        .filter(|record| record.is_live() && &record.of.connection == connection && !is_ended(record))
        .max_by_key(|record| (!record.came_along(), record.created))
}

/// Has sales ended the journey of this record?
fn is_ended(record: &PersonRecord) -> bool {
    use super::record::Word;
    let is_rejected = matches!(record.disposition.as_ref().map(|said| &said.word), Some(Word::Rejected { .. }));
    is_rejected
        || record
            .stage()
            .is_some_and(|entry| matches!(entry.stage, super::stage::Stage::Won | super::stage::Stage::Lost))
}

/// The operation id of an effect: what makes it that effect on every machine and after every restart.
pub(super) fn operation(
    policy: &Policy,
    handoff: &str,
    commitment: &str,
    turn: u32,
    step: &str,
    effect: &str,
) -> OperationId {
    OperationId::of(&[policy.workspace.as_str(), handoff, commitment, &turn.to_string(), step, effect])
}

/// How long a lead for which nobody was found waits until somebody is looked for again.
const OWNER_AGAIN: SignedDuration = SignedDuration::from_mins(10);

/// The commitments that some stream must be read for before anybody is accused.
pub(super) const TOUCHES: [Proof; 3] = [Proof::Call, Proof::Email, Proof::Meeting];
