//! The sandbox org over HTTP, by the sections of the fact sheet: what it answers, whoever asks.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly, as the tests do")]

use baton::clock::Clock;
use baton::sandbox::salesforce::{Fault, Place, Salesforce, Settings, When};
use jiff::SignedDuration;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

struct Org {
    sandbox: Salesforce,
    clock: Clock,
    url: String,
    http: reqwest::Client,
    token: String,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    fn code(&self) -> String {
        self.json()[0]["errorCode"].as_str().unwrap_or_default().to_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn org() -> Org {
    org_with(|_| {}).await
}

async fn org_with(change: impl FnOnce(&mut Settings)) -> Org {
    // Ours brings the TLS that reqwest asks for.
    let _ours = baton::http::Client::new().unwrap();
    let clock = Clock::manual("2026-11-24T08:00:00Z".parse().unwrap());
    let mut settings = Settings::default();
    change(&mut settings);
    let sandbox = Salesforce::new(clock.clone(), settings);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = sandbox.router();
    #[expect(clippy::disallowed_methods, reason = "the test's own server")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut org = Org { sandbox, clock, url, http: reqwest::Client::new(), token: String::new() };
    let app = org.sandbox.settings();
    let given = org
        .login(&[
            ("grant_type", "client_credentials"),
            ("client_id", &app.consumer_key),
            ("client_secret", &app.consumer_secret),
        ])
        .await;
    org.token = given.json()["access_token"].as_str().unwrap().to_owned();
    org
}

impl Org {
    async fn login(&self, form: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.http.post(format!("{}/services/oauth2/token", self.url)).body(body);
        told(request.header("content-type", "application/x-www-form-urlencoded")).await
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        let url = if path.starts_with("/services") {
            format!("{}{path}", self.url)
        } else {
            format!("{}/services/data/v67.0/{path}", self.url)
        };
        let mut request = self.http.request(method.parse().unwrap(), url).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        told(request).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], None).await
    }

    async fn query(&self, soql: &str) -> Answer {
        self.soql("query", soql, &[]).await
    }

    async fn soql(&self, name: &str, soql: &str, headers: &[(&str, &str)]) -> Answer {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", soql).finish();
        self.ask("GET", &format!("{name}?{query}"), headers, None).await
    }

    fn rep(&self, name: &str) -> String {
        self.sandbox.add_user(&format!("{name}@example.com"), name, &format!("{name}@example.com"))
    }

    fn lead(&self, name: &str) -> String {
        let values =
            json!({"LastName": name, "Company": "Acme", "Email": format!("{}@x.example", name.to_lowercase())});
        self.sandbox.as_admin().create("Lead", values).unwrap()
    }

    async fn post(&self, object: &str, body: Value) -> Answer {
        self.ask("POST", &format!("sobjects/{object}"), &[("Sforce-Auto-Assign", "FALSE")], Some(body)).await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.ask("PATCH", path, &[("Sforce-Auto-Assign", "FALSE")], Some(body)).await
    }
}

async fn told(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}

