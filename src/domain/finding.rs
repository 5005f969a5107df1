//! Something a person should know, though nothing failed: an unmapped value, a contested owner, a blind connection.

use std::fmt;

use super::id::{ConnectionId, LeadId, Name};

/// What kind of thing a finding tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FindingKind {
    /// A CRM uses a value that no map knows: stage, reason, country.
    Unmapped,
    /// A value or record that could not be read.
    Undecodable,
    /// A field that the settings map does not exist in the CRM (any more), or has another type.
    MissingField,
    /// A lead lacks what must be known before it is passed.
    Incomplete,
    /// Nobody of the team could take a lead; the fallback has it.
    NobodyEligible,
    /// The owner in the CRM is not in the roster.
    UnknownOwner,
    /// Another automation keeps overwriting what Baton writes.
    Contested,
    /// The streams that could prove a touch do not reach the present.
    Blind,
    /// A CRM refused a write; the row of the outbox has its words.
    Refused,
    /// A person has more open records in one CRM than one journey can carry.
    DuplicateJourney,
    /// A notice could not be delivered, or has no channel to go to.
    Undeliverable,
    /// The connection does not work: credentials, permission, contract.
    Connection,
    /// A deadline lies beyond the calendar's holiday data.
    NoHolidays,
    /// A rule asked for a fact that nobody knows.
    MissingFact,
    /// The agreement is past its review date.
    ReviewOverdue,
    /// Two leads look like one person.
    SamePerson,
    /// The machine's clock stepped, and no other clock confirms it.
    ClockStep,
    /// The database was restored, copied or saved out of a damaged one: nothing is sent.
    Restored,
    /// The disk is full: nothing is sent.
    DiskFull,
    /// More writes follow than go by themselves: they wait for a person.
    Capped,
    /// Sales gave a lead back after fewer genuine touches than the agreement asks for.
    FewTouches,
    /// A part of Baton broke and was started anew.
    Broken,
    /// Agreement or roster changed on the disk and cannot be used: the rules before them stay in force.
    ReloadFailed,
    /// Other zone data moved running deadlines.
    DeadlinesMoved,
    /// Somebody is at a stage for which too few roles of their company's committee are known.
    MissingRoles,
    /// What Baton relies on ends soon: an API version, a kind of token.
    EndsSoon,
}

impl FindingKind {
    /// Every kind.
    pub const ALL: [Self; 26] = [
        Self::Unmapped,
        Self::Undecodable,
        Self::MissingField,
        Self::Incomplete,
        Self::NobodyEligible,
        Self::UnknownOwner,
        Self::Contested,
        Self::Blind,
        Self::Refused,
        Self::DuplicateJourney,
        Self::Undeliverable,
        Self::Connection,
        Self::NoHolidays,
        Self::MissingFact,
        Self::ReviewOverdue,
        Self::SamePerson,
        Self::FewTouches,
        Self::ClockStep,
        Self::Restored,
        Self::DiskFull,
        Self::Capped,
        Self::Broken,
        Self::ReloadFailed,
        Self::EndsSoon,
        Self::DeadlinesMoved,
        Self::MissingRoles,
    ];

    /// The kind's name in tables and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unmapped => "unmapped",
            Self::Undecodable => "undecodable",
            Self::MissingField => "missing_field",
            Self::Incomplete => "incomplete",
            Self::NobodyEligible => "nobody_eligible",
            Self::UnknownOwner => "unknown_owner",
            Self::Contested => "contested",
            Self::Blind => "blind",
            Self::Refused => "refused",
            Self::DuplicateJourney => "duplicate_journey",
            Self::Undeliverable => "undeliverable",
            Self::Connection => "connection",
            Self::NoHolidays => "no_holidays",
            Self::MissingFact => "missing_fact",
            Self::ReviewOverdue => "review_overdue",
            Self::SamePerson => "same_person",
            Self::FewTouches => "few_touches",
            Self::ClockStep => "clock_step",
            Self::Restored => "restored",
            Self::DiskFull => "disk_full",
            Self::Capped => "capped",
            Self::Broken => "broken",
            Self::ReloadFailed => "reload_failed",
            Self::EndsSoon => "ends_soon",
            Self::DeadlinesMoved => "deadlines_moved",
            Self::MissingRoles => "missing_roles",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One finding. Two with the same kind and subject are the same finding seen again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind.
    pub kind: FindingKind,
    /// What it is about: one value, one lead, one stream.
    pub subject: Subject,
    /// What a person reads: what was found, and what to do.
    pub text: String,
}

/// What was looked at whole: of the findings about it those are over that the look did not raise again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// One subject.
    One(FindingKind, Subject),
    /// Every part of a connection or policy whose name begins so; every one, if that is empty.
    Parts(FindingKind, Subject),
}

impl Checked {
    /// One part of a connection.
    #[must_use]
    pub fn part(kind: FindingKind, connection: &ConnectionId, part: &str) -> Self {
        Self::One(kind, Subject::Connection(connection.clone(), Name::from(part)))
    }

    /// Every part of a connection whose name begins with `start`.
    #[must_use]
    pub fn parts(kind: FindingKind, connection: &ConnectionId, start: &str) -> Self {
        Self::Parts(kind, Subject::Connection(connection.clone(), Name::from(start)))
    }
}

/// A value of some record is seen only when the record is read, and nobody says that the last record with it is gone: a finding
/// about it is over when it was not seen for so many days.
pub const UNSEEN_DAYS: i64 = 30;

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A lead.
    Lead(LeadId),
    /// A part of a connection: a stream, a field, a value (`lifecyclestage=51439524`).
    Connection(ConnectionId, Name),
    /// A part of the agreement or the roster.
    Policy(Name),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lead(lead) => write!(f, "{lead}"),
            Self::Connection(connection, part) => write!(f, "{connection}: {part}"),
            Self::Policy(part) => write!(f, "{part}"),
        }
    }
}
