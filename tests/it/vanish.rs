//! Fault 36: people who vanish in masses are not believed, whichever connector says so.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use baton::clock::Clock;
use baton::connector::requirement::{Ensured, Making, Requirement};
use baton::connector::{
    Addressed, Around, Before, BudgetView, Connector, ConnectorError, Cursor, Description, Done, Outcome, Page, Stream,
};
use baton::domain::id::{ConnectionId, Name, Object, OperationId, RecordRef};
use baton::domain::observation::{Content, Observation, PersonSeen};
use baton::domain::plan::{Ability, Mode};
use baton::engine::{Engine, EngineError};
use baton::store::Store;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::harness::{AGREEMENT, ROSTER, World, morning, rules};

/// A CRM of numbered people, shown in pages of so many; who is archived is gone.
struct Crm {
    id: ConnectionId,
    streams: Vec<Stream>,
    clock: Clock,
    page_rows: usize,
    people: Mutex<(usize, BTreeSet<usize>)>,
}

impl Crm {
    fn new(clock: &Clock, people: usize, page_rows: usize) -> Arc<Self> {
        let stream = Stream { name: Name::from("people"), object: Object::Person, proves: Vec::new() };
        Arc::new(Self {
            id: ConnectionId::from("crm"),
            streams: vec![stream],
            clock: clock.clone(),
            page_rows,
            people: Mutex::new((people, BTreeSet::new())),
        })
    }

    fn archive(&self, which: impl IntoIterator<Item = usize>) {
        self.people.lock().unwrap().1.extend(which);
    }

    fn bring_back(&self) {
        self.people.lock().unwrap().1.clear();
    }

    fn see(&self, number: usize, is_gone: bool) -> Observation {
        let at = self.clock.now();
        let person = PersonSeen {
            created: morning(),
            values: Vec::new(),
            keys: Vec::new(),
            merged: Vec::new(),
            company: None,
            stages: Vec::new(),
            owners: Vec::new(),
            disposition: None,
            signals: Vec::new(),
            scores: Vec::new(),
            has_history: false,
        };
        let content = if is_gone { Content::Gone } else { Content::Person(Box::new(person)) };
        let of = RecordRef::new(&self.id, Object::Person, number.to_string());
        Observation { of, modified: at, content, findings: Vec::new() }
    }
}

#[async_trait]
impl Connector for Crm {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    fn ability(&self) -> Ability {
        Ability {
            connection: self.id.clone(),
            stages: Vec::new(),
            score: false,
            handoff: false,
            tracks: Vec::new(),
            reasons: Vec::new(),
            rejects: false,
            stage_back: false,
        }
    }

    fn streams(&self) -> &[Stream] {
        &self.streams
    }

    async fn describe(&self) -> Result<Description, ConnectorError> {
        Ok(Description::default())
    }

    /// Everybody, each time, from the number that the cursor names.
    async fn pull(&self, _: &Stream, after: &Cursor, now: Timestamp) -> Result<Page, ConnectorError> {
        let from: usize = after.0.parse().unwrap_or(0);
        let (people, archived) = self.people.lock().unwrap().clone();
        let to = (from + self.page_rows).min(people);
        let has_more = to < people;
        Ok(Page {
            observations: (from..to).map(|number| self.see(number, archived.contains(&number))).collect(),
            next: Cursor(if has_more { to.to_string() } else { String::new() }),
            has_more,
            covered_until: (!has_more).then_some(now),
            findings: Vec::new(),
        })
    }

    async fn read(&self, _: &[RecordRef]) -> Result<Vec<Observation>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn read_around(&self, _: &[RecordRef]) -> Result<Around, ConnectorError> {
        Ok(Around::default())
    }

    async fn push(&self, _: &[Addressed], _: &dyn Before) -> Vec<(OperationId, Outcome)> {
        Vec::new()
    }

    async fn find_effect(&self, _: &Addressed) -> Result<Option<Done>, ConnectorError> {
        Ok(None)
    }

    async fn choices(&self) -> Result<Description, ConnectorError> {
        Ok(Description::default())
    }

    async fn ensure(&self, _: &Requirement, _: Making) -> Result<Option<Ensured>, ConnectorError> {
        Ok(None)
    }

