//! The Salesforce connector against the sandbox org over real HTTP. "Section n" is the fact sheet's, "fault n" a row of the catalogue of
//! faults.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail loudly, as the tests do")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
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

mod campaigns;
mod hours;
mod owners;
mod reading;

struct Org {
    sandbox: Salesforce,
    salesforce: Connector,
    clock: Clock,
    url: String,
    meanwhile: Meanwhile,
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

/// What somebody does in the org right before a request that fits is carried out.
#[derive(Clone, Default)]
struct Meanwhile(Arc<Mutex<Option<Meddling>>>);

type Meddling = (Place, Box<dyn FnOnce() + Send>);

impl Meanwhile {
    fn before(&self, method: &str, path: &str, act: impl FnOnce() + Send + 'static) {
        *self.0.lock().unwrap() = Some((Place::method(method, path), Box::new(act)));
    }

    fn met(&self, request: &Request) -> Option<Box<dyn FnOnce() + Send>> {
        let mut waiting = self.0.lock().unwrap();
        let (place, _) = waiting.as_ref()?;
        let fits = place.method.as_deref() == Some(request.method().as_str())
            && place.path.as_deref().is_some_and(|path| request.uri().path().contains(path));
        if fits { waiting.take().map(|(_, act)| act) } else { None }
    }
}

async fn serve(sandbox: &Salesforce, meanwhile: &Meanwhile) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let meanwhile = meanwhile.clone();
    let router = sandbox.router().layer(from_fn(move |request: Request, next: Next| {
        let act = meanwhile.met(&request);
        async move {
            if let Some(act) = act {
                act();
            }
            next.run(request).await
        }
    }));
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
    let meanwhile = Meanwhile::default();
    let url = serve(&sandbox, &meanwhile).await;
    let mut settings = settings(&sandbox, &url);
    adjust(&mut settings);
    let salesforce = Connector::new(settings, Client::new().unwrap(), Arc::new(Limiter::default()), None);
    Org { sandbox, salesforce, clock, url, meanwhile }
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
        Addressed { write, record, attempt: 1, earlier: None }
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
    let value =
        |field: Field| jane.values.iter().find(|known| known.field == field).map(|known| known.value.to_string());
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

#[tokio::test]
async fn every_write_is_done_once_and_found_again() {
    for is_keyed in [true, false] {
        let org = org_with(
            |_| {},
            |settings| {
                settings.score_properties =
                    vec![(ScorePart::Fit, "Fit__c".to_owned()), (ScorePart::Grade, "Grade__c".to_owned())];
                settings.handoff_properties =
                    vec![(HandoffPart::Reason, "Why__c".to_owned()), (HandoffPart::OwnerDue, "Due__c".to_owned())];
                let write = vec![("Status".to_owned(), "Working - Contacted".to_owned())];
                settings.stages = vec![StageMap { stage: Stage::Sal, read: Vec::new(), write }];
            },
        )
        .await;
        if is_keyed {
            org.keyed();
        }
        for (name, kind) in [("Fit__c", "double"), ("Grade__c", "string"), ("Why__c", "string"), ("Due__c", "datetime")]
        {
            org.sandbox.add_field("Lead", name, kind, false);
        }
        let (anna, ben) = (org.rep("Anna Lang"), org.rep("Ben May"));
        org.sandbox.add_campaign("Nurture: next quarter");
        let lead = org.lead(&anna, "Jane");
        let track = Name::from("next-quarter");
        let due_at: Timestamp = "2026-11-25T23:30:00Z".parse().unwrap();
        let points = Points { fit: 40, intent: 30, engagement: 0, grade: Grade { fit: b'B', intent: 2 } };
        let fields = HandoffFields { reason: Some(Name::from("first of the team")), owner_due: Some(due_at) };
        for effect in [
            Effect::SetOwner { owner: remote(&ben), expected: Some(remote(&anna)) },
            Effect::AddTask {
                title: "Call Jane".to_owned(),
                body: "why".to_owned(),
                due_at,
                owner: Some(remote(&ben)),
            },
            Effect::AddNote { body: "a note".to_owned() },
            Effect::SetStage { stage: Stage::Sal, is_backward: false },
            Effect::SetScore(points),
            Effect::SetHandoff(fields),
            Effect::JoinTrack(track.clone()),
            Effect::LeaveTrack(track),
            Effect::Reject(Name::from("bad_timing")),
        ] {
            let one = org.write(Some(&lead), effect);
            assert_eq!(org.salesforce.find_effect(&one).await.unwrap(), None, "{:?}", one.write.effect);
            let first = done(org.push(&one).await);
            assert!(org.salesforce.find_effect(&one).await.unwrap().is_some(), "{:?}", one.write.effect);
            assert_eq!(done(org.push(&one).await).made, first.made, "{:?}", one.write.effect);
        }
        let tasks = org.sandbox.find("Task", "WhoId", &lead);
        let call = tasks.iter().find(|task| task["Subject"] == "Call Jane").unwrap();
        assert_eq!(
            (tasks.len(), call["ActivityDate"].as_str()),
            (2, Some("2026-11-26")),
            "the day that it is for its owner"
        );
        assert_eq!(call.get("BatonKey__c").is_some(), is_keyed);
        let jane = org.sandbox.get("Lead", &lead).unwrap();
        assert_eq!(
            (jane["Status"].as_str(), jane["Due__c"].as_str()),
            (Some("Closed - Not Converted"), Some("2026-11-25T23:30:00.000+0000"))
        );
        let kinds: Vec<_> = org.sandbox.ledger().into_iter().filter(|effect| effect.is_api).collect();
        assert_eq!(kinds.len(), 9, "each once: {kinds:?}");
        assert!(kinds.iter().all(|effect| !effect.auto_assign), "assignment rules never run");
    }
}

#[tokio::test]
async fn a_create_finds_its_record_and_never_makes_a_second_fault_58() {
    for is_keyed in [true, false] {
        let org = org().await;
        if is_keyed {
            org.keyed();
        }
        let anna = org.rep("Anna Lang");
        let text = |value: &str| Value::text(value).unwrap();
        let values = vec![
            (Field::Email, text("jane@acme.example")),
            (Field::LastName, text("Roe")),
            (Field::Country, text("DE")),
        ];
        let create = Effect::Create { values, owner: Some(remote(&anna)), is_new_journey: false, not: Vec::new() };
        let mut create = org.write(None, create);
        // The answer is lost after the effect.
        let place =
            if is_keyed { Place::method("PATCH", "sobjects/Lead") } else { Place::method("POST", "sobjects/Lead") };
        org.sandbox.faults().inject(place, When::times(1), Fault::Reset { after_effect: true });
        assert!(matches!(org.push(&create).await, Outcome::Unknown { .. }));
        create.attempt = 2;
        let found = org.salesforce.find_effect(&create).await.unwrap().expect("it is found").made.unwrap();
        assert_eq!(done(org.push(&create).await).made, Some(found.clone()));
        let leads = org.sandbox.find("Lead", "Email", "jane@acme.example");
        assert_eq!(leads.len(), 1);
        assert_eq!(
            (leads[0]["OwnerId"].as_str(), leads[0]["Company"].as_str()),
            (Some(anna.as_str()), Some("[not provided]"))
        );
        let (seen, _) = org.drain("leads", Cursor::default()).await;
        let own = person(&seen, found.id.as_str())
            .keys
            .iter()
            .any(|key| key.kind == KeyKind::Own && key.value.as_str() == "L-42");
        assert_eq!(own, is_keyed, "the key names the person");
    }
}

#[tokio::test]
async fn a_task_whose_answer_was_lost_stands_once_with_its_key_and_is_found_without_fault_71() {
    for is_keyed in [true, false] {
        let org = org().await;
        if is_keyed {
            org.keyed();
        }
        let anna = org.rep("Anna Lang");
        let lead = org.lead(&anna, "Jane");
        let due_at = "2026-11-25T10:00:00Z".parse().unwrap();
        let task =
            Effect::AddTask { title: "Call".to_owned(), body: "why".to_owned(), due_at, owner: Some(remote(&anna)) };
        let mut task = org.write(Some(&lead), task);
        org.sandbox.faults().inject(
            Place::path("sobjects/Task"),
            When { skip: 1, times: Some(1), ..When::default() },
            Fault::Reset { after_effect: true },
        );
        assert!(matches!(org.push(&task).await, Outcome::Unknown { .. }));
        task.attempt = 2;
        let made = done(org.push(&task).await).made.unwrap();
        assert_eq!(org.sandbox.ids("Task"), [made.id.as_str()], "once");
        // The rep has done it meanwhile: a repetition does not open it again.
        org.sandbox.as_user(&anna).complete_task(made.id.as_str()).unwrap();
        done(org.push(&task).await);
        assert_eq!(org.sandbox.get("Task", made.id.as_str()).unwrap()["IsClosed"], true);
        let withdraw = org.write(Some(&lead), Effect::Withdraw { of: task.write.op, task: made });
        assert!(matches!(org.push(&withdraw).await, Outcome::Superseded { .. }), "what was done is not taken away");
    }
}

#[tokio::test]
async fn an_owner_that_is_not_the_expected_one_stays_and_a_queue_is_nobody_fault_68() {
    let org = org().await;
    let (anna, ben, clara) = (org.rep("Anna Lang"), org.rep("Ben May"), org.rep("Clara Voss"));
    let lead = org.lead(&clara, "Jane");
    let set = org.write(Some(&lead), Effect::SetOwner { owner: remote(&ben), expected: Some(remote(&anna)) });
    match org.push(&set).await {
        Outcome::Superseded { found } => assert!(found.contains(&clara), "{found}"),
        other => panic!("{other:?}"),
    }
    let queue = org.sandbox.add_queue("Inbound");
    org.sandbox.as_admin().update("Lead", &lead, json!({"OwnerId": queue})).unwrap();
    let (seen, _) = org.drain("leads", Cursor::default()).await;
    assert_eq!(person(&seen, &lead).owners.last().unwrap().owner, None);
    let set = org.write(Some(&lead), Effect::SetOwner { owner: remote(&ben), expected: None });
    done(org.push(&set).await);
    assert_eq!(org.sandbox.get("Lead", &lead).unwrap()["OwnerId"], ben.as_str());
    // Somebody changes the record between the look and the write: the condition shows it.
    let other = org.lead(&anna, "John");
    org.clock.advance(SignedDuration::from_secs(5));
    let set = org.write(Some(&other), Effect::SetOwner { owner: remote(&ben), expected: Some(remote(&anna)) });
    let place = Place::method("PATCH", &format!("sobjects/Lead/{other}"));
    org.sandbox.faults().inject(
        place,
        When::times(1),
        Fault::Status { status: 412, code: Some("PRECONDITION_FAILED".to_owned()), retry_after: None },
    );
    assert!(matches!(org.push(&set).await, Outcome::Again { counts: true, .. }));
    org.sandbox.deactivate_user(&ben);
    match org.push(&set).await {
        Outcome::Refused { message } => assert!(message.contains("INACTIVE_OWNER_OR_USER"), "{message}"),
        other => panic!("{other:?}"),
    }
    org.sandbox.faults().set(Fault::Validation {
        object: "Lead".to_owned(),
        field: "OwnerId".to_owned(),
        message: "Ask Jane Roe first".to_owned(),
    });
    let set = org.write(Some(&other), Effect::SetOwner { owner: remote(&clara), expected: Some(remote(&anna)) });
    assert!(
        matches!(org.push(&set).await, Outcome::Refused { message } if message.contains("FIELD_CUSTOM_VALIDATION_EXCEPTION"))
    );
    org.sandbox.faults().clear();
    org.sandbox.faults().set(Fault::Locked { id: other.clone() });
    assert!(matches!(org.push(&set).await, Outcome::Again { counts: true, .. }), "a lock passes");
}

#[tokio::test]
async fn owners_of_many_go_as_one_collection_and_each_row_has_its_outcome_faults_60_and_61() {
    let org = org().await;
    let (anna, ben, gone) = (org.rep("Anna Lang"), org.rep("Ben May"), org.rep("Gone Away"));
    let leads: Vec<String> = (0..201).map(|at| org.lead(&anna, &format!("N{at}"))).collect();
    let locked = leads[3].clone();
    org.sandbox.faults().set(Fault::Locked { id: locked.clone() });
    let mut writes: Vec<Addressed> = leads
        .iter()
        .map(|lead| org.write(Some(lead), Effect::SetOwner { owner: remote(&ben), expected: Some(remote(&anna)) }))
        .collect();
    writes[5] = org.write(Some(&leads[5]), Effect::SetOwner { owner: remote(&gone), expected: Some(remote(&anna)) });
    org.sandbox.deactivate_user(&gone);
    org.sandbox.as_admin().update("Lead", &leads[7], json!({"OwnerId": ben})).unwrap();
    org.sandbox.as_admin().delete("Lead", &leads[8]).unwrap();
    org.salesforce.describe().await.unwrap();
    org.sandbox.reset_requests();
    let outcomes = org.salesforce.push(&writes, &Forget).await;
    assert_eq!(outcomes.len(), 201);
    let of =
        |at: usize| outcomes.iter().find(|(op, _)| *op == writes[at].write.op).map(|(_, outcome)| outcome).unwrap();
    assert!(matches!(of(0), Outcome::Done(done) if done.was.len() == 1));
    assert!(
        matches!(of(3), Outcome::Again { counts: true, message, .. } if message.contains("UNABLE_TO_LOCK_ROW")),
        "{:?}",
        of(3)
    );
    assert!(matches!(of(5), Outcome::Refused { message } if message.contains("INACTIVE_OWNER_OR_USER")), "{:?}", of(5));
    assert!(matches!(of(7), Outcome::Done(done) if done.was.is_empty()), "it was as wanted: {:?}", of(7));
    assert!(matches!(of(8), Outcome::Refused { .. }), "{:?}", of(8));
    let changed = leads.iter().filter(|lead| org.sandbox.get("Lead", lead).unwrap()["OwnerId"] == ben.as_str()).count();
    assert_eq!(changed, 198);
    let requests = org.sandbox.requests();
    assert_eq!(requests.by_call["PATCH composite/sobjects"], 2, "{requests:?}");
    // An answer that is lost leaves each row unknown, and a repetition is no second write.
    let mut again: Vec<Addressed> = leads[10..13]
        .iter()
        .map(|lead| org.write(Some(lead), Effect::SetOwner { owner: remote(&anna), expected: Some(remote(&ben)) }))
        .collect();
    for (at, one) in again.iter_mut().enumerate() {
        one.write.op = OperationId::of(&["again", &at.to_string()]);
    }
    org.sandbox.faults().inject(Place::path("composite/sobjects"), When::times(1), Fault::Reset { after_effect: true });
    let outcomes = org.salesforce.push(&again, &Forget).await;
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Unknown { .. })), "{outcomes:?}");
    for one in &mut again {
        one.attempt = 2;
        assert!(org.salesforce.find_effect(one).await.unwrap().is_some());
    }
    let before = org.sandbox.ledger().len();
    assert!(org.salesforce.push(&again, &Forget).await.iter().all(|(_, outcome)| matches!(outcome, Outcome::Done(_))));
    assert_eq!(org.sandbox.ledger().len(), before);
}

