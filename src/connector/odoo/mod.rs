//! Odoo 19 by JSON-2: leads and opportunities, their history, messages and activities; owners, stages, tasks, notes, lost.
//!
//! Reading order: [`settings`] (what an untouched Odoo means), `wire` (its JSON), `map` (wire -> domain), `streams` (how a
//! stream is walked without losing a record), `catalogue` (what numbers refer to), `writes` (effects), `api` (the road).
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

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::RwLock;

use self::api::{Api, Failure};
use self::catalogue::{Catalogue, Named};
use self::map::{Beside, Sent};
use self::settings::Maps;
use self::streams::{PAGE_ROWS, Place, Reach, Shown};
use self::wire::{Listed, Row};
use super::hook::{Event, Knock, Refusal};
use super::requirement::{Ensured, Making, Requirement};
use super::settings::{Hook, Settings};
use super::{
    Addressed, Around, Before, BudgetView, Connector, ConnectorError, Cursor, Description, Done, Outcome, Page, Stream,
    Walked,
};
use crate::domain::finding::{Checked, Finding, FindingKind};
use crate::domain::id::{ConnectionId, Name, Object, OperationId, RecordRef, RemoteId};
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
mod settings;
mod streams;
mod wire;
mod writes;

pub use api::{READING, is_reading};

/// The module of Baton's external ids.
const MODULE: &str = "baton";
/// A catalogue that lacks something is not read again more often than this.
const CATALOGUE_AGE: Duration = Duration::from_secs(20);
/// Tracked changes asked for at once.
const CHANGES_ROWS: usize = 5_000;
/// Messages and activities around people, newest first.
const AROUND_ROWS: usize = 2_000;
/// Message types that may be a touch; the others are logs.
const MESSAGE_TYPES: &[&str] = &["comment", "email", "email_outgoing", "auto_comment", "out_of_office"];

/// One Odoo database.
#[derive(Debug)]
pub struct Odoo {
    maps: Maps,
    streams: Vec<Stream>,
    api: Api,
    catalogue: Arc<RwLock<Option<Arc<Catalogue>>>>,
    hook: Option<Hook>,
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

    async fn users(&self, domain: Vec<Value>, order: &str, limit: usize) -> Result<Seen, Failure> {
        let mut all = vec![json!(["share", "=", false])];
        all.extend(domain);
        let fields = ["name", "login", "email", "active", "write_date"];
        let (listed, began) = self.list("res.users", &query(&all, &fields, order, limit)).await?;
        let observations = self.each(&listed, Object::User, |row| Ok(map::user(row, self.connection())));
        Ok(Seen { findings: self.nameless(&listed, "res.users"), listed, observations, began })
    }

    /// Leads with their history and keys. A mapped field that the CRM lacks is left out and told.
    async fn leads(&self, domain: &[Value], order: &str, limit: usize) -> Result<Seen, Failure> {
        let mut catalogue = self.catalogue().await?;
        let ask = |catalogue: &Catalogue| {
            let known: Vec<&str> =
                self.maps.properties().into_iter().filter(|name| catalogue.fields.contains_key(*name)).collect();
            let worth = catalogue.fields.contains_key(map::WORTH).then_some(map::WORTH);
            let known: Vec<&str> = known.into_iter().chain(worth).collect();
            query(domain, &known, order, limit)
        };
        let mut arguments = ask(&catalogue);
        let mut answer = self.list("crm.lead", &arguments).await;
        if matches!(answer, Err(Failure::Refused(_))) {
            // A field may have been removed since the catalogue was read: 500 with `builtins.ValueError` (seen).
            catalogue = self.refresh(CATALOGUE_AGE).await?;
            let again = ask(&catalogue);
            if again != arguments {
                arguments = again;
                answer = self.list("crm.lead", &arguments).await;
            }
        }
        let (listed, began) = answer?;
        let catalogue = self.catalogue_for(&listed.rows).await?;
        let beside = self.beside(&listed.rows, &catalogue).await?;
        let mut observations = self.each(&listed, Object::Person, |row| match map::misshapen(row, &catalogue.fields) {
            Some(why) => Err(why),
            None => Ok(map::lead(row, &beside, &self.maps, &catalogue)),
        });
        let people: HashMap<&str, &Observation> = observations.iter().map(|seen| (seen.of.id.as_str(), seen)).collect();
        let deals: Vec<Observation> = listed.rows.iter().filter_map(|row| map::deal(row, &people)).collect();
        observations.extend(deals);
        let mut findings = self.missing_fields(&catalogue);
        findings.extend(self.nameless(&listed, "crm.lead"));
        Ok(Seen { listed, observations, findings, began })
    }

