//! How much of what HubSpot permits is used when there is work, and whether anything is sent while it asks to wait: over real
//! HTTP against the sandbox portal, which keeps HubSpot's windows and counts.
//!
//! Run with `cargo bench --bench quota`, or `cargo bench --bench quota -- 20` for another number of seconds of each case. Real
//! time passes, since the windows are real; the figures are ratios and do not depend on the machine.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on says so and ends")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use baton::clock::Clock;
use baton::connector::hubspot::HubSpot as Connector;
use baton::connector::settings::{Kind, Settings};
use baton::connector::{Addressed, Connector as _, Cursor};
use baton::domain::id::{ConnectionId, LeadId, Object, OperationId, RecordRef, RemoteId};
use baton::domain::plan::{Effect, Lane, Write};
use baton::http::Client;
use baton::http::limiter::Limiter;
use baton::sandbox::hubspot::{self, Author, Fault, HubSpot, Place, RetryAfter, When};
use jiff::SignedDuration;
use tokio::task::JoinSet;

/// What the least account gives in ten seconds.
const PER_TEN: u32 = 100;

/// One case: what the portal refuses, and how long it asks to wait then.
struct Case {
    name: &'static str,
    /// The chance of each request to be refused, and the wait.
    storm: Option<(f64, RetryAfter)>,
    /// Requests of another application in each second: it has no way to leave Baton its share.
    others_per_second: u32,
}

fn main() {
    let seconds = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(60);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("case                                permitted  used  share  429 by us  asked to wait  sent meanwhile");
    for case in [
        Case { name: "work without end", storm: None, others_per_second: 0 },
        Case { name: "1 of 50 refused for 2 s", storm: Some((0.02, RetryAfter::Seconds(2))), others_per_second: 0 },
        Case { name: "1 of 20 refused until a date", storm: Some((0.05, RetryAfter::Date(3))), others_per_second: 0 },
        Case { name: "another takes three of ten", storm: None, others_per_second: 3 },
    ] {
        runtime.block_on(measure(&case, Duration::from_secs(seconds)));
    }
}

async fn measure(case: &Case, span: Duration) {
    let portal =
        hubspot::Settings { index_lag: SignedDuration::ZERO, burst_per_10s: PER_TEN, ..hubspot::Settings::default() };
    let hub = HubSpot::new(Clock::system(), portal);
    let contacts: Vec<String> =
        (0..500).map(|n| hub.create_contact(Author::Form, &[("email", &format!("p{n}@acme.example"))])).collect();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    let router = hub.router();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    let mut settings =
        Settings::new("hubspot", Kind::HubSpot, base.parse().unwrap(), String::from("pat-na1-sandbox").into());
    settings.budget_percent = 100;
    let limiter = Arc::new(Limiter::new(Connector::pace(&settings)));
    let connector = Arc::new(Connector::new(settings, Client::new().unwrap(), limiter, None));
    if let Some((chance, retry_after)) = case.storm {
        let policy = "TEN_SECONDLY_ROLLING".to_owned();
        let fault = Fault::RateLimit { policy, retry_after: Some(retry_after) };
        hub.faults().inject(Place::default(), When::chance(chance, 7), fault);
    }
    let began = Instant::now();
    let ends = began + span;
    // Reading, which leaves a reserve, and what may take it: one request at a time of each, so that none is on its way when a
    // refusal comes but one.
    let reading = Arc::clone(&connector);
    let mut work = JoinSet::new();
    work.spawn(async move {
        let stream = reading.streams().iter().find(|one| one.name.as_str() == "contacts").unwrap().clone();
        let mut cursor = Cursor::default();
        while Instant::now() < ends {
            if let Ok(page) = reading.pull(&stream, &cursor, Clock::system().now()).await {
                cursor = if page.has_more { page.next } else { Cursor::default() };
            }
        }
    });
    work.spawn(async move {
        let mut number = 0;
        while Instant::now() < ends {
            number += 1;
            drop(connector.find_effect(&look(&contacts[number % contacts.len()])).await);
        }
    });
    for _ in 0..case.others_per_second {
        let (client, base) = (Client::new().unwrap(), base.clone());
        tasks.spawn(async move {
            loop {
                let request = baton::http::Request::to(
                    baton::http::Method::Get,
                    &base.parse().unwrap(),
                    &["crm", "objects", "2026-09", "companies"],
                );
                drop(client.send(request.bearer(&String::from("pat-na1-sandbox").into())).await);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }
    while work.join_next().await.is_some() {}
    let took = began.elapsed().as_secs_f64();
    report(case, &hub, took);
}

fn report(case: &Case, hub: &HubSpot, took: f64) {
    let counts = hub.requests();
    let waits = match case.storm {
        Some((_, RetryAfter::Seconds(seconds) | RetryAfter::Date(seconds))) => {
            f64::from(u32::try_from(hub.faults().struck()).unwrap()) * f64::from(seconds)
        }
        None => 0.0,
    };
    let others = f64::from(case.others_per_second) * took;
    let passed: u64 = counts.by_status.iter().filter(|(status, _)| **status < 300).map(|(_, count)| count).sum();
    let (used, limited) = (passed as f64 - others, counts.limited);
    let permitted = f64::from(PER_TEN) / 10.0 * (took - waits).max(1.0) - others;
    println!(
        "{:<35} {permitted:>9.0} {used:>5.0} {:>5.0} % {limited:>9} {:>11.0} s {:>15}",
        case.name,
        100.0 * used / permitted,
        waits,
        counts.early
    );
}

/// A write whose effect is looked for: one request in the lane of owners.
fn look(contact: &str) -> Addressed {
    let record = Some(RecordRef::new(&ConnectionId::from("hubspot"), Object::Person, contact));
    let write = Write {
        op: OperationId::of(&["quota", contact]),
        lead: LeadId(7),
        handoff: None,
        connection: ConnectionId::from("hubspot"),
        record: record.clone(),
        lane: Lane::Assign,
        effect: Effect::SetOwner { owner: RemoteId::from("1"), expected: None },
        because: "quota".to_owned(),
    };
    Addressed { write, record, attempt: 1, earlier: None }
}
