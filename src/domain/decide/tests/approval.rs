//! `writes = "plan"`: what becomes of a proposal. And what is paused, contested, or ordered by a person.

use super::*;
use crate::domain::plan::{Hold, Paused};
use crate::domain::proposal::stands;

/// Marketing qualifies the lead while writes wait for approval; everything that was planned is held.
fn proposed() -> World {
    let mut world = World::new();
    world.policy.writes = Mode::Plan;
    world.stage(0, Stage::Mql, Author::Person(None));
    let plan = world.play(0);
    assert_eq!(plan.hold, Some(Hold::Plan));
    hold(&mut world, Fate::Held);
    world
}

fn hold(world: &mut World, fate: Fate) {
    for write in world.written.clone() {
        world.case.receipts.retain(|known| known.op != write.op);
        world.case.receipts.push(Receipt { op: write.op, fate, at: at(0) });
    }
}

fn handoff(world: &World) -> &Handoff {
    world.case.handoff.as_ref().unwrap()
}

#[test]
fn a_proposal_is_a_shadow_until_its_write_took_effect() {
    let mut world = proposed();
    assert!(handoff(&world).is_shadow && handoff(&world).proposed_at.is_some());
    assert_eq!(world.effects("odoo"), ["create", "task"], "it is planned all the same");
    for minute in [30, 100, 400] {
        world.play(minute);
    }
    assert!(
        world.told.is_empty() && !world.events.iter().any(|event| matches!(event.what, Happening::StepFired { .. }))
    );
    assert_eq!(world.owner().as_deref(), Some("anna"), "one owner, however long it takes");
    // Approved: pending, then done at minute 401.
    hold(&mut world, Fate::Pending);
    world.play(400);
    assert!(handoff(&world).is_shadow, "until the CRM knows it");
    world.case.receipts.clear();
    world.receive(401);
    world.play(401);
    assert!(!handoff(&world).is_shadow && handoff(&world).proposed_at.is_none());
    assert_eq!(world.clock_from(), Some(at(401)));
    assert_eq!(world.kinds(), [NoticeKind::Assigned], "now they are told");
    world.play(401 + 59);
    assert_eq!(world.kinds(), [NoticeKind::Assigned, NoticeKind::Warning]);
    world.play(401 + 60);
    assert_eq!(world.kinds().last(), Some(&NoticeKind::Breach));
}

#[test]
fn what_becomes_of_a_proposal_follows_from_the_fate_of_its_write() {
    let check = |name: &str, fate: Fate, is_shadow: bool, is_proposed: bool, writes_again: bool| {
        let mut world = proposed();
        hold(&mut world, fate);
        let before = world.written.len();
        world.play(5);
        let after = handoff(&world);
        assert_eq!((after.is_shadow, after.proposed_at.is_some()), (is_shadow, is_proposed), "{name}");
        assert_eq!(world.written.len() > before, writes_again, "{name}");
    };
    check("waits", Fate::Held, true, true, false);
    check("approved", Fate::Pending, true, true, false);
    check("planned on what has changed", Fate::Superseded, true, true, true);
    check("discarded", Fate::Dead, true, false, false);
    check("written", Fate::Done, false, false, false);
}

#[test]
fn what_is_planned_anew_is_the_same_operation_on_what_is_now() {
    let mut world = World::new();
    world.policy.writes = Mode::Plan;
    let mut made = record("odoo", "9", Vec::new());
    made.owners = vec![OwnerEntry { owner: None, at: at(-100), by: Author::Unknown }];
    world.case.records.push(made);
    world.stage(0, Stage::Mql, Author::Person(None));
    world.play(0);
    let first = world.written.iter().find(|write| write.effect.as_str() == "owner").unwrap().clone();
    world.own(3, Some("13"), Author::Automation(Name::from("rule 5")));
    assert!(stands(&first, &world.case).unwrap_err().contains("user 13"));
    hold(&mut world, Fate::Superseded);
    world.play(4);
    let again = world.written.iter().rfind(|write| write.effect.as_str() == "owner").unwrap();
    assert_eq!(again.op, first.op);
    assert!(matches!(&again.effect, Effect::SetOwner { expected: Some(now), .. } if now.as_str() == "13"), "{again:?}");
    assert_eq!(stands(again, &world.case), Ok(()));
}

#[test]
fn a_person_who_assigns_meanwhile_wins_with_a_clock_of_their_own() {
    let mut world = World::new();
    world.policy.writes = Mode::Plan;
    world.case.records.push(record("odoo", "9", Vec::new()));
    world.stage(0, Stage::Mql, Author::Person(None));
    world.play(0);
    hold(&mut world, Fate::Held);
    world.own(20, Some("13"), Author::Person(None));
    let plan = world.play(21);
    assert_eq!(world.owner().as_deref(), Some("cleo"));
    assert!(!handoff(&world).is_shadow);
    assert_eq!(world.clock_from(), Some(at(20)), "from their assignment, not from our proposal");
    assert!(plan.cancels.is_some(), "ours is withdrawn");
    world.play(20 + 60);
    assert!(world.kinds().contains(&NoticeKind::Breach), "{:?}", world.kinds());
}

