//! Turns a page of observations into what the store shall hold: records, their links, touches, and the leads to decide.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use crate::domain::field::{Field, FieldSet};
use crate::domain::finding::{Finding, FindingKind, Subject};
use crate::domain::id::{LeadId, Name, Object, RecordRef, RemoteId};
use crate::domain::identity;
use crate::domain::observation::{Content, Observation};
use crate::domain::plan::Case;
use crate::domain::reconcile;
use crate::domain::record::{Key, Link, PersonRecord};
use crate::domain::touch::Touch;
use crate::store::{Batch, StoreError};

use super::Engine;

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
}

impl Engine {
    /// Reconciles `observations` against what is stored. The caller holds `deciding`, so that two pages cannot make two
    /// leads of one person.
    pub(super) async fn reconcile(
        &self,
        observations: Vec<Observation>,
        now: Timestamp,
    ) -> Result<Reconciled, StoreError> {
        let mut page = Page::load(self, &observations).await?;
        let mut out = Reconciled::default();
        for observation in observations {
            out.batch.findings.extend(observation.findings.iter().cloned());
            match &observation.content {
                Content::Person(_) | Content::Gone | Content::MergedInto(_) | Content::CompanyOf(_)
                    if observation.of.object == Object::Person =>
                {
                    self.person(&mut page, &mut out, &observation, now);
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
                | Content::Gone
                | Content::MergedInto(_)
                | Content::CompanyOf(_)
                | Content::Task(_) => {}
            }
        }
        self.touches(&mut page, &mut out).await?;
        out.batch.people = page.changed();
        out.changes += out.batch.people.len();
        Ok(out)
    }

    fn person(&self, page: &mut Page, out: &mut Reconciled, observation: &Observation, now: Timestamp) {
        let known = page.people.get(&observation.of).cloned();
        let link = match &known {
            Some(record) => record.link.clone(),
            None => match &observation.content {
                Content::Person(seen) => self.link(page, out, observation, &seen.keys, &seen.merged, now),
                // Nothing is known of it, so there is nothing to take back.
                _ => return,
            },
        };
        let Some((record, change)) = reconcile::absorb(known, observation, link) else { return };
        if change.is_nothing() {
            return;
        }
        if change.asks_for_decision() {
            out.leads.insert(record.link.lead);
        }
        page.rebind(out, observation);
        page.put(record);
    }

    /// Which lead a record that was never seen belongs to.
    fn link(
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
            known.extend(leads.map(|lead| (key.clone(), *lead)));
        }
        // Baton's own key names its lead by itself, if that lead was ever given out.
        let next = self.next_lead.load(Ordering::Relaxed);
        let own = keys.iter().filter_map(|key| Some((key.clone(), identity::lead_of_own_key(key)?)));
        known.extend(own.filter(|(_, lead)| lead.0 < next));
        // Of people that the CRM merged, the one whose hand-off is open stays: its owner, clock and story go on. The others
        // are no conflict any more, unless theirs is open, too.
        let is_handed = |lead: &LeadId| page.handed.contains(lead);
        let handed: Vec<(RemoteId, LeadId)> = merged.iter().filter(|(_, lead)| is_handed(lead)).cloned().collect();
        let stays = if handed.is_empty() { &merged } else { &handed };
        let is_over =
            |lead: &LeadId| merged.iter().any(|(_, one)| one == lead) && !stays.iter().any(|(_, one)| one == lead);
        known.retain(|(_, lead)| !is_over(lead));
        let mut resolution = identity::resolve(keys, &known, stays);
        resolution.conflicts.retain(|(_, lead)| is_handed(lead) || !merged.iter().any(|(_, one)| one == lead));
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
        let Some((company, change)) = reconcile::absorb_company(known, observation) else { return Ok(()) };
        if change.is_nothing() {
            return Ok(());
        }
        out.changes += 1;
        if self.is_live() && change.asks_for_decision() {
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
            for touch in before.iter().chain(&after) {
                let fresh = page.people.get(&touch.person).map(|record| record.link.lead);
                out.leads.extend(fresh.or_else(|| leads.get(&touch.person).copied()));
            }
            out.batch.touches.push((of, touches));
        }
        Ok(())
    }
}

