//! What a decision is made from: all that is known of one lead, and what is the same for all of them.

use crate::domain::agreement::Agreement;
use crate::domain::answer::Answer;
use crate::domain::committee::Headcount;
use crate::domain::company::CompanyRecord;
use crate::domain::coverage::Coverage;
use crate::domain::handoff::Handoff;
use crate::domain::id::{ConnectionId, LeadId, Name, OperationId, PersonId, RecordRef, TeamId, WorkspaceId};
use crate::domain::lead::{LeadState, Memory};
use crate::domain::reach::Telling;
use crate::domain::record::PersonRecord;
use crate::domain::roster::{Directory, Roster};
use crate::domain::stage::Stage;
use crate::domain::touch::Touch;
use jiff::{Timestamp, tz::TimeZone};
use std::sync::Arc;

/// Everything a decision about one lead may look at.
#[derive(Clone, Debug)]
pub struct Case {
    /// What Baton remembers of the lead.
    pub lead: LeadState,
    /// The records linked to it, those of sales' CRM among them.
    pub records: Vec<PersonRecord>,
    /// Its company.
    pub company: Option<CompanySummary>,
    /// The other people of its company over all connections, counted, if the agreement looks at them.
    pub colleagues: Option<Headcount>,
    /// Its newest hand-off, open or ended.
    pub handoff: Option<Handoff>,
    /// Touches on its records since a week before the hand-off was qualified, oldest first.
    pub touches: Vec<Touch>,
    /// The fate of the newest hand-off's effects.
    pub receipts: Vec<Receipt>,
    /// What came before, read when a hand-off opens: its new owner is told all of it.
    pub history: Option<History>,
    /// An owner's word that has just come by a link.
    pub answer: Option<Answer>,
    /// How many deals are open with the person; 0 if no rule asks.
    pub open_deals: u32,
    /// Records that a person said are somebody else's.
    pub apart: Vec<RecordRef>,
    /// What was said since the last decision of who the lead is.
    pub told: Vec<Told>,
}

/// Something that was said of who a lead is: its records came from another lead or went to one. Without `by` the CRM
/// itself merged its records.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// The records of another lead came to this one.
    Joined {
        /// The other lead as it was.
        other: Box<LeadState>,
        /// Who said so.
        by: Option<Name>,
    },
    /// This lead's records went to another.
    JoinedTo {
        /// Which.
        into: LeadId,
        /// Who said so.
        by: Option<Name>,
    },
    /// Records of this lead went to another, since they are somebody else.
    Parted {
        /// Where they went.
        other: LeadId,
        /// Who said so.
        by: Name,
    },
    /// This lead's records came from another, since they are somebody else.
    PartedFrom {
        /// Where they were.
        other: LeadId,
        /// Who said so.
        by: Name,
        /// What the other lead remembered, if this one goes on from there: its hand-offs were of both. `None`: from what
        /// this lead remembers itself.
        memory: Option<Memory>,
    },
}

/// What came before a hand-off.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Earlier hand-offs of the lead, oldest first.
    pub handoffs: Vec<Handoff>,
    /// Calls, e-mails and meetings on its records, the newest first, at most [`TOUCHES_TOLD_MAX`].
    pub touches: Vec<Touch>,
    /// How many there are besides.
    pub touches_more: u32,
}

/// Conversations that a new owner is told of.
pub const TOUCHES_TOLD_MAX: usize = 40;

/// A company as decisions see it.
#[derive(Clone, Debug, PartialEq)]
pub struct CompanySummary {
    /// Its record.
    pub record: CompanyRecord,
    /// Who owns it, if the roster knows the CRM's user.
    pub owner: Option<PersonId>,
    /// How many of its deals are open; `None` if no stream reads deals.
    pub open_deals: Option<u32>,
    /// How many of its leads are at `engagement` or past it, if no `[committee]` of the agreement says who is engaged.
    pub engaged: Option<u32>,
}

