//! The main job with Pipedrive as sales' CRM, end to end over real HTTP: qualified in HubSpot, handed over in Pipedrive, touched or not,
//! and back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::post;
use axum::{Json, Router};
use baton::clock::Clock;
use baton::connector::settings::{Kind as Crm, Settings, SignalMap, SignalTest};
use baton::daemon::Parts;
use baton::daemon::assemble::{Assembly, assemble, sandbox_pace};
use baton::domain::caps::Caps;
use baton::domain::id::Name;
use baton::domain::plan::Mode;
use baton::engine::deliver::Channels;
use baton::notify::Channel;
use baton::notify::slack::Slack;
use baton::sandbox::hubspot::{Author, HubSpot, Kind as Object};
use baton::sandbox::pipedrive::{Kind, Pipedrive, Settings as Account};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::harness::{AGREEMENT, REPS, ROSTER, morning, rules, serve};

struct World {
    clock: Clock,
    hubspot: HubSpot,
    pipedrive: Pipedrive,
    parts: Parts,
    told: Arc<Mutex<Vec<String>>>,
    reps: BTreeMap<i64, String>,
    marketer: i64,
    _servers: JoinSet<()>,
    _folder: tempfile::TempDir,
}

fn slack(told: Arc<Mutex<Vec<String>>>) -> Router {
    async fn take(
        State(told): State<Arc<Mutex<Vec<String>>>>,
        Path(channel): Path<String>,
        Json(message): Json<Value>,
    ) -> &'static str {
        told.lock().unwrap().push(format!("{channel}: {}", message["text"].as_str().unwrap()));
        "ok"
    }
    Router::new().route("/{channel}", post(take)).with_state(told)
}

impl World {
    async fn new() -> Self {
        let clock = Clock::manual(morning());
        let portal = baton::sandbox::hubspot::Settings {
            index_lag: SignedDuration::ZERO,
            burst_per_10s: 100_000,
            searches_per_s: 10_000,
            ..baton::sandbox::hubspot::Settings::default()
        };
        let hubspot = HubSpot::new(clock.clone(), portal);
        let account =
            Account { burst_per_2s: 100_000, searches_per_2s: 100_000, daily_tokens: 10_000_000, ..Account::default() };
        let pipedrive = Pipedrive::new(clock.clone(), account);
        let mut reps = BTreeMap::new();
        for (login, first, last) in REPS {
            let email = format!("{login}@example.com");
            hubspot.add_owner(&email, first, last);
            reps.insert(pipedrive.add_user(&format!("{first} {last}"), &email), login.to_owned());
        }
        pipedrive.add_user("Maria Huber", "m.huber@example.com");
        hubspot.add_owner("m.huber@example.com", "Maria", "Huber");
        let marketer = hubspot.add_owner("o.stein@example.com", "Olaf", "Stein").user_id;
        for list in ["Nurture: next quarter", "Nurture: re-engage"] {
            hubspot.create_list(list);
        }
        let mut servers = JoinSet::new();
        let hubspot_at = serve(&mut servers, hubspot.router()).await;
        let pipedrive_at = serve(&mut servers, super::openapi::held_to_the_specification(&pipedrive)).await;
        let told = Arc::default();
        let slack_at = serve(&mut servers, slack(Arc::clone(&told))).await;
        let folder = tempfile::tempdir().unwrap();
        let agreement = AGREEMENT.replace("to = \"odoo\"", "to = \"pipedrive\"");
        let channel = |name: &str| {
            let slack = Slack::webhook(format!("{slack_at}/{name}").into(), "http://board.example".to_owned());
            (Name::from(format!("slack.{name}")), Channel::Slack(slack))
        };
        let assembly = Assembly {
            rules: rules(&agreement, ROSTER, Mode::On),
            connections: vec![marketing(&hubspot, &hubspot_at), sales(&pipedrive, &pipedrive_at)],
            channels: Channels { by_name: vec![channel("sales"), channel("marketing")], ..Channels::default() },
            store: folder.path().join("baton.db"),
            store_key: None,
            rest: baton::store::REST,
            retention: baton::engine::Retention::default(),
            caps: Caps::none(),
            access: baton::domain::access::Access::default(),
            clock: clock.clone(),
            pace: Some(sandbox_pace()),
        };
        let parts = assemble(assembly).await.unwrap();
        Self { clock, hubspot, pipedrive, parts, told, reps, marketer, _servers: servers, _folder: folder }
    }

