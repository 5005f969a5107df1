//! Logins to HubSpot by OAuth: expiry, rotation, the end of a login, and a crash between the two.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use baton::clock::Clock;
use baton::connector::hubspot::authorize_url;
use baton::connector::settings::{Auth, Kind, OauthApp, Settings};
use baton::connector::tokens::{Tokens, Vault, VaultError};
use baton::connector::{Connector, ConnectorError, Cursor};
use baton::daemon::assemble::{assemble, connector, sandbox_pace};
use baton::domain::id::{ConnectionId, Name, WorkspaceId};
use baton::domain::plan::Mode;
use baton::http::Client;
use baton::sandbox::hubspot::{self, Breakage, Fault, HubSpot, Place, When};
use baton::sandbox::odoo::Odoo;
use baton::store::Store;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::process::Command;
use tokio::task::JoinSet;

use super::harness::{AGREEMENT, ROSTER, assembly, morning, rules, serve};

const PATIENCE: Duration = Duration::from_secs(60);

/// A place for tokens that can fail.
#[derive(Debug, Default)]
struct Drawer {
    tokens: Mutex<Option<Tokens>>,
    is_full: AtomicBool,
}

#[async_trait]
impl Vault for Drawer {
    async fn tokens(&self, _: &ConnectionId) -> Result<Option<Tokens>, VaultError> {
        Ok(self.tokens.lock().unwrap().clone())
    }

    async fn keep(&self, _: &ConnectionId, tokens: &Tokens) -> Result<(), VaultError> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(VaultError("the disk is full".to_owned()));
        }
        *self.tokens.lock().unwrap() = Some(tokens.clone());
        Ok(())
    }
}

struct Portal {
    hub: HubSpot,
    settings: Settings,
    vault: Arc<Drawer>,
    crm: Arc<dyn Connector>,
    _servers: JoinSet<()>,
}

fn app(rotates: bool) -> hubspot::OauthApp {
    hubspot::OauthApp { rotates, ..hubspot::OauthApp::new("app-1", "canary-client-secret") }
}

fn easy(app: hubspot::OauthApp) -> hubspot::Settings {
    hubspot::Settings {
        oauth: Some(app),
        index_lag: SignedDuration::ZERO,
        burst_per_10s: 1_000_000,
        searches_per_s: 1_000_000,
        ..hubspot::Settings::default()
    }
}

impl Portal {
    /// A portal to which nobody has logged in.
    async fn new(portal: hubspot::OauthApp) -> Self {
        let hub = HubSpot::new(Clock::manual(morning()), easy(portal));
        hub.bulk_contacts(250, 1);
        let mut servers = JoinSet::new();
        let base = serve(&mut servers, hub.router()).await;
        let mut settings = Settings::new("hubspot", Kind::HubSpot, base.parse().unwrap(), SecretString::from("none"));
        settings.auth = Auth::Oauth(OauthApp {
            client_id: "app-1".to_owned(),
            client_secret: "canary-client-secret".into(),
            redirect_uri: "http://localhost:8687/oauth/callback".parse().unwrap(),
        });
        let vault = Arc::new(Drawer::default());
        let crm = connect(&settings, &vault);
        Self { hub, settings, vault, crm, _servers: servers }
    }

    /// The connector of a new process.
    fn begin_again(&mut self) {
        self.crm = connect(&self.settings, &self.vault);
    }

    async fn log_in(&self) {
        let code = permission(&self.settings).await;
        self.crm.log_in(&code).await.unwrap();
    }

    async fn contacts(&self) -> Result<usize, ConnectorError> {
        let stream = self.crm.streams().iter().find(|stream| stream.name.as_str() == "contacts").unwrap();
        let mut cursor = Cursor::default();
        let mut seen = 0;
        loop {
            let page = self.crm.pull(stream, &cursor, morning()).await?;
            seen += page.observations.len();
            cursor = page.next;
            if !page.has_more {
                return Ok(seen);
            }
        }
    }

    /// Requests to the token endpoint so far, those of logins among them.
    fn asked(&self) -> u64 {
        self.hub.requests().by_class.get("oauth").copied().unwrap_or(0)
    }

