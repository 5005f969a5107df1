//! Faults on demand: what goes wrong, where, how often.
//!
//! A [`Fault`] strikes requests ([`Place`], [`When`]) or is a state of the org (an expired session, a hidden field). Other
//! processes arm them through `POST /_sandbox/faults`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Salesforce;
use super::state::Row;

pub use crate::sandbox::strike::{Place, When};

/// What goes wrong. The first group strikes requests, the second stays until [`Faults::clear`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// An error answer instead of any effect. Source: section 9.
    Status {
        /// The HTTP status.
        status: u16,
        /// The `errorCode`, one of the sheet's; default: the status's usual one.
        #[serde(default)]
        code: Option<String>,
        /// Seconds in a `Retry-After` header; requests before that time count as early.
        #[serde(default)]
        retry_after: Option<u32>,
    },
    /// The request is carried out, and answered with an error all the same.
    AfterEffect {
        /// The HTTP status.
        status: u16,
    },
    /// The answer comes late; the effect comes first.
    Delay {
        /// Real milliseconds.
        ms: u64,
    },
    /// The request is carried out late, whether or not the client still waits for it.
    LateEffect {
        /// Real milliseconds.
        ms: u64,
    },
    /// The connection closes without an answer.
    Reset {
        /// True if the request was carried out first.
        #[serde(default)]
        after_effect: bool,
    },
    /// A maintenance page in HTML with status 200, and no effect. Source: section 1.3.
    Html,
    /// The JSON ends in the middle; the effect is there.
    Truncate,
    /// `nextRecordsUrl` points to another host.
    NextLink {
        /// The origin, `https://other.example`.
        to: String,
    },
    /// One record of the answer cannot be read: its stamp is no time.
    BadRecord,
    /// The transaction began so long before its commit: its stamps lie in the past when it appears. Source: section 6.2.
    LateCommit {
        /// Milliseconds of the sandbox's time.
        ms: i64,
    },
    /// The next row of a collection that is written is refused with this code, the others stand. Source: section 7.
    Row {
        /// `UNABLE_TO_LOCK_ROW`.
        code: String,
    },

    /// The org's clock (stamps, `Date`) is off.
    ClockSkew {
        /// Milliseconds, negative = behind.
        ms: i64,
    },
    /// Every session ends: 401 `INVALID_SESSION_ID` until another token is asked for. Source: section 2.
    SessionsExpire,
    /// The token endpoint refuses. Source: section 2.
    OauthError {
        /// `invalid_grant`.
        error: String,
        /// `user hasn't approved this consumer`.
        description: String,
    },
    /// The day's requests are used up: 403 `REQUEST_LIMIT_EXCEEDED`. Source: section 1.8.
    DailyLimit {
        /// How many are left.
        left: u64,
    },
    /// Field-level security hides a field. Source: section 1.9.
    FieldHidden {
        /// `Lead`.
        object: String,
        /// `Rating`.
        field: String,
    },
    /// The user may not see an object.
    ObjectHidden {
        /// `LeadHistory`.
        object: String,
    },
    /// A validation rule refuses a change of a field. Source: section 9.
    Validation {
        /// `Lead`.
        object: String,
        /// `OwnerId`.
        field: String,
        /// What the administrator wrote.
        message: String,
    },
    /// Somebody else holds a row: changes of it are refused with `UNABLE_TO_LOCK_ROW`.
    Locked {
        /// Its id.
        id: String,
    },
    /// Every operation that is not reading is refused with 403 and counted.
    ReadOnly,
    /// A share of all changes is never shown to who asks for an object's changes by time; by id everything is.
    FeedLoss {
        /// `Lead`.
        object: String,
        /// How many of a hundred changes are lost.
        percent: u8,
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
pub struct Faults(pub(super) Salesforce);

impl Faults {
    /// Arms a fault; one of the org's state ignores `place` and `when`.
    pub fn inject(&self, place: Place, when: When, fault: Fault) {
        self.0.lock().arm(Order { place, when, fault });
    }

    /// Changes the org's state; for faults that need no place.
    pub fn set(&self, fault: Fault) {
        self.inject(Place::default(), When::default(), fault);
    }

    /// Ends every fault; hidden fields and objects are shown again.
    pub fn clear(&self) {
        let mut state = self.0.lock();
        let struck = state.faults.struck;
        state.faults = FaultState { struck, ..FaultState::default() };
        state.schema.hidden.clear();
        state.schema.hidden_objects.clear();
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
    pub(super) oauth_error: Option<(String, String)>,
    pub(super) validations: Vec<(String, String, String)>,
    pub(super) locked: BTreeSet<String>,
    pub(super) is_read_only: bool,
    lossy: BTreeMap<String, u8>,
    not_before: Option<Instant>,
    /// What the request under way does to the rows of a collection.
    pub(super) rows: Vec<String>,
}

impl FaultState {
    /// The faults that strike this request, in the order they were armed.
    pub(super) fn strike(&mut self, method: &str, path: &str) -> Vec<Fault> {
        let mut struck = Vec::new();
        for armed in self.armed.iter_mut().filter(|armed| armed.order.place.matches(method, path)) {
            let when = &armed.order.when;
            if when.times.is_some_and(|times| armed.done >= times) {
                continue;
            }
            armed.seen += 1;
            if armed.seen > when.skip && armed.dice.f64() < when.probability {
                armed.done += 1;
                struck.push(armed.order.fault.clone());
            }
        }
        self.struck += struck.len() as u64;
        struck
    }

    /// Whether who asks by time is not shown this change. The choice is stable for each.
    pub(super) fn loses(&self, object: &str, row: &Row) -> bool {
        let Some(percent) = self.lossy.get(object) else { return false };
        let texts = ["Id", "SystemModstamp"].map(|name| row.get(name).and_then(Value::as_str).unwrap_or_default());
        let change = texts
            .iter()
            .flat_map(|text| text.bytes())
            .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        change.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32 & 0xffff_ffff < u64::from(*percent) * 0xffff_ffff / 100
    }

    pub(super) fn hold_back(&mut self, seconds: u32) {
        self.not_before = Some(Instant::now() + Duration::from_secs(u64::from(seconds)));
    }

    pub(super) fn is_early(&self) -> bool {
        self.not_before.is_some_and(|until| Instant::now() < until)
    }
}

impl super::state::State {
    pub(super) fn arm(&mut self, order: Order) {
        let faults = &mut self.faults;
        match order.fault {
            Fault::ClockSkew { ms } => faults.clock_skew_ms = ms,
            Fault::SessionsExpire => self.sessions.clear(),
            Fault::OauthError { error, description } => faults.oauth_error = Some((error, description)),
            Fault::DailyLimit { left } => self.used_today = self.settings.daily_limit.saturating_sub(left),
            Fault::FieldHidden { object, field } => drop(self.schema.hidden.insert((object, field))),
            Fault::ObjectHidden { object } => drop(self.schema.hidden_objects.insert(object)),
            Fault::Validation { object, field, message } => faults.validations.push((object, field, message)),
            Fault::Locked { id } => drop(faults.locked.insert(id)),
            Fault::ReadOnly => faults.is_read_only = true,
            Fault::FeedLoss { object, percent } => drop(faults.lossy.insert(object, percent)),
            Fault::Status { .. }
            | Fault::AfterEffect { .. }
            | Fault::Delay { .. }
            | Fault::LateEffect { .. }
            | Fault::Reset { .. }
            | Fault::Html
            | Fault::Truncate
            | Fault::NextLink { .. }
            | Fault::BadRecord
            | Fault::LateCommit { .. }
            | Fault::Row { .. } => {
                let dice = fastrand::Rng::with_seed(order.when.seed);
                faults.armed.push(Armed { order, seen: 0, done: 0, dice });
            }
        }
    }
}

/// Changes an answer as the struck faults say.
pub(super) fn garble(struck: &[Fault], body: &mut String) {
    for fault in struck {
        match fault {
            Fault::Truncate => {
                let middle = (0..=body.len() / 2).rev().find(|at| body.is_char_boundary(*at)).unwrap_or(0);
                body.truncate(middle);
            }
            Fault::NextLink { to } => change(body, |value| {
                if let Some(link) = value.get("nextRecordsUrl").and_then(Value::as_str).map(str::to_owned) {
                    value["nextRecordsUrl"] = json!(format!("{to}{link}"));
                }
            }),
            Fault::BadRecord => change(body, |value| {
                if let Some(record) = value.pointer_mut("/records/0").and_then(Value::as_object_mut) {
                    record.insert("SystemModstamp".to_owned(), json!("soon"));
                }
            }),
            _ => {}
        }
    }
}

fn change(body: &mut String, act: impl FnOnce(&mut Value)) {
    if let Ok(mut value) = serde_json::from_str(body) {
        act(&mut value);
        *body = value.to_string();
    }
}