fn ids(answer: &Answer) -> Vec<String> {
    let records = answer.json()["records"].as_array().cloned().unwrap_or_default();
    records.iter().map(|record| record["Id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn refresh_tokens_rotate_and_a_replayed_one_ends_the_family_section_2() {
    let org = org().await;
    let app = org.sandbox.settings();
    let code = org.sandbox.authorization_code(&org.rep("anna"));
    let own = [("client_id", app.consumer_key.as_str()), ("client_secret", app.consumer_secret.as_str())];
    let given = org.login(&[&[("grant_type", "authorization_code"), ("code", &code)][..], &own].concat()).await.json();
    let first = given["refresh_token"].as_str().unwrap().to_owned();
    assert!(given["instance_url"] == org.url.as_str() && given.get("expires_in").is_none(), "{given}");
    let refresh = async |token: &str| {
        org.login(&[&[("grant_type", "refresh_token"), ("refresh_token", token)][..], &own].concat()).await
    };
    let second = refresh(&first).await.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    let replayed = refresh(&first).await;
    assert_eq!((replayed.status, replayed.json()["error"].as_str()), (400, Some("invalid_grant")));
    assert_eq!(refresh(&second).await.status, 400, "the whole family is over");
    let wrong = org.login(&[("grant_type", "client_credentials"), ("client_id", "x"), ("client_secret", "y")]).await;
    assert_eq!(wrong.json()["error"], "invalid_client");
    assert_eq!(
        org.login(&[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", "a.b.c")])
            .await
            .json()["error"],
        "invalid_grant"
    );
}

#[tokio::test]
async fn versions_are_listed_and_retired_ones_are_gone_section_3() {
    let org = org().await;
    let versions = org.get("/services/data").await.json();
    assert_eq!(versions.as_array().unwrap().last().unwrap()["version"], "67.0");
    let gone = org.get("/services/data/v30.0/limits").await;
    assert_eq!((gone.status, gone.code().as_str()), (410, "GONE"));
    assert_eq!(org.get("/services/data/v99.0/limits").await.status, 404);
}

#[tokio::test]
async fn describe_shows_what_the_user_sees_and_a_hidden_field_looks_like_none_section_1_9() {
    let org = org().await;
    let names = async || -> Vec<String> {
        let fields = org.get("sobjects/Lead/describe").await.json()["fields"].as_array().cloned().unwrap();
        fields.iter().map(|field| field["name"].as_str().unwrap().to_owned()).collect()
    };
    assert!(names().await.contains(&"Rating".to_owned()));
    org.sandbox.faults().set(Fault::FieldHidden { object: "Lead".to_owned(), field: "Rating".to_owned() });
    assert!(!names().await.contains(&"Rating".to_owned()));
    for soql in ["SELECT Rating FROM Lead", "SELECT Nonsense FROM Lead"] {
        let refused = org.query(soql).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "INVALID_FIELD"));
        assert!(refused.text.contains("No such column"), "{}", refused.text);
    }
}

#[tokio::test]
async fn a_query_pages_by_a_path_of_the_org_and_its_cursor_lives_two_days_section_5() {
    let org = org_with(|settings| settings.page_rows = Some(2)).await;
    let leads: Vec<String> = ["A", "B", "C", "D", "E"].map(|name| org.lead(name)).to_vec();
    let first = org.soql("queryAll", "SELECT Id, SystemModstamp FROM Lead ORDER BY SystemModstamp, Id", &[]).await;
    let page = first.json();
    assert_eq!((page["totalSize"].as_u64(), page["done"].as_bool()), (Some(5), Some(false)));
    assert_eq!(page["records"][0]["attributes"]["url"], format!("/services/data/v67.0/sobjects/Lead/{}", leads[0]));
    assert_eq!(page["records"][0]["SystemModstamp"], "2026-11-24T08:00:00.000+0000");
    let next = page["nextRecordsUrl"].as_str().unwrap().to_owned();
    assert!(next.starts_with("/services/data/v67.0/query/"), "{next}");
    let second = org.get(&next).await;
    assert_eq!(ids(&second), leads[2..4]);
    let third = org.get(second.json()["nextRecordsUrl"].as_str().unwrap()).await;
    assert_eq!((ids(&third), third.json()["done"].as_bool()), (leads[4..].to_vec(), Some(true)));
    org.clock.advance(SignedDuration::from_hours(49));
    let dead = org.get(&next).await;
    assert_eq!((dead.status, dead.code().as_str()), (400, "INVALID_QUERY_LOCATOR"));
}

#[tokio::test]
async fn soql_compares_escapes_and_refuses_section_5() {
    let org = org().await;
    let (anna, lead) = (org.rep("anna"), org.lead("O'Hara"));
    let queue = org.sandbox.add_queue("Inbound");
    let queued =
        org.sandbox.as_admin().create("Lead", json!({"LastName": "Q", "Company": "x", "OwnerId": queue})).unwrap();
    assert_eq!(ids(&org.query("SELECT Id FROM Lead WHERE LastName = 'o\\'hara'").await), std::slice::from_ref(&lead));
    assert_eq!(ids(&org.query("SELECT Id FROM Lead WHERE Owner.Type = 'Queue'").await), std::slice::from_ref(&queued));
    let shown =
        org.query(&format!("SELECT Owner.Name, Owner.Type FROM Lead WHERE Id = '{}'", &queued[..15])).await.json();
    assert_eq!(
        (shown["records"][0]["Owner"]["Name"].as_str(), shown["records"][0]["Owner"]["Type"].as_str()),
        (Some("Inbound"), Some("Queue"))
    );
    org.clock.advance(SignedDuration::from_secs(5));
    org.sandbox.as_user(&anna).update("Lead", &lead, json!({"Title": "CTO"})).unwrap();
    let since = "SELECT Id FROM Lead WHERE SystemModstamp > 2026-11-24T08:00:00Z";
    assert_eq!(ids(&org.query(since).await), std::slice::from_ref(&lead));
    assert_eq!(
        ids(&org.query("SELECT Id FROM Lead WHERE SystemModstamp >= 2026-11-24T09:00:05+01:00").await),
        std::slice::from_ref(&lead)
    );
    assert_eq!(org.query("SELECT COUNT() FROM Lead WHERE Title = null").await.json()["totalSize"], 1);
    let task = org.sandbox.as_user(&anna).log_call(&lead, "Hello").unwrap();
    let nested = org
        .query("SELECT Id, (SELECT Id, IsClosed FROM Tasks) FROM Lead WHERE Id IN (SELECT WhoId FROM Task)")
        .await
        .json();
    assert_eq!(nested["records"][0]["Tasks"]["records"][0]["Id"], task.as_str());
    for (soql, code) in [
        ("SELECT Id FROM Lead WHERE SystemModstamp > '2026-11-24T08:00:00Z'", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM LeadHistory WHERE NewValue = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT Id FROM Lead WHERE Name = 'a' AND Name = 'b' OR Name = 'c'", "MALFORMED_QUERY"),
        ("SELECT FIELDS(ALL) FROM Lead", "MALFORMED_QUERY"),
    ] {
        let refused = org.query(soql).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, code), "{soql}: {}", refused.text);
    }
    let long = format!("SELECT Id FROM Lead WHERE Name = '{}'", "x".repeat(17_000));
    assert_eq!(org.query(&long).await.status, 414);
}

#[tokio::test]
async fn query_hides_deleted_merged_and_archived_rows_and_query_all_shows_them_sections_1_5_and_6() {
    let org = org().await;
    let (anna, winner, loser, gone, purged) =
        (org.rep("anna"), org.lead("A"), org.lead("B"), org.lead("C"), org.lead("D"));
    let task = org.sandbox.as_user(&anna).log_call(&loser, "Hello").unwrap();
    org.clock.advance(SignedDuration::from_mins(5));
    org.sandbox.as_user(&anna).merge("Lead", &winner, &loser).unwrap();
    org.sandbox.as_user(&anna).delete("Lead", &gone).unwrap();
    org.sandbox.purge("Lead", &purged);
    assert_eq!(ids(&org.query("SELECT Id FROM Lead").await), std::slice::from_ref(&winner));
    let all = org.soql("queryAll", "SELECT Id, IsDeleted, MasterRecordId FROM Lead ORDER BY Id", &[]).await;
    assert_eq!(ids(&all), [winner.clone(), loser.clone(), gone.clone()]);
    assert_eq!(all.json()["records"][1]["MasterRecordId"], winner.as_str());
    assert_eq!(org.sandbox.get("Task", &task).unwrap()["WhoId"], winner.as_str(), "activities go with their person");
    org.clock.advance(SignedDuration::from_mins(5));
    let deleted = org.get("sobjects/Lead/deleted?start=2026-11-24T08:00:00Z&end=2026-11-24T08:10:00Z").await.json();
    let told: Vec<&str> =
        deleted["deletedRecords"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(told, [loser.as_str(), &gone, &purged], "only this tells of what was purged");
    let early = org.get("sobjects/Lead/deleted?start=2026-10-01T08:00:00Z&end=2026-11-24T08:10:00Z").await;
    assert_eq!(early.code(), "INVALID_REPLICATION_DATE");
    org.clock.advance(SignedDuration::from_hours(24 * 366));
    assert!(ids(&org.query("SELECT Id FROM Task").await).is_empty(), "archived");
    assert_eq!(ids(&org.soql("queryAll", "SELECT Id FROM Task", &[]).await), [task]);
}

#[tokio::test]
async fn assignment_rules_run_unless_the_header_says_no_section_1_1() {
    let org = org().await;
    let (anna, robin) = (org.rep("anna"), org.rep("robin"));
    org.sandbox.set(|settings| settings.assignment_rule_owner = Some(robin.clone()));
    let body = || json!({"LastName": "A", "Company": "x", "OwnerId": anna});
    let made = org.ask("POST", "sobjects/Lead", &[], Some(body())).await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(org.sandbox.get("Lead", &made).unwrap()["OwnerId"], robin.as_str());
    let path = format!("sobjects/Lead/{made}");
    assert_eq!(org.patch(&path, json!({"OwnerId": anna})).await.status, 204);
    assert_eq!(org.sandbox.get("Lead", &made).unwrap()["OwnerId"], anna.as_str());
    org.ask("PATCH", &path, &[], Some(json!({"Title": "CTO"}))).await;
    assert_eq!(org.sandbox.get("Lead", &made).unwrap()["OwnerId"], robin.as_str(), "any update moves it");
}

#[tokio::test]
async fn errors_have_the_bodies_of_section_9() {
    let org = org().await;
    let (anna, gone) = (org.rep("anna"), org.rep("gone"));
    org.sandbox.deactivate_user(&gone);
    let lead = org.lead("A");
    let path = format!("sobjects/Lead/{lead}");
    let missing = org.post("Lead", json!({"LastName": "B"})).await;
    assert_eq!(
        (missing.status, missing.code().as_str(), &missing.json()[0]["fields"]),
        (400, "REQUIRED_FIELD_MISSING", &json!(["Company"]))
    );
    for (body, code) in [
        (json!({"OwnerId": gone}), "INACTIVE_OWNER_OR_USER"),
        (json!({"OwnerId": "00Q000000000000AAA"}), "INVALID_CROSS_REFERENCE_KEY"),
        (json!({"OwnerId": "x"}), "MALFORMED_ID"),
        (json!({"Nonsense": 1}), "INVALID_FIELD"),
        (json!({"IsConverted": true}), "INVALID_FIELD_FOR_INSERT_UPDATE"),
        (json!({"LastName": "x".repeat(81)}), "STRING_TOO_LONG"),
        (json!({"NumberOfEmployees": "many"}), "JSON_PARSER_ERROR"),
    ] {
        let refused = org.patch(&path, body.clone()).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, code), "{body}: {}", refused.text);
    }
    org.sandbox.faults().set(Fault::Validation {
        object: "Lead".to_owned(),
        field: "Title".to_owned(),
        message: "Not today".to_owned(),
    });
    assert_eq!(org.patch(&path, json!({"Title": "x"})).await.code(), "FIELD_CUSTOM_VALIDATION_EXCEPTION");
    org.sandbox.faults().set(Fault::Locked { id: lead.clone() });
    assert_eq!(org.patch(&path, json!({"Phone": "1"})).await.code(), "UNABLE_TO_LOCK_ROW");
    org.sandbox.faults().clear();
    let twin = org.post("Lead", json!({"LastName": "A", "Company": "x", "Email": "a@x.example"})).await;
    assert_eq!(twin.code(), "DUPLICATES_DETECTED");
    assert_eq!(twin.json()[0]["duplicateResult"]["matchResults"][0]["matchRecords"][0]["record"]["Id"], lead.as_str());
    let saves = [("Sforce-Auto-Assign", "FALSE"), ("Sforce-Duplicate-Rule-Header", "allowSave=true")];
    let body = json!({"LastName": "A", "Company": "x", "Email": "a@x.example"});
    assert_eq!(org.ask("POST", "sobjects/Lead", &saves, Some(body)).await.status, 201);
    org.sandbox.as_user(&anna).update("Lead", &lead, json!({"OwnerId": anna})).unwrap();
    org.sandbox.as_user(&anna).convert(&lead, None, None).unwrap();
    assert_eq!(org.patch(&path, json!({"Title": "x"})).await.code(), "CANNOT_UPDATE_CONVERTED_LEAD");
    assert_eq!(org.get("sobjects/Lead/00Q5f0zzzzzzzzzAAA").await.code(), "NOT_FOUND");
    let other = org.lead("Z");
    org.sandbox.as_user(&anna).delete("Lead", &other).unwrap();
    assert_eq!(org.get(&format!("sobjects/Lead/{other}")).await.code(), "ENTITY_IS_DELETED");
    org.sandbox.faults().set(Fault::DailyLimit { left: 1 });
    assert_eq!(org.get("limits").await.header("sforce-limit-info"), "api-usage=100000/100000");
    let over = org.get("limits").await;
    assert_eq!((over.status, over.code().as_str()), (403, "REQUEST_LIMIT_EXCEEDED"));
    org.sandbox.faults().set(Fault::SessionsExpire);
    let ended = org.get("limits").await;
    assert_eq!((ended.status, ended.code().as_str()), (401, "INVALID_SESSION_ID"));
}

