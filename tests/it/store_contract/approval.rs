//! Effects that wait for a person: not claimed until they are let go, let go once, replaced only where nothing was ever sent.

use baton::domain::plan::{Effect, Hold, Lane, Plan};

use super::*;

async fn held_back(writes: Vec<Write>, hold: Hold) -> Held {
    let held = open().await;
    held.store.commit(&batch(vec![plan(lead(1, 0))])).await.unwrap();
    held.store.commit(&batch(vec![Plan { writes, hold: Some(hold), ..plan(lead(1, 1)) }])).await.unwrap();
    held
}

fn in_lane(name: &str, lane: Lane) -> Write {
    write(name, 1, "odoo", lane, Effect::AddNote { body: name.to_owned() })
}

#[tokio::test]
async fn what_is_held_is_claimed_only_once_a_person_let_it_go() {
    let held = held_back(vec![note("n", 1), owner("o", 1)], Hold::Plan).await;
    assert_eq!(claim(&held.store, "odoo", 0).await, []);
    let waiting = held.store.held_rows(10).await.unwrap();
    assert_eq!(waiting.iter().map(|row| row.write.op).collect::<Vec<_>>(), names(&["n", "o"]));
    assert_eq!(held.store.release_rows(&names(&["o"]), Some("abc")).await.unwrap(), names(&["o"]));
    assert_eq!(ops(&claim(&held.store, "odoo", 0).await), names(&["o"]));
    assert_eq!(held.store.release_rows(&names(&["o"]), Some("abc")).await.unwrap(), [], "once");
    let counts = held.store.held_counts().await.unwrap();
    assert_eq!(counts.iter().map(|count| (count.hold.as_str(), count.writes)).collect::<Vec<_>>(), [("plan", 1)]);
}

#[tokio::test]
async fn only_a_superseded_effect_may_be_replaced_under_its_own_id() {
    let held = held_back(vec![note("n", 1)], Hold::Plan).await;
    let other = || {
        let mut other = note("n", 1);
        other.effect = Effect::AddNote { body: "other".to_owned() };
        other
    };
    let insert = async |version: i64| {
        let again = Plan { writes: vec![other()], hold: Some(Hold::Plan), ..plan(lead(1, version)) };
        held.store.commit(&batch(vec![again])).await.unwrap();
        held.store.held_rows(10).await.unwrap().into_iter().map(|row| row.write.effect).collect::<Vec<_>>()
    };
    assert_eq!(insert(2).await, [note("n", 1).effect], "while it waits, what a person looks at stays as it is");
    held.store.supersede(&[(op("n"), "it changed".to_owned())], at(5)).await.unwrap();
    assert_eq!(held.store.release_rows(&names(&["n"]), None).await.unwrap(), [], "superseded is not let go");
    assert_eq!(insert(3).await, [other().effect]);
    held.store.release_rows(&names(&["n"]), None).await.unwrap();
    let claimed = claim(&held.store, "odoo", 0).await;
    settle(&held.store, &claimed[0], done(9)).await.unwrap();
    assert_eq!(insert(4).await, [], "what was sent is never planned again under its id");
    assert_eq!(states(&held.store, 1).await, ["done"]);
}

#[tokio::test]
async fn a_cap_holds_the_least_urgent_and_neither_alerts_nor_what_a_person_let_go() {
    let lanes = [("s", Lane::Score), ("t", Lane::Alert), ("r", Lane::Recycle), ("a", Lane::Assign)];
    let held = with_writes(1, lanes.iter().map(|(name, lane)| in_lane(name, *lane)).collect()).await;
    let [sent, waiting] = held.store.cap_figures(&"odoo".into(), at(0)).await.unwrap();
    assert_eq!((sent.0, waiting.0), (0, 3), "the alert is not counted");
    assert_eq!(held.store.hold_over_cap(&"odoo".into(), 1, false).await.unwrap(), 2);
    assert_eq!(held.store.held_rows(10).await.unwrap().len(), 2);
    assert_eq!(states(&held.store, 1).await, ["held", "pending", "held", "pending"]);
    held.store.release_rows(&names(&["s"]), None).await.unwrap();
    assert_eq!(held.store.hold_over_cap(&"odoo".into(), 0, false).await.unwrap(), 1, "not what a person let go");
    assert_eq!(states(&held.store, 1).await, ["pending", "pending", "held", "held"]);
}

#[tokio::test]
async fn what_is_held_is_withdrawn_with_its_handoff() {
    let mut held_write = owner("o", 1);
    held_write.handoff = Some(1);
    let held = held_back(vec![held_write], Hold::Plan).await;
    let ends = Plan { handoff: Some(handoff(1, 1, 5)), cancels: Some("it ended".into()), ..plan(lead(1, 2)) };
    held.store.commit(&Batch { plans: vec![ends], now: Some(at(9)), ..Batch::default() }).await.unwrap();
    assert_eq!(states(&held.store, 1).await, ["cancelled"]);
    assert_eq!(held.store.release_rows(&names(&["o"]), None).await.unwrap(), []);
}

#[tokio::test]
async fn a_proposal_is_found_by_how_its_id_begins() {
    use baton::store::ProposalRow;
    let held = open().await;
    let rows = vec![(op("a"), "d1".to_owned()), (op("b"), "d2".to_owned())];
    let proposal = ProposalRow { id: "abcdef012345".to_owned(), made_at: at(7), rows };
    held.store.keep_proposal(&proposal, at(0)).await.unwrap();
    assert_eq!(held.store.proposals("abcd").await.unwrap(), std::slice::from_ref(&proposal));
    for nothing in ["", "b", "%", "abc%", "_bcdef"] {
        assert_eq!(held.store.proposals(nothing).await.unwrap(), [], "{nothing}");
    }
    let next = ProposalRow { id: "abcd".to_owned(), made_at: at(9), rows: Vec::new() };
    held.store.keep_proposal(&next, at(8)).await.unwrap();
    assert_eq!(held.store.proposals("abc").await.unwrap(), [next], "the old one is forgotten");
}
