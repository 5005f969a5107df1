//! Answers that say failed after the effect, at a rate of 30 % over both CRMs (fault 58): nothing twice, no wrong owner, nothing lost.
//!
//! The full measure, 20,000 writes, takes half an hour of waiting and is run by hand (`BATON_LIED_HANDOFFS` for another number):
//! `cargo test --test it -- lost_answers --include-ignored --nocapture`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use baton::sandbox::hubspot::{Breakage, Fault as Trouble, Kind as Object, Place as Path, When as Often};
use baton::sandbox::odoo::{Fault, Place, When};
use jiff::SignedDuration;

use super::beats::settle;
use super::harness::World;

/// What a run came to.
#[derive(Debug)]
struct Figures {
    /// Writes that took effect, by kind.
    done: BTreeMap<String, usize>,
    /// Answers that were a lie.
    lies: u64,
    /// Hand-offs whose owner was held against both CRMs.
    owners: usize,
}

impl Figures {
    fn writes(&self) -> usize {
        self.done.values().sum()
    }
}

/// Every write to either CRM has its effect, and with a chance of 30 % the answer says that it failed.
fn lie(world: &World) {
    for (seed, method) in (1..).zip(["load", "write", "activity_schedule", "message_post", "action_set_lost"]) {
        let status = if seed % 2 == 0 { 500 } else { 504 };
        world.odoo.faults().inject(
            Place::call("crm.lead", method),
            When::chance(0.3, seed),
            Fault::AfterEffect { status },
        );
    }
    let places = [
        ("POST", "/contacts/batch/update"),
        ("PATCH", "/contacts/"),
        ("POST", "/notes/batch/create"),
        ("PUT", "/memberships/add"),
    ];
    for (seed, (method, path)) in (11..).zip(places) {
        let breakage = Breakage::Status(if seed % 2 == 0 { 500 } else { 504 });
        world.hubspot.faults().inject(
            Path::method(method, path),
            Often::chance(0.3, seed),
            Trouble::AfterEffect { breakage },
        );
    }
}

/// Hands so many leads over; a third is given back, the others are let wait past breach and reassignment.
async fn live(handoffs: usize) -> World {
    let world = World::new().await;
    // Firms of a few people each.
    let contact = |number: usize| world.contact_of(&format!("firm{}.example", number / 4), &format!("P{number}"));
    let contacts: Vec<String> = (0..handoffs).map(contact).collect();
    world.beat().await;
    world.pass(2).await;
    lie(&world);
    // In groups, as they come in life, so that batches are of many sizes.
    for group in contacts.chunks(50) {
        group.iter().for_each(|contact| world.qualify(contact));
        world.clock.advance(SignedDuration::from_secs(10));
        settle(&world).await;
    }
    for (number, (lead, owner)) in world.odoo.open_leads().into_iter().enumerate() {
        if number % 3 == 0 {
            world.odoo.as_user(owner).mark_lost(lead, "Bad timing").unwrap();
        }
    }
    for _ in 0..20 {
        world.clock.advance(SignedDuration::from_mins(5));
        settle(&world).await;
    }
    world
}

/// Every 32 hexadecimal digits in a row within these texts, and how often they stand there.
fn operations(texts: impl Iterator<Item = String>) -> HashMap<String, usize> {
    let mut found = HashMap::new();
    for text in texts {
        for word in text.split(|letter: char| !letter.is_ascii_hexdigit()).filter(|word| word.len() == 32) {
            *found.entry(word.to_owned()).or_default() += 1;
        }
    }
    found
}

