//! `baton init`: three questions, and a starter agreement, roster and settings to begin with, read-only.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::{Common, output};

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The folder to write into
    #[arg(long, default_value = "config")]
    folder: PathBuf,
    /// Which CRM sales works in: hubspot or odoo
    #[arg(long, value_parser = ["hubspot", "odoo"])]
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
        None => ask("Which CRM does sales work in, hubspot or odoo?", "hubspot")?,
    };
    if sales != "hubspot" && sales != "odoo" {
        output::note(&format!("baton: {sales:?} is no CRM that Baton can start with: write hubspot or odoo"));
        return Ok(ExitCode::from(2));
    }
    let sellers = match args.sellers.as_slice() {
        [] => ask(
            "Who takes leads? E-mail addresses, separated by commas; the first is also the fallback",
            "anna@example.com",
        )?,
        given => given.join(","),
    };
    let sellers: Vec<String> =
        sellers.split(',').map(|one| one.trim().to_lowercase()).filter(|one| !one.is_empty()).collect();
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
    let files = [
        ("agreement.toml", agreement(&sales, hours)),
        ("roster.toml", roster(&sellers)),
        ("baton.toml", settings(&sales)),
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
        write(&args.folder.join(name), text)?;
    }
    let next = format!("baton --config {} check", args.folder.join("baton.toml").display());
    if common.json {
        output::json(
            &serde_json::json!({ "folder": args.folder, "files": files.iter().map(|(name, _)| name).collect::<Vec<_>>(), "next": next }),
        )?;
    } else {
        output::line(&format!("Wrote agreement.toml, roster.toml and baton.toml into {}.", args.folder.display()));
        output::line(&format!(
            "Next: set the token{}, then `{next}`, then `sync`. Nothing is written to a CRM until you say so.",
            if sales == "odoo" { "s HUBSPOT_TOKEN and ODOO_KEY" } else { " HUBSPOT_TOKEN" }
        ));
    }
    Ok(ExitCode::SUCCESS)
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

fn agreement(sales: &str, hours: u32) -> String {
    let to = if sales == "odoo" {
        "to = \"odoo\"                                  # the record is created there if the person is unknown\n"
    } else {
        ""
    };
    include_str!("../../config/starter/agreement.toml")
        .replace("# to = \"odoo\"\n", to)
        .replace("4 business hours", &format!("{hours} business hours"))
}

fn roster(sellers: &[String]) -> String {
    let first = sellers.first().map_or("anna@example.com", String::as_str);
    let members: Vec<String> = sellers.iter().map(|person| format!("  {{ person = \"{person}\" }},")).collect();
    include_str!("../../config/starter/roster.toml")
        .replace("  { person = \"anna@example.com\" },", &members.join("\n"))
        .replace("anna@example.com", first)
}

fn settings(sales: &str) -> String {
    let odoo = "\n[connections.odoo]\nkind = \"odoo\"\nbase_url = \"https://odoo.example.com\"\naccount = \"your-database\"\nauth = { token = { env = \"ODOO_KEY\" } }\n";
    let mut text = include_str!("../../config/starter/baton.toml").to_owned();
    if sales == "odoo" {
        text.push_str(odoo);
    }
    text
}
