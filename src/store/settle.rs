//! Settling: what became of a claim, as long as its lease is ours.

use std::collections::HashSet;

use jiff::Timestamp;

use crate::domain::id::OperationId;
use crate::domain::plan::Effect;

use super::audit::Lines;
use super::row::encode;
use super::sqlite::{Bound, Store, returned, text};
use super::{Batch, Claim, Outgoing, Settlement, StoreError, sql};

impl Store {
    /// Settles claims, and makes `batch` true in the same transaction. A settled owner or record asks for a decision
    /// about its lead at once: its clock starts then. Returns the effects whose lease went to somebody else meanwhile:
    /// these stay as they are, and if there are no others, `batch` is left out too.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails; then nothing is settled.
    pub async fn settle(&self, settled: &[(Claim, Settlement)], batch: &Batch) -> Result<Vec<OperationId>, StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        let rows = settled.iter().map(|(claim, settlement)| self.settled_row(claim, settlement)).collect();
        let mut ours = HashSet::with_capacity(settled.len());
        for row in returned(&mut transaction, sql::SETTLE, rows).await? {
            ours.insert(text(&row, 0)?);
        }
        let mut lapsed = Vec::new();
        let mut rechecks = Vec::new();
        let mut lines = Lines::default();
        for (claim, settlement) in settled {
            if !ours.contains(&claim.op.to_string()) {
                lapsed.push(claim.op);
                continue;
            }
            let (at, message) = match settlement {
                Settlement::Done { at, .. } => (Some(*at), None),
                Settlement::Told { at, how: message } | Settlement::Dead { at, message } => {
                    (Some(*at), Some(message.as_str()))
                }
                Settlement::Again { message, .. } | Settlement::Unknown { message, .. } => {
                    (None, Some(message.as_str()))
                }
            };
            lines.effect(&claim.op.to_string(), settlement.as_str(), at, message);
            if let (Outgoing::Write(write), Settlement::Done { at, .. } | Settlement::Dead { at, .. }) =
                (&claim.what, settlement)
                && matches!(write.effect, Effect::Create { .. } | Effect::SetOwner { .. })
            {
                rechecks.push((write.lead, *at));
            }
        }
        if lapsed.len() == settled.len() {
            return Ok(lapsed);
        }
        let link = self.apply_with(&mut transaction, batch, lines).await?;
        self.recheck(&mut transaction, rechecks.into_iter()).await?;
        transaction.commit().await?;
        self.note_link(link);
        Ok(lapsed)
    }

    fn settled_row(&self, claim: &Claim, settlement: &Settlement) -> Vec<Bound> {
        let (made, was) = match settlement {
            Settlement::Done { made, was, .. } => (made.as_ref().map(encode), (!was.is_empty()).then(|| encode(was))),
            Settlement::Told { .. }
            | Settlement::Again { .. }
            | Settlement::Unknown { .. }
            | Settlement::Dead { .. } => (None, None),
        };
        let (settled_at, not_before, message, uncounted, doubt) = match settlement {
            Settlement::Done { at, .. } => (Some(*at), None, None, 0, 0),
            Settlement::Told { at, how } => (Some(*at), None, Some(how), 0, 0),
            Settlement::Dead { at, message } => (Some(*at), None, Some(message), 0, 0),
            Settlement::Again { not_before, counts, message } => {
                (None, Some(*not_before), Some(message), i64::from(!counts), 0)
            }
            Settlement::Unknown { not_before, message } => (None, Some(*not_before), Some(message), 0, 1),
        };
        // Nobody can look whether a notice arrived, so what is in doubt of it stays so, and is counted.
        let doubt = match &claim.what {
            Outgoing::Notice(_) => i64::from(claim.doubts) + doubt,
            Outgoing::Write(_) => doubt,
        };
        vec![
            self.ws(),
            claim.op.to_string().into(),
            Bound::Int(i64::from(claim.attempt)),
            settlement.as_str().into(),
            settled_at.map(Timestamp::as_millisecond).into(),
            Bound::Int(not_before.map_or(0, Timestamp::as_millisecond)),
            message.map(String::as_str).into(),
            Bound::Int(uncounted),
            Bound::Int(doubt),
            made.as_deref().into(),
            was.as_deref().into(),
        ]
    }

    /// Lets everything that waits to be sent again be sent now.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn hurry(&self) -> Result<(), StoreError> {
        let bound = super::sqlite::arguments(vec![self.ws()])?;
        sqlx::query_with(sql::HURRY, bound).execute(&mut *self.inner.writer.acquire().await?).await?;
        Ok(())
    }
}
