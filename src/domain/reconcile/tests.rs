use proptest::prelude::*;

use super::super::field::{Field, Value};
use super::super::id::{ConnectionId, LeadId, Name, Object};
use super::super::record::{Key, KeyKind, LinkRule, Word};
use super::*;

fn second(at: i64) -> Timestamp {
    Timestamp::from_second(at).unwrap()
}

fn record_ref(object: Object) -> RecordRef {
    RecordRef::new(&ConnectionId::from("crm"), object, "7")
}

fn link() -> Link {
    Link { lead: LeadId(1), rule: LinkRule::First, at: second(0) }
}

fn seen() -> PersonSeen {
    PersonSeen {
        created: second(0),
        values: Vec::new(),
        keys: Vec::new(),
        merged: Vec::new(),
        company: None,
        stages: Vec::new(),
        owners: Vec::new(),
        disposition: None,
        signals: Vec::new(),
        scores: Vec::new(),
        has_history: false,
    }
}

fn observation(at: i64, content: Content) -> Observation {
    Observation { of: record_ref(Object::Person), modified: second(at), content, findings: Vec::new() }
}

fn person(at: i64, change: impl FnOnce(&mut PersonSeen)) -> Observation {
    let mut seen = seen();
    change(&mut seen);
    observation(at, Content::Person(Box::new(seen)))
}

fn stage(stage: Stage, at: i64) -> StageEntry {
    StageEntry { stage, at: second(at), by: Author::Unknown }
}

fn owner(id: &str, at: i64, by: Author) -> OwnerEntry {
    OwnerEntry { owner: Some(RemoteId::from(id)), at: second(at), by }
}

fn text(field: Field, value: &str, at: i64) -> Known {
    Known { field, value: Value::text(value).unwrap(), at: second(at) }
}

/// Absorbs in order; gives the record and the last change.
fn absorb_all(observations: &[Observation]) -> (PersonRecord, Change) {
    let mut record = None;
    let mut change = Change::default();
    for observation in observations {
        match absorb(record.take(), observation, link()) {
            Some((after, changed)) => (record, change) = (Some(after), changed),
            None => change = Change::default(),
        }
    }
    (record.unwrap(), change)
}

fn stages_of(record: &PersonRecord) -> Vec<(Stage, i64)> {
    record.stages.iter().map(|entry| (entry.stage, entry.at.as_second())).collect()
}

#[test]
fn a_second_look_at_the_same_state_changes_nothing() {
    let look = person(10, |seen| {
        seen.values = vec![text(Field::Email, "jane@example.com", 10), text(Field::Title, "CFO", 10)];
        seen.stages = vec![stage(Stage::Mql, 10)];
        seen.owners = vec![owner("5", 10, Author::Unknown)];
        seen.signals = vec![Signal { name: Name::from("demo_request"), at: second(9) }];
    });
    let (first, change) = absorb_all(std::slice::from_ref(&look));
    assert!(change.is_new && change.asks_for_decision() && change.stage && change.owner && change.signals);
    let (second_look, change) = absorb_all(&[look.clone(), look]);
    assert_eq!(second_look, first);
    assert_eq!(change, Change::default());
}

#[test]
fn a_later_state_with_the_same_content_is_stored_but_does_not_matter() {
    let look = |at| {
        person(at, |seen| {
            seen.values = vec![text(Field::Title, "CFO", at)];
            seen.stages = vec![stage(Stage::Mql, at)];
            seen.disposition = Some(Disposition { word: Word::Accepted, at: second(at), by: Author::Unknown });
        })
    };
    let (record, change) = absorb_all(&[look(10), look(20)]);
    assert!(change.is_stored && !change.asks_for_decision(), "{change:?}");
    assert_eq!(record.modified, second(20));
    assert_eq!(record.values[0].at, second(10), "the value is as old as its first sight");
    assert_eq!(stages_of(&record), [(Stage::Mql, 10)]);
    assert_eq!(record.disposition.unwrap().at, second(10));
}

#[test]
fn an_older_state_never_overwrites_a_newer_one_but_its_signals_count() {
    let newer = person(20, |seen| {
        seen.values = vec![text(Field::Title, "CFO", 20)];
        seen.stages = vec![stage(Stage::Sal, 20)];
    });
    let older = person(10, |seen| {
        seen.values = vec![text(Field::Title, "Controller", 10)];
        seen.stages = vec![stage(Stage::Mql, 10)];
        seen.signals = vec![Signal { name: Name::from("demo_request"), at: second(9) }];
    });
    let (record, change) = absorb_all(&[newer, older]);
    assert_eq!(record.value(Field::Title), Value::text("CFO").as_ref());
    assert_eq!(stages_of(&record), [(Stage::Sal, 20)]);
    assert!(change.signals && change.fields.is_empty() && !change.stage);
}

