//! Nurture tracks as static lists. Source: section 10.5.

use std::collections::HashSet;
use std::sync::PoisonError;

use super::{Push, Work};
use crate::connector::hubspot::HubSpot;
use crate::connector::hubspot::answer::Failure;
use crate::connector::hubspot::list_wire::{ListFound, ListsOf, Members, Membership};
use crate::connector::hubspot::streams::LIST;
use crate::connector::hubspot::wire;
use crate::connector::{Done, Outcome};
use crate::domain::id::Name;
use crate::domain::plan::Was;
use crate::http::Method;
use crate::http::limiter::{Budget, Lane};

/// So many contacts are asked about one by one; of more, the list's members are read.
const ALONE_MAX: usize = 4;
/// Source: section 10.5.
const MEMBERS_PAGE: &str = "250";

impl Push<'_> {
    /// Who of those that join or leave a list is on it now: who is there already is settled, and of the others it is known what
    /// their change replaces even if its answer is lost.
    pub(super) async fn look_at_lists(&mut self, work: &mut Work, lane: Lane) {
        for ((track, joins), places) in &mut work.lists {
            if self.halts(places.iter().copied()) {
                continue;
            }
            let ids: Vec<String> =
                places.iter().filter_map(|place| Some(self.id_of(*place)?.as_str().to_owned())).collect();
            match self.hub.on_list(track, &ids, lane).await {
                Ok(members) => {
                    places.retain(|place| {
                        let is_on = self.id_of(*place).is_some_and(|id| members.contains(id.as_str()));
                        if is_on == *joins {
                            self.settle(*place, Outcome::Done(Done::default()));
                            return false;
                        }
                        self.was[*place] = vec![moved(track, *joins)];
                        true
                    });
                }
                Err(failure) => self.fail_unsent(std::mem::take(places), failure),
            }
        }
    }

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
                    // What the answer says of each is better than the look before it: somebody else may have been as quick.
                    for (place, id) in chunk.iter().zip(&ids) {
                        let outcome = if change.missing.contains(id) {
                            Outcome::Refused { message: "the list knows no such record".to_owned() }
                        } else {
                            if change.is_told && !change.changed.contains(id) {
                                self.was[*place].clear();
                            }
                            Outcome::Done(Done { at: self.hub.api.crm_now(), ..Done::default() })
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
    /// Did the answer say anything?
    is_told: bool,
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
            Err(Failure::NotFound(message)) => return Err(self.lost_list(&list, message)),
            other => other?,
        };
        if response.body.is_empty() {
            return Ok(Change::default());
        }
        let answer: Membership<'_> = wire::whole(&response.body).map_err(Failure::Malformed)?;
        let owned = |ids: Vec<wire::Text<'_>>| ids.into_iter().map(|id| id.0.into_owned()).collect();
        let changed = owned(if joins { answer.records_ids_added } else { answer.record_ids_removed });
        Ok(Change { is_told: true, changed, missing: owned(answer.record_ids_missing) })
    }

    /// Who of these people is on a track's list.
    async fn on_list(&self, track: &Name, ids: &[String], lane: Lane) -> Result<HashSet<String>, Failure> {
        let list = self.list(track, lane).await?;
        let mut members = HashSet::new();
        if ids.len() > ALONE_MAX && self.read_members(&list, ids.len(), lane, &mut members).await? {
            return Ok(members);
        }
        for id in ids.iter().filter(|id| !members.contains(*id)).cloned().collect::<Vec<_>>() {
            let path = ["crm", "lists", self.api.version(), "records", "0-1", id.as_str(), "memberships"];
            let response = match self.api.read(Budget::Burst, lane, self.api.get(&path)).await {
                // Whom HubSpot does not know is on no list.
                Err(Failure::NotFound(_)) => continue,
                other => other?,
            };
            let found: ListsOf<'_> = wire::whole(&response.body).map_err(Failure::Malformed)?;
            if found.results.iter().any(|row| row.list_id.as_str() == list) {
                members.insert(id);
            }
        }
        Ok(members)
    }

    /// Reads a list's members page by page, at most so many pages. Was that all of them?
    async fn read_members(
        &self,
        list: &str,
        pages_max: usize,
        lane: Lane,
        members: &mut HashSet<String>,
    ) -> Result<bool, Failure> {
        let mut after: Option<String> = None;
        for _ in 0..pages_max {
            let path = ["crm", "lists", self.api.version(), list, "memberships"];
            let mut request = self.api.get(&path).query("limit", MEMBERS_PAGE);
            if let Some(after) = &after {
                request = request.query("after", after);
            }
            let response = match self.api.read(Budget::Burst, lane, request).await {
                Err(Failure::NotFound(message)) => return Err(self.lost_list(list, message)),
                other => other?,
            };
            let page: Members<'_> = wire::whole(&response.body).map_err(Failure::Malformed)?;
            members.extend(page.results.iter().map(|row| row.record_id.as_str().to_owned()));
            match page.after() {
                None => return Ok(true),
                next if next == after => return Ok(false),
                next => after = next,
            }
        }
        Ok(false)
    }

    /// Deleted, and perhaps made anew under its name: it is looked for the next time.
    fn lost_list(&self, list: &str, message: String) -> Failure {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, known| known != list);
        Failure::Refused(message)
    }

    /// Is the contact on a track's list, or off it, as the write asked?
    pub(super) async fn find_listed(&self, track: &Name, joins: bool, id: &str) -> Result<Option<Done>, Failure> {
        let members = self.on_list(track, &[id.to_owned()], Lane::Assign).await?;
        Ok((members.contains(id) == joins).then(Done::default))
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
