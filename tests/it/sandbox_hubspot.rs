//! The sandbox HubSpot over real HTTP, held against the fact sheet; "section n" is the sheet's.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail loudly, as the tests do")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use baton::clock::Clock;
use baton::sandbox::hubspot::{
    Author, Breakage, Fault, HubSpot, Kind, OauthApp, Place, Population, Required, RetryAfter, Settings, Token, When,
};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

const V: &str = "2026-09";
const SECRET: &str = "pat-na1-sandbox";

/// A portal on port 0 and a client that talks to it.
struct Portal {
    hub: HubSpot,
    clock: Clock,
    base: String,
    client: Client,
}

struct Answer {
    status: StatusCode,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {}", self.text))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Portal {
    async fn start(settings: Settings) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let clock = Clock::manual("2026-11-24T08:00:00Z".parse::<Timestamp>().unwrap());
        let hub = HubSpot::new(clock.clone(), settings);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = hub.router();
        #[expect(clippy::disallowed_methods, reason = "the test's own server")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        Self { hub, clock, base, client }
    }

    /// No lag and generous limits.
    async fn easy() -> Self {
        Self::start(easy()).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.try_send(method, path, body).await.unwrap()
    }

    async fn try_send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer, reqwest::Error> {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(SECRET);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, text: response.text().await? })
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn patch(&self, path: &str, properties: Value) -> Answer {
        self.send(Method::PATCH, path, Some(json!({ "properties": properties }))).await
    }

    async fn search(&self, kind: &str, body: Value) -> Answer {
        self.post(&format!("/crm/objects/{V}/{kind}/search"), body).await
    }

    /// The ids a search finds by one filter.
    async fn found(&self, kind: &str, filter: Value) -> Vec<String> {
        let answer = self.search(kind, json!({"filterGroups": [{"filters": [filter]}], "limit": 200})).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        ids(&answer.json())
    }
}

fn easy() -> Settings {
    Settings {
        index_lag: SignedDuration::ZERO,
        burst_per_10s: 100_000,
        searches_per_s: 100_000,
        associations_per_10s: 100_000,
        ..Settings::default()
    }
}

