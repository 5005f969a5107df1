//! A budget of 60 % and work without end: what stood in the fullest window of each of the API's limits, and how much was used.
//!
//! Every request is stamped as it reaches the sandbox, so that the windows are counted by nobody's own book.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use baton::clock::Clock;
use baton::connector::{Addressed, Connector, Cursor};
use baton::daemon::assemble::connect;
use baton::domain::field::{Field, Value};
use baton::domain::id::{ConnectionId, LeadId, Object, OperationId, RecordRef, RemoteId};
use baton::domain::plan::{Effect, Lane, Write};
use baton::http::Client;
use tokio::task::JoinSet;

use super::crm::{Crm, Limits, open, settings};

/// Baton's share of what the API permits.
const PERCENT: u8 = 60;
/// A day is longer than any run.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counted {
    Requests,
    Searches,
    Tokens,
}

struct Case {
    kind: &'static str,
    what: &'static str,
    counted: Counted,
    window: Duration,
    permitted: u32,
    limits: Limits,
}

fn cases() -> [Case; 6] {
    let none = Limits::default();
    let (two, ten) = (Duration::from_secs(2), Duration::from_secs(10));
    let requests = |kind, what, window, permitted, limits| Case {
        kind,
        what,
        counted: Counted::Requests,
        window,
        permitted,
        limits,
    };
    [
        requests("hubspot", "requests in 10 s", ten, 100, Limits { burst: 100, ..none }),
        requests("hubspot", "requests of a day", DAY, 1_000, Limits { daily: 1_000, ..none }),
        requests("salesforce", "requests of a day", DAY, 500, Limits { daily: 500, ..none }),
        requests("pipedrive", "requests in 2 s", two, 40, Limits { burst: 40, ..none }),
        Case {
            counted: Counted::Searches,
            ..requests("pipedrive", "searches in 2 s", two, 10, Limits { burst: 40, search: 10, ..none })
        },
        Case {
            counted: Counted::Tokens,
            ..requests("pipedrive", "tokens of a day", DAY, 20_000, Limits { daily: 20_000, ..none })
        },
    ]
}

pub(crate) async fn measure(seconds: u64, kinds: &[&str]) {
    println!("budget {PERCENT} %, work without end for {seconds} s");
    println!(
        "kind        limit               permitted  most in a window  of it   used of the budget  refused by the sandbox"
    );
    for case in cases().iter().filter(|case| kinds.contains(&case.kind)) {
        one(case, Duration::from_secs(seconds)).await;
    }
}

async fn one(case: &Case, span: Duration) {
    let crm = Crm::new(case.kind, case.limits);
    crm.fill(300, true);
    let stamps: Arc<Mutex<Vec<Stamp>>> = Arc::default();
    let seen = Arc::clone(&stamps);
    let router = crm.router().layer(from_fn(move |request: Request, next: Next| {
        let seen = Arc::clone(&seen);
        let is_search = request.uri().path().ends_with("/search");
        async move {
            let at = Instant::now();
            let answer = next.run(request).await;
            seen.lock().unwrap().push(Stamp { at, is_search, is_refused: answer.status() == 429 });
            answer
        }
    }));
    let (at, _servers) = open(router).await;
    let mut settings = settings(case.kind, &at);
    settings.budget_percent = PERCENT;
    settings.daily_tokens =
        (case.counted == Counted::Tokens).then_some(u64::from(case.permitted)).or(settings.daily_tokens);
    // Without a pace of the bench's own: the connector's, for the true API.
    let connector = connect(&[settings], &Client::new().unwrap(), None).remove(0);
    let work = tokio::time::timeout(span, work_on(&connector, case));
    drop(work.await);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let stamps = std::mem::take(&mut *stamps.lock().unwrap());
    report(case, &crm, &stamps, span);
}

#[derive(Clone, Copy)]
struct Stamp {
    at: Instant,
    is_search: bool,
    is_refused: bool,
}