    fn budgets(&self) -> Vec<BudgetView> {
        Vec::new()
    }
}

/// An engine that has read everybody of `crm`, and where its store lies.
async fn engine(crm: &Arc<Crm>, percent_max: Option<u8>) -> (Engine, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let rules = rules(AGREEMENT, ROSTER, Mode::Off);
    let store = Store::open(&folder.path().join("baton.db"), &rules.workspace).await.unwrap();
    let connector = Arc::clone(crm) as Arc<dyn Connector>;
    let engine = Engine::new(store, vec![connector], crm.clock.clone(), rules).await.unwrap();
    let engine = engine.with_vanish_max(percent_max.map(|percent| (crm.id.clone(), percent)));
    engine.poll(&crm.id).await.unwrap();
    crm.clock.advance(SignedDuration::from_mins(1));
    (engine, folder)
}

async fn live(engine: &Engine, crm: &Crm) -> usize {
    engine.store().people_live(&crm.id, 10_000).await.unwrap()
}

#[tokio::test]
async fn a_mass_of_people_gone_is_not_believed_on_any_page_of_the_look_fault_36() {
    let clock = Clock::manual(morning());
    let crm = Crm::new(&clock, 400, 100);
    let (engine, _folder) = engine(&crm, None).await;
    assert_eq!(live(&engine, &crm).await, 400);
    // On each page fewer than the share of all, on all pages together more.
    crm.archive((0..400).filter(|number| number % 4 == 0));
    for _ in 0..3 {
        let error = engine.poll(&crm.id).await.unwrap_err();
        assert!(
            matches!(&error, EngineError::Vanished(vanished) if (vanished.gone, vanished.live) == (100, 400)),
            "{error}"
        );
        assert_eq!(live(&engine, &crm).await, 400, "nothing is marked gone, not even on the first page");
        clock.advance(SignedDuration::from_mins(1));
    }
    let findings = engine.store().findings(10).await.unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    for part in ["crm", "100 of 400", "vanish_max_percent = 100"] {
        assert!(findings[0].text.contains(part), "{part}: {findings:?}");
    }
    let state = engine.store().streams().await.unwrap().remove(0);
    assert!(state.error.is_some_and(|error| error.contains("100 of 400")), "the connection's health says so");
    assert!(state.covered_until.is_some_and(|until| until < clock.now() - SignedDuration::from_mins(2)), "and waits");

    crm.bring_back();
    engine.poll(&crm.id).await.unwrap();
    assert_eq!(live(&engine, &crm).await, 400);
    assert!(engine.store().streams().await.unwrap()[0].error.is_none());
}

#[tokio::test]
async fn a_few_people_gone_are_gone_and_a_mass_too_once_a_person_says_so_fault_36() {
    let clock = Clock::manual(morning());
    let crm = Crm::new(&clock, 400, 100);
    let (careful, _folder) = engine(&crm, None).await;
    crm.archive(0..80);
    careful.poll(&crm.id).await.unwrap();
    assert_eq!(live(&careful, &crm).await, 320, "20 % is not more than 20 %");
    clock.advance(SignedDuration::from_hours(26));
    crm.archive(80..104);
    careful.poll(&crm.id).await.unwrap();
    assert_eq!(live(&careful, &crm).await, 296, "and who is gone already does not count again another day");

    crm.bring_back();
    let (confirmed, _folder) = engine(&crm, Some(100)).await;
    crm.archive(0..400);
    confirmed.poll(&crm.id).await.unwrap();
    assert_eq!(live(&confirmed, &crm).await, 0);
}

