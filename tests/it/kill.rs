//! The real binary under SIGKILL: 20 times at random moments under load, against the sandboxes' own ledgers.
//!
//! The sandboxes and the Slack listener live in this process, Baton in one of its own, so that a kill takes everything
//! that was not durable. What was being sent is doubted at the next start and looked for after a rest, which is short here, so
//! that each restart has to look for what the kill interrupted while the load goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Path as UrlPath, State};
use axum::routing::post;
use axum::{Json, Router};
use baton::clock::Clock;
use baton::domain::id::{LeadId, WorkspaceId};
use baton::domain::plan::Happening;
use baton::sandbox::hubspot::{Author, Fault as Trouble, HubSpot, Kind as Object, Place as Where, When as Often};
use baton::sandbox::odoo::{Fault, Odoo, Place, When};
use baton::store::{EffectRow, Store};
use jiff::SignedDuration;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::harness::{REPS, ROSTER, serve};

const KILLS: usize = 20;
const CONTACTS: usize = 60;
/// A hang of the daemon ends the test here, with everything it knows.
const PATIENCE: Duration = Duration::from_secs(150);

/// A start that takes longer is a hang: the leases of the first kills must not end by themselves meanwhile.
const DOUBTED_WITHIN: Duration = Duration::from_secs(30);

/// How late an answer may come after its effect.
const ANSWER_LATE: Duration = Duration::from_millis(100);

const AGREEMENT: &str = r#"
version = "kill.1"
effective = 2020-01-01

[icp]
fits = "company.employees >= 20"

[score]
fit = [{ when = "company.employees >= 50", points = 25, because = "company size" }]
intent = [{ signal = "demo_request", points = 40, half_life = "14 days" }]

[stages]
mql = "icp.fits && score.fit >= 25 && score.intent >= 30"

[handoff]
to = "odoo"
requires = ["email"]
incomplete = { ask = "o.stein@example.com", within = "2 business hours" }
turns_max = 2

[[handoff.commitments]]
name = "first touch"
done_by = ["call", "email", "meeting"]
within = "6 seconds"
ladder = [
  { at = "50%", tell = ["owner"] },
  { at = "100%", tell = ["owner", "manager"], task = true },
  { at = "150%", tell = ["manager"], reassign = true },
  { at = "300%", tell = ["manager", "marketing"], recycle = "no_response" },
]

[handoff.rejections]
bad_timing = { to = "nurture", track = "next-quarter", cool_off = "60 days" }
no_response = { to = "nurture", track = "re-engage", cool_off = "30 days" }

[recycle]
cycles_max = 3
then = "disqualified"

[[routing]]
name = "everyone"
team = "sales"
by = "round_robin"
"#;

const SETTINGS: &str = r#"
agreement = "agreement.toml"
roster = "roster.toml"
zone = "Europe/Berlin"
writes = "on"
notices = "on"
[store]
url = "sqlite://baton.db"
rest = "1 second"
[caps]
writes_per_hour = 1000000
owners_percent = 100
[server]
listen = "127.0.0.1:0"
public_url = "http://board.example"
[connections.hubspot]
kind = "hubspot"
base_url = "@HUBSPOT@"
auth = { token = { file = "hubspot.token" } }
poll = "1 second"
settle = "1 second"
late = "3 seconds"
budget = "90%"
[connections.hubspot.signals]
demo_request = { property = "recent_conversion_event_name", contains = "demo", at = "recent_conversion_date" }
[connections.hubspot.tracks]
next-quarter = { list = "Nurture: next quarter" }
re-engage = { list = "Nurture: re-engage" }
[connections.odoo]
kind = "odoo"
base_url = "@ODOO@"
account = "odoo19"
auth = { token = { file = "odoo.token" } }
poll = "1 second"
settle = "1 second"
late = "3 seconds"
budget = "90%"
[connections.odoo.reasons]
bad_timing = ["Bad timing"]
no_response = ["No response"]
[notify.slack.sales]
webhook = { file = "slack-sales.url" }
[notify.slack.marketing]
webhook = { file = "slack-marketing.url" }
"#;

/// What the people of sales do with the lead of a contact.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nobody ever touches it: the whole ladder, to the list "re-engage".
    Silence,
    /// Its owner calls, and it stays open.
    Called,
    /// Its owner gives it back, to the list "next quarter".
    Lost,
}

