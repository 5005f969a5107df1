//! Every request that Baton makes of the sandbox Pipedrive in these tests, and every answer that the sandbox gives, held against
//! Pipedrive's own OpenAPI files.
//!
//! The files are the vendor's and not in this repository. `BATON_PIPEDRIVE_SPECS` names a folder with `v1.yaml` and `v2.yaml`, from
//! `https://developers.pipedrive.com/docs/api/v1/openapi.yaml` and `.../openapi-v2.yaml`. Without it the exchanges pass unseen, and
//! the test here says so; `BATON_REQUIRE_SPECS=1` makes that a failure. What is found wrong answers the request with 599 and
//! words on standard error, so that the test around it fails.
//!
//! Known gaps of the specifications that are allowed for: properties of answers that may be null in truth and are not declared so;
//! custom fields of leads at the root of a lead; refusals (4xx), of which few are declared, and answers that a fault has spoilt.
#![expect(clippy::panic, clippy::print_stderr, reason = "a test that cannot judge says so and fails loudly")]

use std::path::Path;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use baton::sandbox::pipedrive::Pipedrive;
use serde_json::{Map, Value, json};
use yaml_rust2::{Yaml, YamlLoader};

/// Both files, each by the beginning of its paths.
struct Specs(Vec<(&'static str, Value)>);

fn specs() -> Option<&'static Specs> {
    static SPECS: OnceLock<Option<Specs>> = OnceLock::new();
    SPECS
        .get_or_init(|| {
            let folder = std::env::var("BATON_PIPEDRIVE_SPECS").ok()?;
            let read = |name: &str| {
                let path = Path::new(&folder).join(name);
                let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let parsed = YamlLoader::load_from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
                plain(&parsed[0])
            };
            Some(Specs(vec![("/api/v1", read("v1.yaml")), ("/api/v2", read("v2.yaml"))]))
        })
        .as_ref()
}

fn plain(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Real(text) => text.parse::<f64>().map_or(Value::Null, |number| json!(number)),
        Yaml::Integer(number) => json!(number),
        Yaml::String(text) => json!(text),
        Yaml::Boolean(flag) => json!(flag),
        Yaml::Array(list) => Value::Array(list.iter().map(plain).collect()),
        Yaml::Hash(hash) => {
            let pairs = hash.iter().filter_map(|(key, value)| {
                let key = match key {
                    Yaml::String(text) => text.clone(),
                    Yaml::Integer(number) => number.to_string(),
                    _ => return None,
                };
                Some((key, plain(value)))
            });
            Value::Object(pairs.collect())
        }
        Yaml::Alias(_) | Yaml::Null | Yaml::BadValue => Value::Null,
    }
}

/// The sandbox's API, with everything that goes through it held to the specification, where that is at hand.
pub(crate) fn held_to_the_specification(sandbox: &Pipedrive) -> Router {
    let Some(specs) = specs() else { return sandbox.router() };
    let sandbox = Arc::new(sandbox.clone());
    let router = sandbox.router();
    router.layer(from_fn(move |request: Request, next: Next| {
        let sandbox = Arc::clone(&sandbox);
        async move { judged(specs, &sandbox, request, next).await }
    }))
}

async fn judged(specs: &Specs, sandbox: &Pipedrive, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let sent = to_bytes(body, 16 << 20).await.unwrap();
    let (method, uri) = (parts.method.clone(), parts.uri.clone());
    let struck = sandbox.faults().struck();
    let response = next.run(Request::from_parts(parts, Body::from(sent.clone()))).await;
    let (head, body) = response.into_parts();
    let got = to_bytes(body, 64 << 20).await.unwrap();
    let is_spoilt = sandbox.faults().struck() != struck;
    let mut wrong = request_wrong(specs, &method, uri.path(), uri.query().unwrap_or_default(), &sent);
    if !is_spoilt && head.status.is_success() {
        wrong.extend(answer_wrong(specs, &method, uri.path(), head.status.as_u16(), &got));
    }
    if wrong.is_empty() || !uri.path().starts_with("/api/") {
        return Response::from_parts(head, Body::from(got));
    }
    let told = format!("{method} {uri} is not as specified: {}", wrong.join("; "));
    eprintln!("\n*** {told}\n");
    (axum::http::StatusCode::from_u16(599).unwrap(), told).into_response()
}

