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
    /// Decides again about leads whose time has come, at most [`LEADS_MAX`] of them, the longest due first. What room they
    /// leave, colleagues get of whose company something changed that rules ask for.
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
        let mut leads: Vec<LeadId> = self.store.leads_due(now, covered.unwrap_or(Timestamp::MIN), LEADS_MAX).await?;
        let mut has_more = leads.len() == LEADS_MAX;
        if !has_more {
            let _deciding = self.deciding.lock().await;
            let colleagues = self.store.next_colleagues(LEADS_MAX - leads.len(), now).await?;
            has_more = colleagues.has_more;
            leads.extend(colleagues.leads);
            leads.sort_unstable();
            leads.dedup();
        }
        if leads.is_empty() {
            return Ok(Swept { leads: 0, has_more });
        }
        self.judge(&leads).await?;
        Ok(Swept { leads: leads.len(), has_more })
    }
}
