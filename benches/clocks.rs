//! A hundred thousand clocks that run, in a store of their own: how long after a step can be decided (it is due, and the
//! streams that could prove a touch have been read past it) its decision is committed, in the daemon as it runs.
//!
//! Run with `cargo bench --bench clocks`, or `cargo bench --bench clocks -- 20000 30` for another number of clocks and of
//! seconds. One hand-off is opened as the engine opens it; the others are its copies, due one after the other over an
//! hour, or over the seconds of a third number: `-- 100000 300 0` lets all of them fall due in one instant, and ends when
//! the last has fired (fault 85). The CRM is a stand-in within the process that says how far it has been read, every five
//! seconds; a looker-on notes every few milliseconds what has been committed.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on says so and ends")]

#[path = "policy/mod.rs"]
mod policy;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use baton::clock::Clock;
use baton::connector::requirement::{Ensured, Making, Requirement};
use baton::connector::{
    Addressed, Around, Before, BudgetView, Connector, ConnectorError, Cursor, Description, Done, Outcome, Page, Stream,
};
use baton::daemon::assemble::{Assembly, assemble};
use baton::daemon::{self, Parts};
use baton::domain::agreement::Proof;
use baton::domain::caps::Caps;
use baton::domain::field::{Field, Known, Value};
use baton::domain::handoff::Handoff;
use baton::domain::id::{ConnectionId, LeadId, Name, Object, OperationId, RecordRef, RemoteId};
use baton::domain::observation::{Content, Observation, PersonSeen, UserSeen};
use baton::domain::plan::{Ability, Case, Happening, Mode, Plan};
use baton::domain::signal::Signal;
use baton::domain::stage::Stage;
use baton::engine::deliver::Channels;
use baton::engine::{Engine, Retention};
use baton::store::{Batch, Store};
use jiff::{SignedDuration, Timestamp};
use policy::rules;
use tokio_util::sync::CancellationToken;

/// The clocks fall due one after the other over this time, unless another is asked for.
const SPREAD_SECONDS: u32 = 3_600;
/// How long an owner has, in the agreement below.
const WITHIN: SignedDuration = SignedDuration::from_hours(4);
/// The daemon's period of polling: what fell due since the last poll can be decided all at once.
const POLL: Duration = Duration::from_secs(5);
/// Those of the roster who have an account at the desk.
const REPS: [&str; 6] = ["a.lang", "b.may", "c.voss", "d.holm", "e.kern", "m.huber"];
/// How often the looker-on looks.
const LOOK: Duration = Duration::from_millis(10);

const AGREEMENT: &str = r#"
version = "bench.1"
effective = 2020-01-01
[icp]
fits = "has(lead.email)"
[score]
fit = [{ when = "has(lead.email)", points = 30, because = "can be reached" }]
intent = [{ signal = "demo_request", points = 40, half_life = "14 days" }]
[stages]
mql = "icp.fits && score.fit >= 25 && score.intent >= 30"
[handoff]
to = "desk"
requires = ["email"]
incomplete = { ask = "o.stein@example.com", within = "2 business hours" }
[[handoff.commitments]]
name = "first touch"
done_by = ["call", "email", "meeting"]
within = [{ time = "4 hours" }]
ladder = [{ at = "100%", tell = ["owner", "manager"] }, { at = "200%", tell = ["manager"] }]
[handoff.rejections]
bad_timing = { to = "nurture", track = "later", cool_off = "60 days" }
[[routing]]
name = "everyone"
team = "sales"
by = "round_robin"
"#;

fn main() {
    let words: Vec<u32> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let clocks = words.first().copied().unwrap_or(100_000);
    let seconds = words.get(1).copied().unwrap_or(60);
    let spread = SignedDuration::from_secs(words.get(2).copied().unwrap_or(SPREAD_SECONDS).into());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure(clocks, seconds, spread));
}

