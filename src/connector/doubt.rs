//! Requests that write something and were not answered: until when the CRM may still carry them out.
//!
//! A look that finds nothing proves nothing before then: what was to be made may still be made, and a value that was to be set
//! may still be set, over whatever stands there by then. So nothing is written again until that time has passed, nor anything
//! behind it. What an earlier process sent is known from the store (`Addressed::earlier`): the wait counts from that sending. Where
//! nothing was kept of it, it is only known that it was sent before this process began, and that counts instead.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Addressed, Outcome};
use crate::domain::id::OperationId;

/// How long nobody looks again whether a request that was not answered has had its effect meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// What is kept of a request is kept right before it waits for its turn, which is so long at most: what the limiter lets no request
/// wait beyond.
const TURN: Duration = Duration::from_secs(60);

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
    /// What was sent without an answer, by this process or the one before, each with the time from which it is in doubt no more.
    until: HashMap<OperationId, Instant>,
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

    /// What an earlier process sent of these: the wait counts from then. This process knows better of its own.
    pub(super) fn recall<'a>(&self, writes: impl IntoIterator<Item = &'a Addressed>) {
        let now = Instant::now();
        let mut known = self.known();
        known.until.retain(|_, until| *until > now);
        for write in writes {
            let (op, Some(earlier)) = (write.write.op, &write.earlier) else { continue };
            let ago = Duration::try_from(earlier.ago).unwrap_or_default();
            let rest = (TURN + self.late).saturating_sub(ago);
            if !known.own.contains(&op) {
                known.until.entry(op).or_insert((now + rest).min(self.since + self.late));
            }
        }
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
    use jiff::SignedDuration;

    use super::*;
    use crate::domain::id::{ConnectionId, LeadId};
    use crate::domain::plan::{Earlier, Effect, Lane, Write};

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
    async fn what_an_earlier_process_sent_is_in_doubt_from_its_sending_and_never_longer_than_from_the_start() {
        let tried = |tag: &str, ago: i64| {
            let op = OperationId::of(&[tag]);
            let write = Write {
                op,
                lead: LeadId(7),
                handoff: None,
                connection: ConnectionId::from("odoo"),
                record: None,
                lane: Lane::Assign,
                effect: Effect::AddNote { body: String::new() },
                because: String::new(),
            };
            let earlier = Earlier { ago: SignedDuration::from_secs(ago), looked_at: None, was: Vec::new() };
            (op, Addressed { write, record: None, attempt: 2, earlier: Some(earlier) })
        };
        for (ago, rest) in [(0, 120), (59, 120), (100, 80), (179, 1), (180, 0), (9_999, 0), (-5, 120)] {
            let doubts = Doubts::new(LATE);
            let (op, write) = tried("one", ago);
            doubts.recall([&write]);
            assert_eq!(doubts.rest(op).unwrap_or_default(), Duration::from_secs(rest), "sent {ago} s ago");
        }
        // What this process was the first to try, it knows better.
        let doubts = Doubts::new(LATE);
        let (op, write) = tried("own", 5);
        doubts.first_try([op]);
        doubts.recall([&write]);
        assert_eq!(doubts.rest(op), None);
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