fn fate(number: usize) -> Fate {
    [Fate::Silence, Fate::Called, Fate::Lost][number % 3]
}

fn email(number: usize) -> String {
    format!("c{number:02}@acme.example")
}

pub(crate) type Messages = Arc<Mutex<Vec<String>>>;

/// The CRMs and the Slack, with what Baton is told about them in a folder.
pub(crate) struct Scene {
    pub(crate) hubspot: HubSpot,
    pub(crate) odoo: Odoo,
    pub(crate) messages: Messages,
    contacts: Vec<String>,
    marketer: i64,
    users: BTreeMap<String, i64>,
    pub(crate) folder: tempfile::TempDir,
    _servers: JoinSet<()>,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(&["", ""]).await
    }

    /// The same with another text in the agreement.
    pub(crate) async fn with([old, new]: &[&str; 2]) -> Self {
        let clock = Clock::system();
        let portal = baton::sandbox::hubspot::Settings {
            index_lag: SignedDuration::ZERO,
            burst_per_10s: 100_000,
            searches_per_s: 10_000,
            ..baton::sandbox::hubspot::Settings::default()
        };
        let hubspot = HubSpot::new(clock.clone(), portal);
        let odoo = Odoo::new(clock, baton::sandbox::odoo::Settings::default());
        let mut users = BTreeMap::new();
        for (login, first, last) in REPS.into_iter().chain([("m.huber", "Maria", "Huber")]) {
            let address = format!("{login}@example.com");
            hubspot.add_owner(&address, first, last);
            users.insert(address.clone(), odoo.add_user(login, &format!("{first} {last}"), &address));
        }
        let marketer = hubspot.add_owner("o.stein@example.com", "Olaf", "Stein").user_id;
        for list in ["Nurture: next quarter", "Nurture: re-engage"] {
            hubspot.create_list(list);
        }
        for reason in ["Bad timing", "No response"] {
            odoo.reason(reason);
        }
        let company = hubspot.create(
            Object::Company,
            Author::Form,
            &[("name", "Acme GmbH"), ("domain", "acme.example"), ("numberofemployees", "300"), ("country", "Germany")],
        );
        let contacts = (0..CONTACTS)
            .map(|number| {
                let values =
                    [("email", email(number)), ("firstname", format!("C{number}")), ("lastname", "Roe".into())];
                let mut values: Vec<(&str, &str)> =
                    values.iter().map(|(name, value)| (*name, value.as_str())).collect();
                values.push(("lifecyclestage", "lead"));
                let id = hubspot.create_contact(Author::Form, &values);
                assert!(hubspot.associate((Object::Contact, &id), (Object::Company, &company), true));
                id
            })
            .collect();
        slow_answers(&hubspot, &odoo);
        let mut servers = JoinSet::new();
        let hubspot_at = serve(&mut servers, hubspot.router()).await;
        let odoo_at = serve(&mut servers, odoo.router()).await;
        let messages = Messages::default();
        let slack_at = serve(&mut servers, slack(Arc::clone(&messages))).await;
        let folder = tempfile::tempdir().unwrap();
        let settings = SETTINGS.replace("@HUBSPOT@", &hubspot_at).replace("@ODOO@", &odoo_at);
        for (name, text) in [
            ("baton.toml", settings.as_str()),
            ("agreement.toml", &if old.is_empty() { AGREEMENT.to_owned() } else { AGREEMENT.replace(old, new) }),
            ("roster.toml", ROSTER),
            ("hubspot.token", &hubspot.settings().tokens[0].secret),
            ("odoo.token", &odoo.settings().api_key),
            ("slack-sales.url", &format!("{slack_at}/sales")),
            ("slack-marketing.url", &format!("{slack_at}/marketing")),
        ] {
            private(&folder.path().join(name), text);
        }
        Self { hubspot, odoo, messages, contacts, marketer, users, folder, _servers: servers }
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
        command.args(["run", "--config"]).arg(self.folder.path().join("baton.toml"));
        command.env("BATON_LOG", "info").current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Baton with room for so many open files.
    pub(crate) fn start_with_files(&self, most: u32) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let plain = self.command();
        let plain = plain.as_std();
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("ulimit -n {most} && exec \"$0\" \"$@\"")).arg(plain.get_program());
        command.args(plain.get_args()).env("BATON_LOG", "info").current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).stderr(log).spawn().unwrap()
    }

    /// The address of the board, once Baton has told it.
    pub(crate) fn board(&self) -> Option<String> {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let address = log.rsplit_once("Board: http://")?.1;
        Some(address.split('/').next()?.to_owned())
    }

    pub(crate) fn start(&self) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        self.command().stderr(log).spawn().unwrap()
    }

    fn socket(&self) -> PathBuf {
        baton::daemon::control::socket_of(&self.database())
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("baton.db")
    }

    pub(crate) async fn store(&self) -> Option<Store> {
        Store::open_read_only(&self.database(), &WorkspaceId::from("default")).await.ok()
    }

    pub(crate) fn qualify(&self, number: usize) {
        let by = Author::User(self.marketer);
        let to = [("lifecyclestage", "marketingqualifiedlead")];
        assert!(self.hubspot.update(Object::Contact, &self.contacts[number], by, &to));
    }

    /// The leads in Odoo by the number of their contact.
    pub(crate) fn leads(&self) -> Vec<(usize, i64)> {
        let leads = self.odoo.leads().into_iter();
        leads
            .map(|lead| {
                let found = self.odoo.get_lead(lead).unwrap();
                let address = found["email_from"].as_str().unwrap_or_default().to_owned();
                ((0..CONTACTS).find(|number| email(*number) == address).expect("a lead of one of the contacts"), lead)
            })
            .collect()
    }

    /// Sales at work: each lead once, as its fate has it.
    fn work(&self, worked: &mut BTreeSet<i64>) {
        for (number, lead) in self.leads() {
            let Some(owner) = self.odoo.owner(lead).filter(|_| !worked.contains(&lead)) else { continue };
            let rep = self.odoo.as_user(owner);
            match fate(number) {
                Fate::Silence => {}
                Fate::Called => rep.log_call(lead, "talked").unwrap(),
                Fate::Lost => rep.mark_lost(lead, "Bad timing").unwrap(),
            }
            worked.insert(lead);
        }
    }

    pub(crate) fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        log.lines().rev().filter(|line| !line.contains("\"INFO\"")).take(30).collect::<Vec<_>>().join("\n")
    }
}

