//! Records by their ids: as they are now, with their associations, and with their history where it matters. What is missing,
//! merged or cannot be read is said for each by itself.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;

use super::HubSpot;
use super::answer::Failure;
use super::map::{self, undecodable};
use super::settings::Type;
use super::streams::{LIST, Read};
use super::wire::{self, AssociationRows};
use crate::domain::counted::many;
use crate::domain::finding::FindingKind;
use crate::domain::id::{RecordRef, RemoteId};
use crate::domain::observation::{Content, Observation};
use crate::http::Method;
use crate::http::limiter::{Budget, Lane};

/// Rows of a batch read with history. Source: section 4.
pub(super) const HISTORY: usize = 50;
/// Inputs of an association batch read. Source: section 7.
const ASSOCIATIONS: usize = 1000;
/// The type of a contact's primary company. Source: section 7.
const PRIMARY_COMPANY: i64 = 1;

/// The body of a batch read. Source: section 6.
#[derive(Serialize)]
pub(super) struct BatchRead<'a> {
    pub(super) properties: &'a [String],
    #[serde(rename = "propertiesWithHistory", skip_serializing_if = "<[_]>::is_empty")]
    pub(super) with_history: &'a [String],
    #[serde(rename = "idProperty", skip_serializing_if = "Option::is_none")]
    pub(super) id_property: Option<&'a str>,
    pub(super) inputs: Vec<Id<'a>>,
}

/// One input of a batch.
#[derive(Serialize)]
pub(super) struct Id<'a> {
    pub(super) id: &'a str,
}

impl HubSpot {
    /// The records with these ids as they are now, with their associations, and with history where it matters.
    pub(super) async fn hydrate(
        &self,
        kind: Type,
        ids: &[&str],
        crm_now: Timestamp,
        read: &mut Read,
    ) -> Result<(), Failure> {
        if ids.is_empty() {
            return Ok(());
        }
        let beside = match kind.beside() {
            Some(to) => self.associated(kind, to, ids, read.lane).await?,
            None => HashMap::new(),
        };
        let beside: HashMap<&str, Vec<RemoteId>> = beside.iter().map(|(id, to)| (id.as_str(), to.clone())).collect();
        let first = read.observations.len();
        for chunk in ids.chunks(LIST) {
            self.hydrate_chunk(kind, chunk, false, &beside, crm_now, read).await?;
        }
        if let Some(too) = kind.beside_too() {
            let others = self.associated(kind, too, ids, read.lane).await?;
            for seen in &mut read.observations[first..] {
                let companies = others.get(seen.of.id.as_str()).map_or(&[][..], Vec::as_slice);
                *seen = map::with_company(seen.clone(), companies, &self.settings.id);
            }
        }
        Ok(())
    }

    /// At most [`LIST`] records, or [`HISTORY`] with their history.
    pub(super) async fn hydrate_chunk(
        &self,
        kind: Type,
        ids: &[&str],
        with_history: bool,
        beside: &HashMap<&str, Vec<RemoteId>>,
        crm_now: Timestamp,
        read: &mut Read,
    ) -> Result<(), Failure> {
        let mut later: Vec<String> = Vec::new();
        let mut missing: Vec<String> = Vec::new();
        {
            let response = self.batch_read(kind, ids, with_history, read.lane).await?;
            let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
            let users = self.users();
            let own_app = self.own_app();
            let context = self.context(&users, own_app.as_deref(), crm_now);
            let mut left: Vec<&str> = ids.to_vec();
            for record in &decoded.records {
                // Merged: an old id answers with the new record. Source: section 5.
                let asked: Vec<&str> = left.iter().copied().filter(|id| record.was(id)).collect();
                left.retain(|id| !asked.contains(id));
                for old in asked.iter().filter(|id| **id != record.id.as_str()) {
                    read.observations.push(Observation {
                        of: RecordRef::new(&self.settings.id, kind.object(), *old),
                        modified: map::modified(kind, record).unwrap_or(crm_now),
                        content: Content::MergedInto(RemoteId::from(record.id.as_str())),
                        findings: Vec::new(),
                    });
                }
                if kind == Type::Contacts && !with_history && map::wants_history(record, &self.maps) {
                    later.push(record.id.as_str().to_owned());
                    continue;
                }
                let known = beside.get(record.id.as_str()).or_else(|| asked.first().and_then(|id| beside.get(id)));
                let observed = map::observation(
                    kind,
                    record,
                    known.map(Vec::as_slice).or_else(|| kind.beside().map(|_| &[][..])),
                    &context,
                    &mut read.findings,
                );
                read.observations.push(observed);
            }
            left.retain(|id| !decoded.broken.iter().any(|(broken, _)| broken == id));
            // Only what the answer itself calls missing is gone; a row that is left out without a word may be one that the
            // token may not see (any more), and nobody's work ends for that.
            for id in left {
                let of = RecordRef::new(&self.settings.id, kind.object(), id);
                if decoded.errors.iter().any(|error| error.names(id)) {
                    missing.push(id.to_owned());
                } else {
                    read.observations.push(undecodable(of, crm_now, "the answer neither has it nor calls it missing"));
                }
            }
            self.say_broken(kind, &decoded, crm_now, read);
        }
        let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
        read.observations.extend(self.ended(kind, &missing, crm_now).await?);
        for chunk in later.chunks(HISTORY) {
            let chunk: Vec<&str> = chunk.iter().map(String::as_str).collect();
            Box::pin(self.hydrate_chunk(kind, &chunk, true, beside, crm_now, read)).await?;
        }
        Ok(())
    }