/// The operation behind a path, with its document and its shared parameters.
fn operation<'a>(specs: &'a Specs, method: &Method, path: &str) -> Option<(&'a Value, &'a Value, Vec<&'a Value>)> {
    let (rest, document) = specs.0.iter().find_map(|(start, document)| Some((path.strip_prefix(start)?, document)))?;
    let segments: Vec<&str> = rest.split('/').collect();
    let paths = document["paths"].as_object()?;
    let fits = |shape: &str| {
        let wanted: Vec<&str> = shape.split('/').collect();
        wanted.len() == segments.len()
            && wanted.iter().zip(&segments).all(|(wanted, found)| wanted.starts_with('{') || wanted == found)
    };
    // A literal segment goes before a parameter: `/leads/archived` before `/leads/{id}`.
    let (_, item) =
        paths.iter().filter(|(shape, _)| fits(shape)).min_by_key(|(shape, _)| shape.matches('{').count())?;
    let operation = &item[method.as_str().to_lowercase()];
    if operation.is_null() {
        return None;
    }
    let lists = [&operation["parameters"], &item["parameters"]];
    let parameters =
        lists.into_iter().filter_map(Value::as_array).flatten().map(|one| resolved(document, one)).collect();
    Some((document, operation, parameters))
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(place) => resolved(document, document.pointer(place.trim_start_matches('#')).unwrap_or(&Value::Null)),
        None => schema,
    }
}

fn request_wrong(specs: &Specs, method: &Method, path: &str, query: &str, body: &[u8]) -> Vec<String> {
    if path.starts_with("/_sandbox/") || path.starts_with("/oauth/") {
        return Vec::new();
    }
    let Some((document, operation, parameters)) = operation(specs, method, path) else {
        return vec!["no such operation".to_owned()];
    };
    let mut wrong = Vec::new();
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    for (name, value) in &pairs {
        let known = parameters.iter().find(|one| one["in"] == "query" && one["name"] == name.as_str());
        match known {
            None => wrong.push(format!("no query parameter {name}")),
            Some(known) => wrong.extend(query_wrong(document, known, name, value)),
        }
    }
    let lacks = |one: &&&Value| {
        one["in"] == "query" && one["required"] == true && !pairs.iter().any(|(name, _)| one["name"] == name.as_str())
    };
    wrong.extend(parameters.iter().filter(lacks).map(|one| format!("query parameter {} is missing", one["name"])));
    let content = &resolved(document, &operation["requestBody"])["content"]["application/json"]["schema"];
    if !body.is_empty() && *method != Method::DELETE {
        match (serde_json::from_slice::<Value>(body), content.is_null()) {
            (Ok(sent), false) => {
                let mut held = Held { document, is_answer: false, wrong: Vec::new() };
                held.check(content, &sent, "body");
                wrong.extend(held.wrong);
            }
            (Ok(_), true) => wrong.push("a body where none is specified".to_owned()),
            (Err(error), _) => wrong.push(format!("the body is no JSON: {error}")),
        }
    }
    wrong
}

fn query_wrong(document: &Value, parameter: &Value, name: &str, value: &str) -> Option<String> {
    let schema = resolved(document, &parameter["schema"]);
    let fits = match schema["type"].as_str() {
        Some("integer") => value.parse::<i64>().is_ok(),
        Some("number") => value.parse::<f64>().is_ok(),
        Some("boolean") => matches!(value, "true" | "false"),
        _ => true,
    };
    // `sort` takes a direction behind the name, which its list of choices does not say.
    let word = if name == "sort" { value.split(' ').next().unwrap_or_default() } else { value };
    let choices = schema["enum"].as_array();
    let is_choice = choices.is_none_or(|choices| {
        choices.is_empty() || choices.iter().any(|one| one.as_str().map_or(one.to_string(), str::to_owned) == word)
    });
    (!fits || !is_choice).then(|| format!("query parameter {name} = {value:?} does not fit"))
}

