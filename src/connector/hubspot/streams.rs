//! Reads the streams: lists for the first pass, frozen windows by id after it. Section 4 of the fact sheet says why neither
//! offsets nor a timestamp cursor will do.
//!
//! A window is `[covered - overlap, the CRM's present - settle]`, paged by `hs_object_id > last`. Its end is the `Date` of its first
//! answer, so only the CRM's time moves the cursor; a record that changes during the scan turns up in the next window.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::HubSpot;
use super::answer::{self, Failure};
use super::hydrate::HISTORY;
use super::map::{self, Findings};
use super::settings::Type;
use super::wire::{self, Record};
use crate::connector::{Cursor, Page, Walked};
use crate::domain::id::RemoteId;
use crate::domain::observation::Observation;
use crate::http::Method;
use crate::http::limiter::{Budget, Lane};

/// Rows of a list page; also of a batch read. Source: sections 4 and 6.
pub(super) const LIST: usize = 100;
/// Rows of a search page. Source: section 4.
const SEARCH: usize = 200;
/// How many (id, time) pairs a stream remembers as read; more are simply read again.
const SEEN_MAX: usize = 20_000;

/// A cursor, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// In the first pass.
    List {
        /// Where the list goes on.
        after: Option<String>,
        /// When the list began, by the CRM's time, in milliseconds; `None` before the first answer.
        began: Option<i64>,
    },
    /// After it.
    Window {
        /// Everything up to here has been read.
        covered: i64,
        /// The end of the window under way.
        end: Option<i64>,
        /// The last id read in it.
        last: u64,
        /// Counts the pages, so that no two cursors are equal.
        page: u64,
    },
    /// The owners, which have no search: what the last list said, in short.
    Owners {
        /// A digest of the list.
        digest: u64,
        /// Counts the passes.
        page: u64,
    },
}

impl Place {
    pub(super) fn of(cursor: &Cursor) -> Result<Self, Failure> {
        if cursor.0.is_empty() {
            return Ok(Self::List { after: None, began: None });
        }
        serde_json::from_str(&cursor.0).map_err(|_| Failure::Malformed("the stored cursor".to_owned()))
    }

    pub(super) fn cursor(&self) -> Cursor {
        Cursor(serde_json::to_string(self).unwrap_or_default())
    }
}

/// What has been read of a stream at the cursor `at`; a help against reading twice, never needed for being right.
#[derive(Debug, Default)]
pub(super) struct Memory {
    at: String,
    seen: HashMap<u64, i64>,
    next: String,
    pending: Vec<(u64, i64)>,
}

impl Memory {
    /// What was read with the page before counts only once its cursor comes back: then that page is stored.
    fn turn_to(&mut self, cursor: &Cursor) {
        if self.next == cursor.0 && !self.next.is_empty() {
            if self.seen.len() + self.pending.len() > SEEN_MAX {
                self.seen.clear();
            }
            self.seen.extend(self.pending.drain(..));
        } else if self.at != cursor.0 {
            self.seen.clear();
        }
        self.pending.clear();
        self.at.clone_from(&cursor.0);
        self.next.clear();
    }
}

/// Rows read, and what is to be said about the page.
pub(super) struct Read {
    pub(super) observations: Vec<Observation>,
    pub(super) findings: Findings,
    /// How urgent it is.
    pub(super) lane: Lane,
}

impl Read {
    pub(super) fn new(lane: Lane) -> Self {
        Self { observations: Vec::new(), findings: Findings::default(), lane }
    }
}

/// A page of a list, with what it showed.
struct Listed {
    read: Read,
    /// Where the list goes on: an id.
    after: Option<String>,
    /// The CRM's present, if it said so.
    date: Option<Timestamp>,
    /// When the newest record on it changed.
    newest: Option<Timestamp>,
}

#[derive(Serialize)]
struct Search<'a> {
    #[serde(rename = "filterGroups")]
    filter_groups: [Group<'a>; 1],
    sorts: [Sort; 1],
    properties: [&'a str; 1],
    limit: usize,
}

#[derive(Serialize)]
struct Group<'a> {
    filters: Vec<Filter<'a>>,
}

#[derive(Serialize)]
struct Filter<'a> {
    #[serde(rename = "propertyName")]
    property: &'a str,
    operator: &'static str,
    value: String,
}

#[derive(Serialize)]
struct Sort {
    #[serde(rename = "propertyName")]
    property: &'static str,
    direction: &'static str,
}

impl HubSpot {
    /// One page of an object stream.
    pub(super) async fn pull_objects(&self, kind: Type, after: &Cursor, now: Timestamp) -> Result<Page, Failure> {
        match Place::of(after)? {
            Place::List { after, began } => self.pull_list(kind, after, began, now).await,
            Place::Window { covered, end, last, page } => {
                self.pull_window(kind, after, (covered, end, last, page), now).await
            }
            Place::Owners { .. } => Err(Failure::Malformed("the stored cursor".to_owned())),
        }
    }