    async fn beat(&self) {
        for _ in 0..6 {
            let mut moved = 0;
            for (connection, _) in &self.parts.polls {
                moved += self.parts.engine.poll(connection).await.unwrap().changes;
            }
            moved += self.parts.engine.sweep().await.unwrap().leads;
            for (connection, _) in &self.parts.polls {
                moved += self.parts.engine.deliver(connection).await.unwrap().claimed;
            }
            moved += self.parts.engine.deliver_notices(&self.parts.client, &self.parts.channels).await.unwrap().claimed;
            if moved == 0 {
                return;
            }
        }
    }

    async fn pass(&self, minutes: i64) {
        for step in 0..minutes {
            self.clock.advance(SignedDuration::from_mins(1));
            if step % 3 == 2 || step + 1 == minutes {
                self.beat().await;
            }
        }
    }

    fn contact(&self) -> String {
        let properties = [
            ("email", "jane@acme.example"),
            ("firstname", "Jane"),
            ("lastname", "Roe"),
            ("jobtitle", "Head of IT"),
            ("phone", "+49 30 1234"),
            ("lifecyclestage", "lead"),
        ];
        let id = self.hubspot.create_contact(Author::Form, &properties);
        let company =
            [("name", "Acme GmbH"), ("domain", "acme.example"), ("numberofemployees", "300"), ("country", "Germany")];
        let company = self.hubspot.create(Object::Company, Author::Form, &company);
        assert!(self.hubspot.associate((Object::Contact, &id), (Object::Company, &company), true));
        id
    }

    /// A contact that was qualified and handed over; answers the contact, the person, the lead and its owner.
    async fn handed_over(&self) -> (String, String, String, i64) {
        let contact = self.contact();
        self.beat().await;
        self.pass(2).await;
        let by = Author::User(self.marketer);
        assert!(self.hubspot.update(Object::Contact, &contact, by, &[("lifecyclestage", "marketingqualifiedlead")]));
        self.pass(2).await;
        let leads = self.pipedrive.ids(Kind::Lead);
        assert_eq!(leads.len(), 1, "one lead is made: {}", self.story().await);
        let lead = self.lead(&leads[0]);
        let owner = lead["owner_id"].as_i64().unwrap();
        assert!(self.reps.contains_key(&owner), "one of the team: {lead}");
        (contact, lead["person_id"].to_string(), leads[0].clone(), owner)
    }

    fn lead(&self, id: &str) -> Value {
        self.pipedrive.get(Kind::Lead, id).unwrap()
    }

