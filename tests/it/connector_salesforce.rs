//! The Salesforce connector against the sandbox org over real HTTP. "Section n" is the fact sheet's, "fault n" a row of the catalogue of
//! faults.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail loudly, as the tests do")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use baton::clock::Clock;
use baton::connector::requirement::{Making, Requirement, State};
use baton::connector::salesforce::Salesforce as Connector;
use baton::connector::settings::{Auth, ClientApp, HandoffPart, JwtApp, Kind, OauthApp, ScorePart, Settings, StageMap};
use baton::connector::tokens::{Tokens, Vault, VaultError};
use baton::connector::{Addressed, Connector as _, ConnectorError, Cursor, Done, Forget, Outcome, Page};
use baton::domain::deal::DealState;
use baton::domain::field::{Field, Value};
use baton::domain::finding::FindingKind;
use baton::domain::handoff_fields::HandoffFields;
use baton::domain::id::{ConnectionId, LeadId, Name, Object, OperationId, RecordRef, RemoteId};
use baton::domain::lead::{Grade, Points};
use baton::domain::observation::{Content, Observation, PersonSeen};
use baton::domain::plan::{Effect, Lane, Write};
use baton::domain::record::{Author, KeyKind, Word};
use baton::domain::stage::Stage;
use baton::domain::touch::{Channel, Genuine, NotGenuine};
use baton::http::Client;
use baton::http::limiter::Limiter;
use baton::sandbox::salesforce::{Fault, Place, Salesforce, Settings as Population, When};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde_json::json;

struct Org {
    sandbox: Salesforce,
    salesforce: Connector,
    clock: Clock,
    url: String,
}

/// How the app logs in by its own assertion.
fn jwt(sandbox: &Salesforce) -> Auth {
    let settings = sandbox.settings();
    Auth::Jwt(JwtApp {
        client_id: settings.consumer_key,
        username: settings.username,
        key: sandbox.private_key().to_owned().into(),
        audience: "https://login.salesforce.com".to_owned(),
    })
}

async fn serve(sandbox: &Salesforce) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = sandbox.router();
    #[expect(clippy::disallowed_methods, reason = "the test's own server")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn org() -> Org {
    org_with(|_| {}, |_| {}).await
}

async fn org_with(population: impl FnOnce(&mut Population), adjust: impl FnOnce(&mut Settings)) -> Org {
    let clock = Clock::manual("2026-11-24T08:00:00.140Z".parse::<Timestamp>().unwrap());
    let mut of = Population::default();
    population(&mut of);
    let sandbox = Salesforce::new(clock.clone(), of);
    let url = serve(&sandbox).await;
    let mut settings = settings(&sandbox, &url);
    adjust(&mut settings);
    let salesforce = Connector::new(settings, Client::new().unwrap(), Arc::new(Limiter::default()), None);
    Org { sandbox, salesforce, clock, url }
}

fn settings(sandbox: &Salesforce, url: &str) -> Settings {
    let mut settings = Settings::new("salesforce", Kind::Salesforce, url.parse().unwrap(), String::new().into());
    settings.auth = jwt(sandbox);
    settings.reasons = vec![(Name::from("bad_timing"), vec!["Closed - Not Converted".to_owned()])];
    settings.tracks = vec![(Name::from("next-quarter"), "Nurture: next quarter".to_owned())];
    settings
}

impl Org {
    fn keyed(&self) {
        self.sandbox.add_field("Lead", "BatonKey__c", "string", true);
        self.sandbox.add_field("Task", "BatonKey__c", "string", true);
    }

    fn rep(&self, name: &str) -> String {
        let email = format!("{}@example.com", name.to_lowercase().replace(' ', "."));
        self.sandbox.add_user(&email, name, &email)
    }

    fn lead(&self, owner: &str, name: &str) -> String {
        let values = json!({
            "FirstName": name, "LastName": "Roe", "Company": "Acme GmbH", "Email": format!("{}@acme.example", name.to_lowercase()),
            "OwnerId": owner, "Country": "Germany", "Website": "https://www.acme.example/",
        });
        self.sandbox.as_user(owner).create("Lead", values).unwrap()
    }

    async fn page(&self, name: &str, cursor: &Cursor) -> Result<Page, ConnectorError> {
        let stream = self.salesforce.streams().iter().find(|stream| stream.name.as_str() == name).unwrap();
        self.salesforce.pull(stream, cursor, Timestamp::UNIX_EPOCH).await
    }

