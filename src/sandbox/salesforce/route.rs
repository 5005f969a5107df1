//! Paths below `/services/data/vNN.N/`, and the headers that change what a request does. Source: sections 3, 5 and 7.

use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::failure::Failure;
use super::id;
use super::moment;
use super::soql::{self, Scope};
use super::state::{Actor, Cursor, State};

/// The oldest version that answers; those before it are retired. Source: section 3.
const OLDEST: u32 = 31;
const NEWEST: u32 = 67;
/// A cursor lives two days. Source: section 5.
const CURSOR_MS: i64 = 2 * 86_400_000;

/// A request, read.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) uri_bytes: usize,
    pub(super) origin: String,
    pub(super) authorization: Option<String>,
    pub(super) headers: Headers,
    pub(super) body: Vec<u8>,
}

/// The headers that matter.
#[derive(Clone, Debug, Default)]
pub(super) struct Headers {
    pub(super) auto_assign: Option<String>,
    pub(super) duplicates: Option<String>,
    pub(super) query_options: Option<String>,
    pub(super) unmodified_since: Option<String>,
}

impl Headers {
    pub(super) fn of(text: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            auto_assign: text("sforce-auto-assign"),
            duplicates: text("sforce-duplicate-rule-header"),
            query_options: text("sforce-query-options"),
            unmodified_since: text("if-unmodified-since"),
        }
    }

    /// Headers that a part of a Composite brings for itself.
    pub(super) fn of_json(value: Option<&Value>) -> Self {
        let object = value.and_then(Value::as_object).cloned().unwrap_or_default();
        let find = |name: &str| {
            let found = object.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.and_then(|(_, value)| value.as_str().map(str::to_owned))
        };
        Self::of(find)
    }

    fn batch_size(&self) -> usize {
        let text = self.query_options.as_deref().and_then(|text| text.split("batchSize=").nth(1));
        text.and_then(|text| text.trim().parse().ok()).map_or(2000, |size: usize| size.clamp(200, 2000))
    }
}

impl Call {
    /// A part of the query.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The path behind the version, in segments, decoded.
    pub(super) fn segments(&self) -> Vec<String> {
        let rest = self.path.split('/').skip(4);
        let decode = |segment: &str| {
            let pair = format!("x={}", segment.replace('+', "%2B"));
            let decoded = url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned());
            decoded.unwrap_or_default()
        };
        rest.filter(|segment| !segment.is_empty()).map(decode).collect()
    }

    /// `GET query`, `PATCH sobjects/Lead`: without ids.
    pub(super) fn shape(&self) -> String {
        if !self.path.starts_with("/services/data/v") {
            return format!("{} {}", self.method, self.path.trim_start_matches('/'));
        }
        let kept: Vec<String> = self
            .segments()
            .into_iter()
            .take(2)
            .filter(|part| id::full(part).is_none() && !part.contains('-'))
            .collect();
        format!("{} {}", self.method, kept.join("/"))
    }

    /// What faults are placed by.
    pub(super) fn shown(&self) -> String {
        let query: Vec<String> = self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{}?{}", self.path, query.join("&"))
    }

    pub(super) fn is_reading(&self) -> bool {
        let segments = self.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        matches!(
            (self.method.as_str(), parts.as_slice()),
            ("GET", _) | ("POST", ["composite", "sobjects", _]) | (_, ["jobs", "query", ..])
        )
    }

    pub(super) fn json(&self) -> Result<Value, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| Failure::bad_json(format!("Unexpected content: {error}")))
    }

    fn object(&self) -> Result<Map<String, Value>, Failure> {
        match self.json()? {
            Value::Object(map) => Ok(map),
            _ => Err(Failure::bad_json("The value is no object")),
        }
    }
}

impl State {
    pub(super) fn versions(&self) -> Answer {
        let one = |number: u32| json!({"label": format!("Release {number}"), "url": format!("/services/data/v{number}.0"), "version": format!("{number}.0")});
        Answer::json(200, &Value::Array((OLDEST..=NEWEST).map(one).collect()))
    }

