//! Blindness and breakage: what is not seen accuses nobody, is said once with its cause, and ends by itself; a part that breaks
//! takes no other with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::Router;
use baton::clock::Clock;
use baton::connector::requirement::{Ensured, Making, Requirement};
use baton::connector::{
    Addressed, Around, Before, BudgetView, Connector, ConnectorError, Cursor, Description, Done, Outcome, Page, Stream,
};
use baton::daemon::Parts;
use baton::domain::breaker::State;
use baton::domain::id::{ConnectionId, LeadId, Name, Object as Kind, OperationId, RecordRef};
use baton::domain::observation::Observation;
use baton::domain::plan::{Ability, Mode};
use baton::engine::deliver::Channels;
use baton::engine::{Engine, Retention};
use baton::http::Client;
use baton::sandbox::hubspot::{Author, Fault};
use baton::sandbox::odoo::{Fault as OdooFault, Place as OdooPlace, When as OdooWhen};
use baton::store::{Batch, Reserve, Store};
use jiff::{SignedDuration, Timestamp};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::harness::{AGREEMENT, ROSTER, World, morning, rules};
use super::kill::Scene;
use super::store_contract::{lead, plan};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A minute of the daemon's loops where a connection may fail.
async fn minute(world: &World) {
    world.clock.advance(MINUTE);
    for (connection, _) in &world.parts.polls {
        drop(world.parts.engine.poll(connection).await);
    }
    world.parts.engine.watch().await.unwrap();
    world.parts.engine.sweep().await.unwrap();
    for (connection, _) in &world.parts.polls {
        world.parts.engine.deliver(connection).await.unwrap();
    }
    world.parts.engine.deliver_notices(&world.parts.client, &world.parts.channels).await.unwrap();
}

async fn findings(world: &World, kind: &str) -> Vec<String> {
    let rows = world.parts.engine.store().findings(50).await.unwrap();
    rows.into_iter().filter(|row| row.kind == kind).map(|row| format!("{}: {}", row.subject, row.text)).collect()
}

fn count(world: &World, part: &str) -> usize {
    world.told().iter().filter(|line| line.contains(part)).count()
}

/// What the people who run Baton were told.
fn alerts(world: &World) -> usize {
    world.told().iter().filter(|line| line.starts_with("marketing: ") && line.contains("Baton")).count()
}

/// A world whose operators have the channel `slack.marketing`.
async fn with_operators() -> World {
    let mut world = World::new().await;
    let engine = Arc::into_inner(std::mem::replace(&mut world.parts.engine, empty().await)).unwrap();
    world.parts.engine = Arc::new(engine.with_operators(Some(Name::from("slack.marketing"))));
    world
}

