//! The sandbox Pipedrive, as a client that has read the fact sheet finds it. "Section n" is the sheet's.

use baton::clock::Clock;
use baton::sandbox::pipedrive::{Breakage, Fault, Kind, Pipedrive, Place, Settings, When};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

struct Account {
    crm: Pipedrive,
    clock: Clock,
    url: String,
    http: Client,
}

async fn account() -> Account {
    account_with(Settings { burst_per_2s: 10_000, searches_per_2s: 10_000, ..Settings::default() }).await
}

async fn account_with(settings: Settings) -> Account {
    let clock = Clock::manual("2026-11-24T08:00:00.140Z".parse::<Timestamp>().unwrap());
    let crm = Pipedrive::new(clock.clone(), settings);
    let router = super::openapi::held_to_the_specification(&crm);
    served(clock, crm, router).await
}

/// One that may be asked what the specification does not know.
async fn unheld() -> Account {
    let clock = Clock::manual("2026-11-24T08:00:00.140Z".parse::<Timestamp>().unwrap());
    let crm = Pipedrive::new(clock.clone(), Settings::default());
    let router = crm.router();
    served(clock, crm, router).await
}

async fn served(clock: Clock, crm: Pipedrive, router: axum::Router) -> Account {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "the test's own server")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    Account { crm, clock, url, http }
}

