//! Pipedrive: persons with the lead or deal that carries their journey, organizations, activities, users; owner, task, note, labels,
//! lost and archived as writes.
//!
//! Reading order: `settings` (what an untouched company means), `wire` (both APIs' JSON), `answer` (errors), `cost` (tokens of the
//! day), `api` (the road), `catalogue` (what ids and hashes refer to), `book` (all journeys in short), `map` (wire -> domain), `streams`
//! (how a stream is walked), `people`, `authors` and `pull` (reading), `walk` (the patrol), `writes` (effects), `describe`, `ensure`, `hook`, `oauth`.
//! "Section n" means the Pipedrive fact sheet.
//!
//! **What a record is.** Baton's record is the *person*: identity, addresses, fields. How far sales is with them is said by their
//! *current* lead or deal: the newest open one, else the newest. When a lead becomes a deal the record stays the same, and so the
//! hand-off goes on. Owner, task, note and label go to the lead or deal. A lead or deal without a person is nobody's.
//!
//! **Where Baton's key stands.** In `origin_id` of the lead that it makes, which is its maker's to set, once (section 4): it names the
//! lead and the operation. Nothing of the CRM keeps two of them apart (no idempotency keys, section 7), so a create looks before
//! it repeats, and waits before it repeats as long as the first may still come (`connector/doubt.rs`).
//!
//! **Who wrote.** Leads have no history, so nobody is named: every author is unknown, and decisions take that for a person's in doubt.
//! The owner of a deal has one (`authors`), which is asked for where the owner is not the one that Baton wrote. A change that somebody
//! makes between the look and the write of an owner cannot be seen afterwards.
//!
//! **What no feed shows.** Leads that are deleted, converted or archived leave their list in silence (section 1.6). A conversion is
//! seen by its deal, an archived lead by the list of those, hourly; deletions by the patrol, by webhooks, and by the look at
//! whoever is due.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::RwLock;

use super::doubt::Doubts;
use super::hook::{Event, Knock, Refusal};
use super::requirement::{Ensured, Making, Requirement};
use super::settings::{Hook, Settings};
use super::tokens::Vault;
use super::{
    Addressed, Around, Before, BudgetView, Connector, ConnectorError, Cursor, Description, Done, LoggedIn, Outcome,
    Page, Stream, Walked,
};
use crate::domain::id::{ConnectionId, OperationId, RecordRef, RemoteId};
use crate::domain::observation::Observation;
use crate::domain::plan::Ability;
use crate::http::Client;
use crate::http::limiter::{self, Limiter};

mod answer;
mod api;
mod authors;
mod book;
mod catalogue;
mod cost;
mod describe;
mod ensure;
mod hook;
mod map;
mod oauth;
mod people;
mod pull;
mod settings;
mod streams;
mod walk;
mod wire;
mod writes;

pub use api::is_reading;
pub use oauth::{SCOPES, authorize_url};

use answer::Failure;
use api::Api;
use book::Book;
use catalogue::Catalogue;
use settings::Maps;
use streams::Owed;

/// A catalogue that lacks nothing is read again after this: names may have changed.
const CATALOGUE_OLD: Duration = Duration::from_secs(3600);

/// One company account.
#[derive(Clone, Debug)]
pub struct Pipedrive {
    maps: Arc<Maps>,
    account: Option<String>,
    streams: Arc<Vec<Stream>>,
    api: Api,
    catalogue: Arc<RwLock<Option<Arc<Catalogue>>>>,
    book: Arc<Mutex<Book>>,
    /// Ids of stages and labels that no list has: they are not asked for again until an hour has passed.
    strange: Arc<Mutex<HashSet<String>>>,
    /// Held while the book is filled.
    filling: Arc<tokio::sync::Mutex<()>>,
    owed: Arc<Mutex<Owed>>,
    walks: Arc<Mutex<walk::Walks>>,
    hook: Option<Hook>,
    doubts: Arc<Doubts>,
    /// Tells this process' cursors from those of others.
    run: u64,
}

impl Pipedrive {
    /// The account that `settings` describe; nothing is sent yet. `vault` keeps the tokens of a login.
    #[must_use]
    pub fn new(settings: Settings, client: Client, limiter: Arc<Limiter>, vault: Option<Arc<dyn Vault>>) -> Self {
        Self {
            maps: Arc::new(Maps::of(&settings)),
            account: settings.account.clone(),
            streams: Arc::new(settings::streams()),
            api: Api::new(&settings, client, limiter, vault),
            catalogue: Arc::default(),
            book: Arc::default(),
            strange: Arc::default(),
            filling: Arc::default(),
            owed: Arc::default(),
            walks: Arc::default(),
            doubts: Arc::new(Doubts::new(settings.late)),
            hook: settings.hook,
            run: fastrand::u64(1..),
        }
    }

    /// How the limiter of a connection begins.
    #[must_use]
    pub fn pace(settings: &Settings) -> limiter::Settings {
        api::pace(settings)
    }