#[test]
fn backward_moves_skips_and_loops_are_kept_as_they_were() {
    let moves = [Stage::Awareness, Stage::Sql, Stage::Mql, Stage::Sql, Stage::Nurture];
    let looks: Vec<_> =
        moves.iter().zip(1..).map(|(to, at)| person(at, |seen| seen.stages = vec![stage(*to, at)])).collect();
    let (record, _) = absorb_all(&looks);
    let expected: Vec<_> = moves.into_iter().zip(1..).collect();
    assert_eq!(stages_of(&record), expected);

    let (from_history, _) = absorb_all(&[person(9, |seen| {
        seen.stages = moves.iter().zip(1..).map(|(to, at)| stage(*to, at)).collect();
        seen.has_history = true;
    })]);
    assert_eq!(stages_of(&from_history), expected);
}

#[test]
fn history_replaces_first_sight_in_the_range_it_covers() {
    let (record, change) = absorb_all(&[
        person(50, |seen| seen.stages = vec![stage(Stage::Awareness, 50)]),
        person(100, |seen| seen.stages = vec![stage(Stage::Mql, 100)]),
        person(120, |seen| {
            seen.stages = vec![stage(Stage::Engagement, 80), stage(Stage::Mql, 90)];
            seen.has_history = true;
        }),
    ]);
    assert_eq!(stages_of(&record), [(Stage::Awareness, 50), (Stage::Engagement, 80), (Stage::Mql, 90)]);
    assert!(change.stage && record.has_history);

    let (record, _) = absorb_all(&[
        person(200, |seen| {
            seen.stages = vec![stage(Stage::Mql, 90), stage(Stage::Sal, 150)];
            seen.has_history = true;
        }),
        person(120, |seen| {
            seen.stages = vec![stage(Stage::Engagement, 80), stage(Stage::Mql, 90)];
            seen.has_history = true;
        }),
    ]);
    assert_eq!(
        stages_of(&record),
        [(Stage::Engagement, 80), (Stage::Mql, 90), (Stage::Sal, 150)],
        "an older reading of the history takes nothing away that came after it"
    );
}

#[test]
fn our_own_writes_are_recognised_and_do_not_matter() {
    let (before, _) = absorb_all(&[person(1, |seen| seen.stages = vec![stage(Stage::Engagement, 1)])]);
    let change_by = |by: Author| {
        let echo = person(2, |seen| {
            seen.stages = vec![StageEntry { by: by.clone(), ..stage(Stage::Mql, 2) }];
            seen.owners = vec![owner("5", 2, by.clone())];
        });
        absorb(Some(before.clone()), &echo, link()).unwrap().1
    };
    let ours = change_by(Author::Baton);
    assert!(ours.is_stored && !ours.asks_for_decision(), "{ours:?}");
    for by in [Author::Unknown, Author::Person(None), Author::Automation(Name::from("Workflow 7"))] {
        let change = change_by(by);
        assert!(change.stage && change.owner, "it is somebody's change: {change:?}");
    }
}

#[test]
fn gone_stays_gone_until_a_newer_state_shows_the_record_again() {
    let alive = |at| person(at, |seen| seen.values = vec![text(Field::Title, "CFO", at)]);
    let gone = |at| observation(at, Content::Gone);
    let merged = |at| observation(at, Content::MergedInto(RemoteId::from("8")));
    let presence = |observations: &[Observation]| absorb_all(observations).0.presence;
    let into = |at| Presence::Merged { into: RemoteId::from("8"), at: second(at) };
    assert_eq!(presence(&[alive(5), gone(5)]), Presence::Gone(second(5)));
    assert_eq!(presence(&[alive(5), gone(5), alive(5)]), Presence::Gone(second(5)), "an overlapping read");
    assert_eq!(presence(&[alive(5), gone(6), gone(9)]), Presence::Gone(second(6)), "first sight");
    assert_eq!(presence(&[alive(5), gone(6), alive(7)]), Presence::Live, "restored");
    assert_eq!(presence(&[alive(5), gone(4)]), Presence::Live, "an old word");
    assert_eq!(presence(&[alive(5), merged(6), gone(7)]), into(6));
    assert_eq!(presence(&[alive(5), gone(6), merged(6)]), into(6));
    assert_eq!(presence(&[alive(5), merged(6), merged(9)]), into(6));
    assert!(absorb(None, &gone(1), link()).is_none());
}

