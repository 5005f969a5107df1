//! What Baton tells people.

use crate::domain::agreement::Audience;
use crate::domain::id::{HandoffId, LeadId, Name, OperationId, PersonId};
use crate::domain::reach::Ask;
use jiff::Timestamp;

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
