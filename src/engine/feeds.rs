//! What the engine knows of each connection's feed besides the store: how it is to be read, how far it can be believed, and
//! whether the connection may be asked at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use crate::domain::breaker::{Admission, Breaker, State as BreakerState};
use crate::domain::id::{ConnectionId, Name};
use crate::domain::patrol::{self, Cause, LAG_KEPT, Round};
use crate::store::Repaired;

/// How a connection's feed is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedRule {
    /// Everything is read again within this.
    pub patrol: SignedDuration,
    /// How far the feed looks back each time.
    pub reach: SignedDuration,
    /// How often it is polled.
    pub poll: SignedDuration,
}

impl Default for FeedRule {
    fn default() -> Self {
        Self { patrol: patrol::EVERY, reach: SignedDuration::from_mins(10), poll: SignedDuration::from_secs(30) }
    }
}

/// What became of a webhook's request, for its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookOutcome {
    /// It was kept, and said something new.
    Taken,
    /// It was kept, and said nothing new.
    Known,
    /// It does not prove where it comes from.
    Forged,
    /// It cannot be read.
    Unreadable,
    /// There was no room.
    Full,
}

impl HookOutcome {
    /// Every outcome.
    pub const ALL: [Self; 5] = [Self::Taken, Self::Known, Self::Forged, Self::Unreadable, Self::Full];

    /// Its name in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Known => "known",
            Self::Forged => "forged",
            Self::Unreadable => "unreadable",
            Self::Full => "full",
        }
    }
}

/// The feeds of all connections.
#[derive(Debug, Default)]
pub(super) struct Feeds {
    rules: BTreeMap<ConnectionId, FeedRule>,
    hinted: BTreeMap<ConnectionId, Arc<Notify>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How much later than claimed a stream's changes came to light, and when that was seen.
    lags: BTreeMap<(ConnectionId, Name), (SignedDuration, Timestamp)>,
    /// Since when a connection's people are not shown as they were, by stream, and why.
    halts: BTreeMap<(ConnectionId, Name), (Timestamp, String)>,
    breakers: BTreeMap<ConnectionId, Breaker>,
    /// Connections that were asked since the start, whatever they answered.
    polled: BTreeSet<ConnectionId>,
    hooks: BTreeMap<(ConnectionId, HookOutcome), u64>,
}

impl Feeds {
    pub(super) fn of(connections: impl Iterator<Item = ConnectionId>) -> Self {
        Self { hinted: connections.map(|id| (id, Arc::default())).collect(), ..Self::default() }
    }

    pub(super) fn set_rules(&mut self, rules: impl IntoIterator<Item = (ConnectionId, FeedRule)>) {
        self.rules.extend(rules);
    }

    pub(super) fn rule(&self, connection: &ConnectionId) -> FeedRule {
        self.rules.get(connection).copied().unwrap_or_default()
    }

    /// What an earlier process learned.
    pub(super) fn recall(&self, rounds: Vec<Round>, repairs: &[Repaired]) {
        for round in rounds {
            self.set_halt(&round);
        }
        for repair in repairs {
            self.learn(repair);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a repair says of a stream's lag.
    pub(super) fn learn(&self, repair: &Repaired) {
        if repair.cause != Cause::Late {
            return;
        }
        let mut state = self.state();
        let known = state
            .lags
            .entry((repair.connection.clone(), repair.stream.clone()))
            .or_insert((SignedDuration::ZERO, repair.age_at));
        if repair.age >= known.0 || repair.age_at.duration_since(known.1) > LAG_KEPT {
            *known = (repair.age, repair.age_at);
        }
    }

    /// Notes whether a patrol goes on.
    pub(super) fn set_halt(&self, round: &Round) {
        let key = (round.connection.clone(), round.stream.clone());
        let mut state = self.state();
        match &round.halted {
            Some(halt) => drop(state.halts.insert(key, halt.clone())),
            None => drop(state.halts.remove(&key)),
        }
    }

    /// Why a connection's people are not believed, and since when.
    pub(super) fn halted(&self, connection: &ConnectionId) -> Option<(Timestamp, String)> {
        let state = self.state();
        let halts = state.halts.iter().filter(|((of, _), _)| of == connection).map(|(_, halt)| halt);
        halts.min_by_key(|(since, _)| *since).cloned()
    }

    /// How long after its time a change of this stream may come to light, by what the patrol has seen.
    pub(super) fn lag(&self, connection: &ConnectionId, stream: &Name, now: Timestamp) -> SignedDuration {
        let state = self.state();
        let known = state.lags.get(&(connection.clone(), stream.clone()));
        let fresh = known.filter(|(_, seen)| now.duration_since(*seen) <= LAG_KEPT);
        fresh.map_or(SignedDuration::ZERO, |(lag, _)| *lag)
    }

    /// How far a stream can be believed, where it claims to have been read up to `until`.
    pub(super) fn believed(
        &self,
        connection: &ConnectionId,
        stream: &Name,
        until: Timestamp,
        now: Timestamp,
    ) -> Timestamp {
        let until = until.checked_sub(self.lag(connection, stream, now)).unwrap_or(until);
        self.halted(connection).map_or(until, |(since, _)| until.min(since))
    }

    /// Notes that a connection was asked. Says whether all of them have been since the start.
    pub(super) fn polled(&self, connection: &ConnectionId) -> bool {
        let mut state = self.state();
        state.polled.insert(connection.clone());
        self.hinted.keys().all(|known| state.polled.contains(known))
    }

    pub(super) fn admit(&self, connection: &ConnectionId, now: Timestamp) -> Admission {
        self.state().breakers.entry(connection.clone()).or_default().admit(now)
    }

    pub(super) fn unused(&self, connection: &ConnectionId) {
        if let Some(breaker) = self.state().breakers.get_mut(connection) {
            breaker.unused();
        }
    }

    pub(super) fn answered(&self, connection: &ConnectionId) {
        if let Some(breaker) = self.state().breakers.get_mut(connection) {
            breaker.answered();
        }
    }

    pub(super) fn failed(&self, connection: &ConnectionId, now: Timestamp, is_whole: bool) {
        self.state().breakers.entry(connection.clone()).or_default().failed(now, is_whole);
    }

    pub(super) fn breaker(&self, connection: &ConnectionId, now: Timestamp) -> BreakerState {
        self.state().breakers.get(connection).map_or(BreakerState::Closed, |breaker| breaker.state(now))
    }

    pub(super) fn count_hook(&self, connection: &ConnectionId, outcome: HookOutcome) {
        *self.state().hooks.entry((connection.clone(), outcome)).or_default() += 1;
    }

    pub(super) fn hooks(&self, connection: &ConnectionId) -> Vec<(HookOutcome, u64)> {
        let state = self.state();
        HookOutcome::ALL
            .into_iter()
            .map(|outcome| (outcome, state.hooks.get(&(connection.clone(), outcome)).copied().unwrap_or(0)))
            .collect()
    }

    /// What a webhook nudges.
    pub(super) fn hinted(&self, connection: &ConnectionId) -> Arc<Notify> {
        self.hinted.get(connection).cloned().unwrap_or_default()
    }
}
