//! The Odoo connector against the sandbox Odoo over real HTTP: what must hold on every machine. The same traps against a
//! real server are in `odoo_real`; "trap n" is the fact sheet's, "fault n" a row of the catalogue of faults.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail loudly, as the tests do")]

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use baton::clock::Clock;
use baton::connector::odoo::Odoo as Connector;
use baton::connector::settings::{Kind, ScorePart, Settings};
use baton::connector::{Addressed, Connector as _, ConnectorError, Cursor, Done, Forget, Outcome, RECORD_BYTES_MAX};
use baton::domain::field::{Field, Value};
use baton::domain::finding::FindingKind;
use baton::domain::id::{LeadId, Name, Object, OperationId, RecordRef, RemoteId};
use baton::domain::lead::{Grade, Points};
use baton::domain::observation::{Content, Observation};
use baton::domain::plan::{Effect, Lane, Write};
use baton::domain::record::{Author, KeyKind, Word};
use baton::domain::stage::Stage;
use baton::domain::touch::{Channel, Genuine};
use baton::http::Client;
use baton::http::limiter::Limiter;
use baton::sandbox::odoo::{ActivityKind, Fault, Odoo, Settings as Population};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

struct Server {
    sandbox: Odoo,
    url: String,
    key: String,
    odoo: Connector,
    clock: Clock,
}

async fn server() -> Server {
    server_behind(|router| router).await
}

