//! From a webhook to the committed decision, in the whole daemon with its polls far apart: only the webhook says that something changed.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use baton::api::{self, Api};
use baton::clock::Clock;
use baton::connector::settings::Kind;
use baton::daemon;
use baton::domain::id::{ConnectionId, Object, RecordRef};
use baton::domain::plan::Mode;
use baton::http::{Client, Method, Request};
use baton::sandbox::hubspot::{Author, Kind as Kept};
use baton::sandbox::pipedrive::Kind as Row;
use ring::hmac;
use serde_json::{Value, json};
use std::sync::Arc;

use super::crm::{Crm, Limits, SECRET, baton, open, settings};
use super::load::until_live;

/// So many changes in a second.
const PER_SECOND: u32 = 10;

pub(crate) async fn measure(events: usize, kinds: &[&str]) {
    println!("{events} webhooks, {PER_SECOND} a second, until their decisions are committed");
    for kind in kinds {
        // Salesforce sends none by REST (sheet section 10): it is polled.
        if settings(kind, "http://127.0.0.1:9").kind != Kind::Salesforce {
            one(kind, events).await;
        }
    }
}

async fn one(kind: &str, events: usize) {
    let crm = Crm::new(kind, Limits::default());
    crm.fill(events, false);
    let (at, _servers) = open(crm.router()).await;
    let folder = tempfile::tempdir().unwrap();
    let mut parts = baton(kind, &at, &folder.path().join("baton.db"), Mode::Off).await;
    let id = ConnectionId::from(kind);
    until_live(&parts.engine, &id).await;
    parts.polls = vec![(id.clone(), Duration::from_secs(3_600))];
    let engine = Arc::clone(&parts.engine);
    let router = api::router(Api { engine: Arc::clone(&engine), status: Arc::clone(&parts.status) });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let board = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut running = tokio::task::JoinSet::new();
    running.spawn(daemon::run(parts, router, listener, async move { drop(stopped.await) }));
    // The first passes of all loops are no part of it.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let client = Client::new().unwrap();
    let mut waits = tokio::task::JoinSet::new();
    for (number, person) in people(&crm).into_iter().take(events).enumerate() {
        change(&crm, &person);
        let began = Instant::now();
        let answer = client.send(hook(&crm, kind, &board, &person, number)).await.unwrap();
        assert!(answer.status < 300, "{answer:?}");
        let (engine, record) = (Arc::clone(&engine), RecordRef::new(&id, Object::Person, person));
        waits.spawn(async move {
            // A record and the decision on it are one transaction.
            loop {
                let known = engine.store().people(std::slice::from_ref(&record)).await.unwrap();
                if known.iter().any(|known| format!("{known:?}").contains("Chief of IT")) {
                    return began.elapsed();
                }
                assert!(began.elapsed() < Duration::from_secs(60), "{record:?} is not decided");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        tokio::time::sleep(Duration::from_secs(1) / PER_SECOND).await;
    }
    let mut took: Vec<Duration> = waits.join_all().await;
    took.sort();
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)].as_millis();
    println!("  {kind}: p50 {} ms, p99 {} ms, most {} ms", at(50), at(99), took[took.len() - 1].as_millis());
    assert!(stop.send(()).is_ok(), "the daemon ended early");
    running.join_next().await.unwrap().unwrap().unwrap();
}

fn people(crm: &Crm) -> Vec<String> {
    match crm {
        Crm::HubSpot(hub) => hub.ids(Kept::Contact),
        Crm::Salesforce(org) => org.ids("Lead"),
        Crm::Pipedrive(company) => company.ids(Row::Person),
    }
}

fn change(crm: &Crm, person: &str) {
    match crm {
        Crm::HubSpot(hub) => {
            assert!(hub.update(Kept::Contact, person, Author::Form, &[("jobtitle", "Chief of IT")]));
        }
        Crm::Salesforce(org) => org.as_admin().update("Lead", person, json!({"Title": "Chief of IT"})).unwrap(),
        Crm::Pipedrive(company) => {
            company.update(1, Row::Person, person, &json!({"job_title": "Chief of IT"})).unwrap();
        }
    }
}

/// As the CRM sends it.
fn hook(crm: &Crm, kind: &str, board: &str, person: &str, number: usize) -> Request {
    let at = format!("{board}/hooks/{kind}").parse().unwrap();
    let now = Clock::system().now();
    let number_of = |text: &str| -> Value { json!(text.parse::<u64>().unwrap()) };
    if matches!(crm, Crm::HubSpot(_)) {
        let address = "https://baton.example.com/hooks";
        let body = json!([{
            "eventId": number, "subscriptionId": 25, "portalId": 1, "occurredAt": now.as_millisecond(),
            "subscriptionType": "contact.propertyChange", "attemptNumber": 0, "objectId": number_of(person),
            "propertyName": "jobtitle", "propertyValue": "Chief of IT",
        }])
        .to_string();
        let stamp = now.as_millisecond().to_string();
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let signed = hmac::sign(&key, format!("POST{address}{body}{stamp}").as_bytes());
        return Request::to(Method::Post, &at, &[])
            .json(body.into_bytes())
            .header("x-hubspot-signature-v3", BASE64.encode(signed.as_ref()))
            .header("x-hubspot-request-timestamp", stamp);
    }
    let body = json!({
        "meta": {"action": "change", "entity": "person", "entity_id": person, "id": format!("event-{number}"), "version": "2.0",
            "timestamp": now.to_string()},
        "data": {"id": number_of(person)}, "previous": {},
    });
    Request::to(Method::Post, &at, &[])
        .json(body.to_string().into_bytes())
        .header("authorization", format!("Basic {}", BASE64.encode(format!("baton:{SECRET}"))))
}
