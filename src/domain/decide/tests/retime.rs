//! Fault 90: rules are edited while clocks run. Running turns keep their terms until a person moves them; what was told stays
//! told, and a new turn is told all of it.

use super::*;
use crate::domain::agreement::{Audience, Commitment, Tier};
use crate::domain::calendar::{Holidays, Hours};
use crate::domain::decide::{ClockMoved, retime};

/// The agreement with other terms for the first touch.
fn with(time: SignedDuration, percents: &[u32]) -> Agreement {
    let mut agreement = agreement();
    agreement.version = Name::from("2027.1");
    let first = &mut agreement.handoff.commitments[0];
    first.within[0].time = Span::Elapsed(time);
    if !percents.is_empty() {
        first.ladder = percents.iter().map(|percent| rung(*percent, &[Audience::Owner])).collect();
    }
    agreement
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// A lead whose clock started at minute 1, looked at every five minutes until `minute`.
fn running_until(minute: i64) -> World {
    let mut world = World::handed_over();
    (1..=minute).filter(|now| now % 5 == 0).for_each(|now| drop(world.play(now)));
    world
}

fn move_to(world: &mut World, agreement: Agreement) -> Option<(Vec<ClockMoved>, bool)> {
    world.policy.agreement = Arc::new(agreement);
    let (retimed, plan) = retime(world.now, &world.case, &world.policy)?;
    world.case.handoff = plan.handoff.or(world.case.handoff.take());
    world.case.lead = plan.lead;
    world.events.extend(plan.events);
    assert!(plan.writes.is_empty() && plan.notices.is_empty(), "only the terms move");
    let is_overdue = retimed.is_overdue();
    Some((retimed.rows, is_overdue))
}

#[test]
fn an_edited_rule_leaves_a_running_clock_alone_fault_90() {
    let mut world = running_until(20);
    world.policy.agreement = Arc::new(with(minutes(10), &[]));
    world.play(25);
    let turn = world.case.handoff.as_ref().unwrap().turn().unwrap();
    assert_eq!((turn.clocks[0].due_at, turn.agreement.as_str()), (Some(at(61)), "2026.4"));
    assert!(!world.kinds().contains(&NoticeKind::Breach));
}

#[test]
fn what_moves_is_listed_with_both_deadlines_and_what_was_told_fault_90() {
    // At which minute, under which terms: the deadline, what was told, what would be told at once.
    let check = |name: &str, minute: i64, terms: Agreement, due: i64, told: &[u32], at_once: &[u32]| {
        let mut world = running_until(minute);
        let (rows, is_overdue) = move_to(&mut world, terms).unwrap_or_else(|| panic!("{name}: nothing moves"));
        assert_eq!(rows.len(), 1, "{name}: {rows:?}");
        let row = &rows[0];
        assert_eq!((row.from, row.to), (Some(at(61)), Some(at(due))), "{name}");
        assert_eq!((row.told.as_slice(), row.at_once.as_slice()), (told, at_once), "{name}");
        assert_eq!(is_overdue, !at_once.is_empty(), "{name}");
        let turn = world.case.handoff.as_ref().unwrap().turn().unwrap();
        assert_eq!((turn.clocks[0].due_at, turn.agreement.as_str()), (Some(at(due)), "2027.1"), "{name}");
        assert_eq!(world.clock_from(), Some(at(1)), "{name}: the clock runs on");
    };
    check("longer", 20, with(minutes(120), &[]), 121, &[], &[]);
    check("shorter, nothing passed", 5, with(minutes(30), &[]), 31, &[], &[]);
    check("shorter, passed", 20, with(minutes(10), &[]), 11, &[], &[80, 100, 150]);
    check("longer after the warning", 55, with(minutes(120), &[]), 121, &[80], &[]);
    check("longer after the breach", 70, with(minutes(120), &[]), 121, &[80, 100], &[]);
    check("another ladder", 55, with(minutes(60), &[50, 80, 200]), 61, &[80], &[50]);
}

#[test]
fn what_was_told_is_not_told_again_and_the_rest_at_its_new_time_fault_90() {
    let mut world = running_until(70);
    let before = world.told.len();
    move_to(&mut world, with(minutes(120), &[])).unwrap();
    (75..=180).filter(|now| now % 5 == 0).for_each(|now| drop(world.play(now)));
    assert_eq!(world.told.len(), before, "80 and 100 percent come again at 97 and 121: {:?}", world.kinds());
    world.play(181);
    assert_eq!(world.kinds()[before], NoticeKind::Reassignment, "150 percent of two hours");
    // The turn changed: its owner is told all of it, by the terms in force.
    let granted = world.case.handoff.as_ref().unwrap().turn().unwrap();
    assert_eq!((granted.number, granted.agreement.as_str()), (2, "2027.1"));
    assert!(granted.clocks[0].steps.iter().all(|step| *step == Step::Waiting));
}

#[test]
fn what_is_the_same_does_not_move_and_a_time_that_was_chosen_for_the_lead_stays_fault_90() {
    let mut world = running_until(20);
    let mut same = agreement();
    same.version = Name::from("2027.1");
    assert_eq!(move_to(&mut world, same), None);
    // Another time stands first now, but the one that this lead was promised is still given.
    let mut tiers = with(minutes(30), &[]);
    tiers.handoff.commitments[0].within.push(Tier { when: None, time: Span::Elapsed(minutes(60)) });
    assert_eq!(move_to(&mut world, tiers), None);
    let mut nobody = World::new();
    assert_eq!(move_to(&mut nobody, with(minutes(30), &[])), None, "without a hand-off");
}

#[test]
fn commitments_come_and_go_and_what_was_kept_stays_kept_fault_90() {
    let mut world = running_until(20);
    world.touch(22, Channel::Call, "anna", Genuine::Yes);
    world.play(25);
    let mut terms = with(minutes(10), &[]);
    terms.handoff.commitments.remove(1);
    let third = Commitment { name: Name::from("meeting"), ..terms.handoff.commitments[0].clone() };
    terms.handoff.commitments.push(Commitment {
        within: vec![Tier { when: None, time: Span::Elapsed(minutes(90)) }],
        done_by: vec![Proof::Meeting],
        ..third
    });
    let (rows, _) = move_to(&mut world, terms).unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.commitment.as_str(), row.from, row.to)).collect();
    assert_eq!(
        told,
        [
            ("first touch", Some(at(61)), Some(at(11))),
            ("meeting", None, Some(at(91))),
            ("disposition", Some(at(601)), None),
        ]
    );
    let clocks = &world.case.handoff.as_ref().unwrap().turn().unwrap().clocks;
    assert!(clocks[0].met.is_some(), "the call keeps its promise");
    assert!(world.events.iter().any(|event| matches!(&event.what, Happening::Retimed { turn: 1, .. })));
}

