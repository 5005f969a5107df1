//! The HubSpot connector against the sandbox portal over real HTTP; "section n" is the fact sheet's, "fault n" a row of the
//! catalogue of faults.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail loudly, as the tests do")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use baton::clock::Clock;
use baton::connector::hubspot::HubSpot as Connector;
use baton::connector::settings::{Kind as Crm, ScorePart, Settings, StageMap};
use baton::connector::{Addressed, Connector as _, ConnectorError, Cursor, Forget, Outcome, Page};
use baton::domain::field::{Field, Value};
use baton::domain::id::{ConnectionId, LeadId, Name, Object, OperationId, RecordRef, RemoteId};
use baton::domain::lead::Points;
use baton::domain::observation::{Content, Observation, PersonSeen};
use baton::domain::plan::{Effect, Lane, Write};
use baton::domain::record::{Author as By, Word};
use baton::domain::stage::Stage;
use baton::domain::touch::Genuine;
use baton::http::Client;
use baton::http::limiter::Limiter;
use baton::sandbox::hubspot::{Author, Breakage, Fault, HubSpot, Kind, Place, Population, RetryAfter, When};
use jiff::{SignedDuration, Timestamp};

pub(crate) struct Portal {
    pub(crate) hub: HubSpot,
    pub(crate) clock: Clock,
    settings: Settings,
    pub(crate) connector: Connector,
}

type Cursors = BTreeMap<String, Cursor>;

impl Portal {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}, baton::sandbox::hubspot::Settings::default()).await
    }

    pub(crate) async fn with(
        adjust: impl FnOnce(&mut Settings),
        mut portal: baton::sandbox::hubspot::Settings,
    ) -> Self {
        portal.index_lag = SignedDuration::ZERO;
        portal.burst_per_10s = 1_000_000;
        portal.associations_per_10s = 1_000_000;
        portal.searches_per_s = 1_000_000;
        let clock = Clock::manual("2026-11-24T08:00:00Z".parse::<Timestamp>().unwrap());
        let hub = HubSpot::new(clock.clone(), portal);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = hub.router();
        #[expect(clippy::disallowed_methods, reason = "the test's own server")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut settings =
            Settings::new("hubspot", Crm::HubSpot, base.parse().unwrap(), String::from("pat-na1-sandbox").into());
        settings.account = Some("123456".to_owned());
        adjust(&mut settings);
        let connector = connector(&settings);
        Self { hub, clock, settings, connector }
    }

    /// The connector of a new process.
    pub(crate) fn begin_again(&mut self) {
        self.connector = connector(&self.settings);
    }

    pub(crate) fn of(&self, object: Object, id: &str) -> RecordRef {
        RecordRef::new(&ConnectionId::from("hubspot"), object, id)
    }

    async fn pull(&self, stream: &str, after: &Cursor) -> Result<Page, ConnectorError> {
        let stream = self.connector.streams().iter().find(|known| known.name.as_str() == stream).unwrap();
        self.connector.pull(stream, after, self.clock.now()).await
    }

    /// Pulls a stream until it has no more.
    async fn drain(&self, stream: &str, cursors: &mut Cursors) -> (Vec<Observation>, Option<Timestamp>) {
        let mut all = Vec::new();
        loop {
            let cursor = cursors.entry(stream.to_owned()).or_default();
            let page = self.pull(stream, cursor).await.unwrap();
            *cursor = page.next;
            all.extend(page.observations);
            if !page.has_more {
                return (all, page.covered_until);
            }
        }
    }

    pub(crate) async fn push(&self, write: Addressed) -> Outcome {
        self.connector.push(&[write], &Forget).await.remove(0).1
    }
}

fn connector(settings: &Settings) -> Connector {
    Connector::new(settings.clone(), Client::new().unwrap(), Arc::new(Limiter::default()), None)
}

fn people(observations: &[Observation]) -> Vec<(String, &PersonSeen)> {
    let person = |seen: &'_ Observation| matches!(seen.content, Content::Person(_));
    observations
        .iter()
        .filter(|seen| person(seen))
        .map(|seen| match &seen.content {
            Content::Person(person) => (seen.of.id.as_str().to_owned(), &**person),
            other => panic!("{other:?}"),
        })
        .collect()
}

pub(crate) fn write(of: Option<RecordRef>, effect: Effect, tag: &str) -> Addressed {
    Addressed {
        write: Write {
            op: OperationId::of(&["test", tag]),
            lead: LeadId(7),
            handoff: Some(1),
            connection: ConnectionId::from("hubspot"),
            record: of.clone(),
            lane: Lane::Assign,
            effect,
            because: "test".to_owned(),
        },
        record: of,
        attempt: 1,
        earlier: None,
    }
}

