//! Nobody fights: automations that set back what Baton writes get one retry, then the field is left alone and they are named.

use baton::connector::settings::{Kind as Crm, ScorePart, Settings};
use baton::domain::plan::Mode;
use baton::sandbox::hubspot::{Author, Fault, Kind as Object};
use serde_json::json;

use super::harness::{AGREEMENT, World};

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

/// A world whose operators have the channel `slack.marketing`, and whose HubSpot has properties for the score.
async fn watched() -> World {
    let adjust = |settings: &mut Settings| {
        if settings.kind == Crm::HubSpot {
            settings.score_properties =
                vec![(ScorePart::Intent, "baton_intent".to_owned()), (ScorePart::Grade, "baton_grade".to_owned())];
        }
    };
    let mut world = World::with_settings(AGREEMENT, Mode::On, adjust).await;
    // The portal has the properties once somebody has used them.
    let some = [("email", "first@nowhere.example"), ("baton_intent", "0"), ("baton_grade", "D4")];
    world.hubspot.create_contact(Author::Form, &some);
    world.operated().await;
    world
}

/// How often the operators were told of a fight for `field`.
fn alerts(world: &World, field: &str) -> usize {
    let headline = format!("fights for the {field} in hubspot");
    world.told().iter().filter(|line| line.starts_with("marketing: ") && line.contains(&headline)).count()
}

/// Below the bar HubSpot's pages say nobody's name: the record is read once more where it shows another stage than was written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_that_sets_the_stage_back_below_the_bar_is_named_and_told_once_fault_67() {
    let world = watched().await;
    known(&world).await;
    sets_back(&world, "lifecyclestage", "lead");
    let contact = demo_requested(&world).await;
    world.pass(25).await;
    assert_eq!(writes(&world, &contact, "lifecyclestage"), 2, "one retry: {}", world.story().await);
    assert_eq!(value(&world, &contact, "lifecyclestage"), "lead");
    let told = contested(&world).await;
    assert!(told.iter().any(|text| text.contains("overwrites the stage that Baton sets in hubspot")), "{told:?}");
    assert!(told.iter().all(|text| !text.contains("INTEGRATION")), "the other party, not Baton itself: {told:?}");
    assert_eq!(alerts(&world, "stage"), 1, "{:?}", world.told());
    // News of the lead starts it all again no more; nor does another day.
    ask_for_a_demo(&world, &contact);
    world.pass(60).await;
    assert_eq!(writes(&world, &contact, "lifecyclestage"), 2, "{}", world.story().await);
    assert_eq!(alerts(&world, "stage"), 1, "one notice for the fight: {:?}", world.told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_in_the_middle_of_a_fight_changes_nothing_of_the_count_fault_67() {
    let mut world = watched().await;
    known(&world).await;
    sets_back(&world, "lifecyclestage", "lead");
    let contact = demo_requested(&world).await;
    for _ in 0..6 {
        world.restart(AGREEMENT).await;
        world.pass(4).await;
    }
    assert_eq!(writes(&world, &contact, "lifecyclestage"), 2, "{}", world.story().await);
    assert_eq!(contested(&world).await.len(), 1, "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_that_overwrites_the_score_gets_one_retry_and_is_named_fault_67() {
    let world = watched().await;
    known(&world).await;
    sets_back(&world, "baton_intent", "1");
    let contact = demo_requested(&world).await;
    world.pass(25).await;
    assert_eq!(writes(&world, &contact, "baton_intent"), 2, "one retry: {}", world.story().await);
    assert_eq!(value(&world, &contact, "baton_intent"), "1");
    let told = contested(&world).await;
    assert!(told.iter().any(|text| text.contains("overwrites the score that Baton sets in hubspot")), "{told:?}");
    assert_eq!(alerts(&world, "score"), 1, "{:?}", world.told());
    // Another day and another score: it is left alone.
    world.clock.advance(jiff::SignedDuration::from_hours(26));
    ask_for_a_demo(&world, &contact);
    world.pass(9).await;
    assert_eq!(writes(&world, &contact, "baton_intent"), 2, "{}", world.story().await);
}

/// What Baton does not have to ask costs nothing: an ordinary change below the bar is no reason to read a history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_shows_another_value_than_was_written_is_read_with_its_history() {
    let world = watched().await;
    known(&world).await;
    let below = world.contact("Below");
    world.pass(3).await;
    let score = world.hubspot.get(Object::Contact, &below).unwrap().get("baton_intent").cloned();
    world.hubspot.reset_requests();
    let read =
        |world: &World| world.hubspot.requests().by_object.get("contacts batch_read").copied().unwrap_or_default();
    world.hubspot.update(Object::Contact, &below, Author::User(1), &[("city", "Berlin")]);
    world.pass(3).await;
    assert_eq!(read(&world), 1, "{:?}", world.hubspot.requests());
    assert!(score.is_some_and(|text| !text.is_empty()), "Baton has written to it");
    world.hubspot.reset_requests();
    world.hubspot.update(Object::Contact, &below, Author::User(1), &[("baton_intent", "77")]);
    world.pass(3).await;
    assert_eq!(read(&world), 2, "{:?}", world.hubspot.requests());
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
