//! Reads what changed: page after page of each stream, what was read with its plans and its cursor in one transaction.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::connector::{CREDENTIALS, Connector, ConnectorError, Cursor, Page, Stream};
use crate::domain::breaker::State as BreakerState;
use crate::domain::finding::{Checked, Finding, FindingKind};
use crate::domain::id::{ConnectionId, LeadId, Object, RecordRef};
use crate::domain::observation::Observation;
use crate::domain::{skew, vanish};
use crate::store::{Batch, StreamState};

use super::judge::{Said, Tidings};
use super::vanish::{Look, Road};
use super::{Engine, EngineError, LEADS_MAX};

/// Pages of one stream in one pass; what is left waits for the next pass, so that no stream starves another.
pub(super) const PAGES_MAX: usize = 50;

/// Observations of the first pass that are stored in one transaction: small enough to stay far below the memory that a
/// daemon may use, large enough that flushing to the disk is not what a first pass waits for.
const GATHERED_MAX: usize = 2_500;

/// Pages of one stream that are stored together.
#[derive(Debug, Default)]
struct Gathered {
    pages: usize,
    observations: Vec<Observation>,
    findings: Vec<Finding>,
    checked: Vec<Checked>,
}

impl Gathered {
    fn add(&mut self, page: Page) {
        self.pages += 1;
        self.observations.extend(page.observations);
        self.findings.extend(page.findings);
    }

    /// What an answer shows to be well again: credentials, permission, clock; and of records that could not be read those that
    /// are read now. In a first pass nothing of that was said before.
    fn check(&mut self, connection: &ConnectionId, stream: &Stream, is_first_pass: bool) {
        let parts = [CREDENTIALS, stream.name.as_str(), skew::PART];
        self.checked.extend(parts.map(|part| Checked::part(FindingKind::Connection, connection, part)));
        if !is_first_pass {
            let read = self.observations.iter().map(|seen| seen.of.to_string());
            self.checked.extend(read.map(|of| Checked::part(FindingKind::Undecodable, connection, &of)));
        }
    }
}

/// What a poll did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// Pages that were read.
    pub pages: usize,
    /// Observations they carried.
    pub observations: usize,
    /// Observations that changed anything.
    pub changes: usize,
    /// Is there more to read right now?
    pub has_more: bool,
}

/// A stream whose latest look failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// `hubspot.deals`.
    pub stream: String,
    /// Why.
    pub why: String,
    /// Does anything wait for it? Deals are a help: without them nobody is passed over for one, and all else goes on.
    pub is_needed: bool,
}

/// Does nothing wait for what this stream shows?
pub(super) fn is_help(stream: &Stream) -> bool {
    stream.object == Object::Deal
}

impl Engine {
    /// The streams whose latest look failed.
    ///
    /// # Errors
    /// [`crate::store::StoreError`] if the store fails.
    pub async fn unread(&self) -> Result<Vec<Unread>, crate::store::StoreError> {
        let states = self.store.streams().await?;
        let mut unread = Vec::new();
        for connector in &self.connectors {
            for stream in connector.streams() {
                let state = states.iter().find(|one| one.connection == *connector.id() && one.stream == stream.name);
                let Some(why) = state.and_then(|state| state.error.clone()) else { continue };
                let name = format!("{}.{}", connector.id(), stream.name);
                unread.push(Unread { stream: name, why, is_needed: !is_help(stream) });
            }
        }
        Ok(unread)
    }

    /// Reads every stream of `connection` once, at most [`PAGES_MAX`] pages each.
    ///
    /// # Errors
    /// [`EngineError::Connector`] if the CRM cannot be read; what was read before stays, with its cursor.
    pub async fn poll(&self, connection: &ConnectionId) -> Result<Polled, EngineError> {
        let polled = self.poll_streams(connection).await;
        if let Some(connector) = self.connector(connection) {
            self.keep_spent(connector).await?;
        }
        self.note_answer(connection, polled.as_ref().err());
        // First refresh, then judge: nothing is decided on what was true before Baton was away.
        if self.feeds.polled(connection) {
            self.go_live_if_ready().await?;
        }
        polled
    }