    async fn drain(&self, name: &str, mut cursor: Cursor) -> (Vec<Observation>, Cursor) {
        let mut all = Vec::new();
        loop {
            let page = self.page(name, &cursor).await.unwrap();
            all.extend(page.observations);
            cursor = page.next;
            if !page.has_more {
                return (all, cursor);
            }
        }
    }

    fn write(&self, record: Option<&str>, effect: Effect) -> Addressed {
        let record = record.map(|id| RecordRef::new(self.salesforce.id(), Object::Person, id));
        let id = record.as_ref().map_or("", |of| of.id.as_str());
        let write = Write {
            op: OperationId::of(&["test", effect.as_str(), id]),
            lead: LeadId(42),
            handoff: Some(1),
            connection: self.salesforce.id().clone(),
            record: record.clone(),
            lane: Lane::Assign,
            effect,
            because: "a test".to_owned(),
        };
        Addressed { write, record, attempt: 1 }
    }

    async fn push(&self, one: &Addressed) -> Outcome {
        self.salesforce.push(std::slice::from_ref(one), &Forget).await.remove(0).1
    }
}

fn remote(id: &str) -> RemoteId {
    RemoteId::from(id)
}

#[track_caller]
fn done(outcome: Outcome) -> Done {
    match outcome {
        Outcome::Done(done) => done,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn person<'a>(seen: &'a [Observation], id: &str) -> &'a PersonSeen {
    let found = seen.iter().filter(|seen| seen.of.id.as_str() == id).filter_map(Observation::person).next_back();
    found.unwrap_or_else(|| panic!("{id} is no person in {seen:?}"))
}

#[tokio::test]
async fn leads_are_read_with_their_history_and_an_owner_is_written() {
    let org = org().await;
    let (anna, ben) = (org.rep("Anna Lang"), org.rep("Ben May"));
    let lead = org.lead(&anna, "Jane");
    let described = org.salesforce.describe().await.unwrap();
    assert!(described.account.starts_with("Salesforce org Acme Sandbox"), "{}", described.account);
    assert_eq!(described.own_user.unwrap().as_str(), org.sandbox.user("baton@acme.example").unwrap());
    let (users, _) = org.drain("users", Cursor::default()).await;
    assert!(users.iter().any(|seen| matches!(&seen.content, Content::User(user) if user.name.as_str() == "Anna Lang")));
    let (seen, cursor) = org.drain("leads", Cursor::default()).await;
    let jane = person(&seen, &lead);
    let value = |field: Field| jane.values.iter().find(|known| known.field == field).map(|known| known.value.to_string());
    assert_eq!(value(Field::Email).as_deref(), Some("jane@acme.example"));
    assert_eq!(value(Field::Country).as_deref(), Some("DE"));
    assert_eq!(value(Field::CompanyDomain).as_deref(), Some("acme.example"));
    assert!(jane.stages.is_empty() && jane.disposition.is_none(), "nobody has said anything");
    assert!(jane.keys.iter().any(|key| key.kind == KeyKind::Email));

    org.clock.advance(SignedDuration::from_secs(60));
    org.sandbox.as_user(&anna).update("Lead", &lead, json!({"Status": "Working - Contacted"})).unwrap();
    org.clock.advance(SignedDuration::from_secs(60));
    let set = org.write(Some(&lead), Effect::SetOwner { owner: remote(&ben), expected: Some(remote(&anna)) });
    assert_eq!(org.salesforce.find_effect(&set).await.unwrap(), None);
    let first = done(org.push(&set).await);
    assert_eq!(first.was[0].name.as_str(), "OwnerId");
    assert!(org.salesforce.find_effect(&set).await.unwrap().is_some());
    assert_eq!(done(org.push(&set).await).made, None, "a repetition is no second write");
    let written: Vec<_> = org.sandbox.ledger().into_iter().filter(|effect| effect.is_api).collect();
    assert_eq!(written.len(), 1, "{written:?}");
    assert!(!written[0].auto_assign, "assignment rules never run on a write of ours");

    let (seen, _) = org.drain("leads", cursor).await;
    let jane = person(&seen, &lead);
    assert!(jane.has_history);
    let owners: Vec<_> = jane.owners.iter().map(|entry| (entry.owner.clone().unwrap(), entry.by.clone())).collect();
    assert_eq!(owners, [(remote(&anna), Author::Person(Some(remote(&anna)))), (remote(&ben), Author::Baton)]);
    let said = jane.disposition.as_ref().unwrap();
    assert_eq!((&said.word, &said.by), (&Word::Accepted, &Author::Person(Some(remote(&anna)))));
    assert_eq!(said.at.to_string(), "2026-11-24T08:01:00Z");
    assert_eq!(jane.stages.last().unwrap().stage, Stage::Sal);
}
