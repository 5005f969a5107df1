//! The patrol: everything again in the order of ids, and the leads that left their list without a word.

use std::collections::{HashMap, HashSet};
use std::sync::{MutexGuard, PoisonError};

use jiff::Timestamp;

use super::Pipedrive;
use super::answer::Failure;
use super::book::Journey;
use super::catalogue::ROWS;
use super::map;
use super::people::DEAL;
use super::streams::Next;
use crate::connector::{Stream, Walked};
use crate::domain::id::{Object, RemoteId};
use crate::domain::observation::Observation;

/// Leads that left their list and are looked at after one walk; more wait for the next.
const MISSING_MAX: usize = 200;

/// Walks under way.
#[derive(Debug, Default)]
pub(super) struct Walks {
    /// By stream: the id that the next page begins with, and the cursor that brings it. v2 has no list from an id on.
    tokens: HashMap<&'static str, (String, String)>,
    /// The leads that the walk has shown so far, and when it began.
    leads: HashSet<String>,
    leads_began: Option<Timestamp>,
}

impl Pipedrive {
    fn walks(&self) -> MutexGuard<'_, Walks> {
        self.walks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn walk_on(
        &self,
        stream: &Stream,
        from: Option<&RemoteId>,
        now: Timestamp,
    ) -> Result<Option<Walked>, Failure> {
        match stream.name.as_str() {
            // Every look at the users is whole.
            "users" => Ok(None),
            "leads" => self.walk_leads(from, now).await.map(Some),
            "organizations" => self.walk_v2("organizations", &[Object::Company], from).await.map(Some),
            "persons" => self.walk_v2("persons", &[Object::Person], from).await.map(Some),
            "deals" => self.walk_v2("deals", &[Object::Deal], from).await.map(Some),
            // An activity may be a call, an e-mail or a meeting: what it is only its row says.
            "activities" => {
                let objects = &[Object::Call, Object::Email, Object::Meeting];
                self.walk_v2("activities", objects, from).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn walk_v2(
        &self,
        name: &'static str,
        objects: &'static [Object],
        from: Option<&RemoteId>,
    ) -> Result<Walked, Failure> {
        let catalogue = self.ready().await?;
        // Without the cursor of the page before the walk begins again, which costs requests and misses nothing.
        let token = from.and_then(|from| {
            self.walks().tokens.get(name).filter(|(id, _)| id == from.as_str()).map(|(_, token)| token.clone())
        });
        let mut query = vec![("sort_by", "id"), ("sort_direction", "asc"), ("limit", ROWS)];
        query.extend((name == "deals").then_some(DEAL));
        query.extend(token.as_deref().map(|token| ("cursor", token)));
        let (listed, date) = self.api.list(&["v2", name], &query).await?;
        if name == "persons" {
            let at = self.date(date, Timestamp::UNIX_EPOCH);
            let mut book = self.book();
            listed.rows.iter().filter_map(super::wire::Row::number).for_each(|person| book.walk_over(person, at));
        }
        let findings = self.nameless(&listed, name);
        let observations: Vec<Observation> = match name {
            "organizations" => {
                self.each(&listed, Object::Company, |row| map::organization(row, &self.maps, &catalogue))
            }
            "persons" => self.people_of(&listed, &catalogue).await?,
            "activities" => self.activities_of(&listed, &catalogue).await?,
            _ => self.deals(&listed, &catalogue),
        };
        let last = listed.rows.iter().filter_map(super::wire::Row::number).max();
        let next = match (listed.cursor, last) {
            (Some(token), Some(last)) => {
                let id = (last + 1).to_string();
                self.walks().tokens.insert(name, (id.clone(), token));
                Some(RemoteId::from(id))
            }
            // A page of nothing that goes on: the next walk begins again.
            _ => {
                self.walks().tokens.remove(name);
                None
            }
        };
        Ok(Walked { observations, findings, objects, span: None, next })
    }

    /// A page of all leads that are not archived. After the last one those are asked for that were open and were not shown.
    async fn walk_leads(&self, from: Option<&RemoteId>, now: Timestamp) -> Result<Walked, Failure> {
        let catalogue = self.ready().await?;
        let mut start: usize = from.and_then(|from| from.as_str().parse().ok()).unwrap_or(0);
        {
            let mut walks = self.walks();
            // What an earlier process has seen of a walk this one does not know.
            if start == 0 || walks.leads_began.is_none() {
                start = 0;
                walks.leads.clear();
                walks.leads_began = None;
            }
        }
        let offset = start.to_string();
        let query = [("sort", "add_time ASC"), ("start", offset.as_str()), ("limit", ROWS)];
        let (listed, date) = self.api.list(&["v1", "leads"], &query).await?;
        let keep = self.kept(&catalogue);
        let mut concerned = self.note(listed.rows.iter().filter_map(|row| Journey::of_lead(row, &keep)));
        let began = {
            let mut walks = self.walks();
            walks.leads.extend(listed.rows.iter().filter_map(super::wire::Row::id));
            walks.leads.extend(listed.broken.iter().map(|broken| broken.id.clone()));
            *walks.leads_began.get_or_insert(self.date(date, now))
        };
        let next = match Next::of_offset(start, listed.len(), listed.has_more) {
            Next::Offset(next) => Some(RemoteId::from(next.to_string())),
            Next::Token(_) | Next::End => None,
        };
        if next.is_none() {
            let shown = std::mem::take(&mut self.walks().leads);
            self.walks().leads_began = None;
            let missing: Vec<String> = {
                let book = self.book();
                let silent = book.open_leads().filter(|(id, lead)| !shown.contains(*id) && lead.added < began);
                silent.map(|(id, _)| id.to_owned()).take(MISSING_MAX).collect()
            };
            for id in missing {
                concerned.extend(self.look_at_lead(&id, &catalogue).await?);
            }
        }
        concerned.sort_unstable();
        concerned.dedup();
        let observations = self.persons(&concerned, &catalogue).await?;
        Ok(Walked { observations, findings: self.nameless(&listed, "leads"), objects: &[], span: None, next })
    }
}
