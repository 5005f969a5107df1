//! The one connection that writes, and the transactions on it.
//!
//! It is no pool: a pool looks after a connection between two statements by asking its thread whether it is still there, so that
//! each statement would cross threads three times instead of once.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::runtime::Handle;
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use super::StoreError;

/// The connection, as long as somebody has it.
pub(super) type Held<'a> = MappedMutexGuard<'a, SqliteConnection>;

/// The writing connection of a store: for one at a time, in the order in which they come.
#[derive(Clone, Debug)]
pub(super) struct Writer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: SqliteConnectOptions,
    /// None once it was closed.
    connection: Mutex<Option<SqliteConnection>>,
    /// A transaction was begun and its end is not known: its task was dropped, or the disk refused the end.
    is_left_open: AtomicBool,
}

impl Writer {
    /// Opens the connection.
    ///
    /// # Errors
    /// [`StoreError::Database`] if SQLite cannot.
    pub(super) async fn open(options: SqliteConnectOptions) -> Result<Self, StoreError> {
        let connection = Mutex::new(Some(options.connect().await?));
        Ok(Self(Arc::new(Inner { options, connection, is_left_open: AtomicBool::new(false) })))
    }

    /// The connection, for statements that are true each by itself. Whoever holds it keeps everybody else waiting.
    ///
    /// # Errors
    /// [`StoreError::Database`] if the store was closed, or nothing ends a transaction that was left open.
    pub(super) async fn acquire(&self) -> Result<Held<'_>, StoreError> {
        let mut connection = self.0.connection.lock().await;
        if self.0.is_left_open.load(Ordering::Acquire) {
            self.end_what_was_left(&mut connection).await?;
        }
        MutexGuard::try_map(connection, Option::as_mut).map_err(|_| StoreError::Database(sqlx::Error::PoolClosed))
    }

    /// A transaction that has the right to write from its beginning.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire); [`StoreError::Database`] if it cannot begin.
    pub(super) async fn begin(&self) -> Result<Transaction<'_>, StoreError> {
        let held = self.acquire().await?;
        // Before it is asked for: a task that is dropped meanwhile leaves it open, too.
        self.0.is_left_open.store(true, Ordering::Release);
        let mut transaction = Transaction { held, writer: self };
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *transaction).await?;
        Ok(transaction)
    }

    /// Ends the transaction that nobody holds any more; where it does not end, a new connection takes the place of the one in it.
    async fn end_what_was_left(&self, connection: &mut Option<SqliteConnection>) -> Result<(), StoreError> {
        if let Some(left) = connection {
            let ended = sqlx::query("ROLLBACK").execute(&mut *left).await;
            // SQLite ends some by itself, as when the disk is full.
            if ended.is_err_and(|error| !is_none_active(&error)) {
                *left = self.0.options.connect().await?;
            }
        }
        self.0.is_left_open.store(false, Ordering::Release);
        Ok(())
    }

    /// Ends the connection, after whoever has it.
    pub(super) async fn close(&self) {
        let connection = self.0.connection.lock().await.take();
        if let Some(connection) = connection
            && let Err(error) = connection.close().await
        {
            tracing::warn!("the database did not close: {error}");
        }
    }
}

fn is_none_active(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.message().contains("no transaction is active"))
}

/// A transaction. What is dropped without [`commit`](Self::commit) has no effect.
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    held: Held<'a>,
    writer: &'a Writer,
}

impl Transaction<'_> {
    /// Makes everything in it true.
    ///
    /// # Errors
    /// [`StoreError::Database`] if the disk refuses: then nothing of it is.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        sqlx::query("COMMIT").execute(&mut *self.held).await?;
        self.writer.0.is_left_open.store(false, Ordering::Release);
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.writer.0.is_left_open.load(Ordering::Acquire) {
            return;
        }
        // Whoever comes next ends it; nobody may come for long, and it keeps other processes from writing.
        if let Ok(runtime) = Handle::try_current() {
            let writer = self.writer.clone();
            drop(runtime.spawn(async move { drop(writer.acquire().await) }));
        }
    }
}

impl Deref for Transaction<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.held
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn writer(folder: &std::path::Path) -> Writer {
        let options = SqliteConnectOptions::new().filename(folder.join("a.db")).create_if_missing(true);
        let writer = Writer::open(options).await.unwrap();
        sqlx::query("CREATE TABLE a (b INTEGER)").execute(&mut *writer.acquire().await.unwrap()).await.unwrap();
        writer
    }

    async fn count(writer: &Writer) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM a").fetch_one(&mut *writer.acquire().await.unwrap()).await.unwrap()
    }

    async fn add(transaction: &mut SqliteConnection) {
        sqlx::query("INSERT INTO a VALUES (1)").execute(transaction).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_dropped_has_no_effect_and_the_next_begins_afresh() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path()).await;
        let mut dropped = writer.begin().await.unwrap();
        add(&mut dropped).await;
        drop(dropped);
        assert_eq!(count(&writer).await, 0);
        let mut committed = writer.begin().await.unwrap();
        add(&mut committed).await;
        committed.commit().await.unwrap();
        assert_eq!(count(&writer).await, 1);
    }

    #[tokio::test]
    async fn what_sqlite_ended_by_itself_keeps_nobody_from_going_on() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path()).await;
        let mut ended = writer.begin().await.unwrap();
        sqlx::query("ROLLBACK").execute(&mut *ended).await.unwrap();
        assert!(ended.commit().await.is_err());
        assert_eq!(count(&writer).await, 0);
    }

    #[tokio::test]
    async fn a_closed_one_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path()).await;
        writer.close().await;
        assert!(matches!(writer.acquire().await, Err(StoreError::Database(sqlx::Error::PoolClosed))));
    }
}
