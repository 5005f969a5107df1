//! sObject Collections and Composite: many rows, or many requests, in one. Source: section 7.

use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::failure::Failure;
use super::id;
use super::route::{Call, Headers};
use super::soql::{self, Scope};
use super::state::{Actor, State};

const ROWS_MAX: usize = 200;
const CHUNKS_MAX: usize = 10;
const READ_MAX: usize = 2000;
const PARTS_MAX: usize = 25;
const QUERIES_MAX: usize = 5;

const ROLLED_BACK: &str =
    "Record rolled back because not all records were valid and the request was using AllOrNone header";

/// What becomes of one row.
type Done = Result<(String, Option<bool>), Failure>;

impl State {
    pub(super) fn collection(&mut self, call: &Call, rest: &[&str], actor: &Actor) -> Result<Answer, Failure> {
        match (call.method.as_str(), rest) {
            ("POST", []) => self.each(call, |state, _, object, values| {
                if values.get("id").or_else(|| values.get("Id")).is_some_and(|id| !id.is_null()) {
                    let words = "cannot specify Id in an insert call";
                    return Err(Failure::new(400, "INVALID_FIELD_FOR_INSERT_UPDATE", words).with_fields(&["Id"]));
                }
                Ok((state.create(actor, object, values)?, None))
            }),
            ("PATCH", []) => self.each(call, |state, id, object, values| {
                let Some(id) = id else {
                    return Err(Failure::new(400, "MISSING_ARGUMENT", "Id not specified in an update call"));
                };
                state.update(actor, object, id, values)?;
                Ok((id::full(id).unwrap_or_default(), None))
            }),
            ("PATCH", [object, field]) => {
                let (object, field) = ((*object).to_owned(), (*field).to_owned());
                self.each(call, move |state, id, of, values| {
                    if !of.eq_ignore_ascii_case(&object) {
                        return Err(Failure::new(400, "INVALID_TYPE", format!("{of} is not {object}")));
                    }
                    let key =
                        if field.eq_ignore_ascii_case("Id") { id } else { values.get(&field).and_then(Value::as_str) };
                    let key = key.unwrap_or_default().to_owned();
                    if key.is_empty() && field.eq_ignore_ascii_case("Id") {
                        return Ok((state.create(actor, of, values)?, Some(true)));
                    }
                    if key.is_empty() {
                        return Err(Failure::new(400, "MISSING_ARGUMENT", format!("{field} not specified")));
                    }
                    let (id, is_created) = state.upsert(actor, of, &field, &key, values, false)?;
                    Ok((id, Some(is_created)))
                })
            }
            ("DELETE", []) => {
                let ids: Vec<String> =
                    call.one("ids").unwrap_or_default().split(',').map(|id| id.trim().to_owned()).collect();
                let rows: Vec<Value> = ids
                    .iter()
                    .map(|id| json!({"attributes": {"type": self.schema.of_id(id).map(|object| object.name.clone())}, "id": id}))
                    .collect();
                let is_whole = call.one("allOrNone") == Some("true");
                self.rows_done(&rows, is_whole, |state, id, object, _| {
                    let id = id.unwrap_or_default();
                    state.delete(actor, object, id)?;
                    Ok((id.to_owned(), None))
                })
            }
            ("POST", [object]) => {
                let body = call.json()?;
                let list = |name: &str| -> Vec<String> {
                    let values = body.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
                    values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
                };
                self.retrieved(object, &list("ids"), &list("fields"))
            }
            ("GET", [object]) => {
                let list = |name: &str| -> Vec<String> {
                    call.one(name).unwrap_or_default().split(',').map(str::to_owned).collect()
                };
                self.retrieved(object, &list("ids"), &list("fields"))
            }
            _ => Err(Failure::not_found()),
        }
    }

    fn each(
        &mut self,
        call: &Call,
        act: impl FnMut(&mut Self, Option<&str>, &str, &Map<String, Value>) -> Done,
    ) -> Result<Answer, Failure> {
        let body = call.json()?;
        let rows = body.get("records").and_then(Value::as_array).cloned();
        let rows = rows.ok_or_else(|| Failure::bad_json("records is no list"))?;
        self.rows_done(&rows, body.get("allOrNone") == Some(&Value::Bool(true)), act)
    }

