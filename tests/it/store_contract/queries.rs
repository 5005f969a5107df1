//! What was committed is found by every query, as it is now and not as it was.

use baton::domain::lead::{LeadState, Points, ScoreWritten};
use baton::domain::plan::{Fate, Plan, Receipt};
use baton::domain::record::Author;
use baton::domain::stage::{Stage, StageEntry};

use super::*;

#[tokio::test]
async fn what_is_committed_reads_back_as_a_case() {
    let held = open().await;
    let mut record = person("1", 1, &[email("ada@x.example")]);
    record.company = Some(company_ref("c1"));
    let mut decided = plan(LeadState {
        name: Some("Ada".into()),
        email: Some("ada@x.example".into()),
        company: Some(company_ref("c1")),
        stage: Stage::Mql,
        stage_since: at(7),
        adopted: true,
        score: Points { fit: 25, intent: 40, engagement: -3, ..Points::default() },
        handoff_written: vec![baton::domain::handoff_fields::HandoffWritten {
            record: person_ref("7"),
            fields: baton::domain::handoff_fields::HandoffFields { reason: Some("x".into()), owner_due: Some(at(9)) },
            number: 2,
        }],
        score_written: Some(ScoreWritten { points: Points::default(), on: jiff::civil::date(2026, 11, 24) }),
        handoffs: 3,
        cycles: 2,
        rests_until: Some(at(800)),
        track: Some("re-engage".into()),
        owner: Some("rep@x.example".into()),
        look_again_at: Some(at(400)),
        evidence_at: Some(at(300)),
        qualified_at: Some(at(6)),
        ..lead(1, 0)
    });
    decided.lead.used.insert(Field::Employees);
    decided.handoff = Some(handoff(1, 2, 400));
    decided.events = vec![event(0)];
    decided.writes = vec![Write { handoff: Some(2), ..owner("o", 1) }, note("of an earlier hand-off", 1)];
    let batch = Batch {
        people: vec![record.clone()],
        companies: vec![company("c1", 80.5)],
        touches: vec![
            (call_ref("2"), vec![touch("2", "1", 60)]),
            (call_ref("1"), vec![touch("1", "1", 50)]),
            (call_ref("0"), vec![touch("0", "1", -900)]),
        ],
        ..batch(vec![decided.clone()])
    };
    held.store.commit(&batch).await.unwrap();
    let held = held.again().await;

    let cases = held.store.cases(&[LeadId(9), LeadId(1)], at(0)).await.unwrap();
    assert_eq!(cases.iter().map(|case| case.lead.id.0).collect::<Vec<_>>(), [9, 1], "in the order of the question");
    assert_eq!((cases[0].lead.version, cases[0].records.len()), (0, 0));
    let case = &cases[1];
    let stored = LeadState { version: 1, ..decided.lead.clone() };
    assert_eq!(case.lead, stored);
    assert_eq!(held.store.lead_state(LeadId(1)).await.unwrap(), Some(stored));
    assert_eq!(case.records, [record.clone()]);
    assert_eq!(case.handoff, decided.handoff);
    assert_eq!(case.touches, [touch("1", "1", 50), touch("2", "1", 60)]);
    assert_eq!(case.receipts.len(), 1, "only of the newest hand-off");
    assert_eq!((case.receipts[0].op, case.receipts[0].fate), (op("o"), Fate::Pending));
    assert_eq!(case.company.as_ref().unwrap().record, company("c1", 80.5));

    assert_eq!(held.store.people(&[person_ref("2"), person_ref("1")]).await.unwrap(), [record]);
    assert_eq!(held.store.companies(&[company_ref("c1")]).await.unwrap(), [company("c1", 80.5)]);
    assert_eq!(held.store.leads_of_people(&[person_ref("1")]).await.unwrap(), [(person_ref("1"), LeadId(1))]);
    let event = held.store.events_of(LeadId(1)).await.unwrap().remove(0);
    assert_eq!((event.event, event.decided_at), (super::event(0), at(1)));
    assert_eq!(held.store.handoffs_of(LeadId(1)).await.unwrap(), [handoff(1, 2, 400)]);
    for words in ["L-1", "1", " Ada@X.example", "hubspot:1"] {
        assert_eq!(held.store.find_lead(words).await.unwrap(), Some(LeadId(1)), "{words}");
    }
    for words in ["L-2", "ben@x.example", "odoo:1", ""] {
        assert_eq!(held.store.find_lead(words).await.unwrap(), None, "{words}");
    }
}

