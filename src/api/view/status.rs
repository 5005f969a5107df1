//! How Baton is.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::domain::breaker::State as Breaker;
use crate::domain::coverage::{BLIND_AFTER, StreamCoverage};
use crate::domain::id::Object;
use crate::domain::patrol::{Cause, LAG_KEPT};
use crate::domain::reach::Reach;
use crate::engine::command::{paused_data, paused_words};
use crate::engine::{Engine, Rules, Status};
use crate::store::{StoreError, StreamState};

use super::Moment;

/// How Baton is.
#[derive(Clone, Debug, Serialize)]
pub struct StatusView {
    /// Are decisions taken?
    pub is_live: bool,
    /// The version of the agreement in force.
    pub agreement: String,
    /// `off`, `plan` or `on`.
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
    /// Effects that wait for a person.
    pub waiting: Vec<WaitingView>,
    /// What a person has stopped.
    pub paused: serde_json::Value,
    /// The same in words.
    #[serde(skip)]
    pub paused_words: Option<String>,
    /// Notices that wait for the end of quiet hours.
    pub notices_held: i64,
    /// Every channel.
    pub channels: Vec<ChannelView>,
    /// Every connection.
    pub connections: Vec<ConnectionView>,
    /// Every loop.
    pub loops: BTreeMap<String, LoopView>,
}

/// Effects that wait for a person.
#[derive(Clone, Debug, Serialize)]
pub struct WaitingView {
    /// Where to.
    pub connection: String,
    /// Why: `plan`, `cap`, `rules`, `paused:TEAM`.
    pub hold: String,
    /// How many.
    pub effects: i64,
    /// For how many leads.
    pub leads: i64,
}

/// What waits for a person.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn waiting(store: &crate::store::Store) -> Result<Vec<WaitingView>, StoreError> {
    let view = |count: crate::store::HeldCount| WaitingView {
        connection: count.connection.to_string(),
        hold: count.hold,
        effects: count.writes,
        leads: count.leads,
    };
    Ok(store.held_counts().await?.into_iter().map(view).collect())
}

/// How a channel is.
#[derive(Clone, Debug, Serialize)]
pub struct ChannelView {
    /// `slack.dach`.
    pub name: String,
    /// When the last notice arrived there.
    pub told_at: Option<Moment>,
    /// When the last self-test arrived there.
    pub tested_at: Option<Moment>,
    /// Seconds since then.
    pub seconds_since_test: Option<i64>,
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
    /// `closed` while it answers; `open`: it is left alone; `half_open`: one request looks whether it answers again.
    pub breaker: &'static str,
    /// Seconds until it is asked again.
    pub asked_again_seconds: Option<i64>,
    /// Where the patrol stands, stream by stream.
    pub patrol: Vec<PatrolView>,
    /// What the patrol had to repair, by cause.
    pub repairs: Vec<RepairView>,
    /// Records that webhooks asked for and that have not been looked at.
    pub hints_waiting: u64,
    /// Webhooks since the start, by what became of them.
    pub hooks: BTreeMap<&'static str, u64>,
}

/// Where the patrol of a stream stands.
#[derive(Clone, Debug, Serialize)]
pub struct PatrolView {
    /// `contacts`.
    pub stream: String,
    /// How much of the round under way it has passed.
    pub percent: u64,
    /// When the last whole round ended.
    pub whole_at: Option<Moment>,
    /// Does the round take longer than it may?
    pub is_late: bool,
    /// Why it does not go on.
    pub halted: Option<String>,
}

/// What the patrol had to repair.
#[derive(Clone, Debug, Serialize)]
pub struct RepairView {
    /// `missed_change`, `missed_create`, `missed_delete` or `late`.
    pub cause: &'static str,
    /// How many records.
    pub total: u64,
    /// How far behind the feed's claim the worst one of the last day lay, in seconds.
    pub age_seconds: i64,
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
    /// Is it so far behind that nobody is judged by what it could show?
    pub is_blind: bool,
    /// Does it show who has an account, and nothing of leads? Some CRMs are asked for that only once an hour.
    #[serde(skip)]
    pub is_of_users: bool,
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
    /// How often it broke and was started anew.
    pub panics: u32,
}

/// How far every stream was read.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn coverage(engine: &Engine) -> Result<Vec<StreamView>, StoreError> {
    let zone = engine.rules().zone.clone();
    let now = engine.clock().now();
    let states = engine.store().streams().await?;
    let coverage = engine.coverage().await?;
    let view = |stream: StreamCoverage| {
        let is_this = |state: &&StreamState| format!("{}.{}", state.connection, state.stream) == stream.stream.as_str();
        let state = states.iter().find(is_this);
        let poll = state.map_or(SignedDuration::ZERO, |state| engine.feed_rule(&state.connection).poll);
        let lag = stream.covered_until.map(|at| now.duration_since(at));
        let is_of_users = engine.connectors().iter().any(|connector| {
            let own = connector.streams().iter().filter(|own| own.object == Object::User);
            own.map(|own| format!("{}.{}", connector.id(), own.name)).any(|name| name == stream.stream.as_str())
        });
        StreamView {
            is_of_users,
            name: stream.stream.to_string(),
            covered_until: stream.covered_until.map(|at| Moment::new(at, &zone)),
            lag_seconds: lag.map(|lag| lag.as_secs().max(0)),
            error: state.and_then(|state| state.error.clone()),
            is_blind: !stream.proves.is_empty() && lag.is_some_and(|lag| lag > BLIND_AFTER.max(poll.saturating_mul(2))),
        }
    };
    Ok(coverage.streams.into_iter().map(view).collect())
}

