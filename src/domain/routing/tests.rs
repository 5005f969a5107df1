use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::SignedDuration;
use jiff::civil::{Weekday, time};
use proptest::prelude::*;

use super::super::calendar::{Calendar, Holidays, Hours, Window};
use super::super::expr::{Comparison, Number, Rule, Test};
use super::super::field::{Field, Value};
use super::super::roster::Person;
use super::*;

fn now() -> Timestamp {
    // Half past midnight of Tuesday in Berlin, still Monday in UTC.
    "2026-11-23T23:30:00Z".parse().unwrap()
}

fn person(name: &str) -> PersonId {
    PersonId::from(name)
}

fn member(name: &str, weight: u32) -> Member {
    Member { person: person(name), weight, open_max: None, day_max: None }
}

fn roster(members: Vec<Member>) -> Roster {
    let window = Window::new(time(9, 0, 0, 0), time(17, 0, 0, 0)).unwrap();
    let hours = Hours::default().open([Weekday::Monday, Weekday::Tuesday], window);
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let berlin = Calendar::covering("berlin", berlin, hours, Holidays::none(), 2026..=2026).unwrap();
    let team = Team {
        manager: Some(person("manager")),
        fallback: Some(person("fallback")),
        calendar: Name::from("berlin"),
        works_in: None,
        tell: None,
        quiet: None,
        members,
    };
    Roster {
        teams: BTreeMap::from([(TeamId::from("dach"), team)]),
        calendars: BTreeMap::from([(Name::from("berlin"), Arc::new(berlin))]),
        ..Roster::default()
    }
}

fn away(roster: &mut Roster, name: &str, day: Date) {
    roster.people.insert(person(name), Person { away: vec![(day, day)], ..Person::default() });
}

fn wanted(by: Fairness, not: &[&str]) -> Wanted {
    Wanted {
        rule: Name::from("everyone else"),
        among: Among::Team(TeamId::from("dach"), by),
        not: not.iter().map(|name| person(name)).collect(),
        why: String::new(),
        clocks: Vec::new(),
    }
}

fn assign_to(wanted: &Wanted, roster: &Roster, states: &[TeamState], open: &[(PersonId, u32)]) -> Assigned {
    assign(now(), wanted, roster, states, open, |_| true)
}

/// Gives `count` leads, all in one instant as an import does, and says to whom.
fn give(count: usize, by: Fairness, roster: &Roster) -> Vec<String> {
    let mut states = Vec::new();
    let mut open: Vec<(PersonId, u32)> = Vec::new();
    (0..count)
        .map(|_| {
            let assigned = assign_to(&wanted(by, &[]), roster, &states, &open);
            let chosen = assigned.person.unwrap();
            states = vec![assigned.shares.unwrap()];
            open.push((chosen.clone(), 1));
            chosen.as_str().to_owned()
        })
        .collect()
}

#[test]
fn turns_go_round_in_the_order_of_the_team_even_within_one_instant() {
    let roster = roster(vec![member("a", 3), member("b", 1), member("c", 1)]);
    assert_eq!(give(7, Fairness::RoundRobin, &roster), ["a", "b", "c", "a", "b", "c", "a"]);
}

#[test]
fn weighted_turns_are_spread_evenly() {
    let roster = roster(vec![member("a", 2), member("b", 1), member("c", 1)]);
    assert_eq!(give(8, Fairness::Weighted, &roster), ["a", "b", "c", "a", "a", "b", "a", "c"]);
}

#[test]
fn least_loaded_fills_up_by_weight() {
    let roster = roster(vec![member("a", 2), member("b", 1)]);
    let given = give(9, Fairness::LeastLoaded, &roster);
    assert_eq!(given.iter().filter(|name| *name == "a").count(), 6, "{given:?}");

    let open = [(person("a"), 5), (person("b"), 2)];
    let assigned = assign_to(&wanted(Fairness::LeastLoaded, &[]), &roster, &[], &open);
    assert_eq!(assigned.person, Some(person("b")));
    assert_eq!(assigned.why, "b has the fewest open hand-offs for their weight (2 open hand-offs) in team dach");
}

#[test]
fn least_loaded_gives_equals_in_turn() {
    let roster = roster(vec![member("a", 1), member("b", 1)]);
    let first = assign_to(&wanted(Fairness::LeastLoaded, &[]), &roster, &[], &[]);
    assert_eq!(first.person, Some(person("a")));
    // The first lead was answered meanwhile: nobody has an open one, and still it is b's turn.
    let second = assign_to(&wanted(Fairness::LeastLoaded, &[]), &roster, &[first.shares.unwrap()], &[]);
    assert_eq!(second.person, Some(person("b")));
}

