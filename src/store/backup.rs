//! Copies of the database: a backup beside a running Baton, putting one back, and saving what a damaged file still gives.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection};

use crate::domain::id::WorkspaceId;

use super::lock::Lock;
use super::sqlite::Store;
use super::writer::Writer;
use super::{StoreError, migrate};

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// How large it is.
    pub bytes: u64,
    /// Links of its chain.
    pub links: i64,
    /// The last link's hash.
    pub head: String,
}

/// What could be saved of a damaged file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Rows by table.
    pub rows: Vec<(String, u64)>,
    /// Row numbers that could not be read, counted.
    pub lost: u64,
    /// Where the damaged file is now.
    pub moved_to: PathBuf,
}

fn file_error(path: &Path, source: std::io::Error) -> StoreError {
    StoreError::File { path: path.display().to_string(), source }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Makes an empty file that only the process's own user may read; refuses one that is there.
fn fresh(path: &Path) -> Result<File, StoreError> {
    let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
    made.map_err(|error| file_error(path, error))
}

fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| file_error(folder, error))
}

impl Store {
    /// Copies the database as it stands at one moment to `target`, which must not be there yet; a running Baton goes on
    /// meanwhile. The copy is checked before it gets its name.
    ///
    /// # Errors
    /// [`StoreError::File`] if the target cannot be made, [`StoreError::Damaged`] if the copy is no sound database.
    pub async fn backup(&self, target: &Path) -> Result<Backup, StoreError> {
        if target.exists() {
            let there = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "it is there already");
            return Err(file_error(target, there));
        }
        let part = with_ending(target, ".part");
        drop(std::fs::remove_file(&part));
        drop(fresh(&part)?);
        let copied = self.copy_to(&part).await;
        if copied.is_err() {
            drop(std::fs::remove_file(&part));
        }
        let (links, head) = copied?;
        let bytes = std::fs::metadata(&part).map_err(|error| file_error(&part, error))?.len();
        std::fs::rename(&part, target).map_err(|error| file_error(target, error))?;
        sync_folder(target)?;
        Ok(Backup { bytes, links, head })
    }

    async fn copy_to(&self, part: &Path) -> Result<(i64, String), StoreError> {
        let mut reader = self.inner.readers.acquire().await?;
        sqlx::query("VACUUM INTO $1").bind(part.display().to_string()).execute(&mut *reader).await?;
        drop(reader);
        File::open(part).and_then(|file| file.sync_all()).map_err(|error| file_error(part, error))?;
        sound(part).await?;
        let copy = Self::open_copy(part, &self.inner.workspace).await?;
        let head = copy.audit_head().await;
        copy.close().await;
        head
    }

    /// Opens a file that nobody writes to and that has no side files.
    async fn open_copy(path: &Path, workspace: &WorkspaceId) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(true);
        let readers = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        let writer = Writer::open(options).await?;
        migrate::check(&mut *writer.acquire().await?).await?;
        Self::with(workspace, writer, readers, None).await
    }

    /// Puts the backup at `backup` in the place of the database at `path`, which is kept beside it. Says where.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while a Baton runs, [`StoreError::Damaged`] or [`StoreError::Newer`] if the backup is not
    /// one that this Baton can use; then nothing is changed.
    pub async fn restore(path: &Path, backup: &Path) -> Result<Option<PathBuf>, StoreError> {
        let _lock = Lock::take(path)?;
        sound(backup).await?;
        let copy = with_ending(path, ".part");
        drop(std::fs::remove_file(&copy));
        let mut file = fresh(&copy)?;
        let copied = File::open(backup).and_then(|mut from| std::io::copy(&mut from, &mut file));
        copied.and_then(|_| file.sync_all()).map_err(|error| file_error(&copy, error))?;
        let moved = move_aside(path, "replaced")?;
        std::fs::rename(&copy, path).map_err(|error| file_error(path, error))?;
        sync_folder(path)?;
        Ok(moved)
    }

    /// Saves every row that the damaged database at `path` still gives into a new one in its place; the damaged file is
    /// kept beside it. Every stream is read anew by then, and nothing is sent until a person releases it.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while a Baton runs, [`StoreError`] if the new database cannot be made.
    pub async fn rebuild(path: &Path, workspace: &WorkspaceId) -> Result<Saved, StoreError> {
        let held = Lock::take(path)?;
        let fresh_path = with_ending(path, ".rebuilt");
        for ending in ["", "-wal", "-shm"] {
            drop(std::fs::remove_file(with_ending(&fresh_path, ending)));
        }
        drop(fresh(&fresh_path)?);
        let options =
            SqliteConnectOptions::new().filename(&fresh_path).synchronous(sqlx::sqlite::SqliteSynchronous::Full);
        let writer = Writer::open(options).await?;
        migrate::migrate(&writer).await?;
        let mut connection = writer.acquire().await?;
        let mut saved = save(&mut connection, path).await?;
        // Whatever was lost of the streams' past is read again.
        let unread = sqlx::query("DELETE FROM stream WHERE workspace = $1").bind(workspace.as_str());
        unread.execute(&mut *connection).await?;
        drop(connection);
        writer.close().await;
        if let Some(moved) = move_aside(path, "damaged")? {
            saved.moved_to = moved;
        }
        std::fs::rename(&fresh_path, path).map_err(|error| file_error(path, error))?;
        sync_folder(path)?;
        drop(held);
        let store = Self::open(path, workspace).await?;
        let now = crate::clock::Clock::system().wall();
        store.hold("it was saved out of a damaged file: what was sent may be missing in it", now).await?;
        store.close().await;
        Ok(saved)
    }
}

