//! `baton plan`, `apply`, `adopt`, `pause`, `resume`: what a person lets go, asks for, and stops.

use std::process::ExitCode;

use clap::Args;

use super::{Common, control};
use crate::engine::command::{Adopted, Chosen, Command};

#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    /// The plan's id, or its first digits, as `baton plan` shows it
    id: String,
}

#[derive(Debug, Args)]
pub(super) struct PauseArgs {
    /// A connection or a team [default: everything]
    name: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct AdoptArgs {
    /// These leads: L-42
    leads: Vec<String>,
    /// Leads at this stage
    #[arg(long)]
    stage: Option<String>,
    /// Leads that this person of the roster owns in a CRM
    #[arg(long, value_name = "ADDRESS")]
    owner: Option<String>,
    /// Leads with a record on this connection
    #[arg(long)]
    connection: Option<String>,
    /// Leads for which an expression of the agreement's language holds: 'score.fit >= 20'
    #[arg(long = "where", value_name = "RULE")]
    rule: Option<String>,
    /// Do it; without this they are only counted
    #[arg(long)]
    yes: bool,
}

/// Which effects are meant.
#[derive(Debug, Args)]
pub(super) struct EffectArgs {
    /// Operation ids, or their first digits
    ops: Vec<String>,
    /// Those to this connection
    #[arg(long)]
    connection: Option<String>,
    /// Those for this lead: L-42
    #[arg(long)]
    lead: Option<String>,
    /// Those of this kind: create, owner, stage, score, handoff, task, note, join_track, leave_track, reject
    #[arg(long, value_name = "KIND")]
    effect: Option<String>,
    /// All of them
    #[arg(long)]
    all: bool,
}

impl EffectArgs {
    pub(super) fn chosen(self) -> Chosen {
        let Self { ops, connection, lead, effect, all } = self;
        Chosen { ops, connection, lead, effect, all, plan: None }
    }
}

pub(super) async fn plan(common: &Common) -> anyhow::Result<ExitCode> {
    control::carry_out(common, Command::Plan).await
}

pub(super) async fn apply(common: &Common, args: ApplyArgs) -> anyhow::Result<ExitCode> {
    control::carry_out(common, Command::Apply { id: args.id }).await
}

pub(super) async fn adopt(common: &Common, args: AdoptArgs) -> anyhow::Result<ExitCode> {
    let AdoptArgs { leads, stage, owner, connection, rule, yes } = args;
    let adopted = Adopted { leads, stage, owner, connection, rule, yes };
    control::carry_out(common, Command::Adopt { adopted }).await
}

pub(super) async fn pause(common: &Common, args: PauseArgs) -> anyhow::Result<ExitCode> {
    control::carry_out(common, Command::Pause { what: args.name }).await
}

pub(super) async fn resume(common: &Common, args: PauseArgs) -> anyhow::Result<ExitCode> {
    control::carry_out(common, Command::Resume { what: args.name }).await
}
