//! `baton agreement diff`: another agreement, tried on the leads that are stored. `apply`: the one in force, for what runs.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::SignedDuration;

use super::{Common, control, output, setup};
use crate::clock::Clock;
use crate::config;
use crate::domain::agreement::Agreement;
use crate::domain::counted::many;
use crate::domain::id::LeadId;
use crate::engine;
use crate::engine::command::Command;
use crate::report::compare::{Comparison, Touched, lines_changed};

/// Leads that are read at once.
const AT_ONCE: usize = 500;
/// Touches of older hand-offs make no difference to any rule.
const TOUCHES_BACK: SignedDuration = SignedDuration::from_hours(24);

/// What to do with the agreement.
#[derive(Debug, Args)]
pub(super) struct AgreementArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Moves running hand-offs to the agreement in force; shows old and new deadlines first
    Apply(ApplyArgs),
    /// Shows what another agreement changes, and for how many of the leads that moved lately
    Diff {
        /// The other agreement
        file: PathBuf,
        /// Only leads with a record that changed within so many days
        #[arg(long, default_value_t = 30, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(1..=3650))]
        days: i64,
    },
}

/// A new agreement acts on new turns by itself; this is for turns that run.
#[derive(Debug, Args)]
struct ApplyArgs {
    /// The hand-offs that run: what the agreement acts on by itself needs no command
    #[arg(long, required = true)]
    running: bool,
    /// Also those of which something would be overdue at once
    #[arg(long)]
    overdue: bool,
    /// Do it; without this they are only shown
    #[arg(long)]
    yes: bool,
}

pub(super) async fn agreement(common: &Common, args: AgreementArgs) -> anyhow::Result<ExitCode> {
    let (file, days) = match args.action {
        Action::Diff { file, days } => (file, days),
        Action::Apply(ApplyArgs { running, overdue, yes }) => {
            anyhow::ensure!(running, "say --running: an agreement acts on what is new by itself");
            return control::carry_out(common, Command::Retime { with_overdue: overdue, yes }).await;
        }
    };
    let present = match setup::load(common) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let mut other = config::Args::from_environment(common.config.clone());
    other.agreement = Some(file.clone());
    let other = match config::load(&other) {
        Ok(loaded) => loaded,
        Err(problems) => {
            setup::show(common, &problems, false);
            return Ok(ExitCode::from(output::BAD_CONFIGURATION));
        }
    };
    let store = setup::read_store(&present).await?;
    let now = Clock::system().now();
    let since = now - SignedDuration::from_hours(24 * days);
    let directory = engine::directory_of(&store, &present.roster).await.context("reading the store")?;
    let both: [&Arc<Agreement>; 2] = [&present.agreement, &other.agreement];
    let mut found = Comparison::default();
    let mut after = LeadId(0);
    loop {
        let leads = store.leads_after(after, AT_ONCE).await?;
        let Some(last) = leads.last() else { break };
        after = *last;
        let mut cases = store.cases(&leads, now - TOUCHES_BACK).await?;
        store.count_colleagues(&mut cases).await?;
        for mut case in cases {
            if case.records.iter().any(|record| record.is_live() && record.modified >= since) {
                if let Some(company) = case.company.as_mut() {
                    let owner = company.record.owner.as_ref();
                    let connection = &company.record.of.connection;
                    company.owner = owner.and_then(|owner| directory.person(connection, owner)).cloned();
                }
                found.add(now, &case, both.map(|one| &**one), &present.roster, &present.settings.zone);
            }
        }
    }
    let lines = lines_changed(present.texts.agreement(), other.texts.agreement());
    let names = [both[0].version.to_string(), both[1].version.to_string()];
    show(common, &names, &lines, &found, days)?;
    Ok(ExitCode::SUCCESS)
}

fn show(
    common: &Common,
    [present, other]: &[String; 2],
    lines: &[String],
    found: &Comparison,
    days: i64,
) -> anyhow::Result<()> {
    let parts: [(&str, &Touched); 4] = [
        ("gained", &found.gained),
        ("lost", &found.lost),
        ("regraded", &found.regraded),
        ("rerouted", &found.rerouted),
    ];
    if common.json {
        let mut data = serde_json::json!({
            "present": present, "other": other, "days": days, "leads": found.leads, "different": found.different,
            "doubt": found.doubt(), "lines": lines,
        });
        for (name, touched) in parts {
            let leads: Vec<String> = touched.leads.iter().map(ToString::to_string).collect();
            data[name] = serde_json::json!({ "count": touched.count, "leads": leads });
        }
        return output::json(&data);
    }
    output::line(&format!("Agreement {present}, and {other} instead:"));
    lines.iter().for_each(|line| output::line(&format!("  {}", output::safe(line))));
    output::line(&format!(
        "Tried on {} that moved within {}; for {} of them something is different.",
        many(found.leads, "lead", "leads"),
        many(days, "day", "days"),
        found.different
    ));
    for ((_, touched), text) in parts.into_iter().zip([
        "more would pass the bar",
        "fewer would pass the bar; who was handed over stays so",
        "get another grade",
        "are claimed by another routing rule",
    ]) {
        if touched.count > 0 {
            let leads: Vec<String> = touched.leads.iter().map(ToString::to_string).collect();
            let more = if touched.count > leads.len() as u64 { ", ..." } else { "" };
            output::line(&format!("  {:>6}  {text}: {}{more}", touched.count, leads.join(", ")));
        }
    }
    found.doubt().iter().for_each(|doubt| output::line(&format!("! {doubt}")));
    Ok(())
}
