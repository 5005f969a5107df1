//! `baton login`: a person lets Baton into a CRM account.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use url::{Host, Url};

use super::{Common, control, output, setup};
use crate::config::Loaded;
use crate::connector::settings::{Auth, Kind, OauthApp, Settings};
use crate::connector::{hubspot, pipedrive, salesforce};
use crate::daemon;
use crate::engine::command::Command;

/// How long a person may take.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Debug, Args)]
pub(super) struct LoginArgs {
    /// The connection, by its name in the settings
    connection: String,
    /// The code from the address that the CRM sent you to, where this machine could not be reached from your browser
    #[arg(long)]
    code: Option<String>,
}

pub(super) async fn login(common: &Common, args: LoginArgs) -> anyhow::Result<ExitCode> {
    let loaded = match setup::load(common) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let settings = connection(&loaded, &args.connection)?;
    let Auth::Oauth(app) = &settings.auth else {
        anyhow::bail!(
            "{} proves itself with a token: there is nothing to log in to. To log in, write `auth = {{ oauth = {{ \
             client_id = \"...\", client_secret = {{ env = \"...\" }} }} }}` in its settings",
            settings.id
        )
    };
    let code = match args.code {
        Some(code) => code,
        None => match permission(settings, app).await? {
            Some(code) => code,
            None => return Ok(ExitCode::FAILURE),
        },
    };
    let command = Command::LogIn { connection: settings.id.to_string(), code };
    // Before the first login there is nothing to read, and so no store yet.
    let answer = control::ask_or_make(&loaded, command).await?;
    control::show(common, &answer)?;
    Ok(ExitCode::SUCCESS)
}

fn connection<'a>(loaded: &'a Loaded, name: &str) -> anyhow::Result<&'a Settings> {
    let all = &loaded.settings.connections;
    all.iter().find(|settings| settings.id.as_str() == name).with_context(|| {
        let names: Vec<&str> = all.iter().map(|settings| settings.id.as_str()).collect();
        format!("no connection is called {name}: there is {}", crate::document::choice(&names))
    })
}

/// Shows the address to open, and waits for what comes back to this machine; `None` if nothing can, or Ctrl-C came.
async fn permission(settings: &Settings, app: &OauthApp) -> anyhow::Result<Option<String>> {
    let mut random = [0; 16];
    SystemRandom::new().fill(&mut random).map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
    let state = URL_SAFE_NO_PAD.encode(random);
    let page = match settings.kind {
        Kind::Salesforce => salesforce::authorize_url(&settings.base_url, app, &state),
        Kind::Pipedrive => pipedrive::authorize_url(&settings.base_url, app, &state),
        // The settings refuse a login for Odoo.
        Kind::HubSpot | Kind::Odoo => hubspot::authorize_url(&settings.base_url, app, &state),
    };
    // Listens before it shows the address: whoever opens it at once is heard.
    let (sender, mut codes) = mpsc::channel(1);
    let listener = match loopback(&app.redirect_uri) {
        Some(address) => Some(TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?),
        None => None,
    };
    output::note("Open this in a browser, choose the account, and let the app in:\n");
    output::line(page.as_str());
    let again = format!("baton login {} --code CODE", settings.id);
    let Some(listener) = listener else {
        output::note(&format!(
            "\nThe CRM then sends you to an address with `code=...` in it. Hand that over with: {again}"
        ));
        return Ok(None);
    };
    output::note(&format!(
        "\nWaiting for the answer on {} (Ctrl-C ends it). If your browser is on another machine, copy the `code=...` of \
         the address that it ends at: {again}",
        app.redirect_uri
    ));
    let waits = Waits { state: state.into(), codes: sender };
    let router = Router::new().route(app.redirect_uri.path(), get(answered)).with_state(waits);
    let heard = tokio::select! {
        served = axum::serve(listener, router).into_future() => {
            served.context("listening for the answer")?;
            None
        }
        heard = tokio::time::timeout(PATIENCE, codes.recv()) => heard.context("nobody answered within ten minutes")?,
        () = daemon::stopped() => None,
    };
    match heard {
        Some(Ok(code)) => Ok(Some(code)),
        Some(Err(error)) => anyhow::bail!("the CRM says that the app was not let in: {}", output::safe(&error)),
        None => Ok(None),
    }
}

/// The address to listen on, if the answer comes to this machine in the clear.
fn loopback(redirect_uri: &Url) -> Option<SocketAddr> {
    let is_here = match redirect_uri.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(_) => false,
    };
    let port = redirect_uri.port_or_known_default()?;
    (is_here && redirect_uri.scheme() == "http").then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

#[derive(Clone)]
struct Waits {
    state: Arc<str>,
    codes: mpsc::Sender<Result<String, String>>,
}

#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    state: String,
    code: Option<String>,
    error: Option<String>,
}

/// The CRM sent the person back. Only who knows the state that was made for this login is listened to.
async fn answered(State(waits): State<Waits>, Query(answer): Query<Answered>) -> (StatusCode, &'static str) {
    if answer.state != *waits.state {
        return (StatusCode::BAD_REQUEST, "This answer belongs to another login. Nothing was done.");
    }
    let (told, page) = match (answer.code, answer.error) {
        (Some(code), _) => (Ok(code), "Baton has the answer: the terminal says how it went. You may close this page."),
        (None, error) => (Err(error.unwrap_or_default()), "The app was not let in. You may close this page."),
    };
    match waits.codes.try_send(told) {
        Ok(()) => (StatusCode::OK, page),
        Err(_) => (StatusCode::CONFLICT, "This login was answered already."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_in_the_clear_to_this_machine_is_listened_for() {
        for (uri, port) in [
            ("http://localhost:8687/oauth/callback", Some(8687)),
            ("http://127.0.0.1/x", Some(80)),
            ("https://localhost:8687/x", None),
            ("https://baton.example.com/x", None),
        ] {
            assert_eq!(loopback(&uri.parse().unwrap()).map(|address| address.port()), port, "{uri}");
        }
    }
}
