//! Who is the same person: joined and taken apart by hand, merged in the CRMs, recognised by telephone number.

use baton::api::view;
use baton::domain::alike::Evidence;
use baton::domain::handoff::{Handoff, HandoffState, Outcome};
use baton::domain::id::{ConnectionId, LeadId, Name, Object as Kind, RecordRef};
use baton::domain::plan::Mode;
use baton::engine::command::{Asked, Command};
use baton::engine::{Joined, KinError, Parted};
use baton::sandbox::hubspot::{Author, Fault as Trouble, Kind as Object, Place as Path, When as Often};
use serde_json::json;

use super::harness::{AGREEMENT, World};

fn ops() -> Name {
    Name::from("ops")
}

impl World {
    async fn lead_of(&self, named: &str) -> Option<LeadId> {
        self.parts.engine.store().find_lead(named).await.unwrap()
    }

    async fn open(&self) -> Vec<Handoff> {
        let rows = self.parts.engine.store().open_handoffs(10).await.unwrap();
        rows.into_iter().map(|row| row.handoff).collect()
    }

    async fn handoffs_of(&self, lead: LeadId) -> Vec<Handoff> {
        self.parts.engine.store().handoffs_of(lead).await.unwrap()
    }

    async fn join(&self, what: &str, into: &str) -> Joined {
        self.parts.engine.join(what, into, &ops()).await.unwrap()
    }

    async fn take_apart(&self, record: &str) -> Parted {
        self.parts.engine.take_apart(record, &ops()).await.unwrap()
    }
}