impl Account {
    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let (status, _, text) = self.raw(method, path, body).await;
        (status.as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn raw(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> (StatusCode, reqwest::header::HeaderMap, String) {
        let token = self.crm.settings().tokens[0].secret.clone();
        let mut request = self.http.request(method, format!("{}{path}", self.url)).header("x-api-token", token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.headers().clone(), answer.text().await.unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.send(Method::POST, path, Some(body)).await;
        assert!(matches!(status, 200 | 201), "{path}: {answer}");
        answer["data"].clone()
    }

    async fn patch(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send(Method::PATCH, path, Some(body)).await
    }

    async fn person(&self, name: &str) -> i64 {
        self.post("/api/v2/persons", &json!({"name": name})).await["id"].as_i64().unwrap()
    }

    async fn lead(&self, person: i64) -> String {
        self.post("/api/v1/leads", &json!({"title": "a lead", "person_id": person})).await["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|row| row["id"].to_string().trim_matches('"').to_owned()).collect()
}

#[tokio::test]
async fn both_hosts_forms_are_understood_and_only_a_known_token_is_let_in_section_2() {
    let account = unheld().await;
    for path in ["/api/v1/users/me", "/v1/users/me"] {
        let me = account.get(path).await;
        assert_eq!((&me["data"]["company_domain"], &me["data"]["is_you"]), (&json!("acme"), &json!(true)), "{path}");
    }
    let (status, _) = account.send(Method::GET, "/v2/persons", None).await;
    assert_eq!(status, 404, "v2 is under /api/v2 alone");
    let answer = account.http.get(format!("{}/api/v1/users/me", account.url)).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);
    let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(body, json!({"success": false, "error": "unauthorized access", "errorCode": 401}));
    let by_query = format!("{}/api/v1/users/me?api_token={}", account.url, account.crm.settings().tokens[0].secret);
    assert_eq!(account.http.get(by_query).send().await.unwrap().status().as_u16(), 401, "the query form is gone");
    assert_eq!(account.send(Method::PUT, "/api/v2/persons", Some(&json!({}))).await.0, 405);
    assert_eq!(account.send(Method::GET, "/api/v1/persons", None).await.0, 404, "the v1 twins are gone");
}

#[tokio::test]
async fn a_lead_needs_a_person_or_organization_and_bears_its_makers_mark_section_4() {
    let account = account().await;
    let (status, body) = account.send(Method::POST, "/api/v1/leads", Some(&json!({"title": "x"}))).await;
    assert_eq!((status, &body["success"], &body["data"]), (400, &json!(false), &Value::Null));
    let person = account.person("Jane Roe").await;
    let (status, made) = account
        .send(Method::POST, "/api/v1/leads", Some(&json!({"title": "x", "person_id": person, "origin_id": "mine"})))
        .await;
    assert_eq!(status, 201);
    let lead = &made["data"];
    assert_eq!(
        (&lead["source_name"], &lead["origin_id"], &lead["is_archived"]),
        (&json!("API"), &json!("mine"), &json!(false))
    );
    assert_eq!(lead["add_time"], json!("2026-11-24T08:00:00.140Z"), "ISO with milliseconds");
    let path = format!("/api/v1/leads/{}", lead["id"].as_str().unwrap());
    let (status, _) = account.patch(&path, &json!({"was_seen": true})).await;
    assert_eq!(status, 200);
    assert_eq!(account.get("/api/v1/leadSources").await["data"].as_array().unwrap().len(), 10);
    let labels = account.get("/api/v1/leadLabels").await;
    let names: Vec<&str> =
        labels["data"].as_array().unwrap().iter().map(|label| label["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Hot", "Warm", "Cold"]);
}

#[tokio::test]
async fn v2_takes_no_number_as_text_and_replaces_lists_as_a_whole_sections_1_and_3() {
    let account = account().await;
    let jane = account.person("Jane Roe").await;
    let john = account.person("John Roe").await;
    // Both are against the specification on purpose, so they go past the test's own look at it.
    assert!(account.crm.create(1, Kind::Deal, &json!({"title": "x", "stage_id": "1"})).is_err());
    assert!(account.crm.create(1, Kind::Activity, &json!({"subject": "x", "done": 1})).is_err());
    let body = json!({"subject": "Call", "type": "call", "participants": [{"person_id": jane, "primary": true}]});
    let activity = account.post("/api/v2/activities", &body).await;
    assert_eq!(activity["person_id"], json!(jane));
    let path = format!("/api/v2/activities/{}", activity["id"]);
    let (_, body) =
        account.patch(&path, &json!({"participants": [{"person_id": john, "primary": true}], "person_id": jane})).await;
    assert_eq!(body["data"]["participants"], json!([{"person_id": john, "primary": true}]), "replaced as a whole");
    assert_eq!(body["data"]["person_id"], json!(john), "read-only, whatever was sent");
    let (_, body) = account.patch(&path, &json!({"done": true})).await;
    assert_eq!(body["data"]["marked_as_done_time"], json!("2026-11-24T08:00:00Z"), "without milliseconds");
}

#[tokio::test]
async fn an_empty_custom_fields_clears_them_all_section_10() {
    let account = account().await;
    let hash = account.crm.add_field(Kind::Person, "Size", "double", &[]);
    assert_eq!(hash.len(), 40);
    let person = account.post("/api/v2/persons", &json!({"name": "Jane", "custom_fields": {hash.as_str(): 7}})).await;
    assert_eq!(person["custom_fields"][&hash], json!(7));
    let path = format!("/api/v2/persons/{}", person["id"]);
    let (_, kept) = account.patch(&path, &json!({"job_title": "CTO"})).await;
    assert_eq!(kept["data"]["custom_fields"][&hash], json!(7));
    let (_, cleared) = account.patch(&path, &json!({"custom_fields": {}})).await;
    assert_eq!(cleared["data"]["custom_fields"], json!({}));
    let fields = account.get("/api/v2/personFields").await;
    let own = fields["data"].as_array().unwrap().iter().find(|field| field["is_custom_field"] == json!(true)).unwrap();
    assert_eq!((&own["field_name"], &own["field_code"]), (&json!("Size"), &json!(hash)));
}

#[tokio::test]
async fn cursors_go_by_keys_so_that_an_edit_during_the_walk_skips_by_time_and_not_by_id_section_5() {
    let account = account().await;
    for at in 0..5 {
        account.person(&format!("Person {at}")).await;
        account.clock.advance(SignedDuration::from_secs(1));
    }
    for (field, seen_all) in [("id", true), ("update_time", false)] {
        let first = account.get(&format!("/api/v2/persons?limit=2&sort_by={field}")).await;
        let mut seen = ids(&first);
        // The third is edited backwards in nobody's clock: it moves to the end of the order by time, and the first does, too.
        let moved = seen[0].clone();
        account.clock.advance(SignedDuration::from_secs(1));
        account.crm.update(1, Kind::Person, &moved, &json!({"job_title": field})).unwrap();
        let mut cursor = first["additional_data"]["next_cursor"].as_str().map(str::to_owned);
        while let Some(at) = cursor {
            let page = account.get(&format!("/api/v2/persons?limit=2&sort_by={field}&cursor={at}")).await;
            seen.extend(ids(&page));
            cursor = page["additional_data"]["next_cursor"].as_str().map(str::to_owned);
        }
        let all: std::collections::BTreeSet<&String> = seen.iter().collect();
        assert_eq!(all.len(), 5);
        assert_eq!(seen.len() == 5, seen_all, "{field}: {seen:?}");
    }
    let (status, _) = account.send(Method::GET, "/api/v2/persons?cursor=nonsense", None).await;
    assert_eq!(status, 400);
    assert_eq!(account.send(Method::GET, "/api/v2/persons?limit=501", None).await.0, 400);
}

#[tokio::test]
async fn windows_by_time_take_their_beginning_and_leave_their_end_section_5() {
    let account = account().await;
    let person = account.person("Jane").await.to_string();
    let at = |text: &str| format!("/api/v2/persons?updated_since={text}");
    assert!(ids(&account.get(&at("2026-11-24T08:00:01Z")).await).is_empty());
    assert_eq!(ids(&account.get(&at("2026-11-24T08:00:00Z")).await), std::slice::from_ref(&person));
    assert!(
        ids(&account.get(&format!("{}&updated_until=2026-11-24T08:00:00.140Z", at("2026-11-24T08:00:00Z"))).await)
            .is_empty()
    );
    account.crm.faults().set(Fault::CommitLag { ms: 60_000 });
    account.clock.advance(SignedDuration::from_secs(30));
    account.crm.update(1, Kind::Person, &person, &json!({"job_title": "CTO"})).unwrap();
    assert!(ids(&account.get(&at("2026-11-24T08:00:10Z")).await).is_empty(), "not yet");
    account.clock.advance(SignedDuration::from_secs(60));
    assert_eq!(ids(&account.get(&at("2026-11-24T08:00:10Z")).await), [person], "dated as it was changed");
}

#[tokio::test]
async fn leads_page_by_offsets_that_shift_and_say_no_next_start_section_5() {
    let account = account().await;
    let person = account.person("Jane").await;
    let mut leads = Vec::new();
    for _ in 0..5 {
        account.clock.advance(SignedDuration::from_secs(1));
        leads.push(account.lead(person).await);
    }
    let first = account.get("/api/v1/leads?limit=2&sort=add_time%20ASC").await;
    assert_eq!(ids(&first), leads[..2]);
    assert_eq!(first["additional_data"], json!({"start": 0, "limit": 2, "more_items_in_collection": true}));
    account.crm.update(1, Kind::Lead, &leads[0], &json!({"is_archived": true})).unwrap();
    let second = account.get("/api/v1/leads?limit=2&start=2&sort=add_time%20ASC").await;
    assert_eq!(ids(&second), leads[3..5], "the third was skipped");
    let archived = account.get("/api/v1/leads/archived").await;
    assert_eq!(ids(&archived), leads[..1]);
    let notes = account
        .post("/api/v1/notes", &json!({"content": "<p style=\"display:none\">x<!-- y --></p>", "lead_id": leads[1]}))
        .await;
    assert_eq!(notes["content"], json!("<p>x</p>"), "sanitised");
    let listed = account.get(&format!("/api/v1/notes?lead_id={}", leads[1])).await;
    assert_eq!(listed["additional_data"]["pagination"]["more_items_in_collection"], json!(false), "nested here");
    assert_eq!(listed["data"][0]["add_time"], json!("2026-11-24 08:00:05"), "UTC without saying so");
}

#[tokio::test]
async fn archived_leads_and_deals_leave_their_lists_and_take_no_more_writes_section_1() {
    let account = account().await;
    let person = account.person("Jane").await;
    let lead = account.lead(person).await;
    let path = format!("/api/v1/leads/{lead}");
    assert_eq!(account.patch(&path, &json!({"is_archived": true})).await.0, 200);
    assert!(ids(&account.get("/api/v1/leads").await).is_empty());
    assert_eq!(account.get(&path).await["data"]["is_archived"], json!(true));
    assert_eq!(account.patch(&path, &json!({"owner_id": 1})).await.0, 400);
    let deal = account.post("/api/v2/deals", &json!({"title": "x", "person_id": person})).await["id"].to_string();
    assert_eq!(account.patch(&format!("/api/v2/deals/{deal}"), &json!({"is_archived": true})).await.0, 200);
    assert!(ids(&account.get("/api/v2/deals").await).is_empty());
    assert_eq!(ids(&account.get("/api/v2/deals/archived").await), [deal]);
}

#[tokio::test]
async fn a_conversion_is_a_job_and_the_lead_is_gone_without_a_feed_section_9() {
    let account = account_with(Settings { convert_ms: 5_000, burst_per_2s: 10_000, ..Settings::default() }).await;
    let person = account.person("Jane").await;
    let lead = account.lead(person).await;
    account.post("/api/v1/notes", &json!({"content": "x", "lead_id": lead})).await;
    let started = account.post(&format!("/api/v2/leads/{lead}/convert/deal"), &json!({"stage_id": 2})).await;
    let status = format!("/api/v2/leads/{lead}/convert/status/{}", started["conversion_id"].as_str().unwrap());
    assert_eq!(account.get(&status).await["data"]["status"], json!("running"));
    account.clock.advance(SignedDuration::from_secs(6));
    let done = account.get(&status).await;
    assert_eq!(done["data"]["status"], json!("completed"));
    let deal = account.get(&format!("/api/v2/deals/{}?include_fields=source_lead_id", done["data"]["deal_id"])).await;
    assert_eq!((&deal["data"]["source_lead_id"], &deal["data"]["stage_id"]), (&json!(lead), &json!(2)));
    let plain = account.get(&format!("/api/v2/deals/{}", done["data"]["deal_id"])).await;
    assert!(plain["data"].get("source_lead_id").is_none(), "only who asks sees it");
    let (status, body) = account.send(Method::GET, &format!("/api/v1/leads/{lead}"), None).await;
    assert_eq!((status, &body["error"]), (404, &json!("requested lead not found")));
    assert!(
        ids(&account.get("/api/v1/leads").await).is_empty()
            && ids(&account.get("/api/v1/leads/archived").await).is_empty()
    );
    let moved = account.get(&format!("/api/v1/notes?deal_id={}", done["data"]["deal_id"])).await;
    assert_eq!(moved["data"].as_array().unwrap().len(), 1, "notes move to the deal");
}

#[tokio::test]
async fn deleted_deals_are_listed_for_thirty_days_and_nothing_else_is_section_5() {
    let account = account().await;
    let person = account.person("Jane").await;
    let deal = account.post("/api/v2/deals", &json!({"title": "x", "person_id": person})).await["id"].to_string();
    assert_eq!(account.send(Method::DELETE, &format!("/api/v2/deals/{deal}"), None).await.0, 200);
    assert_eq!(ids(&account.get("/api/v2/deals?status=deleted").await), std::slice::from_ref(&deal));
    account.clock.advance(SignedDuration::from_hours(31 * 24));
    assert!(ids(&account.get("/api/v2/deals?status=deleted").await).is_empty());
    assert!(account.crm.delete(1, Kind::Person, &person.to_string()));
    assert!(ids(&account.get(&format!("/api/v2/persons?ids={person}")).await).is_empty(), "left out in silence");
    let (status, body) = account.send(Method::GET, &format!("/api/v2/persons/{person}"), None).await;
    assert_eq!((status, &body["error"]), (404, &json!("Entity was not found")));
}

#[tokio::test]
async fn tokens_are_spent_by_cost_and_a_full_day_is_429_until_midnight_sections_3_and_6() {
    let account = account_with(Settings { daily_tokens: 55, refusals_max: 1_000, ..Settings::default() }).await;
    account.get("/api/v1/leads").await;
    account.get("/api/v2/persons").await;
    account.get("/api/v2/deals/archived").await;
    assert_eq!(account.crm.tokens_used(), 50);
    let (status, headers, _) = account.raw(Method::GET, "/api/v2/persons", None).await;
    assert_eq!(status.as_u16(), 429);
    assert!(headers["x-ratelimit-remaining"].to_str().unwrap().parse::<u32>().unwrap() > 0, "it is not the burst");
    assert!(headers.get("retry-after").is_none());
    account.clock.advance(SignedDuration::from_hours(16));
    account.get("/api/v2/persons").await;
    assert_eq!(account.crm.tokens_used(), 10, "a new day");
}

#[tokio::test]
async fn the_burst_is_429_with_its_headers_and_hammering_on_meets_cloudflare_sections_1_and_6() {
    let account = account_with(Settings { burst_per_2s: 3, refusals_max: 4, ..Settings::default() }).await;
    let mut statuses = Vec::new();
    for _ in 0..12 {
        let (status, headers, body) = account.raw(Method::GET, "/api/v1/users/me", None).await;
        if status.as_u16() == 429 {
            assert_eq!(headers["x-ratelimit-remaining"], "0");
            assert_eq!(headers["x-ratelimit-limit"], "3");
        }
        if status.as_u16() == 403 {
            assert!(body.contains("Cloudflare") && headers["content-type"].to_str().unwrap().contains("html"));
        }
        statuses.push(status.as_u16());
    }
    assert_eq!(statuses[..3], [200; 3]);
    assert!(statuses.contains(&429) && statuses.last() == Some(&403), "{statuses:?}");
}

#[tokio::test]
async fn searches_find_by_address_and_say_what_is_archived_section_9() {
    let account = account().await;
    let person =
        json!({"name": "Jane Roe", "emails": [{"value": "jane@acme.example", "primary": true, "label": "work"}]});
    let person = account.post("/api/v2/persons", &person).await["id"].clone();
    let found = account.get("/api/v2/persons/search?term=JANE@acme.example&fields=email&exact_match=true").await;
    assert_eq!(found["data"]["items"][0]["item"]["id"], person);
    let none = account.get("/api/v2/persons/search?term=jane@acme&fields=email&exact_match=true").await;
    assert!(none["data"]["items"].as_array().unwrap().is_empty());
    assert_eq!(account.send(Method::GET, "/api/v2/persons/search?term=j", None).await.0, 400);
    account.crm.faults().set(Fault::SearchLag { ms: 60_000 });
    let late = account.get("/api/v2/persons/search?term=jane@acme.example&fields=email&exact_match=true").await;
    assert!(late["data"]["items"].as_array().unwrap().is_empty(), "the search may lag");
}

#[tokio::test]
async fn webhooks_are_told_with_basic_retried_banned_and_ended_section_8() {
    let account = account().await;
    let subscription = |url: &str| {
        json!({"subscription_url": url, "event_action": "*", "event_object": "lead", "name": "baton", "user_id": 1,
            "http_auth_user": "baton", "http_auth_password": "sesame", "version": "2.0"})
    };
    let (status, made) =
        account.send(Method::POST, "/api/v1/webhooks", Some(&subscription("https://hooks.example/x"))).await;
    assert_eq!((status, &made["data"]["is_active"]), (201, &json!(1)));
    let (status, refused) = account.send(Method::POST, "/api/v1/webhooks", Some(&subscription("nowhere"))).await;
    assert_eq!((status, &refused["errors"]["subscription_url"][0]), (400, &json!("invalid or non-reachable URL")));
    let hash = account.crm.add_field(Kind::Deal, "Kind", "varchar", &[]);
    let person = account.person("Jane").await;
    let lead = account.lead(person).await;
    account.crm.update(1, Kind::Lead, &lead, &json!({hash.as_str(): "x"})).unwrap();
    account.crm.delete(1, Kind::Lead, &lead);
    let told = account.crm.take_deliveries();
    let actions: Vec<&str> = told.iter().map(|one| one.body["meta"]["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["create", "change", "delete"]);
    assert_eq!(
        (&told[0].body["meta"]["change_source"], &told[1].body["meta"]["change_source"]),
        (&json!("api"), &json!("app"))
    );
    assert_eq!(told[1].body["data"]["custom_fields"][&hash], json!("x"), "inside, unlike the API");
    assert_eq!((&told[0].body["previous"], &told[2].body["data"]), (&Value::Null, &Value::Null));
    assert_eq!(told[0].auth, Some(("baton".to_owned(), "sesame".to_owned())));
    // Nobody listens there: three retries, and none more.
    account.crm.update(1, Kind::Person, &person.to_string(), &json!({"job_title": "x"})).unwrap();
    let closed =
        format!("http://{}", tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap());
    assert_eq!(account.send(Method::POST, "/api/v1/webhooks", Some(&subscription(&closed))).await.0, 201);
    drop(account.crm.take_deliveries());
    account.lead(person).await;
    let mut tries = 0;
    for seconds in [0, 3, 30, 150, 600] {
        account.clock.advance(SignedDuration::from_secs(seconds));
        tries += usize::from(account.crm.deliver_webhooks().await == 0);
    }
    assert_eq!(tries, 5);
    assert!(account.crm.take_deliveries().is_empty(), "given up");
}

#[tokio::test]
async fn faults_come_on_demand_and_the_ledger_holds_what_was_accepted() {
    let account = account().await;
    let order = json!({"place": {"method": "POST", "path": "/v2/persons"}, "when": {"times": 1},
        "fault": {"kind": "after_effect", "breakage": {"status": 503}}});
    let armed =
        account.http.post(format!("{}/_sandbox/faults", account.url)).body(order.to_string()).send().await.unwrap();
    assert_eq!(armed.status().as_u16(), 200);
    let (status, _) = account.send(Method::POST, "/api/v2/persons", Some(&json!({"name": "Jane"}))).await;
    assert_eq!((status, account.crm.ids(Kind::Person).len()), (503, 1), "it has its effect all the same");
    account.crm.faults().inject(
        Place::path("/v2/persons"),
        When::times(1),
        Fault::BeforeEffect { breakage: Breakage::Status(500) },
    );
    assert_eq!(account.send(Method::POST, "/api/v2/persons", Some(&json!({"name": "June"}))).await.0, 500);
    assert_eq!(account.crm.ids(Kind::Person).len(), 1);
    account.person("John").await;
    let ledger = account.crm.ledger();
    let names: Vec<&Value> = ledger.iter().map(|effect| &effect.values["name"]).collect();
    assert_eq!(names, [&json!("Jane"), &json!("John")]);
    assert_eq!(account.crm.faults().struck(), 2);
    let made = json!({"kind": "person", "values": {"name": "Kim"}});
    let made =
        account.http.post(format!("{}/_sandbox/records", account.url)).body(made.to_string()).send().await.unwrap();
    assert_eq!(made.status().as_u16(), 200);
    match account.crm.ids(Kind::Person).len() {
        3 => {}
        other => panic!("{other} persons"),
    }
}