    pub(super) async fn batch_read(
        &self,
        kind: Type,
        ids: &[&str],
        with_history: bool,
        lane: Lane,
    ) -> Result<crate::http::Response, Failure> {
        let body = BatchRead {
            properties: self.maps.properties(kind),
            with_history: if with_history { &self.maps.history } else { &[] },
            id_property: None,
            inputs: ids.iter().map(|id| Id { id }).collect(),
        };
        let path = ["crm", "objects", self.api.version(), kind.as_str(), "batch", "read"];
        let request = self.api.request(Method::Post, &path, Some(&body))?;
        self.api.read(Budget::Burst, lane, request).await
    }

    /// The ids of type `to` that hang on each record; a contact's primary company first. Search and batch reads bring no
    /// associations. Source: sections 4, 6 and 7.
    pub(super) async fn associated(
        &self,
        from: Type,
        to: Type,
        ids: &[&str],
        lane: Lane,
    ) -> Result<HashMap<String, Vec<RemoteId>>, Failure> {
        #[derive(Serialize)]
        struct Body<'a> {
            inputs: Vec<Id<'a>>,
        }
        let mut found = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(ASSOCIATIONS) {
            let body = Body { inputs: chunk.iter().map(|id| Id { id }).collect() };
            let path = ["crm", "associations", self.api.version(), from.as_str(), to.as_str(), "batch", "read"];
            let request = self.api.request(Method::Post, &path, Some(&body))?;
            let response = self.api.read(Budget::Burst, lane, request).await?;
            let rows: AssociationRows<'_> = wire::whole(&response.body).map_err(Failure::Malformed)?;
            for mut row in rows.results {
                let is_primary =
                    |to: &wire::ToObject<'_>| to.association_types.iter().any(|kind| kind.type_id == PRIMARY_COMPANY);
                if to == Type::Companies {
                    row.to.sort_by_key(|to| !is_primary(to));
                }
                let others = row.to.iter().map(|to| RemoteId::from(to.to_object_id.as_str())).collect();
                found.insert(row.from.id.0.into_owned(), others);
            }
        }
        Ok(found)
    }

    pub(super) fn say_broken(&self, kind: Type, decoded: &wire::Decoded<'_>, now: Timestamp, read: &mut Read) {
        for (id, why) in &decoded.broken {
            let of = RecordRef::new(&self.settings.id, kind.object(), id.as_str());
            read.observations.push(undecodable(of, now, why));
        }
        if decoded.nameless > 0 {
            self.say_nameless(kind, decoded.nameless, read);
        }
    }

    pub(super) fn say_nameless(&self, kind: Type, count: usize, read: &mut Read) {
        read.findings.say(&self.settings.id, FindingKind::Undecodable, kind.as_str(), || {
            format!("without a readable id, and so left out: {} of {}", many(count, "record", "records"), kind.as_str())
        });
    }
}