    /// What a look at the database ends, where it does not raise it again.
    fn described(&self) -> Vec<Checked> {
        let connection = self.connection();
        let parts = ["version", "access", "tracking", "external ids"];
        let mut checked = parts.map(|part| Checked::part(FindingKind::Connection, connection, part)).to_vec();
        checked.push(Checked::parts(FindingKind::MissingField, connection, ""));
        checked.extend(self.chosen());
        checked
    }

    /// What a look at stages and lost reasons ends, where it does not raise it again.
    fn chosen(&self) -> [Checked; 2] {
        let values = [settings::STAGE, map::LOST_REASON].map(|name| format!("{name}="));
        values.map(|start| Checked::parts(FindingKind::Unmapped, self.connection(), &start))
    }

    /// Stages of the pipeline, past the one that it begins with, and lost reasons that no map knows.
    fn unmapped(&self, stages: &[Named], reasons: &[Named]) -> Vec<Finding> {
        let pipeline = stages.iter().skip(1);
        let strange = pipeline.filter(|stage| self.maps.stage(settings::STAGE, Some(stage.id), &stage.name).is_none());
        let unknown = reasons.iter().filter(|reason| self.maps.reason(&reason.name).is_none());
        strange
            .map(|stage| map::unmapped_stage(&self.maps, &stage.name))
            .chain(unknown.map(|reason| map::unmapped_reason(&self.maps, &reason.name)))
            .collect()
    }

    fn missing_fields(&self, catalogue: &Catalogue) -> Vec<Finding> {
        let missing = self.maps.properties().into_iter().filter(|name| !catalogue.fields.contains_key(*name));
        missing
            .map(|name| {
                let text =
                    format!("crm.lead has no field {name}; map another under [connections.{}]", self.connection());
                map::finding(&self.maps, FindingKind::MissingField, name.to_owned(), text)
            })
            .collect()
    }

    async fn beside(&self, rows: &[Row], catalogue: &Catalogue) -> Result<Beside, Failure> {
        let ids: Vec<i64> = rows.iter().filter_map(Row::id).collect();
        if ids.is_empty() {
            return Ok(Beside::default());
        }
        Ok(Beside { changes: self.changes(&ids, catalogue).await?, keys: self.keys(&ids, catalogue).await? })
    }

    async fn changes(&self, ids: &[i64], catalogue: &Catalogue) -> Result<HashMap<i64, Vec<map::Change>>, Failure> {
        let Some(tracked) = &catalogue.tracked else { return Ok(HashMap::new()) };
        let fields: Vec<i64> = tracked.keys().copied().collect();
        let mut rows = Vec::new();
        loop {
            let after = rows.last().and_then(Row::id).unwrap_or_default();
            let domain = [
                json!(["mail_message_id.model", "=", "crm.lead"]),
                json!(["mail_message_id.res_id", "in", ids]),
                json!(["field_id", "in", fields]),
                json!(["id", ">", after]),
            ];
            let wanted = [
                "field_id",
                "old_value_integer",
                "old_value_char",
                "new_value_integer",
                "new_value_char",
                "mail_message_id",
                "create_uid",
                "create_date",
            ];
            let page = self.api.rows("mail.tracking.value", &query(&domain, &wanted, "id asc", CHANGES_ROWS)).await?;
            let is_last = page.len() < CHANGES_ROWS;
            rows.extend(page);
            if is_last {
                break;
            }
        }
        let messages: HashSet<i64> = rows.iter().filter_map(|row| row.link_id("mail_message_id")).collect();
        let messages: Vec<i64> = messages.into_iter().collect();
        let mut lead_of = HashMap::new();
        for some in messages.chunks(CHANGES_ROWS) {
            let domain = [json!(["id", "in", some])];
            let page = self.api.rows("mail.message", &query(&domain, &["res_id"], "id asc", CHANGES_ROWS)).await?;
            lead_of.extend(page.iter().filter_map(|row| Some((row.id()?, row.integer("res_id")?))));
        }
        let mut changes: HashMap<i64, Vec<map::Change>> = HashMap::new();
        for change in rows.iter().filter_map(|row| map::change(row, catalogue, &lead_of)) {
            changes.entry(change.lead).or_default().push(change);
        }
        changes.values_mut().for_each(|list| list.sort_by_key(|change| (change.at, change.id)));
        Ok(changes)
    }

