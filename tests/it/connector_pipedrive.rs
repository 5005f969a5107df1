//! The Pipedrive connector against the sandbox over real HTTP. "Section n" is the Pipedrive fact sheet's.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail loudly, as the tests do")]

use std::sync::Arc;

use baton::clock::Clock;
use baton::connector::pipedrive::Pipedrive as Connector;
use baton::connector::settings::{HandoffPart, Kind as Crm, ScorePart, Settings};
use baton::connector::{Addressed, Connector as _, ConnectorError, Cursor, Done, Forget, Outcome, Page};
use baton::domain::field::{Field, Value};
use baton::domain::handoff_fields::HandoffFields;
use baton::domain::id::{LeadId, Name, Object, OperationId, RecordRef, RemoteId};
use baton::domain::lead::{Grade, Points};
use baton::domain::observation::{Content, Observation, PersonSeen};
use baton::domain::plan::{Effect, Lane, Write};
use baton::domain::record::{KeyKind, Word};
use baton::domain::stage::Stage;
use baton::domain::touch::{Channel, Genuine, NotGenuine};
use baton::http::Client;
use baton::http::limiter::Limiter;
use baton::sandbox::pipedrive::{Fault, Kind, Pipedrive, Place, Settings as Account, When};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, json};

pub(crate) struct Server {
    pub(crate) sandbox: Pipedrive,
    pub(crate) url: String,
    pub(crate) pipedrive: Connector,
    pub(crate) clock: Clock,
    pub(crate) anna: i64,
    pub(crate) ben: i64,
}

pub(crate) async fn server() -> Server {
    server_with(Account::default(), |_| {}).await
}

/// The same with another account and other settings.
pub(crate) async fn server_with(account: Account, adjust: impl FnOnce(&mut Settings)) -> Server {
    server_exactly(Account { burst_per_2s: 100_000, searches_per_2s: 100_000, ..account }, adjust).await
}

/// The same with the account's own limits of two seconds.
pub(crate) async fn server_exactly(account: Account, adjust: impl FnOnce(&mut Settings)) -> Server {
    let clock = Clock::manual("2026-11-24T08:00:00.140Z".parse::<Timestamp>().unwrap());
    let sandbox = Pipedrive::new(clock.clone(), account);
    let anna = sandbox.add_user("Anna Lang", "a.lang@example.com");
    let ben = sandbox.add_user("Ben May", "b.may@example.com");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = super::openapi::held_to_the_specification(&sandbox);
    #[expect(clippy::disallowed_methods, reason = "the test's own server")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut settings = settings(&url, &sandbox);
    adjust(&mut settings);
    let pipedrive = Connector::new(settings, Client::new().unwrap(), Arc::new(Limiter::default()), None);
    Server { sandbox, url, pipedrive, clock, anna, ben }
}

pub(crate) fn settings(url: &str, sandbox: &Pipedrive) -> Settings {
    let token = sandbox.settings().tokens[0].secret.clone();
    let mut settings = Settings::new("pipedrive", Crm::Pipedrive, url.parse().unwrap(), token.into());
    settings.budget_percent = 100;
    settings.daily_tokens = Some(100_000);
    settings.reasons = vec![
        (Name::from("bad_timing"), vec!["Bad timing".to_owned(), "archived".to_owned()]),
        (Name::from("too_dear"), vec!["Too expensive".to_owned()]),
    ];
    settings.tracks = vec![(Name::from("next-quarter"), "Nurture: next quarter".to_owned())];
    settings
}

impl Server {
    /// Another Baton process beside or after the first: nothing in its memory.
    pub(crate) fn again(&self) -> Connector {
        let settings = settings(&self.url, &self.sandbox);
        Connector::new(settings, Client::new().unwrap(), Arc::new(Limiter::default()), None)
    }

    pub(crate) async fn pull(&self, name: &str, cursor: &Cursor) -> Result<Page, ConnectorError> {
        let stream = self.pipedrive.streams().iter().find(|stream| stream.name.as_str() == name).unwrap();
        self.pipedrive.pull(stream, cursor, self.clock.now()).await
    }

    pub(crate) async fn drain(&self, name: &str, mut cursor: Cursor) -> (Vec<Observation>, Cursor) {
        let mut all = Vec::new();
        loop {
            let page = self.pull(name, &cursor).await.unwrap();
            all.extend(page.observations);
            cursor = page.next;
            if !page.has_more {
                assert!(page.covered_until.is_some(), "{name}");
                return (all, cursor);
            }
        }
    }

    pub(crate) fn jane(&self) -> String {
        let person = json!({"name": "Jane Roe", "owner_id": self.anna, "job_title": "Head of IT",
            "emails": [{"value": "Jane@Acme.example", "primary": true, "label": "work"}],
            "phones": [{"value": "+49 30 1234567", "primary": true, "label": "work"}]});
        self.sandbox.create(1, Kind::Person, &person).unwrap()
    }

