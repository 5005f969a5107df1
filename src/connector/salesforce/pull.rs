//! Reads streams page by page, records by their ids, what hangs on people, and everything in the order of ids for the patrol.

use std::collections::HashSet;

use jiff::Timestamp;

use super::Salesforce;
use super::api;
use super::failure::Failure;
use super::read::{Ask, Source};
use super::soql::{Condition, Id, Literal, Sign};
use super::streams::{Place, Reach, Shown};
use crate::connector::{Cursor, Page, Stream, Walked};
use crate::domain::id::{Object, RecordRef, RemoteId};
use crate::domain::observation::{Content, Observation};

/// Ids as the org answers with them. Source: section 4.
const ID_LENGTH: usize = 18;
/// The newest tasks and events around people are enough to see whether a promise was kept.
const AROUND_ROWS: usize = 2_000;
/// Where the ids of leads begin.
const LEADS: &str = "00Q";

impl Salesforce {
    pub(super) fn reach(&self) -> Reach {
        Reach { settle: self.maps.settle, overlap: self.maps.overlap }
    }

    pub(super) async fn pull_one(&self, stream: &Stream, after: &Cursor, now: Timestamp) -> Result<Page, Failure> {
        let Some(source) = Source::of(stream.name.as_str()) else {
            return Err(Failure::refused("no stream has this name"));
        };
        let place = Place::of(after);
        if let Some(page) = self.pull_bulk(source, &place, now).await? {
            return Ok(page);
        }
        let limit = self.api.pages().rows(source);
        let ask = Ask { filter: place.window(), order: "SystemModstamp, Id", limit: Some(limit) };
        let seen = self.seen(source, &ask).await;
        self.api.pages().note(source, matches!(seen, Err(Failure::Slow(_))));
        let mut seen = seen?;
        let shown = Shown {
            is_last: seen.listed.done && seen.listed.len() < limit,
            last: seen.listed.last(),
            server: seen.began.unwrap_or(now),
        };
        let server = shown.server;
        let Some((mut next, has_more)) = place.after(shown, self.reach()) else {
            return Err(Failure::Malformed(format!("{}: a page that goes no further", stream.name)));
        };
        if !has_more {
            let deletions = self.deletions(source, &mut next, place.began_at().unwrap_or(server), server).await?;
            seen.observations.extend(deletions.observations);
            seen.findings.extend(deletions.findings);
        }
        Ok(Page {
            observations: seen.observations,
            covered_until: next.covered_until(),
            next: next.cursor(),
            has_more,
            findings: seen.findings,
        })
    }

    /// People by their ids, as they are now; one that no query shows is gone.
    pub(super) async fn people(&self, ids: &[Id]) -> Result<Vec<Observation>, Failure> {
        let leads: Vec<Id> = ids.iter().filter(|id| id.prefix() == "00Q").cloned().collect();
        let contacts: Vec<Id> = ids.iter().filter(|id| id.prefix() == "003").cloned().collect();
        let mut observations = self.by_ids(Source::Leads, &leads).await?;
        observations.extend(self.by_ids(Source::Contacts, &contacts).await?);
        Ok(observations)
    }

    /// Records of a source by their ids. Deleted ones are shown as such; what is not shown at all was purged, or is hidden, which looks
    /// alike (section 6): it is gone for Baton.
    pub(super) async fn by_ids(&self, source: Source, ids: &[Id]) -> Result<Vec<Observation>, Failure> {
        let mut observations = Vec::new();
        for some in ids.chunks(api::IDS) {
            let ask = Ask { filter: Some(Condition::ids("Id", some)), ..Ask::default() };
            let seen = self.seen(source, &ask).await?;
            let shown: HashSet<&str> = seen.observations.iter().map(|one| one.of.id.as_str()).collect();
            let at = seen.began.unwrap_or_default();
            let object = source.is_of();
            let gone: Vec<Observation> = some
                .iter()
                .filter(|id| !shown.contains(id.as_str()) && source != Source::Events)
                .map(|id| Observation {
                    of: RecordRef::new(self.connection(), object, id.as_str()),
                    modified: at,
                    content: Content::Gone,
                    findings: Vec::new(),
                })
                .collect();
            observations.extend(gone);
            observations.extend(seen.observations);
        }
        Ok(observations)
    }

    pub(super) async fn read_all(&self, refs: &[RecordRef]) -> Result<Vec<Observation>, Failure> {
        let of = |prefix: &str| -> Vec<Id> {
            let ids: HashSet<Id> =
                refs.iter().filter_map(|of| Id::parse(of.id.as_str())).filter(|id| id.prefix() == prefix).collect();
            ids.into_iter().collect()
        };
        let mut observations = Vec::new();
        for (prefix, source) in [
            ("005", Source::Users),
            ("001", Source::Accounts),
            ("00Q", Source::Leads),
            ("003", Source::Contacts),
            ("006", Source::Deals),
            ("00T", Source::Tasks),
            ("00U", Source::Events),
        ] {
            observations.extend(self.by_ids(source, &of(prefix)).await?);
        }
        Ok(observations)
    }

    /// Tasks or events of people, newest first.
    pub(super) async fn activities(&self, source: Source, people: &[Id]) -> Result<Vec<Observation>, Failure> {
        let mut observations = Vec::new();
        for some in people.chunks(api::IDS) {
            let ask = Ask {
                filter: Some(Condition::ids("WhoId", some)),
                order: "SystemModstamp DESC, Id DESC",
                limit: Some(AROUND_ROWS),
            };
            observations.extend(self.seen(source, &ask).await?.observations);
        }
        Ok(observations)
    }

    /// One page of a walk. Contacts and leads are one kind of record, so one walk goes through both: `003` comes before `00Q`.
    pub(super) async fn walk_one(&self, stream: &Stream, from: Option<&RemoteId>) -> Result<Option<Walked>, Failure> {
        let from = from.map(RemoteId::as_str).unwrap_or_default();
        let (source, objects): (Source, &'static [Object]) = match stream.name.as_str() {
            "users" => (Source::Users, &[Object::User]),
            "accounts" => (Source::Accounts, &[Object::Company]),
            "leads" if from < LEADS => (Source::Contacts, &[Object::Person]),
            "leads" => (Source::Leads, &[Object::Person]),
            "tasks" => (Source::Tasks, &[Object::Call]),
            "events" => (Source::Events, &[Object::Meeting]),
            // Contacts are walked with the leads; deals and campaign members hang on what every poll reads.
            _ => return Ok(None),
        };
        let limit = self.api.pages().rows(source);
        let behind = Id::parse(from).map(|from| Condition::Is("Id", Sign::AtLeast, Literal::Id(from)));
        let ask = Ask { filter: behind, order: "Id", limit: Some(limit) };
        let seen = self.seen(source, &ask).await?;
        let is_last = seen.listed.done && seen.listed.len() < limit;
        let last = seen.listed.rows.iter().filter_map(|row| row.id("Id")).max();
        let next = match (is_last, last) {
            (true, _) if source == Source::Contacts => Some(RemoteId::from(LEADS)),
            (true, _) | (false, None) => None,
            // The last one is shown again: what comes right behind it has no name.
            (false, Some(last)) => Some(RemoteId::from(last.as_str())),
        };
        // Ids are words of one length.
        let span = Some((RemoteId::from("0".repeat(ID_LENGTH)), RemoteId::from("z".repeat(ID_LENGTH))));
        Ok(Some(Walked { observations: seen.observations, findings: seen.findings, objects, span, next }))
    }
}
