//! The first load: from an empty store until everybody is decided, against HubSpot's figure of the same run.

use std::path::Path;
use std::time::Instant;

use baton::domain::id::ConnectionId;
use baton::domain::plan::Mode;
use baton::engine::Engine;

use super::crm::baton;
use super::process::{Process, cpu, peak_mib};

/// Each kind with a sandbox and a Baton of its own.
pub(crate) fn measure(people: usize, kinds: &[&str]) {
    println!("first load of {people} people");
    let mut first = None;
    for kind in kinds {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("baton.db");
        let mut crm = Process::start(&["crm", kind, &people.to_string()]);
        let at = crm.hear();
        let mut reader = Process::start(&["read", kind, &at, store.to_str().unwrap()]);
        let told = reader.hear();
        reader.end();
        let spent: f64 = told.split_whitespace().next().unwrap().parse().unwrap();
        let first = *first.get_or_insert(spent);
        println!("  {kind}: {told}; {:.2} of {}'s", spent / first, kinds[0]);
        println!("    requests: {}", crm.ask("requests"));
        crm.end();
    }
}

/// Reads until all is decided; nothing is written.
pub(crate) async fn read(kind: &str, at: &str, store: &Path) {
    let start = Instant::now();
    let parts = baton(kind, at, store, Mode::Off).await;
    until_live(&parts.engine, &ConnectionId::from(kind)).await;
    let overview = parts.engine.store().overview().await.unwrap();
    println!("{:.2} CPU s, {:.1} s, peak {} MiB; {overview:?}", cpu(), start.elapsed().as_secs_f64(), peak_mib());
}

/// Polls until everybody is decided.
pub(crate) async fn until_live(engine: &Engine, connection: &ConnectionId) {
    loop {
        let polled = engine.poll(connection).await.unwrap();
        if engine.is_live() && !polled.has_more {
            return;
        }
        if polled.pages == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}
