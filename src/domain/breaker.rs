//! When a connection is left alone: after failures in a row nothing is asked of it but a single probe now and then, until one
//! is answered. Pure; its time is real time, whatever the domain's clock does.

use jiff::{SignedDuration, Timestamp};

/// So many failures in a row, of whatever asked, leave a connection alone.
const FAILURES_MAX: u32 = 5;
/// The first time that it is left alone.
const REST: SignedDuration = SignedDuration::from_secs(15);
/// The longest.
const REST_MAX: SignedDuration = SignedDuration::from_mins(5);
/// A probe that nobody heard of again is given up after this, so that no lost one leaves the connection alone for ever.
const PROBE_MAX: SignedDuration = SignedDuration::from_mins(3);

/// Whether a connection may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// As much as the budget allows.
    Free,
    /// One request, to see whether it answers again.
    Probe,
    /// Nothing before this.
    Wait(Timestamp),
}

/// How a connection stands, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It answers.
    Closed,
    /// It is left alone until then.
    Open(Timestamp),
    /// One request is out, to see whether it answers again.
    HalfOpen,
}

/// The circuit breaker of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    /// Set while it is left alone: until when, and how often a probe has failed.
    until: Option<Timestamp>,
    rests: u32,
    /// Until when a probe that is out keeps others from asking.
    probing: Option<Timestamp>,
}

impl Breaker {
    /// May it be asked at `now`? A probe that is granted keeps all others waiting until it is answered or fails.
    pub fn admit(&mut self, now: Timestamp) -> Admission {
        let Some(until) = self.until else { return Admission::Free };
        if let Some(probing) = self.probing.filter(|probing| *probing > now) {
            return Admission::Wait(probing);
        }
        if until > now {
            return Admission::Wait(until);
        }
        self.probing = now.checked_add(PROBE_MAX).ok();
        Admission::Probe
    }

    /// There was nothing to ask after all: whoever comes next may probe.
    pub fn unused(&mut self) {
        self.probing = None;
    }

    /// It answered, if only to refuse.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// It did not answer, or did not accept the credentials (`is_whole`), which concerns all that is asked of it.
    pub fn failed(&mut self, now: Timestamp, is_whole: bool) {
        self.failures = self.failures.saturating_add(1);
        let was_probe = self.probing.take().is_some();
        if self.until.is_some() && !was_probe {
            // What left before it was left alone says nothing new.
            return;
        }
        if is_whole || was_probe || self.failures >= FAILURES_MAX {
            let rest = REST.saturating_mul(2_i32.saturating_pow(self.rests.min(10))).min(REST_MAX);
            self.rests = self.rests.saturating_add(1);
            self.until = now.checked_add(rest).ok();
        }
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> State {
        match (self.until, self.probing) {
            (None, _) => State::Closed,
            (Some(_), Some(probing)) if probing > now => State::HalfOpen,
            (Some(until), _) => State::Open(until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    #[test]
    fn failures_in_a_row_leave_a_connection_alone_and_one_probe_at_a_time_looks_again_fault_70() {
        let mut breaker = Breaker::default();
        for failure in 0..FAILURES_MAX {
            assert_eq!(breaker.admit(at(0)), Admission::Free, "after {failure} failures");
            breaker.failed(at(0), false);
        }
        assert_eq!((breaker.admit(at(14)), breaker.state(at(14))), (Admission::Wait(at(15)), State::Open(at(15))));
        assert_eq!(breaker.admit(at(15)), Admission::Probe);
        breaker.unused();
        assert_eq!(breaker.admit(at(15)), Admission::Probe, "the first had nothing to ask");
        assert_eq!((breaker.admit(at(15)), breaker.state(at(15))), (Admission::Wait(at(195)), State::HalfOpen));
        breaker.failed(at(20), false);
        assert_eq!(breaker.admit(at(49)), Admission::Wait(at(50)), "twice as long after a probe that failed");
        assert_eq!(breaker.admit(at(50)), Admission::Probe);
        breaker.answered();
        assert_eq!((breaker.admit(at(50)), breaker.state(at(50))), (Admission::Free, State::Closed));
    }

    #[test]
    fn it_neither_flaps_nor_sticks_fault_70() {
        // A success between failures is no row of them.
        let mut breaker = Breaker::default();
        for _ in 0..20 {
            breaker.failed(at(0), false);
            breaker.answered();
        }
        assert_eq!(breaker.admit(at(0)), Admission::Free);
        // Refused credentials concern everything, at once; rests grow to a bound.
        breaker.failed(at(0), true);
        let mut now = 0;
        for _ in 0..12 {
            let Admission::Wait(until) = breaker.admit(at(now)) else { panic!("it is left alone") };
            assert!(until.duration_since(at(now)) <= REST_MAX, "{until}");
            now = until.duration_since(at(0)).as_secs();
            assert_eq!(breaker.admit(at(now)), Admission::Probe);
            // What was under way before tells nothing and neither prolongs nor ends the rest.
            breaker.failed(at(now), true);
            let state = breaker.state(at(now));
            breaker.failed(at(now), true);
            assert_eq!(breaker.state(at(now)), state);
        }
        // A probe that is lost with its task does not leave the connection alone for ever.
        let Admission::Wait(until) = breaker.admit(at(now)) else { panic!("it is left alone") };
        assert_eq!(breaker.admit(until), Admission::Probe);
        assert_eq!(breaker.admit(until.checked_add(PROBE_MAX).unwrap()), Admission::Probe);
    }
}
