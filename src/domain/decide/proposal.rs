//! Hand-offs whose owner a person has yet to approve (`writes = "plan"`): shadows until the write takes effect.

use jiff::Timestamp;

use crate::domain::handoff::{Handoff, Outcome, Step, TurnBy};
use crate::domain::id::Name;
use crate::domain::plan::{Case, Fate, Lane, Mode, Notice, NoticeKind, Plan, Policy, Write};
use crate::domain::record::PersonRecord;
use crate::domain::stage::Stage;

use super::Draft;
use super::stage::Rise;

impl Draft<'_> {
    /// After the owner's write was planned: while it waits for a person, the hand-off is a shadow. Its clock runs on the board
    /// from the choice, as what would have been.
    pub(super) fn propose(&mut self) {
        if self.policy.writes != Mode::Plan {
            return;
        }
        let Some(sales) = self.sales() else { return };
        let Some(number) = self.handoff.as_ref().and_then(Handoff::turn).map(|turn| turn.number) else { return };
        let op = self.owner_op(sales, number, "owner");
        if !self.writes.iter().any(|write| write.op == op) {
            return;
        }
        let now = self.now;
        let Some(handoff) = self.handoff.as_mut().filter(|handoff| !handoff.is_shadow) else { return };
        handoff.is_shadow = true;
        handoff.proposed_at = Some(now);
        if let Some(turn) = handoff.turn_mut() {
            turn.clock_from = Some(now);
        }
    }

    /// What became of a proposal: approved and written, it is a hand-off like any other from the receipt on; discarded, it
    /// stays the shadow that it was; planned on what has changed since, it is planned anew.
    pub(super) fn confirm_proposal(&mut self) {
        self.plan_anew();
        let Some(handoff) = self.handoff.as_ref().filter(|handoff| handoff.proposed_at.is_some()) else { return };
        let (Some(sales), Some(turn)) = (self.sales(), handoff.turn()) else { return };
        let number = turn.number;
        let op = self.owner_op(sales, number, "owner");
        match self.case.receipts.iter().find(|receipt| receipt.op == op).map(|receipt| receipt.fate) {
            Some(Fate::Done) => {
                self.become_real();
                let kind = if number == 1 { NoticeKind::Assigned } else { NoticeKind::Reassignment };
                self.tell(kind, |draft| draft.turn_notice(kind));
            }
            Some(Fate::Dead) => {
                if let Some(handoff) = self.handoff.as_mut() {
                    handoff.proposed_at = None;
                }
            }
            Some(Fate::Held | Fate::Superseded | Fate::Pending) | None => {}
        }
    }

    /// What of the turn's owner was planned on something that has changed since is planned on what is now.
    fn plan_anew(&mut self) {
        let Some(handoff) = self.handoff.as_ref().filter(|handoff| handoff.is_open()) else { return };
        let Some(number) = handoff.turn().filter(|turn| turn.by != TurnBy::Person).map(|turn| turn.number) else {
            return;
        };
        let fell = |op| self.case.receipts.iter().any(|known| known.op == op && known.fate == Fate::Superseded);
        if self.policy.connections.iter().any(|ability| fell(self.owner_op(&ability.connection, number, "owner"))) {
            self.write_owner();
        }
    }

    /// The owner is known in the CRM: the turn's clock starts there and not at the choice.
    fn become_real(&mut self) {
        let Some(handoff) = self.handoff.as_mut() else { return };
        handoff.is_shadow = false;
        handoff.proposed_at = None;
        let Some(turn) = handoff.turn_mut() else { return };
        turn.clock_from = None;
        for clock in &mut turn.clocks {
            clock.due_at = None;
            clock.steps.iter_mut().for_each(|step| *step = Step::Waiting);
        }
    }

    /// A person chose an owner in the CRM while Baton's own proposal waited: theirs holds, and ours is not asked any more.
    pub(super) fn give_up_proposal(&mut self) {
        let Some(handoff) = self.handoff.as_mut().filter(|handoff| handoff.proposed_at.is_some()) else { return };
        handoff.is_shadow = false;
        handoff.proposed_at = None;
        if let Some(turn) = handoff.turn_mut().filter(|turn| turn.by == TurnBy::Person) {
            turn.clock_from = Some(turn.granted_at);
        }
        self.cancels = Some(Name::from("a person chose an owner meanwhile"));
    }
}

/// What would be written, and who told, for the hand-off of `case` as it stands, were its shadow real.
#[must_use]
pub fn would_write(now: Timestamp, case: &Case, policy: &Policy) -> (Vec<Write>, Vec<Notice>) {
    let mut draft = Draft::new(now, case, policy);
    if let Some(handoff) = draft.handoff.as_mut() {
        handoff.is_shadow = false;
        handoff.proposed_at = None;
    }
    let Some(turn) = draft.handoff.as_ref().filter(|handoff| handoff.is_open()).and_then(Handoff::turn) else {
        return (Vec::new(), Vec::new());
    };
    if turn.by != TurnBy::Person {
        draft.write_owner();
    }
    let says = |record: &PersonRecord| record.stage().is_some_and(|entry| entry.stage >= draft.lead.stage);
    if !case.records.iter().any(says) {
        let (stage, from) = (draft.lead.stage, Stage::Engagement);
        draft.write_stage(stage, from, Lane::Recycle, "passed the agreed bar");
    }
    draft.write_score();
    draft.tell(NoticeKind::Assigned, |draft| draft.turn_notice(NoticeKind::Assigned));
    (draft.writes, draft.notices)
}

/// A plan that carries out a person's order for the lead: `writes`, and, if they take the hand-off back, its end.
#[must_use]
pub fn order(now: Timestamp, case: &Case, policy: &Policy, writes: Vec<Write>, ends: Option<Name>) -> Plan {
    let mut draft = Draft::new(now, case, policy);
    draft.look_at = case.lead.look_again_at;
    draft.evidence_at = case.lead.evidence_at;
    if let Some(why) = ends.filter(|_| draft.handoff.as_ref().is_some_and(|handoff| !handoff.is_closed())) {
        draft.close(now, Outcome::Skipped(why));
        draft.lead.owner = None;
    }
    Plan { writes, hold: None, ..draft.finish() }
}

impl Draft<'_> {
    /// Opens a hand-off for a lead that was only watched, because a person says so, and when its time has come.
    pub(super) fn adopt_on_purpose(&mut self) {
        let Some(at) = self.lead.adopt_at.filter(|_| self.lead.adopted) else { return };
        if at > self.now {
            return self.look_again(at);
        }
        self.lead.adopt_at = None;
        let passes = self.policy.agreement.bar().is_some_and(|bar| self.holds(bar));
        self.open_handoff(Some(Rise { qualified_at: self.now, below_bar: !passes }));
    }
}
