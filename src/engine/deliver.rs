//! Sends what was decided: claims rows of the outbox under a lease, sends them, and settles each by itself.
//!
//! Delivery is at least once. A write whose outcome is unknown is looked for in the CRM before it is repeated; a notice
//! that may have gone out is repeated once, under the same id, and counted as possibly repeated.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::connector::{Addressed, Connector, ConnectorError, Done, Outcome};
use crate::domain::finding::{Finding, FindingKind, Subject};
use crate::domain::id::{ConnectionId, Name};
use crate::domain::plan::{Effect, Write};
use crate::domain::record::{Link, LinkRule, PersonRecord};
use crate::domain::retry::{self, Jitter, Next, Verdict};
use crate::http::Client;
use crate::notify::{BUNDLE_MAX, Channel, Letter, Sent};
use crate::store::{Batch, Claim, Outgoing, Settlement};

use super::{Engine, EngineError};

/// How long a claim is ours. Longer than any request may take.
pub const LEASE: SignedDuration = SignedDuration::from_mins(2);

/// How long a write of unknown outcome rests before it is looked for: longer than a CRM's own limit for a request that
/// it still works on would be too long for people, so a look that finds nothing is only the first of several.
const LOOK_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// Writes that are claimed at once for one connection.
const WRITES_MAX: usize = 100;

/// Notices that go out one by one; when more wait for one channel, they are bundled.
const SINGLE_MAX: usize = 3;

/// What a delivery pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Rows that were claimed.
    pub claimed: usize,
    /// Rows that took effect.
    pub done: usize,
}

impl Engine {
    /// Sends what is queued for one connection, at most [`WRITES_MAX`] rows.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails. What the CRM answers is settled row by row, never an error of the pass.
    pub async fn deliver(&self, connection: &ConnectionId) -> Result<Delivered, EngineError> {
        let Some(connector) = self.connector(connection).cloned() else { return Ok(Delivered::default()) };
        // Leases and waits run on real time, whatever the domain's clock does.
        let claims = self.store.claim_writes(connection, self.clock.wall(), LEASE, WRITES_MAX).await?;
        let mut delivered = Delivered { claimed: claims.len(), done: 0 };
        if claims.is_empty() {
            return Ok(delivered);
        }
        let (unknown, fresh): (Vec<Claim>, Vec<Claim>) = claims.into_iter().partition(|claim| claim.is_unknown);
        for claim in unknown {
            delivered.done += self.look_and_settle(&connector, claim).await?;
        }
        delivered.done += self.push_and_settle(&connector, fresh).await?;
        Ok(delivered)
    }

    /// Looks whether a write of unknown outcome took effect; only a clear no lets it be repeated.
    async fn look_and_settle(&self, connector: &Arc<dyn Connector>, claim: Claim) -> Result<usize, EngineError> {
        let Outgoing::Write(write) = &claim.what else { return Ok(0) };
        let addressed = match self.address(write, claim.attempt).await? {
            Ok(addressed) => addressed,
            Err(outcome) => return self.settle_one(connector, &claim, outcome).await,
        };
        match connector.find_effect(&addressed).await {
            Ok(Some(done)) => self.settle_one(connector, &claim, Outcome::Done(done)).await,
            Ok(None) => {
                let outcomes = connector.push(std::slice::from_ref(&addressed)).await;
                let outcome = outcomes.into_iter().next().map_or_else(missing_answer, |(_, outcome)| outcome);
                self.settle_one(connector, &claim, outcome).await
            }
            Err(error) => self.settle_one(connector, &claim, cannot_look(&error)).await,
        }
    }

    async fn push_and_settle(&self, connector: &Arc<dyn Connector>, claims: Vec<Claim>) -> Result<usize, EngineError> {
        let mut done = 0;
        let mut addressed = Vec::new();
        let mut sent = Vec::new();
        for claim in claims {
            let Outgoing::Write(write) = &claim.what else { continue };
            match self.address(write, claim.attempt).await? {
                Ok(one) => {
                    addressed.push(one);
                    sent.push(claim);
                }
                Err(outcome) => done += self.settle_one(connector, &claim, outcome).await?,
            }
        }
        if addressed.is_empty() {
            return Ok(done);
        }
        let outcomes = connector.push(&addressed).await;
        for claim in sent {
            let outcome = outcomes.iter().find(|(op, _)| *op == claim.op).map(|(_, outcome)| outcome.clone());
            done += self.settle_one(connector, &claim, outcome.unwrap_or_else(missing_answer)).await?;
        }
        Ok(done)
    }

