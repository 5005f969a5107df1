//! Records of each object, mapped one by one, with what hangs on them. One that cannot be read is kept by id, and the rest of its page
//! goes on.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::catalogue::Catalogue;
use super::failure::Failure;
use super::map::{self, Around, Change};
use super::members;
use super::settings::Kind;
use super::soql::{Condition, Id, Literal, Query, Sign};
use super::wire::{Listed, Row};
use super::{CATALOGUE_AGE, Salesforce};
use crate::domain::counted::many;
use crate::domain::finding::{Finding, FindingKind};
use crate::domain::id::{Name, Object, RecordRef};
use crate::domain::observation::{Content, Observation};

const USER: &[&str] = &["Id", "Name", "Username", "Email", "IsActive", "UserType", "SystemModstamp"];
const DEAL: &[&str] = &[
    "Id",
    "IsDeleted",
    "AccountId",
    "Name",
    "StageName",
    "IsClosed",
    "IsWon",
    "Amount",
    "OwnerId",
    "CreatedDate",
    "LastStageChangeDate",
    "SystemModstamp",
];
const TASK: &[&str] = &[
    "Id",
    "IsDeleted",
    "WhoId",
    "OwnerId",
    "Type",
    "TaskSubtype",
    "IsClosed",
    "CompletedDateTime",
    "CreatedById",
    "CreatedDate",
    "LastModifiedById",
    "SystemModstamp",
];
const EVENT: &[&str] = &[
    "Id",
    "IsDeleted",
    "WhoId",
    "OwnerId",
    "StartDateTime",
    "EndDateTime",
    "CreatedById",
    "CreatedDate",
    "LastModifiedById",
    "SystemModstamp",
];
const HISTORY: &[&str] = &["Id", "LeadId", "Field", "OldValue", "NewValue", "CreatedById", "CreatedDate"];
const ROLE: &[&str] = &[
    "Id",
    "ContactId",
    "OpportunityId",
    "SystemModstamp",
    "Opportunity.StageName",
    "Opportunity.IsClosed",
    "Opportunity.IsWon",
    "Opportunity.CreatedDate",
    "Opportunity.LastStageChangeDate",
    "Opportunity.SystemModstamp",
];

/// What a page of an object came to.
pub(super) struct Seen {
    pub(super) listed: Listed,
    pub(super) observations: Vec<Observation>,
    pub(super) findings: Vec<Finding>,
    pub(super) began: Option<Timestamp>,
}

/// What is asked of an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
    pub(super) filter: Option<Condition>,
    pub(super) order: &'static str,
    pub(super) limit: Option<usize>,
}

/// The objects that streams read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    Users,
    Accounts,
    Leads,
    Contacts,
    Deals,
    Tasks,
    Events,
    Members,
}

impl Source {
    /// What a stream reads, by its name.
    pub(super) fn of(stream: &str) -> Option<Self> {
        Some(match stream {
            "users" => Self::Users,
            "accounts" => Self::Accounts,
            "leads" => Self::Leads,
            "contacts" => Self::Contacts,
            "opportunities" => Self::Deals,
            "tasks" => Self::Tasks,
            "events" => Self::Events,
            "members" => Self::Members,
            _ => return None,
        })
    }

    pub(super) fn object(self) -> &'static str {
        match self {
            Self::Users => "User",
            Self::Accounts => "Account",
            Self::Leads => "Lead",
            Self::Contacts => "Contact",
            Self::Deals => "Opportunity",
            Self::Tasks => "Task",
            Self::Events => "Event",
            Self::Members => "CampaignMember",
        }
    }

    pub(super) fn is_of(self) -> Object {
        match self {
            Self::Users => Object::User,
            Self::Accounts => Object::Company,
            Self::Leads | Self::Contacts | Self::Members => Object::Person,
            Self::Deals => Object::Deal,
            Self::Tasks => Object::Call,
            Self::Events => Object::Meeting,
        }
    }
}

impl Salesforce {
    /// The query of a source's rows. Columns that `describe` does not list are left out: they would fail it whole. Source: section 1.9.
    pub(super) fn query(&self, source: Source, catalogue: &Catalogue, ask: &Ask) -> Query {
        let object = source.object();
        let columns: Vec<&str> = match source {
            Source::Users => USER.to_vec(),
            Source::Accounts => catalogue.visible(object, self.maps.properties(Kind::Account)),
            Source::Leads => catalogue.visible(object, self.maps.properties(Kind::Lead)),
            Source::Contacts => catalogue.visible(object, self.maps.properties(Kind::Contact)),
            Source::Deals => catalogue.visible(object, DEAL.iter().copied()),
            Source::Tasks => catalogue.visible(object, TASK.iter().copied()),
            Source::Events => catalogue.visible(object, EVENT.iter().copied()),
            Source::Members => members::COLUMNS.to_vec(),
        };
        let mut query = Query::of(object, &columns).order(ask.order);
        query.filter.extend(ask.filter.clone());
        if source == Source::Events {
            // One child row stands for each who was invited. Source: section 4, Event.
            query = query.filter(Condition::Is("IsChild", Sign::Equal, Literal::Flag(false)));
        }
        if source == Source::Members {
            query = query.filter(self.of_campaigns());
        }
        query.limit = ask.limit;
        query
    }

