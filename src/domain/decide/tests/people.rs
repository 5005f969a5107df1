//! How people are told and what they answer: in person or by the channel, links, the package, and consent.

use super::*;
use crate::domain::answer::{Answer, Verdict};
use crate::domain::plan::History;
use crate::domain::reach::{Links, Reach, Telling};
use crate::domain::roster::Person;

/// The world with mail for people, and wishes of some of them.
fn telling(wishes: &[(&str, &str)], links: Option<Links>) -> World {
    let mut world = World::new();
    let reach = |channel: &str, people, place| Reach { channel: Name::from(channel), people, place };
    let reach =
        vec![reach("slack.dach", false, true), reach("slack.marketing", false, true), reach("email.main", true, false)];
    world.policy.telling = Arc::new(Telling { reach, links });
    let mut roster = Roster::clone(&world.policy.roster);
    for (name, wish) in wishes {
        let known = Person { tell: Some(Name::from(*wish)), ..Person::default() };
        roster.people.insert(person(name), known);
    }
    world.policy.roster = Arc::new(roster);
    world
}

fn qualified(mut world: World) -> World {
    world.stage(0, Stage::Mql, Author::Person(None));
    world.play(0);
    world.receive(1);
    world.play(1);
    world
}

fn links(in_places: bool) -> Option<Links> {
    Some(Links { last: SignedDuration::from_hours(24), in_places })
}

/// Where each notice went, and for whom.
fn told(world: &World) -> Vec<(String, Vec<String>)> {
    let of = |notice: &Notice| {
        let people = notice.people.iter().map(|(person, _)| person.as_str().split('@').next().unwrap_or("").to_owned());
        (notice.channel.to_string(), people.collect())
    };
    world.told.iter().map(of).collect()
}