    /// Finds the record that a write goes to: an earlier write of the same lead may have made it meanwhile.
    async fn address(&self, write: &Write, attempt: u32) -> Result<Result<Addressed, Outcome>, EngineError> {
        let is_create = matches!(write.effect, Effect::Create { .. });
        let record = match &write.record {
            Some(record) => Some(record.clone()),
            None if is_create => None,
            None => self.store.journey_record(write.lead, &write.connection).await?,
        };
        if record.is_none() && !is_create {
            return Ok(Err(Outcome::Again {
                after: None,
                counts: true,
                message: format!("the lead has no record in {} yet", write.connection),
            }));
        }
        Ok(Ok(Addressed { write: write.clone(), record, attempt }))
    }

    async fn settle_one(
        &self,
        connector: &Arc<dyn Connector>,
        claim: &Claim,
        outcome: Outcome,
    ) -> Result<usize, EngineError> {
        let Outgoing::Write(write) = &claim.what else { return Ok(0) };
        let now = self.clock.now();
        let mut batch = Batch { now: Some(now), ..Batch::default() };
        let is_done = matches!(outcome, Outcome::Done(_));
        let settlement = match outcome {
            Outcome::Done(done) => {
                self.link_made(connector, write, &done, now, &mut batch).await?;
                Settlement::Done { at: now, made: done.made }
            }
            Outcome::Superseded { found } => Settlement::Dead { at: now, message: found },
            Outcome::Refused { message } => {
                batch.findings.push(refused(write, &message));
                Settlement::Dead { at: now, message }
            }
            Outcome::Again { after, counts, message } => self.next(claim, after, counts, message, write, &mut batch),
            Outcome::Unknown { message } => Settlement::Unknown { not_before: self.clock.wall() + LOOK_AFTER, message },
        };
        let _deciding = self.deciding.lock().await;
        self.store.settle(claim, &settlement, &batch).await?;
        tracing::debug!(op = %claim.op, lead.id = %write.lead, connection.id = %write.connection, attempt = claim.attempt,
            effect = write.effect.as_str(), "settled as {}", settlement.as_str());
        Ok(usize::from(is_done))
    }

    fn next(
        &self,
        claim: &Claim,
        after: Option<Duration>,
        counts: bool,
        message: String,
        write: &Write,
        batch: &mut Batch,
    ) -> Settlement {
        let verdict = Verdict::Again { after: after.map(domain_time), counts };
        match retry::next_attempt(
            self.clock.wall(),
            claim.tries.saturating_sub(1),
            verdict,
            Jitter::new(fastrand::f64()),
        ) {
            Next::At { at, .. } => Settlement::Again { not_before: at, counts, message },
            Next::Dead { .. } => {
                batch.findings.push(refused(write, &message));
                Settlement::Dead {
                    at: self.clock.now(),
                    message: format!("given up after {} tries: {message}", claim.tries),
                }
            }
        }
    }

    /// A record that a write made belongs to its lead from this moment, before any stream shows it.
    async fn link_made(
        &self,
        connector: &Arc<dyn Connector>,
        write: &Write,
        done: &Done,
        now: Timestamp,
        batch: &mut Batch,
    ) -> Result<(), EngineError> {
        let Some(made) = done.made.as_ref().filter(|_| matches!(write.effect, Effect::Create { .. })) else {
            return Ok(());
        };
        let link = Link { lead: write.lead, rule: LinkRule::Made, at: now };
        match connector.read(std::slice::from_ref(made)).await {
            Ok(observations) => {
                let known = self.store.people(std::slice::from_ref(made)).await?;
                for observation in observations {
                    if let Some(record) = made_record(known.first(), &observation, link.clone()) {
                        batch.people.push(record);
                    }
                }
            }
            // The poll will show it, and its key will link it.
            Err(error) => {
                tracing::warn!(lead.id = %write.lead, connection.id = %write.connection, "cannot read back: {error}");
            }
        }
        Ok(())
    }
}

/// Channels by the names that the roster uses: `slack.dach`.
#[derive(Clone, Debug, Default)]
pub struct Channels {
    /// Each channel under its name.
    pub by_name: Vec<(Name, Channel)>,
    /// Where a notice goes whose own channel is gone.
    pub fallback: Option<Name>,
}

impl Channels {
    fn get(&self, name: &Name) -> Option<&Channel> {
        self.by_name.iter().find(|(known, _)| known == name).map(|(_, channel)| channel)
    }
}

