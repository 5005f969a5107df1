//! Who is the same person, as a person says: joins leads, takes records apart, and remembers what was said.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use crate::domain::decide;
use crate::domain::id::{LeadId, Name, RecordRef};
use crate::domain::kin;
use crate::domain::lead::LeadState;
use crate::domain::plan::{Case, Told};
use crate::domain::record::{Link, LinkRule, PersonRecord};
use crate::domain::sales;
use crate::store::{Apart, Batch, StoreError};

use super::judge::{Said, Tidings};
use super::{Engine, EngineError};

/// Why two people could not be joined or taken apart.
#[derive(Debug, thiserror::Error)]
pub enum KinError {
    /// No lead or record has this name.
    #[error("no lead or record is known as {0:?}; name a lead as L-42 or an e-mail address, a record as connection:id")]
    Unknown(String),
    /// They are one lead already.
    #[error("{what} and {other} are one lead already, {lead}: `baton unlink` takes a record out of it")]
    Same {
        /// The one.
        what: String,
        /// The other.
        other: String,
        /// The lead that both are.
        lead: LeadId,
    },
    /// A whole lead was named where one of its records is meant.
    #[error("{what} is the whole lead {lead}: name the record of it that is somebody else, one of {}", spoken(.records))]
    WholeLead {
        /// What was named.
        what: String,
        /// The lead.
        lead: LeadId,
        /// Its records.
        records: Vec<RecordRef>,
    },
    /// A record cannot be taken out of itself.
    #[error("{} is all that {lead} has: there is nobody to take it apart from", .of.spoken())]
    Alone {
        /// The record.
        of: RecordRef,
        /// Its lead.
        lead: LeadId,
    },
    /// It could not be stored.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

fn spoken(records: &[RecordRef]) -> String {
    records.iter().map(RecordRef::spoken).collect::<Vec<_>>().join(", ")
}

impl From<StoreError> for KinError {
    fn from(error: StoreError) -> Self {
        Self::Engine(EngineError::Store(error))
    }
}

/// What joining came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The lead that goes on.
    pub lead: LeadId,
    /// The lead that is part of it now.
    pub other: LeadId,
    /// The records that moved.
    pub records: Vec<RecordRef>,
    /// Does the lead that was not named go on, because its hand-off is the older?
    pub is_turned: bool,
}

/// What taking apart came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parted {
    /// The lead that the records were taken out of.
    pub lead: LeadId,
    /// The lead that they belong to now.
    pub other: LeadId,
    /// The records that moved.
    pub records: Vec<RecordRef>,
    /// Did the others move, because the hand-off stays with the record that was named?
    pub is_turned: bool,
    /// Do they go back to the lead that they had come from?
    pub is_undone: bool,
}

/// What changes, until it is committed.
#[derive(Debug, Default)]
struct Change {
    people: BTreeMap<RecordRef, PersonRecord>,
    told: Tidings,
    apart: Vec<Apart>,
    together: Vec<(RecordRef, RecordRef)>,
}

impl Change {
    fn tell(&mut self, lead: LeadId, told: Told) {
        self.told.entry(lead).or_default().push(told);
    }

    fn put(&mut self, records: impl IntoIterator<Item = PersonRecord>) {
        self.people.extend(records.into_iter().map(|record| (record.of.clone(), record)));
    }
}

impl Engine {
    /// Joins `what` (a lead, or one record of one) to the lead `into`: they are one person, as `by` says. It outranks
    /// what was said against it before.
    ///
    /// # Errors
    /// [`KinError`] if either is unknown, or they are one already.
    pub async fn join(&self, what: &str, into_words: &str, by: &Name) -> Result<Joined, KinError> {
        let _deciding = self.deciding.lock().await;
        let now = self.clock.now();
        let mut change = Change::default();
        let into = self.named(into_words).await?;
        let mut joining = self.named(what).await?;
        if joining.lead.id == into.lead.id {
            return Err(KinError::Same { what: what.to_owned(), other: into_words.to_owned(), lead: into.lead.id });
        }
        if let Some(of) = record_named(&joining, what)
            && joining.records.len() > 1
        {
            let parted = self.part(&mut change, &joining, &of, by, now).await?;
            // Whichever part the record is in now is the one that is joined.
            let lead = change.people.get(&of).map_or(parted.lead, |record| record.link.lead);
            joining = after(joining, &change, lead, now);
        }
        let joined = join(&mut change, &into, &joining, by, now);
        self.commit_change(change).await?;
        Ok(joined)
    }

    /// Takes the record `what` out of its lead: it is not that person, as `by` says. No rule joins them again.
    ///
    /// # Errors
    /// [`KinError`] if there is no such record, or its lead has no other.
    pub async fn take_apart(&self, what: &str, by: &Name) -> Result<Parted, KinError> {
        let _deciding = self.deciding.lock().await;
        let mut change = Change::default();
        let case = self.named(what).await?;
        let of = record_named(&case, what).ok_or_else(|| KinError::WholeLead {
            what: what.to_owned(),
            lead: case.lead.id,
            records: refs(&case.records),
        })?;
        let parted = self.part(&mut change, &case, &of, by, self.clock.now()).await?;
        self.commit_change(change).await?;
        Ok(parted)
    }

    /// Remembers that two leads are not one person, as `by` says, without changing anything else.
    ///
    /// # Errors
    /// [`KinError`] if either is unknown, or they are one.
    pub async fn keep_apart(&self, one: &str, other: &str, by: &Name) -> Result<(LeadId, LeadId), KinError> {
        let _deciding = self.deciding.lock().await;
        let (first, second) = (self.named(one).await?, self.named(other).await?);
        if first.lead.id == second.lead.id {
            return Err(KinError::Same { what: one.to_owned(), other: other.to_owned(), lead: first.lead.id });
        }
        let now = self.clock.now();
        let mut change = Change::default();
        say_apart(&mut change, &refs(&first.records), &refs(&second.records), by, now);
        self.commit_change(change).await?;
        Ok((first.lead.id, second.lead.id))
    }

