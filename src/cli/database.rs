//! `baton backup` and `baton db`: the database's file as a whole.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::{Common, control, output, setup};
use crate::config::Loaded;
use crate::domain::counted::many;
use crate::engine::command::Command;
use crate::store::Store;

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// Where to; must not be there yet
    file: PathBuf,
}

/// What to do with the database.
#[derive(Debug, Args)]
pub(super) struct DatabaseArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Looks through the whole file for damage
    Check,
    /// Puts a backup in the database's place; nothing is sent until `baton db release`
    Restore {
        /// The backup
        file: PathBuf,
    },
    /// Saves what a damaged file still gives into a new one, and lets the rest be read from the CRMs
    Rebuild,
    /// Lets Baton send again after a restore, a copy or a rebuild, once every stream was read
    Release {
        /// Even though streams were not read since
        #[arg(long)]
        force: bool,
    },
}

pub(super) async fn backup(common: &Common, args: BackupArgs) -> anyhow::Result<ExitCode> {
    let loaded = match setup::load(common) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let store = setup::read_store(&loaded).await?;
    let shown = args.file.display().to_string();
    let made = store.backup(&args.file).await.with_context(|| format!("backing up to {shown}"))?;
    if common.json {
        output::json(&serde_json::json!({
            "file": shown, "bytes": made.bytes, "links": made.links, "head": made.head,
        }))?;
    } else {
        output::line(&format!(
            "{shown}: {} bytes, checked. Its chain has {}; head {}",
            made.bytes,
            many(made.links, "link", "links"),
            made.head
        ));
        output::line("It holds personal data and is readable by you alone. Put it back with `baton db restore`.");
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn database(common: &Common, args: DatabaseArgs) -> anyhow::Result<ExitCode> {
    let loaded = match setup::load(common) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    match args.action {
        Action::Check => check(common, &loaded).await,
        Action::Restore { file } => restore(common, &loaded, &file).await,
        Action::Rebuild => rebuild(common, &loaded).await,
        Action::Release { force } => control::carry_out(common, Command::Release { is_forced: force }).await,
    }
}

async fn check(common: &Common, loaded: &Loaded) -> anyhow::Result<ExitCode> {
    let store = setup::read_store(loaded).await?;
    store.check_integrity().await.map_err(|error| setup::explained(loaded, error.into()))?;
    let held = store.held().await?;
    let shown = loaded.settings.store.display().to_string();
    if common.json {
        output::json(&serde_json::json!({ "ok": true, "file": shown, "held": held }))?;
    } else {
        output::line(&format!("{shown} is sound."));
        held.iter().for_each(|reason| output::line(&format!("! Nothing is sent: {reason}. See `baton db release`.")));
    }
    Ok(ExitCode::SUCCESS)
}

async fn restore(common: &Common, loaded: &Loaded, file: &Path) -> anyhow::Result<ExitCode> {
    let path = &loaded.settings.store;
    let moved = Store::restore(path, file).await.with_context(|| format!("restoring {}", file.display()))?;
    let moved = moved.map(|moved| moved.display().to_string());
    if common.json {
        output::json(&serde_json::json!({ "restored": path.display().to_string(), "moved_to": moved }))?;
    } else {
        output::line(&format!("{} is the backup now.", path.display()));
        moved.iter().for_each(|moved| output::line(&format!("What stood there is {moved}.")));
        output::line("Baton will read and decide, and send nothing. Once it has caught up: `baton db release`.");
    }
    Ok(ExitCode::SUCCESS)
}

async fn rebuild(common: &Common, loaded: &Loaded) -> anyhow::Result<ExitCode> {
    let path = &loaded.settings.store;
    anyhow::ensure!(path.exists(), "there is no store at {}", path.display());
    let saved = Store::rebuild(path, &loaded.settings.workspace).await.context("building the database anew")?;
    let moved = saved.moved_to.display().to_string();
    if common.json {
        let rows: serde_json::Map<String, serde_json::Value> =
            saved.rows.iter().map(|(table, rows)| (table.clone(), (*rows).into())).collect();
        output::json(&serde_json::json!({ "rows": rows, "lost": saved.lost, "moved_to": moved }))?;
    } else {
        for (table, rows) in saved.rows.iter().filter(|(_, rows)| *rows > 0) {
            output::line(&format!("  {rows:>9}  {table}"));
        }
        output::line(&format!(
            "saved; {} could not be read. The damaged file is {moved}.",
            many(saved.lost, "row number", "row numbers")
        ));
        output::line("`baton run` reads everything from the CRMs again and sends nothing. Then: `baton db release`.");
    }
    Ok(ExitCode::SUCCESS)
}
