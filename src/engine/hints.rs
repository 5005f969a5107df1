//! Webhooks as hints: they only say "look at this record now". What they hold is not believed; the record is read.

use jiff::{SignedDuration, Timestamp};

use crate::connector::hook::{Knock, Refusal};
use crate::connector::{Connector, ConnectorError};
use crate::domain::breaker::Admission;
use crate::domain::finding::{Checked, Finding, FindingKind, Subject};
use crate::domain::id::{ConnectionId, LeadId, Name, Object, RecordRef};
use crate::domain::observation::Observation;
use crate::store::{Batch, Heard, Hint, StoreError, Taken};

use super::feeds::HookOutcome;
use super::{Engine, EngineError};

/// Records of one connection that may wait to be looked at; a webhook that names more is asked to come again.
pub const HINTS_MAX: usize = 10_000;
/// Hints that are followed in one pass.
const FOLLOWED_MAX: usize = 100;
/// A record that cannot be read so often is left to the feed and the patrol.
const TRIES_MAX: u32 = 5;
/// How long such a record rests, times the tries so far.
const REST: SignedDuration = SignedDuration::from_secs(30);
/// How long it is remembered which events were heard: HubSpot repeats one for a day.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(26);

/// What became of a webhook's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Knocked {
    /// It is on the disk: so many events were news.
    Taken(usize),
    /// There is no room; come again.
    Full,
    /// It is not followed.
    Refused(Refusal),
}

/// What a pass over hints did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Records that were read.
    pub records: usize,
    /// Records that turned out to have changed.
    pub changes: usize,
    /// Is there more to follow right now?
    pub has_more: bool,
}

/// What the finding on people who are gone by what webhooks name is about.
fn webhooks(connection: &ConnectionId) -> Subject {
    Subject::Connection(connection.clone(), Name::from("webhooks"))
}

impl Engine {
    /// Takes a webhook's request: what it names is on the disk when this returns [`Knocked::Taken`].
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn knock(&self, connection: &ConnectionId, mut knock: Knock) -> Result<Knocked, StoreError> {
        let Some(connector) = self.connector(connection) else { return Ok(Knocked::Refused(Refusal::NotSetUp)) };
        knock.now = self.clock.wall();
        let events = match connector.hear(&knock) {
            Ok(events) => events,
            Err(refusal) => {
                match &refusal {
                    Refusal::NotSetUp => {}
                    Refusal::Forged(why) => {
                        self.feeds.count_hook(connection, HookOutcome::Forged);
                        tracing::warn!(connection.id = %connection, "a webhook for {connection} is refused: {why}");
                    }
                    Refusal::Unreadable(at) => {
                        self.feeds.count_hook(connection, HookOutcome::Unreadable);
                        tracing::warn!(connection.id = %connection, "a webhook for {connection} cannot be read: {at}");
                    }
                }
                return Ok(Knocked::Refused(refusal));
            }
        };
        let heard: Vec<Heard> =
            events.into_iter().map(|event| Heard { event: event.key, of: event.of, around: event.around }).collect();
        let taken = self.store.hear(connection, &heard, self.clock.wall(), HINTS_MAX).await?;
        Ok(match taken {
            Taken::Full => {
                self.feeds.count_hook(connection, HookOutcome::Full);
                tracing::warn!(connection.id = %connection, waiting = HINTS_MAX, "no room for a webhook's hints; it is to come again");
                Knocked::Full
            }
            Taken::Stored(news) => {
                self.feeds.count_hook(connection, if news > 0 { HookOutcome::Taken } else { HookOutcome::Known });
                if news > 0 {
                    self.feeds.hinted(connection).notify_one();
                }
                Knocked::Taken(news)
            }
        })
    }

    /// Resolves when a webhook named something new of `connection`.
    pub async fn hinted(&self, connection: &ConnectionId) {
        self.feeds.hinted(connection).notified().await;
    }

