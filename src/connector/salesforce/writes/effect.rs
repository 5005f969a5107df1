//! Looks: did a write take effect?

use super::super::Salesforce;
use super::super::failure::Failure;
use super::super::read::{Ask, Source};
use super::super::soql::{Condition, Id, Literal, Sign};
use super::create::key;
use super::record::replaced;
use super::{done, target};
use crate::connector::{Addressed, Done};
use crate::domain::field::Field;
use crate::domain::id::Object;
use crate::domain::plan::Effect;

impl Salesforce {
    /// Did this write take effect?
    pub(in crate::connector::salesforce) async fn effect(
        &self,
        addressed: &Addressed,
    ) -> Result<Option<Done>, Failure> {
        let write = &addressed.write;
        if let Effect::Create { values, .. } = &write.effect {
            let email = values.iter().find(|(field, _)| *field == Field::Email).and_then(|(_, value)| value.as_text());
            return self.created(&key(write.lead, write.op), email).await;
        }
        if let Effect::Withdraw { task, .. } = &write.effect {
            let Some(id) = Id::parse(task.id.as_str()) else { return Ok(None) };
            return Ok(self.is_open_task(&id).await?.is_none().then(Done::default));
        }
        let Some(person) = target(addressed) else { return Ok(None) };
        match &write.effect {
            Effect::AddTask { .. } => {
                return Ok(self.task(&person, write.op).await?.map(|id| self.made(Object::Task, id.as_str(), None)));
            }
            Effect::AddNote { .. } => {
                return Ok(self.task(&person, write.op).await?.map(|id| self.made(Object::Note, id.as_str(), None)));
            }
            _ => {}
        }
        let Some(row) = self.look(&person).await?.filter(|row| !row.flag("IsDeleted")) else { return Ok(None) };
        let holds = match &write.effect {
            Effect::SetOwner { owner, expected } => {
                row.text("OwnerId") == Some(owner.as_str()) && !self.is_over(&person, owner, expected.as_ref()).await?
            }
            Effect::SetStage { stage, .. } => self.maps.writes(*stage).is_some_and(|writes| {
                writes.iter().all(|(property, value)| row.text(property) == Some(value.as_str()))
            }),
            Effect::SetScore(points) => replaced(&row, &self.score_values(*points)).is_empty(),
            Effect::SetHandoff(fields) => replaced(&row, &self.handoff_values(fields)).is_empty(),
            Effect::JoinTrack(track) => self.is_on(&person, track).await? == Some(true),
            Effect::LeaveTrack(track) => self.is_on(&person, track).await? == Some(false),
            Effect::Reject(_) => self.is_given_back(&row),
            Effect::Restore { values, .. } => self.is_restored(&person, values).await?,
            Effect::Create { .. } | Effect::AddTask { .. } | Effect::AddNote { .. } | Effect::Withdraw { .. } => false,
        };
        if holds && self.chosen_since(addressed, &person).await?.is_some() {
            // Not as it shall stay, or not ours: the next try settles it.
            return Ok(None);
        }
        Ok(holds.then(|| done(row.time("LastModifiedDate"))))
    }

    /// The lead that a create made: by its key, else the newest by this address that Baton's user made.
    async fn created(&self, key: &str, email: Option<&str>) -> Result<Option<Done>, Failure> {
        let catalogue = self.catalogue().await?;
        if catalogue.is_key("Lead", &self.maps.key) {
            return Ok(self.by_key("Lead", key).await?.map(|id| self.made(Object::Person, id.as_str(), None)));
        }
        let (Some(email), Some(own)) = (email, &catalogue.own) else { return Ok(None) };
        let made = Condition::All(vec![
            Condition::Is("Email", Sign::Equal, Literal::Text(email.to_owned())),
            Condition::Is("CreatedById", Sign::Equal, Literal::Id(own.clone())),
        ]);
        let ask = Ask { filter: Some(made), order: "CreatedDate DESC, Id DESC", limit: Some(1) };
        let rows = self.api.rows(&self.query(Source::Leads, &catalogue, &ask), false).await?;
        let open = rows.first().filter(|row| !row.flag("IsConverted") && !self.is_given_back(row));
        Ok(open.and_then(|row| row.id("Id")).map(|id| self.made(Object::Person, id.as_str(), None)))
    }
}
