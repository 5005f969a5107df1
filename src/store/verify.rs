//! Walks the hash chain, and holds against it every row that it speaks of.

use std::collections::{BTreeMap, HashMap, HashSet};

use sqlx::sqlite::SqliteRow;
use sqlx::{Sqlite, Transaction};

use super::audit::hash;
use super::digest::{digest, of_row, of_rows};
use super::sqlite::{Bound, Store, arguments, int, maybe_int, maybe_text, text};
use super::{StoreError, sql};

/// Rows that are read at once.
const PAGE: i64 = 2_000;
/// Problems that are told; what is broken at more places is broken.
const PROBLEMS_MAX: usize = 50;

/// What a walk over the chain found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audited {
    /// Links of the chain.
    pub links: i64,
    /// Events that are in it.
    pub events: i64,
    /// Effects that are in it.
    pub effects: i64,
    /// Whole decisions that are in it.
    pub decisions: i64,
    /// Rows that were emptied since, as the chain itself says.
    pub emptied: i64,
    /// The last link's hash.
    pub head: String,
    /// Whether the chain holds the hash that was asked for.
    pub holds: bool,
    /// What does not fit, by row; the first [`PROBLEMS_MAX`].
    pub problems: Vec<String>,
}

/// A row as the chain speaks of it.
struct Row {
    seq: i64,
    lead: i64,
    digest: String,
    is_empty: bool,
    /// When it was decided; an effect: when it was settled.
    at: Option<i64>,
}

/// What is stored of an effect's fate: state, time, digest of the message; and what the chain says of it.
type Fate = (String, Option<i64>, Option<String>);

/// An effect with its operation id and its fate.
struct Effect {
    row: Row,
    op: String,
    fate: Fate,
    is_chained: bool,
}

struct Walk<'a> {
    store: &'a Store,
    found: Audited,
    wanted: Option<&'a str>,
    effects: BTreeMap<i64, Effect>,
    fates: HashMap<String, Fate>,
    /// Events and effects before these numbers are older than the chain.
    starts: (i64, i64),
    /// The last number of each table that the chain spoke of.
    reached: HashMap<&'static str, i64>,
    /// Until when each table's bodies were emptied, and whose.
    pruned: HashMap<String, i64>,
    forgotten: HashSet<i64>,
    /// Versions of what was decided by, with their kinds.
    policies: HashMap<String, String>,
    /// Rows without a body, with their table.
    emptied: Vec<(&'static str, Row)>,
}

/// The tables whose rows the chain counts by number, and how they are read.
const EVENTS: (&str, &str) = ("event", sql::AUDIT_EVENTS);
const JOURNAL: (&str, &str) = ("journal", sql::AUDIT_JOURNAL);

impl Store {
    /// Walks the chain from its first link: each link holds the hash of the one before, and events, effects, decisions and
    /// policies digest to what was chained. `wanted`: a hash that was noted elsewhere, and must be in the chain.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails. What does not fit is no error but a problem of the result.
    pub async fn verify(&self, wanted: Option<&str>) -> Result<Audited, StoreError> {
        // One transaction, so that a daemon that goes on writing changes nothing under the walk.
        let mut reader = self.inner.readers.begin().await?;
        let mut walk = Walk {
            store: self,
            found: Audited { holds: wanted.is_none(), ..Audited::default() },
            wanted,
            effects: BTreeMap::new(),
            fates: HashMap::new(),
            starts: (1, 1),
            reached: HashMap::new(),
            pruned: HashMap::new(),
            forgotten: HashSet::new(),
            policies: HashMap::new(),
            emptied: Vec::new(),
        };
        walk.read_effects(&mut reader).await?;
        walk.links(&mut reader).await?;
        for table in [EVENTS, JOURNAL] {
            walk.strangers(&mut reader, table, i64::MAX).await?;
        }
        walk.policies(&mut reader).await?;
        walk.effects_are_as_chained();
        walk.empty_rows_may_be();
        Ok(walk.found)
    }
}

