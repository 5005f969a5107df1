//! OAuth: which token a request goes out with, and how the next one is asked for. Source: section 11 of the sheet.
//!
//! One refresh is under way at a time; whoever comes meanwhile waits for it and shares how it ended. A new pair is
//! [kept](Vault::keep) before its first use, and one that could not be kept is not used. `answer.rs` reads what the token
//! endpoint says, `scopes.rs` what Baton asks for and why.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, MutexGuard};
use url::Url;
use url::form_urlencoded::Serializer;

use super::answer::Failure;
use crate::clock::Clock;
use crate::connector::settings::OauthApp;
use crate::connector::tokens::{Tokens, Vault};
use crate::domain::id::ConnectionId;
use crate::http::{Client, Method, Request};

mod answer;
mod scopes;

pub(super) use scopes::missing;
pub use scopes::{Need, SCOPES, Scope};

/// Where people are asked whether the app may. Source: section 11.
const AUTHORIZE: &str = "https://app.hubspot.com/oauth/authorize";
/// The host of the API, whose people are asked elsewhere than on the host itself.
const API_HOST: &str = "api.hubapi.com";
/// How long a refresh that failed rests while the token before it still works.
const REST: SignedDuration = SignedDuration::from_secs(30);
/// How long settings that the CRM refuses are not tried again: only a restart brings others.
const REFUSED: SignedDuration = SignedDuration::from_mins(5);

/// The page on which a person lets the app in; its answer goes to the app's `redirect_uri` and carries `state` back.
#[must_use]
pub fn authorize_url(base: &Url, app: &OauthApp, state: &str) -> Url {
    let usual = || Url::parse(AUTHORIZE).ok();
    let beside = || base.join("/oauth/authorize").ok();
    let page = if base.host_str() == Some(API_HOST) { usual() } else { beside() };
    let mut url = page.unwrap_or_else(|| base.clone());
    let of = |need: Need| {
        let wanted = SCOPES.iter().filter(|scope| scope.need == need).map(|scope| scope.name);
        wanted.collect::<Vec<_>>().join(" ")
    };
    // Spaces as `%20`: that is what HubSpot's own clients send.
    let query = Serializer::new(String::new())
        .append_pair("client_id", &app.client_id)
        .append_pair("redirect_uri", app.redirect_uri.as_str())
        .append_pair("scope", &of(Need::Always))
        .append_pair("optional_scope", &of(Need::ForSome))
        .append_pair("state", state)
        .finish();
    url.set_query(Some(&query.replace('+', "%20")));
    url
}

/// The login of one connection.
#[derive(Debug)]
pub(super) struct Login {
    connection: ConnectionId,
    base: Url,
    version: String,
    account: Option<String>,
    app: OauthApp,
    vault: Option<Arc<dyn Vault>>,
    /// Counts what was asked of the token endpoint, so that who waited can tell that somebody else asked.
    flights: AtomicU64,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    state: State,
    /// A pair that could not be kept: it is kept before anything else happens, or not used.
    unkept: Option<Tokens>,
    /// How the last flight ended, if badly.
    failed: Option<Failure>,
    /// The pair before still works, and no other is asked for before this instant.
    rests_until: Option<Timestamp>,
    /// The CRM refused the settings: nothing is asked before this instant.
    refused_until: Option<Timestamp>,
}

#[derive(Debug)]
enum State {
    /// The vault was not looked into yet.
    Unread,
    Good(Tokens),
    /// The CRM said that this refresh token is over: a person must log in. It is not sent again.
    Over {
        refresh: SecretString,
        why: String,
    },
}

impl Login {
    pub(super) fn new(
        connection: &ConnectionId,
        base: &Url,
        version: &str,
        account: Option<&str>,
        app: OauthApp,
        vault: Option<Arc<dyn Vault>>,
    ) -> Self {
        Self {
            connection: connection.clone(),
            base: base.clone(),
            version: version.to_owned(),
            account: account.map(str::to_owned),
            app,
            vault,
            flights: AtomicU64::new(0),
            held: Mutex::new(Held {
                state: State::Unread,
                unkept: None,
                failed: None,
                rests_until: None,
                refused_until: None,
            }),
        }
    }

