//! Floor 7: the commands, one file each.
//!
//! Exit codes: 0 fine, 1 failed, 2 usage, 78 bad configuration. `--json` answers with the shapes of the API.

mod check;
mod control;
mod demo;
mod explain;
mod init;
mod outbox;
mod output;
mod run;
mod sandbox;
mod setup;
mod status;
mod sync;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// The agreement between marketing and sales, kept.
#[derive(Debug, Parser)]
#[command(
    name = "baton",
    version,
    about,
    long_about = "Baton reads your CRMs, gives every qualified lead an owner and a \
clock, warns before a promise is missed, and returns to marketing what sales gives back. It writes nothing and tells \
nobody until `writes` and `notices` are turned on."
)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// The settings [default: baton.toml, else config/baton.toml]
    #[arg(long, global = true, value_name = "FILE", env = "BATON_CONFIG")]
    config: Option<PathBuf>,
    /// Answer as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows everything with made-up CRMs: a company that lives, the daemon, the board. Needs no settings
    Demo(demo::DemoArgs),
    /// Asks three questions and writes a starter agreement, roster and settings
    Init(init::InitArgs),
    /// Finds every problem in all files at once, and runs the agreement's own examples
    Check(check::CheckArgs),
    /// Runs the daemon: polls, decides, writes, tells, serves the board
    Run,
    /// Reads everything once, decides, and exits
    Sync(sync::SyncArgs),
    /// Says how Baton is: connections, coverage, open hand-offs, effects
    Status,
    /// Tells a lead's whole story: L-42, an e-mail address, or connection:id
    Explain(explain::ExplainArgs),
    /// Shows effects and their fate; tries a dead one again, or gives one up
    Outbox(outbox::OutboxArgs),
    /// Serves the made-up CRMs alone, to try things against
    Sandbox(sandbox::SandboxArgs),
}

/// Runs the command that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::failed(&anyhow::Error::from(error).context("starting the runtime")),
    };
    let common = cli.common;
    let ended = match cli.command {
        Command::Demo(args) => runtime.block_on(demo::demo(&common, args)),
        Command::Init(args) => init::init(&common, &args),
        Command::Check(args) => check::check(&common, &args),
        Command::Run => runtime.block_on(run::run(&common)),
        Command::Sync(args) => runtime.block_on(sync::sync(&common, args)),
        Command::Status => runtime.block_on(status::status(&common)),
        Command::Explain(args) => runtime.block_on(explain::explain(&common, &args)),
        Command::Outbox(args) => runtime.block_on(outbox::outbox(&common, args)),
        Command::Sandbox(args) => runtime.block_on(sandbox::sandbox(&common, args)),
    };
    // What still runs has been told to stop; nothing may keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    ended.unwrap_or_else(|error| output::failed(&error))
}
