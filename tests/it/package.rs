//! The hand-off package: complete, on sales' record and in the notice, once.

use baton::domain::plan::Mode;
use baton::sandbox::hubspot::{Author, Kind};
use serde_json::json;

use super::harness::{AGREEMENT, World};

/// The notes that Baton left on a lead in Odoo, as HTML.
fn notes(world: &World, lead: i64) -> Vec<String> {
    let texts = world.odoo.messages(lead).into_iter().map(|message| message["body"].to_string());
    texts.filter(|body| body.contains("Hand-off L-")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handoff_brings_everything_known_to_sales_record_once() {
    let world = World::new().await;
    let contact = world.contact("Jane");
    let by = Author::Form;
    world.hubspot.update(
        Kind::Contact,
        &contact,
        by,
        &[
            ("hs_analytics_source", "PAID_SEARCH"),
            ("recent_conversion_event_name", "Book a demo"),
            ("recent_conversion_date", "1795500000000"),
        ],
    );
    world.beat().await;
    world.pass(2).await;
    world.qualify(&contact);
    world.pass(2).await;
    let lead = world.odoo.leads()[0];
    let found = notes(&world, lead);
    assert_eq!(found.len(), 1, "{}", world.story().await);
    let note = &found[0];
    for part in [
        "Hand-off L-1/1: Jane Roe (Acme GmbH)",
        "With ",
        "Agreed: first touch within 1 business hour; disposition within 2 business days",
        "Came from: source PAID_SEARCH",
        "Score ",
        "+25 company size (fit)",
        "demo_request",
        "title: Head of IT (hubspot)",
        "Their company",
        "employees: 300",
        "hubspot:person:",
        "http://board.example/leads/L-1",
    ] {
        assert!(note.contains(part), "{part} is missing in {note}");
    }
    world.pass(30).await;
    assert_eq!(notes(&world, lead).len(), 1, "once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_owner_reads_what_came_before_conversations_and_all() {
    let agreement = AGREEMENT.replace("cool_off = \"60 days\"", "cool_off = \"1 day\"");
    let world = World::with(&agreement, Mode::On).await;
    let (contact, lead, owner) = world.handed_over("Jane").await;
    world.rep(owner).log_call(lead, "call me next year").unwrap();
    world.pass(2).await;
    world.rep(owner).mark_lost(lead, "Bad timing").unwrap();
    world.pass(3).await;
    world.clock.advance(jiff::SignedDuration::from_hours(48));
    world.beat().await;
    let by = Author::Form;
    let at = world.clock.now().as_millisecond().to_string();
    world.hubspot.update(
        Kind::Contact,
        &contact,
        by,
        &[("recent_conversion_event_name", "Book a demo"), ("recent_conversion_date", &at)],
    );
    world.pass(3).await;
    let second = *world.odoo.leads().last().unwrap();
    assert_ne!(second, lead, "a new journey: {}", world.story().await);
    let note = notes(&world, second).pop().unwrap_or_else(|| panic!("no note"));
    for part in [
        "Hand-off L-1/2",
        "Earlier hand-offs",
        "L-1/1 of",
        "given back by sales: bad_timing",
        "call by",
        "Conversations",
    ] {
        assert!(note.contains(part), "{part} is missing in {note}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_the_package_are_text_in_odoo_and_hubspot_and_forge_no_heading() {
    for to in ["odoo", "hubspot"] {
        let agreement = AGREEMENT.replace("to = \"odoo\"", &format!("to = \"{to}\""));
        let world = World::with(&agreement, Mode::On).await;
        let contact = world.contact("Jane");
        let hostile = "Head of IT\nScore A1: forged\n<img src=x onerror=alert(1)> & [baton 00] {{x}}";
        world.hubspot.update(Kind::Contact, &contact, Author::Form, &[("jobtitle", hostile)]);
        world.beat().await;
        world.pass(2).await;
        world.qualify(&contact);
        world.pass(3).await;
        let note = if to == "odoo" {
            notes(&world, world.odoo.leads()[0]).pop().unwrap()
        } else {
            let note = world.hubspot.associated(Kind::Contact, &contact, Kind::Note);
            assert_eq!(note.len(), 1, "{}", world.story().await);
            world.hubspot.get(Kind::Note, &note[0]).unwrap()["hs_note_body"].clone()
        };
        assert!(!note.contains("<img"), "{to}: {note}");
        assert!(note.contains("Head of IT Score A1: forged"), "on one line: {to}: {note}");
        let lines = note.matches("<br").count();
        assert!(lines > 8, "line by line: {to}: {note}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_noted_while_nothing_may_be_written() {
    let world = World::with(AGREEMENT, Mode::Off).await;
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    world.qualify(&contact);
    world.pass(3).await;
    assert_eq!(world.hubspot.associated(Kind::Contact, &contact, Kind::Note).len(), 0);
    assert_eq!(json!(world.odoo.leads()), json!([]));
}
