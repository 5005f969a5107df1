//! When a failed effect is tried again: exponential pauses with full jitter, waits that the other side asks for, an end.
//!
//! The dice come in as an argument, so that the rule gives the same answer to the same question for ever.

use jiff::{SignedDuration, Timestamp};

/// The first pause is at most this long; each further one at most twice the one before.
pub const PAUSE_FIRST: SignedDuration = SignedDuration::from_secs(5);
/// No pause between tries is longer, unless the other side asks for it.
pub const PAUSE_MAX: SignedDuration = SignedDuration::from_mins(30);
/// No pause is shorter: a jitter of nearly zero is not "at once".
pub const PAUSE_MIN: SignedDuration = SignedDuration::from_secs(1);
/// After so many counted tries an effect is dead, and a person sees it.
pub const TRIES_MAX: u32 = 12;
/// A wait that the other side asks for is obeyed up to here; a longer one is asked again after it.
///
/// HubSpot's 477 asks for up to 24 hours.
/// Source: HubSpot, "Other HTTP errors" (477 Migration in Progress), read 2026-11.
pub const WAIT_MAX: SignedDuration = SignedDuration::from_hours(24);
/// Jitter on top of a wait that was asked for: everybody who was told the same instant comes back spread over this.
pub const WAIT_SPREAD: SignedDuration = SignedDuration::from_secs(5);

/// How a try went wrong, by what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It provably did not take effect: unsent, or refused for now.
    Again {
        /// The wait the other side asked for; not one try before it is over.
        after: Option<SignedDuration>,
        /// Does it count against [`TRIES_MAX`]? Not if the other side only asked to wait (429, 477).
        counts: bool,
    },
    /// It may have taken effect: the next try looks before it repeats.
    Unknown,
    /// Trying again changes nothing until the record or the rules change.
    Refused,
}

/// A throw of the dice, from 0 (inclusive) to 1 (exclusive).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Jitter(f64);

impl Jitter {
    /// A throw; anything outside 0 to 1 is brought to the nearer end, what is not a number to 0.
    #[must_use]
    pub fn new(throw: f64) -> Self {
        Self(if throw.is_nan() { 0.0 } else { throw.clamp(0.0, 1.0) })
    }

    fn of(self, whole: SignedDuration) -> SignedDuration {
        // Whole milliseconds: a finer pause means nothing, and f64 holds these exactly. The throw is at most 1, so the
        // product cannot pass `whole`.
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "at most a day of milliseconds"
        )]
        let millis = (whole.as_millis() as f64 * self.0) as i64;
        SignedDuration::from_millis(millis)
    }
}

/// What happens to the effect next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again at this instant, not before.
    At {
        /// The instant.
        at: Timestamp,
        /// Look first whether an earlier try took effect.
        look_first: bool,
        /// Counted tries so far.
        tries: u32,
    },
    /// Dead: a person sees it with its reason, and may send it again.
    Dead {
        /// Were all tries used, or was it refused?
        exhausted: bool,
    },
}

/// When to try again after a try at `now` went wrong. `tries` = counted tries before this one.
///
/// The n-th pause is `jitter` of 5 s, 10 s, 20 s ... 30 min ("full jitter"), but at least a second; a wait that the other
/// side asked for is kept to the end and the jitter comes on top.
#[must_use]
pub fn next_attempt(now: Timestamp, tries: u32, verdict: Verdict, jitter: Jitter) -> Next {
    let (after, counts, look_first) = match verdict {
        Verdict::Refused => return Next::Dead { exhausted: false },
        Verdict::Again { after, counts } => (after, counts, false),
        Verdict::Unknown => (None, true, true),
    };
    let tries = if counts { tries.saturating_add(1) } else { tries };
    if counts && tries >= TRIES_MAX {
        return Next::Dead { exhausted: true };
    }
    let pause = match after.filter(|wait| wait.is_positive()) {
        Some(wait) => wait.min(WAIT_MAX) + jitter.of(WAIT_SPREAD),
        None => jitter.of(ceiling(tries)).max(PAUSE_MIN),
    };
    Next::At { at: now.checked_add(pause).unwrap_or(Timestamp::MAX), look_first, tries }
}

/// The longest pause after so many counted tries.
fn ceiling(tries: u32) -> SignedDuration {
    let doublings = tries.saturating_sub(1).min(20);
    (PAUSE_FIRST * (1 << doublings)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn again(after_seconds: Option<i64>, counts: bool) -> Verdict {
        Verdict::Again { after: after_seconds.map(SignedDuration::from_secs), counts }
    }

    #[test]
    fn each_verdict_has_its_own_next() {
        let check = |tries: u32, verdict: Verdict, jitter: f64, expected: Next| {
            assert_eq!(
                next_attempt(NOW, tries, verdict, Jitter::new(jitter)),
                expected,
                "{tries} {verdict:?} {jitter}"
            );
        };
        let at = |millis: i64, look_first: bool, tries: u32| Next::At {
            at: Timestamp::from_millisecond(millis).unwrap(),
            look_first,
            tries,
        };
        check(0, again(None, true), 0.5, at(2_500, false, 1));
        check(0, again(None, true), 0.0, at(1_000, false, 1));
        check(3, again(None, true), 0.5, at(20_000, false, 4));
        check(10, again(None, true), 1.0, at(1_800_000, false, 11));
        check(0, Verdict::Unknown, 1.0, at(5_000, true, 1));
        check(4, again(Some(3_600), false), 0.0, at(3_600_000, false, 4));
        check(0, again(Some(10), true), 1.0, at(15_000, false, 1));
        check(0, again(Some(0), false), 1.0, at(5_000, false, 0));
        check(0, again(Some(900_000), false), 0.0, at(86_400_000, false, 0));
        check(11, again(None, true), 0.5, Next::Dead { exhausted: true });
        check(12, again(Some(60), false), 0.0, at(60_000, false, 12));
        check(11, Verdict::Unknown, 0.5, Next::Dead { exhausted: true });
        check(0, Verdict::Refused, 0.5, Next::Dead { exhausted: false });
    }

    #[test]
    fn a_crm_that_asks_to_wait_for_hours_uses_up_no_tries() {
        let mut tries = 2;
        for _ in 0..1_000 {
            match next_attempt(NOW, tries, again(Some(60), false), Jitter::new(0.3)) {
                Next::At { tries: counted, .. } => tries = counted,
                Next::Dead { .. } => panic!("it only asked to wait"),
            }
        }
        assert_eq!(tries, 2);
    }

    proptest! {
        #[test]
        fn a_wait_that_was_asked_for_is_never_cut_short(tries in 0..TRIES_MAX - 1, wait in 1i64..86_400, jitter in -1.0..2.0, counts: bool) {
            match next_attempt(NOW, tries, again(Some(wait), counts), Jitter::new(jitter)) {
                Next::At { at, .. } => prop_assert!(at >= Timestamp::from_second(wait).unwrap()),
                Next::Dead { .. } => prop_assert!(false, "tries are left"),
            }
        }

        #[test]
        fn every_pause_is_bounded_and_tries_end(tries: u32, jitter in 0.0..1.0) {
            match next_attempt(NOW, tries, again(None, true), Jitter::new(jitter)) {
                Next::At { at, tries: counted, .. } => {
                    prop_assert!(counted == tries + 1 && counted < TRIES_MAX);
                    prop_assert!(at >= NOW + PAUSE_MIN && at <= NOW + PAUSE_MAX);
                }
                Next::Dead { exhausted } => prop_assert!(exhausted && tries + 1 >= TRIES_MAX || tries == u32::MAX),
            }
        }
    }
}