#[tokio::test]
async fn more_leads_than_a_page_with_one_time_are_all_read_fault_25() {
    let org = org_with(|of| of.page_rows = Some(300), |_| {}).await;
    let leads: BTreeSet<String> = org.sandbox.import_leads(2_345).into_iter().collect();
    let (seen, cursor) = org.drain("leads", Cursor::default()).await;
    let read: Vec<String> = seen.iter().map(|one| one.of.id.to_string()).collect();
    assert_eq!(read.len(), 2_345, "each once");
    assert_eq!(read.into_iter().collect::<BTreeSet<_>>(), leads);
    // The window reaches back ten minutes: what is read again is the same.
    let (seen, cursor) = org.drain("leads", cursor).await;
    assert_eq!(seen.len(), 2_345);
    org.clock.advance(SignedDuration::from_mins(30));
    let (_, cursor) = org.drain("leads", cursor).await;
    org.sandbox.reset_requests();
    let page = org.page("leads", &cursor).await.unwrap();
    assert!(page.observations.is_empty() && !page.has_more);
    let behind: Timestamp = "2026-11-24T08:29:00Z".parse().unwrap();
    let covered = page.covered_until.unwrap();
    assert!(
        covered <= behind && covered >= behind - SignedDuration::from_secs(5),
        "a minute behind the org's clock: {covered}"
    );
    assert_eq!(org.sandbox.requests().total, 1, "an idle poll is one request");
}

