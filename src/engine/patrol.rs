//! Reads everything again, a page at a time: what the feed missed is repaired and counted by cause.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::connector::{Connector, Stream, Walked};
use crate::domain::breaker::State;
use crate::domain::finding::{Checked, Finding, FindingKind, Subject};
use crate::domain::id::{ConnectionId, LeadId, Name, Object, RecordRef, RemoteId};
use crate::domain::observation::{Content, Observation};
use crate::domain::patrol::{self, Cause, Round, late_subject};
use crate::domain::vanish::{GONE_LEAST, PERCENT_MAX};
use crate::store::{Batch, Repaired, StoreError, StreamState};

use super::vanish::Road;
use super::{Engine, EngineError};

/// Fewer people gone from one page make nobody look further.
const SUSPICIOUS_LEAST: usize = 5;
/// Pages that are looked at beyond a suspicious one.
const AHEAD_MAX: usize = 20;

/// What a pass of the patrol did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patrolled {
    /// Records it passed.
    pub records: usize,
    /// Records it had to repair, whatever the cause.
    pub repaired: usize,
    /// When the next page is due; `None` if nobody knows yet.
    pub next_at: Option<Timestamp>,
}

/// The stream whose turn it is.
struct Turn<'a> {
    stream: &'a Stream,
    round: Round,
    /// Up to where the feed claims to have read, before the patrol asks.
    covered: Timestamp,
}

impl Engine {
    /// Passes one page of the stream of `connection` that is due first, if one is.
    ///
    /// # Errors
    /// [`EngineError::Connector`] if the CRM cannot be read (to wait for spare requests is [`crate::connector::ConnectorError::RateLimited`]),
    /// [`EngineError::Vanished`] if too many people vanished to be believed; the round stays where it is.
    pub async fn patrol(&self, connection: &ConnectionId) -> Result<Patrolled, EngineError> {
        let Some(connector) = self.connector(connection).cloned() else { return Ok(Patrolled::default()) };
        if !self.is_live() {
            return Ok(Patrolled::default());
        }
        let now = self.clock.now();
        let every = self.feeds.rule(connection).patrol;
        let Some(turn) = self.turn(&connector, now, every).await? else { return Ok(Patrolled::default()) };
        let due = turn.round.next_at(every);
        if due > now {
            return Ok(Patrolled { next_at: Some(due), ..Patrolled::default() });
        }
        // The patrol is never what finds out whether a connection answers again.
        if self.breaker(connection) != State::Closed {
            return Ok(Patrolled::default());
        }
        let passed = self.pass(&connector, turn, now, every).await;
        self.keep_spent(&connector).await?;
        passed
    }

