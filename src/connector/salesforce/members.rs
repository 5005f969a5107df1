//! Members of campaigns that show signals. Source: the sheet, section 4, CampaignMember.

use std::collections::{BTreeSet, HashMap};

use super::Salesforce;
use super::failure::Failure;
use super::read::{Ask, Source};
use super::soql::{Condition, Id, Literal, Query};
use super::wire::{Listed, Row};
use crate::domain::observation::Observation;

/// What is read of a membership.
pub(super) const COLUMNS: &[&str] = &[
    "Id",
    "CampaignId",
    "Campaign.Name",
    "LeadId",
    "ContactId",
    "Status",
    "HasResponded",
    "FirstRespondedDate",
    "CreatedDate",
    "SystemModstamp",
];

impl Salesforce {
    /// The people behind campaign members, whose signals follow from them: a response changes neither lead nor contact.
    pub(super) async fn responders(&self, listed: &Listed) -> Result<Vec<Observation>, Failure> {
        let ids = |column: &str| -> Vec<Id> {
            let ids: BTreeSet<Id> = listed.rows.iter().filter_map(|row| row.id(column)).collect();
            ids.into_iter().collect()
        };
        let catalogue = self.catalogue().await?;
        let ask = |some: &[Id]| {
            let ask = Ask { filter: Some(Condition::ids("Id", some)), ..Ask::default() };
            self.query(Source::Leads, &catalogue, &ask)
        };
        let rows = self.api.by_ids(ask, &ids("LeadId"), true).await?;
        let mut observations = self.leads(&Listed { rows, ..Listed::default() }).await?;
        observations.extend(self.contacts(&ids("ContactId")).await?);
        Ok(observations)
    }

    /// Only members of campaigns that show signals.
    pub(super) fn of_campaigns(&self) -> Condition {
        let names = self.maps.campaigns.iter().map(|signal| Literal::Text(signal.campaign.clone()));
        Condition::In("Campaign.Name", names.collect())
    }

    /// Campaign members by the person in `column`, where campaigns show signals.
    pub(super) async fn members(&self, column: &'static str, ids: &[Id]) -> Result<HashMap<Id, Vec<Row>>, Failure> {
        let mut members: HashMap<Id, Vec<Row>> = HashMap::new();
        if self.maps.campaigns.is_empty() || ids.is_empty() || !self.catalogue().await?.has_object("CampaignMember") {
            return Ok(members);
        }
        let query = |some: &[Id]| {
            Query::of("CampaignMember", COLUMNS).filter(Condition::ids(column, some)).filter(self.of_campaigns())
        };
        for member in self.api.by_ids(query, ids, false).await? {
            if let Some(person) = member.id(column) {
                members.entry(person).or_default().push(member);
            }
        }
        Ok(members)
    }
}
