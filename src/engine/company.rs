//! What decisions see of a company besides its record: its owner, its open deals, how many of its people are engaged.

use std::collections::HashMap;

use crate::domain::field::Field;
use crate::domain::id::{LeadId, RecordRef};
use crate::domain::plan::{Case, Policy};
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