    /// The stream that is due first. None is before its first pass has ended.
    async fn turn<'a>(
        &self,
        connector: &'a Arc<dyn Connector>,
        now: Timestamp,
        every: SignedDuration,
    ) -> Result<Option<Turn<'a>>, StoreError> {
        let states = self.store.streams().await?;
        let rounds = self.store.rounds().await?;
        let mut first: Option<Turn<'a>> = None;
        for stream in connector.streams() {
            let is_of = |of: &ConnectionId, name: &Name| of == connector.id() && *name == stream.name;
            let state: Option<&StreamState> = states.iter().find(|state| is_of(&state.connection, &state.stream));
            let Some(covered) = state.and_then(|state| state.covered_until) else { continue };
            let known = rounds.iter().find(|round| is_of(&round.connection, &round.stream)).cloned();
            let round = match known {
                Some(round) => round,
                None => Round::first(connector.id(), &stream.name, now, self.expected(connector.id(), stream).await?),
            };
            if first.as_ref().is_none_or(|known| round.next_at(every) < known.round.next_at(every)) {
                first = Some(Turn { stream, round, covered });
            }
        }
        Ok(first)
    }

    /// How many records a first round may expect.
    async fn expected(&self, connection: &ConnectionId, stream: &Stream) -> Result<u64, StoreError> {
        let objects: &[Object] = match stream.object {
            Object::Call | Object::Email | Object::Meeting => &[Object::Call, Object::Email, Object::Meeting],
            _ => std::slice::from_ref(&stream.object),
        };
        let mut count = 0;
        for object in objects {
            count += self.store.count_of(connection, *object).await?;
        }
        Ok(count)
    }

    async fn pass(
        &self,
        connector: &Arc<dyn Connector>,
        turn: Turn<'_>,
        now: Timestamp,
        every: SignedDuration,
    ) -> Result<Patrolled, EngineError> {
        let Turn { stream, round, covered } = turn;
        let connection = connector.id();
        let Some(walked) = connector.walk(stream, round.next.as_ref(), now).await? else {
            // Nothing to walk: asked again after a period, should that change.
            let next = round.after(now, every, 0, 0, None);
            self.store.commit(&Batch { rounds: vec![next], now: Some(now), ..Batch::default() }).await?;
            return Ok(Patrolled { next_at: Some(now), ..Patrolled::default() });
        };
        let missing = self.missing(connection, &round, &walked).await?;
        let Walked { mut observations, findings, next, .. } = walked;
        let records = observations.len();
        if !missing.is_empty() {
            observations.extend(connector.read(&missing).await?);
        }
        let gone = self.not_shown(&missing, &observations);
        let ahead = self.look_ahead(connector, stream, &round, (gone, people(&observations)), next.as_ref()).await?;
        self.believe(connection, &round, gone + ahead, now).await?;
        self.with_authors(connector, &mut observations).await?;
        let modified: HashMap<RecordRef, Timestamp> =
            observations.iter().map(|seen| (seen.of.clone(), seen.modified)).collect();

        let deciding = self.deciding.lock().await;
        let reconciled = self.reconcile(observations, self.clock.now()).await?;
        let reach = self.feeds.rule(connection).reach;
        let mut found: BTreeMap<Cause, (u64, SignedDuration)> = BTreeMap::new();
        for (of, difference) in &reconciled.changed {
            let judged = modified.get(of).and_then(|at| patrol::judge(*difference, *at, covered, reach));
            if let Some((cause, age)) = judged {
                let known = found.entry(cause).or_default();
                *known = (known.0 + 1, known.1.max(age));
            }
        }
        let repairs: Vec<Repaired> = found
            .into_iter()
            .map(|(cause, (total, age))| {
                let (connection, stream) = (connection.clone(), stream.name.clone());
                Repaired { connection, stream, cause, total, last_at: now, age, age_at: now }
            })
            .collect();
        let after = round.after(now, every, count(records), count(gone), next);
        let mut batch = reconciled.batch;
        batch.findings.extend(findings);
        if after.next.is_none() {
            batch.checked.push(Checked::One(FindingKind::Connection, late_subject(connection, &stream.name)));
        } else if after.is_late(now, every) {
            batch.findings.push(after.late(now, every));
        }
        if round.halted.is_some() {
            batch.checked.push(Checked::One(FindingKind::Connection, halt_subject(connection)));
        }
        batch.rounds.push(after.clone());
        batch.repairs.clone_from(&repairs);
        let leads: Vec<LeadId> = reconciled.leads.into_iter().collect();
        self.commit_page(batch, &leads, &reconciled.told).await?;
        drop(deciding);
        self.feeds.set_halt(&after);
        for repair in &repairs {
            self.feeds.learn(repair);
            tracing::info!(connection.id = %connection, stream = %stream.name, cause = repair.cause.as_str(),
                count = repair.total, age_s = repair.age.as_secs(), "the patrol repaired what the feed did not bring");
        }
        Ok(Patrolled { records, repaired: reconciled.changed.len(), next_at: Some(after.next_at(every)) })
    }

    /// Stored records that the page should have shown and did not.
    async fn missing(
        &self,
        connection: &ConnectionId,
        round: &Round,
        walked: &Walked,
    ) -> Result<Vec<RecordRef>, StoreError> {
        // Places that are no numbers have no order to rely on, unless the connector says of its ids which they are.
        let is_number = |id: &RemoteId| id.as_str().parse::<u64>().is_ok();
        if walked.span.is_none() && !round.next.iter().chain(&walked.next).all(is_number) {
            return Ok(Vec::new());
        }
        let (first, last) = walked.span.as_ref().map_or((None, None), |(first, last)| (Some(first), Some(last)));
        let from = round.next.as_ref().or(first).map_or("", RemoteId::as_str);
        let to = walked.next.as_ref().or(last).map(RemoteId::as_str);
        let shown: HashSet<&RecordRef> = walked.observations.iter().map(|seen| &seen.of).collect();
        let mut missing = Vec::new();
        for object in walked.objects {
            let stored = self.store.ids_between(connection, *object, from, to).await?;
            missing.extend(stored.into_iter().filter(|of| !shown.contains(of)));
        }
        let companies: Vec<RecordRef> = missing.iter().filter(|of| of.object == Object::Company).cloned().collect();
        let gone: HashSet<RecordRef> = self
            .store
            .companies(&companies)
            .await?
            .into_iter()
            .filter(|known| known.is_gone)
            .map(|known| known.of)
            .collect();
        missing.retain(|of| !gone.contains(of));
        Ok(missing)
    }

    /// How many of the missing people the CRM does not show by their id either, gone or hidden.
    fn not_shown(&self, missing: &[RecordRef], observations: &[Observation]) -> usize {
        let is_shown = |of: &&RecordRef| {
            let mut ours = observations.iter().filter(|seen| seen.of == **of);
            ours.any(|seen| matches!(seen.content, Content::Person(_) | Content::MergedInto(_)))
        };
        missing.iter().filter(|of| of.object == Object::Person).filter(|of| !is_shown(of)).count()
    }

    /// How many more people are gone on the pages after one from which a great share is: a mass is seen before any of it is
    /// believed, however few of it stand on the page that meets it first. Looks on from the beginning after the end.
    async fn look_ahead(
        &self,
        connector: &Arc<dyn Connector>,
        stream: &Stream,
        round: &Round,
        (gone_here, shown_here): (usize, usize),
        next: Option<&RemoteId>,
    ) -> Result<usize, EngineError> {
        let percent_max = usize::from(self.vanish_max.get(connector.id()).copied().unwrap_or(PERCENT_MAX));
        let (mut gone, mut shown) = (gone_here, shown_here);
        let mut from = next.cloned();
        for _ in 0..AHEAD_MAX {
            let is_great = gone >= SUSPICIOUS_LEAST && gone * 100 > percent_max * (gone + shown);
            // Either it is no great share any more, or it is judged as it is.
            if !is_great || gone >= GONE_LEAST || from == round.next {
                break;
            }
            let at = Round { next: from.clone(), ..round.clone() };
            let Some(walked) = connector.walk(stream, from.as_ref(), self.clock.now()).await? else { break };
            let missing = self.missing(connector.id(), &at, &walked).await?;
            let read = if missing.is_empty() { Vec::new() } else { connector.read(&missing).await? };
            gone += self.not_shown(&missing, &read);
            shown += people(&walked.observations);
            from = walked.next;
        }
        Ok(gone - gone_here)
    }

    /// Goes on unless too many people are not shown any more, on these pages and within the last day: then a permission shrank,
    /// more likely, and nothing of it is believed, nor what the connection does not show of touches, until they are there
    /// again or a person says so.
    async fn believe(
        &self,
        connection: &ConnectionId,
        round: &Round,
        gone: usize,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        // A slow round is longer than a day, and people who are only hidden are counted nowhere else.
        let before = usize::try_from(round.gone).unwrap_or(usize::MAX);
        let vanished = match self.judge_vanishing(connection, Road::Patrol, gone, before).await {
            Err(EngineError::Vanished(vanished)) => vanished,
            other => return other,
        };
        let error = EngineError::Vanished(vanished.clone());
        let since = round.halted.as_ref().map_or(now, |(since, _)| *since);
        let halted = Round { halted: Some((since, error.to_string())), ..round.clone() };
        self.feeds.set_halt(&halted);
        // A look of the feed that goes to its end says nothing of what its list lacks, so this is a finding of its own.
        let finding = Finding { subject: halt_subject(connection), ..vanished.finding() };
        let batch = Batch { rounds: vec![halted], findings: vec![finding], now: Some(now), ..Batch::default() };
        self.store.commit(&batch).await?;
        Err(error)
    }
}

/// What the finding on a patrol that does not go on is about.
fn halt_subject(connection: &ConnectionId) -> Subject {
    Subject::Connection(connection.clone(), Name::from("patrol"))
}

/// The people among `observations`.
fn people(observations: &[Observation]) -> usize {
    observations.iter().filter(|seen| matches!(seen.content, Content::Person(_))).count()
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
