//! `baton outbox`: effects and their fate.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::order::EffectArgs;
use super::{Common, control, output, setup};
use crate::engine::command::{Chosen, Command};
use crate::report::words;
use crate::store::EffectRow;

/// Effects that are shown at once.
const ROWS_MAX: usize = 200;

/// What to do with effects.
#[derive(Debug, Args)]
pub(super) struct OutboxArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Shows what is not settled, and what is dead with its reason
    List {
        /// Only effects in this state: held, pending, sending, unknown, done, dead, cancelled or superseded. May be given more than once
        #[arg(long, value_name = "STATE", value_parser = ["held", "pending", "sending", "unknown", "done", "dead", "cancelled", "superseded"])]
        state: Vec<String>,
    },
    /// Lets a dead effect be tried again
    Retry {
        /// The operation id, or its first digits
        op: String,
    },
    /// Gives up an effect that waits or is dead; with the flags, everything that waits for a person and is meant by them
    Discard(EffectArgs),
    /// Lets effects go that wait for a person, because of `writes = "plan"` or of [caps]
    Approve(EffectArgs),
    /// Takes effects back that were carried out, where nobody touched the record since: give operations or the id of a plan
    Undo(EffectArgs),
}

pub(super) async fn outbox(common: &Common, args: OutboxArgs) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::List { state } => list(common, &state).await,
        Action::Retry { op } => control::carry_out(common, Command::Retry { op }).await,
        Action::Discard(args) => {
            let chosen = args.chosen();
            let is_one = Chosen { ops: chosen.ops.clone(), ..Chosen::default() } == chosen;
            let command = match chosen.ops.as_slice() {
                [op] if is_one => Command::Discard { op: op.clone() },
                _ => Command::DiscardHeld { chosen },
            };
            control::carry_out(common, command).await
        }
        Action::Approve(args) => control::carry_out(common, Command::Approve { chosen: args.chosen() }).await,
        Action::Undo(args) => control::carry_out(common, Command::Undo { chosen: args.chosen() }).await,
    }
}

async fn list(common: &Common, states: &[String]) -> anyhow::Result<ExitCode> {
    let loaded = match setup::load(common) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let store = setup::read_store(&loaded).await?;
    let mut wanted: Vec<&str> = states.iter().map(String::as_str).collect();
    if wanted.is_empty() {
        wanted = vec!["held", "pending", "sending", "unknown", "dead"];
    }
    let effects = store.effects_in(&wanted, ROWS_MAX).await?;
    if common.json {
        let rows: Vec<_> = effects
            .iter()
            .map(|effect| {
                serde_json::json!({
                    "op": effect.op, "lead": effect.lead.map(|lead| lead.to_string()), "to": effect.to,
                    "effect": effect.effect, "state": effect.state, "tries": effect.attempt,
                    "created_at": effect.created_at.map(|at| at.to_string()),
                    "settled_at": effect.settled_at.map(|at| at.to_string()), "message": effect.message,
                    "hold": effect.hold,
                })
            })
            .collect();
        output::json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    if effects.is_empty() {
        let (last, others) = wanted.split_last().map_or(("", &wanted[..0]), |(last, others)| (*last, others));
        let or = if others.is_empty() { String::new() } else { format!("{} or ", others.join(", ")) };
        output::line(&format!("No effect is {or}{last}."));
        return Ok(ExitCode::SUCCESS);
    }
    let now = crate::clock::Clock::system().now();
    let mut table = comfy_table::Table::new();
    table.set_header(["Operation", "Lead", "To", "Effect", "State", "For", "Tries", "Why"]);
    for effect in &effects {
        table.add_row([
            effect.op.get(..8).unwrap_or(&effect.op).to_owned(),
            effect.lead.map(|lead| lead.to_string()).unwrap_or_default(),
            effect.to.clone(),
            effect.effect.clone(),
            effect.state.clone(),
            effect.created_at.map(|at| words::span(now.duration_since(at))).unwrap_or_default(),
            effect.attempt.to_string(),
            output::safe(&why(effect, now)),
        ]);
    }
    output::line(&table.to_string());
    if effects.len() == ROWS_MAX {
        output::line(&format!("Only the newest {ROWS_MAX} are shown."));
    }
    Ok(ExitCode::SUCCESS)
}

/// Why an effect is as it is.
fn why(effect: &EffectRow, now: Timestamp) -> String {
    let held = effect.held_until.filter(|until| *until > now && effect.state == "pending");
    let held = held.map(|until| format!("held over quiet hours until {until:.0}"));
    let repeated = (effect.is_notice && effect.is_doubtful).then(|| "possibly repeated".to_owned());
    let hold = effect.hold.as_deref().filter(|_| effect.state == "held").map(words::hold);
    [hold, held, repeated, effect.message.clone()].into_iter().flatten().collect::<Vec<_>>().join("; ")
}