#[test]
fn a_merge_speaks_of_each_loser_once_and_never_of_the_survivor() {
    let survivor = person(5, |seen| seen.merged = vec![RemoteId::from("3"), RemoteId::from("7")]);
    let losers: Vec<_> = merged_away(&survivor).collect();
    assert_eq!(losers.len(), 1);
    assert_eq!(losers[0].of.id, RemoteId::from("3"));
    assert_eq!(losers[0].content, Content::MergedInto(RemoteId::from("7")));
}

#[test]
fn what_was_not_read_is_not_taken_away_and_what_was_cleared_is() {
    let company = record_ref(Object::Company);
    let (record, change) = absorb_all(&[
        person(1, |seen| {
            seen.values = vec![text(Field::Title, "CFO", 1)];
            seen.company = Some(Some(company.clone()));
            seen.keys = vec![Key { kind: KeyKind::Email, value: Name::from("jane@example.com") }];
        }),
        person(2, |_| {}),
    ]);
    assert_eq!(record.company, Some(company.clone()));
    assert!(record.values.is_empty() && record.keys.is_empty());
    assert!(change.fields.contains(Field::Title) && change.keys && !change.company);

    let (record, change) = absorb_all(&[person(5, |_| {}), observation(3, Content::CompanyOf(Some(company.clone())))]);
    assert_eq!(record.company, Some(company));
    assert_eq!(record.modified, second(5));
    assert!(change.company);
}

#[test]
fn another_lead_relinks_and_the_same_lead_keeps_its_reason() {
    let (record, _) = absorb_all(&[person(1, |_| {})]);
    let again = Link { lead: LeadId(1), rule: LinkRule::Made, at: second(9) };
    let (same, change) = absorb(Some(record.clone()), &person(1, |_| {}), again).unwrap();
    assert_eq!((same.link, change.link), (link(), false));
    let moved = Link { lead: LeadId(2), rule: LinkRule::Merged(RemoteId::from("3")), at: second(9) };
    let (other, change) = absorb(Some(record), &person(1, |_| {}), moved.clone()).unwrap();
    assert_eq!((other.link, change.link), (moved, true));
}

#[test]
fn companies_follow_the_same_rules() {
    let look = |at: i64, employees: f64, owner: Option<&str>| Observation {
        of: record_ref(Object::Company),
        modified: second(at),
        content: Content::Company(CompanySeen {
            values: vec![Known { field: Field::Employees, value: Value::Number(employees), at: second(at) }],
            owner: owner.map(RemoteId::from),
        }),
        findings: Vec::new(),
    };
    let (first, change) = absorb_company(None, &look(10, 50.0, None)).unwrap();
    assert!(
        change.is_stored && change.presence && change.asks_for_decision() && change.fields.contains(Field::Employees)
    );
    let (same, change) = absorb_company(Some(first.clone()), &look(10, 50.0, None)).unwrap();
    assert_eq!((&same, change), (&first, CompanyChange::default()));
    let (_, change) = absorb_company(Some(first.clone()), &look(12, 50.0, None)).unwrap();
    assert!(change.is_stored && !change.asks_for_decision());
    let (older, change) = absorb_company(Some(first.clone()), &look(9, 70.0, None)).unwrap();
    assert_eq!((&older, change), (&first, CompanyChange::default()));
    let (_, change) = absorb_company(Some(first.clone()), &look(11, 50.0, Some("5"))).unwrap();
    assert!(change.owner && change.fields.is_empty());
    let gone = Observation { content: Content::Gone, ..look(12, 0.0, None) };
    let (after, change) = absorb_company(Some(first), &gone).unwrap();
    assert!(after.is_gone && change.presence);
    let (still, change) = absorb_company(Some(after.clone()), &look(12, 50.0, None)).unwrap();
    assert_eq!((still, change), (after, CompanyChange::default()));
}

fn any_author() -> impl Strategy<Value = Author> {
    prop_oneof![Just(Author::Unknown), Just(Author::Baton), Just(Author::Person(None))]
}

fn any_stage(at: std::ops::Range<i64>) -> impl Strategy<Value = StageEntry> {
    (0..Stage::ALL.len(), at, any_author()).prop_map(|(index, at, by)| StageEntry {
        stage: Stage::ALL[index],
        at: second(at),
        by,
    })
}

fn any_signal() -> impl Strategy<Value = Signal> {
    (0..3, 0..20i64).prop_map(|(name, at)| Signal { name: Name::from(format!("signal {name}")), at: second(at) })
}

