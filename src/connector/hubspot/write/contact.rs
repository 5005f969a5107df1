//! Creates people. A contact's address is unique in HubSpot, so a second one is refused and the first is taken. Source: section 9 (f).

use std::collections::HashMap;

use serde::Serialize;

use super::Push;
use super::wanted::{self, Seen};
use crate::connector::hubspot::HubSpot;
use crate::connector::hubspot::answer::Failure;
use crate::connector::hubspot::hydrate::{BatchRead, Id};
use crate::connector::hubspot::settings::OWNER;
use crate::connector::hubspot::wire::{self, Record};
use crate::connector::{Addressed, Done, Outcome};
use crate::domain::field::{Field, Value};
use crate::domain::id::{Object, RecordRef, RemoteId};
use crate::domain::plan::Effect;
use crate::http::Method;
use crate::http::limiter::{Budget, Lane};

impl Push<'_> {
    /// Makes the contact of one write, or takes the one that has its address.
    pub(super) async fn create(&mut self, place: usize, lane: Lane) {
        if self.halts([place]) {
            return;
        }
        let Effect::Create { values, owner, not, .. } = &self.writes[place].write.effect else {
            let message = "the lead has no record on this connection".to_owned();
            return self.settle(place, Outcome::Refused { message });
        };
        if !values.iter().any(|(field, _)| *field == Field::Email) {
            let message = "a contact without an e-mail address could be made twice".to_owned();
            return self.settle(place, Outcome::Refused { message });
        }
        let made = match self.hub.create_contact(&self.writes[place], values, owner.as_ref(), lane).await {
            Err(Failure::Conflict(Some(id), _)) if not.iter().any(|of| of.as_str() == id) => {
                let message = format!(
                    "contact {id} has this e-mail address, and a person said that it is somebody else: HubSpot keeps one \
                     contact for each address, so correct the address of one of the two"
                );
                return self.settle(place, Outcome::Refused { message });
            }
            Err(Failure::Conflict(Some(id), _)) => self.adopt(place, &id, owner.as_ref(), lane).await,
            other => other,
        };
        match made {
            Ok(outcome) => self.settle(place, outcome),
            Err(failure) => self.fail([place], failure),
        }
    }

    /// The contact that has the address already is taken, and given the owner if it has none: one that is there was
    /// somebody's choice.
    async fn adopt(
        &mut self,
        place: usize,
        id: &str,
        owner: Option<&RemoteId>,
        lane: Lane,
    ) -> Result<Outcome, Failure> {
        let made = Some(RecordRef::new(&self.hub.settings.id, Object::Person, id));
        let done = Done { made, at: self.hub.api.crm_now(), ..Done::default() };
        let Some(owner) = owner else { return Ok(Outcome::Done(done)) };
        let response = self.hub.look_at(&[id], lane).await?;
        let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
        let Some(found) = decoded.records.iter().find(|record| record.was(id)) else {
            return Ok(Outcome::gone(&self.writes[place].write.effect));
        };
        let seen = Seen::of(found);
        if seen.values().and_then(|values| values.get(OWNER)).is_some_and(|owner| !owner.is_empty()) {
            return Ok(Outcome::Done(done));
        }
        let values = vec![(OWNER.to_owned(), owner.as_str().to_owned())];
        self.was[place] = wanted::replaced(&values, seen.values());
        if let Err(error) = self.keep(&[place]).await {
            return Ok(error.into());
        }
        Ok(match self.hub.patch(id, &values, lane).await? {
            Outcome::Done(_) => Outcome::Done(done),
            other => other,
        })
    }
}

impl HubSpot {
    async fn create_contact(
        &self,
        write: &Addressed,
        values: &[(Field, Value)],
        owner: Option<&RemoteId>,
        lane: Lane,
    ) -> Result<Outcome, Failure> {
        #[derive(Serialize)]
        struct Body<'a> {
            properties: HashMap<&'a str, String>,
        }
        let mut properties: HashMap<&str, String> = HashMap::new();
        for (field, value) in values {
            let property = self.maps.person_fields.iter().find(|(known, _)| known == field);
            if let Some((_, name)) = property.filter(|_| *field != Field::OptedOut && *field != Field::Source) {
                properties.insert(name, value.to_string());
            }
        }
        if let Some(name) = &self.maps.key_property {
            properties.insert(name, write.write.lead.to_string());
        }
        if let Some(owner) = owner {
            properties.insert(OWNER, owner.as_str().to_owned());
        }
        let path = ["crm", "objects", self.api.version(), "contacts"];
        let request = self.api.request(Method::Post, &path, Some(&Body { properties }))?;
        let response = self.api.write(lane, request).await?;
        let record: Record<'_> = wire::whole(&response.body).map_err(Failure::Malformed)?;
        Ok(Outcome::Done(self.made(Object::Person, &record)))
    }

    /// The contact that has the address of a `Create`.
    pub(super) async fn find_created(&self, write: &Addressed) -> Result<Option<Done>, Failure> {
        let Effect::Create { values, not, .. } = &write.write.effect else { return Ok(None) };
        let Some((_, email)) = values.iter().find(|(field, _)| *field == Field::Email) else { return Ok(None) };
        let email = email.to_string();
        let properties = ["email".to_owned()];
        let inputs = vec![Id { id: &email }];
        let body = BatchRead { properties: &properties, with_history: &[], id_property: Some("email"), inputs };
        let path = ["crm", "objects", self.api.version(), "contacts", "batch", "read"];
        let request = self.api.request(Method::Post, &path, Some(&body))?;
        let response = self.api.read(Budget::Burst, Lane::Assign, request).await?;
        let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
        let is_other = |record: &Record<'_>| not.iter().any(|of| of.as_str() == record.id.as_str());
        let found = decoded.records.first().filter(|record| !is_other(record));
        Ok(found.map(|record| self.made(Object::Person, record)))
    }
}
