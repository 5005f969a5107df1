//! Odoo 19 by JSON-2: leads and opportunities, their history, messages and activities; owners, stages, tasks, notes, lost.
//!
//! Reading order: [`settings`] (what an untouched Odoo means), `wire` (its JSON), `map` (wire -> domain), `streams` (how a
//! stream is walked without losing a record), `catalogue` (what numbers refer to), `read` (records of each model), `writes` (effects), `api` (the
//! road).
//! This module only sends and puts together.
//!
//! **Where Baton's key stands.** A plain Odoo has no field for it. The key is an *external id* of the `crm.lead`
//! (`ir.model.data`, module `baton`, name `lead_<number>_<operation>`), made by `load` in the same transaction as the record. Of
//! the places that were tried on a real server it is the only one with a unique constraint (a create that is repeated after a
//! lost answer finds its record instead of making a second one), it can be searched, users neither see nor edit it, it
//! survives edits, merges of fields and archiving, and `load` may be used by a salesperson's key too. `referred` and
//! `description` are visible, edited and not unique.
//!
//! **Who wrote.** Odoo knows users, not programs: every change made with the key of user U counts as Baton's own. Give Baton
//! a user of its own, or what that person does by hand is taken for Baton's.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::RwLock;

use self::api::{Api, Failure};
use self::catalogue::Catalogue;
use self::settings::Maps;
use self::streams::{PAGE_ROWS, Place, Reach, Shown};
use self::wire::{Listed, Row};
use super::doubt::Doubts;
use super::hook::{Event, Knock, Refusal};
use super::requirement::{Ensured, Making, Requirement};
use super::settings::{Hook, Settings};
use super::{
    Addressed, Around, Before, BudgetView, Connector, ConnectorError, Cursor, Description, Done, Outcome, Page, Stream,
    Walked,
};
use crate::domain::counted::many;
use crate::domain::finding::{Finding, FindingKind};
use crate::domain::id::{ConnectionId, Object, OperationId, RecordRef, RemoteId};
use crate::domain::observation::{Content, Observation};
use crate::domain::plan::Ability;
use crate::http::Client;
use crate::http::limiter::Limiter;

mod api;
mod catalogue;
mod ensure;
mod hook;
mod map;
mod merges;
mod read;
mod settings;
mod streams;
mod wire;
mod writes;

pub use api::{READING, is_reading};

/// The module of Baton's external ids.
const MODULE: &str = "baton";
/// A catalogue that lacks something is not read again more often than this.
const CATALOGUE_AGE: Duration = Duration::from_secs(20);
/// Messages and activities around people, newest first.
const AROUND_ROWS: usize = 2_000;

/// One Odoo database.
#[derive(Debug)]
pub struct Odoo {
    maps: Maps,
    streams: Vec<Stream>,
    api: Api,
    catalogue: Arc<RwLock<Option<Arc<Catalogue>>>>,
    hook: Option<Hook>,
    doubts: Arc<Doubts>,
}

/// What a stream's page, or a look at records, showed.
struct Seen {
    listed: Listed,
    observations: Vec<Observation>,
    findings: Vec<Finding>,
    began: Option<Timestamp>,
}

impl Odoo {
    /// The connection that `settings` describe; nothing is sent yet.
    #[must_use]
    pub fn new(settings: Settings, client: Client, limiter: Arc<Limiter>) -> Self {
        Self {
            maps: Maps::of(&settings),
            streams: settings::streams(),
            api: Api::new(&settings, client, limiter),
            catalogue: Arc::default(),
            doubts: Arc::new(Doubts::new(settings.late)),
            hook: settings.hook,
        }
    }