#[tokio::test]
async fn a_late_commit_is_not_lost_fault_27() {
    let org = org().await;
    let anna = org.rep("Anna Lang");
    let (early, late) = (org.lead(&anna, "Jane"), org.lead(&anna, "John"));
    org.clock.advance(SignedDuration::from_mins(30));
    org.sandbox.as_user(&anna).update("Lead", &early, json!({"Title": "CTO"})).unwrap();
    let (_, cursor) = org.drain("leads", Cursor::default()).await;
    let person = org.sandbox.as_user(&anna).begun(SignedDuration::from_mins(9));
    person.update("Lead", &late, json!({"Title": "CFO"})).unwrap();
    let (seen, _) = org.drain("leads", cursor).await;
    assert!(seen.iter().any(|one| one.of.id.as_str() == late), "its stamp lies behind what was read");
}

#[tokio::test]
async fn a_merged_lead_lives_on_in_the_winner_and_a_deleted_one_is_gone_faults_29_and_30() {
    let org = org().await;
    let anna = org.rep("Anna Lang");
    let (winner, loser, gone, purged) =
        (org.lead(&anna, "A"), org.lead(&anna, "B"), org.lead(&anna, "C"), org.lead(&anna, "D"));
    let (_, cursor) = org.drain("leads", Cursor::default()).await;
    org.clock.advance(SignedDuration::from_mins(1));
    let rep = org.sandbox.as_user(&anna);
    rep.merge("Lead", &winner, &loser).unwrap();
    rep.delete("Lead", &gone).unwrap();
    org.sandbox.purge("Lead", &purged);
    let (seen, _) = org.drain("leads", cursor).await;
    let content = |id: &str| seen.iter().rfind(|one| one.of.id.as_str() == id).map(|one| one.content.clone());
    assert_eq!(content(&loser), Some(Content::MergedInto(remote(&winner))));
    assert_eq!(content(&gone), Some(Content::Gone));
    let place = |id: &str| seen.iter().position(|one| one.of.id.as_str() == id).unwrap();
    assert!(place(&winner) < place(&loser), "who lives on in another comes after that one");
    let refs = [&purged, &loser].map(|id| RecordRef::new(org.salesforce.id(), Object::Person, id.as_str()));
    let read = org.salesforce.read(&refs).await.unwrap();
    let read = |id: &str| read.iter().find(|one| one.of.id.as_str() == id).map(|one| one.content.clone());
    assert_eq!((read(&purged), read(&loser)), (Some(Content::Gone), Some(Content::MergedInto(remote(&winner)))));
}

