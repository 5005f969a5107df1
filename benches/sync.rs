//! A portal of 100,000 contacts read, decided and stored, then twice a thousand changes up to their write-backs:
//! first changes that move scores, then changes that qualify leads and hand them over.
//!
//! Run with `cargo bench --bench sync`, or `cargo bench --bench sync -- 10000` for another number of contacts (a fifth as
//! many companies, three tenths as many touches). A second number is how many leads the store holds before the changes
//! come: `-- 10000 1000000` adds 990,000 that are copies of those that were read. The sandbox portal and Baton are processes
//! of their own, so that the CPU seconds and the peak memory are Baton's alone. Needs Linux: the figures are read from
//! `/proc/self`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures, and its processes speak through pipes")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot go on says so and ends")]

#[path = "policy/mod.rs"]
mod policy;
#[path = "process/mod.rs"]
mod process;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use baton::clock::Clock;
use baton::connector::settings::{Kind, ScorePart, Settings, SignalMap, SignalTest};
use baton::daemon::assemble::{Assembly, assemble, sandbox_pace};
use baton::domain::id::{ConnectionId, LeadId, Name, RemoteId, WorkspaceId};
use baton::domain::lead::LeadState;
use baton::domain::plan::{Mode, Plan};
use baton::engine::deliver::Channels;
use baton::engine::{Engine, Retention};
use baton::sandbox::hubspot::{self, Author, HubSpot, Kind as Object, Population, RequestCounts};
use baton::store::{Batch, Keys, Store};
use jiff::{SignedDuration, Timestamp};

use policy::rules;
use process::{Process, cpu, listen, peak_mib};

const REPS: [&str; 8] = ["a.lang", "b.may", "c.voss", "d.holm", "e.kern", "f.roth", "m.huber", "o.stein"];
const CHANGES: usize = 1_000;
/// How long the portal may take to show a change; the windows end so much before the present.
const SETTLE: Duration = Duration::from_secs(1);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["portal", contacts] => run(portal(contacts.parse().unwrap())),
        ["full", at, store] => run(full(at, Path::new(store))),
        ["changes", at, store] => run(changes(at, Path::new(store))),
        ["more", store, leads] => run(more(Path::new(store), leads.parse().unwrap())),
        [] => measure(100_000, 0),
        [contacts] => measure(contacts.parse().unwrap(), 0),
        [contacts, leads] => measure(contacts.parse().unwrap(), leads.parse().unwrap()),
        other => panic!("expected a number of contacts, found {other:?}"),
    }
}

fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work);
}

/// Starts the processes, one after the other, and prints what they say.
fn measure(contacts: u32, leads: i64) {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("baton.db");
    let store = store.to_str().unwrap();
    let mut portal = Process::start(&["portal", &contacts.to_string()]);
    let at = portal.hear();
    println!("{contacts} contacts, {} companies, {} touches", contacts / 5, contacts / 10 * 3);

    let mut full = Process::start(&["full", &at, store]);
    println!("full sync:         {}", full.hear());
    full.end();
    println!("                   store {} MiB", std::fs::metadata(store).unwrap().len() >> 20);
    println!("                   requests: {}", portal.ask("requests"));
    if leads > 0 {
        let mut more = Process::start(&["more", store, &leads.to_string()]);
        println!("more leads:        {}", more.hear());
        more.end();
    }

    let mut daemon = Process::start(&["changes", &at, store]);
    assert_eq!(daemon.hear(), "ready");
    println!("poll at the start: requests: {}", portal.ask("requests"));
    // The first time statements are prepared and pages read that a daemon has at hand later.
    for (what, order) in [
        ("scores change:    ", "titles 0"),
        ("again:            ", "titles 1"),
        ("hand-offs begin:  ", "demos 2"),
        ("again:            ", "demos 3"),
    ] {
        portal.ask(order);
        println!("{what} {}", daemon.ask("go"));
        println!("                   requests: {}", portal.ask("requests"));
    }
    println!("then a poll:       {}", daemon.ask("idle"));
    println!("                   requests: {}", portal.ask("requests"));
    println!("write-backs:       {}", portal.ask("written"));
    daemon.end();
    portal.end();
}

