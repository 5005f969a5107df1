//! Forgetting a person: what is stored of them is deleted or emptied, their key is destroyed, and a mark that only this
//! store can recognise keeps the next look at a CRM from bringing them back.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use ring::hmac;
use sqlx::SqliteConnection;

use crate::domain::deal::DealRecord;
use crate::domain::field::{Field, Value};
use crate::domain::id::{LeadId, RecordRef};
use crate::domain::record::{Key, KeyKind, PersonRecord};

use super::audit::Lines;
use super::cipher::random;
use super::digest::hex;
use super::read::{bodies, by_connection, ms};
use super::sqlite::{Bound, Store, arguments, fetch_in, insert, int, maybe_int, text};
use super::{Batch, StoreError, sql};

/// What was erased, in numbers alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Records of CRMs.
    pub records: usize,
    /// Effects whose bodies were emptied.
    pub effects: usize,
    /// Effects among them that were not sent any more.
    pub cancelled: usize,
}

/// The marks of people who were forgotten, and the key that makes them.
#[derive(Clone)]
pub struct Marks {
    key: hmac::Key,
    known: HashSet<String>,
}

impl std::fmt::Debug for Marks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Marks").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Marks {
    fn new(secret: &[u8], known: HashSet<String>) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret), known }
    }

    /// Was nobody forgotten?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The mark of somebody who was forgotten, if this record or one of these keys is theirs.
    #[must_use]
    pub fn of(&self, record: &RecordRef, keys: &[Key]) -> Option<String> {
        if self.known.is_empty() {
            return None;
        }
        let own = std::iter::once(self.of_record(record));
        let all = own.chain(keys.iter().filter_map(|key| self.of_key(key)));
        all.into_iter().find(|mark| self.known.contains(mark))
    }

    fn of_record(&self, record: &RecordRef) -> String {
        self.sign(&format!("record {record}"))
    }

    /// Only an address names one person: others may share a telephone.
    fn of_key(&self, key: &Key) -> Option<String> {
        (key.kind == KeyKind::Email).then(|| self.sign(&format!("email {}", key.value)))
    }

    fn sign(&self, text: &str) -> String {
        hex(hmac::sign(&self.key, text.as_bytes()).as_ref())
    }
}

