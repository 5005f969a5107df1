//! HubSpot: contacts, companies, owners, calls, e-mails, meetings and tasks; owner, stage, score, task, note and list as writes.
//!
//! `wire.rs` is their JSON, `settings.rs` what an untouched portal means, `map/` JSON -> observations, `answer.rs` the table of
//! errors, `api.rs` the one road of requests, `streams.rs` reading what changed, `hydrate.rs` records by
//! their ids, `around.rs` what hangs on people, `write/` writing, `describe.rs` the look at a portal. HubSpot
//! knows no idempotency key and no conditional write, so writes look before and compare after.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;

use super::doubt::Doubts;
use super::hook::{Event, Knock, Refusal};
use super::requirement::{Ensured, Making, Requirement};
use super::settings::Settings;
use super::tokens::Vault;
use super::{
    Addressed, Around, Before, BudgetView, Connector, ConnectorError, Cursor, Description, Done, LoggedIn, Outcome,
    Page, Stream, Walked,
};
use crate::domain::id::{ConnectionId, Name, Object, OperationId, RecordRef, RemoteId};
use crate::domain::observation::Observation;
use crate::domain::plan::Ability;
use crate::http::Client;
use crate::http::limiter::{self, Budget, Lane, Limiter, Rate};

mod answer;
mod api;
mod around;
mod describe;
mod ended;
mod ends;
mod ensure;
mod hook;
mod hydrate;
mod list_wire;
mod map;
mod oauth;
mod settings;
mod streams;
mod wire;
mod write;

pub use api::{READS, is_reading};
pub use oauth::{Need, SCOPES, Scope, authorize_url};

/// The signals that an untouched portal shows without a map.
#[must_use]
pub fn signals_known() -> Vec<Name> {
    settings::default_signals().into_iter().map(|map| map.signal).collect()
}

use answer::Failure;
use api::Api;
use hydrate::HISTORY;
use map::Context;
use settings::{Maps, Type};
use streams::{Memory, Read};

/// One portal.
#[derive(Debug)]
pub struct HubSpot {
    settings: Settings,
    maps: Maps,
    streams: Vec<Stream>,
    api: Api,
    users: RwLock<HashMap<String, RemoteId>>,
    own_app: RwLock<Option<String>>,
    memories: Mutex<HashMap<Type, Memory>>,
    lists: Mutex<HashMap<String, String>>,
    doubts: Doubts,
}

/// The stream of the portal's owners.
const OWNERS: &str = "owners";

impl HubSpot {
    /// The portal that `settings` name. Sends nothing yet. `limiter` paces this connection alone; `vault` keeps the tokens of
    /// a login, and is not asked without one.
    #[must_use]
    pub fn new(settings: Settings, client: Client, limiter: Arc<Limiter>, vault: Option<Arc<dyn Vault>>) -> Self {
        let maps = Maps::of(&settings);
        let mut streams = vec![Stream { name: Name::from(OWNERS), object: Object::User, proves: Vec::new() }];
        for kind in
            [Type::Companies, Type::Contacts, Type::Calls, Type::Emails, Type::Meetings, Type::Tasks, Type::Deals]
        {
            streams.push(Stream { name: Name::from(kind.as_str()), object: kind.object(), proves: kind.proves() });
        }
        let api = Api::new(&settings, &maps.version, client, limiter, vault);
        let own_app = settings.own_login.as_ref().map(|id| id.as_str().to_owned());
        let doubts = Doubts::new(settings.late);
        Self {
            settings,
            maps,
            streams,
            api,
            users: RwLock::default(),
            own_app: RwLock::new(own_app),
            memories: Mutex::default(),
            lists: Mutex::default(),
            doubts,
        }
    }

    /// How the limiter of this connection begins: the least that HubSpot gives any account, and search in its own budget at a
    /// pace under its five a second; the headers raise the first. Source: section 8.
    #[must_use]
    pub fn pace(settings: &Settings) -> limiter::Settings {
        limiter::Settings {
            share_percent: u32::from(settings.budget_percent),
            burst: Rate::new(100, Duration::from_secs(10)),
            search: Rate::new(4, Duration::from_secs(1)),
        }
    }