    /// The same connection, asked from what the others leave of the request budget.
    fn on_patrol(&self) -> Self {
        Self { api: self.api.on_patrol(), ..self.clone() }
    }

    fn connection(&self) -> &ConnectionId {
        &self.maps.connection
    }

    fn strange(&self) -> MutexGuard<'_, HashSet<String>> {
        self.strange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owed(&self) -> MutexGuard<'_, Owed> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn catalogue(&self) -> Result<Arc<Catalogue>, Failure> {
        if let Some(known) =
            self.catalogue.read().await.as_ref().filter(|known| known.read_at.elapsed() < CATALOGUE_OLD)
        {
            return Ok(Arc::clone(known));
        }
        self.strange().clear();
        self.refresh(CATALOGUE_OLD).await
    }

    /// Reads the catalogue again unless that was done within `age`. Of another company than the settings name nothing is read.
    async fn refresh(&self, age: Duration) -> Result<Arc<Catalogue>, Failure> {
        let mut held = self.catalogue.write().await;
        if let Some(known) = held.as_ref().filter(|known| known.read_at.elapsed() < age) {
            return Ok(Arc::clone(known));
        }
        let fresh = Catalogue::read(&self.api).await?;
        if let Some(wanted) = self.account.as_ref().filter(|wanted| !wanted.eq_ignore_ascii_case(&fresh.domain)) {
            let found = &fresh.domain;
            return Err(Failure::Unauthorized(format!(
                "the token belongs to company {found}, but account = \"{wanted}\" is configured; nothing is read or written"
            )));
        }
        let fresh = Arc::new(fresh);
        *held = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    fn fail(&self, what: &str) -> impl FnOnce(Failure) -> ConnectorError {
        let (connection, what) = (self.connection().clone(), what.to_owned());
        move |failure| failure.reading(&connection, &what)
    }

    /// The CRM's present, as far as an answer has shown it; else the epoch, which changes nothing.
    fn crm_now(&self) -> Timestamp {
        self.api.crm_now().unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

#[async_trait]
impl Connector for Pipedrive {
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
        self.look().await.map_err(self.fail("a look at the company"))
    }

    async fn choices(&self) -> Result<Description, ConnectorError> {
        self.look_at_choices().await.map_err(self.fail("stages"))
    }

    async fn ensure(&self, requirement: &Requirement, making: Making) -> Result<Option<Ensured>, ConnectorError> {
        self.ensure_one(requirement, making).await.map_err(self.fail("what setup makes"))
    }

    async fn pull(&self, stream: &Stream, after: &Cursor, now: Timestamp) -> Result<Page, ConnectorError> {
        self.page(stream, after, now).await.map_err(self.fail(stream.name.as_str()))
    }

    async fn walk(
        &self,
        stream: &Stream,
        from: Option<&RemoteId>,
        now: Timestamp,
    ) -> Result<Option<Walked>, ConnectorError> {
        self.on_patrol().walk_on(stream, from, now).await.map_err(self.fail(stream.name.as_str()))
    }

    fn hear(&self, knock: &Knock) -> Result<Vec<Event>, Refusal> {
        hook::hear(self.connection(), self.hook.as_ref(), knock)
    }

    async fn read(&self, refs: &[RecordRef]) -> Result<Vec<Observation>, ConnectorError> {
        self.read_all(refs).await.map_err(self.fail("records by id"))
    }

    fn pages_lack_authors(&self) -> bool {
        true
    }

    async fn read_authors(&self, people: &[RecordRef]) -> Result<Vec<Observation>, ConnectorError> {
        self.read_with_authors(people).await.map_err(self.fail("who changed owners"))
    }

    async fn read_around(&self, people: &[RecordRef]) -> Result<Around, ConnectorError> {
        self.around(people).await
    }

    async fn push(&self, writes: &[Addressed], before: &dyn Before) -> Vec<(OperationId, Outcome)> {
        self.push_all(writes, before).await
    }

    async fn find_effect(&self, write: &Addressed) -> Result<Option<Done>, ConnectorError> {
        self.effect(write).await.map_err(self.fail(write.write.effect.as_str()))
    }

    fn requests(&self) -> u64 {
        self.api.requests()
    }

    fn spent(&self) -> Option<String> {
        Some(self.api.kept())
    }

    fn recall_spent(&self, earlier: &str, _now: Timestamp) {
        self.api.recall_spent(earlier);
    }

    fn budgets(&self) -> Vec<BudgetView> {
        self.api.budgets()
    }

    async fn log_in(&self, code: &SecretString) -> Result<LoggedIn, ConnectorError> {
        let Some((login, client)) = self.api.login() else {
            let message = "auth is a token; write `auth = { oauth = { ... } }` to log in".to_owned();
            return Err(self.fail("a login")(Failure::Refused(message)));
        };
        let tokens = login.log_in(client, code).await.map_err(self.fail("a login"))?;
        let missing = oauth::missing(&tokens.scopes);
        Ok(LoggedIn { account: format!("Pipedrive company {}", tokens.account), missing })
    }
}