#[tokio::test]
async fn a_converted_lead_goes_on_as_its_contact_with_word_and_deal_fault_31() {
    let org = org().await;
    let anna = org.rep("Anna Lang");
    let lead = org.lead(&anna, "Jane");
    org.clock.advance(SignedDuration::from_mins(1));
    let rep = org.sandbox.as_user(&anna);
    rep.update("Lead", &lead, json!({"Status": "Working - Contacted"})).unwrap();
    let (_, cursor) = org.drain("leads", Cursor::default()).await;
    org.clock.advance(SignedDuration::from_mins(1));
    let made = rep.convert(&lead, None, Some("Acme: seats")).unwrap();
    let (seen, _) = org.drain("leads", cursor).await;
    let contact = person(&seen, &made.contact);
    assert_eq!(contact.merged, [remote(&lead)]);
    let stages: Vec<Stage> = contact.stages.iter().map(|entry| entry.stage).collect();
    assert_eq!(stages, [Stage::Sal, Stage::Sql, Stage::Sql]);
    let said = contact.disposition.as_ref().unwrap();
    assert_eq!((&said.word, &said.by), (&Word::Accepted, &Author::Person(Some(remote(&anna)))));
    assert_eq!(said.at.to_string(), "2026-11-24T08:02:00Z", "the date of the conversion has no time; the history has");
    assert!(
        seen.iter().any(|one| one.of.id.as_str() == lead && one.content == Content::MergedInto(remote(&made.contact)))
    );
    let company = contact.company.clone().flatten().unwrap();
    assert_eq!((company.object, company.id.as_str()), (Object::Company, made.account.as_str()));

    // A write that was meant for the lead goes nowhere; and a stage of the opportunity is one of its people.
    let set = org.write(Some(&lead), Effect::SetOwner { owner: remote(&anna), expected: None });
    assert!(matches!(org.push(&set).await, Outcome::Superseded { .. }));
    let (_, deals) = org.drain("opportunities", Cursor::default()).await;
    org.clock.advance(SignedDuration::from_mins(1));
    rep.update("Opportunity", made.opportunity.as_ref().unwrap(), json!({"StageName": "Closed Won", "Amount": 1200.5}))
        .unwrap();
    let (seen, _) = org.drain("opportunities", deals).await;
    assert_eq!(person(&seen, &made.contact).stages.last().unwrap().stage, Stage::Won);
    let deal = seen.iter().find_map(|one| match &one.content {
        Content::Deal(deal) => Some(deal),
        _ => None,
    });
    let deal = deal.unwrap();
    assert_eq!((deal.state, deal.amount), (DealState::Won, Some(1200.5)));
    assert_eq!(deal.people.as_ref().unwrap()[0].id.as_str(), made.contact);
    let (accounts, _) = org.drain("accounts", Cursor::default()).await;
    assert!(
        accounts.iter().any(|one| one.of.id.as_str() == made.account && matches!(one.content, Content::Company(_)))
    );
}

