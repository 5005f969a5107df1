//! A canary run (fault 124, promise 10): the real binary at trace level, with secrets and personal values that nothing
//! else holds, through success and every kind of failure; then everything that came out of it is searched.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use baton::clock::Clock;
use baton::sandbox::hubspot::{Author, Breakage, Fault, HubSpot, Kind as Object, Place, Token, When};
use baton::sandbox::odoo::Odoo;
use jiff::SignedDuration;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::harness::{REPS, ROSTER, serve};
use super::smtp::Smtp;

const HUBSPOT_TOKEN: &str = "canaryhubspottoken";
const ODOO_KEY: &str = "canaryodookey";
const SLACK_PATH: &str = "canaryslackpath";
const WEBHOOK_SECRET: &str = "canarywebhooksecret";
const SMTP_PASSWORD: &str = "canarysmtppassword";
const SECRETS: [&str; 5] = [HUBSPOT_TOKEN, ODOO_KEY, SLACK_PATH, WEBHOOK_SECRET, SMTP_PASSWORD];
/// Of the lead and of the people of sales, in pieces as they could come out.
const PERSONAL: [&str; 8] =
    ["Qwendolyn", "Canarsky", "canary-person", "98765432", "Vicequeen", "@example.com", "Anna Lang", "Ben May"];

/// How the CRMs answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// As they do.
    Well,
    /// With this status, and everything they know of the asker and the person in a JSON body.
    Json(u16),
    /// The same as a page of HTML.
    Html(u16),
    /// The same as JSON that ends in the middle.
    Cut,
    /// Not at all.
    Silent,
}

const MOODS: [Mood; 11] = [
    Mood::Json(401),
    Mood::Json(400),
    Mood::Json(403),
    Mood::Json(404),
    Mood::Json(409),
    Mood::Json(422),
    Mood::Json(500),
    Mood::Html(200),
    Mood::Html(502),
    Mood::Cut,
    Mood::Silent,
];

/// What stands between Baton and the CRMs: it notes every address that was asked, and spoils answers.
#[derive(Clone, Default)]
struct Between {
    mood: Arc<Mutex<Option<Mood>>>,
    asked: Arc<Mutex<Vec<String>>>,
    spoiled: Arc<AtomicUsize>,
}

impl Between {
    fn mood(&self, mood: Mood) {
        *self.mood.lock().unwrap() = Some(mood);
    }
}

async fn between(State(between): State<Between>, request: Request, next: Next) -> Response {
    between.asked.lock().unwrap().push(request.uri().to_string());
    let mood = between.mood.lock().unwrap().unwrap_or(Mood::Well);
    if mood == Mood::Well {
        return next.run(request).await;
    }
    between.spoiled.fetch_add(1, Ordering::Relaxed);
    let key = request.headers().get(header::AUTHORIZATION).cloned();
    let key = key.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default();
    let body = to_bytes(request.into_body(), 1 << 20).await.unwrap_or_default();
    let told = format!(
        "{} Qwendolyn Canarsky, Vicequeen, qwendolyn@canary-person.example, +49 30 98765432, sent {key} with {}",
        "Property values were not valid:",
        String::from_utf8_lossy(&body)
    );
    let told = serde_json::to_string(&told).unwrap();
    let json = format!(
        r#"{{"status":"error","category":"VALIDATION_ERROR","name":"odoo.exceptions.ValidationError","message":{told},"debug":{told},"arguments":[{told}],"errors":[{{"message":{told},"in":{told}}}],"context":{{"email":[{told}]}}}}"#
    );
    let typed = |kind: &str, status: u16, text: String| {
        (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, kind.to_owned())], text).into_response()
    };
    match mood {
        Mood::Json(status) => typed("application/json", status, json),
        Mood::Html(status) => typed("text/html", status, format!("<html><h1>{told}</h1></html>")),
        Mood::Cut => {
            typed("application/json", 200, format!(r#"{{"results":[{{"id":"1","properties":{{"email":{told}"#))
        }
        Mood::Silent => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            StatusCode::OK.into_response()
        }
        Mood::Well => StatusCode::OK.into_response(),
    }
}