#[tokio::test]
async fn an_upsert_by_an_external_id_makes_one_and_an_unmodified_since_is_held_section_7() {
    let org = org().await;
    org.sandbox.add_field("Task", "BatonKey__c", "string", true);
    let lead = org.lead("A");
    let body = json!({"Subject": "Call", "WhoId": lead});
    let first = org.patch("sobjects/Task/BatonKey__c/abc-1", body.clone()).await;
    assert_eq!((first.status, first.json()["created"].as_bool()), (201, Some(true)), "{}", first.text);
    let again = org.patch("sobjects/Task/BatonKey__c/abc-1", body).await;
    assert_eq!((again.status, again.json()["created"].as_bool()), (200, Some(false)));
    assert_eq!(first.json()["id"], again.json()["id"]);
    assert_eq!(org.patch("sobjects/Task/BatonKey__c/none?updateOnly=true", json!({"Subject": "x"})).await.status, 404);
    let twice = org.post("Task", json!({"Subject": "x", "BatonKey__c": "abc-1"})).await;
    assert_eq!(twice.code(), "DUPLICATE_VALUE");
    org.clock.advance(SignedDuration::from_secs(60));
    org.sandbox.as_admin().update("Lead", &lead, json!({"Title": "CTO"})).unwrap();
    let path = format!("sobjects/Lead/{lead}");
    let old = [("If-Unmodified-Since", "Tue, 24 Nov 2026 08:00:30 GMT"), ("Sforce-Auto-Assign", "FALSE")];
    assert_eq!(org.ask("PATCH", &path, &old, Some(json!({"Phone": "1"}))).await.status, 412);
    let new = [("If-Unmodified-Since", "Tue, 24 Nov 2026 08:01:00 GMT"), ("Sforce-Auto-Assign", "FALSE")];
    assert_eq!(org.ask("PATCH", &path, &new, Some(json!({"Phone": "1"}))).await.status, 204);
    let both = org
        .post(
            "Task",
            json!({"WhoId": lead, "WhatId": org.sandbox.as_admin().create("Account", json!({"Name": "A"})).unwrap()}),
        )
        .await;
    assert_eq!(both.code(), "FIELD_INTEGRITY_EXCEPTION");
}

