//! What need not be kept for ever: bodies are emptied, and what says nothing any more is deleted, a bounded number at a
//! time. Rows of the chain stay, and the chain says why they are empty.

use jiff::Timestamp;

use crate::domain::id::{ConnectionId, LeadId, Object, RecordRef};
use crate::domain::record::{PersonRecord, Presence};

use super::audit::Lines;
use super::read::{by_kind, ms};
use super::row::decode;
use super::sqlite::{Bound, Store, arguments, execute, fetch_in, insert, int, text};
use super::{StoreError, sql};

/// What can be forgotten after a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prunable {
    /// Bodies of events: what happened, but not that something did.
    Events,
    /// Bodies of effects that are done or cancelled.
    Effects,
    /// Inputs of decisions.
    Decisions,
    /// Calls, e-mails and meetings.
    Touches,
    /// Findings that are over.
    Findings,
    /// Records that the CRM has not any more.
    Gone,
}

/// What one round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Rows that were emptied or deleted.
    pub rows: u64,
    /// Is there nothing more to look at?
    pub is_over: bool,
}

/// Rows that a walk looks at in one round.
const WINDOW: usize = 2_000;

/// Where a walk over a table goes on: the key of the last row it saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    touch: [String; 4],
    person: [String; 2],
}

impl Store {
    /// Forgets what is older than `before`, in one round of at most a few thousand rows.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn prune(&self, what: Prunable, before: Timestamp, now: Timestamp) -> Result<Pruned, StoreError> {
        match what {
            Prunable::Effects => self.empty("outbox", sql::PRUNE_EFFECTS, before, now).await,
            Prunable::Events => self.empty("event", sql::PRUNE_EVENTS, before, now).await,
            Prunable::Decisions => self.empty("journal", sql::PRUNE_JOURNAL, before, now).await,
            Prunable::Touches => self.prune_touches(before).await,
            Prunable::Findings => {
                let bound = arguments(vec![self.ws(), ms(before)])?;
                let done = sqlx::query_with(sql::PRUNE_FINDINGS, bound)
                    .execute(&mut *self.inner.writer.acquire().await?)
                    .await?;
                Ok(Pruned { rows: done.rows_affected(), is_over: true })
            }
            Prunable::Gone => self.prune_gone(before).await,
        }
    }

    /// Empties bodies, and says so in the chain.
    async fn empty(
        &self,
        table: &'static str,
        statement: &'static str,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<Pruned, StoreError> {
        let place = format!("pruned_{table}");
        let after = self.meta(&place).await?.and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        let mut transaction = self.inner.writer.begin().await?;
        let mut bound = vec![self.ws(), ms(before)];
        if table != "outbox" {
            bound.push(Bound::Int(after));
        }
        let rows = sqlx::query_with(statement, arguments(bound)?).fetch_all(&mut *transaction).await?;
        let mut last = after;
        for row in &rows {
            last = last.max(int(row, 0)?);
        }
        if rows.is_empty() {
            return Ok(Pruned { rows: 0, is_over: true });
        }
        insert(&mut transaction, sql::META, vec![vec![self.ws(), place.into(), last.to_string().into()]]).await?;
        let mut lines = Lines::default();
        lines.say(format!("pruned {table} {}", before.as_millisecond()));
        self.chain(&mut transaction, now, lines).await?;
        transaction.commit().await?;
        Ok(Pruned { rows: rows.len() as u64, is_over: false })
    }

    async fn prune_touches(&self, before: Timestamp) -> Result<Pruned, StoreError> {
        let from = self.places().touch.clone();
        let mut bound = vec![self.ws()];
        bound.extend(from.iter().map(|key| Bound::from(key.as_str())));
        let rows = self.rows(sql::TOUCH_WINDOW, bound).await?;
        let mut old = Vec::new();
        let mut last: [String; 4] = Default::default();
        for row in &rows {
            last = [text(row, 0)?, text(row, 1)?, text(row, 2)?, text(row, 3)?];
            if int(row, 4)? < before.as_millisecond()
                && let Some(object) = Object::parse(&last[2])
            {
                old.push(RecordRef::new(&ConnectionId::from(last[0].as_str()), object, last[3].clone()));
            }
        }
        let is_over = rows.len() < WINDOW;
        self.places().touch = if is_over { Default::default() } else { last };
        if old.is_empty() {
            return Ok(Pruned { rows: 0, is_over });
        }
        let mut transaction = self.inner.writer.begin().await?;
        for ((connection, object), ids) in by_kind(&old) {
            let bound = [self.ws(), connection.as_str().into(), object.as_str().into()];
            fetch_in(&mut transaction, sql::DELETE_TOUCHES, &bound, &ids).await?;
        }
        transaction.commit().await?;
        Ok(Pruned { rows: old.len() as u64, is_over })
    }

    async fn prune_gone(&self, before: Timestamp) -> Result<Pruned, StoreError> {
        let from = self.places().person.clone();
        let bound = vec![self.ws(), from[0].as_str().into(), from[1].as_str().into()];
        let rows = self.rows(sql::PERSON_WINDOW, bound).await?;
        let mut old: Vec<PersonRecord> = Vec::new();
        let mut last: [String; 2] = Default::default();
        for row in &rows {
            last = [text(row, 0)?, text(row, 1)?];
            // What does not read is somebody else's to tell.
            let record = decode::<PersonRecord>(&text(row, 2)?).ok();
            old.extend(record.filter(|record| matches!(record.presence, Presence::Gone(at) if at < before)));
        }
        let is_over = rows.len() < WINDOW;
        self.places().person = if is_over { Default::default() } else { last };
        if old.is_empty() {
            return Ok(Pruned { rows: 0, is_over });
        }
        let refs: Vec<RecordRef> = old.iter().map(|record| record.of.clone()).collect();
        let leads: Vec<LeadId> = old.iter().map(|record| record.link.lead).collect();
        let mut transaction = self.inner.writer.begin().await?;
        self.erase_records(&mut transaction, &refs, &leads).await?;
        transaction.commit().await?;
        Ok(Pruned { rows: refs.len() as u64, is_over })
    }

    fn places(&self) -> std::sync::MutexGuard<'_, Places> {
        self.inner.places.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Sets a fact about the file itself.
    pub(super) async fn put_meta(
        &self,
        connection: &mut sqlx::SqliteConnection,
        name: &str,
        value: &str,
    ) -> Result<(), StoreError> {
        insert(connection, sql::META, vec![vec![self.ws(), name.into(), value.into()]]).await?;
        Ok(())
    }

    /// Drops a fact about the file itself.
    pub(super) async fn drop_meta(
        &self,
        connection: &mut sqlx::SqliteConnection,
        name: &str,
    ) -> Result<(), StoreError> {
        execute(connection, sql::META_DROP, vec![self.ws(), name.into()]).await?;
        Ok(())
    }
}
