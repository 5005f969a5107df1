//! What happens within one second, in a CRM that shows no fractions: Odoo (traps 2 and 9 of its fact sheet).

use super::*;

/// `ms` milliseconds after minute 0.
fn ms(ms: i64) -> Timestamp {
    at(0) + SignedDuration::from_millis(ms)
}

/// As the CRM shows it.
fn cut(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap()
}

fn owned(owner: &str, at: Timestamp, by: Author) -> OwnerEntry {
    OwnerEntry { owner: Some(RemoteId::from(owner)), at: cut(at), by }
}

fn by_person() -> Author {
    Author::Person(Some(RemoteId::from("19")))
}

/// A lead that Odoo has had for long, given to somebody outside the team, and qualified now: Anna is chosen half a second
/// after minute 0, and her account is 11.
fn granted_half_a_second_in() -> World {
    let mut world = World::new();
    let mut known = record("odoo", "9", Vec::new());
    known.owners = vec![owned("19", at(-500), by_person())];
    world.case.records.push(known);
    world.stage(0, Stage::Mql, Author::Person(None));
    world.play_at(ms(500));
    assert_eq!(world.owner().as_deref(), Some("anna"));
    assert_eq!(world.effects("odoo"), ["owner", "task"]);
    // The outbox's rows stand from the commit on.
    world.fate(Fate::Pending, ms(500));
    world
}

impl World {
    /// What became of everything that was written so far.
    fn fate(&mut self, fate: Fate, at: Timestamp) {
        self.case.receipts = self.written.iter().map(|write| Receipt { op: write.op, fate, at }).collect();
    }

    fn sees(&mut self, owners: Vec<OwnerEntry>) {
        self.case.records.last_mut().unwrap().owners.extend(owners);
    }
}

#[test]
fn an_owner_change_in_the_second_of_the_grant_is_judged_by_order_and_author_not_by_the_cut_time() {
    let unknown = || Author::Unknown;
    let automation = || Author::Automation(Name::from("Workflow 7"));
    let check = |case: &str, fate: Fate, owners: Vec<OwnerEntry>, has_history: bool, expected: &str| {
        let mut world = granted_half_a_second_in();
        world.case.records.last_mut().unwrap().has_history = has_history;
        world.fate(fate, ms(900));
        world.sees(owners);
        world.play_at(ms(1_500));
        assert_eq!(world.owner().as_deref(), Some(expected), "{case}");
        let turns = world.case.handoff.as_ref().unwrap().turns.len();
        world.play_at(ms(2_500));
        let handoff = world.case.handoff.as_ref().unwrap();
        assert_eq!(handoff.turns.len(), turns, "{case}: deciding again changes nothing");
        assert!(handoff.turns.is_sorted_by_key(|turn| turn.granted_at), "{case}: the story keeps its order");
    };
    let cleo = |by: Author| owned("13", ms(300), by);
    let late = |by: Author| owned("13", ms(700), by);
    let ours = |by: Author| owned("11", ms(600), by);
    check("before our write, which found it and is dead", Fate::Dead, vec![cleo(by_person())], true, "cleo");
    check("before our write, which will look", Fate::Pending, vec![cleo(by_person())], true, "anna");
    check("before our write, read without it: overwritten", Fate::Done, vec![cleo(by_person())], true, "anna");
    check("after our write", Fate::Done, vec![ours(Author::Baton), late(by_person())], true, "cleo");
    check(
        "after our write, its receipt not yet here",
        Fate::Pending,
        vec![ours(Author::Baton), late(by_person())],
        true,
        "cleo",
    );
    check("after our write, by nobody knows whom", Fate::Done, vec![ours(unknown()), late(unknown())], true, "cleo");
    check("no history, and another owner", Fate::Done, vec![late(unknown())], false, "cleo");
    check("our own echo, without an author", Fate::Done, vec![ours(unknown())], false, "anna");
    check("our own echo", Fate::Done, vec![ours(Author::Baton)], true, "anna");
    check("an automation", Fate::Done, vec![ours(Author::Baton), late(automation())], true, "anna");
    check("the second before", Fate::Dead, vec![owned("13", ms(-300), by_person())], true, "anna");
}

#[test]
fn the_late_echo_of_an_earlier_turn_is_no_persons_change() {
    let mut world = granted_half_a_second_in();
    world.fate(Fate::Done, ms(900));
    world.sees(vec![owned("11", ms(600), Author::Baton)]);
    for second in [1, 60 * 91] {
        world.play_at(ms(1_000 * second + 500));
    }
    assert_eq!(world.owner().as_deref(), Some("bela"));
    world.sees(vec![owned("12", ms(1_000), Author::Baton), owned("11", ms(1_000 * 60 * 91 + 100), Author::Unknown)]);
    world.play_at(ms(1_000 * (60 * 91 + 2)));
    assert_eq!(world.owner().as_deref(), Some("bela"));
}