    /// One result for each row, in their order; the answer is 200 whatever becomes of them.
    fn rows_done(
        &mut self,
        rows: &[Value],
        is_whole: bool,
        mut act: impl FnMut(&mut Self, Option<&str>, &str, &Map<String, Value>) -> Done,
    ) -> Result<Answer, Failure> {
        if rows.len() > ROWS_MAX {
            let words = format!("The number of records exceeds the limit of {ROWS_MAX}");
            return Err(Failure::new(400, "EXCEEDED_ID_LIMIT", words));
        }
        let kinds: Vec<&str> = rows
            .iter()
            .map(|row| row.pointer("/attributes/type").and_then(Value::as_str).unwrap_or_default())
            .collect();
        let chunks = kinds.windows(2).filter(|pair| pair[0] != pair[1]).count() + 1;
        if chunks > CHUNKS_MAX {
            let words = format!("Cannot have more than {CHUNKS_MAX} chunks in a single operation.");
            return Err(Failure::new(400, "LIMIT_EXCEEDED", words));
        }
        let kept = is_whole.then(|| self.snapshot());
        let mut done: Vec<Done> = Vec::new();
        for (row, kind) in rows.iter().zip(kinds) {
            let mut values = row.as_object().cloned().unwrap_or_default();
            let id = values.remove("id").or_else(|| values.remove("Id"));
            let id = id.and_then(|id| id.as_str().map(str::to_owned));
            done.push(match self.faults.rows.pop() {
                Some(code) => Err(Failure::injected(400, Some(&code))),
                None if kind.is_empty() => Err(Failure::new(400, "INVALID_TYPE", "attributes.type is missing")),
                None => act(self, id.as_deref(), kind, &values),
            });
        }
        let has_failed = done.iter().any(Result::is_err);
        if let (true, Some(kept)) = (has_failed, kept) {
            self.restore(kept);
            // A row that was rolled back may still carry an id. Source: section 7.
            for one in &mut done {
                if let Ok((id, _)) = one {
                    let mut failure = Failure::new(400, "ALL_OR_NONE_OPERATION_ROLLED_BACK", ROLLED_BACK);
                    failure.fields = vec![format!("id:{id}")];
                    *one = Err(failure);
                }
            }
        }
        let shown: Vec<Value> = done
            .into_iter()
            .map(|one| match one {
                Ok((id, None)) => json!({"id": id, "success": true, "errors": []}),
                Ok((id, Some(is_created))) => json!({"id": id, "success": true, "errors": [], "created": is_created}),
                Err(mut failure) => {
                    let id = failure.fields.first().and_then(|text| text.strip_prefix("id:")).map(str::to_owned);
                    if id.is_some() {
                        failure.fields.clear();
                    }
                    let mut row = failure.row();
                    if let Some(id) = id {
                        row["id"] = json!(id);
                    }
                    row
                }
            })
            .collect();
        Ok(Answer::json(200, &Value::Array(shown)))
    }

    fn retrieved(&self, object: &str, ids: &[String], fields: &[String]) -> Result<Answer, Failure> {
        if ids.len() > READ_MAX {
            return Err(Failure::new(400, "EXCEEDED_ID_LIMIT", format!("more than {READ_MAX} ids")));
        }
        let query = soql::parse(&format!("SELECT {} FROM {object}", fields.join(",")))?;
        let records = soql::run(self, &query, Scope { all: false, now: self.now() })?.records;
        let name = &self.schema.object(object).ok_or_else(|| Failure::no_type(object))?.name;
        let url = |id: &str| format!("/{name}/{id}");
        let find = |id: &String| {
            let full = id::full(id)?;
            records.iter().find(|record| {
                record
                    .pointer("/attributes/url")
                    .and_then(Value::as_str)
                    .is_some_and(|known| known.ends_with(&url(&full)))
            })
        };
        Ok(Answer::json(200, &json!(ids.iter().map(|id| find(id).cloned()).collect::<Vec<_>>())))
    }

