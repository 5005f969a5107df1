//! Faults on demand: what goes wrong, where, how often.
//!
//! A [`Fault`] is either bound to requests ([`Place`], [`When`]) or a state of the account (a lag, a revoked token). Both go through
//! [`Faults::inject`] and, from other processes, through `POST /_sandbox/faults`.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Pipedrive;
use super::kind::Kind;

pub use crate::sandbox::strike::{Place, When};

/// How a request fails.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breakage {
    /// An error page with this status.
    Status(u16),
    /// No answer for an hour.
    Hang,
    /// The connection closes without an answer.
    Reset,
}

/// What goes wrong. The first group strikes requests, the second changes the account until [`Faults::clear`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// An error answer instead of any effect, with the sheet's body. Source: section 7.
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// 429. Source: section 6.
    RateLimit {
        /// `x-ratelimit-remaining`; without it no limit header is sent.
        #[serde(default)]
        remaining: Option<u32>,
        /// `Retry-After` in seconds, undocumented; requests before that count as early.
        #[serde(default)]
        retry_after: Option<u32>,
    },
    /// 403 with Cloudflare's page. Source: section 1.5.
    Cloudflare,
    /// Nothing happens, and the request fails.
    BeforeEffect {
        /// How it fails.
        breakage: Breakage,
    },
    /// The write is applied, and the request fails all the same.
    AfterEffect {
        /// How it fails.
        breakage: Breakage,
    },
    /// The request has its effect late, whether or not the client still waits for it.
    LateEffect {
        /// Real milliseconds.
        ms: u64,
    },
    /// The answer comes late; the effect comes first.
    Delay {
        /// Real milliseconds.
        ms: u64,
    },
    /// The JSON ends in the middle. Source: section 7, "200 … truncated JSON".
    Truncate,
    /// A page of HTML with status 200.
    Html,
    /// `null` with status 200. Source: section 7.
    Null,
    /// A redirect to another origin.
    Redirect {
        /// The location.
        to: String,
    },
    /// One record of the page has another shape: its `update_time` is a number.
    BadRecord,
    /// The first record of the answer carries a value of this size.
    Huge {
        /// Bytes.
        bytes: usize,
    },
    /// Members that no version has, everywhere.
    ExtraFields,
    /// The page says that more follows and names no place to go on from, as the specification of leads has it. Source: section 5.
    NoNextStart,

    /// Commits show in lists by time so much later than they are dated.
    CommitLag {
        /// Milliseconds of the sandbox's time.
        ms: i64,
    },
    /// Searches find what is older than this.
    SearchLag {
        /// Milliseconds of the sandbox's time.
        ms: i64,
    },
    /// The CRM's clock (records, `Date`) is off.
    ClockSkew {
        /// Milliseconds, negative = behind.
        ms: i64,
    },
    /// A token stops working for good.
    TokenRevoked {
        /// The token's name.
        token: String,
    },
    /// The day's tokens are used up.
    DayUsed,
    /// The token sees only a share of the records, without any error.
    Shrink {
        /// The kind of record.
        object: Kind,
        /// How many of a hundred stay visible.
        percent: u8,
    },
    /// Every operation that is not reading is refused and counted.
    ReadOnly,
}

/// A fault with its place and frequency, as `POST /_sandbox/faults` takes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Order {
    #[serde(default)]
    pub(super) place: Place,
    #[serde(default)]
    pub(super) when: When,
    pub(super) fault: Fault,
}

/// The switchboard of faults.
#[derive(Clone)]
pub struct Faults(Pipedrive);

impl Faults {
    pub(super) fn new(account: Pipedrive) -> Self {
        Self(account)
    }

    /// Arms a fault; a fault of the account's state ignores `place` and `when`.
    pub fn inject(&self, place: Place, when: When, fault: Fault) {
        self.0.lock().arm(Order { place, when, fault });
    }

    /// Changes the account's state; for faults that need no place.
    pub fn set(&self, fault: Fault) {
        self.inject(Place::default(), When::default(), fault);
    }

    /// Ends every fault; revoked tokens work again. What was used up of the day stays so.
    pub fn clear(&self) {
        let mut state = self.0.lock();
        let struck = state.faults.struck;
        state.faults = FaultState { struck, ..FaultState::default() };
    }

