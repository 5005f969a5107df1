//! Requests that make something and were not answered: until when HubSpot may still carry them out.
//!
//! A look that finds nothing proves nothing before then, so nothing is made again until that time has passed. Kept in memory: what a
//! killed process had sent is under its lease for longer than that.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::id::OperationId;

/// Operations in doubt.
#[derive(Debug)]
pub(in crate::connector::hubspot) struct Doubts {
    /// How long after it was sent a request may still have its effect.
    late: Duration,
    until: Mutex<HashMap<OperationId, Instant>>,
}

impl Doubts {
    pub(in crate::connector::hubspot) fn new(late: Duration) -> Self {
        Self { late, until: Mutex::default() }
    }

    /// These were in a request of `sent_at` that may still have its effect.
    pub(super) fn note(&self, ops: impl IntoIterator<Item = OperationId>, sent_at: Instant) {
        let now = Instant::now();
        let mut until = self.until();
        until.retain(|_, until| *until > now);
        until.extend(ops.into_iter().map(|op| (op, sent_at + self.late)));
    }

    /// How long an earlier try may still have its effect; `None` = not any more.
    pub(super) fn rest(&self, op: OperationId) -> Option<Duration> {
        self.until().get(&op)?.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero())
    }

    fn until(&self) -> MutexGuard<'_, HashMap<OperationId, Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_doubt_lasts_from_the_sending_and_then_is_forgotten() {
        let doubts = Doubts::new(Duration::from_secs(120));
        let (one, other) = (OperationId::of(&["one"]), OperationId::of(&["other"]));
        doubts.note([one], Instant::now());
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(doubts.rest(one), Some(Duration::from_secs(90)));
        assert_eq!(doubts.rest(other), None);
        tokio::time::advance(Duration::from_secs(91)).await;
        assert_eq!(doubts.rest(one), None);
        doubts.note([other], Instant::now());
        assert_eq!(doubts.until().len(), 1);
    }
}
