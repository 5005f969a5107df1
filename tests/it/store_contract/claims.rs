//! `claim`: the most urgent first, in order within a lead, nothing to two at one time, nothing before its time.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use baton::domain::plan::{Effect, Lane, Plan};

use super::*;

fn in_lane(name: &str, lead: i64, lane: Lane) -> Write {
    write(name, lead, "odoo", lane, Effect::AddNote { body: String::new() })
}

#[tokio::test]
async fn a_claim_brings_what_was_decided_under_a_lease() {
    let held = with_effects(1, vec![owner("o", 1)], vec![notice("t", 1, "slack.dach")]).await;
    let claims = claim(&held.store, "odoo", 0).await;
    let wanted = Claim {
        op: op("o"),
        attempt: 1,
        tries: 1,
        is_unknown: false,
        doubts: 0,
        earlier: None,
        what: Outgoing::Write(owner("o", 1)),
    };
    assert_eq!(claims, [wanted]);
    assert_eq!(claim(&held.store, "odoo", 60).await, [], "the lease is not over");
    assert_eq!(claim(&held.store, "hubspot", 0).await, []);
    let claims = claim_notices(&held.store, "slack.dach", 0).await;
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].what, Outgoing::Notice(notice("t", 1, "slack.dach")));
    assert_eq!(claim_notices(&held.store, "slack.dach", 60).await, []);
    assert_eq!(claim_notices(&held.store, "odoo", 0).await, [], "a channel is no connection");
    assert_eq!(states(&held.store, 1).await, ["sending", "sending"]);
}

#[tokio::test]
async fn urgent_lanes_go_before_score_write_backs() {
    let lanes =
        [("s", Lane::Score), ("r", Lane::Recycle), ("a", Lane::Assign), ("t", Lane::Alert), ("a2", Lane::Assign)];
    let writes = lanes.iter().zip(1..).map(|((name, lane), lead)| in_lane(name, lead, *lane)).collect();
    let held = with_writes(5, writes).await;
    for wanted in ["t", "a", "a2", "r", "s"] {
        let claims = held.store.claim_writes(&"odoo".into(), at(0), LEASE, 1).await.unwrap();
        assert_eq!(ops(&claims), names(&[wanted]));
    }
    assert_eq!(claim(&held.store, "odoo", 0).await, []);
}

#[tokio::test]
async fn notices_never_wait_for_writes() {
    // A thousand scores before the breach, of the same lead and of others.
    let writes = (0..1_000).map(|number| in_lane(&number.to_string(), 1 + number % 7, Lane::Score)).collect();
    let held = with_writes(7, writes).await;
    let told = Plan { notices: vec![notice("breach", 1, "slack.dach")], ..plan(lead(1, 2)) };
    held.store.commit(&batch(vec![told])).await.unwrap();
    assert_eq!(held.store.channels_waiting(at(0), at(0)).await.unwrap(), [("slack.dach".into(), 1)]);
    assert_eq!(ops(&claim_notices(&held.store, "slack.dach", 0).await), names(&["breach"]));
    assert_eq!(held.store.channels_waiting(at(0), at(0)).await.unwrap(), []);
}

#[tokio::test]
async fn writes_of_one_lead_go_out_in_order_but_a_more_urgent_one_overtakes() {
    let mut urgent = in_lane("urgent", 1, Lane::Alert);
    urgent.handoff = None;
    let writes = vec![owner("first", 1), note("second", 1), urgent, note("other", 2)];
    let held = with_writes(2, writes).await;
    let mut claims = claim(&held.store, "odoo", 0).await;
    assert_eq!(ops(&claims), names(&["urgent", "first", "other"]));
    settle(&held.store, &claims.remove(0), done(0)).await.unwrap();
    for (settlement, second) in [(again(10), 10), (unknown(20), 20)] {
        let first = held.store.effects_of(LeadId(1)).await.unwrap()[0].attempt;
        let current = Claim { attempt: u32::try_from(first).unwrap(), ..claims[0].clone() };
        settle(&held.store, &current, settlement).await.unwrap();
        assert_eq!(claim(&held.store, "odoo", second - 1).await, [], "the first waits, and the others for it");
        assert_eq!(ops(&claim(&held.store, "odoo", second).await), names(&["first"]));
    }
    let current = Claim { attempt: 3, ..claims[0].clone() };
    settle(&held.store, &current, done(21)).await.unwrap();
    let second = claim(&held.store, "odoo", 21).await;
    assert_eq!(ops(&second), names(&["second"]));
    // What will never go out does not hold up the rest.
    settle(&held.store, &second[0], dead(22)).await.unwrap();
    let version = held.store.lead_state(LeadId(1)).await.unwrap().unwrap().version;
    let third = Plan { writes: vec![note("third", 1)], ..plan(lead(1, version)) };
    held.store.commit(&batch(vec![third])).await.unwrap();
    assert_eq!(ops(&claim(&held.store, "odoo", 22).await), names(&["third"]));
}

