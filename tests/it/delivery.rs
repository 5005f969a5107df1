//! Writes whose answers lie, that must wait, or that are refused: nothing twice, nothing too early, nothing in silence.

use std::time::{Duration, Instant};

use baton::sandbox::hubspot::{Fault as Trouble, Kind as Object, Place as Path, RetryAfter, When as Often};
use jiff::SignedDuration;

use super::beats::{settle, tolerant_beat};
use super::harness::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_that_hubspot_asks_for_is_kept_to_the_end_fault_53() {
    let world = World::new().await;
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    world.hubspot.reset_requests();
    let limit =
        |retry_after| Trouble::RateLimit { policy: "TEN_SECONDLY_ROLLING".to_owned(), retry_after: Some(retry_after) };
    // The first read of a poll, and later the first write.
    world.hubspot.faults().inject(Path::default(), Often::times(1), limit(RetryAfter::Seconds(2)));
    world.hubspot.faults().inject(
        Path::method("POST", "/batch/update"),
        Often::times(1),
        limit(RetryAfter::Seconds(1)),
    );
    world.hubspot.faults().inject(Path::method("PATCH", "/contacts/"), Often::times(1), limit(RetryAfter::Date(2)));
    world.qualify(&contact);
    let began = Instant::now();
    let owner =
        || world.hubspot.get(Object::Contact, &contact).unwrap().get("hubspot_owner_id").cloned().unwrap_or_default();
    while owner().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(40), "{} {:?}", world.story().await, world.hubspot.requests());
        world.clock.advance(SignedDuration::from_secs(10));
        world.parts.engine.store().hurry().await.unwrap();
        tolerant_beat(&world).await;
    }
    let requests = world.hubspot.requests();
    assert!(requests.by_status[&429] >= 2, "reading and writing were both asked to wait: {requests:?}");
    assert_eq!(requests.early, 0, "{requests:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_write_is_dead_with_a_finding() {
    let world = World::new().await;
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    let refusal = Trouble::Status { status: 400, retry_after: None };
    world.hubspot.faults().inject(Path::method("POST", "/contacts/batch/update"), Often::default(), refusal.clone());
    world.hubspot.faults().inject(Path::method("PATCH", "/contacts/"), Often::default(), refusal);
    world.qualify(&contact);
    world.clock.advance(SignedDuration::from_mins(1));
    settle(&world).await;
    let store = world.parts.engine.store();
    let dead = store.effects_dead(10).await.unwrap();
    assert!(dead.iter().any(|row| row.to == "hubspot" && row.effect == "owner"), "{dead:?} {}", world.story().await);
    assert!(dead.iter().all(|row| row.message.as_deref().is_some_and(|message| message.contains("400"))), "{dead:?}");
    assert!(
        store.findings(50).await.unwrap().iter().any(|finding| finding.kind == "refused"),
        "{}",
        world.story().await
    );
    assert_eq!(world.odoo.leads().len(), 1, "sales has the lead all the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_given_back_in_the_second_of_its_opening_comes_back_trap_2() {
    let world = World::new().await;
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    world.qualify(&contact);
    world.clock.advance(SignedDuration::from_millis(60_500));
    world.beat().await;
    // Odoo shows whole seconds, so this reads as half a second before the hand-off was opened.
    let (lead, owner) = world.odoo.open_leads()[0];
    world.odoo.as_user(owner).mark_lost(lead, "Bad timing").unwrap();
    world.pass(10).await;
    assert_eq!(world.hubspot.list_members("Nurture: next quarter"), [contact], "{}", world.story().await);
}
