//! What disks do: power that is cut, flushes that fail, no room, bytes that turn. Faults 7, 8, 9 and 10.
//!
//! Power and flushes take a shim between Baton and the C library (`tests/fixtures/disk/shim.c`), which a C compiler makes here;
//! a full disk takes a small file system of its own, which root can mount. Where one of these is not to be had the test says
//! so, loudly, and passes.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use baton::domain::id::{LeadId, WorkspaceId};
use baton::store::{Batch, Store};

use super::audit::lived;
use super::kill::Scene;
use super::store_contract::{at, lead, note, plan};

fn workspace() -> WorkspaceId {
    WorkspaceId::from("default")
}

/// The shim, if there is a compiler to make it.
#[expect(clippy::print_stderr, reason = "a test that was skipped says so loudly")]
fn shim(folder: &Path) -> Option<PathBuf> {
    let library = folder.join("shim.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/disk/shim.c");
    let mut make = Command::new("cc");
    make.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).args(["-ldl", "-lpthread"]);
    match make.status() {
        Ok(status) if status.success() => Some(library),
        other => {
            eprintln!("SKIPPED: no C compiler makes the shim ({other:?}), so this disk fault is not tried");
            None
        }
    }
}

// ---- Power (fault 7) ----

const DATABASE: &str = "BATON_TEST_DATABASE";

/// Runs only as a child of the test below: commits effects until it is killed, and says which ones are committed.
#[tokio::test]
#[ignore = "a child of `power_that_is_cut_loses_no_committed_effect_fault_7`"]
async fn commits_until_it_is_killed() {
    let Some(path) = std::env::var_os(DATABASE) else { return };
    let store = Store::open(Path::new(&path), &workspace()).await.unwrap();
    let first =
        store.next_lead_number().await.unwrap().max(store.overview().await.unwrap().effects.values().sum::<i64>() + 1);
    for id in first.. {
        let mut decided = plan(lead(id, 0));
        let mut effect = note(&format!("note {id}"), id);
        // Large enough that the log is soon folded back, in the middle of everything.
        effect.because = "x".repeat(700_000);
        decided.writes = vec![effect];
        store.commit(&Batch { plans: vec![decided], now: Some(at(id)), ..Batch::default() }).await.unwrap();
        println!("\ncommitted {id}");
        std::io::stdout().flush().unwrap();
    }
}

