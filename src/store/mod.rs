//! Floor 2: the store, in the domain's words.
//!
//! [`Batch`] is what `commit` makes true in one transaction, or not at all: it is the only door to the outbox. No
//! transaction stays open while a request is on the wire.

mod alike;
mod apart;
mod approve;
mod audit;
mod backup;
mod board;
#[cfg(test)]
mod by_index;
mod cases;
mod census;
mod cipher;
mod claim;
mod colleague;
mod committee;
mod credential;
mod deals;
mod digest;
mod effects;
mod feed;
mod findings;
mod forget;
mod instance;
mod journal;
mod keys;
mod lock;
mod migrate;
mod network;
mod notices;
mod outbox;
mod read;
mod recovery;
mod reserve;
mod retention;
#[cfg(test)]
mod round_trip;
mod row;
pub mod seal;
mod settle;
mod sql;
mod sqlite;
mod statement;
mod vanished;
mod verify;
mod write;
mod writer;
mod written;

pub use alike::Pair;
pub use apart::Apart;
pub use approve::{HeldCount, HeldRow, ProposalRow};
pub use backup::{Backup, Saved};
pub use board::{EffectRow, EventRow, FindingRow, HandoffRow, Overview};
pub use colleague::Colleagues;
pub use committee::CommitteeRow;
pub use digest::digest;
pub use feed::{Heard, Hint, Repaired, Taken};
pub use forget::{Erased, Marks};
pub use journal::{Decision, KeptDecision, PolicyPart};
pub use keys::Keys;
pub use network::network_file_system;
pub use notices::Proved;
pub use recovery::REST;
pub use reserve::Reserve;
pub use retention::{Prunable, Pruned};
pub use row::{Body, Input, Json, Unreadable, decode, encode, encode_plan};
pub use sqlite::Store;
pub use verify::Audited;

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::domain::company::CompanyRecord;
use crate::domain::deal::DealRecord;
use crate::domain::finding::{Checked, Finding};
use crate::domain::id::{CommitteeId, ConnectionId, LeadId, Name, OperationId, PersonId, RecordRef};
use crate::domain::observation::UserSeen;
use crate::domain::patrol::Round;
use crate::domain::plan::{Earlier, Notice, Plan, Was, Write};
use crate::domain::record::PersonRecord;
pub use crate::domain::routing::{Share, TeamState};
use crate::domain::touch::Touch;

