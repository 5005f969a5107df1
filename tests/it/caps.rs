//! Caps on what is written by itself: what goes beyond waits, is told, and is let go by a person. And the kill switch.

use baton::domain::caps::Caps;
use baton::domain::plan::Mode;
use baton::engine::pause::Stop;
use baton::engine::propose::Selection;
use baton::sandbox::hubspot::{Author, Kind as Object};
use serde_json::json;

use super::beats::hurried_beat;
use super::harness::{AGREEMENT, World};

fn all() -> Selection {
    Selection { all: true, ..Selection::default() }
}

async fn qualified(world: &World, count: usize) -> Vec<String> {
    let contacts: Vec<String> = (0..count).map(|number| world.contact(&format!("P{number}"))).collect();
    world.beat().await;
    world.pass(2).await;
    contacts.iter().for_each(|contact| world.qualify(contact));
    contacts
}

async fn capped(world: &World) -> Vec<String> {
    let findings = world.parts.engine.store().findings(50).await.unwrap();
    findings.into_iter().filter(|finding| finding.kind == "capped").map(|finding| finding.text).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_beyond_the_writes_of_an_hour_waits_for_a_person_and_is_told() {
    let world = World::capped(AGREEMENT, Caps { writes: Some(10), owners_percent: 100 }).await;
    qualified(&world, 15).await;
    world.pass(3).await;
    let made = world.odoo.leads().len();
    assert!((1..=10).contains(&made), "{made} of 15: {}", world.story().await);
    let told = capped(&world).await;
    assert!(
        told.iter().any(|text| text.contains("writes to odoo") && text.contains("baton outbox approve")),
        "{told:?}"
    );
    world.pass(80).await;
    assert_eq!(world.odoo.leads().len(), made, "an hour later they wait still: {}", world.story().await);
    let applied = world.parts.engine.approve(&all()).await.unwrap();
    assert!(applied.released > 10, "{applied:?}");
    world.beat().await;
    assert_eq!(world.odoo.leads().len(), 15, "{}", world.story().await);
    assert_eq!(capped(&world).await, Vec::<String>::new(), "nothing waits, so nothing is told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_is_never_capped() {
    let world = World::capped(AGREEMENT, Caps { writes: Some(12), owners_percent: 100 }).await;
    qualified(&world, 3).await;
    world.pass(3).await;
    let first = world.odoo.leads();
    let tasks = || -> usize { first.iter().map(|lead| world.odoo.activities(*lead).len()).sum() };
    assert_eq!((first.len(), tasks()), (3, 3));
    let others: Vec<String> = (0..15).map(|number| world.contact(&format!("Q{number}"))).collect();
    world.pass(2).await;
    others.iter().for_each(|contact| world.qualify(contact));
    world.pass(40).await;
    assert!(!capped(&world).await.is_empty(), "the cap is reached: {}", world.story().await);
    world.pass(25).await;
    let story = world.story().await;
    assert!(story.contains("BREACH: first touch at 100 %"), "{story}");
    assert_eq!(tasks(), 6, "the overdue tasks are written: {story}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mass_of_owners_that_would_be_taken_from_somebody_waits() {
    let world = World::capped(AGREEMENT, Caps { writes: None, owners_percent: 10 }).await;
    qualified(&world, 30).await;
    world.pass(3).await;
    assert_eq!(world.odoo.leads().len(), 30, "new records take nothing from anybody: {}", world.story().await);
    let before: Vec<_> = world.odoo.leads().iter().map(|lead| world.odoo.owner(*lead)).collect();
    // Nobody answers: at 150 % each lead would go to the next.
    world.pass(100).await;
    let after: Vec<_> = world.odoo.leads().iter().map(|lead| world.odoo.owner(*lead)).collect();
    let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    assert_eq!(moved, 24, "the rest waits: {}", world.story().await);
    assert!(capped(&world).await.iter().any(|text| text.contains("odoo")), "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agreement_that_would_touch_many_leads_waits_with_its_count_fault_75() {
    let strict = AGREEMENT.replace("version = \"", "version = \"strict-");
    let bar = strict.lines().find(|line| line.starts_with("mql = ")).expect("the bar").to_owned();
    let strict = strict.replace(&bar, "mql = \"lead.title == 'nobody'\"");
    let mut world = World::capped(&strict, Caps { writes: Some(20), owners_percent: 100 }).await;
    let contacts: Vec<String> = (0..12).map(|number| world.contact(&format!("P{number}"))).collect();
    world.beat().await;
    world.pass(2).await;
    let now = world.clock.now().to_string();
    for contact in &contacts {
        let request = [("recent_conversion_event_name", "Request a demo"), ("recent_conversion_date", now.as_str())];
        assert!(world.hubspot.update(Object::Contact, contact, Author::Form, &request));
    }
    world.pass(3).await;
    let before = (world.hubspot.ledger().len(), world.odoo.leads().len());
    world.restart(AGREEMENT).await;
    world.pass(5).await;
    assert_eq!((world.hubspot.ledger().len(), world.odoo.leads().len()), before, "{}", world.story().await);
    let told = capped(&world).await;
    assert!(told.iter().any(|text| text.contains("for 12 leads at once")), "{told:?} {}", world.story().await);
    assert!(world.told().is_empty(), "nobody is told of hand-offs that may never be: {:?}", world.told());
    world.parts.engine.approve(&all()).await.unwrap();
    world.pass(3).await;
    assert_eq!(world.odoo.leads().len(), 12, "{}", world.story().await);
    assert_eq!(capped(&world).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_stops_everything_outlives_a_restart_and_loses_nothing() {
    let mut world = World::new().await;
    world.parts.engine.pause(&Stop::All).await.unwrap();
    qualified(&world, 2).await;
    world.pass(30).await;
    world.restart(AGREEMENT).await;
    world.pass(100).await;
    assert!(world.hubspot.ledger().is_empty() && world.told().is_empty(), "{}", world.story().await);
    assert!(!world.story().await.contains("BREACH"), "{}", world.story().await);
    world.parts.engine.resume(&Stop::All).await.unwrap();
    world.pass(3).await;
    assert_eq!(world.odoo.open_leads().len(), 2, "{}", world.story().await);
    assert_eq!(world.told().len(), 2, "{:?}", world.told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_team_fires_no_step_and_a_paused_connection_gets_no_write() {
    let world = World::new().await;
    let (_, lead, _) = world.handed_over("Jane").await;
    let open = world.parts.engine.store().open_handoffs(10).await.unwrap();
    let team = open[0].handoff.turn().unwrap().team.clone().expect("a team");
    world.parts.engine.pause(&Stop::Team(team.clone())).await.unwrap();
    let told = world.told().len();
    world.pass(100).await;
    assert!(!world.story().await.contains("BREACH"), "{}", world.story().await);
    assert_eq!(world.told().len(), told);
    world.parts.engine.pause(&Stop::Connection("odoo".into())).await.unwrap();
    world.parts.engine.resume(&Stop::Team(team)).await.unwrap();
    let tasks = world.odoo.activities(lead).len();
    hurried_beat(&world).await;
    assert!(world.story().await.contains("BREACH"), "found late rather than not at all: {}", world.story().await);
    assert_eq!(world.odoo.activities(lead).len(), tasks, "Odoo is paused: {}", world.story().await);
    world.parts.engine.resume(&Stop::All).await.unwrap();
    hurried_beat(&world).await;
    assert!(world.odoo.activities(lead).len() > tasks, "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adopted_leads_get_a_handoff_on_purpose_and_no_faster_than_the_caps_let_them() {
    use baton::engine::adopt::Filter;
    let world = World::capped(AGREEMENT, Caps { writes: Some(10), owners_percent: 100 }).await;
    world.clock.set("2026-11-20T09:00:00Z".parse().unwrap());
    let contacts: Vec<String> = (0..3).map(|number| world.contact(&format!("P{number}"))).collect();
    contacts.iter().for_each(|contact| world.qualify(contact));
    world.clock.set(super::harness::morning());
    world.beat().await;
    world.pass(3).await;
    assert_eq!(world.parts.engine.store().overview().await.unwrap().open, 0, "{}", world.story().await);
    let dry = world.parts.engine.adopt(&Filter::default(), false).await.unwrap();
    assert_eq!((dry.leads.len(), dry.an_hour, dry.is_done), (3, 2, false));
    world.pass(3).await;
    assert_eq!(world.parts.engine.store().overview().await.unwrap().open, 0, "counting opens nothing");
    let filter = Filter { leads: dry.leads[..2].iter().map(|(lead, _)| *lead).collect(), ..Filter::default() };
    world.parts.engine.adopt(&filter, true).await.unwrap();
    world.pass(3).await;
    assert_eq!(world.odoo.open_leads().len(), 1, "one now: {}", world.story().await);
    world.pass(33).await;
    assert_eq!(world.odoo.open_leads().len(), 2, "and one half an hour later: {}", world.story().await);
    let state = world.parts.engine.store().lead_state(dry.leads[2].0).await.unwrap().unwrap();
    assert!(state.adopted, "the third is left alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_adopted_while_writes_are_off() {
    use baton::engine::adopt::Filter;
    let world = World::with(AGREEMENT, Mode::Off).await;
    world.beat().await;
    let refused = world.parts.engine.adopt(&Filter::default(), true).await;
    assert!(refused.is_err());
    assert_eq!(json!(world.odoo.leads().len()), json!(0));
}
