//! `baton link`, `unlink` and `review`: who is the same person, by hand.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Common, control, output, setup};
use crate::api::view::PairView;
use crate::engine::command::Command;

/// Pairs that are shown at once.
const ROWS_MAX: usize = 200;

#[derive(Debug, Args)]
pub(super) struct LinkArgs {
    /// A lead (L-42 or an e-mail address), or one record (connection:id)
    what: String,
    /// The lead whose person it is (L-42, an e-mail address, or connection:id). The older open hand-off goes on
    lead: String,
}

#[derive(Debug, Args)]
pub(super) struct UnlinkArgs {
    /// The record that is somebody else, as connection:id. What one link joined leaves together, back to where it was
    record: String,
}

#[derive(Debug, Args)]
pub(super) struct ReviewArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Shows leads that may be one person, and what speaks for it
    List,
    /// They are one person: links them
    Accept {
        /// One of the pair
        lead: String,
        /// The other
        other: String,
    },
    /// They are two people: never asks again, and no rule joins them
    Reject {
        /// One of the pair
        lead: String,
        /// The other
        other: String,
    },
}

pub(super) async fn link(common: &Common, args: LinkArgs) -> anyhow::Result<ExitCode> {
    control::carry_out(common, Command::Link { what: args.what, lead: args.lead }).await
}

pub(super) async fn unlink(common: &Common, args: UnlinkArgs) -> anyhow::Result<ExitCode> {
    control::carry_out(common, Command::Unlink { record: args.record }).await
}

pub(super) async fn review(common: &Common, args: ReviewArgs) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::List => list(common).await,
        Action::Accept { lead, other } => control::carry_out(common, Command::Link { what: other, lead }).await,
        Action::Reject { lead, other } => control::carry_out(common, Command::NotSame { lead, other }).await,
    }
}

async fn list(common: &Common) -> anyhow::Result<ExitCode> {
    let loaded = match setup::load(common) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let store = setup::read_store(&loaded).await?;
    let pairs = crate::api::view::pairs(&store, &setup::rules(&loaded), ROWS_MAX).await?;
    if common.json {
        output::json(&pairs)?;
        return Ok(ExitCode::SUCCESS);
    }
    if pairs.is_empty() {
        output::line("No two leads look like one person.");
        return Ok(ExitCode::SUCCESS);
    }
    pairs.iter().for_each(show);
    output::line("One person: baton review accept LEAD OTHER. Two people: baton review reject LEAD OTHER.");
    Ok(ExitCode::SUCCESS)
}

/// Both side by side, so that a person can tell.
fn show(pair: &PairView) {
    let (evidence, since) = (pair.evidence.join("; "), &pair.since);
    output::line(&format!("{} and {}: {evidence} (since {since})", pair.lead, pair.other));
    let mut table = comfy_table::Table::new();
    table.set_header(["", pair.lead.as_str(), pair.other.as_str(), ""]);
    let cell = |values: &[String]| values.iter().map(|one| output::safe(one)).collect::<Vec<_>>().join("\n");
    for fact in &pair.facts {
        let mark = if fact.is_same { "same" } else { "" };
        table.add_row([fact.fact.to_owned(), cell(&fact.lead), cell(&fact.other), mark.to_owned()]);
    }
    output::line(&format!("{table}\n"));
}
