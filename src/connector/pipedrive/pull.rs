//! One page of each stream. Source: section 5.

use jiff::Timestamp;

use super::Pipedrive;
use super::answer::Failure;
use super::book::Journey;
use super::catalogue::{Catalogue, ROWS};
use super::map;
use super::people::DEAL;
use super::streams::{ARCHIVED_EVERY, Next, Place, USERS_EVERY};
use super::wire::{Listed, stamp};
use crate::connector::{Cursor, Page, Stream};
use crate::domain::finding::Finding;
use crate::domain::id::Object;
use crate::domain::observation::Observation;

/// Persons who are told of with one page of leads or deals: five requests.
const TOLD_MAX: usize = 500;

/// What a page showed.
#[derive(Default)]
struct Shown {
    observations: Vec<Observation>,
    findings: Vec<Finding>,
}

impl Pipedrive {
    pub(super) async fn page(&self, stream: &Stream, after: &Cursor, now: Timestamp) -> Result<Page, Failure> {
        let place = Place::of(after, self.run);
        match stream.name.as_str() {
            "users" => self.users(place, now).await,
            "leads" => {
                self.owed().turn_to("leads", after);
                self.leads(place, now).await
            }
            name => {
                if name == "deals" {
                    self.owed().turn_to("deals", after);
                }
                self.window(stream, place, now).await
            }
        }
    }

    /// The users, whole, once an hour.
    async fn users(&self, place: Place, now: Timestamp) -> Result<Page, Failure> {
        let is_recent =
            |at: i64| now.as_millisecond() - at < i64::try_from(USERS_EVERY.as_millis()).unwrap_or(i64::MAX);
        // Nobody's own time is asked for here: how long ago the last look was is a matter of our clock alone.
        if place.archived.is_some_and(is_recent) {
            return Ok(page(Shown::default(), place, false));
        }
        let (listed, date) = self.api.list(&["v1", "users"], &[]).await?;
        let date = self.date(date, now);
        let observations = self.each(&listed, Object::User, |row| map::user(row, self.connection(), date));
        let seats = listed.rows.iter().filter(|row| row.flag("active_flag")).count();
        self.api.has_seats(seats);
        let findings = self.nameless(&listed, "users");
        let mut next = place.after(date, self.maps.settle, Next::End, self.run);
        next.archived = Some(now.as_millisecond());
        Ok(page(Shown { observations, findings }, next, false))
    }

    /// A page of what v2 lists by time.
    async fn window(&self, stream: &Stream, place: Place, now: Timestamp) -> Result<Page, Failure> {
        let catalogue = self.ready().await?;
        let name = stream.name.as_str();
        let since = place.since(self.maps.overlap).map(stamp);
        let ask = async |token: Option<&str>| {
            let mut query = vec![("sort_by", "id"), ("sort_direction", "asc"), ("limit", ROWS)];
            query.extend(since.as_deref().map(|since| ("updated_since", since)));
            query.extend((name == "deals").then_some(DEAL));
            query.extend(token.map(|token| ("cursor", token)));
            self.api.list(&["v2", name], &query).await
        };
        let (listed, date) = match (ask(place.token.as_deref()).await, &place.token) {
            // How long a cursor lives is undocumented: one that is not known any more begins its window anew.
            (Err(Failure::Refused(_)), Some(_)) => ask(None).await?,
            (asked, _) => asked?,
        };
        let date = self.date(date, now);
        let next = listed.cursor.clone().map_or(Next::End, Next::Token);
        let mut next = place.after(date, self.maps.settle, next, self.run);
        let has_more = next.token.is_some();
        if name == "deals" && place.covered.is_none() && !has_more {
            // What changed while the book was filled is read once more.
            next.covered = next.covered.min(self.book().filled().map(Timestamp::as_millisecond));
        }
        if name == "deals" {
            self.look_behind(&listed, &catalogue).await?;
        }
        let mut shown = self.shown(stream, &listed, &catalogue).await?;
        if name == "deals" {
            self.tell_owed("deals", &next, &catalogue, &mut shown).await?;
        }
        Ok(page(shown, next, has_more))
    }

    async fn shown(&self, stream: &Stream, listed: &Listed, catalogue: &Catalogue) -> Result<Shown, Failure> {
        let name = stream.name.as_str();
        let findings = self.nameless(listed, name);
        let observations = match name {
            "organizations" => self.each(listed, Object::Company, |row| map::organization(row, &self.maps, catalogue)),
            "persons" => self.people_of(listed, catalogue).await?,
            "activities" => self.activities_of(listed, catalogue).await?,
            _ => self.deals(listed, catalogue),
        };
        Ok(Shown { observations, findings })
    }

    /// Deals, noted in the book. One that cannot be read is kept by id.
    pub(super) fn deals(&self, listed: &Listed, catalogue: &Catalogue) -> Vec<Observation> {
        let keep = self.kept(catalogue);
        let read = |row: &super::wire::Row| {
            let deal = Journey::of_deal(row, &keep).ok_or("update_time is no time")?;
            self.note([deal.clone()]);
            map::deal(&deal, &self.maps, catalogue).ok_or_else(|| "it has no number".to_owned())
        };
        self.each(listed, Object::Deal, read)
    }

