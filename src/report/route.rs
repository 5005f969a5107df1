//! Which routing rules claim a lead, which of them wins, and why the others do not.

use jiff::Timestamp;

use crate::domain::agreement::RoutingRule;
use crate::domain::expr::Facts;
use crate::domain::id::PersonId;
use crate::domain::roster::Roster;
use crate::domain::routing::explain_route;

/// What came of one routing rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The rule.
    pub rule: String,
    /// Does its condition hold?
    pub holds: bool,
    /// Is it the one that is followed? The first that holds and can be followed is.
    pub wins: bool,
    /// Why, or why not.
    pub why: String,
}

/// Every routing rule, in the agreement's order, as they would be asked now.
#[must_use]
pub fn claims(
    now: Timestamp,
    facts: &Facts,
    company_owner: Option<&PersonId>,
    rules: &[RoutingRule],
    roster: &Roster,
    not: &[PersonId],
) -> Vec<Claim> {
    let (wanted, tried) = explain_route(now, facts, company_owner, rules, roster, not);
    let is_followed = tried.last().is_some_and(|last| last.rule == wanted.rule);
    let winner = if is_followed { tried.len().checked_sub(1) } else { None };
    let claim = |(at, rule): (usize, &RoutingRule)| {
        let holds = rule.when.as_ref().is_none_or(|when| when.eval(facts).is_yes());
        let why = match tried.get(at) {
            Some(tried) => tried.outcome.clone(),
            None if holds => format!("it holds too, but `{}` comes first", wanted.rule),
            None => "its condition does not hold".to_owned(),
        };
        Claim { rule: rule.name.to_string(), holds, wins: winner == Some(at), why }
    };
    rules.iter().enumerate().map(claim).collect()
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::document::{Problems, Source};
    use crate::domain::field::{Field, Value};

    #[test]
    fn two_rules_that_claim_one_lead_are_both_shown_and_the_first_wins_fault_113() {
        let agreement = include_str!("../../config/demo/agreement.toml");
        let start = agreement.find("[[routing]]").expect("it has routing");
        let end = agreement[start..].find("\n[[examples]]").map_or(agreement.len(), |at| start + at);
        let routing = r#"
[[routing]]
name = "big ones"
when = "company.employees >= 1000"
team = "sales"
[[routing]]
name = "germany"
when = "company.country == 'DE'"
team = "sales"
[[routing]]
name = "middle"
when = "company.employees >= 100"
owner = "a.lang@example.com"
[[routing]]
name = "everyone"
team = "sales"
"#;
        let text = format!("{}{routing}{}", &agreement[..start], &agreement[end..]);
        let problems = Problems::new();
        let draft = crate::agreement::read(&Source::new("agreement.toml", text), &TimeZone::UTC, &problems);
        let roster = Source::new("roster.toml", include_str!("../../config/demo/roster.toml"));
        let roster = crate::agreement::read_roster(&roster, &|path| Err(path.to_owned()), &problems).roster;
        assert!(!problems.has_errors(), "{}", problems.render(false));
        let mut facts = Facts::default();
        facts.set(Field::Employees, Some(Value::Number(300.0)));
        facts.set(Field::CompanyCountry, Value::text("DE"));
        let now = "2026-11-24T09:00:00Z".parse().expect("an instant");
        let told: Vec<(String, bool, bool, String)> = claims(now, &facts, None, &draft.agreement.routing, &roster, &[])
            .into_iter()
            .map(|claim| (claim.rule, claim.holds, claim.wins, claim.why))
            .collect();
        let line = |rule: &str, holds, wins, why: &str| (rule.to_owned(), holds, wins, why.to_owned());
        assert_eq!(
            told,
            [
                line("big ones", false, false, "its condition does not hold"),
                line("germany", true, true, "it names team sales"),
                line("middle", true, false, "it holds too, but `germany` comes first"),
                line("everyone", true, false, "it holds too, but `germany` comes first"),
            ]
        );
    }
}
