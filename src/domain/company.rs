//! A lead's employer: its record, and the summary that decisions see.

use jiff::Timestamp;

use super::field::{Field, Known, Value};
use super::id::{RecordRef, RemoteId};

/// What one connection knows of one company.
#[derive(Clone, Debug, PartialEq)]
pub struct CompanyRecord {
    /// Which record.
    pub of: RecordRef,
    /// The CRM's time of the newest change that was read.
    pub modified: Timestamp,
    /// What it says of each `company.` field, in the order of the catalogue.
    pub values: Vec<Known>,
    /// The CRM's user who owns it.
    pub owner: Option<RemoteId>,
    /// Deleted in its CRM?
    pub is_gone: bool,
}

impl CompanyRecord {
    /// What the record says of `field`.
    #[must_use]
    pub fn value(&self, field: Field) -> Option<&Value> {
        self.values.binary_search_by_key(&field, |known| known.field).ok().map(|at| &self.values[at].value)
    }
}
