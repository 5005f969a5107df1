//! Effects as a person handles them: looked up, listed, tried again, given up; and what they replace, for taking them back.

use jiff::Timestamp;

use crate::domain::plan::Leaving;

use super::audit::Lines;
use super::board::{EffectRow, effects};
use super::read::{count, ms};
use super::row::encode;
use super::sqlite::{Bound, Store, execute, returned};
use super::{Batch, StoreError, sql};

impl Store {
    /// Effects whose operation id begins with `prefix` (hexadecimal digits), at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn effects_named(&self, prefix: &str, limit: usize) -> Result<Vec<EffectRow>, StoreError> {
        // Ids are hexadecimal in lower case: everything that begins so lies between the prefix and the prefix with a
        // letter behind it that sorts after every digit.
        let bound = vec![self.ws(), prefix.into(), format!("{prefix}g").into(), Bound::Int(count(limit))];
        effects(&self.glance(sql::EFFECTS_NAMED, bound).await?)
    }

    /// Effects in one of `states`, the newest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn effects_in(&self, states: &[&str], limit: usize) -> Result<Vec<EffectRow>, StoreError> {
        let list = states.iter().map(|state| Bound::from(*state)).collect();
        let mut found = effects(&self.rows_in(sql::EFFECTS_IN, &[self.ws(), Bound::Int(count(limit))], list).await?)?;
        found.sort_by_key(|effect| std::cmp::Reverse((effect.created_at, effect.op.clone())));
        found.truncate(limit);
        Ok(found)
    }

    /// Lets a dead effect wait to be sent again, with all its tries. Says whether it was dead.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn retry(&self, op: &str, at: Timestamp) -> Result<bool, StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        if execute(&mut transaction, sql::RETRY, vec![self.ws(), op.into()]).await? == 0 {
            return Ok(false);
        }
        let mut lines = Lines::default();
        lines.effect(op, "pending", None, None);
        let link = self.chain(&mut transaction, at, lines).await?;
        transaction.commit().await?;
        self.note_link(link);
        Ok(true)
    }

    /// Cancels an effect that waits or is dead, and makes `batch` true in the same transaction. Says whether it did.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails; then nothing is changed.
    pub async fn discard(&self, op: &str, at: Timestamp, why: &str, batch: &Batch) -> Result<bool, StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        let bound = vec![self.ws(), op.into(), ms(at), why.into()];
        if execute(&mut transaction, sql::DISCARD, bound).await? == 0 {
            return Ok(false);
        }
        let mut lines = Lines::default();
        lines.effect(op, "cancelled", Some(at), Some(why));
        let link = self.apply_with(&mut transaction, batch, lines).await?;
        transaction.commit().await?;
        self.note_link(link);
        Ok(true)
    }

    /// Keeps what writes are about to replace and when it was looked, each with its operation and attempt, so that they can be taken back
    /// and judged even if their answers are lost. They leave at `now`, by real time.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails; then nothing may be sent.
    pub async fn keep_leaving(&self, rows: Vec<(u32, Leaving)>, now: Timestamp) -> Result<(), StoreError> {
        let row = |(attempt, leaving): (u32, Leaving)| {
            let was = (!leaving.was.is_empty()).then(|| encode(&leaving.was));
            let looked_at = leaving.looked_at.map(Timestamp::as_millisecond);
            let attempt = Bound::Int(i64::from(attempt));
            vec![self.ws(), leaving.op.to_string().into(), attempt, was.as_deref().into(), looked_at.into(), ms(now)]
        };
        let rows = rows.into_iter().map(row).collect();
        let mut transaction = self.inner.writer.begin().await?;
        returned(&mut transaction, sql::KEEP, rows).await?;
        transaction.commit().await?;
        Ok(())
    }
}
