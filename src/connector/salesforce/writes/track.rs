//! A nurture track is a campaign, and who is on it its member; a queue may own them. Source: the sheet, sections 4 and 11, "Recycle to
//! nurture".
//!
//! The queue takes a lead only from its owner of then, and only if its status says that it was given back: whoever was chosen as its owner
//! after that keeps it. The owner is written first: once somebody is on the campaign, the track counts as joined.

use serde_json::json;

use super::super::Salesforce;
use super::super::failure::Failure;
use super::super::settings::STATUS;
use super::super::soql::{Condition, Id, Literal, Query, Sign};
use super::super::wire::Row;
use super::owner::{Looked, Told};
use super::{Order, Person, Step, Stop, done, lane, one, refused};
use crate::connector::{Done, Outcome};
use crate::domain::id::{Name, RemoteId};
use crate::domain::plan::Was;
use crate::http::Method;

/// The code of a second membership. Source: section 9.
const DUPLICATE: &str = "DUPLICATE_VALUE";

impl Salesforce {
    pub(super) async fn join(&self, order: Order<'_>, person: &Person, row: &Row, track: &Name) -> Step<Done> {
        if row.flag("HasOptedOutOfEmail") {
            return Err(refused("the person has opted out of e-mail"));
        }
        let campaign = self.campaign(track).await?;
        if self.member(&campaign, person).await.map_err(Stop::Look)?.is_some() {
            return Ok(done(None));
        }
        self.to_queue(order, person, row, track).await?;
        let on = Was { name: track.clone(), before: None, after: Some(Name::from("on")) };
        let was = order.keep(vec![on]).await?;
        let status = self.default_status(&campaign).await.map_err(Stop::Look)?;
        let mut body = json!({ "CampaignId": campaign.as_str(), member_field(person): person.id.as_str() });
        if let Some(status) = status {
            body["Status"] = json!(status);
        }
        match self.api.write(lane(order.write.lane), Method::Post, &["sobjects", "CampaignMember"], &body, None).await {
            Ok(_) => Ok(Done { was, ..Done::default() }),
            // Somebody was as quick: it is as wanted.
            Err(Failure::Refused { code, .. }) if code == DUPLICATE => Ok(done(None)),
            Err(other) => Err(Stop::Write(other)),
        }
    }

    pub(super) async fn leave(&self, order: Order<'_>, person: &Person, track: &Name) -> Step<Done> {
        let campaign = self.campaign(track).await?;
        let Some(member) = self.member(&campaign, person).await.map_err(Stop::Look)? else { return Ok(done(None)) };
        let off = Was { name: track.clone(), before: Some(Name::from("on")), after: None };
        let was = order.keep(vec![off]).await?;
        let path = ["sobjects", "CampaignMember", member.as_str()];
        self.api.delete(lane(order.write.lane), &path).await.map_err(Stop::Write)?;
        Ok(Done { was, ..Done::default() })
    }

    /// Gives a lead that was given back to the track's queue, if it has one.
    async fn to_queue(&self, order: Order<'_>, person: &Person, row: &Row, track: &Name) -> Step<()> {
        let Some((_, name)) = self.maps.queues.iter().find(|(of, _)| of == track) else { return Ok(()) };
        let has_owner = row.id("OwnerId").is_some_and(|owner| owner.prefix() == "005");
        if person.object() != "Lead" || !has_owner || !self.is_given_back(row) {
            return Ok(());
        }
        if self.was_chosen_since(person).await.map_err(Stop::Look)? {
            return Ok(());
        }
        let Some(queue) = self.queue(name).await.map_err(Stop::Look)? else {
            return Err(refused(&format!(
                "there is no queue {name:?} for leads: make it in Setup, Queues, with Lead among its objects"
            )));
        };
        let values = one("OwnerId", json!(queue.as_str()));
        let sent = self.patch(order.write, person, &values, row.time("LastModifiedDate")).await;
        sent.map_err(Stop::Write)?;
        let queue = RemoteId::from(queue.as_str());
        let told = self.told(person, &Looked::of(row), &queue).await;
        let told = told.map_err(|failure| Stop::Outcome(failure.after_writing()))?;
        if matches!(told, Told::Over { .. }) {
            // Who was chosen in the same moment has it; the campaign takes the person all the same.
            match self.given_way(order.write, person, &told).await {
                Outcome::Superseded { .. } => {}
                other => return Err(other.into()),
            }
        }
        Ok(())
    }

