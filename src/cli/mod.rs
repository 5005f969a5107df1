//! Floor 7: the commands, one file each.
//!
//! Exit codes: 0 fine, 1 failed, 2 usage, 78 bad configuration. `--json` answers with the shapes of the API.

mod agreement;
mod audit;
mod check;
mod control;
mod database;
mod demo;
mod explain;
mod forget;
mod init;
mod kin;
mod login;
mod make;
mod notify;
mod order;
mod outbox;
mod output;
mod replay;
mod run;
mod sandbox;
mod schema;
mod setup;
mod status;
mod sync;
mod user;

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
    /// Lets Baton into a CRM account by OAuth: shows the address to open, and keeps the tokens
    Login(login::LoginArgs),
    /// Names the fields, lists and labels that a CRM lacks for Baton to write to; makes them with --apply
    Setup(make::MakeArgs),
    /// Runs the daemon: polls, decides, writes, tells, serves the board
    Run,
    /// Reads everything once, decides, and exits
    Sync(sync::SyncArgs),
    /// Says how Baton is: connections, coverage, open hand-offs, effects
    Status,
    /// Tells a lead's whole story: L-42, an e-mail address, or connection:id
    Explain(explain::ExplainArgs),
    /// Shows what waits for a person (with `writes = "off"`: what would be written), lead by lead, with an id to apply it by
    Plan,
    /// Lets exactly one plan go, as `baton plan` showed it
    Apply(order::ApplyArgs),
    /// Opens hand-offs for leads that were past the bar before the agreement acted; without --yes they are only counted
    Adopt(order::AdoptArgs),
    /// Stops everything, a connection or a team, until it is resumed
    Pause(order::PauseArgs),
    /// Lets go on what was paused
    Resume(order::PauseArgs),
    /// Shows effects and their fate; tries a dead one again, or gives one up
    Outbox(outbox::OutboxArgs),
    /// Tries another agreement on the stored leads
    Agreement(agreement::AgreementArgs),
    /// Proves that nothing in the history was changed
    Audit(audit::AuditArgs),
    /// Makes every kept decision again, and proves that it comes out the same
    Replay(replay::ReplayArgs),
    /// Erases a person: records, texts, names, and the key of their decisions
    Forget(forget::ForgetArgs),
    /// Copies the database while Baton runs
    Backup(database::BackupArgs),
    /// Checks, restores, rebuilds or releases the database
    #[command(name = "db")]
    Database(database::DatabaseArgs),
    /// Joins a lead or record to a lead: they are one person
    Link(kin::LinkArgs),
    /// Takes a record out of its lead: it is somebody else, and stays so
    Unlink(kin::UnlinkArgs),
    /// Shows leads that may be one person, and takes a person's word on them
    Review(kin::ReviewArgs),
    /// Makes the lines of the settings that let somebody use the board: asks for a password, or makes a token
    User(user::UserArgs),
    /// Ends logins to the board, at once
    Logout(user::LogoutArgs),
    /// Tries whether notices arrive
    Notify(notify::NotifyArgs),
    /// Serves the made-up CRMs alone, to try things against
    Sandbox(sandbox::SandboxArgs),
    /// Prints the JSON Schema of a file, for editors that complete and check while one types
    Schema(schema::SchemaArgs),
    /// Prints what a shell completes these commands from
    Completions(schema::CompletionsArgs),
}

/// Runs the command that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = anyhow::Error::from(error).context("starting the runtime");
            return output::failed(&error, cli.common.json);
        }
    };
    let common = cli.common;
    let ended = match cli.command {
        Command::Demo(args) => runtime.block_on(demo::demo(&common, args)),
        Command::Init(args) => init::init(&common, &args),
        Command::Check(args) => runtime.block_on(check::check(&common, &args)),
        Command::Login(args) => runtime.block_on(login::login(&common, args)),
        Command::Setup(args) => runtime.block_on(make::make(&common, &args)),
        Command::Run => runtime.block_on(run::run(&common)),
        Command::Sync(args) => runtime.block_on(sync::sync(&common, args)),
        Command::Status => runtime.block_on(status::status(&common)),
        Command::Explain(args) => runtime.block_on(explain::explain(&common, &args)),
        Command::Plan => runtime.block_on(order::plan(&common)),
        Command::Apply(args) => runtime.block_on(order::apply(&common, args)),
        Command::Adopt(args) => runtime.block_on(order::adopt(&common, args)),
        Command::Pause(args) => runtime.block_on(order::pause(&common, args)),
        Command::Resume(args) => runtime.block_on(order::resume(&common, args)),
        Command::Outbox(args) => runtime.block_on(outbox::outbox(&common, args)),
        Command::Agreement(args) => runtime.block_on(agreement::agreement(&common, args)),
        Command::Audit(args) => runtime.block_on(audit::audit(&common, args)),
        Command::Replay(args) => runtime.block_on(replay::replay(&common, args)),
        Command::Forget(args) => runtime.block_on(forget::forget(&common, args)),
        Command::Backup(args) => runtime.block_on(database::backup(&common, args)),
        Command::Database(args) => runtime.block_on(database::database(&common, args)),
        Command::Link(args) => runtime.block_on(kin::link(&common, args)),
        Command::Unlink(args) => runtime.block_on(kin::unlink(&common, args)),
        Command::Review(args) => runtime.block_on(kin::review(&common, args)),
        Command::User(args) => user::user(&common, &args),
        Command::Logout(args) => runtime.block_on(user::logout(&common, args)),
        Command::Notify(args) => runtime.block_on(notify::notify(&common, args)),
        Command::Sandbox(args) => runtime.block_on(sandbox::sandbox(&common, args)),
        Command::Schema(args) => schema::schema(&args),
        Command::Completions(args) => schema::completions(&args),
    };
    // What still runs has been told to stop; nothing may keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    ended.unwrap_or_else(|error| output::failed(&error, common.json))
}
