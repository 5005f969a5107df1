//! Floor 2: the store, in the domain's words.
//!
//! [`Batch`] is what `commit` makes true in one transaction, or not at all: it is the only door to the outbox. No
//! transaction stays open while a request is on the wire.

mod board;
mod census;
mod keys;
mod outbox;
mod read;
mod recovery;
#[cfg(test)]
mod round_trip;
mod row;
mod sql;
mod sqlite;
mod write;

pub use board::{EffectRow, EventRow, FindingRow, HandoffRow, Overview};
pub use recovery::REST;
pub use row::{Body, Json, Unreadable, decode, encode};
pub use sqlite::Store;

use jiff::Timestamp;

use crate::domain::company::CompanyRecord;
use crate::domain::finding::{Checked, Finding};
use crate::domain::id::{ConnectionId, LeadId, Name, OperationId, RecordRef};
use crate::domain::observation::UserSeen;
use crate::domain::plan::{Notice, Plan, Write};
use crate::domain::record::PersonRecord;
pub use crate::domain::routing::{Share, TeamState};
use crate::domain::touch::Touch;

/// Everything that one pass wants to be true together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Records as they are now, with their links. Replaces what was stored under the same reference.
    pub people: Vec<PersonRecord>,
    /// Companies as they are now.
    pub companies: Vec<CompanyRecord>,
    /// Touches as they are now; all earlier rows of the same object are replaced.
    pub touches: Vec<(RecordRef, Vec<Touch>)>,
    /// Users of CRMs as they are now.
    pub users: Vec<(RecordRef, UserSeen)>,
    /// Decisions. A plan whose lead has another version by now makes the whole batch fail as [`StoreError::Stale`].
    pub plans: Vec<Plan>,
    /// Leads that must be decided again, at this time at the latest.
    pub rechecks: Vec<(LeadId, Timestamp)>,
    /// Where streams stand now.
    pub cursors: Vec<StreamState>,
    /// What teams' rows are now, after owners were chosen.
    pub teams: Vec<TeamState>,
    /// Findings seen; one that stands already keeps its first time.
    pub findings: Vec<Finding>,
    /// What was looked at whole: findings about it that are not among `findings` are over.
    pub checked: Vec<Checked>,
    /// When this is committed, by the engine's clock.
    pub now: Option<Timestamp>,
}

/// Where one stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// Whose.
    pub connection: ConnectionId,
    /// Which: `contacts`.
    pub stream: Name,
    /// The connector's cursor.
    pub cursor: String,
    /// Everything up to here has been read; `None` before the first pass ended.
    pub covered_until: Option<Timestamp>,
    /// When it was last read without failure.
    pub read_at: Option<Timestamp>,
    /// Why it could not be read last time.
    pub error: Option<String>,
}

/// A row of the outbox under a lease.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Which effect.
    pub op: OperationId,
    /// Which claim of the row this is. Settling with an older number is refused; a number never comes again.
    pub attempt: u32,
    /// How often it has been tried, this time included, without the times the other side only asked to wait.
    pub tries: u32,
    /// Is it known only that an earlier try may have taken effect? Then look before repeating.
    pub is_unknown: bool,
    /// How many earlier tries of a notice may have arrived; of a write, only whether one may have taken effect.
    pub doubts: u32,
    /// What to do.
    pub what: Outgoing,
}

impl Claim {
    /// The write, if it is one.
    #[must_use]
    pub fn write(&self) -> Option<&Write> {
        match &self.what {
            Outgoing::Write(write) => Some(write),
            Outgoing::Notice(_) => None,
        }
    }
}

/// What becomes of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It took effect.
    Done {
        /// When, by the engine's clock.
        at: Timestamp,
        /// What it made.
        made: Option<RecordRef>,
    },
    /// It provably did not take effect: again, not before.
    Again {
        /// Real time.
        not_before: Timestamp,
        /// Does the try count?
        counts: bool,
        /// Why.
        message: String,
    },
    /// It may have taken effect: look, not before.
    Unknown {
        /// Real time.
        not_before: Timestamp,
        /// Why.
        message: String,
    },
    /// It will not be sent again by itself.
    Dead {
        /// When, by the engine's clock.
        at: Timestamp,
        /// Why, for a person to read.
        message: String,
    },
}

impl Settlement {
    /// The state of the row afterwards.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Again { .. } => "pending",
            Self::Unknown { .. } => "unknown",
            Self::Dead { .. } => "dead",
        }
    }
}

/// An effect of the outbox.
#[derive(Clone, Debug, PartialEq)]
pub enum Outgoing {
    /// On a CRM.
    Write(Write),
    /// On people.
    Notice(Notice),
}

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else decided about one of the leads meanwhile: decide again.
    #[error("lead {0} was decided meanwhile")]
    Stale(LeadId),
    /// The database's file cannot be used.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another Baton has the database.
    #[error("another process holds {path}; stop it, or give this one its own [store] url")]
    Locked {
        /// The file.
        path: String,
    },
    /// A row does not read back as what was written.
    #[error("the row {table}/{key} cannot be read: {problem}")]
    Corrupt {
        /// Which table.
        table: &'static str,
        /// Which row.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// The database was made by a newer Baton.
    #[error("the database has schema {found}, this Baton knows {known}: use a newer Baton")]
    Newer {
        /// The database's.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}
