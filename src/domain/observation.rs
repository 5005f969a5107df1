//! What a stream said about one object at one time, before anybody believes it.
//!
//! Connectors speak in these words: their maps have already turned the CRM's values into fields, stages, reasons and
//! signals, and say as findings what they could not turn.

use jiff::Timestamp;

use super::deal::DealSeen;
use super::field::Known;
use super::finding::Finding;
use super::id::{Name, RecordRef, RemoteId};
use super::record::{Disposition, Key, OwnerEntry, ScoreEntry};
use super::signal::Signal;
use super::stage::StageEntry;
use super::touch::Touch;

/// One object as a stream showed it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Which object.
    pub of: RecordRef,
    /// The CRM's time of its last change.
    pub modified: Timestamp,
    /// What was said.
    pub content: Content,
    /// What the connector could not make sense of: unmapped values, undecodable fields.
    pub findings: Vec<Finding>,
}

impl Observation {
    /// The person that it shows, if it shows one.
    #[must_use]
    pub fn person(&self) -> Option<&PersonSeen> {
        if let Content::Person(person) = &self.content { Some(person) } else { None }
    }
}

/// What was said of the object.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A person's record, whole.
    Person(Box<PersonSeen>),
    /// A company's record, whole.
    Company(CompanySeen),
    /// A call, e-mail or meeting: one touch for each person's record it hangs on. Empty if it hangs on none.
    Touch(Vec<Touch>),
    /// A member of staff who can own records.
    User(UserSeen),
    /// A task, for "has it been done": shown, never evidence by itself.
    Task(TaskSeen),
    /// The person's company, read apart from the person.
    CompanyOf(Option<RecordRef>),
    /// A possible sale, whole.
    Deal(DealSeen),
    /// Deleted, or archived in a CRM where that means the same.
    Gone,
    /// Erased for good, as the law asks for at a person's word: what is known of them goes, too.
    Erased,
    /// Merged into another record of the same connection.
    MergedInto(RemoteId),
    /// Could not be decoded. It is kept by id with the reason; the rest of the page goes on.
    Undecodable(Name),
}

/// A person's record as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct PersonSeen {
    /// When the CRM made it.
    pub created: Timestamp,
    /// Mapped fields that have a value, in the order of the catalogue; `at` is the CRM's time where it keeps one for the
    /// field, else `modified`.
    pub values: Vec<Known>,
    /// What it can be recognised by, in normal form.
    pub keys: Vec<Key>,
    /// The ids of records that were merged into this one.
    pub merged: Vec<RemoteId>,
    /// The company in the same CRM. `None` = not read this time; `Some(None)` = read, and there is none.
    pub company: Option<Option<RecordRef>>,
    /// Stages: the CRM's history, oldest first, if `has_history`; else the present stage alone, with `at` = `modified`.
    pub stages: Vec<StageEntry>,
    /// Owners: the CRM's history, oldest first, if `has_history`; else the present one alone, with `at` = `modified`.
    pub owners: Vec<OwnerEntry>,
    /// The score in the connection's own fields: the CRM's history, oldest first, if `has_history`; else what they show now.
    pub scores: Vec<ScoreEntry>,
    /// Sales' word, if the record shows one.
    pub disposition: Option<Disposition>,
    /// What the person did that the record shows now; older occurrences are kept from earlier observations.
    pub signals: Vec<Signal>,
    /// Do `stages` and `owners` come from the CRM's own history?
    pub has_history: bool,
}

/// A company's record as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct CompanySeen {
    /// Mapped `company.` fields that have a value, in the order of the catalogue.
    pub values: Vec<Known>,
    /// The CRM's user who owns it.
    pub owner: Option<RemoteId>,
}

/// A member of staff with access to the CRM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSeen {
    /// E-mail address in lower case, if the CRM shows one.
    pub email: Option<Name>,
    /// Login name, where it is not the e-mail address.
    pub login: Option<Name>,
    /// Name to show.
    pub name: Name,
    /// Can they still own records?
    pub is_active: bool,
}

/// A task as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSeen {
    /// The person's record it hangs on, if any.
    pub person: Option<RecordRef>,
    /// Has it been done?
    pub is_done: bool,
}
