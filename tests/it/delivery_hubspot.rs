//! HubSpot as the CRM of marketing and sales at once: writes that lie, come late or are refused, and a token or a scope that is
//! taken away in the middle of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use baton::connector::settings::Settings;
use baton::domain::plan::Mode;
use baton::sandbox::hubspot::{Breakage, Fault, Kind, Place, Required, RetryAfter, When};
use baton::store::EffectRow;
use jiff::SignedDuration;

use super::beats::{hurried_beat, settle, tolerant_beat, unsettled};
use super::harness::{AGREEMENT, World};

const TASKS: &str = "/tasks/batch/create";

/// A world in which leads are handed over inside HubSpot.
async fn world(adjust: impl Fn(&mut Settings)) -> World {
    let agreement = AGREEMENT.replace("to = \"odoo\"", "to = \"hubspot\"");
    World::with_settings(&agreement, Mode::On, adjust).await
}

async fn effects(world: &World) -> Vec<EffectRow> {
    let store = world.parts.engine.store();
    let events = store.recent_events(0, 100_000).await.unwrap();
    let leads: BTreeSet<_> = events.iter().map(|row| row.lead).collect();
    let mut rows = Vec::new();
    for lead in leads {
        rows.extend(store.effects_of(lead).await.unwrap());
    }
    rows
}

/// The findings about the connection to HubSpot: what they are about, and what they say.
async fn about_hubspot(world: &World) -> Vec<(String, String)> {
    let findings = world.parts.engine.store().findings(100).await.unwrap();
    let about = findings.into_iter().filter(|finding| finding.kind == "connection");
    about.map(|finding| (finding.subject, finding.text)).collect()
}

