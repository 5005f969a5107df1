//! Acts on what is due: steps of ladders, scores that decay, leads that have rested, evidence that has come in.

use jiff::Timestamp;

use crate::domain::id::LeadId;

use super::{Engine, EngineError, LEADS_MAX};

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Leads that were decided again.
    pub leads: usize,
    /// Is more due right now?
    pub has_more: bool,
}

impl Engine {
    /// Decides again about leads whose time has come, at most [`LEADS_MAX`] of them, the longest due first.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails; nothing is half done.
    pub async fn sweep(&self) -> Result<Swept, EngineError> {
        if !self.is_live() {
            return Ok(Swept::default());
        }
        let now = self.clock.now();
        let covered = self
            .coverage()
            .await?
            .streams
            .iter()
            .filter(|stream| !stream.proves.is_empty())
            .try_fold(Timestamp::MAX, |least, stream| Some(least.min(stream.covered_until?)));
        let leads: Vec<LeadId> = self.store.leads_due(now, covered.unwrap_or(Timestamp::MIN), LEADS_MAX).await?;
        if leads.is_empty() {
            return Ok(Swept::default());
        }
        self.judge(&leads).await?;
        Ok(Swept { leads: leads.len(), has_more: leads.len() == LEADS_MAX })
    }
}