    fn context<'a>(
        &'a self,
        users: &'a HashMap<String, RemoteId>,
        own_app: Option<&'a str>,
        now: Timestamp,
    ) -> Context<'a> {
        Context { connection: &self.settings.id, maps: &self.maps, users, own_app, now }
    }

    fn users(&self) -> RwLockReadGuard<'_, HashMap<String, RemoteId>> {
        self.users.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn_user(&self, user: &str, owner: &str) {
        let is_known = self.users().get(user).is_some_and(|known| known.as_str() == owner);
        if !is_known {
            let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
            users.insert(user.to_owned(), RemoteId::from(owner));
        }
    }

    fn own_app(&self) -> Option<String> {
        self.own_app.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn learn_app(&self, id: &str) {
        *self.own_app.write().unwrap_or_else(PoisonError::into_inner) = Some(id.to_owned());
    }

    fn memories(&self) -> MutexGuard<'_, HashMap<Type, Memory>> {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, what: &str) -> impl FnOnce(Failure) -> ConnectorError {
        let connection = self.settings.id.clone();
        let what = what.to_owned();
        move |failure| failure.reading(&connection, &what)
    }

    async fn read_all(&self, refs: &[RecordRef], now: Timestamp) -> Result<Vec<Observation>, Failure> {
        let mut read = Read { observations: Vec::with_capacity(refs.len()), ..Read::new(Lane::Read) };
        for kind in Type::ALL {
            let ids: Vec<&str> = refs.iter().filter(|of| of.object == kind.object()).map(|of| of.id.as_str()).collect();
            if kind != Type::Contacts {
                self.hydrate(kind, &ids, now, &mut read).await?;
                continue;
            }
            if ids.is_empty() {
                continue;
            }
            let companies = self.associated(kind, Type::Companies, &ids, Lane::Read).await?;
            let companies: HashMap<&str, Vec<RemoteId>> =
                companies.iter().map(|(id, to)| (id.as_str(), to.clone())).collect();
            for chunk in ids.chunks(HISTORY) {
                self.hydrate_chunk(kind, chunk, true, &companies, now, &mut read).await?;
            }
        }
        for of in refs.iter().filter(|of| of.object == Object::User) {
            let request = self.api.get(&["crm", "owners", self.api.version(), of.id.as_str()]);
            let response = self.api.read(Budget::Burst, Lane::Read, request).await?;
            let owner: wire::Owner<'_> = wire::whole(&response.body).map_err(Failure::Malformed)?;
            read.observations.push(map::user(&owner, &self.settings.id, now));
        }
        // Findings of single reads have no page: they hang on the first record.
        if let Some(first) = read.observations.first_mut() {
            first.findings.append(&mut read.findings.0);
        }
        Ok(read.observations)
    }

    /// The CRM's present, as far as an answer has shown it; else the epoch, which changes nothing.
    fn crm_now(&self) -> Timestamp {
        self.api.crm_now().unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

#[async_trait]
impl Connector for HubSpot {
    fn id(&self) -> &ConnectionId {
        &self.settings.id
    }

    fn ability(&self) -> Ability {
        self.maps.ability(&self.settings)
    }

    fn streams(&self) -> &[Stream] {
        &self.streams
    }

    async fn describe(&self) -> Result<Description, ConnectorError> {
        self.look().await.map_err(self.failed("a look at the portal"))
    }

    async fn choices(&self) -> Result<Description, ConnectorError> {
        self.look_at_choices().await.map_err(self.failed("properties of contacts"))
    }

    async fn ensure(&self, requirement: &Requirement, making: Making) -> Result<Option<Ensured>, ConnectorError> {
        self.ensure_one(requirement, making).await.map_err(self.failed("what setup makes"))
    }

    async fn pull(&self, stream: &Stream, after: &Cursor, now: Timestamp) -> Result<Page, ConnectorError> {
        let pulled = match Type::of(stream.object) {
            Some(kind) => self.pull_objects(kind, after, now).await,
            None => self.pull_owners(after, now).await,
        };
        pulled.map_err(self.failed(stream.name.as_str()))
    }

    async fn walk(
        &self,
        stream: &Stream,
        from: Option<&RemoteId>,
        now: Timestamp,
    ) -> Result<Option<Walked>, ConnectorError> {
        match Type::of(stream.object) {
            Some(kind) => self.walk_objects(kind, from, now).await.map_err(self.failed(stream.name.as_str())),
            // Every poll reads the owners whole.
            None => Ok(None),
        }
    }

    fn hear(&self, knock: &Knock) -> Result<Vec<Event>, Refusal> {
        hook::hear(&self.settings, knock)
    }

    async fn read(&self, refs: &[RecordRef]) -> Result<Vec<Observation>, ConnectorError> {
        if self.api.crm_now().is_none() {
            // A record that is gone is dated by the CRM's time, which any answer brings.
            self.api.portal().await.map_err(self.failed("account-info"))?;
        }
        self.read_all(refs, self.crm_now()).await.map_err(self.failed("records by id"))
    }

    fn pages_lack_authors(&self) -> bool {
        true
    }

    fn signs_as(&self) -> Option<String> {
        self.own_app()
    }

    fn recognise(&self, name: &str) {
        if self.own_app().is_none() {
            self.learn_app(name);
        }
    }

    async fn read_around(&self, people: &[RecordRef]) -> Result<Around, ConnectorError> {
        let ids: Vec<&str> = people.iter().filter(|of| of.object == Object::Person).map(|of| of.id.as_str()).collect();
        if ids.is_empty() {
            return Ok(Around::default());
        }
        self.around(&ids, self.crm_now()).await
    }

    async fn push(&self, writes: &[Addressed], before: &dyn Before) -> Vec<(OperationId, Outcome)> {
        self.push_all(writes, before).await
    }

    async fn find_effect(&self, write: &Addressed) -> Result<Option<Done>, ConnectorError> {
        self.find(write).await.map_err(self.failed("the effect of a write"))
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
        let Some((login, client)) = self.api.login() else {
            let message = "auth is a token; write `auth = { oauth = { ... } }` to log in".to_owned();
            return Err(self.failed("a login")(Failure::Refused(message)));
        };
        let tokens = login.log_in(client, code).await.map_err(self.failed("a login"))?;
        let missing = oauth::missing(&tokens.scopes).map(|scope| (scope.name.to_owned(), scope.without.to_owned()));
        Ok(LoggedIn { account: format!("HubSpot portal {}", tokens.account), missing: missing.collect() })
    }
}
