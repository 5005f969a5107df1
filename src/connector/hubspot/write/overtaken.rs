//! An owner that was written late: by a request that was not answered, after a person had chosen somebody else meanwhile.

use super::{Push, Values};
use crate::connector::hubspot::HubSpot;
use crate::connector::hubspot::answer::Failure;
use crate::connector::hubspot::map;
use crate::connector::hubspot::settings::{OWNER, Type};
use crate::connector::hubspot::wire;
use crate::connector::{Done, Outcome};
use crate::domain::id::RemoteId;
use crate::domain::plan::Effect;
use crate::http::limiter::Lane;

/// Can a late effect of this kind have taken something from a person that the CRM would not keep from it itself?
pub(super) fn may_be(effect: &Effect) -> bool {
    matches!(effect, Effect::SetOwner { .. })
}

impl Push<'_> {
    /// Settles an owner that stands there already; a person's, over which it was written, is put back and stands.
    pub(super) async fn heed_overtaken(&mut self, place: usize, lane: Lane) {
        let write = &self.writes[place];
        let Some(of) = &write.record else { return };
        let hub = self.hub;
        let persons = match hub.overtaken(&write.write.effect, &of.id, lane).await {
            Ok(None) => return self.settle(place, Outcome::Done(Done::default())),
            Ok(Some(persons)) => persons,
            Err(failure) => return self.fail_unsent([place], failure),
        };
        let text = persons.as_ref().map_or("", RemoteId::as_str).to_owned();
        let values: Values = vec![(OWNER.to_owned(), text.clone())];
        let sent_at = tokio::time::Instant::now();
        match hub.patch(of.id.as_str(), &values, lane).await {
            Ok(_) => {
                let whose = if text.is_empty() { "nobody".to_owned() } else { format!("owner {text}") };
                self.settle(place, Outcome::Superseded { found: format!("{whose}, chosen before a late answer") });
            }
            Err(failure) => self.fail_sent(&[place], failure, sent_at),
        }
    }
}

impl HubSpot {
    /// The owner whom a person chose between Baton's look and the late effect of its write, if one did: the history has them
    /// right before ours. `Some(None)` = nobody.
    pub(super) async fn overtaken(
        &self,
        effect: &Effect,
        id: &RemoteId,
        lane: Lane,
    ) -> Result<Option<Option<RemoteId>>, Failure> {
        let Effect::SetOwner { owner, expected } = effect else { return Ok(None) };
        let response = self.batch_read(Type::Contacts, &[id.as_str()], true, lane).await?;
        let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
        let Some(record) = decoded.records.iter().find(|record| record.was(id.as_str())) else { return Ok(None) };
        let own_app = self.own_app();
        let users = self.users();
        let context = self.context(&users, own_app.as_deref(), self.crm_now());
        let owners = map::owner_history(record, &context);
        let [.., before, ours] = owners.as_slice() else { return Ok(None) };
        let is_ours = ours.owner.as_ref() == Some(owner) && !ours.by.is_person();
        let is_persons = before.by.is_person() && before.owner != *expected && before.owner != ours.owner;
        Ok((is_ours && is_persons).then(|| before.owner.clone()))
    }
}
