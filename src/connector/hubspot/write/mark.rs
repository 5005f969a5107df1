//! Looks for tasks and notes by the mark of their operation: through the contact's associations, never by search.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::make::Kind;
use crate::connector::hubspot::HubSpot;
use crate::connector::hubspot::answer::Failure;
use crate::connector::hubspot::hydrate::{BatchRead, Id};
use crate::connector::hubspot::streams::LIST;
use crate::connector::hubspot::wire::{self, AssociatedObjects, AssociationRows};
use crate::connector::{Addressed, Done};
use crate::domain::id::OperationId;
use crate::http::Method;
use crate::http::limiter::{Budget, Lane};

/// Inputs of an association batch read. Source: section 7.
const ASSOCIATIONS_MAX: usize = 1_000;

/// What the body of a task or note ends with.
pub(super) fn mark(op: OperationId) -> String {
    format!("[baton {op}]")
}

impl HubSpot {
    /// The task or note of this write, if it was made.
    pub(super) async fn find_made(&self, write: &Addressed) -> Result<Option<Done>, Failure> {
        let Some(kind) = Kind::of(&write.write.effect) else { return Ok(None) };
        let mut found = self.marked(kind, &[write], Lane::Alert).await?;
        Ok(found.remove(&write.write.op))
    }

    /// Looks through the contacts' tasks or notes for the marks of these operations, newest first.
    pub(super) async fn marked(
        &self,
        kind: Kind,
        writes: &[&Addressed],
        lane: Lane,
    ) -> Result<HashMap<OperationId, Done>, Failure> {
        let mut contacts: Vec<&str> =
            writes.iter().filter_map(|write| Some(write.record.as_ref()?.id.as_str())).collect();
        contacts.sort_unstable();
        contacts.dedup();
        let mut ids = Vec::new();
        for chunk in contacts.chunks(ASSOCIATIONS_MAX) {
            self.list_made(kind, chunk, lane, &mut ids).await?;
        }
        ids.sort_by_key(|id| std::cmp::Reverse(id.parse::<u64>().unwrap_or(0)));
        ids.dedup();
        let wanted: Vec<(String, OperationId)> =
            writes.iter().map(|write| (mark(write.write.op), write.write.op)).collect();
        let properties = [kind.body().to_owned()];
        let mut found = HashMap::new();
        for chunk in ids.chunks(LIST) {
            let body = BatchRead {
                properties: &properties,
                with_history: &[],
                id_property: None,
                inputs: chunk.iter().map(|id| Id { id }).collect(),
            };
            let path = ["crm", "objects", self.api.version(), kind.as_str(), "batch", "read"];
            let request = self.api.request(Method::Post, &path, Some(&body))?;
            let response = self.api.read(Budget::Burst, lane, request).await?;
            let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
            for record in &decoded.records {
                let op = record.value(kind.body()).and_then(|body| wanted.iter().find(|(mark, _)| body.contains(mark)));
                if let Some((_, op)) = op {
                    found.insert(*op, self.made(kind.object(), record));
                }
            }
            if found.len() == wanted.len() {
                break;
            }
        }
        Ok(found)
    }

    /// The ids of all tasks or notes of these contacts, at most a thousand of them.
    async fn list_made(&self, kind: Kind, contacts: &[&str], lane: Lane, ids: &mut Vec<String>) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Body<'a> {
            inputs: Vec<Id<'a>>,
        }
        let body = Body { inputs: contacts.iter().map(|id| Id { id }).collect() };
        let path = ["crm", "associations", self.api.version(), "contacts", kind.as_str(), "batch", "read"];
        let request = self.api.request(Method::Post, &path, Some(&body))?;
        let response = self.api.read(Budget::Burst, lane, request).await?;
        let decoded: AssociationRows<'_> = wire::whole(&response.body).map_err(Failure::Malformed)?;
        let mut settled: HashSet<&str> = HashSet::new();
        for row in decoded.results.iter().filter(|row| !row.has_more()) {
            settled.insert(row.from.id.as_str());
            ids.extend(row.to.iter().map(|to| to.to_object_id.as_str().to_owned()));
        }
        // A contact without any is named in the errors.
        let has_none = |contact: &str| {
            let is_none = |error: &wire::RowError<'_>| error.is_not_found() && error.names(contact);
            decoded.errors.iter().flatten().any(is_none)
        };
        for contact in contacts.iter().filter(|contact| !settled.contains(**contact) && !has_none(contact)) {
            self.list_made_on(kind, contact, lane, ids).await?;
        }
        Ok(())
    }

    /// The same for one contact, page by page: one with more than a page, or one that the batch left out.
    async fn list_made_on(&self, kind: Kind, contact: &str, lane: Lane, ids: &mut Vec<String>) -> Result<(), Failure> {
        let mut after: Option<String> = None;
        loop {
            let path = ["crm", "objects", self.api.version(), "contacts", contact, "associations", kind.as_str()];
            let mut request = self.api.get(&path).query("limit", "500");
            if let Some(after) = &after {
                request = request.query("after", after);
            }
            let response = self.api.read(Budget::Burst, lane, request).await?;
            let found: AssociatedObjects<'_> = wire::whole(&response.body).map_err(Failure::Malformed)?;
            ids.extend(found.results.iter().map(|to| to.to_object_id.as_str().to_owned()));
            let next = found.after();
            if next.is_none() || next == after {
                return Ok(());
            }
            after = next;
        }
    }
}
