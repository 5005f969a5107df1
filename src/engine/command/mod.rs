//! What a person asks Baton to change: one [`Command`], one [`Answer`].
//!
//! A command comes over the control socket of the running daemon, or from the command line itself while no daemon has the
//! store; both end here, so that there is one road to every change. A command is done whole, in one transaction, or
//! refused with what to do instead. Commands only change what is stored: what follows from that is decided and sent
//! by the passes, as always.

mod outbox;

use serde::{Deserialize, Serialize};

use crate::store::StoreError;

use super::{Engine, EngineError};

/// Something that a person asks for.
///
/// Its JSON is what crosses the control socket. Both ends are of one version: it is no public format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Lets a dead effect be tried again.
    Retry {
        /// The operation id, or how it begins.
        op: String,
    },
    /// Gives up an effect that waits or is dead.
    Discard {
        /// The operation id, or how it begins.
        op: String,
    },
}

/// A command and who gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Who: the login name on this machine, for the journal.
    pub by: String,
    /// What.
    #[serde(flatten)]
    pub command: Command,
}

/// What a command came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// For a person, a line each.
    pub lines: Vec<String>,
    /// The same for a machine.
    pub data: serde_json::Value,
}

/// Why a command was not carried out; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It cannot be done as it was asked; the message says what to ask instead.
    #[error("{0}")]
    Refused(String),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        Self::Engine(error.into())
    }
}

impl Engine {
    /// Carries out what a person asks for.
    ///
    /// # Errors
    /// [`CommandError`]; then nothing was changed.
    pub async fn execute(&self, asked: &Asked) -> Result<Answer, CommandError> {
        // What is asked may name a person, so the log has only which kind of command it was.
        tracing::info!(by = asked.by, "asked to {}", asked.command.name());
        match &asked.command {
            Command::Retry { op } => self.retry(op).await,
            Command::Discard { op } => self.discard(op, &asked.by).await,
        }
    }
}

impl Command {
    /// The command as people call it, without what it is about.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Retry { .. } => "retry an effect",
            Self::Discard { .. } => "discard an effect",
        }
    }
}
