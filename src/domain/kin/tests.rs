//! Tables for joining and splitting, and what must hold of both together.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::domain::field::{Field, Known, Value};
use crate::domain::handoff::{HandoffState, Outcome};
use crate::domain::id::{ConnectionId, HandoffId, Object};
use crate::domain::lead::Projection;
use crate::domain::record::Presence;
use crate::domain::stage::Stage;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_795_510_800).unwrap() + SignedDuration::from_mins(minute)
}

fn of(connection: &str, id: &str) -> RecordRef {
    RecordRef::new(&ConnectionId::from(connection), Object::Person, id)
}

fn by() -> Name {
    Name::from("ops")
}

fn record(lead: i64, connection: &str, id: &str, values: &[(Field, &str, i64)]) -> PersonRecord {
    let mut values: Vec<Known> = values
        .iter()
        .map(|(field, text, minute)| Known { field: *field, value: Value::text(text).unwrap(), at: at(*minute) })
        .collect();
    values.sort_by_key(|known| known.field);
    values.dedup_by_key(|known| known.field);
    PersonRecord {
        of: of(connection, id),
        link: Link { lead: LeadId(lead), rule: LinkRule::First, at: at(-100) },
        modified: at(0),
        created: at(-100),
        presence: Presence::Live,
        values,
        keys: Vec::new(),
        company: None,
        stages: Vec::new(),
        owners: Vec::new(),
        disposition: None,
        signals: Vec::new(),
        scores: Vec::new(),
        company_since: None,
        has_history: false,
    }
}

fn case(lead: i64, records: Vec<PersonRecord>) -> Case {
    let mut state = LeadState::new(LeadId(lead), at(-100));
    state.version = 1;
    Case {
        lead: state,
        records,
        company: None,
        colleagues: None,
        handoff: None,
        touches: Vec::new(),
        receipts: Vec::new(),
        history: None,
        answer: None,
        open_deals: 0,
        apart: Vec::new(),
        told: Vec::new(),
    }
}

fn handed(mut case: Case, minute: i64, is_shadow: bool) -> Case {
    case.handoff = Some(Handoff {
        id: HandoffId { lead: case.lead.id, number: 1 },
        qualified_at: at(minute),
        opened_at: at(minute),
        below_bar: false,
        is_shadow,
        proposed_at: None,
        state: HandoffState::Open,
        turns: Vec::new(),
    });
    case
}

fn closed(mut case: Case) -> Case {
    if let Some(handoff) = case.handoff.as_mut() {
        handoff.state = HandoffState::Closed { outcome: Outcome::Gone, at: at(5) };
    }
    case
}

#[test]
fn the_older_open_handoff_goes_on() {
    let plain = |lead| case(lead, Vec::new());
    for (named, other, expected, why) in [
        (plain(1), plain(2), 1, "nobody has it: the one that was named"),
        (plain(2), plain(1), 2, "not the lower number"),
        (plain(1), handed(plain(2), 0, false), 2, "the one that sales has"),
        (handed(plain(1), 0, false), plain(2), 1, "the one that sales has"),
        (handed(plain(1), 3, false), handed(plain(2), 1, false), 2, "the older"),
        (handed(plain(1), 1, false), handed(plain(2), 3, false), 1, "the older"),
        (handed(plain(1), 1, true), handed(plain(2), 3, false), 2, "a shadow is known to nobody"),
        (plain(1), closed(handed(plain(2), 0, false)), 1, "what has ended goes nowhere"),
    ] {
        assert_eq!(goes_on(&named, &other), LeadId(expected), "{why}");
    }
}

