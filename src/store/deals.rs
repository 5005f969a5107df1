//! Deals: who and which company is in one, and how many are open.

use std::collections::{HashMap, HashSet};

use sqlx::SqliteConnection;

use crate::domain::deal::{DealRecord, DealState};
use crate::domain::id::{LeadId, RecordRef};

use super::read::{body, by_connection};
use super::row::encode;
use super::sqlite::{Bound, Store, fetch_in, insert, int, text};
use super::{Batch, StoreError, sql};

impl Store {
    /// The deals with these references; those that are not stored are left out.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn deals(&self, refs: &[RecordRef]) -> Result<Vec<DealRecord>, StoreError> {
        self.bodies("deal", sql::DEALS, refs).await
    }

    /// The deals that the records of `lead` hang on, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn deals_of(&self, lead: LeadId) -> Result<Vec<DealRecord>, StoreError> {
        let rows = self.rows(sql::DEALS_OF_LEAD, vec![self.ws(), Bound::Int(lead.0)]).await?;
        let mut deals: Vec<DealRecord> = rows.iter().map(|row| body("deal", row, 2)).collect::<Result<_, _>>()?;
        deals.retain(|deal| !deal.is_gone);
        deals.sort_by_key(|deal| deal.created);
        Ok(deals)
    }

    /// How many deals are open with each of these leads; those without are left out.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn open_deals_of(&self, leads: &[LeadId]) -> Result<HashMap<LeadId, u32>, StoreError> {
        let list = leads.iter().map(|lead| Bound::Int(lead.0)).collect();
        let mut found: HashSet<(LeadId, String, String)> = HashSet::new();
        for row in self.rows_in(sql::OPEN_DEALS_OF_LEADS, &[self.ws()], list).await? {
            found.insert((LeadId(int(&row, 0)?), text(&row, 1)?, text(&row, 2)?));
        }
        let mut counts: HashMap<LeadId, u32> = HashMap::new();
        for (lead, _, _) in found {
            *counts.entry(lead).or_default() += 1;
        }
        Ok(counts)
    }

    /// How many deals of `company` are open.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn open_deals_of_company(&self, company: &RecordRef) -> Result<u32, StoreError> {
        self.deals_counted(sql::OPEN_DEALS_OF_COMPANY, company).await
    }

    /// How many leads of `company` are at `engagement` or past it.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn engaged_of_company(&self, company: &RecordRef) -> Result<u32, StoreError> {
        self.deals_counted(sql::ENGAGED_OF_COMPANY, company).await
    }

    async fn deals_counted(&self, statement: &'static str, company: &RecordRef) -> Result<u32, StoreError> {
        let bound = vec![self.ws(), company.connection.as_str().into(), company.id.as_str().into()];
        let rows = self.rows(statement, bound).await?;
        let found = rows.first().map(|row| int(row, 0)).transpose()?.unwrap_or(0);
        Ok(u32::try_from(found).unwrap_or(u32::MAX))
    }

    pub(super) async fn apply_deals(&self, connection: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
        if batch.deals.is_empty() {
            return Ok(());
        }
        let refs: Vec<RecordRef> = batch.deals.iter().map(|deal| deal.of.clone()).collect();
        for (of_connection, ids) in by_connection(&refs) {
            let bound = [self.ws(), of_connection.as_str().into()];
            fetch_in(connection, sql::DELETE_DEAL_PEOPLE, &bound, &ids).await?;
        }
        let rows = batch.deals.iter().map(|deal| {
            // Who is gone is in no state that counts.
            let state = if deal.is_gone { "gone" } else { deal.state.as_str() };
            let company = deal.company.as_ref().map(|company| company.id.as_str());
            vec![
                self.ws(),
                deal.of.connection.as_str().into(),
                deal.of.id.as_str().into(),
                company.into(),
                state.into(),
                encode(deal).into(),
            ]
        });
        insert(connection, sql::DEAL, rows.collect()).await?;
        let people = batch.deals.iter().flat_map(|deal| deal.people.iter().map(move |person| (deal, person)));
        let people = people.map(|(deal, person)| {
            vec![self.ws(), person.connection.as_str().into(), person.id.as_str().into(), deal.of.id.as_str().into()]
        });
        insert(connection, sql::DEAL_PERSON, people.collect()).await?;
        debug_assert_eq!(DealState::Open.as_str(), "open", "the statements count by this name");
        Ok(())
    }
}