    /// Has a person chosen the lead's owner after it was given back? Where owners are not tracked nobody can say so.
    async fn was_chosen_since(&self, person: &Person) -> Result<bool, Failure> {
        if !self.tells_owners(person).await? {
            return Ok(false);
        }
        let changes = self.changes(std::slice::from_ref(&person.id)).await?;
        let catalogue = self.catalogue().await?;
        let all = changes.get(&person.id).map_or(&[][..], Vec::as_slice);
        let given_back = all.iter().rposition(|change| change.field == STATUS);
        let behind = &all[given_back.map_or(0, |place| place + 1)..];
        let last = behind.iter().rev().find(|change| change.owners().is_some());
        Ok(given_back.is_some()
            && last.is_some_and(|change| match &change.by {
                None => true,
                Some(user) => catalogue.own.as_ref() != Some(user) && !catalogue.robots.contains_key(user),
            }))
    }

    /// A queue that may own leads, by its name. Source: section 4, QueueSobject.
    async fn queue(&self, name: &str) -> Result<Option<Id>, Failure> {
        let queue = Query::of("QueueSobject", &["Id", "QueueId"])
            .filter(Condition::Is("SobjectType", Sign::Equal, Literal::Text("Lead".to_owned())))
            .filter(Condition::Is("Queue.Name", Sign::Equal, Literal::Text(name.to_owned())))
            .limit(1);
        Ok(self.api.rows(&queue, false).await?.first().and_then(|row| row.id("QueueId")))
    }

    /// The campaign of a track, by its name.
    async fn campaign(&self, track: &Name) -> Step<Id> {
        let connection = &self.maps.connection;
        let Some((_, name)) = self.maps.tracks.iter().find(|(known, _)| known == track) else {
            return Err(refused(&format!("track {track} has no campaign in [connections.{connection}.tracks]")));
        };
        let query = Query::of("Campaign", &["Id"])
            .filter(Condition::Is("Name", Sign::Equal, Literal::Text(name.clone())))
            .order("CreatedDate, Id")
            .limit(1);
        let found = self.api.rows(&query, false).await.map_err(Stop::Look)?;
        found.first().and_then(|row| row.id("Id")).ok_or_else(|| {
            refused(&format!("there is no campaign {name:?}: make it, or let `baton setup --apply` make it"))
        })
    }

    async fn member(&self, campaign: &Id, person: &Person) -> Result<Option<Id>, Failure> {
        let query = Query::of("CampaignMember", &["Id"])
            .filter(Condition::Is("CampaignId", Sign::Equal, Literal::Id(campaign.clone())))
            .filter(Condition::Is(member_field(person), Sign::Equal, Literal::Id(person.id.clone())))
            .limit(1);
        Ok(self.api.rows(&query, false).await?.first().and_then(|row| row.id("Id")))
    }

    /// Is the person on a track's campaign? `None`: the track has none.
    pub(super) async fn is_on(&self, person: &Person, track: &Name) -> Result<Option<bool>, Failure> {
        match self.campaign(track).await {
            Ok(campaign) => Ok(Some(self.member(&campaign, person).await?.is_some())),
            Err(Stop::Look(failure) | Stop::Write(failure)) => Err(failure),
            Err(Stop::Outcome(_)) => Ok(None),
        }
    }

    /// The status that members begin with: each campaign has its own. Source: section 4, CampaignMember.
    async fn default_status(&self, campaign: &Id) -> Result<Option<String>, Failure> {
        let query = Query::of("CampaignMemberStatus", &["Id", "Label", "IsDefault"]).filter(Condition::Is(
            "CampaignId",
            Sign::Equal,
            Literal::Id(campaign.clone()),
        ));
        let rows = match self.api.rows(&query, false).await {
            Ok(rows) => rows,
            // The org gives its own default then.
            Err(Failure::Refused { .. }) => return Ok(None),
            Err(other) => return Err(other),
        };
        Ok(rows.iter().find(|row| row.flag("IsDefault")).and_then(|row| row.text("Label")).map(str::to_owned))
    }
}

fn member_field(person: &Person) -> &'static str {
    if person.object() == "Lead" { "LeadId" } else { "ContactId" }
}
