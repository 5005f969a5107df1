//! Which database this is, and whether it is the one that stood here last.
//!
//! A side file holds the database's own number and the last link of its chain. A database that is older than its side file,
//! or has none, was restored or copied: what was sent since then it does not know. It is *held*: it reads and decides, but
//! nothing of its outbox is claimed until a person releases it. Two machines that were cloned whole cannot be told apart.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use crate::domain::finding::{Finding, FindingKind, Subject};
use crate::domain::id::Name;

use super::audit::{Lines, Link};
use super::cipher::random;
use super::digest::hex;
use super::read::ms;
use super::sqlite::{Bound, Store, arguments, execute, int, private, text};
use super::{Batch, StoreError, sql};

/// Bytes of the side file: one line, far smaller than what a disk writes whole.
const SIDE_BYTES: usize = 128;
/// Where the database's own number is kept.
const INSTANCE: &str = "instance";
/// Where the reason is kept for which nothing is sent.
const HELD: &str = "held";

/// The side file.
#[derive(Debug)]
pub(super) struct Side {
    file: File,
    instance: String,
    /// The last link that was written into it.
    written: Mutex<i64>,
}

/// What a side file says.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Unreadable,
    Line { instance: String, link: i64, hash: String },
}

/// Where the side file of a workspace of the database at `path` stands: `baton.db.instance` beside `baton.db`, with the name of
/// the workspace between if it is not the usual one. Each has its own chain.
fn side_of(path: &Path, workspace: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if workspace != "default" {
        name.push(format!(".{workspace}"));
    }
    name.push(".instance");
    PathBuf::from(name)
}

fn read(path: &Path) -> Said {
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(SIDE_BYTES as u64).read_to_string(&mut text)) {
        Ok(0) => return Said::Nothing,
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Said::Nothing,
        Err(_) => return Said::Unreadable,
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [instance, link, hash] if text.ends_with('\n') => match link.parse() {
            Ok(link) => Said::Line { instance: (*instance).to_owned(), link, hash: (*hash).to_owned() },
            Err(_) => Said::Unreadable,
        },
        _ => Said::Unreadable,
    }
}

impl Side {
    fn open(path: &Path, instance: String) -> Result<Self, StoreError> {
        let file = private(path)?;
        Ok(Self { file, instance, written: Mutex::new(-1) })
    }

    /// Notes the last link. Not flushed: after a loss of power it may be behind the database, never before it.
    fn write(&self, link: i64, hash: &str) {
        let mut written = self.written.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if link <= *written {
            return;
        }
        let line = format!("{} {link:019} {hash:<64}", self.instance);
        let line = format!("{line:<width$}\n", width = SIDE_BYTES - 1);
        match self.file.write_all_at(line.as_bytes(), 0) {
            Ok(()) => *written = link,
            Err(error) => tracing::warn!("the side file of the database cannot be written: {error}"),
        }
    }
}

impl Store {
    /// Recognises the database at `path`, or holds it.
    pub(super) async fn recognise(&self, path: &Path, at: Timestamp) -> Result<Side, StoreError> {
        let beside = side_of(path, self.inner.workspace.as_str());
        let said = read(&beside);
        let known = self.meta(INSTANCE).await?;
        let head = self.audit_head().await?;
        let reason = match (&known, &said) {
            (None, Said::Nothing) => None,
            (None, Said::Line { .. } | Said::Unreadable) => {
                Some("another database stood here before, and what that one sent is not known".to_owned())
            }
            (Some(_), Said::Nothing) => Some("it was restored or copied: it has no side file".to_owned()),
            (Some(_), Said::Unreadable) => Some("its side file cannot be read".to_owned()),
            (Some(known), Said::Line { instance, .. }) if known != instance => {
                Some("it was put in the place of another database".to_owned())
            }
            (Some(_), Said::Line { link, .. }) if *link > head.0 => {
                Some(format!("it is older than the one that stood here: it knows {} of {link} transactions", head.0))
            }
            (Some(_), Said::Line { link, hash, .. }) => {
                let same = self.link_hash(*link).await?.is_none_or(|known| known == *hash);
                (!same).then(|| "its history is not that of the one that stood here".to_owned())
            }
        };
        let instance = match known {
            Some(instance) => instance,
            None => {
                let fresh = hex(&random::<12>()?);
                let mut writer = self.inner.writer.acquire().await?;
                self.put_meta(&mut writer, INSTANCE, &fresh).await?;
                fresh
            }
        };
        if let Some(reason) = reason {
            self.hold(&reason, at).await?;
        }
        let side = Side::open(&beside, instance)?;
        let head = self.audit_head().await?;
        side.write(head.0, &head.1);
        Ok(side)
    }