#[test]
fn one_record_leaves_alone_and_the_only_one_cannot() {
    let one = case(7, vec![record(7, "hubspot", "1", &[])]);
    assert_eq!(split(&one, &of("hubspot", "1"), None, |_| false), None);
    let both = case(7, vec![record(7, "hubspot", "1", &[]), record(7, "odoo", "2", &[])]);
    let parted = split(&both, &of("odoo", "2"), None, |_| false).unwrap();
    assert_eq!((parted.leave, parted.stay), (vec![of("odoo", "2")], vec![of("hubspot", "1")]));
    assert_eq!(parted.memory, Some(both.lead.memory()), "what came before was of both");
    assert_eq!(split(&both, &of("odoo", "9"), None, |_| false), None, "not of this lead");
}

#[test]
fn the_handoff_stays_with_the_record_that_its_owner_was_written_to() {
    let both = handed(case(7, vec![record(7, "hubspot", "1", &[]), record(7, "odoo", "2", &[])]), 0, false);
    let sales = of("odoo", "2");
    let named = split(&both, &sales, Some(&sales), |_| false).unwrap();
    assert_eq!((named.leave, named.stay), (vec![of("hubspot", "1")], vec![sales.clone()]), "the others leave instead");
    assert_eq!(named.memory, None, "who leaves was not handed over, and begins anew");
    let other = split(&both, &of("hubspot", "1"), Some(&sales), |_| false).unwrap();
    assert_eq!(other.leave, [of("hubspot", "1")]);
}

#[test]
fn what_came_by_one_join_goes_by_one_split() {
    let mut records = moved(&[record(9, "hubspot", "3", &[]), record(9, "odoo", "4", &[])], LeadId(7), &by(), at(10));
    records.insert(0, record(7, "hubspot", "1", &[]));
    let joined = handed(case(7, records), 0, false);
    let parted = split(&joined, &of("odoo", "4"), Some(&of("odoo", "4")), |lead| lead == LeadId(9)).unwrap();
    assert_eq!(parted.leave, [of("hubspot", "3"), of("odoo", "4")]);
    assert_eq!(parted.back_to, Some(LeadId(9)), "the hand-off is older than the join, and was never theirs");

    let later = handed(case(7, joined.records.clone()), 20, false);
    let parted = split(&later, &of("odoo", "4"), Some(&of("odoo", "4")), |lead| lead == LeadId(9)).unwrap();
    assert_eq!(parted.leave, [of("hubspot", "1")], "the hand-off that began after it stays with its record");
    assert_eq!(parted.back_to, None);

    let elsewhere = split(&joined, &of("odoo", "4"), None, |_| false).unwrap();
    assert_eq!((elsewhere.leave, elsewhere.back_to), (vec![of("odoo", "4")], None), "lead 9 went elsewhere meanwhile");
}

#[test]
fn taking_out_who_was_there_first_takes_the_join_back() {
    let (ours, theirs) =
        (record(7, "hubspot", "1", &[]), [record(9, "hubspot", "3", &[]), record(9, "odoo", "4", &[])]);
    let mut records = moved(&theirs, LeadId(7), &by(), at(10));
    records.insert(0, ours);
    let (first, others) = (of("hubspot", "1"), vec![of("hubspot", "3"), of("odoo", "4")]);
    let (plain, back) = (case(7, records.clone()), |lead| lead == LeadId(9));
    let sales = of("odoo", "4");
    for (joined, expected, why) in [
        (plain.clone(), Some(LeadId(9)), "nobody has it"),
        (handed(plain.clone(), 0, false), Some(LeadId(9)), "the hand-off was there before the join"),
        (handed(plain.clone(), 20, false), None, "it began after the join, with a record that came by it"),
    ] {
        let parted = split(&joined, &first, Some(&sales), back).unwrap();
        let stays = if expected.is_some() { vec![first.clone()] } else { others.clone() };
        assert_eq!((parted.back_to, parted.stay), (expected, stays), "{why}");
    }
    let elsewhere = split(&plain, &first, None, |_| false).unwrap();
    assert_eq!((elsewhere.leave, elsewhere.back_to), (vec![first.clone()], None), "lead 9 has other records by now");
    records.push(record(7, "odoo", "5", &[]));
    let more = split(&case(7, records), &first, None, back).unwrap();
    assert_eq!((more.leave, more.back_to), (vec![first], None), "lead 7 has another record of its own");
}