#[tokio::test]
async fn a_first_load_costs_its_pages_and_the_history_of_people_past_the_bar() {
    let portal = Portal::start().await;
    for n in 0..250 {
        let stage = if n % 5 == 0 { "marketingqualifiedlead" } else { "lead" };
        let id = portal.hub.create_contact(
            Author::Form,
            &[("email", &format!("p{n}@x.example")), ("lifecyclestage", stage), ("country", "Germany")],
        );
        let company =
            portal.hub.create(Kind::Company, Author::Import, &[("name", "Acme"), ("industry", "COMPUTER_SOFTWARE")]);
        portal.hub.associate((Kind::Contact, &id), (Kind::Company, &company), true);
    }
    portal.clock.advance(SignedDuration::from_mins(1));
    let mut cursors = Cursors::new();
    let (seen, covered) = portal.drain("contacts", &mut cursors).await;
    let people = people(&seen);
    assert_eq!(people.len(), 250);
    assert_eq!(people.iter().filter(|(_, person)| person.has_history).count(), 50);
    assert!(people.iter().all(|(_, person)| matches!(person.company, Some(Some(_)))));
    assert_eq!(covered, Some(portal.clock.now() - SignedDuration::from_secs(10)));
    // Three pages, of which each has at most fifty past the bar, and one look at the account.
    assert_eq!(portal.hub.requests().total, 3 + 3 + 1);
    let (companies, _) = portal.drain("companies", &mut cursors).await;
    assert_eq!(companies.len(), 250);
    let Content::Company(company) = &companies[0].content else { panic!() };
    let industry = company.values.iter().find(|known| known.field == Field::Industry).unwrap();
    assert_eq!(industry.value, Value::text("computer software").unwrap());
}

#[tokio::test]
async fn of_the_days_requests_only_the_share_is_taken_section_8() {
    let of = baton::sandbox::hubspot::Settings { daily: 100, ..baton::sandbox::hubspot::Settings::default() };
    let portal = Portal::with(|settings| settings.budget_percent = 60, of).await;
    let mut refused = None;
    for _ in 0..100 {
        refused = portal.pull("contacts", &Cursor::default()).await.err();
        if refused.is_some() {
            break;
        }
    }
    assert!(matches!(refused, Some(ConnectorError::RateLimited { .. })), "{refused:?}");
    let sent = portal.hub.requests().total;
    assert!((54..=60).contains(&sent), "{sent} of the 60 that are Baton's, and a reserve for what is urgent");
}

#[tokio::test]
async fn an_idle_poll_is_one_request_a_stream() {
    let portal = Portal::start().await;
    portal.hub.add_owner("a@x.example", "A", "A");
    portal.hub.create_contact(Author::Form, &[("email", "a@x.example"), ("lifecyclestage", "marketingqualifiedlead")]);
    let mut cursors = Cursors::new();
    let streams: Vec<String> = portal.connector.streams().iter().map(|stream| stream.name.to_string()).collect();
    assert_eq!(streams.len(), 8);
    for _ in 0..2 {
        for stream in &streams {
            portal.drain(stream, &mut cursors).await;
        }
        portal.clock.advance(SignedDuration::from_secs(30));
    }
    for stream in &streams {
        portal.hub.reset_requests();
        let (seen, covered) = portal.drain(stream, &mut cursors).await;
        assert_eq!((portal.hub.requests().total, seen.len()), (1, 0), "{stream}");
        assert_eq!(covered, Some(portal.clock.now() - SignedDuration::from_secs(10)), "{stream}");
    }
}

#[tokio::test]
async fn what_changes_during_and_after_the_list_is_shown_by_the_windows() {
    let portal = Portal::start().await;
    let ids: Vec<String> = (0..150)
        .map(|n| {
            portal
                .hub
                .create_contact(Author::Form, &[("email", &format!("p{n}@x.example")), ("lifecyclestage", "lead")])
        })
        .collect();
    portal.clock.advance(SignedDuration::from_hours(5));
    let first = portal.pull("contacts", &Cursor::default()).await.unwrap();
    assert!(first.has_more && first.covered_until.is_none());
    // The list has passed this one already.
    portal.hub.update(Kind::Contact, &ids[0], Author::User(1), &[("lifecyclestage", "marketingqualifiedlead")]);
    portal.clock.advance(SignedDuration::from_hours(1));
    let second = portal.pull("contacts", &first.next).await.unwrap();
    assert!(!second.has_more);
    let window = portal.pull("contacts", &second.next).await.unwrap();
    let seen = people(&window.observations);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].0, ids[0]);
    assert_eq!(seen[0].1.stages.last().unwrap().stage, Stage::Mql);
    assert!(matches!(seen[0].1.stages.last().unwrap().by, By::Person(_)));
    // Asking again with one cursor shows it again, whatever the connector remembers (fault 1).
    let again = portal.pull("contacts", &second.next).await.unwrap();
    assert_eq!(people(&again.observations).len(), 1);
    // Once the next cursor is in use, the overlap does not read it a second time; a new connector does, and is right too.
    portal.clock.advance(SignedDuration::from_secs(30));
    let idle = portal.pull("contacts", &again.next).await.unwrap();
    assert!(idle.observations.is_empty());
}

