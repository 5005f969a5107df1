//! Did a write take effect? By id and by association only, never by search: the index lags.

use super::update::Update;
use super::wanted::{Seen, Wanted, is_same};
use super::{Push, is_done};
use crate::connector::hubspot::HubSpot;
use crate::connector::hubspot::answer::Failure;
use crate::connector::hubspot::hydrate::{BatchRead, Id};
use crate::connector::hubspot::map;
use crate::connector::hubspot::settings::Type;
use crate::connector::hubspot::wire;
use crate::connector::{Addressed, Done};
use crate::domain::id::RecordRef;
use crate::domain::plan::Effect;
use crate::http::limiter::{Budget, Lane};
use crate::http::{Method, Response};

impl HubSpot {
    /// What an earlier try of this write has made of the portal, if it took effect.
    pub(in crate::connector::hubspot) async fn find(&self, write: &Addressed) -> Result<Option<Done>, Failure> {
        let Some(of) = &write.record else { return self.find_created(write).await };
        match &write.write.effect {
            Effect::AddTask { .. } | Effect::AddNote { .. } => self.find_made(write).await,
            Effect::JoinTrack(track) => self.find_listed(track, true, of.id.as_str()).await,
            Effect::LeaveTrack(track) => self.find_listed(track, false, of.id.as_str()).await,
            Effect::Create { .. } => self.find_created(write).await,
            Effect::Withdraw { task, .. } => self.find_withdrawn(&task.id).await,
            effect @ (Effect::SetOwner { .. }
            | Effect::SetStage { .. }
            | Effect::SetScore(_)
            | Effect::SetHandoff(_)
            | Effect::Reject(_)
            | Effect::Restore { .. }) => self.find_values(write, effect, of).await,
        }
    }

    /// Contacts with every property that Baton reads or writes.
    pub(super) async fn look_at(&self, ids: &[&str], lane: Lane) -> Result<Response, Failure> {
        let mut names = self.maps.properties(Type::Contacts).to_vec();
        names.extend(self.settings.handoff_properties.iter().map(|(_, name)| name.clone()));
        let inputs = ids.iter().map(|id| Id { id }).collect();
        let body = BatchRead { properties: &names, with_history: &[], id_property: None, inputs };
        let path = ["crm", "objects", self.api.version(), "contacts", "batch", "read"];
        let request = self.api.request(Method::Post, &path, Some(&body))?;
        self.api.read(Budget::Burst, lane, request).await
    }

    /// Does the record have the values that the effect sets?
    async fn find_values(&self, write: &Addressed, effect: &Effect, of: &RecordRef) -> Result<Option<Done>, Failure> {
        let response = self.look_at(&[of.id.as_str()], Lane::Assign).await?;
        let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
        let Some(record) = decoded.records.iter().find(|record| record.was(of.id.as_str())) else {
            return Ok(None);
        };
        let seen = Seen::of(record);
        let is_there = match self.wanted(effect, seen.values()) {
            Wanted::Nothing => true,
            Wanted::Set(values) => {
                values.iter().all(|(name, wanted)| is_same(record.value(name).unwrap_or(""), wanted))
            }
            _ => false,
        };
        if is_there
            && (self.overtaken(effect, &of.id, Lane::Assign).await?.is_some()
                || !self.chosen(write, &of.id, Lane::Assign).await?.overwritten.is_empty())
        {
            // Not as it shall stay: the next try gives it back.
            return Ok(None);
        }
        Ok(is_there.then(|| Done { at: map::modified(Type::Contacts, record), ..Done::default() }))
    }
}

impl Push<'_> {
    /// Once: the history of a value that Baton has just written names the app that its credentials belong to. The sheet knows no
    /// call that says it.
    pub(super) async fn learn_own_app(&self, updates: &[Update]) {
        let hub = self.hub;
        if hub.own_app().is_some() {
            return;
        }
        let written =
            updates.iter().filter(|update| is_done(self.outcomes[update.place].as_ref())).find_map(|update| {
                let known = update.values.iter().find(|(name, _)| hub.maps.history.contains(name))?;
                Some((update, known))
            });
        let Some((update, (name, value))) = written else { return };
        let Ok(response) = hub.batch_read(Type::Contacts, &[&update.id], true, Lane::Read).await else { return };
        let Ok(decoded) = wire::page(&response.body) else { return };
        let entries = decoded.records.first().and_then(|record| record.properties_with_history.get(name));
        let entries: Vec<_> = entries.into_iter().flatten().collect();
        let at = |entry: &wire::Entry<'_>| map::instant(entry.timestamp.as_str());
        let newest = entries.iter().filter_map(|entry| at(entry)).max();
        let is_app = |text: &Option<wire::Text<'_>>| text.as_ref().is_some_and(|text| text.as_str() == "INTEGRATION");
        let is_ours =
            |entry: &&&wire::Entry<'_>| at(entry) == newest && entry.value() == value && is_app(&entry.source_type);
        let Some(entry) = entries.iter().find(is_ours) else { return };
        if let Some(id) = entry.source_id.as_ref().map(wire::Text::as_str).filter(|id| !id.is_empty()) {
            hub.learn_app(id);
        }
    }
}
