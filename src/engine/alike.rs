//! Compares leads that may be one person, a bounded number each minute, round after round. What looks alike is listed for
//! a person; nothing is joined.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::alike::{BLOCK_MAX, Evidence, Face};
use crate::domain::id::LeadId;
use crate::domain::record::PersonRecord;

use super::{Engine, EngineError};

/// Leads that are compared in one pass: a round of a hundred thousand takes less than two hours.
const COMPARED_MAX: usize = 1_000;

impl Engine {
    /// Compares the next leads of the round with those in their blocks.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails.
    pub async fn compare(&self) -> Result<(), EngineError> {
        if !self.is_live() {
            return Ok(());
        }
        let after = self.store.compared_until().await?;
        let leads = self.store.leads_after(after, COMPARED_MAX).await?;
        let Some(last) = leads.last() else {
            if after > LeadId(0) {
                self.store.set_compared_until(LeadId(0)).await?;
            }
            return Ok(());
        };
        let faces = self.faces(&leads).await?;
        let blocks: BTreeMap<LeadId, Vec<String>> = faces.iter().map(|(lead, face)| (*lead, face.blocks())).collect();
        self.store.put_blocks(&blocks).await?;
        let wanted: BTreeSet<String> = blocks.values().flatten().cloned().collect();
        let groups = self.store.in_blocks(&wanted, BLOCK_MAX).await?;
        let others: BTreeSet<LeadId> =
            groups.values().flatten().copied().filter(|lead| !faces.contains_key(lead)).collect();
        let others: Vec<LeadId> = others.into_iter().collect();
        let mut all = self.faces(&others).await?;
        all.extend(faces);
        let apart = self.store.leads_apart(&leads).await?;
        let mut pairs: BTreeMap<(LeadId, LeadId), Vec<Evidence>> = BTreeMap::new();
        for group in groups.values() {
            for one in group {
                for other in group.iter().filter(|other| *other > one) {
                    let (Some(face), Some(theirs)) = (all.get(one), all.get(other)) else { continue };
                    if apart.contains(&(*one, *other)) || pairs.contains_key(&(*one, *other)) {
                        continue;
                    }
                    let evidence = face.likeness(theirs);
                    if !evidence.is_empty() {
                        pairs.insert((*one, *other), evidence);
                    }
                }
            }
        }
        self.store.put_pairs(&leads, &pairs, self.clock.now()).await?;
        let next = if leads.len() < COMPARED_MAX { LeadId(0) } else { *last };
        self.store.set_compared_until(next).await?;
        Ok(())
    }

    async fn faces(&self, leads: &[LeadId]) -> Result<BTreeMap<LeadId, Face>, EngineError> {
        let mut records: BTreeMap<LeadId, Vec<PersonRecord>> = BTreeMap::new();
        for record in self.store.people_of(leads).await? {
            records.entry(record.link.lead).or_default().push(record);
        }
        Ok(records.into_iter().map(|(lead, records)| (lead, Face::of(lead, &records))).collect())
    }
}
