//! What each loop is doing and how its last pass ended: shown, not guessed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

use crate::domain::id::ConnectionId;

/// The name of a connection's loop: `poll hubspot`.
#[must_use]
pub fn loop_name(what: &str, connection: &ConnectionId) -> String {
    format!("{what} {connection}")
}

/// How one loop does.
#[derive(Clone, Debug, Default)]
pub struct LoopStatus {
    /// When its last pass ended.
    pub last_at: Option<Timestamp>,
    /// How the last pass failed, if it did.
    pub error: Option<String>,
    /// Passes in a row that failed.
    pub failures: u32,
    /// Passes that ended.
    pub passes: u64,
    /// How long the last pass took.
    pub duration_ms: u64,
    /// Steps of passes: pages, batches. Grows while a long pass gets on.
    pub steps: u64,
    /// It waits on purpose until then.
    pub rests_until: Option<Instant>,
    /// How often it broke and was started anew.
    pub panics: u32,
    /// When it broke last.
    pub panicked_at: Option<Timestamp>,
}

/// How all loops do.
#[derive(Debug, Default)]
pub struct Status {
    loops: Mutex<BTreeMap<String, LoopStatus>>,
}

impl Status {
    /// Notes that a loop is there, before its first pass ends.
    pub fn begins(&self, name: &str) {
        self.change(name, |known| known.rests_until = None);
    }

    /// Notes that a pass got on.
    pub fn step(&self, name: &str) {
        self.change(name, |known| known.steps += 1);
    }

    /// Notes that a loop waits on purpose.
    pub fn rests(&self, name: &str, until: Instant) {
        self.change(name, |known| known.rests_until = Some(until));
    }

    /// Notes that a loop broke.
    pub fn panicked(&self, name: &str, at: Timestamp) {
        self.change(name, |known| {
            known.panics = known.panics.saturating_add(1);
            known.panicked_at = Some(at);
        });
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut LoopStatus)) {
        let mut loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        match loops.get_mut(name) {
            Some(known) => change(known),
            None => change(loops.entry(name.to_owned()).or_default()),
        }
    }

    /// Notes the end of a pass.
    pub fn passed(&self, name: &str, at: Timestamp, duration_ms: u64, error: Option<String>) {
        self.change(name, |known| {
            known.last_at = Some(at);
            known.duration_ms = duration_ms;
            known.passes += 1;
            known.failures = if error.is_some() { known.failures.saturating_add(1) } else { 0 };
            known.error = error;
        });
    }

    /// Every loop by name.
    #[must_use]
    pub fn loops(&self) -> BTreeMap<String, LoopStatus> {
        self.loops.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