fn ids(body: &Value) -> Vec<String> {
    body["results"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

const PERSON: Author = Author::User(9_586_504);

#[tokio::test]
async fn account_info_names_the_portal_as_in_section_1() {
    let portal = Portal::easy().await;
    for version in ["v3", "2026-03", "2026-09"] {
        let answer = portal.get(&format!("/account-info/{version}/details")).await;
        assert_eq!(answer.json()["portalId"], 123_456);
        assert_eq!(answer.json()["utcOffset"], "+01:00");
    }
    assert!(portal.get("/account-info/2026-09/details").await.header("x-hubspot-correlation-id").is_some());
}

#[tokio::test]
async fn paths_of_every_version_reach_one_handler_section_2() {
    let portal = Portal::easy().await;
    let id = portal.hub.create_contact(PERSON, &[("email", "a@x.example")]);
    for path in [
        format!("/crm/v3/objects/contacts/{id}"),
        format!("/crm/objects/2026-03/contacts/{id}"),
        format!("/crm/objects/2026-09/0-1/{id}"),
    ] {
        assert_eq!(portal.get(&path).await.json()["id"], id, "{path}");
    }
    for path in [format!("/crm/v4/objects/contacts/{id}"), format!("/crm/objects/2027-03/contacts/{id}")] {
        assert_eq!(portal.get(&path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn list_pages_by_id_and_keeps_its_limits_section_4() {
    let portal = Portal::easy().await;
    portal.hub.bulk_contacts(250, 7);
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let query = if after.is_empty() { String::new() } else { format!("&after={after}") };
        let page = portal
            .get(&format!(
                "/crm/objects/{V}/contacts?limit=100&properties=email,nosuch,mobilephone&associations=companies{query}"
            ))
            .await
            .json();
        seen.extend(ids(&page));
        let first = &page["results"][0];
        assert!(first["properties"]["email"].is_string());
        assert!(first["properties"]["mobilephone"].is_null() && first["properties"].get("mobilephone").is_some());
        assert!(first["properties"].get("nosuch").is_none(), "an undefined property is left out");
        assert_eq!(first["associations"]["companies"]["results"][0]["type"], "contact_to_company");
        match page.pointer("/paging/next/after") {
            Some(next) => next.as_str().unwrap().clone_into(&mut after),
            None => break,
        }
    }
    assert_eq!(seen.len(), 250);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 250);
    assert_eq!(portal.get(&format!("/crm/objects/{V}/contacts?limit=101")).await.status, 400);
    assert_eq!(
        portal.get(&format!("/crm/objects/{V}/contacts?limit=51&propertiesWithHistory=email")).await.status,
        400
    );
    assert_eq!(
        portal.get(&format!("/crm/objects/{V}/contacts?limit=50&propertiesWithHistory=email")).await.status,
        200
    );
}

#[tokio::test]
async fn search_refuses_what_section_4_refuses() {
    let portal = Portal::easy().await;
    let filter = json!({"propertyName": "email", "operator": "HAS_PROPERTY"});
    let group = |count: usize| json!({"filters": vec![filter.clone(); count]});
    let long = "x".repeat(3_001);
    let cases = [
        ("a 201st row", json!({"limit": 201})),
        ("six groups", json!({"filterGroups": vec![group(1); 6]})),
        ("seven filters", json!({"filterGroups": [group(7)]})),
        ("nineteen filters", json!({"filterGroups": [group(5), group(5), group(5), group(4)]})),
        ("two sorts", json!({"sorts": [{"propertyName": "email"}, {"propertyName": "createdate"}]})),
        ("past 10,000", json!({"after": "9900", "limit": 200})),
        ("a long body", json!({"query": long})),
        (
            "no property of that name",
            json!({"filterGroups": [{"filters": [{"propertyName": "zz", "operator": "HAS_PROPERTY"}]}]}),
        ),
        (
            "IN without values",
            json!({"filterGroups": [{"filters": [{"propertyName": "email", "operator": "IN", "value": "a"}]}]}),
        ),
        ("a cursor that is a number", json!({"after": 100})),
    ];
    for (what, body) in cases {
        let answer = portal.search("contacts", body).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.text);
        assert_eq!(answer.json()["category"], "VALIDATION_ERROR");
    }
    let answer = portal
        .search("contacts", json!({"filterGroups": [group(6), group(6), group(6)], "after": "9800", "limit": 200}))
        .await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("x-hubspot-ratelimit-max").is_none(), "no rate limit headers on searches");
}

#[tokio::test]
async fn search_finds_by_window_id_and_association_section_4() {
    let portal = Portal::easy().await;
    let company = portal.hub.create(Kind::Company, PERSON, &[("name", "Acme"), ("numberofemployees", "300")]);
    let mut contacts = Vec::new();
    for at in 0..5 {
        portal.clock.advance(SignedDuration::from_secs(1));
        let email = format!("P{at}@acme.example");
        let stage = if at == 2 { "marketingqualifiedlead" } else { "lead" };
        contacts.push(
            portal
                .hub
                .create_contact(PERSON, &[("email", &email), ("lifecyclestage", stage), ("firstname", "Ann Marie")]),
        );
    }
    portal.hub.associate((Kind::Contact, &contacts[3]), (Kind::Company, &company), true);
    let start = "2026-11-24T08:00:02Z".parse::<Timestamp>().unwrap().as_millisecond();
    let window = json!({"filterGroups": [{"filters": [
        {"propertyName": "lastmodifieddate", "operator": "GTE", "value": start.to_string()},
        {"propertyName": "lastmodifieddate", "operator": "LTE", "value": "2026-11-24T08:00:04Z"},
        {"propertyName": "hs_object_id", "operator": "GT", "value": "0"}]}],
        "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}], "limit": 2});
    let page = portal.search("contacts", window).await.json();
    assert_eq!((page["total"].as_u64(), ids(&page)), (Some(3), contacts[1..3].to_vec()));
    assert_eq!(page["paging"]["next"]["after"], "2");

    let cases: [(Value, &[usize]); 10] = [
        (json!({"propertyName": "associations.company", "operator": "EQ", "value": company}), &[3]),
        (json!({"propertyName": "hs_object_id", "operator": "IN", "values": [contacts[0], contacts[4]]}), &[0, 4]),
        (json!({"propertyName": "lifecyclestage", "operator": "EQ", "value": "marketingqualifiedlead"}), &[2]),
        (json!({"propertyName": "lifecyclestage", "operator": "EQ", "value": "MarketingQualifiedLead"}), &[]),
        (json!({"propertyName": "email", "operator": "EQ", "value": "P1@ACME.example"}), &[1]),
        (json!({"propertyName": "email", "operator": "IN", "values": ["p1@acme.example"]}), &[1]),
        (json!({"propertyName": "email", "operator": "IN", "values": ["P1@acme.example"]}), &[]),
        (json!({"propertyName": "firstname", "operator": "CONTAINS_TOKEN", "value": "marie"}), &[0, 1, 2, 3, 4]),
        (json!({"propertyName": "phone", "operator": "NOT_HAS_PROPERTY"}), &[0, 1, 2, 3, 4]),
        // Section 3: the wrong cursor name finds nothing and says nothing.
        (json!({"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": "0"}), &[]),
    ];
    for (filter, expected) in cases {
        let expected: Vec<String> = expected.iter().map(|at| contacts[*at].clone()).collect();
        assert_eq!(portal.found("contacts", filter.clone()).await, expected, "{filter}");
    }
    let by_size =
        json!({"propertyName": "numberofemployees", "operator": "BETWEEN", "value": "50", "highValue": "300"});
    assert_eq!(portal.found("companies", by_size).await, [company]);
}

#[tokio::test]
async fn index_shows_the_old_version_until_the_lag_is_over_section_4() {
    let portal = Portal::start(Settings { index_lag: SignedDuration::from_secs(10), ..easy() }).await;
    let by_email = |email: &str| json!({"propertyName": "email", "operator": "EQ", "value": email});
    let id = portal.hub.create_contact(PERSON, &[("email", "old@x.example")]);
    assert!(portal.found("contacts", by_email("old@x.example")).await.is_empty());
    assert_eq!(
        portal.get(&format!("/crm/objects/{V}/contacts/{id}")).await.status,
        200,
        "a read by id sees it at once"
    );
    portal.clock.advance(SignedDuration::from_secs(10));
    assert_eq!(portal.found("contacts", by_email("old@x.example")).await, std::slice::from_ref(&id));
    portal.hub.update(Kind::Contact, &id, PERSON, &[("email", "new@x.example")]);
    assert_eq!(portal.found("contacts", by_email("old@x.example")).await, std::slice::from_ref(&id));
    assert!(portal.found("contacts", by_email("new@x.example")).await.is_empty());
    portal.clock.advance(SignedDuration::from_secs(10));
    assert_eq!(portal.found("contacts", by_email("new@x.example")).await, std::slice::from_ref(&id));
    portal.hub.archive(Kind::Contact, &id);
    portal.clock.advance(SignedDuration::from_secs(10));
    assert!(portal.found("contacts", by_email("new@x.example")).await.is_empty(), "archived records never appear");
}

#[tokio::test]
async fn batch_read_reports_missing_ids_and_histories_section_6() {
    let portal = Portal::easy().await;
    let id = portal.hub.create_contact(Author::Form, &[("email", "a@x.example"), ("lifecyclestage", "lead")]);
    portal.clock.advance(SignedDuration::from_mins(1));
    portal.hub.update(Kind::Contact, &id, PERSON, &[("lifecyclestage", "marketingqualifiedlead")]);
    let path = format!("/crm/objects/{V}/contacts/batch/read");
    let body = json!({"properties": ["email"], "propertiesWithHistory": ["lifecyclestage"], "inputs": [{"id": id}, {"id": "999"}]});
    let answer = portal.post(&path, body).await;
    assert_eq!(answer.status, 207);
    let body = answer.json();
    assert_eq!(body["errors"][0]["category"], "OBJECT_NOT_FOUND");
    assert_eq!(body["errors"][0]["context"]["ids"], json!(["999"]));
    let history = &body["results"][0]["propertiesWithHistory"]["lifecyclestage"];
    assert_eq!(history[0]["sourceType"], "CRM_UI");
    assert_eq!(history[0]["updatedByUserId"], 9_586_504);
    assert_eq!(history[1]["value"], "lead");
    assert_eq!(history[1]["sourceType"], "FORM");
    let by_email = json!({"idProperty": "email", "properties": [], "inputs": [{"id": "A@x.example"}]});
    assert_eq!(ids(&portal.post(&path, by_email).await.json()), [id]);
    let many: Vec<Value> = (0..101).map(|at| json!({"id": at.to_string()})).collect();
    assert_eq!(portal.post(&path, json!({"inputs": many})).await.status, 400);
}

#[tokio::test]
async fn batch_update_leaves_out_old_ids_and_traces_errors_section_6() {
    let portal = Portal::easy().await;
    let [one, two, three] =
        ["a", "b", "c"].map(|name| portal.hub.create_contact(PERSON, &[("email", &format!("{name}@x.example"))]));
    let merged = portal.hub.merge(Kind::Contact, &one, &two, PERSON).unwrap();
    let path = format!("/crm/objects/{V}/contacts/batch/update");
    let answer = portal.post(&path, json!({"inputs": [{"id": one, "properties": {"phone": "1"}}]})).await;
    assert_eq!((answer.status.as_u16(), answer.json()["results"].as_array().unwrap().len()), (200, 0));
    let row = |id: &str, trace: &str, name: &str| json!({"id": id, "objectWriteTraceId": trace, "properties": {name: "OPEN"}});
    let answer = portal
        .post(&path, json!({"inputs": [row(&merged, "w-1", "hs_lead_status"), row(&three, "w-2", "nosuch"), row("777", "w-3", "phone")]}))
        .await;
    assert_eq!(answer.status, 207);
    let body = answer.json();
    assert_eq!((ids(&body), &body["results"][0]["objectWriteTraceId"]), (vec![merged], &json!("w-1")));
    assert_eq!(body["errors"][0]["context"]["objectWriteTraceId"], json!(["w-2"]));
    assert_eq!(body["errors"][1]["context"]["objectWriteTraceId"], json!(["w-3"]));
    let by_email = json!({"inputs": [{"id": "c@x.example", "idProperty": "email", "properties": {"phone": "1"}}]});
    assert!(
        portal.post(&path, by_email).await.json()["message"]
            .as_str()
            .unwrap()
            .starts_with("Unable to perform update/upsert by non-unique 0-1")
    );
    let by_email_without_name = json!({"inputs": [{"id": "c@x.example", "properties": {"phone": "1"}}]});
    assert_eq!(ids(&portal.post(&path, by_email_without_name).await.json()), Vec::<String>::new());
}

#[tokio::test]
async fn batch_create_fails_as_a_whole_without_trace_ids_section_6() {
    let portal = Portal::easy().await;
    let path = format!("/crm/objects/{V}/contacts/batch/create");
    let inputs = |traced: bool| -> Vec<Value> {
        ["email", "nosuch"]
            .iter()
            .enumerate()
            .map(|(at, name)| {
                let mut input = json!({"properties": {*name: "a@x.example"}});
                if traced {
                    input["objectWriteTraceId"] = format!("t{at}").into();
                }
                input
            })
            .collect()
    };
    assert_eq!(portal.post(&path, json!({"inputs": inputs(false)})).await.status, 400);
    assert!(portal.hub.ids(Kind::Contact).is_empty());
    let answer = portal.post(&path, json!({"inputs": inputs(true)})).await;
    assert_eq!(answer.status, 207);
    assert_eq!(answer.json()["errors"][0]["context"]["objectWriteTraceId"], json!(["t1"]));
    assert_eq!(portal.hub.ids(Kind::Contact).len(), 1);
    let upsert = json!({"inputs": [{"id": "a@x.example", "idProperty": "email", "properties": {"phone": "5"}},
                                   {"id": "b@x.example", "idProperty": "email", "properties": {"phone": "6"}}]});
    let body = portal.post(&format!("/crm/objects/{V}/contacts/batch/upsert"), upsert).await.json();
    assert_eq!(
        (&body["results"][0]["new"], &body["results"][1]["new"]),
        (&json!(true), &json!(false)),
        "in another order than asked"
    );
}

#[tokio::test]
async fn merged_records_get_a_new_id_and_old_ids_resolve_section_5() {
    let portal = Portal::easy().await;
    let one = portal.hub.create_contact(PERSON, &[("email", "a@x.example")]);
    let two = portal.hub.create_contact(PERSON, &[("email", "b@x.example"), ("phone", "12")]);
    let company = portal.hub.create(Kind::Company, PERSON, &[("name", "Acme")]);
    portal.hub.associate((Kind::Contact, &two), (Kind::Company, &company), true);
    let answer =
        portal.post("/crm/v3/objects/contacts/merge", json!({"primaryObjectId": one, "objectIdToMerge": two})).await;
    let merged = answer.json()["id"].as_str().unwrap().to_owned();
    assert!(merged != one && merged != two);
    for old in [&one, &two] {
        let body = portal
            .get(&format!(
                "/crm/objects/{V}/contacts/{old}?properties=email,phone,hs_merged_object_ids,hs_additional_emails"
            ))
            .await
            .json();
        assert_eq!(body["id"], merged);
        assert_eq!(body["properties"]["phone"], "12");
        assert_eq!(body["properties"]["hs_merged_object_ids"], format!("{one};{two}"));
        assert_eq!(body["properties"]["hs_additional_emails"], "b@x.example");
    }
    let answer = portal.patch(&format!("/crm/objects/{V}/contacts/{one}"), json!({"phone": "13"})).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["id"]), (200, &json!(merged)));
    assert_eq!(portal.hub.associated(Kind::Contact, &merged, Kind::Company), [company]);
    assert_eq!(portal.hub.ids(Kind::Contact), [merged]);
}

#[tokio::test]
async fn archived_records_are_404_and_listed_apart_section_5() {
    let portal = Portal::easy().await;
    let id = portal.hub.create_contact(PERSON, &[("email", "a@x.example")]);
    let path = format!("/crm/objects/{V}/contacts/{id}");
    assert_eq!(portal.send(Method::DELETE, &path, None).await.status, 204);
    let answer = portal.get(&path).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["category"]), (404, &json!("OBJECT_NOT_FOUND")));
    assert_eq!(answer.json()["message"], "Object not found.  objectId are usually numeric.");
    let body = portal.get(&format!("/crm/objects/{V}/contacts?archived=true")).await.json();
    assert_eq!(body["results"][0]["archived"], true);
    assert!(body["results"][0]["archivedAt"].is_string());
    let gdpr = json!({"objectId": "blocked@x.example", "idProperty": "email"});
    assert_eq!(portal.post(&format!("/crm/objects/{V}/contacts/gdpr-delete"), gdpr).await.status, 204);
    let answer =
        portal.post(&format!("/crm/objects/{V}/contacts"), json!({"properties": {"email": "blocked@x.example"}})).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn lifecycle_goes_back_only_by_two_requests_section_10_2() {
    let portal = Portal::easy().await;
    let id =
        portal.hub.create_contact(Author::Form, &[("email", "a@x.example"), ("lifecyclestage", "salesqualifiedlead")]);
    let path = format!("/crm/objects/{V}/contacts/{id}");
    let stage = |answer: &Answer| answer.json()["properties"]["lifecyclestage"].clone();
    let answer = portal.patch(&path, json!({"lifecyclestage": "lead"})).await;
    assert_eq!((answer.status.as_u16(), stage(&answer)), (200, json!("salesqualifiedlead")), "dropped with a 2xx");
    assert_eq!(portal.hub.ledger().last().unwrap().dropped, ["lifecyclestage"]);
    assert_eq!(stage(&portal.patch(&path, json!({"lifecyclestage": ""})).await), Value::Null);
    assert_eq!(stage(&portal.patch(&path, json!({"lifecyclestage": "lead"})).await), "lead");
    assert_eq!(stage(&portal.patch(&path, json!({"lifecyclestage": "opportunity"})).await), "opportunity");
}

#[tokio::test]
async fn owners_assign_by_id_alone_section_10_1() {
    let portal = Portal::easy().await;
    let owner = portal.hub.add_owner("a.lang@example.com", "A", "Lang");
    let gone = portal.hub.add_owner("gone@example.com", "G", "One");
    portal.hub.archive_owner(&gone.id);
    let id = portal.hub.create_contact(PERSON, &[("email", "a@x.example")]);
    let path = format!("/crm/objects/{V}/contacts/{id}");
    for (owner_id, status) in [(owner.id.clone(), 200), (owner.user_id.to_string(), 400), (gone.id.clone(), 400)] {
        assert_eq!(portal.patch(&path, json!({"hubspot_owner_id": owner_id})).await.status, status, "{owner_id}");
    }
    let body = portal.get(&format!("/crm/owners/{V}?limit=100&email=A.Lang@example.com")).await.json();
    assert_eq!((&body["results"][0]["id"], &body["results"][0]["userId"]), (&json!(owner.id), &json!(owner.user_id)));
    let body = portal.get(&format!("/crm/owners/{V}?archived=true")).await.json();
    assert_eq!(
        (&body["results"][0]["userId"], &body["results"][0]["userIdIncludingInactive"]),
        (&Value::Null, &json!(gone.user_id))
    );
    let by_user = format!("/crm/owners/{V}/{}?idProperty=userId", owner.user_id);
    assert_eq!(portal.get(&by_user).await.json()["id"], owner.id);
}

#[tokio::test]
async fn bad_values_are_refused_with_the_bodies_of_section_9() {
    let portal = Portal::easy().await;
    let id = portal.hub.create_contact(PERSON, &[("email", "a@x.example"), ("phone", "1")]);
    let taken = portal.hub.create_contact(PERSON, &[("email", "b@x.example")]);
    let path = format!("/crm/objects/{V}/contacts/{id}");
    let cases = [
        ("testproperty", "x", "PROPERTY_DOESNT_EXIST"),
        ("hs_lead_status", "Nonsense", "INVALID_OPTION"),
        ("annualrevenue", "many", "INVALID_INTEGER"),
        ("createdate", "2026-01-01", "READ_ONLY_VALUE"),
        ("email", "nobody", "INVALID_EMAIL"),
    ];
    for (name, value, code) in cases {
        let answer = portal.patch(&path, json!({name: value, "phone": "2"})).await;
        let body = answer.json();
        assert_eq!((answer.status.as_u16(), &body["errors"][0]["code"]), (400, &json!(code)), "{name}");
        assert_eq!(body["errors"][0]["context"]["propertyName"], json!([name]));
        assert!(body["message"].as_str().unwrap().starts_with("Property values were not valid: [{"));
    }
    assert_eq!(portal.hub.get(Kind::Contact, &id).unwrap()["phone"], "1", "one bad property rejects the whole record");
    assert_eq!(portal.patch(&path, json!({"annualrevenue": 12})).await.status, 400, "values are strings");
    let answer =
        portal.post(&format!("/crm/objects/{V}/contacts"), json!({"properties": {"email": "B@x.example"}})).await;
    assert_eq!(answer.status, 409);
    assert_eq!(answer.json()["message"], format!("Contact already exists. Existing ID: {taken}"));
    assert_eq!(answer.json()["category"], "CONFLICT");
}

#[tokio::test]
async fn required_properties_bind_2026_09_alone_sections_2_and_9() {
    let rule = Required { kind: Kind::Contact, property: "firstname".to_owned(), when: None };
    let conditional = Required {
        kind: Kind::Contact,
        property: "jobtitle".to_owned(),
        when: Some(("hs_lead_status".to_owned(), "OPEN".to_owned())),
    };
    let portal = Portal::start(Settings { required: vec![rule, conditional], ..easy() }).await;
    let body = json!({"properties": {"email": "a@x.example"}});
    let answer = portal.post("/crm/objects/2026-09/contacts", body.clone()).await;
    assert_eq!(answer.json()["errors"][0]["code"], "MISSING_REQUIRED_PROPERTY");
    assert_eq!(answer.json()["message"], "The property values provided are invalid");
    let answer = portal.post("/crm/objects/2026-03/contacts", body).await;
    assert_eq!(answer.status, 201);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let answer = portal.patch(&format!("/crm/objects/2026-09/contacts/{id}"), json!({"hs_lead_status": "OPEN"})).await;
    assert_eq!(answer.json()["errors"][0]["code"], "MISSING_CONDITIONAL_REQUIRED_PROPERTY");
    assert_eq!(
        portal.patch(&format!("/crm/v3/objects/contacts/{id}"), json!({"hs_lead_status": "OPEN"})).await.status,
        200
    );
}

#[tokio::test]
async fn tasks_and_notes_are_made_on_a_contact_sections_10_3_and_10_4() {
    let portal = Portal::easy().await;
    let contact = portal.hub.create_contact(PERSON, &[("email", "a@x.example")]);
    let before = portal.hub.get(Kind::Contact, &contact).unwrap()["lastmodifieddate"].clone();
    portal.clock.advance(SignedDuration::from_secs(5));
    let body = |type_id: u32, time: bool| {
        let mut properties = json!({"hs_task_subject": "SLA: first touch due", "hs_task_status": "NOT_STARTED"});
        if time {
            properties["hs_timestamp"] = "2026-11-24T15:00:00Z".into();
        }
        json!({"properties": properties, "associations": [{"to": {"id": contact},
               "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}]}]})
    };
    let path = format!("/crm/objects/{V}/tasks");
    assert_eq!(portal.post(&path, body(204, false)).await.status, 400, "hs_timestamp is required");
    assert_eq!(portal.post(&path, body(203, true)).await.status, 400, "203 is the other direction");
    let answer = portal.post(&path, body(204, true)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let task = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), Some(format!("{path}/{task}").as_str()));
    let of_contact = json!({"propertyName": "associations.contact", "operator": "EQ", "value": contact});
    assert_eq!(portal.found("tasks", of_contact).await, std::slice::from_ref(&task));
    assert_eq!(
        portal.hub.get(Kind::Contact, &contact).unwrap()["lastmodifieddate"],
        before,
        "associations do not move it"
    );
    let done = portal.patch(&format!("{path}/{task}"), json!({"hs_task_status": "COMPLETED"})).await;
    assert_eq!(done.json()["properties"]["hs_task_status"], "COMPLETED");
    let what: Vec<String> =
        portal.hub.ledger().iter().map(|effect| format!("{} {}", effect.what, effect.object)).collect();
    assert_eq!(what, ["create tasks", "update tasks"]);
}

#[tokio::test]
async fn associations_carry_types_by_direction_section_7() {
    let portal = Portal::easy().await;
    let contact = portal.hub.create_contact(PERSON, &[("email", "a@x.example")]);
    let [one, two] = ["One", "Two"].map(|name| portal.hub.create(Kind::Company, PERSON, &[("name", name)]));
    let put = |company: &str| format!("/crm/objects/{V}/contacts/{contact}/associations/default/companies/{company}");
    let answer = portal.send(Method::PUT, &put(&one), None).await;
    assert_eq!(answer.json()["results"][0]["associationSpec"]["associationTypeId"], 279);
    let primary = json!([{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}]);
    let path = format!("/crm/objects/{V}/contacts/{contact}/associations/companies/{two}");
    assert_eq!(portal.send(Method::PUT, &path, Some(primary)).await.status, 201);
    let read = format!("/crm/associations/{V}/contacts/companies/batch/read");
    let answer = portal.post(&read, json!({"inputs": [{"id": contact}]})).await;
    let rows = answer.json()["results"][0]["to"].clone();
    assert_eq!(answer.status, 200);
    assert_eq!(
        rows[0],
        json!({"toObjectId": one.parse::<u64>().unwrap(), "associationTypes": [{"category": "HUBSPOT_DEFINED", "typeId": 279, "label": null}]})
    );
    assert_eq!(rows[1]["associationTypes"][0], json!({"category": "HUBSPOT_DEFINED", "typeId": 1, "label": "Primary"}));
    assert_eq!(rows[1]["associationTypes"][1]["typeId"], 279, "a primary association brings the plain one");
    let back = portal.get(&format!("/crm/objects/{V}/companies/{two}/associations/contacts")).await.json();
    assert_eq!(back["results"][0]["associationTypes"][0]["typeId"], 2);
    let pair = json!({"inputs": [{"from": {"id": contact}, "to": [{"id": two}]}]});
    assert_eq!(portal.post("/crm/v4/associations/contacts/companies/batch/archive", pair.clone()).await.status, 204);
    assert_eq!(portal.post(&format!("/crm/associations/{V}/contacts/companies/batch/archive"), pair).await.status, 200);
    assert_eq!(portal.hub.associated(Kind::Contact, &contact, Kind::Company), [one]);
    let old = format!("/crm/objects/{V}/contacts/{contact}/associations/companies/{two}/279");
    assert_eq!(portal.send(Method::PUT, &old, None).await.status, 404, "no such path in the date versions");
}

#[tokio::test]
async fn nurture_list_takes_a_contact_once_section_10_5() {
    let portal = Portal::easy().await;
    let contact = portal.hub.create_contact(PERSON, &[("email", "a@x.example")]);
    let create = json!({"name": "Baton nurture", "objectTypeId": "0-1", "processingType": "MANUAL"});
    let list =
        portal.post(&format!("/crm/lists/{V}"), create).await.json()["list"]["listId"].as_str().unwrap().to_owned();
    let by_name = portal.get(&format!("/crm/lists/{V}/object-type-id/0-1/name/Baton%20nurture")).await.json();
    assert_eq!(by_name["list"]["listId"], list);
    let add = format!("/crm/lists/{V}/{list}/memberships/add");
    let ids = json!([contact, "29851"]);
    let first = portal.send(Method::PUT, &add, Some(ids.clone())).await.json();
    assert_eq!(first, json!({"recordsIdsAdded": [contact], "recordIdsRemoved": [], "recordIdsMissing": ["29851"]}));
    assert_eq!(portal.send(Method::PUT, &add, Some(ids)).await.json()["recordsIdsAdded"], json!([]));
    assert_eq!(portal.send(Method::PUT, &add, Some(json!(["a@x.example"]))).await.status, 400);
    assert_eq!(portal.hub.list_members("Baton nurture"), std::slice::from_ref(&contact));
    assert_eq!(
        portal.get(&format!("/crm/lists/{V}/{list}/memberships")).await.json()["results"][0]["recordId"],
        contact
    );
    let of_record = portal.get(&format!("/crm/lists/{V}/records/0-1/{contact}/memberships")).await.json();
    assert_eq!(of_record["results"][0]["listId"], list);
    assert_eq!(portal.post("/crm/lists/2026-03/all", json!({})).await.status, 404);
    assert_eq!(portal.post(&format!("/crm/lists/{V}/all"), json!({})).await.json()["total"], 1);
    let effects = portal.hub.ledger();
    assert_eq!(effects.iter().filter(|effect| effect.what == "list add").count(), 1);
}

#[tokio::test]
async fn properties_are_created_once_and_restored_section_10_7() {
    let portal = Portal::easy().await;
    let path = format!("/crm/properties/{V}/contacts");
    let key = json!({"groupName": "contactinformation", "name": "baton_lead_key", "label": "Baton lead key", "type": "string",
                     "fieldType": "text", "hasUniqueValue": true});
    assert_eq!(portal.post(&path, key.clone()).await.status, 201);
    let answer = portal.post(&path, key.clone()).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["category"]), (409, &json!("OBJECT_ALREADY_EXISTS")));
    assert_eq!(portal.send(Method::DELETE, &format!("{path}/baton_lead_key"), None).await.status, 204);
    assert_eq!(portal.get(&format!("{path}/baton_lead_key")).await.status, 404);
    assert_eq!(portal.post(&path, key).await.status, 201);
    let id = portal.hub.create_contact(PERSON, &[("email", "a@x.example"), ("baton_lead_key", "L-1")]);
    let by_key = portal.get(&format!("/crm/objects/{V}/contacts/l-1?idProperty=baton_lead_key")).await;
    assert_eq!(by_key.json()["id"], id);
    let stages = portal.get(&format!("{path}/lifecyclestage")).await.json();
    assert_eq!((&stages["options"][1]["value"], stages["options"].as_array().unwrap().len()), (&json!("lead"), 8));
}

#[tokio::test]
async fn leads_exist_only_where_the_portal_has_them_section_3() {
    let portal = Portal::easy().await;
    assert_eq!(portal.get(&format!("/crm/objects/{V}/leads")).await.status, 403);
    let portal = Portal::start(Settings { has_leads: true, ..easy() }).await;
    let contact = portal.hub.create_contact(PERSON, &[("email", "a@x.example")]);
    let bare = json!({"properties": {"hs_lead_name": "A"}});
    assert_eq!(portal.post(&format!("/crm/objects/{V}/leads"), bare).await.status, 400);
    let full = json!({"properties": {"hs_lead_name": "A"}, "associations": [{"to": {"id": contact},
                      "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 578}]}]});
    let answer = portal.post(&format!("/crm/objects/{V}/leads"), full).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let lead = answer.json()["id"].as_str().unwrap().to_owned();
    let part = format!("/crm/objects/{V}/leads/{lead}/associations/contacts/{contact}");
    assert_eq!(portal.send(Method::DELETE, &part, None).await.status, 204);
    assert!(portal.hub.get(Kind::Lead, &lead).is_none(), "losing its last primary association deletes it");
    let stages = portal.get(&format!("/crm/pipelines/{V}/leads")).await.json();
    assert_eq!(stages["results"][0]["stages"][0]["id"], "new-stage-id");
}

#[tokio::test]
async fn limits_answer_with_the_bodies_of_section_8() {
    let portal = Portal::start(Settings { burst_per_10s: 3, searches_per_s: 2, daily: 6, ..easy() }).await;
    let path = format!("/crm/objects/{V}/contacts");
    for left in ["2", "1", "0"] {
        let answer = portal.get(&path).await;
        assert_eq!(answer.header("x-hubspot-ratelimit-remaining"), Some(left));
        assert_eq!(answer.header("x-hubspot-ratelimit-interval-milliseconds"), Some("10000"));
    }
    let answer = portal.get(&path).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["policyName"]), (429, &json!("TEN_SECONDLY_ROLLING")));
    let (mut passed, started) = (0, Instant::now());
    loop {
        let answer = portal.search("contacts", json!({})).await;
        if answer.status == 429 {
            assert_eq!(answer.json()["message"], "You have reached your secondly limit.");
            break;
        }
        passed += 1;
        assert!(passed < 3 || started.elapsed() >= Duration::from_secs(1), "two in a second");
    }
    for _ in passed..4 {
        portal.get(&format!("/crm/associations/{V}/contacts/companies/labels")).await;
    }
    let answer = portal.get(&format!("/crm/associations/{V}/contacts/companies/labels")).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["policyName"]), (429, &json!("DAILY")));
    portal.clock.advance(SignedDuration::from_hours(24));
    assert_eq!(
        portal.get(&format!("/crm/associations/{V}/contacts/companies/labels")).await.status,
        200,
        "a new day in the portal's zone"
    );
}

#[tokio::test]
async fn tokens_and_scopes_answer_as_in_section_9() {
    let narrow = Token {
        secret: "narrow".to_owned(),
        name: "narrow".to_owned(),
        app_id: 2,
        scopes: Some(["crm.objects.contacts.read".to_owned()].into()),
        is_oauth: false,
    };
    let portal = Portal::start(Settings { tokens: vec![Token::full(SECRET), narrow], ..easy() }).await;
    let ask = async |token: &str, path: &str| {
        let response = portal.client.get(format!("{}{path}", portal.base)).bearer_auth(token).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let contacts = format!("/crm/objects/{V}/contacts");
    assert_eq!(ask("wrong", &contacts).await.1["category"], "INVALID_AUTHENTICATION");
    assert_eq!(ask("narrow", &contacts).await.0, 200);
    let (status, body) = ask("narrow", &format!("/crm/objects/{V}/emails")).await;
    assert_eq!((status, &body["category"]), (403, &json!("MISSING_SCOPES")));
    assert_eq!(
        body["errors"][0]["context"]["requiredGranularScopes"],
        json!(["crm.objects.contacts.read", "sales-email-read"])
    );
    portal.hub.faults().set(Fault::ScopeRemoved { scope: "crm.objects.contacts.read".to_owned() });
    assert_eq!(ask(SECRET, &contacts).await.0, 403);
    portal.hub.faults().clear();
    portal.hub.faults().set(Fault::TokenExpired { token: "sandbox".to_owned() });
    assert_eq!(ask(SECRET, &contacts).await.1["category"], "EXPIRED_AUTHENTICATION");
    portal.hub.faults().set(Fault::TokenRevoked { token: "sandbox".to_owned() });
    assert_eq!(ask(SECRET, &contacts).await.0, 401);
    assert_eq!(portal.hub.requests().unauthorised, 3);
}

#[tokio::test]
async fn oauth_tokens_are_refreshed_by_form_section_11() {
    let app = OauthApp { refresh_token: "na1-refresh".to_owned(), ..OauthApp::new("id", "secret") };
    let portal = Portal::start(Settings { oauth: Some(app), ..easy() }).await;
    let ask = async |refresh: &str| {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh),
            ("client_id", "id"),
            ("client_secret", "secret"),
        ];
        let url = format!("{}/oauth/{V}/token", portal.base);
        portal.client.post(url).form(&form).send().await.unwrap().json::<Value>().await.unwrap()
    };
    assert_eq!(ask("other").await["status"], "BAD_REFRESH_TOKEN");
    let token = ask("na1-refresh").await;
    assert_eq!((&token["token_type"], &token["hub_id"]), (&json!("bearer"), &json!(123_456)));
    let url = format!("{}/account-info/{V}/details", portal.base);
    let response = portal.client.get(url).bearer_auth(token["access_token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers().get("x-hubspot-ratelimit-daily").is_none(), "absent for OAuth tokens");
}

#[tokio::test]
async fn faults_strike_where_and_as_often_as_asked() {
    let portal = Portal::easy().await;
    let id = portal.hub.create_contact(PERSON, &[("email", "a@x.example")]);
    let path = format!("/crm/objects/{V}/contacts/{id}");
    let faults = portal.hub.faults();
    let arm = |fault: Fault| faults.inject(Place::method("GET", "/contacts/*"), When::times(1), fault);
    for status in [423, 477, 500, 502, 503, 504, 521, 524] {
        arm(Fault::Status { status, retry_after: None });
        assert_eq!(portal.get(&path).await.status, status);
        assert_eq!(portal.get(&path).await.status, 200);
    }
    arm(Fault::RateLimit { policy: "DAILY".to_owned(), retry_after: None });
    assert_eq!(portal.get(&path).await.json()["policyName"], "DAILY");
    arm(Fault::Html);
    let answer = portal.get(&path).await;
    assert!(answer.status == 200 && answer.text.starts_with("<!doctype html>"));
    arm(Fault::Redirect { to: "https://other.example/".to_owned() });
    assert_eq!(portal.get(&path).await.header("location"), Some("https://other.example/"));
    arm(Fault::Truncate);
    assert!(serde_json::from_str::<Value>(&portal.get(&path).await.text).is_err());
    arm(Fault::BeforeEffect { breakage: Breakage::Reset });
    assert!(portal.try_send(Method::GET, &path, None).await.is_err());
    arm(Fault::Drip { bytes: 50, every_ms: 1 });
    assert_eq!(portal.get(&path).await.json()["id"], id);
    arm(Fault::Deep { levels: 5_000 });
    assert!(portal.get(&path).await.text.contains(&"[".repeat(5_000)));
    assert_eq!(faults.struck(), 15);
}

#[tokio::test]
async fn pages_are_spoiled_record_by_record() {
    let portal = Portal::easy().await;
    portal.hub.bulk_contacts(5, 1);
    let faults = portal.hub.faults();
    let page = async |fault: Fault| {
        faults.inject(Place::path("/contacts"), When::times(1), fault);
        portal.get(&format!("/crm/objects/{V}/contacts?limit=3")).await.json()
    };
    assert_eq!(page(Fault::BadRecord).await["results"][1]["properties"], 12);
    assert!(page(Fault::ExtraFields).await["results"][2]["zzNew"].is_object());
    assert_eq!(page(Fault::Nulls).await["results"][0]["updatedAt"], Value::Null);
    assert_eq!(
        page(Fault::Huge { bytes: 100_000 }).await["results"][0]["properties"]["zz_huge"].as_str().unwrap().len(),
        100_000
    );
    let link = page(Fault::NextLink { to: "https://evil.example".to_owned() }).await;
    assert!(link["paging"]["next"]["link"].as_str().unwrap().starts_with("https://evil.example"));
}

#[tokio::test]
async fn writes_may_take_effect_although_the_answer_says_otherwise() {
    let portal = Portal::easy().await;
    let path = format!("/crm/objects/{V}/contacts");
    for (at, breakage) in [Breakage::Status(504), Breakage::Reset].into_iter().enumerate() {
        portal.hub.faults().inject(Place::method("POST", "/contacts"), When::times(1), Fault::AfterEffect { breakage });
        let body = json!({"properties": {"email": format!("p{at}@x.example")}});
        let answer = portal.try_send(Method::POST, &path, Some(body)).await;
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 504));
        assert_eq!(portal.hub.ledger().len(), at + 1);
    }
    portal.hub.faults().inject(
        Place::path("/contacts"),
        When::times(1),
        Fault::BeforeEffect { breakage: Breakage::Status(504) },
    );
    portal.post(&path, json!({"properties": {"email": "c@x.example"}})).await;
    assert_eq!(portal.hub.ids(Kind::Contact).len(), 2);
}

#[tokio::test]
async fn requests_inside_a_retry_after_are_counted_as_early() {
    let portal = Portal::easy().await;
    let fault =
        Fault::RateLimit { policy: "TEN_SECONDLY_ROLLING".to_owned(), retry_after: Some(RetryAfter::Seconds(600)) };
    portal.hub.faults().inject(Place::default(), When::times(1), fault);
    let path = format!("/crm/objects/{V}/contacts");
    assert_eq!(portal.get(&path).await.header("retry-after"), Some("600"));
    assert_eq!(portal.hub.requests().early, 0);
    portal.get(&path).await;
    assert_eq!(portal.hub.requests().early, 1);
    let fault = Fault::Status { status: 477, retry_after: Some(RetryAfter::Date(60)) };
    portal.hub.faults().inject(Place::default(), When::times(1), fault);
    let answer = portal.get(&path).await;
    assert_eq!(answer.header("date"), Some("Tue, 24 Nov 2026 08:00:00 GMT"));
    assert_eq!(answer.header("retry-after"), Some("Tue, 24 Nov 2026 08:01:00 GMT"));
}

#[tokio::test]
async fn read_only_mode_lets_reading_through_and_counts_the_rest() {
    let portal = Portal::easy().await;
    let id = portal.hub.create_contact(PERSON, &[("email", "a@x.example")]);
    portal.hub.faults().set(Fault::ReadOnly);
    portal.get(&format!("/crm/objects/{V}/contacts")).await;
    assert_eq!(portal.search("contacts", json!({})).await.status, 200);
    assert_eq!(
        portal.post(&format!("/crm/objects/{V}/contacts/batch/read"), json!({"inputs": [{"id": id}]})).await.status,
        200
    );
    assert_eq!(portal.post(&format!("/crm/lists/{V}/search"), json!({})).await.status, 200);
    assert_eq!(portal.hub.requests().writes_refused, 0);
    assert_eq!(portal.patch(&format!("/crm/objects/{V}/contacts/{id}"), json!({"phone": "1"})).await.status, 403);
    assert_eq!(portal.post(&format!("/crm/lists/{V}"), json!({})).await.status, 403);
    assert_eq!(portal.hub.requests().writes_refused, 2);
    assert!(portal.hub.ledger().is_empty());
}

#[tokio::test]
async fn workflows_rewrite_what_an_app_wrote_but_not_what_a_person_did() {
    let portal = Portal::easy().await;
    let ours = portal.hub.add_owner("a@example.com", "A", "A");
    let theirs = portal.hub.add_owner("b@example.com", "B", "B");
    let id = portal.hub.create_contact(PERSON, &[("email", "a@x.example")]);
    portal.hub.faults().set(Fault::Workflow {
        object: Kind::Contact,
        on: "hubspot_owner_id".to_owned(),
        set: "hubspot_owner_id".to_owned(),
        to: theirs.id.clone(),
        after_ms: 1000,
        times: Some(1),
    });
    portal.hub.update(Kind::Contact, &id, PERSON, &[("hubspot_owner_id", &theirs.id)]);
    portal.clock.advance(SignedDuration::from_secs(5));
    let owner = || portal.hub.get(Kind::Contact, &id).unwrap()["hubspot_owner_id"].clone();
    portal.patch(&format!("/crm/objects/{V}/contacts/{id}"), json!({"hubspot_owner_id": ours.id})).await;
    assert_eq!(owner(), ours.id);
    portal.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(owner(), theirs.id);
    let history = portal.hub.history(Kind::Contact, &id, "hubspot_owner_id");
    assert!(matches!(history.last().unwrap().2, Author::Workflow(_)));
}

#[tokio::test]
async fn permissions_that_shrink_hide_records_without_an_error() {
    let portal = Portal::easy().await;
    portal.hub.bulk_contacts(100, 3);
    portal.hub.faults().set(Fault::Shrink { object: Kind::Contact, percent: 50 });
    let body = portal.get(&format!("/crm/objects/{V}/contacts?limit=100")).await.json();
    let left = ids(&body).len();
    assert!((20..80).contains(&left), "{left}");
    assert_eq!(portal.search("contacts", json!({})).await.json()["total"], left);
}

#[tokio::test]
async fn other_processes_steer_it_under_sandbox_paths() {
    let portal = Portal::easy().await;
    let order =
        json!({"place": {"path": "/contacts"}, "when": {"times": 1}, "fault": {"kind": "status", "status": 503}});
    assert_eq!(portal.post("/_sandbox/faults", order).await.status, 204);
    assert_eq!(portal.get(&format!("/crm/objects/{V}/contacts")).await.status, 503);
    let made = portal
        .post(
            "/_sandbox/objects",
            json!({"kind": "contact", "by": {"user": 7}, "properties": {"email": "a@x.example"}}),
        )
        .await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(portal.get(&format!("/_sandbox/objects/contacts/{id}")).await.json()["email"], "a@x.example");
    portal.patch(&format!("/crm/objects/{V}/contacts/{id}"), json!({"phone": "1"})).await;
    let ledger = portal.get("/_sandbox/ledger").await.json();
    assert_eq!((&ledger[0]["what"], &ledger[0]["properties"]["phone"]), (&json!("update"), &json!("1")));
    assert_eq!(portal.get("/_sandbox/requests").await.json()["by_class"]["write"], 1);
    assert_eq!(portal.post("/_sandbox/faults", json!({"fault": {"kind": "nonsense"}})).await.status, 400);
    assert_eq!(portal.send(Method::DELETE, "/_sandbox/faults", None).await.status, 204);
}

#[tokio::test]
async fn populations_are_equal_for_equal_seeds() {
    let population =
        Population { contacts: 300, companies: 60, calls: 90, emails: 40, meetings: 20, ..Population::default() };
    let (one, two) = (Portal::easy().await, Portal::easy().await);
    one.hub.populate(&population);
    two.hub.populate(&population);
    for path in ["contacts", "companies", "calls", "emails", "meetings"] {
        let path = format!("/crm/objects/{V}/{path}?limit=100&associations=contacts,companies");
        assert_eq!(one.get(&path).await.text, two.get(&path).await.text);
    }
    assert_eq!(one.hub.ids(Kind::Call).len(), 90);
    assert!(one.hub.ledger().is_empty());
}

#[tokio::test]
async fn long_urls_are_414_section_9() {
    let portal = Portal::easy().await;
    let names = vec!["email"; 2_000].join(",");
    assert_eq!(portal.get(&format!("/crm/objects/{V}/contacts?properties={names}")).await.status, 414);
}
