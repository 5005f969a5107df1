//! Decides about leads, gives owners under the teams' rows, and commits.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};

use crate::domain::answer::Answer;
use crate::domain::committee::CommitteePolicy;
use crate::domain::company::{CompanyRecord, employers};
use crate::domain::decide::{Granted, decide, grant, lives};
use crate::domain::handoff::Handoff;
use crate::domain::id::{CommitteeId, LeadId, PersonId, RecordRef, TeamId};
use crate::domain::plan::{Case, CompanySummary, Hold, Mode, Plan, Policy, Told};
use crate::domain::record::PersonRecord;
use crate::domain::routing::{self, TeamState};
use crate::domain::sales;
use crate::domain::touch::Touch;
use crate::store::{Batch, Decision, StoreError};

use super::company::{counts_changed, seats_changed};
use super::journal::{Giving, decision, is_kept, kept};
use super::{Engine, EngineError, LEADS_MAX};

/// How often a batch is decided again when somebody else decided about one of its leads meanwhile.
const STALE_TRIES_MAX: u32 = 5;

/// Touches older than this before now are not looked at: no hand-off is judged by them.
pub(super) const TOUCHES_BACK: SignedDuration = SignedDuration::from_hours(120 * 24);

/// What was said since the last decision that no record shows.
#[derive(Clone, Copy, Default)]
pub(super) struct Said<'a> {
    /// Of who the leads are.
    pub(super) told: Option<&'a Tidings>,
    /// By the owner of one of them.
    pub(super) answer: Option<&'a (LeadId, Answer)>,
}

