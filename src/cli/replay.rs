//! `baton replay`: every kept decision, made again.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;

use super::{Common, output, setup};
use crate::domain::counted::many;
use crate::engine;

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Only this lead: L-42, an e-mail address, or connection:id
    lead: Option<String>,
    /// Only decisions since this day: 2026-11-24
    #[arg(long, value_name = "DAY")]
    since: Option<Date>,
}

pub(super) async fn replay(common: &Common, args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let loaded = match setup::load(common) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let store = setup::read_store(&loaded).await?;
    let lead = match &args.lead {
        None => None,
        Some(words) => Some(store.find_lead(words).await?.context("no lead is known by that")?),
    };
    let since = match args.since {
        None => Timestamp::MIN,
        Some(day) => day.to_zoned(loaded.settings.zone.clone())?.timestamp(),
    };
    let replayed = engine::replay(&store, lead, since).await?;
    let is_same = replayed.different == 0 && replayed.unreadable == 0;
    if common.json {
        let told: Vec<_> = replayed
            .told
            .iter()
            .map(|one| {
                let (seq, lead, at) = (one.seq, one.lead.to_string(), one.at.to_string());
                serde_json::json!({ "decision": seq, "lead": lead, "at": at, "why": one.why })
            })
            .collect();
        output::json(&serde_json::json!({
            "ok": is_same, "same": replayed.same, "different": replayed.different, "sealed": replayed.sealed,
            "unreadable": replayed.unreadable, "told": told,
        }))?;
    } else {
        output::line(&format!(
            "{} made again: {} came out the same to the byte, {} otherwise, {} could not be made.",
            many(replayed.same + replayed.different + replayed.unreadable, "decision", "decisions"),
            replayed.same,
            replayed.different,
            replayed.unreadable
        ));
        if replayed.sealed > 0 {
            output::line(&format!(
                "{} sealed for ever: who they are about was forgotten, or [retention] decisions is over.",
                many(replayed.sealed, "more is", "more are")
            ));
        }
        for one in &replayed.told {
            output::line(&format!(
                "! decision {} about {} at {}: {}",
                one.seq,
                one.lead,
                one.at,
                output::safe(&one.why)
            ));
        }
    }
    Ok(if is_same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