#[tokio::test]
async fn collections_tell_each_row_and_roll_back_whole_section_7() {
    let org = org().await;
    let (a, b) = (org.lead("A"), org.lead("B"));
    let rows = |title: &str, bad: &str| json!([{"attributes": {"type": "Lead"}, "id": a, "Title": title}, {"attributes": {"type": "Lead"}, "id": b, bad: "x"}]);
    let part = org.patch("composite/sobjects", json!({"allOrNone": false, "records": rows("CTO", "Nonsense")})).await;
    assert_eq!(part.status, 200);
    let told = part.json();
    assert_eq!((told[0]["success"].as_bool(), told[1]["success"].as_bool()), (Some(true), Some(false)));
    assert_eq!(told[1]["errors"][0]["statusCode"], "INVALID_FIELD", "rows say statusCode: {told}");
    assert!(told[1].get("id").is_none());
    let whole =
        org.patch("composite/sobjects", json!({"allOrNone": true, "records": rows("CFO", "Nonsense")})).await.json();
    assert_eq!(whole[0]["errors"][0]["statusCode"], "ALL_OR_NONE_OPERATION_ROLLED_BACK");
    assert!(whole[0]["id"].is_string(), "a row that was rolled back may still carry an id");
    assert_eq!(org.sandbox.get("Lead", &a).unwrap()["Title"], "CTO");
    let many: Vec<Value> = (0..201).map(|_| json!({"attributes": {"type": "Lead"}})).collect();
    assert_eq!(org.patch("composite/sobjects", json!({"records": many})).await.status, 400);
    let read = org
        .ask(
            "POST",
            "composite/sobjects/Lead",
            &[],
            Some(json!({"ids": [b, "00Q5f0zzzzzzzzzAAA", a], "fields": ["Id", "Title"]})),
        )
        .await
        .json();
    assert_eq!(
        (read[0]["Id"].as_str(), read[1].is_null(), read[2]["Title"].as_str()),
        (Some(b.as_str()), true, Some("CTO"))
    );
    let gone = org.ask("DELETE", &format!("composite/sobjects?ids={a},{b}&allOrNone=false"), &[], None).await.json();
    assert!(gone[0]["success"] == true && gone[1]["success"] == true, "{gone}");
}