    /// A page of leads by time, and now and then of the archived ones, newest first, as far as they may be news.
    async fn leads(&self, place: Place, now: Timestamp) -> Result<Page, Failure> {
        let catalogue = self.ready().await?;
        if place.covered.is_none() && place.began.is_none() {
            // The book has been filled with all of them.
            let filled = self.book().filled().unwrap_or_else(|| self.date(None, now));
            let mut next = place.after(filled, self.maps.settle, Next::End, self.run);
            next.archived = Some(filled.as_millisecond());
            let mut shown = Shown::default();
            // Everybody is told of by their own stream, with the book.
            self.tell_owed("leads", &next, &catalogue, &mut shown).await?;
            return Ok(page(shown, next, false));
        }
        if let Some(offset) = place.in_archive {
            return self.archived(place, offset, now).await;
        }
        let since = place.since(self.maps.overlap).map(stamp).unwrap_or_default();
        let offset = place.offset.to_string();
        let query = [("updated_since", since.as_str()), ("sort", "add_time ASC"), ("start", &offset), ("limit", ROWS)];
        let (listed, date) = self.api.list(&["v1", "leads"], &query).await?;
        let next = Next::of_offset(place.offset, listed.len(), listed.has_more);
        let is_last = next == Next::End;
        let date = self.date(date, now);
        let mut next = place.after(date, self.maps.settle, next, self.run);
        let every = i64::try_from(ARCHIVED_EVERY.as_millis()).unwrap_or(i64::MAX);
        let is_due = place.archived.is_none_or(|at| date.as_millisecond() - at >= every);
        if is_last && is_due {
            next.in_archive = Some(0);
        }
        let has_more = !is_last || next.in_archive.is_some();
        let mut shown = self.leads_shown(&listed, &catalogue);
        self.tell_owed("leads", &next, &catalogue, &mut shown).await?;
        Ok(page(shown, next, has_more))
    }

    /// The archived leads, the newest change first: up to what the look before has seen.
    async fn archived(&self, place: Place, offset: usize, now: Timestamp) -> Result<Page, Failure> {
        let catalogue = self.ready().await?;
        let start = offset.to_string();
        let query = [("sort", "update_time DESC"), ("start", &start), ("limit", ROWS)];
        let (listed, date) = self.api.list(&["v1", "leads", "archived"], &query).await?;
        let oldest = listed.rows.iter().filter_map(|row| row.time("update_time")).min();
        let known = place.archived.and_then(|at| Timestamp::from_millisecond(at).ok());
        let known = known.map(|at| at.saturating_sub(self.maps.overlap).unwrap_or(Timestamp::MIN));
        let is_known = matches!((oldest, known), (Some(oldest), Some(known)) if oldest < known);
        let mut next = Place { page: place.page + 1, run: self.run, ..place };
        next.in_archive = match Next::of_offset(offset, listed.len(), listed.has_more && !is_known) {
            Next::Offset(offset) => Some(offset),
            Next::Token(_) | Next::End => None,
        };
        let has_more = next.in_archive.is_some();
        if !has_more {
            next.archived = Some(self.date(date, now).as_millisecond());
        }
        let mut shown = self.leads_shown(&listed, &catalogue);
        self.tell_owed("leads", &next, &catalogue, &mut shown).await?;
        Ok(page(shown, next, has_more))
    }

    /// Leads, noted in the book: whoever they concern is told of with the page. Leads that cannot be read are a finding; nothing of
    /// them is kept by id.
    fn leads_shown(&self, listed: &Listed, catalogue: &Catalogue) -> Shown {
        let keep = self.kept(catalogue);
        let mut findings = self.nameless(listed, "leads");
        let broken = listed.broken.iter().map(|broken| (broken.id.clone(), broken.why.clone()));
        let unread = listed.rows.iter().filter(|row| Journey::of_lead(row, &keep).is_none());
        let unread = unread.filter_map(|row| Some((row.id()?, "update_time is no time".to_owned())));
        findings.extend(broken.chain(unread).map(|(id, why)| {
            let text = format!("lead {id} cannot be read: {why}");
            map::finding(&self.maps, crate::domain::finding::FindingKind::Undecodable, format!("lead {id}"), text)
        }));
        self.note(listed.rows.iter().filter_map(|row| Journey::of_lead(row, &keep)));
        Shown { observations: Vec::new(), findings }
    }

    /// Adds to a page whoever is owed to be told of. They count as told once the page is stored.
    async fn tell_owed(
        &self,
        stream: &'static str,
        next: &Place,
        catalogue: &Catalogue,
        shown: &mut Shown,
    ) -> Result<(), Failure> {
        let persons = self.owed().take(TOLD_MAX);
        match self.persons(&persons, catalogue).await {
            Ok(told) => shown.observations.extend(told),
            Err(failure) => {
                self.owed().add(persons);
                return Err(failure);
            }
        }
        self.owed().told(stream, &next.cursor(), persons);
        Ok(())
    }
}

fn page(shown: Shown, next: Place, has_more: bool) -> Page {
    Page {
        observations: shown.observations,
        covered_until: next.covered_until().filter(|_| !has_more),
        next: next.cursor(),
        has_more,
        findings: shown.findings,
    }
}
