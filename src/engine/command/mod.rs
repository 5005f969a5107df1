//! What a person asks Baton to change: one [`Command`], one [`Answer`].
//!
//! A command comes over the control socket of the running daemon, or from the command line itself while no daemon has the
//! store; both end here, so that there is one road to every change. A command is done whole, in one transaction, or
//! refused with what to do instead. Commands only change what is stored: what follows from that is decided and sent
//! by the passes, as always.

mod agreement;
mod kin;
mod login;
mod logout;
mod notify;
mod order;
mod outbox;
mod privacy;

pub use order::{Adopted, Chosen, change_words, paused_data, paused_words, plan_data, shown};

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
    /// Exchanges the code of a person's permission for tokens. The code is good once, and only together with the app's secret.
    LogIn {
        /// The connection.
        connection: String,
        /// The code.
        code: String,
    },
    /// Ends sessions of the board.
    EndSessions {
        /// Whose; nothing = everybody's.
        user: Option<String>,
    },
    /// Sends a marked test notice.
    TestNotice {
        /// A channel, a person, or `channel/person`; `None` = every channel.
        target: Option<String>,
    },
    /// Gives up an effect that waits or is dead.
    Discard {
        /// The operation id, or how it begins.
        op: String,
    },
    /// Erases a person, or shows what would be erased.
    Forget {
        /// A lead's number, an address or a record.
        who: String,
        /// Erase.
        is_sure: bool,
    },
    /// Lets a restored or copied store send again.
    Release {
        /// Even though not every stream was read since.
        is_forced: bool,
    },
    /// Shows what waits for a person, with an id to apply it by.
    Plan,
    /// Lets exactly one plan go.
    Apply {
        /// The plan's id, or how it begins.
        id: String,
    },
    /// Takes back for good what of a plan still waits.
    DiscardPlan {
        /// The plan's id, or how it begins.
        id: String,
    },
    /// Lets effects go that wait for a person.
    Approve {
        /// Which.
        chosen: Chosen,
    },
    /// Takes effects back for good that wait for a person.
    DiscardHeld {
        /// Which.
        chosen: Chosen,
    },
    /// Takes effects back that were carried out.
    Undo {
        /// Which.
        chosen: Chosen,
    },
    /// Opens hand-offs for leads that were only watched.
    Adopt {
        /// Which.
        adopted: Adopted,
    },
    /// Moves running turns to the agreement in force, or shows what that changes.
    Retime {
        /// Also those for which something would be overdue at once.
        with_overdue: bool,
        /// Do it; else only show.
        yes: bool,
    },
    /// Stops everything, a connection or a team.
    Pause {
        /// What; nothing = everything.
        what: Option<String>,
    },
    /// Lets it go on.
    Resume {
        /// What; nothing = everything.
        what: Option<String>,
    },
    /// Joins a lead, or one of its records, to a lead: they are one person.
    Link {
        /// A lead or a record.
        what: String,
        /// The lead.
        lead: String,
    },
    /// Takes a record out of its lead: it is somebody else.
    Unlink {
        /// The record.
        record: String,
    },
    /// Remembers that two leads are two people.
    NotSame {
        /// The one.
        lead: String,
        /// The other.
        other: String,
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
        // Who asked, and about whom, may be a person's name: the history has it, and the log only which kind of command it was.
        tracing::info!("asked to {}", asked.command.name());
        // Before it is done: what was asked is chained even if the process ends on the way.
        self.store.note_asked(self.clock.now(), &asked.by, asked.command.name()).await?;
        match &asked.command {
            Command::LogIn { connection, code } => self.log_in(connection, code).await,
            Command::EndSessions { user } => self.log_out(user.as_deref()),
            Command::Retry { op } => self.retry(op).await,
            Command::Discard { op } => self.discard(op, &asked.by).await,
            Command::Forget { who, is_sure } => self.forget(who, *is_sure).await,
            Command::Release { is_forced } => self.release(&asked.by, *is_forced).await,
            Command::Plan => self.plan_command().await,
            Command::Apply { id } => self.apply_command(id).await,
            Command::DiscardPlan { id } => self.discard_plan_command(id, &asked.by).await,
            Command::Approve { chosen } => self.approve_command(chosen).await,
            Command::DiscardHeld { chosen } => self.discard_command(chosen, &asked.by).await,
            Command::Undo { chosen } => self.undo_command(chosen).await,
            Command::Adopt { adopted } => self.adopt_command(adopted).await,
            Command::Retime { with_overdue, yes } => self.retime_command(*with_overdue, *yes).await,
            Command::Pause { what } => self.pause_command(what.as_deref(), true).await,
            Command::Resume { what } => self.pause_command(what.as_deref(), false).await,
            Command::Link { what, lead } => self.link(what, lead, &asked.by).await,
            Command::Unlink { record } => self.unlink(record, &asked.by).await,
            Command::NotSame { lead, other } => self.not_same(lead, other, &asked.by).await,
            Command::TestNotice { target } => self.test(target.as_deref()).await,
        }
    }
}

impl Command {
    /// Does more follow from it, which the passes decide and send?
    #[must_use]
    pub fn asks_for_decisions(&self) -> bool {
        match self {
            Self::Retry { .. }
            | Self::Apply { .. }
            | Self::Approve { .. }
            | Self::Undo { .. }
            | Self::Adopt { .. }
            | Self::Resume { .. }
            | Self::Link { .. }
            | Self::Unlink { .. }
            | Self::Release { .. }
            | Self::Retime { yes: true, .. } => true,
            Self::LogIn { .. }
            | Self::EndSessions { .. }
            | Self::TestNotice { .. }
            | Self::Discard { .. }
            | Self::DiscardHeld { .. }
            | Self::DiscardPlan { .. }
            | Self::Forget { .. }
            | Self::Plan
            | Self::Retime { .. }
            | Self::Pause { .. }
            | Self::NotSame { .. } => false,
        }
    }

    /// The command as people call it, without what it is about.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::LogIn { .. } => "log in to a connection",
            Self::EndSessions { .. } => "end sessions of the board",
            Self::Retry { .. } => "retry an effect",
            Self::Discard { .. } => "discard an effect",
            Self::Forget { is_sure: true, .. } => "forget a person",
            Self::Forget { is_sure: false, .. } => "show what is known of a person",
            Self::Release { .. } => "release the store",
            Self::Plan => "show what waits",
            Self::Apply { .. } => "apply a plan",
            Self::DiscardPlan { .. } => "discard a plan",
            Self::Approve { .. } => "approve effects",
            Self::DiscardHeld { .. } => "discard effects that wait",
            Self::Undo { .. } => "undo effects",
            Self::Adopt { adopted } if adopted.yes => "adopt leads",
            Self::Adopt { .. } => "count leads to adopt",
            Self::Retime { yes: true, .. } => "apply the agreement to running hand-offs",
            Self::Retime { .. } => "show what the agreement changes for running hand-offs",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::Link { .. } => "link two leads",
            Self::Unlink { .. } => "take a record out of its lead",
            Self::NotSame { .. } => "keep two leads apart",
            Self::TestNotice { .. } => "test whether notices arrive",
        }
    }
}