    /// The token to send now; asks for the next one where it is time.
    pub(super) async fn bearer(&self, client: &Client) -> Result<SecretString, Failure> {
        let flight = self.flights.load(Ordering::SeqCst);
        let mut held = self.held.lock().await;
        let did_wait = self.flights.load(Ordering::SeqCst) != flight;
        self.keep_unkept(&mut held).await?;
        self.look(&mut held).await?;
        let now = Clock::system().wall();
        let tokens = match &held.state {
            State::Good(tokens) => tokens.clone(),
            State::Over { why, .. } => return Err(self.over(why)),
            State::Unread => return Err(self.nobody()),
        };
        let is_before = |until: Option<Timestamp>| until.is_some_and(|until| now < until);
        let is_alive = now < tokens.expires_at;
        if is_alive && (now < tokens.refresh_at() || is_before(held.rests_until)) {
            return Ok(tokens.access);
        }
        if !self.vault.as_ref().is_none_or(|vault| vault.may_refresh()) {
            let why = "the stored token is over, and only the running daemon may ask for another: see `baton status`";
            return if is_alive { Ok(tokens.access) } else { Err(Failure::Unauthorized(why.to_owned())) };
        }
        if let Some(failure) = held.failed.clone().filter(|_| did_wait || is_before(held.refused_until)) {
            // Somebody asked while we waited, or asking is no use: what they were told is not asked for again.
            return if is_alive { Ok(tokens.access) } else { Err(failure) };
        }
        match self.refresh(client, &tokens, &mut held, now).await {
            Ok(fresh) => Ok(fresh.access),
            // The one before still works: what did not come now may come before it ends.
            Err(_) if is_alive && matches!(held.state, State::Good(_)) && held.unkept.is_none() => {
                held.rests_until = Some(now + REST);
                Ok(tokens.access)
            }
            Err(failure) => Err(failure),
        }
    }

    /// The CRM says that `token` has expired. Answers whether another one can be asked for, so that the request is repeated.
    pub(super) async fn expired(&self, token: &SecretString) -> bool {
        let mut held = self.held.lock().await;
        let State::Good(tokens) = &mut held.state else { return false };
        if tokens.access.expose_secret() == token.expose_secret() {
            tokens.given_at = Timestamp::MIN;
            tokens.expires_at = Timestamp::MIN;
        }
        true
    }

