//! `settle`: only while the claim is ours, together with what follows from it, and for good.

use baton::domain::plan::{Effect, Fate, Lane, Leaving, Was};

use super::*;

#[tokio::test]
async fn a_claim_that_went_to_somebody_else_is_refused_and_changes_nothing() {
    let held = with_effects(1, vec![note("w", 1)], vec![notice("t", 1, "slack.dach")]).await;
    let late =
        [claim(&held.store, "odoo", 0).await.remove(0), claim_notices(&held.store, "slack.dach", 0).await.remove(0)];
    let ours =
        [claim(&held.store, "odoo", 61).await.remove(0), claim_notices(&held.store, "slack.dach", 61).await.remove(0)];
    let before = everything(&held.store, 1).await;
    let follows = Batch { people: vec![person("1", 1, &[])], now: Some(at(70)), ..Batch::default() };
    for claim in &late {
        for settlement in [done(70), again(70), unknown(70), dead(70)] {
            let refused = settle_with(&held.store, claim, settlement, &follows).await;
            assert_eq!(refused, Err(claim.op));
            assert_eq!(everything(&held.store, 1).await, before);
        }
    }
    for claim in &ours {
        settle(&held.store, claim, done(71)).await.unwrap();
    }
    assert_eq!(states(&held.store, 1).await, ["done", "done"]);
}

