//! Contacts that marketing merges while sales has one of them (fault 30).

use baton::domain::handoff::Handoff;
use baton::sandbox::hubspot::{Author, Kind as Object};

use super::harness::World;

async fn open(world: &World) -> Vec<Handoff> {
    let rows = world.parts.engine.store().open_handoffs(10).await.unwrap();
    rows.into_iter().map(|row| row.handoff).collect()
}

/// Merges the contact that sales has with another one, goes on to the end of the ladder's reassignment and a word of
/// sales, and holds that there was one lead all along.
async fn an_open_handoff_moves_to_the_survivor(handed_is_older: bool, handed_wins: bool) {
    let world = World::new().await;
    let older = (!handed_is_older).then(|| world.contact("Janet"));
    world.beat().await;
    let (handed, lead, owner) = world.handed_over("Jane").await;
    let other = older.unwrap_or_else(|| world.contact("Janet"));
    world.pass(10).await;
    let before = open(&world).await.remove(0);
    let leads = world.odoo.leads();

    let (winner, loser) = if handed_wins { (&handed, &other) } else { (&other, &handed) };
    let survivor = world.hubspot.merge(Object::Contact, winner, loser, Author::User(1)).unwrap();
    world.pass(5).await;
    let after = open(&world).await;
    assert_eq!(after.len(), 1, "one hand-off: {}", world.story().await);
    assert_eq!((after[0].id, after[0].opened_at), (before.id, before.opened_at));
    assert_eq!(after[0].turn(), before.turn(), "its owner and clock go on: {}", world.story().await);
    assert_eq!(world.odoo.leads(), leads, "nobody is handed over twice");
    assert_eq!(world.odoo.owner(lead), Some(world.reps[owner].0));

    world.pass(90).await;
    let story = world.story().await;
    for part in ["warning: first touch at 80 %", "BREACH: first touch at 100 %", "turn 1 missed"] {
        assert_eq!(story.matches(part).count(), 1, "{part}: {story}");
    }
    let (_, next) = world.odoo.open_leads().into_iter().find(|(known, _)| *known == lead).unwrap();
    world.odoo.as_user(next).log_call(lead, "not now").unwrap();
    world.odoo.as_user(next).mark_lost(lead, "Bad timing").unwrap();
    world.pass(10).await;
    assert_eq!(world.hubspot.list_members("Nurture: next quarter"), [survivor], "{}", world.story().await);
    let findings = world.parts.engine.store().findings(50).await.unwrap();
    assert!(findings.iter().all(|finding| finding.kind != "same_person"), "they are merged already: {findings:?}");
    assert_eq!(world.odoo.leads(), leads);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_handoff_goes_on_when_a_younger_contact_is_merged_into_it_fault_30() {
    an_open_handoff_moves_to_the_survivor(true, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_handoff_goes_on_when_it_is_merged_into_an_older_contact_fault_30() {
    an_open_handoff_moves_to_the_survivor(false, false).await;
}