impl Store {
    /// The marks of those who were forgotten.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn marks(&self) -> Result<Arc<Marks>, StoreError> {
        let secret = self.meta(FORGET_KEY).await?.unwrap_or_default();
        let rows = self.rows(sql::MARKS, vec![self.ws()]).await?;
        let known = rows.iter().map(|row| text(row, 0)).collect::<Result<_, _>>()?;
        Ok(Arc::new(Marks::new(secret.as_bytes(), known)))
    }

    /// Notes that a CRM still shows people who were forgotten.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn note_marks_seen(&self, marks: &[String], at: Timestamp) -> Result<(), StoreError> {
        let list: Vec<Bound> = marks.iter().map(|mark| mark.as_str().into()).collect();
        let mut writer = self.inner.writer.acquire().await?;
        fetch_in(&mut writer, sql::MARKS_SEEN, &[self.ws(), ms(at)], &list).await?;
        Ok(())
    }

    /// How many marks of forgotten people there are, and how many of those a CRM has shown since.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn marks_counted(&self) -> Result<(i64, i64), StoreError> {
        let rows = self.rows(sql::MARK_COUNTS, vec![self.ws()]).await?;
        rows.first().map_or(Ok((0, 0)), |row| Ok((int(row, 0)?, maybe_int(row, 1)?.unwrap_or(0))))
    }

    /// Leads that were merged into `lead`: the same person under an older number.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn merged_into(&self, lead: LeadId) -> Result<Vec<LeadId>, StoreError> {
        let pattern = format!("%{{\"merged\":{}}}%", lead.0);
        let rows = self.rows(sql::MERGED_INTO, vec![self.ws(), pattern.into(), Bound::Int(lead.0)]).await?;
        rows.iter().map(|row| int(row, 0).map(LeadId)).collect()
    }

    /// The records of `leads`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn records_of(&self, leads: &[LeadId]) -> Result<Vec<PersonRecord>, StoreError> {
        let list = leads.iter().map(|lead| Bound::Int(lead.0)).collect();
        bodies("person", &self.rows_in(sql::PEOPLE_OF_LEADS, &[self.ws()], list).await?)
    }

    /// Erases everything that is stored of the people behind `leads`, in one transaction: records, keys, touches, findings,
    /// names, the bodies of effects, and the keys that their decisions are sealed under. What waits to be sent is
    /// cancelled. The chain says that it was done, without a value.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails; then nothing is erased.
    pub async fn forget(&self, leads: &[LeadId], at: Timestamp) -> Result<Erased, StoreError> {
        let records = self.records_of(leads).await?;
        let list: Vec<Bound> = leads.iter().map(|lead| Bound::Int(lead.0)).collect();
        let mut transaction = self.inner.writer.begin().await?;
        let marks = Marks::new(self.forget_key(&mut transaction).await?.as_bytes(), HashSet::new());
        let mut fresh: Vec<String> = records.iter().map(|record| marks.of_record(&record.of)).collect();
        fresh.extend(records.iter().flat_map(|record| &record.keys).filter_map(|key| marks.of_key(key)));
        fresh.sort();
        fresh.dedup();
        let rows = fresh.into_iter().map(|mark| vec![self.ws(), mark.into(), ms(at)]);
        insert(&mut transaction, sql::MARK, rows.collect()).await?;
        let refs: Vec<RecordRef> = records.iter().map(|record| record.of.clone()).collect();
        let committees = fetch_in(&mut transaction, sql::COLLEAGUES_OF_FORGOTTEN, &[self.ws()], &list).await?;
        let rows = committees.iter().map(|row| Ok(self.committee_noted(&text(row, 0)?, at)));
        let rows = rows.collect::<Result<_, StoreError>>()?;
        insert(&mut transaction, sql::COLLEAGUE, rows).await?;
        self.unname_deals(&mut transaction, &records, at).await?;
        self.erase_records(&mut transaction, &refs, leads).await?;
        let mut lines = Lines::default();
        let bound = [self.ws(), ms(at), FORGOTTEN.into()];
        let cancelled = fetch_in(&mut transaction, sql::FORGET_OPEN, &bound, &list).await?;
        for row in &cancelled {
            lines.effect(&text(row, 0)?, "cancelled", Some(at), Some(FORGOTTEN));
        }
        let emptied = fetch_in(&mut transaction, sql::FORGET_BODIES, &[self.ws(), FORGOTTEN.into()], &list).await?;
        for statement in
            [sql::FORGET_FINDINGS, sql::FORGET_SECRETS, sql::FORGET_PAIRS, sql::DELETE_BLOCKS, sql::DECIDED]
        {
            fetch_in(&mut transaction, statement, &[self.ws()], &list).await?;
        }
        let erased = Erased { records: refs.len(), effects: emptied.len(), cancelled: cancelled.len() };
        for lead in leads {
            lines.say(format!("forgotten {} records {} effects {}", lead.0, erased.records, erased.effects));
        }
        self.chain(&mut transaction, at, lines).await?;
        transaction.commit().await?;
        Ok(erased)
    }

    /// Empties what deals are called that these people are in, or that name one of them, and marks them: a CRM goes on showing
    /// the title when it has forgotten who was in the deal.
    pub(super) async fn unname_deals(
        &self,
        connection: &mut SqliteConnection,
        people: &[PersonRecord],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let refs: Vec<RecordRef> = people.iter().map(|record| record.of.clone()).collect();
        let mut deals: BTreeMap<RecordRef, DealRecord> = BTreeMap::new();
        for (of, ids) in by_connection(&refs) {
            let rows = fetch_in(connection, sql::DEALS_OF_PEOPLE, &[self.ws(), of.as_str().into()], &ids).await?;
            deals.extend(bodies::<DealRecord>("deal", &rows)?.into_iter().map(|deal| (deal.of.clone(), deal)));
        }
        let mut names: Vec<String> = people.iter().filter_map(whole_name).collect();
        names.sort();
        names.dedup();
        for name in names {
            let bound = arguments(vec![self.ws(), like(&name).into()])?;
            let rows = sqlx::query_with(sql::DEALS_LIKE, bound).fetch_all(&mut *connection).await?;
            let named = bodies::<DealRecord>("deal", &rows)?.into_iter().filter(|deal| {
                deal.title.as_ref().is_some_and(|title| title.to_lowercase().contains(&name.to_lowercase()))
            });
            deals.extend(named.map(|deal| (deal.of.clone(), deal)));
        }
        if deals.is_empty() {
            return Ok(());
        }
        let marks = Marks::new(self.forget_key(connection).await?.as_bytes(), HashSet::new());
        let rows = deals.keys().map(|of| vec![self.ws(), marks.of_record(of).into(), ms(at)]);
        insert(connection, sql::MARK, rows.collect()).await?;
        let deals = deals.into_values().map(|deal| DealRecord { title: None, ..deal }).collect();
        self.apply_deals(connection, &Batch { deals, ..Batch::default() }).await
    }

    /// Deletes records with their keys, touches and what was said of them, the titles of their deals, and the names of leads
    /// that have no other record.
    pub(super) async fn erase_records(
        &self,
        connection: &mut SqliteConnection,
        records: &[RecordRef],
        leads: &[LeadId],
    ) -> Result<(), StoreError> {
        let mut deals = Vec::new();
        for (of, ids) in by_connection(records) {
            let rows = fetch_in(connection, sql::DEALS_OF_PEOPLE, &[self.ws(), of.as_str().into()], &ids).await?;
            for mut deal in bodies::<DealRecord>("deal", &rows)? {
                // What it is called names the person more often than not.
                deal.title = None;
                deal.people.retain(|person| !records.contains(person));
                deals.push(deal);
            }
        }
        self.apply_deals(connection, &Batch { deals, ..Batch::default() }).await?;
        for (of, ids) in by_connection(records) {
            for statement in
                [sql::FORGET_TOUCHES, sql::FORGET_KEYS, sql::FORGET_APART, sql::FORGET_HINTS, sql::FORGET_RECORD]
            {
                fetch_in(connection, statement, &[self.ws(), of.as_str().into()], &ids).await?;
            }
        }
        let list: Vec<Bound> = leads.iter().map(|lead| Bound::Int(lead.0)).collect();
        fetch_in(connection, sql::UNNAME_LEADS, &[self.ws()], &list).await?;
        Ok(())
    }

    /// The key that marks are made with; made when the first person is forgotten.
    async fn forget_key(&self, connection: &mut SqliteConnection) -> Result<String, StoreError> {
        let bound = arguments(vec![self.ws(), FORGET_KEY.into()])?;
        if let Some(row) = sqlx::query_with(sql::META_VALUE, bound).fetch_optional(&mut *connection).await? {
            return text(&row, 0);
        }
        let key = hex(&random::<32>()?);
        self.put_meta(connection, FORGET_KEY, &key).await?;
        Ok(key)
    }

    /// Writes the whole file anew, so that nothing that was deleted stays in pages that nobody uses. It takes as long as
    /// writing the file does, and as much room beside it.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails: what was erased is erased, but traces may stay in the file.
    pub async fn scrub(&self) -> Result<(), StoreError> {
        let mut writer = self.inner.writer.acquire().await?;
        // The copy is as large as the file: it does not belong into memory.
        sqlx::raw_sql("PRAGMA temp_store = FILE").execute(&mut *writer).await?;
        let vacuumed = sqlx::raw_sql("VACUUM").execute(&mut *writer).await;
        sqlx::raw_sql("PRAGMA temp_store = MEMORY").execute(&mut *writer).await?;
        vacuumed?;
        sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *writer).await?;
        Ok(())
    }
}

