//! What follows from a case: changes, events, effects. Values only; `commit` makes them true, `deliver` makes them felt.

use jiff::{Timestamp, tz::TimeZone};
use std::sync::Arc;

use super::agreement::{Agreement, Audience};
use super::company::CompanyRecord;
use super::coverage::Coverage;
use super::field::{Field, Value};
use super::finding::Finding;
use super::handoff::{CommitmentClock, Handoff, Outcome, TurnEnded};
use super::id::{
    ConnectionId, HandoffId, LeadId, Name, OperationId, PersonId, RecordRef, RemoteId, TeamId, WorkspaceId,
};
use super::lead::{LeadState, Points};
use super::record::PersonRecord;
use super::roster::{Directory, Roster};
use super::stage::Stage;
use super::touch::Touch;

/// Everything a decision about one lead may look at.
#[derive(Clone, Debug)]
pub struct Case {
    /// What Baton remembers of the lead.
    pub lead: LeadState,
    /// The records linked to it, those of sales' CRM among them.
    pub records: Vec<PersonRecord>,
    /// Its company.
    pub company: Option<CompanySummary>,
    /// Its newest hand-off, open or ended.
    pub handoff: Option<Handoff>,
    /// Touches on its records since a week before the hand-off was qualified, oldest first.
    pub touches: Vec<Touch>,
    /// The fate of the newest hand-off's effects.
    pub receipts: Vec<Receipt>,
}

/// A company as decisions see it.
#[derive(Clone, Debug, PartialEq)]
pub struct CompanySummary {
    /// Its record.
    pub record: CompanyRecord,
    /// Who owns it, if the roster knows the CRM's user.
    pub owner: Option<PersonId>,
    /// How many of its deals are open; `None` if no stream reads deals.
    pub open_deals: Option<u32>,
    /// How many of its leads are at `engagement` or past it.
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
    /// Waits to be sent, or for a person's approval.
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
    /// The address of the board, for links: `https://baton.example.com`, without a slash at its end.
    pub public_url: Arc<str>,
}

/// May effects be sent?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// No.
    Off,
    /// Yes.
    On,
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
    /// Nurture tracks it has a list for.
    pub tracks: Vec<Name>,
    /// Rejection reasons it has a value for.
    pub reasons: Vec<Name>,
    /// Can a person's record be marked as rejected (Odoo: lost)?
    pub rejects: bool,
    /// May a recycle take the stage back?
    pub stage_back: bool,
}

/// What follows for one lead.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The lead afterwards; its `version` is still the one the plan was made from.
    pub lead: LeadState,
    /// The hand-off afterwards, if it was opened or changed.
    pub handoff: Option<Handoff>,
    /// What happened, for the journal and the board.
    pub events: Vec<Event>,
    /// What to write to CRMs.
    pub writes: Vec<Write>,
    /// Whom to tell.
    pub notices: Vec<Notice>,
    /// Queued effects of this lead's hand-off that must not be sent any more, with the reason.
    pub cancels: Option<Name>,
    /// What a person should know.
    pub findings: Vec<Finding>,
    /// A turn that wants an owner: `assign` completes the plan.
    pub wants_owner: Option<Wanted>,
}

/// A hand-off that wants an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The rule that chose.
    pub rule: Name,
    /// Among whom.
    pub among: Among,
    /// Who had it before and is not asked again.
    pub not: Vec<PersonId>,
    /// Why this rule: what `explain` shows before the choice among the team.
    pub why: String,
    /// The promises of the turn that begins, with the times chosen for this lead.
    pub clocks: Vec<CommitmentClock>,
}

/// Among whom an owner is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Among {
    /// This person, who is available.
    Person(PersonId),
    /// A team's members, in the team's fair order.
    Team(TeamId, super::agreement::Fairness),
    /// The fallback of a team at once: all turns are used.
    Fallback(TeamId),
}

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
    /// A turn ended.
    TurnEnded {
        /// Which.
        turn: u32,
        /// How.
        how: TurnEnded,
    },
    /// The hand-off ended.
    Closed(Outcome),
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

/// How urgent an effect is: lower goes first, and the first always has room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Notices, and tasks that come with them.
    Alert,
    /// Owners, and records made for them.
    Assign,
    /// Stages, notes and lists of leads that return.
    Recycle,
    /// Score write-backs.
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
}

impl Effect {
    /// Does it make the lead's record, so that it needs none to go to?
    #[must_use]
    pub fn makes_record(&self) -> bool {
        matches!(self, Self::Create { .. })
    }

    /// The effect's name in tables, answers and operation ids.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::SetOwner { .. } => "owner",
            Self::SetStage { .. } => "stage",
            Self::SetScore(_) => "score",
            Self::AddTask { .. } => "task",
            Self::AddNote { .. } => "note",
            Self::JoinTrack(_) => "join_track",
            Self::LeaveTrack(_) => "leave_track",
            Self::Reject(_) => "reject",
        }
    }
}

/// A message to people. Its words are frozen when it is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What makes it that notice.
    pub op: OperationId,
    /// About which lead.
    pub lead: LeadId,
    /// About which of its hand-offs.
    pub handoff: Option<HandoffId>,
    /// When it was decided.
    pub at: Timestamp,
    /// What it tells.
    pub kind: NoticeKind,
    /// The channel: `slack.dach`.
    pub channel: Name,
    /// The people it is for, with the Slack member id that the roster had for them then: a later roster changes neither
    /// the words nor who is mentioned.
    pub people: Vec<(PersonId, Option<Name>)>,
    /// As what they are told.
    pub audience: Vec<Audience>,
    /// What it says.
    pub story: Story,
    /// The notice that this one takes back.
    pub withdraws: Option<OperationId>,
}

/// What a notice tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// A lead is yours.
    Assigned,
    /// A deadline comes near.
    Warning,
    /// A commitment was missed.
    Breach,
    /// A lead was given to somebody else.
    Reassignment,
    /// A lead returned to marketing.
    Recycle,
    /// An earlier notice was wrong.
    Withdrawal,
    /// Something must be known before a lead is passed.
    Incomplete,
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Assigned,
        Self::Warning,
        Self::Breach,
        Self::Reassignment,
        Self::Recycle,
        Self::Withdrawal,
        Self::Incomplete,
    ];

    /// The kind's name in tables and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Warning => "warning",
            Self::Breach => "breach",
            Self::Reassignment => "reassignment",
            Self::Recycle => "recycle",
            Self::Withdrawal => "withdrawal",
            Self::Incomplete => "incomplete",
        }
    }
}

/// A lead's story: a headline, at most five lines, and where to read on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// One line.
    pub headline: String,
    /// At most five.
    pub lines: Vec<String>,
    /// The lead's page on the board.
    pub link: String,
}
