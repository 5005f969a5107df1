//! Roles that a stage needs, who counts, and what an owner is told of the people beside their lead.

use super::*;
use crate::domain::committee::{CommitteePolicy, Headcount, Required, RoleRule};
use crate::domain::expr::{Rule, Test, Texts};
use crate::domain::finding::FindingKind;

fn titled(name: &str, word: &str) -> RoleRule {
    RoleRule { name: Name::from(name), when: Rule::new(word, Test::HasWord(Field::Title, Texts::new([word]))) }
}

/// A lead whose agreement looks at committees; `others` sit beside it.
fn world(required: Vec<(Stage, Required)>, others: Headcount) -> World {
    let mut world = World::new();
    let committee = CommitteePolicy {
        roles: vec![titled("buyer", "cfo"), titled("user", "it")],
        required,
        engaged_within_days: 90,
    };
    let mut agreement = agreement();
    agreement.committee = Some(committee);
    world.policy.agreement = Arc::new(agreement);
    world.case.colleagues = Some(others);
    world
}

fn missing(plan: &Plan) -> Vec<&str> {
    let ours = plan.findings.iter().filter(|finding| finding.kind == FindingKind::MissingRoles);
    ours.map(|finding| finding.text.as_str()).collect()
}

#[test]
fn a_stage_whose_roles_are_not_known_is_told_until_they_are() {
    let mut world = world(vec![(Stage::Mql, Required::Count(1))], Headcount::default());
    assert!(missing(&world.play(0)).is_empty(), "nothing is asked of a lead before the bar");
    world.stage(1, Stage::Mql, Author::Person(None));
    let plan = world.play(1);
    let text = missing(&plan)[0].to_owned();
    assert!(
        text.starts_with("mql needs 1 role known in the company, none is known; there is only this one contact"),
        "{text}"
    );
    assert!(text.contains("1 more of buyer, user"), "{text}");

    let mut beside = Headcount::default();
    beside.add(&[Name::from("buyer")], 1, 1);
    world.case.colleagues = Some(beside);
    assert!(missing(&world.play(2)).is_empty(), "a colleague has one");

    world.case.colleagues = Some(Headcount::default());
    let title = Known { field: Field::Title, value: Value::text("Head of IT").unwrap(), at: at(3) };
    world.case.records[0].values.push(title);
    world.case.records[0].values.sort_by_key(|known| known.field);
    assert!(missing(&world.play(3)).is_empty(), "the lead has one itself");
    assert_eq!(world.case.lead.committee.as_ref().unwrap().roles, [Name::from("user")]);
}

#[test]
fn an_open_deal_asks_for_what_sql_asks_for() {
    let mut world = world(vec![(Stage::Sql, Required::Roles(vec![Name::from("buyer")]))], Headcount::default());
    assert!(missing(&world.play(0)).is_empty());
    world.case.open_deals = 1;
    assert!(missing(&world.play(1))[0].contains("find buyer"), "{:?}", world.findings);
    world.stage(2, Stage::Lost, Author::Person(None));
    world.case.open_deals = 0;
    assert!(missing(&world.play(2)).is_empty(), "nobody is looked for once it is over");
}

#[test]
fn whoever_gets_the_lead_is_told_who_else_is_known() {
    let mut beside = Headcount::default();
    beside.add(&[Name::from("buyer")], 2, 1);
    let mut world = world(Vec::new(), beside);
    world.case.history = Some(crate::domain::plan::History::default());
    world.stage(0, Stage::Mql, Author::Person(None));
    world.play(0);
    let told = &world.told[0];
    assert!(
        told.story.lines[0].ends_with("; one of 3 people known there, 1 engaged; nobody known as user"),
        "{:?}",
        told.story.lines
    );
    let package = told.package.as_ref().unwrap();
    for line in [
        "Who else is known there",
        "- people known, with this one: 3",
        "- engaged: 1",
        "- buyer: 2",
        "- user: nobody known",
    ] {
        assert!(package.contains(line), "{line} is missing in {package}");
    }
}

#[test]
fn rules_ask_for_the_committee_as_this_decision_sees_it() {
    use crate::domain::signal::Signal;
    let mut beside = Headcount::default();
    beside.add(&[Name::from("buyer")], 4, 1);
    let mut world = world(Vec::new(), beside);
    let mut agreement = (*world.policy.agreement).clone();
    agreement.score.intent.push(crate::domain::agreement::SignalRule {
        signal: Name::from("demo_request"),
        points: 1,
        at_least: 1,
        within_days: None,
        half_life_days: None,
        cap: None,
    });
    world.policy.agreement = Arc::new(agreement);
    world.case.records[0].signals.push(Signal { name: Name::from("demo_request"), at: at(-1) });
    let mut facts = gather(&world.case, &Projection::of(&world.case.records));
    drop(appraise(at(0), &world.case, &world.policy.agreement, &world.policy.zone, &mut facts));
    let number = |field: Field| facts.get(field).and_then(Value::as_number);
    assert_eq!(number(Field::CompanyPeople), Some(5.0));
    assert_eq!(number(Field::CompanyEngaged), Some(2.0), "its own demo request counts");
    assert_eq!(number(Field::CompanyRoles), Some(1.0));

    world.play(0);
    let lapses = at(-1) + SignedDuration::from_hours(90 * 24);
    assert!(
        world.case.lead.look_again_at.is_some_and(|at| at <= lapses),
        "it is looked at again when that is too long ago"
    );
    world.play_at(lapses);
    assert_eq!(world.case.lead.committee.as_ref().unwrap().engaged, None);
}

#[test]
fn a_lead_that_was_joined_to_another_sits_nowhere() {
    let mut world = world(Vec::new(), Headcount::default());
    world.play(0);
    assert!(world.case.lead.committee.is_some());
    world.case.told = vec![crate::domain::plan::Told::JoinedTo { into: LeadId(9), by: None }];
    world.play(1);
    assert_eq!(world.case.lead.committee, None);
}
