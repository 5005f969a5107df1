//! What follows from a case: changes, events, effects. Values only; `commit` makes them true, `deliver` makes them felt.

use jiff::{Timestamp, tz::TimeZone};
use std::sync::Arc;

use super::agreement::{Agreement, Audience};
use super::answer::{Answer, Verdict};
use super::company::CompanyRecord;
use super::coverage::Coverage;
use super::field::{Field, Value};
use super::fight::Contested;
use super::finding::Finding;
use super::handoff::{CommitmentClock, Handoff, Outcome, TurnEnded};
use super::id::{
    ConnectionId, HandoffId, LeadId, Name, OperationId, PersonId, RecordRef, RemoteId, TeamId, WorkspaceId,
};
use super::lead::{LeadState, Memory, Points};
use super::reach::{Ask, Telling};
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
    /// Why the writes (of a paused team the notices, too) wait for a person.
    pub hold: Option<Hold>,
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
    /// Rule and owner in a few words, by which many notices are counted: `first touch at 150 %, Anna Lang`.
    pub about: Option<Name>,
    /// What its reader can answer with one click.
    pub ask: Option<Ask>,
    /// The hand-off package: everything that is known of the lead, for whoever gets it.
    pub package: Option<String>,
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
    /// Something is wrong with Baton or its sources: for the people who run it, about no lead.
    Trouble,
    /// Nothing happened: somebody tries whether notices arrive.
    Test,
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Assigned,
        Self::Warning,
        Self::Breach,
        Self::Reassignment,
        Self::Recycle,
        Self::Withdrawal,
        Self::Incomplete,
        Self::Trouble,
        Self::Test,
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
            Self::Trouble => "trouble",
            Self::Test => "test",
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