#[tokio::test]
async fn a_lapsed_claim_does_not_hold_up_the_others() {
    let held = with_writes(2, vec![note("a", 1), note("b", 2)]).await;
    let mut claims = claim(&held.store, "odoo", 0).await;
    claims.sort_by_key(|claim| claim.write().unwrap().lead);
    let mut lapsed = claims.remove(0);
    lapsed.attempt += 1;
    let follows = Batch { people: vec![person("1", 1, &[])], now: Some(at(70)), ..Batch::default() };
    let settled = [(lapsed.clone(), done(5)), (claims.remove(0), done(5))];
    assert_eq!(held.store.settle(&settled, &follows).await.unwrap(), [lapsed.op]);
    assert_eq!(states(&held.store, 1).await, ["sending"]);
    assert_eq!(states(&held.store, 2).await, ["done"]);
    assert_eq!(held.store.people(&[person_ref("1")]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_claim_is_settled_once() {
    for first in [done(5), again(5), unknown(5), dead(5)] {
        let held = with_writes(1, vec![note("w", 1)]).await;
        let claim = claim(&held.store, "odoo", 0).await.remove(0);
        settle(&held.store, &claim, first.clone()).await.unwrap();
        let before = everything(&held.store, 1).await;
        for second in [done(6), again(6), unknown(6), dead(6)] {
            let refused = settle(&held.store, &claim, second).await;
            assert_eq!(refused, Err(claim.op), "{first:?}");
            assert_eq!(everything(&held.store, 1).await, before, "{first:?}");
        }
    }
}

#[tokio::test]
async fn a_settlement_and_what_follows_from_it_are_true_together() {
    let create = Effect::Create { values: Vec::new(), owner: None, is_new_journey: false, not: Vec::new() };
    let held = with_writes(1, vec![write("c", 1, "odoo", Lane::Assign, create)]).await;
    let claim = claim(&held.store, "odoo", 0).await.remove(0);
    let made = Settlement::Done { at: at(200), made: Some(person_ref("77")), was: Vec::new() };
    let linked = Batch { people: vec![person("77", 1, &[])], now: Some(at(200)), ..Batch::default() };
    let stale = Batch { plans: vec![plan(lead(1, 0))], ..linked.clone() };
    let before = everything(&held.store, 1).await;
    let refused = held.store.settle(&[(claim.clone(), made.clone())], &stale).await;
    assert!(matches!(refused, Err(StoreError::Stale(_))));
    assert_eq!(everything(&held.store, 1).await, before);
    assert_eq!(held.store.people(&[person_ref("77")]).await.unwrap(), []);
    settle_with(&held.store, &claim, made, &linked).await.unwrap();
    assert_eq!(held.store.people(&[person_ref("77")]).await.unwrap().len(), 1);
    assert_eq!(states(&held.store, 1).await, ["done"]);
}

#[tokio::test]
async fn what_is_replaced_is_kept_before_it_is_sent_until_it_is_sure_that_it_was_not() {
    let was = |before: &str| vec![Was { name: "user_id".into(), before: Some(before.into()), after: Some("5".into()) }];
    let told = |second, before: &str| Settlement::Done { at: at(second), made: None, was: was(before) };
    let leaving = |op, before: &str| Leaving { op, was: was(before), looked_at: Some(at(3)) };
    // What the first try replaced, how it was settled, how the second was; and what is known in the end.
    for (first, second, expected) in [
        (unknown(10), done(20), was("9")),
        (again(10), done(20), Vec::new()),
        (unknown(10), told(20, "7"), was("7")),
        (done(10), done(20), was("9")),
    ] {
        let held = with_writes(1, vec![owner("w", 1)]).await;
        let row = claim(&held.store, "odoo", 0).await.remove(0);
        held.store.keep_leaving(vec![(row.attempt + 1, leaving(row.op, "3"))], at(4)).await.unwrap();
        held.store.keep_leaving(vec![(row.attempt, leaving(row.op, "9"))], at(4)).await.unwrap();
        settle(&held.store, &row, first.clone()).await.unwrap();
        for row in claim(&held.store, "odoo", 15).await {
            settle(&held.store, &row, second.clone()).await.unwrap();
        }
        let found = held.store.done_writes(&[row.op], None, 9).await.unwrap();
        assert_eq!(found[0].was, expected, "{first:?}, {second:?}");
    }
}

#[tokio::test]
async fn what_left_last_is_known_until_it_is_sure_that_it_had_no_effect_fault_59() {
    let left = |op, second| Leaving { op, was: Vec::new(), looked_at: Some(at(second)) };
    let held = with_writes(1, vec![owner("w", 1)]).await;
    let known = |claim: &Claim| claim.earlier.as_ref().map(|earlier| (earlier.ago.as_secs(), earlier.looked_at));
    let first = claim(&held.store, "odoo", 0).await.remove(0);
    assert_eq!(known(&first), None);
    held.store.keep_leaving(vec![(first.attempt, left(first.op, 3))], at(4)).await.unwrap();
    settle(&held.store, &first, unknown(10)).await.unwrap();
    // The second try only looks, and says to wait: what the first did is in doubt still.
    let second = claim(&held.store, "odoo", 15).await.remove(0);
    assert_eq!(known(&second), Some((11, Some(at(3)))));
    settle(&held.store, &second, again(20)).await.unwrap();
    let third = claim(&held.store, "odoo", 25).await.remove(0);
    assert_eq!(known(&third), Some((21, Some(at(3)))));
    // The third leaves, and is refused for now: no try is in doubt any more.
    held.store.keep_leaving(vec![(third.attempt, left(third.op, 24))], at(25)).await.unwrap();
    settle(&held.store, &third, again(30)).await.unwrap();
    let fourth = claim(&held.store, "odoo", 35).await.remove(0);
    assert_eq!(known(&fourth), None);
    // What nobody lived to see the end of is known to the next who claims it.
    held.store.keep_leaving(vec![(fourth.attempt, left(fourth.op, 34))], at(36)).await.unwrap();
    let fifth = claim(&held.store, "odoo", 900).await.remove(0);
    assert_eq!(known(&fifth), Some((864, Some(at(34)))));
}

#[tokio::test]
async fn the_fate_of_an_owner_or_a_record_has_its_lead_decided_again() {
    let create = || Effect::Create { values: Vec::new(), owner: None, is_new_journey: false, not: Vec::new() };
    let writes = vec![
        owner("owner", 1),
        write("record", 2, "odoo", Lane::Assign, create()),
        owner("refused", 3),
        note("note", 4),
        owner("later", 5),
    ];
    let held = with_writes(5, writes).await;
    let version = held.store.lead_state(LeadId(2)).await.unwrap().unwrap().version;
    for claim in claim(&held.store, "odoo", 0).await {
        let settlement = match claim.op {
            op if op == super::op("refused") => dead(300),
            op if op == super::op("later") => again(900),
            _ => done(300),
        };
        settle(&held.store, &claim, settlement).await.unwrap();
    }
    assert_eq!(held.store.leads_due(at(299), at(0), 9).await.unwrap(), []);
    assert_eq!(held.store.leads_due(at(300), at(0), 9).await.unwrap(), [LeadId(1), LeadId(2), LeadId(3)]);
    // A decision that was made before the receipt would forget it, so it is stale.
    let unaware = held.store.commit(&batch(vec![plan(lead(2, version))])).await;
    assert!(matches!(unaware, Err(StoreError::Stale(LeadId(2)))), "{unaware:?}");
    held.store.commit(&batch(vec![plan(lead(4, 1))])).await.unwrap();
}

#[tokio::test]
async fn a_dead_effect_stays_and_is_shown_with_its_reason() {
    let held = with_effects(2, vec![note("a", 1), note("b", 2)], vec![notice("t", 1, "slack.dach")]).await;
    for (claim, second) in claim(&held.store, "odoo", 0).await.iter().zip(5..) {
        settle(&held.store, claim, dead(second)).await.unwrap();
    }
    settle(&held.store, &claim_notices(&held.store, "slack.dach", 0).await[0], dead(9)).await.unwrap();
    let held = held.again().await;
    assert_eq!(emptied(&held.store, 9_999).await, 0, "the reason a person looks for is not forgotten");
    let shown = held.store.effects_dead(9).await.unwrap();
    assert_eq!(
        shown.iter().map(|row| row.op.clone()).collect::<Vec<_>>(),
        [op("t").to_string(), op("b").to_string(), op("a").to_string()]
    );
    assert_eq!(shown.iter().map(|row| row.to.as_str()).collect::<Vec<_>>(), ["slack.dach", "odoo", "odoo"]);
    assert!(shown.iter().all(|row| row.message.as_deref() == Some("no such stage") && row.state == "dead"));
    assert_eq!(shown[2].settled_at, Some(at(5)));
    assert_eq!(claim(&held.store, "odoo", 9_999).await, []);
    assert_eq!(claim_notices(&held.store, "slack.dach", 9_999).await, []);
    assert_eq!(held.store.overview().await.unwrap().effects["dead"], 3);
}

/// How many effects that were settled before `second` lose their words.
async fn emptied(store: &Store, second: i64) -> u64 {
    store.prune(baton::store::Prunable::Effects, at(second), at(second)).await.unwrap().rows
}

#[tokio::test]
async fn old_effects_lose_their_words_and_keep_their_fate() {
    let held = with_writes(3, vec![note("done", 1), note("doubtful", 2), note("later", 3)]).await;
    let claims = claim(&held.store, "odoo", 0).await;
    settle(&held.store, &claims[0], done(200)).await.unwrap();
    settle(&held.store, &claims[1], unknown(900)).await.unwrap();
    settle(&held.store, &claims[2], again(900)).await.unwrap();
    assert_eq!(emptied(&held.store, 200).await, 0);
    assert_eq!(emptied(&held.store, 201).await, 1);
    assert_eq!(emptied(&held.store, 201).await, 0);
    assert_eq!(states(&held.store, 1).await, ["done"]);
    held.store.commit(&batch(vec![Plan { handoff: Some(handoff(1, 1, 9)), ..plan(lead(1, 2)) }])).await.unwrap();
    let case = held.store.cases(&[LeadId(1)], at(0)).await.unwrap().remove(0);
    assert_eq!((case.receipts[0].fate, case.receipts[0].at), (Fate::Done, at(200)));
    let waiting = claim(&held.store, "odoo", 900).await;
    assert!(waiting.len() == 2 && waiting.iter().all(|claim| body(claim).contains("AddNote")), "{waiting:?}");
    // A second decision of the same effect is still none.
    let again = Plan { writes: vec![note("done", 1)], ..plan(lead(1, 3)) };
    held.store.commit(&batch(vec![again])).await.unwrap();
    assert_eq!(states(&held.store, 1).await, ["done"]);
}
