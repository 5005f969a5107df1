//! `baton init`: three questions, and a starter agreement, roster and settings to begin with, read-only.

use crate::domain::counted::many;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::{Common, output, schema};

/// The CRMs that sales may work in.
const SALES: [&str; 4] = ["hubspot", "odoo", "salesforce", "pipedrive"];

/// The times to answer a lead in, in business hours: to a month of them.
const HOURS: std::ops::RangeInclusive<u32> = 1..=200;

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The folder to write into
    #[arg(long, default_value = "config")]
    folder: PathBuf,
    /// Which CRM sales works in: hubspot, odoo, salesforce or pipedrive
    #[arg(long, value_parser = SALES)]
    sales: Option<String>,
    /// Who sells, as e-mail addresses
    #[arg(long, value_delimiter = ',')]
    sellers: Vec<String>,
    /// Within how many business hours a lead is answered
    #[arg(long)]
    hours: Option<u32>,
}

pub(super) fn init(common: &Common, args: &InitArgs) -> anyhow::Result<ExitCode> {
    let sales = match &args.sales {
        Some(sales) => sales.clone(),
        None => ask("Which CRM does sales work in: hubspot, odoo, salesforce or pipedrive?", "hubspot")?,
    };
    if !SALES.contains(&sales.as_str()) {
        output::note(&format!(
            "baton: {sales:?} is no CRM that Baton can start with: write hubspot, odoo, salesforce or pipedrive"
        ));
        return Ok(ExitCode::from(2));
    }
    let sellers = match args.sellers.as_slice() {
        [] => ask(
            "Who takes leads? E-mail addresses, separated by commas; the first is also the fallback",
            "anna@example.com",
        )?,
        given => given.join(","),
    };
    let mut sellers: Vec<String> =
        sellers.split(',').map(|one| one.trim().to_lowercase()).filter(|one| !one.is_empty()).collect();
    let mut seen = std::collections::HashSet::new();
    sellers.retain(|one| seen.insert(one.clone()));
    if sellers.is_empty() {
        output::note("baton: nobody takes leads: name at least one, as in --sellers anna@example.com");
        return Ok(ExitCode::from(2));
    }
    if let Some(wrong) = sellers.iter().find(|one| !one.contains('@')) {
        output::note(&format!("baton: {wrong:?} is no e-mail address"));
        return Ok(ExitCode::from(2));
    }
    let hours = match args.hours {
        Some(hours) => hours,
        None => ask("Within how many business hours is a lead answered?", "4")?
            .parse()
            .context("reading the number of hours: write a whole number, such as 4")?,
    };
    if !HOURS.contains(&hours) {
        output::note(&format!(
            "baton: {} no time to answer a lead in: write 1 to {}",
            many(hours, "business hour is", "business hours are"),
            HOURS.end()
        ));
        return Ok(ExitCode::from(2));
    }
    let zone = zone_here();
    // It acts from today on: whoever was past the bar before is only watched.
    let here = jiff::tz::TimeZone::get(&zone).context("reading this machine's time zone")?;
    let today = crate::clock::Clock::system().now().to_zoned(here).date().to_string();
    let files = [
        ("agreement.toml", agreement(&sales, hours, &today)),
        ("roster.toml", roster(&sellers, &zone)),
        ("baton.toml", settings(&sales, &zone)),
    ];
    for (name, _) in &files {
        let path = args.folder.join(name);
        if path.exists() {
            output::note(&format!(
                "baton: {} exists and is left alone; move it away, or name another --folder",
                path.display()
            ));
            return Ok(ExitCode::from(1));
        }
    }
    std::fs::create_dir_all(&args.folder).with_context(|| format!("making {}", args.folder.display()))?;
    for (name, text) in &files {
        write(&args.folder.join(name), &format!("{}{text}", schema_line(name)))?;
    }
    schema::write_all(&args.folder.join(SCHEMAS))?;
    // Where Baton looks by itself.
    let is_found = ["config", "."].iter().any(|folder| args.folder == Path::new(folder));
    let config =
        if is_found { String::new() } else { format!(" --config {}", args.folder.join("baton.toml").display()) };
    let next = format!("baton check{config}");
    if common.json {
        output::json(
            &serde_json::json!({ "folder": args.folder, "files": files.iter().map(|(name, _)| name).collect::<Vec<_>>(), "next": next }),
        )?;
    } else {
        output::line(&format!("Wrote agreement.toml, roster.toml and baton.toml into {}.", args.folder.display()));
        output::line(&format!("Leads go to {}. The agreement acts from {today} on, in {zone}.", sellers.join(", ")));
        let steps = match sales.as_str() {
            "odoo" => "put the address and database of your Odoo into baton.toml and set HUBSPOT_TOKEN and ODOO_KEY",
            "salesforce" => {
                "put consumer key, username and My Domain of your org into baton.toml, the private key into salesforce.pem beside it, and \
                 set HUBSPOT_TOKEN"
            }
            "pipedrive" => {
                "put the address of your Pipedrive into baton.toml and set HUBSPOT_TOKEN and PIPEDRIVE_TOKEN"
            }
            _ => "set HUBSPOT_TOKEN",
        };
        output::line(&format!(
            "Next: {steps}; then `{next}`, then `baton sync{config}`. Nothing is written to a CRM until you say so."
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The folder, beside the files, of the schemas that editors complete from.
const SCHEMAS: &str = "schema";

/// The line by which editors (those with taplo in them) find a file's schema.
fn schema_line(file: &str) -> String {
    format!("#:schema {SCHEMAS}/{}\n", file.replace(".toml", ".json"))
}

/// Asks on a terminal; without one the default stands.
fn ask(question: &str, default: &str) -> anyhow::Result<String> {
    if !std::io::stdin().is_terminal() {
        return Ok(default.to_owned());
    }
    let mut out = std::io::stderr();
    write!(out, "{question} [{default}] ").context("asking")?;
    out.flush().context("asking")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("reading the answer")?;
    let answer = answer.trim();
    Ok(if answer.is_empty() { default.to_owned() } else { answer.to_owned() })
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

fn agreement(sales: &str, hours: u32, today: &str) -> String {
    let comment = "# the record is created there if the person is unknown";
    let to = match sales {
        "odoo" | "pipedrive" | "salesforce" => format!("{:<46} {comment}\n", format!("to = {sales:?}")),
        _ => String::new(),
    };
    let time = many(hours, "business hour", "business hours");
    include_str!("../../config/starter/agreement.toml")
        .replace("# to = \"odoo\"\n", &to)
        .replace("2026-12-01", today)
        .replace("4 business hours", &time)
}

fn roster(sellers: &[String], zone: &str) -> String {
    let first = sellers.first().map_or("anna@example.com", String::as_str);
    let members: Vec<String> = sellers.iter().map(|person| format!("  {{ person = \"{person}\" }},")).collect();
    include_str!("../../config/starter/roster.toml")
        .replace("  { person = \"anna@example.com\" },", &members.join("\n"))
        .replace("anna@example.com", first)
        .replace("Europe/Berlin", zone)
}

fn settings(sales: &str, zone: &str) -> String {
    let mut text = include_str!("../../config/starter/baton.toml").replace("Europe/Berlin", zone);
    match sales {
        "odoo" => text.push_str(include_str!("../../config/starter/odoo.toml")),
        "salesforce" => text.push_str(include_str!("../../config/starter/salesforce.toml")),
        "pipedrive" => text.push_str(include_str!("../../config/starter/pipedrive.toml")),
        _ => {}
    }
    text
}

/// The zone of this machine by its name, where it has one.
fn zone_here() -> String {
    jiff::tz::TimeZone::system().iana_name().unwrap_or("UTC").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    /// What `check` says of the files that `init` writes.
    fn told(sales: &str, hours: u32, zone: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let sellers = ["anna@example.com".to_owned(), "ben@example.com".to_owned()];
        for (name, text) in [
            ("agreement.toml", agreement(sales, hours, "2026-11-24")),
            ("roster.toml", roster(&sellers, zone)),
            ("baton.toml", settings(sales, zone)),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let variables = [("HUBSPOT_TOKEN", "t"), ("ODOO_KEY", "k"), ("PIPEDRIVE_TOKEN", "p")];
        let pem = folder.path().join("salesforce.pem");
        std::fs::write(&pem, "a key").unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&pem, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let args = config::Args {
            file: Some(folder.path().join("baton.toml")),
            agreement: None,
            variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        let problems = match config::load(&args) {
            Ok(loaded) => loaded.warnings,
            Err(problems) => problems,
        };
        problems.list().into_iter().map(|problem| problem.message).collect()
    }

    #[test]
    fn every_reason_of_the_starter_has_words_in_the_crm_of_sales() {
        let agreement: toml::Table = agreement("odoo", 4, "2026-11-24").parse().unwrap();
        for sales in ["odoo", "salesforce", "pipedrive"] {
            let settings: toml::Table = settings(sales, "UTC").parse().unwrap();
            let words = &settings["connections"][sales]["reasons"];
            for (reason, _) in agreement["handoff"]["rejections"].as_table().unwrap() {
                assert!(words.get(reason).is_some(), "{sales} has no words for {reason}");
            }
        }
    }

    #[test]
    fn the_starter_lacks_nothing_but_the_signatures() {
        for sales in SALES {
            for hours in [1, 4] {
                for zone in ["Europe/Berlin", "UTC", "America/New_York"] {
                    assert_eq!(told(sales, hours, zone), ["neither marketing nor sales has signed"], "{sales} {hours}");
                }
            }
        }
    }
}