/// How Baton is.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn status(engine: &Engine, status: &Status) -> Result<StatusView, StoreError> {
    let rules = engine.rules();
    let now = engine.clock().now();
    let overview = engine.store().overview().await?;
    let streams = coverage(engine).await?;
    let rounds = engine.store().rounds().await?;
    let repairs = engine.store().repairs().await?;
    let mut connections = Vec::new();
    for connector in engine.connectors() {
        let id = connector.id();
        let prefix = format!("{id}.");
        let every = engine.feed_rule(id).patrol;
        let (breaker, again) = match engine.breaker(id) {
            Breaker::Closed => ("closed", None),
            Breaker::Open(until) => ("open", Some(until.duration_since(engine.clock().steady()).as_secs().max(0))),
            Breaker::HalfOpen => ("half_open", None),
        };
        let patrol =
            rounds.iter().filter(|round| &round.connection == id && round.expected > 0).map(|round| PatrolView {
                stream: round.stream.to_string(),
                percent: (round.seen * 100 / round.expected.max(1)).min(100),
                whole_at: round.whole_at.map(|at| Moment::new(at, &rules.zone)),
                is_late: round.is_late(now, every),
                halted: round.halted.as_ref().map(|(_, why)| why.clone()),
            });
        let repaired = Cause::ALL.into_iter().map(|cause| {
            let ours = || repairs.iter().filter(|repair| &repair.connection == id && repair.cause == cause);
            let recent = ours().filter(|repair| now.duration_since(repair.age_at) <= LAG_KEPT);
            RepairView {
                cause: cause.as_str(),
                total: ours().map(|repair| repair.total).sum(),
                age_seconds: recent.map(|repair| repair.age.as_secs()).max().unwrap_or(0),
            }
        });
        let budgets = connector.budgets().into_iter().map(|budget| BudgetView {
            name: budget.name,
            left: budget.left,
            limit: budget.limit,
            wait_seconds: budget.wait_seconds,
        });
        connections.push(ConnectionView {
            name: id.to_string(),
            streams: streams.iter().filter(|stream| stream.name.starts_with(&prefix)).cloned().collect(),
            budgets: budgets.collect(),
            breaker,
            asked_again_seconds: again,
            patrol: patrol.collect(),
            repairs: repaired.collect(),
            hints_waiting: engine.store().hints_waiting(id).await?,
            hooks: engine.hooks(id).into_iter().map(|(outcome, count)| (outcome.as_str(), count)).collect(),
        });
    }
    Ok(StatusView {
        is_live: engine.is_live(),
        agreement: rules.agreement.version.to_string(),
        writes: rules.writes.as_str(),
        notices: rules.notices.as_str(),
        now: Moment::new(now, &rules.zone),
        time_factor: engine.clock().factor(),
        handoffs_open: overview.open,
        handoffs_shadow: overview.shadows,
        leads_by_stage: overview.stages,
        effects_by_state: overview.effects,
        notices_possibly_repeated: overview.possible_repeats,
        waiting: waiting(engine.store()).await?,
        paused: paused_data(&engine.paused()),
        paused_words: paused_words(&engine.paused()),
        connections,
        notices_held: engine.store().notices_held(now).await?,
        channels: channels(engine, &rules, now).await?,
        loops: loops(status),
    })
}

async fn channels(engine: &Engine, rules: &Rules, now: Timestamp) -> Result<Vec<ChannelView>, StoreError> {
    let proved = engine.store().channels_proved().await?;
    let view = |reach: &Reach| {
        let known = proved.get(&reach.channel).copied().unwrap_or_default();
        ChannelView {
            name: reach.channel.to_string(),
            told_at: known.told_at.map(|at| Moment::new(at, &rules.zone)),
            tested_at: known.tested_at.map(|at| Moment::new(at, &rules.zone)),
            seconds_since_test: known.tested_at.map(|at| now.duration_since(at).as_secs().max(0)),
        }
    };
    Ok(rules.telling.reach.iter().map(view).collect())
}

/// Every loop.
#[must_use]
pub fn loops(status: &Status) -> BTreeMap<String, LoopView> {
    let view = |known: crate::engine::LoopStatus| LoopView {
        last_at: known.last_at.map(|at| at.to_string()),
        duration_ms: known.duration_ms,
        failures: known.failures,
        error: known.error,
        panics: known.panics,
    };
    status.loops().into_iter().map(|(name, known)| (name, view(known))).collect()
}
