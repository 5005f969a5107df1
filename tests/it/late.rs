//! What a request does that was not answered in time and has its effect later (fault 59): over nothing newer, whoever wrote it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use baton::connector::settings::{ScorePart, Settings};
use baton::connector::{Addressed, Connector, Forget, Outcome};
use baton::domain::id::{LeadId, Name, Object, OperationId, RecordRef, RemoteId};
use baton::domain::lead::Points;
use baton::domain::plan::{Effect, Lane, Mode, Write};
use baton::domain::stage::Stage;
use baton::sandbox::hubspot::{Author, Breakage, Fault, Kind, Place, When};
use baton::sandbox::odoo::{Fault as OdooFault, Place as OdooPlace, When as OdooWhen};
use serde_json::json;

use super::harness::{AGREEMENT, World};

/// How long the client waits, when the effect comes, and until when it may come at all.
const ANSWER: Duration = Duration::from_millis(300);
const COMES_MS: u64 = 1_500;
const LATE: Duration = Duration::from_secs(4);

/// A world in which nobody waits long; nothing of Baton runs but what the test sends.
async fn world() -> World {
    World::with_settings(AGREEMENT, Mode::On, |settings: &mut Settings| {
        settings.answer_within = Some(ANSWER);
        settings.late = LATE;
        if settings.id.as_str() == "hubspot" {
            settings.score_properties = vec![(ScorePart::Intent, "baton_intent".to_owned())];
        }
    })
    .await
}

fn connector(world: &World, id: &str) -> Arc<dyn Connector> {
    Arc::clone(world.parts.engine.connectors().iter().find(|one| one.id().as_str() == id).unwrap())
}

fn write(connection: &str, record: &str, effect: Effect, tag: &str) -> Addressed {
    let record = Some(RecordRef::new(&connection.into(), Object::Person, record));
    let write = Write {
        op: OperationId::of(&["late", tag]),
        lead: LeadId(7),
        handoff: Some(1),
        connection: connection.into(),
        record: record.clone(),
        lane: Lane::Assign,
        effect,
        because: "test".to_owned(),
    };
    Addressed { write, record, attempt: 1 }
}

fn owner(owner: impl ToString, expected: Option<String>) -> Effect {
    Effect::SetOwner { owner: RemoteId::from(owner.to_string()), expected: expected.map(RemoteId::from) }
}

/// Sends `writes` in their order, as delivery does: again and again, what is settled left out, until all are.
async fn settle(connector: &Arc<dyn Connector>, mut writes: Vec<Addressed>) -> Vec<Outcome> {
    let began = Instant::now();
    let mut settled = Vec::new();
    while !writes.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(30), "{settled:?}");
        writes.iter_mut().for_each(|write| write.attempt += 1);
        let outcomes = connector.push(&writes, &Forget).await;
        let is_open = |outcome: &Outcome| matches!(outcome, Outcome::Again { .. } | Outcome::Unknown { .. });
        let open: Vec<OperationId> =
            outcomes.iter().filter(|(_, outcome)| is_open(outcome)).map(|(op, _)| *op).collect();
        settled.extend(outcomes.into_iter().map(|(_, outcome)| outcome).filter(|outcome| !is_open(outcome)));
        writes.retain(|write| open.contains(&write.write.op));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Whatever may still come has come.
    tokio::time::sleep(Duration::from_millis(COMES_MS + 300).saturating_sub(began.elapsed())).await;
    settled
}

