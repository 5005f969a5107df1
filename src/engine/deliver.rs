//! Sends what was decided: claims rows of the outbox under a lease, sends them, and settles each by itself.
//!
//! Delivery is at least once. A write whose outcome is unknown is looked for in the CRM before it is repeated; a notice
//! that may have gone out is repeated once, under the same id, and counted as possibly repeated.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::connector::{Addressed, Connector, ConnectorError, Done, Outcome};
use crate::domain::finding::{Checked, Finding, FindingKind, Subject};
use crate::domain::id::{ConnectionId, LeadId, Name, OperationId, RecordRef};
use crate::domain::plan::Write;
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
        let claims = self.store.claim_writes(connection, self.clock.steady(), LEASE, WRITES_MAX).await?;
        let mut delivered = Delivered { claimed: claims.len(), done: 0 };
        if claims.is_empty() {
            return Ok(delivered);
        }
        let (unknown, fresh): (Vec<Claim>, Vec<Claim>) = claims.into_iter().partition(|claim| claim.is_unknown);
        for claim in unknown {
            let outcome = self.look_and_repeat(&connector, &claim).await?;
            delivered.done += self.settle_writes(&connector, vec![(claim, outcome)]).await?;
        }
        let answered = self.push(&connector, fresh).await?;
        delivered.done += self.settle_writes(&connector, answered).await?;
        Ok(delivered)
    }

    /// Looks whether a write of unknown outcome took effect; only a clear no lets it be repeated.
    async fn look_and_repeat(&self, connector: &Arc<dyn Connector>, claim: &Claim) -> Result<Outcome, EngineError> {
        let addressed = match self.address(connector.id(), std::slice::from_ref(claim)).await?.pop() {
            Some(Ok(addressed)) => addressed,
            Some(Err(outcome)) => return Ok(outcome),
            None => return Ok(missing_answer()),
        };
        Ok(match connector.find_effect(&addressed).await {
            Ok(Some(done)) => Outcome::Done(done),
            Ok(None) => {
                let outcomes = connector.push(std::slice::from_ref(&addressed)).await;
                outcomes.into_iter().next().map_or_else(missing_answer, |(_, outcome)| outcome)
            }
            Err(error) => cannot_look(&error),
        })
    }

    /// Sends claims for the first time, or after it was sure that they had no effect.
    async fn push(
        &self,
        connector: &Arc<dyn Connector>,
        claims: Vec<Claim>,
    ) -> Result<Vec<(Claim, Outcome)>, EngineError> {
        let mut addressed = Vec::with_capacity(claims.len());
        let mut outcomes: HashMap<OperationId, Outcome> = HashMap::new();
        for (claim, one) in claims.iter().zip(self.address(connector.id(), &claims).await?) {
            match one {
                Ok(one) => addressed.push(one),
                Err(outcome) => drop(outcomes.insert(claim.op, outcome)),
            }
        }
        if !addressed.is_empty() {
            outcomes.extend(connector.push(&addressed).await);
        }
        let answer = |claim: Claim| {
            let outcome = outcomes.remove(&claim.op).unwrap_or_else(missing_answer);
            (claim, outcome)
        };
        Ok(claims.into_iter().map(answer).collect())
    }

    /// Finds the record that each write goes to, in the order of `claims`: an earlier write of the same lead may have
    /// made it meanwhile. A claim is never a notice here.
    async fn address(
        &self,
        connection: &ConnectionId,
        claims: &[Claim],
    ) -> Result<Vec<Result<Addressed, Outcome>>, EngineError> {
        let writes = || claims.iter().filter_map(|claim| Some((claim, claim.write()?)));
        let homeless = writes().filter(|(_, write)| write.record.is_none() && !write.effect.makes_record());
        let homeless: Vec<LeadId> = homeless.map(|(_, write)| write.lead).collect();
        let homes = self.store.journey_records(connection, &homeless).await?;
        let address = |(claim, write): (&Claim, &Write)| {
            let record = write.record.clone().or_else(|| homes.get(&write.lead).cloned());
            if record.is_none() && !write.effect.makes_record() {
                return Err(Outcome::Again {
                    after: None,
                    counts: true,
                    message: format!("the lead has no record in {connection} yet"),
                });
            }
            Ok(Addressed { write: write.clone(), record, attempt: claim.attempt })
        };
        Ok(writes().map(address).collect())
    }

    /// Settles writes as the CRM answered, in one transaction. Says how many took effect.
    async fn settle_writes(
        &self,
        connector: &Arc<dyn Connector>,
        answered: Vec<(Claim, Outcome)>,
    ) -> Result<usize, EngineError> {
        if answered.is_empty() {
            return Ok(0);
        }
        let now = self.clock.now();
        let mut batch = Batch { now: Some(now), ..Batch::default() };
        self.link_made(connector, &answered, now, &mut batch).await?;
        let mut done = 0;
        let mut settled = Vec::with_capacity(answered.len());
        for (claim, outcome) in answered {
            let Some(write) = claim.write() else { continue };
            let settlement = match outcome {
                Outcome::Done(effect) => {
                    done += 1;
                    Settlement::Done { at: now, made: effect.made }
                }
                Outcome::Superseded { found } => Settlement::Dead { at: now, message: found },
                Outcome::Refused { message } => {
                    batch.findings.push(refused(write, &message));
                    Settlement::Dead { at: now, message }
                }
                Outcome::Again { after, counts, message } => {
                    self.next(&claim, after, counts, message, write, &mut batch)
                }
                Outcome::Unknown { message } => {
                    Settlement::Unknown { not_before: self.clock.steady() + LOOK_AFTER, message }
                }
            };
            tracing::debug!(op = %claim.op, lead.id = %write.lead, connection.id = %write.connection,
                attempt = claim.attempt, effect = write.effect.as_str(), "settled as {}", settlement.as_str());
            settled.push((claim, settlement));
        }
        let _deciding = self.deciding.lock().await;
        let lapsed = self.store.settle(&settled, &batch).await?;
        for op in lapsed {
            tracing::warn!(%op, "the lease ended before the answer came; whoever claimed it next looks for its effect");
        }
        Ok(done)
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
            self.clock.steady(),
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

    /// Records that writes made belong to their leads from this moment, before any stream shows them.
    async fn link_made(
        &self,
        connector: &Arc<dyn Connector>,
        answered: &[(Claim, Outcome)],
        now: Timestamp,
        batch: &mut Batch,
    ) -> Result<(), EngineError> {
        let mut links: BTreeMap<RecordRef, Link> = BTreeMap::new();
        for (claim, outcome) in answered {
            if let (Some(write), Outcome::Done(Done { made: Some(made), .. })) = (claim.write(), outcome)
                && write.effect.makes_record()
            {
                links.insert(made.clone(), Link { lead: write.lead, rule: LinkRule::Made, at: now });
            }
        }
        if links.is_empty() {
            return Ok(());
        }
        let refs: Vec<RecordRef> = links.keys().cloned().collect();
        match connector.read(&refs).await {
            Ok(observations) => {
                let known = self.store.people(&refs).await?;
                for observation in observations {
                    let Some(link) = links.get(&observation.of) else { continue };
                    let known = known.iter().find(|record| record.of == observation.of);
                    batch.people.extend(made_record(known, &observation, link.clone()));
                }
            }
            // The poll will show them, and their keys will link them.
            Err(error) => {
                tracing::warn!(connection.id = %connector.id(), records = refs.len(), "cannot read back: {error}");
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
        for channel in self.store.channels_waiting(self.clock.steady()).await? {
            let mut claims = self.store.claim_notices(&channel, self.clock.steady(), LEASE, BUNDLE_MAX).await?;
            delivered.claimed += claims.len();
            if claims.is_empty() {
                continue;
            }
            let more = self.store.notices_waiting(&channel, self.clock.steady()).await?;
            let size = if claims.len() + more > SINGLE_MAX { claims.len() } else { 1 };
            // What may have arrived before goes by itself: its fate is another.
            claims.sort_by_key(|claim| claim.doubts);
            for alike in claims.chunk_by(|one, other| one.doubts == other.doubts) {
                for bundle in alike.chunks(size) {
                    let more = if size == 1 { 0 } else { more };
                    delivered.done += self.send_bundle(client, channels, &channel, bundle, more).await?;
                }
            }
        }
        Ok(delivered)
    }

    /// Sends claims of one channel that are equally in doubt as one message, and settles them.
    ///
    /// What may have arrived twice is not sent there again: nobody gets a third. It goes to the fallback, as does what the
    /// channel refuses or has not taken after all tries.
    async fn send_bundle(
        &self,
        client: &Client,
        channels: &Channels,
        name: &Name,
        claims: &[Claim],
        more: usize,
    ) -> Result<usize, EngineError> {
        let doubts = claims.first().map_or(0, |claim| claim.doubts);
        let sent = match channels.get(name) {
            _ if doubts > 1 => Sent::Dead { message: UNANSWERED_TWICE.to_owned() },
            Some(channel) => channel.send(client, &letters(claims, doubts > 0), more, self.clock.wall()).await,
            None => Sent::Dead { message: format!("no channel {name} is set up under [notify]") },
        };
        let refusal = match &sent {
            Sent::Dead { message } => Some(message.clone()),
            Sent::Unknown { message } if doubts > 0 => Some(format!("{UNANSWERED_TWICE}: {message}")),
            Sent::Again { message, .. } if claims.iter().any(|claim| self.is_used_up(claim)) => {
                Some(format!("given up after all tries: {message}"))
            }
            Sent::Done | Sent::Again { .. } | Sent::Unknown { .. } => None,
        };
        // A second message without an answer is one more that may have arrived, wherever the notice goes now.
        let doubts_now = doubts + u32::from(refusal.is_some() && matches!(sent, Sent::Unknown { .. }));
        let now = self.clock.now();
        let mut batch = Batch { now: Some(now), ..Batch::default() };
        if matches!(sent, Sent::Done) {
            batch.checked.push(Checked::One(FindingKind::Undeliverable, Subject::Policy(name.clone())));
        }
        let outcome = match refusal {
            None => sent,
            Some(message) => {
                let other = channels.fallback.as_ref().filter(|other| *other != name);
                let other = other.and_then(|other| Some((other, channels.get(other)?)));
                let instead = other.map_or_else(String::new, |(other, _)| format!("; they go to {other} instead"));
                batch.findings.push(Finding {
                    kind: FindingKind::Undeliverable,
                    subject: Subject::Policy(name.clone()),
                    text: format!("notices for {name} do not arrive: {message}{instead}"),
                });
                match other {
                    None => Sent::Dead { message },
                    Some((_, channel)) => {
                        let letters = letters(claims, doubts_now > 0);
                        match channel.send(client, &letters, more, self.clock.wall()).await {
                            // The fallback was in doubt before, too.
                            Sent::Unknown { message } if doubts > 1 => Sent::Dead { message },
                            sent => sent,
                        }
                    }
                }
            }
        };
        let wait = Jitter::new(fastrand::f64());
        let settled: Vec<(Claim, Settlement)> = claims
            .iter()
            .map(|claim| {
                let settlement = self.settlement(claim, &outcome, wait, now);
                (Claim { doubts: doubts_now, ..claim.clone() }, settlement)
            })
            .collect();
        let lapsed = self.store.settle(&settled, &batch).await?;
        for op in lapsed {
            tracing::warn!(%op, "the lease ended before the channel answered; the notice will come again");
        }
        Ok(settled.iter().filter(|(_, settlement)| matches!(settlement, Settlement::Done { .. })).count())
    }

    /// What becomes of one claim of a message; all of a bundle wait equally long.
    fn settlement(&self, claim: &Claim, sent: &Sent, wait: Jitter, now: Timestamp) -> Settlement {
        match sent {
            Sent::Done => Settlement::Done { at: now, made: None },
            Sent::Dead { message } => Settlement::Dead { at: now, message: message.clone() },
            // It may have arrived: repeated once, under the same id and marked.
            Sent::Unknown { message } => {
                Settlement::Unknown { not_before: self.clock.steady() + LOOK_AFTER, message: message.clone() }
            }
            Sent::Again { after, message } => match self.next_try(claim, after.map(domain_time), wait) {
                Next::At { at, .. } => Settlement::Again { not_before: at, counts: true, message: message.clone() },
                Next::Dead { .. } => Settlement::Dead { at: now, message: message.clone() },
            },
        }
    }

    fn next_try(&self, claim: &Claim, after: Option<SignedDuration>, wait: Jitter) -> Next {
        let verdict = Verdict::Again { after, counts: true };
        retry::next_attempt(self.clock.steady(), claim.tries.saturating_sub(1), verdict, wait)
    }

    fn is_used_up(&self, claim: &Claim) -> bool {
        matches!(self.next_try(claim, None, Jitter::new(0.0)), Next::Dead { .. })
    }
}

/// What is said of a notice that may have arrived twice.
const UNANSWERED_TWICE: &str = "sent twice without an answer, so it may have arrived twice";

/// The claims' notices as they were frozen, marked if they may have arrived before.
fn letters(claims: &[Claim], may_repeat: bool) -> Vec<Letter> {
    let notices = claims.iter().filter_map(|claim| match &claim.what {
        Outgoing::Notice(notice) => Some(notice.clone()),
        Outgoing::Write(_) => None,
    });
    notices.map(|notice| Letter { notice, may_repeat }).collect()
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