#[test]
fn a_paused_team_fires_nothing_and_goes_on_where_it_stands() {
    let mut world = World::handed_over();
    let told = world.told.len();
    world.policy.paused = Paused { teams: vec![TeamId::from("dach")], ..Paused::default() };
    let plan = world.play(200);
    assert_eq!(world.told.len(), told);
    assert_eq!(plan.hold, Some(Hold::Paused(TeamId::from("dach"))));
    assert!(plan.lead.look_again_at.is_some(), "it is looked at again all the same");
    world.policy.paused = Paused::default();
    world.play(201);
    assert!(world.kinds().contains(&NoticeKind::Breach), "found late rather than not at all");
    world = World::handed_over();
    world.policy.paused = Paused { all: true, ..Paused::default() };
    let told = world.told.len();
    world.play(200);
    assert_eq!(world.told.len(), told);
}

#[test]
fn an_automation_that_takes_our_stage_back_is_no_news_and_gets_one_retry_fault_67() {
    let flow = || Author::Automation(Name::from("Workflow 7"));
    let mut world = World::new();
    world.policy.agreement = Arc::new(lifting());
    world.stage(-50, Stage::Engagement, Author::Person(None));
    world.case.lead.stage = Stage::Engagement;
    world.case.lead.stage_since = at(-50);
    let signal = |minute| crate::domain::signal::Signal { name: Name::from("demo_request"), at: at(minute) };
    world.case.records[0].signals.push(signal(-1));
    world.play(0);
    let stages = |world: &World| world.written.iter().filter(|write| write.effect.as_str() == "stage").count();
    assert_eq!((world.case.lead.stage, stages(&world)), (Stage::Mql, 1));
    world.stage(1, Stage::Mql, Author::Baton).stage(2, Stage::Engagement, flow());
    world.receive(1);
    world.play(3);
    assert_eq!((world.case.lead.stage, stages(&world)), (Stage::Mql, 2), "one retry");
    world.receive(3);
    world.play(4);
    assert_eq!(stages(&world), 2, "and not another while nothing happens");
    world.stage(5, Stage::Mql, Author::Baton).stage(6, Stage::Engagement, flow());
    world.play(7);
    assert_eq!(stages(&world), 2);
    assert_eq!(world.case.lead.contested.len(), 1);
    let text = &world.findings.iter().find(|finding| finding.kind == FindingKind::Contested).unwrap().text;
    assert!(text.contains("Workflow 7 overwrites the stage that Baton sets in hubspot"), "{text}");
    world.case.records[0].signals.push(signal(30));
    world.play(31);
    assert_eq!(stages(&world), 2, "news of the lead starts nothing again");
    assert!(world.findings.iter().any(|finding| finding.kind == FindingKind::Contested), "it is still said");
}

#[test]
fn an_automation_that_overwrites_our_score_gets_one_retry_and_is_left_alone_fault_67() {
    use crate::domain::lead::{Points, ScorePart};
    use crate::domain::record::ScoreEntry;
    let entry =
        |minute, text: &str, by| ScoreEntry { shown: vec![(ScorePart::Intent, Name::from(text))], at: at(minute), by };
    let flow = || Author::Automation(Name::from("Workflow 7"));
    let ours = |world: &World| world.written.iter().filter(|write| write.effect.as_str() == "score").count();
    let mut world = World::new();
    world.policy.agreement = Arc::new(lifting());
    world.policy.connections[0].score = true;
    let signal = crate::domain::signal::Signal { name: Name::from("demo_request"), at: at(-1) };
    world.case.records[0].signals.push(signal);
    world.play(0);
    assert_eq!(ours(&world), 1);
    world.receive(0);
    world.case.records[0].scores = vec![entry(0, "40", Author::Baton)];
    assert!(world.case.records[0].scores[0].shows(&Points { intent: 40, ..Points::default() }));
    world.case.records[0].scores.push(entry(1, "0", flow()));
    world.play(2);
    assert_eq!(ours(&world), 2, "one retry");
    world.receive(2);
    world.play(3);
    assert_eq!(ours(&world), 2, "and no other while nothing happens");
    world.case.records[0].scores.extend([entry(3, "40", Author::Baton), entry(4, "0", flow())]);
    world.play(5);
    assert_eq!((ours(&world), world.case.lead.contested.len()), (2, 1));
    let text = &world.findings.iter().find(|finding| finding.kind == FindingKind::Contested).unwrap().text;
    assert!(text.contains("Workflow 7 overwrites the score that Baton sets in hubspot"), "{text}");
    // Days later the score has moved, and would be written: the fight is over for good, not for a day.
    let again = crate::domain::signal::Signal { name: Name::from("demo_request"), at: at(3 * 1440) };
    world.case.records[0].signals.push(again);
    world.play(3 * 1440 + 1);
    assert_eq!(ours(&world), 2);
    assert_ne!(world.case.lead.score, world.case.lead.score_written.unwrap().points, "it has moved");
}