/// The sandbox portal: prints its address, then does what it is told.
async fn portal(contacts: u32) {
    let settings = hubspot::Settings {
        index_lag: SignedDuration::ZERO,
        burst_per_10s: 1_000_000,
        associations_per_10s: 1_000_000,
        searches_per_s: 100_000,
        daily: 1_000_000_000,
        ..hubspot::Settings::default()
    };
    let clock = Clock::system();
    let hub = HubSpot::new(clock.clone(), settings);
    for rep in REPS {
        hub.add_owner(&format!("{rep}@example.com"), rep, "Rep");
    }
    for list in ["Nurture: next quarter", "Nurture: re-engage"] {
        hub.create_list(list);
    }
    // The first use of a property makes it.
    hub.create_contact(Author::Form, &[("email", "first@nowhere.example"), ("baton_fit", "0"), ("baton_intent", "0")]);
    hub.populate(&Population {
        contacts,
        companies: contacts / 5,
        calls: contacts / 10,
        emails: contacts / 10,
        meetings: contacts / 10,
        ..Population::default()
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    let router = hub.router();
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move { axum::serve(listener, router).await.unwrap() });
    while let Some(order) = tokio::task::spawn_blocking(listen).await.unwrap() {
        match order.as_str() {
            "requests" => {
                println!("{}", told(&hub.requests()));
                hub.reset_requests();
            }
            "written" => println!("{} in the portal's ledger", hub.ledger().len()),
            other => match other.split_once(' ') {
                Some(("titles", from)) => change(&hub, from, &[("jobtitle", "Head of IT")]),
                Some(("demos", from)) => {
                    let now = clock.now().to_string();
                    let asked = [("recent_conversion_event_name", "A demo"), ("recent_conversion_date", now.as_str())];
                    change(&hub, from, &asked);
                }
                _ => panic!("what is {other}?"),
            },
        }
    }
}

/// Gives a thousand contacts, spread over all but for the first `from`, these values.
fn change(hub: &HubSpot, from: &str, values: &[(&str, &str)]) {
    let ids = hub.ids(Object::Contact);
    let some = ids.iter().skip(from.parse().unwrap());
    for id in some.step_by((ids.len() / CHANGES).max(1)).take(CHANGES) {
        assert!(hub.update(Object::Contact, id, Author::Form, values));
    }
    println!("changed");
}

fn told(counts: &RequestCounts) -> String {
    let parts: Vec<String> = counts.by_object.iter().map(|(what, count)| format!("{what} {count}")).collect();
    format!("{} ({}; limited {})", counts.total, parts.join(", "), counts.limited)
}

async fn baton(at: &str, store: &Path, writes: Mode) -> Arc<Engine> {
    let demo = include_str!("../config/demo/agreement.toml")
        .replace("to = \"odoo\"", "to = \"hubspot\"")
        .replace("effective = 2026-11-24", "effective = 2020-01-01");
    let token = hubspot::Settings::default().tokens[0].secret.clone();
    let mut settings = Settings::new("hubspot", Kind::HubSpot, at.parse().unwrap(), token.into());
    settings.signals = vec![SignalMap {
        signal: Name::from("demo_request"),
        property: "recent_conversion_event_name".to_owned(),
        test: SignalTest::Contains("demo".to_owned()),
        at: Some("recent_conversion_date".to_owned()),
    }];
    settings.tracks = vec![
        (Name::from("next-quarter"), "Nurture: next quarter".to_owned()),
        (Name::from("re-engage"), "Nurture: re-engage".to_owned()),
    ];
    settings.score_properties =
        vec![(ScorePart::Fit, "baton_fit".to_owned()), (ScorePart::Intent, "baton_intent".to_owned())];
    settings.budget_percent = 100;
    settings.settle = SETTLE;
    settings.overlap = Duration::ZERO;
    let parts = assemble(Assembly {
        rules: rules(demo, writes, Mode::Off),
        connections: vec![settings],
        channels: Channels::default(),
        store: store.to_owned(),
        store_key: None,
        rest: baton::store::REST,
        retention: Retention::default(),
        // Caps that are never reached are counted all the same.
        caps: baton::domain::caps::Caps { writes: Some(1_000_000), owners_percent: 90 },
        access: baton::domain::access::Access::default(),
        clock: Clock::system(),
        pace: Some(sandbox_pace()),
    })
    .await
    .unwrap();
    parts.engine
}

/// From an empty store until every lead is decided. Nothing is written to the portal: going live is not to flood it.
async fn full(at: &str, store: &Path) {
    let start = Instant::now();
    let engine = baton(at, store, Mode::Off).await;
    let connection = ConnectionId::from("hubspot");
    let (mut pages, mut observations) = (0, 0);
    loop {
        let polled = engine.poll(&connection).await.unwrap();
        pages += polled.pages;
        observations += polled.observations;
        if engine.is_live() && !polled.has_more {
            break;
        }
    }
    let overview = engine.store().overview().await.unwrap();
    println!(
        "{:.2} CPU s, {:.1} s, peak {} MiB; {pages} pages, {observations} observations; {overview:?}",
        cpu(),
        start.elapsed().as_secs_f64(),
        peak_mib()
    );
}

/// Fills a store that has been read up with copies of what it holds, under other names, until it holds `leads`.
async fn more(store: &Path, leads: i64) {
    let store = Store::open(store, &WorkspaceId::from("default")).await.unwrap();
    let some = store.leads_after(LeadId(0), 1_000).await.unwrap();
    let templates = store.cases(&some, Timestamp::MAX).await.unwrap();
    let now = Clock::system().now();
    let first = store.next_lead_number().await.unwrap();
    let numbers: Vec<i64> = (first..=leads).collect();
    for chunk in numbers.chunks(1_000) {
        let mut batch = Batch { now: Some(now), ..Batch::default() };
        for (number, case) in chunk.iter().zip(&templates) {
            for record in &case.records {
                let mut record = record.clone();
                record.of.id = RemoteId::from(format!("{}", 10_000_000_000 + number));
                record.link.lead = LeadId(*number);
                for key in &mut record.keys {
                    // Spread over the index, as addresses are.
                    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed());
                    key.value = Name::from(format!("{spread:016x}.{}", key.value));
                }
                batch.keys.insert(record.of.clone(), Keys::New);
                batch.people.push(record);
            }
            let lead = LeadState { id: LeadId(*number), version: 0, ..case.lead.clone() };
            batch.plans.push(Plan {
                lead,
                handoff: None,
                events: Vec::new(),
                writes: Vec::new(),
                notices: Vec::new(),
                hold: None,
                cancels: None,
                findings: Vec::new(),
                wants_owner: None,
            });
        }
        store.commit(&batch).await.unwrap();
    }
    println!("{} added, {:.2} CPU s", numbers.len(), cpu());
}

/// The daemon's loops by hand on a store that is up to date: what a thousand changes cost, and what none costs.
async fn changes(at: &str, store: &Path) {
    let engine = baton(at, store, Mode::On).await;
    let connection = ConnectionId::from("hubspot");
    engine.poll(&connection).await.unwrap();
    println!("ready");
    while let Some(order) = tokio::task::spawn_blocking(listen).await.unwrap() {
        if order == "go" {
            tokio::time::sleep(SETTLE * 2).await;
        }
        let (before, start) = (cpu(), Instant::now());
        let (mut changes, mut claimed, mut done) = (0, 0, 0);
        changes += engine.poll(&connection).await.unwrap().changes;
        let polled = cpu() - before;
        if order == "go" {
            loop {
                let delivered = engine.deliver(&connection).await.unwrap();
                claimed += delivered.claimed;
                done += delivered.done;
                if delivered.claimed == 0 {
                    break;
                }
            }
        }
        println!(
            "{:.2} CPU s ({polled:.2} of it until decided), {:.2} s; {changes} changes, {claimed} effects claimed, {done} done, peak {} MiB",
            cpu() - before,
            start.elapsed().as_secs_f64(),
            peak_mib()
        );
    }
}
