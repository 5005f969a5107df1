//! `writes = "plan"`: what is decided waits for a person, who lets exactly what they saw go.

use baton::domain::plan::Mode;
use baton::engine::propose::{OrderError, Proposal, Selection};
use baton::http::{Client, Method, Request};
use baton::sandbox::hubspot::{Author, Kind as Object};
use jiff::SignedDuration;
use serde_json::json;
use tokio::task::JoinSet;

use super::harness::{AGREEMENT, World, serve};

/// A contact that marketing qualified while writes wait for approval.
async fn proposed(world: &World, name: &str) -> String {
    let contact = world.contact(name);
    world.beat().await;
    world.pass(2).await;
    world.qualify(&contact);
    world.pass(2).await;
    contact
}

async fn plan(world: &World) -> Proposal {
    world.parts.engine.propose().await.unwrap()
}

/// The lines of a plan: where, what, from, to.
fn shown(world: &World, proposal: &Proposal) -> Vec<String> {
    let rules = world.parts.engine.rules();
    let words = |row| baton::engine::command::change_words(row, &rules.roster);
    proposal.rows.iter().map(|row| format!("{} {} {}", row.lead, row.connection, words(row))).collect()
}

fn is_untouched(world: &World) -> bool {
    world.hubspot.ledger().is_empty() && !world.odoo.ledger().iter().any(|effect| effect.is_api)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handoff_is_a_shadow_until_its_owner_is_approved_and_its_clock_starts_then() {
    let world = World::with(AGREEMENT, Mode::Plan).await;
    proposed(&world, "Jane").await;
    world.pass(100).await;
    assert!(is_untouched(&world), "{}", world.story().await);
    assert_eq!(world.told(), Vec::<String>::new(), "nobody is told of what may never be");
    let open = world.parts.engine.store().open_handoffs(10).await.unwrap();
    assert!(open[0].handoff.is_shadow && open[0].handoff.turn().is_some(), "{}", world.story().await);
    assert!(!world.story().await.contains("BREACH"), "{}", world.story().await);

    let proposal = plan(&world).await;
    let lines = shown(&world, &proposal);
    assert!(lines.iter().any(|line| line.contains("odoo a new record, owned by")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("hubspot owner: nobody ->")), "{lines:?}");
    let applied = world.parts.engine.apply_plan(&proposal.id).await.unwrap();
    assert_eq!((applied.released, applied.superseded.len()), (proposal.rows.len(), 0), "{lines:?}");
    world.beat().await;
    world.pass(3).await;
    assert_eq!(world.odoo.open_leads().len(), 1, "{}", world.story().await);
    assert!(world.told().iter().any(|line| line.contains("Jane Roe")), "{:?}", world.told());
    let open = world.parts.engine.store().open_handoffs(10).await.unwrap();
    assert!(!open[0].handoff.is_shadow, "{}", world.story().await);
    world.pass(20).await;
    assert!(!world.story().await.contains("BREACH"), "the clock began with the approval: {}", world.story().await);
    world.pass(80).await;
    assert!(world.story().await.contains("BREACH"), "and runs like any other: {}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_lets_go_what_was_seen_and_no_more_and_only_once() {
    let world = World::with(AGREEMENT, Mode::Plan).await;
    proposed(&world, "Jane").await;
    let first = plan(&world).await;
    assert_eq!(plan(&world).await.id, first.id, "the same plan has the same id");
    proposed(&world, "John").await;
    let second = plan(&world).await;
    assert_ne!(second.id, first.id);
    let applied = world.parts.engine.apply_plan(&first.id[..6]).await.unwrap();
    assert_eq!(applied.released, first.rows.len());
    world.beat().await;
    let names: Vec<_> =
        world.odoo.leads().iter().map(|lead| world.odoo.get_lead(*lead).unwrap()["email_from"].clone()).collect();
    assert_eq!(names, [json!("jane@acme.example")], "{}", world.story().await);
    let before = (world.hubspot.ledger().len(), world.odoo.ledger().len());
    let again = world.parts.engine.apply_plan(&first.id).await.unwrap();
    assert_eq!((again.released, again.settled), (0, first.rows.len()));
    world.pass(2).await;
    assert_eq!((world.hubspot.ledger().len(), world.odoo.ledger().len()), before, "{}", world.story().await);
    let left = plan(&world).await;
    assert_eq!(left.rows.len(), second.rows.len() - first.rows.len(), "John still waits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_whose_basis_changed_is_superseded_and_planned_anew() {
    let world = World::with(AGREEMENT, Mode::Plan).await;
    let contact = proposed(&world, "Jane").await;
    let seen = plan(&world).await;
    let other = world.reps["f.roth"].1.id.clone();
    world.hubspot.update(Object::Contact, &contact, Author::Workflow(7), &[("hubspot_owner_id", &other)]);
    world.pass(2).await;
    let applied = world.parts.engine.apply_plan(&seen.id).await.unwrap();
    assert_eq!(applied.released, seen.rows.len() - 1, "{applied:?}");
    assert!(applied.superseded.keys().any(|why| why.contains(&other)), "{applied:?}");
    world.beat().await;
    let now = || world.hubspot.get(Object::Contact, &contact).unwrap()["hubspot_owner_id"].clone();
    assert_eq!(now(), other, "what nobody saw is not written: {}", world.story().await);
    let anew = plan(&world).await;
    let lines = shown(&world, &anew);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("hubspot owner: Finn Roth ->"), "{lines:?}");
    world.parts.engine.apply_plan(&anew.id).await.unwrap();
    world.beat().await;
    assert_ne!(now(), other, "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_holds_for_a_day() {
    let world = World::with(AGREEMENT, Mode::Plan).await;
    proposed(&world, "Jane").await;
    let seen = plan(&world).await;
    world.clock.advance(SignedDuration::from_hours(24));
    let late = world.parts.engine.apply_plan(&seen.id).await;
    assert!(matches!(late, Err(OrderError::Lapsed { .. })), "{late:?}");
    let unknown = world.parts.engine.apply_plan("ffffff").await;
    assert!(matches!(unknown, Err(OrderError::NoProposal(_))), "{unknown:?}");
    world.pass(3).await;
    assert!(is_untouched(&world), "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_writes_off_the_plan_shows_what_would_be_and_nothing_can_be_let_go() {
    let world = World::with(AGREEMENT, Mode::Off).await;
    proposed(&world, "Jane").await;
    let dry = plan(&world).await;
    let lines = shown(&world, &dry);
    assert!(dry.is_dry && dry.id.is_empty(), "{dry:?}");
    assert!(lines.iter().any(|line| line.contains("odoo a new record, owned by")), "{lines:?}");
    assert!(dry.notices.iter().any(|notice| notice.story.headline.contains("Jane Roe")), "{dry:?}");
    let all = Selection { all: true, ..Selection::default() };
    assert!(matches!(world.parts.engine.approve(&all).await, Err(OrderError::Off)));
    world.pass(5).await;
    assert!(is_untouched(&world) && world.told().is_empty(), "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_assigns_while_a_proposal_waits_wins_and_the_proposal_is_withdrawn() {
    let world = World::with(AGREEMENT, Mode::Plan).await;
    let form = json!({ "name": "Jane's request", "type": "lead", "contact_name": "Jane Roe", "user_id": false,
        "email_from": "jane@acme.example" });
    let lead = world.odoo.as_admin().create_lead(form).unwrap();
    proposed(&world, "Jane").await;
    let chosen = world.reps["f.roth"].0;
    world.odoo.as_admin().write_lead(lead, json!({ "user_id": chosen })).unwrap();
    world.pass(3).await;
    let open = world.parts.engine.store().open_handoffs(10).await.unwrap().remove(0).handoff;
    assert!(!open.is_shadow, "a person's owner waits for nobody: {}", world.story().await);
    assert_eq!(open.turn().unwrap().owner.as_str(), "f.roth@example.com");
    assert_eq!(plan(&world).await.rows.len(), 0, "{}", world.story().await);
    assert_eq!(world.odoo.owner(lead), Some(chosen));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_that_is_discarded_stays_a_shadow_for_ever() {
    let world = World::with(AGREEMENT, Mode::Plan).await;
    proposed(&world, "Jane").await;
    let all = Selection { all: true, ..Selection::default() };
    let count = world.parts.engine.discard_held(&all, "ops").await.unwrap();
    assert!(count > 1);
    world.pass(100).await;
    let open = world.parts.engine.store().open_handoffs(10).await.unwrap().remove(0).handoff;
    assert!(open.is_shadow && open.proposed_at.is_none(), "{}", world.story().await);
    assert!(is_untouched(&world) && world.told().is_empty(), "{}", world.story().await);
    assert_eq!(plan(&world).await.rows.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_queued_before_writes_were_turned_off_stays_where_it_is() {
    let mut world = World::new().await;
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    world.qualify(&contact);
    world.clock.advance(SignedDuration::from_mins(1));
    for (connection, _) in &world.parts.polls {
        world.parts.engine.poll(connection).await.unwrap();
    }
    let queued = world.parts.engine.store().overview().await.unwrap().effects;
    assert!(queued["pending"] > 1, "{queued:?}");
    world.writes = Mode::Off;
    world.restart(AGREEMENT).await;
    world.pass(5).await;
    assert!(is_untouched(&world), "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_board_shows_the_plan_and_takes_its_forms_from_its_own_pages_alone_fault_126() {
    let world = World::with(AGREEMENT, Mode::Plan).await;
    proposed(&world, "Jane").await;
    let mut servers = JoinSet::new();
    let api = baton::api::Api { engine: world.parts.engine.clone(), status: world.parts.status.clone() };
    let board = serve(&mut servers, baton::api::router(api)).await.parse().unwrap();
    let client = Client::new().unwrap();
    let get = async |path: &[&str]| {
        let answer = client.send(Request::to(Method::Get, &board, path)).await.unwrap();
        String::from_utf8(answer.body).unwrap()
    };
    assert!(get(&[]).await.contains("wait for a person"));
    let page = get(&["plan"]).await;
    let id = plan(&world).await.id;
    assert!(page.contains(&format!("action=\"/plan/{id}/apply\"")) && page.contains("Jane Roe"), "{page}");
    assert!(!page.contains("<script"), "{page}");
    let post = async |site: Option<&str>| {
        let mut request = Request::to(Method::Post, &board, &["plan", &id, "apply"]);
        request.headers.extend(site.map(|site| ("sec-fetch-site", site.to_owned())));
        client.send(request).await.unwrap()
    };
    for foreign in [None, Some("cross-site"), Some("same-site"), Some("none")] {
        let refused = post(foreign).await;
        assert_eq!(refused.status, 403, "{foreign:?}");
        assert!(String::from_utf8_lossy(&refused.body).contains("does not come from a page of the board"));
    }
    world.pass(2).await;
    assert!(is_untouched(&world), "{}", world.story().await);
    let let_go = post(Some("same-origin")).await;
    assert_eq!(let_go.status, 200);
    assert!(String::from_utf8_lossy(&let_go.body).contains("may be sent now"));
    world.beat().await;
    assert_eq!(world.odoo.open_leads().len(), 1, "{}", world.story().await);
}
