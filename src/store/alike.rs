//! Leads that look like one person: the blocks they are compared within, and the pairs that a person should look at.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::domain::alike::Evidence;
use crate::domain::id::LeadId;

use super::read::{count, instant, ms};
use super::sqlite::{Bound, Store, fetch_in, insert, int, maybe_text, text};
use super::{StoreError, sql};

/// Two leads that look like one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The one with the lower number.
    pub lead: LeadId,
    /// Its name or address, if known.
    pub who: Option<String>,
    /// The other.
    pub other: LeadId,
    /// Its name or address, if known.
    pub other_who: Option<String>,
    /// What speaks for it.
    pub evidence: Vec<Evidence>,
    /// Since when it is known.
    pub first_at: Timestamp,
}

impl Store {
    /// Notes which blocks these leads are in now.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn put_blocks(&self, blocks: &BTreeMap<LeadId, Vec<String>>) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        let leads: Vec<Bound> = blocks.keys().map(|lead| Bound::Int(lead.0)).collect();
        fetch_in(&mut transaction, sql::DELETE_BLOCKS, &[self.ws()], &leads).await?;
        let rows = blocks.iter().flat_map(|(lead, blocks)| blocks.iter().map(move |block| (lead, block)));
        let rows = rows.map(|(lead, block)| vec![self.ws(), block.clone().into(), Bound::Int(lead.0)]);
        insert(&mut transaction, sql::ALIKE, rows.collect()).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The leads in each of these blocks; of a block with more than `most` nothing but that is said, by one lead too many.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn in_blocks(
        &self,
        blocks: &BTreeSet<String>,
        most: usize,
    ) -> Result<BTreeMap<String, Vec<LeadId>>, StoreError> {
        let mut found: BTreeMap<String, Vec<LeadId>> = BTreeMap::new();
        let list = blocks.iter().map(|block| Bound::from(block.as_str())).collect();
        // Counted first: a block as large as the workspace is not read.
        let mut small: Vec<Bound> = Vec::new();
        for row in self.rows_in(sql::BLOCK_SIZES, &[self.ws(), Bound::Int(count(most))], list).await? {
            small.push(Bound::from(text(&row, 0)?));
        }
        for row in self.rows_in(sql::IN_BLOCKS, &[self.ws()], small).await? {
            found.entry(text(&row, 0)?).or_default().push(LeadId(int(&row, 1)?));
        }
        Ok(found)
    }

    /// Makes `pairs` all pairs that any of `leads` is in. One that stands keeps its time.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn put_pairs(
        &self,
        leads: &[LeadId],
        pairs: &BTreeMap<(LeadId, LeadId), Vec<Evidence>>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let list: Vec<Bound> = leads.iter().map(|lead| Bound::Int(lead.0)).collect();
        let mut standing: BTreeSet<(LeadId, LeadId)> = BTreeSet::new();
        for statement in [sql::PAIRS_OF, sql::PAIRS_WITH] {
            for row in self.rows_in(statement, &[self.ws()], list.clone()).await? {
                standing.insert((LeadId(int(&row, 0)?), LeadId(int(&row, 1)?)));
            }
        }
        let over: Vec<_> = standing.iter().filter(|pair| !pairs.contains_key(*pair)).copied().collect();
        if over.is_empty() && pairs.is_empty() {
            return Ok(());
        }
        let mut transaction = self.inner.writer.begin().await?;
        for (lead, other) in over {
            let bound = vec![self.ws(), Bound::Int(lead.0), Bound::Int(other.0)];
            super::sqlite::execute(&mut transaction, sql::DELETE_PAIR, bound).await?;
        }
        let rows = pairs.iter().map(|((lead, other), evidence)| {
            let words: Vec<&str> = evidence.iter().map(|evidence| evidence.as_str()).collect();
            vec![self.ws(), Bound::Int(lead.0), Bound::Int(other.0), words.join(" ").into(), ms(now)]
        });
        insert(&mut transaction, sql::REVIEW, rows.collect()).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Pairs that a person should look at, the oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn pairs(&self, limit: usize) -> Result<Vec<Pair>, StoreError> {
        let rows = self.rows(sql::PAIRS, vec![self.ws(), Bound::Int(count(limit))]).await?;
        rows.iter()
            .map(|row| {
                Ok(Pair {
                    lead: LeadId(int(row, 0)?),
                    who: maybe_text(row, 1)?.or(maybe_text(row, 2)?),
                    other: LeadId(int(row, 3)?),
                    other_who: maybe_text(row, 4)?.or(maybe_text(row, 5)?),
                    evidence: text(row, 6)?.split(' ').filter_map(Evidence::parse).collect(),
                    first_at: instant(Some(int(row, 7)?))?.unwrap_or(Timestamp::UNIX_EPOCH),
                })
            })
            .collect()
    }

    /// How many pairs a person should look at.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn pairs_count(&self) -> Result<i64, StoreError> {
        let rows = self.rows(sql::PAIRS_COUNT, vec![self.ws()]).await?;
        Ok(rows.first().map(|row| int(row, 0)).transpose()?.unwrap_or(0))
    }

    /// Up to which lead the present round of comparing has come.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn compared_until(&self) -> Result<LeadId, StoreError> {
        let rows = self.rows(sql::META_VALUE, vec![self.ws(), Bound::from("compared_until")]).await?;
        let known = rows.first().map(|row| text(row, 0)).transpose()?;
        Ok(known.and_then(|text| text.parse().ok()).unwrap_or(LeadId(0)))
    }

    /// Notes how far the present round of comparing has come.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn set_compared_until(&self, lead: LeadId) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        let row = vec![self.ws(), Bound::from("compared_until"), lead.to_string().into()];
        insert(&mut transaction, sql::META, vec![row]).await?;
        transaction.commit().await?;
        Ok(())
    }
}
