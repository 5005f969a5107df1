//! The whole of Baton over real HTTP: sandbox CRMs on loopback, the real connectors, engine and store, a clock that the
//! test moves. A beat is what the daemon's loops do in a minute: poll, sweep, deliver, until nothing more follows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::post;
use axum::{Json, Router};
use baton::agreement;
use baton::clock::Clock;
use baton::connector::settings::{Kind, Settings, SignalMap, SignalTest};
use baton::daemon::Parts;
use baton::daemon::assemble::{Assembly, assemble};
use baton::document::{Problems, Source};
use baton::domain::caps::Caps;
use baton::domain::id::{Name, WorkspaceId};
use baton::domain::plan::Mode;
use baton::domain::reach::{Links, Telling};
use baton::engine::Rules;
use baton::engine::deliver::Channels;
use baton::notify::Channel;
use baton::notify::slack::Slack;
use baton::sandbox::hubspot::{Author, HubSpot, Kind as Object, OwnerIds};
use baton::sandbox::odoo::Odoo;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Tuesday 24 November 2026, 09:00 in Berlin.
pub(crate) fn morning() -> Timestamp {
    "2026-11-24T08:00:00Z".parse().unwrap()
}

pub(crate) const AGREEMENT: &str = include_str!("../fixtures/world/agreement.toml");
pub(crate) const ROSTER: &str = include_str!("../fixtures/world/roster.toml");
pub(crate) const REPS: [(&str, &str, &str); 6] = [
    ("a.lang", "Anna", "Lang"),
    ("b.may", "Ben", "May"),
    ("c.voss", "Clara", "Voss"),
    ("d.holm", "Dirk", "Holm"),
    ("e.kern", "Eva", "Kern"),
    ("f.roth", "Finn", "Roth"),
];

/// Holidays of one year, as `until-2026.ics`.
const HOLIDAYS: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nSUMMARY:Christmas\r\nDTSTART;VALUE=DATE:20261225\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

/// Messages that a Slack would have shown, by channel.
pub(crate) type Inbox = Arc<Mutex<Vec<(String, serde_json::Value)>>>;

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) hubspot: HubSpot,
    pub(crate) odoo: Odoo,
    pub(crate) parts: Parts,
    pub(crate) inbox: Inbox,
    pub(crate) reps: BTreeMap<&'static str, (i64, OwnerIds)>,
    _servers: JoinSet<()>,
    pub(crate) folder: tempfile::TempDir,
    marketer: i64,
    hubspot_at: String,
    odoo_at: String,
    slack_at: String,
    pub(crate) writes: Mode,
    caps: Caps,
    /// The connections' settings, as the test adjusted them.
    connections: Vec<Settings>,
    operators: Option<Name>,
}

pub(crate) async fn serve(servers: &mut JoinSet<()>, router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    servers.spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

pub(crate) fn slack(inbox: Inbox) -> Router {
    async fn take(
        State(inbox): State<Inbox>,
        Path(channel): Path<String>,
        Json(message): Json<serde_json::Value>,
    ) -> &'static str {
        inbox.lock().unwrap().push((channel, message));
        "ok"
    }
    Router::new().route("/{channel}", post(take)).with_state(inbox)
}

