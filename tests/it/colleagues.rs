//! What rules ask of a company concerns all of its people: they are decided about again when it changes, a bounded number at
//! a time.

use baton::domain::plan::Mode;
use baton::engine::LEADS_MAX;
use baton::sandbox::hubspot::{Author, Kind as Object};

use super::harness::{AGREEMENT, World};

/// Nobody passes the bar alone: two people of the company must be engaged.
fn together() -> String {
    let alone = "score.intent >= 30\"";
    assert!(AGREEMENT.contains(alone));
    AGREEMENT.replace(alone, "score.intent >= 30 && company.engaged >= 2\"")
}

fn contact(world: &World, company: &str, first: &str, lifecycle: &str) -> String {
    let email = format!("{}@acme.example", first.to_lowercase());
    let values = [
        ("email", email.as_str()),
        ("firstname", first),
        ("lastname", "Roe"),
        ("phone", "+49 30 1234"),
        ("jobtitle", "Head of IT"),
        ("lifecyclestage", lifecycle),
    ];
    let id = world.hubspot.create_contact(Author::Form, &values);
    assert!(world.hubspot.associate((Object::Contact, &id), (Object::Company, company), true));
    id
}

fn company(world: &World, employees: &str) -> String {
    let values =
        [("name", "Acme GmbH"), ("domain", "acme.example"), ("numberofemployees", employees), ("country", "Germany")];
    world.hubspot.create(Object::Company, Author::Form, &values)
}

fn asks_for_a_demo(world: &World, contact: &str) {
    let now = world.clock.now().as_millisecond().to_string();
    let values = [("recent_conversion_event_name", "Request a demo"), ("recent_conversion_date", now.as_str())];
    assert!(world.hubspot.update(Object::Contact, contact, Author::Form, &values));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_colleague_who_becomes_engaged_lifts_those_whose_rule_asks_for_it() {
    let world = World::with(&together(), Mode::On).await;
    let acme = company(&world, "300");
    let jane = contact(&world, &acme, "Jane", "lead");
    let max = contact(&world, &acme, "Max", "subscriber");
    world.beat().await;
    world.pass(2).await;
    asks_for_a_demo(&world, &jane);
    world.pass(5).await;
    assert_eq!(world.odoo.leads(), Vec::<i64>::new(), "she is the only one: {}", world.story().await);

    assert!(world.hubspot.update(Object::Contact, &max, Author::Form, &[("lifecyclestage", "lead")]));
    world.pass(3).await;
    assert_eq!(world.odoo.leads().len(), 1, "nothing of hers changed: {}", world.story().await);
    let lead = world.odoo.get_lead(world.odoo.leads()[0]).unwrap();
    assert_eq!(lead["email_from"], "jane@acme.example");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_joins_a_company_counts_there_from_then_on() {
    let world = World::with(&together(), Mode::On).await;
    let acme = company(&world, "300");
    let elsewhere =
        world.hubspot.create(Object::Company, Author::Form, &[("name", "Other AG"), ("numberofemployees", "40")]);
    let jane = contact(&world, &acme, "Jane", "lead");
    let max = contact(&world, &elsewhere, "Max", "lead");
    world.beat().await;
    world.pass(2).await;
    asks_for_a_demo(&world, &jane);
    world.pass(5).await;
    assert_eq!(world.odoo.leads(), Vec::<i64>::new(), "{}", world.story().await);
    assert!(world.hubspot.associate((Object::Contact, &max), (Object::Company, &acme), true));
    assert!(world.hubspot.update(Object::Contact, &max, Author::Form, &[("jobtitle", "CIO")]));
    world.pass(5).await;
    assert_eq!(world.odoo.leads().len(), 1, "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_company_is_decided_about_again_in_bounded_batches_that_lose_nobody() {
    const PEOPLE: usize = 1_200;
    let world = World::new().await;
    let acme = company(&world, "10");
    for number in 0..PEOPLE {
        let email = format!("p{number}@acme.example");
        let values = [("email", email.as_str()), ("lastname", &email), ("lifecyclestage", "subscriber")];
        let id = world.hubspot.create_contact(Author::Form, &values);
        assert!(world.hubspot.associate((Object::Contact, &id), (Object::Company, &acme), true));
    }
    world.beat().await;
    world.pass(1).await;
    let engine = &world.parts.engine;
    while engine.sweep().await.unwrap().leads > 0 {}

    assert!(world.hubspot.update(Object::Company, &acme, Author::Form, &[("numberofemployees", "300")]));
    world.clock.advance(jiff::SignedDuration::from_mins(1));
    for (connection, _) in &world.parts.polls {
        engine.poll(connection).await.unwrap();
    }
    let mut batches = Vec::new();
    loop {
        let swept = engine.sweep().await.unwrap();
        batches.push(swept.leads);
        if !swept.has_more {
            break;
        }
    }
    assert_eq!(batches, [LEADS_MAX, LEADS_MAX, PEOPLE - 2 * LEADS_MAX], "{batches:?}");
    let after = engine.store().leads_after(baton::domain::id::LeadId(0), 2 * PEOPLE).await.unwrap();
    for chunk in after.chunks(500) {
        for case in engine.store().cases(chunk, engine.clock().now()).await.unwrap() {
            assert!(case.lead.score.fit >= 25, "{} still has the score of a small company", case.lead.id);
        }
    }
}
