//! Turns a page of observations into what the store shall hold: records, their links, touches, and the leads to decide.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use crate::domain::agreement::{Agreement, Skip};
use crate::domain::deal::{self, DealRecord};
use crate::domain::field::{Field, FieldSet};
use crate::domain::finding::{Finding, FindingKind, Subject};
use crate::domain::id::{LeadId, Name, Object, RecordRef, RemoteId};
use crate::domain::identity;
use crate::domain::kin;
use crate::domain::lead::LeadState;
use crate::domain::observation::{Content, Observation};
use crate::domain::patrol::Difference;
use crate::domain::plan::{Case, Told};
use crate::domain::reconcile::{self, Change};
use crate::domain::record::{Key, KeyKind, Link, LinkRule, PersonRecord};
use crate::domain::touch::Touch;
use crate::store::{Batch, StoreError};

use super::Engine;
use super::judge::Tidings;

/// Leads of one changed company that are decided again.
const COMPANY_LEADS_MAX: usize = 1_000;

/// What one page comes to.
#[derive(Debug, Default)]
pub(super) struct Reconciled {
    pub(super) batch: Batch,
    /// Leads whose records, touches or company changed.
    pub(super) leads: BTreeSet<LeadId>,
    /// Observations that changed anything.
    pub(super) changes: usize,
    pub(super) users_changed: bool,
    /// What merges in the CRMs say of who the leads are.
    pub(super) told: Tidings,
    /// What was stored otherwise, or not at all, or is gone.
    pub(super) changed: Vec<(RecordRef, Difference)>,
}

impl Engine {
    /// Reconciles `observations` against what is stored. The caller holds `deciding`, so that two pages cannot make two
    /// leads of one person.
    pub(super) async fn reconcile(
        &self,
        observations: Vec<Observation>,
        now: Timestamp,
    ) -> Result<Reconciled, StoreError> {
        let observations = self.pass_over_forgotten(observations, now).await?;
        let mut page = Page::load(self, &observations).await?;
        let mut out = Reconciled::default();
        for observation in observations {
            out.batch.findings.extend(observation.findings.iter().cloned());
            match &observation.content {
                Content::Person(_)
                | Content::Gone
                | Content::Erased
                | Content::MergedInto(_)
                | Content::CompanyOf(_)
                    if observation.of.object == Object::Person =>
                {
                    self.person(&mut page, &mut out, &observation, now);
                }
                Content::Deal(_) | Content::Gone | Content::MergedInto(_) if observation.of.object == Object::Deal => {
                    self.deal(&mut page, &mut out, &observation).await?;
                }
                Content::Company(_) | Content::Gone if observation.of.object == Object::Company => {
                    self.company(&mut page, &mut out, &observation).await?;
                }
                Content::Touch(touches) => {
                    page.touched.insert(observation.of.clone(), touches.clone());
                }
                Content::Gone if matches!(observation.of.object, Object::Call | Object::Email | Object::Meeting) => {
                    page.touched.insert(observation.of.clone(), Vec::new());
                }
                Content::User(user) => {
                    out.users_changed = true;
                    out.batch.users.push((observation.of.clone(), user.clone()));
                }
                Content::Undecodable(reason) => out.batch.findings.push(Finding {
                    kind: FindingKind::Undecodable,
                    subject: Subject::Connection(
                        observation.of.connection.clone(),
                        Name::from(observation.of.to_string()),
                    ),
                    text: format!("{} cannot be read: {reason}; it is left out until it changes", observation.of),
                }),
                Content::Person(_)
                | Content::Company(_)
                | Content::Deal(_)
                | Content::Gone
                | Content::Erased
                | Content::MergedInto(_)
                | Content::CompanyOf(_)
                | Content::Task(_) => {}
            }
        }
        self.touches(&mut page, &mut out).await?;
        out.batch.people = page.changed();
        let is_kept = |record: &&PersonRecord| !page.rekeyed.contains(&record.of);
        out.batch.keys_kept = out.batch.people.iter().filter(is_kept).map(|record| record.of.clone()).collect();
        out.changes += out.batch.people.len();
        Ok(out)
    }

