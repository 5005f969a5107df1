//! What need not be kept for ever goes, the rest stays, and the chain says why it is empty.

use baton::store::{Decision, Prunable};

use super::*;

async fn pruned(store: &Store, what: Prunable, before: i64) -> u64 {
    let mut rows = 0;
    for _ in 0..9 {
        let round = store.prune(what, at(before), at(9_000)).await.unwrap();
        rows += round.rows;
        if round.is_over {
            break;
        }
    }
    rows
}

#[tokio::test]
async fn what_happened_and_what_was_seen_go_when_their_time_is_over_and_the_chain_holds() {
    let held = open().await;
    for now in [100, 200, 300] {
        let mut decided = plan(lead(1, now / 100 - 1));
        decided.events = vec![event(now)];
        let decision = Decision { lead: LeadId(1), input: format!("{{\"now\":{now}}}"), result: "r".to_owned() };
        let batch = Batch { plans: vec![decided], decisions: vec![decision], now: Some(at(now)), ..Batch::default() };
        held.store.commit(&batch).await.unwrap();
    }
    for what in [Prunable::Events, Prunable::Decisions] {
        assert_eq!(pruned(&held.store, what, 100).await, 0, "{what:?} of that very time stays");
        assert_eq!(pruned(&held.store, what, 201).await, 2, "{what:?}");
        assert_eq!(pruned(&held.store, what, 201).await, 0, "{what:?} are gone once");
    }
    assert_eq!(held.store.events_of(LeadId(1)).await.unwrap().len(), 1);
    assert_eq!(held.store.recent_events(0, 9).await.unwrap().len(), 1);
    let kept = held.store.decisions(0, Timestamp::MIN, None, 9).await.unwrap();
    let inputs: Vec<Option<&str>> = kept.iter().map(|one| one.input.as_deref()).collect();
    assert_eq!(inputs, [None, None, Some("{\"now\":300}")]);
    let found = held.store.verify(None).await.unwrap();
    assert_eq!((found.problems.len(), found.emptied), (0, 4), "{:?}", found.problems);
}

#[tokio::test]
async fn touches_findings_and_gone_records_are_deleted_and_what_is_in_use_is_not() {
    let held = open().await;
    let gone = |id: &str, lead: i64, second: i64| {
        let address = email(&format!("p{id}@x.example"));
        PersonRecord { presence: Presence::Gone(at(second)), ..person(id, lead, &[address]) }
    };
    let first = Batch {
        people: vec![gone("1", 1, 100), gone("2", 2, 300), person("3", 3, &[]), gone("4", 3, 100)],
        touches: vec![
            (call_ref("1"), vec![touch("1", "3", 100)]),
            (call_ref("2"), vec![touch("2", "3", 300), touch("2", "2", 300)]),
        ],
        plans: (1..=3)
            .map(|id| plan(LeadState { name: Some("Ada".into()), email: Some("a@x.example".into()), ..lead(id, 0) }))
            .collect(),
        findings: vec![finding(Subject::Policy("zone".into()), "no zone")],
        now: Some(at(50)),
        ..Batch::default()
    };
    held.store.commit(&first).await.unwrap();
    assert_eq!(pruned(&held.store, Prunable::Touches, 200).await, 1);
    assert_eq!(held.store.touches(&[call_ref("1"), call_ref("2")]).await.unwrap().len(), 2);

    assert_eq!(pruned(&held.store, Prunable::Findings, 9_000).await, 0, "what still stands is not old");
    held.store.resolve(FindingKind::Unmapped, at(100)).await.unwrap();
    assert_eq!(pruned(&held.store, Prunable::Findings, 100).await, 0);
    assert_eq!(pruned(&held.store, Prunable::Findings, 101).await, 1);

    assert_eq!(pruned(&held.store, Prunable::Gone, 200).await, 2);
    let left = held.store.people(&["1", "2", "3", "4"].map(person_ref)).await.unwrap();
    let mut left: Vec<String> = left.iter().map(|record| record.of.id.to_string()).collect();
    left.sort();
    assert_eq!(left, ["2", "3"]);
    assert_eq!(held.store.find_lead("p1@x.example").await.unwrap(), None, "its key is gone, too");
    assert_eq!(held.store.lead_state(LeadId(1)).await.unwrap().unwrap().name, None, "nobody is left behind it");
    for lead in [2, 3] {
        assert!(held.store.lead_state(LeadId(lead)).await.unwrap().unwrap().name.is_some(), "lead {lead} has a record");
    }
}
