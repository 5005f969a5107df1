//! How Baton is.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::engine::{Engine, Status};

use crate::store::StoreError;

use super::Moment;

/// How Baton is.
#[derive(Clone, Debug, Serialize)]
pub struct StatusView {
    /// Are decisions taken?
    pub is_live: bool,
    /// The version of the agreement in force.
    pub agreement: String,
    /// `off` or `on`.
    pub writes: &'static str,
    /// `off` or `on`.
    pub notices: &'static str,
    /// The clock's present instant.
    pub now: Moment,
    /// How many times faster than real time the clock runs; 1 in earnest.
    pub time_factor: u32,
    /// Open hand-offs.
    pub handoffs_open: i64,
    /// Shadows among them.
    pub handoffs_shadow: i64,
    /// Leads by stage.
    pub leads_by_stage: BTreeMap<String, i64>,
    /// Effects by state.
    pub effects_by_state: BTreeMap<String, i64>,
    /// Notices that may have arrived more than once.
    pub notices_possibly_repeated: i64,
    /// Every connection.
    pub connections: Vec<ConnectionView>,
    /// Every loop.
    pub loops: BTreeMap<String, LoopView>,
}

/// How a connection is.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionView {
    /// Its name.
    pub name: String,
    /// Every stream.
    pub streams: Vec<StreamView>,
    /// Every request budget.
    pub budgets: Vec<BudgetView>,
}

/// How far a stream was read.
#[derive(Clone, Debug, Serialize)]
pub struct StreamView {
    /// `hubspot.calls`.
    pub name: String,
    /// Everything up to then was read.
    pub covered_until: Option<Moment>,
    /// Seconds from then to now.
    pub lag_seconds: Option<i64>,
    /// Why it could not be read last time.
    pub error: Option<String>,
}

/// How a request budget stands.
#[derive(Clone, Debug, Serialize)]
pub struct BudgetView {
    /// Which.
    pub name: &'static str,
    /// Requests left in the window.
    pub left: Option<u32>,
    /// Requests a window allows Baton.
    pub limit: Option<u32>,
    /// Seconds until requests may leave again.
    pub wait_seconds: Option<u64>,
}

/// How a loop is.
#[derive(Clone, Debug, Serialize)]
pub struct LoopView {
    /// When its last pass ended.
    pub last_at: Option<String>,
    /// How long that took.
    pub duration_ms: u64,
    /// Failed passes in a row.
    pub failures: u32,
    /// How the last one failed.
    pub error: Option<String>,
}

/// How Baton is.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn status(engine: &Engine, status: &Status) -> Result<StatusView, StoreError> {
    use crate::domain::plan::Mode;
    let rules = engine.rules();
    let now = engine.clock().now();
    let overview = engine.store().overview().await?;
    let coverage = engine.coverage().await?;
    let states = engine.store().streams().await?;
    let mode = |mode| if mode == Mode::On { "on" } else { "off" };
    let connections = engine.connectors().iter().map(|connector| {
        let prefix = format!("{}.", connector.id());
        let streams =
            coverage.streams.iter().filter(|stream| stream.stream.as_str().starts_with(&prefix)).map(|stream| {
                let error = states
                    .iter()
                    .find(|state| format!("{}.{}", state.connection, state.stream) == stream.stream.as_str())
                    .and_then(|state| state.error.clone());
                StreamView {
                    name: stream.stream.to_string(),
                    covered_until: stream.covered_until.map(|at| Moment::new(at, &rules.zone)),
                    lag_seconds: stream.covered_until.map(|at| now.duration_since(at).as_secs().max(0)),
                    error,
                }
            });
        let budgets = connector.budgets().into_iter().map(|budget| BudgetView {
            name: budget.name,
            left: budget.left,
            limit: budget.limit,
            wait_seconds: budget.wait_seconds,
        });
        ConnectionView { name: connector.id().to_string(), streams: streams.collect(), budgets: budgets.collect() }
    });
    Ok(StatusView {
        is_live: engine.is_live(),
        agreement: rules.agreement.version.to_string(),
        writes: mode(rules.writes),
        notices: mode(rules.notices),
        now: Moment::new(now, &rules.zone),
        time_factor: engine.clock().factor(),
        handoffs_open: overview.open,
        handoffs_shadow: overview.shadows,
        leads_by_stage: overview.stages,
        effects_by_state: overview.effects,
        notices_possibly_repeated: overview.possible_repeats,
        connections: connections.collect(),
        loops: loops(status),
    })
}

/// Every loop.
#[must_use]
pub fn loops(status: &Status) -> BTreeMap<String, LoopView> {
    let view = |known: crate::engine::LoopStatus| LoopView {
        last_at: known.last_at.map(|at| at.to_string()),
        duration_ms: known.duration_ms,
        failures: known.failures,
        error: known.error,
    };
    status.loops().into_iter().map(|(name, known)| (name, view(known))).collect()
}
