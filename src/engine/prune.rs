//! Forgets what need not be kept. Decisions are kept for ever unless the settings say otherwise; the chain always is.

use jiff::SignedDuration;

use crate::domain::finding::UNSEEN_DAYS;
use crate::store::Prunable;

use super::{Engine, EngineError};

/// Rounds of one pass over one kind of rows: the rest waits for the next hour.
const ROUNDS_MAX: usize = 20;

/// How long each kind of thing is kept; `None`: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// What happened, by when it was decided.
    pub events: Option<SignedDuration>,
    /// Bodies of writes and notices, by when they were settled.
    pub effects: Option<SignedDuration>,
    /// What decisions saw, by when they were made.
    pub decisions: Option<SignedDuration>,
    /// Calls, e-mails and meetings, by when they were made.
    pub touches: Option<SignedDuration>,
    /// Findings, by when they were over.
    pub findings: Option<SignedDuration>,
    /// Records that a CRM has not any more, by when they went.
    pub gone: Option<SignedDuration>,
    /// May a person who was forgotten come back because a CRM still shows them?
    pub forgotten_return: bool,
}

const fn days(days: i64) -> Option<SignedDuration> {
    Some(SignedDuration::from_hours(days * 24))
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            events: None,
            effects: days(90),
            decisions: days(365),
            touches: days(730),
            findings: days(90),
            gone: days(30),
            forgotten_return: false,
        }
    }
}

impl Engine {
    /// One bounded pass. Says how many rows it emptied or deleted.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails.
    pub async fn prune(&self, retention: Retention) -> Result<u64, EngineError> {
        let Retention { events, effects, decisions, touches, findings, gone, forgotten_return: _ } = retention;
        let now = self.clock.now();
        self.store.end_unseen(now, now - SignedDuration::from_hours(24 * UNSEEN_DAYS)).await?;
        let mut pruned = 0;
        for (what, keep) in [
            (Prunable::Events, events),
            (Prunable::Effects, effects),
            (Prunable::Decisions, decisions),
            (Prunable::Touches, touches),
            (Prunable::Findings, findings),
            (Prunable::Gone, gone),
        ] {
            let Some(keep) = keep else { continue };
            let _deciding = self.deciding.lock().await;
            for _ in 0..ROUNDS_MAX {
                let round = self.store.prune(what, now - keep, now).await?;
                pruned += round.rows;
                if round.is_over {
                    break;
                }
            }
        }
        Ok(pruned)
    }
}