    fn on(&self, name: &str, id: impl Into<Value>) -> Map<String, Value> {
        Map::from_iter([(name.to_owned(), id.into())])
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    async fn story(&self) -> String {
        let rules = self.parts.engine.rules();
        let store = self.parts.engine.store();
        let mut rows = store.recent_events(0, 500).await.unwrap();
        rows.reverse();
        let mut lines: Vec<String> = rows
            .iter()
            .map(|row| format!("{} {}", row.event.at, baton::report::words::happening(&row.event.what, &rules.roster)))
            .collect();
        for finding in store.findings(50).await.unwrap() {
            lines.push(format!("! {} {}: {}", finding.kind, finding.subject, finding.text));
        }
        for dead in store.effects_dead(50).await.unwrap() {
            lines.push(format!("dead {} to {}: {:?}", dead.effect, dead.to, dead.message));
        }
        lines.push(format!("live: {}", self.parts.engine.is_live()));
        format!("\n{}", lines.join("\n"))
    }
}

fn marketing(hubspot: &HubSpot, at: &str) -> Settings {
    let token = hubspot.settings().tokens[0].secret.clone();
    let mut marketing = Settings::new("hubspot", Crm::HubSpot, at.parse().unwrap(), token.into());
    marketing.signals = vec![SignalMap {
        signal: Name::from("demo_request"),
        property: "recent_conversion_event_name".to_owned(),
        test: SignalTest::Contains("demo".to_owned()),
        at: Some("recent_conversion_date".to_owned()),
    }];
    marketing.tracks = vec![
        (Name::from("next-quarter"), "Nurture: next quarter".to_owned()),
        (Name::from("re-engage"), "Nurture: re-engage".to_owned()),
    ];
    marketing.budget_percent = 100;
    marketing.poll = Duration::from_millis(200);
    marketing
}

fn sales(pipedrive: &Pipedrive, at: &str) -> Settings {
    let mut sales = super::connector_pipedrive::settings(at, pipedrive);
    sales.daily_tokens = Some(10_000_000);
    sales.poll = Duration::from_millis(200);
    sales.reasons = [
        ("bad_timing", vec!["Bad timing", "archived"]),
        ("no_response", vec!["No response"]),
        ("bad_fit", vec!["Bad fit"]),
        ("duplicate", vec!["Duplicate", "deleted"]),
    ]
    .map(|(name, said)| (Name::from(name), said.into_iter().map(str::to_owned).collect()))
    .to_vec();
    sales
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_qualified_contact_gets_a_person_a_lead_an_owner_and_a_task_in_pipedrive() {
    let world = World::new().await;
    let (contact, person, lead, owner) = world.handed_over().await;
    let shown = world.pipedrive.get(Kind::Person, &person).unwrap();
    assert_eq!(shown["emails"][0]["value"], json!("jane@acme.example"));
    assert_eq!(world.lead(&lead)["title"], json!("Jane Roe, Acme GmbH"));
    let tasks = world.pipedrive.ids(Kind::Activity);
    assert_eq!(tasks.len(), 1, "{}", world.story().await);
    let task = world.pipedrive.get(Kind::Activity, &tasks[0]).unwrap();
    assert_eq!((&task["lead_id"], &task["owner_id"], &task["type"]), (&json!(lead), &json!(owner), &json!("task")));
    let marketing = world.hubspot.get(Object::Contact, &contact).unwrap()["hubspot_owner_id"].clone();
    assert!(!marketing.is_empty(), "marketing sees who has it");
    assert!(world.told().iter().any(|line| line.starts_with("sales: Jane Roe")), "{:?}", world.told());
    // The echo of what Baton wrote is nobody's choice and opens nothing.
    world.pass(10).await;
    assert!(!world.story().await.contains("a person gave it to"), "{}", world.story().await);
    assert_eq!((world.pipedrive.ids(Kind::Lead).len(), world.pipedrive.ids(Kind::Person).len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reps_done_call_stops_the_clock_in_pipedrive() {
    let world = World::new().await;
    let (_, _, lead, owner) = world.handed_over().await;
    world.pass(20).await;
    world.pipedrive.log(owner, "call", &world.on("lead_id", lead.as_str())).unwrap();
    world.pass(80).await;
    assert_eq!(world.told().len(), 1, "nobody is warned: {:?} {}", world.told(), world.story().await);
    assert!(world.story().await.contains("first touch kept in time"), "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silence_breaches_and_the_next_one_gets_the_lead_in_pipedrive() {
    let world = World::new().await;
    let (_, person, lead, first) = world.handed_over().await;
    // Ticking Baton's own task off is no touch.
    let task = world.pipedrive.ids(Kind::Activity).remove(0);
    world.pipedrive.update(first, Kind::Activity, &task, &json!({"done": true})).unwrap();
    world.pass(100).await;
    let story = world.story().await;
    for part in [
        "warning: first touch at 80 %",
        "BREACH: first touch at 100 %",
        "BREACH: first touch at 150 %",
        "turn 1 missed",
    ] {
        assert!(story.contains(part), "{part} is missing in {story}");
    }
    let second = world.lead(&lead)["owner_id"].as_i64().unwrap();
    assert!(second != first && world.reps.contains_key(&second), "the next one has it: {story}");
    assert_eq!(world.pipedrive.get(Kind::Person, &person).unwrap()["owner_id"], json!(second), "{story}");
    let breaches = world.told().iter().filter(|line| line.contains("was due")).count();
    assert_eq!(breaches, 1, "once: {:?}", world.told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_changes_the_owner_in_pipedrive_wins() {
    let world = World::new().await;
    let (_, _, lead, owner) = world.handed_over().await;
    let other = world.reps.keys().copied().find(|id| *id != owner).unwrap();
    world.pass(10).await;
    world.pipedrive.update(owner, Kind::Lead, &lead, &json!({"owner_id": other})).unwrap();
    world.pass(80).await;
    assert!(world.story().await.contains("a person gave it to"), "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_converted_lead_goes_on_under_the_same_handoff_and_confirms_it() {
    let world = World::new().await;
    let (_, _, lead, owner) = world.handed_over().await;
    world.pass(10).await;
    let deal = world.pipedrive.convert(owner, &lead).unwrap();
    world.pass(5).await;
    let story = world.story().await;
    let open = world.parts.engine.store().open_handoffs(10).await.unwrap();
    assert!(open.is_empty() && story.contains("confirmed"), "{story}");
    assert_eq!(world.pipedrive.ids(Kind::Lead).len(), 0, "no second lead: {story}");
    assert_eq!(world.pipedrive.get(Kind::Deal, &deal).unwrap()["owner_id"], json!(owner));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archived_lead_returns_to_marketings_list_once() {
    let world = World::new().await;
    let (contact, _, lead, owner) = world.handed_over().await;
    world.pipedrive.log(owner, "call", &world.on("lead_id", lead.as_str())).unwrap();
    world.pass(5).await;
    world.pipedrive.update(owner, Kind::Lead, &lead, &json!({"is_archived": true})).unwrap();
    // The archived ones are looked at once an hour.
    world.pass(75).await;
    let members = world.hubspot.list_members("Nurture: next quarter");
    assert_eq!(members, std::slice::from_ref(&contact), "{}", world.story().await);
    assert!(world.told().iter().any(|line| line.starts_with("marketing: Jane Roe")), "{:?}", world.told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_deal_returns_to_marketings_list() {
    let world = World::new().await;
    let (contact, person, _, owner) = world.handed_over().await;
    world.pipedrive.log(owner, "call", &world.on("person_id", person.parse::<i64>().unwrap())).unwrap();
    world.pass(5).await;
    // Sales works on with a deal of its own, in a stage that is not mapped, and loses it.
    let stage = world.pipedrive.add_stage("First talks");
    let values =
        json!({"title": "Jane", "person_id": person.parse::<i64>().unwrap(), "owner_id": owner, "stage_id": stage});
    let deal = world.pipedrive.create(owner, Kind::Deal, &values).unwrap();
    world.pass(3).await;
    let lost = json!({"status": "lost", "lost_reason": "Bad timing"});
    for lead in world.pipedrive.ids(Kind::Lead) {
        assert!(world.pipedrive.delete(owner, Kind::Lead, &lead));
    }
    world.pipedrive.update(owner, Kind::Deal, &deal, &lost).unwrap();
    world.pass(10).await;
    let members = world.hubspot.list_members("Nurture: next quarter");
    assert_eq!(members, std::slice::from_ref(&contact), "{}", world.story().await);
}
