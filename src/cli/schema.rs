//! `baton schema` and `baton completions`: what editors and shells complete from.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, ValueEnum};

use super::{Cli, output};
use crate::agreement;
use crate::config;

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Which file
    #[arg(value_enum)]
    file: File,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum File {
    /// agreement.toml: what both teams signed
    Agreement,
    /// roster.toml: teams, people, calendars
    Roster,
    /// baton.toml: the deployment
    Baton,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

impl File {
    const ALL: [(&str, Self); 3] =
        [("agreement.json", Self::Agreement), ("roster.json", Self::Roster), ("baton.json", Self::Baton)];

    fn schema(self) -> serde_json::Value {
        match self {
            Self::Agreement => agreement::shape::agreement().json_schema("Baton's agreement"),
            Self::Roster => agreement::shape::roster().json_schema("Baton's roster"),
            Self::Baton => config::shape::settings().json_schema("Baton's settings"),
        }
    }
}

/// Prints the JSON Schema of a file.
pub(super) fn schema(args: &SchemaArgs) -> anyhow::Result<ExitCode> {
    output::json(&args.file.schema())?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the schemas of all files into `folder`.
pub(super) fn write_all(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    for (name, file) in File::ALL {
        let path = folder.join(name);
        let text = serde_json::to_string_pretty(&file.schema())?;
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Prints what a shell completes commands from.
#[expect(clippy::unnecessary_wraps, reason = "every command answers alike")]
pub(super) fn completions(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "baton", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end());
    Ok(ExitCode::SUCCESS)
}
