//! What decisions see of a company besides its record: its owner, its open deals, how many of its people are engaged; and
//! whose colleagues have to be decided about again, since that changed.

use std::collections::{BTreeSet, HashMap};

use crate::domain::field::Field;
use crate::domain::id::{LeadId, RecordRef};
use crate::domain::lead::LeadState;
use crate::domain::plan::{Case, Plan, Policy};
use crate::store::StoreError;

use super::Engine;
use super::reconcile::asks_for_deals;

impl Engine {
    /// Completes the summaries of the cases' companies with what the agreement's rules ask for, each company once.
    pub(super) async fn summarise(&self, cases: &mut [Case], policy: &Policy) -> Result<(), StoreError> {
        let agreement = &policy.agreement;
        let knows_deals = self.knows_deals();
        let wants_deals = agreement.uses.contains(Field::CompanyOpenDeals) && knows_deals;
        let wants_engaged = agreement.uses.contains(Field::CompanyEngaged);
        let mut open: HashMap<LeadId, u32> = HashMap::new();
        if asks_for_deals(agreement) && knows_deals {
            let leads: Vec<LeadId> = cases.iter().map(|case| case.lead.id).collect();
            open = self.store.open_deals_of(&leads).await?;
        }
        let mut known: HashMap<RecordRef, (Option<u32>, Option<u32>)> = HashMap::new();
        for case in cases {
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
        Ok(())
    }

    /// Does any connection tell of deals?
    fn knows_deals(&self) -> bool {
        self.connectors.iter().any(|connector| connector.knows_deals())
    }
}

/// The companies whose count of engaged people the plans change, where a rule asks for it.
///
/// The lead itself is among those people: its own decision was made by the count before it.
pub(super) fn counts_changed(cases: &[Case], plans: &[Plan], policy: &Policy) -> BTreeSet<RecordRef> {
    if !policy.agreement.uses.contains(Field::CompanyEngaged) {
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