const SETTINGS: &str = r#"
agreement = "agreement.toml"
roster = "roster.toml"
zone = "Europe/Berlin"
writes = "on"
notices = "on"
[store]
url = "sqlite://baton.db"
[server]
listen = "@LISTEN@"
[connections.hubspot]
kind = "hubspot"
base_url = "@HUBSPOT@"
auth = { token = { env = "HUBSPOT_TOKEN" } }
poll = "1 second"
settle = "0 seconds"
answer_within = "2 seconds"
[connections.hubspot.tracks]
next-quarter = { list = "Nurture: next quarter" }
re-engage = { list = "Nurture: re-engage" }
[connections.odoo]
kind = "odoo"
base_url = "@ODOO@"
account = "odoo19"
auth = { token = { env = "ODOO_KEY" } }
poll = "1 second"
settle = "0 seconds"
answer_within = "2 seconds"
[connections.odoo.reasons]
bad_timing = ["Bad timing"]
[notify.slack.sales]
webhook = { file = "slack.url" }
[notify.slack.marketing]
webhook = { file = "slack.url" }
[notify.webhook.ops]
url = "@OPS@/hook"
secret = { file = "webhook.secret" }
[notify.email.main]
url = "smtp://127.0.0.1:@SMTP@"
from = "Baton <baton@us.example>"
user = "baton"
password = { file = "smtp.password" }
"#;

struct Scene {
    hubspot: HubSpot,
    odoo: Odoo,
    between: Between,
    /// Messages that arrived at Slack and at the webhook.
    arrived: Arc<Mutex<Vec<String>>>,
    mail: Smtp,
    folder: tempfile::TempDir,
    board: String,
    marketer: i64,
    _servers: JoinSet<()>,
}

impl Scene {
    async fn new() -> Self {
        let portal = baton::sandbox::hubspot::Settings {
            index_lag: SignedDuration::ZERO,
            burst_per_10s: 100_000,
            searches_per_s: 10_000,
            tokens: vec![Token::full(HUBSPOT_TOKEN)],
            ..baton::sandbox::hubspot::Settings::default()
        };
        let hubspot = HubSpot::new(Clock::system(), portal);
        let settings = baton::sandbox::odoo::Settings {
            api_key: ODOO_KEY.to_owned(),
            ..baton::sandbox::odoo::Settings::default()
        };
        let odoo = Odoo::new(Clock::system(), settings);
        for (login, first, last) in REPS.into_iter().chain([("m.huber", "Maria", "Huber")]) {
            let address = format!("{login}@example.com");
            hubspot.add_owner(&address, first, last);
            odoo.add_user(login, &format!("{first} {last}"), &address);
        }
        let marketer = hubspot.add_owner("o.stein@example.com", "Olaf", "Stein").user_id;
        for list in ["Nurture: next quarter", "Nurture: re-engage"] {
            hubspot.create_list(list);
        }
        odoo.reason("Bad timing");
        let between = Between::default();
        let arrived = Arc::<Mutex<Vec<String>>>::default();
        let mut servers = JoinSet::new();
        let watched = |router: Router| router.layer(from_fn_with_state(between.clone(), super::canary::between));
        let hubspot_at = serve(&mut servers, watched(hubspot.router())).await;
        let odoo_at = serve(&mut servers, watched(odoo.router())).await;
        let post_box = |name: &'static str| {
            let arrived = Arc::clone(&arrived);
            post(move |Json(message): Json<serde_json::Value>| async move {
                arrived.lock().unwrap().push(format!("{name} {message}"));
                "ok"
            })
        };
        let channels = Router::new().route(&format!("/services/{SLACK_PATH}"), post_box("slack"));
        // These never spoil their answers but by the mood of the CRMs, so that failing notices are seen too.
        let slack_at = serve(&mut servers, watched(channels.route("/hook", post_box("ops")))).await;
        between.asked.lock().unwrap().clear();
        let folder = tempfile::tempdir().unwrap();
        let mail = Smtp::plain();
        let board = free_address();
        let settings = SETTINGS
            .replace("@LISTEN@", &board)
            .replace("@HUBSPOT@", &hubspot_at)
            .replace("@ODOO@", &odoo_at)
            .replace("@OPS@", &slack_at)
            .replace("@SMTP@", &mail.at.port().to_string());
        let effective = format!("effective = {}", (Clock::system().now()).strftime("%Y-%m-%dT%H:%M:%SZ"));
        let agreement = super::harness::AGREEMENT.replace("effective = 2026-11-24", &effective);
        let roster = ROSTER.replacen("tell = \"slack.marketing\"", "tell = \"webhook.ops\"", 1);
        assert_ne!(roster, ROSTER, "marketing is told by the webhook");
        let roster = roster.replace("name = \"Ben May\"", "tell = \"email\"\nname = \"Ben May\"");
        for (name, text) in [
            ("baton.toml", settings.as_str()),
            ("agreement.toml", &agreement),
            ("roster.toml", &roster),
            ("slack.url", &format!("{slack_at}/services/{SLACK_PATH}")),
            ("webhook.secret", WEBHOOK_SECRET),
            ("smtp.password", SMTP_PASSWORD),
        ] {
            private(&folder.path().join(name), text);
        }
        Self {
            hubspot,
            odoo,
            between,
            arrived,
            mail,
            folder,
            board: format!("http://{board}"),
            marketer,
            _servers: servers,
        }
    }

    fn command(&self, arguments: &[&str], hubspot_token: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).kill_on_drop(true);
        command.env_clear().env("HUBSPOT_TOKEN", hubspot_token).env("ODOO_KEY", ODOO_KEY);
        command.env("BATON_LOG", "trace").env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1");
        command
    }

    /// The daemon, which logs into one file however often it is started.
    fn start(&self) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(self.log_path()).unwrap();
        let mut command = self.command(&["run", "--config", "baton.toml"], HUBSPOT_TOKEN);
        command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    /// Runs a command to its end; what it wrote to standard output and to standard error.
    async fn output(&self, arguments: &[&str], hubspot_token: &str) -> (String, String) {
        let output = self.command(arguments, hubspot_token).output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    }

    /// Somebody whose name and addresses nobody else has, qualified by marketing.
    fn qualify(&self, number: usize) {
        let email = format!("qwendolyn{number}@canary-person.example");
        let id = self.hubspot.create_contact(
            Author::Form,
            &[
                ("email", &email),
                ("firstname", "Qwendolyn"),
                ("lastname", "Canarsky"),
                ("phone", "+49 30 98765432"),
                ("jobtitle", "Vicequeen"),
                ("lifecyclestage", "lead"),
            ],
        );
        let firm = [("name", "Acme"), ("domain", "acme.example"), ("numberofemployees", "300"), ("country", "Germany")];
        let company = self.hubspot.create(Object::Company, Author::Form, &firm);
        assert!(self.hubspot.associate((Object::Contact, &id), (Object::Company, &company), true));
        let to = [("lifecyclestage", "marketingqualifiedlead")];
        assert!(self.hubspot.update(Object::Contact, &id, Author::User(self.marketer), &to));
    }

    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < Duration::from_secs(60), "never: {what}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// What the log says above the level of tracing.
    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines = log.lines().filter(|line| !line.contains("\"TRACE\"") && !line.contains("\"DEBUG\""));
        lines.map(str::to_owned).collect::<Vec<_>>().join("\n")
    }

    /// What the daemon answers for machines, beside the leads themselves.
    async fn answers(&self) -> String {
        let client = baton::http::Client::new().unwrap();
        let mut all = String::new();
        for path in [
            &["healthz"][..],
            &["readyz"],
            &["metrics"],
            &["api", "v1", "status"],
            &["api", "v1", "nothing"],
            &["api", "v1", "leads", "L-999"],
            &["api", "v1", "leads", "qwendolyn1@canary-person.example"],
        ] {
            let request = baton::http::Request::to(baton::http::Method::Get, &self.board.parse().unwrap(), path);
            let answer = client.send(request).await.unwrap();
            all.push_str(&format!("{path:?} {} {}\n", answer.status, String::from_utf8_lossy(&answer.body)));
        }
        // The paths above are the test's own words.
        all.replace("\"qwendolyn1@canary-person.example\"", "")
    }
}