    /// Notes whether the connection answers: whoever asks it next wants to know.
    pub(super) fn note_answer(&self, connection: &ConnectionId, error: Option<&EngineError>) {
        match error {
            None
            | Some(EngineError::Vanished(_))
            | Some(EngineError::Connector(ConnectorError::Rejected { .. } | ConnectorError::Malformed { .. })) => {
                self.feeds.answered(connection);
            }
            Some(EngineError::Connector(ConnectorError::Unauthorized { .. })) => {
                self.feeds.failed(connection, self.clock.steady(), true);
            }
            Some(EngineError::Connector(ConnectorError::Unavailable { .. })) => {
                self.feeds.failed(connection, self.clock.steady(), false);
            }
            // It answered that it wants to be left alone, and is; what the store cannot do says nothing of the connection.
            Some(EngineError::Connector(ConnectorError::RateLimited { .. }) | EngineError::Store(_)) => {}
        }
    }

    async fn poll_streams(&self, connection: &ConnectionId) -> Result<Polled, EngineError> {
        let Some(connector) = self.connector(connection).cloned() else { return Ok(Polled::default()) };
        let mut polled = Polled::default();
        let mut failed = None;
        for stream in connector.streams() {
            let read = match self.poll_stream(&connector, stream).await {
                Ok(read) => read,
                Err(error) => {
                    self.note_failure(connection, stream, &error).await?;
                    // What is only a help is told, and fails nothing: the others are read as often as ever.
                    let is_refused = matches!(&error, EngineError::Connector(ConnectorError::Rejected { .. }));
                    if is_refused && is_help(stream) {
                        continue;
                    }
                    // One stream that is refused, for want of a permission perhaps, does not blind the others; what
                    // concerns the whole account would only fail again.
                    if matches!(
                        &error,
                        EngineError::Connector(ConnectorError::Rejected { .. } | ConnectorError::Malformed { .. })
                            | EngineError::Vanished(_)
                    ) {
                        failed.get_or_insert(error);
                        continue;
                    }
                    return Err(error);
                }
            };
            polled.pages += read.pages;
            polled.observations += read.observations;
            polled.changes += read.changes;
            polled.has_more |= read.has_more;
        }
        failed.map_or(Ok(polled), Err)
    }

    async fn poll_stream(&self, connector: &Arc<dyn Connector>, stream: &Stream) -> Result<Polled, EngineError> {
        let mut state = self.stream_state(connector.id(), stream).await?;
        let mut polled = Polled::default();
        let mut look = Look::default();
        loop {
            let mut gathered = Gathered::default();
            let is_first_pass = state.covered_until.is_none();
            // Before decisions are taken pages are stored a few at a time: what a crash loses of them is read again.
            let enough = if self.is_live() { 1 } else { GATHERED_MAX };
            let end = loop {
                match connector.pull(stream, &Cursor(state.cursor.clone()), self.clock.now()).await {
                    Ok(mut page) => {
                        if let Err(error) = self.check_vanishing(connector, stream, &page, &mut look).await {
                            break Err(error);
                        }
                        if let Err(error) = self.with_authors(connector, &mut page.observations).await {
                            break Err(error);
                        }
                        state.cursor.clone_from(&page.next.0);
                        // Coverage never goes back: a window that overlaps the one before ends later all the same.
                        state.covered_until = state.covered_until.max(page.covered_until);
                        let has_more = page.has_more;
                        gathered.add(page);
                        self.status.step(&super::status::loop_name("poll", connector.id()));
                        gathered.findings.extend(self.clock_apart(connector.id()));
                        // The share that vanished is counted against what is stored, so such a page waits for no other.
                        if !has_more || look.calls_gone() || gathered.observations.len() >= enough {
                            break Ok(has_more);
                        }
                    }
                    Err(error) => break Err(error.into()),
                }
            };
            polled.pages += gathered.pages;
            polled.observations += gathered.observations.len();
            // What was read before a failure is kept.
            if gathered.pages > 0 {
                gathered.check(connector.id(), stream, is_first_pass);
                if matches!(end, Ok(false)) && stream.object == Object::Person {
                    // The look went to its end, and what it called gone was believed.
                    gathered.checked.push(Checked::part(FindingKind::Connection, connector.id(), vanish::PART));
                    if !look.calls_gone() {
                        self.believe_again(connector.id(), Road::Feed).await?;
                    }
                }
                polled.changes += self.store_gathered(&mut state, gathered).await?;
            }
            if !end? {
                break;
            }
            if polled.pages >= PAGES_MAX && self.is_live() {
                polled.has_more = true;
                break;
            }
        }
        Ok(polled)
    }

