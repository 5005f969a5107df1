//! `baton status`: how Baton is, from the store, without disturbing the daemon.

use std::process::ExitCode;

use jiff::Timestamp;

use super::{Common, output, setup};
use crate::config::Loaded;
use crate::domain::plan::Mode;
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
            "agreement": loaded.agreement.version.to_string(), "effective": loaded.agreement.effective.to_string(),
            "writes": on(loaded.settings.writes), "notices": on(loaded.settings.notices),
            "handoffs_open": overview.open, "handoffs_shadow": overview.shadows, "leads_by_stage": overview.stages,
            "effects_by_state": overview.effects, "notices_possibly_repeated": overview.possible_repeats,
            "streams": streams, "findings": findings,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&acting(&loaded, now));
    output::line(&format!("Open hand-offs: {} ({} shadows)", overview.open, overview.shadows));
    let stages: Vec<String> = overview.stages.iter().map(|(stage, count)| format!("{stage} {count}")).collect();
    output::line(&format!(
        "Leads: {}",
        if stages.is_empty() { "none decided yet".to_owned() } else { stages.join(", ") }
    ));
    let effects: Vec<String> = overview.effects.iter().map(|(state, count)| format!("{state} {count}")).collect();
    output::line(&format!("Effects: {}", if effects.is_empty() { "none".to_owned() } else { effects.join(", ") }));
    if overview.possible_repeats > 0 {
        output::line(&format!("Notices that may have arrived twice, marked as such: {}", overview.possible_repeats));
    }
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

/// Which agreement acts since when, and what Baton may do: what explains why there is no hand-off.
pub(super) fn acting(loaded: &Loaded, now: Timestamp) -> String {
    let agreement = &loaded.agreement;
    let (version, from) = (&agreement.version, words::instant(agreement.effective, &loaded.settings.zone));
    let (writes, notices) = (on(loaded.settings.writes), on(loaded.settings.notices));
    let since = if agreement.effective > now {
        format!("acts only from {from} on; until then everybody is only watched")
    } else {
        format!("acts since {from}; whoever was past the bar before is only watched")
    };
    format!("Agreement {version} {since}. Writes {writes}, notices {notices}.")
}

fn on(mode: Mode) -> &'static str {
    if mode == Mode::On { "on" } else { "off" }
}
