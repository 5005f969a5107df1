//! Faults on demand: what goes wrong, where, how often.
//!
//! A [`Fault`] is either bound to requests ([`Place`], [`When`]) or a state of the portal (index lag, a removed scope). Both go through
//! [`Faults::inject`] and, from other processes, through `POST /_sandbox/faults`.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::HubSpot;
use super::kind::Kind;

pub use crate::sandbox::strike::{Place, When};

/// The form of a `Retry-After` header.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// Whole seconds.
    Seconds(u32),
    /// An HTTP date that many seconds after the sandbox's `Date`.
    Date(u32),
}

impl RetryAfter {
    pub(super) fn seconds(self) -> u32 {
        match self {
            Self::Seconds(seconds) | Self::Date(seconds) => seconds,
        }
    }
}

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

/// What goes wrong. The first group strikes requests, the second changes the portal until [`Faults::clear`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// An error answer instead of any effect: 423, 477, 500, 502, 503, 504, 521 ... with the sheet's body. Source: section 9.
    Status {
        /// The HTTP status.
        status: u16,
        /// Adds the header; requests before that time count as early.
        #[serde(default)]
        retry_after: Option<RetryAfter>,
    },
    /// 429. Source: section 8.
    RateLimit {
        /// `DAILY`, `TEN_SECONDLY_ROLLING`, or anything else for the secondly message without a policy.
        policy: String,
        /// Adds the header; requests before that time count as early.
        #[serde(default)]
        retry_after: Option<RetryAfter>,
    },
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
    /// The answer comes late; the effect comes first.
    Delay {
        /// Real milliseconds.
        ms: u64,
    },
    /// The request waits before it has its effect.
    SlowStart {
        /// Real milliseconds.
        ms: u64,
    },
    /// The request has its effect late, whether or not the client still waits for it. Source: section 9, 524.
    LateEffect {
        /// Real milliseconds.
        ms: u64,
    },
    /// The answer drips.
    Drip {
        /// Bytes at a time.
        bytes: usize,
        /// Real milliseconds between drips.
        every_ms: u64,
    },
    /// The JSON ends in the middle.
    Truncate,
    /// A maintenance page in HTML with status 200.
    Html,
    /// A redirect to another origin.
    Redirect {
        /// The location.
        to: String,
    },
    /// The first record of the answer carries a value of this size.
    Huge {
        /// Bytes.
        bytes: usize,
    },
    /// An unknown member nested this deep.
    Deep {
        /// Levels of arrays.
        levels: usize,
    },
    /// One record of the page cannot be decoded: its `properties` are a number.
    BadRecord,
    /// Members that no version has, everywhere.
    ExtraFields,
    /// `null` where a string is expected: the first record's times.
    Nulls,
    /// `paging.next.link` points to another host.
    NextLink {
        /// The origin, `https://other.example`.
        to: String,
    },

    /// The search index lags this much from now on.
    IndexLag {
        /// Milliseconds of the sandbox's time.
        ms: i64,
    },
    /// The CRM's clock (records, `Date`) is off.
    ClockSkew {
        /// Milliseconds, negative = behind.
        ms: i64,
    },
    /// A token stops working for good: 401 `INVALID_AUTHENTICATION`.
    TokenRevoked {
        /// The token's name.
        token: String,
    },
    /// A token has expired: 401 `EXPIRED_AUTHENTICATION`.
    TokenExpired {
        /// The token's name.
        token: String,
    },
    /// Every token loses a scope: 403 `MISSING_SCOPES`.
    ScopeRemoved {
        /// `crm.objects.owners.read`.
        scope: String,
    },
    /// The token sees only a share of the records, without any error.
    Shrink {
        /// The object type.
        object: Kind,
        /// How many of a hundred stay visible.
        percent: u8,
    },
    /// The search index loses a share of all changes for good: a search by last-modified time never shows them, everything
    /// else does.
    FeedLoss {
        /// The object type.
        object: Kind,
        /// How many of a hundred changes are lost.
        percent: u8,
    },
    /// A workflow that answers our write with its own.
    Workflow {
        /// The object type.
        object: Kind,
        /// A write by an app to this property starts it.
        on: String,
        /// The property it sets.
        set: String,
        /// The value it sets.
        to: String,
        /// After so long, in milliseconds of the sandbox's time.
        #[serde(default)]
        after_ms: i64,
        /// How often; `None` = always.
        #[serde(default)]
        times: Option<u32>,
    },
    /// An enumeration gets a choice.
    NewOption {
        /// The object type.
        object: Kind,
        /// The property.
        property: String,
        /// The new value.
        value: String,
    },
    /// A property is archived.
    PropertyRemoved {
        /// The object type.
        object: Kind,
        /// The property.
        property: String,
    },
    /// Every operation that is not reading is refused and counted.
    ReadOnly,
    /// One bad row fails its whole batch, as without trace ids. Source: section 6.
    WholeBatches,
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
pub struct Faults(HubSpot);

impl Faults {
    pub(super) fn new(hub: HubSpot) -> Self {
        Self(hub)
    }

    /// Arms a fault; a fault of the portal's state ignores `place` and `when`.
    pub fn inject(&self, place: Place, when: When, fault: Fault) {
        self.0.lock().arm(Order { place, when, fault });
    }

    /// Changes the portal's state; for faults that need no place.
    pub fn set(&self, fault: Fault) {
        self.inject(Place::default(), When::default(), fault);
    }

