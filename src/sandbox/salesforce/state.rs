//! Everything the org remembers: tables, sessions, cursors, jobs, and how a row is found.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Settings;
use super::bulk::Job;
use super::faults::FaultState;
use super::id;
use super::ledger::{Effect, RequestCounts};
use super::moment;
use super::schema::{Field, Schema};
use crate::clock::Clock;

/// Values by field; what is absent is null.
pub(super) type Row = BTreeMap<String, Value>;

/// Who acts, and how.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    pub(super) user: String,
    pub(super) is_api: bool,
    /// `Sforce-Auto-Assign`: TRUE where the header is absent. Source: section 1.1.
    pub(super) auto_assign: bool,
    /// `Sforce-Duplicate-Rule-Header: allowSave=true`. Source: section 7.
    pub(super) allows_duplicates: bool,
    /// The transaction began so long ago: its stamps lie in the past.
    pub(super) ago_ms: i64,
}

impl Actor {
    /// Somebody at the org's own screens, where assignment rules are a choice that nobody made.
    pub(super) fn person(user: &str) -> Self {
        Self { user: user.to_owned(), is_api: false, auto_assign: false, allows_duplicates: true, ago_ms: 0 }
    }
}

/// What is left of a query's answer.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    pub(super) records: Vec<Value>,
    pub(super) batch: usize,
    pub(super) made_at: i64,
}

pub(super) struct State {
    pub(super) clock: Clock,
    pub(super) settings: Settings,
    pub(super) schema: Schema,
    tables: BTreeMap<String, BTreeMap<String, Row>>,
    serials: BTreeMap<String, u64>,
    /// The version of the request under way: `v67.0`.
    pub(super) version: String,
    pub(super) organization: String,
    /// Access tokens and whose they are.
    pub(super) sessions: BTreeMap<String, String>,
    /// Refresh tokens: is it good, and of which user?
    pub(super) refreshes: BTreeMap<String, (bool, String)>,
    pub(super) codes: BTreeMap<String, String>,
    pub(super) minted: u64,
    pub(super) cursors: BTreeMap<String, Cursor>,
    pub(super) jobs: BTreeMap<String, Job>,
    pub(super) ledger: Vec<Effect>,
    pub(super) counts: RequestCounts,
    pub(super) faults: FaultState,
    /// Requests that count against the day, other integrations included.
    pub(super) used_today: u64,
    /// Object, id, when: of rows that were purged. Source: section 6, "Deletes".
    pub(super) purged: Vec<(String, String, i64)>,
}

/// The rows as they stood when a transaction began.
pub(super) struct Snapshot {
    tables: BTreeMap<String, BTreeMap<String, Row>>,
    ledger: usize,
}

impl State {
    pub(super) fn new(clock: Clock, settings: Settings) -> Self {
        Self {
            clock,
            settings,
            schema: Schema::load(),
            tables: BTreeMap::new(),
            serials: BTreeMap::new(),
            version: "v67.0".to_owned(),
            organization: id::make("00D", 1),
            sessions: BTreeMap::new(),
            refreshes: BTreeMap::new(),
            codes: BTreeMap::new(),
            minted: 0,
            cursors: BTreeMap::new(),
            jobs: BTreeMap::new(),
            ledger: Vec::new(),
            counts: RequestCounts::default(),
            faults: FaultState::default(),
            used_today: 0,
            purged: Vec::new(),
        }
    }

