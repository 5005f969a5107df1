//! The patrol: what a feed loses is found again, repaired, and counted by cause.

use std::collections::BTreeMap;

use baton::connector::settings::Settings;
use baton::domain::id::{ConnectionId, Name, Object as Kind, RecordRef};
use baton::domain::patrol::Cause;
use baton::domain::plan::Mode;
use baton::engine::EngineError;
use baton::sandbox::hubspot::{Author, Fault, Kind as Object};
use baton::sandbox::odoo::Fault as OdooFault;
use jiff::SignedDuration;
use serde_json::json;

use super::harness::{AGREEMENT, World};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Passes whatever is due of every patrol until nothing is.
async fn patrol(world: &World) -> usize {
    let mut repaired = 0;
    for (connection, _) in &world.parts.polls {
        loop {
            let passed = world.parts.engine.patrol(connection).await.unwrap();
            repaired += passed.repaired;
            if passed.next_at.is_none_or(|next| next > world.clock.now()) {
                break;
            }
        }
    }
    repaired
}

/// Lets `hours` pass with the loops of the daemon at work, the patrol among them.
pub(crate) async fn hours(world: &World, hours: i64) {
    for _ in 0..hours {
        world.clock.advance(HOUR);
        world.beat().await;
        patrol(world).await;
    }
}

async fn repairs(world: &World, connection: &str) -> BTreeMap<Cause, u64> {
    let mut found = BTreeMap::new();
    for repair in world.parts.engine.store().repairs().await.unwrap() {
        if repair.connection.as_str() == connection {
            *found.entry(repair.cause).or_default() += repair.total;
        }
    }
    found
}