#[test]
fn whoever_cannot_take_a_lead_is_passed_over_with_the_reason() {
    let mut roster = roster(vec![
        member("had it", 1),
        member("away", 1),
        member("stranger", 1),
        member("rests", 0),
        Member { open_max: Some(2), ..member("full", 1) },
        Member { day_max: Some(3), ..member("busy", 1) },
        member("free", 1),
    ]);
    away(&mut roster, "away", jiff::civil::date(2026, 11, 24));
    // Away on Monday only: in Berlin it is Tuesday already.
    away(&mut roster, "free", jiff::civil::date(2026, 11, 23));
    let busy = Share {
        person: person("busy"),
        given: 3,
        given_at: None,
        given_today: 3,
        day: Some(jiff::civil::date(2026, 11, 24)),
        credit: 0,
    };
    let state = TeamState { team: TeamId::from("dach"), version: 4, shares: vec![busy] };
    let open = [(person("full"), 2)];
    let states = [state];
    for by in Fairness::ALL {
        let ask = wanted(by, &["had it"]);
        let assigned = assign(now(), &ask, &roster, &states, &open, |person| person.as_str() != "stranger");
        assert_eq!(assigned.person, Some(person("free")), "{by:?}");
        assert_eq!((assigned.by, assigned.finding), (TurnBy::Routing, None));
        let skipped: Vec<_> = assigned.skipped.iter().map(|(person, why)| (person.as_str(), *why)).collect();
        assert_eq!(
            skipped,
            [
                ("had it", Ineligible::HadIt),
                ("away", Ineligible::Away),
                ("stranger", Ineligible::NoAccount),
                ("rests", Ineligible::NoWeight),
                ("full", Ineligible::OpenMax(2)),
                ("busy", Ineligible::DayMax(3)),
            ]
        );
        let shares = assigned.shares.unwrap();
        assert_eq!(shares.version, 4, "the store counts");
        let free = shares.shares.iter().find(|share| share.person.as_str() == "free").unwrap();
        assert_eq!((free.given, free.given_today, free.given_at), (1, 1, Some(now())));
    }
}

#[test]
fn a_new_day_begins_at_midnight_of_the_team() {
    let roster = roster(vec![Member { day_max: Some(1), ..member("a", 1) }]);
    let ask = wanted(Fairness::RoundRobin, &[]);
    let first = assign(now() - SignedDuration::from_hours(1), &ask, &roster, &[], &[], |_| true);
    assert_eq!(first.person, Some(person("a")));
    let states = [first.shares.unwrap()];
    let second = assign(now(), &ask, &roster, &states, &[], |_| true);
    assert_eq!(second.person, Some(person("a")), "after midnight in Berlin, though not in UTC");
    let states = [second.shares.unwrap()];
    let third = assign(now(), &ask, &roster, &states, &[], |_| true);
    assert_eq!((third.person, third.by), (Some(person("fallback")), TurnBy::Fallback));
}

#[test]
fn nobody_eligible_means_the_fallback_and_a_finding() {
    let mut known = roster(vec![member("a", 1)]);
    let ask = wanted(Fairness::RoundRobin, &["a"]);
    let assigned = assign_to(&ask, &known, &[], &[]);
    assert_eq!((assigned.person, assigned.by), (Some(person("fallback")), TurnBy::Fallback));
    let finding = assigned.finding.unwrap();
    assert!(finding.contains("a had the lead before") && finding.contains("fallback stands in"), "{finding}");

    let without_account = assign(now(), &ask, &known, &[], &[], |person| person.as_str() != "fallback");
    assert_eq!(without_account.person, Some(person("manager")));
    let no_accounts = assign(now(), &ask, &known, &[], &[], |_| false);
    assert_eq!(no_accounts.person, Some(person("fallback")), "better a name without account than none");

    let all_turns = Wanted { among: Among::Fallback(TeamId::from("dach")), ..ask.clone() };
    let assigned = assign_to(&all_turns, &known, &[], &[]);
    assert_eq!((assigned.person, assigned.finding), (Some(person("fallback")), None), "that was promised");

    let team = known.teams.get_mut(&TeamId::from("dach")).unwrap();
    (team.fallback, team.manager) = (None, None);
    let assigned = assign_to(&all_turns, &known, &[], &[]);
    assert!(assigned.person.is_none() && assigned.finding.unwrap().contains("add `fallback`"));
}