#[test]
fn a_score_that_a_person_set_holds_while_sales_has_the_lead() {
    use crate::domain::lead::ScorePart;
    use crate::domain::record::ScoreEntry;
    let mut world = World::new();
    world.policy.agreement = Arc::new(lifting());
    world.policy.connections[0].score = true;
    let signal = |minute| crate::domain::signal::Signal { name: Name::from("demo_request"), at: at(minute) };
    world.case.records[0].signals.push(signal(-1));
    world.play(0);
    world.receive(1);
    let shown = vec![(ScorePart::Intent, Name::from("99"))];
    world.case.records[0].scores = vec![ScoreEntry { shown, at: at(2), by: Author::Person(None) }];
    world.case.records[0].signals.push(signal(3 * 1440));
    let written = world.written.len();
    world.play(3 * 1440 + 1);
    let scores = |world: &World| world.written[written..].iter().filter(|one| one.effect.as_str() == "score").count();
    assert!(world.case.handoff.as_ref().is_some_and(|handoff| handoff.is_open()));
    assert_eq!(scores(&world), 0);
    world.case.records[0].scores.clear();
    world.play(3 * 1440 + 2);
    assert_eq!(scores(&world), 1, "it would have been written");
}

/// An agreement whose bar every lead passes that asks for a demo.
fn lifting() -> Agreement {
    use crate::domain::agreement::{SignalRule, StageRule};
    use crate::domain::expr::{Rule, Test};
    let signal = Name::from("demo_request");
    let rule = SignalRule { signal, points: 40, at_least: 1, within_days: None, half_life_days: None, cap: None };
    Agreement {
        stages: vec![StageRule { stage: Stage::Mql, when: Rule::new("true", Test::Always(true)) }],
        score: ScoreModel { intent: vec![rule], ..ScoreModel::default() },
        ..agreement()
    }
}

#[test]
fn a_write_stands_only_on_what_it_was_planned_on() {
    let world = World::handed_over();
    let write = |effect: Effect, connection: &str, id: Option<&str>| Write {
        op: OperationId::of(&["x"]),
        lead: LeadId(7),
        handoff: Some(1),
        connection: ConnectionId::from(connection),
        record: id.map(|id| RecordRef::new(&ConnectionId::from(connection), Object::Person, id)),
        lane: crate::domain::plan::Lane::Assign,
        effect,
        because: String::new(),
    };
    let owner = |owner: &str, expected: Option<&str>| Effect::SetOwner {
        owner: RemoteId::from(owner),
        expected: expected.map(RemoteId::from),
    };
    let stage = |stage| Effect::SetStage { stage, is_backward: false };
    let check = |name: &str, world: &World, effect: Effect, connection: &str, id: Option<&str>, expected: bool| {
        let found = stands(&write(effect, connection, id), &world.case);
        assert_eq!(found.is_ok(), expected, "{name}: {found:?}");
    };
    check("the owner it expects", &world, owner("12", Some("11")), "odoo", Some("9"), true);
    check("the owner it sets is there", &world, owner("11", None), "odoo", Some("9"), true);
    check("another owner", &world, owner("12", Some("13")), "odoo", Some("9"), false);
    check("a record that is none of the lead's", &world, owner("12", Some("11")), "odoo", Some("77"), false);
    check("the stage the lead is at", &world, stage(Stage::Mql), "hubspot", Some("501"), true);
    check("another stage", &world, stage(Stage::Nurture), "hubspot", Some("501"), false);
    let create = || Effect::Create { values: Vec::new(), owner: None, is_new_journey: false, not: Vec::new() };
    check("there is a record now", &world, create(), "odoo", None, false);
    check("there is none yet", &world, create(), "salesforce", None, true);
    check("a track it is not on", &world, Effect::JoinTrack(Name::from("re-engage")), "hubspot", Some("501"), false);
    let mut gone = World::handed_over();
    gone.case.records[1].presence = Presence::Gone(at(5));
    check("a record that is gone", &gone, owner("12", Some("11")), "odoo", Some("9"), false);
    let mut ended = World::handed_over();
    let outcome = Outcome::Gone;
    ended.case.handoff.as_mut().unwrap().state = HandoffState::Closed { outcome, at: at(5) };
    check("a hand-off that has ended", &ended, owner("12", Some("11")), "odoo", Some("9"), false);
}

#[test]
fn an_adopted_lead_gets_a_handoff_when_its_time_has_come() {
    let mut world = World::new();
    world.case.lead.adopted = true;
    world.case.lead.stage = Stage::Mql;
    world.case.lead.stage_since = at(-1_000);
    world.stage(-1_000, Stage::Mql, Author::Person(None));
    world.case.lead.adopt_at = Some(at(30));
    let plan = world.play(0);
    assert!(world.case.handoff.is_none());
    assert_eq!(plan.lead.look_again_at, Some(at(30)));
    world.play(30);
    assert_eq!(world.owner().as_deref(), Some("anna"));
    assert!(!world.case.lead.adopted && world.case.lead.adopt_at.is_none());
    assert_eq!(world.case.handoff.as_ref().unwrap().qualified_at, at(30), "nothing starts retroactively");
}
