//! The Odoo connector against a real Odoo 19, which `tests/odoo/run.sh` starts: the ten traps of a real server, each a test
//! named after it, and every write. Records are made by the tests themselves; nothing is assumed about others.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail loudly, as the tests do")]

mod undo;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use baton::connector::odoo::Odoo;
use baton::connector::settings::{Kind, ScorePart, Settings, StageMap};
use baton::connector::{Addressed, Connector, Cursor, Forget, Outcome, Page, Stream};
use baton::domain::field::{Field, Value as FieldValue};
use baton::domain::finding::FindingKind;
use baton::domain::id::{LeadId, Name, Object, OperationId, RecordRef, RemoteId};
use baton::domain::lead::{Grade, Points};
use baton::domain::observation::{Content, Observation, PersonSeen};
use baton::domain::plan::{Effect, Lane, Write};
use baton::domain::record::{Author, KeyKind, Word};
use baton::domain::stage::Stage;
use baton::domain::touch::{Channel, Genuine, NotGenuine, Touch};
use baton::http::limiter::Limiter;
use baton::http::{Client, Method, Request};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// The server that `BATON_ODOO_ENV` names, and ways to use it as a person does.
struct Server {
    vars: HashMap<String, String>,
    client: Client,
}

impl Server {
    fn new() -> Self {
        let path = std::env::var("BATON_ODOO_ENV").expect("BATON_ODOO_ENV names no file: start with tests/odoo/run.sh");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let pair = |line: &str| {
            let (name, value) = line.trim().trim_start_matches("export ").split_once('=')?;
            Some((name.to_owned(), value.trim_matches(['"', '\'']).to_owned()))
        };
        Self { vars: text.lines().filter_map(pair).collect(), client: Client::new().unwrap() }
    }

    fn var(&self, name: &str) -> &str {
        self.vars.get(name).unwrap_or_else(|| panic!("the env file has no {name}"))
    }

    fn settings(&self, key: &str) -> Settings {
        let token = SecretString::from(self.var(key).to_owned());
        let mut settings = Settings::new("odoo", Kind::Odoo, self.var("ODOO_URL").parse().unwrap(), token);
        settings.account = Some(self.var("ODOO_DB").to_owned());
        settings.reasons = vec![(Name::from("too_dear"), vec!["Too expensive".to_owned()])];
        settings.tracks = vec![(Name::from("next-quarter"), "Nurture: next quarter".to_owned())];
        settings
    }

    fn odoo(&self) -> Odoo {
        Odoo::new(self.settings("ODOO_KEY"), self.client.clone(), Arc::new(Limiter::default()))
    }

    async fn send(&self, key: &str, model: &str, method: &str, arguments: Value) -> (u16, String) {
        let mut request =
            Request::to(Method::Post, &self.var("ODOO_URL").parse().unwrap(), &["json", "2", model, method])
                .header("x-odoo-database", self.var("ODOO_DB"))
                .bearer(&SecretString::from(self.var(key).to_owned()))
                .json(arguments.to_string().into_bytes());
        request.deadline = Some(Duration::from_secs(120));
        let answer = self.client.send(request).await.unwrap();
        (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
    }

    async fn call_as(&self, key: &str, model: &str, method: &str, arguments: Value) -> Value {
        let (status, body) = self.send(key, model, method, arguments).await;
        assert_eq!(status, 200, "{model}/{method}: {}", body.chars().take(300).collect::<String>());
        serde_json::from_str(&body).unwrap()
    }

    /// As the administrator, who is Baton here.
    async fn call(&self, model: &str, method: &str, arguments: Value) -> Value {
        self.call_as("ODOO_KEY", model, method, arguments).await
    }

    /// As the salesperson.
    async fn rep(&self, model: &str, method: &str, arguments: Value) -> Value {
        self.call_as("ODOO_REP_KEY", model, method, arguments).await
    }

    /// A lead of the salesperson, and its number.
    async fn lead(&self, title: &str) -> i64 {
        let email = format!("{}@connector.example", title.replace(' ', "."));
        let vals = json!({ "name": title, "type": "opportunity", "email_from": email, "user_id": self.rep_id() });
        self.call("crm.lead", "create", json!({ "vals_list": [vals] })).await[0].as_i64().unwrap()
    }

    fn rep_id(&self) -> i64 {
        self.var("ODOO_REP_ID").parse().unwrap()
    }

    async fn field(&self, lead: i64, name: &str) -> Value {
        let rows = self.call("crm.lead", "read", json!({ "ids": [lead], "fields": [name] })).await;
        rows[0][name].clone()
    }

    async fn done_call(&self, lead: i64, kind: &str) {
        let schedule = json!({ "ids": [lead], "act_type_xmlid": kind, "date_deadline": "2030-01-01" });
        let ids = self.rep("crm.lead", "activity_schedule", schedule).await;
        self.rep("mail.activity", "action_feedback", json!({ "ids": ids })).await;
    }
}

fn stream<'a>(odoo: &'a Odoo, name: &str) -> &'a Stream {
    odoo.streams().iter().find(|stream| stream.name.as_str() == name).unwrap()
}

