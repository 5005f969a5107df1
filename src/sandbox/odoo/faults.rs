//! Faults on demand: what goes wrong, where, how often.
//!
//! A [`Fault`] strikes requests ([`Place`], [`When`]) or is a state of the server (a revoked key, a clock that is off).
//! Other processes arm them through `POST /_sandbox/faults`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Odoo;

pub use crate::sandbox::strike::When;

/// Which requests a fault may strike. What is left out matches everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Place {
    /// `crm.lead`; a trailing `*` stands for anything.
    pub model: Option<String>,
    /// `write`; a trailing `*` stands for anything.
    pub method: Option<String>,
}

impl Place {
    /// One method of one model.
    #[must_use]
    pub fn call(model: &str, method: &str) -> Self {
        Self { model: Some(model.to_owned()), method: Some(method.to_owned()) }
    }

    fn matches(&self, model: &str, method: &str) -> bool {
        let fits = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| match wanted.strip_suffix('*') {
                Some(start) => found.starts_with(start),
                None => found == wanted,
            })
        };
        fits(&self.model, model) && fits(&self.method, method)
    }
}

/// What goes wrong. The first group strikes requests, the second stays until [`Faults::clear`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// An error answer instead of any effect; 502 and 504 as a proxy's HTML, the others as Odoo's JSON.
    Status {
        /// The HTTP status.
        status: u16,
        /// Seconds in a `Retry-After` header; requests before that time count as early.
        #[serde(default)]
        retry_after: Option<u32>,
    },
    /// The call is carried out, and answered with an error all the same.
    AfterEffect {
        /// The HTTP status.
        status: u16,
    },
    /// The answer comes late; the effect comes first.
    Delay {
        /// Real milliseconds.
        ms: u64,
    },
    /// The call is carried out late, whether or not the client still waits for it.
    LateEffect {
        /// Real milliseconds.
        ms: u64,
    },
    /// The connection closes without an answer.
    Reset {
        /// True if the call was carried out first.
        #[serde(default)]
        after_effect: bool,
    },
    /// A maintenance page in HTML with status 200, and no effect.
    Html,
    /// The JSON ends in the middle; the effect is there.
    Truncate,
    /// The transaction began so long before its commit: its stamps lie in the past when it appears. Source: trap 1.
    LateCommit {
        /// Milliseconds of the sandbox's time.
        ms: i64,
    },

    /// The server's clock (stamps, `Date`) is off.
    ClockSkew {
        /// Milliseconds, negative = behind.
        ms: i64,
    },
    /// A key stops working for good: 401.
    KeyRevoked {
        /// The key.
        key: String,
    },
    /// Every operation that is not reading is refused with 403 and counted.
    ReadOnly,
    /// A record is shown in a way that nobody can read, until it is cleared. Source: reliability.md, faults 37 and 38.
    Unreadable {
        /// `crm.lead`.
        model: String,
        /// Which record.
        id: i64,
        /// How long a text stands in its name; 0 = its last change is no time instead.
        bytes: usize,
    },
    /// A share of all changes is never shown to who asks for a model's changes by time; by id everything is.
    FeedLoss {
        /// `crm.lead`.
        model: String,
        /// How many of a hundred changes are lost.
        percent: u8,
    },
    /// An automation answers each owner that the API writes with its own. Source: reliability.md, fault 65.
    OwnerAutomation {
        /// The user it sets.
        user: i64,
        /// How often; `None` = always.
        #[serde(default)]
        times: Option<u32>,
    },
}

/// A fault with its place and frequency, as `POST /_sandbox/faults` takes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    #[serde(default)]
    pub(super) place: Place,
    #[serde(default)]
    pub(super) when: When,
    pub(super) fault: Fault,
}

/// The switchboard of faults.
#[derive(Clone)]
pub struct Faults(pub(super) Odoo);

impl Faults {
    /// Arms a fault; one of the server's state ignores `place` and `when`.
    pub fn inject(&self, place: Place, when: When, fault: Fault) {
        self.0.lock().faults.arm(Order { place, when, fault });
    }

