//! Forgets what need not be kept: bodies of effects that were settled long ago. Decisions are kept.

use jiff::SignedDuration;

use crate::domain::finding::UNSEEN_DAYS;

use super::{Engine, EngineError};

/// How long settled effects keep their bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Bodies of writes and notices that were settled longer ago are emptied.
    pub effects: SignedDuration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { effects: SignedDuration::from_hours(90 * 24) }
    }
}

impl Engine {
    /// One bounded pass. Says how many rows it emptied.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails.
    pub async fn prune(&self, retention: Retention) -> Result<u64, EngineError> {
        let now = self.clock.now();
        self.store.end_unseen(now, now - SignedDuration::from_hours(24 * UNSEEN_DAYS)).await?;
        let before = now - retention.effects;
        Ok(self.store.prune(before).await?)
    }
}