#[tokio::test]
async fn more_than_ten_thousand_equal_times_are_all_read_fault_25() {
    let portal = Portal::start().await;
    let mut cursors = Cursors::new();
    portal.drain("contacts", &mut cursors).await;
    portal.clock.advance(SignedDuration::from_mins(1));
    for n in 0..10_450 {
        portal.hub.create_contact(Author::Import, &[("email", &format!("p{n}@x.example")), ("lifecyclestage", "lead")]);
    }
    portal.clock.advance(SignedDuration::from_mins(1));
    let (seen, _) = portal.drain("contacts", &mut cursors).await;
    let mut ids: Vec<String> = people(&seen).into_iter().map(|(id, _)| id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 10_450);
}

#[tokio::test]
async fn coverage_never_passes_the_settled_present_of_the_crm_fault_28() {
    let portal = Portal::start().await;
    for skew_hours in [-2_i64, 2] {
        portal.hub.faults().clear();
        portal.hub.faults().set(Fault::ClockSkew { ms: skew_hours * 3_600_000 });
        let mut cursors = Cursors::new();
        let fresh = Portal {
            connector: connector(&portal.settings),
            hub: portal.hub.clone(),
            clock: portal.clock.clone(),
            settings: portal.settings.clone(),
        };
        for _ in 0..2 {
            let (_, covered) = fresh.drain("calls", &mut cursors).await;
            let crm = portal.clock.now() + SignedDuration::from_hours(skew_hours);
            let least = crm.min(portal.clock.now()) - SignedDuration::from_secs(10);
            assert_eq!(covered, Some(least), "{skew_hours}");
        }
        let created = portal.hub.create(Kind::Call, Author::User(1), &[("hs_timestamp", "2026-11-24T07:00:00Z")]);
        portal.clock.advance(SignedDuration::from_mins(1));
        let (seen, _) = fresh.drain("calls", &mut cursors).await;
        assert!(seen.iter().any(|seen| seen.of.id.as_str() == created), "{skew_hours}");
    }
}

#[tokio::test]
async fn index_lag_within_the_overlap_loses_nothing_fault_24() {
    let portal = Portal::start().await;
    portal.hub.set_index_lag(SignedDuration::from_secs(120));
    let mut cursors = Cursors::new();
    portal.drain("contacts", &mut cursors).await;
    let mut made = Vec::new();
    let mut found = Vec::new();
    for n in 0..20 {
        made.push(portal.hub.create_contact(Author::Form, &[("email", &format!("p{n}@x.example"))]));
        portal.clock.advance(SignedDuration::from_secs(31));
        let (seen, _) = portal.drain("contacts", &mut cursors).await;
        found.extend(people(&seen).into_iter().map(|(id, _)| id));
    }
    portal.clock.advance(SignedDuration::from_secs(300));
    let (seen, _) = portal.drain("contacts", &mut cursors).await;
    found.extend(people(&seen).into_iter().map(|(id, _)| id));
    found.sort();
    found.dedup();
    made.sort();
    assert_eq!(found, made);
}

#[tokio::test]
async fn merged_and_archived_records_are_followed_faults_29_and_30() {
    let portal = Portal::start().await;
    let one = portal.hub.create_contact(Author::Form, &[("email", "one@x.example"), ("lifecyclestage", "lead")]);
    let two = portal.hub.create_contact(Author::Form, &[("email", "two@x.example"), ("lifecyclestage", "lead")]);
    let gone = portal.hub.create_contact(Author::Form, &[("email", "gone@x.example")]);
    portal.clock.advance(SignedDuration::from_mins(1));
    let new = portal.hub.merge(Kind::Contact, &one, &two, Author::User(1)).unwrap();
    portal.hub.archive(Kind::Contact, &gone);
    let refs = [portal.of(Object::Person, &one), portal.of(Object::Person, &gone)];
    let seen = portal.connector.read(&refs).await.unwrap();
    let content = |id: &str| &seen.iter().find(|seen| seen.of.id.as_str() == id).unwrap().content;
    assert_eq!(content(&one), &Content::MergedInto(RemoteId::from(new.as_str())));
    assert_eq!(content(&gone), &Content::Gone);
    let Content::Person(person) = content(&new) else { panic!() };
    assert!(person.has_history);
    assert!(person.merged.iter().any(|id| id.as_str() == two));
}

