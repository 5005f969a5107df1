//! The real binary under another clock than the CRMs': a jump that nobody confirms, a sleep that they do, and a process that
//! stands still. Faults 81 and 83.
//!
//! Another wall clock takes libfaketime; where it is not installed the test says so, loudly, and passes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use baton::domain::plan::Happening;
use baton::sandbox::hubspot::Fault as Trouble;
use baton::sandbox::odoo::Fault;
use baton::store::{EventRow, Store};
use jiff::{SignedDuration, Timestamp};
use tokio::process::{Child, Command};

use super::kill::Scene;

const PATIENCE: Duration = Duration::from_secs(90);

/// The library that fakes the time, if there is one.
#[expect(clippy::print_stderr, reason = "a test that was skipped says so loudly")]
fn faketime() -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib", "/usr/local/lib"];
    let found = folders.iter().map(|folder| Path::new(folder).join("faketime/libfaketimeMT.so.1"));
    let found = found.into_iter().find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED: there is no libfaketime (Debian: faketime), so no jump of the wall clock is tried");
    }
    found
}

/// Baton with a wall clock that is ahead of the machine's by what the file `ahead` says; its monotonic clock is the machine's.
fn start(scene: &Scene, library: &Path) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(scene.folder.path().join("log")).unwrap();
    let mut command: Command = scene.command();
    command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", ahead(scene)).env("FAKETIME_NO_CACHE", "1");
    command.env("DONT_FAKE_MONOTONIC", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command.stderr(Stdio::from(log)).spawn().unwrap()
}

fn ahead(scene: &Scene) -> PathBuf {
    scene.folder.path().join("ahead")
}

fn jump(scene: &Scene, seconds: i64) {
    // In one go: a file that is read while it is written would be another jump.
    let fresh = scene.folder.path().join("ahead.new");
    std::fs::write(&fresh, format!("{seconds:+}\n")).unwrap();
    std::fs::rename(fresh, ahead(scene)).unwrap();
}

async fn until<T>(what: &str, scene: &Scene, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "never: {what}\n{}", scene.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A hand-off that runs: the store, and when its clock started.
async fn handed_over(scene: &Scene) -> (Store, Timestamp) {
    let store = until("the store", scene, async || scene.store().await).await;
    until("the first decisions", scene, async || store.decided_under().await.ok().flatten()).await;
    scene.qualify(0);
    let turn = async || store.open_handoffs(5).await.ok()?.first()?.handoff.turn()?.clock_from;
    let from = until("a running clock", scene, turn).await;
    (store, from)
}

/// The steps that fired, by percent: the rows of their events.
async fn fired(store: &Store) -> BTreeMap<u32, Vec<EventRow>> {
    let mut steps: BTreeMap<u32, Vec<EventRow>> = BTreeMap::new();
    for row in store.recent_events(0, 10_000).await.unwrap() {
        if let Happening::StepFired { at_percent, .. } = &row.event.what {
            steps.entry(*at_percent).or_default().push(row);
        }
    }
    steps
}

fn messages(scene: &Scene, part: &str) -> usize {
    scene.messages.lock().unwrap().iter().filter(|message| message.contains(part)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_that_the_wall_clock_leaps_over_accuses_nobody_and_is_said_fault_81() {
    let Some(library) = faketime() else { return };
    let scene = Scene::with(&["within = \"6 seconds\"", "within = \"40 seconds\""]).await;
    jump(&scene, 0);
    let mut child = start(&scene, &library);
    let (store, from) = handed_over(&scene).await;
    for seconds in [3_600, 86_400] {
        jump(&scene, seconds);
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(fired(&store).await.len(), 0, "an hour or a day that did not pass: {}", scene.log());
    }
    let log = || std::fs::read_to_string(scene.folder.path().join("log")).unwrap_or_default();
    until("the word on the clock", &scene, async || log().contains("the wall clock stepped").then_some(())).await;
    // The warning comes at its instant, by the time that really passes; the breach waits until the time is sure.
    until("the warning", &scene, async || (fired(&store).await.len() == 1).then_some(())).await;
    let due = from + SignedDuration::from_secs(42);
    let passed = || jiff::SignedDuration::try_from(began_ago(from)).unwrap() > due.duration_since(from);
    until("the instant of the breach", &scene, async || passed().then_some(())).await;
    let steps = fired(&store).await;
    assert_eq!(steps.keys().copied().collect::<Vec<_>>(), [50], "{steps:?} {}", scene.log());
    let late = steps[&50][0].decided_at.duration_since(from + SignedDuration::from_secs(20));
    assert!(late.as_secs() < 8, "decided {late} after its instant");
    jump(&scene, 0);
    until("the breach, once the clock is right", &scene, async || fired(&store).await.get(&100).map(drop)).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let steps = fired(&store).await;
    assert!(steps.values().all(|rows| rows.len() == 1), "{steps:?}");
    assert!(messages(&scene, "was due") <= 1, "{:?}", scene.messages.lock().unwrap());
    child.kill().await.unwrap();
}

/// How long ago `from` was, by this process's own clock.
fn began_ago(from: Timestamp) -> Duration {
    let now = baton::clock::Clock::system().wall();
    Duration::try_from(now.duration_since(from)).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sleep_that_the_crms_confirm_tells_each_step_once_with_its_true_time_fault_83() {
    let Some(library) = faketime() else { return };
    let scene = Scene::with(&["within = \"6 seconds\"", "within = \"30 minutes\""]).await;
    jump(&scene, 0);
    let mut child = start(&scene, &library);
    let (store, from) = handed_over(&scene).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    // The machine slept for forty minutes: its clock is right when it wakes, and the CRMs' clocks went on meanwhile.
    scene.hubspot.faults().set(Trouble::ClockSkew { ms: 2_400_000 });
    scene.odoo.faults().set(Fault::ClockSkew { ms: 2_400_000 });
    jump(&scene, 2_400);
    until("both steps", &scene, async || (fired(&store).await.len() >= 2).then_some(())).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let steps = fired(&store).await;
    assert_eq!(steps.keys().copied().collect::<Vec<_>>(), [50, 100], "{steps:?} {}", scene.log());
    for (percent, minutes) in [(50, 15), (100, 30)] {
        let [row] = steps[&percent].as_slice() else { panic!("{percent} fired more than once: {steps:?}") };
        assert_eq!(row.event.at, from + SignedDuration::from_mins(minutes), "its true time");
    }
    child.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stood_still_tells_what_fell_due_meanwhile_once_fault_83() {
    let scene = Scene::new().await;
    let mut child = scene.start();
    let (store, from) = handed_over(&scene).await;
    let pid = child.id().unwrap().to_string();
    let signal = |name: &str| std::process::Command::new("kill").args([name, &pid]).status().unwrap().success();
    assert!(signal("-STOP"));
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(signal("-CONT"));
    until("both steps", &scene, async || (fired(&store).await.len() >= 2).then_some(())).await;
    let steps = fired(&store).await;
    for (percent, seconds) in [(50, 3), (100, 6)] {
        let [row] = steps[&percent].as_slice() else { panic!("{percent}: {steps:?}") };
        assert_eq!(row.event.at, from + SignedDuration::from_secs(seconds), "its true time");
    }
    child.kill().await.unwrap();
}