fn any_person() -> impl Strategy<Value = PersonSeen> {
    let values = prop::collection::vec((0..3usize, 0..3, 0..30i64), 0..4);
    let stages = prop::collection::vec(any_stage(0..50), 0..4);
    let owners = prop::collection::vec((0..3, 0..30i64, any_author()), 0..3);
    (values, stages, owners, prop::collection::vec(any_signal(), 0..4), any::<bool>(), 0..3).prop_map(
        |(values, mut stages, owners, signals, has_history, word)| {
            stages.sort_by_key(|entry| entry.at);
            let mut owners: Vec<_> = owners.into_iter().map(|(id, at, by)| owner(&format!("{id}"), at, by)).collect();
            owners.sort_by_key(|entry| entry.at);
            let word = match word {
                0 => None,
                1 => Some(Word::Accepted),
                _ => Some(Word::Rejected { reason: None, said: None }),
            };
            PersonSeen {
                values: values
                    .into_iter()
                    .map(|(field, value, at)| text(Field::ALL[field], &format!("value {value}"), at))
                    .collect(),
                stages,
                owners,
                signals,
                has_history,
                disposition: word.map(|word| Disposition { word, at: second(1), by: Author::Unknown }),
                ..seen()
            }
        },
    )
}

fn any_observation() -> impl Strategy<Value = Observation> {
    let content = prop_oneof![
        8 => any_person().prop_map(|seen| Content::Person(Box::new(seen))),
        1 => Just(Content::Gone),
        1 => Just(Content::Erased),
        1 => Just(Content::MergedInto(RemoteId::from("8"))),
        1 => prop::option::of(Just(record_ref(Object::Company))).prop_map(Content::CompanyOf),
        1 => Just(Content::Undecodable(Name::from("cut off"))),
    ];
    (30..60i64, content).prop_map(|(at, content)| observation(at, content))
}

proptest! {
    #[test]
    fn reconciling_an_observation_twice_changes_nothing_the_second_time(
        earlier in prop::collection::vec(any_observation(), 0..6),
        last in any_observation(),
    ) {
        let mut record = None;
        for observation in earlier.iter().chain([&last]) {
            record = absorb(record, observation, link()).map(|(after, _)| after);
        }
        if let Some(record) = record {
            let (again, change) = absorb(Some(record.clone()), &last, link()).unwrap();
            prop_assert_eq!(&again, &record);
            prop_assert_eq!(change, Change::default());
        }
    }

    #[test]
    fn the_newest_state_stands_in_whatever_order_states_arrive(
        states in prop::collection::vec(any_person(), 1..6)
            .prop_map(|all| (30i64..).zip(all).map(|(at, seen)| observation(at, Content::Person(Box::new(seen)))).collect::<Vec<_>>())
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        let (in_order, _) = absorb_all(&states.0);
        let (shuffled, _) = absorb_all(&states.1);
        let said = |record: &PersonRecord| -> Vec<_> {
            record.values.iter().map(|known| (known.field, known.value.clone())).collect()
        };
        prop_assert_eq!(said(&in_order), said(&shuffled));
        prop_assert_eq!(&in_order.keys, &shuffled.keys);
        prop_assert_eq!(&in_order.signals, &shuffled.signals);
        prop_assert_eq!(in_order.modified, shuffled.modified);
        prop_assert_eq!(
            in_order.disposition.as_ref().map(|said| &said.word),
            shuffled.disposition.as_ref().map(|said| &said.word)
        );
    }

    #[test]
    fn ledgers_are_in_order_and_each_entry_moves_somewhere(
        observations in prop::collection::vec(any_observation(), 0..8),
    ) {
        let mut record = None;
        for observation in &observations {
            record = absorb(record, observation, link()).map(|(after, _)| after);
        }
        if let Some(record) = record {
            prop_assert!(record.stages.windows(2).all(|pair| pair[0].at <= pair[1].at && pair[0].stage != pair[1].stage));
            prop_assert!(record.owners.windows(2).all(|pair| pair[0].at <= pair[1].at && pair[0].owner != pair[1].owner));
            prop_assert!(record.signals.windows(2).all(|pair| pair[0] != pair[1] && pair[0].at <= pair[1].at));
            prop_assert!(record.values.windows(2).all(|pair| pair[0].field < pair[1].field));
        }
    }

    #[test]
    fn readings_of_one_history_give_the_same_ledger_in_any_order(
        history in prop::collection::vec(any_stage(0..40), 1..8).prop_map(|mut all| {
            all.sort_by_key(|entry| entry.at);
            all.dedup_by_key(|entry| entry.at);
            all
        }),
        order in Just(vec![10i64, 20, 30, 40]).prop_shuffle(),
    ) {
        let reading = |at: i64| person(at, |seen| {
            seen.stages = history.iter().filter(|entry| entry.at <= second(at)).cloned().collect();
            seen.has_history = true;
        });
        let (whole, _) = absorb_all(&[reading(40)]);
        let all: Vec<_> = order.into_iter().map(reading).collect();
        let (pieces, _) = absorb_all(&all);
        prop_assert_eq!(whole.stages, pieces.stages);
    }
}