#[tokio::test]
async fn only_what_took_place_and_was_done_by_a_person_is_a_touch_section_4() {
    let org = org().await;
    org.keyed();
    let anna = org.rep("Anna Lang");
    let lead = org.lead(&anna, "Jane");
    let rep = org.sandbox.as_user(&anna);
    let due_at = "2026-11-25T10:00:00Z".parse().unwrap();
    let task = org.write(
        Some(&lead),
        Effect::AddTask { title: "Call".to_owned(), body: "b".to_owned(), due_at, owner: Some(remote(&anna)) },
    );
    let ours = done(org.push(&task).await).made.unwrap().id;
    let note = org.write(Some(&lead), Effect::AddNote { body: "a note".to_owned() });
    let note = done(org.push(&note).await).made.unwrap().id;
    let call = rep.log_call(&lead, "spoke").unwrap();
    let mail = rep
        .create("Task", json!({"WhoId": lead, "Subject": "Hello", "TaskSubtype": "Email", "Status": "Completed"}))
        .unwrap();
    let list = rep
        .create("Task", json!({"WhoId": lead, "Subject": "News", "TaskSubtype": "List Email", "Status": "Completed"}))
        .unwrap();
    let plain = rep
        .create(
            "Task",
            json!({"WhoId": lead, "Subject": "Prepare", "Status": "Completed", "ActivityDate": "2026-11-24"}),
        )
        .unwrap();
    let held = rep
        .create("Event", json!({"WhoId": lead, "StartDateTime": "2026-11-24T07:00:00Z", "DurationInMinutes": 30}))
        .unwrap();
    let booked = rep
        .create("Event", json!({"WhoId": lead, "StartDateTime": "2026-11-24T09:00:00Z", "DurationInMinutes": 30}))
        .unwrap();
    let (tasks, cursor) = org.drain("tasks", Cursor::default()).await;
    let (events, _) = org.drain("events", Cursor::default()).await;
    let touch = |seen: &[Observation], id: &str| {
        let touches = seen.iter().filter(|one| one.of.id.as_str() == id).find_map(|one| match &one.content {
            Content::Touch(touches) => Some(touches.clone()),
            _ => None,
        });
        touches.unwrap().into_iter().next().map(|touch| (touch.channel, touch.genuine, touch.by))
    };
    let by = Some(remote(&anna));
    let not = |why: NotGenuine| Genuine::No(why);
    assert_eq!(touch(&tasks, ours.as_str()), Some((Channel::Call, not(NotGenuine::NotDone), by.clone())));
    assert_eq!(touch(&tasks, note.as_str()), None, "a note of ours is evidence of nothing");
    assert_eq!(touch(&tasks, &call), Some((Channel::Call, Genuine::Yes, by.clone())));
    assert_eq!(touch(&tasks, &mail), Some((Channel::Email, Genuine::Yes, by.clone())));
    assert_eq!(touch(&tasks, &list), Some((Channel::Email, not(NotGenuine::Automated), by.clone())));
    assert_eq!(touch(&tasks, &plain), None);
    assert_eq!(touch(&events, &held), Some((Channel::Meeting, not(NotGenuine::Unsaid), by.clone())), "a booking");
    assert!(org.salesforce.streams().iter().all(|one| one.name.as_str() != "events" || one.proves.is_empty()));
    assert_eq!(touch(&events, &booked), Some((Channel::Meeting, not(NotGenuine::NotDone), by.clone())));
    assert!(org.sandbox.get("Lead", &lead).unwrap()["LastActivityDate"].is_string(), "which nobody looks at");
    org.clock.advance(SignedDuration::from_mins(1));
    rep.complete_task(ours.as_str()).unwrap();
    let (tasks, cursor) = org.drain("tasks", cursor).await;
    assert_eq!(
        touch(&tasks, ours.as_str()),
        Some((Channel::Call, Genuine::Yes, by.clone())),
        "what Baton asked for was done by the rep"
    );
    org.clock.advance(SignedDuration::from_mins(1));
    rep.update("Task", ours.as_str(), json!({"Status": "In Progress"})).unwrap();
    rep.delete("Task", &call).unwrap();
    let (tasks, _) = org.drain("tasks", cursor).await;
    assert_eq!(touch(&tasks, ours.as_str()).unwrap().1, not(NotGenuine::NotDone), "reopened");
    assert!(tasks.iter().any(|one| one.of.id.as_str() == call && one.content == Content::Gone));
    // No feed shows that a meeting has taken place since; a look around the person does, where the settings take it for held.
    org.clock.advance(SignedDuration::from_hours(2));
    let of = RecordRef::new(org.salesforce.id(), Object::Person, lead.as_str());
    let mut held = settings(&org.sandbox, &org.url);
    held.events_are_held = true;
    let held = Connector::new(held, Client::new().unwrap(), Arc::new(Limiter::default()), None);
    assert!(held.streams().iter().any(|one| one.name.as_str() == "events" && !one.proves.is_empty()));
    let around = held.read_around(&[of]).await.unwrap();
    assert!(around.refused.is_empty());
    assert_eq!(touch(&around.observations, &booked), Some((Channel::Meeting, Genuine::Yes, by)));
}