#[tokio::test]
async fn touches_tasks_and_associations_are_read_around_a_person() {
    let portal = Portal::start().await;
    let person = portal.hub.create_contact(Author::Form, &[("email", "a@x.example")]);
    let mut cursors = Cursors::new();
    for stream in ["calls", "tasks"] {
        portal.drain(stream, &mut cursors).await;
    }
    let owner = portal.hub.add_owner("rep@x.example", "R", "R");
    let call = portal.hub.create(
        Kind::Call,
        Author::User(owner.user_id),
        &[
            ("hs_timestamp", "2026-11-24T08:00:00Z"),
            ("hs_call_direction", "OUTBOUND"),
            ("hs_call_status", "COMPLETED"),
            ("hubspot_owner_id", &owner.id),
        ],
    );
    let task = portal.hub.create(
        Kind::Task,
        Author::User(1),
        &[("hs_timestamp", "2026-11-25T08:00:00Z"), ("hs_task_status", "COMPLETED")],
    );
    portal.hub.associate((Kind::Task, &task), (Kind::Contact, &person), false);
    portal.clock.advance(SignedDuration::from_mins(1));
    let (seen, _) = portal.drain("calls", &mut cursors).await;
    assert_eq!(seen[0].content, Content::Touch(Vec::new()));
    let (tasks, _) = portal.drain("tasks", &mut cursors).await;
    let Content::Task(task) = &tasks[0].content else { panic!() };
    assert!(task.is_done && task.person.as_ref().unwrap().id.as_str() == person);
    // The association comes later, which no search shows (section 4).
    portal.hub.associate((Kind::Call, &call), (Kind::Contact, &person), false);
    let around = portal.connector.read_around(&[portal.of(Object::Person, &person)]).await.unwrap().observations;
    let touches = around.iter().find_map(|seen| match &seen.content {
        Content::Touch(touches) => Some(touches),
        _ => None,
    });
    let touch = &touches.unwrap()[0];
    assert_eq!(touch.genuine, Genuine::Yes);
    assert_eq!(touch.person.id.as_str(), person);
    assert_eq!(touch.by.as_ref().unwrap().as_str(), owner.id);
    assert!(around.iter().any(|seen| seen.content == Content::CompanyOf(None)));
}

#[tokio::test]
async fn another_account_than_the_configured_one_is_refused() {
    let portal = Portal::with(|settings| settings.account = Some("999".to_owned()), Default::default()).await;
    let error = portal.pull("contacts", &Cursor::default()).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Unauthorized { .. }), "{error}");
    let id = portal.hub.create_contact(Author::Form, &[("email", "a@x.example")]);
    let effect = Effect::SetOwner { owner: RemoteId::from("1"), expected: None };
    portal.push(write(Some(portal.of(Object::Person, &id)), effect, "o")).await;
    assert!(portal.hub.ledger().is_empty());
}

#[tokio::test]
async fn reading_sends_reading_operations_only_promise_8() {
    let portal = Portal::start().await;
    portal.hub.faults().set(Fault::ReadOnly);
    let person = portal
        .hub
        .create_contact(Author::Form, &[("email", "a@x.example"), ("lifecyclestage", "marketingqualifiedlead")]);
    let mut cursors = Cursors::new();
    portal.connector.describe().await.unwrap();
    for _ in 0..2 {
        for stream in portal.connector.streams() {
            portal.drain(stream.name.as_str(), &mut cursors).await;
        }
        portal.clock.advance(SignedDuration::from_mins(1));
        portal.hub.update(Kind::Contact, &person, Author::User(1), &[("hs_lead_status", "IN_PROGRESS")]);
    }
    let of = portal.of(Object::Person, &person);
    portal.connector.read(std::slice::from_ref(&of)).await.unwrap();
    portal.connector.read_around(&[of]).await.unwrap();
    assert_eq!(portal.hub.requests().writes_refused, 0);
}

#[tokio::test]
async fn a_broken_answer_is_never_an_empty_page_faults_35_37_44_74() {
    let portal = Portal::start().await;
    for n in 0..3 {
        portal.hub.create_contact(Author::Form, &[("email", &format!("p{n}@x.example"))]);
    }
    let place = || Place::path("/objects/2026-09/contacts");
    for (fault, is_malformed) in [
        (Fault::Html, true),
        (Fault::Truncate, true),
        (Fault::Redirect { to: "https://other.example".to_owned() }, false),
    ] {
        portal.hub.faults().inject(place(), When::times(1), fault);
        let error = portal.pull("contacts", &Cursor::default()).await.unwrap_err();
        assert_eq!(matches!(error, ConnectorError::Malformed { .. }), is_malformed, "{error}");
    }
    for fault in [
        Fault::ExtraFields,
        Fault::Nulls,
        Fault::Deep { levels: 500 },
        Fault::NextLink { to: "https://other.example".to_owned() },
    ] {
        portal.hub.faults().inject(place(), When::times(1), fault.clone());
        let page =
            portal.pull("contacts", &Cursor::default()).await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(page.observations.len(), 3, "{fault:?}");
    }
    portal.hub.faults().inject(place(), When::times(1), Fault::BadRecord);
    let page = portal.pull("contacts", &Cursor::default()).await.unwrap();
    let broken = page.observations.iter().filter(|seen| matches!(seen.content, Content::Undecodable(_))).count();
    assert_eq!((page.observations.len(), broken), (3, 1));
}

