//! SQLite: opens the file, binds and runs. One writer connection, a few readers, one process.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use crate::clock::Clock;
use crate::domain::id::{ConnectionId, Name, PersonId, RemoteId, TeamId, WorkspaceId};

use super::lock::Lock;
use super::seal::Seal;
use super::statement::{Insert, LIST_SIZES, Parameter, ROW_SIZES, ready};
use super::writer::Writer;
use super::{REST, StoreError, migrate, sql};

/// Readers beside the one writer.
const READERS: u32 = 3;

/// The embedded store of one workspace. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) inner: Arc<Inner>,
    /// What is secret in it is sealed with this.
    pub(super) seal: Arc<Seal>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) workspace: WorkspaceId,
    pub(super) writer: Writer,
    pub(super) readers: SqlitePool,
    pub(super) next_event: AtomicI64,
    pub(super) next_effect: AtomicI64,
    pub(super) next_decision: AtomicI64,
    /// The file beside the database by which it is recognised; none while it is only read.
    pub(super) side: std::sync::OnceLock<super::instance::Side>,
    /// Nothing is claimed until a person releases the store.
    pub(super) is_held: AtomicBool,
    /// Nothing is claimed until there is room again.
    pub(super) is_full: AtomicBool,
    /// Where the walks of retention go on.
    pub(super) places: std::sync::Mutex<super::retention::Places>,
    /// Was it ever said of two records that they are not the same person? Hardly any decision needs to look for it.
    pub(super) has_apart: AtomicBool,
    /// Held open and locked for life, so that a second process on the same file is turned away.
    _lock: Option<Lock>,
}

/// A value that is bound to a parameter.
#[derive(Clone, Debug)]
pub(super) enum Bound {
    Null,
    Int(i64),
    Text(String),
    /// An id: bound without a copy.
    Shared(Arc<str>),
}

impl From<i64> for Bound {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<Option<i64>> for Bound {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Self::Null, Self::Int)
    }
}

impl From<&str> for Bound {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Bound {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Option<&str>> for Bound {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::from)
    }
}

macro_rules! shared {
    ($($id:ty),*) => {$(
        impl From<&$id> for Bound {
            fn from(id: &$id) -> Self {
                Self::Shared(id.shared())
            }
        }
    )*};
}

shared!(WorkspaceId, ConnectionId, RemoteId, PersonId, TeamId, Name);

impl Store {
    /// Opens or makes the database at `path` for `workspace`, and locks it for the life of the store. Effects that were
    /// being sent when the process before ended are looked for after [`REST`] of real time.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process has it, [`StoreError::Newer`] if a newer Baton made it.
    pub async fn open(path: &Path, workspace: &WorkspaceId) -> Result<Self, StoreError> {
        Self::open_resting(path, workspace, REST).await
    }

