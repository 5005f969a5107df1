//! Consent (promise 11): who has opted out, wherever and whenever, is on no list and no tag, and nobody is asked to write to them.

use baton::connector::settings::Settings;
use baton::domain::id::Name;
use baton::domain::plan::Mode;
use baton::sandbox::hubspot::{Author, Kind};
use baton::sandbox::odoo::{Fault, Place, When};
use serde_json::json;

use super::beats::hurried_beat;
use super::harness::{AGREEMENT, World};

const LIST: &str = "Nurture: next quarter";

/// A world in which an opt-out does not end a hand-off, and Odoo has tags for the tracks, too.
async fn world() -> World {
    let agreement = AGREEMENT.replace("\"opted_out\", ", "");
    World::with_settings(&agreement, Mode::On, tags).await
}

fn tags(settings: &mut Settings) {
    if settings.id.as_str() == "odoo" {
        settings.tracks = vec![(Name::from("next-quarter"), "Nurture".to_owned())];
    }
}

fn opt_out_in_hubspot(world: &World, contact: &str) {
    assert!(world.hubspot.update(Kind::Contact, contact, Author::Form, &[("hs_email_optout", "true")]));
}

/// Reads what changed, and decides; sends nothing.
async fn poll(world: &World) {
    world.clock.advance(jiff::SignedDuration::from_mins(1));
    for _ in 0..3 {
        for (connection, _) in &world.parts.polls {
            world.parts.engine.poll(connection).await.unwrap();
        }
    }
}

async fn refusals(world: &World) -> Vec<String> {
    let store = world.parts.engine.store();
    store.effects_dead(50).await.unwrap().into_iter().filter_map(|effect| effect.message).collect()
}

