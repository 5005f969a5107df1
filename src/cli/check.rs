//! `baton check`: every problem of every file at once.

use std::process::ExitCode;

use clap::Args;

use super::{Common, output, setup};

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
}

#[expect(clippy::unnecessary_wraps, reason = "every command answers alike")]
pub(super) fn check(common: &Common, args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let (problems, loaded) = setup::read(common);
    let is_bad = loaded.is_none() || (args.strict && !problems.list().is_empty());
    setup::show(common, &problems, !is_bad);
    if is_bad {
        return Ok(ExitCode::from(output::BAD_CONFIGURATION));
    }
    if !common.json {
        output::line("The files are in order, and the agreement's examples hold.");
    }
    Ok(ExitCode::SUCCESS)
}