#[tokio::test]
async fn the_task_of_a_breach_waits_for_no_score_but_for_the_record_it_hangs_on() {
    let create = |name: &str, is_new_journey| {
        let effect = Effect::Create { values: Vec::new(), owner: None, is_new_journey, not: Vec::new() };
        write(name, 1, "odoo", Lane::Assign, effect)
    };
    let all = vec![
        in_lane("score", 1, Lane::Score),
        in_lane("return", 1, Lane::Recycle),
        in_lane("task", 1, Lane::Alert),
        create("create", true),
        in_lane("task of the new record", 1, Lane::Alert),
        in_lane("score of the new record", 1, Lane::Score),
    ];
    let held = with_writes(1, all).await;
    // The CRM takes no score and no return for a while; the task goes out all the same. What is to hang on the new record waits
    // for it, as the new record waits for what was meant for the old one.
    let claims = claim(&held.store, "odoo", 0).await;
    assert_eq!(ops(&claims), names(&["task", "return", "score"]));
    settle(&held.store, &claims[0], done(1)).await.unwrap();
    settle(&held.store, &claims[1], again(50)).await.unwrap();
    settle(&held.store, &claims[2], again(50)).await.unwrap();
    assert_eq!(claim(&held.store, "odoo", 1).await, []);
    for wanted in [&["return", "score"][..], &["create"], &["task of the new record"], &["score of the new record"]] {
        let claims = claim(&held.store, "odoo", 50).await;
        assert_eq!(ops(&claims), names(wanted));
        for claim in &claims {
            settle(&held.store, claim, done(51)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn order_is_kept_on_each_connection_and_one_does_not_wait_for_another() {
    let to = |name: &str, connection: &str| {
        write(name, 1, connection, Lane::Assign, Effect::AddNote { body: String::new() })
    };
    let writes = vec![to("h1", "hubspot"), to("o1", "odoo"), to("h2", "hubspot"), to("o2", "odoo")];
    let held = with_writes(1, writes).await;
    assert_eq!(ops(&claim(&held.store, "odoo", 0).await), names(&["o1"]));
    // HubSpot is away for hours: Odoo's go on.
    let hubspot = claim(&held.store, "hubspot", 0).await;
    assert_eq!(ops(&hubspot), names(&["h1"]));
    settle(&held.store, &hubspot[0], again(9_999)).await.unwrap();
    let odoo = Claim { op: op("o1"), ..hubspot[0].clone() };
    settle(&held.store, &odoo, done(5)).await.unwrap();
    assert_eq!(ops(&claim(&held.store, "odoo", 5).await), names(&["o2"]));
    assert_eq!(claim(&held.store, "hubspot", 5).await, []);
    assert_eq!(ops(&claim(&held.store, "hubspot", 9_999).await), names(&["h1"]));
}

#[tokio::test]
async fn a_failing_write_of_one_lead_holds_up_nobody_else() {
    let writes = (1..=3).flat_map(|id| [note(&format!("{id}a"), id), note(&format!("{id}b"), id)]).collect();
    let held = with_writes(3, writes).await;
    let first = claim(&held.store, "odoo", 0).await;
    assert_eq!(ops(&first), names(&["1a", "2a", "3a"]));
    settle(&held.store, &first[0], again(500)).await.unwrap();
    settle(&held.store, &first[1], done(1)).await.unwrap();
    settle(&held.store, &first[2], unknown(500)).await.unwrap();
    assert_eq!(ops(&claim(&held.store, "odoo", 1).await), names(&["2b"]));
    assert_eq!(ops(&claim(&held.store, "odoo", 500).await), names(&["1a", "2b", "3a"]), "and a lapsed one comes again");
}

#[tokio::test]
async fn again_comes_not_before_its_time() {
    let held = with_effects(1, vec![note("w", 1)], vec![notice("t", 1, "slack.dach")]).await;
    let write = claim(&held.store, "odoo", 0).await.remove(0);
    let told = claim_notices(&held.store, "slack.dach", 0).await.remove(0);
    let wait = Settlement::Again { not_before: at(120), counts: false, message: "429".to_owned() };
    settle(&held.store, &write, wait.clone()).await.unwrap();
    settle(&held.store, &told, wait).await.unwrap();
    assert_eq!(states(&held.store, 1).await, ["pending", "pending"]);
    let just_before = at(120) - SignedDuration::from_millis(1);
    assert_eq!(held.store.claim_writes(&"odoo".into(), just_before, LEASE, 9).await.unwrap(), []);
    assert_eq!(
        held.store.claim_notices(&"slack.dach".into(), just_before, Timestamp::MAX, LEASE, 9).await.unwrap(),
        []
    );
    assert_eq!(held.store.channels_waiting(just_before, at(0)).await.unwrap(), []);
    // A number never comes again, though the wait that was asked for does not count as a try.
    let write = claim(&held.store, "odoo", 120).await.remove(0);
    assert_eq!((write.attempt, write.tries, write.is_unknown), (2, 1, false));
    let told = claim_notices(&held.store, "slack.dach", 120).await.remove(0);
    assert_eq!((told.attempt, told.tries, told.is_unknown), (2, 1, false));
    settle(&held.store, &write, again(130)).await.unwrap();
    let write = claim(&held.store, "odoo", 130).await.remove(0);
    assert_eq!((write.attempt, write.tries), (3, 2));
}

#[tokio::test]
async fn what_may_have_happened_comes_back_as_unknown_until_it_is_settled() {
    let held = with_effects(1, vec![note("w", 1)], vec![notice("t", 1, "slack.dach")]).await;
    let write = claim(&held.store, "odoo", 0).await.remove(0);
    let told = claim_notices(&held.store, "slack.dach", 0).await.remove(0);
    assert!(!write.is_unknown && !told.is_unknown);
    settle(&held.store, &write, unknown(10)).await.unwrap();
    settle(&held.store, &told, unknown(10)).await.unwrap();
    assert_eq!(states(&held.store, 1).await, ["unknown", "unknown"]);
    assert_eq!(claim(&held.store, "odoo", 9).await, []);
    let held = held.again().await;
    let write = claim(&held.store, "odoo", 10).await.remove(0);
    let told = claim_notices(&held.store, "slack.dach", 10).await.remove(0);
    assert_eq!((write.attempt, write.tries, write.is_unknown), (2, 2, true));
    assert!(told.is_unknown);
    // It was looked for, and is not there: from here on nothing is in doubt.
    settle(&held.store, &write, again(20)).await.unwrap();
    assert!(!claim(&held.store, "odoo", 20).await[0].is_unknown);
}

#[tokio::test]
async fn a_lapsed_lease_leaves_doubt() {
    let held = with_effects(1, vec![note("w", 1)], vec![notice("t", 1, "slack.dach")]).await;
    claim(&held.store, "odoo", 0).await;
    claim_notices(&held.store, "slack.dach", 0).await;
    for (second, attempt) in [(61, 2), (122, 3)] {
        let write = claim(&held.store, "odoo", second).await.remove(0);
        let told = claim_notices(&held.store, "slack.dach", second).await.remove(0);
        for claim in [write, told] {
            assert_eq!((claim.attempt, claim.tries, claim.is_unknown), (attempt, attempt, true));
        }
    }
}

#[tokio::test]
async fn hurry_ends_the_waits_and_takes_nobodys_lease() {
    let held = with_writes(3, (1..=3).map(|id| note(&id.to_string(), id)).collect()).await;
    let claims = claim(&held.store, "odoo", 0).await;
    settle(&held.store, &claims[0], again(500)).await.unwrap();
    settle(&held.store, &claims[1], unknown(500)).await.unwrap();
    held.store.hurry().await.unwrap();
    let hurried = claim(&held.store, "odoo", 1).await;
    assert_eq!(
        hurried.iter().map(|claim| (claim.op, claim.is_unknown)).collect::<Vec<_>>(),
        [(op("1"), false), (op("2"), true)]
    );
}

/// Claims until nothing is left, `size` at a time.
async fn drain(store: Store, size: NonZeroUsize) -> Vec<OperationId> {
    let mut got = Vec::new();
    loop {
        let claims = store.claim_writes(&"odoo".into(), at(0), LEASE, size.get()).await.unwrap();
        let told = store.claim_notices(&"slack.dach".into(), at(0), Timestamp::MAX, LEASE, size.get()).await.unwrap();
        if claims.is_empty() && told.is_empty() {
            return got;
        }
        for claim in claims.iter().chain(&told) {
            settle(&store, claim, done(5)).await.unwrap();
        }
        got.extend(ops(&claims));
        got.extend(ops(&told));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn claimers_at_one_time_never_get_one_row() {
    let writes: Vec<Write> = (0..400).map(|number| note(&format!("w{number}"), 1 + number % 40)).collect();
    let notices = (0..100).map(|number| notice(&format!("t{number}"), 1, "slack.dach")).collect();
    let held = with_effects(40, writes, notices).await;
    let mut claimers = tokio::task::JoinSet::new();
    for size in [1, 3, 7, 20, 50, 11] {
        claimers.spawn(drain(held.store.clone(), NonZeroUsize::new(size).unwrap()));
    }
    let got: Vec<OperationId> = claimers.join_all().await.into_iter().flatten().collect();
    assert_eq!(got.len(), 500);
    assert_eq!(got.into_iter().collect::<BTreeSet<_>>().len(), 500);
    assert_eq!(held.store.overview().await.unwrap().effects["done"], 500);
}