#[test]
fn one_person_gets_it_and_it_shows_in_the_team_without_costing_a_turn() {
    let roster = roster(vec![member("a", 1), member("b", 1)]);
    let ask = Wanted { among: Among::Person(person("b")), ..wanted(Fairness::RoundRobin, &[]) };
    let assigned = assign_to(&ask, &roster, &[], &[]);
    assert_eq!((assigned.person, assigned.team), (Some(person("b")), Some(TeamId::from("dach"))));
    let shares = assigned.shares.unwrap().shares;
    assert_eq!((shares[0].given, shares[0].credit), (1, 0));

    let stranger = assign(now(), &ask, &roster, &[], &[], |person| person.as_str() != "b");
    assert_eq!((stranger.person, stranger.by), (Some(person("fallback")), TurnBy::Fallback));
    assert!(stranger.finding.is_some());
}

fn rule(name: &str, employees: Option<f64>, to: RouteTo) -> RoutingRule {
    let at_least = |bound: f64| {
        let test = Test::Compare(Number::Field(Field::Employees), Comparison::AtLeast, Number::Constant(bound));
        Rule::new("company.employees >= bound", test)
    };
    RoutingRule { name: Name::from(name), when: employees.map(at_least), to }
}

#[test]
fn first_rule_that_holds_and_can_be_followed_wins_and_explains_itself() {
    let mut roster = roster(vec![member("a", 1), member("b", 1)]);
    away(&mut roster, "b", jiff::civil::date(2026, 11, 24));
    let rules = [
        rule("large", Some(1000.0), RouteTo::Person(person("a"))),
        rule("known company", None, RouteTo::CompanyOwner),
        rule("lost team", None, RouteTo::Team(TeamId::from("gone"), Fairness::RoundRobin)),
        rule("everyone else", None, RouteTo::Team(TeamId::from("dach"), Fairness::LeastLoaded)),
    ];
    let check = |employees: Option<f64>, owner: Option<&str>, not: &[&str], won: &str, told: &[&str]| {
        let mut facts = Facts::default();
        facts.set(Field::Employees, employees.map(Value::Number));
        let owner = owner.map(person);
        let not: Vec<PersonId> = not.iter().map(|name| person(name)).collect();
        let (wanted, tried) = explain_route(now(), &facts, owner.as_ref(), &rules, &roster, &not);
        assert_eq!(wanted.rule.as_str(), won, "{employees:?} {owner:?}");
        let outcomes: Vec<&str> = tried.iter().map(|line| line.outcome.as_str()).collect();
        assert_eq!(outcomes, told);
        assert_eq!(wanted.why, *told.last().unwrap());
        assert_eq!(wanted, route(now(), &facts, owner.as_ref(), &rules, &roster, &not));
    };
    let no = "its condition does not hold";
    let unknown = "its condition needs company.employees, which nobody knows";
    let (lost, team) = ("the roster has no team gone", "it names team dach");
    check(Some(2000.0), None, &[], "large", &["it names a"]);
    check(
        Some(2000.0),
        None,
        &["a"],
        "everyone else",
        &["it names a, but had the lead before", "the company has no owner whom the roster knows", lost, team],
    );
    check(Some(5.0), Some("a"), &[], "known company", &[no, "a owns the company"]);
    check(None, Some("a"), &[], "known company", &[unknown, "a owns the company"]);
    check(Some(5.0), Some("b"), &[], "everyone else", &[no, "b owns the company, but is away", lost, team]);
    check(
        Some(5.0),
        Some("x"),
        &[],
        "everyone else",
        &[no, "x owns the company, but is not in the roster", lost, team],
    );
}

#[test]
fn without_a_rule_that_can_be_followed_the_fallback_of_the_last_team_has_it() {
    let roster = roster(vec![member("a", 1)]);
    let rules = [
        rule("large", Some(1000.0), RouteTo::Team(TeamId::from("dach"), Fairness::RoundRobin)),
        rule("known company", None, RouteTo::CompanyOwner),
    ];
    let wanted = route(now(), &Facts::default(), None, &rules, &roster, &[]);
    assert_eq!(wanted.among, Among::Fallback(TeamId::from("dach")));
    let assigned = assign_to(&wanted, &roster, &[], &[]);
    assert_eq!(assigned.person, Some(person("fallback")));
    assert!(assigned.why.starts_with("no routing rule could be followed"));
}

