//! Blindness: says since when which streams are not read, why, and how many leads wait for them, and that it is over; tells the
//! people who run Baton once for each outage.
//!
//! Nobody is accused meanwhile: that is the decision's own rule (`domain/decide/clock.rs`), which looks at the same coverage.

use jiff::{SignedDuration, Timestamp};

use crate::connector::{CREDENTIALS, Connector, Stream};
use crate::domain::breaker::State as BreakerState;
use crate::domain::counted::many;
use crate::domain::coverage::BLIND_AFTER;
use crate::domain::finding::{Checked, Finding, FindingKind, Subject};
use crate::domain::id::{ConnectionId, Name};
use crate::store::{Batch, StoreError, StreamState};

use super::{Engine, EngineError};

/// How long a part that broke is spoken of after it was started anew.
const BROKEN_FOR: SignedDuration = SignedDuration::from_hours(1);

/// Something that concerns the people who run Baton while it lasts.
pub(super) struct Trouble {
    pub(super) finding: Finding,
    /// What they are told, once: a headline and lines.
    pub(super) headline: String,
}

impl Engine {
    /// How a connection stands for whoever wants to ask it something.
    #[must_use]
    pub fn breaker(&self, connection: &ConnectionId) -> BreakerState {
        self.feeds.breaker(connection, self.clock.steady())
    }

    /// Everything that lasts now.
    async fn troubles(&self, now: Timestamp) -> Result<Vec<Trouble>, StoreError> {
        let states = self.store.streams().await?;
        let waiting = self.store.awaiting_evidence(now).await?;
        let mut troubles = Vec::new();
        for connector in &self.connectors {
            troubles.extend(self.blind(connector.as_ref(), &states, waiting, now));
        }
        troubles.extend(self.broken(now));
        Ok(troubles)
    }

    /// Why `connector`'s streams do not reach the present, if they do not.
    fn blind(
        &self,
        connector: &dyn Connector,
        states: &[StreamState],
        waiting: u64,
        now: Timestamp,
    ) -> Option<Trouble> {
        let connection = connector.id();
        // A stream that is asked rarely by choice is not blind between two looks.
        let patience = BLIND_AFTER.max(self.feeds.rule(connection).poll.saturating_mul(2));
        let mut behind: Vec<(&Stream, Timestamp)> = Vec::new();
        for stream in connector.streams().iter().filter(|stream| !stream.proves.is_empty()) {
            let state = states.iter().find(|state| &state.connection == connection && state.stream == stream.name);
            let Some(until) = state.and_then(|state| state.covered_until) else { continue };
            let until = self.feeds.believed(connection, &stream.name, until, now);
            if now.duration_since(until) <= patience {
                continue;
            }
            behind.push((stream, until));
        }
        let since = behind.iter().map(|(_, until)| *until).min()?;
        // What concerns the whole connection is noted on the stream that met it first.
        let mut causes: Vec<String> = Vec::new();
        for state in states.iter().filter(|state| &state.connection == connection) {
            causes.extend(state.error.clone().filter(|cause| !causes.contains(cause)));
        }
        causes.extend(self.feeds.halted(connection).map(|(_, why)| why));
        if causes.is_empty() {
            causes.push("it answers, but has not been read up to the present yet".to_owned());
        }
        let names: Vec<String> =
            behind.iter().map(|(stream, until)| format!("{} since {until:.0}", stream.name)).collect();
        let text = format!(
            "blind on {connection}: {} ({}). Nobody is accused meanwhile: breaches, reassignments and returns that these could \
             disprove wait{}; it ends by itself once they are read again",
            names.join(", "),
            causes.join("; "),
            if waiting > 0 { format!(", {waiting} so far") } else { String::new() },
        );
        Some(Trouble {
            finding: Finding { kind: FindingKind::Blind, subject: blind_subject(connection), text },
            headline: format!("Baton is blind on {connection} since {since:.0}"),
        })
    }

    /// Parts that broke and were started anew within the last hour.
    fn broken(&self, now: Timestamp) -> Vec<Trouble> {
        let loops = self.status.loops();
        let recent = |at: &Timestamp| now.duration_since(*at) <= BROKEN_FOR;
        let broken = loops.into_iter().filter(|(_, known)| known.panicked_at.as_ref().is_some_and(recent));
        broken
            .map(|(name, known)| Trouble {
                headline: format!("A part of Baton broke: {name}"),
                finding: Finding {
                    kind: FindingKind::Broken,
                    subject: Subject::Policy(Name::from(name.as_str())),
                    text: format!(
                        "`{name}` broke and was started anew, {} since Baton started; nothing is lost, but this is a \
                         fault of Baton's: the log has its place",
                        many(known.panics, "time", "times")
                    ),
                },
            })
            .collect()
    }

    /// Says what lasts, and what is over. Each trouble that is new is told to the people who run Baton, in the same
    /// transaction as the finding, so that an outage is one alert.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails.
    pub(super) async fn say_troubles(&self, mut more: Vec<Trouble>) -> Result<(), EngineError> {
        let now = self.clock.now();
        more.extend(self.troubles(now).await?);
        let mut batch = Batch { now: Some(now), ..Batch::default() };
        batch.checked.extend(self.tellable().into_iter().map(|(kind, subject)| Checked::One(kind, subject)));
        for trouble in more {
            let stands = self.store.stands(trouble.finding.kind, &trouble.finding.subject).await?;
            if stands.is_none() {
                tracing::error!(kind = trouble.finding.kind.as_str(), "{}", trouble.headline);
                if !self.is_told(&trouble).await? {
                    batch.notices.extend(self.alert(&trouble.finding, trouble.headline.clone(), &now.to_string()));
                }
            }
            batch.findings.push(trouble.finding);
        }
        self.store.commit(&batch).await?;
        Ok(())
    }

    /// Every trouble that there can be: what is not said of them any more is over.
    fn tellable(&self) -> Vec<(FindingKind, Subject)> {
        let blind = self.connectors.iter().map(|one| (FindingKind::Blind, blind_subject(one.id())));
        let loops = self.status.loops();
        let broken = loops.keys().map(|name| (FindingKind::Broken, Subject::Policy(Name::from(name.as_str()))));
        let clock = (FindingKind::ClockStep, clock_subject());
        blind.chain(broken).chain([clock]).collect()
    }

    /// Were people told already, and only a person can end it? An account that refuses the credentials is asked about when that
    /// is met (`note_failure`), long before it counts as blind.
    async fn is_told(&self, trouble: &Trouble) -> Result<bool, StoreError> {
        let Subject::Connection(connection, _) = &trouble.finding.subject else { return Ok(false) };
        let credentials = Subject::Connection(connection.clone(), Name::from(CREDENTIALS));
        Ok(self.store.stands(FindingKind::Connection, &credentials).await?.is_some())
    }
}

pub(super) fn clock_subject() -> Subject {
    Subject::Policy(Name::from("clock"))
}

fn blind_subject(connection: &ConnectionId) -> Subject {
    Subject::Connection(connection.clone(), Name::from("coverage"))
}
