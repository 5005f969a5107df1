//! What the rules may ask for, gathered from the case.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::domain::agreement::Agreement;
use crate::domain::committee::{self, Headcount, Membership};
use crate::domain::company::employers;
use crate::domain::expr::Facts;
use crate::domain::field::{Field, Value};
use crate::domain::lead::Projection;
use crate::domain::local;
use crate::domain::plan::{Case, CompanySummary, Policy};
use crate::domain::score::{self, Score};
use crate::domain::signal::Signal;

use super::Draft;

/// Everything that is known of the lead, by field: the chosen values of its records, its company's, and what follows
/// from them. The score's own fields come with [`score`].
#[must_use]
pub fn gather(case: &Case, projection: &Projection) -> Facts {
    let mut facts = Facts::default();
    for chosen in &projection.values {
        facts.set(chosen.field, Some(chosen.value.clone()));
    }
    if let Some(domain) =
        projection.text(Field::Email).and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain)
    {
        facts.set(Field::EmailDomain, Value::text(domain));
    }
    if let Some(company) = &case.company {
        add_company(&mut facts, company);
    }
    facts.set(Field::Stage, Value::text(case.lead.stage.as_str()));
    if let Some(handoff) = case.handoff.as_ref().filter(|handoff| !handoff.is_closed()) {
        facts.set(Field::HandoffNumber, Some(Value::Number(f64::from(handoff.id.number))));
        facts.set(Field::HandoffBelowBar, Some(Value::Flag(handoff.below_bar)));
    } else {
        facts.set(Field::HandoffNumber, Some(Value::Number(f64::from(case.lead.handoffs + 1))));
    }
    facts
}

fn add_company(facts: &mut Facts, company: &CompanySummary) {
    for known in &company.record.values {
        facts.set(known.field, Some(known.value.clone()));
    }
    if let Some(owner) = &company.owner {
        facts.set(Field::CompanyOwner, Value::text(owner.as_str()));
    }
    if let Some(open) = company.open_deals {
        facts.set(Field::CompanyOpenDeals, Some(Value::Number(f64::from(open))));
    }
    if let Some(engaged) = company.engaged {
        facts.set(Field::CompanyEngaged, Some(Value::Number(f64::from(engaged))));
    }
}

/// Scores the lead and adds what follows from it to `facts`.
#[must_use]
pub fn appraise(now: Timestamp, case: &Case, agreement: &Agreement, zone: &TimeZone, facts: &mut Facts) -> Score {
    let today = zone.to_datetime(now).date();
    let mut signals: Vec<&Signal> = case.records.iter().flat_map(|record| &record.signals).collect();
    signals.sort_unstable();
    signals.dedup();
    if agreement.committee.is_some() {
        // Roles may ask for signals, which the score counts only later; what they ask for besides is known by now.
        let mut seen = facts.clone();
        score::count(today, &signals, zone, &mut seen);
        if let Some(headcount) = headcount(case, committee::membership(now, case, &seen, agreement).as_ref()) {
            let number = |count: u32| Some(Value::Number(f64::from(count)));
            let roles = u32::try_from(headcount.roles.len()).unwrap_or(u32::MAX);
            facts.set(Field::CompanyPeople, number(headcount.people));
            facts.set(Field::CompanyEngaged, number(headcount.engaged));
            facts.set(Field::CompanyRoles, number(roles));
        }
    }
    score::score(today, &signals, zone, facts, agreement)
}

/// The lead's committee with itself, counted; `None` if it sits in none, or the others were not counted.
pub(super) fn headcount(case: &Case, own: Option<&Membership>) -> Option<Headcount> {
    Some(case.colleagues.clone()?.with(own?))
}

/// The day of the workspace at `at`.
pub(super) fn day(policy: &Policy, at: Timestamp) -> Date {
    policy.zone.to_datetime(at).date()
}

/// When `date` begins in the workspace's zone.
pub(super) fn midnight(policy: &Policy, date: Date) -> Timestamp {
    local::beginning(date, &policy.zone)
}

impl Draft<'_> {
    /// What screens call the lead by, and what the next decision may skip on.
    pub(super) fn describe_lead(&mut self) {
        let first = self.projection.text(Field::FirstName);
        let last = self.projection.text(Field::LastName);
        self.lead.name = match (first, last) {
            (Some(first), Some(last)) => Some(format!("{first} {last}").into()),
            (one, other) => one.or(other).map(Into::into),
        };
        self.lead.email = self.projection.text(Field::Email).map(Into::into);
        self.lead.company = employers(&self.case.records).first().copied().cloned();
        self.lead.score = self.score.points;
        self.lead.used = self.policy.agreement.uses.union(self.score.uses);
    }
}