#[tokio::test]
async fn a_session_that_ends_is_asked_for_anew_once_for_all_fault_50() {
    let org = org().await;
    let anna = org.rep("Anna Lang");
    org.lead(&anna, "Jane");
    org.salesforce.describe().await.unwrap();
    org.sandbox.faults().set(Fault::SessionsExpire);
    org.sandbox.reset_requests();
    let streams = ["users", "accounts", "leads", "contacts", "tasks", "events"];
    let beginning = Cursor::default();
    let pages = streams.map(|name| org.page(name, &beginning));
    let [a, b, c, d, e, f] = pages;
    let (a, b, c, d, e, f) = tokio::join!(a, b, c, d, e, f);
    for page in [a, b, c, d, e, f] {
        page.unwrap();
    }
    let requests = org.sandbox.requests();
    assert_eq!(requests.by_call["POST services/oauth2/token"], 1, "one mint for all: {requests:?}");
    // A session that is refused again and again is no reason to ask for ever.
    org.sandbox.faults().inject(
        Place::path("query"),
        When::default(),
        Fault::Status { status: 401, code: Some("INVALID_SESSION_ID".to_owned()), retry_after: None },
    );
    org.sandbox.reset_requests();
    let refused = org.page("leads", &Cursor::default()).await.unwrap_err();
    assert!(matches!(refused, ConnectorError::Unauthorized { .. }), "{refused}");
    assert!(org.sandbox.requests().total <= 4, "{:?}", org.sandbox.requests());
}

#[tokio::test]
async fn each_refusal_of_the_login_says_what_to_do_section_2() {
    let org = org().await;
    for (error, description, part) in [
        ("invalid_grant", "user hasn't approved this consumer", "pre-authorized"),
        ("invalid_app_access", "User isn't approved by an admin to access this app", "permission set"),
        ("invalid_client", "invalid client credentials", "External Client App"),
    ] {
        let salesforce = Connector::new(
            settings(&org.sandbox, &org.url),
            Client::new().unwrap(),
            Arc::new(Limiter::default()),
            None,
        );
        org.sandbox.faults().set(Fault::OauthError { error: error.to_owned(), description: description.to_owned() });
        let refused = salesforce.describe().await.unwrap_err();
        assert!(
            matches!(&refused, ConnectorError::Unauthorized { message, .. } if message.contains(part)),
            "{error}: {refused}"
        );
        let asked = org.sandbox.requests().total;
        assert!(salesforce.describe().await.is_err());
        assert_eq!(org.sandbox.requests().total, asked, "what only a person can cure is not asked again at once");
        org.sandbox.faults().clear();
    }
    let mut settings = settings(&org.sandbox, &org.url);
    settings.account = Some("00D5f0000000XYZ".to_owned());
    let other = Connector::new(settings, Client::new().unwrap(), Arc::new(Limiter::default()), None);
    let refused = other.describe().await.unwrap_err();
    assert!(refused.to_string().contains("nothing is read or written"), "{refused}");
}

#[derive(Debug, Default)]
struct Memory {
    kept: Mutex<Vec<Tokens>>,
    is_full: Mutex<bool>,
}

#[async_trait::async_trait]
impl Vault for Memory {
    async fn tokens(&self, _: &ConnectionId) -> Result<Option<Tokens>, VaultError> {
        Ok(self.kept.lock().unwrap().last().cloned())
    }

    async fn keep(&self, _: &ConnectionId, tokens: &Tokens) -> Result<(), VaultError> {
        if *self.is_full.lock().unwrap() {
            return Err(VaultError("no room".to_owned()));
        }
        self.kept.lock().unwrap().push(tokens.clone());
        Ok(())
    }
}