#[tokio::test]
async fn a_slow_drain_is_seen_over_a_day_and_stays_unbelieved_until_it_is_back_fault_36() {
    let clock = Clock::manual(morning());
    let crm = Crm::new(&clock, 400, 100);
    let (engine, folder) = engine(&crm, None).await;
    // Four an hour and no more: no single look shows a mass.
    let mut believed = 0;
    for hour in 0..20 {
        clock.advance(SignedDuration::from_mins(30));
        crm.archive(hour * 4..hour * 4 + 4);
        engine.poll(&crm.id).await.unwrap();
        believed += 4;
        assert_eq!(live(&engine, &crm).await, 400 - believed);
    }
    crm.archive(80..84);
    clock.advance(SignedDuration::from_mins(30));
    let error = engine.poll(&crm.id).await.unwrap_err();
    assert!(
        matches!(&error, EngineError::Vanished(seen) if (seen.gone, seen.live) == (84, 400)),
        "more than 20 % within a day: {error}"
    );
    // Another process, two days later: the others are not forgotten while this is open.
    let store = engine.store().clone();
    drop(engine);
    store.close().await;
    drop(store);
    clock.advance(SignedDuration::from_hours(50));
    let engine = again(&crm, &folder).await;
    let error = engine.poll(&crm.id).await.unwrap_err();
    assert!(matches!(&error, EngineError::Vanished(seen) if seen.gone == 84), "{error}");
    assert_eq!(live(&engine, &crm).await, 320);

    // They are back, all of them, and the count with them: the same again would be no mass for that alone.
    crm.bring_back();
    clock.advance(SignedDuration::from_mins(1));
    engine.poll(&crm.id).await.unwrap();
    assert_eq!(live(&engine, &crm).await, 400);
    crm.archive(0..80);
    clock.advance(SignedDuration::from_mins(1));
    engine.poll(&crm.id).await.unwrap();
    assert_eq!(live(&engine, &crm).await, 320, "20 % is not more than 20 %");
}

/// Another engine over the same store.
async fn again(crm: &Arc<Crm>, folder: &tempfile::TempDir) -> Engine {
    let rules = rules(AGREEMENT, ROSTER, Mode::Off);
    let store = Store::open(&folder.path().join("baton.db"), &rules.workspace).await.unwrap();
    Engine::new(store, vec![Arc::clone(crm) as Arc<dyn Connector>], crm.clock.clone(), rules).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handoffs_stay_open_when_all_leads_of_an_odoo_are_archived_at_once_fault_36() {
    let world = World::new().await;
    let admin = world.odoo.as_admin();
    for number in 0..30 {
        admin.create_lead(json!({ "name": format!("Lead {number}"), "user_id": false })).unwrap();
    }
    let (_, lead, _) = world.handed_over("Jane").await;
    let engine = &world.parts.engine;
    let odoo = ConnectionId::from("odoo");
    let all = world.odoo.leads();
    world.clock.advance(SignedDuration::from_mins(1));
    admin.call("crm.lead", "action_archive", json!({ "ids": all })).unwrap();
    for _ in 0..3 {
        assert!(matches!(engine.poll(&odoo).await, Err(EngineError::Vanished(_))), "{}", world.story().await);
        engine.sweep().await.unwrap();
        world.clock.advance(SignedDuration::from_mins(1));
    }
    let open = engine.store().open_handoffs(10).await.unwrap();
    assert_eq!(open.len(), 1, "{}", world.story().await);
    assert!(open[0].handoff.turn().is_some_and(|turn| turn.ended.is_none()), "the owner keeps it");
    let story = world.story().await;
    assert_eq!(story.matches("31 of 31 people are gone").count(), 1, "{story}");

    admin.call("crm.lead", "action_unarchive", json!({ "ids": all })).unwrap();
    world.beat().await;
    world.rep(world_owner(&world, lead)).log_call(lead, "reached").unwrap();
    world.pass(3).await;
    let story = world.story().await;
    assert!(story.contains("first touch"), "it goes on where it stood: {story}");
    assert_eq!(engine.store().open_handoffs(10).await.unwrap().len(), 1, "{story}");

    // One that is archived alone is gone as ever.
    world.clock.advance(SignedDuration::from_mins(1));
    admin.call("crm.lead", "action_archive", json!({ "ids": [lead] })).unwrap();
    world.beat().await;
    assert!(engine.store().open_handoffs(10).await.unwrap().is_empty(), "{}", world.story().await);
}

fn world_owner(world: &World, lead: i64) -> &'static str {
    let owner = world.odoo.owner(lead).unwrap();
    world.reps.iter().find(|(_, (id, _))| *id == owner).map(|(login, _)| *login).unwrap()
}
