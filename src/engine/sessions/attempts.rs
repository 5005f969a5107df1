//! How often somebody may try to log in: so often from one address, and so often by one name.
//!
//! A name is limited whether it exists or not, so that the limit says nothing about that. Tries are counted when they begin:
//! who guesses in parallel gains nothing.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Tries from one address at once, and how long one takes to come back.
const PER_ADDRESS: (NonZeroU32, Duration) = (NonZeroU32::MIN.saturating_add(9), Duration::from_secs(10));
/// The same by one name, from wherever.
const PER_NAME: (NonZeroU32, Duration) = (NonZeroU32::MIN.saturating_add(19), Duration::from_secs(30));
/// Addresses and names that are told apart; those beyond share one limit, so that memory does not grow with who asks.
const KEYS_MAX: usize = 10_000;
/// The key of all of these.
const OTHERS: u64 = 0;

/// Counts tries.
pub(super) struct Attempts {
    addresses: DefaultKeyedRateLimiter<u64>,
    names: DefaultKeyedRateLimiter<u64>,
    hasher: RandomState,
}

impl Default for Attempts {
    fn default() -> Self {
        let quota = |(burst, every): (NonZeroU32, Duration)| {
            Quota::with_period(every).unwrap_or_else(|| Quota::per_minute(burst)).allow_burst(burst)
        };
        Self {
            addresses: RateLimiter::keyed(quota(PER_ADDRESS)),
            names: RateLimiter::keyed(quota(PER_NAME)),
            hasher: RandomState::new(),
        }
    }
}

impl Attempts {
    /// Takes a try, or says how long to wait for one.
    pub(super) fn take(&self, from: Option<IpAddr>, name: &str) -> Result<(), Duration> {
        self.take_of(&self.addresses, self.hasher.hash_one(from.map(network)))?;
        self.take_of(&self.names, self.hasher.hash_one(name))
    }

    fn take_of(&self, limits: &DefaultKeyedRateLimiter<u64>, key: u64) -> Result<(), Duration> {
        if limits.len() >= KEYS_MAX {
            limits.retain_recent();
        }
        let key = if limits.len() >= KEYS_MAX { OTHERS } else { key };
        limits.check_key(&key).map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }
}

/// What one subscriber has: an IPv4 address, or the 64 bits of an IPv6 network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        four @ IpAddr::V4(_) => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(
        attempts: &Attempts,
        tries: usize,
        from: impl Fn(usize) -> String,
        name: impl Fn(usize) -> String,
    ) -> usize {
        (0..tries).filter(|at| attempts.take(from(*at).parse().ok(), &name(*at)).is_ok()).count()
    }

    #[test]
    fn one_address_and_one_name_have_so_many_tries_fault_127() {
        let check = |from: fn(usize) -> String, name: fn(usize) -> String, expected: usize| {
            assert_eq!(taken(&Attempts::default(), 60, from, name), expected, "{} {}", from(1), name(1));
        };
        check(|_| "192.0.2.1".to_owned(), |at| format!("name{at}"), 10);
        check(|at| format!("192.0.2.{at}"), |_| "anna".to_owned(), 20);
        check(|at| format!("192.0.2.{at}"), |at| format!("name{at}"), 60);
        check(|at| format!("2001:db8::{at}"), |at| format!("name{at}"), 10);
        check(|at| format!("::ffff:192.0.2.{at}"), |at| format!("name{at}"), 60);
        check(|_| "not told".to_owned(), |at| format!("name{at}"), 10);
    }

    #[test]
    fn who_asks_from_everywhere_takes_no_memory_fault_127() {
        let attempts = Attempts::default();
        let from = |at: usize| std::net::Ipv4Addr::from(u32::try_from(at).unwrap()).to_string();
        let tries = KEYS_MAX + 200;
        let taken = taken(&attempts, tries, from, |at| format!("name{at}"));
        assert!(attempts.names.len() <= KEYS_MAX + 1 && attempts.addresses.len() <= KEYS_MAX + 1);
        assert!((KEYS_MAX..KEYS_MAX + 60).contains(&taken), "{taken}");
    }
}
