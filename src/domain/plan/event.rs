//! What can happen to a lead, as the journal keeps it.

use crate::domain::answer::Verdict;
use crate::domain::field::Field;
use crate::domain::fight::Contested;
use crate::domain::handoff::{Outcome, TurnEnded};
use crate::domain::id::{LeadId, Name, PersonId, RecordRef};
use crate::domain::stage::Stage;
use jiff::Timestamp;

/// Something that happened to a lead, as the journal keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When it happened (not when it was noticed).
    pub at: Timestamp,
    /// Under which hand-off.
    pub handoff: Option<u32>,
    /// What.
    pub what: Happening,
}

/// What can happen to a lead.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// The stage changed; `by_baton` if a rule of the agreement did it.
    StageChanged {
        /// From.
        from: Stage,
        /// To.
        to: Stage,
        /// By a rule of the agreement, not by a CRM.
        by_baton: bool,
    },
    /// At or past the bar before the agreement acted.
    Adopted,
    /// A hand-off opened.
    Opened {
        /// By a person below the bar.
        below_bar: bool,
    },
    /// Must be known first; names of the missing fields.
    Incomplete(Vec<Vec<Field>>),
    /// A turn began.
    Assigned {
        /// Which turn.
        turn: u32,
        /// Who.
        owner: PersonId,
        /// Why.
        why: String,
    },
    /// The clock of a turn started.
    ClockStarted {
        /// Which turn.
        turn: u32,
    },
    /// A person changed the owner in the CRM.
    TakenOver {
        /// The turn that goes on.
        turn: u32,
        /// The new owner.
        owner: PersonId,
    },
    /// The owner answered by a link.
    Answered {
        /// Which turn.
        turn: u32,
        /// Who.
        by: PersonId,
        /// What they said.
        word: Verdict,
    },
    /// A commitment was kept.
    Kept {
        /// Which turn.
        turn: u32,
        /// Which commitment.
        commitment: Name,
        /// In time?
        in_time: bool,
        /// The evidence.
        evidence: RecordRef,
    },
    /// A rung of a ladder fired.
    StepFired {
        /// Which turn.
        turn: u32,
        /// Which commitment.
        commitment: Name,
        /// At how many percent.
        at_percent: u32,
        /// When it was due.
        due_at: Timestamp,
    },
    /// A rung that had fired was withdrawn.
    StepWithdrawn {
        /// Which turn.
        turn: u32,
        /// Which commitment.
        commitment: Name,
        /// At how many percent.
        at_percent: u32,
    },
    /// A person moved a running turn to another agreement.
    Retimed {
        /// Which turn.
        turn: u32,
        /// The agreement that it began under.
        from: Name,
        /// The agreement that it goes on under.
        to: Name,
        /// When it is due now.
        due_at: Option<Timestamp>,
    },
    /// A turn ended.
    TurnEnded {
        /// Which.
        turn: u32,
        /// How.
        how: TurnEnded,
    },
    /// Another automation keeps setting back what Baton writes: the field is left alone.
    Contested(Contested),
    /// The hand-off ended.
    Closed(Outcome),
    /// A hand-off that a merge had ended goes on: the merge was taken back.
    Reopened,
    /// Another lead turned out to be this person.
    Joined {
        /// Which.
        other: LeadId,
        /// Who said so; `None`: the CRM merged their records.
        by: Option<Name>,
    },
    /// This lead turned out to be another's person: its records went there.
    JoinedTo {
        /// Which.
        into: LeadId,
        /// Who said so; `None`: the CRM merged their records.
        by: Option<Name>,
    },
    /// Records of this lead turned out to be somebody else's.
    Parted {
        /// The lead they went to.
        other: LeadId,
        /// Who said so.
        by: Name,
    },
    /// The lead's records were taken out of another lead.
    PartedFrom {
        /// Which.
        other: LeadId,
        /// Who said so.
        by: Name,
    },
    /// The lead returned to marketing.
    Returned {
        /// Why.
        reason: Name,
        /// On which track, if any.
        track: Option<Name>,
        /// How often by now.
        cycle: u32,
        /// No new hand-off before this.
        rests_until: Timestamp,
    },
}