    /// One page of a source.
    pub(super) async fn seen(&self, source: Source, ask: &Ask) -> Result<Seen, Failure> {
        let mut catalogue = self.catalogue().await?;
        let mut query = self.query(source, &catalogue, ask);
        let mut answer = self.api.page(&query, true).await;
        if matches!(&answer, Err(Failure::Refused { code, .. }) if code == "INVALID_FIELD") {
            // A field may have been hidden or removed since the catalogue was read.
            catalogue = self.refresh(CATALOGUE_AGE).await?;
            let again = self.query(source, &catalogue, ask);
            if again != query {
                query = again;
                answer = self.api.page(&query, true).await;
            }
        }
        let (listed, began) = answer?;
        self.mapped(source, listed, began).await
    }

    /// Rows of a source, whoever read them, as observations.
    pub(super) async fn mapped(
        &self,
        source: Source,
        listed: Listed,
        began: Option<Timestamp>,
    ) -> Result<Seen, Failure> {
        let catalogue = self.catalogue().await?;
        let now = began.unwrap_or_default();
        let connection = &self.maps.connection;
        let mut findings = self.nameless(&listed, source.object());
        let mut observations = match source {
            Source::Users => self.each(&listed, source, |row| map::user(row, connection)),
            Source::Accounts => self.each(&listed, source, |row| map::account(row, &self.maps)),
            Source::Leads => {
                findings.extend(self.missing_fields(&catalogue));
                self.leads(&listed).await?
            }
            Source::Contacts => {
                let (around, catalogue) = self.around(&listed.rows).await?;
                self.each(&listed, source, |row| map::contact(row, &around, &self.maps, &catalogue))
            }
            Source::Deals => self.deals(&listed).await?,
            Source::Tasks => {
                let mut all = self.each(&listed, source, |row| map::task(row, &catalogue, connection));
                all.extend(listed.rows.iter().filter_map(|row| map::task_state(row, connection)));
                all
            }
            Source::Events => self.each(&listed, source, |row| map::event(row, now, &self.maps, &catalogue)),
            Source::Members => self.responders(&listed).await?,
        };
        // Who lives on in another comes after that one.
        observations.sort_by_key(|seen| matches!(seen.content, Content::MergedInto(_) | Content::Gone));
        Ok(Seen { listed, observations, findings, began })
    }

    /// Leads with their history; those that were converted with the contacts they became.
    pub(super) async fn leads(&self, listed: &Listed) -> Result<Vec<Observation>, Failure> {
        let open = listed.rows.iter().filter(|row| !row.flag("IsDeleted") && !row.flag("IsConverted"));
        let ids: Vec<Id> = open.filter_map(|row| row.id("Id")).collect();
        let changes = self.changes(&ids).await?;
        let around = Around { changes, members: self.members("LeadId", &ids).await?, ..Around::default() };
        // The history says itself whether it is kept.
        let catalogue = self.catalogue().await?;
        let mut observations = self.each(listed, Source::Leads, |row| map::lead(row, &around, &self.maps, &catalogue));
        let became: BTreeSet<Id> = listed.rows.iter().filter_map(|row| row.id("ConvertedContactId")).collect();
        let became: Vec<Id> = became.into_iter().collect();
        observations.extend(self.contacts(&became).await?);
        Ok(observations)
    }

    /// Opportunities with the contacts of their roles, whose stage follows from them: a role, or a stage, changes no contact.
    async fn deals(&self, listed: &Listed) -> Result<Vec<Observation>, Failure> {
        let live = listed.rows.iter().filter(|row| !row.flag("IsDeleted"));
        let ids: Vec<Id> = live.filter_map(|row| row.id("Id")).collect();
        let mut people: HashMap<Id, Vec<Id>> = HashMap::new();
        let query = |some: &[Id]| {
            Query::of("OpportunityContactRole", &["Id", "OpportunityId", "ContactId"])
                .filter(Condition::ids("OpportunityId", some))
        };
        for row in self.api.by_ids(query, &ids, false).await? {
            if let (Some(deal), Some(contact)) = (row.id("OpportunityId"), row.id("ContactId")) {
                people.entry(deal).or_default().push(contact);
            }
        }
        let none: &[Id] = &[];
        let mut observations = self.each(listed, Source::Deals, |row| {
            let people = row.id("Id").and_then(|id| people.get(&id)).map_or(none, Vec::as_slice);
            map::deal(row, people, &self.maps)
        });
        let contacts: BTreeSet<Id> = people.into_values().flatten().collect();
        let contacts: Vec<Id> = contacts.into_iter().collect();
        observations.extend(self.contacts(&contacts).await?);
        Ok(observations)
    }

