//! Requests that write something and were not answered: until when the CRM may still carry them out.
//!
//! A look that finds nothing proves nothing before then: what was to be made may still be made, and a value that was to be set
//! may still be set, over whatever stands there by then. So nothing is written again until that time has passed, nor anything
//! behind it. Kept in memory: of what an earlier process tried it is only known that it was sent before this one began, and
//! that counts instead.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::Outcome;
use crate::domain::id::OperationId;

/// How long nobody looks again whether a request that was not answered has had its effect meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// How long it is known what was looked at before a request that was not answered: longer than any write is tried.
const LOOKS_KEPT: Duration = Duration::from_hours(24);

/// Operations in doubt.
#[derive(Debug)]
pub(super) struct Doubts {
    /// How long after it was sent a request may still have its effect.
    late: Duration,
    /// When this process began.
    since: Instant,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// What this process has sent without an answer, each with the time from which it is in doubt no more.
    until: HashMap<OperationId, Instant>,
    /// When by the CRM's clock it was looked before the first request that was not answered, and when that was noted.
    looked: HashMap<OperationId, (Timestamp, Instant)>,
    /// What this process was the first to try. Only kept while something of an earlier process may still come.
    own: HashSet<OperationId>,
}

impl Doubts {
    pub(super) fn new(late: Duration) -> Self {
        Self { late, since: Instant::now(), known: Mutex::default() }
    }

    /// No process has tried these before.
    pub(super) fn first_try(&self, ops: impl IntoIterator<Item = OperationId>) {
        let mut known = self.known();
        if self.since.elapsed() < self.late {
            known.own.extend(ops);
        } else {
            known.own = HashSet::new();
        }
    }

    /// These were in a request of `sent_at` that may still have its effect.
    pub(super) fn note(&self, ops: impl IntoIterator<Item = OperationId>, sent_at: Instant) {
        let now = Instant::now();
        let mut known = self.known();
        known.until.retain(|_, until| *until > now);
        known.until.extend(ops.into_iter().map(|op| (op, sent_at + self.late)));
    }

    /// Before these were sent without an answer it was looked at `at`, by the CRM's clock: what a person set since then, they
    /// set without our knowing.
    pub(super) fn looked(&self, ops: impl IntoIterator<Item = OperationId>, at: Timestamp) {
        let now = Instant::now();
        let mut known = self.known();
        known.looked.retain(|_, (_, noted)| now.duration_since(*noted) < LOOKS_KEPT);
        for op in ops {
            known.looked.entry(op).or_insert((at, now));
        }
    }

    /// When it was looked before the first try that was not answered; `None` if every try was, or an earlier process made it.
    pub(super) fn looked_at(&self, op: OperationId) -> Option<Timestamp> {
        self.known().looked.get(&op).map(|(at, _)| *at)
    }

    /// How long an earlier try may still have its effect; `None` = not any more.
    pub(super) fn rest(&self, op: OperationId) -> Option<Duration> {
        let known = self.known();
        let until = match known.until.get(&op) {
            Some(until) => *until,
            None if known.own.contains(&op) => return None,
            None => self.since + self.late,
        };
        until.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero())
    }

    /// What becomes of a write whose earlier try may still have its effect: it is looked for again, and not repeated.
    pub(super) fn waits(&self, op: OperationId) -> Option<Outcome> {
        let rest = self.rest(op)?;
        let message = "an earlier request, not answered, may still have its effect".to_owned();
        Some(Outcome::Again { after: Some(rest.min(LOOK_AGAIN)), counts: false, message })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: Duration = Duration::from_secs(120);

    #[tokio::test(start_paused = true)]
    async fn a_doubt_lasts_from_the_sending_and_then_is_forgotten() {
        let doubts = Doubts::new(LATE);
        let (one, other) = (OperationId::of(&["one"]), OperationId::of(&["other"]));
        doubts.first_try([one, other]);
        tokio::time::advance(Duration::from_secs(50)).await;
        doubts.note([one], Instant::now());
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(doubts.rest(one), Some(Duration::from_secs(90)));
        assert_eq!(doubts.rest(other), None);
        tokio::time::advance(Duration::from_secs(91)).await;
        assert_eq!(doubts.rest(one), None);
        doubts.note([other], Instant::now());
        assert_eq!(doubts.known().until.len(), 1);
        doubts.first_try([one]);
        assert!(doubts.known().own.is_empty(), "nothing of an earlier process can come any more");
    }

    #[tokio::test(start_paused = true)]
    async fn the_look_before_the_first_unanswered_try_is_what_counts() {
        let doubts = Doubts::new(LATE);
        let at = |second| Timestamp::from_second(second).unwrap();
        let (one, other) = (OperationId::of(&["one"]), OperationId::of(&["other"]));
        doubts.looked([one], at(10));
        doubts.looked([one], at(99));
        assert_eq!((doubts.looked_at(one), doubts.looked_at(other)), (Some(at(10)), None));
        tokio::time::advance(LOOKS_KEPT).await;
        doubts.looked([other], at(50));
        assert_eq!((doubts.looked_at(one), doubts.looked_at(other)), (None, Some(at(50))));
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_earlier_process_tried_is_in_doubt_from_the_start_of_this_one() {
        let doubts = Doubts::new(LATE);
        let earlier = OperationId::of(&["earlier"]);
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(doubts.rest(earlier), Some(Duration::from_secs(100)));
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(doubts.rest(earlier), None);
    }
}
