//! `baton audit verify`: the hash chain, walked from its first link.

use crate::domain::counted::many;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Common, output, setup};

/// What to do with the chain.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Walks the chain, and holds every event, effect, decision and policy against it
    Verify {
        /// A hash that was noted earlier, and must be in the chain: so a chain that was cut or made anew is found
        #[arg(long, value_name = "HASH")]
        holds: Option<String>,
    },
}

pub(super) async fn audit(common: &Common, args: AuditArgs) -> anyhow::Result<ExitCode> {
    let Action::Verify { holds } = args.action;
    let loaded = match setup::load(common) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let store = setup::read_store(&loaded).await?;
    let found = store.verify(holds.as_deref()).await?;
    let is_sound = found.problems.is_empty();
    if common.json {
        output::json(&serde_json::json!({
            "ok": is_sound, "links": found.links, "head": found.head, "events": found.events, "effects": found.effects,
            "decisions": found.decisions, "emptied": found.emptied, "problems": found.problems,
        }))?;
    } else {
        output::line(&format!(
            "{} {}, {} and {}; {} emptied, as the chain says.",
            many(found.links, "link chains", "links chain"),
            many(found.events, "event", "events"),
            many(found.effects, "effect", "effects"),
            many(found.decisions, "whole decision", "whole decisions"),
            many(found.emptied, "row was", "rows were")
        ));
        found.problems.iter().for_each(|problem| output::line(&format!("! {}", output::safe(problem))));
        if is_sound {
            output::line("All of it is as it was chained.");
            output::line(&format!("Head: {}", found.head));
            output::line(
                "Note the head where nobody who can change the database can change it; `--holds` proves it later.",
            );
        }
    }
    Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
