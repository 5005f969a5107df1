//! `baton setup`: what a CRM lacks for Baton to write to, named, and made only when asked.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::{Common, output, setup};
use crate::connector::ConnectorError;
use crate::connector::calendars::Calendars;
use crate::connector::requirement::{Ensured, Making, Requirement, State};
use crate::connector::settings::{HandoffPart, ScorePart};
use crate::daemon::online;
use crate::document::choice;
use crate::domain::agreement::Agreement;
use crate::domain::id::ConnectionId;

#[derive(Debug, Args)]
pub(super) struct MakeArgs {
    /// The connection, by its name in the settings
    connection: String,
    /// Make what is missing. Without it nothing is written, only named
    #[arg(long)]
    apply: bool,
}

pub(super) async fn make(common: &Common, args: &MakeArgs) -> anyhow::Result<ExitCode> {
    let loaded = match setup::load(common) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let connectors = online::connectors(&loaded).await?;
    let connector = connectors.iter().map(|(connector, _)| connector).find(|one| one.id().as_str() == args.connection);
    let connector = connector.with_context(|| {
        let names: Vec<&str> = connectors.iter().map(|(known, _)| known.id().as_str()).collect();
        format!("no connection is called {}: there is {}", args.connection, choice(&names))
    })?;
    // Another account than the configured one must not be changed: the look refuses it.
    let account = connector.describe().await.context("looking at the account")?.account;
    let mut found = Vec::new();
    for requirement in requirements(&loaded.agreement) {
        // What is made is named before: who reads along sees it, whatever happens next.
        found.extend(connector.ensure(&requirement, Making::Show).await?.map(|shown| (requirement, shown)));
    }
    if !common.json {
        output::line(&format!("{}: {}", connector.id(), output::safe(&account)));
        found.iter().for_each(|(_, shown)| output::line(&line(shown)));
    }
    let mut failed = None;
    if args.apply {
        for (requirement, shown) in found.iter_mut().filter(|(_, shown)| shown.state == State::Missing) {
            match connector.ensure(requirement, Making::Make).await {
                Ok(Some(made)) => {
                    if !common.json {
                        output::line(&line(&made));
                    }
                    *shown = made;
                }
                Ok(None) => {}
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
    }
    let lines = to_add(found.iter().map(|(_, shown)| shown));
    let (from, to) = online::days_off_asked();
    // A CRM that keeps its hours to itself is no reason to end here.
    let kept = connector.calendars(from, to).await;
    if common.json {
        let shown: Vec<_> = found.iter().map(|(_, shown)| view(shown)).collect();
        output::json(
            &serde_json::json!({ "account": account, "requirements": shown, "add": lines, "calendars": sections(connector.id(), &kept) }),
        )?;
    } else {
        tell_rest(args, found.iter().map(|(_, shown)| shown), &lines);
        tell_calendars(connector.id(), &kept);
    }
    match failed {
        Some(error) => {
            Err(error).context("making what is missing; what was made before stays, and the command can be run again")
        }
        None => Ok(ExitCode::SUCCESS),
    }
}

type Kept = Result<Option<Calendars>, ConnectorError>;

/// The sections of the roster that say what the CRM keeps.
fn sections(connection: &ConnectionId, kept: &Kept) -> Vec<Vec<String>> {
    let Ok(Some(kept)) = kept else { return Vec::new() };
    kept.hours.iter().map(|hours| kept.section(hours, connection)).collect()
}

fn tell_calendars(connection: &ConnectionId, kept: &Kept) {
    match kept {
        Ok(None) => return,
        Ok(Some(kept)) => {
            kept.unread.iter().for_each(|unread| output::line(&format!("Not read: {}", output::safe(unread))))
        }
        Err(error) => {
            output::line(&format!("Its working hours could not be read: {}", output::safe(&error.to_string())))
        }
    }
    let sections = sections(connection, kept);
    if !sections.is_empty() {
        output::line(
            "Its working hours, for the roster. It does not say which days off belong to which: leave out those that do not.",
        );
    }
    sections.iter().flatten().for_each(|line| output::line(&output::safe(line)));
}

/// What an agreement asks of a CRM: the parts of the score and of what a record shows of its hand-off, each track, each reason.
fn requirements(agreement: &Agreement) -> Vec<Requirement> {
    let reasons = agreement.handoff.rejections.keys().cloned().map(Requirement::Reason);
    ScorePart::ALL
        .into_iter()
        .map(Requirement::Score)
        .chain(HandoffPart::ALL.into_iter().map(Requirement::Handoff))
        .chain(agreement.tracks().into_iter().map(Requirement::Track))
        .chain(reasons)
        .collect()
}

fn line(ensured: &Ensured) -> String {
    let what = output::safe(&ensured.what);
    match &ensured.state {
        State::There => format!("  there    {what}"),
        State::Missing => format!("  missing  {what}"),
        State::Made => format!("  made     {what}"),
        State::ByHand(how) => format!("  by hand  {what}: {}", output::safe(how)),
    }
}

fn view(ensured: &Ensured) -> serde_json::Value {
    let how = if let State::ByHand(how) = &ensured.state { Some(how) } else { None };
    serde_json::json!({ "what": ensured.what, "state": ensured.state.as_str(), "by_hand": how })
}

/// The lines that the settings lack, by section, for what is there or was made.
fn to_add<'a>(found: impl Iterator<Item = &'a Ensured>) -> BTreeMap<String, Vec<String>> {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ensured in found.filter(|ensured| matches!(ensured.state, State::There | State::Made)) {
        if let Some((section, line)) = &ensured.line {
            lines.entry(section.clone()).or_default().push(line.clone());
        }
    }
    lines
}

fn tell_rest<'a>(args: &MakeArgs, found: impl Iterator<Item = &'a Ensured>, lines: &BTreeMap<String, Vec<String>>) {
    let missing = found.filter(|ensured| ensured.state == State::Missing).count();
    if missing > 0 {
        output::line(&format!("Nothing was written. To make what is missing: baton setup {} --apply", args.connection));
    }
    if !lines.is_empty() {
        output::line("Add to the settings, so that it is used:");
    }
    for (section, lines) in lines {
        output::line(section);
        lines.iter().for_each(|line| output::line(line));
    }
}
