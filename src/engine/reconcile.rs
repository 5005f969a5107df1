//! Turns a page of observations into what the store shall hold: records, their links, touches, and the leads to decide.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use crate::domain::agreement::{Agreement, Skip};
use crate::domain::deal;
use crate::domain::field::{Field, FieldSet};
use crate::domain::finding::{Finding, FindingKind, Subject};
use crate::domain::id::{LeadId, Name, Object, RecordRef, RemoteId};
use crate::domain::identity;
use crate::domain::observation::{Content, Observation};
use crate::domain::patrol::Difference;
use crate::domain::reconcile;
use crate::domain::record::{Key, KeyKind, Link, PersonRecord, Presence};
use crate::domain::touch::Touch;
use crate::store::{Batch, StoreError};

use super::Engine;
use super::judge::Tidings;
use super::page::Page;

/// What one page comes to.
#[derive(Debug, Default)]
pub(super) struct Reconciled {
    pub(super) batch: Batch,
    /// Leads whose records, touches or company changed.
    pub(super) leads: BTreeSet<LeadId>,
    /// Observations that changed anything.
    pub(super) changes: usize,
    /// What merges in the CRMs say of who the leads are.
    pub(super) told: Tidings,
    /// What was stored otherwise, or not at all, or is gone.
    pub(super) changed: Vec<(RecordRef, Difference)>,
}

impl Reconciled {
    /// Counts a record that went or came back; one that lives on in another did neither.
    fn count_vanished(&mut self, record: &PersonRecord) {
        let count = match record.presence {
            Presence::Gone(_) => 1,
            Presence::Live => -1,
            Presence::Merged { .. } => return,
        };
        let connection = &record.of.connection;
        match self.batch.vanished.iter_mut().find(|(of, _)| of == connection) {
            Some((_, known)) => *known += count,
            None => self.batch.vanished.push((connection.clone(), count)),
        }
    }
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
                    if !user.is_active {
                        out.batch.departed.extend(
                            self.directory.load().person(&observation.of.connection, &observation.of.id).cloned(),
                        );
                    }
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
        out.batch.people = page.people.changed();
        out.batch.companies = page.companies.changed();
        out.batch.deals = page.deals.changed();
        out.batch.keys = std::mem::take(&mut page.keys);
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
        let known_company = known.as_ref().map(|record| record.company.clone());
        let erased = known.clone().filter(|record| observation.content == Content::Erased && record.is_live());
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
        if change.presence && !change.is_new {
            out.count_vanished(&record);
        }
        if change.asks_for_decision() {
            out.leads.insert(record.link.lead);
        }
        out.batch.erased.extend(erased);
        self.changed_company(out, known_company.as_ref(), &record);
        page.rebind(out, observation);
        page.put(record, change);
        page.join_merged(out, observation, now);
    }

    /// Whoever changes their employer counts for other colleagues from then on.
    fn changed_company(&self, out: &mut Reconciled, before: Option<&Option<RecordRef>>, record: &PersonRecord) {
        let asks = |field| self.rules.load().agreement.uses.contains(field);
        let Some(before) = before.filter(|before| **before != record.company) else { return };
        if asks(Field::CompanyEngaged) || asks(Field::CompanyOpenDeals) {
            out.batch.colleagues.extend(before.iter().chain(&record.company).cloned());
        }
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
                out.batch.colleagues.insert(company.of.clone());
            }
        }
        page.companies.put(company.of.clone(), company);
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
            let leads: BTreeSet<LeadId> =
                self.store.leads_of_people(&people).await?.into_iter().map(|(_, lead)| lead).collect();
            if self.rules.load().agreement.uses.contains(Field::CompanyOpenDeals) {
                let in_it: Vec<LeadId> = leads.iter().copied().collect();
                let people = self.store.people_of(&in_it).await?;
                let of_people = people.iter().filter_map(|record| record.company.as_ref());
                let of_deal = known.and_then(|known| known.company.as_ref()).into_iter().chain(&deal.company);
                out.batch.colleagues.extend(of_people.chain(of_deal).cloned());
            }
            let now = self.clock.now();
            out.batch.rechecks.extend(leads.into_iter().map(|lead| (lead, now)));
        }
        page.deals.put(deal.of.clone(), deal);
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
    let of_committee = agreement.committee.as_ref().is_some_and(|committee| !committee.required.is_empty());
    of_committee || agreement.handoff.skip.contains(&Skip::OpenDeal) || agreement.uses.contains(Field::CompanyOpenDeals)
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
