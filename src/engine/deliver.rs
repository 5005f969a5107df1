//! Sends what was decided: claims rows of the outbox under a lease, sends them, and settles each by itself.
//!
//! Delivery is at least once. A write whose outcome is unknown is looked for in the CRM before it is repeated. Notices go out
//! by `tell`: one that may have gone out is repeated once, under the same id, and counted as possibly repeated.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::connector::{Addressed, Before, Connector, ConnectorError, Done, NotKept, Outcome};
use crate::domain::breaker::Admission;
use crate::domain::counted::many;
use crate::domain::finding::{Finding, FindingKind, Subject};
use crate::domain::id::{ConnectionId, LeadId, OperationId, RecordRef};
use crate::domain::plan::{Leaving, Mode, Write};
use crate::domain::record::{Link, LinkRule, PersonRecord};
use crate::domain::retry::{self, Jitter, Next, Verdict};
use crate::store::{Batch, Claim, Settlement, Store, StoreError};

pub use super::tell::Channels;
use super::{Engine, EngineError};

/// How long a claim is ours. Longer than any request may take.
pub const LEASE: SignedDuration = SignedDuration::from_mins(2);

/// How long a write of unknown outcome rests before it is looked for: longer than a CRM's own limit for a request that
/// it still works on would be too long for people, so a look that finds nothing is only the first of several.
pub(super) const LOOK_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// What a delivery pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Rows that were claimed.
    pub claimed: usize,
    /// Rows that took effect.
    pub done: usize,
}