    /// Looks at the records that webhooks named, at most [`FOLLOWED_MAX`] of them, the longest waiting first.
    ///
    /// # Errors
    /// [`EngineError`] if the CRM cannot be read or the store fails; the hints stay.
    pub async fn follow_hints(&self, connection: &ConnectionId) -> Result<Followed, EngineError> {
        let Some(connector) = self.connector(connection).cloned() else { return Ok(Followed::default()) };
        let limit = match self.feeds.admit(connection, self.clock.steady()) {
            _ if !self.is_live() => return Ok(Followed::default()),
            Admission::Free => FOLLOWED_MAX,
            Admission::Probe => 1,
            Admission::Wait(_) => return Ok(Followed::default()),
        };
        let hints = self.store.hints(connection, self.clock.steady(), limit).await?;
        if hints.is_empty() {
            self.feeds.unused(connection);
            return Ok(Followed::default());
        }
        let has_more = hints.len() == limit;
        let looked = self.look(connector.as_ref(), hints).await;
        self.note_answer(connection, looked.as_ref().err());
        let (read, observations) = looked?;
        self.believe_hinted(connection, &observations).await?;
        let records = read.len();
        let deciding = self.deciding.lock().await;
        let reconciled = self.reconcile(observations, self.clock.now()).await?;
        let mut batch = reconciled.batch;
        batch.followed = read;
        batch.checked.push(Checked::One(FindingKind::Connection, webhooks(connection)));
        let leads: Vec<LeadId> = reconciled.leads.into_iter().collect();
        self.commit_page(batch, &leads, &reconciled.told).await?;
        drop(deciding);
        Ok(Followed { records, changes: reconciled.changes, has_more })
    }

    /// Goes on unless too many of the hinted people are gone: then the hints stay, and a person is told.
    async fn believe_hinted(&self, connection: &ConnectionId, observations: &[Observation]) -> Result<(), EngineError> {
        let Err(error) = self.check_gone(connection, observations).await else { return Ok(()) };
        if let EngineError::Vanished(vanished) = &error {
            let finding = Finding { subject: webhooks(connection), ..vanished.finding() };
            let batch = Batch { findings: vec![finding], now: Some(self.clock.now()), ..Batch::default() };
            self.store.commit(&batch).await?;
        }
        Err(error)
    }

    /// What the hinted records are now, and the hints that are done with it. One that spoils the others is asked for by
    /// itself, waits, and is given up in the end.
    async fn look(
        &self,
        connector: &dyn Connector,
        hints: Vec<Hint>,
    ) -> Result<(Vec<Hint>, Vec<Observation>), EngineError> {
        let answered = self.read_hinted(connector, &hints).await;
        let error = match answered {
            Ok(observations) => return Ok((hints, observations)),
            Err(error) => error,
        };
        if !matches!(error, ConnectorError::Rejected { .. } | ConnectorError::Malformed { .. }) {
            return Err(error.into());
        }
        let (mut done, mut observations) = (Vec::new(), Vec::new());
        for hint in hints {
            match self.read_hinted(connector, std::slice::from_ref(&hint)).await {
                Ok(seen) => {
                    observations.extend(seen);
                    done.push(hint);
                }
                Err(error @ (ConnectorError::Rejected { .. } | ConnectorError::Malformed { .. })) => {
                    tracing::warn!(connection.id = %connector.id(), tries = hint.tries + 1, "a hinted record cannot be read: {error}");
                    if hint.tries + 1 >= TRIES_MAX {
                        done.push(hint);
                        continue;
                    }
                    let rest = REST.saturating_mul(i32::try_from(hint.tries + 1).unwrap_or(i32::MAX));
                    let not_before = self.clock.steady().checked_add(rest).unwrap_or(Timestamp::MAX);
                    self.store.hint_later(&hint, not_before).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok((done, observations))
    }

    async fn read_hinted(&self, connector: &dyn Connector, hints: &[Hint]) -> Result<Vec<Observation>, ConnectorError> {
        let refs: Vec<RecordRef> = hints.iter().map(|hint| hint.of.clone()).collect();
        let mut observations = connector.read(&refs).await?;
        let around = hints.iter().filter(|hint| hint.around && hint.of.object == Object::Person);
        let around: Vec<RecordRef> = around.map(|hint| hint.of.clone()).collect();
        if !around.is_empty() {
            observations.extend(connector.read_around(&around).await?.observations);
        }
        Ok(observations)
    }

    /// Forgets which webhooks were heard long ago.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails.
    pub(super) async fn forget_hooks(&self) -> Result<(), EngineError> {
        let before = self.clock.wall().checked_sub(REMEMBERED).unwrap_or(Timestamp::MIN);
        self.store.forget_hook_events(before).await?;
        Ok(())
    }
}