/// Reads a stream until nothing more is there now.
async fn drain(odoo: &Odoo, name: &str, mut cursor: Cursor) -> (Vec<Observation>, Page) {
    let now = Timestamp::from_second(4_000_000_000).unwrap();
    let mut observations = Vec::new();
    for _ in 0..1_000 {
        let page = odoo.pull(stream(odoo, name), &cursor, now).await.unwrap();
        let unread = page.observations.iter().find(|seen| matches!(seen.content, Content::Undecodable(_)));
        assert!(unread.is_none(), "a real Odoo says nothing unreadable: {unread:?}");
        observations.extend(page.observations.iter().cloned());
        if !page.has_more {
            return (observations, page);
        }
        cursor = page.next;
    }
    panic!("{name} never ends");
}

fn person_ref(odoo: &Odoo, lead: i64) -> RecordRef {
    RecordRef::new(odoo.id(), Object::Person, lead.to_string())
}

fn has(observations: &[Observation], lead: i64) -> bool {
    observations.iter().any(|seen| seen.of.object == Object::Person && seen.of.id.as_str() == lead.to_string())
}

async fn person(odoo: &Odoo, lead: i64) -> PersonSeen {
    let seen = odoo.read(&[person_ref(odoo, lead)]).await.unwrap().remove(0);
    match seen.content {
        Content::Person(person) => *person,
        other => panic!("{other:?}"),
    }
}

fn touches(observations: &[Observation], lead: i64) -> Vec<Touch> {
    let all = observations.iter().filter_map(|seen| match &seen.content {
        Content::Touch(list) => Some(list.clone()),
        _ => None,
    });
    all.flatten().filter(|touch| touch.person.id.as_str() == lead.to_string()).collect()
}

fn write(odoo: &Odoo, lead: i64, parts: &[&str], effect: Effect) -> Addressed {
    let unique = format!("{}-{lead}", std::process::id());
    let mut all = parts.to_vec();
    all.push(&unique);
    let record = (lead > 0).then(|| person_ref(odoo, lead));
    let write = Write {
        op: OperationId::of(&all),
        lead: LeadId(900_000 + lead),
        handoff: Some(1),
        connection: odoo.id().clone(),
        record: record.clone(),
        lane: Lane::Assign,
        effect,
        because: "a test".to_owned(),
    };
    Addressed { write, record, attempt: 1, earlier: None }
}

async fn push(odoo: &Odoo, one: &Addressed) -> Outcome {
    odoo.push(std::slice::from_ref(one), &Forget).await.remove(0).1
}