impl Engine {
    /// Sends what is queued for one connection, at most as many rows as its CRM takes at once.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails. What the CRM answers is settled row by row, never an error of the pass.
    pub async fn deliver(&self, connection: &ConnectionId) -> Result<Delivered, EngineError> {
        let Some(connector) = self.connector(connection).cloned() else { return Ok(Delivered::default()) };
        // What was queued before writes were turned off stays where it is, as does what a person has stopped.
        if self.rules.load().writes == Mode::Off || self.paused.load().stops(connection) {
            return Ok(Delivered::default());
        }
        self.hold_over_caps(connection).await?;
        let limit = match self.feeds.admit(connection, self.clock.steady()) {
            Admission::Free => connector.writes_at_once(),
            Admission::Probe => 1,
            Admission::Wait(_) => return Ok(Delivered::default()),
        };
        // Leases and waits run on real time, whatever the domain's clock does.
        let claims = self.store.claim_writes(connection, self.clock.steady(), LEASE, limit).await?;
        let mut delivered = Delivered { claimed: claims.len(), done: 0 };
        if claims.is_empty() {
            self.feeds.unused(connection);
            return Ok(delivered);
        }
        let (unknown, fresh): (Vec<Claim>, Vec<Claim>) = claims.into_iter().partition(|claim| claim.is_unknown);
        for claim in unknown {
            let outcome = self.look_and_repeat(&connector, &claim).await?;
            delivered.done += self.settle_writes(&connector, vec![(claim, outcome)]).await?;
        }
        let answered = self.push(&connector, fresh).await?;
        delivered.done += self.settle_writes(&connector, answered).await?;
        self.keep_name(&connector).await?;
        self.keep_spent(&connector).await?;
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
                let mut again = [Ok(addressed)];
                self.with_presence(&mut again).await?;
                let [again] = again;
                match again {
                    Ok(again) => self.send_one(connector, again, claim).await?,
                    Err(outcome) => outcome,
                }
            }
            Err(error) => cannot_look(&error),
        })
    }

    async fn send_one(
        &self,
        connector: &Arc<dyn Connector>,
        write: Addressed,
        claim: &Claim,
    ) -> Result<Outcome, EngineError> {
        let outcomes = self.send(connector, &[write], std::slice::from_ref(claim)).await?;
        Ok(outcomes.into_iter().next().map_or_else(missing_answer, |(_, outcome)| outcome))
    }

    /// Sends claims for the first time, or after it was sure that they had no effect.
    async fn push(
        &self,
        connector: &Arc<dyn Connector>,
        claims: Vec<Claim>,
    ) -> Result<Vec<(Claim, Outcome)>, EngineError> {
        let mut addressed = Vec::with_capacity(claims.len());
        let mut outcomes: HashMap<OperationId, Outcome> = HashMap::new();
        let mut places = self.address(connector.id(), &claims).await?;
        self.with_presence(&mut places).await?;
        for (claim, one) in claims.iter().zip(places) {
            match one {
                Ok(one) => addressed.push(one),
                Err(outcome) => drop(outcomes.insert(claim.op, outcome)),
            }
        }
        if !addressed.is_empty() {
            outcomes.extend(self.send(connector, &addressed, &claims).await?);
        }
        let answer = |claim: Claim| {
            let outcome = outcomes.remove(&claim.op).unwrap_or_else(missing_answer);
            (claim, outcome)
        };
        Ok(claims.into_iter().map(answer).collect())
    }

    /// Sends writes of these claims, each after what it replaces is durable.
    async fn send(
        &self,
        connector: &Arc<dyn Connector>,
        writes: &[Addressed],
        claims: &[Claim],
    ) -> Result<Vec<(OperationId, Outcome)>, EngineError> {
        let keeper = Keeper { store: &self.store, clock: &self.clock, claims, failed: Mutex::default() };
        let outcomes = connector.push(writes, &keeper).await;
        let failed = keeper.failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        failed.map_or(Ok(outcomes), |error| Err(error.into()))
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
            Ok(Addressed { write: write.clone(), record, attempt: claim.attempt, earlier: claim.earlier.clone() })
        };
        let mut addressed: Vec<Result<Addressed, Outcome>> = writes().map(address).collect();
        self.with_consent(&mut addressed).await?;
        Ok(addressed)
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
        self.note_outcomes(connector.id(), answered.iter().map(|(_, outcome)| outcome));
        let mut done = 0;
        let mut settled = Vec::with_capacity(answered.len());
        for (claim, outcome) in answered {
            let Some(write) = claim.write() else { continue };
            let settlement = match outcome {
                Outcome::Done(effect) => {
                    done += 1;
                    Settlement::Done { at: now, made: effect.made, was: effect.was }
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

    /// Notes whether the connection answers: one of many writes that is answered is enough.
    fn note_outcomes<'a>(&self, connection: &ConnectionId, outcomes: impl Iterator<Item = &'a Outcome>) {
        let mut failed = false;
        for outcome in outcomes {
            match outcome {
                Outcome::Done(_) | Outcome::Superseded { .. } | Outcome::Refused { .. } => {
                    return self.feeds.answered(connection);
                }
                Outcome::Unknown { .. } | Outcome::Again { counts: true, .. } => failed = true,
                Outcome::Again { counts: false, .. } => {}
            }
        }
        if failed {
            self.feeds.failed(connection, self.clock.steady(), false);
        }
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
                    message: format!("given up after {}: {message}", many(claim.tries, "try", "tries")),
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
                    if let Some(record) = known.filter(|record| record.link.lead != link.lead && is_by_hand(record)) {
                        batch.findings.push(Finding {
                            kind: FindingKind::SamePerson,
                            subject: Subject::Lead(link.lead),
                            text: format!(
                                "{} was found for this lead, but a person said that it is {}: if they are one person, \
                                 join them with baton link",
                                record.of, record.link.lead
                            ),
                        });
                        continue;
                    }
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

/// Keeps what is known of writes with their rows of the outbox, before they are sent.
struct Keeper<'a> {
    store: &'a Store,
    clock: &'a Clock,
    claims: &'a [Claim],
    /// Why the store could not: that is the pass's failure, not the write's.
    failed: Mutex<Option<StoreError>>,
}

#[async_trait]
impl Before for Keeper<'_> {
    async fn keep(&self, leaving: Vec<Leaving>) -> Result<(), NotKept> {
        let row = |leaving: Leaving| {
            let claim = self.claims.iter().find(|claim| claim.op == leaving.op)?;
            Some((claim.attempt, leaving))
        };
        let rows = leaving.into_iter().filter_map(row).collect();
        self.store.keep_leaving(rows, self.clock.steady()).await.map_err(|error| {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            NotKept
        })
    }
}

/// Did a person say whose record it is? Then no search changes that.
fn is_by_hand(record: &PersonRecord) -> bool {
    matches!(record.link.rule, LinkRule::Joined { .. } | LinkRule::Parted { .. })
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

pub(super) fn domain_time(wait: Duration) -> SignedDuration {
    SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX)
}