    /// Source: section 7, "Composite".
    pub(super) fn composite(&mut self, call: &Call, actor: &Actor) -> Result<Answer, Failure> {
        let body = call.json()?;
        let parts = body.get("compositeRequest").and_then(Value::as_array).cloned().unwrap_or_default();
        let is_whole = body.get("allOrNone") == Some(&Value::Bool(true));
        if parts.len() > PARTS_MAX {
            let words = format!("Limit of {PARTS_MAX} reached for number of requests");
            return Err(Failure::new(400, "LIMIT_EXCEEDED", words));
        }
        let url = |part: &Value| part.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_heavy = |part: &&Value| ["/query", "/composite/sobjects"].iter().any(|name| url(part).contains(name));
        if parts.iter().filter(is_heavy).count() > QUERIES_MAX {
            return Err(Failure::new(400, "LIMIT_EXCEEDED", format!("more than {QUERIES_MAX} queries or collections")));
        }
        let kept = is_whole.then(|| self.snapshot());
        let mut answers: Vec<(String, Answer)> = Vec::new();
        for part in &parts {
            let reference = part.get("referenceId").and_then(Value::as_str).unwrap_or_default().to_owned();
            let answer = if is_whole && answers.iter().any(|(_, answer)| answer.status >= 400) {
                halted()
            } else {
                self.part(call, part, &answers, actor)
            };
            answers.push((reference, answer));
        }
        if let (true, Some(kept)) = (answers.iter().any(|(_, answer)| answer.status >= 400), kept) {
            self.restore(kept);
            answers.iter_mut().filter(|(_, answer)| answer.status < 400).for_each(|(_, answer)| *answer = halted());
        }
        let shown: Vec<Value> = answers
            .iter()
            .map(|(reference, answer)| {
                let location = answer.headers.iter().find(|(name, _)| *name == "location");
                let headers = location.map_or(json!({}), |(_, value)| json!({"Location": value}));
                json!({"body": answer.value(), "httpHeaders": headers, "httpStatusCode": answer.status, "referenceId": reference})
            })
            .collect();
        Ok(Answer::json(200, &json!({"compositeResponse": shown})))
    }

    fn part(&mut self, outer: &Call, part: &Value, before: &[(String, Answer)], actor: &Actor) -> Answer {
        let mut text = part.to_string();
        for (reference, answer) in before {
            for (name, value) in answer.value().as_object().into_iter().flatten() {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                text = text.replace(&format!("@{{{reference}.{name}}}"), &value);
            }
        }
        if text.contains("@{") {
            let words = "Invalid reference specified. No value for the reference found";
            return Failure::new(400, "PROCESSING_HALTED", words).into();
        }
        let part: Value = serde_json::from_str(&text).unwrap_or_default();
        self.inner(outer, &part, actor, "url")
    }

    /// A request within a request.
    fn inner(&mut self, outer: &Call, part: &Value, actor: &Actor, url_key: &str) -> Answer {
        let url = part.get(url_key).and_then(Value::as_str).unwrap_or_default();
        let url = if url.starts_with('/') { url.to_owned() } else { format!("/services/data/{url}") };
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        let query = url::form_urlencoded::parse(query.as_bytes());
        let body = part.get("body").or_else(|| part.get("richInput")).filter(|body| !body.is_null());
        let headers = Headers::of_json(part.get("httpHeaders"));
        let own = self.actor(&actor.user, &headers, actor.ago_ms);
        // A header of the whole stands for the parts that bring none.
        let actor = Actor {
            auto_assign: if headers.auto_assign.is_some() { own.auto_assign } else { actor.auto_assign },
            allows_duplicates: own.allows_duplicates || actor.allows_duplicates,
            ..own
        };
        let call = Call {
            method: part.get("method").and_then(Value::as_str).unwrap_or_default().to_owned(),
            path: path.to_owned(),
            query: query.map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
            uri_bytes: url.len(),
            origin: outer.origin.clone(),
            authorization: outer.authorization.clone(),
            headers,
            body: body.map(Value::to_string).unwrap_or_default().into_bytes(),
        };
        self.dispatch(&call, &actor).unwrap_or_else(Answer::from)
    }

    /// Source: section 7, "Batch".
    pub(super) fn batch(&mut self, call: &Call, actor: &Actor) -> Result<Answer, Failure> {
        let body = call.json()?;
        let parts = body.get("batchRequests").and_then(Value::as_array).cloned().unwrap_or_default();
        if parts.len() > PARTS_MAX {
            return Err(Failure::new(400, "LIMIT_EXCEEDED", format!("more than {PARTS_MAX} requests")));
        }
        let halts = body.get("haltOnError") == Some(&Value::Bool(true));
        let mut has_errors = false;
        let mut results = Vec::new();
        for part in &parts {
            if has_errors && halts {
                let failure = Failure::new(412, "BATCH_PROCESSING_HALTED", "Batch request was halted");
                results.push(json!({"statusCode": 412, "result": failure.body()}));
                continue;
            }
            let answer = self.inner(call, part, actor, "url");
            has_errors |= answer.status >= 400;
            results.push(json!({"statusCode": answer.status, "result": answer.value()}));
        }
        Ok(Answer::json(200, &json!({"hasErrors": has_errors, "results": results})))
    }
}

fn halted() -> Answer {
    let words = "The transaction was rolled back since another operation in the same transaction failed.";
    Failure::new(400, "PROCESSING_HALTED", words).into()
}
