//! Salesforce by REST: leads, contacts and what became of them, accounts, opportunities, tasks and events; owners, statuses, tasks, notes,
//! campaigns.
//!
//! Reading order: [`settings`] (what an untouched org means), `soql` (questions as values), `wire` (its JSON), `map` (wire -> domain),
//! `streams` (how a stream is walked without losing a record), `catalogue` (what the org has), `read` and `members` (records of each object), `pull` (pages,
//! ids, the patrol), `deleted` (what no query shows), `bulk` (a large first load), `look` and `names` (what does not fit), `writes` (effects),
//! `login` (who Baton is), `api` (the road). This module only sends and puts together.
//! "Section n" means the Salesforce fact sheet.
//!
//! **Two records of one person.** Conversion makes a contact of a lead, and the lead can be changed no more (section 1.7). The contact's
//! observation names the lead as one that was merged into it: link, hand-off, owner and clock go on there.
//!
//! **Where Baton's key stands.** In `BatonKey__c`, an external id on Lead and Task that `baton setup` names: with it a create or a task is an
//! upsert, and cannot be made twice whatever answer was lost. Without it each is looked for before it is made again (leads by address,
//! tasks by a mark in their text), and one that the org carries out later than `late` may stand twice.
//!
//! **Who wrote.** Salesforce knows users, not programs: give Baton a user of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use secrecy::SecretString;
use tokio::sync::RwLock;

use self::api::Api;
use self::catalogue::Catalogue;
use self::failure::Failure;
use self::read::Source;
use self::settings::Maps;
use self::soql::Id;
use super::calendars::Calendars;
use super::doubt::Doubts;
use super::requirement::{Ensured, Making, Requirement};
use super::settings::{Auth, Settings};
use super::tokens::Vault;
use super::{
    Addressed, Around, Before, BudgetView, Connector, ConnectorError, Cursor, Description, Done, LoggedIn, Outcome,
    Page, Stream, Walked,
};
use crate::domain::finding::{Checked, Finding, FindingKind};
use crate::domain::id::{ConnectionId, Object, OperationId, RecordRef, RemoteId};
use crate::domain::observation::Observation;
use crate::domain::plan::Ability;
use crate::http::Client;
use crate::http::limiter::{self, Limiter, Rate};

mod api;
mod bulk;
mod catalogue;
mod deleted;
mod ensure;
mod failure;
mod hours;
mod login;
mod look;
mod map;
mod members;
mod names;
mod pages;
mod pull;
mod read;
mod recurrence;
mod settings;
mod soql;
mod streams;
mod wire;
mod writes;

pub use api::{READS, is_reading};
pub use login::authorize_url;

/// A catalogue that lacks something is not read again more often than this.
const CATALOGUE_AGE: Duration = Duration::from_secs(20);

/// One org.
#[derive(Debug)]
pub struct Salesforce {
    maps: Maps,
    streams: Vec<Stream>,
    api: Api,
    catalogue: Arc<RwLock<Option<Arc<Catalogue>>>>,
    doubts: Arc<Doubts>,
    is_login: bool,
}

impl Salesforce {
    /// The connection that `settings` describe; nothing is sent yet. `vault` keeps the tokens of a login.
    #[must_use]
    pub fn new(settings: Settings, client: Client, limiter: Arc<Limiter>, vault: Option<Arc<dyn Vault>>) -> Self {
        let maps = Maps::of(&settings);
        Self {
            streams: settings::streams(&maps),
            maps,
            api: Api::new(&settings, client, limiter, vault),
            catalogue: Arc::default(),
            doubts: Arc::new(Doubts::new(settings.late)),
            is_login: matches!(settings.auth, Auth::Oauth(_)),
        }
    }

    /// How fast an org is asked: there is no limit by the second, but one by the day, which the answers tell. Source: section 8.
    #[must_use]
    pub fn pace(settings: &Settings) -> limiter::Settings {
        let rate = Rate::new(250, Duration::from_secs(10));
        limiter::Settings { share_percent: u32::from(settings.budget_percent), burst: rate, search: rate }
    }