async fn measure(clocks: u32, seconds: u32, spread: SignedDuration) {
    let folder = tempfile::tempdir().unwrap();
    let whole = assemble(Assembly {
        rules: rules(AGREEMENT.to_owned(), Mode::On, Mode::On),
        connections: Vec::new(),
        channels: Channels::default(),
        store: folder.path().join("baton.db"),
        store_key: None,
        rest: baton::store::REST,
        retention: Retention::default(),
        caps: Caps::none(),
        access: baton::domain::access::Access::default(),
        clock: Clock::system(),
        pace: None,
    })
    .await
    .unwrap();
    let store = whole.engine.store().clone();
    let engine = Arc::new(
        Engine::new(
            store,
            vec![Arc::new(Desk::new())],
            Clock::system(),
            rules(AGREEMENT.to_owned(), Mode::On, Mode::On),
        )
        .await
        .unwrap(),
    );
    let template = first(&engine).await;
    let from = seed(engine.store(), &template, clocks, spread).await;
    let each = if spread.is_zero() { "in one instant".to_owned() } else { format!("within {spread:#}") };
    println!("{clocks} clocks run and fall due {each}");

    let parts = Parts { engine: Arc::clone(&engine), polls: vec![(desk(), POLL)], ..whole };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stop = CancellationToken::new();
    let until = stop.clone();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(
        async move { daemon::run(parts, axum::Router::new(), listener, until.cancelled_owned()).await.unwrap() },
    );
    let (before, began) = (cpu(), Clock::system().now());
    let mut seen = look_on(engine.store(), from, f64::from(seconds), clocks as usize).await;
    let used = cpu() - before;
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();

    seen.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| seen[(seen.len() * percent / 100).min(seen.len() - 1)];
    let took = Clock::system().now().duration_since(from.max(began)).as_secs_f64();
    println!("{} steps fired in {took:.1} s, {used:.2} CPU s with the looking on", seen.len());
    println!(
        "decidable to committed: median {:.0} ms, p90 {:.0} ms, p99 {:.0} ms (under 1000), most {:.0} ms",
        1e3 * at(50),
        1e3 * at(90),
        1e3 * at(99),
        1e3 * at(100)
    );
}

/// Seconds from decidable to committed of every step that fires within `seconds`; there are no more than `clocks`.
async fn look_on(store: &Store, from: Timestamp, seconds: f64, clocks: usize) -> Vec<f64> {
    let mut due: HashMap<LeadId, Timestamp> = HashMap::new();
    let mut covered: Vec<(Timestamp, Timestamp)> = Vec::new();
    let mut last = store.recent_events(0, 1).await.unwrap().first().map_or(0, |event| event.seq);
    let mut fired = Vec::new();
    let clock = Clock::system();
    while clock.now().duration_since(from).as_secs_f64() < seconds && fired.len() < clocks {
        tokio::time::sleep(LOOK).await;
        let now = clock.now();
        let until = store.streams().await.unwrap().iter().filter_map(|stream| stream.covered_until).min().unwrap();
        if covered.last().is_none_or(|(known, _)| *known < until) {
            covered.push((until, now));
        }
        for event in store.recent_events(last, 10_000).await.unwrap() {
            last = last.max(event.seq);
            if let Happening::StepFired { due_at, .. } = event.event.what
                && due.insert(event.lead, due_at).is_none()
                && due_at >= from
            {
                fired.push((due_at, clock.now()));
            }
        }
    }
    let decidable = |due: Timestamp| covered.iter().find(|(until, _)| *until > due).map(|(_, at)| (*at).max(due));
    fired.into_iter().filter_map(|(due, at)| Some(at.duration_since(decidable(due)?).as_secs_f64())).collect()
}

/// The case of the one lead of the desk, once its clock runs.
async fn first(engine: &Engine) -> Case {
    engine.poll(&desk()).await.unwrap();
    while engine.deliver(&desk()).await.unwrap().claimed > 0 {}
    while engine.sweep().await.unwrap().leads > 0 {}
    let lead = engine.store().leads_after(LeadId(0), 1).await.unwrap();
    let case = engine.store().cases(&lead, Timestamp::MIN).await.unwrap().remove(0);
    let handoff = case.handoff.as_ref().unwrap();
    assert!(handoff.turn().unwrap().clocks[0].due_at.is_some(), "the clock runs: {handoff:?}");
    case
}

/// Stores copies of `template`, the first due ten seconds after the last is stored. Says when.
async fn seed(store: &Store, template: &Case, clocks: u32, spread: SignedDuration) -> Timestamp {
    let start = Clock::system().now();
    // Seeding takes a fraction of a millisecond each.
    let from =
        start + SignedDuration::from_secs(10) + SignedDuration::from_micros(300) * i32::try_from(clocks).unwrap();
    let numbers: Vec<u32> = (1..=clocks).collect();
    for chunk in numbers.chunks(500) {
        let mut batch = Batch { now: Some(start), ..Batch::default() };
        for number in chunk {
            let share = f64::from(*number) / f64::from(clocks);
            let due = from + SignedDuration::from_secs_f64(spread.as_secs_f64() * share);
            copy(template, *number, due, &mut batch);
        }
        store.commit(&batch).await.unwrap();
    }
    let left = from.duration_since(Clock::system().now());
    assert!(left.is_positive(), "seeding was slower than thought, by {left:?}");
    from
}