#[test]
fn an_edited_calendar_moves_the_deadline_by_itself_and_what_was_told_stays_told_fault_90() {
    let mut terms = agreement();
    terms.handoff.commitments[0].within[0].time = Span::Business(minutes(60));
    let mut world = World::new();
    world.policy.agreement = Arc::new(terms);
    world.stage(0, Stage::Mql, Author::Person(None));
    world.play(0);
    world.receive(1);
    (1..=55).filter(|now| now % 5 == 0 || *now == 1).for_each(|now| drop(world.play(now)));
    let warnings = |world: &World| world.kinds().iter().filter(|kind| **kind == NoticeKind::Warning).count();
    assert_eq!(warnings(&world), 1, "{:?}", world.kinds());
    // The team turns out to open at 09:30 only: half an hour of what was counted never was.
    let hours = Hours::parse([("mon-fri", "09:30-17:00")]).expect("readable hours");
    let open = Calendar::new("late", TimeZone::UTC, hours, Holidays::default()).expect("a usable calendar");
    let mut roster = Roster::clone(&world.policy.roster);
    roster.calendars.insert(Name::from("always"), Arc::new(open));
    world.policy.roster = Arc::new(roster);
    world.play(60);
    let due = world.case.handoff.as_ref().unwrap().turn().unwrap().clocks[0].due_at;
    assert_eq!(due, Some(at(90)), "an hour of open time from 09:30");
    (62..=88).filter(|now| now % 2 == 0).for_each(|now| drop(world.play(now)));
    assert_eq!(warnings(&world), 1, "80 percent are reached again, at 10:18");
    world.play(91);
    assert!(world.kinds().contains(&NoticeKind::Breach), "{:?}", world.kinds());
}
