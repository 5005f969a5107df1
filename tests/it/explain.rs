//! What `baton explain` and the API tell of one lead: why it is no MQL yet, who would get it, and every stretch of its clocks.

use baton::api::view;
use jiff::SignedDuration;
use serde_json::Value;

use super::harness::World;

async fn told(world: &World, lead: &str) -> Value {
    let rules = world.parts.engine.rules();
    let found = view::lead(world.parts.engine.store(), &rules, world.clock.now(), lead).await.unwrap();
    serde_json::to_value(found.expect("the lead is known")).unwrap()
}

/// The keys that `docs/json.md` lists under the heading that begins with `heading`.
fn documented(heading: &str) -> Vec<String> {
    let page = include_str!("../../docs/json.md");
    let after = page.lines().skip_while(|line| !line.strip_prefix("## ").is_some_and(|text| text.starts_with(heading)));
    let rows = after.skip(1).take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with("| `"));
    rows.map(|line| line.split('`').nth(1).unwrap().to_owned()).collect()
}

pub(crate) fn has_the_documented_keys(answer: &Value, heading: &str) {
    let mut expected = documented(heading);
    let mut found: Vec<String> = answer.as_object().unwrap().keys().cloned().collect();
    expected.sort();
    found.sort();
    assert!(!expected.is_empty(), "docs/json.md has nothing on {heading}");
    assert_eq!(found, expected, "docs/json.md lists the keys of {heading}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_below_the_bar_hears_every_reason() {
    let world = World::new().await;
    world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    let jane = told(&world, "jane@acme.example").await;
    has_the_documented_keys(&jane, "`baton explain");
    let parts = jane["why_not"]["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 1, "{jane:#}");
    assert_eq!(parts[0]["needs"], "score.intent >= 30");
    assert_eq!(parts[0]["found"], "0 (30 short)");
    assert_eq!(parts[0]["helps"][0], "+40 for a demo_request (none seen)");
    assert_eq!(jane["routing"][0]["wins"], true, "{jane:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_is_accounted_for_stretch_by_stretch() {
    let world = World::new().await;
    world.handed_over("Jane").await;
    let before = told(&world, "jane@acme.example").await;
    assert_eq!(before["why_not"], Value::Null, "it is past the bar");
    // Over the night, without another look at the CRMs.
    world.clock.advance(SignedDuration::from_hours(25));
    let jane = told(&world, "jane@acme.example").await;
    let clock = &jane["handoffs"][0]["turns"][0]["clocks"][0];
    let stretches = clock["stretches"].as_array().unwrap();
    let instant = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let mut counted = SignedDuration::ZERO;
    for pair in stretches.windows(2) {
        assert_eq!(pair[0]["to"], pair[1]["from"], "no gap: {clock:#}");
    }
    for stretch in stretches {
        if stretch["counts"] == true {
            counted += instant(&stretch["to"]).duration_since(instant(&stretch["from"]));
        }
    }
    assert!(stretches.iter().any(|stretch| stretch["why"] == "closed hours"), "{clock:#}");
    assert!(stretches.iter().filter(|stretch| stretch["counts"] == true).count() >= 2, "{clock:#}");
    assert_eq!(clock["counted"], baton::report::words::span(counted), "the stretches add up: {clock:#}");
}