    /// Exchanges what the person's permission gave for tokens, and keeps them.
    pub(super) async fn log_in(&self, client: &Client, code: &SecretString) -> Result<Tokens, Failure> {
        let mut held = self.held.lock().await;
        self.look(&mut held).await?;
        let known = match &held.state {
            State::Good(tokens) => Some(tokens.account.clone()),
            State::Over { .. } | State::Unread => None,
        };
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.expose_secret()),
            ("redirect_uri", self.app.redirect_uri.as_str()),
        ];
        let now = Clock::system().wall();
        let tokens = self.ask(client, &form, now).await.map_err(|refusal| match refusal {
            answer::Refusal::Over(word) => Failure::Unauthorized(format!(
                "HubSpot does not take the code ({word}): it is good once and for a short while, and for the redirect_uri \
                 that it was asked for with; run `baton login {}` again",
                self.connection
            )),
            other => self.told(other),
        })?;
        if let Some(wanted) = self.account.as_ref().or(known.as_ref()).filter(|wanted| **wanted != tokens.account) {
            return Err(Failure::Unauthorized(format!(
                "the login is for portal {}, but this connection belongs to portal {wanted}: nothing is kept; choose the \
                 right account in HubSpot, or give the other portal a connection of its own",
                tokens.account
            )));
        }
        self.adopt(&mut held, tokens).await
    }

    /// The tokens that are held now, for a look at what they may do.
    pub(super) async fn tokens(&self) -> Option<Tokens> {
        let mut held = self.held.lock().await;
        self.look(&mut held).await.ok()?;
        match &held.state {
            State::Good(tokens) => Some(tokens.clone()),
            State::Over { .. } | State::Unread => None,
        }
    }

    /// Reads the vault where that can change something: at first, and after a login ended, since a person may have logged
    /// in with another process.
    async fn look(&self, held: &mut MutexGuard<'_, Held>) -> Result<(), Failure> {
        if matches!(held.state, State::Good(_)) {
            return Ok(());
        }
        let Some(vault) = &self.vault else { return Ok(()) };
        let kept = vault.tokens(&self.connection).await.map_err(|error| self.unreadable(&error.0))?;
        match (kept, &held.state) {
            (Some(kept), State::Over { refresh, .. }) if kept.refresh.expose_secret() == refresh.expose_secret() => {}
            (Some(kept), _) => {
                held.state = State::Good(kept);
                held.failed = None;
                held.refused_until = None;
            }
            (None, _) => {}
        }
        Ok(())
    }

    async fn refresh(
        &self,
        client: &Client,
        tokens: &Tokens,
        held: &mut MutexGuard<'_, Held>,
        now: Timestamp,
    ) -> Result<Tokens, Failure> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.expose_secret())];
        let asked = self.ask(client, &form, now).await;
        self.flights.fetch_add(1, Ordering::SeqCst);
        held.rests_until = None;
        held.refused_until = None;
        let failure = match asked {
            Ok(fresh) => {
                let account = if fresh.account.is_empty() { tokens.account.clone() } else { fresh.account.clone() };
                return self.adopt(held, Tokens { account, ..fresh }).await;
            }
            Err(answer::Refusal::Over(word)) => {
                let why = format!("HubSpot says that the login is over ({word})");
                held.state = State::Over { refresh: tokens.refresh.clone(), why: why.clone() };
                self.over(&why)
            }
            Err(refusal @ answer::Refusal::Settings(_)) => {
                held.refused_until = Some(now + REFUSED);
                self.told(refusal)
            }
            Err(refusal @ answer::Refusal::Passing(_)) => self.told(refusal),
        };
        held.failed = Some(failure.clone());
        Err(failure)
    }

    /// Keeps a pair, and uses it only then.
    async fn adopt(&self, held: &mut MutexGuard<'_, Held>, tokens: Tokens) -> Result<Tokens, Failure> {
        held.unkept = Some(tokens.clone());
        let kept = self.keep_unkept(held).await;
        held.failed = kept.as_ref().err().cloned();
        kept.map(|()| tokens)
    }

    async fn keep_unkept(&self, held: &mut MutexGuard<'_, Held>) -> Result<(), Failure> {
        let Some(tokens) = held.unkept.clone() else { return Ok(()) };
        if let Some(vault) = &self.vault {
            vault.keep(&self.connection, &tokens).await.map_err(|error| {
                Failure::NotSent(format!("the new tokens could not be stored, so they are not used: {error}"))
            })?;
        }
        held.unkept = None;
        held.state = State::Good(tokens);
        Ok(())
    }

    async fn ask(&self, client: &Client, form: &[(&str, &str)], now: Timestamp) -> Result<Tokens, answer::Refusal> {
        match client.send(self.request(form)).await {
            Ok(response) => answer::read(&response, now),
            Err(error) => Err(answer::Refusal::Passing(error.into())),
        }
    }

    /// Everything stands in the body: what is in an address gets into logs.
    fn request(&self, form: &[(&str, &str)]) -> Request {
        let mut body = Serializer::new(String::new());
        body.extend_pairs(form)
            .append_pair("client_id", &self.app.client_id)
            .append_pair("client_secret", self.app.client_secret.expose_secret());
        Request::to(Method::Post, &self.base, &["oauth", &self.version, "token"])
            .header("content-type", "application/x-www-form-urlencoded")
            .json(body.finish().into_bytes())
    }

    fn told(&self, refusal: answer::Refusal) -> Failure {
        match refusal {
            answer::Refusal::Over(word) => self.over(&word),
            answer::Refusal::Settings(word) => Failure::Unauthorized(format!(
                "HubSpot does not know this app ({word}): correct client_id and client_secret in \
                 [connections.{}.auth.oauth], and start Baton anew",
                self.connection
            )),
            answer::Refusal::Passing(failure) => failure,
        }
    }

    fn over(&self, why: &str) -> Failure {
        Failure::Unauthorized(self.remedy(why))
    }

    /// What the CRM said of a token that was not let in, and what to do.
    pub(super) fn remedy(&self, said: &str) -> String {
        format!("{said}; log in again: `baton login {}`", self.connection)
    }

    fn nobody(&self) -> Failure {
        Failure::Unauthorized(format!("nobody has logged in yet; run `baton login {}`", self.connection))
    }

    fn unreadable(&self, why: &str) -> Failure {
        Failure::Unauthorized(format!("the stored login cannot be read: {why}"))
    }
}