    /// How often faults bound to requests have struck.
    #[must_use]
    pub fn struck(&self) -> u64 {
        self.0.lock().faults.struck
    }
}

struct Armed {
    order: Order,
    seen: u32,
    done: u32,
    dice: fastrand::Rng,
}

#[derive(Default)]
pub(super) struct FaultState {
    armed: Vec<Armed>,
    pub(super) skew_ms: i64,
    pub(super) commit_lag_ms: i64,
    pub(super) search_lag_ms: i64,
    pub(super) revoked: BTreeSet<String>,
    shrunk: Vec<(Kind, u8)>,
    pub(super) is_read_only: bool,
    pub(super) struck: u64,
}

impl FaultState {
    /// What strikes this request, in the order of arming.
    pub(super) fn strike(&mut self, method: &str, path: &str) -> Vec<Fault> {
        let mut strikes = Vec::new();
        for armed in &mut self.armed {
            let when = &armed.order.when;
            if when.times.is_some_and(|times| armed.done >= times) || !armed.order.place.matches(method, path) {
                continue;
            }
            armed.seen += 1;
            if armed.seen <= when.skip || armed.dice.f64() >= when.probability {
                continue;
            }
            armed.done += 1;
            self.struck += 1;
            strikes.push(armed.order.fault.clone());
        }
        self.armed.retain(|armed| armed.order.when.times.is_none_or(|times| armed.done < times));
        strikes
    }

    /// Whether a shrunk permission hides the record. The choice is stable for each id.
    pub(super) fn hides(&self, kind: Kind, id: &str) -> bool {
        let place = id.bytes().fold(7_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        self.shrunk.iter().any(|(of, percent)| *of == kind && (place >> 32) % 100 >= u64::from(*percent))
    }

    pub(super) fn orders(&self) -> Vec<&Order> {
        self.armed.iter().map(|armed| &armed.order).collect()
    }
}

impl super::State {
    pub(super) fn arm(&mut self, order: Order) {
        let faults = &mut self.faults;
        match order.fault {
            Fault::CommitLag { ms } => faults.commit_lag_ms = ms,
            Fault::SearchLag { ms } => faults.search_lag_ms = ms,
            Fault::ClockSkew { ms } => faults.skew_ms = ms,
            Fault::TokenRevoked { token } => {
                faults.revoked.insert(token);
            }
            Fault::DayUsed => self.gate.used_today = self.settings.daily_tokens,
            Fault::Shrink { object, percent } => faults.shrunk.push((object, percent)),
            Fault::ReadOnly => faults.is_read_only = true,
            Fault::Status { .. }
            | Fault::RateLimit { .. }
            | Fault::Cloudflare
            | Fault::BeforeEffect { .. }
            | Fault::AfterEffect { .. }
            | Fault::LateEffect { .. }
            | Fault::Delay { .. }
            | Fault::Truncate
            | Fault::Html
            | Fault::Null
            | Fault::Redirect { .. }
            | Fault::BadRecord
            | Fault::Huge { .. }
            | Fault::ExtraFields
            | Fault::NoNextStart => {
                let dice = fastrand::Rng::with_seed(order.when.seed);
                faults.armed.push(Armed { order, seen: 0, done: 0, dice });
            }
        }
    }
}

/// What the faults of one request come to.
#[derive(Default)]
pub(super) struct Struck {
    pub(super) slow_start: Duration,
    pub(super) instead: Option<Fault>,
    pub(super) after: Vec<Fault>,
}

impl Struck {
    pub(super) fn sort(faults: Vec<Fault>) -> Self {
        let mut all = Self::default();
        for fault in faults {
            match fault {
                Fault::LateEffect { ms } => all.slow_start += Duration::from_millis(ms),
                Fault::Status { .. }
                | Fault::RateLimit { .. }
                | Fault::Cloudflare
                | Fault::BeforeEffect { .. }
                | Fault::Html
                | Fault::Null
                | Fault::Redirect { .. } => {
                    all.instead.get_or_insert(fault);
                }
                _ => all.after.push(fault),
            }
        }
        all
    }
}