    fn expire(&self) {
        self.hub.faults().set(Fault::TokenExpired { token: "oauth".to_owned() });
    }
}

fn connect(settings: &Settings, vault: &Arc<Drawer>) -> Arc<dyn Connector> {
    let vault: Arc<dyn Vault> = vault.clone();
    connector(settings, Client::new().unwrap(), Some(sandbox_pace()), Some(&vault))
}

/// What a person does in a browser: opens the page, lets the app in, is sent back with a code.
async fn permission(settings: &Settings) -> SecretString {
    let app = match &settings.auth {
        Auth::Oauth(app) => Some(app),
        Auth::Token(_) | Auth::Jwt(_) | Auth::Client(_) => None,
    };
    code_of(authorize_url(&settings.base_url, app.expect("a login"), "state-1")).await
}

async fn code_of(page: url::Url) -> SecretString {
    // Ours brings the TLS that reqwest asks for.
    drop(Client::new().unwrap());
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let sent = browser.get(page).send().await.unwrap();
    let back: url::Url = sent.headers()["location"].to_str().unwrap().parse().unwrap();
    assert!(back.as_str().starts_with("http://localhost:8687/oauth/callback?"), "{back}");
    back.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned().into()
}

#[tokio::test]
async fn an_access_token_that_ends_in_a_run_is_asked_for_once_and_the_page_is_repeated_fault_50() {
    let portal = Portal::new(app(true)).await;
    let before = portal.contacts().await.unwrap_err();
    assert!(
        matches!(&before, ConnectorError::Unauthorized { message, .. } if message.contains("baton login hubspot")),
        "{before}"
    );
    portal.log_in().await;
    let whole = portal.contacts().await.unwrap();
    assert!(whole >= 250, "{whole}");
    let asked = portal.asked();
    assert_eq!(asked, 1, "one for the login");

    portal.expire();
    let all = || portal.contacts();
    let (a, b, c, d, e) = tokio::join!(all(), all(), all(), all(), all());
    for seen in [a, b, c, d, e] {
        assert_eq!(seen.unwrap(), whole, "no page is skipped");
    }
    assert_eq!(portal.asked(), asked + 1, "one refresh for all");
    let kept = portal.vault.tokens.lock().unwrap().clone().unwrap();
    assert_ne!(kept.refresh.expose_secret(), "na1-refresh-1", "the rotated token is kept");
}