/// Some writes are answered well after their effect: the moment in which a kill leaves an effect that nobody noted.
fn slow_answers(hubspot: &HubSpot, odoo: &Odoo) {
    let ms = u64::try_from(ANSWER_LATE.as_millis()).unwrap();
    for (seed, method) in (1..).zip(["load", "activity_schedule", "message_post", "write"]) {
        odoo.faults().inject(Place::call("crm.lead", method), When::chance(0.5, seed), Fault::Delay { ms });
    }
    for (seed, (method, path)) in (11..).zip([("POST", "/notes"), ("PUT", "/memberships/add"), ("PATCH", "/contacts/")])
    {
        hubspot.faults().inject(Where::method(method, path), Often::chance(0.5, seed), Trouble::Delay { ms });
    }
}

fn private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn slack(messages: Messages) -> Router {
    async fn take(
        State(messages): State<Messages>,
        UrlPath(_): UrlPath<String>,
        Json(message): Json<Value>,
    ) -> &'static str {
        messages.lock().unwrap().push(message.to_string());
        tokio::time::sleep(ANSWER_LATE).await;
        "ok"
    }
    Router::new().route("/{channel}", post(take)).with_state(messages)
}

/// The notices that a message carries: the first characters of each id, and whether it says that it may be a repetition.
pub(crate) fn carried(message: &str) -> Vec<(String, bool)> {
    message
        .match_indices("id ")
        .filter_map(|(at, found)| {
            let rest = &message[at + found.len()..];
            let id: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
            (id.len() == 8).then(|| (id, rest[8..].starts_with(" (possibly repeated)")))
        })
        .collect()
}

/// Everything that the store says of the leads.
struct Books {
    events: Vec<(LeadId, Happening)>,
    effects: Vec<EffectRow>,
}