    async fn pull_list(
        &self,
        kind: Type,
        after: Option<String>,
        began: Option<i64>,
        now: Timestamp,
    ) -> Result<Page, Failure> {
        let listed = self.list_page(kind, after.as_deref(), Lane::Read, now).await?;
        // Whatever changes from now on, the first window must show; without the CRM's time, that of the newest record seen on
        // the first page is early enough.
        let began = began.or_else(|| listed.date.or(listed.newest).map(Timestamp::as_millisecond)).unwrap_or_default();
        let read = listed.read;
        let Some(after) = listed.after else {
            // The first window reaches back to before the list began.
            let settle = i64::try_from(self.settings.settle.as_millis()).unwrap_or(i64::MAX);
            let covered = began.saturating_sub(settle);
            let next = Place::Window { covered, end: None, last: 0, page: 0 };
            let covered = instant(covered).min(now - SignedDuration::from_millis(settle));
            return Ok(page(read, &next, false, Some(covered)));
        };
        let next = Place::List { after: Some(after), began: Some(began) };
        Ok(page(read, &next, true, None))
    }

    /// A page of the list of all records, which is in the order of their ids; `after` is the id that it begins with. Source:
    /// section 4.
    async fn list_page(&self, kind: Type, after: Option<&str>, lane: Lane, now: Timestamp) -> Result<Listed, Failure> {
        let mut request = self.api.get(&["crm", "objects", self.api.version(), kind.as_str()]);
        request = request.query("limit", "100").query("properties", &self.maps.properties(kind).join(","));
        if let Some(beside) = kind.beside() {
            let both = kind.beside_too().map(|too| format!("{},{}", beside.as_str(), too.as_str()));
            request = request.query("associations", both.as_deref().unwrap_or(beside.as_str()));
        }
        if let Some(after) = after {
            request = request.query("after", after);
        }
        let response = self.api.read(Budget::Burst, lane, request).await?;
        let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
        let date = answer::date(&response);
        let newest = decoded.records.iter().filter_map(|record| map::modified(kind, record)).max();
        let crm_now = date.unwrap_or(now);
        let mut read = Read { observations: Vec::with_capacity(decoded.len()), ..Read::new(lane) };
        let mut histories: Vec<&str> = Vec::new();
        let mut companies: HashMap<&str, Vec<RemoteId>> = HashMap::new();
        {
            let users = self.users();
            let own_app = self.own_app();
            let context = self.context(&users, own_app.as_deref(), crm_now);
            for record in &decoded.records {
                let beside = kind.beside().map(|to| listed(record, to));
                if kind == Type::Contacts && map::wants_history(record, &self.maps) {
                    histories.push(record.id.as_str());
                    companies.insert(record.id.as_str(), beside.unwrap_or_default());
                    continue;
                }
                let mut seen = map::observation(kind, record, beside.as_deref(), &context, &mut read.findings);
                if let Some(too) = kind.beside_too() {
                    seen = map::with_company(seen, &listed(record, too), &self.settings.id);
                }
                read.observations.push(seen);
            }
        }
        self.say_broken(kind, &decoded, crm_now, &mut read);
        for ids in histories.chunks(HISTORY) {
            self.hydrate_chunk(kind, ids, true, &companies, crm_now, &mut read).await?;
        }
        Ok(Listed { after: decoded.after.clone(), date, newest, read })
    }

    /// The same list for the patrol.
    pub(super) async fn walk_objects(
        &self,
        kind: Type,
        from: Option<&RemoteId>,
        now: Timestamp,
    ) -> Result<Option<Walked>, Failure> {
        // Nothing of tasks is kept.
        if kind == Type::Tasks {
            return Ok(None);
        }
        let listed = self.list_page(kind, from.map(RemoteId::as_str), Lane::Patrol, now).await?;
        let read = listed.read;
        Ok(Some(Walked {
            observations: read.observations,
            findings: read.findings.0,
            objects: kind.objects(),
            span: None,
            next: listed.after.map(RemoteId::from),
        }))
    }