/// The names of the tags on a lead.
fn tagged(world: &World, lead: i64) -> bool {
    !world.odoo.get_lead(lead).unwrap()["tag_ids"].as_array().is_none_or(Vec::is_empty)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_who_opted_out_is_put_on_a_list_or_tag() {
    let world = world().await;
    let (contact, lead, owner) = world.handed_over("Jane").await;
    opt_out_in_hubspot(&world, &contact);
    world.pass(2).await;
    world.rep(owner).mark_lost(lead, "Bad timing").unwrap();
    world.pass(3).await;
    assert_eq!(world.hubspot.list_members(LIST), Vec::<String>::new(), "{}", world.story().await);
    assert!(!tagged(&world, lead));
    assert!(world.story().await.contains("has opted out: not put on track next-quarter"), "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opt_out_between_decision_and_sending_is_seen_in_either_crm() {
    for in_odoo in [false, true] {
        let world = world().await;
        let (contact, lead, owner) = world.handed_over("Jane").await;
        world.rep(owner).mark_lost(lead, "Bad timing").unwrap();
        // Decided, but not sent: HubSpot's list waits.
        poll(&world).await;
        let engine = &world.parts.engine;
        let joins = world.parts.engine.store().overview().await.unwrap().effects;
        assert!(joins.get("pending").is_some_and(|count| *count > 0), "{joins:?}");
        if in_odoo {
            world.odoo.as_admin().write_lead(lead, json!({ "is_blacklisted": true })).unwrap();
        } else {
            opt_out_in_hubspot(&world, &contact);
        }
        for (connection, _) in &world.parts.polls {
            engine.deliver(connection).await.unwrap();
        }
        assert_eq!(world.hubspot.list_members(LIST), Vec::<String>::new(), "in Odoo: {in_odoo}");
        assert!(!tagged(&world, lead), "in Odoo: {in_odoo}");
        let said = refusals(&world).await;
        assert!(
            said.iter().any(|message| message.contains("opted out") || message.contains("unsubscribed")),
            "{said:?}"
        );
        world.pass(3).await;
        assert_eq!(world.hubspot.list_members(LIST), Vec::<String>::new(), "{}", world.story().await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crm_that_cannot_be_asked_for_consent_is_no_consent() {
    let world = world().await;
    let (contact, lead, owner) = world.handed_over("Jane").await;
    world.rep(owner).mark_lost(lead, "Bad timing").unwrap();
    poll(&world).await;
    world.odoo.faults().inject(
        Place::call("crm.lead", "search_read"),
        When::times(1),
        Fault::Status { status: 503, retry_after: None },
    );
    world.parts.engine.deliver(&world.parts.polls[0].0).await.unwrap();
    assert_eq!(world.hubspot.list_members(LIST), Vec::<String>::new(), "{}", world.story().await);
    for _ in 0..3 {
        hurried_beat(&world).await;
    }
    assert_eq!(world.hubspot.list_members(LIST), [contact], "it is asked again: {}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_opts_out_while_on_a_list_is_taken_off_it() {
    let world = world().await;
    let (contact, lead, owner) = world.handed_over("Jane").await;
    world.rep(owner).mark_lost(lead, "Bad timing").unwrap();
    world.pass(3).await;
    assert_eq!(world.hubspot.list_members(LIST), std::slice::from_ref(&contact), "{}", world.story().await);
    opt_out_in_hubspot(&world, &contact);
    world.pass(3).await;
    assert_eq!(world.hubspot.list_members(LIST), Vec::<String>::new(), "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_on_from_nurture_by_any_way_leaves_the_list() {
    for stage in ["", "opportunity", "customer"] {
        let world = world().await;
        let (contact, lead, owner) = world.handed_over("Jane").await;
        world.rep(owner).mark_lost(lead, "Bad timing").unwrap();
        world.pass(3).await;
        assert_eq!(world.hubspot.list_members(LIST).len(), 1, "{}", world.story().await);
        world.clock.advance(jiff::SignedDuration::from_hours(24 * 70));
        world.beat().await;
        let at = world.clock.now().as_millisecond().to_string();
        let news: &[(&str, &str)] = match stage {
            // Back with sales: rested, and asking for a demo.
            "" => &[("recent_conversion_event_name", "Book a demo"), ("recent_conversion_date", &at)],
            stage => &[("lifecyclestage", stage)],
        };
        assert!(world.hubspot.update(Kind::Contact, &contact, Author::Form, news));
        world.pass(3).await;
        assert_eq!(world.hubspot.list_members(LIST), Vec::<String>::new(), "{stage}: {}", world.story().await);
    }
}

/// Whoever ended the journey, marketing finds the lead by the same tag; and it goes with the next hand-off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_that_sales_gives_back_itself_gets_the_tracks_tag_on_its_lost_record() {
    let world = world().await;
    let (contact, lead, owner) = world.handed_over("Jane").await;
    world.rep(owner).mark_lost(lead, "Bad timing").unwrap();
    world.pass(5).await;
    assert!(tagged(&world, lead), "{}", world.story().await);
    let lost = world.odoo.get_lead(lead).unwrap();
    assert_eq!(lost["active"], serde_json::json!(false), "and stays lost");
    world.clock.advance(jiff::SignedDuration::from_hours(24 * 70));
    world.beat().await;
    let at = world.clock.now().as_millisecond().to_string();
    let news = [("recent_conversion_event_name", "Book a demo"), ("recent_conversion_date", at.as_str())];
    assert!(world.hubspot.update(Kind::Contact, &contact, Author::Form, &news));
    world.pass(5).await;
    assert!(!tagged(&world, lead), "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_about_somebody_who_opted_out_says_not_to_write() {
    let world = world().await;
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    opt_out_in_hubspot(&world, &contact);
    world.pass(2).await;
    world.qualify(&contact);
    world.pass(2).await;
    let lead = world.odoo.leads()[0];
    let note = world.odoo.activities(lead)[0]["note"].to_string();
    assert!(note.contains("do not write"), "{note}");
    // And somebody whose opt-out comes between decision and sending.
    let world = self::world().await;
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    world.qualify(&contact);
    world.clock.advance(jiff::SignedDuration::from_mins(1));
    let hubspot = world.parts.polls[0].0.clone();
    world.parts.engine.poll(&hubspot).await.unwrap();
    opt_out_in_hubspot(&world, &contact);
    world.clock.advance(jiff::SignedDuration::from_mins(1));
    world.parts.engine.poll(&hubspot).await.unwrap();
    world.beat().await;
    let note = world.odoo.activities(world.odoo.leads()[0])[0]["note"].to_string();
    assert!(note.contains("do not write"), "{note}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_of_odoo_goes_on_and_comes_off_by_the_same_rules() {
    let agreement = AGREEMENT
        .replace("\"opted_out\", ", "")
        .replace("  { at = \"150%\", tell = [\"manager\"], reassign = true },\n", "")
        .replace("at = \"300%\"", "at = \"120%\"");
    for opts_out_before in [false, true] {
        let world = World::with_settings(&agreement, Mode::On, |settings| {
            if settings.id.as_str() == "odoo" {
                settings.tracks = vec![(Name::from("re-engage"), "Nurture".to_owned())];
            }
        })
        .await;
        let (contact, lead, _) = world.handed_over("Jane").await;
        if opts_out_before {
            opt_out_in_hubspot(&world, &contact);
        }
        // Nobody touches the lead, so it goes back to marketing.
        world.pass(80).await;
        assert!(world.story().await.contains("returned"), "{}", world.story().await);
        assert_eq!(tagged(&world, lead), !opts_out_before, "{}", world.story().await);
        opt_out_in_hubspot(&world, &contact);
        world.pass(3).await;
        assert!(!tagged(&world, lead), "{}", world.story().await);
        assert_eq!(world.hubspot.list_members("Nurture: re-engage"), Vec::<String>::new());
    }
}