#[tokio::test]
async fn a_key_that_a_record_lost_finds_nobody_any_more() {
    let held = open().await;
    let (old, new, kept) = (email("old@x.example"), email("new@x.example"), email("kept@x.example"));
    let people = |keys: &[Key]| Batch { people: vec![person("1", 1, keys)], ..Batch::default() };
    held.store.commit(&people(&[old.clone(), kept.clone()])).await.unwrap();
    let shared = Batch { people: vec![person("2", 2, std::slice::from_ref(&kept))], ..Batch::default() };
    held.store.commit(&shared).await.unwrap();
    held.store.commit(&people(&[new.clone(), kept.clone()])).await.unwrap();
    let found = held.store.leads_by_keys(&[old.clone(), new.clone(), kept.clone()]).await.unwrap();
    let wanted = [(kept.clone(), LeadId(1)), (kept.clone(), LeadId(2)), (new.clone(), LeadId(1))];
    assert_eq!(found, wanted);
    assert_eq!(held.store.find_lead("old@x.example").await.unwrap(), None);
    // Only its own: the other record is still known by what both had.
    held.store.commit(&people(&[])).await.unwrap();
    assert_eq!(held.store.leads_by_keys(&[new, kept.clone()]).await.unwrap(), [(kept, LeadId(2))]);
}

#[tokio::test]
async fn a_record_that_moves_to_another_lead_takes_its_keys_and_history_along() {
    let held = open().await;
    let key = email("ada@x.example");
    let mut record = person("1", 1, std::slice::from_ref(&key));
    record.stages = vec![StageEntry { stage: Stage::Mql, at: at(0), by: Author::Unknown }];
    record.company = Some(company_ref("old"));
    let touched = (call_ref("c"), vec![touch("c", "1", 5)]);
    let before = Batch { people: vec![record.clone()], touches: vec![touched], ..Batch::default() };
    held.store.commit(&before).await.unwrap();
    assert_eq!(held.store.leads_after(LeadId(0), 9).await.unwrap(), [LeadId(1)]);
    record.link.lead = LeadId(2);
    record.company = Some(company_ref("new"));
    held.store.commit(&Batch { people: vec![record.clone()], ..Batch::default() }).await.unwrap();
    assert_eq!(held.store.leads_by_keys(&[key]).await.unwrap().iter().map(|(_, lead)| lead.0).collect::<Vec<_>>(), [2]);
    assert_eq!(held.store.leads_of_people(&[person_ref("1")]).await.unwrap(), [(person_ref("1"), LeadId(2))]);
    for (company, expected) in [("old", &[][..]), ("new", &[LeadId(2)])] {
        let colleagues = BTreeSet::from([company_ref(company)]);
        held.store.commit(&Batch { colleagues, ..Batch::default() }).await.unwrap();
        assert_eq!(held.store.next_colleagues(9, at(1)).await.unwrap().leads, expected, "{company}");
    }
    assert_eq!(held.store.find_lead("hubspot:1").await.unwrap(), Some(LeadId(2)));
    let cases = held.store.cases(&[LeadId(1), LeadId(2)], at(0)).await.unwrap();
    assert_eq!((cases[0].records.len(), cases[0].touches.len()), (0, 0));
    assert_eq!(
        (cases[1].records.as_slice(), cases[1].touches.as_slice()),
        ([record].as_slice(), [touch("c", "1", 5)].as_slice())
    );
    assert_eq!(held.store.leads_after(LeadId(0), 9).await.unwrap(), [LeadId(2)]);
    assert_eq!(held.store.leads_after(LeadId(2), 9).await.unwrap(), []);
}

#[tokio::test]
async fn touches_companies_users_and_streams_are_replaced_whole() {
    let held = open().await;
    let two = vec![touch("c", "1", 5), touch("c", "2", 5)];
    let first = Batch {
        people: vec![person("1", 1, &[]), person("2", 2, &[])],
        companies: vec![company("c", 10.0)],
        touches: vec![(call_ref("c"), two.clone()), (call_ref("d"), vec![touch("d", "1", 6)])],
        users: vec![user("7", "Ada"), user("8", "Ben")],
        cursors: vec![stream("1")],
        ..Batch::default()
    };
    held.store.commit(&first).await.unwrap();
    let mut found = held.store.touches(&[call_ref("c")]).await.unwrap();
    found.sort_by(|a, b| a.person.cmp(&b.person));
    assert_eq!(found, two);
    // The call turned out to be with another person, and to have been later.
    let failed = StreamState { covered_until: None, error: Some("401".to_owned()), ..stream("2") };
    let next = Batch {
        companies: vec![company("c", 20.0)],
        touches: vec![(call_ref("c"), vec![touch("c", "2", 9)])],
        users: vec![user("7", "Ada Lovelace")],
        cursors: vec![failed.clone()],
        ..Batch::default()
    };
    held.store.commit(&next).await.unwrap();
    assert_eq!(held.store.touches(&[call_ref("c")]).await.unwrap(), [touch("c", "2", 9)]);
    assert_eq!(held.store.touches(&[call_ref("d")]).await.unwrap(), [touch("d", "1", 6)]);
    assert_eq!(held.store.companies(&[company_ref("c")]).await.unwrap(), [company("c", 20.0)]);
    let mut users = held.store.users().await.unwrap();
    users.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(users, [user("7", "Ada Lovelace"), user("8", "Ben")]);
    assert_eq!(held.store.streams().await.unwrap(), [failed]);
    // Gone without anybody on it.
    let none = Batch { touches: vec![(call_ref("c"), Vec::new())], ..Batch::default() };
    held.store.commit(&none).await.unwrap();
    assert_eq!(held.store.touches(&[call_ref("c")]).await.unwrap(), []);
}

