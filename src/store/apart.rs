//! "Not the same person": what a person said of two records. It outranks every rule.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use sqlx::SqliteConnection;

use crate::domain::id::{ConnectionId, LeadId, Name, Object, RecordRef};

use super::read::{instant, ms};
use super::sqlite::{Bound, Store, execute, insert, int, text};
use super::{Batch, StoreError, sql};

/// Two records that are not the same person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart {
    /// The one.
    pub of: RecordRef,
    /// The other.
    pub other: RecordRef,
    /// Who said so.
    pub by: Name,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// What people said of the records of `lead`: of whom they are not.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn apart_said(&self, lead: LeadId) -> Result<Vec<Apart>, StoreError> {
        let rows = self.rows(sql::APART_SAID, vec![self.ws(), Bound::Int(lead.0)]).await?;
        rows.iter()
            .map(|row| {
                Ok(Apart {
                    of: RecordRef::new(&ConnectionId::from(text(row, 0)?), Object::Person, text(row, 1)?),
                    other: RecordRef::new(&ConnectionId::from(text(row, 2)?), Object::Person, text(row, 3)?),
                    by: Name::from(text(row, 4)?),
                    at: instant(Some(int(row, 5)?))?.unwrap_or(Timestamp::UNIX_EPOCH),
                })
            })
            .collect()
    }

    /// The records that are not the person of these leads, by lead.
    pub(super) async fn apart_of_leads(&self, leads: &[LeadId]) -> Result<HashMap<LeadId, Vec<RecordRef>>, StoreError> {
        let mut found: HashMap<LeadId, Vec<RecordRef>> = HashMap::new();
        if !self.inner.has_apart.load(Ordering::Acquire) {
            return Ok(found);
        }
        let list = leads.iter().map(|lead| Bound::Int(lead.0)).collect();
        for row in self.rows_in(sql::APART_OF_LEADS, &[self.ws()], list).await? {
            let other = RecordRef::new(&ConnectionId::from(text(&row, 1)?), Object::Person, text(&row, 2)?);
            found.entry(LeadId(int(&row, 0)?)).or_default().push(other);
        }
        Ok(found)
    }

    /// Pairs of leads, the lower number first, of which a person said that they are not the same, as far as one of `leads`
    /// is in them.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn leads_apart(&self, leads: &[LeadId]) -> Result<HashSet<(LeadId, LeadId)>, StoreError> {
        let apart = self.apart_of_leads(leads).await?;
        let others: Vec<RecordRef> = apart.values().flatten().cloned().collect();
        let lead_of: HashMap<RecordRef, LeadId> = self.leads_of_people(&others).await?.into_iter().collect();
        let pairs = apart.iter().flat_map(|(lead, others)| others.iter().map(move |other| (*lead, other)));
        let known = pairs.filter_map(|(lead, other)| Some((lead, *lead_of.get(other)?)));
        Ok(known.map(|(lead, other)| (lead.min(other), lead.max(other))).collect())
    }

    pub(super) async fn apply_apart(&self, connection: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
        let pair = |one: &RecordRef, other: &RecordRef| -> Vec<Bound> {
            vec![
                self.ws(),
                one.connection.as_str().into(),
                one.id.as_str().into(),
                other.connection.as_str().into(),
                other.id.as_str().into(),
            ]
        };
        for (one, other) in &batch.together {
            execute(connection, sql::DELETE_APART, pair(one, other)).await?;
            execute(connection, sql::DELETE_APART, pair(other, one)).await?;
        }
        if batch.apart.is_empty() {
            return Ok(());
        }
        let rows = batch.apart.iter().flat_map(|apart| {
            let said = || [apart.by.as_str().into(), ms(apart.at)];
            let both = [pair(&apart.of, &apart.other), pair(&apart.other, &apart.of)];
            both.map(|row| row.into_iter().chain(said()).collect::<Vec<Bound>>())
        });
        insert(connection, sql::APART, rows.collect()).await?;
        // Early is harmless: who looks finds nothing before the transaction ends.
        self.inner.has_apart.store(true, Ordering::Release);
        Ok(())
    }
}