#[tokio::test]
async fn composite_halts_and_rolls_back_section_7() {
    let org = org().await;
    let (anna, lead) = (org.rep("anna"), org.lead("A"));
    let parts = |subject: Value| {
        json!({"allOrNone": true, "compositeRequest": [
            {"method": "PATCH", "url": format!("/services/data/v67.0/sobjects/Lead/{lead}"), "referenceId": "lead",
             "httpHeaders": {"Sforce-Auto-Assign": "FALSE"}, "body": {"OwnerId": anna}},
            {"method": "POST", "url": "/services/data/v67.0/sobjects/Task", "referenceId": "task", "body": {"Subject": subject, "WhoId": lead}},
            {"method": "GET", "url": "/services/data/v67.0/sobjects/Task/@{task.id}?fields=Id,Subject", "referenceId": "read"}]})
    };
    let failed = org.ask("POST", "composite", &[], Some(parts(json!("x".repeat(256))))).await;
    assert_eq!(failed.status, 200, "the whole says 200 even when parts fail");
    let codes: Vec<String> = failed.json()["compositeResponse"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["body"][0]["errorCode"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(codes, ["PROCESSING_HALTED", "STRING_TOO_LONG", "PROCESSING_HALTED"]);
    assert_ne!(org.sandbox.get("Lead", &lead).unwrap()["OwnerId"], anna.as_str());
    let good = org.ask("POST", "composite", &[], Some(parts(json!("Call")))).await.json();
    let statuses: Vec<u64> = good["compositeResponse"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["httpStatusCode"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [204, 201, 200], "{good}");
    assert_eq!(good["compositeResponse"][2]["body"]["Subject"], "Call");
    let batch = json!({"haltOnError": true, "batchRequests": [{"method": "GET", "url": "v67.0/sobjects/Lead/x"}, {"method": "GET", "url": "v67.0/limits"}]});
    let batch = org.ask("POST", "composite/batch", &[], Some(batch)).await.json();
    assert_eq!((batch["hasErrors"].as_bool(), batch["results"][1]["statusCode"].as_u64()), (Some(true), Some(412)));
}

#[tokio::test]
async fn a_bulk_query_is_made_asked_after_and_read_by_locators_section_6() {
    let org = org_with(|settings| settings.job_rows = Some(2)).await;
    org.sandbox.import_leads(3);
    let made = org
        .ask("POST", "jobs/query", &[], Some(json!({"operation": "queryAll", "query": "SELECT Id, Company FROM Lead"})))
        .await
        .json();
    assert_eq!((made["state"].as_str(), made["object"].as_str()), (Some("UploadComplete"), Some("Lead")));
    let job = format!("jobs/query/{}", made["id"].as_str().unwrap());
    assert_eq!(org.get(&job).await.json()["state"], "InProgress");
    assert_eq!(org.get(&format!("{job}/results")).await.status, 400);
    assert_eq!(org.get(&job).await.json()["state"], "JobComplete");
    let first = org.get(&format!("{job}/results?maxRecords=50000")).await;
    assert_eq!((first.header("sforce-locator"), first.header("sforce-numberofrecords")), ("MT2", "2"));
    assert!(
        first.text.starts_with("\"Id\",\"Company\"\n") && first.text.contains("\"Imported \"\"Ltd\"\"\nSecond line\""),
        "{}",
        first.text
    );
    let last = org.get(&format!("{job}/results?locator=MT2")).await;
    assert_eq!(last.header("sforce-locator"), "null");
    assert_eq!(org.get(&format!("/services/data/v66.0/{job}/results")).await.status, 409);
    assert_eq!(org.ask("DELETE", &job, &[], None).await.status, 204);
    assert_eq!(org.get(&job).await.status, 404);
}

#[tokio::test]
async fn tasks_events_and_conversions_follow_sections_4_and_6() {
    let org = org().await;
    let (anna, lead) = (org.rep("anna"), org.lead("A"));
    org.sandbox.as_user(&anna).update("Lead", &lead, json!({"OwnerId": anna})).unwrap();
    let rep = org.sandbox.as_user(&anna);
    let task = rep.create("Task", json!({"WhoId": lead, "Subject": "Call", "ActivityDate": "2027-01-01"})).unwrap();
    org.clock.advance(SignedDuration::from_secs(60));
    rep.complete_task(&task).unwrap();
    let done = org.sandbox.get("Task", &task).unwrap();
    assert_eq!(
        (done["IsClosed"].as_bool(), done["CompletedDateTime"].as_str()),
        (Some(true), Some("2026-11-24T08:01:00.000+0000"))
    );
    assert_eq!(org.sandbox.get("Lead", &lead).unwrap()["LastActivityDate"], "2027-01-01", "a due date, not a touch");
    rep.update("Task", &task, json!({"Status": "In Progress"})).unwrap();
    assert!(org.sandbox.get("Task", &task).unwrap().get("CompletedDateTime").is_none(), "reopened");
    org.clock.advance(SignedDuration::from_secs(60));
    let made = rep.convert(&lead, None, Some("Deal")).unwrap();
    let converted = org.sandbox.get("Lead", &lead).unwrap();
    assert_eq!(
        (converted["ConvertedDate"].as_str(), converted["ConvertedContactId"].as_str()),
        (Some("2026-11-24"), Some(made.contact.as_str()))
    );
    let moved = org.sandbox.get("Task", &task).unwrap();
    assert_eq!(
        (moved["WhoId"].as_str(), moved["WhatId"].as_str()),
        (Some(made.contact.as_str()), made.opportunity.as_deref())
    );
    assert_eq!(moved["SystemModstamp"], "2026-11-24T08:02:00.000+0000");
    let history = org
        .query(&format!("SELECT Field, OldValue, NewValue FROM LeadHistory WHERE LeadId = '{lead}' ORDER BY Id"))
        .await
        .json();
    let fields: Vec<&str> =
        history["records"].as_array().unwrap().iter().map(|row| row["Field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["created", "Owner", "Owner", "Status", "leadConverted"], "an owner gives two rows");
}

#[tokio::test]
async fn faults_strike_where_they_are_placed() {
    let org = org().await;
    org.sandbox.faults().inject(Place::path("query"), When::times(1), Fault::Html);
    let page = org.query("SELECT Id FROM Lead").await;
    assert!(page.status == 200 && page.text.starts_with("<!doctype"), "{}", page.text);
    assert_eq!(org.query("SELECT Id FROM Lead").await.json()["totalSize"], 0);
    let busy = Fault::Status { status: 503, code: None, retry_after: Some(1) };
    org.sandbox.faults().inject(Place::method("POST", "sobjects"), When::times(1), busy);
    let busy = org.post("Lead", json!({"LastName": "A", "Company": "x"})).await;
    assert_eq!((busy.status, busy.code().as_str(), busy.header("retry-after")), (503, "SERVER_UNAVAILABLE", "1"));
    org.get("limits").await;
    assert_eq!(org.sandbox.requests().early, 1);
    assert_eq!(org.sandbox.faults().struck(), 2);
}