    /// As [`open`](Self::open), with another rest.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_resting(path: &Path, workspace: &WorkspaceId, rest: SignedDuration) -> Result<Self, StoreError> {
        Self::open_at(path, workspace, Clock::system().wall() + rest).await
    }

    /// As [`open`](Self::open), but what was being sent is looked for at `look_at` of the clock that leases run on.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_at(path: &Path, workspace: &WorkspaceId, look_at: Timestamp) -> Result<Self, StoreError> {
        let lock = Lock::take(path)?;
        // Personal data: for the owner of the process alone. SQLite gives its side files the database's permissions.
        drop(private(path)?);
        let writer = Writer::open(options(path, false)).await?;
        migrate::migrate(&writer).await?;
        let readers = readers(path).await?;
        let store = Self::with(workspace, writer, readers, Some(lock)).await?;
        let now = Clock::system().wall();
        store.begin_chain(now).await?;
        let is_held = store.held().await?.is_some();
        store.inner.is_held.store(is_held, std::sync::atomic::Ordering::SeqCst);
        let side = store.recognise(path, now).await?;
        drop(store.inner.side.set(side));
        store.doubt_what_was_sending(look_at).await?;
        Ok(store)
    }

    /// Opens an existing database for reading beside a running Baton.
    ///
    /// # Errors
    /// [`StoreError::Newer`] if a newer Baton made it, [`StoreError::Database`] if there is none.
    pub async fn open_read_only(path: &Path, workspace: &WorkspaceId) -> Result<Self, StoreError> {
        let writer = Writer::open(options(path, true)).await?;
        migrate::check(&mut *writer.acquire().await?).await?;
        Self::with(workspace, writer, readers(path).await?, None).await
    }

    pub(super) async fn with(
        workspace: &WorkspaceId,
        writer: Writer,
        readers: SqlitePool,
        lock: Option<Lock>,
    ) -> Result<Self, StoreError> {
        let inner = Inner {
            workspace: workspace.clone(),
            writer,
            readers,
            next_event: AtomicI64::new(0),
            next_effect: AtomicI64::new(0),
            next_decision: AtomicI64::new(0),
            places: std::sync::Mutex::default(),
            side: std::sync::OnceLock::new(),
            is_held: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
            has_apart: AtomicBool::new(false),
            _lock: lock,
        };
        let store = Self { inner: Arc::new(inner), seal: Arc::new(Seal::none()) };
        store.load_counters().await?;
        Ok(store)
    }

    /// Looks through the whole file for damage. Run at start and once a day, beside the daemon's work.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with what SQLite found.
    pub async fn check_integrity(&self) -> Result<(), StoreError> {
        let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&self.inner.readers).await?;
        if found == "ok" {
            return Ok(());
        }
        Err(StoreError::Damaged(found))
    }

    /// Which workspace this is.
    #[must_use]
    pub fn workspace(&self) -> &WorkspaceId {
        &self.inner.workspace
    }

    /// Ends the readers and the writer.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        self.inner.writer.close().await;
    }

    pub(super) fn ws(&self) -> Bound {
        Bound::from(&self.inner.workspace)
    }

    /// Rows of a statement without a list, for a decision. On the writer's connection: its page cache outlives commits,
    /// while a reader's begins anew after each of them.
    pub(super) async fn rows(&self, text: &'static str, bound: Vec<Bound>) -> Result<Vec<SqliteRow>, StoreError> {
        Ok(sqlx::query_with(text, arguments(bound)?).fetch_all(&mut *self.inner.writer.acquire().await?).await?)
    }

    /// Rows of a statement without a list, for a screen: nothing that is decided waits for it.
    pub(super) async fn glance(&self, text: &'static str, bound: Vec<Bound>) -> Result<Vec<SqliteRow>, StoreError> {
        Ok(sqlx::query_with(text, arguments(bound)?).fetch_all(&self.inner.readers).await?)
    }

    /// Rows of a statement with an `IN` list, in chunks. Duplicates in `list` are asked for once.
    pub(super) async fn rows_in(
        &self,
        text: &'static str,
        bound: &[Bound],
        mut list: Vec<Bound>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        list.sort_by(|a, b| key(a).cmp(&key(b)));
        list.dedup_by(|a, b| key(a) == key(b));
        if list.is_empty() {
            return Ok(Vec::new());
        }
        let mut connection = self.inner.writer.acquire().await?;
        fetch_in(&mut connection, text, bound, &list).await
    }
}

fn key(bound: &Bound) -> (i64, &str) {
    match bound {
        Bound::Null => (i64::MIN, ""),
        Bound::Int(number) => (*number, ""),
        Bound::Text(text) => (0, text),
        Bound::Shared(text) => (0, text),
    }
}

/// Inserts `rows` in as few statements as the sizes allow.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    insert: Insert,
    rows: Vec<Vec<Bound>>,
) -> Result<u64, StoreError> {
    let mut done = 0;
    for (text, bound) in statements(insert, rows) {
        done += sqlx::query_with(text, arguments(bound)?).execute(&mut *connection).await?.rows_affected();
    }
    Ok(done)
}

/// As [`insert`], with what the statements return.
pub(super) async fn returned(
    connection: &mut SqliteConnection,
    insert: Insert,
    rows: Vec<Vec<Bound>>,
) -> Result<Vec<SqliteRow>, StoreError> {
    let mut returned = Vec::new();
    for (text, bound) in statements(insert, rows) {
        returned.extend(sqlx::query_with(text, arguments(bound)?).fetch_all(&mut *connection).await?);
    }
    Ok(returned)
}

fn statements(insert: Insert, rows: Vec<Vec<Bound>>) -> impl Iterator<Item = (AssertSqlSafe<Arc<str>>, Vec<Bound>)> {
    let mut rows = rows.into_iter();
    std::iter::from_fn(move || {
        let size = ROW_SIZES.into_iter().find(|size| *size <= rows.len())?;
        let bound: Vec<Bound> = rows.by_ref().take(size).flatten().collect();
        Some((AssertSqlSafe(insert.ready(size)), bound))
    })
}

pub(super) async fn execute(
    connection: &mut SqliteConnection,
    text: &'static str,
    bound: Vec<Bound>,
) -> Result<u64, StoreError> {
    Ok(sqlx::query_with(text, arguments(bound)?).execute(connection).await?.rows_affected())
}