fn answer_wrong(specs: &Specs, method: &Method, path: &str, status: u16, body: &[u8]) -> Vec<String> {
    let Some((document, operation, _)) = operation(specs, method, path) else { return Vec::new() };
    let declared = resolved(document, &operation["responses"][status.to_string()]);
    if declared.is_null() {
        return vec![format!("status {status} is not declared")];
    }
    let schema = &declared["content"]["application/json"]["schema"];
    let Ok(got) = serde_json::from_slice::<Value>(body) else { return vec!["the answer is no JSON".to_owned()] };
    let mut held = Held { document, is_answer: true, wrong: Vec::new() };
    held.check(schema, &got, "answer");
    held.wrong
}

/// A value held against a schema: type, required, choices, properties, items, null.
struct Held<'a> {
    document: &'a Value,
    is_answer: bool,
    wrong: Vec<String>,
}

impl<'a> Held<'a> {
    fn check(&mut self, schema: &'a Value, value: &Value, at: &str) {
        let schema = resolved(self.document, schema);
        let Some(shape) = schema.as_object() else { return };
        for one in ["oneOf", "anyOf"] {
            if let Some(choices) = shape.get(one).and_then(Value::as_array) {
                let fits = |choice: &&'a Value| {
                    let mut held = Held { document: self.document, is_answer: self.is_answer, wrong: Vec::new() };
                    held.check(choice, value, at);
                    held.wrong.is_empty()
                };
                if !choices.iter().any(|choice| fits(&choice)) {
                    self.wrong.push(format!("{at} fits none of {one}"));
                }
                return;
            }
        }
        if value.is_null() {
            let may = self.is_answer || shape.get("nullable") == Some(&Value::Bool(true));
            if !may && shape.contains_key("type") {
                self.wrong.push(format!("{at} is null"));
            }
            return;
        }
        if let Some(kind) = self.kind(schema) {
            let fits = match kind {
                "integer" => value.is_i64() || value.is_u64(),
                "number" => value.is_number(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "array" => value.is_array(),
                "object" => value.is_object(),
                _ => true,
            };
            if !fits {
                self.wrong.push(format!("{at} is no {kind}: {value}"));
                return;
            }
        }
        if let Some(choices) = shape.get("enum").and_then(Value::as_array)
            && !choices.contains(value)
        {
            self.wrong.push(format!("{at} = {value} is none of the choices"));
        }
        if let (Some(list), Some(items)) = (value.as_array(), shape.get("items")) {
            list.iter().enumerate().for_each(|(place, one)| self.check(items, one, &format!("{at}[{place}]")));
        }
        if let Some(object) = value.as_object() {
            self.check_object(schema, object, at);
        }
    }