    /// The present by the org's own clock, in milliseconds.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().as_millisecond() + self.faults.clock_skew_ms
    }

    /// The stamp of a change that `actor` makes now.
    pub(super) fn stamp(&self, actor: &Actor) -> String {
        moment::shown(self.now() - actor.ago_ms)
    }

    pub(super) fn next_id(&mut self, object: &str) -> String {
        let prefix = self.schema.objects.iter().find(|known| known.name == object).map_or("aXX", |known| &known.prefix);
        let prefix = prefix.to_owned();
        let serial = self.serials.entry(object.to_owned()).or_default();
        *serial += 1;
        id::make(&prefix, *serial)
    }

    pub(super) fn rows(&self, object: &str) -> impl Iterator<Item = &Row> {
        self.tables.get(object).into_iter().flat_map(BTreeMap::values)
    }

    pub(super) fn row(&self, object: &str, id: &str) -> Option<&Row> {
        self.tables.get(object)?.get(id)
    }

    pub(super) fn row_mut(&mut self, object: &str, id: &str) -> Option<&mut Row> {
        self.tables.get_mut(object)?.get_mut(id)
    }

    /// The row of an id, whatever object it is of.
    pub(super) fn find(&self, id: &str) -> Option<(&str, &Row)> {
        let object = self.schema.of_id(id)?;
        Some((object.name.as_str(), self.row(&object.name, id)?))
    }

    /// Adds a row as it stands, with what every row has; answers its id.
    pub(super) fn insert(&mut self, object: &str, actor: &Actor, values: Row) -> String {
        let id = self.next_id(object);
        let stamp = self.stamp(actor);
        let mut row = values;
        row.insert("Id".to_owned(), json!(id));
        let has = |name: &str| self.schema.objects.iter().any(|known| known.name == object && known.has(name));
        for (name, value) in [
            ("CreatedDate", &stamp),
            ("CreatedById", &actor.user),
            ("LastModifiedDate", &stamp),
            ("LastModifiedById", &actor.user),
            ("SystemModstamp", &stamp),
        ] {
            if has(name) {
                row.entry(name.to_owned()).or_insert_with(|| json!(value));
            }
        }
        if has("IsDeleted") {
            row.entry("IsDeleted".to_owned()).or_insert(json!(false));
        }
        self.tables.entry(object.to_owned()).or_default().insert(id.clone(), row);
        id
    }

    pub(super) fn remove(&mut self, object: &str, id: &str) -> Option<Row> {
        self.tables.get_mut(object)?.remove(id)
    }

    /// Marks a row as changed by `actor`. A system's change moves the stamp alone. Source: section 6, "Field choice".
    pub(super) fn touch(&mut self, object: &str, id: &str, actor: &Actor) {
        let stamp = self.stamp(actor);
        let user = actor.user.clone();
        if let Some(row) = self.row_mut(object, id) {
            row.insert("LastModifiedDate".to_owned(), json!(stamp));
            row.insert("LastModifiedById".to_owned(), json!(user));
            row.insert("SystemModstamp".to_owned(), json!(stamp));
        }
    }

    pub(super) fn text(&self, object: &str, id: &str, field: &str) -> Option<String> {
        self.row(object, id)?.get(field)?.as_str().map(str::to_owned)
    }

    pub(super) fn flag(&self, object: &str, id: &str, field: &str) -> bool {
        self.row(object, id).and_then(|row| row.get(field)) == Some(&Value::Bool(true))
    }

    pub(super) fn is_live(&self, object: &str, id: &str) -> bool {
        self.row(object, id).is_some() && !self.flag(object, id, "IsDeleted")
    }

    /// Rows of `object` whose `field` is `value`.
    pub(super) fn ids_by(&self, object: &str, field: &str, value: &str) -> Vec<String> {
        let fits =
            |row: &&Row| row.get(field).and_then(Value::as_str).is_some_and(|found| found.eq_ignore_ascii_case(value));
        self.rows(object)
            .filter(fits)
            .filter_map(|row| row.get("Id").and_then(Value::as_str).map(str::to_owned))
            .collect()
    }

    /// The choices of a picklist, from the rows that define them or from the schema's own.
    pub(super) fn choices(&self, object: &str, field: &Field) -> Vec<String> {
        let of_rows = |name: &str| {
            let texts = self.rows(name).filter_map(|row| row.get("MasterLabel").and_then(Value::as_str));
            texts.map(str::to_owned).collect()
        };
        let fixed = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        match (object, field.name.as_str()) {
            ("Lead", "Status") => of_rows("LeadStatus"),
            ("Task", "Status") => of_rows("TaskStatus"),
            ("Opportunity", "StageName") => of_rows("OpportunityStage"),
            ("Task", "Priority") => fixed(&["High", "Normal", "Low"]),
            ("Task", "TaskSubtype") => fixed(&["Task", "Email", "Call", "LinkedIn", "List Email", "Cadence"]),
            (_, "LeadSource") => fixed(&["Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"]),
            (_, "Rating") => fixed(&["Hot", "Warm", "Cold"]),
            _ => Vec::new(),
        }
    }

    pub(super) fn note(&mut self, actor: &Actor, what: &str, object: &str, id: &str, values: &Map<String, Value>) {
        let sequence = self.ledger.len() as u64 + 1;
        let at = Timestamp::from_millisecond(self.clock.now().as_millisecond()).unwrap_or_default();
        self.ledger.push(Effect {
            sequence,
            at,
            user: actor.user.clone(),
            is_api: actor.is_api,
            auto_assign: actor.auto_assign,
            what: what.to_owned(),
            object: object.to_owned(),
            id: id.to_owned(),
            values: Value::Object(values.clone()),
        });
    }

    /// What a transaction that is rolled back returns to.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot { tables: self.tables.clone(), ledger: self.ledger.len() }
    }

    pub(super) fn restore(&mut self, kept: Snapshot) {
        self.tables = kept.tables;
        self.ledger.truncate(kept.ledger);
    }

    /// One more request of the day. Source: section 8.
    pub(super) fn spend(&mut self) -> bool {
        if self.used_today >= self.settings.daily_limit {
            return false;
        }
        self.used_today += 1;
        true
    }
}
