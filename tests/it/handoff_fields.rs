//! What the person's record in each CRM shows of its hand-off, over HTTP: why somebody has it and by when they answer, or why it
//! came back.

use std::sync::Arc;

use baton::connector::Connector as _;
use baton::connector::hubspot::HubSpot;
use baton::connector::requirement::{Making, Requirement, State};
use baton::connector::settings::{HandoffPart, Kind as Crm, Settings};
use baton::domain::plan::Mode;
use baton::engine::propose::Selection;
use baton::http::Client;
use baton::http::limiter::Limiter;
use baton::sandbox::hubspot::{Author, Breakage, Fault, Kind as Object, Place, When};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::beats::settle;
use super::harness::{AGREEMENT, ROSTER, World};

const REASON: &str = "baton_reason";
const DUE: &str = "baton_owner_due";

/// Settings with fields for the hand-off: properties that setup has made in HubSpot, fields that every Odoo has.
fn with_fields(settings: &mut Settings) {
    let names = match settings.kind {
        Crm::HubSpot => [REASON, DUE],
        Crm::Odoo | Crm::Pipedrive => ["referred", "date_automation_last"],
        Crm::Salesforce => ["baton_reason__c", "baton_owner_due__c"],
    };
    let parts = HandoffPart::ALL.into_iter().zip(names);
    settings.handoff_properties = parts.map(|(part, name)| (part, name.to_owned())).collect();
}

async fn world(writes: Mode) -> World {
    let world = World::with_settings(AGREEMENT, writes, with_fields).await;
    let mut settings = world.assembly_with(AGREEMENT, ROSTER).connections.remove(0);
    with_fields(&mut settings);
    let portal = HubSpot::new(settings, Client::new().unwrap(), Arc::new(Limiter::default()), None);
    for part in HandoffPart::ALL {
        let made = portal.ensure(&Requirement::Handoff(part), Making::Make).await.unwrap().unwrap();
        assert_eq!(made.state, State::Made, "{made:?}");
    }
    assert!(portal.describe().await.unwrap().findings.iter().all(|finding| !finding.text.contains("baton_")));
    world
}

/// What the contact and the Odoo lead show: reason and due time, empty if none.
fn shown(world: &World, contact: &str, lead: i64) -> [(String, Option<Timestamp>); 2] {
    let properties = world.hubspot.get(Object::Contact, contact).unwrap();
    let text = |name: &str| properties.get(name).cloned().unwrap_or_default();
    let fields = world.odoo.get_lead(lead).unwrap();
    let odoo = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
    let due = |text: String| (!text.is_empty()).then(|| text.parse().unwrap());
    let utc = |text: String| if text.is_empty() { text } else { format!("{}Z", text.replace(' ', "T")) };
    [(text(REASON), due(text(DUE))), (odoo("referred"), due(utc(odoo("date_automation_last"))))]
}

async fn due_at(world: &World) -> Option<Timestamp> {
    world.parts.engine.store().open_handoffs(10).await.unwrap()[0].handoff.due_at()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_shows_reason_and_due_time_until_the_handoff_ends_and_the_reason_it_came_back_for() {
    let world = world(Mode::On).await;
    let (contact, lead, owner) = world.handed_over("Jane").await;
    world.pass(3).await;
    let due = due_at(&world).await;
    for (reason, shown_due) in shown(&world, &contact, lead) {
        assert!(reason.starts_with("everyone: "), "{reason}: {}", world.story().await);
        assert_eq!(shown_due, due, "{}", world.story().await);
    }
    world.rep(owner).log_call(lead, "not now").unwrap();
    world.pass(3).await;
    let later = due_at(&world).await;
    assert!(later > due, "{later:?}");
    assert!(shown(&world, &contact, lead).iter().all(|(_, shown)| *shown == later), "{}", world.story().await);
    // Nothing is written while nothing changes, and our own writes start nothing.
    let effects = (world.hubspot.ledger().len(), world.odoo.ledger().len());
    world.pass(30).await;
    assert_eq!((world.hubspot.ledger().len(), world.odoo.ledger().len()), effects, "{}", world.story().await);
    world.rep(owner).mark_lost(lead, "Bad timing").unwrap();
    world.pass(5).await;
    let back = ("rejected: bad_timing".to_owned(), None);
    assert_eq!(shown(&world, &contact, lead), [back.clone(), back], "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sales_confirms_shows_nothing_any_more() {
    let world = world(Mode::On).await;
    let (contact, lead, owner) = world.handed_over("Jane").await;
    world.pass(3).await;
    let qualified = world.odoo.stage("Qualified").unwrap();
    world.rep(owner).write_lead(lead, json!({ "stage_id": qualified })).unwrap();
    world.pass(5).await;
    let nothing = (String::new(), None);
    assert_eq!(shown(&world, &contact, lead), [nothing.clone(), nothing], "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_waits_for_approval_is_taken_back_and_found_again_like_any_other_write() {
    let world = world(Mode::Plan).await;
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    world.qualify(&contact);
    world.pass(2).await;
    let approve = async || {
        let proposal = world.parts.engine.propose().await.unwrap();
        world.parts.engine.apply_plan(&proposal.id).await.unwrap();
        world.pass(3).await;
        proposal.rows.iter().map(|row| row.change.what).collect::<Vec<_>>()
    };
    let first = approve().await;
    assert!(!first.contains(&"handoff"), "nothing is shown of a shadow: {first:?}");
    // The answers to the second round are lost after the effect.
    let lost = Fault::AfterEffect { breakage: Breakage::Status(502) };
    world.hubspot.faults().inject(Place::method("PATCH", "/contacts/"), When::times(1), lost);
    let second = approve().await;
    assert_eq!(second, ["handoff", "handoff"], "one on each side");
    settle(&world).await;
    assert_eq!(world.hubspot.faults().struck(), 1);
    let lead = world.odoo.leads().into_iter().max().unwrap();
    let [marketing, sales] = shown(&world, &contact, lead);
    assert!(marketing.1.is_some() && marketing == sales, "{marketing:?} {sales:?}: {}", world.story().await);
    let entries = world.hubspot.history(Object::Contact, &contact, REASON).len();
    assert_eq!(entries, 1, "found and not written again");
    let only = Selection { effect: Some("handoff".to_owned()), ..Selection::default() };
    let undone = world.parts.engine.undo(&only).await.unwrap();
    assert!(undone.rows.iter().all(|row| row.undo.is_ok()), "{undone:?}");
    world.pass(3).await;
    let nothing = (String::new(), None);
    assert_eq!(shown(&world, &contact, lead), [nothing.clone(), nothing], "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_property_that_is_missing_costs_its_own_write_alone() {
    let world = World::with_settings(AGREEMENT, Mode::On, with_fields).await;
    let (contact, lead, owner) = world.handed_over("Jane").await;
    world.pass(5).await;
    let dead = world.parts.engine.store().effects_dead(9).await.unwrap();
    assert!(!dead.is_empty() && dead.iter().all(|row| row.effect == "handoff" && row.to == "hubspot"), "{dead:?}");
    assert!(dead[0].message.as_ref().unwrap().contains(REASON), "{dead:?}");
    world.hubspot.update(Object::Contact, &contact, Author::Form, &[("jobtitle", "CTO")]);
    world.rep(owner).log_call(lead, "hello").unwrap();
    world.pass(5).await;
    assert_ne!(world.odoo.get_lead(lead).unwrap()["date_automation_last"], Value::Bool(false));
}
