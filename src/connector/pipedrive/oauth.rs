//! OAuth: which token a request goes out with, and how the next one is asked for. Source: section 2.
//!
//! The refresh token is given again unchanged, and may be given anew: whatever comes is kept before its first use. One refresh is
//! under way at a time; whoever comes meanwhile waits for it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;
use url::form_urlencoded::Serializer;

use super::answer::Failure;
use crate::clock::Clock;
use crate::connector::settings::OauthApp;
use crate::connector::tokens::{Tokens, Vault};
use crate::domain::id::ConnectionId;
use crate::http::{Client, Method, Request};

/// Where tokens are asked for, and people are asked whether the app may. Source: section 2.
const OAUTH: &str = "https://oauth.pipedrive.com";
/// What the hosts of the API end with, whose logins are on another host.
const API_HOST: &str = "pipedrive.com";
/// How long settings or a login that the CRM refuses are not tried again.
const REFUSED: SignedDuration = SignedDuration::from_mins(5);

/// Every permission that Baton has a use for, with what stops working without it. Source: section 2.
pub const SCOPES: &[(&str, &str)] = &[
    ("base", "no login at all"),
    ("leads:full", "leads are neither read nor written: nothing works"),
    ("contacts:full", "persons and organizations are neither read nor written: nothing works"),
    ("deals:full", "deals are neither read nor written: what became of a lead is not known"),
    ("activities:full", "calls, e-mails and meetings are not seen, and no task is made"),
    ("users:read", "owners are not known: nobody's account is found, no hand-off is given"),
    (
        "recents:read",
        "who changed the owner of a deal is not known: a program that sets owners back passes for a person",
    ),
    ("search:read", "a person is not found by their address, so nobody is handed over"),
];

/// The permissions that `granted` lacks, each with what does not work without it.
pub(super) fn missing(granted: &[String]) -> Vec<(String, String)> {
    let lacks = |(name, _): &&(&str, &str)| !granted.iter().any(|known| known == name);
    SCOPES.iter().filter(lacks).map(|(name, without)| ((*name).to_owned(), (*without).to_owned())).collect()
}

/// The host of logins that belongs to `base`.
fn host(base: &Url) -> Url {
    let is_api = base.host_str().is_some_and(|host| host == API_HOST || host.ends_with(&format!(".{API_HOST}")));
    if is_api { Url::parse(OAUTH).unwrap_or_else(|_| base.clone()) } else { base.clone() }
}

/// The page on which a person lets the app in; its answer goes to the app's `redirect_uri` and carries `state` back. What the app may
/// is set where it is registered.
#[must_use]
pub fn authorize_url(base: &Url, app: &OauthApp, state: &str) -> Url {
    let base = host(base);
    let mut url = base.join("/oauth/authorize").unwrap_or(base);
    url.query_pairs_mut()
        .append_pair("client_id", &app.client_id)
        .append_pair("redirect_uri", app.redirect_uri.as_str())
        .append_pair("state", state);
    url
}

/// The login of one connection.
#[derive(Debug)]
pub(super) struct Login {
    connection: ConnectionId,
    base: Url,
    app: OauthApp,
    vault: Option<Arc<dyn Vault>>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    tokens: Option<Tokens>,
    /// A pair that could not be kept: it is kept before anything else happens, or not used.
    unkept: Option<Tokens>,
    /// The CRM refused, with these words: nothing is asked before this instant, unless somebody logs in.
    refused: Option<(Timestamp, String)>,
}

/// What the token endpoint gives. Source: section 2.
#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
    refresh_token: SecretString,
    expires_in: i64,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    api_domain: String,
}

#[derive(Default, Deserialize)]
struct Refused {
    #[serde(default)]
    error: String,
}

/// Why no tokens came.
enum Refusal {
    /// The code or refresh token, or the app: nothing changes by itself.
    Final(String),
    Passing(Failure),
}