/// An engine that holds another's place for a moment.
async fn empty() -> Arc<Engine> {
    let folder = tempfile::tempdir().unwrap();
    let rules = rules(AGREEMENT, ROSTER, Mode::Off);
    let store = Store::open(&folder.path().join("other.db"), &rules.workspace).await.unwrap();
    Arc::new(Engine::new(store, Vec::new(), Clock::manual(morning()), rules).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_died_accuses_nobody_and_is_one_alert_that_names_stream_cause_and_since_when_fault_52() {
    let world = with_operators().await;
    world.handed_over("Jane").await;
    world.pass(20).await;
    let died = world.clock.now();
    world.hubspot.faults().set(Fault::TokenRevoked { token: world.hubspot.settings().tokens[0].name.clone() });
    world.hubspot.reset_requests();
    for _ in 0..8 {
        minute(&world).await;
    }
    assert_eq!(findings(&world, "blind").await, Vec::<String>::new(), "ten minutes are no blindness yet");
    for _ in 0..120 {
        minute(&world).await;
    }
    assert_eq!((count(&world, "is due"), count(&world, "was due")), (1, 0), "warned, not accused: {:?}", world.told());
    let said = findings(&world, "blind").await;
    let connection = said.iter().find(|text| text.starts_with("hubspot: coverage")).expect("it is said");
    let since = format!("{:.0}", died).get(..14).unwrap().to_owned();
    for part in
        ["blind on hubspot", "calls since", "emails since", &since, "does not accept the credentials", "1 so far"]
    {
        assert!(connection.contains(part), "{part}: {connection}");
    }
    assert!(said.iter().any(|text| text.starts_with("L-") && text.contains("hubspot.calls")), "{said:?}");
    assert_eq!(alerts(&world), 1, "one alert for the outage: {:?}", world.told());
    // One request a minute looked whether it answers again; nothing was written.
    let asked = world.hubspot.requests();
    assert!(asked.total <= 130 && !asked.by_class.contains_key("write"), "no storm: {asked:?}");
    assert!(matches!(world.parts.engine.breaker(&ConnectionId::from("hubspot")), State::Open(_)));

    world.hubspot.faults().clear();
    for _ in 0..4 {
        minute(&world).await;
    }
    assert_eq!(findings(&world, "blind").await, Vec::<String>::new(), "it ends by itself");
    assert_eq!((count(&world, "was due"), alerts(&world)), (1, 1), "then it is judged: {:?}", world.told());
    assert_eq!(world.parts.engine.breaker(&ConnectionId::from("hubspot")), State::Closed);
    // Another outage is another alert.
    world.hubspot.faults().set(Fault::TokenRevoked { token: world.hubspot.settings().tokens[0].name.clone() });
    for _ in 0..13 {
        minute(&world).await;
    }
    assert_eq!(alerts(&world), 2, "{:?}", world.told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_touch_made_while_blind_is_known_before_anybody_is_judged() {
    let world = with_operators().await;
    let (_, lead, login) = world.handed_over("Jane").await;
    world.pass(20).await;
    world.odoo.faults().inject(
        OdooPlace::default(),
        OdooWhen::default(),
        OdooFault::Status { status: 503, retry_after: None },
    );
    minute(&world).await;
    world.rep(login).log_call(lead, "reached").unwrap();
    for _ in 0..300 {
        minute(&world).await;
    }
    assert_eq!(count(&world, "was due"), 0, "{:?}", world.told());
    assert_eq!((alerts(&world), count(&world, "Baton is blind on odoo since")), (1, 1), "{:?}", world.told());
    world.odoo.faults().clear();
    for _ in 0..4 {
        minute(&world).await;
    }
    assert_eq!(count(&world, "first touch was due"), 0, "first refreshed, then judged: {:?}", world.told());
    assert!(world.story().await.contains("first touch kept"), "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commitment_whose_streams_are_read_again_is_judged_while_another_stream_stays_blind() {
    let world = World::new().await;
    let (_, lead, login) = world.handed_over("Jane").await;
    world.pass(20).await;
    world.rep(login).log_call(lead, "reached").unwrap();
    world.pass(3).await;
    // E-mails of HubSpot need a permission of their own, which is gone for good; Odoo is away until the disposition is overdue.
    world.hubspot.faults().set(Fault::ScopeRemoved { scope: "sales-email-read".to_owned() });
    world.odoo.faults().inject(
        OdooPlace::default(),
        OdooWhen::default(),
        OdooFault::Status { status: 503, retry_after: None },
    );
    for _ in 0..100 {
        world.clock.advance(SignedDuration::from_mins(30));
        minute(&world).await;
    }
    assert_eq!(count(&world, "disposition was due"), 0, "{:?}", world.told());
    world.odoo.faults().clear();
    for _ in 0..15 {
        minute(&world).await;
    }
    assert_eq!(
        count(&world, "disposition was due"),
        1,
        "e-mails say nothing of it: {:?} {}",
        world.told(),
        world.story().await
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_suspend_each_connection_is_read_before_anybody_is_judged_fault_83() {
    let world = World::new().await;
    let (_, lead, login) = world.handed_over("Jane").await;
    world.pass(10).await;
    let (hubspot, odoo) = (ConnectionId::from("hubspot"), ConnectionId::from("odoo"));
    for connection in [&hubspot, &odoo] {
        world.parts.engine.hear_time(connection).await.unwrap();
    }
    // The machine sleeps for a day; the rep calls in time, and the CRMs' clocks go on.
    world.clock.set(world.clock.now() + MINUTE * 20);
    world.rep(login).log_call(lead, "reached").unwrap();
    world.clock.set(world.clock.now() + SignedDuration::from_hours(24));
    world.parts.engine.sweep().await.unwrap();
    world.parts.engine.poll(&hubspot).await.unwrap();
    world.parts.engine.hear_time(&hubspot).await.unwrap();
    world.parts.engine.sweep().await.unwrap();
    world.parts.engine.deliver_notices(&world.parts.client, &world.parts.channels).await.unwrap();
    assert_eq!(count(&world, "was due"), 0, "Odoo has not been read since: {:?}", world.told());
    world.beat().await;
    assert_eq!(count(&world, "first touch was due"), 0, "{:?}", world.told());
}

/// A warning waits for no evidence: what keeps a start from warning of old news is that nothing is decided before all was read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_start_nothing_is_decided_before_each_connection_was_read_fault_86() {
    let mut world = World::new().await;
    let (_, lead, login) = world.handed_over("Jane").await;
    // Baton is away; the rep calls in time.
    world.clock.advance(MINUTE * 20);
    world.rep(login).log_call(lead, "reached").unwrap();
    world.clock.advance(SignedDuration::from_hours(24));
    world.restart(AGREEMENT).await;
    let before = world.parts.engine.store().recent_events(0, 500).await.unwrap().len();
    for (name, is_read) in [("hubspot", false), ("odoo", true)] {
        world.parts.engine.poll(&ConnectionId::from(name)).await.unwrap();
        world.parts.engine.sweep().await.unwrap();
        world.parts.engine.deliver_notices(&world.parts.client, &world.parts.channels).await.unwrap();
        let after = world.parts.engine.store().recent_events(0, 500).await.unwrap().len();
        assert_eq!(after > before, is_read, "{name}: {}", world.story().await);
    }
    assert_eq!(count(&world, "first touch is due"), 0, "{:?}", world.told());
    assert!(world.story().await.contains("first touch kept"), "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_does_not_answer_is_left_alone_and_what_waits_for_it_loses_no_try_fault_70() {
    // Rests run on real time, which is moved by the same hand here.
    let world = World::on(Clock::manual_with_leases(morning()), AGREEMENT, Mode::On, |_| {}).await;
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    let odoo = ConnectionId::from("odoo");
    world.odoo.faults().inject(
        OdooPlace::default(),
        OdooWhen::default(),
        OdooFault::Status { status: 503, retry_after: None },
    );
    for _ in 0..5 {
        world.clock.advance(SignedDuration::from_secs(1));
        drop(world.parts.engine.poll(&odoo).await.unwrap_err());
    }
    let State::Open(_) = world.parts.engine.breaker(&odoo) else { panic!("it is left alone") };
    world.qualify(&contact);
    world.odoo.reset_requests();
    for _ in 0..12 {
        world.clock.advance(SignedDuration::from_secs(1));
        world.parts.engine.poll(&ConnectionId::from("hubspot")).await.unwrap();
        world.parts.engine.deliver(&odoo).await.unwrap();
        world.parts.engine.read_around_due(&odoo).await.unwrap();
        world.parts.engine.patrol(&odoo).await.unwrap();
        world.parts.engine.follow_hints(&odoo).await.unwrap();
    }
    assert_eq!(world.odoo.requests().total, 0, "nothing is asked of it");
    let store = world.parts.engine.store();
    let effects = store.overview().await.unwrap().effects;
    assert!(effects.len() == 1 && effects.contains_key("pending"), "no try is lost: {effects:?}");
    // Once it has rested, one write looks whether it answers, and no more than that one.
    world.clock.advance(SignedDuration::from_secs(10));
    world.parts.engine.deliver(&odoo).await.unwrap();
    let asked = world.odoo.requests().total;
    assert!((1..=3).contains(&asked), "{asked}");
    world.parts.engine.deliver(&odoo).await.unwrap();
    assert_eq!(world.odoo.requests().total, asked, "it rests again");
    world.odoo.faults().clear();
    world.clock.advance(MINUTE);
    world.beat().await;
    assert_eq!(world.parts.engine.breaker(&odoo), State::Closed);
    world.pass(2).await;
    assert_eq!(world.odoo.leads().len(), 1, "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_falls_due_at_one_second_is_decided_in_bounded_batches_while_the_rest_goes_on_fault_85() {
    const LEADS: usize = 1_200;
    let world = World::with(AGREEMENT, Mode::Off).await;
    for number in 0..LEADS {
        world.hubspot.create_contact(Author::Form, &[("email", &format!("p{number}@acme.example"))]);
    }
    world.beat().await;
    let engine = &world.parts.engine;
    let leads = engine.store().leads_after(baton::domain::id::LeadId(0), LEADS).await.unwrap();
    assert_eq!(leads.len(), LEADS);
    let nine = world.clock.now() + SignedDuration::from_hours(1);
    let rechecks = leads.iter().map(|lead| (*lead, nine)).collect();
    engine.store().commit(&Batch { rechecks, now: Some(nine), ..Batch::default() }).await.unwrap();
    world.clock.advance(SignedDuration::from_hours(1));
    let mut batches = Vec::new();
    loop {
        let swept = engine.sweep().await.unwrap();
        batches.push(swept.leads);
        // Between two batches everything else has its turn.
        engine.poll(&ConnectionId::from("hubspot")).await.unwrap();
        if !swept.has_more {
            break;
        }
    }
    assert_eq!(batches, [500, 500, 200]);
    assert_eq!(engine.sweep().await.unwrap().leads, 0, "each once");
}

/// A CRM whose first answers break Baton.
struct Odd {
    id: ConnectionId,
    streams: Vec<Stream>,
    pulls: Arc<AtomicUsize>,
    breaks: usize,
    /// Breaks everything that asks what it can do.
    is_armed: Arc<AtomicBool>,
}

#[async_trait]
impl Connector for Odd {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    fn ability(&self) -> Ability {
        assert!(!self.is_armed.load(Ordering::SeqCst), "something that nobody thought of");
        Ability {
            connection: self.id.clone(),
            stages: Vec::new(),
            score: false,
            handoff: false,
            tracks: Vec::new(),
            reasons: Vec::new(),
            rejects: false,
            stage_back: false,
        }
    }

    async fn choices(&self) -> Result<Description, ConnectorError> {
        Ok(Description::default())
    }

    async fn ensure(&self, _: &Requirement, _: Making) -> Result<Option<Ensured>, ConnectorError> {
        Ok(None)
    }

    fn streams(&self) -> &[Stream] {
        &self.streams
    }

    async fn describe(&self) -> Result<Description, ConnectorError> {
        Ok(Description::default())
    }

    async fn pull(&self, _: &Stream, _: &Cursor, now: Timestamp) -> Result<Page, ConnectorError> {
        let pulls = self.pulls.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(pulls > self.breaks, "something that nobody thought of");
        Ok(Page {
            observations: Vec::new(),
            next: Cursor(pulls.to_string()),
            has_more: false,
            covered_until: Some(now),
            findings: Vec::new(),
        })
    }

    async fn read(&self, _: &[RecordRef]) -> Result<Vec<Observation>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn read_around(&self, _: &[RecordRef]) -> Result<Around, ConnectorError> {
        Ok(Around::default())
    }

    async fn push(&self, _: &[Addressed], _: &dyn Before) -> Vec<(OperationId, Outcome)> {
        Vec::new()
    }

    async fn find_effect(&self, _: &Addressed) -> Result<Option<Done>, ConnectorError> {
        Ok(None)
    }

    fn budgets(&self) -> Vec<BudgetView> {
        Vec::new()
    }
}

/// Two CRMs that say nothing; the first breaks `breaks` of its first answers.
async fn odd_world(breaks: usize) -> OddWorld {
    let folder = tempfile::tempdir().unwrap();
    let rules = rules(AGREEMENT, ROSTER, Mode::Off);
    let store = Store::open(&folder.path().join("baton.db"), &rules.workspace).await.unwrap();
    let is_armed = Arc::new(AtomicBool::new(false));
    let odd = |name: &str, breaks| {
        let stream = Stream { name: Name::from("people"), object: Kind::Person, proves: Vec::new() };
        let pulls = Arc::new(AtomicUsize::new(0));
        let id = ConnectionId::from(name);
        let is_armed = Arc::clone(&is_armed);
        let odd = Odd { id, streams: vec![stream], pulls: Arc::clone(&pulls), breaks, is_armed };
        (Arc::new(odd) as Arc<dyn Connector>, pulls)
    };
    let ((broken, breaking), (sound, reading)) = (odd("broken", breaks), odd("sound", 0));
    let engine = Arc::new(Engine::new(store, vec![broken, sound], Clock::system(), rules).await.unwrap());
    let every = Duration::from_millis(20);
    let parts = Parts {
        status: Arc::clone(engine.status()),
        polls: vec![(ConnectionId::from("broken"), every), (ConnectionId::from("sound"), every)],
        channels: Channels::default(),
        client: Client::new().unwrap(),
        retention: Retention::default(),
        control: folder.path().join("baton.db.sock"),
        reserve: Reserve::beside(&folder.path().join("baton.db")),
        rules: None,
        engine,
    };
    OddWorld { parts, breaking, reading, is_armed, _folder: folder }
}

struct OddWorld {
    parts: Parts,
    breaking: Arc<AtomicUsize>,
    reading: Arc<AtomicUsize>,
    is_armed: Arc<AtomicBool>,
    _folder: tempfile::TempDir,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_the_sweep_ends_the_process_fault_17() {
    let world = odd_world(0).await;
    let engine = Arc::clone(&world.parts.engine);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_never, ended) = oneshot::channel::<()>();
    let break_it = async {
        let began = Instant::now();
        while !engine.is_live() {
            assert!(began.elapsed() < Duration::from_secs(60), "it never went live");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        world.is_armed.store(true, Ordering::SeqCst);
        let now = engine.clock().now();
        let due = Batch { plans: vec![plan(lead(1, 0))], rechecks: vec![(LeadId(1), now)], ..Batch::default() };
        engine.store().commit(&Batch { now: Some(now), ..due }).await.unwrap();
    };
    let run = baton::daemon::run(world.parts, Router::new(), listener, async { drop(ended.await) });
    let (run, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(60), run), break_it);
    let error = run.expect("it goes on without its sweep").unwrap_err();
    assert!(format!("{error:#}").contains("a loop panicked; the process ends"), "{error:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_its_loop_is_started_anew_and_the_other_goes_on_fault_17() {
    let OddWorld { parts, breaking, reading, _folder, .. } = odd_world(1).await;
    let engine = Arc::clone(&parts.engine);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (end, ended) = oneshot::channel::<()>();
    let shutdown = async { drop(ended.await) };
    let watch = async {
        let began = Instant::now();
        // Both are read over and over, the broken one after it was started anew.
        while breaking.load(Ordering::SeqCst) < 3 || reading.load(Ordering::SeqCst) < 10 || !engine.is_live() {
            assert!(began.elapsed() < Duration::from_secs(60), "it was never started anew");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        engine.watch().await.unwrap();
        drop(end);
    };
    let (run, ()) = tokio::join!(baton::daemon::run(parts, Router::new(), listener, shutdown), watch);
    run.unwrap();
    let loops = engine.status().loops();
    assert_eq!((loops["poll broken"].panics, loops["poll sound"].panics), (1, 0));
    let findings = engine.store().findings(10).await.unwrap();
    assert!(
        findings.iter().any(|row| row.kind == "broken" && row.text.contains("`poll broken` broke")),
        "{findings:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_out_of_files_goes_on_once_there_are_some_again_fault_20() {
    const FILES: u32 = 100;
    let scene = Scene::with(&["within = \"6 seconds\"", "within = \"1 hour\""]).await;
    let mut child = scene.start_with_files(FILES);
    let began = Instant::now();
    let address = loop {
        assert!(began.elapsed() < Duration::from_secs(60), "it never began: {}", scene.log());
        match scene.board() {
            Some(address) => break address,
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    // More callers than it has files for.
    let mut callers = Vec::new();
    for _ in 0..FILES * 2 {
        callers.push(TcpStream::connect(&address).await.unwrap());
    }
    // It waits for files instead of asking for them without end.
    let busy = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id().unwrap())).unwrap();
        let fields: Vec<i64> =
            stat.rsplit(')').next().unwrap().split_whitespace().filter_map(|field| field.parse().ok()).collect();
        // User and system time, in hundredths of a second: the 14th and 15th fields of the whole line.
        fields[10] + fields[11]
    };
    let before = busy();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let spent = busy() - before;
    assert!(spent < 200, "{spent} hundredths of a second of work in three seconds: it spins");
    scene.qualify(0);
    let url = format!("http://{address}/healthz").parse().unwrap();
    let client = Client::new().unwrap();
    let ask = async || client.send(baton::http::Request::to(baton::http::Method::Get, &url, &[])).await;
    drop(callers);
    let answer = loop {
        assert!(began.elapsed() < Duration::from_secs(120), "it never answered again: {}", scene.log());
        assert!(child.try_wait().unwrap().is_none(), "it ended: {}", scene.log());
        match ask().await {
            Ok(answer) => break answer,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    assert_eq!(answer.status, 200);
    while scene.leads().is_empty() {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "what came meanwhile is never handed over: {}",
            scene.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    child.kill().await.unwrap();
}
