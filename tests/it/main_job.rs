//! The main job, end to end over real HTTP: qualified in HubSpot, handed over in Odoo, touched or not, and back.

use baton::domain::id::{Object, RecordRef};
use baton::domain::plan::Mode;
use baton::domain::stage::Stage;
use baton::sandbox::hubspot::{Author, Kind};
use baton::sandbox::odoo::Fault;
use jiff::SignedDuration;
use serde_json::json;

use super::harness::{AGREEMENT, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_qualified_contact_gets_a_lead_an_owner_and_an_activity_in_odoo() {
    let world = World::new().await;
    let (contact, lead, owner) = world.handed_over("Jane").await;
    let made = world.odoo.get_lead(lead).unwrap();
    assert_eq!(made["email_from"], json!("jane@acme.example"));
    let activities = world.odoo.activities(lead);
    assert_eq!(activities.len(), 1, "{activities:?}");
    let owner_in_hubspot = world.hubspot.get(Kind::Contact, &contact).unwrap()["hubspot_owner_id"].clone();
    assert_eq!(owner_in_hubspot, world.reps[owner].1.id, "marketing sees who has it");
    assert!(world.told().iter().any(|line| line.starts_with("sales: Jane Roe")), "{:?}", world.told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_reps_call_stops_the_clock_in_time() {
    let world = World::new().await;
    let (_, lead, owner) = world.handed_over("Jane").await;
    world.pass(20).await;
    world.rep(owner).log_call(lead, "talked about the demo").unwrap();
    world.pass(80).await;
    let told = world.told();
    assert_eq!(told.len(), 1, "nobody is warned: {told:?} {}", world.story().await);
    assert!(world.story().await.contains("first touch kept in time"), "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_silence_goes_warning_breach_reassignment_with_a_full_clock() {
    let world = World::new().await;
    let (_, lead, first) = world.handed_over("Jane").await;
    world.pass(100).await;
    let story = world.story().await;
    for part in [
        "warning: first touch at 80 %",
        "BREACH: first touch at 100 %",
        "BREACH: first touch at 150 %",
        "turn 1 missed",
    ] {
        assert!(story.contains(part), "{part} is missing in {story}");
    }
    let second = world.odoo.owner(lead).unwrap();
    assert_ne!(second, world.reps[first].0, "the next one has it: {story}");
    assert!(story.contains("the clock of turn 2 started"), "{story}");
    let breaches = world.told().iter().filter(|line| line.contains("was due")).count();
    assert_eq!(breaches, 1, "once: {:?}", world.told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_lead_comes_back_to_marketing_and_lands_on_the_list_once() {
    let world = World::new().await;
    let (contact, lead, owner) = world.handed_over("Jane").await;
    world.rep(owner).log_call(lead, "not now").unwrap();
    world.rep(owner).mark_lost(lead, "Bad timing").unwrap();
    world.pass(10).await;
    world.pass(10).await;
    assert_eq!(
        world.hubspot.list_members("Nurture: next quarter"),
        std::slice::from_ref(&contact),
        "{}",
        world.story().await
    );
    let joins = world.hubspot.ledger().iter().filter(|effect| effect.path.contains("memberships")).count();
    assert_eq!(joins, 1, "once");
    assert_eq!(world.hubspot.associated(Kind::Contact, &contact, Kind::Note).len(), 1, "with a note");
    assert!(
        world.told().iter().any(|line| line.starts_with("marketing: Jane Roe (Acme GmbH) returns")),
        "{:?}",
        world.told()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_changes_the_owner_by_hand_wins() {
    let world = World::new().await;
    let (_, lead, owner) = world.handed_over("Jane").await;
    let other = world.reps.keys().find(|login| **login != owner).copied().unwrap();
    world.pass(10).await;
    world.odoo.as_admin().write_lead(lead, json!({ "user_id": world.reps[other].0 })).unwrap();
    world.pass(90).await;
    assert_eq!(world.odoo.owner(lead), Some(world.reps[other].0), "{}", world.story().await);
    assert!(world.story().await.contains("a person gave it to"), "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_request_alone_carries_a_fitting_lead_past_the_bar() {
    let world = World::new().await;
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(5).await;
    let now = world.clock.now().to_string();
    let request =
        [("recent_conversion_event_name", "Request a demo: Demo form"), ("recent_conversion_date", now.as_str())];
    assert!(world.hubspot.update(Kind::Contact, &contact, Author::Form, &request));
    world.pass(3).await;
    assert_eq!(
        world
            .odoo
            .open_leads()
            .iter()
            .filter(|(lead, _)| { world.odoo.get_lead(*lead).unwrap()["email_from"] == json!("jane@acme.example") })
            .count(),
        1,
        "{}",
        world.story().await
    );
    let stage = world.hubspot.get(Kind::Contact, &contact).unwrap()["lifecyclestage"].clone();
    assert_eq!(stage, "marketingqualifiedlead", "the stage is written back");
}

/// Whoever signs up and asks for a demo between two polls is seen once, complete, and not again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_judged_with_the_company_that_was_known_before() {
    let world = World::new().await;
    world.contact("Before");
    world.beat().await;
    world.pass(5).await;
    let contact = world.contact("Jane");
    let now = world.clock.now().to_string();
    let request =
        [("recent_conversion_event_name", "Request a demo: Demo form"), ("recent_conversion_date", now.as_str())];
    assert!(world.hubspot.update(Kind::Contact, &contact, Author::Form, &request));
    world.pass(5).await;
    let stage = world.hubspot.get(Kind::Contact, &contact).unwrap()["lifecyclestage"].clone();
    assert_eq!(stage, "marketingqualifiedlead", "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_writes_off_nothing_but_reading_leaves() {
    let world = World::with(AGREEMENT, Mode::Off).await;
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    world.qualify(&contact);
    world.pass(100).await;
    assert!(world.hubspot.ledger().is_empty() && !world.odoo.ledger().iter().any(|effect| effect.is_api));
    assert!(world.told().is_empty());
    let open = world.parts.engine.store().open_handoffs(10).await.unwrap();
    assert_eq!(open.len(), 1, "the shadow shows: {}", world.story().await);
    assert!(open[0].handoff.is_shadow && open[0].handoff.turn().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_starts_retroactively_at_the_first_sync() {
    let world = World::new().await;
    let by = Author::User(1);
    let contact = world.contact("Jane");
    // Qualified before the agreement acts (it acts from midnight of the 24th).
    world.clock.set("2026-11-20T09:00:00Z".parse().unwrap());
    assert!(world.hubspot.update(Kind::Contact, &contact, by, &[("lifecyclestage", "marketingqualifiedlead")]));
    world.clock.set(super::harness::morning());
    world.beat().await;
    world.pass(30).await;
    assert_eq!(world.parts.engine.store().overview().await.unwrap().open, 0, "{}", world.story().await);
    // What the harness set up by hand stands there too.
    assert!(!world.odoo.ledger().iter().any(|effect| effect.is_api));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_loses_and_repeats_nothing() {
    let mut world = World::new().await;
    let (_, lead, _) = world.handed_over("Jane").await;
    world.pass(50).await;
    world.restart(AGREEMENT).await;
    world.beat().await;
    world.pass(20).await;
    let warnings = world.told().iter().filter(|line| line.contains("is due")).count();
    let breaches = world.told().iter().filter(|line| line.contains("was due")).count();
    assert_eq!((warnings, breaches), (1, 1), "{:?} {}", world.told(), world.story().await);
    assert_eq!(world.odoo.activities(lead).len(), 2, "the task and the overdue one, each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_that_is_converted_in_odoo_goes_on_under_the_same_handoff_fault_31() {
    let world = World::new().await;
    // The web form had made a lead of her already; sales turns it into an opportunity of a customer.
    let form = json!({ "name": "Jane's request", "type": "lead", "contact_name": "Jane Roe", "user_id": false,
        "email_from": "jane@acme.example" });
    let lead = world.odoo.as_admin().create_lead(form).unwrap();
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    world.qualify(&contact);
    world.pass(2).await;
    let store = world.parts.engine.store();
    let before = store.open_handoffs(10).await.unwrap().remove(0);
    let owner = world.odoo.owner(lead).expect("it has an owner");
    world.pass(30).await;
    world.odoo.as_user(owner).convert(lead).unwrap();
    world.pass(10).await;

    let after = store.open_handoffs(10).await.unwrap().remove(0);
    let story = world.story().await;
    let turn = |row: &baton::store::HandoffRow| {
        let turn = row.handoff.turn().expect("a turn").clone();
        (turn.number, turn.owner, turn.clock_from, turn.clocks.iter().map(|clock| clock.due_at).collect::<Vec<_>>())
    };
    assert_eq!((after.handoff.id, turn(&after)), (before.handoff.id, turn(&before)), "owner and clock run on: {story}");
    assert_eq!((world.odoo.leads(), world.odoo.owner(lead)), (vec![lead], Some(owner)), "no second lead: {story}");

    // What sales does with the opportunity counts as before.
    world.odoo.as_user(owner).log_call(lead, "reached").unwrap();
    world.pass(3).await;
    let open = store.open_handoffs(10).await.unwrap().remove(0);
    assert!(open.handoff.turn().unwrap().clocks[0].met.is_some(), "{}", world.story().await);
    let qualified = world.odoo.stage("Qualified").expect("the stage");
    world.odoo.as_user(owner).write_lead(lead, json!({ "stage_id": qualified })).unwrap();
    world.pass(3).await;
    let state = store.lead_state(after.handoff.id.lead).await.unwrap().unwrap();
    assert_eq!(state.stage, Stage::Sql, "the stage follows: {}", world.story().await);
    assert_eq!(world.odoo.leads(), [lead]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_that_cannot_be_read_is_a_finding_and_the_others_go_on_fault_37() {
    let world = World::new().await;
    let (_, lead, owner) = world.handed_over("Jane").await;
    let unreadable = |bytes| Fault::Unreadable { model: "crm.lead".to_owned(), id: lead, bytes };
    world.odoo.faults().set(unreadable(0));
    world.odoo.as_user(world.reps[owner].0).write_lead(lead, json!({ "phone": "+49 30 1" })).unwrap();
    let (_, other, other_owner) = world.handed_over("John").await;
    let story = world.story().await;
    let told = format!("odoo:person:{lead} cannot be read: write_date is no datetime");
    assert_eq!(story.matches(&told).count(), 1, "{told} {story}");
    assert_eq!(world.parts.engine.store().open_handoffs(10).await.unwrap().len(), 2, "nobody's hand-off ends: {story}");
    world.rep(other_owner).mark_lost(other, "Bad timing").unwrap();
    world.pass(3).await;
    assert_eq!(world.parts.engine.store().open_handoffs(10).await.unwrap().len(), 1, "{}", world.story().await);
    world.odoo.faults().clear();
    world.rep(owner).mark_lost(lead, "Bad timing").unwrap();
    world.pass(3).await;
    assert!(world.parts.engine.store().open_handoffs(10).await.unwrap().is_empty(), "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crm_whose_clock_is_off_is_told_once_with_both_times_and_loses_no_record_fault_28() {
    for (minutes, way) in [(-120, "behind ours"), (120, "ahead of ours")] {
        let world = World::new().await;
        world.beat().await;
        let calm = world.story().await;
        assert!(!calm.contains("the clock of"), "clocks that agree are no news: {calm}");
        let before = world.clock.now();
        world.odoo.faults().set(Fault::ClockSkew { ms: minutes * 60_000 });
        world.pass(9).await;
        let form = json!({ "name": "Jane's request", "email_from": "jane@acme.example", "user_id": false });
        let lead = world.odoo.as_admin().create_lead(form).unwrap();
        world.pass(9).await;
        let findings = world.parts.engine.store().findings(50).await.unwrap();
        let told: Vec<&str> =
            findings.iter().map(|row| row.text.as_str()).filter(|text| text.contains("the clock of")).collect();
        assert_eq!(told.len(), 1, "{findings:?}");
        let theirs = world.clock.now() + SignedDuration::from_mins(minutes);
        for part in ["of odoo", way, &format!("reads {theirs:.0}"), &format!("reads {:.0}", world.clock.now())] {
            assert!(told[0].contains(part), "{part}: {told:?}");
        }
        let of = RecordRef::new(&"odoo".into(), Object::Person, lead.to_string());
        assert_eq!(world.parts.engine.store().people(&[of]).await.unwrap().len(), 1, "{}", world.story().await);
        let streams = world.parts.engine.store().streams().await.unwrap();
        let covered =
            streams.iter().find(|state| state.connection.as_str() == "odoo" && state.stream.as_str() == "leads");
        let covered = covered.and_then(|state| state.covered_until).expect("covered");
        // It never goes back, and goes on by the CRM's own clock alone.
        assert!(covered <= theirs.max(before), "{covered} {theirs}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_while_baton_was_stopped_is_decided_when_it_is_read() {
    let mut world = World::new().await;
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    world.qualify(&contact);
    world.contact("John");
    world.restart(AGREEMENT).await;
    world.pass(3).await;
    assert_eq!(world.odoo.leads().len(), 1, "Jane is handed over: {}", world.story().await);
    let john = world.parts.engine.store().find_lead("john@acme.example").await.unwrap().unwrap();
    assert!(world.parts.engine.store().lead_state(john).await.unwrap().is_some(), "John was decided about");
}