/// What became of one effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Which.
    pub op: OperationId,
    /// What became of it.
    pub fate: Fate,
    /// When that was settled.
    pub at: Timestamp,
}

/// What became of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Waits for a person's approval.
    Held,
    /// Waited for approval until what it was planned on changed: it is planned anew if it is still wanted.
    Superseded,
    /// Waits to be sent.
    Pending,
    /// Took effect.
    Done,
    /// Will not be sent: refused, cancelled, or discarded by a person.
    Dead,
}

/// Everything that is the same for all leads of a workspace at one moment.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// What was signed.
    pub agreement: Arc<Agreement>,
    /// Who there is.
    pub roster: Arc<Roster>,
    /// Whose account is which.
    pub directory: Arc<Directory>,
    /// How far the streams were read.
    pub coverage: Coverage,
    /// Is the present time believed? If not, nobody is accused and nothing is taken away.
    pub is_time_sure: bool,
    /// What each connection can be asked to write.
    pub connections: Vec<Ability>,
    /// The zone of the workspace: its midnight is the score's.
    pub zone: TimeZone,
    /// May Baton write to CRMs? If not, new hand-offs are shadows.
    pub writes: Mode,
    /// May Baton tell people?
    pub notices: Mode,
    /// What a person has stopped.
    pub paused: Paused,
    /// The address of the board, for links: `https://baton.example.com`, without a slash at its end.
    pub public_url: Arc<str>,
    /// How people are told.
    pub telling: Arc<Telling>,
}

/// May effects be sent?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// No.
    Off,
    /// Each waits until a person approves it. People are told at once or not at all, so this is for CRMs alone.
    Plan,
    /// Yes.
    On,
}

impl Mode {
    /// The mode as the settings name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Plan => "plan",
            Self::On => "on",
        }
    }
}

/// Why an effect waits for a person before it may be sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Hold {
    /// `writes = "plan"`: everything does.
    Plan,
    /// More than the caps allow at once.
    Cap,
    /// The agreement changed, and what follows is more than the caps allow.
    Rules,
    /// A person paused the team that has the lead.
    Paused(TeamId),
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plan => f.write_str("plan"),
            Self::Cap => f.write_str("cap"),
            Self::Rules => f.write_str("rules"),
            Self::Paused(team) => write!(f, "paused:{team}"),
        }
    }
}

/// What a person has stopped by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paused {
    /// Everything: nothing is sent, and no step fires.
    pub all: bool,
    /// Connections that nothing is written to.
    pub connections: Vec<ConnectionId>,
    /// Teams whose steps do not fire, and whose leads' effects wait.
    pub teams: Vec<TeamId>,
}

impl Paused {
    /// Is nothing to be written to `connection`?
    #[must_use]
    pub fn stops(&self, connection: &ConnectionId) -> bool {
        self.all || self.connections.contains(connection)
    }

    /// Do no steps of `team` fire?
    #[must_use]
    pub fn stops_team(&self, team: Option<&TeamId>) -> bool {
        self.all || team.is_some_and(|team| self.teams.contains(team))
    }

    /// Is anything stopped?
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.all || !self.connections.is_empty() || !self.teams.is_empty()
    }
}

/// What one connection can be asked to write, from its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ability {
    /// Which.
    pub connection: ConnectionId,
    /// Stages that have a value to write.
    pub stages: Vec<Stage>,
    /// Has it fields for the score?
    pub score: bool,
    /// Has it fields for the reason of a hand-off and its owner's due time?
    pub handoff: bool,
    /// Nurture tracks it has a list for.
    pub tracks: Vec<Name>,
    /// Rejection reasons it has a value for.
    pub reasons: Vec<Name>,
    /// Can a person's record be marked as rejected (Odoo: lost)?
    pub rejects: bool,
    /// May a recycle take the stage back?
    pub stage_back: bool,
}
