//! Holds back what goes beyond the caps, before it is claimed; and lets go, or takes back, what waits.

use std::sync::PoisonError;

use jiff::{SignedDuration, Timestamp};

use crate::domain::caps::{self, Caps, Count, WITHIN};
use crate::domain::counted::{many, noun};
use crate::domain::finding::FindingKind;
use crate::domain::id::{ConnectionId, LeadId};
use crate::domain::plan::{Hold, Mode};
use crate::domain::vanish::Vanished;
use crate::store::{Batch, StoreError};

use super::judge::Said;

use super::{Engine, EngineError, LEADS_MAX};

/// How long a count of live people that was large enough is believed.
const LIVE_KEPT: SignedDuration = SignedDuration::from_mins(1);

impl Engine {
    /// The caps.
    #[must_use]
    pub fn caps(&self) -> Caps {
        self.caps
    }

    /// Holds what waits for `connection` beyond the caps, and says so.
    pub(super) async fn hold_over_caps(&self, connection: &ConnectionId) -> Result<(), StoreError> {
        if self.caps == Caps::none() {
            return Ok(());
        }
        let now = self.clock.now();
        let since = now.checked_sub(WITHIN).unwrap_or(Timestamp::MIN);
        let [sent, waiting] = self.store.cap_figures(connection, since).await?;
        let count = |(writes, takes)| Count { writes, takes };
        let (sent, waiting) = (count(sent), count(waiting));
        let mut held = 0;
        if let Some(left) = self.caps.writes_left(sent, waiting) {
            held += self.store.hold_over_cap(connection, left, false).await?;
        }
        if waiting.takes > 0 && sent.takes + waiting.takes >= caps::OWNERS_LEAST {
            let changes = usize::try_from(sent.takes + waiting.takes).unwrap_or(usize::MAX);
            let enough = Vanished::live_enough(changes, self.caps.owners_percent);
            let live = i64::try_from(self.live_people(connection, enough).await?).unwrap_or(i64::MAX);
            if let Some(left) = self.caps.owners_left(sent, waiting, live) {
                held += self.store.hold_over_cap(connection, left, true).await?;
            }
        }
        if held > 0 {
            tracing::error!(connection.id = %connection, writes = held, "{} to {connection} {} more than the caps allow and wait for a person", many(held, "write", "writes"), noun(held, "is", "are"));
            self.tell_of_holds(now).await?;
        }
        Ok(())
    }

    /// How many people's records of `connection` are live, counted not much further than `enough`. Counting looks at every
    /// record, and is asked for with every batch that is sent: what was enough a moment ago still is.
    async fn live_people(&self, connection: &ConnectionId, enough: usize) -> Result<usize, StoreError> {
        let now = self.clock.steady();
        let seen = self.live_seen.lock().unwrap_or_else(PoisonError::into_inner).get(connection).copied();
        if let Some((at, live)) = seen
            && live >= enough
            && now.duration_since(at) < LIVE_KEPT
        {
            return Ok(live);
        }
        let live = self.store.people_live(connection, enough.saturating_mul(4)).await?;
        self.live_seen.lock().unwrap_or_else(PoisonError::into_inner).insert(connection.clone(), (now, live));
        Ok(live)
    }

    /// Says what waits behind the caps; what does not wait any more is resolved.
    pub(super) async fn tell_of_holds(&self, now: Timestamp) -> Result<(), StoreError> {
        let counts = self.store.held_counts().await?;
        let (cap, rules) = (Hold::Cap.to_string(), Hold::Rules.to_string());
        let mut findings = Vec::new();
        for connector in &self.connectors {
            let held = counts.iter().find(|count| count.hold == cap && &count.connection == connector.id());
            match held {
                Some(held) => findings.push(caps::finding(connector.id(), held.writes, held.leads, &self.caps)),
                None => {
                    self.store.resolve_one(FindingKind::Capped, &caps::of_connection(connector.id()), now).await?;
                }
            }
        }
        if !counts.iter().any(|count| count.hold == rules) {
            self.store.resolve_one(FindingKind::Capped, &caps::of_rules(), now).await?;
        }
        if !findings.is_empty() {
            self.store.commit(&Batch { findings, now: Some(now), ..Batch::default() }).await?;
        }
        Ok(())
    }

    /// How many writes, for how many leads, the agreement in force asks for at once: decided about every lead, and nothing of
    /// it kept.
    pub(super) async fn count_change(&self) -> Result<(usize, usize), EngineError> {
        let _deciding = self.deciding.lock().await;
        let now = self.clock.now();
        let (mut writes, mut leads) = (0, 0);
        let mut after = LeadId(0);
        loop {
            let some = self.store.leads_after(after, LEADS_MAX).await?;
            let Some(last) = some.last() else { return Ok((writes, leads)) };
            after = *last;
            let plans = self.plan(&Batch::default(), &some, Said::default(), now).await?.plans;
            for plan in plans.iter().filter(|plan| !plan.writes.is_empty()) {
                writes += plan.writes.len();
                leads += 1;
            }
        }
    }

    /// Is what the agreement in force asks for more than goes by itself? Then everything that follows of it waits.
    pub(super) async fn weigh_change(&self) -> Result<bool, EngineError> {
        let Some(most) = self.caps.writes.filter(|_| self.rules.load().writes == Mode::On) else { return Ok(false) };
        let (writes, leads) = self.count_change().await?;
        let version = self.rules.load().agreement.version.clone();
        tracing::info!(agreement.version = %version, writes, leads, "another agreement asks for {} for {}", many(writes, "write", "writes"), many(leads, "lead", "leads"));
        if writes <= usize::try_from(most).unwrap_or(usize::MAX) {
            return Ok(false);
        }
        let findings = vec![caps::rules_finding(&version, writes, leads, &self.caps)];
        self.store.commit(&Batch { findings, now: Some(self.clock.now()), ..Batch::default() }).await?;
        Ok(true)
    }
}
