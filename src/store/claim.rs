//! Claiming: rows of the outbox under a lease, each with the number of its attempt.

use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::SqliteRow;

use crate::domain::id::{ConnectionId, Name, OperationId};
use crate::domain::plan::Earlier;

use super::read::{corrupt, count, instant, ms};
use super::row::decode;
use super::sqlite::{Bound, Store, int, maybe_int, maybe_text, text};
use super::{Claim, Outgoing, StoreError, sql};

impl Store {
    /// Claims writes for `connection` under a lease: the most urgent lane first, then the oldest. A lead's writes of one lane
    /// go out in order, and none before an earlier one that is as urgent: an owner before the task for them. A more urgent one
    /// overtakes, for what it sets is another value; but the making of a record goes before all that follows it, and after
    /// all that was meant for the record before. `now` is real time.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn claim_writes(
        &self,
        connection: &ConnectionId,
        now: Timestamp,
        lease: SignedDuration,
        limit: usize,
    ) -> Result<Vec<Claim>, StoreError> {
        let bound = vec![self.ws(), connection.as_str().into(), ms(now), ms(now + lease), Bound::Int(count(limit))];
        self.claim(sql::CLAIM_WRITES, bound, now).await
    }

    /// Claims notices for `channel` under a lease, the oldest first. `now` is real time; what is held beyond `present`, by the
    /// engine's clock, is left.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn claim_notices(
        &self,
        channel: &Name,
        now: Timestamp,
        present: Timestamp,
        lease: SignedDuration,
        limit: usize,
    ) -> Result<Vec<Claim>, StoreError> {
        let limit = Bound::Int(count(limit));
        let bound = vec![self.ws(), channel.as_str().into(), ms(now), ms(now + lease), limit, ms(present)];
        self.claim(sql::CLAIM_NOTICES, bound, now).await
    }

    async fn claim(
        &self,
        statement: &'static str,
        bound: Vec<Bound>,
        now: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        if !self.may_claim() {
            return Ok(Vec::new());
        }
        let bound = super::sqlite::arguments(bound)?;
        let rows = sqlx::query_with(statement, bound).fetch_all(&mut *self.inner.writer.acquire().await?).await?;
        let mut claims = Vec::with_capacity(rows.len());
        for row in &rows {
            let op = text(row, 0)?;
            let body = text(row, 3)?;
            let (what, earlier) = if statement == sql::CLAIM_WRITES {
                (decode(&body).map(Outgoing::Write), earlier(row, &op, now)?)
            } else {
                (decode(&body).map(Outgoing::Notice), None)
            };
            let what = what.map_err(|error| corrupt("outbox", &op, &error.to_string()))?;
            let parsed = OperationId::parse(&op);
            claims.push((
                int(row, 4)?,
                Claim {
                    op: parsed.ok_or_else(|| corrupt("outbox", &op, "the operation id is no hexadecimal number"))?,
                    attempt: u32::try_from(int(row, 1)?).unwrap_or(u32::MAX),
                    tries: u32::try_from(int(row, 5)?).unwrap_or(u32::MAX),
                    is_unknown: int(row, 2)? != 0,
                    doubts: u32::try_from(int(row, 2)?).unwrap_or(u32::MAX),
                    earlier,
                    what,
                },
            ));
        }
        // RETURNING gives no order.
        claims.sort_by_key(|(seq, claim)| (claim.write().map(|write| write.lane), *seq));
        Ok(claims.into_iter().map(|(_, claim)| claim).collect())
    }

    /// Where notices can be sent to, in order of the names, with how many. `now` is real time; what is held beyond `present`,
    /// by the engine's clock, does not count.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn channels_waiting(&self, now: Timestamp, present: Timestamp) -> Result<Vec<(Name, usize)>, StoreError> {
        let rows = self.rows(sql::CHANNELS_WAITING, vec![self.ws(), ms(now), ms(present)]).await?;
        let waiting = |row| Ok((Name::from(text(row, 0)?), usize::try_from(int(row, 1)?).unwrap_or(usize::MAX)));
        rows.iter().map(waiting).collect()
    }
}

/// The try of a write that was the last to leave.
fn earlier(row: &SqliteRow, op: &str, now: Timestamp) -> Result<Option<Earlier>, StoreError> {
    let Some(sent_at) = instant(maybe_int(row, 6)?)? else { return Ok(None) };
    let was = maybe_text(row, 8)?.map(|text| decode(&text)).transpose();
    let was = was.map_err(|error| corrupt("outbox", op, &error.to_string()))?;
    let ago = now.duration_since(sent_at).max(SignedDuration::ZERO);
    Ok(Some(Earlier { ago, looked_at: instant(maybe_int(row, 7)?)?, was: was.unwrap_or_default() }))
}
