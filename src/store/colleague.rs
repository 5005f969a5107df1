//! Colleagues: companies and committees of which all people must be decided about again, a bounded number at a time.
//!
//! A company may have thousands of people, so that a change of it cannot be answered in the transaction that makes it. It
//! notes the company; the sweep takes its people as it has room, and how far it came is noted in the same transaction as
//! the leads that are due from then on. A company that changes again meanwhile gets another round after this one: to begin
//! anew at once could mean that nobody ever comes to its last people.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use crate::domain::id::LeadId;

use super::read::{count, leads, ms};
use super::sqlite::{Bound, Store, arguments, execute, fetch_in, insert, int, text};
use super::{Batch, StoreError, sql};

/// Companies that one look goes through, should all of them be small.
const COMPANIES_MAX: usize = 50;

/// What a look at the noted companies gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Colleagues {
    /// Leads to decide about; they are due in the store, too.
    pub leads: Vec<LeadId>,
    /// Are there more, which the next look will give?
    pub has_more: bool,
}

impl Store {
    pub(super) async fn note_colleagues(
        &self,
        connection: &mut SqliteConnection,
        batch: &Batch,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let rows = batch.colleagues.iter().map(|company| {
            let (of, id) = (company.connection.as_str().into(), company.id.as_str().into());
            vec![self.ws(), of, id, ms(now), Bound::Int(0), Bound::Int(0)]
        });
        let rows = rows.chain(batch.committees.iter().map(|committee| self.committee_noted(committee.as_str(), now)));
        insert(connection, sql::COLLEAGUE, rows.collect()).await?;
        Ok(())
    }

    /// A committee lies in no connection.
    pub(super) fn committee_noted(&self, committee: &str, now: Timestamp) -> Vec<Bound> {
        vec![self.ws(), "".into(), committee.into(), ms(now), Bound::Int(0), Bound::Int(0)]
    }

    /// The next people of companies that were noted, at most `limit`, and makes them due at `now`. What one look gives, the
    /// next does not.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails; then nothing has moved.
    pub async fn next_colleagues(&self, limit: usize, now: Timestamp) -> Result<Colleagues, StoreError> {
        let mut found = Colleagues::default();
        let bound = || vec![self.ws(), Bound::Int(count(COMPANIES_MAX))];
        if self.rows(sql::COLLEAGUES, bound()).await?.is_empty() {
            return Ok(found);
        }
        let mut transaction = self.inner.writer.begin().await?;
        let noted = sqlx::query_with(sql::COLLEAGUES, arguments(bound())?).fetch_all(&mut *transaction).await?;
        found.has_more = noted.len() == COMPANIES_MAX;
        for row in &noted {
            let company = || Ok::<_, StoreError>(vec![self.ws(), text(row, 0)?.into(), text(row, 1)?.into()]);
            let room = limit.saturating_sub(found.leads.len());
            if room == 0 {
                found.has_more = true;
                break;
            }
            let mut bound = company()?;
            let mut statement = sql::COLLEAGUES_OF;
            if text(row, 0)?.is_empty() {
                bound.remove(1);
                statement = sql::COLLEAGUES_IN;
            }
            bound.extend([Bound::Int(int(row, 2)?), Bound::Int(count(room))]);
            let some = sqlx::query_with(statement, arguments(bound)?).fetch_all(&mut *transaction).await?;
            let some = leads(&some)?;
            let mut bound = company()?;
            match some.last() {
                Some(last) if some.len() == room => {
                    bound.push(Bound::Int(last.0));
                    execute(&mut transaction, sql::COLLEAGUES_DONE_TO, bound).await?;
                    found.has_more = true;
                }
                _ if int(row, 3)? > 0 => {
                    bound.push(ms(now));
                    execute(&mut transaction, sql::COLLEAGUES_AGAIN, bound).await?;
                    found.has_more = true;
                }
                _ => {
                    execute(&mut transaction, sql::COLLEAGUES_DONE, bound).await?;
                }
            }
            found.leads.extend(some);
        }
        found.leads.sort_unstable();
        found.leads.dedup();
        let due: Vec<Bound> = found.leads.iter().map(|lead| Bound::Int(lead.0)).collect();
        fetch_in(&mut transaction, sql::RECHECK, &[self.ws(), ms(now)], &due).await?;
        transaction.commit().await?;
        Ok(found)
    }
}