#[test]
fn an_automation_that_overwrites_within_the_second_of_our_write_gets_its_one_retry() {
    let mut world = granted_half_a_second_in();
    world.fate(Fate::Done, ms(1_200));
    world.sees(vec![owned("11", ms(600), Author::Baton), owned("12", ms(700), Author::Automation(Name::from("Rule")))]);
    world.play_at(ms(2_000));
    assert_eq!(world.owner().as_deref(), Some("anna"));
    assert_eq!(world.effects("odoo"), ["owner", "task", "owner"], "it came before the receipt, but after the write");
}

#[test]
fn a_call_in_the_second_of_the_turns_beginning_counts() {
    let mut world = World::handed_over();
    world.own(2, Some("13"), by_person());
    let second = at(2);
    world.case.records.last_mut().unwrap().owners.last_mut().unwrap().at = second + SignedDuration::from_millis(400);
    world.play(3);
    assert_eq!(world.owner().as_deref(), Some("cleo"));
    // Bela's own turn, given by Baton, begins half a second after its second.
    let mut world = World::handed_over();
    world.play_at(at(91) + SignedDuration::from_millis(500));
    assert_eq!(world.owner().as_deref(), Some("bela"));
    world.touch(91, Channel::Call, "bela", Genuine::Yes);
    world.play(92);
    let turn = world.case.handoff.as_ref().unwrap().turn().unwrap();
    assert!(turn.clocks[0].met.is_some(), "a call at 91:00 may be one at 91:00.9");
}

#[test]
fn sales_word_in_the_second_of_the_opening_counts() {
    let check = |word: Word, is_open: bool| {
        let mut world = granted_half_a_second_in();
        world.says(0, word);
        world.play_at(ms(1_500));
        let handoff = world.case.handoff.as_ref().unwrap();
        assert_eq!(handoff.is_open(), is_open);
        if is_open {
            assert!(handoff.turns[0].clocks[1].met.is_some());
        }
    };
    check(Word::Rejected { reason: Some(Name::from("bad_timing")), said: None }, false);
    check(Word::Accepted, true);
}

#[test]
fn a_record_deleted_in_the_second_of_the_opening_is_gone() {
    let mut world = granted_half_a_second_in();
    world.case.records.last_mut().unwrap().presence = Presence::Gone(ms(0));
    world.play_at(ms(1_500));
    assert!(world.case.handoff.as_ref().unwrap().is_closed());
}

#[test]
fn a_stage_in_the_second_of_ours_counts_where_it_cannot_have_been_known_before() {
    let check = |before: Stage, entry: StageEntry, expected: Stage| {
        let mut world = World::new();
        world.case.records.push(record("odoo", "9", Vec::new()));
        world.case.lead.stage = before;
        world.case.lead.stage_since = ms(500);
        world.case.lead.qualified_at = Some(ms(400));
        let shown = format!("{entry:?}");
        world.case.records[1].stages.push(entry);
        world.play_at(ms(1_500));
        assert_eq!(world.case.lead.stage, expected, "{before} then {shown}");
    };
    let entry = |stage, by| StageEntry { stage, at: ms(0), by };
    check(Stage::Mql, entry(Stage::Sal, by_person()), Stage::Sal);
    check(Stage::Mql, entry(Stage::Sql, Author::Unknown), Stage::Sql);
    check(Stage::Nurture, entry(Stage::Sql, by_person()), Stage::Sql);
    // What it may have been before Baton acted says nothing.
    check(Stage::Mql, entry(Stage::Engagement, by_person()), Stage::Mql);
    check(Stage::Nurture, entry(Stage::Sal, by_person()), Stage::Nurture);
    check(Stage::Mql, StageEntry { stage: Stage::Sal, at: ms(-1_000), by: by_person() }, Stage::Mql);
}

#[test]
fn our_own_stage_that_arrives_late_does_not_hide_what_sales_did_meanwhile() {
    let mut world = World::handed_over();
    world.case.records[1].stages.push(StageEntry { stage: Stage::Sql, at: at(20), by: by_person() });
    world.stage(21, Stage::Mql, Author::Baton);
    world.play(22);
    world.play(23);
    assert_eq!(world.case.lead.stage, Stage::Sql);
    assert!(world.case.handoff.as_ref().unwrap().is_closed());
}