    /// The same connection, asked from what the others leave of the request budget.
    fn on_patrol(&self) -> Self {
        Self {
            maps: self.maps.clone(),
            streams: Vec::new(),
            api: self.api.on_patrol(),
            catalogue: Arc::clone(&self.catalogue),
            doubts: Arc::clone(&self.doubts),
            is_login: self.is_login,
        }
    }

    fn connection(&self) -> &ConnectionId {
        &self.maps.connection
    }

    async fn catalogue(&self) -> Result<Arc<Catalogue>, Failure> {
        if let Some(known) = self.catalogue.read().await.as_ref() {
            return Ok(Arc::clone(known));
        }
        self.refresh(Duration::ZERO).await
    }

    /// Reads the catalogue again unless that was done within `age`.
    async fn refresh(&self, age: Duration) -> Result<Arc<Catalogue>, Failure> {
        let mut held = self.catalogue.write().await;
        if let Some(known) = held.as_ref().filter(|known| known.read_at.elapsed() < age) {
            return Ok(Arc::clone(known));
        }
        let (fresh, _) = Catalogue::read(&self.api).await?;
        let fresh = Arc::new(fresh);
        *held = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    /// The history shows changes of a field: it is tracked.
    async fn learn_history(&self, changes: &HashMap<Id, Vec<map::Change>>) {
        let has = |field: &str| changes.values().flatten().any(|change| change.field == field);
        let (owner, status) = (has("Owner"), has("Status"));
        let mut held = self.catalogue.write().await;
        let Some(known) =
            held.as_ref().filter(|known| (owner && !known.tracks_owner) || (status && !known.tracks_status))
        else {
            return;
        };
        let mut learnt = Catalogue::clone(known);
        learnt.tracks_owner |= owner;
        learnt.tracks_status |= status;
        *held = Some(Arc::new(learnt));
    }

    /// The history says nothing of owners that Baton has written just now: none is kept any more.
    async fn unlearn_owners(&self) {
        let mut held = self.catalogue.write().await;
        if let Some(known) = held.as_ref() {
            let mut learnt = Catalogue::clone(known);
            learnt.owners_untold = true;
            *held = Some(Arc::new(learnt));
        }
    }

    /// A failure in the words of the caller. A column that is not there any more is a reason to look at the org anew.
    async fn failed(&self, failure: Failure, what: &str) -> ConnectorError {
        if matches!(&failure, Failure::Refused { code, .. } if code == "INVALID_FIELD" || code == "INVALID_TYPE") {
            *self.catalogue.write().await = None;
        }
        failure.reading(self.connection(), what)
    }
}

#[async_trait]
impl Connector for Salesforce {
    fn id(&self) -> &ConnectionId {
        self.connection()
    }

    fn ability(&self) -> Ability {
        self.maps.ability()
    }

    fn streams(&self) -> &[Stream] {
        &self.streams
    }

    async fn describe(&self) -> Result<Description, ConnectorError> {
        match self.described().await {
            Ok(description) => Ok(description),
            Err(failure) => Err(self.failed(failure, "describe").await),
        }
    }

    async fn choices(&self) -> Result<Description, ConnectorError> {
        match Catalogue::choices(&self.api).await {
            Ok((statuses, stages)) => Ok(Description {
                findings: self.unmapped(&statuses, &stages),
                checked: self.chosen(),
                ..Description::default()
            }),
            Err(failure) => Err(self.failed(failure, "statuses and stages").await),
        }
    }

    async fn ensure(&self, requirement: &Requirement, making: Making) -> Result<Option<Ensured>, ConnectorError> {
        match self.ensure_one(requirement, making).await {
            Ok(ensured) => Ok(ensured),
            Err(failure) => Err(self.failed(failure, "what setup makes").await),
        }
    }