#[tokio::test]
async fn leads_are_due_in_the_order_of_their_instants() {
    let held = open().await;
    let due = |id, look: Option<i64>, evidence: Option<i64>| {
        plan(LeadState { look_again_at: look.map(at), evidence_at: evidence.map(at), ..lead(id, 0) })
    };
    let plans = vec![
        due(1, Some(50), None),
        due(2, Some(10), None),
        due(3, None, Some(20)),
        due(4, Some(40), Some(30)),
        due(5, None, None),
        due(6, Some(50), None),
    ];
    held.store.commit(&batch(plans)).await.unwrap();
    let check = async |now, covered, limit, wanted: &[i64]| {
        let found = held.store.leads_due(at(now), at(covered), limit).await.unwrap();
        assert_eq!(found.iter().map(|lead| lead.0).collect::<Vec<_>>(), wanted, "{now} {covered} {limit}");
    };
    check(9, 999, 9, &[]).await;
    check(10, 0, 9, &[2]).await;
    check(50, 0, 9, &[2, 4, 1, 6]).await;
    // Evidence waits until the streams have passed its instant, and for its own instant.
    check(50, 20, 9, &[2, 4, 1, 6]).await;
    check(50, 21, 9, &[2, 3, 4, 1, 6]).await;
    check(50, 31, 9, &[2, 3, 4, 1, 6]).await;
    check(19, 999, 9, &[2]).await;
    check(50, 31, 2, &[2, 3]).await;
}

#[tokio::test]
async fn receipts_say_what_became_of_each_effect() {
    let mut writes: Vec<Write> = ["done", "dead", "doubtful", "again", "sending", "waits"]
        .iter()
        .map(|name| write(name, 1, name, Lane::Recycle, baton::domain::plan::Effect::AddNote { body: String::new() }))
        .collect();
    writes.push(note("cancelled", 1));
    let held = with_writes(1, writes).await;
    for (name, settlement) in [
        ("done", Some(done(33))),
        ("dead", Some(dead(34))),
        ("doubtful", Some(unknown(50))),
        ("again", Some(again(50))),
        ("sending", None),
    ] {
        let claims = claim(&held.store, name, 0).await;
        if let Some(settlement) = settlement {
            settle(&held.store, &claims[0], settlement).await.unwrap();
        }
    }
    let mut gone = Plan { handoff: Some(handoff(1, 1, 400)), ..plan(lead(1, 2)) };
    gone.cancels = Some("gone".into());
    // `waits` and `again` are cancelled with it.
    held.store.commit(&Batch { now: Some(at(60)), ..batch(vec![gone]) }).await.unwrap();
    let case = held.store.cases(&[LeadId(1)], at(0)).await.unwrap().remove(0);
    let fate = |name: &str| -> Receipt { case.receipts.iter().find(|receipt| receipt.op == op(name)).unwrap().clone() };
    assert_eq!((fate("done").fate, fate("done").at), (Fate::Done, at(33)));
    assert_eq!((fate("dead").fate, fate("dead").at), (Fate::Dead, at(34)));
    assert_eq!((fate("cancelled").fate, fate("cancelled").at), (Fate::Dead, at(60)));
    assert_eq!(fate("again").fate, Fate::Dead);
    for name in ["doubtful", "sending"] {
        assert_eq!(fate(name).fate, Fate::Pending, "{name}");
    }
}

