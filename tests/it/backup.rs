//! Backups, and databases that are not the one that stood here: faults 10, 11 and 15.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use baton::domain::finding::FindingKind;
use baton::domain::id::WorkspaceId;
use baton::engine::command::{Answer, Asked, Command, CommandError};
use baton::store::{Store, StoreError};

use super::harness::{AGREEMENT, World};

fn workspace() -> WorkspaceId {
    WorkspaceId::from("default")
}

async fn release(world: &World) -> Result<Answer, CommandError> {
    let command = Command::Release { is_forced: false };
    world.parts.engine.execute(&Asked { by: "eve".to_owned(), command }).await
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", path.display()))
}

/// What the CRMs and people have seen of Baton.
fn felt(world: &World) -> (usize, usize) {
    (world.odoo.leads().len(), world.told().len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_beside_a_running_baton_is_whole_private_and_never_overwritten_fault_11() {
    let world = World::new().await;
    world.handed_over("Jane").await;
    let path = world.folder.path().join("baton.db");
    let target = world.folder.path().join("backup.db");
    // As the command does it: by a reader of its own, while the daemon has the store.
    let reader = Store::open_read_only(&path, &workspace()).await.unwrap();
    let made = reader.backup(&target).await.unwrap();
    assert_eq!(std::fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(made.bytes, std::fs::metadata(&target).unwrap().len());
    let again = reader.backup(&target).await.unwrap_err();
    assert!(matches!(again, StoreError::File { .. }), "{again:?}");
    world.handed_over("John").await;
    // Opened where nothing else stands: it is whole, and it knows that it is a copy.
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("baton.db");
    std::fs::copy(&target, &copy).unwrap();
    let store = Store::open(&copy, &workspace()).await.unwrap();
    store.check_integrity().await.unwrap();
    let found = store.verify(Some(&made.head)).await.unwrap();
    assert_eq!(found.problems, Vec::<String>::new());
    assert_eq!(store.overview().await.unwrap().open, 1, "John came later");
    assert!(store.held().await.unwrap().unwrap().contains("no side file"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_older_backup_watches_until_released_and_repeats_nothing_fault_15() {
    let mut world = World::new().await;
    world.handed_over("Jane").await;
    let path = world.folder.path().join("baton.db");
    let backup = world.folder.path().join("backup.db");
    world.parts.engine.store().backup(&backup).await.unwrap();
    // All of this the backup does not know.
    let (_, john, _) = world.handed_over("John").await;
    world.pass(100).await;
    let before = felt(&world);
    let activities = world.odoo.activities(john).len();

    world.restart_after(AGREEMENT, async |_| drop(Store::restore(&path, &backup).await.unwrap())).await;
    let store = world.parts.engine.store();
    assert!(store.held().await.unwrap().unwrap().contains("older than the one that stood here"));
    let early = release(&world).await.unwrap_err();
    assert!(early.to_string().contains(" not read since"), "{early}");
    world.pass(10).await;
    assert_eq!(felt(&world), before, "it watches: {}", world.story().await);
    assert!(store.findings(20).await.unwrap().iter().any(|finding| finding.kind == FindingKind::Restored.as_str()));
    let waiting = store.overview().await.unwrap().effects["pending"];
    assert!(waiting > 0, "what it decided waits");
    // A restart does not make it forget that.
    world.restart(AGREEMENT).await;
    world.pass(5).await;
    assert_eq!(felt(&world), before);

    release(&world).await.unwrap();
    world.pass(10).await;
    assert_eq!(world.odoo.leads().len(), before.0, "no lead is made twice: {}", world.story().await);
    assert_eq!(world.odoo.activities(john).len(), activities, "no task is made twice: {}", world.story().await);
    let store = world.parts.engine.store();
    assert!(store.findings(20).await.unwrap().iter().all(|finding| finding.kind != FindingKind::Restored.as_str()));
    assert_eq!(store.verify(None).await.unwrap().problems, Vec::<String>::new());
    let told = world.inbox.lock().unwrap().clone();
    let repeated = told[before.1..].iter().filter(|(_, message)| message.to_string().contains("possibly repeated"));
    assert!(told.len() == before.1 || repeated.count() > 0, "whoever is told again is told that: {told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_not_the_one_that_stood_here_is_held_and_the_same_one_is_not_fault_11() {
    for (how, expected) in [
        ("nothing", None),
        ("killed", None),
        ("log lost", Some("stood here")),
        ("side file lost", Some("no side file")),
        ("side file torn", Some("cannot be read")),
        ("another's side file", Some("in the place of another")),
        ("history rewritten", Some("not that of the one")),
        ("made anew", Some("another database stood here before")),
    ] {
        let mut world = World::new().await;
        world.handed_over("Jane").await;
        let path = world.folder.path().join("baton.db");
        let kept = world.folder.path().join("kept");
        if how == "killed" || how == "log lost" {
            // What the disk has while it runs: the file, and its log.
            std::fs::create_dir(&kept).unwrap();
            for ending in ["", "-wal", ".instance"] {
                std::fs::copy(beside(&path, ending), kept.join(format!("baton.db{ending}"))).unwrap();
            }
        }
        world
            .restart_after(AGREEMENT, async |_| {
                let side = beside(&path, ".instance");
                match how {
                    "killed" | "log lost" => {
                        for ending in ["", "-wal", ".instance"] {
                            std::fs::copy(kept.join(format!("baton.db{ending}")), beside(&path, ending)).unwrap();
                        }
                        if how == "log lost" {
                            std::fs::remove_file(beside(&path, "-wal")).unwrap();
                        }
                    }
                    "side file lost" => std::fs::remove_file(side).unwrap(),
                    "side file torn" => std::fs::write(side, b"0a1b").unwrap(),
                    "another's side file" => {
                        let text = std::fs::read_to_string(&side).unwrap();
                        std::fs::write(side, text.replacen(&text[..4], "zzzz", 1)).unwrap();
                    }
                    "history rewritten" => {
                        let text = std::fs::read_to_string(&side).unwrap();
                        let hash = text.split_whitespace().nth(2).unwrap().to_owned();
                        std::fs::write(side, text.replace(&hash, &"0".repeat(64))).unwrap();
                    }
                    "made anew" => std::fs::remove_file(&path).unwrap(),
                    _ => {}
                }
            })
            .await;
        let held = world.parts.engine.store().held().await.unwrap();
        match expected {
            None => assert_eq!(held, None, "{how}"),
            Some(part) => {
                assert!(held.as_ref().is_some_and(|reason| reason.contains(part)), "{how}: {held:?}");
                world.contact("John");
                let before = felt(&world);
                world.pass(5).await;
                assert_eq!(felt(&world), before, "{how}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_sound_backup_is_refused_and_nothing_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("baton.db");
    let store = Store::open(&path, &workspace()).await.unwrap();
    let backup = folder.path().join("backup.db");
    store.backup(&backup).await.unwrap();
    let locked = Store::restore(&path, &backup).await.unwrap_err();
    assert!(matches!(locked, StoreError::Locked { .. }), "{locked:?}");
    store.close().await;
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let bytes = std::fs::read(&backup).unwrap();
    let broken = |name: &str, bytes: Vec<u8>| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let mut torn = bytes.clone();
    torn[4_096..8_192].fill(0xff);
    for wrong in [
        folder.path().join("nowhere.db"),
        broken("empty.db", Vec::new()),
        broken("text.db", b"this is no database at all, but it is long enough to be looked at for a while".repeat(100)),
        broken("half.db", bytes[..bytes.len() / 2].to_vec()),
        broken("torn.db", torn),
    ] {
        let refused = Store::restore(&path, &wrong).await;
        assert!(refused.is_err(), "{}", wrong.display());
        assert_eq!(std::fs::read(&path).unwrap(), whole, "{}", wrong.display());
    }
    assert!(Store::restore(&path, &backup).await.unwrap().unwrap().exists(), "what stood there is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_gives_what_it_still_has_and_the_rest_is_read_anew_fault_10() {
    let mut world = World::new().await;
    world.handed_over("Jane").await;
    world.handed_over("John").await;
    let path = world.folder.path().join("baton.db");
    let history = world.parts.engine.store().recent_events(0, 500).await.unwrap().len();
    let pages =
        sqlx::SqlitePool::connect_with(sqlx::sqlite::SqliteConnectOptions::new().filename(&path)).await.unwrap();
    let root: i64 =
        sqlx::query_scalar("SELECT rootpage FROM sqlite_master WHERE name = 'person'").fetch_one(&pages).await.unwrap();
    pages.close().await;
    let before = felt(&world);
    world
        .restart_after(AGREEMENT, async |_| {
            let mut bytes = std::fs::read(&path).unwrap();
            let at = usize::try_from(root - 1).unwrap() * 4_096;
            bytes[at..at + 4_096].fill(0xa5);
            std::fs::write(&path, bytes).unwrap();
            let damaged = Store::open_read_only(&path, &workspace()).await.unwrap();
            let found = damaged.check_integrity().await.unwrap_err();
            assert!(matches!(found, StoreError::Damaged(_)) && found.is_fatal(), "{found:?}");
            damaged.close().await;
            let saved = Store::rebuild(&path, &workspace()).await.unwrap();
            assert!(saved.lost > 0 && saved.moved_to.exists(), "{saved:?}");
            let rows = |table: &str| saved.rows.iter().find(|(name, _)| name == table).unwrap().1;
            assert_eq!((rows("event"), rows("person")), (history as u64, 0), "{saved:?}");
        })
        .await;
    let store = world.parts.engine.store();
    assert!(store.held().await.unwrap().is_some(), "nothing is sent until a person looked");
    world.pass(5).await;
    assert_eq!(felt(&world), before);
    assert!(store.find_lead("jane@acme.example").await.unwrap().is_some(), "the CRMs were read again");
}
