//! Takes writes back that took effect: each only where the CRM shows that nobody touched the record since.

use std::collections::{BTreeMap, HashMap};

use crate::connector::Connector;
use crate::domain::decide::order;
use crate::domain::id::{ConnectionId, LeadId, OperationId, RecordRef};
use crate::domain::observation::Observation;
use crate::domain::plan::{Effect, Lane, Mode, Policy, Write};
use crate::domain::record::PersonRecord;
use crate::domain::sales;
use crate::domain::undo::{self, Done, Undo};
use crate::store::Batch;

use super::judge::TOUCHES_BACK;
use super::propose::{OrderError, Selection};
use super::{Engine, EngineError, LEADS_MAX};

/// Effects of one undo; a larger batch is taken back in several.
pub const UNDO_MAX: usize = 2_000;

/// What taking back came to.
#[derive(Clone, Debug, Default)]
pub struct Undone {
    /// One line for each effect that was meant, in the order in which they took effect.
    pub rows: Vec<UndoneRow>,
}

/// What became of one effect that was to be taken back.
#[derive(Clone, Debug)]
pub struct UndoneRow {
    /// The effect.
    pub op: OperationId,
    /// Whose.
    pub lead: LeadId,
    /// Where.
    pub connection: ConnectionId,
    /// What it was: `owner`.
    pub effect: &'static str,
    /// The effect that takes it back, or why it is left.
    pub undo: Result<OperationId, String>,
}

impl Engine {
    /// Queues what takes the selected effects back; what cannot be, or must not be, is said with its reason. Hand-offs whose
    /// owner is taken back in sales' CRM end: nobody is held to a lead that was taken from them.
    ///
    /// # Errors
    /// [`OrderError`] if nothing is named, writes are off, a CRM cannot be read, or the store fails.
    pub async fn undo(&self, selection: &Selection) -> Result<Undone, OrderError> {
        if self.rules.load().writes == Mode::Off {
            return Err(OrderError::Off);
        }
        if selection.is_empty() {
            return Err(OrderError::Nothing);
        }
        let done = self.store.done_writes(&selection.ops, selection.proposal.as_deref(), UNDO_MAX).await?;
        let mut done: Vec<Done> = done.into_iter().filter(|done| selection.takes(&done.write)).collect();
        self.find_homes(&mut done).await?;
        let now_there = self.records_now(&done).await?;
        let _deciding = self.deciding.lock().await;
        let policy = self.policy().await?;
        let mut undone = Undone::default();
        let mut orders: BTreeMap<LeadId, Vec<Write>> = BTreeMap::new();
        let mut ends: Vec<LeadId> = Vec::new();
        for done in &done {
            let there = done.write.record.as_ref().and_then(|of| now_there.get(of));
            let row = match undo::undo(done, there) {
                Undo::Left(why) => Err(why),
                Undo::Write(effect) => {
                    let write = self.taking_back(done, effect);
                    if matches!(done.write.effect, Effect::SetOwner { .. }) && is_sales(&policy, &done.write) {
                        ends.push(done.write.lead);
                    }
                    let op = write.op;
                    orders.entry(done.write.lead).or_default().push(write);
                    Ok(op)
                }
            };
            undone.rows.push(UndoneRow {
                op: done.write.op,
                lead: done.write.lead,
                connection: done.write.connection.clone(),
                effect: done.write.effect.as_str(),
                undo: row,
            });
        }
        self.commit_orders(orders, &ends, &policy).await?;
        Ok(undone)
    }

    async fn commit_orders(
        &self,
        mut orders: BTreeMap<LeadId, Vec<Write>>,
        ends: &[LeadId],
        policy: &Policy,
    ) -> Result<(), EngineError> {
        let now = self.clock.now();
        let leads: Vec<LeadId> = orders.keys().copied().collect();
        for chunk in leads.chunks(LEADS_MAX) {
            let cases = self.store.cases(chunk, now - TOUCHES_BACK).await?;
            let plans = cases.iter().map(|case| {
                let writes = orders.remove(&case.lead.id).unwrap_or_default();
                let end = ends.contains(&case.lead.id).then(undo::ends);
                order(now, case, policy, writes, end)
            });
            let batch = Batch { plans: plans.collect(), now: Some(now), ..Batch::default() };
            self.store.commit(&batch).await?;
        }
        Ok(())
    }

    fn taking_back(&self, done: &Done, effect: Effect) -> Write {
        let Write { op, lead, connection, record, .. } = &done.write;
        Write {
            op: OperationId::of(&[self.rules.load().workspace.as_str(), "undo", &op.to_string()]),
            lead: *lead,
            handoff: None,
            connection: connection.clone(),
            record: record.clone(),
            lane: Lane::Assign,
            effect,
            because: format!("takes {op} back"),
        }
    }

    /// Names the record of each write that was decided before there was one.
    async fn find_homes(&self, done: &mut [Done]) -> Result<(), EngineError> {
        for connector in &self.connectors {
            let is_homeless =
                |done: &&mut Done| done.write.record.is_none() && &done.write.connection == connector.id();
            let leads: Vec<LeadId> = done.iter_mut().filter(is_homeless).map(|done| done.write.lead).collect();
            let homes = self.store.journey_records(connector.id(), &leads).await?;
            for done in done.iter_mut().filter(is_homeless) {
                done.write.record = homes.get(&done.write.lead).cloned();
            }
        }
        Ok(())
    }

    /// The records of these effects as the CRMs have them now; those that are gone are left out.
    async fn records_now(&self, done: &[Done]) -> Result<HashMap<RecordRef, PersonRecord>, EngineError> {
        let mut found = HashMap::new();
        for connector in &self.connectors {
            let mut refs: Vec<RecordRef> = done
                .iter()
                .filter(|done| &done.write.connection == connector.id())
                .filter_map(|done| done.write.record.clone())
                .collect();
            refs.sort();
            refs.dedup();
            for some in refs.chunks(100) {
                found.extend(self.read_now(connector.as_ref(), some).await?);
            }
        }
        Ok(found)
    }

    async fn read_now(
        &self,
        connector: &dyn Connector,
        refs: &[RecordRef],
    ) -> Result<Vec<(RecordRef, PersonRecord)>, EngineError> {
        let known = self.store.people(refs).await?;
        let observations = connector.read(refs).await?;
        let fresh = |observation: &Observation| {
            let before = known.iter().find(|record| record.of == observation.of)?;
            // From nothing, so that the answer stands whatever is stored.
            let link = before.link.clone();
            let (record, _) = crate::domain::reconcile::absorb(None, observation, link)?;
            Some((record.of.clone(), record))
        };
        Ok(observations.iter().filter_map(fresh).collect())
    }
}

fn is_sales(policy: &Policy, write: &Write) -> bool {
    let mut sales = sales::connections(&policy.agreement, &policy.roster).peekable();
    sales.peek().is_none() || sales.any(|sales| *sales == write.connection)
}
