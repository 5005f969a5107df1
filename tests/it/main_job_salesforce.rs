//! The main job with sales in Salesforce, end to end over real HTTP: qualified in HubSpot, handed over as a lead, touched or not, converted
//! or given back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use baton::clock::Clock;
use baton::connector::settings::{Auth, JwtApp, Kind, Settings};
use baton::daemon::Parts;
use baton::daemon::assemble::assemble;
use baton::domain::id::Name;
use baton::domain::plan::Mode;
use baton::domain::stage::Stage;
use baton::sandbox::hubspot::{Author, HubSpot, Kind as Object};
use baton::sandbox::odoo::Odoo;
use baton::sandbox::salesforce::{Person, Salesforce};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::harness::{AGREEMENT, Inbox, REPS, ROSTER, assembly, morning, rules, serve, slack};

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) hubspot: HubSpot,
    pub(crate) org: Salesforce,
    pub(crate) parts: Parts,
    inbox: Inbox,
    /// Salesforce's users by login.
    reps: BTreeMap<&'static str, String>,
    marketer: i64,
    _servers: JoinSet<()>,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with(AGREEMENT).await
    }

    /// The same under another agreement, which hands over to `odoo` as it stands.
    pub(crate) async fn with(agreement: &str) -> Self {
        let clock = Clock::manual(morning());
        let hubspot = HubSpot::new(
            clock.clone(),
            baton::sandbox::hubspot::Settings {
                index_lag: SignedDuration::ZERO,
                burst_per_10s: 100_000,
                searches_per_s: 10_000,
                ..baton::sandbox::hubspot::Settings::default()
            },
        );
        let org = Salesforce::new(clock.clone(), baton::sandbox::salesforce::Settings::default());
        org.add_field("Lead", "BatonKey__c", "string", true);
        org.add_field("Lead", "Reason__c", "picklist", false);
        org.add_field("Task", "BatonKey__c", "string", true);
        let mut reps = BTreeMap::new();
        for (login, first, last) in REPS {
            let email = format!("{login}@example.com");
            hubspot.add_owner(&email, first, last);
            reps.insert(login, org.add_user(&format!("{login}@acme.example"), &format!("{first} {last}"), &email));
        }
        hubspot.add_owner("m.huber@example.com", "Maria", "Huber");
        let marketer = hubspot.add_owner("o.stein@example.com", "Olaf", "Stein").user_id;
        for list in ["Nurture: next quarter", "Nurture: re-engage"] {
            hubspot.create_list(list);
        }
        let mut servers = JoinSet::new();
        let hubspot_at = serve(&mut servers, hubspot.router()).await;
        let org_at = serve(&mut servers, org.router()).await;
        let inbox = Inbox::default();
        let slack_at = serve(&mut servers, slack(Arc::clone(&inbox))).await;
        let folder = tempfile::tempdir().unwrap();
        let text = agreement.replace("to = \"odoo\"", "to = \"salesforce\"");
        // The harness knows an Odoo; nobody asks it here.
        let odoo = Odoo::new(clock.clone(), baton::sandbox::odoo::Settings::default());
        let addresses = [hubspot_at.as_str(), "http://127.0.0.1:9", slack_at.as_str()];
        let rules = rules(&text, ROSTER, Mode::On);
        let mut assembly = assembly(&clock, &hubspot, &odoo, &addresses, folder.path().join("baton.db"), rules);
        assembly.connections[1] = sales(&org, &org_at);
        let parts = assemble(assembly).await.unwrap();
        Self { clock, hubspot, org, parts, inbox, reps, marketer, _servers: servers, _folder: folder }
    }

    /// What the daemon's loops do until nothing more follows.
    pub(crate) async fn beat(&self) {
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

    pub(crate) async fn pass(&self, minutes: i64) {
        for step in 0..minutes {
            self.clock.advance(SignedDuration::from_mins(1));
            if step % 3 == 2 || step + 1 == minutes {
                self.beat().await;
            }
        }
    }

    pub(crate) fn contact(&self, name: &str) -> String {
        let by = Author::Form;
        let email = format!("{}@acme.example", name.to_lowercase());
        let id = self.hubspot.create_contact(
            by,
            &[
                ("email", &email),
                ("firstname", name),
                ("lastname", "Roe"),
                ("jobtitle", "Head of IT"),
                ("phone", "+49 30 1234"),
                ("lifecyclestage", "lead"),
            ],
        );
        let company = self.hubspot.create(
            Object::Company,
            by,
            &[("name", "Acme GmbH"), ("domain", "acme.example"), ("numberofemployees", "300"), ("country", "Germany")],
        );
        assert!(self.hubspot.associate((Object::Contact, &id), (Object::Company, &company), true));
        id
    }

    pub(crate) fn qualify(&self, contact: &str) {
        let by = Author::User(self.marketer);
        assert!(self.hubspot.update(Object::Contact, contact, by, &[("lifecyclestage", "marketingqualifiedlead")]));
    }

    /// A contact that was qualified and handed over; answers the contact, the lead in Salesforce and its owner's login.
    async fn handed_over(&self, name: &str) -> (String, String, &'static str) {
        let contact = self.contact(name);
        self.beat().await;
        self.pass(2).await;
        self.qualify(&contact);
        self.pass(3).await;
        let email = format!("{}@acme.example", name.to_lowercase());
        let leads = self.org.find("Lead", "Email", &email);
        assert_eq!(leads.len(), 1, "one lead is made for {name}: {}", self.story().await);
        let owner = text(&leads[0], "OwnerId");
        let login = self.reps.iter().find(|(_, id)| **id == owner).map(|(login, _)| *login);
        let login = login.expect("its owner is one of the team");
        (contact, text(&leads[0], "Id"), login)
    }

    fn rep(&self, login: &str) -> Person {
        self.org.as_user(&self.reps[login])
    }

    fn owner(&self, object: &str, id: &str) -> String {
        text(&self.org.get(object, id).unwrap(), "OwnerId")
    }

    pub(crate) fn told(&self) -> Vec<String> {
        let inbox = self.inbox.lock().unwrap();
        inbox.iter().map(|(channel, message)| format!("{channel}: {}", message["text"].as_str().unwrap())).collect()
    }

    pub(crate) async fn story(&self) -> String {
        let rules = self.parts.engine.rules();
        let store = self.parts.engine.store();
        let mut rows = store.recent_events(0, 500).await.unwrap();
        rows.reverse();
        let mut lines: Vec<String> = rows
            .iter()
            .map(|row| {
                format!(
                    "{} {} {}",
                    row.event.at,
                    row.lead,
                    baton::report::words::happening(&row.event.what, &rules.roster)
                )
            })
            .collect();
        for finding in store.findings(50).await.unwrap() {
            lines.push(format!("! {} {}: {}", finding.kind, finding.subject, finding.text));
        }
        for dead in store.effects_dead(50).await.unwrap() {
            lines.push(format!("dead {} to {}: {:?}", dead.effect, dead.to, dead.message));
        }
        lines.push(format!("{:?}", store.overview().await.unwrap()));
        lines.push(format!("live: {}", self.parts.engine.is_live()));
        format!("\n{}", lines.join("\n"))
    }
}

