//! Effects that wait for a person: what waits and why, letting it go, taking it back, trying it again.

use jiff::Timestamp;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::domain::finding::{FindingKind, Subject};
use crate::domain::id::{ConnectionId, LeadId, OperationId, PersonId, TeamId};
use crate::domain::plan::{Hold, Write};
use crate::domain::undo::Done;

use super::audit::Lines;
use super::read::{corrupt, count, instant, ms};
use super::row::decode;
use super::sqlite::{Bound, Store, fetch_in, insert, int, maybe_int, maybe_text, text};
use super::{StoreError, sql};

/// A write that waits for a person.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldRow {
    /// Since when.
    pub since: Timestamp,
    /// Why, as [`Hold`] shows it.
    pub hold: String,
    /// The write.
    pub write: Write,
    /// Changes when the write does.
    pub digest: String,
}

/// How many writes wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldCount {
    /// To which connection.
    pub connection: ConnectionId,
    /// Why, as [`Hold`] shows it.
    pub hold: String,
    /// How many.
    pub writes: i64,
    /// For how many leads.
    pub leads: i64,
}

/// What was once proposed to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalRow {
    /// Its id.
    pub id: String,
    /// When it was shown.
    pub made_at: Timestamp,
    /// Its rows: operation and digest.
    pub rows: Vec<(OperationId, String)>,
}

