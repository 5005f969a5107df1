//! Decides about leads, gives owners under the teams' rows, and commits.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use crate::domain::company::CompanyRecord;
use crate::domain::decide::{Granted, decide, grant};
use crate::domain::id::{ConnectionId, LeadId, PersonId, RecordRef, TeamId};
use crate::domain::plan::{Case, CompanySummary, Plan, Policy};
use crate::domain::record::PersonRecord;
use crate::domain::routing::{self, TeamState};
use crate::store::{Batch, StoreError};

use super::{Engine, EngineError, LEADS_MAX};

/// How often a batch is decided again when somebody else decided about one of its leads meanwhile.
const STALE_TRIES_MAX: u32 = 5;

/// Touches older than this before now are not looked at: no hand-off is judged by them.
const TOUCHES_BACK: SignedDuration = SignedDuration::from_hours(120 * 24);

/// What owners are chosen by, as it changes within one batch.
struct Shares {
    teams: BTreeMap<TeamId, TeamState>,
    changed: Vec<TeamId>,
    open: BTreeMap<PersonId, u32>,
}

impl Shares {
    fn into_changed(mut self) -> Vec<TeamState> {
        self.changed.iter().filter_map(|team| self.teams.remove(team)).collect()
    }
}

impl Engine {
    /// Decides about `leads` and commits what follows, in batches.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails; a batch is committed whole or not at all.
    pub(super) async fn judge(&self, leads: &[LeadId]) -> Result<(), EngineError> {
        let _deciding = self.deciding.lock().await;
        for chunk in leads.chunks(LEADS_MAX) {
            self.commit_judged(Batch::default(), chunk).await?;
        }
        Ok(())
    }

    /// Decides about `leads` with what `batch` will make true, and commits both in one transaction. The caller holds
    /// `deciding`.
    pub(super) async fn commit_judged(&self, mut batch: Batch, leads: &[LeadId]) -> Result<(), EngineError> {
        let now = self.clock.now();
        batch.now = Some(now);
        if leads.is_empty() || !self.is_live() {
            // Leads that were met before decisions are taken are decided when everything has been read once.
            self.store.commit(&batch).await?;
            return Ok(());
        }
        for _ in 0..STALE_TRIES_MAX {
            (batch.plans, batch.teams) = self.plan(&batch, leads, now).await?;
            match self.store.commit(&batch).await {
                Err(StoreError::Stale(lead)) => tracing::debug!(lead.id = %lead, "decided meanwhile, deciding again"),
                done => return Ok(done?),
            }
        }
        Err(EngineError::Store(StoreError::Stale(leads[0])))
    }

    /// Decides about `leads` as they will be once `batch` is true: the plans, and the teams' rows after them.
    async fn plan(
        &self,
        batch: &Batch,
        leads: &[LeadId],
        now: Timestamp,
    ) -> Result<(Vec<Plan>, Vec<TeamState>), EngineError> {
        let policy = self.policy().await?;
        let mut cases = self.store.cases(leads, now - TOUCHES_BACK).await?;
        overlay(&mut cases, batch);
        self.house(&mut cases, batch).await?;
        let mut plans = Vec::with_capacity(cases.len());
        let mut shares: Option<Shares> = None;
        for case in &mut cases {
            self.complete(case, &policy);
            let mut plan = decide(now, case, &policy);
            // A hand-off may want another owner at once: the first one granted may be gone already.
            for _ in 0..2 {
                if plan.wants_owner.is_none() {
                    break;
                }
                if shares.is_none() {
                    shares = Some(self.shares().await?);
                }
                if let Some(shares) = shares.as_mut() {
                    plan = give(now, plan, case, &policy, shares);
                }
            }
            plans.push(plan);
        }
        Ok((plans, shares.map(Shares::into_changed).unwrap_or_default()))
    }

    /// Gives the cases that the batch changes their company: a record that is only about to be stored may name one that
    /// was stored long before, and what the batch says of a company stands for the stored one.
    async fn house(&self, cases: &mut [Case], batch: &Batch) -> Result<(), StoreError> {
        let fresh: HashSet<&RecordRef> = batch.people.iter().map(|record| &record.of).collect();
        let changed: HashMap<&RecordRef, &CompanyRecord> =
            batch.companies.iter().map(|company| (&company.of, company)).collect();
        let is_touched = |case: &Case| {
            case.records.iter().any(|record| fresh.contains(&record.of))
                || companies_of(case).any(|company| changed.contains_key(company))
        };
        let touched: Vec<&mut Case> = cases.iter_mut().filter(|case| is_touched(case)).collect();
        let mut missing: Vec<RecordRef> = Vec::new();
        for case in &touched {
            let known = case.company.as_ref().map(|company| &company.record.of);
            let unknown = companies_of(case).filter(|of| Some(*of) != known && !changed.contains_key(of));
            missing.extend(unknown.cloned());
        }
        let stored: HashMap<RecordRef, CompanyRecord> = if missing.is_empty() {
            HashMap::new()
        } else {
            self.store.companies(&missing).await?.into_iter().map(|company| (company.of.clone(), company)).collect()
        };
        for case in touched {
            let before = case.company.take().map(|company| company.record);
            let record = companies_of(case).find_map(|of| {
                let kept = before.as_ref().filter(|company| company.of == *of);
                changed.get(of).copied().or_else(|| stored.get(of)).or(kept)
            });
            let record = record.filter(|company| !company.is_gone).cloned();
            case.company = record.map(|record| CompanySummary { record, owner: None, open_deals: None, engaged: None });
        }
        Ok(())
    }

