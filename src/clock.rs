//! The only reader of the wall clock (floor 1).
//!
//! Domain time (clocks of hand-offs, touches, decay) comes from a [`Clock`], which is the system's, a scaled one
//! (the demo: an hour in ten seconds) or one that a test moves by hand. Leases, request deadlines and rate limits
//! never ask it: they run on the monotonic clock of the runtime, whatever the domain's time does.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// Where domain time comes from. Cheap to clone; clones share their time.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System,
    Scaled { origin: Instant, start: Timestamp, factor: u32 },
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The wall clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// A clock that reads `start` now and runs `factor` times as fast as real time (1 = real time).
    #[must_use]
    pub fn scaled(start: Timestamp, factor: u32) -> Self {
        Self(Kind::Scaled { origin: Instant::now(), start, factor: factor.max(1) })
    }

    /// A clock that stands still at `start` until [`Clock::advance`] or [`Clock::set`] moves it.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Kind::Manual(Arc::new(AtomicI64::new(start.as_millisecond()))))
    }

    /// The present instant, to the millisecond: the store keeps no more, and what was decided must read back equal.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let millisecond = match &self.0 {
            Kind::System => wall().as_millisecond(),
            Kind::Scaled { origin, start, factor } => {
                let elapsed = i64::try_from(origin.elapsed().as_millis()).unwrap_or(i64::MAX);
                start.as_millisecond().saturating_add(elapsed.saturating_mul(i64::from(*factor)))
            }
            Kind::Manual(at) => at.load(Ordering::SeqCst),
        };
        Timestamp::from_millisecond(millisecond).unwrap_or(Timestamp::MAX)
    }

    /// Real wall time, whatever this clock shows: for leases and waits that others asked for, which must outlive the
    /// process but never run at the domain's pace.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        Timestamp::from_millisecond(wall().as_millisecond()).unwrap_or(Timestamp::MAX)
    }

    /// How many times faster than real time this clock runs; 1 for the system's, 0 for one moved by hand.
    #[must_use]
    pub fn factor(&self) -> u32 {
        match &self.0 {
            Kind::System => 1,
            Kind::Scaled { factor, .. } => *factor,
            Kind::Manual(_) => 0,
        }
    }

    /// The real time that `span` of this clock's time takes; a clock moved by hand answers with `span` itself.
    #[must_use]
    pub fn real(&self, span: SignedDuration) -> Duration {
        Duration::try_from(span).unwrap_or(Duration::ZERO) / self.factor().max(1)
    }

    /// Moves a manual clock on by `span`; any other clock is left alone.
    pub fn advance(&self, span: SignedDuration) {
        if let Kind::Manual(at) = &self.0 {
            at.fetch_add(i64::try_from(span.as_millis()).unwrap_or(0), Ordering::SeqCst);
        }
    }

    /// Sets a manual clock to `to`, back in time too; any other clock is left alone.
    pub fn set(&self, to: Timestamp) {
        if let Kind::Manual(at) = &self.0 {
            at.store(to.as_millisecond(), Ordering::SeqCst);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
fn wall() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_clock_moves_only_by_hand() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let twin = clock.clone();
        clock.advance(SignedDuration::from_mins(90));
        assert_eq!(twin.now().as_second(), 5400);
        twin.set(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn scaled_clock_runs_faster() {
        let clock = Clock::scaled(Timestamp::UNIX_EPOCH, 3600);
        #[expect(clippy::disallowed_methods, reason = "a plain test thread")]
        std::thread::sleep(Duration::from_millis(5));
        assert!(clock.now().as_second() >= 18);
        assert_eq!(clock.real(SignedDuration::from_hours(1)), Duration::from_secs(1));
    }
}