impl Store {
    /// Writes that wait for a person's approval, by lead and in their order, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn held_rows(&self, limit: usize) -> Result<Vec<HeldRow>, StoreError> {
        let rows = self.rows(sql::HELD, vec![self.ws(), Bound::Int(count(limit))]).await?;
        rows.iter().map(held).collect()
    }

    /// Those of `ops` that wait for a person, by lead and in their order.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn held_of(&self, ops: &[OperationId]) -> Result<Vec<HeldRow>, StoreError> {
        let rows = self.rows_in(sql::HELD_OF, &[self.ws()], listed(ops)).await?;
        rows.iter().map(held).collect()
    }

    /// How many writes wait, and why.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn held_counts(&self) -> Result<Vec<HeldCount>, StoreError> {
        let rows = self.rows(sql::HELD_COUNTS, vec![self.ws()]).await?;
        rows.iter()
            .map(|row| {
                Ok(HeldCount {
                    connection: ConnectionId::from(text(row, 0)?),
                    hold: maybe_text(row, 1)?.unwrap_or_default(),
                    writes: int(row, 2)?,
                    leads: int(row, 3)?,
                })
            })
            .collect()
    }

    /// What has become of these effects: state and digest of each that is known.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn states_of(&self, ops: &[OperationId]) -> Result<Vec<(OperationId, String, String)>, StoreError> {
        let rows = self.rows_in(sql::OUTBOX_OF, &[self.ws()], listed(ops)).await?;
        rows.iter().map(|row| Ok((operation(row)?, text(row, 1)?, digest(&text(row, 2)?)))).collect()
    }

    /// Lets held effects be sent, as a person asked: no cap counts them. Says which were held.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails; then none is released.
    pub async fn release_rows(
        &self,
        ops: &[OperationId],
        proposal: Option<&str>,
    ) -> Result<Vec<OperationId>, StoreError> {
        self.change(sql::RELEASE, &[proposal.into()], ops, None).await?.iter().map(operation).collect()
    }

    /// Takes held effects back because what they were planned on has changed, and asks for a decision about their leads.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails; then none is taken back.
    pub async fn supersede(&self, ops: &[(OperationId, String)], now: Timestamp) -> Result<(), StoreError> {
        for (op, why) in ops {
            let bound = [ms(now), why.as_str().into()];
            self.change(sql::SUPERSEDE, &bound, std::slice::from_ref(op), Some(("superseded", now, why))).await?;
        }
        Ok(())
    }

    /// Takes held effects back for good. Says whose they were.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails; then none is taken back.
    pub async fn discard_held(
        &self,
        ops: &[OperationId],
        now: Timestamp,
        why: &str,
    ) -> Result<Vec<LeadId>, StoreError> {
        let bound = [ms(now), why.into()];
        let rows = self.change(sql::DISCARD_HELD, &bound, ops, Some(("cancelled", now, why))).await?;
        rows.iter().map(|row| int(row, 0).map(LeadId)).collect()
    }

    /// Writes that took effect: `ops`, else those of a proposal that was applied, else all; at most `limit`, the oldest first.
    /// What was settled so long ago that its body is forgotten is left out.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn done_writes(
        &self,
        ops: &[OperationId],
        proposal: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Done>, StoreError> {
        let mut rows = if !ops.is_empty() {
            self.rows_in(sql::DONE_OF, &[self.ws()], listed(ops)).await?
        } else if let Some(proposal) = proposal {
            self.rows(sql::DONE_BY, vec![self.ws(), proposal.into(), Bound::Int(count(limit))]).await?
        } else {
            let mut rows = self.rows(sql::DONE_ALL, vec![self.ws(), Bound::Int(count(limit))]).await?;
            rows.reverse();
            rows
        };
        rows.truncate(limit);
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let body = text(row, 1)?;
            if body.is_empty() {
                continue;
            }
            let corrupt = |error: super::Unreadable| corrupt("outbox", &text_or(row), &error.to_string());
            let made = maybe_text(row, 3)?.map(|made| decode(&made)).transpose().map_err(corrupt)?;
            let was = maybe_text(row, 4)?.map(|was| decode(&was)).transpose().map_err(corrupt)?;
            found.push(Done {
                write: decode(&body).map_err(corrupt)?,
                at: instant(maybe_int(row, 2)?)?.unwrap_or(Timestamp::UNIX_EPOCH),
                made,
                was: was.unwrap_or_default(),
            });
        }
        Ok(found)
    }

    /// Ends a finding that does not hold any more.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn resolve_one(&self, kind: FindingKind, subject: &Subject, now: Timestamp) -> Result<(), StoreError> {
        let (subject, _) = super::findings::subject(subject);
        let bound = super::sqlite::arguments(vec![self.ws(), kind.as_str().into(), subject.into(), ms(now)])?;
        sqlx::query_with(sql::RESOLVE_ONE, bound).execute(&mut *self.inner.writer.acquire().await?).await?;
        Ok(())
    }

    /// Remembers what was proposed to a person.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn keep_proposal(&self, proposal: &ProposalRow, forget_before: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        let lines: Vec<String> = proposal.rows.iter().map(|(op, digest)| format!("{op} {digest}")).collect();
        let row = vec![self.ws(), proposal.id.as_str().into(), ms(proposal.made_at), lines.join("\n").into()];
        insert(&mut transaction, sql::PROPOSAL, vec![row]).await?;
        super::sqlite::execute(&mut transaction, sql::PROPOSALS_OLD, vec![self.ws(), ms(forget_before)]).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The proposals whose id begins with `id`, at most two: one is meant, two are ambiguous.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn proposals(&self, id: &str) -> Result<Vec<ProposalRow>, StoreError> {
        // Ids are hexadecimal; anything else must not become a pattern.
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Vec::new());
        }
        let pattern = format!("{}%", id.to_ascii_lowercase());
        let rows = self.rows(sql::PROPOSAL_OF, vec![self.ws(), pattern.into()]).await?;
        rows.iter().map(proposal).collect()
    }

    /// Writes to `connection` that took effect after `since`, and how many of them took a record from somebody; and the same
    /// of those that wait to be sent. Alerts and what a person approved are not among them.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn cap_figures(
        &self,
        connection: &ConnectionId,
        since: Timestamp,
    ) -> Result<[(i64, i64); 2], StoreError> {
        let waiting = self.rows(sql::CAP_WAITING, vec![self.ws(), connection.as_str().into()]).await?;
        let waiting = waiting.first().map_or(Ok((0, 0)), |row| Ok::<_, StoreError>((int(row, 0)?, int(row, 1)?)))?;
        if waiting.0 == 0 {
            return Ok([(0, 0), waiting]);
        }
        let sent = self.rows(sql::CAP_SENT, vec![self.ws(), connection.as_str().into(), ms(since)]).await?;
        let sent = sent.first().map_or(Ok((0, 0)), |row| Ok::<_, StoreError>((int(row, 0)?, int(row, 1)?)))?;
        Ok([sent, waiting])
    }

    /// Holds what waits for `connection` behind the first `allowed` writes, the most urgent first; of those that take a record
    /// from somebody alone, if `takes`. Says how many.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn hold_over_cap(&self, connection: &ConnectionId, allowed: i64, takes: bool) -> Result<u64, StoreError> {
        let bound = vec![
            self.ws(),
            connection.as_str().into(),
            Bound::Int(i64::from(takes)),
            Bound::Int(i64::MAX),
            Bound::Int(allowed.max(0)),
        ];
        let bound = super::sqlite::arguments(bound)?;
        Ok(sqlx::query_with(sql::CAP_HOLD, bound)
            .execute(&mut *self.inner.writer.acquire().await?)
            .await?
            .rows_affected())
    }

    /// Holds what is queued for open hand-offs of these people, of a team that was paused.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn hold_team(&self, team: &TeamId, people: &[PersonId]) -> Result<usize, StoreError> {
        let hold = Hold::Paused(team.clone()).to_string();
        let people: Vec<Bound> = people.iter().map(|person| person.as_str().into()).collect();
        let mut writer = self.inner.writer.acquire().await?;
        Ok(fetch_in(&mut writer, sql::HOLD_TEAM, &[self.ws(), hold.into()], &people).await?.len())
    }

    /// Lets go what a pause of `team` held; what is written to CRMs waits on, if `otherwise` says why.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn unhold_team(&self, team: &TeamId, otherwise: Option<&Hold>) -> Result<u64, StoreError> {
        let hold = Hold::Paused(team.clone()).to_string();
        let (state, other) = otherwise.map_or(("pending", None), |other| ("held", Some(other.to_string())));
        let bound = vec![self.ws(), hold.into(), state.into(), other.as_deref().into()];
        let bound = super::sqlite::arguments(bound)?;
        Ok(sqlx::query_with(sql::UNHOLD_TEAM, bound)
            .execute(&mut *self.inner.writer.acquire().await?)
            .await?
            .rows_affected())
    }

    /// Asks for a decision about every lead with an open hand-off.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn recheck_open(&self, now: Timestamp) -> Result<u64, StoreError> {
        let bound = super::sqlite::arguments(vec![self.ws(), ms(now)])?;
        Ok(sqlx::query_with(sql::RECHECK_OPEN, bound)
            .execute(&mut *self.inner.writer.acquire().await?)
            .await?
            .rows_affected())
    }

    async fn change(
        &self,
        statement: &'static str,
        bound: &[Bound],
        ops: &[OperationId],
        fate: Option<(&str, Timestamp, &str)>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let mut all = vec![self.ws()];
        all.extend(bound.iter().cloned());
        let mut transaction = self.inner.writer.begin().await?;
        let connection: &mut SqliteConnection = &mut transaction;
        let rows = fetch_in(connection, statement, &all, &listed(ops)).await?;
        let mut link = None;
        if let Some((state, now, why)) = fate {
            let mut lines = Lines::default();
            for row in &rows {
                // The operation comes last, whatever else is returned.
                let op = text(row, sqlx::Row::len(row) - 1)?;
                lines.effect(&op, state, Some(now), Some(why));
            }
            link = self.chain(connection, now, lines).await?;
        }
        transaction.commit().await?;
        self.note_link(link);
        Ok(rows)
    }
}

