//! Effects by hand: try a dead one again, give one up.

use crate::domain::id::LeadId;
use crate::store::{Batch, EffectRow};

use super::super::Engine;
use super::{Answer, CommandError};

impl Engine {
    /// Lets a dead effect be tried again. What may have taken effect is looked for first, as after every doubt.
    pub(super) async fn retry(&self, op: &str) -> Result<Answer, CommandError> {
        let _deciding = self.deciding.lock().await;
        let effect = self.effect(op).await?;
        if effect.state != "dead" {
            return Err(CommandError::Refused(format!(
                "{} is {}: only a dead effect can be tried again",
                short(&effect),
                effect.state
            )));
        }
        if !self.store.retry(&effect.op, self.clock.now()).await? {
            return Err(changed(&effect));
        }
        Ok(answer(&effect, "is tried again", "pending"))
    }

    /// Gives up an effect that waits or is dead.
    pub(super) async fn discard(&self, op: &str, by: &str) -> Result<Answer, CommandError> {
        let _deciding = self.deciding.lock().await;
        let effect = self.effect(op).await?;
        let now = self.clock.now();
        match effect.state.as_str() {
            "pending" | "unknown" | "dead" | "held" => {}
            "sending" => {
                return Err(CommandError::Refused(format!(
                    "{} is being sent right now: wait a moment, and ask again if it still waits then",
                    short(&effect)
                )));
            }
            state => {
                return Err(CommandError::Refused(format!(
                    "{} is {state} already: there is nothing to discard",
                    short(&effect)
                )));
            }
        }
        let lead: Option<LeadId> = effect.lead;
        let batch =
            Batch { rechecks: lead.into_iter().map(|lead| (lead, now)).collect(), now: Some(now), ..Batch::default() };
        if !self.store.discard(&effect.op, now, &format!("discarded by {by}"), &batch).await? {
            return Err(changed(&effect));
        }
        Ok(answer(&effect, "will not be sent", "cancelled"))
    }

    /// The one effect whose operation id is, or begins with, `op`.
    pub(super) async fn effect(&self, op: &str) -> Result<EffectRow, CommandError> {
        let op = op.trim().to_lowercase();
        if op.len() < 4 || !op.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(CommandError::Refused(format!(
                "`{op}` is no operation id: write at least its first 4 of 32 hexadecimal digits, as `baton outbox list` shows them"
            )));
        }
        let mut found = self.store.effects_named(&op, 2).await?;
        match (found.pop(), found.is_empty()) {
            (None, _) => Err(CommandError::Refused(format!(
                "no effect's operation id begins with `{op}`: `baton outbox list` shows those that are not settled"
            ))),
            (Some(effect), true) => Ok(effect),
            (Some(_), false) => Err(CommandError::Refused(format!(
                "more than one effect's operation id begins with `{op}`: write more of it"
            ))),
        }
    }
}

fn short(effect: &EffectRow) -> String {
    format!("{} on {} ({})", effect.effect, effect.to, effect.op.get(..8).unwrap_or(&effect.op))
}

/// Somebody claimed or settled it between the look and the change.
fn changed(effect: &EffectRow) -> CommandError {
    CommandError::Refused(format!("{} changed while you asked: look again and repeat", short(effect)))
}

fn answer(effect: &EffectRow, what: &str, state: &str) -> Answer {
    Answer {
        lines: vec![format!("{} {what}", short(effect))],
        data: serde_json::json!({ "op": effect.op, "effect": effect.effect, "to": effect.to, "state": state }),
    }
}