    fn person(&self, page: &mut Page, out: &mut Reconciled, observation: &Observation, now: Timestamp) {
        let known = page.people.get(&observation.of).cloned();
        let link = match &known {
            Some(record) => record.link.clone(),
            None => match &observation.content {
                Content::Person(seen) => self.place(page, out, observation, &seen.keys, &seen.merged, now),
                // Nothing is known of it, so there is nothing to take back.
                _ => return,
            },
        };
        let Some((record, change)) = reconcile::absorb(known, observation, link) else { return };
        if change.is_nothing() {
            return;
        }
        let difference = match (change.is_new, change.presence && !record.is_live()) {
            (true, _) => Difference::New,
            (false, true) => Difference::Gone,
            (false, false) => Difference::Changed,
        };
        out.changed.push((record.of.clone(), difference));
        if change.asks_for_decision() {
            out.leads.insert(record.link.lead);
        }
        page.rebind(out, observation);
        page.put(record, change);
        page.join_merged(out, observation, now);
    }

    /// Which lead a record that was never seen belongs to.
    fn place(
        &self,
        page: &Page,
        out: &mut Reconciled,
        observation: &Observation,
        keys: &[Key],
        merged: &[RemoteId],
        now: Timestamp,
    ) -> Link {
        let merged: Vec<(RemoteId, LeadId)> = merged
            .iter()
            .filter_map(|id| page.people.get(&RecordRef { id: id.clone(), ..observation.of.clone() }))
            .map(|loser| (loser.of.id.clone(), loser.link.lead))
            .collect();
        let mut known: Vec<(Key, LeadId)> = Vec::new();
        for key in keys {
            let leads = page.known_keys.get(key).into_iter().flatten();
            let may = |lead: &&LeadId| key.kind != KeyKind::Phone || !page.addresses_contradict(keys, **lead);
            known.extend(leads.filter(may).map(|lead| (key.clone(), *lead)));
        }
        // Baton's own key names its lead by itself, if that lead was ever given out.
        let next = self.next_lead.load(Ordering::Relaxed);
        let own = keys.iter().filter_map(|key| Some((key.clone(), identity::lead_of_own_key(key)?)));
        known.extend(own.filter(|(_, lead)| lead.0 < next));
        // Of people that the CRM merged, the one whose hand-off is open goes on, the older of several: its owner, clock and
        // story stay. The others are no conflict: they are joined to it.
        let goes_on = page.goes_on(merged.iter().map(|(_, lead)| *lead));
        let stays: Vec<(RemoteId, LeadId)> =
            merged.iter().filter(|(_, lead)| goes_on.is_none_or(|one| one == *lead)).cloned().collect();
        let is_merged = |lead: &LeadId| merged.iter().any(|(_, one)| one == lead);
        known.retain(|(_, lead)| goes_on.is_none_or(|one| one == *lead) || !is_merged(lead));
        let mut resolution = identity::resolve(keys, &known, &stays);
        resolution.conflicts.retain(|(_, lead)| !is_merged(lead));
        out.batch.findings.extend(resolution.finding(&observation.of));
        let lead = resolution.lead.unwrap_or_else(|| LeadId(self.next_lead.fetch_add(1, Ordering::Relaxed)));
        Link { lead, rule: resolution.rule, at: now }
    }

    async fn company(
        &self,
        page: &mut Page,
        out: &mut Reconciled,
        observation: &Observation,
    ) -> Result<(), StoreError> {
        let known = page.companies.get(&observation.of).cloned();
        let known_before = known.is_some();
        let Some((company, change)) = reconcile::absorb_company(known, observation) else { return Ok(()) };
        if change.is_nothing() {
            return Ok(());
        }
        out.changes += 1;
        let difference = match (known_before, change.presence && company.is_gone) {
            (false, _) => Difference::New,
            (true, true) => Difference::Gone,
            (true, false) => Difference::Changed,
        };
        out.changed.push((company.of.clone(), difference));
        if (self.is_live() || self.has_decided) && change.asks_for_decision() {
            let uses: FieldSet = self.rules.load().agreement.uses;
            let is_asked_for = change.fields.iter().any(|field| uses.contains(field))
                || (change.owner && uses.contains(Field::CompanyOwner))
                || change.presence;
            if is_asked_for {
                let leads = self.store.leads_of_company(&company.of, COMPANY_LEADS_MAX).await?;
                let now = self.clock.now();
                out.batch.rechecks.extend(leads.into_iter().map(|lead| (lead, now)));
            }
        }
        page.companies.insert(company.of.clone(), company.clone());
        out.batch.companies.retain(|known| known.of != company.of);
        out.batch.companies.push(company);
        Ok(())
    }

