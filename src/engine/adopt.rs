//! Opens hand-offs on purpose for leads that were only watched, a few at a time.

use jiff::{SignedDuration, Timestamp};

use crate::domain::decide::{appraise, gather, order};
use crate::domain::expr::{Rule, Verdict};
use crate::domain::id::{ConnectionId, LeadId, PersonId};
use crate::domain::lead::Projection;
use crate::domain::plan::{Case, Mode, Policy};
use crate::domain::stage::Stage;
use crate::store::Batch;

use super::judge::touches_since;
use super::propose::OrderError;
use super::{Engine, LEADS_MAX};

/// Which of the adopted leads are meant.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// These.
    pub leads: Vec<LeadId>,
    /// At this stage.
    pub stage: Option<Stage>,
    /// Owned by this person in some CRM.
    pub owner: Option<PersonId>,
    /// With a record on this connection.
    pub connection: Option<ConnectionId>,
    /// For which this holds.
    pub rule: Option<Rule>,
}

/// What adopting comes to.
#[derive(Clone, Debug, Default)]
pub struct Adoption {
    /// The leads, in the order in which their hand-offs open.
    pub leads: Vec<(LeadId, Option<String>)>,
    /// Adopted leads that the filter leaves out.
    pub others: usize,
    /// Those that match, but are past what can be handed over: won, lost, with a deal.
    pub past: usize,
    /// How many open within an hour.
    pub an_hour: u32,
    /// When the last one opens.
    pub until: Option<Timestamp>,
    /// Was it done, or only counted?
    pub is_done: bool,
}

impl Engine {
    /// Counts the adopted leads that `filter` means; with `act` also schedules their hand-offs, as many in an hour as the caps
    /// let go by themselves.
    ///
    /// # Errors
    /// [`OrderError`] if writes are off, or the store fails.
    pub async fn adopt(&self, filter: &Filter, act: bool) -> Result<Adoption, OrderError> {
        if act && self.rules.load().writes == Mode::Off {
            return Err(OrderError::Off);
        }
        let _deciding = self.deciding.lock().await;
        let now = self.clock.now();
        let policy = self.policy().await?;
        let an_hour = self.caps.handoffs_an_hour();
        let mut adoption = Adoption { an_hour, is_done: act, ..Adoption::default() };
        let mut after = LeadId(0);
        loop {
            let some = self.store.leads_after(after, LEADS_MAX).await?;
            let Some(last) = some.last() else { break };
            after = *last;
            let mut plans = Vec::new();
            let mut cases = self.store.cases(&some, touches_since(now, &policy)).await?;
            cases.retain(|case| case.lead.adopted);
            self.hear_answers(&mut cases, &policy, touches_since(now, &policy)).await?;
            self.summarise(&mut cases, &policy).await?;
            for case in cases {
                if !filter.takes(now, &case, &policy) {
                    adoption.others += 1;
                    continue;
                }
                if !matches!(case.lead.stage, Stage::Mql | Stage::Sal) {
                    adoption.past += 1;
                    continue;
                }
                let at = now + wait(adoption.leads.len(), an_hour);
                let name = case.lead.name.as_deref().or(case.lead.email.as_deref()).map(str::to_owned);
                adoption.leads.push((case.lead.id, name));
                adoption.until = Some(at);
                if act {
                    let mut plan = order(now, &case, &policy, Vec::new(), None);
                    plan.lead.adopt_at = Some(at);
                    plan.lead.look_again_at = Some(plan.lead.look_again_at.map_or(at, |known| known.min(at)));
                    plans.push(plan);
                }
            }
            if !plans.is_empty() {
                self.store.commit(&Batch { plans, now: Some(now), ..Batch::default() }).await?;
            }
        }
        Ok(adoption)
    }
}

/// How long the hand-off of this place in the row waits.
fn wait(place: usize, an_hour: u32) -> SignedDuration {
    let seconds = i64::try_from(place).unwrap_or(i64::MAX).saturating_mul(3_600) / i64::from(an_hour);
    SignedDuration::from_secs(seconds)
}

impl Filter {
    fn takes(&self, now: Timestamp, case: &Case, policy: &Policy) -> bool {
        let owns = |owner: &PersonId| {
            case.records.iter().any(|record| {
                let account = record.owner().and_then(|entry| entry.owner.as_ref());
                account.and_then(|account| policy.directory.person(&record.of.connection, account)) == Some(owner)
            })
        };
        let lives_on = |connection: &ConnectionId| {
            case.records.iter().any(|record| record.is_live() && record.of.connection == *connection)
        };
        (self.leads.is_empty() || self.leads.contains(&case.lead.id))
            && self.stage.is_none_or(|stage| stage == case.lead.stage)
            && self.owner.as_ref().is_none_or(owns)
            && self.connection.as_ref().is_none_or(lives_on)
            && self.rule.as_ref().is_none_or(|rule| holds(now, rule, case, policy))
    }
}

fn holds(now: Timestamp, rule: &Rule, case: &Case, policy: &Policy) -> bool {
    let mut facts = gather(case, &Projection::of(&case.records));
    drop(appraise(now, case, &policy.agreement, &policy.zone, &mut facts));
    rule.eval(&facts) == Verdict::Yes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_offs_open_as_many_in_an_hour_as_the_caps_let_go() {
        assert_eq!(wait(0, 400).as_secs(), 0);
        assert_eq!(wait(1, 400).as_secs(), 9);
        assert_eq!(wait(400, 400).as_secs(), 3_600);
        assert_eq!(wait(1_000, u32::MAX).as_secs(), 0);
    }
}