    async fn keys(&self, ids: &[i64], catalogue: &Catalogue) -> Result<HashMap<i64, Vec<String>>, Failure> {
        let mut keys: HashMap<i64, Vec<String>> = HashMap::new();
        if catalogue.reads_keys {
            let domain =
                [json!(["module", "=", MODULE]), json!(["model", "=", "crm.lead"]), json!(["res_id", "in", ids])];
            for row in self.api.rows("ir.model.data", &query(&domain, &["name", "res_id"], "id asc", 10_000)).await? {
                if let (Some(lead), Some(name)) = (row.integer("res_id"), row.text("name")) {
                    keys.entry(lead).or_default().push(name.to_owned());
                }
            }
            return Ok(keys);
        }
        // One id a record, which may be somebody else's import; better than none for a key without that right.
        let found: HashMap<String, Value> =
            self.api.value("crm.lead", "get_external_id", &json!({ "ids": ids })).await?;
        for (lead, id) in &found {
            let name = id.as_str().and_then(|id| id.strip_prefix(MODULE)?.strip_prefix('.'));
            if let (Ok(lead), Some(name)) = (lead.parse(), name) {
                keys.entry(lead).or_default().push(name.to_owned());
            }
        }
        Ok(keys)
    }

    async fn messages(&self, domain: Vec<Value>, order: &str, limit: usize) -> Result<Seen, Failure> {
        let mut all = vec![
            json!(["model", "=", "crm.lead"]),
            json!("|"),
            json!(["message_type", "in", MESSAGE_TYPES]),
            json!(["mail_activity_type_id", "!=", false]),
        ];
        all.extend(domain);
        let fields = [
            "date",
            "write_date",
            "res_id",
            "author_id",
            "create_uid",
            "subtype_id",
            "message_type",
            "is_internal",
            "mail_activity_type_id",
            "message_id",
        ];
        let (listed, began) = self.list("mail.message", &query(&all, &fields, order, limit)).await?;
        let catalogue = self.catalogue_for(&listed.rows).await?;
        let sent = self.sent(&listed.rows, &catalogue).await?;
        let none: &[Sent] = &[];
        let touches = listed.rows.iter().filter_map(|row| {
            let sent = row.id().and_then(|id| sent.get(&id)).map_or(none, Vec::as_slice);
            map::message(row, sent, &catalogue, self.connection())
        });
        let merged = listed.rows.iter().filter_map(|row| merges::told(row, self.connection()));
        let observations = merged.chain(touches).chain(self.broken(&listed, Object::Email)).collect();
        Ok(Seen { findings: self.nameless(&listed, "mail.message"), listed, observations, began })
    }

    async fn sent(&self, rows: &[Row], catalogue: &Catalogue) -> Result<HashMap<i64, Vec<Sent>>, Failure> {
        let wanted = rows.iter().filter(|row| map::wants_recipients(row, catalogue));
        let ids: Vec<i64> = wanted.filter_map(Row::id).collect();
        let mut sent: HashMap<i64, Vec<Sent>> = HashMap::new();
        if ids.is_empty() {
            return Ok(sent);
        }
        let domain = [json!(["mail_message_id", "in", ids]), json!(["notification_type", "=", "email"])];
        let fields = ["mail_message_id", "res_partner_id", "notification_status"];
        for row in self.api.rows("mail.notification", &query(&domain, &fields, "id asc", 20_000)).await? {
            let Some(message) = row.link_id("mail_message_id") else { continue };
            let status = row.text("notification_status").unwrap_or_default().to_owned();
            let one = Sent { message, partner: row.link_id("res_partner_id"), status };
            sent.entry(message).or_default().push(one);
        }
        Ok(sent)
    }