/// What was decided about some leads.
#[derive(Debug, Default)]
pub(super) struct Planned {
    pub(super) plans: Vec<Plan>,
    /// The teams' rows after it.
    pub(super) teams: Vec<TeamState>,
    /// The decisions that are kept whole.
    pub(super) decisions: Vec<Decision>,
    /// Companies whose count of engaged people changes.
    pub(super) colleagues: BTreeSet<RecordRef>,
    /// Committees whose headcount changes.
    pub(super) committees: BTreeSet<CommitteeId>,
}

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
    pub(super) async fn commit_judged(&self, batch: Batch, leads: &[LeadId]) -> Result<(), EngineError> {
        self.commit_told(batch, leads, Said::default()).await
    }

    /// The same, where the decisions also hear what was said: of who the leads are, or by an owner.
    pub(super) async fn commit_told(
        &self,
        mut batch: Batch,
        leads: &[LeadId],
        said: Said<'_>,
    ) -> Result<(), EngineError> {
        let now = kept(self.clock.now());
        batch.now = Some(now);
        // Leads that were met before decisions are taken are decided when everything has been read once: all of them at the
        // first start, those that are noted here at a later one. But what was decided about already, and is joined now,
        // must hear of it: nothing else would end its hand-off.
        let known = if self.is_live() { Vec::new() } else { self.decided(said.told).await? };
        if !self.is_live() && self.has_decided {
            batch.undecided.extend(leads.iter().filter(|lead| !known.contains(lead)));
        }
        let leads = if self.is_live() { leads } else { known.as_slice() };
        if leads.is_empty() {
            self.store.commit(&batch).await?;
            return Ok(());
        }
        let noted = std::mem::take(&mut batch.colleagues);
        let told = batch.notices.len();
        for _ in 0..STALE_TRIES_MAX {
            let planned = self.plan(&batch, leads, said, now).await?;
            batch.colleagues = noted.union(&planned.colleagues).cloned().collect();
            batch.committees = planned.committees;
            (batch.plans, batch.teams, batch.decisions) = (planned.plans, planned.teams, planned.decisions);
            batch.notices.truncate(told);
            batch.notices.extend(self.alerts_of_fights(&batch.plans));
            match self.store.commit(&batch).await {
                Err(StoreError::Stale(lead)) => tracing::debug!(lead.id = %lead, "decided meanwhile, deciding again"),
                done => return Ok(done?),
            }
        }
        Err(EngineError::Store(StoreError::Stale(leads[0])))
    }

    /// Those of whom something is told that were decided about before, and those that are taken out of such a one.
    async fn decided(&self, told: Option<&Tidings>) -> Result<Vec<LeadId>, StoreError> {
        let mut known = Vec::new();
        for (lead, told) in told.into_iter().flatten() {
            let from = told.iter().find_map(|told| match told {
                Told::PartedFrom { other, .. } => Some(*other),
                Told::Joined { .. } | Told::JoinedTo { .. } | Told::Parted { .. } => None,
            });
            for asked in from.into_iter().chain([*lead]) {
                if self.store.lead_state(asked).await?.is_some() {
                    known.push(*lead);
                    break;
                }
            }
        }
        Ok(known)
    }

    /// Decides about `leads` as they will be once `batch` is true.
    pub(super) async fn plan(
        &self,
        batch: &Batch,
        leads: &[LeadId],
        said: Said<'_>,
        now: Timestamp,
    ) -> Result<Planned, EngineError> {
        let mut policy = self.policy().await?;
        let is_weighing = self.is_weighing.load(Ordering::Acquire);
        if is_weighing && policy.writes == Mode::On {
            policy.writes = Mode::Plan;
        }
        let touches_since = touches_since(now, &policy);
        let mut cases = self.store.cases(leads, touches_since).await?;
        overlay(&mut cases, batch);
        self.hear_answers(&mut cases, &policy, touches_since).await?;
        self.tell_kin(&mut cases, said.told, touches_since).await?;
        overlay_touches(&mut cases, batch);
        self.house(&mut cases, batch).await?;
        self.summarise(&mut cases, &policy).await?;
        let mut plans = Vec::with_capacity(cases.len());
        for case in &mut cases {
            case.answer = said.answer.filter(|(lead, _)| *lead == case.lead.id).map(|(_, answer)| answer.clone());
            plans.push(decide(now, case, &policy));
        }
        self.remember(now, &mut cases, &mut plans, &policy).await?;
        let colleagues = counts_changed(&cases, &plans, &policy);
        let committees = seats_changed(&cases, &plans, &policy);
        let mut shares: Option<Shares> = None;
        let mut decisions = Vec::new();
        let mut versions: Option<[String; 4]> = None;
        for (case, plan) in cases.into_iter().zip(&mut plans) {
            let mut giving = Giving::default();
            // A hand-off may want another owner at once: the first one granted may be gone already.
            for _ in 0..2 {
                if plan.wants_owner.is_none() {
                    break;
                }
                if shares.is_none() {
                    shares = Some(self.shares().await?);
                }
                if let Some(shares) = shares.as_mut() {
                    *plan = give(now, plan.clone(), &case, &policy, shares, &mut giving);
                }
            }
            if is_weighing && plan.hold == Some(Hold::Plan) {
                plan.hold = Some(Hold::Rules);
            }
            if is_kept(plan) {
                let versions = match &versions {
                    Some(versions) => versions,
                    None => versions.insert(self.versions(&policy, now).await?),
                };
                decisions.push(decision(now, case, &policy, giving, versions.clone(), plan));
            }
        }
        let teams = shares.map(Shares::into_changed).unwrap_or_default();
        Ok(Planned { plans, teams, decisions, colleagues, committees })
    }

    /// Reads what came before for the leads that get an owner now: whoever gets them is told all of it. A plan that opened a
    /// hand-off for somebody who owned the lead already is made again with it.
    async fn remember(
        &self,
        now: Timestamp,
        cases: &mut [Case],
        plans: &mut [Plan],
        policy: &Policy,
    ) -> Result<(), StoreError> {
        if policy.writes == Mode::Off && policy.notices == Mode::Off {
            return Ok(());
        }
        let is_opened = |case: &Case, plan: &Plan| {
            let number = |handoff: &Option<Handoff>| handoff.as_ref().map(|handoff| handoff.id.number);
            plan.handoff.as_ref().is_some_and(|handoff| handoff.turn().is_some())
                && number(&plan.handoff) != number(&case.handoff)
        };
        let mut gets: Vec<(&mut Case, &mut Plan)> = cases
            .iter_mut()
            .zip(plans)
            .filter(|(case, plan)| plan.wants_owner.is_some() || is_opened(case, plan))
            .collect();
        let whose: Vec<&Case> = gets.iter().map(|(case, _)| &**case).collect();
        let mut histories = self.store.histories(&whose).await?;
        for (case, plan) in &mut gets {
            case.history = histories.remove(&case.lead.id);
            if is_opened(case, plan) {
                **plan = decide(now, case, policy);
            }
        }
        Ok(())
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
            let record = employers(&case.records).into_iter().find_map(|of| {
                let kept = before.as_ref().filter(|company| company.of == *of);
                changed.get(of).copied().or_else(|| stored.get(of)).or(kept)
            });
            let record = record.filter(|company| !company.is_gone).cloned();
            case.company = record.map(|record| CompanySummary { record, owner: None, open_deals: None, engaged: None });
        }
        Ok(())
    }

    /// Lets the cases hear what is told of them. Records that moved bring their touches along.
    async fn tell_kin(&self, cases: &mut [Case], told: Option<&Tidings>, since: Timestamp) -> Result<(), StoreError> {
        let Some(told) = told else { return Ok(()) };
        for case in cases {
            let Some(told) = told.get(&case.lead.id) else { continue };
            case.told.clone_from(told);
            let records: Vec<RecordRef> = case.records.iter().map(|record| record.of.clone()).collect();
            case.touches = self.store.touches_on(&records, since).await?.into_values().flatten().collect();
        }
        Ok(())
    }

    async fn shares(&self) -> Result<Shares, StoreError> {
        let teams = self.store.teams().await?.into_iter().map(|team| (team.team.clone(), team)).collect();
        let open = self.store.open_loads().await?.into_iter().collect();
        Ok(Shares { teams, changed: Vec::new(), open })
    }
}