#[tokio::test]
async fn a_refresh_token_that_rotates_is_kept_before_it_is_used_fault_51() {
    let org = org().await;
    let app = org.sandbox.settings();
    let vault = Arc::new(Memory::default());
    let login = || {
        let mut settings = settings(&org.sandbox, &org.url);
        settings.auth = Auth::Oauth(OauthApp {
            client_id: app.consumer_key.clone(),
            client_secret: app.consumer_secret.clone().into(),
            redirect_uri: "http://localhost:8687/oauth/callback".parse().unwrap(),
        });
        let vault: Arc<dyn Vault> = vault.clone();
        Connector::new(settings, Client::new().unwrap(), Arc::new(Limiter::default()), Some(vault))
    };
    let first = login();
    let nobody = first.describe().await.unwrap_err();
    assert!(nobody.to_string().contains("baton login salesforce"), "{nobody}");
    let code = org.sandbox.authorization_code(&org.sandbox.user("baton@acme.example").unwrap());
    first.log_in(&code.into()).await.unwrap();
    first.describe().await.unwrap();
    assert_eq!(vault.kept.lock().unwrap().len(), 1);
    // After a restart the refresh token is used, and what comes in its place is kept first.
    let second = login();
    second.describe().await.unwrap();
    let kept: Vec<String> =
        vault.kept.lock().unwrap().iter().map(|tokens| tokens.refresh.expose_secret().to_owned()).collect();
    assert!(kept.len() == 2 && kept[0] != kept[1], "{kept:?}");
    // One that cannot be kept is not used; once there is room it is, and no token is sent twice.
    *vault.is_full.lock().unwrap() = true;
    let third = login();
    let refused = third.describe().await.unwrap_err();
    assert!(refused.to_string().contains("could not be stored"), "{refused}");
    *vault.is_full.lock().unwrap() = false;
    third.describe().await.unwrap();
    let fourth = login();
    fourth.describe().await.unwrap();
    assert_eq!(vault.kept.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn client_credentials_log_in_as_the_run_as_user_section_2() {
    let org = org_with(
        |_| {},
        |settings| {
            settings.auth = Auth::Client(ClientApp {
                client_id: Population::default().consumer_key,
                client_secret: Population::default().consumer_secret.into(),
            });
        },
    )
    .await;
    let described = org.salesforce.describe().await.unwrap();
    assert_eq!(described.own_user.unwrap().as_str(), org.sandbox.user("baton@acme.example").unwrap());
}

#[tokio::test]
async fn a_broken_answer_is_never_an_empty_page_faults_35_37_and_44() {
    let org = org_with(|of| of.page_rows = Some(2), |_| {}).await;
    let anna = org.rep("Anna Lang");
    let leads = ["A", "B", "C"].map(|name| org.lead(&anna, name));
    org.salesforce.describe().await.unwrap();
    let start = Cursor::default();
    for fault in [Fault::Html, Fault::Truncate] {
        org.sandbox.faults().inject(Place::path("FROM Lead "), When::times(1), fault.clone());
        let error = org.page("leads", &start).await.unwrap_err();
        assert!(matches!(error, ConnectorError::Malformed { .. }), "{fault:?}: {error}");
    }
    // The session goes to no other host: a page of the history that names one is not followed.
    org.sandbox.as_user(&anna).update("Lead", &leads[0], json!({"Status": "Working - Contacted"})).unwrap();
    org.sandbox.as_admin().update("Lead", &leads[0], json!({"OwnerId": org.rep("Ben May")})).unwrap();
    org.sandbox.as_admin().update("Lead", &leads[0], json!({"OwnerId": anna})).unwrap();
    org.sandbox.faults().inject(
        Place::path("FROM LeadHistory"),
        When::times(1),
        Fault::NextLink { to: "https://evil.example".to_owned() },
    );
    let error = org.page("leads", &start).await.unwrap_err();
    assert!(matches!(&error, ConnectorError::Malformed { at, .. } if at.contains("no path of this org")), "{error}");
    org.sandbox.faults().inject(Place::path("FROM Lead "), When::times(1), Fault::BadRecord);
    let (seen, _) = org.drain("leads", start).await;
    let bad: Vec<&str> = seen
        .iter()
        .filter(|one| matches!(one.content, Content::Undecodable(_)))
        .map(|one| one.of.id.as_str())
        .collect();
    assert_eq!(bad, [leads[0].as_str()]);
    let good: BTreeSet<&str> = seen.iter().filter(|one| one.person().is_some()).map(|one| one.of.id.as_str()).collect();
    assert!(good.contains(leads[1].as_str()) && good.contains(leads[2].as_str()), "the page goes on: {good:?}");
}

#[tokio::test]
async fn a_hidden_field_is_told_and_the_rest_is_read_section_1_9() {
    let org = org().await;
    let anna = org.rep("Anna Lang");
    let lead = org.lead(&anna, "Jane");
    org.drain("leads", Cursor::default()).await;
    org.sandbox.faults().set(Fault::FieldHidden { object: "Lead".to_owned(), field: "Website".to_owned() });
    let gone = org.page("leads", &Cursor::default()).await;
    // What was read within the last seconds is not read again at once; the next look is.
    let page = match gone {
        Ok(page) => page,
        Err(ConnectorError::Rejected { .. }) => org.page("leads", &Cursor::default()).await.unwrap(),
        Err(other) => panic!("{other}"),
    };
    let jane = person(&page.observations, &lead);
    assert!(jane.values.iter().any(|known| known.field == Field::Email));
    assert!(!jane.values.iter().any(|known| known.field == Field::CompanyDomain));
    let told = page.findings.iter().find(|finding| finding.kind == FindingKind::MissingField).unwrap();
    assert!(told.text.contains("Lead shows no field Website"), "{}", told.text);
    org.sandbox.faults().clear();
    assert!(org.salesforce.describe().await.unwrap().findings.iter().all(|finding| !finding.text.contains("Website")));
}

#[tokio::test]
async fn the_days_quota_is_shared_and_its_end_is_waited_out_fault_53() {
    let org = org_with(|of| of.daily_limit = 1_000, |_| {}).await;
    org.salesforce.describe().await.unwrap();
    let daily = org.salesforce.budgets().remove(0);
    assert_eq!((daily.name, daily.limit), ("daily", Some(1_000)));
    assert!(daily.left.unwrap() <= 600, "Baton's share of the day is 60 %: {daily:?}");
    org.sandbox.faults().set(Fault::DailyLimit { left: 0 });
    let error = org.page("leads", &Cursor::default()).await.unwrap_err();
    match error {
        ConnectorError::RateLimited { retry_after, .. } => {
            assert!(retry_after >= Duration::from_secs(600), "{retry_after:?}")
        }
        other => panic!("{other}"),
    }
    let asked = org.sandbox.requests().total;
    assert!(matches!(org.page("leads", &Cursor::default()).await.unwrap_err(), ConnectorError::RateLimited { .. }));
    assert_eq!(org.sandbox.requests().total, asked, "nobody asks while the wait lasts");
}

#[tokio::test]
async fn without_history_what_is_seen_first_counts_and_a_person_is_told_how_to_track_it() {
    let org = org_with(|of| of.tracked = Vec::new(), |_| {}).await;
    let (anna, ben) = (org.rep("Anna Lang"), org.rep("Ben May"));
    let lead = org.lead(&anna, "Jane");
    let described = org.salesforce.describe().await.unwrap();
    let told = described.findings.iter().find(|finding| finding.text.contains("Set History Tracking"));
    assert!(told.is_some(), "{:?}", described.findings);
    let (seen, cursor) = org.drain("leads", Cursor::default()).await;
    assert!(!person(&seen, &lead).has_history);
    let set = org.write(Some(&lead), Effect::SetOwner { owner: remote(&ben), expected: Some(remote(&anna)) });
    org.clock.advance(SignedDuration::from_mins(1));
    done(org.push(&set).await);
    let (seen, cursor) = org.drain("leads", cursor).await;
    assert_eq!(person(&seen, &lead).owners.last().unwrap().by, Author::Baton);
    org.clock.advance(SignedDuration::from_mins(1));
    org.sandbox.as_admin().update("Lead", &lead, json!({"OwnerId": anna})).unwrap();
    let (seen, _) = org.drain("leads", cursor).await;
    let owner = person(&seen, &lead).owners.last().unwrap().clone();
    assert_eq!((owner.owner, owner.by), (Some(remote(&anna)), Author::Unknown), "the last editor is not named for it");
}

#[tokio::test]
async fn a_look_names_what_does_not_fit_and_setup_what_to_add() {
    let org = org_with(|_| {}, |settings| settings.tracks.clear()).await;
    let text = |findings: &[baton::domain::finding::Finding], part: &str| {
        findings.iter().any(|finding| finding.text.contains(part))
    };
    let described = org.salesforce.describe().await.unwrap();
    assert!(text(&described.findings, "Task has no external id BatonKey__c"), "{:?}", described.findings);
    org.keyed();
    assert!(!text(&org.salesforce.describe().await.unwrap().findings, "external id"), "a look sees what was added");
    let due = Requirement::Handoff(HandoffPart::OwnerDue);
    let ensured = org.salesforce.ensure(&due, Making::Make).await.unwrap().unwrap();
    assert!(matches!(&ensured.state, State::ByHand(how) if how.contains("Date/Time")), "{ensured:?}");
    let track = Requirement::Track(Name::from("re-engage"));
    let shown = org.salesforce.ensure(&track, Making::Show).await.unwrap().unwrap();
    assert_eq!(shown.state, State::Missing);
    assert!(org.sandbox.ledger().iter().all(|effect| !effect.is_api), "a look writes nothing");
    assert_eq!(org.salesforce.ensure(&track, Making::Make).await.unwrap().unwrap().state, State::Made);
    assert_eq!(org.salesforce.ensure(&track, Making::Make).await.unwrap().unwrap().state, State::There);
}

#[tokio::test]
async fn a_walk_goes_through_contacts_and_leads_as_one_and_finds_each_once() {
    let org = org_with(|of| of.page_rows = Some(2), |_| {}).await;
    let anna = org.rep("Anna Lang");
    let leads = ["A", "B", "C"].map(|name| org.lead(&anna, name));
    let contacts = ["X", "Y"].map(|name| org.sandbox.as_admin().create("Contact", json!({"LastName": name})).unwrap());
    let stream = org.salesforce.streams().iter().find(|stream| stream.name.as_str() == "leads").unwrap();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut from: Option<RemoteId> = None;
    for _ in 0..20 {
        let walked = org.salesforce.walk(stream, from.as_ref(), Timestamp::UNIX_EPOCH).await.unwrap().unwrap();
        for one in &walked.observations {
            let id = one.of.id.as_str();
            assert!(from.as_ref().is_none_or(|from| id >= from.as_str()), "{id}");
            assert!(walked.next.as_ref().is_none_or(|next| id <= next.as_str()), "{id}");
            seen.insert(id.to_owned());
        }
        from = walked.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(seen, leads.into_iter().chain(contacts).collect());
}

#[tokio::test]
async fn a_large_first_load_goes_by_a_job_and_on_after_a_restart_section_6() {
    let org = org_with(|of| of.job_rows = Some(20_000), |_| {}).await;
    let leads = org.sandbox.import_leads(50_001);
    org.clock.advance(SignedDuration::from_hours(1));
    let mut cursor = Cursor::default();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut waited = 0;
    let mut restarted = false;
    let mut salesforce = &org.salesforce;
    let other =
        Connector::new(settings(&org.sandbox, &org.url), Client::new().unwrap(), Arc::new(Limiter::default()), None);
    loop {
        let stream = salesforce.streams().iter().find(|stream| stream.name.as_str() == "leads").unwrap();
        let page = salesforce.pull(stream, &cursor, Timestamp::UNIX_EPOCH).await.unwrap();
        seen.extend(page.observations.iter().filter(|one| one.person().is_some()).map(|one| one.of.id.to_string()));
        cursor = page.next;
        if !page.has_more {
            if page.covered_until.is_some() {
                break;
            }
            waited += 1;
        }
        if seen.len() > 10_000 && !restarted {
            restarted = true;
            salesforce = &other;
        }
    }
    assert_eq!(seen.len(), leads.len());
    assert!(waited >= 1 && org.sandbox.job_queries().is_empty(), "the job is removed in the end");
    let requests = org.sandbox.requests();
    assert_eq!(requests.by_call["POST jobs/query"], 1, "{requests:?}");
}