#[tokio::test]
async fn errors_of_the_portal_say_what_comes_next_faults_52_to_57() {
    let portal = Portal::start().await;
    portal.pull("contacts", &Cursor::default()).await.unwrap();
    let place = || Place::path("/contacts");
    let strike = |fault| portal.hub.faults().inject(place(), When::times(1), fault);
    strike(Fault::RateLimit { policy: "TEN_SECONDLY_ROLLING".to_owned(), retry_after: Some(RetryAfter::Seconds(0)) });
    let error = portal.pull("contacts", &Cursor::default()).await.unwrap_err();
    assert!(matches!(error, ConnectorError::RateLimited { .. }), "{error}");
    strike(Fault::Status { status: 423, retry_after: None });
    let error = portal.pull("contacts", &Cursor::default()).await.unwrap_err();
    assert!(
        matches!(error, ConnectorError::RateLimited { retry_after, .. } if retry_after >= Duration::from_secs(2)),
        "{error}"
    );
    for status in [500, 502, 503, 504, 521, 524] {
        strike(Fault::Status { status, retry_after: None });
        let error = portal.pull("contacts", &Cursor::default()).await.unwrap_err();
        assert!(matches!(error, ConnectorError::Unavailable { .. }), "{error}");
    }
    portal.hub.faults().set(Fault::ScopeRemoved { scope: "crm.objects.contacts.read".to_owned() });
    let error = portal.pull("contacts", &Cursor::default()).await.unwrap_err().to_string();
    assert!(error.contains("crm.objects.contacts.read"), "{error}");
    portal.hub.faults().clear();
    portal.hub.faults().set(Fault::TokenRevoked { token: "sandbox".to_owned() });
    let error = portal.pull("contacts", &Cursor::default()).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Unauthorized { .. }), "{error}");
}