fn is_done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done(_))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_value_never_stands_over_a_newer_one_of_ours_fault_59() {
    let world = world().await;
    let (first, second) = (&world.reps["a.lang"].1.id, &world.reps["b.may"].1.id);
    let points = |intent| Effect::SetScore(Points { intent, ..Points::default() });
    let working = Effect::SetStage { stage: Stage::Sal, is_backward: false };
    let cases = [
        ("hubspot_owner_id", owner(first, None), owner(second, Some(first.clone())), second.as_str()),
        ("baton_intent", points(40), points(55), "55"),
        ("hs_lead_status", working, Effect::Reject(Name::from("bad_timing")), "BAD_TIMING"),
    ];
    let hubspot = connector(&world, "hubspot");
    for (property, old, newer, expected) in cases {
        let contact = world.hubspot.create_contact(Author::Form, &[("lastname", property), ("baton_intent", "0")]);
        let old = write("hubspot", &contact, old, &format!("{property} old"));
        let newer = write("hubspot", &contact, newer, &format!("{property} newer"));
        let slow = Fault::LateEffect { ms: COMES_MS };
        world.hubspot.faults().inject(Place::method("PATCH", "/contacts/"), When::times(1), slow);
        let outcome = hubspot.push(std::slice::from_ref(&old), &Forget).await.remove(0).1;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{property}: {outcome:?}");
        let outcomes = settle(&hubspot, vec![old, newer]).await;
        assert!(outcomes.iter().all(is_done), "{property}: {outcomes:?}");
        assert_eq!(world.hubspot.get(Kind::Contact, &contact).unwrap()[property], expected, "{property}");
        let ledger = world.hubspot.ledger();
        let written = ledger
            .iter()
            .filter(|one| one.id == contact && one.what == "update" && one.properties.contains_key(property))
            .count();
        assert_eq!(written, 2, "{property}: each value once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_owner_never_stands_over_a_persons_choice_fault_59() {
    let world = world().await;
    let (ours, theirs) = (&world.reps["a.lang"].1.id, &world.reps["b.may"].1);
    let hubspot = connector(&world, "hubspot");
    let comes = Fault::LateEffect { ms: COMES_MS };
    let never = Fault::BeforeEffect { breakage: Breakage::Hang };
    for (name, fault, chosen) in [
        ("comes", comes.clone(), true),
        ("never", never.clone(), true),
        ("nobody", comes, false),
        ("again", never, false),
    ] {
        let contact = world.hubspot.create_contact(Author::Form, &[("lastname", name)]);
        let old = write("hubspot", &contact, owner(ours, None), name);
        world.hubspot.faults().inject(Place::method("PATCH", "/contacts/"), When::times(1), fault);
        let outcome = hubspot.push(std::slice::from_ref(&old), &Forget).await.remove(0).1;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{name}: {outcome:?}");
        if chosen {
            let choice = [("hubspot_owner_id", theirs.id.as_str())];
            assert!(world.hubspot.update(Kind::Contact, &contact, Author::User(theirs.user_id), &choice));
        }
        let outcomes = settle(&hubspot, vec![old]).await;
        let stands = world.hubspot.get(Kind::Contact, &contact).unwrap()["hubspot_owner_id"].clone();
        if chosen {
            assert!(matches!(&outcomes[..], [Outcome::Superseded { .. }]), "{name}: {outcomes:?}");
            assert_eq!(stands, theirs.id, "{name}: a person's choice stands");
        } else {
            assert!(matches!(&outcomes[..], [Outcome::Done(_)]), "{name}: {outcomes:?}");
            assert_eq!(&stands, ours, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_stage_reason_or_score_never_stands_over_a_persons_choice_fault_59() {
    let world = world().await;
    let person = world.reps["b.may"].1.user_id;
    let hubspot = connector(&world, "hubspot");
    let working = || Effect::SetStage { stage: Stage::Sal, is_backward: false };
    let cases = [
        ("hs_lead_status", working(), "OPEN_DEAL"),
        ("hs_lead_status", Effect::Reject(Name::from("bad_timing")), "CONNECTED"),
        ("baton_intent", Effect::SetScore(Points { intent: 40, ..Points::default() }), "90"),
    ];
    for (name, fault) in
        [("comes", Fault::LateEffect { ms: COMES_MS }), ("never", Fault::BeforeEffect { breakage: Breakage::Hang })]
    {
        for (at, (property, effect, theirs)) in cases.iter().enumerate() {
            let tag = format!("{name} {property} {at}");
            // What a person set before our look is known then, and ours goes over it.
            let contact = world.hubspot.create_contact(Author::Form, &[("lastname", &tag), ("baton_intent", "0")]);
            assert!(world.hubspot.update(Kind::Contact, &contact, Author::User(person), &[("hs_lead_status", "NEW")]));
            world.clock.advance(jiff::SignedDuration::from_mins(1));
            let old = write("hubspot", &contact, effect.clone(), &tag);
            world.hubspot.faults().inject(Place::method("PATCH", "/contacts/"), When::times(1), fault.clone());
            let outcome = hubspot.push(std::slice::from_ref(&old), &Forget).await.remove(0).1;
            assert!(matches!(outcome, Outcome::Unknown { .. }), "{tag}: {outcome:?}");
            world.clock.advance(jiff::SignedDuration::from_secs(1));
            assert!(
                world.hubspot.update(Kind::Contact, &contact, Author::User(person), &[(property, theirs)]),
                "{tag}"
            );
            let outcomes = settle(&hubspot, vec![old]).await;
            assert!(matches!(&outcomes[..], [Outcome::Superseded { .. }]), "{tag}: {outcomes:?}");
            assert_eq!(world.hubspot.get(Kind::Contact, &contact).unwrap()[*property], *theirs, "{tag}");
        }
        // With nobody there ours comes, once, whatever a person had set before.
        let contact = world.hubspot.create_contact(Author::Form, &[("lastname", name)]);
        let before = [("hs_lead_status", "NEW")];
        assert!(world.hubspot.update(Kind::Contact, &contact, Author::User(person), &before));
        world.clock.advance(jiff::SignedDuration::from_mins(1));
        let old = write("hubspot", &contact, working(), &format!("{name} nobody"));
        world.hubspot.faults().inject(Place::method("PATCH", "/contacts/"), When::times(1), fault);
        hubspot.push(std::slice::from_ref(&old), &Forget).await;
        let outcomes = settle(&hubspot, vec![old]).await;
        assert!(matches!(&outcomes[..], [Outcome::Done(_)]), "{name}: {outcomes:?}");
        assert_eq!(world.hubspot.get(Kind::Contact, &contact).unwrap()["hs_lead_status"], "IN_PROGRESS", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_value_in_odoo_stands_over_nothing_newer_fault_59() {
    let world = world().await;
    let odoo = connector(&world, "odoo");
    let (first, second) = (world.reps["a.lang"].0, world.reps["b.may"].0);
    let slow = || {
        let (place, when) = (OdooPlace::call("crm.lead", "write"), OdooWhen::times(1));
        world.odoo.faults().inject(place, when, OdooFault::LateEffect { ms: COMES_MS });
    };
    let lead = |name: &str| world.odoo.as_admin().create_lead(json!({ "name": name, "user_id": false })).unwrap();

    // Ours after ours.
    let one = lead("ours");
    let old = write("odoo", &one.to_string(), owner(first, None), "old");
    let newer = write("odoo", &one.to_string(), owner(second, Some(first.to_string())), "newer");
    slow();
    assert!(matches!(odoo.push(std::slice::from_ref(&old), &Forget).await[0].1, Outcome::Unknown { .. }));
    let outcomes = settle(&odoo, vec![old]).await;
    assert!(outcomes.iter().all(is_done), "{outcomes:?}");
    assert!(settle(&odoo, vec![newer]).await.iter().all(is_done));
    assert_eq!(world.odoo.owner(one), Some(second));

    // A person's after ours.
    let two = lead("theirs");
    let old = write("odoo", &two.to_string(), owner(first, None), "overtaken");
    slow();
    assert!(matches!(odoo.push(std::slice::from_ref(&old), &Forget).await[0].1, Outcome::Unknown { .. }));
    world.rep("c.voss").write_lead(two, json!({ "user_id": second })).unwrap();
    let outcomes = settle(&odoo, vec![old]).await;
    assert!(matches!(&outcomes[..], [Outcome::Superseded { .. }]), "{outcomes:?}");
    assert_eq!(world.odoo.owner(two), Some(second), "a person's choice stands");

    // A note is made once.
    let three = lead("note");
    let note = write("odoo", &three.to_string(), Effect::AddNote { body: "hello".to_owned() }, "note");
    let place = OdooPlace::call("crm.lead", "message_post");
    world.odoo.faults().inject(place, OdooWhen::times(1), OdooFault::LateEffect { ms: COMES_MS });
    assert!(matches!(odoo.push(std::slice::from_ref(&note), &Forget).await[0].1, Outcome::Unknown { .. }));
    assert!(settle(&odoo, vec![note]).await.iter().all(is_done));
    let posted = world.odoo.ledger().into_iter().filter(|one| one.is_api && one.method == "message_post").count();
    assert_eq!(posted, 1);
}
