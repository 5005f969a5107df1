//! `baton status`: how Baton is, from the store, without disturbing the daemon.

use std::process::ExitCode;

use jiff::Timestamp;

use super::{Common, output, setup};
use crate::api::view;
use crate::config::Loaded;
use crate::daemon::control;
use crate::domain::counted::many;
use crate::domain::patrol::Round;
use crate::engine::command::{paused_data, paused_words};
use crate::engine::pause::paused_in;
use crate::report::words;
use crate::store::Overview;

pub(super) async fn status(common: &Common) -> anyhow::Result<ExitCode> {
    let loaded = match setup::load(common) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let store = setup::read_store(&loaded).await?;
    let overview = store.overview().await?;
    let streams = store.streams().await?;
    let findings = store.findings(20).await?;
    let (marks, still_shown) = store.marks_counted().await?;
    let held = store.held().await?;
    let pairs = store.pairs_count().await?;
    let rounds = store.rounds().await?;
    let repairs = store.repairs().await?;
    let now = crate::clock::Clock::system().now();
    let waiting = view::waiting(&store).await?;
    let paused = paused_in(&store).await?;
    let quiet = store.notices_held(now).await?;
    let running = control::is_running(&control::socket_of(&loaded.settings.store)).await;
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
        let patrol: Vec<_> = rounds
            .iter()
            .map(|round| {
                serde_json::json!({
                    "stream": format!("{}.{}", round.connection, round.stream),
                    "percent": percent(round),
                    "whole_at": round.whole_at.map(|at| at.to_string()),
                    "halted": round.halted.as_ref().map(|(_, why)| why),
                })
            })
            .collect();
        let repairs: Vec<_> = repairs
            .iter()
            .map(|repair| {
                serde_json::json!({
                    "connection": repair.connection.as_str(), "stream": repair.stream.as_str(),
                    "cause": repair.cause.as_str(), "total": repair.total, "last_at": repair.last_at.to_string(),
                })
            })
            .collect();
        let findings: Vec<_> = findings
            .iter()
            .map(|row| serde_json::json!({ "kind": row.kind, "subject": row.subject, "others": row.others, "text": row.text }))
            .collect();
        output::json(&serde_json::json!({
            "running": running,
            "agreement": loaded.agreement.version.to_string(), "effective": loaded.agreement.effective.to_string(),
            "writes": loaded.settings.writes.as_str(), "notices": loaded.settings.notices.as_str(),
            "handoffs_open": overview.open, "handoffs_shadow": overview.shadows, "leads_by_stage": overview.stages,
            "effects_by_state": overview.effects, "notices_possibly_repeated": overview.possible_repeats,
            "held": held, "notices_held": quiet, "forgotten_marks": marks, "forgotten_still_shown": still_shown,
            "waiting": waiting, "paused": paused_data(&paused), "streams": streams, "patrol": patrol, "repairs": repairs,
            "findings": findings, "pairs_to_review": pairs,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if running == Some(false) {
        output::line(
            "No Baton runs: nothing is read, decided or sent until `baton run`. What follows is how it was left.",
        );
    }
    output::line(&acting(&loaded, now));
    output::line(&open_handoffs(&overview));
    let stages: Vec<String> = overview.stages.iter().map(|(stage, count)| format!("{stage} {count}")).collect();
    output::line(&format!(
        "Leads: {}",
        if stages.is_empty() { "none decided yet".to_owned() } else { stages.join(", ") }
    ));
    let effects: Vec<String> = overview.effects.iter().map(|(state, count)| format!("{state} {count}")).collect();
    output::line(&format!("Effects: {}", if effects.is_empty() { "none".to_owned() } else { effects.join(", ") }));
    for waiting in &waiting {
        output::line(&format!(
            "Waiting for a person: {} to {} for {} ({}); see `baton plan`",
            many(waiting.effects, "effect", "effects"),
            waiting.connection,
            many(waiting.leads, "lead", "leads"),
            waiting.hold
        ));
    }
    if let Some(words) = paused_words(&paused) {
        output::line(&format!("Paused by a person: {words}; `baton resume` lets it go on"));
    }
    if overview.possible_repeats > 0 {
        output::line(&format!("Notices that may have arrived twice, marked as such: {}", overview.possible_repeats));
    }
    if still_shown > 0 {
        output::line(&format!(
            "Records and addresses of forgotten people that a CRM still shows: {still_shown} of {marks}. Delete them there; here \
             they are passed over."
        ));
    }
    if pairs > 0 {
        output::line(&format!("Pairs of leads that may be one person: {pairs} (baton review list)"));
    }
    if quiet > 0 {
        output::line(&format!("Notices that wait for the end of quiet hours: {quiet}"));
    }
    let mut table = comfy_table::Table::new();
    table.set_header(["Stream", "Read until", "All read again", "Trouble"]);
    for stream in &streams {
        let until = stream.covered_until.map_or_else(
            || "first pass under way".to_owned(),
            |at| format!("{} ago", words::span(now.duration_since(at))),
        );
        let round = rounds.iter().find(|round| round.connection == stream.connection && round.stream == stream.stream);
        let round = round.filter(|round| round.expected > 0 || round.whole_at.is_some());
        let again = round.map_or_else(String::new, |round| match round.whole_at {
            Some(at) => format!("{} ago", words::span(now.duration_since(at))),
            None => format!("{} % of the first round", percent(round)),
        });
        let halted = round.and_then(|round| round.halted.as_ref()).map(|(_, why)| why.clone());
        table.add_row([
            format!("{}.{}", stream.connection, stream.stream),
            until,
            again,
            stream.error.clone().or(halted).unwrap_or_default(),
        ]);
    }
    output::line(&table.to_string());
    for repair in &repairs {
        output::line(&format!(
            "Repaired by the patrol on {}.{}: {} {}, the last {} ago",
            repair.connection,
            repair.stream,
            repair.total,
            repair.cause.words(),
            words::span(now.duration_since(repair.last_at))
        ));
    }
    for finding in &findings {
        output::line(&format!("! {}: {}", output::safe(&finding.subjects()), output::safe(&finding.text)));
    }
    Ok(ExitCode::SUCCESS)
}

/// How many hand-offs are open, and what is known of none but Baton among them.
pub(super) fn open_handoffs(overview: &Overview) -> String {
    format!("Open hand-offs: {} ({})", overview.open, many(overview.shadows, "shadow", "shadows"))
}

/// Which agreement acts since when, and what Baton may do: what explains why there is no hand-off.
pub(super) fn acting(loaded: &Loaded, now: Timestamp) -> String {
    let agreement = &loaded.agreement;
    let (version, from) = (&agreement.version, words::instant(agreement.effective, &loaded.settings.zone));
    let (writes, notices) = (loaded.settings.writes.as_str(), loaded.settings.notices.as_str());
    let since = if agreement.effective > now {
        format!("acts only from {from} on; until then everybody is only watched")
    } else {
        format!("acts since {from}; whoever was past the bar before is only watched")
    };
    format!("Agreement {version} {since}. Writes {writes}, notices {notices}.")
}

/// How much of the round under way the patrol has passed.
fn percent(round: &Round) -> u64 {
    (round.seen * 100 / round.expected.max(1)).min(100)
}