/// The same; what stands before it sees each request first.
async fn server_behind(gate: impl FnOnce(Router) -> Router) -> Server {
    let clock = Clock::manual("2026-11-24T08:00:00.140Z".parse::<Timestamp>().unwrap());
    let sandbox = Odoo::new(clock.clone(), Population::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = gate(sandbox.router());
    #[expect(clippy::disallowed_methods, reason = "the test's own server")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    let population = sandbox.settings();
    let key = population.api_key;
    let mut settings = Settings::new("odoo", Kind::Odoo, url.parse().unwrap(), key.clone().into());
    settings.account = Some(population.database);
    settings.reasons = vec![(Name::from("too_dear"), vec!["Too expensive".to_owned()])];
    settings.tracks = vec![(Name::from("next-quarter"), "Nurture: next quarter".to_owned())];
    // Fields that every Odoo has and this company uses for nothing else.
    settings.score_properties = vec![
        (ScorePart::Fit, "color".to_owned()),
        (ScorePart::Intent, "expected_revenue".to_owned()),
        (ScorePart::Grade, "referred".to_owned()),
    ];
    let odoo = Connector::new(settings, Client::new().unwrap(), Arc::new(Limiter::default()));
    Server { sandbox, url, key, odoo, clock }
}

impl Server {
    async fn drain(&self, name: &str, mut cursor: Cursor) -> (Vec<Observation>, Cursor) {
        let stream = self.odoo.streams().iter().find(|stream| stream.name.as_str() == name).unwrap();
        let mut all = Vec::new();
        loop {
            let page = self.odoo.pull(stream, &cursor, Timestamp::UNIX_EPOCH).await.unwrap();
            all.extend(page.observations);
            cursor = page.next;
            if !page.has_more {
                assert!(page.covered_until.is_some());
                return (all, cursor);
            }
        }
    }

    fn write(&self, lead: Option<i64>, effect: Effect) -> Addressed {
        let record = lead.map(|lead| RecordRef::new(self.odoo.id(), Object::Person, lead.to_string()));
        let write = Write {
            op: OperationId::of(&["test", effect.as_str(), &lead.unwrap_or(0).to_string()]),
            lead: LeadId(42),
            handoff: Some(1),
            connection: self.odoo.id().clone(),
            record: record.clone(),
            lane: Lane::Assign,
            effect,
            because: "a test".to_owned(),
        };
        Addressed { write, record, attempt: 1, earlier: None }
    }

    async fn push(&self, one: &Addressed) -> Outcome {
        self.odoo.push(std::slice::from_ref(one), &Forget).await.remove(0).1
    }

    async fn create(&self, owner: i64) -> i64 {
        let values = vec![
            (Field::Email, Value::text("jane@exa.example").unwrap()),
            (Field::FirstName, Value::text("Jane").unwrap()),
            (Field::Country, Value::text("DE").unwrap()),
        ];
        let create =
            Effect::Create { values, owner: Some(owner.to_string().into()), is_new_journey: false, not: Vec::new() };
        let create = self.write(None, create);
        assert_eq!(self.odoo.find_effect(&create).await.unwrap(), None);
        let made = done(self.push(&create).await).made.unwrap();
        assert_eq!(done(self.push(&create).await).made, Some(made.clone()), "a repeated create finds its record");
        assert_eq!(self.odoo.find_effect(&create).await.unwrap().unwrap().made, Some(made.clone()));
        made.id.as_str().parse().unwrap()
    }
}

#[track_caller]
fn done(outcome: Outcome) -> Done {
    match outcome {
        Outcome::Done(done) => done,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_lead_goes_through_the_sandbox_as_through_a_real_server() {
    let server = server().await;
    let anna = server.sandbox.add_user("a.lang", "Anna Lang", "a.lang@example.com");
    let described = server.odoo.describe().await.unwrap();
    assert!(described.account.starts_with("Odoo 19."), "{}", described.account);
    let (users, _) = server.drain("users", Cursor::default()).await;
    assert!(users.iter().any(|seen| matches!(&seen.content, Content::User(user) if user.name.as_str() == "Anna Lang")));
    let (_, leads) = server.drain("leads", Cursor::default()).await;
    let (_, messages) = server.drain("messages", Cursor::default()).await;

    let lead = server.create(anna).await;
    let rep = server.sandbox.as_user(anna);
    server.clock.advance(SignedDuration::from_secs(60));
    let call = rep.schedule_activity(lead, ActivityKind::Call, "Ring", "2026-11-24").unwrap();
    rep.complete_activity(call, "spoke").unwrap();
    rep.send_email(lead, "Hello", "Body").unwrap();
    rep.log_note(lead, "a note").unwrap();
    server.clock.advance(SignedDuration::from_secs(60));
    rep.mark_lost(lead, "Too expensive").unwrap();

    let (seen, _) = server.drain("messages", messages).await;
    let touches: Vec<_> = seen
        .iter()
        .filter_map(|seen| match &seen.content {
            Content::Touch(touches) => Some((touches[0].channel, touches[0].genuine, touches[0].by.clone())),
            _ => None,
        })
        .collect();
    let by = Some(RemoteId::from(anna.to_string()));
    assert_eq!(touches, [(Channel::Call, Genuine::Yes, by.clone()), (Channel::Email, Genuine::Yes, by.clone())]);
    let (seen, leads) = server.drain("leads", leads).await;
    let Content::Person(person) = &seen.iter().find(|seen| seen.of.id.as_str() == lead.to_string()).unwrap().content
    else {
        panic!("{seen:?}")
    };
    assert!(
        person.keys.iter().any(|key| key.kind == KeyKind::Own && key.value.as_str() == "L-42"),
        "{:?}",
        person.keys
    );
    let said = person.disposition.clone().unwrap();
    assert!(matches!(&said.word, Word::Rejected { reason: Some(reason), .. } if reason.as_str() == "too_dear"));
    assert_eq!(said.by, Author::Person(by));
    let (seen, _) = server.drain("leads", leads).await;
    assert!(!seen.is_empty(), "the window reaches back, for late commits (trap 1)");
}

#[tokio::test]
async fn every_write_is_done_once_and_found_again() {
    let server = server().await;
    let anna = server.sandbox.add_user("a.lang", "Anna Lang", "a.lang@example.com");
    let ben = server.sandbox.add_user("b.berg", "Ben Berg", "b.berg@example.com");
    let lead = server.create(anna).await;
    let track = Name::from("next-quarter");
    let due_at = "2026-11-25T10:00:00Z".parse().unwrap();
    let owner = |id: i64| RemoteId::from(id.to_string());
    for effect in [
        Effect::SetOwner { owner: owner(ben), expected: Some(owner(anna)) },
        Effect::AddTask { title: "Call".to_owned(), body: "why".to_owned(), due_at, owner: Some(owner(ben)) },
        Effect::AddNote { body: "a note".to_owned() },
        Effect::SetStage { stage: Stage::Sql, is_backward: false },
        Effect::JoinTrack(track.clone()),
        Effect::LeaveTrack(track),
        Effect::Reject(Name::from("too_dear")),
    ] {
        let one = server.write(Some(lead), effect);
        assert_eq!(server.odoo.find_effect(&one).await.unwrap(), None, "{:?}", one.write.effect);
        let first = done(server.push(&one).await);
        assert!(server.odoo.find_effect(&one).await.unwrap().is_some(), "{:?}", one.write.effect);
        assert_eq!(done(server.push(&one).await).made, first.made, "{:?}", one.write.effect);
    }
}

/// `load` under a known id writes its values over the record's: what our key names is looked for first.
#[tokio::test]
async fn a_create_that_is_repeated_sets_nothing_of_the_record_that_it_made() {
    for (is_new_journey, is_lost) in [(true, false), (false, true), (true, true)] {
        let server = server().await;
        let anna = server.sandbox.add_user("a.lang", "Anna Lang", "a.lang@example.com");
        let carl = server.sandbox.add_user("c.voss", "Carl Voss", "c.voss@example.com");
        let values = vec![(Field::Email, Value::text("jane@exa.example").unwrap())];
        let owner = Some(anna.to_string().into());
        let create = server.write(None, Effect::Create { values, owner, is_new_journey, not: Vec::new() });
        let made = done(server.push(&create).await).made.unwrap();
        let lead: i64 = made.id.as_str().parse().unwrap();
        // The answer was lost, so that it is sent again; meanwhile Anna gives the lead to Carl.
        server.sandbox.as_user(anna).write_lead(lead, json!({ "user_id": carl, "name": "Carl's" })).unwrap();
        if is_lost {
            server.sandbox.as_user(carl).mark_lost(lead, "Too expensive").unwrap();
        }
        let stands = server.sandbox.get_lead(lead).unwrap();
        assert_eq!(done(server.push(&Addressed { attempt: 2, ..create }).await).made, Some(made));
        let case = format!("new journey: {is_new_journey}, lost: {is_lost}");
        assert_eq!(server.sandbox.get_lead(lead).unwrap(), stands, "{case}");
        assert_eq!(server.sandbox.leads().len(), 1, "{case}");
    }
}

#[tokio::test]
async fn who_opted_out_gets_no_tag_and_loses_the_one_they_have_promise_11() {
    let server = server().await;
    let anna = server.sandbox.add_user("a.lang", "Anna Lang", "a.lang@example.com");
    let lead = server.create(anna).await;
    let track = || Name::from("next-quarter");
    let tags = || server.sandbox.get_lead(lead).unwrap()["tag_ids"].as_array().map_or(0, Vec::len);
    done(server.push(&server.write(Some(lead), Effect::JoinTrack(track()))).await);
    assert_eq!(tags(), 1);
    server.sandbox.as_admin().write_lead(lead, json!({ "is_blacklisted": true })).unwrap();
    done(server.push(&server.write(Some(lead), Effect::LeaveTrack(track()))).await);
    assert_eq!(tags(), 0, "what takes off goes on");
    let outcome = server.push(&server.write(Some(lead), Effect::JoinTrack(track()))).await;
    assert!(matches!(&outcome, Outcome::Refused { message } if message.contains("opted out")), "{outcome:?}");
    assert_eq!(tags(), 0);
}

#[tokio::test]
async fn an_owner_that_is_not_the_expected_one_stays() {
    let server = server().await;
    let anna = server.sandbox.add_user("a.lang", "Anna Lang", "a.lang@example.com");
    let ben = server.sandbox.add_user("b.berg", "Ben Berg", "b.berg@example.com");
    let lead = server.create(ben).await;
    let effect = Effect::SetOwner { owner: "2".into(), expected: Some(anna.to_string().into()) };
    let outcome = server.push(&server.write(Some(lead), effect)).await;
    assert!(matches!(&outcome, Outcome::Superseded { found } if found.contains(&ben.to_string())), "{outcome:?}");
}

#[tokio::test]
async fn an_owner_whom_a_person_sets_between_look_and_write_is_put_back_fault_68() {
    type Act = Box<dyn FnOnce() + Send>;
    let acts: Arc<Mutex<Option<Act>>> = Arc::default();
    let waiting = Arc::clone(&acts);
    let meddle = move |request: Request, next: Next| {
        let is_write = request.uri().path().ends_with("/crm.lead/write");
        let act = if is_write { waiting.lock().unwrap().take() } else { None };
        async move {
            if let Some(act) = act {
                act();
            }
            next.run(request).await
        }
    };
    let server = server_behind(|router| router.layer(from_fn(meddle))).await;
    let anna = server.sandbox.add_user("a.lang", "Anna Lang", "a.lang@example.com");
    let ben = server.sandbox.add_user("b.berg", "Ben Berg", "b.berg@example.com");
    let carl = server.sandbox.add_user("c.voss", "Carl Voss", "c.voss@example.com");
    let lead = server.create(anna).await;
    let sandbox = server.sandbox.clone();
    *acts.lock().unwrap() =
        Some(Box::new(move || sandbox.as_user(anna).write_lead(lead, json!({ "user_id": carl })).unwrap()));
    let effect = Effect::SetOwner { owner: ben.to_string().into(), expected: Some(anna.to_string().into()) };
    let outcome = server.push(&server.write(Some(lead), effect)).await;
    assert!(matches!(&outcome, Outcome::Superseded { found } if found.contains(&carl.to_string())), "{outcome:?}");
    assert_eq!(server.sandbox.owner(lead), Some(carl));
}

#[tokio::test]
async fn a_wrong_key_stops_the_connection() {
    let server = server().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = server.sandbox.router();
    #[expect(clippy::disallowed_methods, reason = "the test's own server")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    let settings = Settings::new("odoo", Kind::Odoo, url.parse().unwrap(), "wrong".to_owned().into());
    let odoo = Connector::new(settings, Client::new().unwrap(), Arc::new(Limiter::default()));
    assert!(matches!(odoo.describe().await, Err(ConnectorError::Unauthorized { .. })));
}

#[tokio::test]
async fn a_score_is_set_on_the_mapped_fields_and_found_again() {
    let server = server().await;
    let anna = server.sandbox.add_user("a.lang", "Anna Lang", "a.lang@example.com");
    let lead = server.create(anna).await;
    let points = Points { fit: 25, intent: 40, engagement: 3, grade: Grade { fit: b'B', intent: 2 } };
    let one = server.write(Some(lead), Effect::SetScore(points));
    assert_eq!(server.odoo.find_effect(&one).await.unwrap(), None);
    done(server.push(&one).await);
    let now = server.sandbox.get_lead(lead).unwrap();
    let fields = ["color", "expected_revenue", "referred"].map(|name| now[name].clone());
    assert_eq!(fields, [json!(25), json!(40.0), json!(points.grade.to_string())]);
    assert!(server.odoo.find_effect(&one).await.unwrap().is_some());
    // Zero is a score too, and a part that moved is a score that is not there yet.
    let lower = server.write(Some(lead), Effect::SetScore(Points { intent: 0, ..points }));
    assert_eq!(server.odoo.find_effect(&lower).await.unwrap(), None);
    done(server.push(&lower).await);
    assert_eq!(server.sandbox.get_lead(lead).unwrap()["expected_revenue"], json!(0.0));
    assert_eq!(server.odoo.find_effect(&one).await.unwrap(), None);
    assert!(server.odoo.ability().score);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_spoils_neither_page_nor_cursor_faults_37_and_38() {
    let server = server().await;
    let admin = server.sandbox.as_admin();
    let vals: Vec<_> = (0..501).map(|number| json!({ "name": format!("Lead {number}") })).collect();
    let made = admin.call("crm.lead", "create", json!({ "vals_list": vals })).unwrap();
    let ids: Vec<i64> = made.as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect();
    // The last of a full page has no time to go on from, another in the middle is too large to be kept.
    let (undated, huge) = (ids[499], ids[250]);
    for (id, bytes) in [(undated, 0), (huge, RECORD_BYTES_MAX + 1)] {
        server.sandbox.faults().set(Fault::Unreadable { model: "crm.lead".to_owned(), id, bytes });
    }
    let (seen, cursor) = server.drain("leads", Cursor::default()).await;
    let of = |id: i64| RecordRef::new(server.odoo.id(), Object::Person, id.to_string());
    let unread = |id: i64| {
        seen.iter().find_map(|seen| match &seen.content {
            Content::Undecodable(why) if seen.of == of(id) => Some(why.as_str().to_owned()),
            _ => None,
        })
    };
    assert_eq!(unread(undated).as_deref(), Some("write_date is no datetime"));
    assert!(unread(huge).is_some_and(|why| why.contains("bytes, more than")), "{:?}", unread(huge));
    for id in ids.iter().filter(|id| ![undated, huge].contains(id)) {
        assert!(seen.iter().any(|seen| seen.of == of(*id) && matches!(seen.content, Content::Person(_))), "lead {id}");
    }

    server.sandbox.faults().clear();
    server.clock.advance(SignedDuration::from_hours(2));
    let (_, cursor) = server.drain("leads", cursor).await;
    server.clock.advance(SignedDuration::from_hours(2));
    admin.write_lead(huge, json!({ "phone": "+49 30 1" })).unwrap();
    let (seen, _) = server.drain("leads", cursor).await;
    assert!(seen.iter().any(|seen| seen.of == of(huge) && matches!(seen.content, Content::Person(_))), "{seen:?}");
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_told_and_the_others_count_fault_37() {
    let server = server().await;
    let anna = server.sandbox.add_user("a.lang", "Anna Lang", "a.lang@example.com");
    let lead = server.create(anna).await;
    let rep = server.sandbox.as_user(anna);
    let broken = rep.send_email(lead, "Hello", "Body").unwrap();
    rep.send_email(lead, "Hello again", "Body").unwrap();
    server.sandbox.faults().set(Fault::Unreadable { model: "mail.message".to_owned(), id: broken, bytes: 2_000_000 });
    let (seen, _) = server.drain("messages", Cursor::default()).await;
    let touches = seen.iter().filter(|seen| matches!(seen.content, Content::Touch(_))).count();
    let unread = seen.iter().filter(|seen| matches!(seen.content, Content::Undecodable(_))).count();
    assert_eq!((touches, unread), (1, 1), "{seen:?}");
}

#[tokio::test]
async fn score_fields_that_are_not_there_are_told() {
    let server = server().await;
    let mut settings = Settings::new("odoo", Kind::Odoo, server.url.parse().unwrap(), server.key.clone().into());
    settings.score_properties = vec![(ScorePart::Fit, "x_fit".to_owned())];
    let odoo = Connector::new(settings, Client::new().unwrap(), Arc::new(Limiter::default()));
    let findings = odoo.describe().await.unwrap().findings;
    let told = findings.iter().find(|finding| finding.kind == FindingKind::MissingField).expect("a finding");
    assert!(told.text.contains("x_fit"), "{told:?}");
    let points = Points { fit: 1, intent: 0, engagement: 0, grade: Grade::default() };
    let anna = server.sandbox.add_user("a.lang", "Anna Lang", "a.lang@example.com");
    let lead = server.create(anna).await;
    let one = server.write(Some(lead), Effect::SetScore(points));
    let outcome = odoo.push(std::slice::from_ref(&one), &Forget).await.remove(0).1;
    assert!(matches!(&outcome, Outcome::Refused { message } if message.contains("x_fit")), "{outcome:?}");
}
