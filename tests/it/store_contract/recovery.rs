//! After a process died: what it was sending is doubted at once, and looked for after a rest of real time.

use baton::clock::Clock;

use super::*;

const REST: SignedDuration = SignedDuration::from_hours(1);

/// One row in each state, for a connection and for a channel.
async fn one_of_each() -> Held {
    let writes = ["sending", "waits", "unknown", "again", "done", "dead"].iter().zip(1..);
    let writes = writes.map(|(name, lead)| note(name, lead)).collect();
    let held = with_effects(6, writes, vec![notice("told", 1, "slack.dach")]).await;
    // `waits` is held back by its lead's first.
    let settlements = [None, None, Some(unknown(5_000)), Some(again(5_000)), Some(done(5)), Some(dead(5))];
    for (claim, settlement) in claim(&held.store, "odoo", 0).await.iter().zip(settlements) {
        if claim.op == op("waits") {
            settle(&held.store, claim, again(0)).await.unwrap();
        } else if let Some(settlement) = settlement {
            settle(&held.store, claim, settlement).await.unwrap();
        }
    }
    assert_eq!(claim_notices(&held.store, "slack.dach", 0).await.len(), 1);
    held
}

async fn all_states(store: &Store) -> Vec<String> {
    let mut all = Vec::new();
    for lead in 1..=6 {
        all.extend(states(store, lead).await);
    }
    all
}

#[tokio::test]
async fn what_was_being_sent_when_the_process_died_is_doubted_and_nothing_else() {
    let held = one_of_each().await;
    assert_eq!(all_states(&held.store).await, ["sending", "sending", "pending", "unknown", "pending", "done", "dead"]);
    let held = held.again().await;
    assert_eq!(all_states(&held.store).await, ["unknown", "unknown", "pending", "unknown", "pending", "done", "dead"]);
    let row = held.store.effects_of(LeadId(1)).await.unwrap().remove(0);
    assert_eq!((row.attempt, row.message.is_some()), (1, true), "it says why it is in doubt");
    // Long before the lease of a minute would be over; the others keep their own times.
    let claims = claim(&held.store, "odoo", 1).await;
    let got: Vec<_> = claims.iter().map(|claim| (claim.op, claim.attempt, claim.tries, claim.is_unknown)).collect();
    assert_eq!(got, [(op("sending"), 2, 2, true), (op("waits"), 2, 2, false)]);
    let told = claim_notices(&held.store, "slack.dach", 1).await.remove(0);
    assert_eq!((told.attempt, told.is_unknown), (2, true), "a repeated notice is marked");
}

#[tokio::test]
async fn it_is_looked_for_only_after_the_rest() {
    let held = with_effects(1, vec![note("w", 1), note("next", 1)], vec![notice("t", 1, "slack.dach")]).await;
    claim(&held.store, "odoo", 0).await;
    claim_notices(&held.store, "slack.dach", 0).await;
    let before = Clock::system().wall();
    let held = held.resting(REST).await;
    let after = Clock::system().wall();
    let too_early = before + REST - SignedDuration::from_millis(1);
    assert_eq!(
        held.store.claim_writes(&"odoo".into(), too_early, LEASE, 9).await.unwrap(),
        [],
        "the next one waits too"
    );
    assert_eq!(held.store.claim_notices(&"slack.dach".into(), too_early, Timestamp::MAX, LEASE, 9).await.unwrap(), []);
    assert_eq!(ops(&held.store.claim_writes(&"odoo".into(), after + REST, LEASE, 9).await.unwrap()), names(&["w"]));
    assert_eq!(
        held.store.claim_notices(&"slack.dach".into(), after + REST, Timestamp::MAX, LEASE, 9).await.unwrap().len(),
        1
    );
}

#[tokio::test]
async fn without_another_word_it_rests_for_ten_seconds() {
    let held = with_writes(1, vec![note("w", 1)]).await;
    claim(&held.store, "odoo", 0).await;
    let Held { store, folder } = held;
    store.close().await;
    drop(store);
    let before = Clock::system().wall();
    let store = Store::open(&folder.path().join("baton.db"), &workspace()).await.unwrap();
    let after = Clock::system().wall();
    let ten = SignedDuration::from_secs(10);
    let too_early = before + ten - SignedDuration::from_millis(1);
    assert_eq!(store.claim_writes(&"odoo".into(), too_early, LEASE, 9).await.unwrap(), []);
    assert_eq!(store.claim_writes(&"odoo".into(), after + ten, LEASE, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_dead_ones_claim_is_worth_nothing_any_more() {
    let held = with_writes(1, vec![note("w", 1)]).await;
    let late = claim(&held.store, "odoo", 0).await.remove(0);
    let held = held.again().await;
    let before = everything(&held.store, 1).await;
    for settlement in [done(5), again(5), unknown(5), dead(5)] {
        let refused = settle(&held.store, &late, settlement).await;
        assert_eq!(refused, Err(op("w")));
    }
    assert_eq!(everything(&held.store, 1).await, before);
}

#[tokio::test]
async fn only_who_gets_the_store_for_writing_doubts() {
    let held = one_of_each().await;
    let before = all_states(&held.store).await;
    assert_eq!(all_states(&held.beside().await).await, before);
    let second = Store::open_resting(&held.path(), &workspace(), SignedDuration::ZERO).await;
    assert!(matches!(second, Err(StoreError::Locked { .. })), "{second:?}");
    assert_eq!(all_states(&held.store).await, before);
}
