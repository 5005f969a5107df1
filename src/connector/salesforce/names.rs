//! Names that the settings give to what people make in an org: campaigns, their statuses, queues. A name that is not there is told at a look,
//! before anything needs it. Source: the sheet, section 4, Campaign and QueueSobject.

use std::collections::{HashMap, HashSet};

use super::failure::Failure;
use super::soql::{Condition, Id, Literal, Query, Sign};
use super::{Findings, Salesforce, map};
use crate::domain::finding::FindingKind;

impl Salesforce {
    /// Campaigns, statuses and queues that are not there under the names that the settings use.
    pub(super) async fn unnamed(&self) -> Result<Findings, Failure> {
        let mut findings = Vec::new();
        let connection = &self.maps.connection;
        let mut tell = |part: String, text: String| {
            findings.push(map::finding(&self.maps, FindingKind::MissingField, part, text));
        };
        let campaigns = self.campaigns().await?;
        for (track, name) in &self.maps.tracks {
            if !campaigns.contains_key(&key(name)) {
                let text = format!(
                    "there is no campaign {name:?} for the track {track}; make it, let `baton setup {connection} --apply` make it, or name \
                     another in [connections.{connection}.tracks]"
                );
                tell(format!("tracks.{track}"), text);
            }
        }
        let statuses = self.statuses(&campaigns).await?;
        for signal in &self.maps.campaigns {
            let (name, of) = (&signal.campaign, &signal.signal);
            let Some(id) = campaigns.get(&key(name)) else {
                let text = format!(
                    "there is no campaign {name:?}, so nobody shows the signal {of}; name another in [connections.{connection}.signals]"
                );
                tell(format!("signals.{of}"), text);
                continue;
            };
            let known = statuses.get(id);
            for status in &signal.statuses {
                if known.is_none_or(|known| !known.iter().any(|label| key(label) == key(status))) {
                    let said: Vec<String> = known.into_iter().flatten().map(|label| format!("{label:?}")).collect();
                    let text = format!(
                        "members of the campaign {name:?} cannot have the status {status:?}, so it shows no {of}; it has {}",
                        if said.is_empty() { "none".to_owned() } else { said.join(", ") }
                    );
                    tell(format!("signals.{of}"), text);
                }
            }
        }
        if !self.maps.queues.is_empty() {
            let queues = self.queues().await?;
            for (track, name) in self.maps.queues.iter().filter(|(_, name)| !queues.contains(&key(name))) {
                let text = format!(
                    "there is no queue {name:?} that may own leads, for the track {track}; make it in Setup, Queues, with Lead among its \
                     objects, or take `queue` out: then the owner stays"
                );
                tell(format!("tracks.{track}"), text);
            }
        }
        Ok(findings)
    }

    /// The campaigns that the settings name, by their names in small letters: as the org compares them.
    async fn campaigns(&self) -> Result<HashMap<String, Id>, Failure> {
        let tracks = self.maps.tracks.iter().map(|(_, name)| name);
        let names: HashSet<&String> = tracks.chain(self.maps.campaigns.iter().map(|signal| &signal.campaign)).collect();
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let names = names.into_iter().map(|name| Literal::Text(name.clone())).collect();
        let query =
            Query::of("Campaign", &["Id", "Name"]).filter(Condition::In("Name", names)).order("CreatedDate, Id");
        let mut found = HashMap::new();
        for row in self.api.rows(&query, false).await? {
            if let (Some(id), Some(name)) = (row.id("Id"), row.text("Name")) {
                // Of two with one name the older is meant, here as when somebody joins.
                found.entry(key(name)).or_insert(id);
            }
        }
        Ok(found)
    }

    /// The statuses that members of these campaigns can have.
    async fn statuses(&self, campaigns: &HashMap<String, Id>) -> Result<HashMap<Id, Vec<String>>, Failure> {
        let mut statuses: HashMap<Id, Vec<String>> = HashMap::new();
        if self.maps.campaigns.iter().all(|signal| signal.statuses.is_empty()) || campaigns.is_empty() {
            return Ok(statuses);
        }
        let query = Query::of("CampaignMemberStatus", &["Id", "CampaignId", "Label"])
            .filter(Condition::ids("CampaignId", campaigns.values()));
        for row in self.api.rows(&query, false).await? {
            if let (Some(campaign), Some(label)) = (row.id("CampaignId"), row.text("Label")) {
                statuses.entry(campaign).or_default().push(label.to_owned());
            }
        }
        Ok(statuses)
    }

    /// The names of queues that may own leads.
    async fn queues(&self) -> Result<HashSet<String>, Failure> {
        let query = Query::of("QueueSobject", &["Id", "QueueId", "Queue.Name"]).filter(Condition::Is(
            "SobjectType",
            Sign::Equal,
            Literal::Text("Lead".to_owned()),
        ));
        Ok(self.api.rows(&query, false).await?.iter().filter_map(|row| row.text("Queue.Name").map(key)).collect())
    }
}

/// Names are compared without regard to case.
fn key(name: &str) -> String {
    name.trim().to_lowercase()
}
