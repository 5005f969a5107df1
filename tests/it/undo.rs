//! Taking back what was written: the value before comes back where nobody touched the record since, and nowhere else.

use std::time::Duration;

use baton::connector::settings::Settings;
use baton::domain::plan::Mode;
use baton::engine::propose::Selection;
use baton::engine::undo::Undone;
use baton::sandbox::hubspot::{Author, Breakage, Fault as Trouble, Kind as Object, Place as Path, When as Often};
use baton::sandbox::odoo::{Fault, Place, When};
use jiff::SignedDuration;
use serde_json::json;

use super::beats::settle;
use super::harness::{AGREEMENT, World};

fn all() -> Selection {
    Selection { all: true, ..Selection::default() }
}

async fn undo(world: &World, selection: &Selection) -> Undone {
    world.parts.engine.undo(selection).await.unwrap()
}

/// What became of each effect: `odoo owner: taken back`, `odoo note: left ...`.
fn told(undone: &Undone) -> Vec<String> {
    let one = |row: &baton::engine::undo::UndoneRow| {
        let what = row.undo.as_ref().map_or_else(|why| format!("left {why}"), |_| "taken back".to_owned());
        format!("{} {}: {what}", row.connection, row.effect)
    };
    undone.rows.iter().map(one).collect()
}

/// A lead that a web form made in Odoo, owned by nobody, and handed over by Baton; answers contact, lead and owner.
async fn handed_over(world: &World) -> (String, i64, i64) {
    let form = json!({ "name": "Jane's request", "type": "lead", "contact_name": "Jane Roe", "user_id": false,
        "email_from": "jane@acme.example" });
    let lead = world.odoo.as_admin().create_lead(form).unwrap();
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(5).await;
    let now = world.clock.now().to_string();
    let request = [("recent_conversion_event_name", "Request a demo"), ("recent_conversion_date", now.as_str())];
    assert!(world.hubspot.update(Object::Contact, &contact, Author::Form, &request));
    world.pass(5).await;
    let owner = world.odoo.owner(lead).expect("an owner");
    (contact, lead, owner)
}