    /// Adds to a case what only the directory knows.
    fn complete(&self, case: &mut Case, policy: &Policy) {
        if let Some(company) = case.company.as_mut() {
            let connection = &company.record.of.connection;
            company.owner =
                company.record.owner.as_ref().and_then(|owner| policy.directory.person(connection, owner)).cloned();
        }
    }

    async fn shares(&self) -> Result<Shares, StoreError> {
        let teams = self.store.teams().await?.into_iter().map(|team| (team.team.clone(), team)).collect();
        let open = self.store.open_loads().await?.into_iter().collect();
        Ok(Shares { teams, changed: Vec::new(), open })
    }
}

/// Chooses an owner and completes the plan with them.
fn give(now: Timestamp, plan: Plan, case: &Case, policy: &Policy, shares: &mut Shares) -> Plan {
    let Some(wanted) = plan.wants_owner.clone() else { return plan };
    let sales = sales_connection(case, policy);
    let has_account = |person: &PersonId| {
        sales.as_ref().is_none_or(|connection| policy.directory.account(connection, person).is_some())
    };
    let open: Vec<(PersonId, u32)> = shares.open.iter().map(|(person, count)| (person.clone(), *count)).collect();
    let states: Vec<TeamState> = shares.teams.values().cloned().collect();
    let assigned = routing::assign(now, &wanted, &policy.roster, &states, &open, has_account);
    let mut findings = Vec::new();
    if let Some(text) = assigned.finding {
        findings.push(crate::domain::finding::Finding {
            kind: crate::domain::finding::FindingKind::NobodyEligible,
            subject: crate::domain::finding::Subject::Lead(case.lead.id),
            text,
        });
    }
    let Some(person) = assigned.person else {
        let mut plan = plan;
        plan.findings.extend(findings);
        return plan;
    };
    *shares.open.entry(person.clone()).or_default() += 1;
    if let Some(team) = assigned.shares {
        shares.changed.retain(|known| *known != team.team);
        shares.changed.push(team.team.clone());
        shares.teams.insert(team.team.clone(), team);
    }
    let granted = Granted { person, team: assigned.team, by: assigned.by, why: assigned.why, findings };
    grant(now, plan, case, policy, &granted)
}

fn sales_connection(case: &Case, policy: &Policy) -> Option<ConnectionId> {
    let lives = || case.records.iter().find(|record| record.is_live()).map(|record| record.of.connection.clone());
    policy.agreement.handoff.to.clone().or_else(lives)
}

/// Lets the cases see what the batch is about to store: its records and touches stand for the stored ones.
fn overlay(cases: &mut [Case], batch: &Batch) {
    let mut fresh: HashMap<LeadId, Vec<&PersonRecord>> = HashMap::new();
    let mut linked: HashMap<&RecordRef, LeadId> = HashMap::new();
    for record in &batch.people {
        fresh.entry(record.link.lead).or_default().push(record);
        linked.insert(&record.of, record.link.lead);
    }
    for case in cases.iter_mut() {
        case.records.retain(|known| linked.get(&known.of).is_none_or(|lead| *lead == case.lead.id));
        for record in fresh.get(&case.lead.id).into_iter().flatten() {
            match case.records.iter_mut().find(|known| known.of == record.of) {
                Some(known) => known.clone_from(record),
                None => case.records.push((*record).clone()),
            }
        }
        for (of, touches) in &batch.touches {
            case.touches.retain(|known| &known.of != of);
            let ours = touches.iter().filter(|touch| case.records.iter().any(|record| record.of == touch.person));
            case.touches.extend(ours.cloned());
        }
        case.touches.sort_by_key(|touch| touch.at);
    }
}

/// The companies of a case's live records, in the records' order.
fn companies_of(case: &Case) -> impl Iterator<Item = &RecordRef> {
    case.records.iter().filter(|record| record.is_live()).filter_map(|record| record.company.as_ref())
}