#[tokio::test]
async fn a_login_is_for_the_account_of_the_settings_and_a_code_is_good_once() {
    let mut portal = Portal::new(app(false)).await;
    portal.settings.account = Some("999".to_owned());
    portal.begin_again();
    let code = permission(&portal.settings).await;
    let other = portal.crm.log_in(&code).await.unwrap_err();
    assert!(other.to_string().contains("portal 123456") && other.to_string().contains("portal 999"), "{other}");
    assert!(portal.vault.tokens.lock().unwrap().is_none(), "nothing is kept");
    portal.settings.account = Some("123456".to_owned());
    portal.begin_again();
    let used = portal.crm.log_in(&code).await.unwrap_err();
    assert!(used.to_string().contains("good once"), "{used}");
    portal.log_in().await;
    for error in [other, used] {
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn a_new_pair_that_cannot_be_stored_is_not_used_and_is_stored_first_the_next_time_fault_51() {
    let portal = Portal::new(app(true)).await;
    portal.log_in().await;
    let whole = portal.contacts().await.unwrap();
    portal.vault.is_full.store(true, Ordering::SeqCst);
    portal.expire();
    portal.hub.reset_requests();
    for _ in 0..3 {
        let error = portal.contacts().await.unwrap_err();
        assert!(
            matches!(&error, ConnectorError::Unavailable { message, .. } if message.contains("not used")),
            "{error}"
        );
    }
    let requests = portal.hub.requests();
    assert_eq!(
        requests.by_status.get(&200),
        Some(&1),
        "the refresh, and nothing went out with the new token: {requests:?}"
    );
    portal.vault.is_full.store(false, Ordering::SeqCst);
    assert_eq!(portal.contacts().await.unwrap(), whole);
    assert_eq!(portal.asked(), 1, "the pair that was held is stored and used");
    let mut portal = portal;
    portal.begin_again();
    assert_eq!(portal.contacts().await.unwrap(), whole, "the next process has it, too");
}

#[tokio::test]
async fn a_token_is_renewed_at_three_quarters_of_its_life_and_used_to_its_end_if_that_fails() {
    let mut portal = Portal::new(app(false)).await;
    portal.log_in().await;
    portal.hub.reset_requests();
    let aged = |minutes: i64| {
        let mut kept = portal.vault.tokens.lock().unwrap();
        let tokens = kept.as_mut().unwrap();
        tokens.given_at = Clock::system().wall() - SignedDuration::from_mins(minutes);
        tokens.expires_at = tokens.given_at + SignedDuration::from_mins(30);
    };
    aged(20);
    portal.begin_again();
    portal.contacts().await.unwrap();
    assert_eq!(portal.asked(), 0, "two thirds");
    let aged = |portal: &Portal, minutes: i64| {
        let mut kept = portal.vault.tokens.lock().unwrap();
        let tokens = kept.as_mut().unwrap();
        tokens.given_at = Clock::system().wall() - SignedDuration::from_mins(minutes);
        tokens.expires_at = tokens.given_at + SignedDuration::from_mins(30);
    };
    aged(&portal, 25);
    portal.begin_again();
    portal.hub.faults().inject(
        Place::path("/oauth/"),
        When::default(),
        Fault::Status { status: 503, retry_after: None },
    );
    portal.contacts().await.unwrap();
    assert_eq!(portal.asked(), 1, "asked, in vain, once: the one before still works");
    aged(&portal, 31);
    portal.begin_again();
    let error = portal.contacts().await.unwrap_err();
    assert!(matches!(error, ConnectorError::Unavailable { .. }), "{error}");
    portal.hub.faults().clear();
    portal.contacts().await.unwrap();
    assert_eq!(portal.asked(), 3, "and the next pass asks again");
}

#[tokio::test]
async fn settings_that_hubspot_refuses_are_told_and_not_repeated() {
    let mut portal = Portal::new(app(false)).await;
    portal.log_in().await;
    let Auth::Oauth(app) = &mut portal.settings.auth else { panic!("a login") };
    app.client_secret = "canary-wrong".into();
    portal.begin_again();
    portal.expire();
    portal.hub.reset_requests();
    for _ in 0..5 {
        let error = portal.contacts().await.unwrap_err();
        let ConnectorError::Unauthorized { message, .. } = &error else { panic!("{error}") };
        assert!(
            message.contains("BAD_CLIENT_SECRET") && message.contains("[connections.hubspot.auth.oauth]"),
            "{message}"
        );
        assert!(!message.contains("canary"), "{message}");
    }
    assert_eq!(portal.asked(), 1);
}

#[tokio::test]
async fn the_end_of_a_login_is_asked_about_once_and_a_new_one_goes_on_fault_52() {
    let clock = Clock::manual(morning());
    let hub = HubSpot::new(clock.clone(), easy(app(false)));
    let odoo = Odoo::new(clock.clone(), baton::sandbox::odoo::Settings::default());
    hub.bulk_contacts(20, 1);
    let mut servers = JoinSet::new();
    let (hub_at, odoo_at) = (serve(&mut servers, hub.router()).await, serve(&mut servers, odoo.router()).await);
    let folder = tempfile::tempdir().unwrap();
    let addresses = [hub_at.as_str(), &odoo_at, "http://127.0.0.1:9"];
    let path = folder.path().join("baton.db");
    let mut assembly = assembly(&clock, &hub, &odoo, &addresses, path, rules(AGREEMENT, ROSTER, Mode::On));
    assembly.channels.fallback = Some(Name::from("slack.sales"));
    assembly.store_key = Some(SecretString::from("canary-key-of-at-least-32-characters"));
    let redirect_uri = "http://localhost:8687/oauth/callback".parse().unwrap();
    let client_secret = "canary-client-secret".into();
    assembly.connections[0].auth = Auth::Oauth(OauthApp { client_id: "app-1".to_owned(), client_secret, redirect_uri });
    let settings = assembly.connections[0].clone();
    let parts = assemble(assembly).await.unwrap();
    let (engine, hubspot) = (&parts.engine, ConnectionId::from("hubspot"));
    let log_in = async || {
        let code = permission(&settings).await.expose_secret().to_owned();
        let command = baton::engine::command::Command::LogIn { connection: "hubspot".to_owned(), code };
        let asked = baton::engine::command::Asked { by: "o.stein".to_owned(), command };
        engine.execute(&asked).await.unwrap()
    };
    let troubles = async || {
        let waiting = engine.store().channels_waiting(Timestamp::MAX, Timestamp::MAX).await.unwrap();
        let findings = engine.store().findings(100).await.unwrap();
        let credentials = findings.into_iter().filter(|row| row.subject == "hubspot: credentials").count();
        (waiting.into_iter().map(|(_, notices)| notices).sum::<usize>(), credentials)
    };
    log_in().await;
    engine.poll(&hubspot).await.unwrap();
    assert_eq!(troubles().await, (0, 0));

    // The person took the permission back: the access token ends, and what would bring another is refused.
    let held = hub.refresh_token().unwrap();
    let form = [("token", held.as_str()), ("client_id", "app-1"), ("client_secret", "canary-client-secret")];
    let revoke = format!("{hub_at}/oauth/2026-09/token/revoke");
    assert!(reqwest::Client::new().post(revoke).form(&form).send().await.unwrap().status().is_success());
    hub.faults().set(Fault::TokenExpired { token: "oauth".to_owned() });
    hub.reset_requests();
    for _ in 0..6 {
        clock.advance(SignedDuration::from_mins(5));
        engine.poll(&hubspot).await.unwrap_err();
    }
    assert_eq!(troubles().await, (1, 1), "one notice and one finding");
    assert_eq!(hub.requests().by_class.get("oauth"), Some(&1), "no storm: {:?}", hub.requests());

    clock.advance(SignedDuration::from_mins(1));
    log_in().await;
    engine.poll(&hubspot).await.unwrap();
    assert_eq!(troubles().await.1, 0, "the finding is over");
    let files: Vec<PathBuf> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() > 1);
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let holds = |needle: &str| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
        assert!(!holds("oauth-access-") && !holds("na1-refresh-"), "tokens in clear in {}", file.display());
    }
}

