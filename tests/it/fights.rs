//! Nobody fights: automations that set back what Baton writes get one retry, then the field is left alone and they are named.

use baton::sandbox::hubspot::{Author, Fault, Kind as Object};
use serde_json::json;

use super::harness::World;

fn value(world: &World, contact: &str, property: &str) -> String {
    world.hubspot.get(Object::Contact, contact).unwrap().get(property).cloned().unwrap_or_default()
}

/// How often Baton wrote this property of the contact.
fn writes(world: &World, contact: &str, property: &str) -> usize {
    let ledger = world.hubspot.ledger();
    ledger.iter().filter(|effect| effect.id == contact && effect.properties.contains_key(property)).count()
}

async fn contested(world: &World) -> Vec<String> {
    let findings = world.parts.engine.store().findings(50).await.unwrap();
    findings.into_iter().filter(|finding| finding.kind == "contested").map(|finding| finding.text).collect()
}

fn sets_back(world: &World, property: &str, to: &str) {
    let flow = Fault::Workflow {
        object: Object::Contact,
        on: property.to_owned(),
        set: property.to_owned(),
        to: to.to_owned(),
        after_ms: 1_000,
        times: None,
    };
    world.hubspot.faults().set(flow);
}

/// A contact that asks for a demo, which carries it past the bar: Baton writes the stage.
async fn demo_requested(world: &World) -> String {
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(5).await;
    ask_for_a_demo(world, &contact);
    world.pass(5).await;
    contact
}

fn ask_for_a_demo(world: &World, contact: &str) {
    let now = world.clock.now().to_string();
    let request = [("recent_conversion_event_name", "Request a demo"), ("recent_conversion_date", now.as_str())];
    assert!(world.hubspot.update(Object::Contact, contact, Author::Form, &request));
}

/// Lets Baton see once that what it writes bears its own app's name.
async fn known(world: &World) {
    world.handed_over("Known").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_that_sets_the_owner_back_gets_one_retry_and_is_named_faults_65_and_67() {
    let world = World::new().await;
    known(&world).await;
    let theirs = world.reps["f.roth"].1.id.clone();
    sets_back(&world, "hubspot_owner_id", &theirs);
    let contact = demo_requested(&world).await;
    world.pass(25).await;
    assert_eq!(writes(&world, &contact, "hubspot_owner_id"), 2, "{}", world.story().await);
    assert_eq!(value(&world, &contact, "hubspot_owner_id"), theirs);
    let told = contested(&world).await;
    assert!(told.iter().any(|text| text.contains("the owner that Baton sets in hubspot")), "{told:?}");
    // The next turns have other owners, but the field is left alone until the hand-off ends.
    world.pass(200).await;
    assert!(world.story().await.contains("turn 2"), "{}", world.story().await);
    assert_eq!(writes(&world, &contact, "hubspot_owner_id"), 2, "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_assignment_rule_in_sales_crm_gets_one_retry_and_is_named_fault_65() {
    let world = World::new().await;
    let (_, lead, owner) = world.handed_over("Jane").await;
    let other = world.reps.iter().find(|(login, _)| **login != owner).map(|(_, (id, _))| *id).unwrap();
    // OdooBot, as an automated action runs.
    for _ in 0..4 {
        world.odoo.as_user(1).write_lead(lead, json!({ "user_id": other })).unwrap();
        world.pass(3).await;
    }
    assert_eq!(world.odoo.owner(lead), Some(other), "{}", world.story().await);
    let told = contested(&world).await;
    assert!(told.iter().any(|text| text.contains("OdooBot overwrites the owner that Baton sets in odoo")), "{told:?}");
    let is_ours = |effect: &&baton::sandbox::odoo::Effect| effect.is_api && effect.method == "write";
    let set = world
        .odoo
        .ledger()
        .iter()
        .filter(is_ours)
        .filter(|effect| effect.arguments.to_string().contains("user_id"))
        .count();
    assert_eq!(set, 1, "the retry: {}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_sets_the_stage_back_is_no_fight_and_their_value_holds() {
    let world = World::new().await;
    known(&world).await;
    let contact = demo_requested(&world).await;
    assert_eq!(value(&world, &contact, "lifecyclestage"), "marketingqualifiedlead", "{}", world.story().await);
    world.hubspot.update(Object::Contact, &contact, Author::User(1), &[("lifecyclestage", "lead")]);
    world.pass(5).await;
    ask_for_a_demo(&world, &contact);
    world.pass(20).await;
    assert_eq!(value(&world, &contact, "lifecyclestage"), "lead", "{}", world.story().await);
    assert_eq!(writes(&world, &contact, "lifecyclestage"), 1, "{}", world.story().await);
    assert_eq!(contested(&world).await, Vec::<String>::new());
}

/// Our own write comes back in every stream, and again with each look: nothing follows from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn echoes_of_our_own_writes_start_nothing_fault_66() {
    let world = World::new().await;
    known(&world).await;
    let contact = demo_requested(&world).await;
    world.pass(3).await;
    let effects = world.parts.engine.store().overview().await.unwrap().effects;
    world.hubspot.update(Object::Contact, &contact, Author::App(1), &[("city", "Berlin")]);
    world.pass(9).await;
    assert_eq!(world.parts.engine.store().overview().await.unwrap().effects, effects, "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_who_is_deactivated_before_the_write_is_replaced_not_retried_fault_63() {
    let world = World::new().await;
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    world.qualify(&contact);
    world.clock.advance(jiff::SignedDuration::from_mins(1));
    for (connection, _) in &world.parts.polls {
        world.parts.engine.poll(connection).await.unwrap();
    }
    let chosen = world.parts.engine.store().open_handoffs(5).await.unwrap()[0].handoff.turn().unwrap().owner.clone();
    let login = chosen.as_str().split('@').next().unwrap().to_owned();
    let (user, ids) = world.reps[login.as_str()].clone();
    world.odoo.deactivate_user(user);
    assert!(world.hubspot.archive_owner(&ids.id));
    world.pass(20).await;
    let story = world.story().await;
    let open = world.parts.engine.store().open_handoffs(5).await.unwrap().remove(0).handoff;
    let turn = open.turn().expect("somebody has it");
    assert_ne!(turn.owner, chosen, "{story}");
    assert!(turn.clock_from.is_some(), "and is known in the CRM: {story}");
    let (lead, owner) = world.odoo.open_leads()[0];
    assert_ne!(owner, user, "lead {lead}: {story}");
}