    /// A deal; who is in an open one may have to be decided again.
    async fn deal(&self, page: &mut Page, out: &mut Reconciled, observation: &Observation) -> Result<(), StoreError> {
        let known = page.deals.get(&observation.of);
        let Some(deal) = deal::absorb(known, observation) else { return Ok(()) };
        out.changes += 1;
        if self.is_live() && deal::matters(known, &deal) && asks_for_deals(&self.rules.load().agreement) {
            let before = known.map_or(&[][..], |known| &known.people);
            let people: Vec<RecordRef> = before.iter().chain(&deal.people).cloned().collect();
            let mut leads: BTreeSet<LeadId> =
                self.store.leads_of_people(&people).await?.into_iter().map(|(_, lead)| lead).collect();
            if self.rules.load().agreement.uses.contains(Field::CompanyOpenDeals) {
                let in_it: Vec<LeadId> = leads.iter().copied().collect();
                let people = self.store.people_of(&in_it).await?;
                let of_people = people.iter().filter_map(|record| record.company.as_ref());
                let of_deal = known.and_then(|known| known.company.as_ref()).into_iter().chain(&deal.company);
                let companies: BTreeSet<&RecordRef> = of_people.chain(of_deal).collect();
                for company in companies {
                    leads.extend(self.store.leads_of_company(company, COMPANY_LEADS_MAX).await?);
                }
            }
            let now = self.clock.now();
            out.batch.rechecks.extend(leads.into_iter().map(|lead| (lead, now)));
        }
        page.deals.insert(deal.of.clone(), deal.clone());
        out.batch.deals.retain(|known| known.of != deal.of);
        out.batch.deals.push(deal);
        Ok(())
    }

    async fn touches(&self, page: &mut Page, out: &mut Reconciled) -> Result<(), StoreError> {
        if page.touched.is_empty() {
            return Ok(());
        }
        let touched = std::mem::take(&mut page.touched);
        let stored = self.store.touches(&touched.keys().cloned().collect::<Vec<_>>()).await?;
        let people: Vec<RecordRef> = touched.values().flatten().map(|touch| touch.person.clone()).collect();
        let leads: HashMap<RecordRef, LeadId> = self.store.leads_of_people(&people).await?.into_iter().collect();
        let mut known: HashMap<RecordRef, Vec<Touch>> = HashMap::new();
        for touch in stored {
            known.entry(touch.of.clone()).or_default().push(touch);
        }
        for (of, touches) in touched {
            let mut before = known.remove(&of).unwrap_or_default();
            let mut after = touches.clone();
            before.sort_by(|a, b| a.person.cmp(&b.person));
            after.sort_by(|a, b| a.person.cmp(&b.person));
            if before == after {
                continue;
            }
            out.changes += 1;
            out.changed.extend(touch_difference(&before, &after).map(|difference| (of.clone(), difference)));
            for touch in before.iter().chain(&after) {
                let fresh = page.people.get(&touch.person).map(|record| record.link.lead);
                out.leads.extend(fresh.or_else(|| leads.get(&touch.person).copied()));
            }
            out.batch.touches.push((of, touches));
        }
        Ok(())
    }
}

