//! Each effect once, and nothing by ourselves: operation ids, echoes of what Baton wrote, scores.

use super::*;
use crate::domain::agreement::SignalRule;
use crate::domain::lead::ScoreWritten;
use crate::domain::signal::Signal;

/// Of two effects under one id the outbox would take the first, and the other would never be.
#[test]
fn everything_that_a_life_asks_for_has_an_operation_id_of_its_own() {
    let mut world = World::new();
    let mut directory = Directory::clone(&world.policy.directory);
    for (name, id) in [("anna", "31"), ("bela", "32"), ("cleo", "33"), ("boss", "39")] {
        directory.insert(ConnectionId::from("hubspot"), RemoteId::from(id), person(name));
    }
    world.policy.directory = Arc::new(directory);
    world.stage(0, Stage::Mql, Author::Person(None));
    world.play(0);
    let mut minute = 0;
    for owner in ["anna", "bela", "cleo"] {
        assert_eq!(world.owner().as_deref(), Some(owner));
        minute += 1;
        world.receive(minute);
        world.play(minute);
        // Warned, accused, and taken away, one after the other.
        for at_percent in [80, 100, 150] {
            world.play(minute + 60 * at_percent / 100);
        }
        minute += 90;
    }
    minute += 1;
    world.receive(minute);
    world.play(minute);
    world.play(minute + 180);
    assert_eq!(world.case.lead.stage, Stage::Nurture);
    let writes = world.written.iter().map(|write| (write.op, format!("{:?}", write.effect)));
    let mut asked: Vec<_> =
        writes.chain(world.told.iter().map(|told| (told.op, told.story.headline.clone()))).collect();
    assert!(asked.len() > 20, "a whole life: {asked:?}");
    asked.sort();
    for pair in asked.windows(2) {
        assert_ne!(pair[0].0, pair[1].0, "one id for {} and {}", pair[0].1, pair[1].1);
    }
}

/// A request that was not answered may have its effect when the next turn runs already.
#[test]
fn our_own_owner_of_an_earlier_turn_that_arrives_late_takes_nothing_from_the_next() {
    let mut world = World::handed_over();
    world.play(91);
    world.receive(92);
    world.play(92);
    assert_eq!(world.owner().as_deref(), Some("bela"));
    world.own(93, Some("11"), Author::Baton);
    world.play(94);
    assert_eq!(world.owner().as_deref(), Some("bela"), "nobody gave it back to Anna");
    // The same by a person is a person's word.
    world.own(95, Some("11"), Author::Person(None));
    world.play(96);
    assert_eq!(world.owner().as_deref(), Some("anna"));
}

#[test]
fn a_score_is_written_again_on_another_day_and_only_if_it_moved() {
    const DAY: i64 = 24 * 60;
    let rule = |signal: &str, points| SignalRule {
        signal: Name::from(signal),
        points,
        at_least: 1,
        within_days: None,
        half_life_days: None,
        cap: None,
    };
    // Enough to begin with that no step below changes the grade.
    let intent = vec![rule("demo", 30), rule("visit", 2), rule("download", 5)];
    let check = |name: &str, signals: &[&str], minute: i64, is_written: bool| {
        let mut world = World::new();
        let score = ScoreModel { intent: intent.clone(), ..ScoreModel::default() };
        world.policy.agreement = Arc::new(Agreement { score, ..agreement() });
        world.policy.connections[0].score = true;
        let signal = |name: &str, minute| Signal { name: Name::from(name), at: at(minute) };
        world.case.records[0].signals.push(signal("demo", -1));
        world.play(0);
        assert_eq!(world.effects("hubspot"), ["score"], "{name}: the first one");
        let before = world.case.lead.score_written;
        world.case.records[0].signals.extend((1..).zip(signals).map(|(ago, name)| signal(name, minute - ago)));
        let plan = world.play(minute);
        let planned: Vec<_> = plan.writes.iter().map(|write| write.effect.as_str()).collect();
        assert_eq!(planned, if is_written { vec!["score"] } else { Vec::new() }, "{name}");
        // What is remembered is what was written: the next change is held against it.
        let on = TimeZone::UTC.to_datetime(at(minute)).date();
        let written = is_written.then_some(ScoreWritten { points: plan.lead.score, on });
        assert_eq!(plan.lead.score_written, written.or(before), "{name}");
        assert_eq!(world.play(minute + 1).writes.len(), 0, "{name}: once");
    };
    check("nothing moved", &[], DAY, false);
    check("hardly moved", &["visit", "visit"], DAY, false);
    check("moved", &["download"], DAY, true);
    check("moved by several", &["visit", "visit", "visit"], DAY, true);
    check("moved on the day of the last one", &["download"], 60, false);
    check("another grade on the day of the last one", &["demo"], 60, false);
}
