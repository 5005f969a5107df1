//! CRMs whose clocks are off, over real HTTP: nobody is accused for that, and silence stays silence.

use baton::sandbox::odoo::Fault;

use super::harness::World;

/// A hand-off that is due in an hour, in an Odoo whose clock is off by so much from now on.
async fn off_by(minutes: i64) -> (World, i64, &'static str) {
    let world = World::new().await;
    let (_, lead, owner) = world.handed_over("Jane").await;
    world.odoo.faults().set(Fault::ClockSkew { ms: minutes * 60_000 });
    (world, lead, owner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offset_is_still_allowed_for_after_a_restart_fault_28() {
    let (mut world, _, _) = off_by(120).await;
    world.pass(3).await;
    let known = async |world: &World| world.parts.engine.coverage().await.unwrap().clocks;
    let before = known(&world).await;
    assert_eq!(before.len(), 1, "{before:?}");
    assert!(before[0].ahead >= jiff::SignedDuration::from_mins(119), "{before:?}");
    world.parts.engine.watch().await.unwrap();
    world.restart(super::harness::AGREEMENT).await;
    assert_eq!(known(&world).await, before, "before anything was asked again");
    world.clock.advance(jiff::SignedDuration::from_hours(25));
    assert_eq!(known(&world).await, Vec::new(), "a day later it is over");
}

fn breaches(world: &World) -> usize {
    world.told().iter().filter(|line| line.contains("was due")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_in_time_is_in_time_whatever_the_crms_clock_reads_fault_28() {
    for minutes in [-120, -3, 3, 120] {
        let (world, lead, owner) = off_by(minutes).await;
        world.pass(54).await;
        world.rep(owner).log_call(lead, "reached").unwrap();
        world.pass(50).await;
        assert_eq!(breaches(&world), 0, "{minutes} min: {:?} {}", world.told(), world.story().await);
        assert!(world.story().await.contains("first touch kept in time"), "{minutes} min: {}", world.story().await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_told_in_time_whatever_the_crms_clock_reads_fault_28() {
    for minutes in [-120, -3, 3, 120] {
        let (world, _, _) = off_by(minutes).await;
        world.pass(55).await;
        assert_eq!(breaches(&world), 0, "{minutes} min: not before it is due");
        world.pass(12).await;
        assert_eq!(breaches(&world), 1, "{minutes} min: {:?} {}", world.told(), world.story().await);
    }
}
