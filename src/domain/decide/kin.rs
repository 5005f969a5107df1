//! What was said of who the lead is: joined with another, or taken apart. Its memory and its hand-off follow.

use crate::domain::handoff::{HandoffState, Outcome, TurnEnded};
use crate::domain::id::LeadId;
use crate::domain::kin;
use crate::domain::plan::{Happening, Told};

use super::Draft;

impl Draft<'_> {
    /// Takes over what joined leads remembered, gives back what parted ones brought, and ends what goes on elsewhere.
    pub(super) fn hear_who_it_is(&mut self) {
        for told in &self.case.told {
            match told {
                Told::Joined { other, by } => {
                    let has_open = self.handoff.as_ref().is_some_and(|handoff| !handoff.is_closed());
                    kin::absorb(&mut self.lead, other, has_open);
                    // Its records come along, and with them what they show.
                    self.lead.handoff_written.extend(other.handoff_written.iter().cloned());
                    self.happened(self.now, Happening::Joined { other: other.id, by: by.clone() });
                }
                Told::JoinedTo { into, by } => {
                    self.lead.merged_into = Some(*into);
                    self.lead.owner = None;
                    self.happened(self.now, Happening::JoinedTo { into: *into, by: by.clone() });
                    if self.handoff.as_ref().is_some_and(|handoff| !handoff.is_closed()) {
                        self.close(self.now, Outcome::Merged(*into));
                    }
                }
                Told::Parted { other, by } => {
                    kin::give_back(&mut self.lead, *other);
                    self.happened(self.now, Happening::Parted { other: *other, by: by.clone() });
                }
                Told::PartedFrom { other, by, memory } => {
                    self.lead.merged_into = None;
                    if let Some(memory) = memory {
                        self.lead.recall(memory.clone());
                    }
                    self.happened(self.now, Happening::PartedFrom { other: *other, by: by.clone() });
                }
            }
        }
    }

    /// Does a lead that was never decided about go on from what another remembered?
    pub(super) fn remembers(&self) -> bool {
        self.case.told.iter().any(|told| matches!(told, Told::PartedFrom { memory: Some(_), .. }))
    }

    /// A hand-off that a merge had ended goes on where the merge is taken back.
    pub(super) fn go_on_after_split(&mut self) {
        for told in &self.case.told {
            if let Told::PartedFrom { other, .. } = told {
                self.reopen(*other);
            }
        }
    }

    /// Nobody is held to the time in which the hand-off did not exist: a clock that had started begins anew, with the
    /// same owner. One that had not, because the owner was never written, asks for an owner anew.
    fn reopen(&mut self, from: LeadId) {
        let now = self.now;
        let missing = self.missing();
        let Some(handoff) = self.handoff.as_mut() else { return };
        let HandoffState::Closed { outcome: Outcome::Merged(into), .. } = handoff.state else { return };
        if into != from {
            return;
        }
        handoff.state = if handoff.turns.is_empty() && !missing.is_empty() {
            HandoffState::Incomplete { missing, since: now, due_at: None }
        } else {
            HandoffState::Open
        };
        if let Some(turn) = handoff.turns.last_mut()
            && turn.clock_from.is_some()
            && turn.ended.is_some_and(|end| end.how == TurnEnded::Closed)
        {
            turn.ended = None;
            turn.clock_from = Some(now);
        }
        self.happened(now, Happening::Reopened);
    }
}