/// Waits until the log has writes that are not flushed; the shim's disk is slow enough to be caught at it.
async fn written_and_not_flushed(undo: &Path) {
    let began = Instant::now();
    while std::fs::metadata(undo).map_or(0, |file| file.len()) == 0 && began.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What of the unflushed writes a disk had got to by itself when the power went.
#[derive(Clone, Copy, Debug)]
enum Kept {
    /// None of them.
    Nothing,
    /// Some of them, in whatever order the disk liked.
    Some,
    /// Some of their sectors: the others are torn.
    Sectors,
}

/// Bytes that a disk writes whole or not at all.
const SECTOR: usize = 512;

/// A change of a file that was not flushed.
struct Unflushed {
    at: usize,
    before: Vec<u8>,
    /// How large the file was.
    size: usize,
    /// How many bytes were written; `None`: the file was cut here.
    written: Option<usize>,
}

fn unflushed(log: &[u8]) -> Vec<Unflushed> {
    let mut all = Vec::new();
    let mut rest = log;
    while rest.len() >= 32 {
        let number = |place: usize| i64::from_le_bytes(rest[place * 8..][..8].try_into().unwrap());
        let length = |place: usize| usize::try_from(number(place)).unwrap();
        let (at, count, size) = (length(0), length(1), length(2));
        let Some(before) = rest.get(32..32 + count) else { break };
        all.push(Unflushed { at, before: before.to_vec(), size, written: usize::try_from(number(3)).ok() });
        rest = &rest[32 + count..];
    }
    all
}

fn put(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if file.len() < at + bytes.len() {
        file.resize(at + bytes.len(), 0);
    }
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The file as the power left it: without its `unflushed` changes, but for those that `is_kept` says yes to.
fn after_the_cut(mut file: Vec<u8>, unflushed: &[Unflushed], kept: Kept, mut is_kept: impl FnMut() -> bool) -> Vec<u8> {
    // Back to what was flushed; what each write wrote is seen on the way.
    let mut written = Vec::new();
    for change in unflushed.iter().rev() {
        let end = change.written.map(|count| (change.at + count).min(file.len()));
        written.push(end.map(|end| file[change.at.min(end)..end].to_vec()));
        put(&mut file, change.at, &change.before);
        file.resize(change.size, 0);
    }
    for (change, bytes) in unflushed.iter().zip(written.into_iter().rev()) {
        match (kept, bytes) {
            (Kept::Nothing, _) => {}
            (Kept::Some | Kept::Sectors, None) => {
                if is_kept() {
                    file.truncate(change.at);
                }
            }
            (Kept::Some, Some(bytes)) => {
                if is_kept() {
                    put(&mut file, change.at, &bytes);
                }
            }
            (Kept::Sectors, Some(bytes)) => {
                let (mut at, mut rest) = (change.at, bytes.as_slice());
                while !rest.is_empty() {
                    let (sector, more) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
                    if is_kept() {
                        put(&mut file, at, sector);
                    }
                    at += sector.len();
                    rest = more;
                }
            }
        }
    }
    file
}

#[test]
fn a_cut_loses_what_was_not_flushed_and_keeps_what_the_disk_had_got_to() {
    let change = |at, before: &[u8], size, written| Unflushed { at, before: before.to_vec(), size, written };
    // "abcdef" was flushed; then "XY" over "bc", the cut after four, and "long" at the new end.
    let changes = [change(1, b"bc", 6, Some(2)), change(4, b"ef", 6, None), change(4, b"", 4, Some(4))];
    let now = b"aXYdlong".to_vec();
    let check = |kept, answers: &[bool], expected: &[u8]| {
        let mut answers = answers.iter().copied();
        let left = after_the_cut(now.clone(), &changes, kept, || answers.next().expect("one for each"));
        assert_eq!(left, expected, "{kept:?} {}", String::from_utf8_lossy(&left));
    };
    check(Kept::Nothing, &[], b"abcdef");
    check(Kept::Some, &[false, false, false], b"abcdef");
    check(Kept::Some, &[true, true, true], &now);
    check(Kept::Some, &[true, false, true], b"aXYdlong");
    check(Kept::Some, &[false, true, false], b"abcd");
    // A write that spans two sectors can be torn between them.
    let long = [change(510, b"", 510, Some(4))];
    let mut now = vec![b'.'; 510];
    now.extend(b"1234");
    let mut answers = [false, true].into_iter();
    let left = after_the_cut(now, &long, Kept::Sectors, || answers.next().unwrap());
    assert_eq!(&left[508..], b"..\x00\x0034");
}

/// Takes back what was not flushed, or a part of it; how many changes there were.
fn cut_power(database: &Path, undo: &Path, kept: Kept, random: &mut fastrand::Rng) -> usize {
    let mut count = 0;
    for (which, file) in [("wal", format!("{}-wal", database.display())), ("db", database.display().to_string())] {
        let Ok(log) = std::fs::read(undo.join(format!("{which}.undo"))) else { continue };
        let Ok(bytes) = std::fs::read(&file) else { continue };
        let changes = unflushed(&log);
        count += changes.len();
        std::fs::write(&file, after_the_cut(bytes, &changes, kept, || random.bool())).unwrap();
        std::fs::write(undo.join(format!("{which}.undo")), b"").unwrap();
    }
    drop(std::fs::remove_file(format!("{}-shm", database.display())));
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_that_is_cut_loses_no_committed_effect_fault_7() {
    const CUTS: u64 = 12;
    let folder = tempfile::tempdir().unwrap();
    let Some(shim) = shim(folder.path()) else { return };
    let database = folder.path().join("baton.db");
    let (mut committed, mut taken_back) = (0_i64, 0);
    let mut random = fastrand::Rng::with_seed(7);
    for cut in 0..CUTS {
        let kept = [Kept::Nothing, Kept::Some, Kept::Sectors][usize::try_from(cut % 3).unwrap()];
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["disk::commits_until_it_is_killed", "--exact", "--ignored", "--nocapture"])
            .env(DATABASE, &database)
            .env("LD_PRELOAD", &shim)
            .env("BATON_SHIM_UNDO", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut left = 3 + cut * 7 % 23;
        let (mut said, mut killed) = (0, false);
        for line in lines.map_while(Result::ok) {
            let Some(id) = line.strip_prefix("committed ").and_then(|id| id.parse::<i64>().ok()) else { continue };
            said += 1;
            committed = committed.max(id);
            left = left.saturating_sub(1);
            if left == 0 && !killed {
                // At any moment one time, between writing and flushing the other. What it says after this, and before it
                // dies, is as committed.
                if cut % 2 == 0 {
                    tokio::time::sleep(Duration::from_millis(cut * 37 % 400)).await;
                } else {
                    written_and_not_flushed(&folder.path().join("wal.undo")).await;
                }
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
        assert!(said >= 3, "cut {cut}: the child committed {said}");
        taken_back += cut_power(&database, folder.path(), kept, &mut random);
        let store = Store::open(&database, &workspace()).await.unwrap();
        store.check_integrity().await.unwrap();
        for id in 1..=committed {
            let effects = store.effects_of(LeadId(id)).await.unwrap();
            assert_eq!(
                effects.len(),
                1,
                "cut {cut}, {kept:?}: the effect of lead {id} was committed, {committed} were"
            );
        }
        assert_eq!(store.held().await.unwrap(), None, "cut {cut}: the side file is never before the database");
        let found = store.verify(None).await.unwrap();
        assert_eq!(found.problems, Vec::<String>::new(), "cut {cut}");
        store.close().await;
    }
    assert!(taken_back > 0, "in {CUTS} cuts nothing was ever unflushed: the shim does not see the writes");
}

// ---- Flushes that fail (fault 9) ----

async fn until(what: &str, scene: &Scene, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "never: {what}\n{}", scene.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_that_fails_ends_the_process_at_once_and_is_never_tried_again_fault_9() {
    let scene = Scene::new().await;
    let Some(shim) = shim(scene.folder.path()) else { return };
    let trigger = scene.folder.path().join("eio");
    let log = std::fs::File::options().create(true).append(true).open(scene.folder.path().join("log")).unwrap();
    let mut command = scene.command();
    command.env("LD_PRELOAD", &shim).env("BATON_SHIM_EIO", &trigger).stderr(log);
    let mut child = command.spawn().unwrap();
    scene.qualify(0);
    until("a lead in Odoo", &scene, || !scene.odoo.leads().is_empty()).await;
    std::fs::write(&trigger, b"").unwrap();
    scene.qualify(1);
    let status = tokio::time::timeout(Duration::from_secs(60), child.wait()).await.expect("it ends").unwrap();
    assert_eq!(status.code(), Some(1));
    let tries = std::fs::read_to_string(&trigger).unwrap();
    // What a failed flush has lost, a second one would hide. Another loop may have been at its own in that very moment.
    assert!((1..=3).contains(&tries.lines().count()), "{tries:?}");
    assert!(scene.log().contains("cannot be trusted any more"), "{}", scene.log());
    // With a sound disk it goes on, and nothing is lost.
    std::fs::remove_file(&trigger).unwrap();
    let mut child = scene.start();
    until("the second lead", &scene, || scene.leads().iter().any(|(number, _)| *number == 1)).await;
    child.kill().await.unwrap();
    let numbers: Vec<usize> = scene.leads().into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers.iter().filter(|number| **number == 0).count(), 1, "{numbers:?}");
}

// ---- No room (fault 8) ----

/// A small file system, taken away when the test ends.
struct Small(PathBuf);

impl Small {
    #[expect(clippy::print_stderr, reason = "a test that was skipped says so loudly")]
    fn mount(at: PathBuf) -> Option<Self> {
        std::fs::create_dir(&at).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs"]).arg(&at).status();
        match mounted {
            Ok(status) if status.success() => Some(Self(at)),
            other => {
                eprintln!("SKIPPED: no small file system can be mounted ({other:?}), so a full disk is not tried");
                None
            }
        }
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        for size in [1 << 20, 1 << 12] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

async fn asked(board: &str, path: &[&str]) -> (u16, String) {
    let request = baton::http::Request::to(baton::http::Method::Get, &board.parse().unwrap(), path);
    match baton::http::Client::new().unwrap().send(request).await {
        Ok(answer) => (answer.status, String::from_utf8_lossy(&answer.body).into_owned()),
        Err(_) => (0, String::new()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_effects_shows_itself_and_is_gone_on_from_fault_8() {
    let scene = Scene::new().await;
    let Some(small) = Small::mount(scene.folder.path().join("small")) else { return };
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let board = format!("http://{address}");
    let settings = scene.folder.path().join("baton.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let text =
        text.replace("sqlite://baton.db", "sqlite://small/baton.db").replace("127.0.0.1:0", &address.to_string());
    std::fs::write(&settings, text).unwrap();
    let mut child = scene.start();
    scene.qualify(0);
    until("a lead in Odoo", &scene, || !scene.odoo.leads().is_empty()).await;
    assert!(small.0.join("baton.db.reserve").exists(), "room is kept for the alert");
    small.fill();
    let began = Instant::now();
    let mut number = 1;
    // Each commit takes some of what the log may still use.
    loop {
        let (status, body) = asked(&board, &["readyz"]).await;
        if status == 503 && body.contains("the disk is full") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(90), "never full: {status} {body}\n{}", scene.log());
        scene.qualify(number % 60);
        number += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!small.0.join("baton.db.reserve").exists(), "the reserve was freed");
    let began = Instant::now();
    loop {
        let (_, findings) = asked(&board, &["api", "v1", "findings"]).await;
        if findings.contains("disk_full") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "the alert found no room: {findings}\n{}", scene.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(asked(&board, &["healthz"]).await.1.contains("disk full"));
    let felt = || (scene.odoo.leads().len(), scene.messages.lock().unwrap().len());
    // What was under way in that moment comes to its end.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let stopped = felt();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(felt(), stopped, "nothing is sent");
    // Room again: all goes on by itself, by the minute's tick at the latest.
    std::fs::remove_file(small.0.join("filler")).unwrap();
    let began = Instant::now();
    while asked(&board, &["readyz"]).await.0 != 200 {
        assert!(began.elapsed() < Duration::from_secs(120), "it does not go on\n{}", scene.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    scene.qualify(59);
    until("what waited", &scene, || felt() != stopped).await;
    child.kill().await.unwrap();
    let mut per_contact: BTreeMap<usize, usize> = BTreeMap::new();
    scene.leads().into_iter().for_each(|(contact, _)| *per_contact.entry(contact).or_default() += 1);
    assert!(per_contact.values().all(|leads| *leads == 1), "no half state: {per_contact:?}");
    let store = Store::open(&small.0.join("baton.db"), &workspace()).await.unwrap();
    store.check_integrity().await.unwrap();
    assert_eq!(store.verify(None).await.unwrap().problems, Vec::<String>::new());
}

// ---- Bytes that turn (fault 10) ----

/// Everything of the history, as it reads; nothing if it cannot be read.
async fn history(path: &Path) -> Option<Vec<String>> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).read_only(true).immutable(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.ok()?;
    let mut all = Vec::new();
    for columns in [
        "seq || '|' || lead || '|' || happened_at || '|' || decided_at || '|' || body || '|' || digest FROM event",
        "op || '|' || seq || '|' || lead || '|' || handoff || '|' || connection || '|' || channel || '|' || lane || '|' || effect || '|' || created_at || '|' || body || '|' || digest FROM outbox",
        "seq || '|' || lead || '|' || decided_at || '|' || body || '|' || result || '|' || digest FROM journal",
        "seq || '|' || chained_at || '|' || content || '|' || previous || '|' || hash FROM audit",
        "digest || '|' || kind || '|' || body FROM policy",
    ] {
        let text = sqlx::AssertSqlSafe(format!("SELECT CAST({} ", columns.replacen(" FROM", " AS BLOB) FROM", 1)));
        let rows: Vec<Option<Vec<u8>>> = sqlx::query_scalar(text).fetch_all(&pool).await.ok()?;
        all.extend(rows.into_iter().map(|row| format!("{row:?}")));
    }
    all.sort();
    pool.close().await;
    Some(all)
}

async fn is_found(path: &Path) -> bool {
    let Ok(store) = Store::open_read_only(path, &workspace()).await else { return true };
    if store.check_integrity().await.is_err() {
        return true;
    }
    store.verify(None).await.map_or(true, |found| !found.problems.is_empty())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_turned_bytes_never_pass_as_history_fault_10() {
    let world = lived().await;
    let whole = world.folder.path().join("baton.db");
    world.parts.engine.store().close().await;
    let bytes = std::fs::read(&whole).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("baton.db");
    std::fs::write(&copy, &bytes).unwrap();
    let sound = history(&copy).await.expect("it reads");
    assert!(!is_found(&copy).await, "the whole file is sound");
    let (mut found, mut elsewhere) = (0, 0);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..200 {
        // xorshift64: the same offsets in every run.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut offset = usize::try_from(random % bytes.len() as u64).unwrap();
        // Free room is zero, and nobody reads it: only bytes that say something are turned.
        while bytes[offset] == 0 {
            offset = (offset + 1) % bytes.len();
        }
        let mut turned = bytes.clone();
        turned[offset] ^= 0xff;
        for side in ["-wal", "-shm"] {
            drop(std::fs::remove_file(format!("{}{side}", copy.display())));
        }
        std::fs::write(&copy, &turned).unwrap();
        if is_found(&copy).await {
            found += 1;
        } else {
            assert_eq!(history(&copy).await.as_ref(), Some(&sound), "the byte at {offset} changed the history unseen");
            elsewhere += 1;
        }
    }
    eprintln!("of 200 turned bytes {found} were found; {elsewhere} lie in free room or in values that no chain covers");
    assert!(found > 40, "{found} were found");
}