    async fn activities(&self, domain: Vec<Value>, order: &str, limit: usize) -> Result<Seen, Failure> {
        let mut all = vec![json!(["res_model", "=", "crm.lead"])];
        all.extend(domain);
        let (listed, began) =
            self.list("mail.activity", &query(&all, &["res_id", "active", "write_date"], order, limit)).await?;
        let observations = self.each(&listed, Object::Task, |row| Ok(map::activity(row, self.connection())));
        Ok(Seen { findings: self.nameless(&listed, "mail.activity"), listed, observations, began })
    }

    /// Maps each record by itself: one that cannot be read is kept by id, the rest of the page goes on.
    fn each(
        &self,
        listed: &Listed,
        object: Object,
        map: impl Fn(&Row) -> Result<Option<Observation>, String>,
    ) -> Vec<Observation> {
        let read = |row: &Row| {
            let missing = || Err("write_date, id or name is missing".to_owned());
            let why = match map(row).and_then(|seen| seen.map_or_else(missing, Ok)) {
                Ok(seen) => return Some(seen),
                Err(why) => why,
            };
            Some(self.undecodable(object, row.id()?, row.time("write_date"), &why))
        };
        listed.rows.iter().filter_map(read).chain(self.broken(listed, object)).collect()
    }

    fn broken(&self, listed: &Listed, object: Object) -> impl Iterator<Item = Observation> {
        listed.broken.iter().map(move |broken| self.undecodable(object, broken.id, broken.at, &broken.why))
    }

    fn undecodable(&self, object: Object, id: i64, at: Option<Timestamp>, why: &str) -> Observation {
        Observation {
            of: RecordRef::new(self.connection(), object, id.to_string()),
            modified: at.unwrap_or_default(),
            content: Content::Undecodable(Name::from(why)),
            findings: Vec::new(),
        }
    }

    fn nameless(&self, listed: &Listed, model: &str) -> Vec<Finding> {
        if listed.nameless == 0 {
            return Vec::new();
        }
        let text = format!("{} records of {model} have no readable id and were left out", listed.nameless);
        vec![map::finding(&self.maps, FindingKind::Undecodable, model.to_owned(), text)]
    }

    async fn seen(&self, object: Object, domain: Vec<Value>, order: &str, limit: usize) -> Result<Seen, Failure> {
        match object {
            Object::User => self.users(domain, order, limit).await,
            Object::Person => self.leads(&domain, order, limit).await,
            Object::Email | Object::Call | Object::Meeting => self.messages(domain, order, limit).await,
            Object::Task => self.activities(domain, order, limit).await,
            Object::Company | Object::Note | Object::Deal => {
                Ok(Seen { listed: Listed::default(), observations: Vec::new(), findings: Vec::new(), began: None })
            }
        }
    }

    /// Which of these ids a search did not show because they are deleted, not because the key may not see them: `read` gives
    /// nothing for a deleted record and 403 for a hidden one (seen).
    async fn gone(&self, model: &str, ids: &[i64]) -> Result<Vec<i64>, Failure> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let left = async |ids: &[i64]| {
            // Asked for the id alone, Odoo does not look: it repeats the ids it was given (seen).
            let arguments = json!({ "ids": ids, "fields": ["write_date"] });
            let rows: Vec<Row> = self.api.value(model, "read", &arguments).await?;
            Ok::<_, Failure>(rows.iter().filter_map(Row::id).collect::<HashSet<i64>>())
        };
        match left(ids).await {
            Ok(left) => Ok(ids.iter().copied().filter(|id| !left.contains(id)).collect()),
            Err(Failure::Refused(_)) => {
                let mut gone = Vec::new();
                for id in ids {
                    match left(&[*id]).await {
                        Ok(left) if left.is_empty() => gone.push(*id),
                        Ok(_) | Err(Failure::Refused(_)) => {}
                        Err(Failure::Missing(_)) => gone.push(*id),
                        Err(other) => return Err(other),
                    }
                }
                Ok(gone)
            }
            Err(other) => Err(other),
        }
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
            account: format!("Odoo {version}, {} stages, {} teams", catalogue.stages.len(), catalogue.teams),
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
        Ok(Some(Walked { observations: seen.observations, findings: seen.findings, objects, next }))
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
