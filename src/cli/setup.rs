//! From files to parts: what the commands have in common.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;

use super::{Common, output};
use crate::clock::Clock;
use crate::config::{self, Args, Loaded};
use crate::daemon::assemble::Assembly;
use crate::document::Problems;
use crate::engine::Rules;
use crate::store::Store;

/// Where the files are.
pub(super) fn args(common: &Common) -> Args {
    Args::from_environment(common.config.clone())
}

/// Reads every file; answers what is wrong with them, and the result if nothing keeps Baton from starting.
pub(super) fn read(common: &Common) -> (Problems, Option<Loaded>) {
    match config::load(&args(common)) {
        Ok(mut loaded) => (std::mem::take(&mut loaded.warnings), Some(loaded)),
        Err(problems) => (problems, None),
    }
}

/// Reads every file; what is wrong is shown, and ends the command with 78.
pub(super) fn load(common: &Common) -> Result<Loaded, ExitCode> {
    let (problems, loaded) = read(common);
    match loaded {
        Some(loaded) => Ok(loaded),
        None => {
            show(common, &problems, false);
            Err(ExitCode::from(output::BAD_CONFIGURATION))
        }
    }
}

/// Shows problems: underlined for people, as a list in JSON with whether the files will do.
pub(super) fn show(common: &Common, problems: &Problems, is_ok: bool) {
    use std::io::IsTerminal as _;
    if common.json {
        // A list of plain values can always be written as JSON.
        drop(output::json(&serde_json::json!({ "ok": is_ok, "problems": problems.views() })));
    } else if !problems.list().is_empty() {
        output::note(&problems.render(std::io::stderr().is_terminal()));
    }
}

/// What the engine is told.
pub(super) fn rules(loaded: &Loaded) -> Rules {
    Rules {
        workspace: loaded.settings.workspace.clone(),
        agreement: loaded.agreement.clone(),
        roster: loaded.roster.clone(),
        texts: loaded.texts.clone(),
        zone: loaded.settings.zone.clone(),
        writes: loaded.settings.writes,
        notices: loaded.settings.notices,
        public_url: loaded.settings.server.public_url.clone(),
        telling: Arc::new(loaded.settings.telling()),
    }
}

/// Everything that the parts are made from.
pub(super) fn assembly(loaded: &Loaded) -> Assembly {
    Assembly {
        rules: rules(loaded),
        connections: loaded.settings.connections.clone(),
        channels: loaded.settings.channels.clone(),
        store: loaded.settings.store.clone(),
        store_key: loaded.settings.store_key.clone(),
        rest: loaded.settings.rest,
        retention: loaded.settings.retention,
        caps: loaded.settings.caps,
        access: loaded.settings.access.clone(),
        clock: Clock::system(),
        pace: None,
    }
}

/// The store, for reading beside a running daemon.
pub(super) async fn read_store(loaded: &Loaded) -> anyhow::Result<Store> {
    let path = &loaded.settings.store;
    anyhow::ensure!(
        path.exists(),
        "there is no store at {} yet: run `baton sync` or `baton run` first",
        path.display()
    );
    Store::open_read_only(path, &loaded.settings.workspace)
        .await
        .with_context(|| format!("opening the store {}", path.display()))
        .map_err(|error| explained(loaded, error))
}

/// What to do with a damaged database.
pub(super) fn damaged(path: &str) -> String {
    format!(
        "{path} must not be used as it is: put a backup in its place with `baton db restore FILE`, or save what it still gives \
         and read the rest from the CRMs with `baton db rebuild`"
    )
}

/// `error` with what to do, if it says that the database is damaged.
pub(super) fn explained(loaded: &Loaded, error: anyhow::Error) -> anyhow::Error {
    let is_damaged =
        error.chain().any(|cause| matches!(cause.downcast_ref(), Some(crate::store::StoreError::Damaged(_))));
    if is_damaged { error.context(damaged(&loaded.settings.store.display().to_string())) } else { error }
}
