//! Records as they are now: persons with their journeys, and what else is asked for by its id.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::Pipedrive;
use super::answer::Failure;
use super::book::{Journey, JourneyId};
use super::catalogue::{Catalogue, ROWS};
use super::hook;
use super::map::{self, Context};
use super::settings::Of;
use super::wire::{Listed, Row};
use crate::connector::{Around, ConnectorError};
use crate::domain::counted::many;
use crate::domain::finding::{Finding, FindingKind};
use crate::domain::id::{Name, Object, RecordRef, RemoteId};
use crate::domain::observation::{Content, Observation};

/// Ids in one query at most. Source: section 5.
pub(super) const IDS: usize = 100;
/// More pages than the largest company has of leads or deals: 1,000,000.
const PAGES_MAX: usize = 2_000;
/// Asked of every deal. Source: section 4.
pub(super) const DEAL: (&str, &str) = ("include_fields", "source_lead_id");

/// Ids in commas.
pub(super) fn commas<T: ToString>(ids: &[T]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

impl Pipedrive {
    /// The codes of the fields of leads and deals that the settings map.
    pub(super) fn kept(&self, catalogue: &Catalogue) -> Vec<String> {
        let of_deals = self.maps.properties().into_iter().filter(|(of, _)| *of == Of::Deal);
        of_deals
            .map(|(of, name)| catalogue.field(of, name).map_or(name, |field| field.code.as_str()).to_owned())
            .collect()
    }

    /// Notes leads or deals in the book; whoever that concerns is owed to be told of.
    pub(super) fn note(&self, journeys: impl IntoIterator<Item = Journey>) -> Vec<i64> {
        let mut concerned = Vec::new();
        {
            let mut book = self.book();
            journeys.into_iter().for_each(|journey| concerned.extend(book.note(journey)));
        }
        self.owed().add(concerned.iter().copied());
        concerned
    }

    /// Reads every lead and deal once, before anybody is told of. Source: section 3 for the cost: 20 tokens for 500.
    pub(super) async fn fill(&self, catalogue: &Catalogue) -> Result<(), Failure> {
        let held = self.filling.lock().await;
        if self.book().filled().is_some() {
            return Ok(());
        }
        let keep = self.kept(catalogue);
        let mut began = None;
        for path in [["v1", "leads", ""], ["v1", "leads", "archived"]] {
            let path: Vec<&str> = path.into_iter().filter(|part| !part.is_empty()).collect();
            let mut start = 0;
            for _ in 0..PAGES_MAX {
                let offset = start.to_string();
                let query = [("sort", "add_time ASC"), ("start", &offset), ("limit", ROWS)];
                let (listed, date) = self.api.list(&path, &query).await?;
                began = began.or(date);
                self.note(listed.rows.iter().filter_map(|row| Journey::of_lead(row, &keep)));
                match super::streams::Next::of_offset(start, listed.len(), listed.has_more) {
                    super::streams::Next::Offset(next) => start = next,
                    _ => break,
                }
            }
        }
        for path in [&["v2", "deals"][..], &["v2", "deals", "archived"]] {
            let mut token: Option<String> = None;
            for _ in 0..PAGES_MAX {
                let mut query = vec![("sort_by", "id"), ("sort_direction", "asc"), ("limit", ROWS), DEAL];
                query.extend(token.as_deref().map(|token| ("cursor", token)));
                let (listed, _) = self.api.list(path, &query).await?;
                self.note(listed.rows.iter().filter_map(|row| Journey::of_deal(row, &keep)));
                token = listed.cursor;
                if token.is_none() {
                    break;
                }
            }
        }
        self.book().set_filled(began.unwrap_or_else(|| self.crm_now()));
        drop(held);
        Ok(())
    }

    /// The catalogue and a book that is filled.
    pub(super) async fn ready(&self) -> Result<std::sync::Arc<Catalogue>, Failure> {
        let catalogue = self.catalogue().await?;
        if self.book().filled().is_none() {
            self.fill(&catalogue).await?;
        }
        Ok(catalogue)
    }

    /// Persons from their rows; the catalogue is read again if a journey names a stage or a label that it lacks.
    pub(super) async fn people_of(&self, listed: &Listed, catalogue: &Catalogue) -> Result<Vec<Observation>, Failure> {
        let unknown: Vec<String> = {
            let (book, strange) = (self.book(), self.strange());
            let current = listed.rows.iter().filter_map(|row| book.current(row.number()?));
            let lacks = |journey: &Journey| {
                let stage = journey.stage.filter(|id| catalogue.stage_name(*id).is_none()).map(|id| id.to_string());
                let labels = journey.labels.iter().filter(|id| catalogue.label_name(id).is_none()).cloned();
                stage.into_iter().chain(labels).collect::<Vec<String>>()
            };
            current.flat_map(lacks).filter(|id| !strange.contains(id)).collect()
        };
        let fresh = if unknown.is_empty() { None } else { Some(self.refresh(std::time::Duration::ZERO).await?) };
        // What even that does not have is somebody's leftover: a deleted stage, perhaps.
        self.strange().extend(unknown);
        let catalogue = fresh.as_deref().unwrap_or(catalogue);
        let book = self.book();
        let context = Context { maps: &self.maps, catalogue, book: &book };
        Ok(self.each(listed, Object::Person, |row| map::person(row, context)))
    }

    /// Maps each record by itself: one that cannot be read is kept by id, the rest of the page goes on.
    pub(super) fn each(
        &self,
        listed: &Listed,
        object: Object,
        map: impl Fn(&Row) -> Result<Observation, String>,
    ) -> Vec<Observation> {
        let connection = self.connection();
        let read = |row: &Row| {
            let id = row.id()?;
            Some(map(row).unwrap_or_else(|why| map::undecodable(connection, object, &id, &why)))
        };
        let broken = listed.broken.iter().map(|broken| map::undecodable(connection, object, &broken.id, &broken.why));
        listed.rows.iter().filter_map(read).chain(broken).collect()
    }

    /// The finding of records that have no readable id.
    pub(super) fn nameless(&self, listed: &Listed, what: &str) -> Vec<Finding> {
        if listed.nameless == 0 {
            return Vec::new();
        }
        let text =
            format!("without a readable id, and so left out: {} of {what}", many(listed.nameless, "record", "records"));
        vec![map::finding(&self.maps, FindingKind::Undecodable, what.to_owned(), text)]
    }

    /// Persons by their ids, as many as are there.
    pub(super) async fn persons(&self, ids: &[i64], catalogue: &Catalogue) -> Result<Vec<Observation>, Failure> {
        let mut observations = Vec::with_capacity(ids.len());
        for some in ids.chunks(IDS) {
            let (listed, _) = self.api.list(&["v2", "persons"], &[("ids", &commas(some)), ("limit", ROWS)]).await?;
            observations.extend(self.people_of(&listed, catalogue).await?);
        }
        Ok(observations)
    }

    /// What is asked for by id, as it is now.
    pub(super) async fn read_all(&self, refs: &[RecordRef]) -> Result<Vec<Observation>, Failure> {
        let catalogue = self.ready().await?;
        let mut observations = Vec::new();
        let of = |object: Object| refs.iter().filter(move |of| of.object == object);
        let mut persons: BTreeSet<i64> = of(Object::Person).filter_map(|of| of.id.as_str().parse().ok()).collect();
        let asked: Vec<i64> = persons.iter().copied().collect();
        for of in of(Object::Person) {
            match hook::Asked::of(&of.id) {
                Some(hook::Asked::Lead(id)) => persons.extend(self.look_at_lead(&id, &catalogue).await?),
                Some(hook::Asked::Merged { loser, winner }) => {
                    observations.extend(self.merged(loser, winner).await?);
                    persons.insert(winner);
                }
                None => {}
            }
        }
        let deals: Vec<i64> = of(Object::Deal).filter_map(|of| of.id.as_str().parse().ok()).collect();
        persons.extend(self.look_at_deals(&deals, &catalogue).await?);
        observations.extend(self.deals_of(&deals, &catalogue));
        self.refresh_journeys(&asked, &catalogue).await?;
        let ids: Vec<i64> = persons.into_iter().collect();
        let seen = self.persons(&ids, &catalogue).await?;
        let shown: BTreeSet<String> = seen.iter().map(|seen| seen.of.id.as_str().to_owned()).collect();
        observations.extend(seen);
        for id in ids.into_iter().filter(|id| !shown.contains(&id.to_string())) {
            observations.extend(self.gone(Object::Person, &["v2", "persons", &id.to_string()], id).await?);
        }
        for of in refs.iter().filter(|of| !matches!(of.object, Object::Person | Object::Deal)) {
            observations.extend(self.read_other(of, &catalogue).await?);
        }
        Ok(observations)
    }

    async fn read_other(&self, of: &RecordRef, catalogue: &Catalogue) -> Result<Option<Observation>, Failure> {
        let id = of.id.as_str();
        let path = match of.object {
            Object::User => ["v1", "users", id],
            Object::Company => ["v2", "organizations", id],
            Object::Call | Object::Email | Object::Meeting | Object::Task => ["v2", "activities", id],
            Object::Person | Object::Deal | Object::Note => return Ok(None),
        };
        let Some(row) = self.api.one(&path, &[]).await? else {
            let gone =
                Observation { of: of.clone(), modified: self.crm_now(), content: Content::Gone, findings: Vec::new() };
            return Ok(Some(gone));
        };
        let listed = Listed { rows: vec![row], ..Listed::default() };
        let read = match of.object {
            Object::User => self.each(&listed, of.object, |row| map::user(row, self.connection(), self.crm_now())),
            Object::Company => self.each(&listed, of.object, |row| map::organization(row, &self.maps, catalogue)),
            _ => self.activities_of(&listed, catalogue).await?,
        };
        Ok(read.into_iter().next())
    }

    /// A record that a list by ids left out, which it does in silence: deleted, or hidden from the token. Source: section 5.
    async fn gone(&self, object: Object, path: &[&str], id: i64) -> Result<Option<Observation>, Failure> {
        if self.api.one(path, &[]).await?.is_some() {
            return Ok(None);
        }
        let at = self.crm_now();
        Ok(Some(map::observation(self.connection(), object, id, at, Content::Gone)))
    }

    /// The loser of a merge that a webhook told of: it is believed only if the one is gone and the other is there.
    async fn merged(&self, loser: i64, winner: i64) -> Result<Option<Observation>, Failure> {
        let (old, new) = (loser.to_string(), winner.to_string());
        let is_so = self.api.one(&["v2", "persons", &old], &[]).await?.is_none()
            && self.api.one(&["v2", "persons", &new], &[]).await?.is_some();
        let content = Content::MergedInto(RemoteId::from(new));
        Ok(is_so.then(|| map::observation(self.connection(), Object::Person, loser, self.crm_now(), content)))
    }

    /// A lead as it is now; answers with whom that concerns. One that is gone was converted or deleted: its deal says which.
    pub(super) async fn look_at_lead(&self, id: &str, catalogue: &Catalogue) -> Result<Vec<i64>, Failure> {
        let keep = self.kept(catalogue);
        if let Some(row) = self.api.one(&["v1", "leads", id], &[]).await? {
            let person = row.integer("person_id");
            self.note(Journey::of_lead(&row, &keep));
            return Ok(person.into_iter().collect());
        }
        let known = JourneyId::Lead(id.to_owned());
        let Some(person) = self.book().get(&known).and_then(|lead| lead.person) else { return Ok(Vec::new()) };
        let number = person.to_string();
        let query = [("person_id", number.as_str()), ("limit", ROWS), DEAL];
        let (deals, _) = self.api.list(&["v2", "deals"], &query).await?;
        self.note(deals.rows.iter().filter_map(|row| Journey::of_deal(row, &keep)));
        // If a deal was made of it, the book has let it go by now.
        let gone = self.book().gone(&known, self.crm_now());
        self.owed().add(gone);
        Ok(vec![person])
    }

    /// Deals as they are now; answers with whom that concerns.
    pub(super) async fn look_at_deals(&self, ids: &[i64], catalogue: &Catalogue) -> Result<Vec<i64>, Failure> {
        let keep = self.kept(catalogue);
        let mut concerned = Vec::new();
        for some in ids.chunks(IDS) {
            let list = commas(some);
            let mut missing: BTreeSet<i64> = some.iter().copied().collect();
            for path in [&["v2", "deals"][..], &["v2", "deals", "archived"]] {
                if missing.is_empty() {
                    break;
                }
                let (listed, _) = self.api.list(path, &[("ids", &list), ("limit", ROWS), DEAL]).await?;
                let deals: Vec<Journey> = listed.rows.iter().filter_map(|row| Journey::of_deal(row, &keep)).collect();
                missing.retain(|id| !listed.rows.iter().any(|row| row.number() == Some(*id)));
                concerned.extend(deals.iter().filter_map(|deal| deal.person));
                self.note(deals);
            }
            for id in missing {
                let gone = self.api.one(&["v2", "deals", &id.to_string()], &[]).await?.is_none();
                let person = if gone { self.book().gone(&JourneyId::Deal(id), self.crm_now()) } else { None };
                self.owed().add(person);
                concerned.extend(person);
            }
        }
        Ok(concerned)
    }

    /// All leads and open deals of a person as they are now: 30 tokens.
    pub(super) async fn look_at_person(&self, person: i64, catalogue: &Catalogue) -> Result<(), Failure> {
        let keep = self.kept(catalogue);
        let id = person.to_string();
        let (leads, _) = self.api.list(&["v1", "leads"], &[("person_id", &id), ("limit", ROWS)]).await?;
        self.note(leads.rows.iter().filter_map(|row| Journey::of_lead(row, &keep)));
        let query = [("person_id", id.as_str()), ("status", "open"), ("limit", ROWS), DEAL];
        let (deals, _) = self.api.list(&["v2", "deals"], &query).await?;
        self.note(deals.rows.iter().filter_map(|row| Journey::of_deal(row, &keep)));
        Ok(())
    }

    /// Of whom a deal was won or lost, and an open lead is known: is that still there? A lead that sales deleted beside its deal
    /// would hide what became of the deal, and no feed shows it.
    pub(super) async fn look_behind(&self, listed: &Listed, catalogue: &Catalogue) -> Result<(), Failure> {
        let ended: BTreeSet<i64> = {
            let book = self.book();
            let is_news = |deal: &Journey| !deal.is_open() && book.get(&deal.id).is_none_or(Journey::is_open);
            let deals = listed.rows.iter().filter_map(|row| Journey::of_deal(row, &[]));
            deals.filter(is_news).filter_map(|deal| deal.person).collect()
        };
        let leads: Vec<String> = {
            let book = self.book();
            let open = ended.iter().flat_map(|person| book.of(*person)).filter(|journey| journey.is_open());
            open.filter_map(|journey| match &journey.id {
                JourneyId::Lead(id) => Some(id.clone()),
                JourneyId::Deal(_) => None,
            })
            .collect()
        };
        for lead in leads {
            self.look_at_lead(&lead, catalogue).await?;
        }
        Ok(())
    }

    /// The leads and deals that carry these people's journeys, as they are now.
    pub(super) async fn refresh_journeys(&self, people: &[i64], catalogue: &Catalogue) -> Result<(), Failure> {
        let current: Vec<JourneyId> = {
            let book = self.book();
            people.iter().filter_map(|person| book.current(*person)).map(|journey| journey.id.clone()).collect()
        };
        let mut deals = Vec::new();
        for id in current {
            match id {
                JourneyId::Lead(id) => drop(self.look_at_lead(&id, catalogue).await?),
                JourneyId::Deal(id) => deals.push(id),
            }
        }
        self.look_at_deals(&deals, catalogue).await?;
        Ok(())
    }

    /// Deals as the book has them.
    pub(super) fn deals_of(&self, ids: &[i64], catalogue: &Catalogue) -> Vec<Observation> {
        let book = self.book();
        let known = |id: &i64| book.get(&JourneyId::Deal(*id));
        ids.iter().filter_map(known).filter_map(|deal| map::deal(deal, &self.maps, catalogue)).collect()
    }

    /// Activities; one that names nobody is of the person of its lead or deal.
    pub(super) async fn activities_of(
        &self,
        listed: &Listed,
        catalogue: &Catalogue,
    ) -> Result<Vec<Observation>, Failure> {
        let hanging: HashMap<String, map::Hangs> =
            listed.rows.iter().filter_map(|row| Some((row.id()?, map::hangs_on(row)?))).collect();
        let id_of = |hangs: &map::Hangs| match hangs {
            map::Hangs::Lead(id) => JourneyId::Lead(id.clone()),
            map::Hangs::Deal(id) => JourneyId::Deal(*id),
        };
        // What is so new that no list has shown it yet is asked for by its id.
        let unknown: BTreeSet<JourneyId> = {
            let book = self.book();
            hanging.values().map(id_of).filter(|id| book.get(id).is_none()).collect()
        };
        let mut deals = Vec::new();
        for id in unknown {
            match id {
                JourneyId::Lead(id) => drop(self.look_at_lead(&id, catalogue).await?),
                JourneyId::Deal(id) => deals.push(id),
            }
        }
        self.look_at_deals(&deals, catalogue).await?;
        let book = self.book();
        let beside = |row: &Row| book.get(&id_of(hanging.get(&row.id()?)?))?.person;
        Ok(self.each(listed, Object::Call, |row| map::activity(row, beside(row), catalogue, self.connection())))
    }

    /// What may have changed of people without their own record: the lead or deal that carries their journey, which leaves its
    /// list in silence. Activities name their people themselves, so their feed shows all of it.
    pub(super) async fn around(&self, people: &[RecordRef]) -> Result<Around, ConnectorError> {
        let ids: Vec<i64> = people
            .iter()
            .filter(|of| of.object == Object::Person)
            .filter_map(|of| of.id.as_str().parse().ok())
            .collect();
        let mut around = Around::default();
        if ids.is_empty() {
            return Ok(around);
        }
        let read = async {
            let catalogue = self.ready().await?;
            self.refresh_journeys(&ids, &catalogue).await?;
            let mut seen = self.persons(&ids, &catalogue).await?;
            let shown: BTreeSet<String> = seen.iter().map(|seen| seen.of.id.as_str().to_owned()).collect();
            for id in ids.iter().filter(|id| !shown.contains(&id.to_string())) {
                seen.extend(self.gone(Object::Person, &["v2", "persons", &id.to_string()], *id).await?);
            }
            Ok::<Vec<Observation>, Failure>(seen)
        };
        let read = read.await.map_err(self.fail("people who are due"));
        around.add(&Name::from("leads"), read)?;
        Ok(around)
    }

    /// The newest time that is known of the CRM, or `now`.
    pub(super) fn date(&self, date: Option<Timestamp>, now: Timestamp) -> Timestamp {
        date.or_else(|| self.api.crm_now()).unwrap_or(now)
    }
}
