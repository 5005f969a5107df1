//! What the sandbox counts for the tests that judge a caller: accepted effects and requests.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// One accepted change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// Counts from 1 without gaps.
    pub sequence: u64,
    /// The sandbox's clock at the commit.
    pub at: Timestamp,
    /// The user it was done as.
    pub user: String,
    /// True if it came through the API, false if a person or an automation inside the org did it.
    pub is_api: bool,
    /// Were assignment rules let loose, by header or by its absence?
    pub auto_assign: bool,
    /// `create`, `update`, `delete`, `convert`, `merge`.
    pub what: String,
    /// `Lead`.
    pub object: String,
    /// The row it fell on, or that it made.
    pub id: String,
    /// The values as they came.
    pub values: Value,
}

/// Requests through the API since the last reset.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RequestCounts {
    /// All of them, the token endpoint included.
    pub total: u64,
    /// By method and the shape of the path: `GET query`, `PATCH sobjects/Lead`.
    pub by_call: BTreeMap<String, u64>,
    /// By the answer's HTTP status.
    pub by_status: BTreeMap<u16, u64>,
    /// Operations other than reading that came while the sandbox was read-only, all of them refused.
    pub refused_writes: u64,
    /// Requests that came before a `Retry-After` of ours had passed.
    pub early: u64,
}
