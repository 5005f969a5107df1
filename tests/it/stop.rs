//! The real binary stopped in the middle of a batch, and dead while deadlines pass (faults 16 and 86).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use baton::domain::plan::Happening;
use baton::sandbox::odoo::{Fault, Place, When};
use baton::store::{EffectRow, EventRow, Store};
use jiff::{SignedDuration, Timestamp};
use tokio::process::Child;

use super::kill::{Scene, carried};

/// A hang of the daemon ends a test here.
const PATIENCE: Duration = Duration::from_secs(90);
/// The daemon's own limit, and a little for the process to go.
const STOP_WITHIN: Duration = Duration::from_secs(12);

/// Starts Baton and waits until everything was read once.
async fn started(scene: &Scene) -> (Child, Store) {
    let began = Instant::now();
    let mut child = scene.start();
    loop {
        assert!(began.elapsed() < PATIENCE, "the first pass never ended: {}", scene.log());
        assert!(child.try_wait().unwrap().is_none(), "Baton ended by itself: {}", scene.log());
        if let Some(store) = scene.store().await {
            let streams = store.streams().await.unwrap();
            if streams.len() > 6 && streams.iter().all(|stream| stream.covered_until.is_some()) {
                return (child, store);
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn until(what: &str, scene: &Scene, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "{what} never came: {}", scene.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn states(store: &Store) -> BTreeMap<String, i64> {
    store.overview().await.unwrap().effects
}

async fn count(store: &Store, state: &str) -> i64 {
    states(store).await.get(state).copied().unwrap_or(0)
}

async fn events(store: &Store) -> Vec<EventRow> {
    store.recent_events(0, 100_000).await.unwrap()
}

async fn effects(store: &Store) -> Vec<EffectRow> {
    let mut leads: Vec<_> = events(store).await.iter().map(|row| row.lead).collect();
    leads.sort();
    leads.dedup();
    let mut rows = Vec::new();
    for lead in leads {
        rows.extend(store.effects_of(lead).await.unwrap());
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_in_the_middle_of_a_batch_leaves_nothing_half_done_fault_16() {
    const HANDOFFS: usize = 30;
    // Nothing but the hand-overs themselves falls due.
    let scene = Scene::with(&["within = \"6 seconds\"", "within = \"1 hour\""]).await;
    let slow = Fault::Delay { ms: 60 };
    scene.odoo.faults().inject(Place::call("crm.lead", "activity_schedule"), When::default(), slow);
    let (mut child, store) = started(&scene).await;
    (0..HANDOFFS).for_each(|number| scene.qualify(number));
    until("a batch under way", &scene, async || count(&store, "sending").await > 5).await;

    let pid = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let ended = tokio::time::timeout(STOP_WITHIN, child.wait()).await.expect("it ends in time").unwrap();
    assert!(ended.success(), "{ended}: {}", scene.log());
    let parked = states(&store).await;
    assert_eq!(parked.get("sending"), None, "what was begun was finished: {parked:?}");
    assert_eq!(parked.get("unknown"), None, "{parked:?}");
    let rest = parked.get("pending").copied().unwrap_or(0);
    let done = parked.get("done").copied().unwrap_or(0);
    assert!(done > 0 && done < i64::try_from(HANDOFFS * 4).unwrap(), "not everything was done: {parked:?}");
    println!("after SIGTERM: {parked:?}");

    let _again = scene.start();
    until("the rest", &scene, async || {
        let states = states(&store).await;
        scene.leads().len() >= HANDOFFS && states.keys().all(|state| ["done", "cancelled"].contains(&state.as_str()))
    })
    .await;
    let ledger: Vec<String> =
        scene.odoo.ledger().iter().filter(|one| one.is_api).map(|one| one.arguments.to_string()).collect();
    let made = effects(&store).await.into_iter().filter(|row| ["create", "task"].contains(&row.effect.as_str()));
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for row in made {
        assert_eq!(ledger.iter().filter(|text| text.contains(&row.op)).count(), 1, "{row:?}");
        *kinds.entry(row.effect).or_default() += 1;
    }
    assert_eq!(
        kinds,
        BTreeMap::from([("create".to_owned(), HANDOFFS), ("task".to_owned(), HANDOFFS)]),
        "{rest} were left"
    );
    assert_eq!(store.overview().await.unwrap().possible_repeats, 0, "nobody was told twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_that_fell_due_while_it_was_dead_fire_once_with_their_true_time_in_bundles_fault_86() {
    const HANDOFFS: usize = 12;
    let time = SignedDuration::from_secs(12);
    let scene = Scene::with(&["within = \"6 seconds\"", "within = \"12 seconds\""]).await;
    let (mut child, store) = started(&scene).await;
    (0..HANDOFFS).for_each(|number| scene.qualify(number));
    let clocks = async || {
        let rows = events(&store).await.into_iter();
        let started = rows.filter(|row| row.event.what == Happening::ClockStarted { turn: 1 });
        started.map(|row| (row.lead, row.event.at)).collect::<BTreeMap<_, Timestamp>>()
    };
    until("every clock", &scene, async || {
        clocks().await.len() == HANDOFFS && states(&store).await.keys().all(|state| state == "done")
    })
    .await;
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    let clocks = clocks().await;
    let before = scene.messages.lock().unwrap().len();
    let fired = |rows: &[EventRow]| -> Vec<(baton::domain::id::LeadId, u32, Timestamp, Timestamp)> {
        let steps = rows.iter().filter_map(|row| match row.event.what {
            Happening::StepFired { turn: 1, at_percent, due_at, .. } => {
                Some((row.lead, at_percent, due_at, row.decided_at))
            }
            _ => None,
        });
        steps.collect()
    };
    let early = fired(&events(&store).await);
    let last = clocks.values().max().unwrap();
    let wait = last.duration_since(baton::clock::Clock::system().now()) + time + SignedDuration::from_secs(1);
    tokio::time::sleep(Duration::try_from(wait).unwrap_or_default()).await;

    let back = baton::clock::Clock::system().now();
    let _again = scene.start();
    until("every step", &scene, async || {
        let steps = fired(&events(&store).await);
        steps.iter().filter(|(_, percent, ..)| [50, 100].contains(percent)).count() >= 2 * HANDOFFS
    })
    .await;
    let steps = fired(&events(&store).await);
    for (lead, from) in &clocks {
        for (percent, after) in [(50, time / 2), (100, time)] {
            let of: Vec<_> = steps.iter().filter(|(known, at, ..)| known == lead && *at == percent).collect();
            assert_eq!(of.len(), 1, "{lead} at {percent} %: {of:?}");
            assert_eq!(of[0].2, *from + after, "its true time");
            assert!(of[0].3 >= back || early.contains(of[0]), "decided after the restart");
        }
    }
    assert!(steps.iter().filter(|step| !early.contains(step)).count() > HANDOFFS, "most fell due while it was dead");
    until("the notices", &scene, async || {
        states(&store).await.keys().all(|state| state == "done" || state == "cancelled")
    })
    .await;
    let messages = scene.messages.lock().unwrap().clone();
    let ids: Vec<Vec<(String, bool)>> = messages[before..].iter().map(|message| carried(message)).collect();
    let mut all: Vec<&String> = ids.iter().flatten().map(|(id, _)| id).collect();
    let told = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), told, "each once: {ids:?}");
    assert!(
        ids.iter().any(|carried| carried.len() >= 10),
        "bundled: {:?}",
        ids.iter().map(Vec::len).collect::<Vec<_>>()
    );
}
