//! A machine's clock that jumps, and calendars whose holiday data ends.

use baton::clock::Clock;
use baton::domain::plan::Mode;
use baton::sandbox::hubspot::{Author, Kind as Object};
use baton::sandbox::odoo::{Fault, Place, When};
use jiff::SignedDuration;

use super::harness::{AGREEMENT, ROSTER, World, morning};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

async fn findings(world: &World, kind: &str) -> Vec<String> {
    world.parts.engine.watch().await.unwrap();
    let rows = world.parts.engine.store().findings(50).await.unwrap();
    rows.into_iter().filter(|row| row.kind == kind).map(|row| row.text).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_clock_that_jumps_fires_nothing_early_or_twice_and_says_so_fault_82() {
    for jump in [HOUR * 3, -HOUR] {
        let world = World::new().await;
        world.handed_over("Jane").await;
        world.pass(30).await;
        world.clock.step(jump);
        world.pass(10).await;
        assert_eq!(world.told().len(), 1, "nothing is due yet: {:?} {}", world.told(), world.story().await);
        let said = findings(&world, "clock_step").await;
        assert_eq!(said.len(), 1, "{jump}: {}", world.story().await);
        world.pass(50).await;
        let count = |part: &str| world.told().iter().filter(|line| line.contains(part)).count();
        assert_eq!((count("is due"), count("was due")), (1, 0), "warned, and nobody accused: {:?}", world.told());

        world.clock.step(-jump);
        world.pass(30).await;
        assert_eq!((count("is due"), count("was due")), (1, 1), "{:?} {}", world.told(), world.story().await);
        let rows = world.parts.engine.store().recent_events(0, 500).await.unwrap();
        assert!(rows.iter().rev().is_sorted_by_key(|row| row.decided_at), "the story keeps its order");
        assert!(rows.iter().all(|row| row.event.at <= row.decided_at), "nothing is decided before it happened");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_long_sleep_that_a_crm_confirms_each_step_fires_once_with_its_true_time() {
    let world = World::new().await;
    world.handed_over("Jane").await;
    world.pass(10).await;
    for (connection, _) in &world.parts.polls {
        world.parts.engine.hear_time(connection).await.unwrap();
    }
    let before = world.clock.now();
    world.clock.step(HOUR);
    world.beat().await;
    assert_eq!(world.clock.now(), before, "not believed yet");
    world.clock.hear("hubspot", before + HOUR);
    assert_eq!(world.clock.now(), before + HOUR);
    world.beat().await;
    let story = world.story().await;
    for part in ["warning: first touch at 80 %", "BREACH: first touch at 100 %"] {
        assert_eq!(story.matches(part).count(), 1, "{part}: {story}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_and_leases_do_not_hang_when_the_wall_clock_goes_back_fault_82() {
    let world = World::on(Clock::manual_with_leases(morning()), AGREEMENT, Mode::On, |_| {}).await;
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    world.odoo.faults().inject(Place::call("crm.lead", "load"), When::times(1), Fault::AfterEffect { status: 500 });
    world.qualify(&contact);
    world.clock.advance(SignedDuration::from_mins(1));
    world.beat().await;
    let unknown = async || world.parts.engine.store().overview().await.unwrap().effects.get("unknown").copied();
    assert_eq!(unknown().await, Some(1), "{}", world.story().await);
    world.clock.step(-HOUR);
    world.pass(3).await;
    assert_eq!(unknown().await, None, "it was looked for after its five seconds: {}", world.story().await);
    assert_eq!(world.odoo.leads().len(), 1);
    assert!(!world.hubspot.get(Object::Contact, &contact).unwrap()["hubspot_owner_id"].is_empty());
    assert!(world.hubspot.update(Object::Contact, &contact, Author::Form, &[("jobtitle", "CFO")]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_calendar_whose_holidays_end_soon_is_a_finding_fault_78() {
    let mut world = World::new().await;
    assert_eq!(findings(&world, "no_holidays").await, Vec::<String>::new(), "no data was promised");
    let zone = "zone = \"Europe/Berlin\"";
    let roster = ROSTER.replacen(zone, &format!("{zone}\nholidays = [\"until-2026.ics\"]"), 1);
    assert_ne!(roster, ROSTER);
    world.restart_with(AGREEMENT, &roster).await;
    let said = findings(&world, "no_holidays").await;
    assert_eq!(said.len(), 1, "{said:?}");
    for part in ["knows holidays until 2026-12-31", "in 37 days", "add a holiday file"] {
        assert!(said[0].contains(part), "{part} is missing in {}", said[0]);
    }
}