/// Where the key of the marks is kept.
const FORGET_KEY: &str = "forget_key";
/// What stands at effects that were not sent any more.
const FORGOTTEN: &str = "the person was forgotten";

/// First and last name; one of them alone names nobody.
fn whole_name(record: &PersonRecord) -> Option<String> {
    let text = |field| record.value(field).and_then(Value::as_text);
    Some(format!("{} {}", text(Field::FirstName)?, text(Field::LastName)?))
}

/// A pattern that holds for every body with `name` in it, and perhaps for others: what is special in a pattern or in JSON may be
/// anything.
fn like(name: &str) -> String {
    let plain =
        |letter: char| !letter.is_ascii() || letter.is_ascii_alphanumeric() || matches!(letter, ' ' | '-' | '.');
    let letters: String = name.chars().map(|letter| if plain(letter) { letter } else { '%' }).collect();
    format!("%{letters}%")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Object;

    #[test]
    fn a_record_and_an_address_are_recognised_by_the_store_that_marked_them_alone() {
        let record = |id: &str| RecordRef::new(&"hubspot".into(), Object::Person, id);
        let key = |kind, value: &str| Key { kind, value: value.into() };
        let address = key(KeyKind::Email, "ada@x.example");
        let maker = Marks::new(b"one store", HashSet::new());
        let known: HashSet<String> = [maker.of_record(&record("1")), maker.of_key(&address).unwrap()].into();
        assert!(known.iter().all(|mark| !mark.contains("ada") && mark.len() == 64));
        let marks = Marks::new(b"one store", known.clone());
        for (id, keys, is_theirs) in [
            ("1", vec![], true),
            ("2", vec![address.clone()], true),
            ("2", vec![key(KeyKind::Email, "eve@x.example"), address.clone()], true),
            ("2", vec![key(KeyKind::Email, "eve@x.example")], false),
            ("2", vec![key(KeyKind::External, "ada@x.example")], false),
        ] {
            assert_eq!(marks.of(&record(id), &keys).is_some(), is_theirs, "{id} {keys:?}");
        }
        assert_eq!(Marks::new(b"another store", known).of(&record("1"), &[address]), None);
    }
}