fn at_once(channel: &str, people: &[&str]) -> (String, Vec<String>) {
    (channel.to_owned(), people.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn people_are_told_as_they_wish_and_the_channel_tells_the_rest() {
    let mut world = qualified(telling(&[("anna", "email")], None));
    assert_eq!(told(&world), [at_once("email.main/anna@example.com", &["anna"])]);
    world.play(61);
    assert_eq!(
        told(&world)[2..],
        [at_once("email.main/anna@example.com", &["anna"]), at_once("slack.dach", &["boss"])],
        "the breach: the owner by mail, the manager by the channel"
    );
    let ops: std::collections::BTreeSet<_> = world.told.iter().map(|notice| notice.op).collect();
    assert_eq!(ops.len(), world.told.len(), "each way is a notice of its own");
}

#[test]
fn a_withdrawal_takes_back_what_each_of_them_got() {
    let mut world = qualified(telling(&[("anna", "email")], None));
    world.play(61);
    world.touch(30, Channel::Call, "anna", Genuine::Yes);
    world.play(70);
    for notice in world.told.iter().filter(|notice| notice.kind == NoticeKind::Withdrawal) {
        let taken = world.told.iter().find(|known| Some(known.op) == notice.withdraws).expect("a notice that went out");
        assert_eq!(taken.channel, notice.channel);
    }
    assert_eq!(world.told.iter().filter(|notice| notice.kind == NoticeKind::Withdrawal).count(), 2);
}

#[test]
fn a_team_without_a_channel_is_told_in_person_and_whoever_cannot_be_is_a_finding() {
    let mut world = telling(&[("anna", "email")], None);
    let mut roster = Roster::clone(&world.policy.roster);
    roster.teams.values_mut().for_each(|team| team.tell = None);
    world.policy.roster = Arc::new(roster);
    let mut world = qualified(world);
    assert_eq!(told(&world), [at_once("email.main/anna@example.com", &["anna"])]);
    assert!(world.findings.iter().all(|finding| finding.kind != FindingKind::Undeliverable));
    world.play(61);
    let lost = world.findings.iter().find(|finding| finding.kind == FindingKind::Undeliverable).expect("the manager");
    assert!(lost.text.contains("boss@example.com"), "{}", lost.text);
}

#[test]
fn only_the_owner_is_asked_and_only_where_nobody_reads_along() {
    let asks = |world: &World| {
        let asked = world.told.iter().filter(|notice| notice.ask.is_some());
        asked.map(|notice| notice.channel.to_string()).collect::<Vec<_>>()
    };
    let mut world = qualified(telling(&[("anna", "email"), ("boss", "email")], links(false)));
    world.play(61);
    let mine = "email.main/anna@example.com";
    assert_eq!(asks(&world), [mine, mine, mine], "assigned, warned, breached; the manager is not asked");
    let ask = world.told[0].ask.clone().unwrap();
    assert_eq!((ask.turn, ask.person, ask.until), (1, person("anna"), at(24 * 60)));
    assert_eq!(asks(&qualified(telling(&[("anna", "email")], None))), Vec::<String>::new());
    assert_eq!(asks(&qualified(telling(&[], links(false)))), Vec::<String>::new());
    assert_eq!(asks(&qualified(telling(&[], links(true)))), ["slack.dach"]);
}

fn answers(world: &mut World, minute: i64, turn: u32, by: &str, word: Verdict) -> Plan {
    world.case.answer = Some(Answer { turn, by: person(by), at: at(minute), word });
    let plan = world.play(minute);
    world.case.answer = None;
    plan
}

#[test]
fn accepting_keeps_the_promise_and_is_written_where_sales_works() {
    let mut world = World::handed_over();
    let sal = |ability: &mut Ability| ability.stages.push(Stage::Sal);
    world.policy.connections.iter_mut().for_each(sal);
    let plan = answers(&mut world, 20, 1, "anna", Verdict::Accepted);
    assert_eq!(plan.lead.stage, Stage::Sal);
    let writes: Vec<_> = plan.writes.iter().map(|write| (write.connection.as_str(), write.effect.as_str())).collect();
    assert_eq!(writes, [("hubspot", "stage"), ("odoo", "stage")]);
    let kept = |event: &Event| matches!(&event.what, Happening::Kept { commitment, in_time: true, .. } if commitment.as_str() == "disposition");
    assert!(plan.events.iter().any(kept), "{:?}", plan.events);
    let again = answers(&mut world, 21, 1, "anna", Verdict::Rejected(Name::from("bad_timing")));
    assert!(again.events.is_empty() && again.writes.is_empty(), "what stands, stands: {again:?}");
    assert!(world.play(22).writes.is_empty());
    assert!(world.case.handoff.as_ref().unwrap().is_open());
}

#[test]
fn giving_back_ends_the_handoff_and_marks_sales_record() {
    let mut world = World::handed_over();
    let plan = answers(&mut world, 20, 1, "anna", Verdict::Rejected(Name::from("bad_timing")));
    let outcome = |handoff: &Handoff| matches!(&handoff.state, HandoffState::Closed { outcome: Outcome::Rejected(why), .. } if why.as_str() == "bad_timing");
    assert!(plan.handoff.as_ref().is_some_and(outcome), "{:?}", plan.handoff);
    let writes: Vec<_> = plan.writes.iter().map(|write| (write.connection.as_str(), write.effect.as_str())).collect();
    assert!(writes.contains(&("odoo", "reject")) && writes.contains(&("hubspot", "join_track")), "{writes:?}");
    assert_eq!(plan.lead.stage, Stage::Nurture);
}

#[test]
fn a_word_that_comes_too_late_or_from_somebody_else_is_none() {
    for (turn, by, minute, word) in [
        (2, "anna", 20, Verdict::Accepted),
        (1, "bela", 20, Verdict::Accepted),
        (1, "anna", 95, Verdict::Accepted),
        (1, "anna", 20, Verdict::Rejected(Name::from("no_reason_of_ours"))),
    ] {
        let mut world = World::handed_over();
        if minute > 90 {
            world.play(91);
        }
        answers(&mut world, minute, turn, by, word.clone());
        assert!(world.case.handoff.as_ref().unwrap().is_open());
        let is_unknown_reason = matches!(word, Verdict::Rejected(_));
        let heard = world.events.iter().any(|event| matches!(event.what, Happening::Answered { .. }));
        assert_eq!(heard, is_unknown_reason, "turn {turn} by {by} at {minute}");
    }
}

#[test]
fn the_package_tells_all_once_and_in_order() {
    let mut world = World::new();
    let odoo = ConnectionId::from("odoo");
    let touch = |minute: i64, genuine| Touch {
        of: RecordRef::new(&odoo, Object::Call, format!("m{minute}")),
        person: RecordRef::new(&odoo, Object::Person, "8"),
        channel: Channel::Call,
        at: at(minute),
        by: Some(RemoteId::from("12")),
        genuine,
    };
    let history = History {
        handoffs: Vec::new(),
        touches: vec![touch(-10, Genuine::Yes), touch(-500, Genuine::No(NotGenuine::Inbound))],
        touches_more: 3,
    };
    world.case.history = Some(history);
    let signal = |name: &str, minute| crate::domain::signal::Signal { name: Name::from(name), at: at(minute) };
    world.case.records[0].signals = (0..60).map(|number| signal("visit", -100 - number)).collect();
    world.case.records[0].signals.push(signal("demo_request", -5));
    let world = qualified(world);
    let notes: Vec<&String> = world
        .written
        .iter()
        .filter_map(|write| if let Effect::AddNote { body } = &write.effect { Some(body) } else { None })
        .collect();
    assert_eq!(notes.len(), 1);
    let note = notes[0];
    let mut last = 0;
    for part in [
        "Hand-off L-7/1: Jo",
        "With anna@example.com: everyone: next in turn",
        "Agreed: first touch within 1 hour; disposition within 10 hours",
        "Came from: not known",
        "- 24 Nov 2026 08:55  demo_request",
        "visit",
        "- and 21 more",
        "- 24 Nov 2026 08:50  call by bela@example.com (odoo)",
        ", from the lead (odoo)",
        "- and 3 more",
        "- phone: +49 30 1 (hubspot)",
        "Not known\n- linkedin",
        "- hubspot:person:501",
        "More: https://baton.example.com/leads/L-7",
    ] {
        let place = note[last..].find(part).unwrap_or_else(|| panic!("{part} is missing behind {last} in {note}"));
        last += place;
    }
    assert!(world.told[0].package.as_ref() == Some(note), "the notice has the same");
}

#[test]
fn the_package_is_bounded_and_no_value_makes_a_line() {
    let mut world = World::new();
    world.case.history = Some(History::default());
    let long = format!("x\nMore: https://evil.example\r\n{}", "y".repeat(100_000));
    world.case.records[0].values[1].value = Value::text(&long).unwrap();
    let world = qualified(world);
    let note = world.told[0].package.clone().unwrap();
    assert!(note.chars().count() < PACKAGE_CHARS_MAX, "{}", note.len());
    assert_eq!(note.lines().filter(|line| line.starts_with("More:")).count(), 1);
}

fn opts_out(world: &mut World, minute: i64) {
    let opted_out = Known { field: Field::OptedOut, value: Value::Flag(true), at: at(minute) };
    let values = &mut world.case.records[0].values;
    let place = values.binary_search_by_key(&Field::OptedOut, |known| known.field).unwrap_err();
    values.insert(place, opted_out);
}

/// A lead that was given back and is on the track `next-quarter`.
fn nurtured() -> World {
    let mut world = World::handed_over();
    world.says(20, Word::Rejected { reason: Some(Name::from("bad_timing")), said: None });
    world.play(21);
    assert_eq!(world.effects("hubspot"), ["join_track", "note"]);
    assert!(world.case.lead.track.is_some());
    world.written.clear();
    world
}

#[test]
fn who_opts_out_while_on_a_track_is_taken_off_it_once() {
    let mut world = nurtured();
    opts_out(&mut world, 30);
    world.play(31);
    assert_eq!(world.effects("hubspot"), ["leave_track"]);
    assert_eq!(world.case.lead.track, None);
    assert!(world.case.lead.rests_until.is_some(), "it rests all the same");
    world.play(32);
    assert_eq!(world.effects("hubspot"), ["leave_track"], "once");
}

#[test]
fn who_leaves_nurture_leaves_its_track() {
    for stage in [Stage::Sql, Stage::Won, Stage::Disqualified] {
        let mut world = nurtured();
        world.stage(40, stage, Author::Person(None));
        world.play(41);
        assert_eq!(world.effects("hubspot"), ["leave_track"], "{stage}");
        world.play(42);
        assert_eq!(world.effects("hubspot"), ["leave_track"], "{stage}");
    }
}

#[test]
fn a_task_never_asks_to_write_to_somebody_who_opted_out() {
    for only_by_mail in [false, true] {
        let mut world = World::new();
        let mut agreed = agreement();
        agreed.handoff.skip.clear();
        if only_by_mail {
            agreed.handoff.commitments[0].done_by = vec![Proof::Email];
        }
        world.policy.agreement = Arc::new(agreed);
        opts_out(&mut world, -10);
        let world = qualified(world);
        let tasks = world.written.iter().filter_map(|write| match &write.effect {
            Effect::AddTask { body, .. } => Some(body.starts_with(DO_NOT_WRITE)),
            _ => None,
        });
        let expected: &[bool] = if only_by_mail { &[] } else { &[true] };
        assert_eq!(tasks.collect::<Vec<_>>(), expected, "only by mail: {only_by_mail}");
    }
}