#[tokio::test]
async fn an_owner_is_written_only_over_the_expected_one_fault_68() {
    let portal = Portal::start().await;
    let (a, b, c) = (
        portal.hub.add_owner("a@x.example", "A", "A").id,
        portal.hub.add_owner("b@x.example", "B", "B").id,
        portal.hub.add_owner("c@x.example", "C", "C").id,
    );
    let id = portal.hub.create_contact(Author::Form, &[("email", "p@x.example"), ("hubspot_owner_id", &a)]);
    let of = portal.of(Object::Person, &id);
    let set = |expected: &str| Effect::SetOwner {
        owner: RemoteId::from(b.as_str()),
        expected: Some(RemoteId::from(expected)),
    };
    let outcome = portal.push(write(Some(of.clone()), set(&c), "1")).await;
    assert!(matches!(outcome, Outcome::Superseded { .. }), "{outcome:?}");
    assert_eq!(portal.connector.find_effect(&write(Some(of.clone()), set(&a), "2")).await.unwrap(), None);
    let outcome = portal.push(write(Some(of.clone()), set(&a), "2")).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    assert_eq!(portal.hub.get(Kind::Contact, &id).unwrap()["hubspot_owner_id"], b);
    assert!(portal.connector.find_effect(&write(Some(of.clone()), set(&a), "2")).await.unwrap().is_some());
    let before = portal.hub.ledger().len();
    assert!(matches!(portal.push(write(Some(of.clone()), set(&a), "2")).await, Outcome::Done(_)));
    assert_eq!(portal.hub.ledger().len(), before, "already as wanted, so nothing is sent");
    // Our own write is known as ours afterwards (promise 6).
    let seen = portal.connector.read(&[of]).await.unwrap();
    assert_eq!(people(&seen)[0].1.owners.last().unwrap().by, By::Baton);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_unknown_and_is_found_faults_58_and_71() {
    let portal = Portal::start().await;
    let owner = portal.hub.add_owner("a@x.example", "A", "A").id;
    let id = portal.hub.create_contact(Author::Form, &[("email", "p@x.example")]);
    let of = portal.of(Object::Person, &id);
    let lost = |breakage| Fault::AfterEffect { breakage };
    let set = write(Some(of.clone()), Effect::SetOwner { owner: RemoteId::from(owner.as_str()), expected: None }, "o");
    portal.hub.faults().inject(Place::method("PATCH", "/contacts"), When::times(1), lost(Breakage::Status(504)));
    assert!(matches!(portal.push(set.clone()).await, Outcome::Unknown { .. }));
    assert!(portal.connector.find_effect(&set).await.unwrap().is_some());
    let task = Effect::AddTask {
        title: "Call".to_owned(),
        body: "first touch <b>due</b>".to_owned(),
        due_at: portal.clock.now(),
        owner: Some(RemoteId::from(owner.as_str())),
    };
    for (effect, kind, path) in
        [(task, Kind::Task, "/tasks"), (Effect::AddNote { body: "returned".to_owned() }, Kind::Note, "/notes")]
    {
        for breakage in [Breakage::Status(502), Breakage::Reset] {
            let before = portal.hub.ids(kind).len();
            let tag = format!("{path}{breakage:?}");
            let mut make = write(Some(of.clone()), effect.clone(), &tag);
            assert_eq!(portal.connector.find_effect(&make).await.unwrap(), None);
            portal.hub.faults().inject(Place::method("POST", path), When::times(1), lost(breakage));
            let outcome = portal.push(make.clone()).await;
            assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
            assert!(portal.connector.find_effect(&make).await.unwrap().unwrap().made.is_some());
            // Even if nobody asked, the second try looks for the mark first.
            make.attempt = 2;
            assert!(matches!(portal.push(make).await, Outcome::Done(done) if done.made.is_some()));
            assert_eq!(portal.hub.ids(kind).len(), before + 1, "{tag}");
        }
    }
    let task = &portal.hub.ids(Kind::Task)[0];
    assert_eq!(portal.hub.associated(Kind::Task, task, Kind::Contact), [id]);
    let values = portal.hub.get(Kind::Task, task).unwrap();
    assert!(values["hs_task_body"].contains("&lt;b&gt;"), "{}", values["hs_task_body"]);
    assert_eq!(values["hubspot_owner_id"], owner);
}

#[tokio::test]
async fn a_stage_goes_forward_by_one_write_and_back_by_two_section_10_2() {
    let portal = Portal::start().await;
    let id = portal.hub.create_contact(Author::Form, &[("email", "p@x.example"), ("lifecyclestage", "lead")]);
    let of = portal.of(Object::Person, &id);
    let stage = |stage, is_backward| Effect::SetStage { stage, is_backward };
    let lifecycle = || portal.hub.get(Kind::Contact, &id).unwrap().get("lifecyclestage").cloned().unwrap_or_default();
    assert!(matches!(portal.push(write(Some(of.clone()), stage(Stage::Mql, false), "1")).await, Outcome::Done(_)));
    assert_eq!(lifecycle(), "marketingqualifiedlead");
    // A direct write backward is dropped with a 2xx, and is seen.
    let dropped = portal.push(write(Some(of.clone()), stage(Stage::Engagement, false), "2")).await;
    assert!(matches!(dropped, Outcome::Superseded { .. }), "{dropped:?}");
    // A crash between the two: the second half alone is left.
    portal.hub.faults().inject(
        Place::method("PATCH", "/contacts"),
        When { skip: 1, times: Some(1), ..When::default() },
        Fault::BeforeEffect { breakage: Breakage::Status(503) },
    );
    let back = write(Some(of.clone()), stage(Stage::Engagement, true), "3");
    assert!(matches!(portal.push(back.clone()).await, Outcome::Unknown { .. }));
    assert_eq!(lifecycle(), "");
    assert_eq!(portal.connector.find_effect(&back).await.unwrap(), None);
    assert!(matches!(portal.push(back.clone()).await, Outcome::Done(_)));
    assert_eq!(lifecycle(), "lead");
    assert!(portal.connector.find_effect(&back).await.unwrap().is_some());
    assert!(matches!(portal.push(write(Some(of), stage(Stage::Sal, false), "4")).await, Outcome::Done(_)));
    assert_eq!(portal.hub.get(Kind::Contact, &id).unwrap()["hs_lead_status"], "IN_PROGRESS");
}

#[tokio::test]
async fn a_batch_settles_each_row_by_itself_faults_60_and_61() {
    let portal = Portal::with(
        |settings| {
            settings.score_properties =
                vec![(ScorePart::Fit, "baton_fit".to_owned()), (ScorePart::Grade, "baton_grade".to_owned())]
        },
        Default::default(),
    )
    .await;
    let ids: Vec<String> = (0..5)
        .map(|n| {
            portal.hub.create_contact(
                Author::Form,
                &[("email", &format!("p{n}@x.example")), ("baton_fit", "0"), ("baton_grade", "D4")],
            )
        })
        .collect();
    let merged = portal.hub.merge(Kind::Contact, &ids[3], &ids[4], Author::User(1)).unwrap();
    portal.hub.archive(Kind::Contact, &ids[1]);
    let points = Points { fit: 40, intent: 10, engagement: 1, ..Points::default() };
    let writes: Vec<Addressed> = ids[..4]
        .iter()
        .enumerate()
        .map(|(n, id)| write(Some(portal.of(Object::Person, id)), Effect::SetScore(points), &format!("s{n}")))
        .collect();
    portal.hub.reset_requests();
    let outcomes = portal.connector.push(&writes, &Forget).await;
    let fates: Vec<bool> = outcomes.iter().map(|(_, outcome)| matches!(outcome, Outcome::Done(_))).collect();
    assert_eq!(fates, [true, false, true, true], "{outcomes:?}");
    assert!(matches!(&outcomes[1].1, Outcome::Superseded { .. }), "{outcomes:?}");
    for id in [&ids[0], &ids[2], &merged] {
        assert_eq!(portal.hub.get(Kind::Contact, id).unwrap()["baton_fit"], "40");
    }
    assert_eq!(
        outcomes.iter().map(|(op, _)| *op).collect::<Vec<_>>(),
        writes.iter().map(|w| w.write.op).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn writes_for_one_record_go_in_order_and_never_in_one_batch() {
    let portal = Portal::start().await;
    let owner = portal.hub.add_owner("a@x.example", "A", "A").id;
    let id = portal.hub.create_contact(Author::Form, &[("email", "p@x.example"), ("lifecyclestage", "lead")]);
    let of = Some(portal.of(Object::Person, &id));
    let writes = [
        write(of.clone(), Effect::SetOwner { owner: RemoteId::from(owner.as_str()), expected: None }, "1"),
        write(of.clone(), Effect::SetStage { stage: Stage::Mql, is_backward: false }, "2"),
        write(of.clone(), Effect::AddNote { body: "n".to_owned() }, "3"),
    ];
    portal.hub.faults().inject(
        Place::path("/contacts/"),
        When { skip: 1, times: Some(1), ..When::default() },
        Fault::Status { status: 423, retry_after: None },
    );
    let outcomes = portal.connector.push(&writes, &Forget).await;
    assert!(matches!(outcomes[0].1, Outcome::Again { .. }), "{outcomes:?}");
    assert!(matches!(outcomes[1].1, Outcome::Again { counts: false, .. }), "{outcomes:?}");
    assert!(portal.hub.ledger().is_empty());
    let outcomes = portal.connector.push(&writes, &Forget).await;
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Done(_))), "{outcomes:?}");
    let what: Vec<String> =
        portal.hub.ledger().into_iter().map(|effect| format!("{} {}", effect.object, effect.what)).collect();
    assert_eq!(what[..2], ["contacts update", "contacts update"]);
}