/// The real binary in a folder with settings for the sandbox.
struct Scene {
    folder: tempfile::TempDir,
    hub: HubSpot,
    base: String,
    _servers: JoinSet<()>,
}

impl Scene {
    async fn new() -> Self {
        let hub = HubSpot::new(Clock::system(), easy(app(true)));
        hub.bulk_contacts(5, 1);
        let mut servers = JoinSet::new();
        let base = serve(&mut servers, hub.router()).await;
        let folder = tempfile::tempdir().unwrap();
        let starter = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/starter");
        for name in ["agreement.toml", "roster.toml"] {
            std::fs::copy(starter.join(name), folder.path().join(name)).unwrap();
        }
        let settings = format!(
            "[store]\nkey = {{ env = \"BATON_KEY\" }}\n[server]\nlisten = \"127.0.0.1:0\"\n[connections.hubspot]\nkind = \"hubspot\"\n\
             base_url = \"{base}\"\npoll = \"1 second\"\n[connections.hubspot.auth.oauth]\nclient_id = \"app-1\"\n\
             client_secret = {{ env = \"APP_SECRET\" }}\n"
        );
        std::fs::write(folder.path().join("baton.toml"), settings).unwrap();
        Self { folder, hub, base, _servers: servers }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).kill_on_drop(true);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env_clear().env("APP_SECRET", "canary-client-secret").env("BATON_KEY", "k".repeat(40));
        command
    }

    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command(arguments).output().await.unwrap();
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!told.contains("canary"), "{told}");
        (output.status.code(), told)
    }

    async fn log_in(&self) {
        let settings = Settings::new("hubspot", Kind::HubSpot, self.base.parse().unwrap(), SecretString::from(""));
        let app = OauthApp {
            client_id: "app-1".to_owned(),
            client_secret: SecretString::from(""),
            redirect_uri: "http://localhost:8687/oauth/callback".parse().unwrap(),
        };
        let code = permission(&Settings { auth: Auth::Oauth(app), ..settings }).await;
        let (status, told) = self.run(&["login", "hubspot", "--code", code.expose_secret()]).await;
        assert_eq!(status, Some(0), "{told}");
        assert!(told.contains("Logged in to HubSpot portal 123456 as hubspot."), "{told}");
    }

    async fn credentials(&self) -> usize {
        let path = self.folder.path().join("baton.db");
        let store = Store::open_read_only(&path, &WorkspaceId::from("default")).await.unwrap();
        let findings = store.findings(100).await.unwrap();
        findings.into_iter().filter(|row| row.subject == "hubspot: credentials").count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_the_refresh_and_its_commit_it_asks_for_a_login_once_and_then_goes_on_fault_51() {
    let scene = Scene::new().await;
    scene.log_in().await;
    let (status, told) = scene.run(&["sync"]).await;
    assert_eq!(status, Some(0), "{told}");

    // HubSpot gives the next pair and forgets the old one; the answer never comes, and the process dies waiting for it.
    scene.hub.faults().set(Fault::TokenExpired { token: "oauth".to_owned() });
    scene.hub.faults().inject(Place::path("/oauth/"), When::times(1), Fault::AfterEffect { breakage: Breakage::Hang });
    let before = scene.hub.refresh_token();
    let mut child = scene.command(&["run"]).spawn().unwrap();
    let began = Instant::now();
    while scene.hub.refresh_token() == before {
        assert!(began.elapsed() < PATIENCE, "the refresh never came");
        assert!(child.try_wait().unwrap().is_none(), "Baton ended by itself");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.kill().await.unwrap();
    // The pair that was stored is the old one: its access token ends, and its refresh token is forgotten.
    scene.hub.faults().set(Fault::TokenExpired { token: "oauth".to_owned() });

    let (status, told) = scene.run(&["sync"]).await;
    assert_eq!(status, Some(1), "{told}");
    assert!(told.contains("baton login hubspot"), "{told}");
    assert_eq!(scene.credentials().await, 1, "{told}");
    scene.log_in().await;
    let (status, told) = scene.run(&["sync"]).await;
    assert_eq!(status, Some(0), "{told}");
    assert_eq!(scene.credentials().await, 0, "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn login_shows_the_address_hears_the_answer_on_this_machine_and_names_what_was_not_permitted() {
    use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
    let scene = Scene::new().await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = scene.folder.path().join("baton.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, format!("{text}redirect_uri = \"http://localhost:{port}/back\"\n")).unwrap();
    let mut child = scene.command(&["login", "hubspot"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let page: url::Url = lines.next_line().await.unwrap().expect("an address").parse().unwrap();
    assert!(page.as_str().contains("crm.objects.contacts.read%20"), "{page}");
    drop(Client::new().unwrap());
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let forged = format!("http://127.0.0.1:{port}/back?code=x&state=guessed");
    assert_eq!(browser.get(forged).send().await.unwrap().status(), 400, "an answer that was not asked for");
    let sent = browser.get(page).send().await.unwrap();
    let back = sent.headers()["location"].to_str().unwrap().replace("localhost", "127.0.0.1");
    assert_eq!(browser.get(back).send().await.unwrap().status(), 200);
    let mut rest = String::new();
    lines.into_inner().read_to_string(&mut rest).await.unwrap();
    assert!(child.wait().await.unwrap().success(), "{rest}");
    assert!(rest.contains("Logged in to HubSpot portal 123456 as hubspot."), "{rest}");
    let (status, told) = scene.run(&["sync"]).await;
    assert_eq!(status, Some(0), "{told}");
}
