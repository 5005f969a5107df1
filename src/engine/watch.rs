//! What is looked at apart from the CRMs: the machine's clock against theirs, and the end of what calendars know.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::domain::finding::{Checked, Finding, FindingKind, Subject};
use crate::domain::id::{ConnectionId, Name};
use crate::domain::roster;
use crate::domain::skew::{self, Heard, Skew};
use crate::store::{Batch, StoreError};

use super::blind::{Trouble, clock_subject};
use super::{Engine, EngineError};

/// Where the store keeps what was heard of a connection's clock.
fn kept_as(connection: &ConnectionId) -> String {
    format!("clock {connection}")
}

impl Engine {
    /// Holds our clock against a connection's, by how far its streams are covered: that follows the CRM's own time. To be
    /// called after a poll.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails.
    pub async fn hear_time(&self, connection: &ConnectionId) -> Result<(), EngineError> {
        let streams = self.store.streams().await?;
        let ours = streams.iter().filter(|stream| &stream.connection == connection);
        if let Some(theirs) = ours.filter_map(|stream| stream.covered_until).max() {
            self.clock.hear(connection.as_str(), theirs);
        }
        Ok(())
    }

    /// What a person should know of a connection's clock, by its last answer. To be called right after one was read.
    pub(super) fn clock_apart(&self, connection: &ConnectionId) -> Option<Finding> {
        let told = self.peer_clocks.get(connection)?.told()?;
        let ours = |ago: std::time::Duration| {
            let ago = SignedDuration::try_from(ago).unwrap_or(SignedDuration::MAX);
            self.clock
                .now()
                .saturating_sub(ago.saturating_mul(i32::try_from(self.clock.factor()).unwrap_or(i32::MAX)))
                .ok()
        };
        let (sent, received) = (ours(told.sent.elapsed())?, ours(told.received.elapsed())?);
        let offset = skew::offset(told.date, sent, received);
        // A clock of ours that stepped says nothing of theirs.
        if self.clock.stepped().is_none() {
            self.heard_clocks().entry(connection.clone()).or_default().note(offset, self.clock.now());
        }
        skew::finding(connection, told.date, received, offset)
    }

    /// The clocks that were off within the last day.
    pub(super) fn skews(&self, now: Timestamp) -> Vec<Skew> {
        self.heard_clocks().iter().filter_map(|(connection, heard)| heard.skew(connection, now)).collect()
    }

    /// What a connection's clock reads as `theirs`, by ours: a stream that was read up to a clock that is behind was read
    /// further than it says.
    pub(super) fn by_our_clock(&self, connection: &ConnectionId, theirs: Timestamp) -> Timestamp {
        self.heard_clocks().get(connection).map_or(theirs, |heard| heard.ours(theirs))
    }

    /// Keeps what was heard for the next process, where it changed.
    async fn keep_clocks(&self) -> Result<(), StoreError> {
        let heard: Vec<(ConnectionId, String)> =
            self.heard_clocks().iter().map(|(connection, heard)| (connection.clone(), heard.written())).collect();
        for (connection, text) in heard {
            let name = kept_as(&connection);
            if self.store.meta(&name).await?.unwrap_or_else(|| Heard::default().written()) != text {
                self.store.set_meta(&name, &text).await?;
            }
        }
        Ok(())
    }

    /// Recalls what an earlier process heard.
    pub(super) async fn recall_clocks(&self) -> Result<(), StoreError> {
        for connector in &self.connectors {
            let Some(text) = self.store.meta(&kept_as(connector.id())).await? else { continue };
            match Heard::read(&text) {
                Some(heard) => drop(self.heard_clocks().insert(connector.id().clone(), heard)),
                None => {
                    tracing::warn!(connection.id = %connector.id(), "what was heard of its clock cannot be read; it is heard anew")
                }
            }
        }
        Ok(())
    }

    fn heard_clocks(&self) -> MutexGuard<'_, BTreeMap<ConnectionId, Heard>> {
        self.skews.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what a person should know before it hurts: streams that are not read, a clock that stepped, a part that broke,
    /// holiday data that ends. Once a minute.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails.
    pub async fn watch(&self) -> Result<(), EngineError> {
        let now = self.clock.now();
        let rules = self.rules.load();
        let findings = rules.roster.holidays_ending(now);
        let checked = vec![Checked::Parts(FindingKind::NoHolidays, Subject::Policy(Name::from(roster::CALENDARS)))];
        let mut troubles = Vec::new();
        if let Some(step) = self.clock.stepped() {
            let way = if step.by.is_negative() { "back" } else { "forward" };
            tracing::error!(by_ms = %step.by.as_millis(), "the wall clock stepped; nobody is accused until another clock confirms it");
            let text = format!(
                "the machine's clock stepped {way} by {} s at {:.0}, and no CRM's clock confirms it: breaches, \
                     reassignments and returns wait, and everything else goes on by the old time; set the clock right, or \
                     start Baton anew if it is right",
                step.by.as_secs().abs(),
                step.since
            );
            let headline = format!("The clock of Baton's machine stepped {way}: nobody is accused until it is sure");
            let finding = Finding { kind: FindingKind::ClockStep, subject: clock_subject(), text };
            troubles.push(Trouble { finding, headline });
        }
        self.say_troubles(troubles).await?;
        self.keep_clocks().await?;
        self.store.commit(&Batch { findings, checked, now: Some(now), ..Batch::default() }).await?;
        Ok(())
    }
}