fn text(row: &Value, field: &str) -> String {
    row[field].as_str().unwrap_or_default().to_owned()
}

fn sales(org: &Salesforce, at: &str) -> Settings {
    let app = org.settings();
    let mut sales = Settings::new("salesforce", Kind::Salesforce, at.parse().unwrap(), String::new().into());
    sales.auth = Auth::Jwt(JwtApp {
        client_id: app.consumer_key,
        username: app.username,
        key: org.private_key().to_owned().into(),
        audience: "https://login.salesforce.com".to_owned(),
    });
    sales.budget_percent = 100;
    sales.poll = Duration::from_millis(200);
    sales.fields = vec![(baton::domain::field::Field::Reason, "Reason__c".to_owned())];
    sales.reasons = [
        ("bad_timing", "Bad timing"),
        ("no_response", "No response"),
        ("bad_fit", "Bad fit"),
        ("duplicate", "Duplicate"),
    ]
    .map(|(name, said)| (Name::from(name), vec![said.to_owned()]))
    .to_vec();
    sales
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_qualified_contact_gets_a_lead_an_owner_and_a_task_in_salesforce() {
    let world = World::new().await;
    let (contact, lead, owner) = world.handed_over("Jane").await;
    let made = world.org.get("Lead", &lead).unwrap();
    assert_eq!((text(&made, "LastName"), text(&made, "Company")), ("Roe".to_owned(), "Acme GmbH".to_owned()));
    let mut tasks = world.org.find("Task", "WhoId", &lead);
    assert_eq!(tasks.len(), 2, "the task, and the package as a note: {tasks:?}");
    tasks.retain(|task| task["IsClosed"] == false);
    assert_eq!(
        (text(&tasks[0], "OwnerId"), text(&tasks[0], "TaskSubtype")),
        (world.reps[owner].clone(), "Call".to_owned())
    );
    assert!(
        !world.hubspot.get(Object::Contact, &contact).unwrap()["hubspot_owner_id"].is_empty(),
        "marketing sees who has it"
    );
    assert!(world.told().iter().any(|line| line.starts_with("sales: Jane Roe")), "{:?}", world.told());
    assert!(world.org.ledger().iter().filter(|effect| effect.is_api).all(|effect| !effect.auto_assign));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_that_sales_has_in_a_queue_is_found_and_given_to_its_owner() {
    let world = World::new().await;
    let queue = world.org.add_queue("Inbound");
    let values = json!({"LastName": "Roe", "Company": "Acme GmbH", "Email": "jane@acme.example", "OwnerId": queue});
    let known = world.org.as_admin().create("Lead", values).unwrap();
    let (_, lead, owner) = world.handed_over("Jane").await;
    assert_eq!(lead, known, "no second lead: {}", world.story().await);
    assert_eq!(world.owner("Lead", &lead), world.reps[owner]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reps_completed_task_stops_the_clock() {
    let world = World::new().await;
    let (_, lead, owner) = world.handed_over("Jane").await;
    world.pass(20).await;
    let task = text(&world.org.find("Task", "WhoId", &lead)[0], "Id");
    world.rep(owner).complete_task(&task).unwrap();
    world.pass(80).await;
    assert_eq!(world.told().len(), 1, "nobody is warned: {:?} {}", world.told(), world.story().await);
    assert!(world.story().await.contains("first touch kept in time"), "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silence_breaches_and_reassigns() {
    let world = World::new().await;
    let (_, lead, first) = world.handed_over("Jane").await;
    world.pass(100).await;
    let story = world.story().await;
    for part in
        ["warning: first touch at 80 %", "BREACH: first touch at 100 %", "turn 1 missed", "the clock of turn 2 started"]
    {
        assert!(story.contains(part), "{part} is missing in {story}");
    }
    assert_ne!(world.owner("Lead", &lead), world.reps[first], "the next one has it: {story}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disqualified_lead_returns_to_the_nurture_list_of_marketing() {
    let world = World::new().await;
    let (contact, lead, owner) = world.handed_over("Jane").await;
    world.rep(owner).log_call(&lead, "not now").unwrap();
    world
        .rep(owner)
        .update("Lead", &lead, json!({"Status": "Closed - Not Converted", "Reason__c": "Bad timing"}))
        .unwrap();
    world.pass(10).await;
    world.pass(10).await;
    assert_eq!(
        world.hubspot.list_members("Nurture: next quarter"),
        std::slice::from_ref(&contact),
        "{}",
        world.story().await
    );
    assert!(
        world.told().iter().any(|line| line.starts_with("marketing: Jane Roe (Acme GmbH) returns")),
        "{:?}",
        world.told()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_changes_the_owner_in_salesforce_wins() {
    let world = World::new().await;
    let (_, lead, owner) = world.handed_over("Jane").await;
    let other = world.reps.keys().find(|login| **login != owner).copied().unwrap();
    world.pass(10).await;
    world.org.as_admin().update("Lead", &lead, json!({"OwnerId": world.reps[other]})).unwrap();
    world.pass(90).await;
    assert_eq!(world.owner("Lead", &lead), world.reps[other], "{}", world.story().await);
    assert!(world.story().await.contains("a person gave it to"), "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversion_before_the_touch_keeps_the_handoff_and_confirms_it_fault_31() {
    let world = World::new().await;
    let (_, lead, owner) = world.handed_over("Jane").await;
    let store = world.parts.engine.store();
    let before = store.open_handoffs(10).await.unwrap().remove(0);
    world.pass(10).await;
    world.rep(owner).log_call(&lead, "reached").unwrap();
    world.pass(2).await;
    let made = world.rep(owner).convert(&lead, None, Some("Acme: 20 seats")).unwrap();
    world.pass(3).await;
    let story = world.story().await;
    for id in [&lead, &made.contact] {
        let found = store.find_lead(&format!("salesforce:{id}")).await.unwrap();
        assert_eq!(found, Some(before.handoff.id.lead), "{id}: {story}");
    }
    let state = store.lead_state(before.handoff.id.lead).await.unwrap().unwrap();
    assert_eq!(state.stage, Stage::Sql, "{story}");
    assert!(story.contains("first touch kept in time"), "{story}");
    assert_eq!(world.org.find("Lead", "Email", "jane@acme.example").len(), 1, "no second lead: {story}");

    let opportunity = made.opportunity.unwrap();
    world.rep(owner).update("Opportunity", &opportunity, json!({"StageName": "Closed Won"})).unwrap();
    world.pass(3).await;
    let state = store.lead_state(before.handoff.id.lead).await.unwrap().unwrap();
    assert_eq!(state.stage, Stage::Won, "the opportunity carries on: {}", world.story().await);
}