/// Does any rule ask who has an open deal?
pub(super) fn asks_for_deals(agreement: &Agreement) -> bool {
    agreement.handoff.skip.contains(&Skip::OpenDeal) || agreement.uses.contains(Field::CompanyOpenDeals)
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

/// What a difference between stored touches and those that a record shows now says of the feed. A meeting that took place
/// since it was read counts now; no feed shows that.
fn touch_difference(before: &[Touch], after: &[Touch]) -> Option<Difference> {
    let is_same = |one: &Touch, other: &Touch| Touch { genuine: other.genuine, ..one.clone() } == *other;
    match (before, after) {
        ([], _) => Some(Difference::New),
        (_, []) => Some(Difference::Gone),
        _ if before.len() == after.len() && before.iter().zip(after).all(|(one, other)| is_same(one, other)) => None,
        _ => Some(Difference::Changed),
    }
}

/// What is stored of everything that a page speaks of, and what becomes of it.
#[derive(Default)]
struct Page {
    people: HashMap<RecordRef, PersonRecord>,
    dirty: BTreeSet<RecordRef>,
    /// Records that were stored before with other keys.
    rekeyed: HashSet<RecordRef>,
    /// Every lead that is known by a key; more than one is a conflict that a person is told of.
    known_keys: HashMap<Key, Vec<LeadId>>,
    /// The leads of records that this page says were merged, as they are stored.
    kin: HashMap<LeadId, Case>,
    /// The stored keys of leads that somebody's telephone number and name fit.
    keys_of: HashMap<LeadId, Vec<Key>>,
    companies: HashMap<RecordRef, crate::domain::company::CompanyRecord>,
    deals: HashMap<RecordRef, DealRecord>,
    /// The last word on each call, e-mail and meeting.
    touched: BTreeMap<RecordRef, Vec<Touch>>,
}

impl Page {
    async fn load(engine: &Engine, observations: &[Observation]) -> Result<Self, StoreError> {
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
            page.people = stored.into_iter().map(|record| (record.of.clone(), record)).collect();
            page.kin = page.kin_of_merged(engine, observations).await?;
            // A record that is known keeps its link; only strangers are looked up by their keys.
            let strangers: HashSet<&Key> = observations
                .iter()
                .filter(|seen| !page.people.contains_key(&seen.of))
                .filter_map(|seen| if let Content::Person(seen) = &seen.content { Some(&seen.keys) } else { None })
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
            page.deals = stored.into_iter().map(|deal| (deal.of.clone(), deal)).collect();
        }
        if !companies.is_empty() {
            let stored = engine.store.companies(&companies).await?;
            page.companies = stored.into_iter().map(|company| (company.of.clone(), company)).collect();
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
    fn addresses_contradict(&self, keys: &[Key], lead: LeadId) -> bool {
        let stored = self.keys_of.get(&lead).map_or(&[][..], Vec::as_slice).iter();
        let here = self.people.values().filter(|record| record.link.lead == lead).flat_map(|record| &record.keys);
        let theirs: Vec<Key> = stored.chain(here).cloned().collect();
        identity::addresses_contradict(keys, &theirs)
    }

    /// Of these leads the one with the oldest open hand-off.
    fn goes_on(&self, leads: impl Iterator<Item = LeadId>) -> Option<LeadId> {
        let cases = leads.filter_map(|lead| self.kin.get(&lead));
        let first = cases.reduce(|one, other| if kin::goes_on(one, other) == one.lead.id { one } else { other })?;
        first.handoff.as_ref().is_some_and(|handoff| !handoff.is_closed()).then_some(first.lead.id)
    }

    /// Joins the leads whose records the CRM merged: all records of each go to the one that goes on.
    fn join_merged(&mut self, out: &mut Reconciled, observation: &Observation, now: Timestamp) {
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
                self.put(record, Change::default());
            }
            self.known_keys.values_mut().flatten().filter(|known| **known == lead).for_each(|known| *known = into);
            let other = self.kin.get(&lead).map_or_else(|| LeadState::new(lead, now), |case| case.lead.clone());
            out.told.entry(into).or_default().push(Told::Joined { other: Box::new(other), by: None });
            out.told.entry(lead).or_default().push(Told::JoinedTo { into, by: None });
            out.leads.extend([into, lead]);
        }
    }

    fn put(&mut self, record: PersonRecord, change: Change) {
        if change.keys && !change.is_new {
            self.rekeyed.insert(record.of.clone());
        }
        for key in &record.keys {
            self.known_keys.entry(key.clone()).or_insert_with(|| vec![record.link.lead]);
        }
        self.dirty.insert(record.of.clone());
        self.people.insert(record.of.clone(), record);
    }

    /// The CRM merged other records into this one: they end, and what hung on them goes on under the survivor's lead.
    fn rebind(&mut self, out: &mut Reconciled, observation: &Observation) {
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

    /// The records to store, in the order of their references; the page is done with them.
    fn changed(&mut self) -> Vec<PersonRecord> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.into_iter().filter_map(|of| self.people.remove(&of)).collect()
    }
}
