//! How a command that changes something reaches the store: through the running daemon, or by itself while none runs.

use std::process::ExitCode;

use anyhow::Context as _;

use super::{Common, output, setup};
use crate::config::Loaded;
use crate::daemon::assemble;
use crate::daemon::control::{self, Reply};
use crate::engine::command::{Answer, Asked, Command, CommandError};

/// Carries out `command` and prints what came of it.
pub(super) async fn carry_out(common: &Common, command: Command) -> anyhow::Result<ExitCode> {
    let loaded = match setup::load(common) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let answer = ask(&loaded, command).await?;
    show(common, &answer)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints an answer, for a person or as JSON.
pub(super) fn show(common: &Common, answer: &Answer) -> anyhow::Result<()> {
    if common.json {
        return output::json(&answer.data);
    }
    answer.lines.iter().for_each(|line| output::line(&output::safe(line)));
    Ok(())
}

/// What came of `command`, which changes what is stored already.
pub(super) async fn ask(loaded: &Loaded, command: Command) -> anyhow::Result<Answer> {
    ask_with(loaded, command, true).await
}

/// What came of `command`, which may be the first of all: a store is made if there is none.
pub(super) async fn ask_or_make(loaded: &Loaded, command: Command) -> anyhow::Result<Answer> {
    ask_with(loaded, command, false).await
}

async fn ask_with(loaded: &Loaded, command: Command, needs_store: bool) -> anyhow::Result<Answer> {
    let asked = Asked { by: login(), command };
    let socket = control::socket_of(&loaded.settings.store);
    let reply = control::ask(&socket, &asked).await;
    match reply.with_context(|| format!("asking the daemon over {}", socket.display()))? {
        Some(Reply::Done(answer)) => Ok(answer),
        Some(Reply::Refused(message) | Reply::Failed(message)) => Err(anyhow::anyhow!(message)),
        None => alone(loaded, &asked, needs_store).await,
    }
}

/// Carries out a command while no daemon runs: what follows from it is decided and sent at the next start.
async fn alone(loaded: &Loaded, asked: &Asked, needs_store: bool) -> anyhow::Result<Answer> {
    let path = &loaded.settings.store;
    anyhow::ensure!(
        path.exists() || !needs_store,
        "there is no store at {} yet: run `baton sync` or `baton run` first",
        path.display()
    );
    let parts = assemble::assemble(setup::assembly(loaded)).await?;
    let done = parts.engine.execute(asked).await;
    parts.engine.store().close().await;
    match done {
        Ok(mut answer) => {
            if asked.command.asks_for_decisions() {
                answer.lines.push("no Baton runs here now: what follows is decided and sent once it does".to_owned());
            }
            Ok(answer)
        }
        Err(CommandError::Refused(message)) => Err(anyhow::anyhow!(message)),
        Err(CommandError::Engine(error)) => Err(error.into()),
    }
}

/// Who asks, as this machine knows them.
pub(super) fn login() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    named.into_iter().find(|name| !name.trim().is_empty()).unwrap_or_else(number)
}

/// A unit or a container names nobody; the machine still knows whose process this is.
fn number() -> String {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").map_or_else(|_| "unknown".to_owned(), |own| format!("user {}", own.uid()))
}
