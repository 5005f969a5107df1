//! What is stored of everything that a page speaks of, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use crate::domain::company::CompanyRecord;
use crate::domain::deal::DealRecord;
use crate::domain::id::{LeadId, Object, RecordRef};
use crate::domain::identity;
use crate::domain::kin;
use crate::domain::lead::LeadState;
use crate::domain::observation::{Content, Observation};
use crate::domain::plan::{Case, Told};
use crate::domain::reconcile::{self, Change};
use crate::domain::record::{Key, KeyKind, Link, LinkRule, PersonRecord};
use crate::domain::touch::Touch;
use crate::store::{Keys, StoreError};

use super::Engine;
use super::reconcile::Reconciled;

/// What is stored of everything that a page speaks of, and what becomes of it.
#[derive(Default)]
pub(super) struct Page {
    pub(super) people: Known<PersonRecord>,
    /// What the keys of the records that changed are to those that are stored.
    pub(super) keys: HashMap<RecordRef, Keys>,
    /// Every lead that is known by a key; more than one is a conflict that a person is told of.
    pub(super) known_keys: HashMap<Key, Vec<LeadId>>,
    /// The leads of records that this page says were merged, as they are stored.
    kin: HashMap<LeadId, Case>,
    /// The stored keys of leads that somebody's telephone number and name fit.
    keys_of: HashMap<LeadId, Vec<Key>>,
    pub(super) companies: Known<CompanyRecord>,
    pub(super) deals: Known<DealRecord>,
    /// The last word on each call, e-mail and meeting.
    pub(super) touched: BTreeMap<RecordRef, Vec<Touch>>,
}

impl Page {
    pub(super) async fn load(engine: &Engine, observations: &[Observation]) -> Result<Self, StoreError> {
        let mut people = Vec::new();
        let mut companies = Vec::new();
        let mut deals = Vec::new();
        let mut keys = Vec::new();
        for observation in observations {
            match observation.of.object {
                Object::Person => people.push(observation.of.clone()),
                Object::Company => companies.push(observation.of.clone()),
                Object::Deal => deals.push(observation.of.clone()),
                Object::Call | Object::Email | Object::Meeting | Object::Task | Object::Note | Object::User => {}
            }
            match &observation.content {
                Content::Person(seen) => {
                    let merged = seen.merged.iter();
                    people.extend(merged.map(|id| RecordRef { id: id.clone(), ..observation.of.clone() }));
                    keys.extend(seen.keys.iter().cloned());
                }
                Content::MergedInto(into) if observation.of.object == Object::Person => {
                    people.push(RecordRef { id: into.clone(), ..observation.of.clone() });
                }
                Content::Company(_)
                | Content::Touch(_)
                | Content::User(_)
                | Content::Task(_)
                | Content::CompanyOf(_)
                | Content::Deal(_)
                | Content::Gone
                | Content::Erased
                | Content::MergedInto(_)
                | Content::Undecodable(_) => {}
            }
        }
        let mut page = Self::default();
        if !people.is_empty() {
            let stored = engine.store.people(&people).await?;
            page.people = Known::of(stored.into_iter().map(|record| (record.of.clone(), record)));
            page.kin = page.kin_of_merged(engine, observations).await?;
            // A record that is known keeps its link; only strangers are looked up by their keys.
            let strangers: HashSet<&Key> = observations
                .iter()
                .filter(|seen| page.people.get(&seen.of).is_none())
                .filter_map(|seen| Some(&seen.person()?.keys))
                .flatten()
                .collect();
            for (key, lead) in engine.store.leads_by_keys(&keys).await? {
                if key.kind == KeyKind::Phone && strangers.contains(&key) {
                    page.keys_of.entry(lead).or_default();
                }
                page.known_keys.entry(key).or_default().push(lead);
            }
            let rung: Vec<LeadId> = page.keys_of.keys().copied().collect();
            for record in engine.store.people_of(&rung).await? {
                page.keys_of.entry(record.link.lead).or_default().extend(record.keys);
            }
        }
        if !deals.is_empty() {
            let stored = engine.store.deals(&deals).await?;
            page.deals = Known::of(stored.into_iter().map(|deal| (deal.of.clone(), deal)));
        }
        if !companies.is_empty() {
            let stored = engine.store.companies(&companies).await?;
            page.companies = Known::of(stored.into_iter().map(|company| (company.of.clone(), company)));
        }
        Ok(page)
    }

