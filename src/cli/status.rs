//! `baton status`: how Baton is, from the store, without disturbing the daemon.

use std::process::ExitCode;

use super::{Common, output, setup};
use crate::report::words;

pub(super) async fn status(common: &Common) -> anyhow::Result<ExitCode> {
    let loaded = match setup::load(common) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let store = setup::read_store(&loaded).await?;
    let overview = store.overview().await?;
    let streams = store.streams().await?;
    let findings = store.findings(20).await?;
    let now = crate::clock::Clock::system().now();
    if common.json {
        let streams: Vec<_> = streams
            .iter()
            .map(|stream| {
                serde_json::json!({
                    "stream": format!("{}.{}", stream.connection, stream.stream),
                    "covered_until": stream.covered_until.map(|at| at.to_string()),
                    "error": stream.error,
                })
            })
            .collect();
        let findings: Vec<_> = findings
            .iter()
            .map(|row| serde_json::json!({ "kind": row.kind, "subject": row.subject, "text": row.text }))
            .collect();
        output::json(&serde_json::json!({
            "handoffs_open": overview.open, "handoffs_shadow": overview.shadows, "leads_by_stage": overview.stages,
            "effects_by_state": overview.effects, "streams": streams, "findings": findings,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&format!("Open hand-offs: {} ({} shadows)", overview.open, overview.shadows));
    let stages: Vec<String> = overview.stages.iter().map(|(stage, count)| format!("{stage} {count}")).collect();
    output::line(&format!(
        "Leads: {}",
        if stages.is_empty() { "none decided yet".to_owned() } else { stages.join(", ") }
    ));
    let effects: Vec<String> = overview.effects.iter().map(|(state, count)| format!("{state} {count}")).collect();
    output::line(&format!("Effects: {}", if effects.is_empty() { "none".to_owned() } else { effects.join(", ") }));
    let mut table = comfy_table::Table::new();
    table.set_header(["Stream", "Read until", "Trouble"]);
    for stream in &streams {
        let until = stream.covered_until.map_or_else(
            || "first pass under way".to_owned(),
            |at| format!("{} ago", words::span(now.duration_since(at))),
        );
        table.add_row([
            format!("{}.{}", stream.connection, stream.stream),
            until,
            stream.error.clone().unwrap_or_default(),
        ]);
    }
    output::line(&table.to_string());
    for finding in &findings {
        output::line(&format!("! {}: {}", output::safe(&finding.subject), output::safe(&finding.text)));
    }
    Ok(ExitCode::SUCCESS)
}