    pub(crate) fn lead(&self, person: &str) -> String {
        let id: i64 = person.parse().unwrap();
        self.sandbox
            .create(1, Kind::Lead, &json!({"title": "Jane's request", "person_id": id, "owner_id": self.anna}))
            .unwrap()
    }

    pub(crate) fn of(&self, person: &str) -> RecordRef {
        RecordRef::new(self.pipedrive.id(), Object::Person, person)
    }

    pub(crate) fn write(&self, person: Option<&str>, effect: Effect) -> Addressed {
        let record = person.map(|person| self.of(person));
        let write = Write {
            op: OperationId::of(&["test", effect.as_str(), person.unwrap_or("none")]),
            lead: LeadId(42),
            handoff: Some(1),
            connection: self.pipedrive.id().clone(),
            record: record.clone(),
            lane: Lane::Assign,
            effect,
            because: "a test".to_owned(),
        };
        Addressed { write, record, attempt: 1, earlier: None }
    }

    pub(crate) async fn push(&self, one: &Addressed) -> Outcome {
        self.pipedrive.push(std::slice::from_ref(one), &Forget).await.remove(0).1
    }

    pub(crate) fn owner(&self, of: i64, from: Option<i64>) -> Effect {
        Effect::SetOwner { owner: of.to_string().into(), expected: from.map(|id| id.to_string().into()) }
    }

    pub(crate) fn create(&self, is_new_journey: bool) -> Effect {
        let text = |field: Field, text: &str| (field, Value::text(text).unwrap());
        let values = vec![
            text(Field::Email, "jane@acme.example"),
            text(Field::FirstName, "Jane"),
            text(Field::LastName, "Roe"),
            text(Field::Phone, "+49 30 1234567"),
            text(Field::Title, "Head of IT"),
            text(Field::CompanyName, "Acme GmbH"),
            (Field::Employees, Value::Number(300.0)),
        ];
        Effect::Create { values, owner: Some(self.anna.to_string().into()), is_new_journey, not: Vec::new() }
    }

    pub(crate) async fn person(&self, id: &str) -> PersonSeen {
        let seen = self.pipedrive.read(&[self.of(id)]).await.unwrap();
        person_in(&seen, id)
    }
}

#[track_caller]
fn person_in(seen: &[Observation], id: &str) -> PersonSeen {
    let found = seen.iter().rev().find(|seen| seen.of.object == Object::Person && seen.of.id.as_str() == id);
    match found.map(|seen| &seen.content) {
        Some(Content::Person(person)) => (**person).clone(),
        other => panic!("{other:?} among {seen:?}"),
    }
}

fn shows(seen: &[Observation], id: &str) -> bool {
    seen.iter().any(|seen| seen.of.id.as_str() == id && matches!(seen.content, Content::Person(_)))
}

fn on(name: &str, id: impl Into<serde_json::Value>) -> Map<String, serde_json::Value> {
    Map::from_iter([(name.to_owned(), id.into())])
}

pub(crate) fn number(id: &str) -> i64 {
    id.parse().unwrap()
}

