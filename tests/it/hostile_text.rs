//! Text that breaks databases and screens (fault 41): U+0000, lone surrogates, overrides of the direction.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use baton::clock::Clock;
use baton::daemon::assemble::assemble;
use baton::domain::finding::FindingKind;
use baton::domain::plan::Mode;
use baton::sandbox::hubspot::{Author, HubSpot};
use baton::sandbox::odoo::Odoo;
use jiff::SignedDuration;
use tokio::task::JoinSet;

use super::harness::{AGREEMENT, ROSTER, assembly, morning, rules, serve};

/// What a server that keeps UTF-16 may answer: half of a pair, which is no character.
async fn halve(request: Request, next: Next) -> Response {
    let (mut parts, body) = next.run(request).await.into_parts();
    let text = String::from_utf8(to_bytes(body, 1 << 24).await.unwrap().to_vec()).unwrap();
    parts.headers.remove("content-length");
    Response::from_parts(parts, Body::from(text.replace("HALFPAIR", "\\ud83d")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_that_breaks_databases_and_screens_is_stored_and_shown_safely_fault_41() {
    let clock = Clock::manual(morning());
    let portal = baton::sandbox::hubspot::Settings {
        index_lag: SignedDuration::ZERO,
        burst_per_10s: 100_000,
        searches_per_s: 10_000,
        ..Default::default()
    };
    let hubspot = HubSpot::new(clock.clone(), portal);
    let odoo = Odoo::new(clock.clone(), baton::sandbox::odoo::Settings::default());
    let mut servers = JoinSet::new();
    let hubspot_at = serve(&mut servers, hubspot.router().layer(from_fn(halve))).await;
    let odoo_at = serve(&mut servers, odoo.router()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("baton.db");
    let addresses = [hubspot_at.as_str(), &odoo_at, "http://127.0.0.1:9"];
    let parts = assemble(assembly(&clock, &hubspot, &odoo, &addresses, path, rules(AGREEMENT, ROSTER, Mode::Off)))
        .await
        .unwrap();
    for (address, name) in [
        ("nul@acme.example", "Ja\u{0}ne"),
        ("turned@acme.example", "\u{202e}enaJ\u{2066}"),
        ("half@acme.example", "Jane HALFPAIR"),
        ("plain@acme.example", "Jane"),
    ] {
        let values = [("email", address), ("firstname", name), ("lifecyclestage", "lead")];
        hubspot.create_contact(Author::Form, &values);
    }
    for _ in 0..3 {
        clock.advance(SignedDuration::from_mins(2));
        for (connection, _) in &parts.polls {
            parts.engine.poll(connection).await.unwrap();
        }
    }
    let store = parts.engine.store();
    let mut names = Vec::new();
    for address in ["nul", "turned", "plain"] {
        let lead = store.find_lead(&format!("{address}@acme.example")).await.unwrap();
        let lead = lead.unwrap_or_else(|| panic!("{address} is a lead like any other"));
        names.push(store.lead_state(lead).await.unwrap().unwrap().name.unwrap().to_string());
    }
    assert_eq!(names[0], "Jane", "no U+0000 comes as far as the database");
    // Half a pair is no character: the record is left out, by name, and its neighbours are read.
    assert_eq!(store.find_lead("half@acme.example").await.unwrap(), None);
    let findings = store.findings(20).await.unwrap();
    let left_out = findings.iter().filter(|finding| finding.kind == FindingKind::Undecodable.as_str());
    assert_eq!(left_out.count(), 1, "{findings:?}");
    let words = baton::report::words::flat(&names[1], 40);
    assert_eq!(words, "enaJ", "no override gets to a screen");
    store.check_integrity().await.unwrap();
    assert_eq!(store.verify(None).await.unwrap().problems, Vec::<String>::new());
}
