//! One hand-off: its turns, their commitments, and the steps of each ladder.

use jiff::Timestamp;

use super::agreement::{Proof, Rung};
use super::answer::Answer;
use super::calendar::Span;
use super::field::Field;
use super::id::{HandoffId, LeadId, Name, PersonId, RecordRef, TeamId};

/// One episode: from "qualified and complete" to qualified by sales, rejected, recycled, merged or lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handoff {
    /// Which.
    pub id: HandoffId,
    /// The fact that qualified the lead; speed to lead counts from here.
    pub qualified_at: Timestamp,
    /// When Baton opened it.
    pub opened_at: Timestamp,
    /// Opened by a person although the criteria fail.
    pub below_bar: bool,
    /// Nothing is told or counted, and no step fires: the clock only shows on the board.
    pub is_shadow: bool,
    /// A shadow only because the write of its owner waits for a person's approval, since then. It becomes a hand-off like
    /// any other when that write takes effect.
    pub proposed_at: Option<Timestamp>,
    /// Where it stands.
    pub state: HandoffState,
    /// Every owner's go, oldest first. Empty while incomplete or while nobody is assigned.
    pub turns: Vec<Turn>,
}

/// Where a hand-off stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandoffState {
    /// Something that must be known is missing; marketing was asked.
    Incomplete {
        /// One of each list is missing.
        missing: Vec<Vec<Field>>,
        /// Since when.
        since: Timestamp,
        /// By when it should be known; `None` if the agreement asks nobody.
        due_at: Option<Timestamp>,
    },
    /// With sales.
    Open,
    /// Ended.
    Closed {
        /// How.
        outcome: Outcome,
        /// When, by the fact that ended it.
        at: Timestamp,
    },
}

/// How a hand-off ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Sales confirmed the lead (`sql` or further).
    Qualified,
    /// Sales gave it back, for this reason.
    Rejected(Name),
    /// Baton gave it back to marketing, for this reason.
    Recycled(Name),
    /// The lead was merged into another, whose hand-off goes on.
    Merged(LeadId),
    /// Every record of the lead is gone.
    Gone,
    /// It must not be handed over any more: bought elsewhere, opted out, own staff.
    Skipped(Name),
}

/// One owner's go at a hand-off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Counted from 1. A person's owner change goes on with the same number's clock, under a new turn.
    pub number: u32,
    /// Who.
    pub owner: PersonId,
    /// Of which team, for manager and channel.
    pub team: Option<TeamId>,
    /// Why them: the routing rule and what it saw.
    pub why: String,
    /// How they came to it.
    pub by: TurnBy,
    /// When they were chosen.
    pub granted_at: Timestamp,
    /// When sales' clock started: the owner was known in the CRM. `None` until then.
    pub clock_from: Option<Timestamp>,
    /// The version of the agreement that is frozen for this turn.
    pub agreement: Name,
    /// The promises of this turn.
    pub clocks: Vec<CommitmentClock>,
    /// The owner's word by a link of Baton's, beside what the CRM says.
    pub answer: Option<Answer>,
    /// How it ended.
    pub ended: Option<TurnEnd>,
}

/// How somebody came to a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TurnBy {
    /// Routing chose them.
    Routing,
    /// They are the fallback: nobody else was eligible, or all turns are used.
    Fallback,
    /// A person assigned them in the CRM.
    Person,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnEnd {
    /// When.
    pub at: Timestamp,
    /// How.
    pub how: TurnEnded,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TurnEnded {
    /// The owner let the ladder run to its reassignment.
    Missed,
    /// A person gave the lead to somebody else.
    TakenOver,
    /// The owner cannot own records any more.
    OwnerGone,
    /// The hand-off ended.
    Closed,
}

/// One promise of a turn, with what was frozen when the turn began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitmentClock {
    /// Its name.
    pub name: Name,
    /// What keeps it.
    pub done_by: Vec<Proof>,
    /// The time given.
    pub time: Span,
    /// The ladder.
    pub ladder: Vec<Rung>,
    /// When it is due, by today's calendars; worked out anew by every decision. `None` until the clock starts.
    pub due_at: Option<Timestamp>,
    /// Kept, by what.
    pub met: Option<Met>,
    /// The fate of each rung, in the ladder's order.
    pub steps: Vec<Step>,
}

impl CommitmentClock {
    /// Is it still running?
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.met.is_none()
    }
}

/// What kept a commitment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// When it happened, by the CRM's time.
    pub at: Timestamp,
    /// What it was.
    pub proof: Proof,
    /// The call, e-mail, meeting or record that shows it.
    pub evidence: RecordRef,
}

/// The fate of one rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Its instant has not come, or its evidence.
    Waiting,
    /// It fired.
    Fired {
        /// When it was due.
        due_at: Timestamp,
        /// When it was decided.
        at: Timestamp,
    },
    /// It had fired, but a touch that came to light later was in time.
    Withdrawn {
        /// When it was withdrawn.
        at: Timestamp,
    },
}

impl Step {
    /// Has it fired and not been withdrawn?
    #[must_use]
    pub fn is_fired(self) -> bool {
        matches!(self, Self::Fired { .. })
    }
}

impl Handoff {
    /// Is it neither incomplete nor ended?
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == HandoffState::Open
    }

    /// Has it ended?
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.state, HandoffState::Closed { .. })
    }

    /// The turn that is running.
    #[must_use]
    pub fn turn(&self) -> Option<&Turn> {
        self.turns.last().filter(|turn| turn.ended.is_none())
    }

    /// The turn that is running.
    pub fn turn_mut(&mut self) -> Option<&mut Turn> {
        self.turns.last_mut().filter(|turn| turn.ended.is_none())
    }

    /// The next instant that a running commitment is due at.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        match &self.state {
            HandoffState::Incomplete { due_at, .. } => *due_at,
            HandoffState::Open => {
                self.turn()?.clocks.iter().filter(|clock| clock.is_running()).filter_map(|clock| clock.due_at).min()
            }
            HandoffState::Closed { .. } => None,
        }
    }
}