#[track_caller]
fn is_done(outcome: Outcome) -> baton::connector::Done {
    match outcome {
        Outcome::Done(done) => done,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn trap_01_a_late_commit_is_not_lost() {
    // A transaction is held open by making one call do much: 400 leads take seconds, and their time is its beginning.
    let server = Server::new();
    let odoo = server.odoo();
    let (_, before) = drain(&odoo, "leads", Cursor::default()).await;
    let many: Vec<Value> = (0..400).map(|at| json!({ "name": format!("late {at}") })).collect();
    let slow = server.call("crm.lead", "create", json!({ "vals_list": many }));
    let quick = async {
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let lead = server.lead("quick one").await;
        let (seen, page) = drain(&odoo, "leads", before.next.clone()).await;
        (lead, has(&seen, lead), page)
    };
    let (late, (quick, has_quick, between)) = tokio::join!(slow, quick);
    assert!(has_quick, "lead {quick}");
    let (seen, page) = drain(&odoo, "leads", between.next).await;
    for id in late.as_array().unwrap() {
        assert!(has(&seen, id.as_i64().unwrap()), "lead {id} was committed late and lost");
    }
    assert!(page.covered_until >= between.covered_until);
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn trap_02_a_second_change_within_one_second_is_seen() {
    let server = Server::new();
    let odoo = server.odoo();
    let lead = server.lead("same second").await;
    let (seen, page) = drain(&odoo, "leads", Cursor::default()).await;
    assert!(has(&seen, lead));
    for phone in ["+49 30 1", "+49 30 2"] {
        server.rep("crm.lead", "write", json!({ "ids": [lead], "vals": { "phone": phone } })).await;
        let (seen, _) = drain(&odoo, "leads", page.next.clone()).await;
        let of = person_ref(&odoo, lead);
        let newest = seen.iter().rev().find(|seen| seen.of == of).expect("the change is seen");
        let Content::Person(person) = &newest.content else { panic!("{newest:?}") };
        let phone = FieldValue::text(phone).unwrap();
        assert!(person.values.iter().any(|known| known.field == Field::Phone && known.value == phone));
    }
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn trap_03_more_leads_than_a_page_with_one_time_are_all_read() {
    let server = Server::new();
    let odoo = server.odoo();
    let (_, before) = drain(&odoo, "leads", Cursor::default()).await;
    let many: Vec<Value> = (0..620).map(|at| json!({ "name": format!("tie {at}") })).collect();
    let made = server.call("crm.lead", "create", json!({ "vals_list": many })).await;
    let (seen, _) = drain(&odoo, "leads", before.next).await;
    let missing = made.as_array().unwrap().iter().filter(|id| !has(&seen, id.as_i64().unwrap())).count();
    assert_eq!(missing, 0);
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn trap_04_a_call_that_leaves_the_lead_untouched_is_seen_once_in_messages() {
    let server = Server::new();
    let odoo = server.odoo();
    let lead = server.lead("called").await;
    let (_, before) = drain(&odoo, "messages", Cursor::default()).await;
    let written = server.field(lead, "write_date").await;
    server.done_call(lead, "mail.mail_activity_data_call").await;
    server.done_call(lead, "mail.mail_activity_data_todo").await;
    assert_eq!(server.field(lead, "write_date").await, written, "the trap");
    let (seen, _) = drain(&odoo, "messages", before.next).await;
    let seen = touches(&seen, lead);
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!((seen[0].channel, seen[0].genuine), (Channel::Call, Genuine::Yes));
    assert_eq!(seen[0].by, Some(RemoteId::from(server.rep_id().to_string())));
    let (tasks, _) = drain(&odoo, "activities", Cursor::default()).await;
    let done = tasks.iter().filter(|seen| {
        matches!(&seen.content, Content::Task(task) if task.is_done && task.person == Some(person_ref(&odoo, lead)))
    });
    assert_eq!(done.count(), 2, "archived activities are read as done");
    let around = odoo.read_around(&[person_ref(&odoo, lead)]).await.unwrap().observations;
    assert_eq!(touches(&around, lead).len(), 1);
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn trap_05_a_lost_lead_is_rejected_and_a_deleted_one_is_gone() {
    let server = Server::new();
    let odoo = server.odoo();
    let lead = server.lead("lost").await;
    server.rep("crm.lead", "write", json!({ "ids": [lead], "vals": { "stage_id": 2 } })).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    server.rep("crm.lead", "action_set_lost", json!({ "ids": [lead], "lost_reason_id": 1 })).await;
    let (seen, _) = drain(&odoo, "leads", Cursor::default()).await;
    assert!(has(&seen, lead), "a lost lead is read although searches hide it");
    let rep = Author::Person(Some(RemoteId::from(server.rep_id().to_string())));
    let seen = person(&odoo, lead).await;
    let said = seen.disposition.unwrap();
    let word = Word::Rejected { reason: Some(Name::from("too_dear")), said: Some(Name::from("Too expensive")) };
    assert_eq!((said.word, said.by), (word, rep.clone()));
    let stages: Vec<_> = seen.stages.iter().map(|entry| (entry.stage, entry.by.clone())).collect();
    assert_eq!(stages, [(Stage::Sql, rep.clone()), (Stage::Lost, rep.clone())]);
    server.rep("crm.lead", "action_unarchive", json!({ "ids": [lead] })).await;
    let seen = person(&odoo, lead).await;
    assert_eq!(seen.disposition.map(|said| said.word), Some(Word::Accepted), "restored: sales' older word holds again");
    server.call("crm.lead", "unlink", json!({ "ids": [lead] })).await;
    let seen = odoo.read(&[person_ref(&odoo, lead)]).await.unwrap();
    assert_eq!(seen[0].content, Content::Gone);
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn trap_06_an_owner_write_mails_nobody_and_the_lead_stays_readable() {
    let server = Server::new();
    let odoo = server.odoo();
    let lead = server.lead("side effects").await;
    let mails = json!({ "domain": [["model", "=", "crm.lead"], ["res_id", "=", lead], ["message_type", "=", "user_notification"]] });
    let before = server.call("mail.message", "search_count", mails.clone()).await;
    let effect = Effect::SetOwner { owner: "5".into(), expected: Some(server.rep_id().to_string().into()) };
    let done = is_done(push(&odoo, &write(&odoo, lead, &["owner"], effect)).await);
    assert!(done.at.is_some());
    assert_eq!(server.field(lead, "user_id").await[0], 5);
    assert_eq!(server.call("mail.message", "search_count", mails).await, before);
    let owners = person(&odoo, lead).await.owners;
    assert_eq!(owners.last().unwrap().by, Author::Baton);
    assert_eq!(owners.last().unwrap().owner, Some(RemoteId::from("5")));
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn trap_07_reading_the_same_again_says_the_same() {
    // A webhook that repeats nine times only asks to look: looking nine times must say one thing.
    let server = Server::new();
    let odoo = server.odoo();
    let lead = server.lead("repeated hint").await;
    let first = odoo.read(&[person_ref(&odoo, lead)]).await.unwrap();
    for _ in 0..8 {
        assert_eq!(odoo.read(&[person_ref(&odoo, lead)]).await.unwrap(), first);
    }
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn trap_08_a_person_who_changed_the_owner_wins() {
    let server = Server::new();
    let odoo = server.odoo();
    let lead = server.lead("two writers").await;
    server.rep("crm.lead", "write", json!({ "ids": [lead], "vals": { "user_id": 5 } })).await;
    let effect = Effect::SetOwner { owner: "2".into(), expected: Some(server.rep_id().to_string().into()) };
    let outcome = push(&odoo, &write(&odoo, lead, &["owner"], effect)).await;
    assert!(matches!(&outcome, Outcome::Superseded { found } if found.contains('5')), "{outcome:?}");
    assert_eq!(server.field(lead, "user_id").await[0], 5);

    // Between Baton's look and Baton's write: a gate before the server lets the person through first.
    let lead = server.lead("in between").await;
    let server = Arc::new(server);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = server.settings("ODOO_KEY");
    settings.base_url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let gate = axum::Router::new().fallback(person_first).with_state((Arc::clone(&server), lead));
    let gated = Odoo::new(settings, server.client.clone(), Arc::new(Limiter::default()));
    let effect = Effect::SetOwner { owner: "2".into(), expected: Some(server.rep_id().to_string().into()) };
    let ours = write(&gated, lead, &["owner"], effect);
    let outcome = tokio::select! {
        served = async { axum::serve(listener, gate).await } => panic!("{served:?}"),
        outcome = push(&gated, &ours) => outcome,
    };
    assert!(matches!(&outcome, Outcome::Superseded { found } if found.contains('5')), "{outcome:?}");
    assert_eq!(server.field(lead, "user_id").await[0], 5, "what Baton overwrote was put back");
    let rep = server.rep_id().to_string();
    assert_eq!(person_owners(&odoo, lead).await, [rep.as_str(), "5", "2", "5"], "both writes were really made");
}

/// Passes calls on to the real server; before the first write of the lead's owner, the salesperson makes one.
async fn person_first(
    axum::extract::State((server, lead)): axum::extract::State<(Arc<Server>, i64)>,
    uri: axum::http::Uri,
    body: String,
) -> (axum::http::StatusCode, [(&'static str, &'static str); 1], String) {
    let path: Vec<&str> = uri.path().trim_start_matches("/json/2/").split('/').collect();
    let is_ours = body.contains("\"user_id\":2");
    if path == ["crm.lead", "write"] && is_ours {
        server.rep("crm.lead", "write", json!({ "ids": [lead], "vals": { "user_id": 5 } })).await;
    }
    let (status, body) =
        server.send("ODOO_KEY", path[0], path[1], serde_json::from_str(&body).unwrap_or_default()).await;
    (axum::http::StatusCode::from_u16(status).unwrap(), [("content-type", "application/json")], body)
}

async fn person_owners(odoo: &Odoo, lead: i64) -> Vec<String> {
    let owners = person(odoo, lead).await.owners;
    owners.into_iter().filter_map(|entry| entry.owner).map(|owner| owner.to_string()).collect()
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn trap_09_times_are_utc_to_the_second() {
    let server = Server::new();
    let odoo = server.odoo();
    let lead = server.lead("times").await;
    let shown = server.field(lead, "write_date").await;
    let seen = odoo.read(&[person_ref(&odoo, lead)]).await.unwrap().remove(0);
    assert_eq!(seen.modified.to_string().replace('T', " ").trim_end_matches('Z'), shown.as_str().unwrap());
    let (_, page) = drain(&odoo, "leads", Cursor::default()).await;
    let covered = page.covered_until.unwrap();
    assert!((covered - seen.modified).get_seconds().abs() < 120, "{covered}: by the server's clock, not by `now`");
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn trap_10_a_key_that_sees_only_some_leads_is_told() {
    let server = Server::new();
    let rep = Odoo::new(server.settings("ODOO_REP_KEY"), server.client.clone(), Arc::new(Limiter::default()));
    let described = rep.describe().await.unwrap();
    let told: Vec<&str> = described.findings.iter().map(|finding| finding.text.as_str()).collect();
    assert!(told.iter().any(|text| text.contains("only some leads")), "{told:?}");
    assert!(told.iter().any(|text| text.contains("tracking")), "{told:?}");
    let hidden = server.lead("hidden from the rep").await;
    server.call("crm.lead", "write", json!({ "ids": [hidden], "vals": { "user_id": 5 } })).await;
    assert_eq!(rep.read(&[person_ref(&rep, hidden)]).await.unwrap(), [], "hidden is not gone");
    let admin = server.odoo().describe().await.unwrap();
    assert!(!admin.findings.iter().any(|finding| finding.kind == FindingKind::Connection), "{:?}", admin.findings);
    assert_eq!(admin.own_user, Some(RemoteId::from("2")));
    assert!(admin.findings.iter().any(|finding| finding.text.contains("Not enough stock")), "an unmapped lost reason");
    let wrong = Odoo::new(
        Settings::new("odoo", Kind::Odoo, server.var("ODOO_URL").parse().unwrap(), "wrong".to_owned().into()),
        server.client.clone(),
        Arc::new(Limiter::default()),
    );
    let error = wrong.describe().await.unwrap_err();
    assert!(matches!(error, baton::connector::ConnectorError::Unauthorized { .. }), "{error}");
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn a_create_that_is_repeated_makes_one_record_that_carries_the_key() {
    let server = Server::new();
    let odoo = server.odoo();
    let unique = std::process::id();
    let email = format!("new.{unique}@connector.example");
    let text = |field: Field, text: &str| (field, FieldValue::text(text).unwrap());
    let effect = |is_new_journey: bool| Effect::Create {
        values: vec![
            text(Field::Email, &email),
            text(Field::FirstName, "Jane"),
            text(Field::LastName, "van Doe"),
            text(Field::Title, "CFO"),
            text(Field::Country, "DE"),
            text(Field::CompanyName, "Exa GmbH"),
            text(Field::Source, "Search engine"),
        ],
        owner: Some(server.rep_id().to_string().into()),
        is_new_journey,
        not: Vec::new(),
    };
    let mut first = write(&odoo, 0, &["create"], effect(false));
    first.write.lead = LeadId(i64::from(unique));
    assert_eq!(odoo.find_effect(&first).await.unwrap(), None);
    let made = is_done(push(&odoo, &first).await).made.unwrap();
    assert_eq!(is_done(push(&odoo, &first).await).made, Some(made.clone()), "repeated");
    assert_eq!(odoo.find_effect(&first).await.unwrap().unwrap().made, Some(made.clone()));
    let count = json!({ "domain": [["email_normalized", "=", email]] });
    assert_eq!(server.call("crm.lead", "search_count", count.clone()).await, 1);
    let lead: i64 = made.id.as_str().parse().unwrap();
    let seen = person(&odoo, lead).await;
    assert!(
        seen.keys.iter().any(|key| key.kind == KeyKind::Own && key.value.as_str() == format!("L-{unique}")),
        "{:?}",
        seen.keys
    );
    let value =
        |field: Field| seen.values.iter().find(|known| known.field == field).map(|known| known.value.to_string());
    assert_eq!(value(Field::Country).as_deref(), Some("DE"));
    assert_eq!(value(Field::LastName).as_deref(), Some("van Doe"));
    assert_eq!(value(Field::CompanyName).as_deref(), Some("Exa GmbH"));
    assert_eq!(value(Field::Source).as_deref(), Some("Search engine"));
    assert_eq!(seen.owners.last().unwrap().owner, Some(RemoteId::from(server.rep_id().to_string())));
    assert!(seen.stages.is_empty(), "`New` is no stage");

    let mut other = write(&odoo, 0, &["another operation"], effect(false));
    other.write.lead = first.write.lead;
    assert_eq!(is_done(push(&odoo, &other).await).made, Some(made.clone()), "an open record is linked, not doubled");
    let mut again = write(&odoo, 0, &["new journey"], effect(true));
    again.write.lead = first.write.lead;
    assert_ne!(is_done(push(&odoo, &again).await).made, Some(made), "a new journey is a new record");
    assert_eq!(server.call("crm.lead", "search_count", count).await, 2);
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn tasks_and_notes_that_are_repeated_stand_once() {
    let server = Server::new();
    let odoo = server.odoo();
    let lead = server.lead("tasks").await;
    let owner = Some(RemoteId::from(server.rep_id().to_string()));
    let due_at = "2030-01-01T23:30:00Z".parse().unwrap();
    let task = Effect::AddTask { title: "Call <now>".to_owned(), body: "a & b\nc".to_owned(), due_at, owner };
    let note = Effect::AddNote { body: "why <b>".to_owned() };
    for (effect, object) in [(task, Object::Task), (note, Object::Note)] {
        let one = write(&odoo, lead, &[effect.as_str()], effect);
        assert_eq!(odoo.find_effect(&one).await.unwrap(), None);
        let made = is_done(push(&odoo, &one).await).made.unwrap();
        assert_eq!(made.object, object);
        assert_eq!(is_done(push(&odoo, &one).await).made, Some(made.clone()), "repeated");
        assert_eq!(odoo.find_effect(&one).await.unwrap().unwrap().made, Some(made));
    }
    let domain = json!([["res_model", "=", "crm.lead"], ["res_id", "=", lead]]);
    let fields = json!(["summary", "note", "date_deadline", "user_id"]);
    let rows = server.call("mail.activity", "search_read", json!({ "domain": domain, "fields": fields })).await;
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(
        (&rows[0]["summary"], &rows[0]["date_deadline"]),
        (&json!("Call <now>"), &json!("2030-01-02")),
        "Brussels"
    );
    assert!(rows[0]["note"].as_str().unwrap().contains("display:none"), "{}", rows[0]["note"]);
    let ids = json!({ "ids": [rows[0]["id"]] });
    server.rep("mail.activity", "action_feedback", ids).await;
    let around = odoo.read_around(&[person_ref(&odoo, lead)]).await.unwrap().observations;
    assert!(touches(&around, lead).is_empty(), "a done to-do is no touch");
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn stages_tags_and_rejections_are_set_once_and_found_again() {
    let server = Server::new();
    let odoo = server.odoo();
    let lead = server.lead("sets").await;
    let track = Name::from("next-quarter");
    for effect in [
        Effect::SetStage { stage: Stage::Sql, is_backward: false },
        Effect::JoinTrack(track.clone()),
        Effect::LeaveTrack(track),
        Effect::Reject(Name::from("too_dear")),
    ] {
        let one = write(&odoo, lead, &[effect.as_str()], effect);
        assert_eq!(odoo.find_effect(&one).await.unwrap(), None, "{:?}", one.write.effect);
        is_done(push(&odoo, &one).await);
        assert!(odoo.find_effect(&one).await.unwrap().is_some(), "{:?}", one.write.effect);
        is_done(push(&odoo, &one).await);
    }
    let seen = person(&odoo, lead).await;
    assert_eq!(seen.disposition.unwrap().by, Author::Baton);
    let refused =
        write(&odoo, lead, &["negotiation"], Effect::SetStage { stage: Stage::Negotiation, is_backward: false });
    assert!(matches!(push(&odoo, &refused).await, Outcome::Refused { .. }));
    let gone = write(&odoo, 99_999_999, &["note"], Effect::AddNote { body: "x".to_owned() });
    assert!(matches!(push(&odoo, &gone).await, Outcome::Refused { .. }));
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn an_email_to_the_lead_counts_and_one_among_colleagues_does_not() {
    let server = Server::new();
    let odoo = server.odoo();
    let lead = server.lead("written to").await;
    let post = async |body: &str, subtype: &str, partners: &[i64]| {
        let arguments = json!({ "ids": [lead], "body": body, "subtype_xmlid": subtype, "message_type": "comment", "partner_ids": partners });
        server.rep("crm.lead", "message_post", arguments).await[0].as_i64().unwrap()
    };
    post("a note", "mail.mt_note", &[]).await;
    post("to a colleague", "mail.mt_comment", &[3]).await;
    let out = post("to the lead", "mail.mt_comment", &[7]).await;
    let found = async || touches(&odoo.read_around(&[person_ref(&odoo, lead)]).await.unwrap().observations, lead);
    let seen = found().await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!((seen[0].channel, seen[0].of.id.as_str()), (Channel::Email, out.to_string().as_str()));
    // Without a mail server every mail fails; a mail that failed reached nobody.
    assert_eq!(seen[0].genuine, Genuine::No(NotGenuine::Failed));

    let sink = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let vals = json!({ "name": "sink", "smtp_host": "127.0.0.1", "smtp_port": sink.local_addr().unwrap().port(), "smtp_encryption": "none" });
    let mailer = server.call("ir.mail_server", "create", json!({ "vals_list": [vals] })).await;
    tokio::select! {
        () = swallow(&sink) => unreachable!("the sink never ends"),
        _ = post("to the lead again", "mail.mt_comment", &[7]) => {}
    }
    server.call("ir.mail_server", "unlink", json!({ "ids": mailer })).await;
    let seen = found().await;
    assert_eq!(seen.iter().filter(|touch| touch.genuine == Genuine::Yes).count(), 1, "{seen:?}");
}

/// A mail server that takes everything.
async fn swallow(sink: &TcpListener) {
    loop {
        let (stream, _) = sink.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let (mut line, mut in_body) = (String::new(), false);
        drop(stream.write_all(b"220 sink\r\n").await);
        while stream.read_line(&mut line).await.is_ok_and(|length| length > 0) {
            let answer: &[u8] = match line.trim_end() {
                "." => b"250 taken\r\n",
                "DATA" | "data" => b"354 go on\r\n",
                "QUIT" | "quit" => b"221 bye\r\n",
                _ if in_body => b"",
                _ => b"250 fine\r\n",
            };
            in_body = if answer.starts_with(b"354") { true } else { in_body && line.trim_end() != "." };
            drop(stream.write_all(answer).await);
            line.clear();
        }
    }
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn a_stage_that_appears_later_is_a_finding_with_the_line_that_maps_it() {
    let server = Server::new();
    let odoo = server.odoo();
    let (_, before) = drain(&odoo, "leads", Cursor::default()).await;
    let name = format!("Gespräch {}", std::process::id());
    let stage = server.call("crm.stage", "create", json!({ "vals_list": [{ "name": name, "sequence": 5 }] })).await;
    let lead = server.lead("elsewhere").await;
    server.rep("crm.lead", "write", json!({ "ids": [lead], "vals": { "stage_id": stage[0] } })).await;
    let (seen, _) = drain(&odoo, "leads", before.next).await;
    let texts: Vec<&str> = seen.iter().flat_map(|seen| &seen.findings).map(|finding| finding.text.as_str()).collect();
    assert!(texts.iter().any(|text| text.contains(&name) && text.contains("[connections.odoo.stages]")), "{texts:?}");
    server.rep("crm.lead", "write", json!({ "ids": [lead], "vals": { "stage_id": 1 } })).await;
    server.call("crm.stage", "unlink", json!({ "ids": stage })).await;
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn a_lead_that_is_converted_stays_one_record_with_its_owner_fault_31() {
    let server = Server::new();
    let mut settings = server.settings("ODOO_KEY");
    let read = vec![("type".to_owned(), vec!["opportunity".to_owned()])];
    settings.stages.push(StageMap { stage: Stage::Sal, read, write: Vec::new() });
    let odoo = Odoo::new(settings, server.client.clone(), Arc::new(Limiter::default()));
    let (_, before) = drain(&odoo, "leads", Cursor::default()).await;
    let lead = server.lead(&format!("to be converted {}", std::process::id())).await;
    server.call("crm.lead", "write", json!({ "ids": [lead], "vals": { "type": "lead" } })).await;
    let first = person(&odoo, lead).await;
    // The button's wizard: a customer of its own, the rep who has it keeps it.
    let vals = json!({ "name": "convert", "action": "create", "user_id": server.rep_id() });
    let context = json!({ "active_model": "crm.lead", "active_id": lead, "active_ids": [lead] });
    let make = json!({ "vals_list": [vals], "context": context });
    let wizard = server.rep("crm.lead2opportunity.partner", "create", make).await;
    server.rep("crm.lead2opportunity.partner", "action_apply", json!({ "ids": wizard, "context": context })).await;
    assert_eq!(server.field(lead, "type").await, json!("opportunity"));
    assert!(server.field(lead, "partner_id").await.is_array(), "a customer was made");

    let (seen, _) = drain(&odoo, "leads", before.next).await;
    let of = person_ref(&odoo, lead);
    let is_hers = |seen: &&Observation| matches!(&seen.content, Content::Person(person) if person.keys == first.keys);
    let mut all: Vec<&Observation> = seen.iter().filter(is_hers).collect();
    all.dedup_by(|one, other| one.of == other.of);
    assert_eq!(all.len(), 1, "one record, no second one: {all:?}");
    let Content::Person(after) = &all[0].content else { panic!("{all:?}") };
    assert_eq!(all[0].of, of);
    assert_eq!((&after.owners, &after.keys), (&first.owners, &first.keys));
    let by = Author::Person(Some(RemoteId::from(server.rep_id().to_string())));
    let stage = after.stages.last().expect("the stage follows");
    assert_eq!((stage.stage, &stage.by), (Stage::Sal, &by));
    let expected = Effect::SetOwner { owner: "2".into(), expected: Some(server.rep_id().to_string().into()) };
    is_done(push(&odoo, &write(&odoo, lead, &["after conversion"], expected)).await);
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn a_score_is_set_once_and_found_again() {
    let server = Server::new();
    let mut settings = server.settings("ODOO_KEY");
    // Fields of a plain Odoo that take a number and a text; a company would add its own.
    settings.score_properties = vec![(ScorePart::Fit, "color".to_owned()), (ScorePart::Grade, "referred".to_owned())];
    let odoo = Odoo::new(settings, server.client.clone(), Arc::new(Limiter::default()));
    let lead = server.lead("scored").await;
    let points = Points { fit: 25, intent: 40, engagement: 3, grade: Grade { fit: b'B', intent: 2 } };
    let one = write(&odoo, lead, &["score"], Effect::SetScore(points));
    assert_eq!(odoo.find_effect(&one).await.unwrap(), None);
    is_done(push(&odoo, &one).await);
    assert_eq!((server.field(lead, "color").await, server.field(lead, "referred").await), (json!(25), json!("B2")));
    assert!(odoo.find_effect(&one).await.unwrap().is_some());
    let lower = write(&odoo, lead, &["lower"], Effect::SetScore(Points { fit: 0, ..points }));
    assert_eq!(odoo.find_effect(&lower).await.unwrap(), None);
    is_done(push(&odoo, &lower).await);
    assert_eq!(server.field(lead, "color").await, json!(0));
    settings_without_a_field(&server, lead, points).await;
}

async fn settings_without_a_field(server: &Server, lead: i64, points: Points) {
    let mut settings = server.settings("ODOO_KEY");
    settings.score_properties = vec![(ScorePart::Fit, "x_no_such_field".to_owned())];
    let odoo = Odoo::new(settings, server.client.clone(), Arc::new(Limiter::default()));
    let outcome = push(&odoo, &write(&odoo, lead, &["nowhere"], Effect::SetScore(points))).await;
    assert!(matches!(&outcome, Outcome::Refused { message } if message.contains("x_no_such_field")), "{outcome:?}");
}