    pub(super) fn actor(&self, user: &str, headers: &Headers, ago_ms: i64) -> Actor {
        let is_false = headers.auto_assign.as_deref().is_some_and(|text| text.eq_ignore_ascii_case("false"));
        let allows = headers
            .duplicates
            .as_deref()
            .is_some_and(|text| text.to_ascii_lowercase().replace(' ', "").contains("allowsave=true"));
        Actor { user: user.to_owned(), is_api: true, auto_assign: !is_false, allows_duplicates: allows, ago_ms }
    }

    pub(super) fn api(&mut self, call: &Call, user: &str, ago_ms: i64) -> Answer {
        let version = call.path.split('/').nth(3).unwrap_or_default().to_owned();
        let number = version
            .strip_prefix('v')
            .and_then(|text| text.strip_suffix(".0"))
            .and_then(|text| text.parse::<u32>().ok());
        match number {
            Some(number) if (OLDEST..=NEWEST).contains(&number) => {}
            Some(number) if number < OLDEST => {
                return Failure::new(410, "GONE", "The requested resource is no longer available").into();
            }
            _ => return Failure::not_found().into(),
        }
        self.version = version;
        let actor = self.actor(user, &call.headers, ago_ms);
        self.dispatch(call, &actor).unwrap_or_else(Answer::from)
    }

