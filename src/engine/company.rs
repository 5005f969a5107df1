//! What decisions see of a company besides its record: its owner, its open deals, how many of its people are engaged; and
//! whose colleagues have to be decided about again, since that changed.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::domain::committee::Membership;
use crate::domain::field::Field;
use crate::domain::id::{CommitteeId, LeadId, RecordRef};
use crate::domain::lead::LeadState;
use crate::domain::plan::{Case, Plan, Policy};
use crate::store::StoreError;

use super::Engine;
use super::reconcile::asks_for_deals;

impl Engine {
    /// Completes the summaries of the cases' companies with what the agreement's rules ask for, each company once, and counts the
    /// people beside each lead.
    pub(super) async fn summarise(&self, cases: &mut [Case], policy: &Policy) -> Result<(), StoreError> {
        let agreement = &policy.agreement;
        let knows_deals = self.knows_deals();
        let wants_deals = agreement.uses.contains(Field::CompanyOpenDeals) && knows_deals;
        // With a committee it says who is engaged.
        let wants_engaged = agreement.uses.contains(Field::CompanyEngaged) && agreement.committee.is_none();
        let mut open: HashMap<LeadId, u32> = HashMap::new();
        if asks_for_deals(agreement) && knows_deals {
            let leads: Vec<LeadId> = cases.iter().map(|case| case.lead.id).collect();
            open = self.store.open_deals_of(&leads).await?;
        }
        let mut known: HashMap<RecordRef, (Option<u32>, Option<u32>)> = HashMap::new();
        for case in cases.iter_mut() {
            case.open_deals = open.get(&case.lead.id).copied().unwrap_or(0);
            let Some(company) = case.company.as_mut() else { continue };
            let of = &company.record.of;
            company.owner =
                company.record.owner.as_ref().and_then(|owner| policy.directory.person(&of.connection, owner)).cloned();
            if !wants_deals && !wants_engaged {
                continue;
            }
            if !known.contains_key(of) {
                let deals = if wants_deals { Some(self.store.open_deals_of_company(of).await?) } else { None };
                let engaged = if wants_engaged { Some(self.store.engaged_of_company(of).await?) } else { None };
                known.insert(of.clone(), (deals, engaged));
            }
            (company.open_deals, company.engaged) = known[of];
        }
        if agreement.committee.is_some() {
            self.store.count_colleagues(cases).await?;
        }
        Ok(())
    }

    /// Reads the touches of the cases that came without any, if the agreement asks who answered.
    pub(super) async fn hear_answers(
        &self,
        cases: &mut [Case],
        policy: &Policy,
        since: Timestamp,
    ) -> Result<(), StoreError> {
        if policy.agreement.committee.is_none() {
            return Ok(());
        }
        let without = |case: &Case| case.touches.is_empty();
        let refs: Vec<RecordRef> = cases
            .iter()
            .filter(|case| without(case))
            .flat_map(|case| case.records.iter().map(|record| record.of.clone()))
            .collect();
        let mut touches = self.store.touches_on(&refs, since).await?;
        for case in cases.iter_mut().filter(|case| without(case)) {
            case.touches =
                case.records.iter().flat_map(|record| touches.remove(&record.of).unwrap_or_default()).collect();
            case.touches.sort_by_key(|touch| touch.at);
        }
        Ok(())
    }

    /// Does any connection tell of deals?
    fn knows_deals(&self) -> bool {
        self.connectors.iter().any(|connector| connector.knows_deals())
    }
}

/// The committees whose headcount the plans change, where a rule or a stage asks for it.
pub(super) fn seats_changed(cases: &[Case], plans: &[Plan], policy: &Policy) -> BTreeSet<CommitteeId> {
    let Some(committee) = &policy.agreement.committee else { return BTreeSet::new() };
    let counted = [Field::CompanyEngaged, Field::CompanyPeople, Field::CompanyRoles];
    let is_asked = counted.into_iter().any(|field| policy.agreement.uses.contains(field));
    if !is_asked && committee.required.is_empty() {
        return BTreeSet::new();
    }
    let counts = |seat: &Membership| (seat.committee.clone(), seat.roles.clone(), seat.engaged.is_some());
    let mut changed = BTreeSet::new();
    for (case, plan) in cases.iter().zip(plans) {
        let before = case.lead.committee.as_ref().filter(|_| case.lead.version > 0);
        let after = plan.lead.committee.as_ref();
        if before.map(counts) != after.map(counts) || !case.told.is_empty() {
            changed.extend(before.into_iter().chain(after).map(|seat| seat.committee.clone()));
        }
    }
    changed
}

/// The companies whose count of engaged people the plans change, where a rule asks for it.
///
/// The lead itself is among those people: its own decision was made by the count before it.
pub(super) fn counts_changed(cases: &[Case], plans: &[Plan], policy: &Policy) -> BTreeSet<RecordRef> {
    if !policy.agreement.uses.contains(Field::CompanyEngaged) || policy.agreement.committee.is_some() {
        return BTreeSet::new();
    }
    // A lead that was never stored counted for nobody.
    let counts = |lead: &LeadState| lead.version > 0 && lead.merged_into.is_none() && lead.stage.is_engaged();
    let will_count = |lead: &LeadState| lead.merged_into.is_none() && lead.stage.is_engaged();
    let changed = cases.iter().zip(plans).filter(|(case, plan)| {
        // Records that come or go bring their company along.
        counts(&case.lead) != will_count(&plan.lead) || !case.told.is_empty()
    });
    let companies = changed.flat_map(|(case, _)| &case.records).filter_map(|record| record.company.clone());
    companies.collect()
}