/// Touches before this are not looked at: neither a hand-off nor an engagement is judged by them.
pub(super) fn touches_since(now: Timestamp, policy: &Policy) -> Timestamp {
    let engaged = policy.agreement.committee.as_ref().map(CommitteePolicy::engaged_within);
    now - engaged.unwrap_or(TOUCHES_BACK).max(TOUCHES_BACK)
}

/// Chooses an owner and completes the plan with them.
fn give(now: Timestamp, plan: Plan, case: &Case, policy: &Policy, shares: &mut Shares, giving: &mut Giving) -> Plan {
    let Some(wanted) = plan.wants_owner.clone() else { return plan };
    let team = wanted.among.team(&policy.roster);
    let sales = sales::works_in(&policy.agreement, &policy.roster, team).or_else(|| lives(case));
    let has_account =
        |person: &PersonId| sales.is_none_or(|connection| policy.directory.account(connection, person).is_some());
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
        giving.nobody.extend(findings.iter().cloned());
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
    let plan = grant(now, plan, case, policy, &granted);
    giving.granted.push(granted);
    plan
}

/// What is told of leads, by lead.
pub(super) type Tidings = BTreeMap<LeadId, Vec<Told>>;

/// Lets the cases see what the batch is about to store: its records (and touches, next) stand for the stored ones.
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
        let is_ours = |of: &RecordRef, case: &Case| case.records.iter().any(|record| record.of == *of);
        for apart in &batch.apart {
            for (one, other) in [(&apart.of, &apart.other), (&apart.other, &apart.of)] {
                if is_ours(one, case) {
                    case.apart.push(other.clone());
                }
            }
        }
    }
}

fn overlay_touches(cases: &mut [Case], batch: &Batch) {
    let seen: HashSet<&RecordRef> = batch.touches.iter().map(|(of, _)| of).collect();
    let mut fresh: HashMap<&RecordRef, Vec<&Touch>> = HashMap::new();
    for touch in batch.touches.iter().flat_map(|(_, touches)| touches) {
        fresh.entry(&touch.person).or_default().push(touch);
    }
    for case in cases.iter_mut() {
        case.touches.retain(|known| !seen.contains(&known.of));
        let ours = case.records.iter().filter_map(|record| fresh.get(&record.of));
        case.touches.extend(ours.flatten().copied().cloned());
        case.touches.sort_by_key(|touch| touch.at);
    }
}

/// The companies of a case's live records, in the records' order.
fn companies_of(case: &Case) -> impl Iterator<Item = &RecordRef> {
    case.records.iter().filter(|record| record.is_live()).filter_map(|record| record.company.as_ref())
}