    /// The leads whose records are among the merged ones, and those of the survivors that are known.
    async fn kin_of_merged(
        &self,
        engine: &Engine,
        observations: &[Observation],
    ) -> Result<HashMap<LeadId, Case>, StoreError> {
        let ended = observations.iter().flat_map(merged_with);
        let leads: BTreeSet<LeadId> = ended.filter_map(|of| self.people.get(&of)).map(|one| one.link.lead).collect();
        if leads.is_empty() {
            return Ok(HashMap::new());
        }
        let leads: Vec<LeadId> = leads.into_iter().collect();
        let cases = engine.store.cases(&leads, Timestamp::MAX).await?;
        Ok(cases.into_iter().map(|case| (case.lead.id, case)).collect())
    }

    /// Do the addresses of a record's keys speak against its being the person of `lead`?
    pub(super) fn addresses_contradict(&self, keys: &[Key], lead: LeadId) -> bool {
        let stored = self.keys_of.get(&lead).map_or(&[][..], Vec::as_slice).iter();
        let here = self.people.values().filter(|record| record.link.lead == lead).flat_map(|record| &record.keys);
        let theirs: Vec<Key> = stored.chain(here).cloned().collect();
        identity::addresses_contradict(keys, &theirs)
    }

    /// Of these leads the one with the oldest open hand-off.
    pub(super) fn goes_on(&self, leads: impl Iterator<Item = LeadId>) -> Option<LeadId> {
        let cases = leads.filter_map(|lead| self.kin.get(&lead));
        let first = cases.reduce(|one, other| if kin::goes_on(one, other) == one.lead.id { one } else { other })?;
        first.handoff.as_ref().is_some_and(|handoff| !handoff.is_closed()).then_some(first.lead.id)
    }

    /// Joins the leads whose records the CRM merged: all records of each go to the one that goes on.
    pub(super) fn join_merged(&mut self, out: &mut Reconciled, observation: &Observation, now: Timestamp) {
        let records: Vec<RecordRef> = merged_with(observation).collect();
        let Some(survivor) = records.last().and_then(|of| self.people.get(of)) else { return };
        let (of, own) = (survivor.of.clone(), survivor.link.lead);
        let mut leads: BTreeSet<LeadId> =
            records.iter().filter_map(|of| self.people.get(of)).map(|record| record.link.lead).collect();
        let into = self.goes_on(leads.iter().copied()).unwrap_or(own);
        leads.remove(&into);
        // What a person said of two records outranks even the CRM's merge of them.
        let is_apart =
            |lead: &LeadId| self.kin.get(lead).is_some_and(|case| case.apart.iter().any(|one| records.contains(one)));
        leads.retain(|lead| !is_apart(lead));
        for lead in leads {
            // Records that this page linked to the lead count as well as the stored ones.
            let stored =
                self.kin.get(&lead).map_or(&[][..], |case| &case.records).iter().map(|record| record.of.clone());
            let here = self.people.values().filter(|record| record.link.lead == lead).map(|record| record.of.clone());
            let moving: BTreeSet<RecordRef> = stored.chain(here).collect();
            for one in moving {
                let fresh = self.people.get(&one).cloned();
                let stored = || self.kin.get(&lead)?.records.iter().find(|record| record.of == one).cloned();
                let Some(mut record) = fresh.or_else(stored).filter(|record| record.link.lead == lead) else {
                    continue;
                };
                record.link = Link { lead: into, rule: LinkRule::Merged(of.id.clone()), at: now };
                self.put(record, Change { link: true, ..Change::default() });
            }
            self.known_keys.values_mut().flatten().filter(|known| **known == lead).for_each(|known| *known = into);
            let other = self.kin.get(&lead).map_or_else(|| LeadState::new(lead, now), |case| case.lead.clone());
            out.told.entry(into).or_default().push(Told::Joined { other: Box::new(other), by: None });
            out.told.entry(lead).or_default().push(Told::JoinedTo { into, by: None });
            out.leads.extend([into, lead]);
        }
    }