    /// Ends every fault but removed properties, new options and the index lag; revoked tokens work again.
    pub fn clear(&self) {
        self.0.lock().faults.clear();
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

struct Flow {
    object: Kind,
    on: String,
    set: String,
    to: String,
    after_ms: i64,
    left: Option<u32>,
}

/// A workflow's write that waits for its time.
pub(super) struct FlowStep {
    at: i64,
    pub(super) kind: Kind,
    pub(super) id: u64,
    pub(super) property: String,
    pub(super) value: String,
}

#[derive(Default)]
pub(super) struct FaultState {
    armed: Vec<Armed>,
    flows: Vec<Flow>,
    steps: Vec<FlowStep>,
    pub(super) skew_ms: i64,
    pub(super) revoked: BTreeSet<String>,
    pub(super) expired: BTreeSet<String>,
    pub(super) lost_scopes: BTreeSet<String>,
    shrunk: Vec<(Kind, u8)>,
    lossy: Vec<(Kind, u8)>,
    pub(super) is_read_only: bool,
    pub(super) batches_are_whole: bool,
    pub(super) struck: u64,
}

impl FaultState {
    pub(super) fn clear(&mut self) {
        let struck = self.struck;
        *self = Self { struck, ..Self::default() };
    }

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
    pub(super) fn hides(&self, kind: Kind, id: u64) -> bool {
        let place = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        self.shrunk.iter().any(|(of, percent)| *of == kind && place % 100 >= u64::from(*percent))
    }

    /// Whether the index has lost this change. The choice is stable for each.
    pub(super) fn loses(&self, kind: Kind, id: u64, modified: i64) -> bool {
        let change = id.rotate_left(32) ^ modified.unsigned_abs();
        let place = change.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        self.lossy.iter().any(|(of, percent)| *of == kind && place % 100 < u64::from(*percent))
    }

    /// Plans what workflows do after an app wrote `property`.
    pub(super) fn start_workflows(&mut self, now: i64, kind: Kind, id: u64, property: &str) {
        for flow in &mut self.flows {
            if flow.object != kind || flow.on != property || flow.left == Some(0) {
                continue;
            }
            flow.left = flow.left.map(|left| left - 1);
            self.steps.push(FlowStep {
                at: now + flow.after_ms,
                kind,
                id,
                property: flow.set.clone(),
                value: flow.to.clone(),
            });
        }
    }

    pub(super) fn due_workflows(&mut self, now: i64) -> Vec<FlowStep> {
        let (due, later) = std::mem::take(&mut self.steps).into_iter().partition(|step| step.at <= now);
        self.steps = later;
        due
    }

    pub(super) fn orders(&self) -> Vec<&Order> {
        self.armed.iter().map(|armed| &armed.order).collect()
    }
}

impl super::State {
    pub(super) fn arm(&mut self, order: Order) {
        let faults = &mut self.faults;
        match order.fault {
            Fault::IndexLag { ms } => self.model.index_lag = ms,
            Fault::ClockSkew { ms } => faults.skew_ms = ms,
            Fault::TokenRevoked { token } => {
                faults.revoked.insert(token);
            }
            Fault::TokenExpired { token } => {
                faults.expired.insert(token);
            }
            Fault::ScopeRemoved { scope } => {
                faults.lost_scopes.insert(scope);
            }
            Fault::Shrink { object, percent } => faults.shrunk.push((object, percent)),
            Fault::FeedLoss { object, percent } => faults.lossy.push((object, percent)),
            Fault::Workflow { object, on, set, to, after_ms, times } => {
                faults.flows.push(Flow { object, on, set, to, after_ms, left: times });
            }
            Fault::NewOption { object, property, value } => {
                self.add_option(object, &property, &value, &value);
            }
            Fault::PropertyRemoved { object, property } => {
                self.remove_property(object, &property);
            }
            Fault::ReadOnly => faults.is_read_only = true,
            Fault::WholeBatches => faults.batches_are_whole = true,
            Fault::Status { .. }
            | Fault::RateLimit { .. }
            | Fault::BeforeEffect { .. }
            | Fault::AfterEffect { .. }
            | Fault::Delay { .. }
            | Fault::SlowStart { .. }
            | Fault::LateEffect { .. }
            | Fault::Drip { .. }
            | Fault::Truncate
            | Fault::Html
            | Fault::Redirect { .. }
            | Fault::Huge { .. }
            | Fault::Deep { .. }
            | Fault::BadRecord
            | Fault::ExtraFields
            | Fault::Nulls
            | Fault::NextLink { .. } => {
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
    /// Does the effect come even if the client is gone by then?
    pub(super) outlives_client: bool,
    pub(super) instead: Option<Fault>,
    pub(super) after: Vec<Fault>,
}

impl Struck {
    pub(super) fn sort(faults: Vec<Fault>) -> Self {
        let mut all = Self::default();
        for fault in faults {
            match fault {
                Fault::SlowStart { ms } => all.slow_start += Duration::from_millis(ms),
                Fault::LateEffect { ms } => {
                    all.slow_start += Duration::from_millis(ms);
                    all.outlives_client = true;
                }
                Fault::Status { .. }
                | Fault::RateLimit { .. }
                | Fault::BeforeEffect { .. }
                | Fault::Html
                | Fault::Redirect { .. } => {
                    all.instead.get_or_insert(fault);
                }
                _ => all.after.push(fault),
            }
        }
        all
    }
}
