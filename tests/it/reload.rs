//! Rules that change while Baton runs (fault 109).

use std::process::Stdio;
use std::time::{Duration, Instant};

use baton::config::Args;
use baton::daemon::rules::RulesOnDisk;
use baton::domain::id::{Name, WorkspaceId};
use baton::domain::plan::Mode;
use baton::store::Store;

use super::harness::{AGREEMENT, ROSTER, World};
use super::online::Scene;

const PATIENCE: Duration = Duration::from_secs(60);

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what} never came");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn version(of: &str) -> String {
    let line = AGREEMENT.lines().find(|line| line.starts_with("version")).unwrap();
    AGREEMENT.replace(line, &format!("version = \"{of}\""))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_files_keep_the_old_rules_and_are_told_and_mended_files_come_into_force_fault_109() {
    let scene = Scene::new().await;
    std::fs::write(scene.path("agreement.toml"), version("first")).unwrap();
    let mut command = scene.command(&["run"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let path = scene.path("baton.db");
    let store =
        until("the store", async || Store::open_read_only(&path, &WorkspaceId::from("default")).await.ok()).await;
    let decided = async || store.decided_under().await.ok().flatten();
    let failed = async || {
        let findings = store.findings(200).await.unwrap();
        findings.into_iter().find(|row| row.kind == "reload_failed").map(|row| row.text)
    };
    until("the first decisions", async || decided().await.filter(|name| name == &Name::from("first"))).await;

    std::fs::write(scene.path("agreement.toml"), version("second").replace("score.intent", "score.intnt")).unwrap();
    let told = until("the finding", failed).await;
    assert!(told.contains("reload failed") && told.contains("agreement.toml:"), "{told}");
    assert!(told.contains("Agreement first and the roster before stay in force"), "{told}");
    assert_eq!(decided().await, Some(Name::from("first")));

    std::fs::write(scene.path("agreement.toml"), version("third")).unwrap();
    until("the third agreement", async || decided().await.filter(|name| name == &Name::from("third"))).await;
    until("the end of the finding", async || failed().await.is_none().then_some(())).await;

    // Asked by hand, nothing having changed: still the same rules, and no harm done.
    let pid = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    std::fs::write(scene.path("agreement.toml"), version("fourth")).unwrap();
    until("the fourth agreement", async || decided().await.filter(|name| name == &Name::from("fourth"))).await;
}

#[test]
fn a_file_that_is_still_being_written_is_left_until_it_rests() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agreement.toml");
    std::fs::write(&file, "a").unwrap();
    let mut rules = RulesOnDisk::new(
        Args { file: Some(folder.path().join("baton.toml")), ..Args::default() },
        std::slice::from_ref(&file),
    );
    assert!(!rules.have_changed(), "as it was read");
    std::fs::write(&file, "ab").unwrap();
    assert!(!rules.have_changed(), "just changed");
    std::fs::write(&file, "abc").unwrap();
    assert!(!rules.have_changed(), "changed again");
    assert!(rules.have_changed(), "at rest");
    assert!(rules.read().is_err(), "there are no settings");
    assert!(!rules.have_changed(), "what could not be read is not read again until it changes");
    std::fs::remove_file(&file).unwrap();
    assert!(!rules.have_changed() && rules.have_changed(), "gone is a change, too");
}

#[tokio::test]
async fn other_zones_move_running_deadlines_and_they_are_listed_fault_80() {
    let mut world = World::with(AGREEMENT, Mode::On).await;
    world.handed_over("Jane").await;
    let due = async |world: &World| {
        let rows = world.parts.engine.store().open_handoffs(10).await.unwrap();
        rows[0].handoff.due_at().unwrap()
    };
    let moved = async |world: &World| {
        let findings = world.parts.engine.store().findings(200).await.unwrap();
        findings.into_iter().find(|row| row.kind == "deadlines_moved").map(|row| row.text)
    };
    let before = due(&world).await;
    world.restart(AGREEMENT).await;
    world.beat().await;
    assert_eq!((due(&world).await, moved(&world).await), (before, None), "the same data");
    // What a change of the zone's rules comes to: the same calendar opens and closes at other instants.
    let elsewhere = ROSTER.replace("Europe/Berlin", "Asia/Tokyo");
    world.restart_with(AGREEMENT, &elsewhere).await;
    world.beat().await;
    let after = due(&world).await;
    assert_ne!(after, before);
    let told = moved(&world).await.expect("a finding");
    assert!(told.contains("1 running deadline moved: L-") && told.contains(&format!("to {after:.0}")), "{told}");
}