fn remembering(lead: i64, stage: Stage, minute: i64, cycles: u32, rests: Option<i64>) -> LeadState {
    let mut state = LeadState::new(LeadId(lead), at(minute));
    state.version = 1;
    state.stage = stage;
    state.cycles = cycles;
    state.rests_until = rests.map(at);
    state
}

#[test]
fn the_person_keeps_what_either_lead_did() {
    let resting = remembering(9, Stage::Nurture, 50, 2, Some(900));
    let mut fresh = remembering(7, Stage::Engagement, 10, 0, None);
    absorb(&mut fresh, &resting, false);
    assert_eq!((fresh.cycles, fresh.rests_until, fresh.stage), (2, Some(at(900)), Stage::Nurture));
    let mut handed = remembering(7, Stage::Mql, 10, 0, None);
    absorb(&mut handed, &resting, true);
    assert_eq!(handed.stage, Stage::Mql, "what sales has is not sent back by a join");
    let mut changed = fresh.clone();
    changed.cycles = 3;
    give_back(&mut changed, LeadId(9));
    assert_eq!(changed.cycles, 3, "what happened since stays");
    give_back(&mut fresh, LeadId(9));
    assert_eq!(fresh, remembering(7, Stage::Engagement, 10, 0, None));
}

fn any_record(lead: i64) -> impl Strategy<Value = PersonRecord> {
    let field = prop::sample::select(vec![Field::Email, Field::FirstName, Field::Phone, Field::Source, Field::Title]);
    let values = prop::collection::vec((field, "[a-c]", 0..5i64), 0..5);
    (prop::sample::select(vec!["hubspot", "odoo"]), "[0-9]{1,3}", values).prop_map(move |(connection, id, values)| {
        let values: Vec<(Field, &str, i64)> =
            values.iter().map(|(field, text, at)| (*field, text.as_str(), *at)).collect();
        record(lead, connection, &format!("{lead}{id}"), &values)
    })
}

fn some_records(lead: i64) -> impl Strategy<Value = Vec<PersonRecord>> {
    prop::collection::vec(any_record(lead), 1..4).prop_map(|mut records| {
        records.sort_by(|a, b| a.of.cmp(&b.of));
        records.dedup_by(|a, b| a.of == b.of);
        records
    })
}

fn told(records: &[PersonRecord]) -> Vec<(Field, Value, RecordRef)> {
    let chosen = Projection::of(records).values.into_iter();
    chosen.map(|chosen| (chosen.field, chosen.value, chosen.from)).collect()
}

proptest! {
    #[test]
    fn joining_and_taking_apart_gives_both_projections_back(ours in some_records(1), theirs in some_records(2), at_most in 0usize..4) {
        let moved = moved(&theirs, LeadId(1), &by(), at(10));
        let mut all: Vec<PersonRecord> = ours.iter().cloned().chain(moved).collect();
        all.sort_by(|a, b| a.of.cmp(&b.of));
        let joined = case(1, all);
        prop_assert_eq!(joined.records.len(), ours.len() + theirs.len(), "nothing is lost");
        let named = theirs[at_most.min(theirs.len() - 1)].of.clone();
        let parted = split(&joined, &named, None, |lead| lead == LeadId(2)).unwrap();
        prop_assert_eq!(parted.back_to, Some(LeadId(2)));
        let part = |refs: &[RecordRef]| -> Vec<PersonRecord> {
            joined.records.iter().filter(|record| refs.contains(&record.of)).cloned().collect()
        };
        prop_assert_eq!(told(&part(&parted.stay)), told(&ours));
        prop_assert_eq!(told(&part(&parted.leave)), told(&theirs));
    }
}