#[track_caller]
pub(crate) fn done(outcome: Outcome) -> Done {
    match outcome {
        Outcome::Done(done) => done,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_person_is_told_with_the_lead_that_carries_the_journey_section_4() {
    let server = server().await;
    let org = json!({"name": "Acme GmbH", "website": "https://www.acme.example/de", "employee_count": 300, "address": {"value": "x", "country": "Germany"}});
    let org = server.sandbox.create(1, Kind::Organization, &org).unwrap();
    let jane = server.jane();
    server
        .sandbox
        .update(1, Kind::Person, &jane, &json!({"org_id": number(&org), "marketing_status": "unsubscribed"}))
        .unwrap();
    let lead = server.lead(&jane);
    let described = server.pipedrive.describe().await.unwrap();
    assert!(described.account.starts_with("Pipedrive Acme Sales (acme)"), "{}", described.account);
    assert!(described.findings.is_empty(), "an untouched company fits: {:?}", described.findings);

    let (users, _) = server.drain("users", Cursor::default()).await;
    assert!(users.iter().any(
        |seen| matches!(&seen.content, Content::User(user) if user.name.as_str() == "Anna Lang" && user.is_active)
    ));
    let (companies, _) = server.drain("organizations", Cursor::default()).await;
    let Content::Company(company) = &companies[0].content else { panic!("{companies:?}") };
    let said: Vec<String> = company.values.iter().map(|known| format!("{}={}", known.field, known.value)).collect();
    let expected =
        ["company.name=Acme GmbH", "company.domain=acme.example", "company.employees=300", "company.country=DE"];
    assert_eq!(said, expected);

    let (seen, _) = server.drain("persons", Cursor::default()).await;
    let person = person_in(&seen, &jane);
    let value =
        |field: Field| person.values.iter().find(|known| known.field == field).map(|known| known.value.to_string());
    assert_eq!(value(Field::Email).as_deref(), Some("jane@acme.example"));
    assert_eq!((value(Field::Title), value(Field::OptedOut)), (Some("Head of IT".to_owned()), Some("true".to_owned())));
    let keys: Vec<(KeyKind, &str)> = person.keys.iter().map(|key| (key.kind, key.value.as_str())).collect();
    assert_eq!(keys, [(KeyKind::Email, "jane@acme.example"), (KeyKind::Phone, "+49301234567 jane roe")]);
    assert_eq!(person.company, Some(Some(RecordRef::new(server.pipedrive.id(), Object::Company, org))));
    assert_eq!((person.owners.len(), person.owners[0].owner.clone()), (1, Some(server.anna.to_string().into())));
    assert_eq!((person.disposition, person.has_history), (None, false), "a lead of the inbox is no word of sales");

    // Sales makes a deal of it: accepted, and the record stays the same.
    server.clock.advance(SignedDuration::from_mins(5));
    let (_, leads) = server.drain("leads", Cursor::default()).await;
    let (_, deals) = server.drain("deals", Cursor::default()).await;
    let deal = server.sandbox.convert(server.anna, &lead).unwrap();
    let (seen, deals) = server.drain("deals", deals).await;
    let person = person_in(&seen, &jane);
    assert_eq!(person.stages.last().map(|entry| entry.stage), Some(Stage::Sql));
    assert!(matches!(person.disposition.unwrap().word, Word::Accepted));
    assert!(seen.iter().any(|seen| seen.of.object == Object::Deal && seen.of.id.as_str() == deal));

    // And loses it.
    server.clock.advance(SignedDuration::from_mins(5));
    let lost = json!({"status": "lost", "lost_reason": "Too expensive"});
    server.sandbox.update(server.anna, Kind::Deal, &deal, &lost).unwrap();
    let (seen, _) = server.drain("deals", deals).await;
    let person = person_in(&seen, &jane);
    let said = person.disposition.unwrap();
    assert!(
        matches!(&said.word, Word::Rejected { reason: Some(reason), .. } if reason.as_str() == "too_dear"),
        "{said:?}"
    );
    assert_eq!(person.stages.last().map(|entry| (entry.stage, entry.at)), Some((Stage::Lost, said.at)));
    drop(leads);
}

#[tokio::test]
async fn an_idle_poll_costs_sixty_tokens_and_a_change_is_seen_once_section_5() {
    let server = server().await;
    let jane = server.jane();
    let lead = server.lead(&jane);
    let mut cursors = std::collections::HashMap::new();
    let names: Vec<String> = server.pipedrive.streams().iter().map(|stream| stream.name.to_string()).collect();
    for name in &names {
        let (_, cursor) = server.drain(name, Cursor::default()).await;
        cursors.insert(name.clone(), cursor);
    }
    // Past the overlap, so that what was read before is behind every window.
    server.clock.advance(SignedDuration::from_mins(15));
    for name in &names {
        let cursor = server.drain(name, cursors[name].clone()).await.1;
        cursors.insert(name.clone(), cursor);
    }
    server.clock.advance(SignedDuration::from_mins(15));
    server.sandbox.reset_requests();
    let mut seen = Vec::new();
    for name in &names {
        let (more, cursor) = server.drain(name, cursors[name].clone()).await;
        seen.extend(more);
        cursors.insert(name.clone(), cursor);
    }
    let requests = server.sandbox.requests();
    assert_eq!((seen.len(), requests.tokens, requests.total), (0, 60, 5), "{requests:?}");

    server.sandbox.update(server.ben, Kind::Lead, &lead, &json!({"owner_id": server.ben})).unwrap();
    let (seen, next) = server.drain("leads", cursors["leads"].clone()).await;
    assert_eq!(person_in(&seen, &jane).owners[0].owner, Some(server.ben.to_string().into()));
    let (seen, _) = server.drain("leads", next).await;
    assert!(!shows(&seen, &jane), "once: {seen:?}");
}

#[tokio::test]
async fn whoever_a_page_told_of_that_was_not_stored_is_told_of_again() {
    let server = server().await;
    let jane = server.jane();
    let lead = server.lead(&jane);
    let (_, cursor) = server.drain("leads", Cursor::default()).await;
    server.clock.advance(SignedDuration::from_mins(1));
    server.sandbox.update(server.ben, Kind::Lead, &lead, &json!({"owner_id": server.ben})).unwrap();
    let lost = server.pull("leads", &cursor).await.unwrap();
    assert!(shows(&lost.observations, &jane));
    // The commit failed: the same cursor comes back.
    let again = server.pull("leads", &cursor).await.unwrap();
    assert!(shows(&again.observations, &jane));
}

#[tokio::test]
async fn a_late_commit_within_the_overlap_is_not_lost_section_5() {
    let server = server().await;
    let jane = server.jane();
    let (_, persons) = server.drain("persons", Cursor::default()).await;
    server.sandbox.faults().set(Fault::CommitLag { ms: 120_000 });
    server.clock.advance(SignedDuration::from_mins(1));
    server.sandbox.update(1, Kind::Person, &jane, &json!({"job_title": "CTO"})).unwrap();
    server.clock.advance(SignedDuration::from_mins(1));
    let (seen, persons) = server.drain("persons", persons).await;
    assert!(!shows(&seen, &jane), "not visible yet");
    server.clock.advance(SignedDuration::from_mins(2));
    let (seen, _) = server.drain("persons", persons).await;
    let title = person_in(&seen, &jane)
        .values
        .iter()
        .find(|known| known.field == Field::Title)
        .map(|known| known.value.to_string());
    assert_eq!(title.as_deref(), Some("CTO"));
}

#[tokio::test]
async fn pages_of_both_kinds_lose_nobody_although_rows_leave_while_they_are_walked_section_5() {
    let server = server().await;
    let mut leads = Vec::new();
    for number in 0..620 {
        let person = json!({"name": format!("Person {number}")});
        let person = server.sandbox.create(1, Kind::Person, &person).unwrap();
        leads.push((server.lead(&person), person));
    }
    let (seen, _) = server.drain("persons", Cursor::default()).await;
    let people = seen.iter().filter(|seen| matches!(seen.content, Content::Person(_))).count();
    assert_eq!(people, 620);
    let (_, cursor) = server.drain("leads", Cursor::default()).await;
    server.clock.advance(SignedDuration::from_mins(30));
    let (_, cursor) = server.drain("leads", cursor).await;
    for (lead, _) in &leads {
        server.sandbox.update(1, Kind::Lead, lead, &json!({"title": "changed"})).unwrap();
    }
    let first = server.pull("leads", &cursor).await.unwrap();
    assert!(first.has_more && first.covered_until.is_none());
    // Five of the page that was read leave their list, so the rest moves up.
    for (lead, _) in &leads[..5] {
        server.sandbox.update(1, Kind::Lead, lead, &json!({"is_archived": true})).unwrap();
    }
    server.sandbox.faults().inject(Place::path("/v1/leads"), When::default(), Fault::NoNextStart);
    let (rest, _) = server.drain("leads", first.next.clone()).await;
    let told = |person: &String| shows(&first.observations, person) || shows(&rest, person);
    let missed: Vec<&String> = leads.iter().map(|(_, person)| person).filter(|person| !told(person)).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[tokio::test]
async fn a_cursor_of_v2_that_is_not_known_any_more_begins_its_window_anew_section_5() {
    let server = server().await;
    for number in 0..501 {
        server.sandbox.create(1, Kind::Person, &json!({"name": format!("Person {number}")})).unwrap();
    }
    let first = server.pull("persons", &Cursor::default()).await.unwrap();
    assert!(first.has_more);
    // Another process: its cursors are its own.
    let other = server.again();
    let stream = other.streams().iter().find(|stream| stream.name.as_str() == "persons").unwrap();
    let page = other.pull(stream, &first.next, server.clock.now()).await.unwrap();
    assert_eq!((page.observations.len(), page.has_more), (500, true), "the first page again");
    // The same process, but the CRM has forgotten it.
    let forgotten = Cursor(first.next.0.replace("\"token\":\"", "\"token\":\"x"));
    let page = server.pull("persons", &forgotten).await.unwrap();
    assert_eq!((page.observations.len(), page.has_more), (500, true));
}

#[tokio::test]
async fn archived_deleted_and_converted_leads_are_found_though_no_feed_shows_them_section_5() {
    let server = server().await;
    let people: Vec<String> = (0..4)
        .map(|number| server.sandbox.create(1, Kind::Person, &json!({"name": format!("Person {number}")})).unwrap())
        .collect();
    let leads: Vec<String> = people.iter().map(|person| server.lead(person)).collect();
    let (_, cursor) = server.drain("leads", Cursor::default()).await;
    server.clock.advance(SignedDuration::from_mins(30));
    let (_, cursor) = server.drain("leads", cursor).await;

    let label = server.sandbox.label("Too expensive");
    let away = json!({"is_archived": true, "label_ids": [label]});
    server.sandbox.update(server.anna, Kind::Lead, &leads[0], &away).unwrap();
    assert!(server.sandbox.delete(server.anna, Kind::Lead, &leads[1]));
    let deal = server.sandbox.convert(server.anna, &leads[2]).unwrap();
    server.clock.advance(SignedDuration::from_mins(20));
    let (seen, cursor) = server.drain("leads", cursor).await;
    assert!(!people.iter().any(|person| shows(&seen, person)), "no feed shows it: {seen:?}");

    // Archived: by the hourly look.
    server.clock.advance(SignedDuration::from_mins(30));
    let (seen, _) = server.drain("leads", cursor).await;
    let said = person_in(&seen, &people[0]).disposition.unwrap();
    assert!(
        matches!(&said.word, Word::Rejected { reason: Some(reason), .. } if reason.as_str() == "too_dear"),
        "{said:?}"
    );

    // Deleted: by the patrol, which tells it from converted.
    let stream = server.pipedrive.streams().iter().find(|stream| stream.name.as_str() == "leads").unwrap();
    let walked = server.pipedrive.walk(stream, None, server.clock.now()).await.unwrap().unwrap();
    assert_eq!(walked.next, None);
    let said = person_in(&walked.observations, &people[1]).disposition.unwrap();
    assert!(
        matches!(&said.word, Word::Rejected { reason: None, said: Some(said) } if said.as_str() == "deleted"),
        "{said:?}"
    );
    let person = person_in(&walked.observations, &people[2]);
    assert!(matches!(person.disposition.unwrap().word, Word::Accepted), "deal {deal}");
    assert!(!shows(&walked.observations, &people[3]), "nothing of this one changed");
}

#[tokio::test]
async fn whoever_is_due_is_looked_at_before_they_are_judged() {
    let server = server().await;
    let jane = server.jane();
    let lead = server.lead(&jane);
    server.drain("leads", Cursor::default()).await;
    server.sandbox.update(server.anna, Kind::Lead, &lead, &json!({"is_archived": true})).unwrap();
    let around = server.pipedrive.read_around(&[server.of(&jane)]).await.unwrap();
    assert!(around.refused.is_empty());
    let said = person_in(&around.observations, &jane).disposition.unwrap();
    assert!(
        matches!(&said.word, Word::Rejected { reason: Some(reason), .. } if reason.as_str() == "bad_timing"),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_deleted_person_is_gone_and_a_merge_is_told_by_its_webhook_alone_section_5() {
    let server = server().await;
    let (jane, june) = (server.jane(), server.jane());
    server.drain("persons", Cursor::default()).await;
    assert!(server.sandbox.merge_persons(1, &jane, &june));
    let seen = server.pipedrive.read(&[server.of(&june)]).await.unwrap();
    assert!(matches!(seen[0].content, Content::Gone), "{seen:?}");
    let hinted = RecordRef::new(server.pipedrive.id(), Object::Person, format!("merged:{june}:{jane}"));
    let seen = server.pipedrive.read(&[hinted]).await.unwrap();
    let merged = seen.iter().find(|seen| seen.of.id.as_str() == june).unwrap();
    assert_eq!(merged.content, Content::MergedInto(RemoteId::from(jane.as_str())));
    assert!(shows(&seen, &jane));
    // A webhook that lies is not believed.
    let john = server.jane();
    let lie = RecordRef::new(server.pipedrive.id(), Object::Person, format!("merged:{jane}:{john}"));
    let seen = server.pipedrive.read(&[lie]).await.unwrap();
    assert!(!seen.iter().any(|seen| matches!(seen.content, Content::MergedInto(_))), "{seen:?}");
}

#[tokio::test]
async fn the_patrol_walks_persons_by_id_and_dates_what_vanished_while_nobody_looked() {
    let server = server().await;
    for number in 0..501 {
        server.sandbox.create(1, Kind::Person, &json!({"name": format!("Person {number}")})).unwrap();
    }
    let jane = server.jane();
    let lead = server.lead(&jane);
    server.clock.advance(SignedDuration::from_mins(5));
    server.sandbox.delete(1, Kind::Lead, &lead);
    server.clock.advance(SignedDuration::from_mins(5));
    let stream = server.pipedrive.streams().iter().find(|stream| stream.name.as_str() == "persons").unwrap();
    let first = server.pipedrive.walk(stream, None, server.clock.now()).await.unwrap().unwrap();
    assert_eq!((first.observations.len(), first.objects), (500, &[Object::Person][..]));
    let rest = server.pipedrive.walk(stream, first.next.as_ref(), server.clock.now()).await.unwrap().unwrap();
    assert_eq!((rest.observations.len(), rest.next), (2, None));
    let seen = rest.observations.iter().find(|seen| seen.of.id.as_str() == jane).unwrap();
    assert!(seen.modified >= "2026-11-24T08:10:00Z".parse().unwrap(), "as new as the look: {}", seen.modified);
    // Another process that never saw the first page begins at the beginning.
    let other = server.again();
    let walked = other.walk(stream, first.next.as_ref(), server.clock.now()).await.unwrap().unwrap();
    assert_eq!(walked.observations.len(), 500);
}

#[tokio::test]
async fn calls_that_are_done_count_and_what_only_looks_like_one_does_not_section_4() {
    let server = server().await;
    let jane = server.jane();
    let lead = server.lead(&jane);
    let (_, cursor) = server.drain("activities", Cursor::default()).await;
    server.clock.advance(SignedDuration::from_mins(1));
    let person = number(&jane);
    let call = server.sandbox.log(server.anna, "call", &on("person_id", person)).unwrap();
    let on_lead = server.sandbox.log(server.anna, "email", &on("lead_id", lead.as_str())).unwrap();
    let planned = json!({"subject": "x", "type": "meeting", "owner_id": server.anna, "participants": [{"person_id": person, "primary": true}]});
    let planned = server.sandbox.create(server.anna, Kind::Activity, &planned).unwrap();
    let ours = server.sandbox.log(1, "call", &on("person_id", person)).unwrap();
    let lunch = server.sandbox.log(server.anna, "lunch", &on("person_id", person)).unwrap();
    let (seen, cursor) = server.drain("activities", cursor).await;
    let touch = |id: &str, seen: &[Observation]| {
        let found = seen.iter().find(|seen| seen.of.id.as_str() == id).unwrap();
        match &found.content {
            Content::Touch(touches) => Some((touches[0].person.id.to_string(), touches[0].channel, touches[0].genuine)),
            _ => None,
        }
    };
    assert_eq!(touch(&call, &seen), Some((jane.clone(), Channel::Call, Genuine::Yes)));
    assert_eq!(touch(&on_lead, &seen), Some((jane.clone(), Channel::Email, Genuine::Yes)), "the lead's person");
    assert_eq!(touch(&planned, &seen), Some((jane.clone(), Channel::Meeting, Genuine::No(NotGenuine::NotDone))));
    assert_eq!(touch(&ours, &seen), Some((jane.clone(), Channel::Call, Genuine::No(NotGenuine::Automated))));
    assert_eq!(touch(&lunch, &seen), None, "a lunch is a task");
    server.clock.advance(SignedDuration::from_mins(1));
    server.sandbox.update(server.anna, Kind::Activity, &planned, &json!({"done": true})).unwrap();
    let (seen, _) = server.drain("activities", cursor).await;
    assert_eq!(touch(&planned, &seen), Some((jane, Channel::Meeting, Genuine::Yes)));
}

#[tokio::test]
async fn a_create_finds_or_makes_person_organization_and_lead_and_never_two_section_9() {
    let server = server().await;
    let create = server.write(None, server.create(false));
    assert_eq!(server.pipedrive.find_effect(&create).await.unwrap(), None);
    let made = done(server.push(&create).await).made.unwrap();
    let person = server.sandbox.get(Kind::Person, made.id.as_str()).unwrap();
    assert_eq!(person["emails"][0]["value"], json!("jane@acme.example"));
    assert_eq!((&person["job_title"], &person["owner_id"]), (&json!("Head of IT"), &json!(server.anna)));
    let org = server.sandbox.get(Kind::Organization, &person["org_id"].to_string()).unwrap();
    assert_eq!((&org["name"], &org["employee_count"]), (&json!("Acme GmbH"), &json!(300)));
    let lead = server.sandbox.ids(Kind::Lead).remove(0);
    let shown = server.sandbox.get(Kind::Lead, &lead).unwrap();
    assert_eq!((&shown["title"], &shown["owner_id"]), (&json!("Jane Roe, Acme GmbH"), &json!(server.anna)));
    assert!(shown["origin_id"].as_str().unwrap().starts_with("baton:L-42:"), "{shown}");

    let again = Addressed { attempt: 2, ..create.clone() };
    let found = server.pipedrive.find_effect(&create).await.unwrap().unwrap();
    assert_eq!(found.made, Some(made.clone()));
    assert_eq!(done(server.push(&again).await).made, Some(made.clone()), "a repeated create finds its record");
    let count = |kind| server.sandbox.ids(kind).len();
    assert_eq!((count(Kind::Person), count(Kind::Lead), count(Kind::Organization)), (1, 1, 1));
    let seen = server.person(made.id.as_str()).await;
    assert!(seen.keys.iter().any(|key| key.kind == KeyKind::Own && key.value.as_str() == "L-42"), "{:?}", seen.keys);

    // A new journey: the same person, another lead.
    let mut next = server.write(None, server.create(true));
    next.write.op = OperationId::of(&["the next"]);
    assert_eq!(done(server.push(&next).await).made, Some(made));
    assert_eq!((count(Kind::Person), count(Kind::Lead)), (1, 2));
}

#[tokio::test]
async fn a_create_takes_the_lead_that_sales_has_and_leaves_an_owner_whom_somebody_chose() {
    let server = server().await;
    let jane = server.jane();
    let theirs = server
        .sandbox
        .create(1, Kind::Lead, &json!({"title": "x", "person_id": number(&jane), "owner_id": server.ben}))
        .unwrap();
    let create = server.write(None, server.create(false));
    let made = done(server.push(&create).await).made.unwrap();
    assert_eq!(made.id.as_str(), jane);
    assert_eq!(server.sandbox.get(Kind::Lead, &theirs).unwrap()["owner_id"], json!(server.ben), "somebody's choice");
    server.sandbox.update(1, Kind::Lead, &theirs, &json!({"owner_id": 1})).unwrap();
    done(server.push(&create).await);
    assert_eq!(server.sandbox.get(Kind::Lead, &theirs).unwrap()["owner_id"], json!(server.anna), "nobody's");
    let not = vec![RemoteId::from(jane.as_str())];
    let Effect::Create { values, owner, .. } = server.create(false) else { panic!() };
    let other = server.write(None, Effect::Create { values, owner, is_new_journey: false, not });
    assert_ne!(
        done(server.push(&other).await).made.unwrap().id.as_str(),
        jane,
        "a person said that this is somebody else"
    );
}

#[tokio::test]
async fn every_write_is_done_once_and_found_again_section_9() {
    let server = server_with(Account::default(), |settings| {
        settings.score_properties =
            vec![(ScorePart::Fit, "Baton: fit".to_owned()), (ScorePart::Grade, "baton: grade".to_owned())];
        settings.handoff_properties = vec![
            (HandoffPart::Reason, "Baton: reason".to_owned()),
            (HandoffPart::OwnerDue, "Baton: owner due".to_owned()),
        ];
    })
    .await;
    let fit = server.sandbox.add_field(Kind::Person, "Baton: fit", "double", &[]);
    let grade = server.sandbox.add_field(Kind::Person, "Baton: grade", "varchar", &[]);
    let reason = server.sandbox.add_field(Kind::Person, "Baton: reason", "varchar", &[]);
    server.sandbox.add_field(Kind::Person, "Baton: owner due", "varchar", &[]);
    let jane = server.jane();
    let lead = server.lead(&jane);
    let track = Name::from("next-quarter");
    let due_at = "2026-11-25T10:00:00Z".parse().unwrap();
    let points = Points { fit: 25, intent: 40, engagement: 3, grade: Grade { fit: b'B', intent: 2 } };
    let shown = HandoffFields { reason: Some(Name::from("turn 1: next in line")), owner_due: Some(due_at) };
    for effect in [
        server.owner(server.ben, Some(server.anna)),
        Effect::AddTask {
            title: "Call".to_owned(),
            body: "why".to_owned(),
            due_at,
            owner: Some(server.ben.to_string().into()),
        },
        Effect::AddNote { body: "a <note>".to_owned() },
        Effect::SetScore(points),
        Effect::SetHandoff(shown),
        Effect::JoinTrack(track.clone()),
        Effect::LeaveTrack(track),
        Effect::Reject(Name::from("too_dear")),
    ] {
        let one = server.write(Some(&jane), effect);
        assert_eq!(server.pipedrive.find_effect(&one).await.unwrap(), None, "{:?}", one.write.effect);
        let first = done(server.push(&one).await);
        assert!(server.pipedrive.find_effect(&one).await.unwrap().is_some(), "{:?}", one.write.effect);
        let again = Addressed { attempt: 2, ..one.clone() };
        assert_eq!(done(server.push(&again).await).made, first.made, "{:?}", one.write.effect);
    }
    let person = server.sandbox.get(Kind::Person, &jane).unwrap();
    assert_eq!(person["custom_fields"][&fit], json!(25));
    assert_eq!(person["custom_fields"][&grade], json!(points.grade.to_string()));
    assert_eq!(person["custom_fields"][&reason], json!("turn 1: next in line"));
    assert_eq!(person["owner_id"], json!(server.ben), "the person follows");
    let lead = server.sandbox.get(Kind::Lead, &lead).unwrap();
    assert_eq!((&lead["owner_id"], &lead["is_archived"]), (&json!(server.ben), &json!(true)));
    let task = server.sandbox.ids(Kind::Activity);
    let task = server.sandbox.get(Kind::Activity, &task[0]).unwrap();
    assert_eq!(
        (&task["type"], &task["due_date"], &task["due_time"]),
        (&json!("task"), &json!("2026-11-25"), &json!("10:00:00"))
    );
    assert_eq!(task["participants"], json!([{"person_id": number(&jane), "primary": true}]));
    assert_eq!(server.sandbox.ids(Kind::Note).len(), 2, "the note, and the reason");
    // Cleared again.
    let one = server.write(Some(&jane), Effect::SetHandoff(HandoffFields::default()));
    done(server.push(&one).await);
    assert_eq!(server.sandbox.get(Kind::Person, &jane).unwrap()["custom_fields"][&reason], json!(null));
}

#[tokio::test]
async fn an_owner_that_is_not_the_expected_one_stays_and_a_closed_journey_is_left_alone() {
    let server = server().await;
    let jane = server.jane();
    let lead = server.lead(&jane);
    server.sandbox.update(1, Kind::Lead, &lead, &json!({"owner_id": server.ben})).unwrap();
    let carl = server.sandbox.add_user("Carl Voss", "c.voss@example.com");
    let one = server.write(Some(&jane), server.owner(carl, Some(server.anna)));
    let outcome = server.push(&one).await;
    assert!(
        matches!(&outcome, Outcome::Superseded { found } if found.contains(&server.ben.to_string())),
        "{outcome:?}"
    );
    server.sandbox.update(server.ben, Kind::Lead, &lead, &json!({"is_archived": true})).unwrap();
    let one = server.write(Some(&jane), server.owner(carl, Some(server.ben)));
    let outcome = server.push(&one).await;
    assert!(matches!(&outcome, Outcome::Superseded { found } if found.contains("archived")), "{outcome:?}");
}

#[tokio::test]
async fn a_deactivated_owner_is_refused_in_the_crms_words() {
    let server = server().await;
    let jane = server.jane();
    server.lead(&jane);
    server.sandbox.deactivate_user(server.ben);
    let outcome = server.push(&server.write(Some(&jane), server.owner(server.ben, Some(server.anna)))).await;
    assert!(matches!(&outcome, Outcome::Refused { message } if message.contains("owner_id")), "{outcome:?}");
    let (users, _) = server.drain("users", Cursor::default()).await;
    let is_out = |seen: &Observation| matches!(&seen.content, Content::User(user) if user.name.as_str() == "Ben May" && !user.is_active);
    assert!(users.iter().any(is_out));
}

#[tokio::test]
async fn a_person_whom_nobody_works_on_gets_a_lead_when_they_get_an_owner() {
    let server = server().await;
    let jane = server.jane();
    let one = server.write(Some(&jane), server.owner(server.ben, Some(server.anna)));
    done(server.push(&one).await);
    let lead = server.sandbox.get(Kind::Lead, &server.sandbox.ids(Kind::Lead)[0]).unwrap();
    assert_eq!((&lead["owner_id"], &lead["person_id"]), (&json!(server.ben), &json!(number(&jane))));
    assert!(server.pipedrive.find_effect(&one).await.unwrap().is_some());
}

#[tokio::test]
async fn a_track_goes_on_the_lead_while_it_can_be_edited_and_on_its_person_afterwards() {
    let server = server().await;
    let jane = server.jane();
    let lead = server.lead(&jane);
    let (join, reject) = (Effect::JoinTrack(Name::from("next-quarter")), Effect::Reject(Name::from("bad_timing")));
    // In one push what archives goes last, whatever the order.
    let both = [server.write(Some(&jane), reject.clone()), server.write(Some(&jane), join.clone())];
    let outcomes = server.pipedrive.push(&both, &Forget).await;
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Done(_))), "{outcomes:?}");
    assert_eq!(server.sandbox.labels_of(&lead), ["Nurture: next quarter"]);

    let john = server.sandbox.create(1, Kind::Person, &json!({"name": "John Roe"})).unwrap();
    server.lead(&john);
    done(server.push(&server.write(Some(&john), reject)).await);
    done(server.push(&server.write(Some(&john), join.clone())).await);
    assert_eq!(server.sandbox.labels_of_person(&john), ["Nurture: next quarter"]);
    done(server.push(&server.write(Some(&john), Effect::LeaveTrack(Name::from("next-quarter")))).await);
    assert!(server.sandbox.labels_of_person(&john).is_empty());

    let kim = server
        .sandbox
        .create(1, Kind::Person, &json!({"name": "Kim Roe", "marketing_status": "unsubscribed"}))
        .unwrap();
    let outcome = server.push(&server.write(Some(&kim), join)).await;
    assert!(matches!(&outcome, Outcome::Refused { message } if message.contains("opted out")), "{outcome:?}");
}

#[tokio::test]
async fn a_deal_is_lost_with_its_reason_and_what_was_written_can_be_taken_back() {
    let server = server().await;
    let jane = server.jane();
    let lead = server.lead(&jane);
    let deal = server.sandbox.convert(1, &lead).unwrap();
    let one = server.write(Some(&jane), Effect::Reject(Name::from("too_dear")));
    let was = done(server.push(&one).await).was;
    let shown = server.sandbox.get(Kind::Deal, &deal).unwrap();
    assert_eq!((&shown["status"], &shown["lost_reason"]), (&json!("lost"), &json!("Too expensive")));
    let back = server.write(Some(&jane), Effect::Restore { of: one.write.op, values: was });
    done(server.push(&back).await);
    assert_eq!(server.sandbox.get(Kind::Deal, &deal).unwrap()["status"], json!("open"));
    let seen = server.person(&jane).await;
    assert!(matches!(seen.disposition.unwrap().word, Word::Accepted));
}
