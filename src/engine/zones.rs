//! Other zone data than at the last start: every running deadline is worked out anew, and those that moved are listed.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::counted::many;
use crate::domain::finding::{Finding, FindingKind, Subject};
use crate::domain::id::{LeadId, Name};
use crate::domain::zones::{Moved, fingerprint};
use crate::store::Batch;

use super::{Engine, EngineError};

/// Open hand-offs whose deadlines are worked out anew.
const OPEN_MAX: usize = 100_000;
/// Deadlines that the finding names; all of them are in the log.
const NAMED_MAX: usize = 20;
/// Under which name the store keeps what the zone data said.
const META: &str = "zones";

impl Engine {
    /// Works out every open deadline anew if calendars' zones say something else than when this was last asked.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails.
    pub(super) async fn heed_zones(&self) -> Result<(), EngineError> {
        let rules = self.rules.load_full();
        let now = self.clock.now();
        let said = fingerprint(&rules.roster, &rules.zone, now);
        let known = self.store.meta(META).await?;
        if known.as_deref() == Some(said.as_str()) {
            return Ok(());
        }
        if known.is_some() {
            let before = self.open_deadlines().await?;
            let leads: Vec<LeadId> = before.keys().copied().collect();
            self.judge(&leads).await?;
            let after = self.open_deadlines().await?;
            let moved: Vec<Moved> = before
                .into_iter()
                .filter_map(|(lead, from)| {
                    let to = *after.get(&lead)?;
                    (to != from).then_some(Moved { lead, from, to })
                })
                .collect();
            self.tell_moved(&moved, now).await?;
        }
        self.store.set_meta(META, &said).await?;
        Ok(())
    }

    /// Open hand-offs with what falls due next in each.
    pub(super) async fn open_deadlines(&self) -> Result<BTreeMap<LeadId, Timestamp>, EngineError> {
        let rows = self.store.open_handoffs(OPEN_MAX).await?;
        Ok(rows.iter().filter_map(|row| Some((row.handoff.id.lead, row.handoff.due_at()?))).collect())
    }

    async fn tell_moved(&self, moved: &[Moved], now: Timestamp) -> Result<(), EngineError> {
        for one in moved {
            tracing::warn!(lead.id = %one.lead, from = %one.from, to = %one.to, "other calendar data: the deadline of {} moved", one.lead);
        }
        let subject = Subject::Policy(Name::from("calendars' zones"));
        let listed: Vec<String> = moved
            .iter()
            .take(NAMED_MAX)
            .map(|one| format!("{} from {:.0} to {:.0}", one.lead, one.from, one.to))
            .collect();
        let more = moved.len().saturating_sub(NAMED_MAX);
        let more = if more > 0 { format!(", and {more} more in the log") } else { String::new() };
        if moved.is_empty() {
            tracing::info!("the calendars' zones say something else than at the last start; no running deadline moved");
            return Ok(());
        }
        let text = format!(
            "the calendars' zones say something else than at the last start, and {} moved: {}{more}",
            many(moved.len(), "running deadline", "running deadlines"),
            listed.join(", ")
        );
        let findings = vec![Finding { kind: FindingKind::DeadlinesMoved, subject, text }];
        self.store.commit(&Batch { findings, now: Some(now), ..Batch::default() }).await?;
        Ok(())
    }
}