/// The agreement and roster of the demo, read from their texts; the test fails with the rendered problems.
pub(crate) fn rules(agreement_text: &str, roster_text: &str, writes: Mode) -> Rules {
    let problems = Problems::new();
    let draft = agreement::read(
        &Source::new("agreement.toml", agreement_text),
        &TimeZone::get("Europe/Berlin").unwrap(),
        &problems,
    );
    let roster = agreement::read_roster(
        &Source::new("roster.toml", roster_text),
        &|path| {
            if path == "until-2026.ics" { Ok(HOLIDAYS.to_owned()) } else { Err(format!("{path} is not there")) }
        },
        &problems,
    );
    assert!(!problems.has_errors(), "{}", problems.render(false));
    Rules {
        workspace: WorkspaceId::from("default"),
        agreement: Arc::new(draft.agreement),
        roster: Arc::new(roster.roster),
        texts: Arc::new(baton::engine::Texts::new(
            agreement_text,
            roster_text,
            &[("until-2026.ics".to_owned(), HOLIDAYS.to_owned())],
        )),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        writes,
        notices: Mode::On,
        public_url: Arc::from("http://board.example"),
        telling: Arc::default(),
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(AGREEMENT, Mode::On).await
    }

    pub(crate) async fn with(agreement_text: &str, writes: Mode) -> Self {
        Self::with_settings(agreement_text, writes, |_| {}).await
    }

    /// The same with other settings of each connection.
    pub(crate) async fn with_settings(agreement_text: &str, writes: Mode, adjust: impl Fn(&mut Settings)) -> Self {
        Self::on(Clock::manual(morning()), agreement_text, writes, adjust).await
    }

    /// The same by another clock that is moved by hand; the CRMs share it.
    pub(crate) async fn on(clock: Clock, agreement_text: &str, writes: Mode, adjust: impl Fn(&mut Settings)) -> Self {
        Self::build(clock, agreement_text, writes, Caps::none(), adjust).await
    }

    /// The same with caps on what is written by itself.
    pub(crate) async fn capped(agreement_text: &str, caps: Caps) -> Self {
        Self::build(Clock::manual(morning()), agreement_text, Mode::On, caps, |_| {}).await
    }

    async fn build(
        clock: Clock,
        agreement_text: &str,
        writes: Mode,
        caps: Caps,
        adjust: impl Fn(&mut Settings),
    ) -> Self {
        let hubspot = HubSpot::new(
            clock.clone(),
            baton::sandbox::hubspot::Settings {
                index_lag: SignedDuration::ZERO,
                burst_per_10s: 100_000,
                searches_per_s: 10_000,
                ..baton::sandbox::hubspot::Settings::default()
            },
        );
        let odoo = Odoo::new(clock.clone(), baton::sandbox::odoo::Settings::default());
        let mut reps = BTreeMap::new();
        for (login, first, last) in REPS {
            let email = format!("{login}@example.com");
            let ids = hubspot.add_owner(&email, first, last);
            reps.insert(login, (odoo.add_user(login, &format!("{first} {last}"), &email), ids));
        }
        odoo.add_user("m.huber", "Maria Huber", "m.huber@example.com");
        hubspot.add_owner("m.huber@example.com", "Maria", "Huber");
        let marketer = hubspot.add_owner("o.stein@example.com", "Olaf", "Stein").user_id;
        for list in ["Nurture: next quarter", "Nurture: re-engage"] {
            hubspot.create_list(list);
        }
        for reason in ["Bad timing", "Bad fit", "No response", "Duplicate"] {
            odoo.reason(reason);
        }
        let mut servers = JoinSet::new();
        let hubspot_at = serve(&mut servers, hubspot.router()).await;
        let odoo_at = serve(&mut servers, odoo.router()).await;
        let inbox = Inbox::default();
        let slack_at = serve(&mut servers, slack(Arc::clone(&inbox))).await;
        let folder = tempfile::tempdir().unwrap();
        let mut assembly = assembly(
            &clock,
            &hubspot,
            &odoo,
            &[&hubspot_at, &odoo_at, &slack_at],
            folder.path().join("baton.db"),
            rules(agreement_text, ROSTER, writes),
        );
        assembly.connections.iter_mut().for_each(adjust);
        assembly.caps = caps;
        let connections = assembly.connections.clone();
        let parts = assemble(assembly).await.unwrap();
        Self {
            clock,
            hubspot,
            odoo,
            parts,
            inbox,
            reps,
            _servers: servers,
            folder,
            marketer,
            hubspot_at,
            odoo_at,
            slack_at,
            writes,
            caps,
            connections,
            operators: None,
        }
    }

    /// Ends this Baton as a SIGKILL would, as far as one process can: nothing is drained, and another takes its place.
    pub(crate) async fn restart(&mut self, agreement_text: &str) {
        self.restart_with(agreement_text, ROSTER).await;
    }

    /// The same, with another roster, too.
    pub(crate) async fn restart_with(&mut self, agreement_text: &str, roster_text: &str) {
        let again = self.assembly_with(agreement_text, roster_text);
        self.restart_as(again, async |_| {}).await;
    }

    /// The same; `between` happens to the files while no Baton has them.
    pub(crate) async fn restart_after(&mut self, agreement_text: &str, between: impl AsyncFnOnce(&std::path::Path)) {
        let again = self.assembly_with(agreement_text, ROSTER);
        self.restart_as(again, between).await;
    }

    /// The same, with other ways to tell people.
    pub(crate) async fn restart_telling(
        &mut self,
        agreement_text: &str,
        roster_text: &str,
        channels: Channels,
        links: Option<Links>,
    ) {
        let mut again = self.assembly_with(agreement_text, roster_text);
        again.rules.telling = Arc::new(Telling { reach: channels.reach(), links });
        again.channels = channels;
        self.restart_as(again, async |_| {}).await;
    }

    /// What this world's Baton is made from.
    pub(crate) fn assembly_with(&self, agreement_text: &str, roster_text: &str) -> Assembly {
        let addresses = [self.hubspot_at.as_str(), &self.odoo_at, &self.slack_at];
        let path = self.folder.path().join("baton.db");
        let rules = rules(agreement_text, roster_text, self.writes);
        let mut again = assembly(&self.clock, &self.hubspot, &self.odoo, &addresses, path, rules);
        again.caps = self.caps;
        again.connections.clone_from(&self.connections);
        again.channels.operators.clone_from(&self.operators);
        again
    }

    /// Ends this Baton and begins another one made from `again`.
    pub(crate) async fn restart_as(&mut self, again: Assembly, between: impl AsyncFnOnce(&std::path::Path)) {
        self.parts.engine.store().close().await;
        // The lock goes with the last handle of the store.
        let mut placeholder = self.assembly_with(AGREEMENT, ROSTER);
        placeholder.store = self.folder.path().join("other.db");
        self.parts = assemble(placeholder).await.unwrap();
        between(self.folder.path()).await;
        self.parts = assemble(again).await.unwrap();
    }

    /// Changes the connections' settings, from the next start on.
    pub(crate) fn adjust(&mut self, adjust: impl FnMut(&mut Settings)) {
        self.connections.iter_mut().for_each(adjust);
    }

    /// Gives the people who run Baton the channel `slack.marketing`.
    pub(crate) async fn operated(&mut self) {
        self.operators = Some(Name::from("slack.marketing"));
        self.restart(AGREEMENT).await;
    }

    /// What the daemon's loops do until nothing more follows; the CRMs' clocks stand still meanwhile.
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

    /// Lets `minutes` pass, a few at a time, with a beat after each step.
    pub(crate) async fn pass(&self, minutes: i64) {
        for step in 0..minutes {
            self.clock.advance(SignedDuration::from_mins(1));
            if step % 3 == 2 || step + 1 == minutes {
                self.beat().await;
            }
        }
    }

    /// A contact of a firm that fits, as marketing knows it before anything happens.
    pub(crate) fn contact(&self, name: &str) -> String {
        self.contact_of("acme.example", name)
    }

    /// The same, of the firm with this domain.
    pub(crate) fn contact_of(&self, domain: &str, name: &str) -> String {
        let by = Author::Form;
        let email = format!("{}@{domain}", name.to_lowercase());
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
            &[("name", "Acme GmbH"), ("domain", domain), ("numberofemployees", "300"), ("country", "Germany")],
        );
        assert!(self.hubspot.associate((Object::Contact, &id), (Object::Company, &company), true));
        id
    }

    /// Marketing qualifies a contact by hand.
    pub(crate) fn qualify(&self, contact: &str) {
        let by = Author::User(self.marketer);
        assert!(self.hubspot.update(Object::Contact, contact, by, &[("lifecyclestage", "marketingqualifiedlead")]));
    }

    /// A contact that was qualified, handed over and has its owner in Odoo; answers the contact, the Odoo lead and the owner's login.
    pub(crate) async fn handed_over(&self, name: &str) -> (String, i64, &'static str) {
        let contact = self.contact(name);
        self.beat().await;
        self.pass(2).await;
        let before = self.odoo.leads();
        self.qualify(&contact);
        self.pass(2).await;
        let after = self.odoo.leads();
        let made: Vec<i64> = after.into_iter().filter(|lead| !before.contains(lead)).collect();
        assert_eq!(made.len(), 1, "one lead is made in Odoo for {name}: {}", self.story().await);
        let owner = self.odoo.owner(made[0]).expect("it has an owner");
        let login =
            self.reps.iter().find(|(_, (id, _))| *id == owner).map(|(login, _)| *login).expect("one of the team");
        (contact, made[0], login)
    }

    pub(crate) fn rep(&self, login: &str) -> baton::sandbox::odoo::Person {
        self.odoo.as_user(self.reps[login].0)
    }

    /// The kinds of notices that went out, from their headlines.
    pub(crate) fn told(&self) -> Vec<String> {
        self.inbox
            .lock()
            .unwrap()
            .iter()
            .map(|(channel, message)| format!("{channel}: {}", message["text"].as_str().unwrap()))
            .collect()
    }

    /// Everything that happened, for failure messages.
    pub(crate) async fn story(&self) -> String {
        let rules = self.parts.engine.rules();
        let mut rows = self.parts.engine.store().recent_events(0, 500).await.unwrap();
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
        for finding in self.parts.engine.store().findings(50).await.unwrap() {
            lines.push(format!("! {} {}: {}", finding.kind, finding.subject, finding.text));
        }
        for dead in self.parts.engine.store().effects_dead(50).await.unwrap() {
            lines.push(format!("dead {} to {}: {:?}", dead.effect, dead.to, dead.message));
        }
        lines.push(format!("{:?}", self.parts.engine.store().overview().await.unwrap()));
        lines.push(format!("live: {}", self.parts.engine.is_live()));
        format!("\n{}", lines.join("\n"))
    }
}

