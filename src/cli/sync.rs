//! `baton sync`: one pass over everything, then exit.

use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Common, output, setup};
use crate::daemon::{assemble, telemetry};
use crate::domain::counted::many;
use crate::engine::EngineError;

#[derive(Debug, Args)]
pub(super) struct SyncArgs {
    /// Also send what was decided (as far as `writes` and `notices` allow)
    #[arg(long)]
    deliver: bool,
}

pub(super) async fn sync(common: &Common, args: SyncArgs) -> anyhow::Result<ExitCode> {
    let loaded = match setup::load(common) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    telemetry::start(telemetry::Format::of_environment());
    let parts = assemble::assemble(setup::assembly(&loaded)).await?;
    parts.describe_connections().await;
    let bar = if common.json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    bar.set_style(ProgressStyle::with_template("{spinner} {elapsed} {msg}")?);
    let mut totals = (0, 0, 0);
    // One connection that cannot be read is no reason to leave the others unread.
    let mut failed = None;
    for (connection, _) in &parts.polls {
        loop {
            bar.set_message(format!(
                "reading {connection}: {}, {}, {}",
                many(totals.0, "page", "pages"),
                many(totals.1, "object", "objects"),
                many(totals.2, "change", "changes")
            ));
            bar.tick();
            match parts.engine.poll(connection).await {
                Ok(polled) => {
                    totals = (totals.0 + polled.pages, totals.1 + polled.observations, totals.2 + polled.changes);
                    if !polled.has_more {
                        break;
                    }
                }
                Err(EngineError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    failed.get_or_insert(error);
                    break;
                }
            }
        }
    }
    while parts.engine.sweep().await?.has_more {
        bar.tick();
    }
    if args.deliver {
        for (connection, _) in &parts.polls {
            while parts.engine.deliver(connection).await?.claimed > 0 {
                bar.tick();
            }
        }
        while parts.engine.deliver_notices(&parts.client, &parts.channels).await?.claimed > 0 {}
    }
    bar.finish_and_clear();
    let overview = parts.engine.store().overview().await?;
    let unread = parts.engine.unread().await?;
    if common.json {
        let unread: Vec<serde_json::Value> = unread
            .iter()
            .map(|one| serde_json::json!({ "stream": one.stream, "why": one.why, "needed": one.is_needed }))
            .collect();
        output::json(&serde_json::json!({
            "pages": totals.0, "objects": totals.1, "changes": totals.2, "decided": parts.engine.is_live(),
            "leads_by_stage": overview.stages, "handoffs_open": overview.open, "handoffs_shadow": overview.shadows,
            "effects_by_state": overview.effects, "unread": unread,
        }))?;
    } else {
        output::line(&format!(
            "Read {} with {}, {} of them new or changed.",
            many(totals.0, "page", "pages"),
            many(totals.1, "object", "objects"),
            totals.2
        ));
        output::line(&super::status::acting(&loaded, crate::clock::Clock::system().now()));
        let stages: Vec<String> = overview.stages.iter().map(|(stage, count)| format!("{stage} {count}")).collect();
        let stages = if stages.is_empty() { "none yet".to_owned() } else { stages.join(", ") };
        output::line(&format!("Leads: {stages}. {}.", super::status::open_handoffs(&overview)));
        for one in &unread {
            let follows =
                if one.is_needed { "" } else { " Nothing waits for it; nobody is passed over for an open deal." };
            let text = format!("! {} cannot be read: {}.{follows}", output::safe(&one.stream), output::safe(&one.why));
            output::line(&text);
        }
        for finding in parts.engine.store().findings(20).await? {
            output::line(&format!("! {}: {}", output::safe(&finding.subjects()), output::safe(&finding.text)));
        }
    }
    match failed {
        // The answer stands already; a second one would make neither readable.
        Some(error) if common.json => Ok(output::failed(&error.into(), false)),
        Some(error) => Err(error.into()),
        None => Ok(ExitCode::SUCCESS),
    }
}
