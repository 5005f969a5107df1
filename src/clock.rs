//! The only reader of the wall clock (floor 1).
//!
//! Domain time (clocks of hand-offs, touches, decay) comes from a [`Clock`], which is the system's, a scaled one
//! (the demo: an hour in ten seconds) or one that a test moves by hand. Leases, request deadlines and rate limits
//! never ask for domain time: they run on the monotonic clock of the runtime, whatever the wall clock does.
//!
//! The wall clock may lie (faults 81 and 82). It is therefore held against the monotonic one: a step of more than
//! [`STEP_MAX`] is not believed, and domain time goes on at its old pace, until another clock has confirmed the new time
//! ([`Clock::hear`]) or the wall clock came back. A smaller step back makes domain time stand still until it is caught up
//! with, so that what happens later is never dated earlier.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// The largest step of the wall clock that is believed without another clock's word. An NTP client that slews or corrects
/// seconds stays far below it.
pub const STEP_MAX: SignedDuration = SignedDuration::from_mins(1);

/// Where domain time comes from. Cheap to clone; clones share their time.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    /// Real time, anchored where the process began: [`Clock::steady`].
    origin: (Instant, i64),
    belief: Mutex<Belief>,
}

#[derive(Debug)]
enum Source {
    System,
    Scaled { start: Timestamp, factor: u32 },
    Manual { hands: Hands, moves_leases: bool },
}

/// What a clock moved by hand reads, in milliseconds.
#[derive(Debug)]
struct Hands {
    wall: AtomicI64,
    steady: AtomicI64,
}

/// What is believed of the time, in milliseconds.
#[derive(Debug, Default)]
struct Belief {
    /// The monotonic clock and the domain time at one moment of which both were believed; `None` before the first.
    anchor: Option<(i64, i64)>,
    /// The latest instant that anybody was told.
    told: i64,
    /// The wall clock stepped too far, since this domain time.
    stepped_at: Option<i64>,
    /// How far the wall clock was ahead of each other clock while it was believed.
    ahead: BTreeMap<String, i64>,
}

/// A step of the wall clock that is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How far the wall clock is from where it should be; negative if it went back.
    pub by: SignedDuration,
    /// When it was noticed, in domain time.
    pub since: Timestamp,
}

impl Clock {
    /// The wall clock.
    #[must_use]
    pub fn system() -> Self {
        Self::from(Source::System)
    }

    /// A clock that reads `start` now and runs `factor` times as fast as real time (1 = real time).
    #[must_use]
    pub fn scaled(start: Timestamp, factor: u32) -> Self {
        Self::from(Source::Scaled { start, factor: factor.max(1) })
    }