    async fn pull_window(
        &self,
        kind: Type,
        cursor: &Cursor,
        (covered, end, last, count): (i64, Option<i64>, u64, u64),
        now: Timestamp,
    ) -> Result<Page, Failure> {
        let span = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let settle = span(self.settings.settle);
        let start = covered.saturating_sub(span(self.settings.overlap)).max(0);
        let response = self.search(kind, start, end, last).await?;
        let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
        let date = answer::date(&response);
        let rows: Vec<(u64, Option<i64>)> = decoded
            .records
            .iter()
            .map(|row| Some((row.id.as_str().parse().ok()?, map::modified(kind, row).map(Timestamp::as_millisecond))))
            .chain(decoded.broken.iter().map(|(id, _)| Some((id.parse().ok()?, None))))
            .collect::<Option<_>>()
            .ok_or_else(|| Failure::Malformed("results: an id that is no number".to_owned()))?;
        // Without the CRM's time the window ends at what it showed.
        let end = end.unwrap_or_else(|| {
            let newest = rows.iter().filter_map(|(_, at)| *at).max();
            date.map_or_else(|| newest.unwrap_or(covered), |date| date.as_millisecond() - settle).max(covered)
        });
        let is_last = decoded.len() < SEARCH;
        let last_read = rows.iter().map(|(id, _)| *id).max().unwrap_or(last);
        if !is_last && last_read <= last {
            return Err(Failure::Malformed("results: a full page that does not go on by id".to_owned()));
        }
        let next = if is_last {
            Place::Window { covered: end, end: None, last: 0, page: count + 1 }
        } else {
            Place::Window { covered, end: Some(end), last: last_read, page: count + 1 }
        };
        let wanted = self.unread(kind, cursor, &rows, start, end, &next);
        let crm_now = date.unwrap_or(now);
        let mut read = Read { observations: Vec::with_capacity(wanted.len()), ..Read::new(Lane::Read) };
        if decoded.nameless > 0 {
            self.say_nameless(kind, decoded.nameless, &mut read);
        }
        let ids: Vec<String> = wanted.iter().map(u64::to_string).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        self.hydrate(kind, &ids, crm_now, &mut read).await?;
        let covered_until = if date.is_some() { instant(end) } else { now - SignedDuration::from_millis(settle) };
        let covered_until = covered_until.min(now - SignedDuration::from_millis(settle));
        Ok(page(read, &next, !is_last, is_last.then_some(covered_until)))
    }

    async fn search(
        &self,
        kind: Type,
        start: i64,
        end: Option<i64>,
        last: u64,
    ) -> Result<crate::http::Response, Failure> {
        let modified = kind.modified();
        let mut filters = vec![Filter { property: modified, operator: "GTE", value: start.to_string() }];
        filters.extend(end.map(|end| Filter { property: modified, operator: "LTE", value: end.to_string() }));
        filters.push(Filter { property: "hs_object_id", operator: "GT", value: last.to_string() });
        let body = Search {
            filter_groups: [Group { filters }],
            sorts: [Sort { property: "hs_object_id", direction: "ASCENDING" }],
            properties: [modified],
            limit: SEARCH,
        };
        let path = ["crm", "objects", self.api.version(), kind.as_str(), "search"];
        let request = self.api.request(Method::Post, &path, Some(&body))?;
        self.api.read(Budget::Search, Lane::Read, request).await
    }

    /// The ids of the window that have not been read at that time: rows just outside the window do occur. Source: section 4.
    fn unread(
        &self,
        kind: Type,
        cursor: &Cursor,
        rows: &[(u64, Option<i64>)],
        start: i64,
        end: i64,
        next: &Place,
    ) -> Vec<u64> {
        let mut memories = self.memories();
        let memory = memories.entry(kind).or_default();
        memory.turn_to(cursor);
        memory.next = next.cursor().0;
        memory.seen.retain(|_, at| *at >= start);
        let mut wanted = Vec::with_capacity(rows.len());
        for (id, at) in rows {
            match at {
                Some(at) if *at < start || *at > end => {}
                Some(at) if memory.seen.get(id) == Some(at) => {}
                at => {
                    wanted.push(*id);
                    memory.pending.extend(at.map(|at| (*id, at)));
                }
            }
        }
        wanted
    }
}

/// The associations that a list shows beside a record, each once, the primary company first. A list has one entry for each
/// type of an association; `contact_to_company` is the primary one. Source: sections 4 and 7.
fn listed(record: &Record<'_>, to: Type) -> Vec<RemoteId> {
    let Some(associated) = record.associations.get(to.as_str()) else { return Vec::new() };
    let mut entries: Vec<_> = associated.results.iter().collect();
    if to == Type::Companies {
        entries.sort_by_key(|entry| entry.kind.as_ref().is_none_or(|kind| kind.as_str() != "contact_to_company"));
    }
    let mut ids: Vec<RemoteId> = Vec::with_capacity(entries.len());
    for entry in entries {
        if !ids.iter().any(|known| known.as_str() == entry.id.as_str()) {
            ids.push(RemoteId::from(entry.id.as_str()));
        }
    }
    ids
}

pub(super) fn page(read: Read, next: &Place, has_more: bool, covered_until: Option<Timestamp>) -> Page {
    Page { observations: read.observations, next: next.cursor(), has_more, covered_until, findings: read.findings.0 }
}

fn instant(millisecond: i64) -> Timestamp {
    Timestamp::from_millisecond(millisecond).unwrap_or(Timestamp::UNIX_EPOCH)
}
