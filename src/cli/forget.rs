//! `baton forget`: erases a person.

use std::process::ExitCode;

use clap::Args;

use super::{Common, control};
use crate::engine::command::Command;

#[derive(Debug, Args)]
pub(super) struct ForgetArgs {
    /// Whom: an e-mail address, L-42, or connection:id
    who: String,
    /// Do it; without this, only what would be erased is shown
    #[arg(long)]
    yes: bool,
}

pub(super) async fn forget(common: &Common, args: ForgetArgs) -> anyhow::Result<ExitCode> {
    control::carry_out(common, Command::Forget { who: args.who, is_sure: args.yes }).await
}
