//! What became of records that are not there any more: archived, merged, or erased at the person's word. Source: section 5.

use std::collections::HashSet;

use jiff::Timestamp;

use super::HubSpot;
use super::answer::Failure;
use super::hydrate::{BatchRead, Id};
use super::map;
use super::settings::Type;
use super::streams::LIST;
use super::wire;
use crate::domain::id::{RecordRef, RemoteId};
use crate::domain::observation::{Content, Observation};
use crate::http::Method;
use crate::http::limiter::{Budget, Lane};

impl HubSpot {
    /// What became of records that HubSpot calls missing. An archived one can still be read as such for 90 days; a contact
    /// that cannot was erased, by a privacy deletion or by time, and what Baton knows of the person goes, too.
    pub(super) async fn ended(&self, kind: Type, ids: &[&str], at: Timestamp) -> Result<Vec<Observation>, Failure> {
        let mut ended = Vec::with_capacity(ids.len());
        for some in ids.chunks(LIST) {
            let archived = if kind == Type::Contacts { Some(self.archived(kind, some).await?) } else { None };
            for id in some {
                let is_kept = archived.as_ref().is_none_or(|archived| archived.contains(*id));
                let content = if is_kept { Content::Gone } else { Content::Erased };
                let of = RecordRef::new(&self.settings.id, kind.object(), *id);
                ended.push(Observation { of, modified: at, content, findings: Vec::new() });
            }
        }
        Ok(ended)
    }

    /// Those of `ids` that lie in the archive.
    async fn archived(&self, kind: Type, ids: &[&str]) -> Result<HashSet<String>, Failure> {
        let body = BatchRead {
            properties: &[],
            with_history: &[],
            id_property: None,
            inputs: ids.iter().map(|id| Id { id }).collect(),
        };
        let path = ["crm", "objects", self.api.version(), kind.as_str(), "batch", "read"];
        let request = self.api.request(Method::Post, &path, Some(&body))?.query("archived", "true");
        let response = self.api.read(Budget::Burst, Lane::Read, request).await?;
        let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
        let kept = ids.iter().filter(|id| decoded.records.iter().any(|record| record.was(id)));
        // What the answer does not call missing either is not known to be erased.
        let unsure = ids.iter().filter(|id| !decoded.errors.iter().any(|error| error.names(id)));
        Ok(kept.chain(unsure).map(|id| (*id).to_owned()).collect())
    }

    /// What became of those of these contacts that are archived, merged or erased; nothing of the others.
    pub(super) async fn vanished(&self, people: &[&str], at: Timestamp) -> Result<Vec<Observation>, Failure> {
        let mut found = Vec::new();
        for some in people.chunks(LIST) {
            let mut missing: Vec<String> = Vec::new();
            {
                let response = self.batch_read(Type::Contacts, some, false, Lane::Read).await?;
                let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
                for id in some {
                    if let Some(record) = decoded.records.iter().find(|record| record.was(id)) {
                        if record.id.as_str() != *id {
                            found.push(Observation {
                                of: RecordRef::new(&self.settings.id, Type::Contacts.object(), *id),
                                modified: map::modified(Type::Contacts, record).unwrap_or(at),
                                content: Content::MergedInto(RemoteId::from(record.id.as_str())),
                                findings: Vec::new(),
                            });
                        }
                    } else if decoded.errors.iter().any(|error| error.names(id)) {
                        missing.push((*id).to_owned());
                    }
                }
            }
            let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
            found.extend(self.ended(Type::Contacts, &missing, at).await?);
        }
        Ok(found)
    }
}