async fn books(store: &Store) -> Books {
    let mut rows = store.recent_events(0, 1_000_000).await.unwrap();
    rows.reverse();
    let events: Vec<(LeadId, Happening)> = rows.into_iter().map(|row| (row.lead, row.event.what)).collect();
    let mut effects = Vec::new();
    for lead in events.iter().map(|(lead, _)| *lead).collect::<BTreeSet<_>>() {
        effects.extend(store.effects_of(lead).await.unwrap());
    }
    Books { events, effects }
}

/// What is being sent: operation ids with the numbers of their claims.
async fn sending(store: &Store) -> BTreeSet<(String, i64)> {
    let effects = books(store).await.effects;
    effects.into_iter().filter(|row| row.state == "sending").map(|row| (row.op, row.attempt)).collect()
}

/// Is everything decided delivered or dead, everybody handed over, and nobody's ladder still on its way?
async fn is_drained(scene: &Scene, store: &Store) -> bool {
    let overview = store.overview().await.unwrap();
    let is_settled = overview.effects.keys().all(|state| ["done", "dead", "cancelled"].contains(&state.as_str()));
    let called = i64::try_from((0..CONTACTS).filter(|number| fate(*number) == Fate::Called).count()).unwrap();
    is_settled && overview.open == called && scene.leads().len() >= CONTACTS
}