/// Reads people, looks for owners that were written, and searches for people who are not there, for ever.
async fn work_on(connector: &Arc<dyn Connector>, case: &Case) {
    let stream = connector.streams().iter().find(|stream| stream.object == Object::Person).unwrap().clone();
    let id = ConnectionId::from(case.kind);
    let mut work = JoinSet::new();
    if case.counted != Counted::Searches {
        let connector = Arc::clone(connector);
        work.spawn(async move {
            let mut cursor = Cursor::default();
            loop {
                match connector.pull(&stream, &cursor, Clock::system().now()).await {
                    Ok(page) if page.has_more => cursor = page.next,
                    Ok(_) => cursor = Cursor::default(),
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
    }
    for worker in 0..4 {
        let (connector, id) = (Arc::clone(connector), id.clone());
        let searches = case.counted == Counted::Searches;
        work.spawn(async move {
            for number in 0_u64.. {
                let look = if searches { search(&id, worker, number) } else { owner(&id, number) };
                if connector.find_effect(&look).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
    }
    while work.join_next().await.is_some() {}
}

fn addressed(id: &ConnectionId, record: Option<RecordRef>, key: &str, effect: Effect) -> Addressed {
    let write = Write {
        op: OperationId::of(&["budget", key]),
        lead: LeadId(7),
        handoff: None,
        connection: id.clone(),
        record: record.clone(),
        lane: Lane::Assign,
        effect,
        because: "the benchmark".to_owned(),
    };
    Addressed { write, record, attempt: 1, earlier: None }
}

/// Looks for an owner on a record, which is there or not: the request is the same.
fn owner(id: &ConnectionId, number: u64) -> Addressed {
    let record = match id.as_str() {
        "salesforce" => format!("00Q00000000{:04}EAA", number % 300),
        _ => (number % 300 + 1).to_string(),
    };
    let record = RecordRef::new(id, Object::Person, record);
    addressed(id, Some(record), "owner", Effect::SetOwner { owner: RemoteId::from("1"), expected: None })
}

/// Looks for a person by an address that nobody has.
fn search(id: &ConnectionId, worker: u64, number: u64) -> Addressed {
    let email = format!("nobody{worker}.{number}@example.com");
    let values = vec![(Field::Email, Value::Text(email.as_str().into()))];
    let create = Effect::Create { values, owner: None, is_new_journey: false, not: Vec::new() };
    addressed(id, None, &email, create)
}

/// The most that stood in any window of this length.
fn fullest(stamps: &[Instant], window: Duration) -> usize {
    let mut inside: VecDeque<Instant> = VecDeque::new();
    let mut most = 0;
    for at in stamps {
        while inside.front().is_some_and(|first| at.duration_since(*first) >= window) {
            inside.pop_front();
        }
        inside.push_back(*at);
        most = most.max(inside.len());
    }
    most
}

fn report(case: &Case, crm: &Crm, stamps: &[Stamp], span: Duration) {
    let mut of_kind: Vec<Instant> = stamps
        .iter()
        .filter(|stamp| case.counted != Counted::Searches || stamp.is_search)
        .map(|stamp| stamp.at)
        .collect();
    of_kind.sort();
    let refused = stamps.iter().filter(|stamp| stamp.is_refused).count();
    let budget = f64::from(case.permitted) * f64::from(PERCENT) / 100.0;
    let (most, used) = match (case.counted, crm) {
        (Counted::Tokens, Crm::Pipedrive(company)) => {
            (company.tokens_used() as f64, company.tokens_used() as f64 / budget)
        }
        _ if case.window == DAY => (of_kind.len() as f64, of_kind.len() as f64 / budget),
        _ => {
            let windows = span.as_secs_f64() / case.window.as_secs_f64();
            (fullest(&of_kind, case.window) as f64, of_kind.len() as f64 / (budget * windows))
        }
    };
    println!(
        "{:<11} {:<19} {:>9}  {most:>16}  {:>4.0} %  {:>17.0} %  {refused:>22}",
        case.kind,
        case.what,
        case.permitted,
        100.0 * most / f64::from(case.permitted),
        100.0 * used,
    );
}
