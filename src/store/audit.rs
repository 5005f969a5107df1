//! The hash chain: what each transaction decided, sent, or was told by people, a link each.
//!
//! A link holds lines of ids and digests, never a value of a person, and the hash of the link before it. It is written in
//! the transaction that it speaks of. [`verify`](Store::verify) walks the chain and holds the rows against it.
//!
//! | line | says |
//! | --- | --- |
//! | `start EVENT EFFECT` | the chain begins: rows from these numbers on are in it |
//! | `event FIRST LAST COUNT DIGEST`, `outbox ...`, `journal ...` | rows that were inserted |
//! | `effect OP STATE AT DIGEST` | what became of an effect, when, and the digest of what is said of it |
//! | `policy DIGEST KIND` | a version of agreement, roster, users or settings that decisions were made by |
//! | `asked BY WHAT` | a person gave a command |
//! | `pruned TABLE BEFORE`, `forgotten LEAD ...` | why bodies are empty |

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::digest::{digest, of_row, of_rows};
use super::sqlite::{Bound, Store, arguments, insert, int, text};
use super::{StoreError, sql};

/// What one transaction adds to the chain.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<String>);

impl Lines {
    /// Rows that are inserted into `table`: the number and the digest of each.
    pub(super) fn rows(&mut self, table: &str, rows: &[(i64, String)]) {
        if let (Some((first, _)), Some((last, _))) = (rows.first(), rows.last()) {
            let all = of_rows(rows.iter().map(|(_, digest)| digest.as_str()));
            self.0.push(format!("{table} {first} {last} {} {all}", rows.len()));
        }
    }

    /// What became of an effect.
    pub(super) fn effect(&mut self, op: &str, state: &str, at: Option<Timestamp>, message: Option<&str>) {
        let at = at.map_or_else(|| "-".to_owned(), |at| at.as_millisecond().to_string());
        self.0.push(format!("effect {op} {state} {at} {}", message.map_or_else(|| "-".to_owned(), digest)));
    }

    /// Anything else, in one line of the table above.
    pub(super) fn say(&mut self, line: impl Into<String>) {
        self.0.push(line.into().replace(['\n', '\r'], " "));
    }
}

/// A link that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) seq: i64,
    pub(super) hash: String,
}

/// The hash of a link.
pub(super) fn hash(workspace: &str, seq: i64, at: i64, content: &str, previous: &str) -> String {
    of_row(&[workspace.into(), Bound::Int(seq), Bound::Int(at), content.into(), previous.into()])
}

impl Store {
    /// Adds a link that says `lines`, unless there is nothing to say. Answers the link, for the side file once it stands.
    pub(super) async fn chain(
        &self,
        connection: &mut SqliteConnection,
        at: Timestamp,
        lines: Lines,
    ) -> Result<Option<Link>, StoreError> {
        if lines.0.is_empty() {
            return Ok(None);
        }
        let bound = arguments(vec![self.ws()])?;
        let last = sqlx::query_with(sql::AUDIT_LAST, bound).fetch_optional(&mut *connection).await?;
        let (last, previous) = match last {
            Some(row) => (int(&row, 0)?, text(&row, 1)?),
            None => (0, String::new()),
        };
        let (seq, at, content) = (last + 1, at.as_millisecond(), lines.0.join("\n"));
        let hash = hash(self.inner.workspace.as_str(), seq, at, &content, &previous);
        let row =
            vec![self.ws(), Bound::Int(seq), Bound::Int(at), content.into(), previous.into(), hash.as_str().into()];
        insert(connection, sql::AUDIT, vec![row]).await?;
        Ok(Some(Link { seq, hash }))
    }

    /// Begins the chain of a store that has none: with what was there before, nothing can be proved.
    pub(super) async fn begin_chain(&self, at: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        let bound = arguments(vec![self.ws()])?;
        if sqlx::query_with(sql::AUDIT_LAST, bound).fetch_optional(&mut *transaction).await?.is_some() {
            return Ok(());
        }
        use std::sync::atomic::Ordering;
        let mut lines = Lines::default();
        let from = (self.inner.next_event.load(Ordering::SeqCst), self.inner.next_effect.load(Ordering::SeqCst));
        lines.say(format!("start {} {}", from.0, from.1));
        self.chain(&mut transaction, at, lines).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Notes in the chain that a person gave a command. `what` must not hold a value of anybody.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn note_asked(&self, at: Timestamp, by: &str, what: &str) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        let mut lines = Lines::default();
        lines.say(format!("asked {} {what}", by.split_whitespace().collect::<Vec<_>>().join("_")));
        self.chain(&mut transaction, at, lines).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The last link's number and hash.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn audit_head(&self) -> Result<(i64, String), StoreError> {
        let rows = self.rows(sql::AUDIT_LAST, vec![self.ws()]).await?;
        rows.first().map_or(Ok((0, String::new())), |row| Ok((int(row, 0)?, text(row, 1)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_whoever_is_named_in_it() {
        let mut lines = Lines::default();
        lines.say("asked eve\nforgotten 7");
        assert_eq!(lines.0, ["asked eve forgotten 7"]);
    }
}