#[tokio::test]
async fn a_track_is_a_list_joined_once_and_never_by_who_opted_out_promise_11() {
    let portal = Portal::with(
        |settings| settings.tracks = vec![(Name::from("next"), "Nurture: next / quarter?".to_owned())],
        Default::default(),
    )
    .await;
    let id = portal.hub.create_contact(Author::Form, &[("email", "p@x.example")]);
    let out = portal.hub.create_contact(Author::Form, &[("email", "out@x.example"), ("hs_email_optout", "true")]);
    let join =
        |id: &str, tag: &str| write(Some(portal.of(Object::Person, id)), Effect::JoinTrack(Name::from("next")), tag);
    let missing = portal.push(join(&id, "0")).await;
    assert!(matches!(&missing, Outcome::Refused { message } if message.contains("Nurture")), "{missing:?}");
    let list = portal.hub.create_list("Nurture: next / quarter?");
    for _ in 0..2 {
        assert!(matches!(portal.push(join(&id, "1")).await, Outcome::Done(_)));
    }
    assert!(matches!(portal.push(join(&out, "2")).await, Outcome::Refused { .. }));
    assert_eq!(portal.hub.list_members("Nurture: next / quarter?"), std::slice::from_ref(&id), "{list}");
    let leave = write(Some(portal.of(Object::Person, &id)), Effect::LeaveTrack(Name::from("next")), "3");
    assert!(matches!(portal.push(leave).await, Outcome::Done(_)));
    assert!(portal.hub.list_members("Nurture: next / quarter?").is_empty());
}

#[tokio::test]
async fn a_contact_is_created_once_and_an_existing_one_is_adopted_section_9_f() {
    let portal = Portal::start().await;
    let owner = portal.hub.add_owner("a@x.example", "A", "A").id;
    let create = write(
        None,
        Effect::Create {
            values: vec![
                (Field::Email, Value::text("new@x.example").unwrap()),
                (Field::FirstName, Value::text("Zo\u{eb}").unwrap()),
            ],
            owner: Some(RemoteId::from(owner.as_str())),
            is_new_journey: false,
            not: Vec::new(),
        },
        "c",
    );
    assert_eq!(portal.connector.find_effect(&create).await.unwrap(), None);
    let Outcome::Done(done) = portal.push(create.clone()).await else { panic!() };
    let made = done.made.unwrap();
    assert_eq!(portal.hub.get(Kind::Contact, made.id.as_str()).unwrap()["hubspot_owner_id"], owner);
    let found = portal.connector.find_effect(&create).await.unwrap().unwrap();
    assert_eq!(found.made.as_ref(), Some(&made));
    let Outcome::Done(again) = portal.push(create).await else { panic!() };
    assert_eq!(again.made, Some(made));
    assert_eq!(portal.hub.ids(Kind::Contact).len(), 1);
}

#[tokio::test]
async fn an_owner_of_a_contact_that_is_found_stays_and_an_empty_place_is_filled_and_can_be_emptied() {
    let portal = Portal::start().await;
    let [ours, theirs] = ["a@x.example", "b@x.example"].map(|address| portal.hub.add_owner(address, "A", "B").id);
    let create = |address: &str| {
        let values = vec![(Field::Email, Value::text(address).unwrap())];
        let owner = Some(RemoteId::from(ours.as_str()));
        write(None, Effect::Create { values, owner, is_new_journey: false, not: Vec::new() }, address)
    };
    let taken =
        portal.hub.create_contact(Author::User(7), &[("email", "taken@x.example"), ("hubspot_owner_id", &theirs)]);
    let free = portal.hub.create_contact(Author::Form, &[("email", "free@x.example")]);
    let Outcome::Done(done) = portal.push(create("taken@x.example")).await else { panic!() };
    assert_eq!((done.made.unwrap().id.as_str(), done.was), (taken.as_str(), Vec::new()));
    assert_eq!(portal.hub.get(Kind::Contact, &taken).unwrap()["hubspot_owner_id"], theirs);
    let Outcome::Done(done) = portal.push(create("free@x.example")).await else { panic!() };
    assert_eq!(done.made.unwrap().id.as_str(), free);
    assert_eq!(portal.hub.get(Kind::Contact, &free).unwrap()["hubspot_owner_id"], ours);
    let [was] = &done.was[..] else { panic!("{:?}", done.was) };
    assert_eq!((was.before.as_ref(), was.after.as_ref().map(Name::as_str)), (None, Some(ours.as_str())));
}

