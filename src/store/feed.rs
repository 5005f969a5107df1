//! What keeps the feeds honest: the patrol's rounds and repairs, hints of webhooks, leads that wait for a first decision after
//! a start.

use jiff::{SignedDuration, Timestamp};
use sqlx::SqliteConnection;

use crate::domain::finding::{FindingKind, Subject};
use crate::domain::id::{ConnectionId, LeadId, Name, Object, RecordRef, RemoteId};
use crate::domain::patrol::{Cause, Round};

use super::read::{corrupt, count, instant, ms};
use super::sqlite::{Bound, Store, arguments, execute, fetch_in, insert, int, maybe_int, maybe_text, text};
use super::{Batch, StoreError, sql};

/// What the patrol repaired, of one stream for one cause: in a batch, or ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// Whose.
    pub connection: ConnectionId,
    /// Which stream.
    pub stream: Name,
    /// Why it had to be.
    pub cause: Cause,
    /// How many records.
    pub total: u64,
    /// When the last one was.
    pub last_at: Timestamp,
    /// How far behind the feed's claim the worst change of the last day lay.
    pub age: SignedDuration,
    /// When that one was found.
    pub age_at: Timestamp,
}

/// What a webhook said: look at this record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What makes it that event; the same again says nothing new.
    pub event: String,
    /// The record to look at.
    pub of: RecordRef,
    /// Did what hangs on the record change, too?
    pub around: bool,
}

/// A record that is to be looked at because a webhook said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The record.
    pub of: RecordRef,
    /// Counts how often it was asked for, so that what came meanwhile is not taken for done.
    pub seq: i64,
    /// Is what hangs on it to be looked at, too?
    pub around: bool,
    /// Since when it waits.
    pub first_at: Timestamp,
    /// How often it could not be read.
    pub tries: u32,
}

/// What became of a webhook's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// They are stored; so many were news.
    Stored(usize),
    /// There is no room: nothing was stored.
    Full,
}

/// No id of a CRM is longer.
const ID_LENGTH_MAX: usize = 255;

impl Store {
    pub(super) async fn apply_feed(
        &self,
        connection: &mut SqliteConnection,
        batch: &Batch,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let undecided = batch.undecided.iter().map(|lead| vec![self.ws(), Bound::Int(lead.0)]);
        insert(connection, sql::UNDECIDED, undecided.collect()).await?;
        let decided: Vec<Bound> = batch.decided.iter().map(|lead| Bound::Int(lead.0)).collect();
        fetch_in(connection, sql::DECIDED, &[self.ws()], &decided).await?;
        insert(connection, sql::ROUND, batch.rounds.iter().map(|round| self.round_row(round)).collect()).await?;
        let repairs = batch.repairs.iter().map(|repair| {
            vec![
                self.ws(),
                repair.connection.as_str().into(),
                repair.stream.as_str().into(),
                repair.cause.as_str().into(),
                Bound::Int(whole(repair.total)),
                ms(now),
                Bound::Int(i64::try_from(repair.age.as_millis()).unwrap_or(i64::MAX)),
                ms(now),
            ]
        });
        insert(connection, sql::REPAIR, repairs.collect()).await?;
        self.count_vanished(connection, &batch.vanished, now).await?;
        for hint in &batch.followed {
            execute(connection, sql::HINT_DONE, self.hint_key(hint)).await?;
        }
        Ok(())
    }

    fn round_row(&self, round: &Round) -> Vec<Bound> {
        vec![
            self.ws(),
            round.connection.as_str().into(),
            round.stream.as_str().into(),
            ms(round.began),
            round.next.as_ref().map(RemoteId::as_str).into(),
            Bound::Int(whole(round.seen)),
            Bound::Int(whole(round.expected)),
            Bound::Int(whole(round.gone)),
            round.whole_at.map(Timestamp::as_millisecond).into(),
            round.halted.as_ref().map(|(since, _)| since.as_millisecond()).into(),
            round.halted.as_ref().map(|(_, why)| why.as_str()).into(),
        ]
    }

    fn hint_key(&self, hint: &Hint) -> Vec<Bound> {
        vec![
            self.ws(),
            hint.of.connection.as_str().into(),
            hint.of.object.as_str().into(),
            hint.of.id.as_str().into(),
            Bound::Int(hint.seq),
        ]
    }

