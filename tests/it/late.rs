//! What a request does that was not answered in time and has its effect later (fault 59): over nothing newer, whoever wrote it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use baton::connector::settings::{ScorePart, Settings};
use baton::connector::{Addressed, Before, Connector, Forget, NotKept, Outcome};
use baton::domain::id::{LeadId, Name, Object, OperationId, RecordRef, RemoteId};
use baton::domain::lead::Points;
use baton::domain::plan::{Earlier, Effect, Lane, Leaving, Mode, Write};
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
    Addressed { write, record, attempt: 1, earlier: None }
}

fn owner(owner: impl ToString, expected: Option<String>) -> Effect {
    Effect::SetOwner { owner: RemoteId::from(owner.to_string()), expected: expected.map(RemoteId::from) }
}

/// What is known of writes that left, as the store keeps it over a restart: until a try provably had no effect.
#[derive(Default)]
pub(crate) struct Outbox(Mutex<HashMap<OperationId, (Instant, Leaving)>>);

#[async_trait]
impl Before for Outbox {
    async fn keep(&self, leaving: Vec<Leaving>) -> Result<(), NotKept> {
        let now = Instant::now();
        self.0.lock().unwrap().extend(leaving.into_iter().map(|one| (one.op, (now, one))));
        Ok(())
    }
}

impl Outbox {
    /// Sends these once more, each with what is known of its earlier try.
    pub(crate) async fn push(
        &self,
        connector: &dyn Connector,
        writes: &mut [Addressed],
    ) -> Vec<(OperationId, Outcome)> {
        for write in writes.iter_mut() {
            write.attempt += 1;
            let known = self.0.lock().unwrap().get(&write.write.op).cloned();
            write.earlier = known.map(|(at, left)| Earlier {
                ago: at.elapsed().try_into().unwrap(),
                looked_at: left.looked_at,
                was: left.was,
            });
        }
        let began = Instant::now();
        let outcomes = connector.push(writes, self).await;
        let refused = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Again { .. }));
        for (op, _) in refused {
            self.0.lock().unwrap().retain(|of, (at, _)| of != op || *at < began);
        }
        outcomes
    }

    /// Sends a write for the first time; its answer does not come.
    pub(crate) async fn lose(&self, connector: &dyn Connector, write: &Addressed) {
        let mut first = [Addressed { attempt: 0, ..write.clone() }];
        let outcome = self.push(connector, &mut first).await.remove(0).1;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    }
}

/// Sends `writes` in their order, as delivery does: again and again, what is settled left out, until all are.
async fn settle(connector: &Arc<dyn Connector>, writes: Vec<Addressed>) -> Vec<Outcome> {
    settle_with(&Outbox::default(), connector, writes).await
}

async fn settle_with(outbox: &Outbox, connector: &Arc<dyn Connector>, mut writes: Vec<Addressed>) -> Vec<Outcome> {
    let began = Instant::now();
    let mut settled = Vec::new();
    while !writes.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(30), "{settled:?}");
        let outcomes = outbox.push(&**connector, &mut writes).await;
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