    async fn link_hash(&self, link: i64) -> Result<Option<String>, StoreError> {
        let rows = self.rows(sql::AUDIT_LINKS, vec![self.ws(), Bound::Int(link - 1), Bound::Int(1)]).await?;
        rows.first().map(|row| text(row, 4)).transpose()
    }

    /// Notes the last committed link beside the database.
    pub(super) fn note_link(&self, link: Option<Link>) {
        if let (Some(side), Some(link)) = (self.inner.side.get(), link) {
            side.write(link.seq, &link.hash);
        }
    }

    /// Sends nothing any more until [`release`](Self::release): for the reason that is told.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn hold(&self, reason: &str, at: Timestamp) -> Result<(), StoreError> {
        tracing::error!("nothing is sent: {reason}");
        let mut transaction = self.inner.writer.begin().await?;
        self.put_meta(&mut transaction, HELD, reason).await?;
        // So that it can be told when every stream has been read again.
        execute(&mut transaction, sql::UNREAD_STREAMS, vec![self.ws()]).await?;
        let finding = Finding {
            kind: FindingKind::Restored,
            subject: Subject::Policy(Name::from("store")),
            text: format!(
                "nothing is written and nobody is told: {reason}; Baton reads and decides, and effects wait; once every stream \
                 was read again, look at `baton outbox list`, then `baton db release`"
            ),
        };
        let mut lines = Lines::default();
        lines.say(format!("held {reason}"));
        let batch = Batch { findings: vec![finding], now: Some(at), ..Batch::default() };
        self.apply_with(&mut transaction, &batch, lines).await?;
        transaction.commit().await?;
        self.inner.is_held.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Why nothing is sent, if it is so.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn held(&self) -> Result<Option<String>, StoreError> {
        self.meta(HELD).await
    }

    /// Lets a held store send again: whatever waits may have been sent before, so that it is looked for first. Says how
    /// many effects that are.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn release(&self, by: &str, at: Timestamp) -> Result<u64, StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        self.drop_meta(&mut transaction, HELD).await?;
        let doubted = execute(&mut transaction, sql::DOUBT_WAITING, vec![self.ws()]).await?;
        let over = vec![self.ws(), ms(at), FindingKind::Restored.as_str().into()];
        execute(&mut transaction, sql::RESOLVE_KIND, over).await?;
        let mut lines = Lines::default();
        lines.say(format!("released by {by}"));
        self.chain(&mut transaction, at, lines).await?;
        transaction.commit().await?;
        self.inner.is_held.store(false, Ordering::SeqCst);
        Ok(doubted)
    }

    /// Marks every finding of a kind as over.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn resolve(&self, kind: FindingKind, at: Timestamp) -> Result<(), StoreError> {
        let bound = arguments(vec![self.ws(), ms(at), kind.as_str().into()])?;
        sqlx::query_with(sql::RESOLVE_KIND, bound).execute(&mut *self.inner.writer.acquire().await?).await?;
        Ok(())
    }

    /// Streams that were not read since the store was held.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn streams_unread(&self) -> Result<i64, StoreError> {
        let rows = self.rows(sql::STREAMS_UNREAD, vec![self.ws()]).await?;
        rows.first().map_or(Ok(0), |row| int(row, 0))
    }

    /// Stops or allows the claiming of effects while the disk is full.
    pub fn set_full(&self, is_full: bool) {
        self.inner.is_full.store(is_full, Ordering::SeqCst);
    }

    /// Is the disk full, so that nothing is claimed?
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.inner.is_full.load(Ordering::SeqCst)
    }

    /// May effects be claimed?
    pub(super) fn may_claim(&self) -> bool {
        !self.is_full() && !self.inner.is_held.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_file_is_one_line_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baton.db.instance");
        assert_eq!(read(&path), Said::Nothing);
        let side = Side::open(&path, "0a1b".to_owned()).unwrap();
        assert_eq!(read(&path), Said::Nothing, "made, and not written yet");
        side.write(7, &"f".repeat(64));
        side.write(6, &"0".repeat(64));
        assert_eq!(read(&path), Said::Line { instance: "0a1b".to_owned(), link: 7, hash: "f".repeat(64) });
        assert_eq!(std::fs::metadata(&path).unwrap().len(), SIDE_BYTES as u64);
        for broken in ["0a1b 7", "0a1b seven hash\n", "\u{0}\u{0}\n"] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(read(&path), Said::Unreadable, "{broken:?}");
        }
    }
}