    /// A clock that stands still at `start` until [`Clock::advance`], [`Clock::set`] or [`Clock::step`] moves it. Leases
    /// and waits go on in real time.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self::by_hand(start, false)
    }

    /// As [`Clock::manual`], with leases and waits moved by the same hand: for tests of what outlives them.
    #[must_use]
    pub fn manual_with_leases(start: Timestamp) -> Self {
        Self::by_hand(start, true)
    }

    fn by_hand(start: Timestamp, moves_leases: bool) -> Self {
        let start = start.as_millisecond();
        let hands = Hands { wall: AtomicI64::new(start), steady: AtomicI64::new(start) };
        Self::from(Source::Manual { hands, moves_leases })
    }

    fn from(source: Source) -> Self {
        let origin = (Instant::now(), wall().as_millisecond());
        Self(Arc::new(Inner { source, origin, belief: Mutex::default() }))
    }

    /// The present instant, to the millisecond: the store keeps no more, and what was decided must read back equal.
    ///
    /// Never earlier than what it answered before, unless another clock confirmed that it is ([`Clock::hear`]).
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let millisecond = match self.readings() {
            Some((wall, steady)) => self.believed(|belief| belief.read(wall, steady)),
            None => self.scaled_now(),
        };
        instant(millisecond)
    }

    /// The step of the wall clock that is not believed, if there is one now.
    #[must_use]
    pub fn stepped(&self) -> Option<Step> {
        let (wall, steady) = self.readings()?;
        self.believed(|belief| {
            let now = belief.read(wall, steady);
            let since = instant(belief.stepped_at?);
            Some(Step { by: SignedDuration::from_millis(wall - now), since })
        })
    }

    /// Takes the word of another clock: `named` reads `theirs` now.
    ///
    /// While the wall clock is believed, this notes how far the two are apart. Once it has stepped, the step is believed
    /// if they still are as far apart as they were: then the time has really passed (the machine slept), or was wrong
    /// before. A clock that was never heard before is taken to be right.
    pub fn hear(&self, named: &str, theirs: Timestamp) {
        let Some((wall, steady)) = self.readings() else { return };
        let ahead = wall - theirs.as_millisecond();
        self.believed(|belief| {
            belief.read(wall, steady);
            if belief.stepped_at.is_none() {
                belief.ahead.insert(named.to_owned(), ahead);
                return;
            }
            let known = belief.ahead.get(named).copied().unwrap_or(0);
            if is_small(ahead - known) {
                belief.believe(wall, steady);
            }
        });
    }

    /// Real wall time as the system has it, whatever this clock shows: for what others hold against their own clocks.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        match &self.0.source {
            Source::Manual { hands, moves_leases: true } => instant(hands.wall.load(Ordering::SeqCst)),
            Source::Manual { .. } | Source::System | Source::Scaled { .. } => instant(wall().as_millisecond()),
        }
    }

    /// Real time that no step of the wall clock moves: for leases and waits that others asked for, which must outlive the
    /// process but never run at the domain's pace. Wall time when this clock was made, and the monotonic time since.
    #[must_use]
    pub fn steady(&self) -> Timestamp {
        match &self.0.source {
            Source::Manual { hands, moves_leases: true } => instant(hands.steady.load(Ordering::SeqCst)),
            Source::Manual { .. } | Source::System | Source::Scaled { .. } => {
                instant(self.0.origin.1.saturating_add(self.elapsed()))
            }
        }
    }

    /// How many times faster than real time this clock runs; 1 for the system's, 0 for one moved by hand.
    #[must_use]
    pub fn factor(&self) -> u32 {
        match &self.0.source {
            Source::System => 1,
            Source::Scaled { factor, .. } => *factor,
            Source::Manual { .. } => 0,
        }
    }

    /// The real time that `span` of this clock's time takes; a clock moved by hand answers with `span` itself.
    #[must_use]
    pub fn real(&self, span: SignedDuration) -> Duration {
        Duration::try_from(span).unwrap_or(Duration::ZERO) / self.factor().max(1)
    }

    /// Lets `span` pass on a manual clock; any other clock is left alone.
    pub fn advance(&self, span: SignedDuration) {
        if let Source::Manual { hands, .. } = &self.0.source {
            let ms = i64::try_from(span.as_millis()).unwrap_or(0);
            // What is believed so far must not take the time that passes for a step.
            let (wall, steady) = hands.read();
            self.believed(|belief| belief.read(wall, steady));
            hands.wall.fetch_add(ms, Ordering::SeqCst);
            hands.steady.fetch_add(ms, Ordering::SeqCst);
        }
    }

    /// Sets a manual clock to `to`, back in time too, as if it had never read anything else; any other clock is left
    /// alone.
    pub fn set(&self, to: Timestamp) {
        if let Source::Manual { hands, .. } = &self.0.source {
            hands.wall.store(to.as_millisecond(), Ordering::SeqCst);
            let (wall, steady) = hands.read();
            self.believed(|belief| belief.believe(wall, steady));
        }
    }

    /// Lets the wall clock under a manual clock step by `span`, without any time passing; any other clock is left alone.
    pub fn step(&self, span: SignedDuration) {
        if let Source::Manual { hands, .. } = &self.0.source {
            let (wall, steady) = hands.read();
            self.believed(|belief| belief.read(wall, steady));
            hands.wall.fetch_add(i64::try_from(span.as_millis()).unwrap_or(0), Ordering::SeqCst);
        }
    }

    /// The wall clock and the monotonic clock, where there are two.
    fn readings(&self) -> Option<(i64, i64)> {
        match &self.0.source {
            Source::System => Some((wall().as_millisecond(), self.elapsed())),
            Source::Scaled { .. } => None,
            Source::Manual { hands, .. } => Some(hands.read()),
        }
    }

    fn scaled_now(&self) -> i64 {
        match &self.0.source {
            Source::Scaled { start, factor } => {
                start.as_millisecond().saturating_add(self.elapsed().saturating_mul(i64::from(*factor)))
            }
            Source::System | Source::Manual { .. } => 0,
        }
    }

    fn elapsed(&self) -> i64 {
        i64::try_from(self.0.origin.0.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn believed<T>(&self, of: impl FnOnce(&mut Belief) -> T) -> T {
        of(&mut self.0.belief.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Hands {
    fn read(&self) -> (i64, i64) {
        (self.wall.load(Ordering::SeqCst), self.steady.load(Ordering::SeqCst))
    }
}

impl Belief {
    /// The domain time at these readings.
    fn read(&mut self, wall: i64, steady: i64) -> i64 {
        let Some((steady_then, domain_then)) = self.anchor else {
            self.believe(wall, steady);
            return wall;
        };
        let expected = domain_then + (steady - steady_then);
        if is_small(wall - expected) {
            let now = wall.max(self.told);
            self.believe(now, steady);
            return now;
        }
        // Not moved on, so that a step is not believed piece by piece.
        self.stepped_at.get_or_insert(expected.max(self.told));
        self.told = self.told.max(expected);
        self.told
    }

    fn believe(&mut self, domain: i64, steady: i64) {
        self.anchor = Some((steady, domain));
        self.told = domain;
        self.stepped_at = None;
    }
}

fn is_small(step_ms: i64) -> bool {
    i128::from(step_ms).abs() <= STEP_MAX.as_millis()
}

fn instant(millisecond: i64) -> Timestamp {
    Timestamp::from_millisecond(millisecond).unwrap_or(Timestamp::MAX)
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
fn wall() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);
    const SECOND: SignedDuration = SignedDuration::from_secs(1);

    fn start() -> Timestamp {
        Timestamp::from_second(1_000_000).unwrap()
    }

    fn after(clock: &Clock) -> i64 {
        clock.now().as_second() - start().as_second()
    }

    #[test]
    fn manual_clock_moves_only_by_hand() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let twin = clock.clone();
        clock.advance(SignedDuration::from_mins(90));
        assert_eq!(twin.now().as_second(), 5400);
        twin.set(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
        assert_eq!(clock.stepped(), None);
    }

    #[test]
    fn scaled_clock_runs_faster() {
        let clock = Clock::scaled(Timestamp::UNIX_EPOCH, 3600);
        #[expect(clippy::disallowed_methods, reason = "a plain test thread")]
        std::thread::sleep(Duration::from_millis(5));
        assert!(clock.now().as_second() >= 18);
        assert_eq!(clock.real(SignedDuration::from_hours(1)), Duration::from_secs(1));
    }

    #[test]
    fn an_hour_forward_or_back_is_not_believed_and_time_goes_on_at_its_pace_fault_82() {
        for hours in [1, -1, 24, -24] {
            let clock = Clock::manual_with_leases(start());
            assert_eq!(after(&clock), 0);
            clock.step(HOUR * hours);
            assert_eq!(after(&clock), 0, "{hours} h");
            clock.advance(SECOND * 30);
            assert_eq!(after(&clock), 30, "{hours} h");
            assert_eq!(clock.steady(), start() + SECOND * 30, "leases do not see it: {hours} h");
            let step = clock.stepped().unwrap();
            assert_eq!((step.by, step.since), (HOUR * hours, start()));
            clock.step(HOUR * -hours);
            assert_eq!((after(&clock), clock.stepped()), (30, None), "the wall clock came back");
        }
    }

    #[test]
    fn a_small_step_back_makes_time_stand_still_and_never_run_backwards() {
        let clock = Clock::manual(start());
        clock.advance(SECOND * 100);
        assert_eq!(after(&clock), 100);
        clock.step(SECOND * -40);
        for (passed, told) in [(10, 100), (20, 100), (20, 110)] {
            clock.advance(SECOND * passed);
            assert_eq!(after(&clock), told);
        }
        assert_eq!(clock.stepped(), None);
        clock.step(SECOND * 40);
        assert_eq!(after(&clock), 150, "a small step forward is believed");
    }

    #[test]
    fn many_small_steps_back_are_not_believed_together() {
        let clock = Clock::manual(start());
        assert_eq!(after(&clock), 0);
        for _ in 0..3 {
            clock.step(SECOND * -30);
            assert_eq!(after(&clock), 0);
        }
        assert!(clock.stepped().is_some());
    }

    #[test]
    fn another_clock_confirms_what_really_passed_and_nothing_else() {
        let check = |case: &str, offset: i32, step: i32, theirs_moved: i32, expected: i64, is_held: bool| {
            let clock = Clock::manual(start());
            clock.hear("crm", start() + SECOND * offset);
            clock.step(SECOND * step);
            clock.hear("crm", start() + SECOND * (offset + theirs_moved));
            assert_eq!((after(&clock), clock.stepped().is_some()), (expected, is_held), "{case}");
        };
        check("the machine slept", 0, 28_800, 28_800, 28_800, false);
        check("it slept, and the CRM's clock is two hours off", 7_200, 28_800, 28_810, 28_800, false);
        check("the wall clock was set wrong", 0, 3_600, 5, 0, true);
        check("set wrong by what the CRM's clock is off", 3_600, 3_600, 5, 0, true);
        check("both say an hour back", 0, -3_600, -3_600, -3_600, false);

        let clock = Clock::manual(start());
        assert_eq!(after(&clock), 0);
        clock.step(HOUR);
        clock.hear("new", start() + HOUR);
        assert_eq!(after(&clock), 3_600, "a clock that was never heard is taken to be right");
    }
}