impl Login {
    pub(super) fn new(connection: &ConnectionId, base: &Url, app: OauthApp, vault: Option<Arc<dyn Vault>>) -> Self {
        Self { connection: connection.clone(), base: host(base), app, vault, held: Mutex::default() }
    }

    /// The token to send now; asks for the next one where it is time.
    pub(super) async fn bearer(&self, client: &Client) -> Result<SecretString, Failure> {
        let mut held = self.held.lock().await;
        self.keep_unkept(&mut held).await?;
        let now = Clock::system().wall();
        self.look(&mut held).await?;
        let Some(tokens) = held.tokens.clone() else {
            return Err(Failure::Unauthorized(format!(
                "nobody has logged in yet; run `baton login {}`",
                self.connection
            )));
        };
        let is_alive = now < tokens.expires_at;
        if is_alive && now < tokens.refresh_at() {
            return Ok(tokens.access);
        }
        if !self.vault.as_ref().is_none_or(|vault| vault.may_refresh()) {
            let why = "the stored token is over, and only the running daemon may ask for another: see `baton status`";
            return if is_alive { Ok(tokens.access) } else { Err(Failure::Unauthorized(why.to_owned())) };
        }
        if let Some((_, why)) = held.refused.as_ref().filter(|(until, _)| now < *until) {
            return if is_alive { Ok(tokens.access) } else { Err(Failure::Unauthorized(self.remedy(why))) };
        }
        let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.expose_secret())];
        match self.ask(client, &form, now).await {
            Ok(fresh) => {
                let access = fresh.access.clone();
                self.adopt(&mut held, fresh).await?;
                Ok(access)
            }
            Err(Refusal::Final(why)) => {
                held.refused = Some((now + REFUSED, why.clone()));
                if is_alive { Ok(tokens.access) } else { Err(Failure::Unauthorized(self.remedy(&why))) }
            }
            Err(Refusal::Passing(failure)) => {
                if is_alive {
                    Ok(tokens.access)
                } else {
                    Err(failure)
                }
            }
        }
    }

    /// The CRM says that `token` is not let in. Answers whether another one can be asked for, so that the request is repeated.
    pub(super) async fn expired(&self, token: &SecretString) -> bool {
        let mut held = self.held.lock().await;
        let Some(tokens) = held.tokens.as_mut() else { return false };
        if tokens.access.expose_secret() == token.expose_secret() {
            tokens.given_at = Timestamp::MIN;
            tokens.expires_at = Timestamp::MIN;
        }
        true
    }

    /// Exchanges what the person's permission gave for tokens, and keeps them.
    pub(super) async fn log_in(&self, client: &Client, code: &SecretString) -> Result<Tokens, Failure> {
        let mut held = self.held.lock().await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.expose_secret()),
            ("redirect_uri", self.app.redirect_uri.as_str()),
        ];
        match self.ask(client, &form, Clock::system().wall()).await {
            Ok(tokens) => {
                self.adopt(&mut held, tokens.clone()).await?;
                Ok(tokens)
            }
            Err(Refusal::Final(why)) => Err(Failure::Unauthorized(format!(
                "Pipedrive does not take the code ({why}): it is good once and for five minutes, for the redirect_uri that it was \
                 asked for with, and for this client_id and client_secret; run `baton login {}` again",
                self.connection
            ))),
            Err(Refusal::Passing(failure)) => Err(failure),
        }
    }

    /// What the CRM said of a token that was not let in, and what to do.
    pub(super) fn remedy(&self, said: &str) -> String {
        format!("{said}; log in again: `baton login {}`", self.connection)
    }

    /// Reads the vault where that can change something: at first, and after a refusal, since a person may have logged in with another
    /// process.
    async fn look(&self, held: &mut Held) -> Result<(), Failure> {
        let Some(vault) = self.vault.as_ref().filter(|_| held.tokens.is_none() || held.refused.is_some()) else {
            return Ok(());
        };
        let kept = vault.tokens(&self.connection).await;
        let kept = kept.map_err(|error| Failure::Unauthorized(format!("the stored login cannot be read: {error}")))?;
        let Some(kept) = kept else { return Ok(()) };
        let is_new =
            held.tokens.as_ref().is_none_or(|known| known.refresh.expose_secret() != kept.refresh.expose_secret());
        if is_new {
            held.refused = None;
            held.tokens = Some(kept);
        }
        Ok(())
    }

    /// Keeps a pair, and uses it only then.
    async fn adopt(&self, held: &mut Held, tokens: Tokens) -> Result<(), Failure> {
        held.refused = None;
        held.unkept = Some(tokens);
        self.keep_unkept(held).await
    }

    async fn keep_unkept(&self, held: &mut Held) -> Result<(), Failure> {
        let Some(tokens) = held.unkept.clone() else { return Ok(()) };
        if let Some(vault) = &self.vault {
            vault.keep(&self.connection, &tokens).await.map_err(|error| {
                Failure::NotSent(format!("the new tokens could not be stored, so they are not used: {error}"))
            })?;
        }
        held.unkept = None;
        held.tokens = Some(tokens);
        Ok(())
    }

    async fn ask(&self, client: &Client, form: &[(&str, &str)], now: Timestamp) -> Result<Tokens, Refusal> {
        // Without a slash at its end, which would turn POST into GET. Source: section 2.
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let app = format!("{}:{}", self.app.client_id, self.app.client_secret.expose_secret());
        let request = Request::to(Method::Post, &self.base, &["oauth", "token"])
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", format!("Basic {}", STANDARD.encode(app)))
            .json(body.into_bytes());
        let response = client.send(request).await.map_err(|error| Refusal::Passing(error.into()))?;
        if !(200..300).contains(&response.status) {
            let said: Refused = serde_json::from_slice(&response.body).unwrap_or_default();
            let word = crate::connector::code(&said.error).to_owned();
            return Err(match response.status {
                400 | 401 | 403 if !word.is_empty() => Refusal::Final(word),
                status => Refusal::Passing(Failure::Server(format!("{status} from the token endpoint"))),
            });
        }
        let granted: Granted = serde_json::from_slice(&response.body)
            .map_err(|_| Refusal::Passing(Failure::Malformed("the token endpoint's answer".to_owned())))?;
        // At least a minute: an answer that says otherwise would ask for ever.
        let life = SignedDuration::from_secs(granted.expires_in.max(60));
        let company =
            granted.api_domain.trim_start_matches("https://").split('.').next().unwrap_or_default().to_owned();
        Ok(Tokens {
            access: granted.access_token,
            refresh: granted.refresh_token,
            given_at: now,
            expires_at: now + life,
            account: company,
            scopes: granted.scope.split([',', ' ']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_on_a_host_of_their_own_section_2() {
        let app = OauthApp {
            client_id: "a&b".to_owned(),
            client_secret: "canary".into(),
            redirect_uri: "http://localhost:8687/oauth/callback".parse().unwrap(),
        };
        for (base, page) in [
            ("https://acme.pipedrive.com", "https://oauth.pipedrive.com/oauth/authorize"),
            ("https://api.pipedrive.com", "https://oauth.pipedrive.com/oauth/authorize"),
            ("https://notpipedrive.com", "https://notpipedrive.com/oauth/authorize"),
            ("http://127.0.0.1:8703", "http://127.0.0.1:8703/oauth/authorize"),
        ] {
            let url = authorize_url(&base.parse().unwrap(), &app, "s");
            assert!(url.as_str().starts_with(page), "{url}");
            assert!(url.as_str().contains("client_id=a%26b") && !url.as_str().contains("canary"), "{url}");
        }
        let lacking = missing(&["base".to_owned(), "leads:full".to_owned()]);
        assert!(
            lacking.iter().any(|(name, _)| name == "deals:full") && !lacking.iter().any(|(name, _)| name == "base")
        );
    }
}