impl Engine {
    /// Sends the notices that wait, channel by channel: singly, or bundled when they are many.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails.
    pub async fn deliver_notices(&self, client: &Client, channels: &Channels) -> Result<Delivered, EngineError> {
        let mut delivered = Delivered::default();
        for channel in self.store.channels_waiting(self.clock.wall()).await? {
            let claims = self.store.claim_notices(&channel, self.clock.wall(), LEASE, BUNDLE_MAX).await?;
            delivered.claimed += claims.len();
            if claims.is_empty() {
                continue;
            }
            let more = self.store.notices_waiting(&channel, self.clock.wall()).await?;
            let size = if claims.len() + more > SINGLE_MAX { claims.len() } else { 1 };
            for bundle in claims.chunks(size) {
                let more = if size == 1 { 0 } else { more };
                delivered.done += self.send_bundle(client, channels, &channel, bundle, more).await?;
            }
        }
        Ok(delivered)
    }

    async fn send_bundle(
        &self,
        client: &Client,
        channels: &Channels,
        name: &Name,
        claims: &[Claim],
        more: usize,
    ) -> Result<usize, EngineError> {
        let letters: Vec<Letter> = claims.iter().filter_map(|claim| self.letter(claim)).collect();
        let now = self.clock.now();
        let mut sent = match channels.get(name) {
            Some(channel) => channel.send(client, &letters, more, self.clock.wall()).await,
            None => Sent::Dead { message: format!("no channel {name} is set up under [notify]") },
        };
        let mut batch = Batch { now: Some(now), ..Batch::default() };
        if let Sent::Dead { message } = &sent {
            batch.findings.push(Finding {
                kind: FindingKind::Undeliverable,
                subject: Subject::Policy(name.clone()),
                text: format!("notices for {name} do not arrive: {message}"),
            });
            if let Some(other) = channels.fallback.as_ref().filter(|other| *other != name)
                && let Some(channel) = channels.get(other)
            {
                sent = channel.send(client, &letters, more, self.clock.wall()).await;
            }
        }
        let mut done = 0;
        for (at, claim) in claims.iter().enumerate() {
            let settlement = match &sent {
                Sent::Done => Settlement::Done { at: now, made: None },
                Sent::Dead { message } => Settlement::Dead { at: now, message: message.clone() },
                // It may have arrived: repeated once the lease is over, under the same id and marked.
                Sent::Unknown { message } => {
                    Settlement::Unknown { not_before: self.clock.wall() + LOOK_AFTER, message: message.clone() }
                }
                Sent::Again { after, message } => {
                    let verdict = Verdict::Again { after: after.map(domain_time), counts: true };
                    match retry::next_attempt(
                        self.clock.wall(),
                        claim.tries.saturating_sub(1),
                        verdict,
                        Jitter::new(fastrand::f64()),
                    ) {
                        Next::At { at, .. } => {
                            Settlement::Again { not_before: at, counts: true, message: message.clone() }
                        }
                        Next::Dead { .. } => Settlement::Dead { at: now, message: message.clone() },
                    }
                }
            };
            done += usize::from(matches!(settlement, Settlement::Done { .. }));
            let findings =
                if at == 0 { std::mem::take(&mut batch) } else { Batch { now: Some(now), ..Batch::default() } };
            self.store.settle(claim, &settlement, &findings).await?;
        }
        Ok(done)
    }

    fn letter(&self, claim: &Claim) -> Option<Letter> {
        let Outgoing::Notice(notice) = &claim.what else { return None };
        let roster = &self.rules.load().roster;
        let slack = |person| roster.people.get(person).and_then(|known| known.slack.clone());
        let people = notice.people.iter().map(|person| (person.clone(), slack(person))).collect();
        Some(Letter { notice: notice.clone(), people, may_repeat: claim.is_unknown })
    }
}

fn made_record(
    known: Option<&PersonRecord>,
    observation: &crate::domain::observation::Observation,
    link: Link,
) -> Option<PersonRecord> {
    let (mut record, _) = crate::domain::reconcile::absorb(known.cloned(), observation, link.clone())?;
    record.link = link;
    Some(record)
}

fn refused(write: &Write, message: &str) -> Finding {
    Finding {
        kind: FindingKind::Refused,
        subject: Subject::Lead(write.lead),
        text: format!("{} refused to write {}: {message}", write.connection, write.effect.as_str()),
    }
}

fn missing_answer() -> Outcome {
    Outcome::Unknown { message: "the CRM's answer does not name this write".to_owned() }
}

fn cannot_look(error: &ConnectorError) -> Outcome {
    Outcome::Unknown { message: format!("cannot look whether it took effect: {error}") }
}

fn domain_time(wait: Duration) -> SignedDuration {
    SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX)
}