fn held(row: &SqliteRow) -> Result<HeldRow, StoreError> {
    let body = text(row, 3)?;
    Ok(HeldRow {
        since: instant(Some(int(row, 1)?))?.unwrap_or(Timestamp::UNIX_EPOCH),
        hold: maybe_text(row, 2)?.unwrap_or_default(),
        write: decode(&body).map_err(|error| corrupt("outbox", &text_or(row), &error.to_string()))?,
        digest: digest(&body),
    })
}

fn listed(ops: &[OperationId]) -> Vec<Bound> {
    ops.iter().map(|op| op.to_string().into()).collect()
}

fn text_or(row: &SqliteRow) -> String {
    text(row, 0).unwrap_or_default()
}

fn operation(row: &SqliteRow) -> Result<OperationId, StoreError> {
    let op = text(row, 0)?;
    OperationId::parse(&op).ok_or_else(|| corrupt("outbox", &op, "the operation id is no hexadecimal number"))
}

/// What tells two bodies apart.
fn digest(body: &str) -> String {
    OperationId::of(&[body]).to_string()
}

fn proposal(row: &SqliteRow) -> Result<ProposalRow, StoreError> {
    let id = text(row, 0)?;
    let line = |line: &str| {
        let (op, digest) = line.split_once(' ')?;
        Some((OperationId::parse(op)?, digest.to_owned()))
    };
    let body = text(row, 2)?;
    let rows: Option<Vec<_>> = body.lines().map(line).collect();
    Ok(ProposalRow {
        made_at: instant(maybe_int(row, 1)?)?.unwrap_or(Timestamp::UNIX_EPOCH),
        rows: rows.ok_or_else(|| corrupt("proposal", &id, "a line is no operation with its digest"))?,
        id,
    })
}
