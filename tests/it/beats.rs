//! Passes of all loops, by hand, over a world whose CRMs fail.

use super::harness::World;

/// One pass of all loops; waits for tries again are skipped, since they run on real time.
pub(crate) async fn hurried_beat(world: &World) {
    world.parts.engine.store().hurry().await.unwrap();
    world.beat().await;
}

pub(crate) async fn unsettled(world: &World) -> i64 {
    let effects = world.parts.engine.store().overview().await.unwrap().effects;
    effects
        .iter()
        .filter(|(state, _)| !["done", "dead", "cancelled"].contains(&state.as_str()))
        .map(|(_, count)| count)
        .sum()
}

pub(crate) async fn settle(world: &World) {
    for _ in 0..60 {
        hurried_beat(world).await;
        if unsettled(world).await == 0 {
            return;
        }
    }
    assert_eq!(unsettled(world).await, 0, "the outbox does not drain: {}", world.story().await);
}

/// Polls and delivers as the loops do: what passes is tried again.
pub(crate) async fn tolerant_beat(world: &World) {
    let engine = &world.parts.engine;
    for (connection, _) in &world.parts.polls {
        drop(engine.poll(connection).await);
        drop(engine.deliver(connection).await);
    }
    engine.sweep().await.unwrap();
}