    pub(super) fn dispatch(&mut self, call: &Call, actor: &Actor) -> Result<Answer, Failure> {
        let segments = call.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let base = format!("/services/data/{}", self.version);
        match (call.method.as_str(), parts.as_slice()) {
            ("GET", []) => {
                let of = |name: &str| format!("{base}/{name}");
                let names = ["sobjects", "query", "queryAll", "limits", "composite", "jobs"];
                Ok(Answer::json(
                    200,
                    &Value::Object(names.iter().map(|name| ((*name).to_owned(), json!(of(name)))).collect()),
                ))
            }
            ("GET", ["limits"]) => {
                let left = self.settings.daily_limit.saturating_sub(self.used_today);
                Ok(Answer::json(
                    200,
                    &json!({
                        "DailyApiRequests": {"Max": self.settings.daily_limit, "Remaining": left},
                        "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000 - self.jobs.len()},
                    }),
                ))
            }
            ("GET", ["sobjects"]) => {
                let hidden = &self.schema.hidden_objects;
                let shown = self.schema.objects.iter().filter(|object| !hidden.contains(&object.name));
                let all: Vec<Value> = shown.map(|object| self.schema.summary(object, &base)).collect();
                Ok(Answer::json(200, &json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": all})))
            }
            ("GET", ["sobjects", name]) => {
                let object = self.schema.object(name).ok_or_else(Failure::not_found)?;
                Ok(Answer::json(200, &json!({"objectDescribe": self.schema.summary(object, &base), "recentItems": []})))
            }
            ("GET", ["sobjects", name, "describe"]) => {
                let object = self.schema.object(name).ok_or_else(Failure::not_found)?;
                let described = self.schema.describe(object, |field| self.choices(&object.name, field));
                Ok(Answer::json(200, &described))
            }
            ("GET", ["sobjects", name, which @ ("deleted" | "updated")]) => self.replicated(name, which, call),
            ("GET", ["query"]) => self.query(call.one("q").unwrap_or_default(), false, &call.headers),
            ("GET", ["queryAll"]) => self.query(call.one("q").unwrap_or_default(), true, &call.headers),
            ("GET", ["query" | "queryAll", locator]) => self.query_more(locator),
            ("POST", ["sobjects", name]) => {
                let id = self.create(actor, name, &call.object()?)?;
                let answer = Answer::json(201, &json!({"id": id, "success": true, "errors": []}));
                Ok(answer.header("location", format!("{base}/sobjects/{name}/{id}")))
            }
            ("GET", ["sobjects", name, id]) => self.row_shown(name, "Id", id, call.one("fields")),
            ("GET", ["sobjects", name, field, value]) => self.row_shown(name, field, value, call.one("fields")),
            ("PATCH", ["sobjects", name, id]) => {
                self.check_unmodified(name, id, call.headers.unmodified_since.as_deref())?;
                self.update(actor, name, id, &call.object()?)?;
                Ok(Answer::empty(204))
            }
            ("PATCH", ["sobjects", name, field, value]) => self.upserted(actor, name, field, value, call),
            ("DELETE", ["sobjects", name, id]) => {
                self.delete(actor, name, id)?;
                Ok(Answer::empty(204))
            }
            (_, ["composite", "sobjects", ..]) => self.collection(call, &parts[2..], actor),
            ("POST", ["composite"]) => self.composite(call, actor),
            ("POST", ["composite", "batch"]) => self.batch(call, actor),
            (_, ["jobs", "query", ..]) => self.job(call, &parts[2..], actor),
            _ => Err(Failure::not_found()),
        }
    }

    fn query(&mut self, text: &str, all: bool, headers: &Headers) -> Result<Answer, Failure> {
        let query = soql::parse(text)?;
        let now = self.now();
        let answered = soql::run(self, &query, Scope { all, now })?;
        if let Some(count) = answered.count {
            return Ok(Answer::json(200, &json!({"totalSize": count, "done": true, "records": []})));
        }
        let batch = if answered.is_wide { 200 } else { headers.batch_size() };
        let batch = self.settings.page_rows.map_or(batch, |rows| batch.min(rows));
        let records = answered.records;
        if records.len() <= batch {
            return Ok(Answer::json(200, &json!({"totalSize": records.len(), "done": true, "records": records})));
        }
        let locator = format!("01gRO{:010}YAA", self.cursors.len() + 1);
        self.cursors.insert(locator.clone(), Cursor { records, batch, made_at: now });
        self.query_more(&format!("{locator}-0"))
    }

    fn query_more(&mut self, locator: &str) -> Result<Answer, Failure> {
        let dead = || Failure::new(400, "INVALID_QUERY_LOCATOR", "invalid query locator");
        let (name, from) = locator.rsplit_once('-').ok_or_else(dead)?;
        let from: usize = from.parse().map_err(|_| dead())?;
        let now = self.now();
        let cursor = self.cursors.get(name).filter(|cursor| now - cursor.made_at < CURSOR_MS).ok_or_else(dead)?;
        let total = cursor.records.len();
        let to = (from + cursor.batch).min(total);
        let records = cursor.records.get(from..to).ok_or_else(dead)?;
        let mut body = json!({"totalSize": total, "done": to == total, "records": records});
        if to < total {
            // The path says `query` for queryAll, too. Source: section 5.
            body["nextRecordsUrl"] = json!(format!("/services/data/{}/query/{name}-{to}", self.version));
        }
        Ok(Answer::json(200, &body))
    }

    fn row_shown(&mut self, name: &str, field: &str, value: &str, fields: Option<&str>) -> Result<Answer, Failure> {
        let id = self.by_key(name, field, value)?.ok_or_else(Failure::not_found)?;
        if !self.is_live(name, &id) {
            return Err(Failure::deleted());
        }
        let fields = fields.map_or_else(|| "FIELDS(ALL)".to_owned(), str::to_owned);
        let query = soql::parse(&format!("SELECT {fields} FROM {name} WHERE Id = '{id}' LIMIT 1"))?;
        let answered = soql::run(self, &query, Scope { all: false, now: self.now() })?;
        answered.records.first().map(|record| Answer::json(200, record)).ok_or_else(Failure::not_found)
    }

    /// The row that a field names: its id, or an external id.
    pub(super) fn by_key(&self, name: &str, field: &str, value: &str) -> Result<Option<String>, Failure> {
        let object = self.schema.object(name).ok_or_else(|| Failure::no_type(name))?;
        if field.eq_ignore_ascii_case("Id") {
            return Ok(id::full(value).filter(|id| self.row(&object.name, id).is_some()));
        }
        let known = self.schema.visible(object, field).filter(|known| known.external_id);
        let known = known.ok_or_else(|| {
            Failure::new(
                404,
                "NOT_FOUND",
                "Provided external ID field does not exist or is not accessible: ".to_owned() + field,
            )
        })?;
        Ok(self.ids_by(&object.name, &known.name, value).into_iter().find(|id| self.is_live(&object.name, id)))
    }

    /// Source: section 7, "Single".
    fn upserted(
        &mut self,
        actor: &Actor,
        name: &str,
        field: &str,
        value: &str,
        call: &Call,
    ) -> Result<Answer, Failure> {
        let values = call.object()?;
        let is_update_only = call.one("updateOnly") == Some("true");
        let (id, is_created) = self.upsert(actor, name, field, value, &values, is_update_only)?;
        let body = json!({"id": id, "success": true, "errors": [], "created": is_created});
        Ok(Answer::json(if is_created { 201 } else { 200 }, &body))
    }

    pub(super) fn upsert(
        &mut self,
        actor: &Actor,
        name: &str,
        field: &str,
        value: &str,
        values: &Map<String, Value>,
        is_update_only: bool,
    ) -> Result<(String, bool), Failure> {
        let mut values = values.clone();
        values.remove(field);
        if let Some(id) = self.by_key(name, field, value)? {
            self.update(actor, name, &id, &values)?;
            return Ok((id, false));
        }
        if is_update_only || field.eq_ignore_ascii_case("Id") {
            return Err(Failure::not_found());
        }
        values.insert(field.to_owned(), json!(value));
        Ok((self.create(actor, name, &values)?, true))
    }

    /// Source: section 7, `If-Unmodified-Since`.
    fn check_unmodified(&self, name: &str, id: &str, since: Option<&str>) -> Result<(), Failure> {
        let Some(since) = since.and_then(|text| jiff::fmt::rfc2822::parse(text).ok()) else { return Ok(()) };
        let id = id::full(id).unwrap_or_default();
        let changed = self.text(name, &id, "LastModifiedDate").and_then(|shown| moment::millisecond(&shown));
        if changed.is_some_and(|changed| changed > since.timestamp().as_millisecond()) {
            let words =
                "One or more conditions given in the request header evaluated to false when tested on the server";
            return Err(Failure::new(412, "PRECONDITION_FAILED", words));
        }
        Ok(())
    }

    /// `deleted` and `updated`. Source: section 6, "Deletes".
    fn replicated(&self, name: &str, which: &str, call: &Call) -> Result<Answer, Failure> {
        let object = self.schema.object(name).ok_or_else(Failure::not_found)?;
        let at = |part: &str| call.one(part).and_then(moment::read).and_then(|shown| moment::millisecond(&shown));
        let bad = |words: &str| Failure::new(400, "INVALID_REPLICATION_DATE", words);
        let (Some(start), Some(end)) = (at("start"), at("end")) else { return Err(bad("start and end are needed")) };
        // Seconds are ignored.
        let (start, end) = (start - start.rem_euclid(60_000), end - end.rem_euclid(60_000));
        if end - start < 60_000 {
            return Err(bad("startDate must be at least one minute greater than endDate"));
        }
        let days = if which == "deleted" { 15 } else { 30 };
        if self.now() - start > days * 86_400_000 {
            return Err(bad("startDate before org replication enabled date"));
        }
        let earliest = self.now() - self.settings.deleted_kept_hours * 3_600_000;
        let is_in = |at: i64| (start..end).contains(&at) && (which != "deleted" || at >= earliest);
        let stamp =
            |row: &super::state::Row| row.get("SystemModstamp").and_then(Value::as_str).and_then(moment::millisecond);
        if which == "updated" {
            let ids: Vec<&Value> = self
                .rows(&object.name)
                .filter(|row| stamp(row).is_some_and(is_in))
                .filter_map(|row| row.get("Id"))
                .collect();
            return Ok(Answer::json(200, &json!({"ids": ids, "latestDateCovered": moment::shown(end)})));
        }
        let mut all: Vec<Value> = self
            .rows(&object.name)
            .filter(|row| row.get("IsDeleted") == Some(&json!(true)) && stamp(row).is_some_and(is_in))
            .map(|row| json!({"id": row.get("Id"), "deletedDate": row.get("SystemModstamp")}))
            .collect();
        let purged = self.purged.iter().filter(|(of, _, at)| *of == object.name && is_in(*at));
        all.extend(purged.map(|(_, id, at)| json!({"id": id, "deletedDate": moment::shown(*at)})));
        Ok(Answer::json(
            200,
            &json!({
                "deletedRecords": all, "earliestDateAvailable": moment::shown(earliest), "latestDateCovered": moment::shown(end),
            }),
        ))
    }
}