    /// The same connection, asked from what the others leave of the request budget.
    fn on_patrol(&self) -> Self {
        Self {
            maps: self.maps.clone(),
            streams: Vec::new(),
            api: self.api.on_patrol(),
            catalogue: Arc::clone(&self.catalogue),
            hook: None,
            doubts: Arc::clone(&self.doubts),
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
        let fresh = Arc::new(Catalogue::read(&self.api).await?);
        *held = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    /// The catalogue, read again if a row names something it lacks.
    async fn catalogue_for(&self, rows: &[Row]) -> Result<Arc<Catalogue>, Failure> {
        let known = self.catalogue().await?;
        if rows.iter().all(|row| known.knows(row)) { Ok(known) } else { self.refresh(CATALOGUE_AGE).await }
    }

    /// Reads records of a model; empty answers cost one request.
    async fn list(&self, model: &str, arguments: &Value) -> Result<(Listed, Option<Timestamp>), Failure> {
        let answer = self.api.ask(model, "search_read", arguments).await?;
        let listed = wire::listed(&answer.body).map_err(|at| Failure::Malformed(format!("{model}: {at}")))?;
        Ok((listed, answer.began))
    }

    fn fail(&self, what: &str) -> impl FnOnce(Failure) -> ConnectorError {
        let (connection, what) = (self.connection().clone(), what.to_owned());
        move |failure| failure.reading(&connection, &what)
    }
}

#[async_trait]
impl Connector for Odoo {
    fn id(&self) -> &ConnectionId {
        self.connection()
    }

    fn ability(&self) -> Ability {
        self.maps.ability()
    }

    fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// An opportunity that sales confirmed is a deal as well; it comes with its lead.
    fn knows_deals(&self) -> bool {
        true
    }

    async fn describe(&self) -> Result<Description, ConnectorError> {
        let version = self.api.version().await.map_err(self.fail("GET /web/version"))?;
        let version = version.text("version").unwrap_or("unknown version").to_owned();
        let catalogue = self.refresh(Duration::ZERO).await.map_err(self.fail("the catalogue"))?;
        let mut findings = self.missing_fields(&catalogue);
        let mut tell = |kind: FindingKind, part: &str, text: String| {
            findings.push(map::finding(&self.maps, kind, part.to_owned(), text));
        };
        if !version.starts_with("19.") && !version.starts_with("saas~19") {
            tell(FindingKind::Connection, "version", format!("Odoo {version}: Baton was tried with Odoo 19.0 only"));
        }
        if !catalogue.sees_all {
            let text = "the key's user sees only some leads: put the user into the sales group \"All Documents\", or leads \
                        and answers of others stay invisible";
            tell(FindingKind::Connection, "access", text.to_owned());
        }
        if catalogue.tracked.is_none() {
            let text = "the key's user may not read the tracking of changes (administrators only): times of stages and owners \
                        are those of first sight, and who changed them is unknown";
            tell(FindingKind::Connection, "tracking", text.to_owned());
        }
        if !catalogue.reads_keys {
            let text = "the key's user may not read external ids (group Access Rights): a record that Baton meets cannot be \
                        marked with its key, and is found by e-mail address alone";
            tell(FindingKind::Connection, "external ids", text.to_owned());
        }
        findings.extend(self.unmapped(&catalogue.stages, &catalogue.reasons));
        findings.extend(self.unwritable(&catalogue));
        Ok(Description {
            account: format!(
                "Odoo {version}, {}, {}",
                many(catalogue.stages.len(), "stage", "stages"),
                many(catalogue.teams, "team", "teams")
            ),
            own_user: Some(RemoteId::from(catalogue.own.to_string())),
            findings,
            checked: self.described(),
        })
    }

    async fn choices(&self) -> Result<Description, ConnectorError> {
        let (stages, reasons) = Catalogue::choices(&self.api).await.map_err(self.fail("stages and lost reasons"))?;
        let findings = self.unmapped(&stages, &reasons);
        Ok(Description { findings, checked: self.chosen().to_vec(), ..Description::default() })
    }

    async fn ensure(&self, requirement: &Requirement, making: Making) -> Result<Option<Ensured>, ConnectorError> {
        self.ensure_one(requirement, making).await.map_err(self.fail("what setup makes"))
    }

    async fn pull(&self, stream: &Stream, after: &Cursor, now: Timestamp) -> Result<Page, ConnectorError> {
        let place = Place::of(after);
        let (domain, order) = place.window();
        let seen = self.seen(stream.object, domain, order, PAGE_ROWS).await.map_err(self.fail(stream.name.as_str()))?;
        let shown = Shown {
            rows: seen.listed.len(),
            limit: PAGE_ROWS,
            last_at: seen.listed.last_at,
            last_id: seen.listed.last_id,
            server: seen.began.unwrap_or(now),
        };
        let reach = Reach { settle: self.maps.settle, overlap: self.maps.overlap };
        let (next, has_more) = place.after(shown, reach);
        Ok(Page {
            observations: seen.observations,
            covered_until: next.covered_until(),
            next: next.cursor(),
            has_more,
            findings: seen.findings,
        })
    }

    async fn walk(
        &self,
        stream: &Stream,
        from: Option<&RemoteId>,
        _: Timestamp,
    ) -> Result<Option<Walked>, ConnectorError> {
        let objects: &'static [Object] = match stream.object {
            Object::User => &[Object::User],
            Object::Person => &[Object::Person],
            // One model holds them all; what a message is only its row says.
            Object::Call | Object::Email | Object::Meeting => &[Object::Call, Object::Email, Object::Meeting],
            // Nothing of activities is kept, and the other kinds have no stream.
            Object::Task | Object::Company | Object::Note | Object::Deal => return Ok(None),
        };
        let from: i64 = from.and_then(|id| id.as_str().parse().ok()).unwrap_or(0);
        let domain = vec![json!(["id", ">=", from])];
        let seen = self.on_patrol().seen(stream.object, domain, "id asc", PAGE_ROWS).await;
        let seen = seen.map_err(self.fail(stream.name.as_str()))?;
        let is_full = seen.listed.len() >= PAGE_ROWS;
        let next = seen.listed.last_id.filter(|_| is_full).map(|last| RemoteId::from((last + 1).to_string()));
        Ok(Some(Walked { observations: seen.observations, findings: seen.findings, objects, span: None, next }))
    }

    fn hear(&self, knock: &Knock) -> Result<Vec<Event>, Refusal> {
        hook::hear(self.connection(), self.hook.as_ref(), knock)
    }

    async fn read(&self, refs: &[RecordRef]) -> Result<Vec<Observation>, ConnectorError> {
        let mut observations = Vec::new();
        for (kinds, model) in [
            (&[Object::User][..], "res.users"),
            (&[Object::Person], "crm.lead"),
            (&[Object::Call, Object::Email, Object::Meeting], "mail.message"),
            (&[Object::Task], "mail.activity"),
        ] {
            let wanted: Vec<&RecordRef> = refs.iter().filter(|of| kinds.contains(&of.object)).collect();
            for some in wanted.chunks(PAGE_ROWS) {
                let ids: Vec<i64> = some.iter().filter_map(|of| of.id.as_str().parse().ok()).collect();
                let domain = vec![json!(["id", "in", ids])];
                let seen = self.seen(kinds[0], domain, "id asc", PAGE_ROWS).await.map_err(self.fail(model))?;
                let shown: HashSet<i64> = seen.listed.ids().collect();
                let hidden: Vec<i64> = ids.into_iter().filter(|id| !shown.contains(id)).collect();
                let at = seen.began.unwrap_or_default();
                if kinds[0] == Object::Person {
                    observations.extend(self.vanished(&hidden, at).await.map_err(self.fail(model))?);
                    observations.extend(seen.observations);
                    continue;
                }
                let gone = self.gone(model, &hidden).await.map_err(self.fail(model))?;
                let is_gone = |of: &&&RecordRef| gone.iter().any(|id| of.id.as_str() == id.to_string());
                observations.extend(some.iter().filter(is_gone).map(|of| Observation {
                    of: (*of).clone(),
                    modified: at,
                    content: Content::Gone,
                    findings: Vec::new(),
                }));
                observations.extend(seen.observations);
            }
        }
        Ok(observations)
    }

    async fn read_around(&self, people: &[RecordRef]) -> Result<Around, ConnectorError> {
        let leads = people.iter().filter(|of| of.object == Object::Person);
        let ids: Vec<i64> = leads.filter_map(|of| of.id.as_str().parse().ok()).collect();
        if ids.is_empty() {
            return Ok(Around::default());
        }
        let mut around = Around::default();
        let mut at = Timestamp::default();
        for stream in self.streams.iter().filter(|stream| matches!(stream.object, Object::Email | Object::Task)) {
            let domain = vec![json!(["res_id", "in", ids])];
            let seen = self.seen(stream.object, domain, "id desc", AROUND_ROWS).await;
            at = at.max(seen.as_ref().ok().and_then(|seen| seen.began).unwrap_or_default());
            let read = seen.map(|seen| seen.observations);
            around.add(&stream.name, read.map_err(self.fail(&format!("{} of leads", stream.name))))?;
        }
        // Nobody is accused of a lead that is not there any more, and no stream shows that one was deleted.
        for stream in self.streams.iter().filter(|stream| stream.object == Object::Person) {
            let vanished = self.vanished(&ids, at).await;
            around.add(&stream.name, vanished.map_err(self.fail("leads that are due")))?;
        }
        Ok(around)
    }

    async fn push(&self, writes: &[Addressed], before: &dyn Before) -> Vec<(OperationId, Outcome)> {
        let mut outcomes = Vec::with_capacity(writes.len());
        for addressed in writes {
            outcomes.push((addressed.write.op, self.apply(addressed, before).await));
        }
        outcomes
    }

    async fn find_effect(&self, write: &Addressed) -> Result<Option<Done>, ConnectorError> {
        self.effect(write).await.map_err(self.fail(write.write.effect.as_str()))
    }

    fn requests(&self) -> u64 {
        self.api.requests()
    }

    /// Odoo Community and Odoo.sh tell of no budget.
    fn budgets(&self) -> Vec<BudgetView> {
        Vec::new()
    }
}

/// The arguments of `search_read`; archived records included: lost leads, done activities, people who left (trap 5).
fn query(domain: &[Value], fields: &[&str], order: &str, limit: usize) -> Value {
    let context = json!({ "active_test": false });
    json!({ "domain": domain, "fields": fields, "order": order, "limit": limit, "context": context })
}