/// Sends one write to HubSpot of which no answer comes, has a person choose `theirs` meanwhile if it is something, and begins anew in
/// between if asked to. Answers with what stands in the end.
async fn overtake_in_hubspot(
    world: &mut World,
    (tag, property, effect): (&str, &str, Effect),
    fault: Fault,
    theirs: Option<&str>,
    anew: bool,
) -> (Vec<Outcome>, String) {
    let person = world.reps["b.may"].1.user_id;
    // What a person set before our look is known then, and ours goes over it.
    let contact = world.hubspot.create_contact(Author::Form, &[("lastname", tag), ("baton_intent", "0")]);
    assert!(world.hubspot.update(Kind::Contact, &contact, Author::User(person), &[("hs_lead_status", "NEW")]));
    world.clock.advance(jiff::SignedDuration::from_mins(1));
    let (outbox, old) = (Outbox::default(), write("hubspot", &contact, effect, tag));
    world.hubspot.faults().inject(Place::method("PATCH", "/contacts/"), When::times(1), fault);
    outbox.lose(&*connector(world, "hubspot"), &old).await;
    world.clock.advance(jiff::SignedDuration::from_secs(1));
    if let Some(theirs) = theirs {
        assert!(world.hubspot.update(Kind::Contact, &contact, Author::User(person), &[(property, theirs)]), "{tag}");
    }
    if anew {
        world.restart(AGREEMENT).await;
    }
    let outcomes = settle_with(&outbox, &connector(world, "hubspot"), vec![Addressed { attempt: 1, ..old }]).await;
    (outcomes, world.hubspot.get(Kind::Contact, &contact).unwrap()[property].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_stage_reason_or_score_never_stands_over_a_persons_choice_fault_59() {
    let mut world = world().await;
    let working = || Effect::SetStage { stage: Stage::Sal, is_backward: false };
    let cases = [
        ("hs_lead_status", working(), "OPEN_DEAL"),
        ("hs_lead_status", Effect::Reject(Name::from("bad_timing")), "CONNECTED"),
        ("baton_intent", Effect::SetScore(Points { intent: 40, ..Points::default() }), "90"),
    ];
    let comes = Fault::LateEffect { ms: COMES_MS };
    let never = Fault::BeforeEffect { breakage: Breakage::Hang };
    for (name, fault, anew) in [("comes", &comes, false), ("never", &never, false), ("anew", &comes, true)] {
        for (at, (property, effect, theirs)) in cases.iter().enumerate() {
            let tag = format!("{name} {property} {at}");
            let one = (tag.as_str(), *property, effect.clone());
            let (outcomes, stands) = overtake_in_hubspot(&mut world, one, fault.clone(), Some(theirs), anew).await;
            assert!(matches!(&outcomes[..], [Outcome::Superseded { .. }]), "{tag}: {outcomes:?}");
            assert_eq!(stands, *theirs, "{tag}");
        }
        // With nobody there ours comes, once, whatever a person had set before.
        let one = (name, "hs_lead_status", working());
        let (outcomes, stands) = overtake_in_hubspot(&mut world, one, fault.clone(), None, anew).await;
        assert!(matches!(&outcomes[..], [Outcome::Done(_)]), "{name}: {outcomes:?}");
        assert_eq!(stands, "IN_PROGRESS", "{name}");
    }
}

/// What delivery asks before it repeats a write of unknown outcome: one that came over a person's choice is not as it shall stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_that_came_over_a_persons_choice_is_not_taken_for_done_fault_59() {
    let world = world().await;
    let (hubspot, odoo) = (connector(&world, "hubspot"), connector(&world, "odoo"));
    let person = world.reps["b.may"].1.user_id;
    let contact = world.hubspot.create_contact(Author::Form, &[("lastname", "Over")]);
    let lead = world.odoo.as_admin().create_lead(json!({ "name": "Over", "user_id": false })).unwrap();
    let in_hubspot = Effect::SetStage { stage: Stage::Sal, is_backward: false };
    let in_odoo = Effect::SetStage { stage: Stage::Sql, is_backward: false };
    let outbox = Outbox::default();
    for theirs in [true, false] {
        let mut writes = [
            write("hubspot", &contact, in_hubspot.clone(), &format!("in HubSpot {theirs}")),
            write("odoo", &lead.to_string(), in_odoo.clone(), &format!("in Odoo {theirs}")),
        ];
        world.clock.advance(jiff::SignedDuration::from_mins(1));
        let slow = Fault::LateEffect { ms: COMES_MS };
        world.hubspot.faults().inject(Place::method("PATCH", "/contacts/"), When::times(1), slow);
        let (place, when) = (OdooPlace::call("crm.lead", "write"), OdooWhen::times(1));
        world.odoo.faults().inject(place, when, OdooFault::LateEffect { ms: COMES_MS });
        outbox.lose(&*hubspot, &writes[0]).await;
        outbox.lose(&*odoo, &writes[1]).await;
        world.clock.advance(jiff::SignedDuration::from_secs(1));
        if theirs {
            let choice = [("hs_lead_status", "CONNECTED")];
            assert!(world.hubspot.update(Kind::Contact, &contact, Author::User(person), &choice));
            let stage = world.odoo.stage("Proposition");
            world.rep("c.voss").write_lead(lead, json!({ "stage_id": stage })).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(COMES_MS + 300)).await;
        for (connector, write) in [&hubspot, &odoo].into_iter().zip(&mut writes) {
            let (at, left) = outbox.0.lock().unwrap()[&write.write.op].clone();
            let ago = at.elapsed().try_into().unwrap();
            write.earlier = Some(Earlier { ago, looked_at: left.looked_at, was: left.was });
            write.attempt = 2;
            let found = connector.find_effect(write).await.unwrap();
            assert_eq!(found.is_none(), theirs, "{}: {found:?}", write.write.connection);
        }
        // Back where it began, for the next round.
        assert!(world.hubspot.update(Kind::Contact, &contact, Author::User(person), &[("hs_lead_status", "NEW")]));
        let stage = world.odoo.stage("New");
        world.rep("c.voss").write_lead(lead, json!({ "stage_id": stage })).unwrap();
    }
}

/// What a salesperson does meanwhile.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meanwhile {
    Nothing,
    Stage(&'static str),
    Lost(&'static str),
    Won,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_stage_or_lost_reason_in_odoo_never_stands_over_a_persons_choice_fault_59() {
    let mut world = world().await;
    let qualified = || Effect::SetStage { stage: Stage::Sql, is_backward: false };
    let rejected = || Effect::Reject(Name::from("bad_timing"));
    let late = OdooFault::LateEffect { ms: COMES_MS };
    let never = OdooFault::Status { status: 504, retry_after: None };
    for (effect, fault, meanwhile, anew) in [
        (qualified(), &late, Meanwhile::Nothing, false),
        (qualified(), &late, Meanwhile::Stage("Proposition"), false),
        (qualified(), &late, Meanwhile::Stage("Proposition"), true),
        (qualified(), &never, Meanwhile::Stage("Proposition"), false),
        (rejected(), &late, Meanwhile::Nothing, false),
        (rejected(), &late, Meanwhile::Stage("Proposition"), true),
        (rejected(), &late, Meanwhile::Lost("Bad fit"), false),
        (rejected(), &late, Meanwhile::Won, false),
        (rejected(), &never, Meanwhile::Stage("Proposition"), false),
    ] {
        let tag = format!("{} {fault:?} {meanwhile:?} {anew}", effect.as_str());
        let lead = world.odoo.as_admin().create_lead(json!({ "name": tag, "user_id": false })).unwrap();
        // A person's move that we knew of.
        world.rep("c.voss").write_lead(lead, json!({ "stage_id": world.odoo.stage("New") })).unwrap();
        world.clock.advance(jiff::SignedDuration::from_mins(1));
        let method = if matches!(effect, Effect::Reject(_)) { "action_set_lost" } else { "write" };
        let is_reject = method == "action_set_lost";
        world.odoo.faults().inject(OdooPlace::call("crm.lead", method), OdooWhen::times(1), fault.clone());
        let (outbox, old) = (Outbox::default(), write("odoo", &lead.to_string(), effect, &tag));
        outbox.lose(&*connector(&world, "odoo"), &old).await;
        world.clock.advance(jiff::SignedDuration::from_secs(1));
        let rep = world.rep("c.voss");
        match meanwhile {
            Meanwhile::Nothing => {}
            Meanwhile::Stage(name) => rep.write_lead(lead, json!({ "stage_id": world.odoo.stage(name) })).unwrap(),
            Meanwhile::Lost(reason) => rep.mark_lost(lead, reason).unwrap(),
            Meanwhile::Won => rep.mark_won(lead).unwrap(),
        }
        world.clock.advance(jiff::SignedDuration::from_secs(1));
        if anew {
            world.restart(AGREEMENT).await;
        }
        let again = vec![Addressed { attempt: 1, ..old }];
        let outcomes = settle_with(&outbox, &connector(&world, "odoo"), again).await;
        let stands = world.odoo.get_lead(lead).unwrap();
        let shown = |field: &str| stands[field].get(1).cloned().unwrap_or_default();
        let is_lost = stands["won_status"] == "lost";
        match meanwhile {
            Meanwhile::Nothing => {
                assert!(matches!(&outcomes[..], [Outcome::Done(_)]), "{tag}: {outcomes:?}");
                assert_eq!((is_lost, shown("stage_id") == json!("Qualified")), (is_reject, !is_reject), "{tag}");
                continue;
            }
            Meanwhile::Stage(name) => assert_eq!((is_lost, shown("stage_id")), (false, json!(name)), "{tag}"),
            Meanwhile::Lost(reason) => assert_eq!((is_lost, shown("lost_reason_id")), (true, json!(reason)), "{tag}"),
            Meanwhile::Won => assert_eq!((is_lost, shown("stage_id")), (false, json!("Won")), "{tag}"),
        }
        assert!(matches!(&outcomes[..], [Outcome::Superseded { .. }]), "{tag}: {outcomes:?}");
        assert_eq!(stands["won_status"] == "won", meanwhile == Meanwhile::Won, "{tag}");
    }
}

/// The wait for what may still come counts from its sending, whatever starts anew in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_anew_does_not_begin_the_wait_anew_fault_59() {
    let mut world = world().await;
    let (outbox, lead) = (Outbox::default(), world.odoo.as_admin().create_lead(json!({ "name": "wait" })).unwrap());
    let old = write("odoo", &lead.to_string(), Effect::AddNote { body: "hello".to_owned() }, "wait");
    let (place, never) =
        (OdooPlace::call("crm.lead", "message_post"), OdooFault::Status { status: 504, retry_after: None });
    world.odoo.faults().inject(place, OdooWhen::times(1), never);
    outbox.lose(&*connector(&world, "odoo"), &old).await;
    world.restart(AGREEMENT).await;
    let (odoo, mut again) = (connector(&world, "odoo"), vec![Addressed { attempt: 1, ..old }]);
    let waits = outbox.push(&*odoo, &mut again).await.remove(0).1;
    assert!(matches!(waits, Outcome::Again { counts: false, .. }), "{waits:?}");
    // As if it had been sent long before this start: nothing of it can come any more, and it is made again.
    for (at, _) in outbox.0.lock().unwrap().values_mut() {
        *at = at.checked_sub(LATE + Duration::from_secs(61)).unwrap();
    }
    world.restart(AGREEMENT).await;
    let sent = outbox.push(&*connector(&world, "odoo"), &mut again).await.remove(0).1;
    assert!(is_done(&sent), "{sent:?}");
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

/// A day's requests are one share, however often Baton begins anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_anew_does_not_begin_the_days_share_anew_fault_55() {
    // Half of the day: what the account has left is more, and says nothing.
    let mut world = World::with_settings(AGREEMENT, Mode::On, |settings| settings.budget_percent = 50).await;
    let left = |world: &World| {
        let budgets = connector(world, "hubspot").budgets();
        budgets.into_iter().find(|budget| budget.name == "daily").unwrap().left
    };
    world.beat().await;
    let share = left(&world).unwrap() + u32::try_from(connector(&world, "hubspot").requests()).unwrap();
    for _ in 0..40 {
        connector(&world, "hubspot").choices().await.unwrap();
        world.parts.engine.poll(&"hubspot".into()).await.unwrap();
    }
    let before = left(&world).unwrap();
    assert!(share - before > 200, "{before} of {share}");
    for again in 1..=2 {
        world.restart(AGREEMENT).await;
        assert_eq!(left(&world), None, "nothing is known of the day before the first answer");
        world.parts.engine.poll(&"hubspot".into()).await.unwrap();
        // The last few, which were not kept, are lost to the count.
        let now = left(&world).unwrap();
        assert!(now < before + 20, "start {again}: {now} after {before}");
    }
}