    /// Contacts by their ids.
    pub(super) async fn contacts(&self, ids: &[Id]) -> Result<Vec<Observation>, Failure> {
        let catalogue = self.catalogue().await?;
        let ask = |some: &[Id]| {
            let ask = Ask { filter: Some(Condition::ids("Id", some)), ..Ask::default() };
            self.query(Source::Contacts, &catalogue, &ask)
        };
        let rows = self.api.by_ids(ask, ids, true).await?;
        let (around, catalogue) = self.around(&rows).await?;
        Ok(rows.iter().filter_map(|row| map::contact(row, &around, &self.maps, &catalogue)).collect())
    }

    /// What contacts are read with: the leads that became them with their history, and the opportunities they are in.
    async fn around(&self, rows: &[Row]) -> Result<(Around, std::sync::Arc<Catalogue>), Failure> {
        let catalogue = self.catalogue().await?;
        let live = rows.iter().filter(|row| !row.flag("IsDeleted"));
        let ids: Vec<Id> = live.filter_map(|row| row.id("Id")).collect();
        let mut around = Around::default();
        if ids.is_empty() {
            return Ok((around, catalogue));
        }
        let leads = |some: &[Id]| {
            let ask = Ask { filter: Some(Condition::ids("ConvertedContactId", some)), ..Ask::default() };
            self.query(Source::Leads, &catalogue, &ask)
        };
        let leads = self.api.by_ids(leads, &ids, false).await?;
        let lead_ids: Vec<Id> = leads.iter().filter_map(|row| row.id("Id")).collect();
        around.changes = self.changes(&lead_ids).await?;
        around.members = self.members("ContactId", &ids).await?;
        for lead in leads {
            if let Some(contact) = lead.id("ConvertedContactId") {
                around.leads.entry(contact).or_default().push(lead);
            }
        }
        let roles = |some: &[Id]| Query::of("OpportunityContactRole", ROLE).filter(Condition::ids("ContactId", some));
        if catalogue.has_object("Opportunity") {
            for role in self.api.by_ids(roles, &ids, false).await? {
                if let Some(contact) = role.id("ContactId") {
                    around.roles.entry(contact).or_default().push(role);
                }
            }
        }
        Ok((around, self.catalogue().await?))
    }

    /// The history of leads, oldest first.
    pub(super) async fn changes(&self, ids: &[Id]) -> Result<HashMap<Id, Vec<Change>>, Failure> {
        let changes = self.changes_of(&["Owner", "Status", "leadConverted"], ids).await?;
        self.learn_history(&changes).await;
        Ok(changes)
    }

    /// Who had leads when, oldest first.
    pub(super) async fn owner_changes(&self, ids: &[Id]) -> Result<HashMap<Id, Vec<Change>>, Failure> {
        self.changes_of(&["Owner"], ids).await
    }

    async fn changes_of(&self, fields: &[&str], ids: &[Id]) -> Result<HashMap<Id, Vec<Change>>, Failure> {
        let mut changes: HashMap<Id, Vec<Change>> = HashMap::new();
        if ids.is_empty() || !self.catalogue().await?.has_object("LeadHistory") {
            return Ok(changes);
        }
        let fields: Vec<Literal> = fields.iter().map(|field| Literal::Text((*field).to_owned())).collect();
        let query = |some: &[Id]| {
            Query::of("LeadHistory", HISTORY)
                .filter(Condition::ids("LeadId", some))
                .filter(Condition::In("Field", fields.clone()))
                .order("CreatedDate, Id")
        };
        for change in self.api.by_ids(query, ids, false).await?.iter().filter_map(map::change) {
            changes.entry(change.lead.clone()).or_default().push(change);
        }
        Ok(changes)
    }

    /// Maps each record by itself: one that cannot be read is kept by id, the rest of the page goes on.
    fn each(&self, listed: &Listed, source: Source, map: impl Fn(&Row) -> Option<Observation>) -> Vec<Observation> {
        let read = |row: &Row| {
            map(row)
                .or_else(|| Some(self.undecodable(source, &row.id("Id")?, row.stamp(), "a name or a time is missing")))
        };
        let broken = listed.broken.iter().map(|broken| self.undecodable(source, &broken.id, None, &broken.why));
        listed.rows.iter().filter_map(read).chain(broken).collect()
    }

    fn undecodable(&self, source: Source, id: &Id, at: Option<Timestamp>, why: &str) -> Observation {
        Observation {
            of: RecordRef::new(&self.maps.connection, source.is_of(), id.as_str()),
            modified: at.unwrap_or_default(),
            content: Content::Undecodable(Name::from(why)),
            findings: Vec::new(),
        }
    }

    fn nameless(&self, listed: &Listed, object: &str) -> Vec<Finding> {
        // A member is no record of its own that could be kept by its id.
        let lost = listed.nameless + if object == Source::Members.object() { listed.broken.len() } else { 0 };
        if lost == 0 {
            return Vec::new();
        }
        let text =
            format!("without a readable id or time, and so left out: {} of {object}", many(lost, "record", "records"));
        vec![map::finding(&self.maps, FindingKind::Undecodable, object.to_owned(), text)]
    }
}
