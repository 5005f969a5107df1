//! What Baton asks of a CRM: an effect, where, why, and how urgent.

use crate::domain::field::{Field, Value};
use crate::domain::handoff_fields::HandoffFields;
use crate::domain::id::{ConnectionId, LeadId, Name, OperationId, RecordRef, RemoteId};
use crate::domain::lead::Points;
use crate::domain::stage::Stage;
use jiff::{SignedDuration, Timestamp};

/// How urgent an effect is: lower goes first, and the first always has room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Notices, and tasks that come with them.
    Alert,
    /// Owners, and records made for them.
    Assign,
    /// Stages, notes and lists of leads that return.
    Recycle,
    /// Write-backs: the score, and what a record shows of its hand-off.
    Score,
}

impl Lane {
    /// Every lane, most urgent first.
    pub const ALL: [Self; 4] = [Self::Alert, Self::Assign, Self::Recycle, Self::Score];

    /// The lane's number in the outbox: 0 is the most urgent.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Alert => 0,
            Self::Assign => 1,
            Self::Recycle => 2,
            Self::Score => 3,
        }
    }
}

/// An effect on a CRM.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// What makes it that effect.
    pub op: OperationId,
    /// For which lead.
    pub lead: LeadId,
    /// For which of its hand-offs.
    pub handoff: Option<u32>,
    /// Where.
    pub connection: ConnectionId,
    /// On which record; `None` = the lead's record on that connection when it is sent, which an earlier write may make.
    pub record: Option<RecordRef>,
    /// How urgent.
    pub lane: Lane,
    /// What.
    pub effect: Effect,
    /// Why, in a few words a person can read.
    pub because: String,
}

/// What a write does.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Makes the lead's record, carrying Baton's key, after a search showed that there is none. A record that is found
    /// is linked and given the owner instead.
    Create {
        /// What it says; includes `lead.email`.
        values: Vec<(Field, Value)>,
        /// Who owns it.
        owner: Option<RemoteId>,
        /// A new record even if an older one of the same person is found: a new journey after a return.
        is_new_journey: bool,
        /// Records that are somebody else's, as a person said: whatever the search finds, these are not taken.
        not: Vec<RemoteId>,
    },
    /// Sets the owner, if it still is `expected`.
    SetOwner {
        /// To.
        owner: RemoteId,
        /// From: what was read last. Another person's change meanwhile wins.
        expected: Option<RemoteId>,
    },
    /// Sets the stage.
    SetStage {
        /// To.
        stage: Stage,
        /// Takes the CRM's value back, which some CRMs allow only by clearing it first.
        is_backward: bool,
    },
    /// Writes the score.
    SetScore(Points),
    /// Shows the hand-off on the record: its reason and when its owner is due.
    SetHandoff(HandoffFields),
    /// Makes a task for the owner.
    AddTask {
        /// One line.
        title: String,
        /// Text.
        body: String,
        /// When it is due.
        due_at: Timestamp,
        /// Whose.
        owner: Option<RemoteId>,
    },
    /// Makes a note on the record.
    AddNote {
        /// Text.
        body: String,
    },
    /// Puts the person on a nurture track's list.
    JoinTrack(Name),
    /// Takes the person off a nurture track's list.
    LeaveTrack(Name),
    /// Marks the record as given back, with the CRM's value of the reason (Odoo: lost).
    Reject(Name),
    /// Takes an earlier write back: where the record still has what that one wrote, it gets what it had before.
    Restore {
        /// The write.
        of: OperationId,
        /// What it replaced, and by what.
        values: Vec<Was>,
    },
    /// Takes a task back that an earlier write made: it is done with, or deleted where the CRM knows no such state.
    Withdraw {
        /// The write.
        of: OperationId,
        /// The task.
        task: RecordRef,
    },
}

/// A value that a write replaced, in the CRM's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Was {
    /// The CRM's name of the property or field.
    pub name: Name,
    /// What stood there before; `None` = nothing.
    pub before: Option<Name>,
    /// What was written.
    pub after: Option<Name>,
}

/// What is known of a write as its request leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Which write.
    pub op: OperationId,
    /// What it replaces; empty if it makes something.
    pub was: Vec<Was>,
    /// When by the CRM's clock it was looked before: what is dated later nobody knew of. `None` if nobody looked.
    pub looked_at: Option<Timestamp>,
}

/// An earlier try of a write that was not answered, or whose end nobody lived to see: it may have had its effect, or have it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// How long ago it was about to leave, by real time.
    pub ago: SignedDuration,
    /// When by the CRM's clock it was looked before.
    pub looked_at: Option<Timestamp>,
    /// What it was to replace.
    pub was: Vec<Was>,
}

impl Effect {
    /// Does it make the lead's record, so that it needs none to go to?
    #[must_use]
    pub fn makes_record(&self) -> bool {
        matches!(self, Self::Create { .. })
    }

    /// Does it take the record from somebody who has it?
    #[must_use]
    pub fn takes(&self) -> bool {
        matches!(self, Self::SetOwner { expected: Some(_), .. })
    }

    /// Does it take an earlier effect back? That is always a person's order.
    #[must_use]
    pub fn undoes(&self) -> bool {
        matches!(self, Self::Restore { .. } | Self::Withdraw { .. })
    }

    /// The effect's name in tables, answers and operation ids.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::SetOwner { .. } => "owner",
            Self::SetStage { .. } => "stage",
            Self::SetScore(_) => "score",
            Self::SetHandoff(_) => "handoff",
            Self::AddTask { .. } => "task",
            Self::AddNote { .. } => "note",
            Self::JoinTrack(_) => "join_track",
            Self::LeaveTrack(_) => "leave_track",
            Self::Reject(_) => "reject",
            Self::Restore { .. } => "restore",
            Self::Withdraw { .. } => "withdraw",
        }
    }
}