/// Refuses a file that is no sound database of a schema that this Baton knows.
async fn sound(path: &Path) -> Result<(), StoreError> {
    File::open(path).map_err(|error| file_error(path, error))?;
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(true);
    let mut connection = options.connect().await?;
    let schema = migrate::check(&mut connection).await;
    let found: Result<String, _> = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await;
    connection.close().await?;
    let problem = match (schema?, found?) {
        (0, _) => "this is no database of Baton".to_owned(),
        (_, found) if found == "ok" => return Ok(()),
        (_, found) => found,
    };
    Err(StoreError::Damaged(format!("{}: {problem}", path.display())))
}

/// Renames a database with its log, so that a new one can take its name. Says where it is now.
fn move_aside(path: &Path, why: &str) -> Result<Option<PathBuf>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    let stamp = crate::clock::Clock::system().wall().strftime("%Y%m%dT%H%M%S").to_string();
    let aside = with_ending(path, &format!(".{why}-{stamp}"));
    for ending in ["", "-wal", "-shm"] {
        let (from, to) = (with_ending(path, ending), with_ending(&aside, ending));
        match std::fs::rename(&from, &to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(file_error(&from, error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(Some(aside))
}

async fn save(connection: &mut SqliteConnection, damaged: &Path) -> Result<Saved, StoreError> {
    sqlx::query("ATTACH DATABASE $1 AS damaged").bind(damaged.display().to_string()).execute(&mut *connection).await?;
    let names = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let tables: Vec<String> = sqlx::query_scalar(names).fetch_all(&mut *connection).await?;
    let mut saved = Saved::default();
    for table in tables {
        let columns = format!("SELECT name FROM pragma_table_info('{table}', 'main')");
        let columns: Vec<String> = sqlx::query_scalar(AssertSqlSafe(columns)).fetch_all(&mut *connection).await?;
        let columns = columns.join(", ");
        let copy = format!(
            "INSERT OR IGNORE INTO main.{table} ({columns}) SELECT {columns} FROM damaged.{table} NOT INDEXED WHERE _ROWID_ BETWEEN $1 AND $2"
        );
        let rows = save_table(connection, &copy, &mut saved.lost).await?;
        saved.rows.push((table, rows));
    }
    Ok(saved)
}

/// Row numbers that are looked at, at most: beyond them nothing was ever written.
const ROWS_MAX: i64 = 1 << 40;

/// Copies the rows of one table: all at once, or ever smaller ranges of them around what cannot be read.
async fn save_table(connection: &mut SqliteConnection, copy: &str, lost: &mut u64) -> Result<u64, StoreError> {
    let mut saved = 0;
    let mut ranges = vec![(1, ROWS_MAX)];
    while let Some((first, last)) = ranges.pop() {
        match sqlx::query(AssertSqlSafe(copy.to_owned())).bind(first).bind(last).execute(&mut *connection).await {
            Ok(done) => saved += done.rows_affected(),
            Err(_) if first == last => *lost += 1,
            Err(_) => {
                let middle = first + (last - first) / 2;
                ranges.extend([(middle + 1, last), (first, middle)]);
            }
        }
        if *lost > LOST_MAX {
            break;
        }
    }
    Ok(saved)
}

/// A table of which this many row numbers cannot be read has no rows left to save.
const LOST_MAX: u64 = 20_000;