    /// Changes the server's state; for faults that need no place.
    pub fn set(&self, fault: Fault) {
        self.inject(Place::default(), When::default(), fault);
    }

    /// Ends every fault.
    pub fn clear(&self) {
        self.0.lock().faults = FaultState::default();
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
    struck: u64,
    pub(super) clock_skew_ms: i64,
    pub(super) revoked: BTreeSet<String>,
    pub(super) is_read_only: bool,
    unreadable: BTreeMap<(String, i64), usize>,
    lossy: BTreeMap<String, u8>,
    automation: Option<(i64, Option<u32>)>,
    not_before: Option<Instant>,
}

impl FaultState {
    pub(super) fn arm(&mut self, order: Order) {
        match order.fault {
            Fault::ClockSkew { ms } => self.clock_skew_ms = ms,
            Fault::KeyRevoked { ref key } => {
                self.revoked.insert(key.clone());
            }
            Fault::ReadOnly => self.is_read_only = true,
            Fault::Unreadable { model, id, bytes } => {
                self.unreadable.insert((model, id), bytes);
            }
            Fault::FeedLoss { model, percent } => drop(self.lossy.insert(model, percent)),
            Fault::OwnerAutomation { user, times } => self.automation = Some((user, times)),
            Fault::Status { .. }
            | Fault::AfterEffect { .. }
            | Fault::Delay { .. }
            | Fault::LateEffect { .. }
            | Fault::Reset { .. }
            | Fault::Html
            | Fault::Truncate
            | Fault::LateCommit { .. } => {
                let dice = fastrand::Rng::with_seed(order.when.seed);
                self.armed.push(Armed { order, seen: 0, done: 0, dice });
            }
        }
    }

    /// The faults that strike this request, in the order they were armed.
    pub(super) fn strike(&mut self, model: &str, method: &str) -> Vec<Fault> {
        let mut struck = Vec::new();
        for armed in self.armed.iter_mut().filter(|armed| armed.order.place.matches(model, method)) {
            armed.seen += 1;
            let when = &armed.order.when;
            let is_due = armed.seen > when.skip && when.times.is_none_or(|times| armed.done < times);
            if is_due && armed.dice.f64() < when.probability {
                armed.done += 1;
                struck.push(armed.order.fault.clone());
            }
        }
        self.struck += struck.len() as u64;
        struck
    }

    /// Makes the records of an answer unreadable that shall be.
    pub(super) fn garble(&self, model: &str, answer: &mut Value) {
        for record in answer.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            let id = record.get("id").and_then(Value::as_i64).unwrap_or(0);
            match self.unreadable.get(&(model.to_owned(), id)) {
                None => {}
                Some(0) => {
                    record.insert("write_date".to_owned(), json!("soon"));
                }
                Some(bytes) => {
                    record.insert("name".to_owned(), json!("x".repeat(*bytes)));
                }
            }
        }
    }

    /// Whether who asks by time is not shown this change, which stands at `write_date`. The choice is stable for each.
    pub(super) fn loses(&self, model: &str, id: i64, write_date: &str) -> bool {
        let Some(percent) = self.lossy.get(model) else { return false };
        let change = write_date
            .bytes()
            .fold(id.unsigned_abs(), |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        let place = change.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        place % 100 < u64::from(*percent)
    }

    /// The owner that the automation puts in place of the one just written.
    pub(super) fn automatic_owner(&mut self) -> Option<i64> {
        let (user, times) = self.automation?;
        match times {
            Some(0) => None,
            Some(left) => {
                self.automation = Some((user, Some(left - 1)));
                Some(user)
            }
            None => Some(user),
        }
    }

    pub(super) fn hold_back(&mut self, seconds: u32) {
        self.not_before = Some(Instant::now() + Duration::from_secs(u64::from(seconds)));
    }

    pub(super) fn is_early(&self) -> bool {
        self.not_before.is_some_and(|until| Instant::now() < until)
    }
}