#[tokio::test]
async fn open_handoffs_are_listed_by_the_time_left() {
    let held = open().await;
    let with = |id: i64, change: &dyn Fn(&mut Handoff)| {
        let mut open = handoff(id, 1, 100 * id);
        change(&mut open);
        Plan { handoff: Some(open), ..plan(lead(id, 0)) }
    };
    let closed = HandoffState::Closed { outcome: baton::domain::handoff::Outcome::Qualified, at: at(5) };
    let plans = vec![
        with(1, &|open| open.turns[0].clocks[0].due_at = None),
        with(2, &|_| {}),
        with(3, &|open| open.turns[0].clocks[0].due_at = Some(at(10))),
        with(4, &|open| open.state = closed.clone()),
        with(5, &|open| open.is_shadow = true),
    ];
    let people = (1..=5).map(|id| person(&id.to_string(), id, &[])).collect();
    held.store.commit(&Batch { people, ..batch(plans) }).await.unwrap();
    let open = held.store.open_handoffs(9).await.unwrap();
    assert_eq!(open.iter().map(|row| row.handoff.id.lead.0).collect::<Vec<_>>(), [3, 2, 5, 1]);
    assert_eq!(held.store.open_handoffs(2).await.unwrap().len(), 2);
    assert_eq!(held.store.open_loads().await.unwrap(), [("rep@x.example".into(), 3)], "shadows weigh nothing");
    let overview = held.store.overview().await.unwrap();
    assert_eq!((overview.open, overview.shadows), (4, 1));
    let due = held.store.people_due(&"hubspot".into(), at(250), 9).await.unwrap();
    assert_eq!(due, [person_ref("3"), person_ref("2")]);
    assert_eq!(held.store.people_due(&"odoo".into(), at(250), 9).await.unwrap(), []);
    let open: Vec<RecordRef> = held
        .store
        .people_open(&"hubspot".into(), LeadId(1), 2)
        .await
        .unwrap()
        .into_iter()
        .map(|record| record.of)
        .collect();
    assert_eq!(open, [person_ref("2"), person_ref("3")]);
}

#[tokio::test]
async fn only_the_newest_handoff_of_a_lead_is_its_case() {
    let held = open().await;
    let with = |version, number| Plan { handoff: Some(handoff(1, number, 100)), ..plan(lead(1, version)) };
    for (version, number) in [(0, 1), (1, 2), (2, 3)] {
        held.store.commit(&batch(vec![with(version, number)])).await.unwrap();
    }
    let case = held.store.cases(&[LeadId(1)], at(0)).await.unwrap().remove(0);
    assert_eq!(case.handoff.unwrap().id.number, 3);
    let all = held.store.handoffs_of(LeadId(1)).await.unwrap();
    assert_eq!(all.iter().map(|handoff| handoff.id.number).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test]
async fn a_write_goes_to_the_newest_living_record() {
    let held = open().await;
    let record = |id: &str, created: i64, presence: Presence| PersonRecord {
        created: at(created),
        presence,
        ..person(id, 1, &[])
    };
    let people = vec![
        record("old", 1, Presence::Live),
        record("newer", 5, Presence::Live),
        record("gone", 9, Presence::Gone(at(10))),
        person("somebody else", 2, &[]),
    ];
    held.store.commit(&Batch { people, ..Batch::default() }).await.unwrap();
    let leads = [LeadId(1), LeadId(3)];
    let found = held.store.journey_records(&"hubspot".into(), &leads).await.unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [(LeadId(1), person_ref("newer"))]);
    assert!(held.store.journey_records(&"odoo".into(), &leads).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_row_that_does_not_read_is_named_without_its_values() {
    let held = open().await;
    let mut record = person("501", 1, &[email("ada@x.example")]);
    record.values = vec![Known { field: Field::Email, value: Value::text("ada@x.example").unwrap(), at: at(0) }];
    held.store.commit(&Batch { people: vec![record], ..Batch::default() }).await.unwrap();
    held.by_hand("UPDATE person SET body = replace(body, '\"ada@x.example\"', '[\"ada@x.example\"]')".to_owned()).await;
    let refused = held.store.people(&[person_ref("501")]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt { table: "person", .. }), "{refused:?}");
    let refused = refused.to_string();
    assert!(refused.contains("501"), "{refused}");
    assert!(!refused.contains("ada@"), "{refused}");
}

#[tokio::test]
async fn ids_lie_between_others_as_numbers_do_and_as_words_of_one_length_do() {
    let held = open().await;
    let all = ["9", "10", "99", "100", "00Qa", "00Qz", "003z"];
    let people = all.iter().zip(1..).map(|(id, lead)| person(id, lead, &[])).collect();
    held.store.commit(&Batch { people, now: Some(at(1)), ..Batch::default() }).await.unwrap();
    for (from, to, expected) in [
        ("", None, &["9", "10", "99", "003z", "00Qa", "00Qz", "100"][..]),
        ("", Some("10"), &["9"]),
        ("10", Some("100"), &["10", "99"]),
        ("00Q0", Some("00R0"), &["00Qa", "00Qz"]),
        ("00Qb", Some("00R0"), &["00Qz"]),
        ("0030", Some("00Q0"), &["003z"]),
    ] {
        let found = held.store.ids_between(&"hubspot".into(), Object::Person, from, to).await.unwrap();
        let mut found: Vec<&str> = found.iter().map(|of| of.id.as_str()).collect();
        found.sort_by_key(|id| (id.len(), *id));
        let mut expected = expected.to_vec();
        expected.sort_by_key(|id| (id.len(), *id));
        assert_eq!(found, expected, "{from} to {to:?}");
    }
}