fn hubspot_value(world: &World, contact: &str, property: &str) -> String {
    world.hubspot.get(Object::Contact, contact).unwrap().get(property).cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_a_handoff_wrote_is_taken_back_and_the_handoff_ends() {
    let world = World::new().await;
    let (contact, lead, _) = handed_over(&world).await;
    assert_eq!(hubspot_value(&world, &contact, "lifecyclestage"), "marketingqualifiedlead");
    assert!(!hubspot_value(&world, &contact, "hubspot_owner_id").is_empty());
    assert_eq!(world.odoo.activities(lead).len(), 1);
    world.pass(5).await;
    let undone = undo(&world, &all()).await;
    let told = told(&undone);
    for part in
        ["odoo owner: taken back", "odoo task: taken back", "hubspot owner: taken back", "hubspot stage: taken back"]
    {
        assert!(told.iter().any(|line| line == part), "{part}: {told:?}");
    }
    world.pass(3).await;
    assert_eq!(world.odoo.owner(lead), None, "{}", world.story().await);
    assert_eq!(world.odoo.activities(lead).len(), 0, "the task is gone: {}", world.story().await);
    assert_eq!(hubspot_value(&world, &contact, "hubspot_owner_id"), "", "{}", world.story().await);
    assert_eq!(hubspot_value(&world, &contact, "lifecyclestage"), "lead", "{}", world.story().await);
    assert_eq!(
        world.parts.engine.store().overview().await.unwrap().open,
        0,
        "nobody is held to it: {}",
        world.story().await
    );
    let effects = (world.hubspot.ledger().len(), world.odoo.ledger().len());
    let breaches = world.told().len();
    // Again, and an hour later: nothing more follows, nobody is accused.
    undo(&world, &all()).await;
    world.pass(100).await;
    assert_eq!((world.hubspot.ledger().len(), world.odoo.ledger().len()), effects, "{}", world.story().await);
    assert_eq!(world.told().len(), breaches, "{:?}", world.told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_touched_since_is_left_and_they_are_named() {
    let world = World::new().await;
    let (contact, lead, owner) = handed_over(&world).await;
    world.pass(5).await;
    let other = world.reps.values().map(|(id, _)| *id).find(|id| *id != owner).unwrap();
    world.odoo.as_admin().write_lead(lead, json!({ "user_id": other })).unwrap();
    // Not read yet: the look at the CRM itself must find it.
    let undone = undo(&world, &all()).await;
    let told = told(&undone);
    let left = told.iter().find(|line| line.starts_with("odoo owner: left")).unwrap_or_else(|| panic!("{told:?}"));
    assert!(left.contains(&format!("made user {other} the owner")), "{left}");
    assert!(told.iter().any(|line| line == "hubspot owner: taken back"), "{told:?}");
    world.pass(3).await;
    assert_eq!(world.odoo.owner(lead), Some(other), "{}", world.story().await);
    assert_eq!(hubspot_value(&world, &contact, "hubspot_owner_id"), "");
    assert_eq!(world.parts.engine.store().overview().await.unwrap().open, 1, "it goes on with theirs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_is_changed_between_the_look_and_the_write_is_left() {
    let world = World::new().await;
    let (contact, _, _) = handed_over(&world).await;
    world.pass(5).await;
    let only =
        Selection { connection: Some("hubspot".into()), effect: Some("owner".to_owned()), ..Selection::default() };
    undo(&world, &only).await;
    let other = world.reps["f.roth"].1.clone();
    world.hubspot.update(Object::Contact, &contact, Author::User(other.user_id), &[("hubspot_owner_id", &other.id)]);
    world.parts.engine.deliver(&"hubspot".into()).await.unwrap();
    assert_eq!(hubspot_value(&world, &contact, "hubspot_owner_id"), other.id, "{}", world.story().await);
    let dead = world.parts.engine.store().effects_dead(5).await.unwrap();
    assert!(
        dead.iter()
            .any(|row| row.effect == "restore" && row.message.as_deref().is_some_and(|text| text.contains(&other.id))),
        "{dead:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_left_again_and_a_note_stays() {
    let world = World::new().await;
    let (contact, lead, owner) = world.handed_over("Jane").await;
    world.rep(owner).log_call(lead, "not now").unwrap();
    world.rep(owner).mark_lost(lead, "Bad timing").unwrap();
    world.pass(10).await;
    assert_eq!(world.hubspot.list_members("Nurture: next quarter"), std::slice::from_ref(&contact));
    let only = Selection { connection: Some("hubspot".into()), ..Selection::default() };
    let undone = undo(&world, &only).await;
    let told = told(&undone);
    assert!(told.iter().any(|line| line == "hubspot join_track: taken back"), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("hubspot note: left the note is left")), "{told:?}");
    world.pass(3).await;
    assert!(world.hubspot.list_members("Nurture: next quarter").is_empty(), "{}", world.story().await);
    assert_eq!(world.hubspot.associated(Object::Contact, &contact, Object::Note).len(), 1);
}

const NURTURE: &str = "Nurture: next quarter";

/// A CRM that does nothing after its answer: what is in doubt is looked for at once.
fn prompt(settings: &mut Settings) {
    settings.late = Duration::ZERO;
}

/// Every setting of values and every change of a list has its effect, and is answered with an error.
fn lie(world: &World) {
    for (method, path) in [("POST", "/contacts/batch/update"), ("PATCH", "/contacts/"), ("PUT", "/memberships/add")] {
        let trouble = Trouble::AfterEffect { breakage: Breakage::Status(502) };
        world.hubspot.faults().inject(Path::method(method, path), Often::default(), trouble);
    }
    for method in ["write", "action_set_lost"] {
        world.odoo.faults().inject(
            Place::call("crm.lead", method),
            When::default(),
            Fault::AfterEffect { status: 504 },
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_whose_answers_were_lost_are_taken_back_like_any_other() {
    let world = World::with_settings(AGREEMENT, Mode::On, prompt).await;
    let form = json!({ "name": "Jane's request", "type": "lead", "contact_name": "Jane Roe", "user_id": false,
        "email_from": "jane@acme.example" });
    let lead = world.odoo.as_admin().create_lead(form).unwrap();
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(5).await;
    lie(&world);
    let now = world.clock.now().to_string();
    let request = [("recent_conversion_event_name", "Request a demo"), ("recent_conversion_date", now.as_str())];
    assert!(world.hubspot.update(Object::Contact, &contact, Author::Form, &request));
    world.clock.advance(SignedDuration::from_mins(1));
    settle(&world).await;
    let struck = (world.hubspot.faults().struck(), world.odoo.faults().struck());
    assert!(struck.0 >= 2 && struck.1 >= 1, "no answer came through: {struck:?}");
    assert!(world.odoo.owner(lead).is_some(), "{}", world.story().await);
    world.hubspot.faults().clear();
    world.odoo.faults().clear();
    let undone = undo(&world, &all()).await;
    let told = told(&undone);
    for part in ["odoo owner: taken back", "hubspot owner: taken back", "hubspot stage: taken back"] {
        assert!(told.iter().any(|line| line == part), "{part}: {told:?}");
    }
    world.pass(3).await;
    assert_eq!(world.odoo.owner(lead), None, "{}", world.story().await);
    assert_eq!(hubspot_value(&world, &contact, "hubspot_owner_id"), "", "{}", world.story().await);
    assert_eq!(hubspot_value(&world, &contact, "lifecyclestage"), "lead", "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_was_joined_without_an_answer_is_left_again_and_who_was_on_it_before_stays() {
    let world = World::with_settings(AGREEMENT, Mode::On, prompt).await;
    let (joined, joined_lead, owner) = world.handed_over("Jane").await;
    let (earlier, earlier_lead, other_owner) = world.handed_over("Mary").await;
    assert!(world.hubspot.join_list(NURTURE, &earlier), "marketing has put her there itself");
    lie(&world);
    for (lead, owner) in [(joined_lead, owner), (earlier_lead, other_owner)] {
        world.rep(owner).log_call(lead, "not now").unwrap();
        world.rep(owner).mark_lost(lead, "Bad timing").unwrap();
    }
    world.clock.advance(SignedDuration::from_mins(1));
    settle(&world).await;
    assert!(world.hubspot.faults().struck() > 0);
    world.hubspot.faults().clear();
    let mut members = world.hubspot.list_members(NURTURE);
    members.sort();
    let mut both = [joined, earlier.clone()];
    both.sort();
    assert_eq!(members, both, "{}", world.story().await);
    let only =
        Selection { connection: Some("hubspot".into()), effect: Some("join_track".to_owned()), ..Selection::default() };
    let mut told = told(&undo(&world, &only).await);
    told.sort();
    let left = "hubspot join_track: left it changed nothing, or what it replaced is not known";
    assert_eq!(told, [left, "hubspot join_track: taken back"]);
    world.pass(100).await;
    assert_eq!(world.hubspot.list_members(NURTURE), [earlier], "{}", world.story().await);
}

/// An agreement under which silence sends the lead back to marketing after three hours.
fn impatient() -> String {
    AGREEMENT.replace("  { at = \"150%\", tell = [\"manager\"], reassign = true },\n", "")
}

/// A hand-off that nobody answered: Baton has marked its lead in Odoo as lost, and put the contact on a list.
async fn recycled() -> (World, String, i64) {
    let world = World::with(&impatient(), Mode::On).await;
    let (contact, lead, _) = world.handed_over("Jane").await;
    world.pass(190).await;
    let found = world.odoo.get_lead(lead).unwrap();
    assert_eq!((&found["active"], &found["won_status"]), (&json!(false), &json!("lost")), "{}", world.story().await);
    assert_eq!(world.hubspot.list_members("Nurture: re-engage"), std::slice::from_ref(&contact));
    (world, contact, lead)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_that_was_given_back_by_baton_is_no_longer_lost_and_nothing_follows() {
    let (world, contact, lead) = recycled().await;
    let before = world.odoo.get_lead(lead).unwrap();
    let undone = undo(&world, &all()).await;
    let told = told(&undone);
    for part in ["odoo reject: taken back", "hubspot join_track: taken back"] {
        assert!(told.iter().any(|line| line == part), "{part}: {told:?}");
    }
    world.pass(3).await;
    let after = world.odoo.get_lead(lead).unwrap();
    let is = |name: &str, value: serde_json::Value| assert_eq!(after[name], value, "{name}");
    is("active", json!(true));
    is("won_status", json!("pending"));
    is("lost_reason_id", json!(false));
    assert!(after["probability"].as_f64().unwrap() > 0.0, "Odoo works it out again: {after:?}");
    assert_eq!(after["user_id"], before["user_id"]);
    assert!(!world.hubspot.list_members("Nurture: re-engage").contains(&contact));
    let effects = (world.hubspot.ledger().len(), world.odoo.ledger().len());
    world.pass(300).await;
    assert_eq!((world.hubspot.ledger().len(), world.odoo.ledger().len()), effects, "{}", world.story().await);
    assert_eq!(world.parts.engine.store().overview().await.unwrap().open, 0, "no new hand-off follows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_that_was_given_back_is_restored_with_its_own_odds_even_if_the_answer_was_lost() {
    let world = World::with_settings(&impatient(), Mode::On, prompt).await;
    let (_, lead, owner) = world.handed_over("Jane").await;
    world.rep(owner).write_lead(lead, json!({ "probability": 70, "is_automated_probability": false })).unwrap();
    world.pass(170).await;
    lie(&world);
    world.clock.advance(SignedDuration::from_mins(20));
    settle(&world).await;
    assert_eq!(world.odoo.get_lead(lead).unwrap()["won_status"], json!("lost"), "{}", world.story().await);
    world.odoo.faults().clear();
    world.hubspot.faults().clear();
    undo(&world, &all()).await;
    world.pass(3).await;
    let after = world.odoo.get_lead(lead).unwrap();
    assert_eq!((&after["active"], &after["probability"]), (&json!(true), &json!(70.0)), "{}", world.story().await);
    assert_eq!(after["lost_reason_id"], json!(false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_whose_loss_somebody_spoke_of_since_stays_lost_and_they_are_named() {
    let (world, _, lead) = recycled().await;
    let other = world.odoo.reason("Bad fit");
    let user = 2;
    world.odoo.as_user(user).write_lead(lead, json!({ "lost_reason_id": other })).unwrap();
    let only = Selection { connection: Some("odoo".into()), effect: Some("reject".to_owned()), ..Selection::default() };
    let told = told(&undo(&world, &only).await);
    assert!(told[0].starts_with(&format!("odoo reject: left user {user} gave the lead back at")), "{told:?}");
    world.pass(3).await;
    let after = world.odoo.get_lead(lead).unwrap();
    assert_eq!((&after["active"], &after["lost_reason_id"][0]), (&json!(false), &json!(other)));
}