fn copy(template: &Case, number: u32, due: Timestamp, batch: &mut Batch) {
    let lead = LeadId(template.lead.id.0 + i64::from(number));
    for record in &template.records {
        let mut record = record.clone();
        record.of.id = RemoteId::from(format!("{}", 1_000 + number));
        record.link.lead = lead;
        record.keys.clear();
        batch.people.push(record);
    }
    let mut state = template.lead.clone();
    state.id = lead;
    state.version = 0;
    state.look_again_at = Some(due);
    let mut handoff: Handoff = template.handoff.clone().unwrap();
    handoff.id.lead = lead;
    for turn in &mut handoff.turns {
        turn.clock_from = Some(due - WITHIN);
        for clock in &mut turn.clocks {
            clock.due_at = Some(due);
        }
    }
    batch.plans.push(Plan {
        lead: state,
        handoff: Some(handoff),
        events: Vec::new(),
        writes: Vec::new(),
        notices: Vec::new(),
        hold: None,
        cancels: None,
        findings: Vec::new(),
        wants_owner: None,
    });
}

fn desk() -> ConnectionId {
    ConnectionId::from("desk")
}

/// A CRM that has one lead and no touches, and does what it is asked.
struct Desk {
    id: ConnectionId,
    streams: Vec<Stream>,
}

impl Desk {
    fn new() -> Self {
        let proves = vec![Proof::Call, Proof::Email, Proof::Meeting];
        let people = Stream { name: Name::from("people"), object: Object::Person, proves };
        Self { id: desk(), streams: vec![people] }
    }
}

#[async_trait]
impl Connector for Desk {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    fn ability(&self) -> Ability {
        Ability {
            connection: desk(),
            stages: vec![Stage::Mql],
            score: false,
            handoff: false,
            tracks: Vec::new(),
            reasons: Vec::new(),
            rejects: false,
            stage_back: false,
        }
    }

    fn streams(&self) -> &[Stream] {
        &self.streams
    }

    async fn describe(&self) -> Result<Description, ConnectorError> {
        Ok(Description::default())
    }

    async fn pull(&self, _: &Stream, after: &Cursor, now: Timestamp) -> Result<Page, ConnectorError> {
        let mut observations = Vec::new();
        if after.0.is_empty() {
            observations.extend(REPS.map(|rep| user(rep, now)));
            observations.push(person(now));
        }
        Ok(Page {
            observations,
            next: Cursor("read".to_owned()),
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

    async fn ensure(&self, _: &Requirement, _: Making) -> Result<Option<Ensured>, ConnectorError> {
        Ok(None)
    }

    async fn push(&self, writes: &[Addressed], _: &dyn Before) -> Vec<(OperationId, Outcome)> {
        writes.iter().map(|write| (write.write.op, Outcome::Done(Done::default()))).collect()
    }

    async fn find_effect(&self, _: &Addressed) -> Result<Option<Done>, ConnectorError> {
        Ok(Some(Done::default()))
    }

    fn budgets(&self) -> Vec<BudgetView> {
        Vec::new()
    }

    async fn choices(&self) -> Result<Description, ConnectorError> {
        Ok(Description::default())
    }
}

/// An account of one of the roster's people.
fn user(rep: &str, now: Timestamp) -> Observation {
    let seen = UserSeen {
        email: Some(Name::from(format!("{rep}@example.com"))),
        login: None,
        name: Name::from(rep),
        is_active: true,
    };
    Observation {
        of: RecordRef { connection: desk(), object: Object::User, id: RemoteId::from(rep) },
        modified: now,
        content: Content::User(seen),
        findings: Vec::new(),
    }
}

fn person(now: Timestamp) -> Observation {
    let since = now - SignedDuration::from_hours(24);
    let email = Value::text("jo@customer.example").unwrap();
    Observation {
        of: RecordRef { connection: desk(), object: Object::Person, id: RemoteId::from("1") },
        modified: since,
        content: Content::Person(Box::new(PersonSeen {
            created: since,
            values: vec![Known { field: Field::Email, value: email, at: since }],
            keys: Vec::new(),
            merged: Vec::new(),
            company: None,
            stages: Vec::new(),
            owners: Vec::new(),
            disposition: None,
            signals: vec![Signal { name: Name::from("demo_request"), at: since }],
            scores: Vec::new(),
            has_history: true,
        })),
        findings: Vec::new(),
    }
}

/// CPU seconds of this process so far, in user and kernel mode.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11..=12].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}