/// Holds what stands in the CRMs against what the store says was done.
async fn assert_true(world: &World, handoffs: usize) -> Figures {
    let mut by_address: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for lead in world.odoo.leads() {
        let address = world.odoo.get_lead(lead).unwrap()["email_from"].as_str().unwrap_or_default().to_owned();
        by_address.entry(address).or_default().push(lead);
    }
    assert_eq!(by_address.len(), handoffs, "every contact has a lead");
    assert!(by_address.values().all(|leads| leads.len() == 1), "and one only: {by_address:?}");

    let made = world.hubspot.ledger().into_iter().filter(|effect| effect.what == "create");
    let made = made.map(|effect| format!("{:?}", effect.properties));
    let asked = world.odoo.ledger().into_iter().filter(|effect| effect.is_api);
    let stands = operations(asked.map(|effect| effect.arguments.to_string()).chain(made));
    let store = world.parts.engine.store();
    let mut figures = Figures { done: BTreeMap::new(), lies: 0, owners: 0 };
    let opened = store.recent_events(0, 1_000_000).await.unwrap();
    for lead in opened.iter().map(|row| row.lead).collect::<BTreeSet<_>>() {
        for row in store.effects_of(lead).await.unwrap().into_iter().filter(|row| !row.to.starts_with("slack.")) {
            assert!(["done", "cancelled"].contains(&row.state.as_str()), "{row:?} {}", world.story().await);
            if row.state != "done" {
                continue;
            }
            if ["create", "task", "note"].contains(&row.effect.as_str()) {
                assert_eq!(stands.get(&row.op), Some(&1), "{row:?} {}", world.story().await);
            }
            *figures.done.entry(row.effect).or_default() += 1;
        }
    }
    let joins = world.hubspot.ledger().iter().filter(|effect| effect.what == "list add").count();
    let lists = ["Nurture: next quarter", "Nurture: re-engage"];
    assert_eq!(joins, lists.iter().map(|list| world.hubspot.list_members(list).len()).sum::<usize>());
    assert!(joins > 0);

    for row in store.open_handoffs(1_000_000).await.unwrap() {
        let login = row.handoff.turn().unwrap().owner.as_str().trim_end_matches("@example.com").to_owned();
        let address = row.email.clone().unwrap();
        let lead = by_address[&address][0];
        assert_eq!(world.odoo.owner(lead), world.odoo.user(&login), "{address}: {}", world.story().await);
        let (_, account) = &world.reps[login.as_str()];
        let records = store.people_of(&[row.handoff.id.lead]).await.unwrap();
        let contact = records.into_iter().map(|record| record.of).find(|of| of.connection.as_str() == "hubspot");
        let contact = contact.expect("a contact");
        let owner = world.hubspot.get(Object::Contact, contact.id.as_str()).unwrap()["hubspot_owner_id"].clone();
        assert_eq!(&owner, &account.id, "{address}: {}", world.story().await);
        figures.owners += 1;
    }
    figures.lies = world.odoo.faults().struck() + world.hubspot.faults().struck();
    figures
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_say_failed_after_the_effect_double_nothing_fault_58() {
    const HANDOFFS: usize = 100;
    let world = live(HANDOFFS).await;
    let figures = assert_true(&world, HANDOFFS).await;
    assert!(figures.writes() >= 500 && figures.lies > 100, "{figures:?}");
    let done = |kind: &str| figures.done.get(kind).copied().unwrap_or_default();
    assert_eq!(done("create"), HANDOFFS, "{figures:?}");
    assert!(done("task") > HANDOFFS / 2 && done("note") > 0 && figures.owners > HANDOFFS / 2, "{figures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the measure itself: half an hour, nearly all of it waiting"]
async fn twenty_thousand_writes_with_a_third_of_the_answers_lost_double_nothing_fault_58() {
    let handoffs = std::env::var("BATON_LIED_HANDOFFS").map_or(2_760, |text| text.parse().unwrap());
    let began = Instant::now();
    let world = live(handoffs).await;
    let figures = assert_true(&world, handoffs).await;
    println!("{} writes, {figures:?}, {:.0} s", figures.writes(), began.elapsed().as_secs_f64());
    assert!(figures.writes() >= handoffs * 7, "{figures:?}");
}
