//! What records show of a hand-off: told when it changes, taken off when it ends, and never twice.

use super::*;
use crate::domain::handoff_fields::HandoffFields;
use crate::domain::plan::Lane;

/// A lead that was handed over, where the CRMs have fields for it.
fn world() -> World {
    let mut world = World::new();
    world.policy.connections.iter_mut().for_each(|ability| ability.handoff = true);
    world.stage(0, Stage::Mql, Author::Person(None));
    world
}

fn handed_over() -> World {
    let mut world = world();
    world.play(0);
    world.receive(1);
    world.play(1);
    world
}

fn fields(reason: &str, due: Option<i64>) -> HandoffFields {
    HandoffFields { reason: Some(reason.into()).filter(|_| !reason.is_empty()), owner_due: due.map(at) }
}

/// What each record was told last.
fn shown(world: &World, connection: &str) -> Option<HandoffFields> {
    let told = |write: &Write| match &write.effect {
        Effect::SetHandoff(fields) if write.connection.as_str() == connection => Some(fields.clone()),
        _ => None,
    };
    world.written.iter().rev().find_map(told)
}

fn count(world: &World) -> usize {
    world.written.iter().filter(|write| matches!(write.effect, Effect::SetHandoff(_))).count()
}

const WHY: &str = "everyone: next in turn";

#[test]
fn the_record_shows_why_its_owner_has_it_and_by_when_they_answer() {
    let mut world = world();
    world.play(0);
    assert_eq!(shown(&world, "hubspot"), Some(fields(WHY, None)), "no clock runs before the owner is known");
    assert_eq!(shown(&world, "odoo"), None, "there is no record yet");
    world.receive(1);
    world.play(1);
    assert_eq!(shown(&world, "hubspot"), Some(fields(WHY, Some(61))));
    assert_eq!(shown(&world, "odoo"), Some(fields(WHY, Some(61))));
    world.touch(30, Channel::Call, "anna", Genuine::Yes);
    world.play(31);
    assert_eq!(shown(&world, "odoo"), Some(fields(WHY, Some(601))), "the next promise");
    let lanes: Vec<Lane> = world
        .written
        .iter()
        .filter(|write| matches!(write.effect, Effect::SetHandoff(_)))
        .map(|write| write.lane)
        .collect();
    assert!(lanes.iter().all(|lane| *lane == Lane::Score), "{lanes:?}");
    let mut ops: Vec<OperationId> = world.written.iter().map(|write| write.op).collect();
    ops.sort_unstable();
    ops.dedup();
    assert_eq!(ops.len(), world.written.len(), "each is an effect of its own");
}

#[test]
fn what_did_not_change_is_not_told_again_and_an_earlier_value_may_come_back() {
    let mut world = handed_over();
    let told = count(&world);
    for minute in [2, 3, 20] {
        world.play(minute);
    }
    assert_eq!(count(&world), told);
    world.touch(30, Channel::Call, "anna", Genuine::Yes);
    world.play(31);
    world.case.touches.clear();
    world.play(32);
    assert_eq!(shown(&world, "odoo"), Some(fields(WHY, Some(601))), "what kept a promise stands");
    assert_eq!(count(&world), told + 2);
}

#[test]
fn what_came_back_shows_its_reason_and_no_due_time() {
    let mut world = handed_over();
    world.says(20, Word::Rejected { reason: Some("bad_timing".into()), said: None });
    world.play(21);
    for connection in ["hubspot", "odoo"] {
        assert_eq!(shown(&world, connection), Some(fields("rejected: bad_timing", None)), "{connection}");
    }
    let told = count(&world);
    world.play(22);
    assert_eq!(count(&world), told);
}

#[test]
fn what_sales_confirmed_shows_nothing_any_more() {
    let mut world = handed_over();
    let stage = StageEntry { stage: Stage::Sql, at: at(20), by: Author::Person(None) };
    world.case.records[1].stages.push(stage);
    world.play(21);
    for connection in ["hubspot", "odoo"] {
        assert_eq!(shown(&world, connection), Some(HandoffFields::default()), "{connection}");
    }
}

#[test]
fn nothing_is_told_of_what_ended_before_anybody_asked_nor_of_a_shadow_nor_while_writes_are_off() {
    let mut ended = World::handed_over();
    ended.says(20, Word::Rejected { reason: Some("bad_timing".into()), said: None });
    ended.play(21);
    ended.policy.connections.iter_mut().for_each(|ability| ability.handoff = true);
    ended.play(22);
    assert_eq!(count(&ended), 0);
    let mut shadow = world();
    shadow.policy.writes = Mode::Off;
    shadow.play(0);
    shadow.policy.writes = Mode::On;
    shadow.play(1);
    assert!(shadow.case.handoff.as_ref().unwrap().is_shadow);
    assert_eq!((count(&shadow), shadow.case.lead.handoff_written.len()), (0, 0));
    let mut off = handed_over();
    let told = count(&off);
    off.policy.writes = Mode::Off;
    off.touch(30, Channel::Call, "anna", Genuine::Yes);
    off.play(31);
    assert_eq!(count(&off), told);
    off.policy.writes = Mode::On;
    off.play(32);
    assert_eq!(shown(&off, "odoo"), Some(fields(WHY, Some(601))), "told once it may be");
}

#[test]
fn a_record_that_another_one_took_the_place_of_shows_nothing_any_more() {
    let mut world = handed_over();
    let mut newer = record("odoo", "10", Vec::new());
    newer.created = at(5);
    newer.owners = world.case.records[1].owners.clone();
    world.case.records.push(newer);
    world.play(6);
    let told: Vec<(String, HandoffFields)> = world
        .written
        .iter()
        .rev()
        .take(2)
        .filter_map(|write| match &write.effect {
            Effect::SetHandoff(fields) => Some((write.record.as_ref()?.id.to_string(), fields.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(told, [("10".to_owned(), fields(WHY, Some(61))), ("9".to_owned(), HandoffFields::default())]);
}