fn private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// An address of loopback that nobody listens on.
fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Where the marked person stands in a file of the store.
fn traces(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("baton.db") {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).to_lowercase();
            all.extend(
                PERSONAL[..5]
                    .iter()
                    .filter(|mark| text.contains(&mark.to_lowercase()))
                    .map(|mark| format!("{mark} in {name}")),
            );
        }
    }
    all
}

/// Where `marks` stand in `text`, each with its line; at most a few of each.
fn found(what: &str, text: &str, marks: &[&str]) -> Vec<String> {
    let hits = |mark: &&str| {
        let lines = text.lines().filter(|line| line.to_lowercase().contains(&mark.to_lowercase())).take(3);
        lines
            .map(|line| format!("{mark} in {what}: {}", line.chars().take(600).collect::<String>()))
            .collect::<Vec<_>>()
    };
    marks.iter().flat_map(hits).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_marked_secret_or_person_comes_out_of_a_whole_run_fault_124_promise_10() {
    let scene = Scene::new().await;
    let mut child = scene.start();
    scene.until("the first pass", || scene.log().contains("decisions are taken from now on")).await;
    scene.qualify(1);
    scene
        .until("a notice to Slack", || scene.arrived.lock().unwrap().iter().any(|line| line.starts_with("slack")))
        .await;
    scene.until("an owner in Odoo", || !scene.odoo.open_leads().is_empty()).await;
    let (lead, owner) = scene.odoo.open_leads()[0];
    scene.odoo.as_user(owner).mark_lost(lead, "Bad timing").unwrap();
    scene
        .until("a notice to the webhook", || scene.arrived.lock().unwrap().iter().any(|line| line.starts_with("ops")))
        .await;
    let mut answers = scene.answers().await;
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    // Each trouble meets a fresh process: after a failure the loops take their time before they try again.
    for (number, mood) in (2..).zip(MOODS) {
        let before = scene.between.spoiled.load(Ordering::Relaxed);
        child = scene.start();
        scene.until("the board", || std::net::TcpStream::connect(&scene.board[7..]).is_ok()).await;
        scene.qualify(number);
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        scene.between.mood(mood);
        let met = || scene.between.spoiled.load(Ordering::Relaxed) > before + 1;
        scene.until(&format!("{mood:?} is met"), met).await;
        if mood == Mood::Silent {
            // Requests of either kind run into their deadline: what was asked and what was sent is known then.
            let told = || std::fs::read_to_string(scene.log_path()).unwrap_or_default().contains("within 2 s");
            scene.until("a deadline passes", told).await;
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
        answers.push_str(&scene.answers().await);
        child.start_kill().unwrap();
        child.wait().await.unwrap();
        scene.between.mood(Mood::Well);
    }
    scene.between.mood(Mood::Json(401));
    scene.between.mood(Mood::Well);
    let reset = Fault::BeforeEffect { breakage: Breakage::Reset };
    scene.hubspot.faults().inject(Place::default(), When::default(), reset);
    child = scene.start();
    scene.until("the connection is closed", || scene.hubspot.faults().struck() > 0).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    answers.push_str(&scene.answers().await);
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    scene.hubspot.faults().clear();
    scene.between.mood(Mood::Json(401));
    let (status, status_log) = scene.output(&["status", "--json", "--config", "baton.toml"], HUBSPOT_TOKEN).await;
    // Once more with a token that nobody knows, and with answers that are as bad.
    let wrong = "canarywrongtoken";
    let (refused, refused_log) = scene.output(&["sync", "--json", "--config", "baton.toml"], wrong).await;
    scene.between.mood(Mood::Well);
    let (unknown, unknown_log) = scene.output(&["sync", "--config", "baton.toml"], wrong).await;
    let (check, check_log) = scene.output(&["check", "--json", "--config", "baton.toml"], wrong).await;
    assert!(!status.is_empty() && !check.is_empty());

    let before = traces(scene.folder.path());
    assert!(!before.is_empty(), "the search finds what is stored");
    let mut erasing = String::new();
    let mut erased = 0;
    for number in 1..=MOODS.len() + 1 {
        let who = format!("qwendolyn{number}@canary-person.example");
        let arguments = ["forget", &who, "--yes", "--json", "--config", "baton.toml"];
        let (told, log) = scene.output(&arguments, HUBSPOT_TOKEN).await;
        erased += usize::from(told.contains("\"erased\": true"));
        erasing.push_str(&told);
        erasing.push_str(&log);
    }
    assert!(erased > 3, "{erased} people were known: {erasing}");
    let (proof, proof_log) = scene.output(&["audit", "verify", "--config", "baton.toml"], HUBSPOT_TOKEN).await;
    let (again, again_log) = scene.output(&["replay", "--config", "baton.toml"], HUBSPOT_TOKEN).await;
    assert!(proof.contains("All of it is as it was chained"), "{proof}{proof_log}");
    assert!(again.contains(" 0 otherwise"), "{again}{again_log}");
    let left = traces(scene.folder.path());
    assert!(left.is_empty(), "{} of {} traces are left:\n{}", left.len(), before.len(), left.join("\n"));

    let log = std::fs::read_to_string(scene.log_path()).unwrap();
    assert!(log.contains("\"TRACE\""), "the log is at trace level");
    let asked = scene.between.asked.lock().unwrap().clone();
    let to_crms: Vec<String> = asked.iter().filter(|uri| !uri.contains("/services/")).cloned().collect();
    assert!(to_crms.len() > 50, "{}", to_crms.len());
    assert!(scene.mail.heard().iter().any(|line| line.starts_with("AUTH")), "mail was tried, too");
    let secrets: Vec<&str> = SECRETS.into_iter().chain([wrong]).collect();
    let both: Vec<&str> = secrets.iter().copied().chain(PERSONAL).collect();
    let mut problems = Vec::new();
    for (what, text) in [
        ("the log", log.as_str()),
        ("the log of status", &status_log),
        ("the log of a refused sync", &refused_log),
        ("the log of an unknown token", &unknown_log),
        ("the log of check", &check_log),
        ("what forgetting says", &erasing),
        ("proofs", &format!("{proof}{proof_log}{again}{again_log}")),
        ("answers for machines", &answers),
        ("addresses that were asked", &to_crms.join("\n")),
    ] {
        problems.extend(found(what, text, &both));
    }
    for (what, text) in [("status", &status), ("a refused sync", &refused), ("sync", &unknown), ("check", &check)] {
        problems.extend(found(what, text, &secrets));
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    assert_eq!(found("x", "a Canarsky b", &PERSONAL).len(), 1, "the search finds");
}
