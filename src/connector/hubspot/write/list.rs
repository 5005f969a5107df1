//! Nurture tracks as static lists. Source: section 10.5.

use std::sync::PoisonError;

use super::Push;
use crate::connector::hubspot::HubSpot;
use crate::connector::hubspot::answer::Failure;
use crate::connector::hubspot::streams::LIST;
use crate::connector::hubspot::wire::{self, ListFound, Membership};
use crate::connector::{Done, Outcome};
use crate::domain::id::Name;
use crate::domain::plan::Was;
use crate::http::Method;
use crate::http::limiter::{Budget, Lane};

impl Push<'_> {
    /// Puts people on a track's list, or takes them off. The sheet knows no maximum of ids for one request: a hundred, as in a batch.
    pub(super) async fn change_list(&mut self, track: &Name, joins: bool, places: &[usize], lane: Lane) {
        for chunk in places.chunks(LIST) {
            if self.halts(chunk.iter().copied()) {
                continue;
            }
            let ids: Vec<String> =
                chunk.iter().filter_map(|place| Some(self.id_of(*place)?.as_str().to_owned())).collect();
            match self.hub.members(track, joins, &ids, lane).await {
                Ok(change) => {
                    for (place, id) in chunk.iter().zip(&ids) {
                        let outcome = if change.missing.contains(id) {
                            Outcome::Refused { message: "the list knows no such record".to_owned() }
                        } else {
                            let was = change.changed.contains(id).then(|| moved(track, joins)).into_iter().collect();
                            Outcome::Done(Done { at: self.hub.api.crm_now(), was, ..Done::default() })
                        };
                        self.settle(*place, outcome);
                    }
                }
                Err(failure) => self.fail(chunk.iter().copied(), failure),
            }
        }
    }
}

/// What a change of a list did.
#[derive(Default)]
struct Change {
    changed: Vec<String>,
    missing: Vec<String>,
}

/// A membership that changed, as a value that was replaced.
fn moved(track: &Name, joins: bool) -> Was {
    let on = Some(Name::from("on"));
    let (before, after) = if joins { (None, on) } else { (on, None) };
    Was { name: track.clone(), before, after }
}

impl HubSpot {
    /// Adds to or removes from a track's list; answers with the ids that it changed, and those that it does not know. Repeating
    /// it changes nothing.
    async fn members(&self, track: &Name, joins: bool, ids: &[String], lane: Lane) -> Result<Change, Failure> {
        let list = self.list(track, lane).await?;
        let verb = if joins { "add" } else { "remove" };
        let path = ["crm", "lists", self.api.version(), list.as_str(), "memberships", verb];
        let request = self.api.request(Method::Put, &path, Some(ids))?;
        let response = match self.api.write(lane, request).await {
            Err(Failure::NotFound(message)) => {
                // Deleted, and perhaps made anew under its name: look for it the next time.
                self.lists.lock().unwrap_or_else(PoisonError::into_inner).remove(track.as_str());
                return Err(Failure::Refused(message));
            }
            other => other?,
        };
        if response.body.is_empty() {
            return Ok(Change::default());
        }
        let answer: Membership<'_> = wire::whole(&response.body).map_err(Failure::Malformed)?;
        let owned = |ids: Vec<wire::Text<'_>>| ids.into_iter().map(|id| id.0.into_owned()).collect();
        let changed = owned(if joins { answer.records_ids_added } else { answer.record_ids_removed });
        Ok(Change { changed, missing: owned(answer.record_ids_missing) })
    }

    async fn list(&self, track: &Name, lane: Lane) -> Result<String, Failure> {
        let known = self.lists.lock().unwrap_or_else(PoisonError::into_inner).get(track.as_str()).cloned();
        if let Some(id) = known {
            return Ok(id);
        }
        let name = self.settings.tracks.iter().find(|(known, _)| known == track).map(|(_, list)| list.as_str());
        let Some(name) = name else {
            return Err(Failure::Refused(format!(
                "track {track} has no list; add {track} = {{ list = \"...\" }} in [connections.{}.tracks]",
                self.settings.id
            )));
        };
        let id = self.list_by_name(name, lane).await?;
        self.lists.lock().unwrap_or_else(PoisonError::into_inner).insert(track.as_str().to_owned(), id.clone());
        Ok(id)
    }

    /// The id of a list that people can be put on by hand. Source: section 10.5.
    pub(in crate::connector::hubspot) async fn list_by_name(&self, name: &str, lane: Lane) -> Result<String, Failure> {
        let path = ["crm", "lists", self.api.version(), "object-type-id", "0-1", "name", name];
        let response = match self.api.read(Budget::Burst, lane, self.api.get(&path)).await {
            Err(Failure::NotFound(_)) => {
                return Err(Failure::Refused(format!("there is no contact list named \"{name}\"; make a static one")));
            }
            other => other?,
        };
        let found: ListFound<'_> = wire::whole(&response.body).map_err(Failure::Malformed)?;
        match found.list.processing_type.as_ref().map(wire::Text::as_str) {
            Some("MANUAL" | "SNAPSHOT") | None => Ok(found.list.list_id.0.into_owned()),
            Some(other) => Err(Failure::Refused(format!(
                "list \"{name}\" is {other}: HubSpot fills it itself; name a static list for the track"
            ))),
        }
    }
}