async fn title(world: &World, connection: &str, id: &str) -> Option<String> {
    let of = RecordRef::new(&ConnectionId::from(connection), Kind::Person, id);
    let record = world.parts.engine.store().people(&[of]).await.unwrap().pop()?;
    let field = baton::domain::field::Field::Title;
    record.is_live().then(|| record.value(field).map(ToString::to_string).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_that_loses_one_change_in_twenty_ends_with_nothing_missed_faults_24_and_27() {
    let world = World::new().await;
    let hubspot = |name: &str, title: &str| [("email", format!("{name}@acme.example")), ("jobtitle", title.to_owned())];
    let make = |name: &str| {
        let values = hubspot(name, "before");
        let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
        world.hubspot.create_contact(Author::Form, &values)
    };
    let admin = world.odoo.as_admin();
    let mut contacts: Vec<String> = (0..300).map(|number| make(&format!("known{number}"))).collect();
    let mut leads: Vec<i64> = (0..150)
        .map(|number| admin.create_lead(json!({ "name": format!("Known {number}"), "function": "before" })).unwrap())
        .collect();
    world.beat().await;
    world.pass(2).await;
    world.hubspot.faults().set(Fault::FeedLoss { object: Object::Contact, percent: 5 });
    world.odoo.faults().set(OdooFault::FeedLoss { model: "crm.lead".to_owned(), percent: 5 });
    // Half a day of changes and new people, polled all the while.
    for round in 0..6 {
        for contact in contacts.iter().skip(round * 50).take(50) {
            assert!(world.hubspot.update(Object::Contact, contact, Author::Form, &[("jobtitle", "after")]));
        }
        for lead in leads.iter().skip(round * 25).take(25) {
            admin.write_lead(*lead, json!({ "function": "after" })).unwrap();
        }
        world.clock.advance(SignedDuration::from_mins(50));
        world.beat().await;
    }
    for number in 0..100 {
        let contact = make(&format!("new{number}"));
        assert!(world.hubspot.update(Object::Contact, &contact, Author::Form, &[("jobtitle", "after")]));
        contacts.push(contact);
        leads.push(admin.create_lead(json!({ "name": format!("New {number}"), "function": "after" })).unwrap());
    }
    let archived: Vec<String> = contacts.drain(..10).collect();
    archived.iter().for_each(|contact| assert!(world.hubspot.archive(Object::Contact, contact)));
    world.pass(3).await;
    // Longer than the overlap, so that no look back can find it any more.
    world.clock.advance(HOUR);
    world.beat().await;
    let missed = async || {
        let mut missed = 0;
        for contact in &contacts {
            missed += usize::from(title(&world, "hubspot", contact).await.as_deref() != Some("after"));
        }
        for contact in &archived {
            missed += usize::from(title(&world, "hubspot", contact).await.is_some());
        }
        for lead in &leads {
            missed += usize::from(title(&world, "odoo", &lead.to_string()).await.as_deref() != Some("after"));
        }
        missed
    };
    let before = missed().await;
    assert!(before > 20, "the feeds lost too little to show anything: {before}");
    hours(&world, 26).await;
    assert_eq!(missed().await, 0, "{}", world.story().await);

    let (marketing, sales) = (repairs(&world, "hubspot").await, repairs(&world, "odoo").await);
    assert_eq!(marketing.get(&Cause::MissedDelete), Some(&10), "{marketing:?}");
    for found in [&marketing, &sales] {
        assert!(found.get(&Cause::MissedChange).is_some_and(|count| *count > 0), "{found:?}");
        assert!(found.get(&Cause::MissedCreate).is_some_and(|count| *count > 0), "{found:?}");
    }
    let total: u64 = marketing.values().chain(sales.values()).sum();
    assert_eq!(usize::try_from(total).unwrap(), before, "each loss is counted once: {marketing:?} {sales:?}");
    let ages: Vec<i64> =
        world.parts.engine.store().repairs().await.unwrap().iter().map(|repair| repair.age.as_secs()).collect();
    assert!(ages.iter().any(|age| *age > 3_600), "how late a repair came is known: {ages:?}");
    // A second round finds nothing, and reads everything within its period all the same.
    world.hubspot.reset_requests();
    hours(&world, 25).await;
    assert_eq!(repairs(&world, "hubspot").await, marketing);
    assert_eq!(repairs(&world, "odoo").await, sales);
    let pages = world.hubspot.requests().by_object["contacts list"];
    assert!((4..=8).contains(&pages), "391 contacts are four pages a round: {pages}");
    let whole = world.parts.engine.store().rounds().await.unwrap();
    let contacts = whole.iter().find(|round| round.stream.as_str() == "contacts").unwrap();
    assert!(contacts.whole_at.is_some_and(|at| world.clock.now().duration_since(at) < HOUR * 24));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_patrol_goes_on_where_it_was_after_a_start() {
    let mut world = World::new().await;
    for number in 0..350 {
        world.hubspot.create_contact(Author::Form, &[("email", &format!("p{number}@acme.example"))]);
    }
    world.beat().await;
    let hubspot = ConnectionId::from("hubspot");
    let round = async |world: &World| {
        let rounds = world.parts.engine.store().rounds().await.unwrap();
        rounds.into_iter().find(|round| round.stream.as_str() == "contacts").unwrap()
    };
    patrol(&world).await;
    for _ in 0..6 {
        world.clock.advance(HOUR);
        patrol(&world).await;
    }
    let before = round(&world).await;
    assert!((100..350).contains(&before.seen), "in the middle: {before:?}");
    world.restart(AGREEMENT).await;
    world.beat().await;
    world.hubspot.reset_requests();
    assert_eq!(world.parts.engine.patrol(&hubspot).await.unwrap().records, 0, "nothing is due yet");
    assert_eq!(round(&world).await, before);
    world.clock.advance(HOUR * 6);
    world.beat().await;
    patrol(&world).await;
    let after = round(&world).await;
    assert!(after.began == before.began && after.seen > before.seen, "{before:?} {after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permission_that_shrank_halts_the_patrol_and_nobody_is_accused_until_it_is_back_fault_36() {
    let world = World::with_settings(AGREEMENT, Mode::On, |_: &mut Settings| {}).await;
    for number in 0..120 {
        world.hubspot.create_contact(Author::Form, &[("email", &format!("p{number}@acme.example"))]);
    }
    world.handed_over("Jane").await;
    let hubspot = ConnectionId::from("hubspot");
    patrol(&world).await;
    world.hubspot.faults().set(Fault::Shrink { object: Object::Contact, percent: 50 });
    let live = async || world.parts.engine.store().people_live(&hubspot, 1_000).await.unwrap();
    let before = live().await;
    let mut halted = false;
    for _ in 0..30 {
        world.clock.advance(HOUR);
        for (connection, _) in &world.parts.polls {
            drop(world.parts.engine.poll(connection).await);
        }
        match world.parts.engine.patrol(&hubspot).await {
            Err(EngineError::Vanished(_)) => halted = true,
            other => drop(other.unwrap()),
        }
        if halted {
            break;
        }
    }
    assert!(halted, "the patrol saw it");
    assert_eq!(live().await, before, "nobody is taken as gone");
    let since = world.clock.now();
    for _ in 0..8 {
        world.clock.advance(SignedDuration::from_mins(30));
        world.beat().await;
    }
    assert!(!world.told().iter().any(|line| line.contains("was due")), "nobody is accused: {:?}", world.told());
    world.parts.engine.watch().await.unwrap();
    let story = world.story().await;
    assert!(story.contains("blind on hubspot") && story.contains("people of hubspot vanished within a day"), "{story}");
    let coverage = world.parts.engine.coverage().await.unwrap();
    let calls = coverage.streams.iter().find(|stream| stream.stream == Name::from("hubspot.calls")).unwrap();
    assert!(calls.covered_until.is_some_and(|until| until <= since), "{calls:?}");

    world.hubspot.faults().clear();
    world.beat().await;
    patrol(&world).await;
    world.pass(1).await;
    world.parts.engine.watch().await.unwrap();
    let story = world.story().await;
    assert!(!story.contains("! blind") && !story.contains("vanished"), "it ends by itself: {story}");
    assert!(world.told().iter().any(|line| line.contains("was due")), "then it is judged: {:?}", world.told());
}

/// Four of a page make nobody look further, and of two rounds each has too few to be a mass: together they are one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_people_gone_from_each_page_are_a_mass_over_a_day_whatever_the_round_fault_36() {
    let world = World::with_settings(AGREEMENT, Mode::On, |settings: &mut Settings| {
        if settings.id.as_str() == "hubspot" {
            settings.vanish_max_percent = 3;
        }
    })
    .await;
    let contacts: Vec<String> = (0..800)
        .map(|n| world.hubspot.create_contact(Author::Form, &[("email", &format!("p{n}@acme.example"))]))
        .collect();
    world.beat().await;
    let hubspot = ConnectionId::from("hubspot");
    let live = async || world.parts.engine.store().people_live(&hubspot, 2_000).await.unwrap();
    let archive = |pages: std::ops::Range<usize>| {
        for contact in pages.flat_map(|page| contacts.iter().skip(page * 100).take(4)) {
            assert!(world.hubspot.archive(Object::Contact, contact));
        }
    };
    // The first round begins at once; what vanishes lies in its second half, and then in the first half of the next.
    patrol(&world).await;
    hours(&world, 9).await;
    archive(4..8);
    hours(&world, 14).await;
    assert_eq!(live().await, 784, "few enough to be believed");
    archive(0..4);
    let mut halted = None;
    for _ in 0..14 {
        world.clock.advance(HOUR);
        let mut is_due = halted.is_none();
        while is_due {
            match world.parts.engine.patrol(&hubspot).await {
                Err(EngineError::Vanished(vanished)) => {
                    halted = Some(vanished);
                    is_due = false;
                }
                other => is_due = other.unwrap().next_at.is_some_and(|next| next <= world.clock.now()),
            }
        }
    }
    let halted = halted.expect("more than 3 % within a day");
    assert!((25..=32).contains(&halted.gone), "{halted:?}");
    assert!(live().await > 770, "and the rest is not believed: {}", live().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_change_makes_its_stream_count_for_less_until_a_day_is_over_fault_24() {
    let world = World::new().await;
    let contact = world.contact("Jane");
    world.beat().await;
    // A round begins with the next page, so the first one is over when the change comes.
    hours(&world, 30).await;
    world.hubspot.faults().set(Fault::FeedLoss { object: Object::Contact, percent: 100 });
    assert!(world.hubspot.update(Object::Contact, &contact, Author::Form, &[("jobtitle", "CFO")]));
    let covered = async || {
        let coverage = world.parts.engine.coverage().await.unwrap();
        let contacts = coverage.streams.iter().find(|stream| stream.stream == Name::from("hubspot.contacts"));
        world.clock.now().duration_since(contacts.unwrap().covered_until.unwrap()).as_secs()
    };
    // The page with the change is passed while the change is not yet further back than the feed looks.
    let hubspot = ConnectionId::from("hubspot");
    let mut late = false;
    for _ in 0..600 {
        world.clock.advance(SignedDuration::from_mins(4));
        assert!(world.hubspot.update(
            Object::Contact,
            &contact,
            Author::Form,
            &[("jobtitle", &format!("CFO {}", world.clock.now()))]
        ));
        world.clock.advance(SignedDuration::from_mins(5));
        world.parts.engine.poll(&hubspot).await.unwrap();
        world.parts.engine.patrol(&hubspot).await.unwrap();
        if repairs(&world, "hubspot").await.contains_key(&Cause::Late) {
            late = true;
            break;
        }
    }
    assert!(late, "{:?}", repairs(&world, "hubspot").await);
    let behind = covered().await;
    assert!((250..700).contains(&behind), "so much later things come to light: {behind} s");
    world.hubspot.faults().clear();
    for _ in 0..26 {
        world.clock.advance(HOUR);
        world.beat().await;
    }
    assert!(covered().await < 60, "a lag that was not seen for a day is not allowed for: {} s", covered().await);
}
