//! A lead's employer: its record, and the summary that decisions see.

use jiff::Timestamp;

use super::field::{Field, Known, Value};
use super::id::{RecordRef, RemoteId};
use super::record::PersonRecord;

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

/// The companies that a person's live records name, the present employer first.
///
/// CRMs hear of a change at different times, and the record that changed last knows better. Of records that always said what
/// they say, the first counts.
#[must_use]
pub fn employers(records: &[PersonRecord]) -> Vec<&RecordRef> {
    let mut named: Vec<(&PersonRecord, &RecordRef)> = records
        .iter()
        .filter(|record| record.is_live())
        .filter_map(|record| Some((record, record.company.as_ref()?)))
        .collect();
    named.sort_by_key(|(record, _)| std::cmp::Reverse(record.company_since));
    named.into_iter().map(|(_, company)| company).collect()
}