    pub(super) fn put(&mut self, record: PersonRecord, change: Change) {
        let (before, now) = (self.keys.get(&record.of).copied(), keys_of(change));
        self.keys.insert(record.of.clone(), before.map_or(now, |before| before.then(now)));
        for key in &record.keys {
            self.known_keys.entry(key.clone()).or_insert_with(|| vec![record.link.lead]);
        }
        self.people.put(record.of.clone(), record);
    }

    /// The CRM merged other records into this one: they end, and what hung on them goes on under the survivor's lead.
    pub(super) fn rebind(&mut self, out: &mut Reconciled, observation: &Observation) {
        for end in reconcile::merged_away(observation) {
            let Some(loser) = self.people.get(&end.of).cloned() else { continue };
            let link = loser.link.clone();
            if let Some((record, change)) = reconcile::absorb(Some(loser), &end, link)
                && !change.is_nothing()
            {
                out.leads.insert(record.link.lead);
                self.put(record, change);
            }
        }
    }
}

/// What the keys of a record that changed so are to those that are stored.
fn keys_of(change: Change) -> Keys {
    match (change.is_new, change.keys, change.link) {
        (true, _, _) => Keys::New,
        (false, true, _) => Keys::Others,
        (false, false, true) => Keys::Moved,
        (false, false, false) => Keys::Same,
    }
}

/// Records as they are known, and which of them changed.
pub(super) struct Known<T> {
    all: HashMap<RecordRef, T>,
    changed: BTreeSet<RecordRef>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { all: HashMap::new(), changed: BTreeSet::new() }
    }
}

impl<T> Known<T> {
    /// What is stored.
    fn of(stored: impl Iterator<Item = (RecordRef, T)>) -> Self {
        Self { all: stored.collect(), changed: BTreeSet::new() }
    }

    pub(super) fn get(&self, of: &RecordRef) -> Option<&T> {
        self.all.get(of)
    }

    fn values(&self) -> impl Iterator<Item = &T> {
        self.all.values()
    }

    /// A record that changed.
    pub(super) fn put(&mut self, of: RecordRef, record: T) {
        self.changed.insert(of.clone());
        self.all.insert(of, record);
    }

    /// The records to store, in the order of their references; they are not known any more.
    pub(super) fn changed(&mut self) -> Vec<T> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().filter_map(|of| self.all.remove(&of)).collect()
    }
}

/// The records that an observation says are one now, the survivor last; nothing if it says no such thing.
fn merged_with(observation: &Observation) -> impl Iterator<Item = RecordRef> {
    let into = match &observation.content {
        Content::MergedInto(into) => Some(RecordRef { id: into.clone(), ..observation.of.clone() }),
        Content::Person(_)
        | Content::Company(_)
        | Content::Touch(_)
        | Content::User(_)
        | Content::Task(_)
        | Content::CompanyOf(_)
        | Content::Deal(_)
        | Content::Gone
        | Content::Erased
        | Content::Undecodable(_) => None,
    };
    let losers: Vec<RecordRef> = reconcile::merged_away(observation).map(|end| end.of).collect();
    let is_merge = into.is_some() || !losers.is_empty();
    losers.into_iter().chain(is_merge.then(|| observation.of.clone())).chain(into)
}
