//! What each loop is doing and how its last pass ended: shown, not guessed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

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
}

/// How all loops do.
#[derive(Debug, Default)]
pub struct Status {
    loops: Mutex<BTreeMap<String, LoopStatus>>,
}

impl Status {
    /// Notes the end of a pass.
    pub fn passed(&self, name: &str, at: Timestamp, duration_ms: u64, error: Option<String>) {
        let mut loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        let known = loops.entry(name.to_owned()).or_default();
        known.last_at = Some(at);
        known.duration_ms = duration_ms;
        known.passes += 1;
        known.failures = if error.is_some() { known.failures.saturating_add(1) } else { 0 };
        known.error = error;
    }

    /// Every loop by name.
    #[must_use]
    pub fn loops(&self) -> BTreeMap<String, LoopStatus> {
        self.loops.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Passes that ended, of all loops: the watchdog is fed only while this grows.
    #[must_use]
    pub fn passes(&self) -> u64 {
        self.loops().values().map(|known| known.passes).sum()
    }
}
