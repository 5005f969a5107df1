//! What the org has: visible fields of each object, choices of status and stage, who Baton is. Read at the start and when something
//! does not fit. Source: the sheet, sections 1.9, 4 and 5, "Describe".

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;

use super::api::Api;
use super::failure::Failure;
use super::soql::{Id, Query};
use super::wire::{self, Row};

/// The objects whose fields are looked at.
pub(super) const OBJECTS: [&str; 8] =
    ["Lead", "Contact", "Account", "Opportunity", "Task", "Event", "CampaignMember", "LeadHistory"];

/// What the org has.
#[derive(Clone, Debug)]
pub(super) struct Catalogue {
    /// Fields by object; an object that the user may not see is missing.
    objects: HashMap<&'static str, HashMap<String, Field>>,
    pub(super) statuses: Vec<LeadStatus>,
    /// The statuses of tasks that mean done, the org's own order.
    pub(super) done: Vec<String>,
    pub(super) stages: Vec<DealStage>,
    pub(super) own: Option<Id>,
    pub(super) organization: Option<Id>,
    /// Users that are no people, by id, with their names.
    pub(super) robots: HashMap<Id, String>,
    /// Do the histories of owner and status show anything? `describe` does not say whether a field is tracked.
    pub(super) tracks_owner: bool,
    pub(super) tracks_status: bool,
    /// A collection of owners found nothing of itself in the history: tracking ended, and what is there is old.
    pub(super) owners_untold: bool,
    pub(super) read_at: Instant,
}

/// A field as this user sees it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Field {
    name: String,
    #[serde(rename = "type", default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) createable: bool,
    #[serde(default)]
    pub(super) updateable: bool,
    #[serde(rename = "externalId", default)]
    pub(super) is_key: bool,
}

/// A status of leads.
#[derive(Clone, Debug)]
pub(super) struct LeadStatus {
    pub(super) name: String,
    /// Reached by conversion alone. Source: section 1.7.
    pub(super) is_converted: bool,
    pub(super) is_default: bool,
}

/// A stage of opportunities.
#[derive(Clone, Debug)]
pub(super) struct DealStage {
    pub(super) name: String,
    pub(super) is_closed: bool,
    pub(super) is_won: bool,
}

#[derive(Deserialize)]
struct Described {
    fields: Vec<Field>,
}

impl Catalogue {
    pub(super) async fn read(api: &Api) -> Result<(Self, Option<Timestamp>), Failure> {
        let session = api.session().await?;
        let mut objects = HashMap::new();
        let mut began = None;
        for object in OBJECTS {
            let answer = match api.get(&["sobjects", object, "describe"], &[]).await {
                Ok(answer) => answer,
                // Hidden from this user.
                Err(Failure::Missing(_)) => continue,
                Err(other) => return Err(other),
            };
            began = answer.began.or(began);
            let described: Described = wire::whole(&answer.response.body)
                .map_err(|at| Failure::Malformed(format!("describe of {object}: {at}")))?;
            let fields = described.fields.into_iter().map(|field| (field.name.clone(), field)).collect();
            objects.insert(object, fields);
        }
        let (statuses, stages) = Self::choices(api).await?;
        let done = Query::of("TaskStatus", &["Id", "ApiName", "IsClosed", "SortOrder"]).order("SortOrder");
        let done = api.rows(&done, false).await?;
        let done = done.iter().filter(|row| row.flag("IsClosed")).filter_map(|row| row.text("ApiName"));
        let robots = Query::of("User", &["Id", "Name", "UserType"]).filter(super::soql::Condition::In(
            "UserType",
            ["AutomatedProcess", "CloudIntegrationUser"]
                .map(|kind| super::soql::Literal::Text(kind.to_owned()))
                .to_vec(),
        ));
        let robots = api.rows(&robots, false).await?;
        let robots = robots.iter().filter_map(|row| Some((row.id("Id")?, row.text("Name")?.to_owned())));
        let (done, robots) = (done.map(str::to_owned).collect(), robots.collect());
        let has_history = objects.contains_key("LeadHistory");
        let catalogue = Self {
            objects,
            statuses,
            done,
            stages,
            own: session.user.clone(),
            organization: session.organization.clone(),
            robots,
            tracks_owner: has_history && Self::is_tracked(api, "Owner").await?,
            tracks_status: has_history && Self::is_tracked(api, "Status").await?,
            owners_untold: false,
            read_at: Instant::now(),
        };
        Ok((catalogue, began))
    }

    /// Statuses of leads and stages of opportunities.
    pub(super) async fn choices(api: &Api) -> Result<(Vec<LeadStatus>, Vec<DealStage>), Failure> {
        let name = |row: &Row| row.text("ApiName").or_else(|| row.text("MasterLabel")).map(str::to_owned);
        let statuses =
            Query::of("LeadStatus", &["Id", "ApiName", "MasterLabel", "IsConverted", "IsDefault", "SortOrder"]);
        let statuses = api.rows(&statuses.order("SortOrder"), false).await?;
        let statuses = statuses.iter().filter_map(|row| {
            let (is_converted, is_default) = (row.flag("IsConverted"), row.flag("IsDefault"));
            Some(LeadStatus { name: name(row)?, is_converted, is_default })
        });
        let stages = Query::of(
            "OpportunityStage",
            &["Id", "ApiName", "MasterLabel", "IsActive", "IsClosed", "IsWon", "SortOrder"],
        );
        let stages = api.rows(&stages.order("SortOrder"), false).await?;
        let stages = stages.iter().filter(|row| row.flag("IsActive")).filter_map(|row| {
            Some(DealStage { name: name(row)?, is_closed: row.flag("IsClosed"), is_won: row.flag("IsWon") })
        });
        Ok((statuses.collect(), stages.collect()))
    }

    /// Has this field of leads any history?
    async fn is_tracked(api: &Api, field: &str) -> Result<bool, Failure> {
        use super::soql::{Condition, Literal, Sign};
        let one = Condition::Is("Field", Sign::Equal, Literal::Text(field.to_owned()));
        let query = Query::of("LeadHistory", &["Id", "CreatedDate"]).filter(one).limit(1);
        Ok(!api.rows(&query, false).await?.is_empty())
    }

    /// A field of an object, as this user sees it.
    pub(super) fn field(&self, object: &str, name: &str) -> Option<&Field> {
        self.objects.get(object)?.get(name)
    }

    pub(super) fn has_object(&self, object: &str) -> bool {
        self.objects.contains_key(object)
    }

    /// Those of `names` that this user sees, each once.
    pub(super) fn visible<'a>(&self, object: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let mut seen = HashSet::new();
        names.into_iter().filter(|name| self.field(object, name).is_some() && seen.insert(*name)).collect()
    }

    /// Can `field` of `object` serve as a key that stands once?
    pub(super) fn is_key(&self, object: &str, field: &str) -> bool {
        self.field(object, field).is_some_and(|field| field.is_key && field.createable)
    }

    /// Is the history of owner and status read at all?
    pub(super) fn has_history(&self) -> bool {
        self.tracks_owner && self.tracks_status
    }
}