    /// Reconciles and commits what was read of a stream, decisions and cursor with it. Says how much of it was news.
    async fn store_gathered(&self, state: &mut StreamState, gathered: Gathered) -> Result<usize, EngineError> {
        let now = super::journal::kept(self.clock.now());
        let deciding = self.deciding.lock().await;
        let reconciled = self.reconcile(gathered.observations, now).await?;
        state.read_at = Some(now);
        state.error = None;
        let mut batch = reconciled.batch;
        batch.findings.extend(gathered.findings);
        batch.checked = gathered.checked;
        batch.cursors.push(state.clone());
        let leads: Vec<LeadId> = reconciled.leads.into_iter().collect();
        self.commit_page(batch, &leads, &reconciled.told).await?;
        drop(deciding);
        Ok(reconciled.changes)
    }

    /// Commits a page with the decisions about its leads. A page with more leads than one batch decides the rest after.
    pub(super) async fn commit_page(&self, batch: Batch, leads: &[LeadId], told: &Tidings) -> Result<(), EngineError> {
        // Who is told something comes first: what is told is heard in the transaction that makes it true, or never.
        let mut leads = leads.to_vec();
        leads.sort_by_key(|lead| !told.contains_key(lead));
        let (first, rest) = leads.split_at(leads.len().min(LEADS_MAX.max(told.len())));
        let mut batch = batch;
        let now = self.clock.now();
        // Were the process to end between the chunks, these would still be found due.
        batch.rechecks.extend(rest.iter().map(|lead| (*lead, now)));
        let (marks_more, shows_users) = (!batch.erased.is_empty(), !batch.users.is_empty());
        self.commit_told(batch, first, Said { told: Some(told), answer: None }).await?;
        if marks_more {
            self.refresh_marks().await?;
        }
        // The caller holds `deciding`: nobody decides by the users of before what these ask for.
        if shows_users {
            self.refresh_directory().await?;
        }
        for chunk in rest.chunks(LEADS_MAX) {
            self.commit_judged(Batch::default(), chunk).await?;
        }
        Ok(())
    }

    async fn stream_state(&self, connection: &ConnectionId, stream: &Stream) -> Result<StreamState, EngineError> {
        let states = self.store.streams().await?;
        let known = states.into_iter().find(|state| &state.connection == connection && state.stream == stream.name);
        Ok(known.unwrap_or_else(|| StreamState {
            connection: connection.clone(),
            stream: stream.name.clone(),
            cursor: String::new(),
            covered_until: None,
            read_at: None,
            error: None,
        }))
    }

    async fn note_failure(
        &self,
        connection: &ConnectionId,
        stream: &Stream,
        error: &EngineError,
    ) -> Result<(), EngineError> {
        let findings: Vec<Finding> = match error {
            EngineError::Connector(cause) => cause.finding(stream).into_iter().collect(),
            EngineError::Vanished(vanished) => vec![vanished.finding()],
            EngineError::Store(_) => return Ok(()),
        };
        let mut notices = Vec::new();
        if let (EngineError::Connector(ConnectorError::Unauthorized { .. }), [finding]) = (error, &findings[..]) {
            // Only a person can mend this: they are asked once, however often it fails from now on.
            let episode = self.episode(connection).await?;
            notices.extend(self.alert_of(finding, &episode));
        }
        let mut state = self.stream_state(connection, stream).await?;
        state.error = Some(error.to_string());
        let batch = Batch { cursors: vec![state], findings, notices, now: Some(self.clock.now()), ..Batch::default() };
        self.store.commit(&batch).await?;
        Ok(())
    }