/// The stories of the hand-offs that should have ended, and of the effects that wait, for a failure message.
async fn stuck(scene: &Scene, store: &Store) -> String {
    let mut lines = Vec::new();
    for row in store.open_handoffs(1_000).await.unwrap() {
        let address = row.email.clone().unwrap_or_default();
        let number = (0..CONTACTS).find(|number| email(*number) == address);
        if number.is_some_and(|number| fate(number) == Fate::Called) {
            continue;
        }
        lines.push(format!("still open: {} {address}", row.handoff.id));
        for event in store.events_of(row.handoff.id.lead).await.unwrap() {
            lines.push(format!("  {} decided {}: {:?}", event.event.at, event.decided_at, event.event.what));
        }
        for effect in store.effects_of(row.handoff.id.lead).await.unwrap() {
            lines.push(format!("  {effect:?}"));
        }
        for (_, lead) in scene.leads().into_iter().filter(|(known, _)| Some(*known) == number) {
            for change in scene.odoo.trackings(lead) {
                lines.push(format!("  odoo {lead}: {change:?}"));
            }
        }
    }
    for (state, count) in store.overview().await.unwrap().effects {
        lines.push(format!("{count} effects are {state}"));
    }
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_under_load_lose_nothing_and_double_no_keyed_effect() {
    let seed =
        std::env::var("BATON_KILL_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}: repeat it with BATON_KILL_SEED={seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let scene = Scene::new().await;
    let began = Instant::now();
    let mut child = scene.start();
    // What is qualified before the first pass is done is the past, which no hand-off is opened for.
    let store = loop {
        assert!(began.elapsed() < PATIENCE, "the first pass never ended: {}", scene.log());
        assert!(child.try_wait().unwrap().is_none(), "Baton ended by itself: {}", scene.log());
        if let Some(store) = scene.store().await {
            let streams = store.streams().await.unwrap();
            if streams.len() > 6 && streams.iter().all(|stream| stream.covered_until.is_some()) {
                break store;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };

    let second = tokio::time::timeout(Duration::from_secs(20), scene.command().stderr(Stdio::piped()).output());
    let second = second.await.expect("a second Baton ends by itself").unwrap();
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && words.contains("another process holds"), "fault 12: {} {words}", second.status);
    assert!(child.try_wait().unwrap().is_none(), "the first one goes on");

    let (mut qualified, mut worked, mut interrupted) = (0, BTreeSet::new(), BTreeSet::new());
    for kill in 1..=KILLS {
        // Its moment counts from when Baton takes up its work, however long a busy machine lets it wait for that.
        let began_at = Instant::now();
        while !scene.socket().exists() && began_at.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let until = Instant::now() + Duration::from_millis(dice.u64(250..2_600));
        let mut burst = (CONTACTS * kill / KILLS).max(qualified);
        while Instant::now() < until {
            if qualified < burst && dice.bool() {
                let size = dice.usize(1..=burst - qualified);
                (qualified..qualified + size).for_each(|number| scene.qualify(number));
                qualified += size;
            }
            scene.work(&mut worked);
            tokio::time::sleep(Duration::from_millis(dice.u64(1..60))).await;
        }
        if kill == KILLS {
            burst = CONTACTS;
            (qualified..burst).for_each(|number| scene.qualify(number));
            qualified = burst;
        }
        assert!(child.try_wait().unwrap().is_none(), "Baton ended by itself before kill {kill}: {}", scene.log());
        child.start_kill().unwrap();
        child.wait().await.unwrap();
        interrupted.extend(sending(&store).await);
        drop(std::fs::remove_file(scene.socket()));
        child = scene.start();
    }
    println!("{KILLS} kills in {:?}, {} rows of the outbox were being sent", began.elapsed(), interrupted.len());
    assert!(!interrupted.is_empty(), "seed {seed}: no kill interrupted anything");
    // The claims of the killed ones are doubted at once; their leases of two minutes would hold them far longer.
    let restarted = Instant::now();
    loop {
        let held: Vec<_> = sending(&store).await.intersection(&interrupted).cloned().collect();
        if held.is_empty() {
            break;
        }
        assert!(restarted.elapsed() < DOUBTED_WITHIN, "seed {seed}: still with a killed process: {held:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    while !is_drained(&scene, &store).await {
        scene.work(&mut worked);
        if began.elapsed() > PATIENCE {
            let (overview, stuck) = (store.overview().await.unwrap(), stuck(&scene, &store).await);
            panic!(
                "seed {seed}: it never drained: {} leads, {overview:?}\n{stuck}\n{}",
                scene.leads().len(),
                scene.log()
            );
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    println!("drained after {:?}", began.elapsed());
    let (problems, figures) = audit(&scene, &store).await;
    println!("{figures}");
    assert!(problems.is_empty(), "seed {seed}, {} problems:\n{}", problems.len(), problems.join("\n"));
}

/// Holds the store's books against the ledgers of the CRMs and what Slack was sent.
async fn audit(scene: &Scene, store: &Store) -> (Vec<String>, String) {
    let mut problems = Vec::new();
    let books = books(store).await;
    let (odoo, hubspot) = (scene.odoo.ledger(), scene.hubspot.ledger());

    // Every contact has exactly one lead, and one hand-off.
    let mut leads: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
    scene.leads().into_iter().for_each(|(number, lead)| leads.entry(number).or_default().push(lead));
    for number in 0..CONTACTS {
        let made = leads.get(&number).map_or(0, Vec::len);
        if made != 1 {
            problems.push(format!("{} has {made} leads in Odoo", email(number)));
        }
    }
    let opened = books.events.iter().filter(|(_, what)| matches!(what, Happening::Opened { .. }));
    let opened: BTreeMap<LeadId, usize> = opened.fold(BTreeMap::new(), |mut counts, (lead, _)| {
        *counts.entry(*lead).or_default() += 1;
        counts
    });
    if opened.len() != CONTACTS || opened.values().any(|count| *count != 1) {
        problems.push(format!("hand-offs opened: {opened:?}"));
    }

    // Each creating effect stands as often as it is due: once if done, at most once if dead, never if cancelled.
    let texts: Vec<String> = odoo
        .iter()
        .filter(|effect| {
            effect.is_api && ["load", "activity_schedule", "message_post"].contains(&effect.method.as_str())
        })
        .map(|effect| effect.arguments.to_string())
        .chain(hubspot.iter().filter(|effect| effect.what == "create").map(|effect| format!("{:?}", effect.properties)))
        .collect();
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for row in &books.effects {
        *counts.entry((row.effect.clone(), row.state.clone())).or_default() += 1;
        if !["done", "dead", "cancelled"].contains(&row.state.as_str()) {
            problems.push(format!("neither done nor dead: {row:?}"));
        }
        if row.state == "dead" && row.message.as_deref().unwrap_or_default().is_empty() {
            problems.push(format!("dead without a reason: {row:?}"));
        }
        if ["create", "task", "note"].contains(&row.effect.as_str()) {
            let found = texts.iter().filter(|text| text.contains(&row.op)).count();
            let is_right = match row.state.as_str() {
                "done" => found == 1,
                "dead" => found <= 1,
                _ => found == 0,
            };
            if !is_right {
                problems.push(format!("{found} times in the ledger: {row:?}"));
            }
        }
    }
    let mut figures = format!("effects: {counts:?}");
    let known = |text: &String| books.effects.iter().any(|row| text.contains(&row.op));
    problems.extend(texts.iter().filter(|text| !known(text)).map(|text| format!("made without a decision: {text}")));

    // Each list once, for the right people.
    let joins = hubspot.iter().filter(|effect| effect.what == "list add").count();
    let mut members = 0;
    for (list, wanted) in [("Nurture: next quarter", Fate::Lost), ("Nurture: re-engage", Fate::Silence)] {
        let mut due: Vec<&String> =
            (0..CONTACTS).filter(|number| fate(*number) == wanted).map(|number| &scene.contacts[number]).collect();
        let mut found = scene.hubspot.list_members(list);
        due.sort();
        found.sort();
        members += found.len();
        if found.iter().ne(due.iter().copied()) {
            problems.push(format!("{list} has {found:?} instead of {due:?}"));
        }
    }
    if joins != members {
        problems.push(format!("{joins} list joins for {members} members"));
    }

    // Each step once in its turn, and who has it in the books has it in Odoo.
    let mut fired: BTreeMap<String, usize> = BTreeMap::new();
    for (lead, what) in &books.events {
        if let Happening::StepFired { turn, commitment, at_percent, .. } = what {
            *fired.entry(format!("{lead} turn {turn} {commitment} at {at_percent} %")).or_default() += 1;
        }
        if let Happening::Assigned { turn, .. } = what {
            *fired.entry(format!("{lead} turn {turn} assigned")).or_default() += 1;
        }
    }
    problems
        .extend(fired.iter().filter(|(_, count)| **count != 1).map(|(step, count)| format!("{count} times: {step}")));
    for row in store.open_handoffs(1_000).await.unwrap() {
        let owner = row.handoff.turn().map(|turn| scene.users[turn.owner.as_str()]);
        let address = row.email.clone().unwrap_or_default();
        let lead = (0..CONTACTS)
            .find(|number| email(*number) == address)
            .and_then(|number| leads.get(&number)?.first().copied());
        if lead.and_then(|lead| scene.odoo.owner(lead)) != owner {
            problems.push(format!("{} is not with {owner:?} in Odoo", row.handoff.id));
        }
    }
    let (silence, arrived) = audit_notices(scene, &books);
    problems.extend(silence);
    figures.push_str(&arrived);
    (problems, figures)
}

/// Every notice arrived; a message that came again was cut off by a kill, and says so.
fn audit_notices(scene: &Scene, books: &Books) -> (Vec<String>, String) {
    let mut problems = Vec::new();
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    let mut repeated: BTreeSet<usize> = BTreeSet::new();
    for (at, message) in scene.messages.lock().unwrap().iter().enumerate() {
        for (id, says_so) in carried(message) {
            let Some(before) = first.get(&id) else {
                first.insert(id, at);
                continue;
            };
            repeated.insert(*before);
            if !says_so {
                problems.push(format!("notice {id} came again without a mark"));
            }
        }
    }
    let figures = format!("; {} notices arrived, {} messages were repeated", first.len(), repeated.len());
    if repeated.len() > KILLS {
        problems.push(format!("{} messages were repeated after {KILLS} kills", repeated.len()));
    }
    // Of very many notices that wait one digest tells their number: each row says in which it was.
    let mut digests: BTreeMap<(String, usize), usize> = BTreeMap::new();
    for row in books.effects.iter().filter(|row| row.to.starts_with("slack.")) {
        let digest = row.message.as_deref().and_then(|message| message.strip_prefix("told in a digest of "));
        if let Some(size) = digest.and_then(|rest| rest.split(' ').next()?.parse().ok()) {
            *digests.entry((format!("{:?}", row.settled_at), size)).or_default() += 1;
            continue;
        }
        if (row.state == "done") != first.contains_key(&row.op[..8]) && row.state != "dead" {
            problems.push(format!("in the books and not with Slack, or the other way round: {row:?}"));
        }
    }
    for ((at, size), count) in digests {
        if count % size != 0 {
            problems.push(format!("the digest of {size} notices at {at} stands for {count}"));
        }
    }
    (problems, figures)
}