pub(crate) fn assembly(
    clock: &Clock,
    hubspot: &HubSpot,
    odoo: &Odoo,
    addresses: &[&str; 3],
    store: PathBuf,
    rules: Rules,
) -> Assembly {
    let [hubspot_at, odoo_at, slack_at] = *addresses;
    let token = hubspot.settings().tokens[0].secret.clone();
    let mut marketing = Settings::new("hubspot", Kind::HubSpot, hubspot_at.parse().unwrap(), token.into());
    let signal = |name: &str, property: &str, part: &str, at: &str| SignalMap {
        signal: Name::from(name),
        property: property.to_owned(),
        test: SignalTest::Contains(part.to_owned()),
        at: Some(at.to_owned()),
    };
    marketing.signals = vec![
        signal("demo_request", "recent_conversion_event_name", "demo", "recent_conversion_date"),
        signal("pricing_page", "hs_analytics_last_url", "pricing", "hs_analytics_last_visit_timestamp"),
    ];
    marketing.tracks = vec![
        (Name::from("next-quarter"), "Nurture: next quarter".to_owned()),
        (Name::from("re-engage"), "Nurture: re-engage".to_owned()),
    ];
    marketing.budget_percent = 100;
    let key = odoo.settings().api_key;
    let mut sales = Settings::new("odoo", Kind::Odoo, odoo_at.parse().unwrap(), key.into());
    sales.account = Some(odoo.settings().database);
    sales.budget_percent = 100;
    sales.reasons = [
        ("bad_timing", "Bad timing"),
        ("no_response", "No response"),
        ("bad_fit", "Bad fit"),
        ("duplicate", "Duplicate"),
    ]
    .map(|(name, said)| (Name::from(name), vec![said.to_owned()]))
    .to_vec();
    for settings in [&mut marketing, &mut sales] {
        settings.poll = Duration::from_millis(200);
    }
    let channel = |name: &str| {
        let slack = Slack::webhook(format!("{slack_at}/{name}").into(), "http://board.example".to_owned());
        (Name::from(format!("slack.{name}")), Channel::Slack(slack))
    };
    Assembly {
        rules,
        connections: vec![marketing, sales],
        channels: Channels { by_name: vec![channel("sales"), channel("marketing")], ..Channels::default() },
        store,
        store_key: None,
        rest: baton::store::REST,
        retention: baton::engine::Retention::default(),
        caps: baton::domain::caps::Caps::none(),
        access: baton::domain::access::Access::default(),
        clock: clock.clone(),
        pace: Some(baton::daemon::assemble::sandbox_pace()),
    }
}