/// Every creating write that is done stands exactly once in HubSpot, and nothing else does; answers how many tasks and notes.
async fn assert_made_once(world: &World) -> BTreeMap<String, usize> {
    let made: Vec<String> = world
        .hubspot
        .ledger()
        .iter()
        .filter(|effect| effect.what == "create")
        .map(|effect| format!("{:?}", effect.properties))
        .collect();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for row in effects(world).await {
        if row.state == "done" && ["task", "note"].contains(&row.effect.as_str()) {
            *kinds.entry(row.effect.clone()).or_default() += 1;
            let found = made.iter().filter(|text| text.contains(&row.op)).count();
            assert_eq!(found, 1, "{row:?} {}", world.story().await);
        }
    }
    assert_eq!(made.len(), kinds.values().sum::<usize>(), "nothing is made that no write asked for");
    kinds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_whose_answers_say_failed_after_the_effect_stand_once_fault_58() {
    let world = world(|_| {}).await;
    let contacts: Vec<String> = (0..60).map(|number| world.contact(&format!("P{number}"))).collect();
    world.beat().await;
    world.pass(2).await;
    let places = [
        ("POST", TASKS, 502),
        ("POST", "/notes/batch/create", 504),
        ("POST", "/contacts/batch/update", 500),
        ("PATCH", "/contacts/", 500),
        ("PUT", "/memberships/add", 500),
    ];
    for (seed, (method, path, status)) in (1..).zip(places) {
        let lie = Fault::AfterEffect { breakage: Breakage::Status(status) };
        world.hubspot.faults().inject(Place::method(method, path), When::chance(0.3, seed), lie);
    }
    // In small groups, so that the answers to many batches are lost.
    for group in contacts.chunks(3) {
        group.iter().for_each(|contact| world.qualify(contact));
        world.clock.advance(SignedDuration::from_mins(1));
        settle(&world).await;
    }
    for _ in 0..10 {
        world.clock.advance(SignedDuration::from_mins(15));
        settle(&world).await;
    }
    let requests = world.hubspot.requests();
    assert!(requests.by_status[&502] >= 5, "the answers to that many batches of tasks are lost: {requests:?}");
    assert!(requests.by_status[&500] >= 3, "{requests:?}");
    let kinds = assert_made_once(&world).await;
    assert!(kinds["task"] > contacts.len(), "tasks of assignments and of breaches: {kinds:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_that_comes_after_we_stopped_waiting_is_not_repeated_fault_59() {
    let slow = |late: u64| {
        move |settings: &mut Settings| {
            settings.answer_within = Some(Duration::from_millis(400));
            settings.late = Duration::from_secs(late);
        }
    };
    // The effect comes after some looks have found nothing; or it never comes, and is sent again when it cannot come any more.
    let comes = Fault::LateEffect { ms: 2_000 };
    let never = Fault::BeforeEffect { breakage: Breakage::Hang };
    for (late, fault, requests) in [(60, comes, 1), (2, never, 2)] {
        let world = world(slow(late)).await;
        let contact = world.contact("Jane");
        world.beat().await;
        world.pass(2).await;
        world.hubspot.reset_requests();
        world.hubspot.faults().inject(Place::method("POST", TASKS), When::times(1), fault);
        world.qualify(&contact);
        world.clock.advance(SignedDuration::from_mins(1));
        let began = Instant::now();
        while unsettled(&world).await > 0 || world.hubspot.ids(Kind::Task).is_empty() {
            assert!(began.elapsed() < Duration::from_secs(40), "{}", world.story().await);
            hurried_beat(&world).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(world.hubspot.ids(Kind::Task).len(), 1, "{}", world.story().await);
        let sent = world.hubspot.requests().by_object["tasks batch_write"];
        assert_eq!(sent, requests, "{:?}", world.hubspot.requests());
        assert_eq!(assert_made_once(&world).await["task"], 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_asked_to_wait_is_not_sent_before_fault_53() {
    let world = world(|_| {}).await;
    let contacts: Vec<String> = (0..20).map(|number| world.contact(&format!("P{number}"))).collect();
    world.beat().await;
    world.pass(2).await;
    world.hubspot.reset_requests();
    let policy = || "TEN_SECONDLY_ROLLING".to_owned();
    for (path, retry_after) in [
        ("/contacts/batch/update", RetryAfter::Seconds(1)),
        (TASKS, RetryAfter::Seconds(2)),
        (TASKS, RetryAfter::Date(2)),
    ] {
        let limit = Fault::RateLimit { policy: policy(), retry_after: Some(retry_after) };
        world.hubspot.faults().inject(Place::method("POST", path), When::times(1), limit);
    }
    contacts.iter().for_each(|contact| world.qualify(contact));
    let began = Instant::now();
    while world.hubspot.ids(Kind::Task).len() < contacts.len() {
        assert!(began.elapsed() < Duration::from_secs(40), "{} {:?}", world.story().await, world.hubspot.requests());
        world.clock.advance(SignedDuration::from_secs(10));
        world.parts.engine.store().hurry().await.unwrap();
        tolerant_beat(&world).await;
    }
    let requests = world.hubspot.requests();
    assert!(requests.by_status[&429] >= 2, "{requests:?}");
    assert_eq!(requests.early, 0, "{requests:?}");
    assert_eq!(assert_made_once(&world).await["task"], contacts.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validation_rule_kills_one_write_and_the_lead_goes_on_fault_62() {
    let world = world(|_| {}).await;
    let contacts: Vec<String> = (0..3).map(|number| world.contact(&format!("P{number}"))).collect();
    world.beat().await;
    world.pass(2).await;
    // From now on nobody in sales may have a contact without a city; the last one has one.
    for (_, ids) in world.reps.values() {
        world.hubspot.require(Required {
            kind: Kind::Contact,
            property: "city".to_owned(),
            when: Some(("hubspot_owner_id".to_owned(), ids.id.clone())),
        });
    }
    let by = baton::sandbox::hubspot::Author::Form;
    assert!(world.hubspot.update(Kind::Contact, &contacts[2], by, &[("city", "Bonn")]));
    contacts.iter().for_each(|contact| world.qualify(contact));
    world.clock.advance(SignedDuration::from_mins(1));
    settle(&world).await;
    let rows = effects(&world).await;
    let dead: Vec<&EffectRow> = rows.iter().filter(|row| row.state == "dead").collect();
    assert_eq!(dead.len(), 2, "{dead:?} {}", world.story().await);
    let words = "VALIDATION_ERROR: MISSING_CONDITIONAL_REQUIRED_PROPERTY on city";
    for row in &dead {
        assert_eq!((row.effect.as_str(), row.message.as_deref()), ("owner", Some(words)), "{row:?}");
    }
    // One finding for each lead, which names the property.
    let findings = world.parts.engine.store().findings(50).await.unwrap();
    let refused: Vec<_> = findings.iter().filter(|finding| finding.kind == "refused").collect();
    let leads: i64 = refused.iter().map(|finding| 1 + finding.others).sum();
    assert_eq!((refused.len(), leads), (1, 2), "the same is said of both: {refused:?}");
    assert!(refused.iter().all(|finding| finding.text.contains("owner") && finding.text.contains("on city")));
    // What else the leads need is written all the same, and the third has everything.
    let done = |effect: &str| rows.iter().filter(|row| row.effect == effect && row.state == "done").count();
    assert_eq!((done("task"), done("owner")), (3, 1), "{rows:?}");
    assert_eq!(assert_made_once(&world).await["task"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_stops_the_connection_and_loses_nothing_faults_50_and_52() {
    let world = World::new().await;
    world.handed_over("Jane").await;
    let late = world.contact("Late");
    world.beat().await;
    world.pass(2).await;
    let told = world.told().len();
    world.hubspot.faults().set(Fault::TokenRevoked { token: "sandbox".to_owned() });
    world.hubspot.reset_requests();
    let written = world.hubspot.ledger().len();
    world.qualify(&late);
    // Past every deadline of the first lead: nobody can know whether its owner has called, so nobody is accused.
    let passes = 12;
    for _ in 0..passes {
        world.clock.advance(SignedDuration::from_mins(10));
        tolerant_beat(&world).await;
    }
    assert_eq!(world.told().len(), told, "{:?} {}", world.told(), world.story().await);
    let findings = about_hubspot(&world).await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].1.contains("401") && findings[0].1.contains("auth.token"), "{findings:?}");
    let requests = world.hubspot.requests();
    assert!(requests.unauthorised > 0 && requests.unauthorised <= 2 * passes, "one a pass, no storm: {requests:?}");
    assert_eq!(world.hubspot.ledger().len(), written);

    // The token is valid again: the breach is told, the contact that was missed is handed over, what waited is written.
    world.hubspot.faults().clear();
    settle(&world).await;
    world.pass(2).await;
    settle(&world).await;
    assert!(world.told().iter().any(|text| text.contains("Jane")), "{:?} {}", world.told(), world.story().await);
    assert!(world.told().len() > told);
    assert_eq!(world.odoo.open_leads().len(), 2, "{}", world.story().await);
    let values = world.hubspot.get(Kind::Contact, &late).unwrap();
    assert!(values.get("hubspot_owner_id").is_some_and(|owner| !owner.is_empty()), "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_missing_scope_blinds_one_stream_and_no_other() {
    let world = World::new().await;
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    world.hubspot.faults().set(Fault::ScopeRemoved { scope: "sales-email-read".to_owned() });
    world.qualify(&contact);
    for _ in 0..3 {
        world.clock.advance(SignedDuration::from_mins(1));
        tolerant_beat(&world).await;
    }
    // Contacts are read after e-mails have failed, and handed over.
    assert_eq!(world.odoo.open_leads().len(), 1, "{}", world.story().await);
    let findings = about_hubspot(&world).await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    let (subject, text) = &findings[0];
    assert!(subject.contains("emails") && text.contains("sales-email-read"), "{findings:?}");
}
