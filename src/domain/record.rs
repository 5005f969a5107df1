//! What one connection knows of one person: values with their time, keys, stage and owner history, signals.

use jiff::Timestamp;

use super::field::{Field, Known, Value};
use super::id::{LeadId, Name, RecordRef, RemoteId};
use super::lead::{Points, ScorePart};
use super::signal::Signal;
use super::stage::StageEntry;

/// Who made a change in a CRM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// A person in the CRM's own screens; the CRM's user id where it says.
    Person(Option<RemoteId>),
    /// Another automation or integration, by the name the CRM gives it.
    Automation(Name),
    /// Baton itself, by the user or app its credentials belong to.
    Baton,
    /// The CRM does not say.
    Unknown,
}

impl Author {
    /// Is this a person's own change, which wins over Baton's?
    #[must_use]
    pub fn is_person(&self) -> bool {
        matches!(self, Self::Person(_))
    }
}

/// What can tell that two records are the same person, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    /// Baton's own key, written into a record that Baton made or met: the lead's number.
    Own,
    /// The id of the person in another connection, kept by the CRM: `hubspot:33451`.
    External,
    /// E-mail address in lower case.
    Email,
    /// Telephone number in E.164 together with the whole name: alone a number may be a switchboard's.
    Phone,
}

impl KeyKind {
    /// The kind's name in tables and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::External => "external",
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Own, Self::External, Self::Email, Self::Phone].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One key of a person, in normal form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// How strong it is.
    pub kind: KeyKind,
    /// Its value in normal form.
    pub value: Name,
}

/// Who owned a record from when on. No owner is an entry too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerEntry {
    /// The CRM's user, or none.
    pub owner: Option<RemoteId>,
    /// Since when, by the CRM's own history where it has one, else when first seen.
    pub at: Timestamp,
    /// Who assigned.
    pub by: Author,
}

/// What a record showed of the score from when on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreEntry {
    /// The text of each part that the connection has a field for.
    pub shown: Vec<(ScorePart, Name)>,
    /// Since when, by the CRM's own history where it has one, else when first seen.
    pub at: Timestamp,
    /// Who set it.
    pub by: Author,
}

impl ScoreEntry {
    /// Does it show these points? Numbers may come back in another form.
    #[must_use]
    pub fn shows(&self, points: &Points) -> bool {
        let number = |text: &str| text.parse::<f64>().ok().map(f64::to_bits);
        self.shown.iter().all(|(part, text)| {
            let wanted = points.text(*part);
            text.as_str() == wanted || number(text.as_str()).is_some_and(|shown| Some(shown) == number(&wanted))
        })
    }
}

/// Sales' word on a lead, as a record shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposition {
    /// Accepted, or rejected with a reason.
    pub word: Word,
    /// When, by the CRM's time.
    pub at: Timestamp,
    /// Who said it.
    pub by: Author,
}

/// Accepted or rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// Sales works the lead.
    Accepted,
    /// Sales gives the lead back.
    Rejected {
        /// The agreement's name of the reason; `None` if the CRM's value is not mapped, or no reason was given.
        reason: Option<Name>,
        /// The reason as the CRM has it.
        said: Option<Name>,
    },
}

/// Is the record still there?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    Live,
    /// Deleted or archived in its CRM, seen at this time. A lost Odoo lead is archived but not gone: it has a disposition.
    Gone(Timestamp),
    /// Merged into another record of the same connection.
    Merged {
        /// The survivor.
        into: RemoteId,
        /// When seen.
        at: Timestamp,
    },
}

/// What one connection knows of one person.
#[derive(Clone, Debug, PartialEq)]
pub struct PersonRecord {
    /// Which record.
    pub of: RecordRef,
    /// The lead it is linked to, and why.
    pub link: Link,
    /// The CRM's time of the newest change that was read. An observation with an older one changes nothing.
    pub modified: Timestamp,
    /// When the CRM made it.
    pub created: Timestamp,
    /// Is it still there?
    pub presence: Presence,
    /// What it says of each field, in the order of the catalogue, at most one of each.
    pub values: Vec<Known>,
    /// What it can be recognised by.
    pub keys: Vec<Key>,
    /// The person's company in the same CRM, if linked.
    pub company: Option<RecordRef>,
    /// When it was seen that the company is another one than before; `None` if it never was.
    pub company_since: Option<Timestamp>,
    /// The stage ledger, oldest first.
    pub stages: Vec<StageEntry>,
    /// The owner ledger, oldest first.
    pub owners: Vec<OwnerEntry>,
    /// The ledger of the score that Baton writes, oldest first, where the connection has fields for it.
    pub scores: Vec<ScoreEntry>,
    /// Sales' newest word.
    pub disposition: Option<Disposition>,
    /// What the person did, oldest first, each once.
    pub signals: Vec<Signal>,
    /// Was the CRM's own history of stage and owner read? Without it, times are those of first sight.
    pub has_history: bool,
}

impl PersonRecord {
    /// What the record says of `field`.
    #[must_use]
    pub fn value(&self, field: Field) -> Option<&Value> {
        self.values.binary_search_by_key(&field, |known| known.field).ok().map(|at| &self.values[at].value)
    }

    /// The present owner's entry.
    #[must_use]
    pub fn owner(&self) -> Option<&OwnerEntry> {
        self.owners.last()
    }

    /// The present stage's entry.
    #[must_use]
    pub fn stage(&self) -> Option<&StageEntry> {
        self.stages.last()
    }

    /// Was it another lead's before that was joined to this one?
    #[must_use]
    pub fn came_along(&self) -> bool {
        matches!(self.link.rule, LinkRule::Joined { .. } | LinkRule::Merged(_))
    }

    /// Is it neither deleted nor merged away?
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.presence == Presence::Live
    }
}

/// Joins a record to a lead: which rule, on what evidence, when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The lead.
    pub lead: LeadId,
    /// Why.
    pub rule: LinkRule,
    /// When the link was made.
    pub at: Timestamp,
}

/// Why a record belongs to a lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkRule {
    /// The record was the first that was seen of this person.
    First,
    /// A key of the record is already known for the lead.
    Key(Key),
    /// Baton made the record for the lead.
    Made,
    /// The CRM merged a record of the lead into this one.
    Merged(RemoteId),
    /// A person joined the lead that the record belonged to, `from`, to this one.
    Joined {
        /// Who said so.
        by: Name,
        /// Where the record was before.
        from: LeadId,
    },
    /// A person said that the record is not the person of lead `from`.
    Parted {
        /// Who said so.
        by: Name,
        /// Where the record was before.
        from: LeadId,
    },
}