fn check_shares(weights: &[u32], by: Fairness) -> Result<(), TestCaseError> {
    let weight = |index: usize| if by == Fairness::Weighted { weights[index] } else { 1 };
    let members = (0..weights.len()).map(|index| member(&index.to_string(), weights[index])).collect();
    let roster = roster(members);
    let total: u32 = (0..weights.len()).map(weight).sum();
    let given = give(120, by, &roster);
    for (count, last) in (1..).zip(0..given.len()) {
        for index in 0..weights.len() {
            let got = given[..=last].iter().filter(|name| **name == index.to_string()).count();
            let owed = f64::from(count) * f64::from(weight(index)) / f64::from(total);
            let behind = owed - f64::from(u32::try_from(got).unwrap());
            prop_assert!(behind.abs() < 1.0, "{} of {:?} has {} of {} after {}", index, weights, got, owed, count);
        }
    }
    Ok(())
}

/// Giving each lead to whoever has the most credit leaves the first more than a lead behind after 61.
#[test]
fn very_uneven_weights_are_kept_to_as_well() {
    check_shares(&[52, 52, 1, 1, 3], Fairness::Weighted).unwrap();
}

proptest! {
    #[test]
    fn shares_stay_within_one_lead_of_the_weights_at_every_moment(
        weights in prop::collection::vec(1..60u32, 1..12),
        by in prop_oneof![Just(Fairness::RoundRobin), Just(Fairness::Weighted)],
    ) {
        check_shares(&weights, by)?;
    }

    #[test]
    fn nobody_ineligible_is_ever_chosen_and_the_same_question_has_the_same_answer(
        members in prop::collection::vec((0..4u32, prop::option::of(0..5u32), prop::option::of(0..5u32), any::<[bool; 3]>()), 1..6),
        by in prop_oneof![Just(Fairness::RoundRobin), Just(Fairness::Weighted), Just(Fairness::LeastLoaded)],
        rounds in 1..25usize,
    ) {
        let mut known = roster(
            members
                .iter()
                .enumerate()
                .map(|(index, (weight, open_max, day_max, _))| Member {
                    open_max: *open_max,
                    day_max: *day_max,
                    ..member(&index.to_string(), *weight)
                })
                .collect(),
        );
        let flagged = |at: usize| -> BTreeSet<String> {
            members.iter().enumerate().filter(|(_, line)| line.3[at] && line.0 % 2 == 0).map(|(index, _)| index.to_string()).collect()
        };
        let (gone, had, strangers) = (flagged(0), flagged(1), flagged(2));
        for name in &gone {
            away(&mut known, name, jiff::civil::date(2026, 11, 24));
        }
        let ask = wanted(by, &had.iter().map(String::as_str).collect::<Vec<_>>());
        let exists = |person: &PersonId| !strangers.contains(person.as_str());
        let mut states: Vec<TeamState> = Vec::new();
        let mut given: BTreeMap<String, u32> = BTreeMap::new();
        for _ in 0..rounds {
            let open: Vec<_> = given.iter().map(|(name, count)| (person(name), *count)).collect();
            let assigned = assign(now(), &ask, &known, &states, &open, exists);
            prop_assert_eq!(&assigned, &assign(now(), &ask, &known, &states, &open, exists));
            let name = assigned.person.unwrap().as_str().to_owned();
            let before = given.get(&name).copied().unwrap_or(0);
            if assigned.by == TurnBy::Fallback {
                prop_assert_eq!(&name, "fallback");
                prop_assert_eq!(assigned.skipped.len(), members.len());
                prop_assert!(assigned.finding.is_some());
            } else {
                let (weight, open_max, day_max, _) = members[name.parse::<usize>().unwrap()];
                prop_assert!(weight > 0 && !gone.contains(&name) && !had.contains(&name) && !strangers.contains(&name));
                prop_assert!(open_max.is_none_or(|max| before < max) && day_max.is_none_or(|max| before < max));
            }
            given.insert(name, before + 1);
            let state = assigned.shares.unwrap();
            prop_assert_eq!(state.shares.iter().map(|share| share.credit).sum::<i64>(), 0);
            states = vec![state];
        }
    }
}
