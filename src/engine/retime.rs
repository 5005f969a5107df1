//! Moves running turns to the agreement in force, because a person says so: listed first, then done as listed.

use crate::domain::decide::{Retimed, retime};
use crate::domain::id::{LeadId, Name};
use crate::domain::plan::Policy;
use crate::store::Batch;

use super::judge::touches_since;
use super::propose::OrderError;
use super::{Engine, LEADS_MAX};

/// Open hand-offs that are looked at; more are moved by asking again.
const HANDOFFS_MAX: usize = 1_000_000;

/// What moving comes to.
#[derive(Clone, Debug)]
pub struct Retiming {
    /// The agreement in force.
    pub to: Name,
    /// Turns that move, by the hand-off that is due first.
    pub moved: Vec<Retimed>,
    /// Turns that keep their terms, since somebody would be told at once of a time that was not theirs until now.
    pub kept: Vec<Retimed>,
    /// Open hand-offs that nothing changes for.
    pub same: usize,
    /// Was it done, or only counted?
    pub is_done: bool,
}

impl Engine {
    /// Counts the running turns that the agreement in force changes something for; with `act` also moves them. Those for which
    /// something would be overdue at once are only moved `with_overdue`.
    ///
    /// # Errors
    /// [`OrderError`] if the store fails.
    pub async fn retime(&self, with_overdue: bool, act: bool) -> Result<Retiming, OrderError> {
        let _deciding = self.deciding.lock().await;
        let now = self.clock.now();
        let policy: Policy = self.policy().await?;
        let to = policy.agreement.version.clone();
        let mut retiming = Retiming { to, moved: Vec::new(), kept: Vec::new(), same: 0, is_done: act };
        let open = self.store.open_handoffs(HANDOFFS_MAX).await?;
        let leads: Vec<LeadId> = open.iter().map(|row| row.handoff.id.lead).collect();
        for some in leads.chunks(LEADS_MAX) {
            let mut cases = self.store.cases(some, touches_since(now, &policy)).await?;
            self.hear_answers(&mut cases, &policy, touches_since(now, &policy)).await?;
            self.summarise(&mut cases, &policy).await?;
            let mut plans = Vec::new();
            for lead in some {
                let found = cases.iter().find(|case| case.lead.id == *lead);
                let Some((retimed, plan)) = found.and_then(|case| retime(now, case, &policy)) else {
                    retiming.same += 1;
                    continue;
                };
                if retimed.is_overdue() && !with_overdue {
                    retiming.kept.push(retimed);
                    continue;
                }
                retiming.moved.push(retimed);
                plans.push(plan);
            }
            if act && !plans.is_empty() {
                self.store.commit(&Batch { plans, now: Some(now), ..Batch::default() }).await?;
            }
        }
        Ok(retiming)
    }
}