    async fn calendars(&self, from: Date, to: Date) -> Result<Option<Calendars>, ConnectorError> {
        match self.working_hours(from, to).await {
            Ok(calendars) => Ok(Some(calendars)),
            Err(failure) => Err(self.failed(failure, "business hours and holidays").await),
        }
    }

    async fn pull(&self, stream: &Stream, after: &Cursor, now: Timestamp) -> Result<Page, ConnectorError> {
        match self.pull_one(stream, after, now).await {
            Ok(page) => Ok(page),
            Err(failure) => Err(self.failed(failure, stream.name.as_str()).await),
        }
    }

    async fn walk(
        &self,
        stream: &Stream,
        from: Option<&RemoteId>,
        _: Timestamp,
    ) -> Result<Option<Walked>, ConnectorError> {
        match self.on_patrol().walk_one(stream, from).await {
            Ok(walked) => Ok(walked),
            Err(failure) => Err(self.failed(failure, stream.name.as_str()).await),
        }
    }

    async fn read(&self, refs: &[RecordRef]) -> Result<Vec<Observation>, ConnectorError> {
        match self.read_all(refs).await {
            Ok(observations) => Ok(observations),
            Err(failure) => Err(self.failed(failure, "records by their ids").await),
        }
    }

    async fn read_around(&self, people: &[RecordRef]) -> Result<Around, ConnectorError> {
        let ids = people.iter().filter(|of| of.object == Object::Person).filter_map(|of| Id::parse(of.id.as_str()));
        let ids: Vec<Id> = ids.collect();
        let mut around = Around::default();
        if ids.is_empty() {
            return Ok(around);
        }
        for stream in &self.streams {
            let (read, what) = match stream.name.as_str() {
                "tasks" => (self.activities(Source::Tasks, &ids).await, "tasks of people"),
                "events" => (self.activities(Source::Events, &ids).await, "events of people"),
                // Nobody is accused of a lead that is not there any more, or that is a contact now.
                "leads" => (self.people(&ids).await, "people who are due"),
                _ => continue,
            };
            let read = match read {
                Ok(observations) => Ok(observations),
                Err(failure) => Err(self.failed(failure, what).await),
            };
            around.add(&stream.name, read)?;
        }
        Ok(around)
    }

    fn writes_at_once(&self) -> usize {
        writes::ROWS
    }

    async fn push(&self, writes: &[Addressed], before: &dyn Before) -> Vec<(OperationId, Outcome)> {
        self.push_all(writes, before).await
    }

    async fn find_effect(&self, write: &Addressed) -> Result<Option<Done>, ConnectorError> {
        match self.effect(write).await {
            Ok(found) => Ok(found),
            Err(failure) => Err(self.failed(failure, write.write.effect.as_str()).await),
        }
    }

    fn requests(&self) -> u64 {
        self.api.requests()
    }

    fn spent(&self) -> Option<String> {
        Some(self.api.spent())
    }

    fn recall_spent(&self, earlier: &str, now: Timestamp) {
        self.api.recall_spent(earlier, now);
    }

    fn budgets(&self) -> Vec<BudgetView> {
        self.api.budgets()
    }

    async fn log_in(&self, code: &SecretString) -> Result<LoggedIn, ConnectorError> {
        let (login, client) = self.api.login();
        match login.log_in(client, code).await {
            Ok(session) => {
                let organization = session.organization.as_ref().map_or("an org that is not named", Id::as_str);
                Ok(LoggedIn { account: format!("Salesforce org {organization}"), missing: Vec::new() })
            }
            Err(failure) => Err(failure.reading(self.connection(), "a login")),
        }
    }
}

/// Findings that a look ends, where it does not raise them again.
fn parts(kind: FindingKind, connection: &ConnectionId, names: &[&str]) -> Vec<Checked> {
    names.iter().map(|name| Checked::part(kind, connection, name)).collect()
}

type Findings = Vec<Finding>;