fn outcome(handoff: &Handoff) -> Option<&Outcome> {
    match &handoff.state {
        HandoffState::Closed { outcome, .. } => Some(outcome),
        HandoffState::Incomplete { .. } | HandoffState::Open => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_leads_that_are_one_person_keep_the_older_handoff_and_come_apart_again() {
    let world = World::new().await;
    let (first, odoo, owner) = world.handed_over("Jane").await;
    world.pass(2).await;
    let (second, other_odoo, other_owner) = world.handed_over("Janet").await;
    let jane = world.lead_of(&format!("hubspot:{first}")).await.unwrap();
    let janet = world.lead_of(&format!("hubspot:{second}")).await.unwrap();
    assert_ne!(jane, janet);
    let before = world.open().await;
    assert_eq!(before.len(), 2);

    // Named the other way round: the older hand-off goes on all the same.
    let joined = world.join(&jane.to_string(), "janet@acme.example").await;
    assert_eq!((joined.lead, joined.other, joined.is_turned), (jane, janet, true));
    let open = world.open().await;
    assert_eq!(open.len(), 1, "{}", world.story().await);
    let kept = before.iter().find(|handoff| handoff.id.lead == jane).unwrap();
    assert_eq!((open[0].id, open[0].turn()), (kept.id, kept.turn()), "its owner and clock go on");
    assert_eq!(outcome(&world.handoffs_of(janet).await[0]), Some(&Outcome::Merged(jane)));
    for named in [format!("hubspot:{second}"), janet.to_string(), format!("odoo:{other_odoo}")] {
        assert_eq!(world.lead_of(&named).await, Some(jane), "{named} is found under the one lead");
    }

    // A call on the other record is a call to the person.
    world.odoo.as_user(other_owner_id(&world, other_owner)).log_call(other_odoo, "spoke").unwrap();
    world.pass(3).await;
    let story = world.story().await;
    assert_eq!(story.matches("first touch kept in time").count(), 1, "{story}");

    let parted = world.take_apart(&format!("hubspot:{second}")).await;
    assert_eq!((parted.lead, parted.other, parted.is_undone), (jane, janet, true));
    world.pass(2).await;
    assert_eq!(world.lead_of(&format!("odoo:{other_odoo}")).await, Some(janet), "what came together goes together");
    assert_eq!(world.lead_of(&format!("odoo:{odoo}")).await, Some(jane));
    let open = world.open().await;
    assert_eq!(open.len(), 2, "the merge is taken back, and both go on: {}", world.story().await);
    let again = open.iter().find(|handoff| handoff.id.lead == janet).unwrap();
    assert_eq!(again.turn().unwrap().owner.as_str(), format!("{other_owner}@example.com"));
    assert_eq!(world.odoo.owner(odoo), Some(world.reps[owner].0));

    // No rule joins them again: not the address, not another look.
    let hub = &world.hubspot;
    assert!(hub.update(Object::Contact, &second, Author::Form, &[("jobtitle", "CIO")]));
    world.pass(3).await;
    assert_eq!(world.lead_of(&format!("hubspot:{second}")).await, Some(janet));
    let said = world.parts.engine.store().apart_said(jane).await.unwrap();
    assert!(said.iter().any(|said| said.by == ops() && said.other.id.as_str() == second), "{said:?}");
}

fn other_owner_id(world: &World, login: &str) -> i64 {
    world.reps[login].0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_split_the_handoff_follows_the_record_its_owner_was_written_to() {
    let world = World::new().await;
    let (contact, odoo, owner) = world.handed_over("Jane").await;
    let lead = world.lead_of(&format!("odoo:{odoo}")).await.unwrap();
    let before = world.open().await.remove(0);

    let parted = world.take_apart(&format!("odoo:{odoo}")).await;
    assert_eq!((parted.lead, parted.is_turned), (lead, true), "the others leave");
    assert_eq!(world.lead_of(&format!("odoo:{odoo}")).await, Some(lead));
    assert_eq!(world.lead_of(&format!("hubspot:{contact}")).await, Some(parted.other));
    let open = world.open().await;
    let kept = open.iter().find(|handoff| handoff.id == before.id).expect("it goes on");
    assert_eq!(kept.turn(), before.turn());
    assert_eq!(world.odoo.owner(odoo), Some(world.reps[owner].0));

    // The contact is still qualified, and nobody has it now: it is handed over by itself, to another record.
    world.pass(3).await;
    let open = world.open().await;
    assert_eq!(open.len(), 2, "{}", world.story().await);
    assert_eq!(world.odoo.leads().len(), 2, "a record of its own, although the address is the same");
    assert_eq!(world.lead_of(&format!("odoo:{odoo}")).await, Some(lead));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_joined_or_parted_says_why() {
    let world = World::new().await;
    let (contact, odoo, _) = world.handed_over("Jane").await;
    let engine = &world.parts.engine;
    let unknown = engine.join("hubspot:999999", "L-1", &ops()).await.unwrap_err();
    assert!(unknown.to_string().contains("\"hubspot:999999\""), "{unknown}");
    let same = engine.join(&format!("odoo:{odoo}"), &format!("hubspot:{contact}"), &ops()).await.unwrap_err();
    assert!(matches!(same, KinError::Same { .. }), "{same}");
    let alone = world.contact("Solo");
    world.pass(2).await;
    let alone = engine.take_apart(&format!("hubspot:{alone}"), &ops()).await.unwrap_err();
    assert!(matches!(alone, KinError::Alone { .. }), "{alone}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contacts_that_are_merged_while_sales_has_both_leave_one_handoff_fault_30() {
    let world = World::new().await;
    let (first, odoo, _) = world.handed_over("Jane").await;
    world.pass(2).await;
    let (second, other_odoo, _) = world.handed_over("Janet").await;
    let jane = world.lead_of(&format!("hubspot:{first}")).await.unwrap();
    let janet = world.lead_of(&format!("hubspot:{second}")).await.unwrap();
    let before = world.open().await;

    // The younger one wins in HubSpot: the older hand-off goes on all the same.
    let survivor = world.hubspot.merge(Object::Contact, &second, &first, Author::User(1)).unwrap();
    world.pass(5).await;
    let open = world.open().await;
    assert_eq!(open.len(), 1, "{}", world.story().await);
    let kept = before.iter().find(|handoff| handoff.id.lead == jane).unwrap();
    assert_eq!((open[0].id, open[0].turn()), (kept.id, kept.turn()));
    assert_eq!(outcome(&world.handoffs_of(janet).await[0]), Some(&Outcome::Merged(jane)));
    for named in [&survivor, &first, &second].map(|id| format!("hubspot:{id}")) {
        assert_eq!(world.lead_of(&named).await, Some(jane), "{named}");
    }
    for named in [odoo, other_odoo].map(|id| format!("odoo:{id}")) {
        assert_eq!(world.lead_of(&named).await, Some(jane), "{named}: all records of both are one person's");
    }
    let findings = world.parts.engine.store().findings(50).await.unwrap();
    assert!(findings.iter().all(|finding| finding.kind != "same_person"), "{findings:?}");
    let stages = world.parts.engine.store().overview().await.unwrap().stages;
    assert_eq!(stages.values().sum::<i64>(), 1, "who was merged counts no more: {stages:?}");
}

/// A contact of Acme with this name, address and number.
fn contact(world: &World, first: &str, last: &str, email: &str, phone: &str) -> String {
    let values =
        [("email", email), ("firstname", first), ("lastname", last), ("phone", phone), ("lifecyclestage", "lead")];
    let values: Vec<(&str, &str)> = values.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    world.hubspot.create_contact(Author::Form, &values)
}

async fn german_world() -> World {
    World::with_settings(AGREEMENT, Mode::On, |settings| settings.country = Some(Name::from("DE"))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_telephone_number_joins_only_with_the_whole_name() {
    let world = german_world().await;
    let jane = contact(&world, "Jane", "Roe", "jane@acme.example", "+49 30 1234567");
    let same = contact(&world, "Jane", "Roe", "", "030/123 45 67");
    let colleague = contact(&world, "John", "Doe", "john@acme.example", "+49 (0)30 1234567");
    let namesake = contact(&world, "Jane", "Roe", "jane.roe2@acme.example", "+49 30 1234567");
    world.beat().await;
    let rep = world.rep("a.lang");
    let lead = |name: &str, phone: &str| {
        rep.create_lead(json!({"name": "By hand", "contact_name": name, "phone": phone, "type": "opportunity"}))
            .unwrap()
    };
    let (in_odoo, other) = (lead("Jane Roe", "030 1234567"), lead("Jim Poe", "030 1234567"));
    world.pass(2).await;
    let of = async |named: String| world.lead_of(&named).await.unwrap();
    let person = of(format!("hubspot:{jane}")).await;
    assert_eq!(of(format!("hubspot:{same}")).await, person, "the same number and name");
    assert_eq!(of(format!("odoo:{in_odoo}")).await, person, "in another CRM, written nationally");
    assert_ne!(of(format!("hubspot:{colleague}")).await, person, "a switchboard joins nobody");
    assert_ne!(of(format!("odoo:{other}")).await, person);
    assert_ne!(of(format!("hubspot:{namesake}")).await, person, "a firm gives nobody two addresses");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_be_one_person_is_listed_and_nobody_joined() {
    let world = german_world().await;
    let jane = contact(&world, "Jane", "Roe", "jane.roe@acme.example", "");
    let near = contact(&world, "Jane", "Roe", "jane.roe2@acme.example", "");
    let john = contact(&world, "John", "Doe", "john@acme.example", "+49 30 7654321");
    let joan = contact(&world, "Joan", "Poe", "joan@other.example", "+49 30 7654321");
    world.pass(2).await;
    let engine = &world.parts.engine;
    let store = engine.store();
    engine.compare().await.unwrap();
    let pairs = store.pairs(10).await.unwrap();
    let found: Vec<Vec<Evidence>> = pairs.iter().map(|pair| pair.evidence.clone()).collect();
    assert_eq!(found, [vec![Evidence::NearEmail, Evidence::NameAndFirm], vec![Evidence::Phone]], "{pairs:?}");
    let of = async |id: &str| world.lead_of(&format!("hubspot:{id}")).await.unwrap();
    assert_ne!(of(&jane).await, of(&near).await, "nothing is joined by itself");
    engine.compare().await.unwrap();
    assert_eq!(store.pairs(10).await.unwrap(), pairs, "another round finds the same, since the same time");

    let asked = |command| Asked { by: "ops".to_owned(), command };
    let pair = Command::NotSame { lead: of(&john).await.to_string(), other: of(&joan).await.to_string() };
    engine.execute(&asked(pair)).await.unwrap();
    let pair = Command::Link { what: of(&near).await.to_string(), lead: of(&jane).await.to_string() };
    let answer = engine.execute(&asked(pair)).await.unwrap();
    assert!(answer.lines[0].contains("is the same person as"), "{answer:?}");
    assert_eq!(of(&jane).await, of(&near).await);
    for _ in 0..2 {
        engine.compare().await.unwrap();
        assert_eq!(store.pairs(10).await.unwrap(), [], "nobody is asked again");
    }
    assert_eq!(store.pairs_count().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_deal_of_the_person_holds_a_handoff_back_and_a_won_one_does_not() {
    let world = World::new().await;
    let jane = world.contact("Jane");
    let company = world.hubspot.ids(Object::Company).pop().unwrap();
    let deal = |name: &str, closed: &str, won: &str| {
        let values = [("dealname", name), ("amount", "12000"), ("hs_is_closed", closed), ("hs_is_closed_won", won)];
        let id = world.hubspot.create(Object::Deal, Author::User(1), &values);
        assert!(world.hubspot.associate((Object::Deal, &id), (Object::Contact, &jane), true));
        assert!(world.hubspot.associate((Object::Deal, &id), (Object::Company, &company), true));
        id
    };
    deal("Acme 2024", "true", "true");
    let open = deal("Acme now", "false", "false");
    world.beat().await;
    world.pass(2).await;
    world.qualify(&jane);
    world.pass(5).await;
    assert_eq!(world.odoo.leads(), Vec::<i64>::new(), "sales talks to her already: {}", world.story().await);
    let engine = &world.parts.engine;
    let (rules, named) = (engine.rules(), format!("hubspot:{jane}"));
    let shown = view::lead(engine.store(), &rules, engine.clock().now(), &named).await.unwrap().unwrap();
    let states: Vec<&str> = shown.deals.iter().map(|deal| deal.state).collect();
    assert_eq!(states, ["won", "open"], "one won, one open: {:?}", shown.deals);
    assert_eq!(shown.company.map(|company| (company.open_deals, company.engaged)), Some((1, 1)));

    assert!(world.hubspot.update(Object::Deal, &open, Author::User(1), &[("hs_is_closed", "true")]));
    world.pass(5).await;
    assert_eq!(world.odoo.leads().len(), 1, "the deal is lost, and she is still qualified: {}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_may_not_read_deals_holds_nothing_back() {
    let world = World::new().await;
    let refusal = Trouble::Status { status: 403, retry_after: None };
    world.hubspot.faults().inject(Path::path("/objects/*/deals"), Often::default(), refusal);
    let jane = world.contact("Jane");
    for (connection, _) in &world.parts.polls {
        // The stream of deals fails; everything else is read.
        drop(world.parts.engine.poll(connection).await);
    }
    assert!(world.parts.engine.is_live(), "{}", world.story().await);
    assert!(world.lead_of(&format!("hubspot:{jane}")).await.is_some());
    let findings = world.parts.engine.store().findings(20).await.unwrap();
    assert!(findings.iter().any(|finding| finding.subject.contains("deals")), "{findings:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_of_an_erased_contact_goes() {
    let world = World::new().await;
    let jane = world.contact("Jane");
    let other = world.contact("Joan");
    world.pass(2).await;
    let of = |id: &str| RecordRef::new(&ConnectionId::from("hubspot"), Kind::Person, id);
    assert!(world.hubspot.gdpr_delete(&jane));
    assert!(world.hubspot.archive(Object::Contact, &other));
    let engine = &world.parts.engine;
    engine.read_around(&ConnectionId::from("hubspot"), &[of(&jane), of(&other)]).await.unwrap();
    let records = engine.store().people(&[of(&jane), of(&other)]).await.unwrap();
    for record in &records {
        assert!(!record.is_live(), "{record:?}");
        let is_erased = record.of.id.as_str() == jane;
        assert_eq!(record.values.is_empty() && record.keys.is_empty(), is_erased, "{record:?}");
    }
    assert_eq!(world.lead_of("jane@acme.example").await, None);
    let lead = world.lead_of(&format!("hubspot:{jane}")).await.unwrap();
    let state = engine.store().lead_state(lead).await.unwrap().unwrap();
    assert_eq!((state.name, state.email), (None, None), "the lead is projected without her");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_that_comes_back_from_the_archive_is_not_accused_and_not_handed_over_again_fault_32() {
    let world = World::new().await;
    let (contact, odoo, owner) = world.handed_over("Jane").await;
    let lead = world.lead_of(&format!("odoo:{odoo}")).await.unwrap();
    let rep = world.rep(owner);
    rep.write_lead(odoo, json!({"active": false})).unwrap();
    world.pass(3).await;
    assert_eq!(outcome(&world.handoffs_of(lead).await[0]), Some(&Outcome::Gone), "{}", world.story().await);
    world.pass(100).await;
    rep.write_lead(odoo, json!({"active": true})).unwrap();
    world.pass(100).await;
    let story = world.story().await;
    assert_eq!(world.handoffs_of(lead).await.len(), 1, "nothing new was done by the person: {story}");
    assert!(!story.contains("BREACH") && !story.contains("warning"), "{story}");

    // Marketing qualifies her anew: another hand-off, whose clock begins now.
    let before = world.clock.now();
    let hub = &world.hubspot;
    assert!(hub.update(Object::Contact, &contact, Author::User(1), &[("lifecyclestage", "")]));
    assert!(hub.update(Object::Contact, &contact, Author::User(1), &[("lifecyclestage", "lead")]));
    world.pass(2).await;
    world.qualify(&contact);
    world.pass(3).await;
    let handoffs = world.handoffs_of(lead).await;
    assert_eq!(handoffs.len(), 2, "{}", world.story().await);
    assert!(handoffs[1].opened_at > before && handoffs[1].qualified_at > before);
}

/// A salesperson merges the lead that Baton handed over into an older one of theirs, which had another address.
async fn merged_in_odoo(logs_a_call: bool) -> (World, i64, i64, LeadId) {
    let world = World::new().await;
    let rep = world.rep("a.lang");
    let own = json!({"name": "Met at a fair", "contact_name": "J. Roe", "email_from": "roe@home.example", "type": "opportunity"});
    let older = rep.create_lead(own).unwrap();
    world.beat().await;
    let (_, odoo, owner) = world.handed_over("Jane").await;
    let lead = world.lead_of(&format!("odoo:{odoo}")).await.unwrap();
    assert_ne!(world.lead_of(&format!("odoo:{older}")).await, Some(lead));
    if logs_a_call {
        world.rep(owner).log_call(odoo, "spoke").unwrap();
        world.pass(2).await;
    }
    assert_eq!(world.odoo.as_user(world.reps[owner].0).merge(&[older, odoo]).unwrap(), older);
    (world, odoo, older, lead)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_that_is_merged_in_odoo_goes_on_in_the_one_that_stays_fault_30() {
    for logs_a_call in [true, false] {
        let (world, odoo, older, lead) = merged_in_odoo(logs_a_call).await;
        let before = world.open().await.remove(0);
        world.pass(2).await;
        if !logs_a_call {
            // Nothing that is read by itself has moved: the look at what is due shows it.
            let odoo_at = ConnectionId::from("odoo");
            let of = RecordRef::new(&odoo_at, Kind::Person, odoo.to_string());
            world.parts.engine.read_around(&odoo_at, &[of]).await.unwrap();
        }
        let open = world.open().await;
        assert_eq!(open.len(), 1, "{}", world.story().await);
        assert_eq!((open[0].id, open[0].turns.len()), (before.id, 1), "{}", world.story().await);
        for id in [odoo, older] {
            assert_eq!(world.lead_of(&format!("odoo:{id}")).await, Some(lead), "{id}, call logged: {logs_a_call}");
        }
    }
}