impl Walk<'_> {
    fn problem(&mut self, text: String) {
        if self.found.problems.len() < PROBLEMS_MAX {
            self.found.problems.push(text);
        }
    }

    async fn rows(
        &self,
        reader: &mut Transaction<'_, Sqlite>,
        text: &'static str,
        mut bound: Vec<Bound>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        bound.insert(0, self.store.ws());
        Ok(sqlx::query_with(text, arguments(bound)?).fetch_all(&mut **reader).await?)
    }

    /// No index has the order in which effects were decided, so they are read whole; what the chain speaks of is kept.
    async fn read_effects(&mut self, reader: &mut Transaction<'_, Sqlite>) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let rows = self.rows(reader, sql::AUDIT_EFFECTS, vec![after.as_str().into(), Bound::Int(PAGE)]).await?;
            for row in &rows {
                after = text(row, 0)?;
                let (seq, body) = (int(row, 1)?, text(row, 9)?);
                let is_empty = body.is_empty();
                let mut values = vec![self.store.ws(), after.as_str().into()];
                for at in [1, 2, 3] {
                    values.push(Bound::Int(int(row, at)?));
                }
                values.extend([text(row, 4)?.into(), text(row, 5)?.into(), Bound::Int(int(row, 6)?)]);
                values.extend([text(row, 7)?.into(), Bound::Int(int(row, 8)?), body.into()]);
                let digest = self.digest_of(&format!("effect {after}"), maybe_text(row, 10)?, is_empty, &values);
                let at = maybe_int(row, 12)?;
                let fate = (text(row, 11)?, at, maybe_text(row, 13)?.map(|message| super::digest::digest(&message)));
                let row = Row { seq, lead: int(row, 2)?, digest, is_empty, at };
                self.effects.insert(seq, Effect { row, op: after.clone(), fate, is_chained: false });
            }
            if rows.is_empty() {
                return Ok(());
            }
        }
    }

    /// The digest of a row: worked out anew, unless its body was emptied; then the one it had.
    fn digest_of(&mut self, name: &str, kept: Option<String>, is_empty: bool, row: &[Bound]) -> String {
        // Rows that are older than the chain have none, and are not asked for it.
        let Some(kept) = kept else { return String::new() };
        if is_empty {
            return kept;
        }
        let fresh = of_row(row);
        if fresh != kept {
            self.problem(format!("{name} was changed: it does not digest to what it was"));
        }
        fresh
    }

    async fn links(&mut self, reader: &mut Transaction<'_, Sqlite>) -> Result<(), StoreError> {
        let workspace = self.store.inner.workspace.as_str().to_owned();
        loop {
            let from = vec![Bound::Int(self.found.links), Bound::Int(PAGE)];
            let rows = self.rows(reader, sql::AUDIT_LINKS, from).await?;
            for row in &rows {
                let (seq, at, content) = (int(row, 0)?, int(row, 1)?, text(row, 2)?);
                let (previous, kept) = (text(row, 3)?, text(row, 4)?);
                if seq != self.found.links + 1 {
                    self.problem(format!("link {} of the chain is missing", self.found.links + 1));
                }
                if previous != self.found.head {
                    self.problem(format!("link {seq} does not follow the one before it"));
                }
                if hash(&workspace, seq, at, &content, &previous) != kept {
                    self.problem(format!("link {seq} was changed: it does not hash to what it was"));
                }
                for line in content.lines() {
                    self.line(reader, seq, line).await?;
                }
                self.found.holds |= self.wanted == Some(kept.as_str());
                self.found.links = seq;
                self.found.head = kept;
            }
            if rows.is_empty() {
                break;
            }
        }
        if self.found.links == 0 {
            self.problem("there is no chain yet: `baton run` or `baton sync` begins it".to_owned());
        }
        if !self.found.holds {
            self.problem("the chain does not hold the hash that was asked for".to_owned());
        }
        Ok(())
    }

    async fn line(&mut self, reader: &mut Transaction<'_, Sqlite>, link: i64, line: &str) -> Result<(), StoreError> {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<i64>().ok());
        match (words[0], number(1), number(2), number(3), words.get(4)) {
            ("start", Some(event), Some(effect), ..) => self.starts = (event, effect),
            ("event", Some(first), Some(last), Some(count), Some(digest)) => {
                self.found.events += count;
                self.range(reader, EVENTS, link, (first, last, count, digest)).await?;
            }
            ("journal", Some(first), Some(last), Some(count), Some(digest)) => {
                self.found.decisions += count;
                self.range(reader, JOURNAL, link, (first, last, count, digest)).await?;
            }
            ("outbox", Some(first), Some(last), Some(count), Some(digest)) => {
                self.found.effects += count;
                self.effects_between(link, (first, last, count, digest));
            }
            ("effect", ..) if words.len() == 5 => {
                let message = (words[4] != "-").then(|| words[4].to_owned());
                self.fates.insert(words[1].to_owned(), (words[2].to_owned(), number(3), message));
            }
            ("pruned", _, Some(before), ..) => {
                let known = self.pruned.entry(words[1].to_owned()).or_insert(before);
                *known = before.max(*known);
            }
            ("forgotten", Some(lead), ..) => drop(self.forgotten.insert(lead)),
            ("policy", ..) if words.len() == 3 => {
                self.policies.insert(words[1].to_owned(), words[2].to_owned());
            }
            ("asked", ..) | ("released", ..) | ("held", ..) => {}
            _ => self.problem(format!("link {link} says what this Baton does not know: {}", words[0])),
        }
        Ok(())
    }

    /// Holds numbered rows against what a link says was inserted.
    async fn range(
        &mut self,
        reader: &mut Transaction<'_, Sqlite>,
        table: (&'static str, &'static str),
        link: i64,
        line: (i64, i64, i64, &str),
    ) -> Result<(), StoreError> {
        self.strangers(reader, table, line.0 - 1).await?;
        let rows = self.numbered(reader, table, line.0 - 1, line.1).await?;
        let digests: Vec<&str> = rows.iter().map(|row| row.digest.as_str()).collect();
        let problem = unlike(table.0, link, line, &digests);
        problem.into_iter().for_each(|problem| self.problem(problem));
        self.emptied.extend(rows.into_iter().filter(|row| row.is_empty).map(|row| (table.0, row)));
        self.reached.insert(table.0, line.1);
        Ok(())
    }

    /// Rows up to `last` that no link spoke of: somebody put them there.
    async fn strangers(
        &mut self,
        reader: &mut Transaction<'_, Sqlite>,
        table: (&'static str, &'static str),
        last: i64,
    ) -> Result<(), StoreError> {
        let start = if table.0 == "event" { self.starts.0 } else { 1 };
        let reached = self.reached.get(table.0).copied().unwrap_or(start - 1);
        if last > reached {
            for row in self.numbered(reader, table, reached, last).await? {
                self.problem(format!("{} {} is in no link of the chain", table.0, row.seq));
            }
        }
        Ok(())
    }

    async fn numbered(
        &mut self,
        reader: &mut Transaction<'_, Sqlite>,
        (table, statement): (&'static str, &'static str),
        after: i64,
        last: i64,
    ) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        for row in self.rows(reader, statement, vec![Bound::Int(after), Bound::Int(last)]).await? {
            let (seq, lead) = (int(&row, 0)?, int(&row, 1)?);
            let (first, at, body) = (int(&row, 2)?, int(&row, 3)?, text(&row, 4)?);
            let is_empty = body.is_empty();
            let mut values = vec![self.store.ws(), Bound::Int(seq), Bound::Int(lead), Bound::Int(first)];
            if table == "event" {
                values.push(Bound::Int(at));
            }
            values.push(body.into());
            values.extend(maybe_text(&row, 6)?.map(Bound::from));
            let digest = self.digest_of(&format!("{table} {seq}"), maybe_text(&row, 5)?, is_empty, &values);
            rows.push(Row { seq, lead, digest, is_empty, at: Some(at) });
        }
        Ok(rows)
    }

    fn effects_between(&mut self, link: i64, line: (i64, i64, i64, &str)) {
        let range = self.effects.range_mut(line.0..=line.1.max(line.0));
        let mut digests = Vec::new();
        for (_, effect) in range {
            effect.is_chained = true;
            digests.push(effect.row.digest.as_str());
        }
        let problem = unlike("outbox", link, line, &digests);
        problem.into_iter().for_each(|problem| self.problem(problem));
    }

    fn effects_are_as_chained(&mut self) {
        let starts = self.starts.1;
        for effect in std::mem::take(&mut self.effects).into_values() {
            if effect.row.seq < starts {
                continue;
            }
            let name = format!("effect {}", effect.op);
            if !effect.is_chained {
                self.problem(format!("{name} is in no link of the chain"));
            }
            let said = self.fates.get(&effect.op);
            let is_final = |state: &str| matches!(state, "done" | "dead" | "cancelled" | "superseded");
            let fits = match said {
                Some(said) if is_final(&said.0) => {
                    let is_forgotten = effect.fate.2.is_none() && self.forgotten.contains(&effect.row.lead);
                    (&said.0, said.1) == (&effect.fate.0, effect.fate.1) && (said.2 == effect.fate.2 || is_forgotten)
                }
                _ => !is_final(&effect.fate.0),
            };
            if !fits {
                let said = said.map_or("nothing", |said| said.0.as_str());
                self.problem(format!("{name} is {}, or says so, otherwise than its link ({said})", effect.fate.0));
            }
            if effect.row.is_empty {
                self.emptied.push(("outbox", effect.row));
            }
        }
    }

    /// The chain itself must say why a body is empty.
    fn empty_rows_may_be(&mut self) {
        for (table, row) in std::mem::take(&mut self.emptied) {
            let before = self.pruned.get(table);
            let is_pruned = before.is_some_and(|before| row.at.is_some_and(|at| at < *before));
            if is_pruned || self.forgotten.contains(&row.lead) {
                self.found.emptied += 1;
            } else {
                self.problem(format!("{table} {} was emptied, and no link says why", row.seq));
            }
        }
    }

    async fn policies(&mut self, reader: &mut Transaction<'_, Sqlite>) -> Result<(), StoreError> {
        for row in self.rows(reader, sql::POLICIES, Vec::new()).await? {
            let (kept, kind, body) = (text(&row, 0)?, text(&row, 1)?, text(&row, 2)?);
            if digest(&body) != kept || self.policies.remove(&kept).is_none_or(|chained| chained != kind) {
                self.problem(format!("policy {kept} ({kind}) is not what a link of the chain says was kept"));
            }
        }
        for (missing, kind) in std::mem::take(&mut self.policies) {
            self.problem(format!("policy {missing} ({kind}) is missing"));
        }
        Ok(())
    }
}

/// How the rows of a link are not what it says, if they are not.
fn unlike(table: &str, link: i64, line: (i64, i64, i64, &str), digests: &[&str]) -> Option<String> {
    let (first, last, count, wanted) = line;
    let found = digests.len();
    if i64::try_from(found) != Ok(count) {
        return Some(format!("{table} {first} to {last}: {found} of the {count} rows of link {link} are there"));
    }
    let is_same = of_rows(digests.iter().copied()) == wanted;
    (!is_same).then(|| format!("{table} {first} to {last} are not the rows of link {link}"))
}