    /// The lead that `words` name, as it is stored.
    async fn named(&self, words: &str) -> Result<Case, KinError> {
        let unknown = || KinError::Unknown(words.to_owned());
        let lead = self.store.find_lead(words).await?.ok_or_else(unknown)?;
        // Touches are read anew for whoever hears of the change.
        let case = self.store.cases(&[lead], Timestamp::MAX).await?.pop().ok_or_else(unknown)?;
        if case.records.is_empty() { Err(unknown()) } else { Ok(case) }
    }

    async fn part(
        &self,
        change: &mut Change,
        case: &Case,
        of: &RecordRef,
        by: &Name,
        now: Timestamp,
    ) -> Result<Parted, KinError> {
        let lead = case.lead.id;
        let mut empty: BTreeSet<LeadId> = BTreeSet::new();
        for record in &case.records {
            if let LinkRule::Joined { from, .. } = &record.link.rule
                && self.store.lead_state(*from).await?.is_some_and(|state| state.merged_into == Some(lead))
            {
                empty.insert(*from);
            }
        }
        let rules = self.rules.load();
        let sales = sales::of_handoff(&rules.agreement, &rules.roster, case.handoff.as_ref()).cloned();
        let lives = || case.records.iter().find(|record| record.is_live()).map(|record| record.of.connection.clone());
        let sales = sales.or_else(lives).and_then(|sales| decide::journey(&case.records, &sales));
        let split = kin::split(case, of, sales.map(|record| &record.of), |from| empty.contains(&from))
            .ok_or_else(|| KinError::Alone { of: of.clone(), lead })?;
        let other = split.back_to.unwrap_or_else(|| LeadId(self.next_lead.fetch_add(1, Ordering::Relaxed)));
        let moving = case.records.iter().filter(|record| split.leave.contains(&record.of));
        change.put(moving.map(|record| {
            let rule = LinkRule::Parted { by: by.clone(), from: lead };
            PersonRecord { link: Link { lead: other, rule, at: now }, ..record.clone() }
        }));
        say_apart(change, &split.leave, &split.stay, by, now);
        change.tell(lead, Told::Parted { other, by: by.clone() });
        change.tell(other, Told::PartedFrom { other: lead, by: by.clone(), memory: split.memory });
        let is_turned = !split.leave.contains(of);
        Ok(Parted { lead, other, records: split.leave, is_turned, is_undone: split.back_to.is_some() })
    }

    async fn commit_change(&self, change: Change) -> Result<(), KinError> {
        let leads: Vec<LeadId> = change.told.keys().copied().collect();
        let batch = Batch {
            people: change.people.into_values().collect(),
            apart: change.apart,
            together: change.together,
            ..Batch::default()
        };
        Ok(self.commit_told(batch, &leads, Said { told: Some(&change.told), answer: None }).await?)
    }
}

/// Joins the lead of `joining` to that of `into`, or the other way round if its hand-off is the older.
fn join(change: &mut Change, into: &Case, joining: &Case, by: &Name, now: Timestamp) -> Joined {
    let is_turned = kin::goes_on(into, joining) == joining.lead.id;
    let (stays, goes) = if is_turned { (joining, into) } else { (into, joining) };
    let (lead, other) = (stays.lead.id, goes.lead.id);
    change.put(kin::moved(&goes.records, lead, by, now));
    for one in &goes.records {
        change.together.extend(stays.records.iter().map(|of| (one.of.clone(), of.of.clone())));
    }
    change.tell(lead, Told::Joined { other: Box::new(goes.lead.clone()), by: Some(by.clone()) });
    change.tell(other, Told::JoinedTo { into: lead, by: Some(by.clone()) });
    Joined { lead, other, records: refs(&goes.records), is_turned }
}

fn say_apart(change: &mut Change, some: &[RecordRef], others: &[RecordRef], by: &Name, at: Timestamp) {
    for of in some {
        let pairs = others.iter().map(|other| Apart { of: of.clone(), other: other.clone(), by: by.clone(), at });
        change.apart.extend(pairs);
    }
}

/// The case of `lead` as it is once a record was taken out of the lead of `before`.
fn after(before: Case, change: &Change, lead: LeadId, now: Timestamp) -> Case {
    let records = before.records.iter().map(|record| change.people.get(&record.of).unwrap_or(record));
    let records: Vec<PersonRecord> = records.filter(|record| record.link.lead == lead).cloned().collect();
    if lead == before.lead.id {
        return Case { records, ..before };
    }
    let since = records.iter().map(|record| record.created).min().unwrap_or(now);
    Case { lead: LeadState::new(lead, since), records, handoff: None, receipts: Vec::new(), ..before }
}

fn refs(records: &[PersonRecord]) -> Vec<RecordRef> {
    records.iter().map(|record| record.of.clone()).collect()
}

/// The record of `case` that `words` name: `hubspot:501`; `None` if they name the lead.
fn record_named(case: &Case, words: &str) -> Option<RecordRef> {
    let (connection, id) = words.trim().split_once(':')?;
    let id = id.strip_prefix("person:").unwrap_or(id);
    let is_named = |of: &&RecordRef| of.connection.as_str() == connection && of.id.as_str() == id;
    case.records.iter().map(|record| &record.of).find(is_named).cloned()
}