    /// Where every patrol stands.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn rounds(&self) -> Result<Vec<Round>, StoreError> {
        let rows = self.rows(sql::ROUNDS, vec![self.ws()]).await?;
        rows.iter()
            .map(|row| {
                let halted = instant(maybe_int(row, 8)?)?.zip(maybe_text(row, 9)?);
                Ok(Round {
                    connection: ConnectionId::from(text(row, 0)?),
                    stream: Name::from(text(row, 1)?),
                    began: instant(Some(int(row, 2)?))?.unwrap_or(Timestamp::UNIX_EPOCH),
                    next: maybe_text(row, 3)?.map(RemoteId::from),
                    seen: natural(int(row, 4)?),
                    expected: natural(int(row, 5)?),
                    gone: natural(int(row, 6)?),
                    whole_at: instant(maybe_int(row, 7)?)?,
                    halted,
                })
            })
            .collect()
    }

    /// What the patrol has repaired so far, by stream and cause.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn repairs(&self) -> Result<Vec<Repaired>, StoreError> {
        let rows = self.rows(sql::REPAIRS, vec![self.ws()]).await?;
        rows.iter()
            .map(|row| {
                let cause = text(row, 2)?;
                let at = |place| Ok::<_, StoreError>(instant(Some(int(row, place)?))?.unwrap_or_default());
                Ok(Repaired {
                    connection: ConnectionId::from(text(row, 0)?),
                    stream: Name::from(text(row, 1)?),
                    cause: Cause::parse(&cause).ok_or_else(|| corrupt("repair", &cause, "the cause is unknown"))?,
                    total: natural(int(row, 3)?),
                    last_at: at(4)?,
                    age: SignedDuration::from_millis(int(row, 5)?),
                    age_at: at(6)?,
                })
            })
            .collect()
    }

    /// The stored records of `object` with ids from `from` up to, but not including, `to`, those that are known to be gone
    /// left out. A shorter id comes before a longer one, as numbers do.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn ids_between(
        &self,
        connection: &ConnectionId,
        object: Object,
        from: &str,
        to: Option<&str>,
    ) -> Result<Vec<RecordRef>, StoreError> {
        // No id is longer than this.
        let last = "9".repeat(ID_LENGTH_MAX);
        let (low, high) = (from, to.unwrap_or(&last));
        let digits = |text: &str| Bound::Int(count(text.len()));
        let head = [self.ws(), connection.as_str().into()];
        let is_one_stretch = low.len() == high.len();
        let (between, all) = match object {
            Object::Person => (sql::PEOPLE_BETWEEN, sql::PEOPLE_FROM),
            Object::Company => (sql::COMPANIES_BETWEEN, sql::COMPANIES_FROM),
            Object::Call | Object::Email | Object::Meeting => (sql::TOUCHES_BETWEEN, sql::TOUCHES_FROM),
            Object::Task | Object::Note | Object::User | Object::Deal => return Ok(Vec::new()),
        };
        let mut bound = head.to_vec();
        let statement = if is_one_stretch {
            bound.extend([low.into(), high.into(), digits(low)]);
            between
        } else {
            bound.extend([digits(low), low.into(), digits(high), high.into()]);
            all
        };
        if matches!(object, Object::Call | Object::Email | Object::Meeting) {
            bound.push(object.as_str().into());
        }
        let rows = self.rows(statement, bound).await?;
        rows.iter().map(|row| Ok(RecordRef::new(connection, object, text(row, 0)?))).collect()
    }

    /// How many records of `object` are stored.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn count_of(&self, connection: &ConnectionId, object: Object) -> Result<u64, StoreError> {
        let mut bound = vec![self.ws(), connection.as_str().into()];
        let statement = match object {
            Object::Person => sql::PEOPLE_COUNT,
            Object::Company => sql::COMPANIES_COUNT,
            Object::Call | Object::Email | Object::Meeting => {
                bound.push(object.as_str().into());
                sql::TOUCHES_COUNT
            }
            Object::Task | Object::Note | Object::User | Object::Deal => return Ok(0),
        };
        let rows = self.rows(statement, bound).await?;
        rows.first().map_or(Ok(0), |row| Ok(natural(int(row, 0)?)))
    }

    /// Keeps what a webhook said, in one transaction that is on the disk when this returns: a record is asked for once,
    /// however often it is named. Nothing of it is kept if more than `most` records of the connection would wait then.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn hear(
        &self,
        connection: &ConnectionId,
        heard: &[Heard],
        now: Timestamp,
        most: usize,
    ) -> Result<Taken, StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        let mut news = Vec::new();
        for one in heard {
            let event = vec![self.ws(), connection.as_str().into(), one.event.as_str().into(), ms(now)];
            if insert(&mut transaction, sql::HOOK_EVENT, vec![event]).await? > 0 {
                news.push(one);
            }
        }
        for one in &news {
            let row = vec![
                self.ws(),
                connection.as_str().into(),
                one.of.object.as_str().into(),
                one.of.id.as_str().into(),
                Bound::Int(1),
                Bound::Int(i64::from(one.around)),
                ms(now),
                Bound::Int(0),
                Bound::Int(0),
            ];
            insert(&mut transaction, sql::HINT, vec![row]).await?;
        }
        let bound = arguments(vec![self.ws(), connection.as_str().into()])?;
        let waiting: i64 = sqlx::query_scalar_with(sql::HINTS_COUNT, bound).fetch_one(&mut *transaction).await?;
        if !news.is_empty() && waiting > count(most) {
            drop(transaction);
            return Ok(Taken::Full);
        }
        transaction.commit().await?;
        Ok(Taken::Stored(news.len()))
    }

    /// Records that webhooks asked for, the longest waiting first. `now` is real time.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn hints(
        &self,
        connection: &ConnectionId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Hint>, StoreError> {
        let bound = vec![self.ws(), connection.as_str().into(), ms(now), Bound::Int(count(limit))];
        let rows = self.rows(sql::HINTS_READY, bound).await?;
        rows.iter()
            .map(|row| {
                let object = text(row, 0)?;
                let object = Object::parse(&object).ok_or_else(|| corrupt("hint", &object, "the object is unknown"))?;
                Ok(Hint {
                    of: RecordRef::new(connection, object, text(row, 1)?),
                    seq: int(row, 2)?,
                    around: int(row, 3)? != 0,
                    first_at: instant(Some(int(row, 4)?))?.unwrap_or_default(),
                    tries: u32::try_from(int(row, 5)?).unwrap_or(u32::MAX),
                })
            })
            .collect()
    }

    /// How many records wait to be looked at.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn hints_waiting(&self, connection: &ConnectionId) -> Result<u64, StoreError> {
        let rows = self.rows(sql::HINTS_COUNT, vec![self.ws(), connection.as_str().into()]).await?;
        rows.first().map_or(Ok(0), |row| Ok(natural(int(row, 0)?)))
    }

    /// Lets a record that could not be read wait until `not_before`, which is real time.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn hint_later(&self, hint: &Hint, not_before: Timestamp) -> Result<(), StoreError> {
        let mut bound = self.hint_key(hint);
        bound.push(ms(not_before));
        let bound = arguments(bound)?;
        sqlx::query_with(sql::HINT_LATER, bound).execute(&mut *self.inner.writer.acquire().await?).await?;
        Ok(())
    }

    /// Forgets which events were heard before `before`, which is real time.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn forget_hook_events(&self, before: Timestamp) -> Result<u64, StoreError> {
        let bound = arguments(vec![self.ws(), ms(before)])?;
        Ok(sqlx::query_with(sql::FORGET_HOOK_EVENTS, bound)
            .execute(&mut *self.inner.writer.acquire().await?)
            .await?
            .rows_affected())
    }

    /// Leads that changed while no decisions were taken, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn undecided(&self, limit: usize) -> Result<Vec<LeadId>, StoreError> {
        let rows = self.rows(sql::UNDECIDED_LEADS, vec![self.ws(), Bound::Int(count(limit))]).await?;
        rows.iter().map(|row| Ok(LeadId(int(row, 0)?))).collect()
    }

    /// Since when this finding stands, if it does.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn stands(&self, kind: FindingKind, about: &Subject) -> Result<Option<Timestamp>, StoreError> {
        let bound = vec![self.ws(), kind.as_str().into(), super::findings::subject(about).0.into()];
        let rows = self.rows(sql::FINDING_STANDS, bound).await?;
        rows.first().map_or(Ok(None), |row| instant(Some(int(row, 0)?)))
    }

    /// How many leads wait for evidence on a step that was due by `now`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn awaiting_evidence(&self, now: Timestamp) -> Result<u64, StoreError> {
        let rows = self.rows(sql::EVIDENCE_WAITING, vec![self.ws(), ms(now)]).await?;
        rows.first().map_or(Ok(0), |row| Ok(natural(int(row, 0)?)))
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
