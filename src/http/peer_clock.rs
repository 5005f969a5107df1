//! What a server's clock said last, by the `Date` of its answers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

/// What the answers of one server say of its clock. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct PeerClock(Arc<Mutex<Option<Told>>>);

/// The `Date` of an answer, and when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// What the server's clock read, cut to the second.
    pub date: Timestamp,
    /// When the request was sent.
    pub sent: Instant,
    /// When the head of the answer was read.
    pub received: Instant,
}

impl PeerClock {
    /// What the last answer with a `Date` said; `None` before the first.
    #[must_use]
    pub fn told(&self) -> Option<Told> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, told: Told) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    }
}