    fn kind(&self, schema: &'a Value) -> Option<&'a str> {
        let schema = resolved(self.document, schema);
        let parts = || schema["allOf"].as_array().into_iter().flatten().find_map(|part| self.kind(part));
        schema["type"].as_str().or_else(parts)
    }

    fn check_object(&mut self, schema: &'a Value, object: &Map<String, Value>, at: &str) {
        let (mut properties, mut required) = (Vec::new(), Vec::new());
        self.gather(schema, &mut properties, &mut required);
        for name in required.iter().filter(|name| !object.contains_key(**name)) {
            self.wrong.push(format!("{at}.{name} is missing"));
        }
        for (name, value) in object {
            match properties.iter().rev().find(|(known, _)| *known == name) {
                Some((_, schema)) => self.check(schema, value, &format!("{at}.{name}")),
                // Answers may tell more; what is sent must be known, but for custom fields of leads.
                None if !self.is_answer && !properties.is_empty() && !is_hash(name) => {
                    self.wrong.push(format!("{at}.{name} is not specified"));
                }
                None => {}
            }
        }
    }

    fn gather(&self, schema: &'a Value, properties: &mut Vec<(&'a String, &'a Value)>, required: &mut Vec<&'a str>) {
        let schema = resolved(self.document, schema);
        schema["allOf"].as_array().into_iter().flatten().for_each(|part| self.gather(part, properties, required));
        properties.extend(schema["properties"].as_object().into_iter().flatten());
        required.extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
    }
}

fn is_hash(name: &str) -> bool {
    name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn small() -> Value {
    json!({
        "paths": {
            "/things": {"post": {
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
                "responses": {"200": {"content": {"application/json": {"schema": {"type": "object", "properties": {"data": {"$ref": "#/components/schemas/Thing"}}}}}}}
            }, "get": {"parameters": [
                {"in": "query", "name": "limit", "schema": {"type": "integer"}},
                {"in": "query", "name": "sort", "schema": {"type": "string", "enum": ["id", "add_time"]}},
                {"in": "query", "name": "term", "required": true, "schema": {"type": "string"}}
            ], "responses": {}}},
            "/things/{id}": {"get": {"responses": {}}},
            "/things/archived": {"get": {"responses": {}}}
        },
        "components": {"schemas": {"Thing": {"allOf": [
            {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
            {"properties": {"size": {"type": "integer"}, "note": {"type": "string", "nullable": true}, "tags": {"type": "array", "items": {"type": "string"}}}}
        ]}}}
    })
}

#[test]
fn what_is_not_as_specified_is_seen() {
    let specs = Specs(vec![("/api/v2", small())]);
    let sent = |body: Value| request_wrong(&specs, &Method::POST, "/api/v2/things", "", body.to_string().as_bytes());
    assert_eq!(sent(json!({"name": "x", "size": 1, "note": null, "tags": ["a"]})), [""; 0]);
    for (body, part) in [
        (json!({"size": 1}), "name is missing"),
        (json!({"name": "x", "size": "1"}), "size is no integer"),
        (json!({"name": "x", "size": null}), "size is null"),
        (json!({"name": "x", "tags": [1]}), "tags[0] is no string"),
        (json!({"name": "x", "other": 1}), "other is not specified"),
        (json!([]), "is no object"),
    ] {
        let wrong = sent(body.clone());
        assert!(wrong.iter().any(|wrong| wrong.contains(part)), "{body}: {wrong:?}");
    }
    let asked = |query: &str| request_wrong(&specs, &Method::GET, "/api/v2/things", query, b"");
    assert_eq!(asked("term=x&limit=5&sort=add_time%20ASC"), [""; 0]);
    for (query, part) in [
        ("limit=5", "is missing"),
        ("term=x&limit=many", "limit"),
        ("term=x&sort=name", "sort"),
        ("term=x&page=2", "no query parameter page"),
    ] {
        assert!(asked(query).iter().any(|wrong| wrong.contains(part)), "{query}: {:?}", asked(query));
    }
    assert_eq!(request_wrong(&specs, &Method::PUT, "/api/v2/things", "", b""), ["no such operation"]);
    let answer = |body: Value| answer_wrong(&specs, &Method::POST, "/api/v2/things", 200, body.to_string().as_bytes());
    assert_eq!(
        answer(json!({"data": {"name": "x", "size": null, "more": 1}})),
        [""; 0],
        "answers may tell more, and null"
    );
    assert!(answer(json!({"data": {"name": 7}}))[0].contains("data.name is no string"));
    assert!(answer_wrong(&specs, &Method::POST, "/api/v2/things", 201, b"{}")[0].contains("201"));
}

#[test]
fn the_specifications_are_at_hand_or_that_is_said() {
    match specs() {
        Some(specs) => {
            for (start, document) in &specs.0 {
                assert!(document["paths"].as_object().is_some_and(|paths| paths.len() > 50), "{start}");
            }
        }
        None if std::env::var("BATON_REQUIRE_SPECS").as_deref() == Ok("1") => {
            panic!("BATON_PIPEDRIVE_SPECS names no folder")
        }
        None => eprintln!(
            "\n*** NOT TESTED: exchanges with Pipedrive against its OpenAPI files: set BATON_PIPEDRIVE_SPECS\n\
             *** BATON_REQUIRE_SPECS=1 makes this a failure\n"
        ),
    }
}