#[tokio::test]
async fn a_score_of_a_record_that_is_gone_bothers_nobody_and_an_owner_does() {
    let portal = Portal::with(
        |settings| settings.score_properties = vec![(ScorePart::Fit, "score".to_owned())],
        Default::default(),
    )
    .await;
    let id = portal.hub.create_contact(Author::Form, &[("email", "p@x.example")]);
    let of = portal.of(Object::Person, &id);
    portal.hub.archive(Kind::Contact, &id);
    let points = Points::default();
    let score = portal.push(write(Some(of.clone()), Effect::SetScore(points), "s")).await;
    assert!(matches!(score, Outcome::Superseded { .. }), "{score:?}");
    let owner = Effect::SetOwner { owner: RemoteId::from("1"), expected: None };
    let owner = portal.push(write(Some(of), owner, "o")).await;
    assert!(matches!(owner, Outcome::Refused { .. }), "{owner:?}");
}

#[tokio::test]
async fn a_rejection_is_written_and_read_back_as_sales_word() {
    let portal = Portal::with(
        |settings| {
            settings.fields = vec![(Field::Reason, "rejection_reason".to_owned())];
            settings.reasons = vec![(Name::from("bad_fit"), vec!["Bad fit".to_owned()])];
        },
        Default::default(),
    )
    .await;
    let id = portal.hub.create_contact(
        Author::Form,
        &[("email", "p@x.example"), ("lifecyclestage", "marketingqualifiedlead"), ("rejection_reason", "none")],
    );
    let of = portal.of(Object::Person, &id);
    let outcome = portal.push(write(Some(of.clone()), Effect::Reject(Name::from("bad_fit")), "r")).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    let seen = portal.connector.read(&[of]).await.unwrap();
    let word = people(&seen)[0].1.disposition.clone().unwrap().word;
    assert_eq!(word, Word::Rejected { reason: Some(Name::from("bad_fit")), said: Some(Name::from("Bad fit")) });
}

#[tokio::test]
async fn a_look_names_what_does_not_fit_and_the_line_to_add() {
    let portal = Portal::with(
        |settings| {
            settings.fields = vec![(Field::Reason, "no_such_property".to_owned())];
            settings.tracks = vec![(Name::from("next"), "No such list".to_owned())];
        },
        Default::default(),
    )
    .await;
    portal.hub.add_option(Kind::Contact, "lifecyclestage", "51439524", "Our stage");
    portal.hub.faults().set(Fault::ScopeRemoved { scope: "sales-email-read".to_owned() });
    let description = portal.connector.describe().await.unwrap();
    assert!(description.account.contains("123456"), "{}", description.account);
    let texts: Vec<&str> = description.findings.iter().map(|finding| finding.text.as_str()).collect();
    for part in ["no_such_property", "51439524", "[connections.hubspot.stages]", "No such list", "sales-email-read"] {
        assert!(texts.iter().any(|text| text.contains(part)), "{part} is not in {texts:#?}");
    }
}

#[tokio::test]
async fn a_choice_that_cannot_be_written_is_told_with_the_whole_line_to_change() {
    let portal = Portal::with(
        |settings| {
            settings.stages = vec![StageMap {
                stage: Stage::Sal,
                read: vec![("hs_lead_status".to_owned(), vec!["IN_PROGRESS".to_owned(), "CONNECTED".to_owned()])],
                write: vec![("hs_lead_status".to_owned(), "WORKING".to_owned())],
            }];
        },
        Default::default(),
    )
    .await;
    let description = portal.connector.describe().await.unwrap();
    let told = description.findings.iter().find(|finding| finding.text.contains("\"WORKING\"")).expect("a finding");
    let line =
        r#"sal = { read = { hs_lead_status = ["IN_PROGRESS", "CONNECTED"] }, write = { hs_lead_status = "..." } }"#;
    assert!(told.text.contains(line), "{}", told.text);
}

#[tokio::test]
#[ignore = "a measurement: run in release with --ignored"]
async fn speed_of_a_full_sync() {
    let portal = Portal::start().await;
    let _ = Population::default();
    portal.hub.populate(&Population {
        companies: 20_000,
        contacts: 100_000,
        calls: 10_000,
        emails: 10_000,
        meetings: 10_000,
        ..Population::default()
    });
    let mut cursors = Cursors::new();
    for stream in portal.connector.streams() {
        let started = std::time::Instant::now();
        let (seen, _) = portal.drain(stream.name.as_str(), &mut cursors).await;
        println!(
            "{}: {} in {:?}, requests {}",
            stream.name,
            seen.len(),
            started.elapsed(),
            portal.hub.requests().total
        );
    }
}