/// Runs a statement with an `IN` list within a transaction, in chunks.
pub(super) async fn fetch_in(
    connection: &mut SqliteConnection,
    text: &'static str,
    bound: &[Bound],
    list: &[Bound],
) -> Result<Vec<SqliteRow>, StoreError> {
    let mut rows = Vec::new();
    let largest = LIST_SIZES[LIST_SIZES.len() - 1];
    for chunk in list.chunks(largest) {
        let size = LIST_SIZES.into_iter().find(|size| *size >= chunk.len()).unwrap_or(largest);
        let made = ready(text, size);
        let value = |parameter| match parameter {
            Parameter::Bound(place) => bound[place].clone(),
            // A list that is too short repeats its last value.
            Parameter::Listed(place) => chunk[place.min(chunk.len() - 1)].clone(),
        };
        let all = arguments(made.parameters.iter().copied().map(value).collect())?;
        rows.extend(sqlx::query_with(AssertSqlSafe(Arc::clone(&made.text)), all).fetch_all(&mut *connection).await?);
    }
    Ok(rows)
}

pub(super) fn arguments(bound: Vec<Bound>) -> Result<SqliteArguments, StoreError> {
    use sqlx::Arguments as _;
    let mut arguments = SqliteArguments::default();
    arguments.reserve(bound.len(), 0);
    for value in bound {
        let added = match value {
            Bound::Null => arguments.add(Option::<i64>::None),
            Bound::Int(number) => arguments.add(number),
            Bound::Text(text) => arguments.add(text),
            Bound::Shared(text) => arguments.add(text),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

pub(super) fn int(row: &SqliteRow, at: usize) -> Result<i64, StoreError> {
    Ok(row.try_get(at)?)
}

pub(super) fn maybe_int(row: &SqliteRow, at: usize) -> Result<Option<i64>, StoreError> {
    Ok(row.try_get(at)?)
}

pub(super) fn text(row: &SqliteRow, at: usize) -> Result<String, StoreError> {
    Ok(row.try_get(at)?)
}

pub(super) fn maybe_text(row: &SqliteRow, at: usize) -> Result<Option<String>, StoreError> {
    Ok(row.try_get(at)?)
}

fn options(path: &Path, read_only: bool) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(!read_only)
        .read_only(read_only)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(10))
        // 12 MiB for the writer, 2 for each reader: memory does not grow with the number of leads.
        .pragma("cache_size", if read_only { "-2048" } else { "-12288" })
        // 32 MiB: a page that many transactions touch is copied into the database once for all of them.
        .pragma("wal_autocheckpoint", "8000")
        .pragma("temp_store", "MEMORY")
        .statement_cache_capacity(200)
        // Rows cross from SQLite's thread in batches of this size instead of waking the reader every few rows.
        .row_buffer_size(1_000)
}

async fn readers(path: &Path) -> Result<SqlitePool, StoreError> {
    let pool = SqlitePoolOptions::new().max_connections(READERS).min_connections(1).test_before_acquire(false);
    Ok(pool.connect_with(options(path, true)).await?)
}

/// Opens or makes a file that only the process's own user may read.
pub(super) fn private(path: &Path) -> Result<File, StoreError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    opened.map_err(|source| StoreError::File { path: path.display().to_string(), source })
}

impl Store {
    async fn load_counters(&self) -> Result<(), StoreError> {
        use std::sync::atomic::Ordering;
        for (text, counter) in [
            (sql::LAST_EVENT, &self.inner.next_event),
            (sql::LAST_EFFECT, &self.inner.next_effect),
            (sql::LAST_DECISION, &self.inner.next_decision),
        ] {
            let rows = self.rows(text, vec![self.ws()]).await?;
            let last = rows.first().map(|row| maybe_int(row, 0)).transpose()?.flatten().unwrap_or(0);
            counter.store(last + 1, Ordering::SeqCst);
        }
        self.inner.has_apart.store(!self.rows(sql::APART_ANY, vec![self.ws()]).await?.is_empty(), Ordering::Release);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn only_the_owner_may_read_the_database_and_its_side_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baton.db");
        let store = Store::open(&path, &WorkspaceId::from("default")).await.unwrap();
        store.set_decided_under(&crate::domain::id::Name::from("1")).await.unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", entry.path().display());
        }
    }

    #[tokio::test]
    async fn a_second_store_on_one_file_is_turned_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baton.db");
        let first = Store::open(&path, &WorkspaceId::from("default")).await.unwrap();
        let second = Store::open(&path, &WorkspaceId::from("default")).await;
        assert!(matches!(second, Err(StoreError::Locked { .. })), "{second:?}");
        drop(first);
    }
}
