//! `baton notify test`: tries whether notices arrive, by the road that they take.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use super::{Common, control, output, setup};
use crate::config::Loaded;
use crate::daemon::assemble;
use crate::daemon::control::{self as socket, Reply};
use crate::domain::id::{Name, OperationId};
use crate::engine::command::{Answer, Asked, Command};
use crate::store::{EffectRow, Store};

/// How long the daemon is given to send a test.
const WAIT_MAX: Duration = Duration::from_secs(90);
/// How often it is asked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What to do with notices.
#[derive(Debug, Args)]
pub(super) struct NotifyArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Sends a marked test notice, and says what became of it
    Test {
        /// A channel (slack.dach), a person of the roster (a.lang@example.com), or both (email.main/a.lang@example.com)
        /// [default: every channel]
        target: Option<String>,
    },
}

/// A test and what became of it.
#[derive(Debug, Serialize)]
struct Outcome {
    to: String,
    op: String,
    state: String,
    message: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Tested {
    to: String,
    op: String,
}

pub(super) async fn notify(common: &Common, args: NotifyArgs) -> anyhow::Result<ExitCode> {
    let Action::Test { target } = args.action;
    let loaded = match setup::load(common) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let asked = Asked { by: control::login(), command: Command::TestNotice { target } };
    let path = socket::socket_of(&loaded.settings.store);
    let reply = socket::ask(&path, &asked).await;
    let outcomes = match reply.with_context(|| format!("asking the daemon over {}", path.display()))? {
        Some(Reply::Done(answer)) => watch(&loaded, &answer).await?,
        Some(Reply::Refused(message) | Reply::Failed(message)) => anyhow::bail!(message),
        None => alone(&loaded, &asked).await?,
    };
    if common.json {
        output::json(&serde_json::json!({ "tests": outcomes }))?;
    } else {
        outcomes.iter().for_each(tell);
    }
    let all = outcomes.iter().all(|outcome| outcome.state == "done");
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn tell(outcome: &Outcome) {
    let id: String = outcome.op.chars().take(8).collect();
    let why = outcome.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    let line = match outcome.state.as_str() {
        "done" => format!("{}: arrived (id {id})", outcome.to),
        "dead" => format!("{}: did not arrive{why}", outcome.to),
        "unknown" => format!("{}: perhaps it arrived{why} (id {id}); it is repeated once", outcome.to),
        _ => format!("{}: not sent yet{why}", outcome.to),
    };
    output::line(&output::safe(&line));
}

fn tested(answer: &Answer) -> anyhow::Result<Vec<Tested>> {
    Ok(serde_json::from_value(answer.data["tested"].clone())?)
}

/// Waits until the running daemon has sent the tests.
async fn watch(loaded: &Loaded, answer: &Answer) -> anyhow::Result<Vec<Outcome>> {
    let tests = tested(answer)?;
    let store = setup::read_store(loaded).await?;
    let looked = async {
        loop {
            let outcomes = outcomes(&store, &tests).await?;
            if outcomes.iter().all(|outcome| !matches!(outcome.state.as_str(), "pending" | "sending")) {
                return anyhow::Ok(outcomes);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    match tokio::time::timeout(WAIT_MAX, looked).await {
        Ok(outcomes) => outcomes,
        Err(_) => outcomes(&store, &tests).await,
    }
}

/// Sends the tests by itself while no daemon runs; other notices stay as they are.
async fn alone(loaded: &Loaded, asked: &Asked) -> anyhow::Result<Vec<Outcome>> {
    let parts = assemble::assemble(setup::assembly(loaded)).await?;
    let answer = parts.engine.execute(asked).await?;
    let tests = tested(&answer)?;
    for test in &tests {
        parts.engine.deliver_to(&parts.client, &parts.channels, &Name::from(format!("test:{}", test.to))).await?;
    }
    let outcomes = outcomes(parts.engine.store(), &tests).await;
    parts.engine.store().close().await;
    outcomes
}

async fn outcomes(store: &Store, tests: &[Tested]) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for test in tests {
        let op = OperationId::parse(&test.op).context("the daemon answered with no operation id")?;
        let row: Option<EffectRow> = store.effect(op).await?;
        let (state, message) = row.map_or(("pending".to_owned(), None), |row| (row.state, row.message));
        outcomes.push(Outcome { to: test.to.clone(), op: test.op.clone(), state, message });
    }
    Ok(outcomes)
}