/// What is stored of everything that a page speaks of, and what becomes of it.
#[derive(Default)]
struct Page {
    people: HashMap<RecordRef, PersonRecord>,
    dirty: BTreeSet<RecordRef>,
    /// Every lead that is known by a key; more than one is a conflict that a person is told of.
    known_keys: HashMap<Key, Vec<LeadId>>,
    /// Leads of merged records whose hand-off is open.
    handed: BTreeSet<LeadId>,
    companies: HashMap<RecordRef, crate::domain::company::CompanyRecord>,
    /// The last word on each call, e-mail and meeting.
    touched: BTreeMap<RecordRef, Vec<Touch>>,
}

impl Page {
    async fn load(engine: &Engine, observations: &[Observation]) -> Result<Self, StoreError> {
        let mut people = Vec::new();
        let mut companies = Vec::new();
        let mut keys = Vec::new();
        for observation in observations {
            match observation.of.object {
                Object::Person => people.push(observation.of.clone()),
                Object::Company => companies.push(observation.of.clone()),
                Object::Call | Object::Email | Object::Meeting | Object::Task | Object::Note | Object::User => {}
            }
            match &observation.content {
                Content::Person(seen) => {
                    let merged = seen.merged.iter();
                    people.extend(merged.map(|id| RecordRef { id: id.clone(), ..observation.of.clone() }));
                    keys.extend(seen.keys.iter().cloned());
                }
                Content::MergedInto(into) => people.push(RecordRef { id: into.clone(), ..observation.of.clone() }),
                Content::Company(_)
                | Content::Touch(_)
                | Content::User(_)
                | Content::Task(_)
                | Content::CompanyOf(_)
                | Content::Gone
                | Content::Undecodable(_) => {}
            }
        }
        let mut page = Self::default();
        if !people.is_empty() {
            let stored = engine.store.people(&people).await?;
            page.people = stored.into_iter().map(|record| (record.of.clone(), record)).collect();
            page.handed = page.handed_among_merged(engine, observations).await?;
            // A record that is known keeps its link; only strangers are looked up by their keys.
            for (key, lead) in engine.store.leads_by_keys(&keys).await? {
                page.known_keys.entry(key).or_default().push(lead);
            }
        }
        if !companies.is_empty() {
            let stored = engine.store.companies(&companies).await?;
            page.companies = stored.into_iter().map(|company| (company.of.clone(), company)).collect();
        }
        Ok(page)
    }

    /// The leads of merged records that sales has now.
    async fn handed_among_merged(
        &self,
        engine: &Engine,
        observations: &[Observation],
    ) -> Result<BTreeSet<LeadId>, StoreError> {
        let merged = observations.iter().flat_map(reconcile::merged_away);
        let leads: BTreeSet<LeadId> =
            merged.filter_map(|end| self.people.get(&end.of)).map(|one| one.link.lead).collect();
        if leads.is_empty() {
            return Ok(BTreeSet::new());
        }
        let leads: Vec<LeadId> = leads.into_iter().collect();
        let cases = engine.store.cases(&leads, Timestamp::MAX).await?;
        let is_open = |case: &Case| case.handoff.as_ref().is_some_and(|handoff| !handoff.is_closed());
        Ok(cases.iter().filter(|case| is_open(case)).map(|case| case.lead.id).collect())
    }

    fn put(&mut self, record: PersonRecord) {
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
                self.put(record);
            }
        }
    }

    fn changed(&mut self) -> Vec<PersonRecord> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.into_iter().filter_map(|of| self.people.get(&of).cloned()).collect()
    }
}
