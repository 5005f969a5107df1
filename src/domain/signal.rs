//! Something the lead did, with a time.

use jiff::Timestamp;

use super::id::Name;

/// One occurrence of a signal, as a record or a report to Baton shows it. Two are the same if name and time agree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signal {
    /// Which signal: `demo_request`.
    pub name: Name,
    /// When it happened, by the CRM's time.
    pub at: Timestamp,
}