/// Everything that one pass wants to be true together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Records as they are now, with their links. Replaces what was stored under the same reference.
    pub people: Vec<PersonRecord>,
    /// What the keys of `people` are to those that are stored, as far as it is known; otherwise they are [`Keys::Others`].
    pub keys: HashMap<RecordRef, Keys>,
    /// Companies as they are now.
    pub companies: Vec<CompanyRecord>,
    /// Deals as they are now.
    pub deals: Vec<DealRecord>,
    /// Touches as they are now; all earlier rows of the same object are replaced.
    pub touches: Vec<(RecordRef, Vec<Touch>)>,
    /// Users of CRMs as they are now.
    pub users: Vec<(RecordRef, UserSeen)>,
    /// People who cannot own records any more: their leads are decided about again before anything is sent in their name.
    pub departed: Vec<PersonId>,
    /// Decisions. A plan whose lead has another version by now makes the whole batch fail as [`StoreError::Stale`].
    pub plans: Vec<Plan>,
    /// The decisions among them that are kept whole.
    pub decisions: Vec<Decision>,
    /// Leads that must be decided again, at this time at the latest.
    pub rechecks: Vec<(LeadId, Timestamp)>,
    /// People whom a CRM erased at their word, as they were known: the titles of their deals go, too.
    pub erased: Vec<PersonRecord>,
    /// Companies of which all people must be decided about again, as the sweep has room.
    pub colleagues: BTreeSet<RecordRef>,
    /// Committees of which the same is true.
    pub committees: BTreeSet<CommitteeId>,
    /// Where streams stand now.
    pub cursors: Vec<StreamState>,
    /// What teams' rows are now, after owners were chosen.
    pub teams: Vec<TeamState>,
    /// Findings seen; one that stands already keeps its first time.
    pub findings: Vec<Finding>,
    /// What was looked at whole: findings about it that are not among `findings` are over.
    pub checked: Vec<Checked>,
    /// Records of which a person said that they are not the same person.
    pub apart: Vec<Apart>,
    /// Pairs of records of which that is not so any more.
    pub together: Vec<(RecordRef, RecordRef)>,
    /// Leads that changed while no decisions are taken: they are decided about first, once they are again.
    pub undecided: Vec<LeadId>,
    /// Leads that were such, and are decided about in this batch.
    pub decided: Vec<LeadId>,
    /// Where patrols stand now.
    pub rounds: Vec<Round>,
    /// What the patrol repaired in this batch.
    pub repairs: Vec<Repaired>,
    /// How many people of a connection went in this batch, less those who came back.
    pub vanished: Vec<(ConnectionId, i64)>,
    /// Hints that were followed in this batch; one that came again meanwhile stays.
    pub followed: Vec<Hint>,
    /// Notices about no lead: to the people who run Baton.
    pub notices: Vec<Notice>,
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
    /// The try of a write that was the last to leave, unless it provably had no effect.
    pub earlier: Option<Earlier>,
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
        /// What it replaced; empty: what was kept before it was sent, if anything.
        was: Vec<Was>,
    },
    /// A notice arrived, in a way that is worth a word: in a digest, or elsewhere than it was meant for.
    Told {
        /// When, by the engine's clock.
        at: Timestamp,
        /// How, for a person to read.
        how: String,
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
            Self::Done { .. } | Self::Told { .. } => "done",
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
    #[error("the database has schema {found}, made by Baton {by}; this Baton ({}) knows {known}: use that one, or a newer one", env!("CARGO_PKG_VERSION"))]
    Newer {
        /// The database's.
        found: i64,
        /// Ours.
        known: i64,
        /// The version of the Baton that made it.
        by: String,
    },
    /// The system gives no random bytes, so nothing can be sealed.
    #[error("the system gives no random bytes")]
    Randomness,
    /// The database's file is damaged.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// There is no room on the disk. Nothing of what was to be stored is.
    #[error("the disk is full")]
    Full(#[source] sqlx::Error),
    /// The disk failed to read, write or flush: what it holds is not known any more.
    #[error("the disk failed")]
    Disk(#[source] sqlx::Error),
    /// What is kept for a login cannot be opened.
    #[error("the login of {connection} cannot be opened")]
    Sealed {
        /// Which connection.
        connection: String,
        /// Why.
        #[source]
        cause: seal::SealError,
    },
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
}

impl StoreError {
    /// Must the process end, because going on would make it worse?
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Disk(_) | Self::Damaged(_))
    }
}

impl From<sqlx::Error> for StoreError {
    /// Source: sqlite.org, "Result and Error Codes", read 2026-11: the low byte is the primary code.
    fn from(error: sqlx::Error) -> Self {
        const IO: u32 = 10;
        const CORRUPT: u32 = 11;
        const FULL: u32 = 13;
        const NO_DATABASE: u32 = 26;
        /// The index of the log could not grow: on a full disk, the first thing that fails.
        const SHM_SIZE: u32 = IO | (19 << 8);
        let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
        match code {
            Some(SHM_SIZE) => Self::Full(error),
            Some(code) if code & 0xff == FULL => Self::Full(error),
            Some(code) if code & 0xff == IO => Self::Disk(error),
            Some(code) if [CORRUPT, NO_DATABASE].contains(&(code & 0xff)) => Self::Damaged(error.to_string()),
            _ => Self::Database(error),
        }
    }
}