    /// Decisions begin once everything was read: then every lead is decided about, once.
    async fn go_live_if_ready(&self) -> Result<(), EngineError> {
        if self.is_live() || !self.coverage().await?.is_live() {
            return Ok(());
        }
        self.is_live.store(true, Ordering::Release);
        let version = self.rules.load().agreement.version.clone();
        let before = self.store.decided_under().await?;
        if before.as_ref() != Some(&version) {
            // A first start decides about everybody, too; what it writes is capped like everything else.
            let is_too_much = before.is_some() && self.weigh_change().await?;
            self.is_weighing.store(is_too_much, Ordering::Release);
            let judged = self.judge_all().await;
            self.is_weighing.store(false, Ordering::Release);
            judged?;
            self.store.set_decided_under(&version).await?;
        }
        self.judge_undecided().await?;
        self.heed_zones().await?;
        tracing::info!(agreement.version = %version, "every stream was read once: decisions are taken from now on");
        Ok(())
    }

    /// Decides about every lead: at the first start, and when another agreement came into force.
    pub(super) async fn judge_all(&self) -> Result<(), EngineError> {
        let mut after = LeadId(0);
        loop {
            let leads = self.store.leads_after(after, LEADS_MAX).await?;
            let Some(last) = leads.last() else { return Ok(()) };
            after = *last;
            self.judge(&leads).await?;
        }
    }

    /// Decides about leads that changed since the start, before decisions were taken.
    async fn judge_undecided(&self) -> Result<(), EngineError> {
        loop {
            let leads = self.store.undecided(LEADS_MAX).await?;
            if leads.is_empty() {
                return Ok(());
            }
            let _deciding = self.deciding.lock().await;
            self.commit_judged(Batch { decided: leads.clone(), ..Batch::default() }, &leads).await?;
        }
    }

    /// Reads again what hangs on leads whose steps are due soon: associations change without changing a record.
    ///
    /// # Errors
    /// [`EngineError`] if the CRM cannot be read or the store fails.
    pub async fn read_around(&self, connection: &ConnectionId, people: &[RecordRef]) -> Result<usize, EngineError> {
        let Some(connector) = self.connector(connection).cloned() else { return Ok(0) };
        if people.is_empty() || self.breaker(connection) != BreakerState::Closed {
            return Ok(0);
        }
        let around = connector.read_around(people).await?;
        let deciding = self.deciding.lock().await;
        let mut reconciled = self.reconcile(around.observations, self.clock.now()).await?;
        for stream in connector.streams() {
            let refused = around.refused.iter().filter(|(name, _)| *name == stream.name);
            reconciled.batch.findings.extend(refused.filter_map(|(_, error)| error.finding(stream)));
        }
        let leads: Vec<LeadId> = reconciled.leads.into_iter().collect();
        self.commit_page(reconciled.batch, &leads, &reconciled.told).await?;
        drop(deciding);
        Ok(reconciled.changes)
    }
}

/// Records of open hand-offs that are read around in one pass.
const AROUND_MAX: usize = 100;

impl Engine {
    /// Reads around what is due within 15 minutes (or is late) on `connection`: each cycle, because a touch that is hung
    /// on a lead later changes neither the lead nor, in some CRMs, the touch.
    ///
    /// # Errors
    /// [`EngineError`] if the CRM cannot be read or the store fails.
    pub async fn read_around_due(&self, connection: &ConnectionId) -> Result<usize, EngineError> {
        let until = self.clock.now() + jiff::SignedDuration::from_mins(15);
        let people = self.store.people_due(connection, until, AROUND_MAX).await?;
        self.read_around(connection, &people).await
    }

    /// What is done once an hour: reading around every open hand-off, and forgetting what need not be kept.
    ///
    /// # Errors
    /// [`EngineError`] if a CRM cannot be read or the store fails.
    pub async fn upkeep(&self, retention: super::Retention) -> Result<(), EngineError> {
        self.prune(retention).await?;
        self.forget_hooks().await?;
        if !self.is_live() {
            return Ok(());
        }
        // What a person set right in a CRM meanwhile, or took away. An account that cannot be read shows at its streams.
        for (connection, outcome) in self.describe().await {
            if let Err(error) = outcome {
                tracing::warn!(connection.id = %connection, "{connection}: {error}");
            }
        }
        for connector in &self.connectors {
            let mut after = LeadId(0);
            loop {
                let records = self.store.people_open(connector.id(), after, AROUND_MAX).await?;
                let Some(last) = records.last() else { break };
                after = last.link.lead;
                let people: Vec<RecordRef> = records.into_iter().map(|record| record.of).collect();
                self.status.step("upkeep");
                self.read_around(connector.id(), &people).await?;
            }
        }
        Ok(())
    }
}
