//! The login: which token a request goes out with, and how the next one is asked for. Source: the sheet, section 2.
//!
//! Three flows: an assertion that Baton signs (JWT bearer), the app's own secret (client credentials), or the refresh token of a
//! person's login. One mint is under way at a time; whoever comes meanwhile waits for it and shares how it ended. A refresh token
//! that rotates is [kept](Vault::keep) before what came with it is used: a lost one costs a new login, one that is sent twice ends
//! every token of the app's user.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use url::Url;
use url::form_urlencoded::Serializer;

use super::failure::Failure;
use crate::clock::Clock;
use crate::connector::settings::{Auth, ClientApp, JwtApp, OauthApp, Settings};
use crate::connector::tokens::{Tokens, Vault};
use crate::domain::id::ConnectionId;
use crate::http::{Client, Method, Request};

mod answer;
mod assertion;

use answer::Refusal;
pub(super) use answer::Session;

/// How long a session is used; the org does not say when it ends. Source: section 2, "Token life".
const LIFE: SignedDuration = SignedDuration::from_mins(30);
/// The wait after a 429 that names none.
const WAIT: Duration = Duration::from_secs(30);
/// How long settings that the org refuses are not tried again: a person must act first.
const REFUSED: SignedDuration = SignedDuration::from_mins(5);

/// The page on which a person lets the app in.
#[must_use]
pub fn authorize_url(base: &Url, app: &OauthApp, state: &str) -> Url {
    let mut url = base.clone();
    url.set_path("/services/oauth2/authorize");
    let query = Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", &app.client_id)
        .append_pair("redirect_uri", app.redirect_uri.as_str())
        .append_pair("scope", "api refresh_token")
        .append_pair("state", state)
        .finish();
    url.set_query(Some(&query.replace('+', "%20")));
    url
}

/// What Baton proves itself with.
#[derive(Debug)]
enum Flow {
    Jwt(JwtApp),
    Client(ClientApp),
    Refresh(OauthApp),
    /// A session id from elsewhere: good until it ends.
    Fixed(SecretString),
}

/// The login of one connection.
#[derive(Debug)]
pub(super) struct Login {
    connection: ConnectionId,
    base: Url,
    account: Option<String>,
    flow: Flow,
    vault: Option<Arc<dyn Vault>>,
    /// Counts what was asked of the token endpoint, so that who waited can tell that somebody else asked.
    flights: AtomicU64,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    session: Option<Arc<Session>>,
    /// What the vault holds, once it was looked into.
    tokens: Option<Tokens>,
    /// A refresh token that came and could not be kept: it is kept before anything else happens.
    unkept: Option<(Session, Tokens)>,
    /// How the last flight ended, if badly, and until when it is not tried again.
    failed: Option<(Failure, Option<Timestamp>)>,
}

impl Login {
    pub(super) fn new(settings: &Settings, vault: Option<Arc<dyn Vault>>) -> Self {
        let flow = match &settings.auth {
            Auth::Jwt(app) => Flow::Jwt(app.clone()),
            Auth::Client(app) => Flow::Client(app.clone()),
            Auth::Oauth(app) => Flow::Refresh(app.clone()),
            Auth::Token(token) => Flow::Fixed(token.clone()),
        };
        Self {
            connection: settings.id.clone(),
            base: settings.base_url.clone(),
            account: settings.account.clone(),
            flow,
            vault,
            flights: AtomicU64::new(0),
            held: Mutex::default(),
        }
    }

    /// The session to use now; asks for the next one where it is time.
    pub(super) async fn session(&self, client: &Client) -> Result<Arc<Session>, Failure> {
        let flight = self.flights.load(Ordering::SeqCst);
        let mut held = self.held.lock().await;
        let did_wait = self.flights.load(Ordering::SeqCst) != flight;
        self.keep_unkept(&mut held).await?;
        let now = Clock::system().wall();
        let ends = |session: &Session| session.given_at.saturating_add(LIFE).unwrap_or(Timestamp::MAX);
        if let Some(session) = held.session.as_ref().filter(|session| now < ends(session)) {
            return Ok(Arc::clone(session));
        }
        if let Flow::Fixed(token) = &self.flow {
            let session = Arc::new(Session {
                access: token.clone(),
                instance: self.base.clone(),
                organization: None,
                user: None,
                refresh: None,
                given_at: now,
            });
            held.session = Some(Arc::clone(&session));
            return Ok(session);
        }
        let rests = |until: &Option<Timestamp>| until.is_some_and(|until| now < until);
        if let Some((failure, _)) = held.failed.as_ref().filter(|(_, until)| did_wait || rests(until)) {
            // Somebody asked while we waited, or asking is no use: what they were told is not asked for again.
            return held.session.clone().map_or_else(|| Err(failure.clone()), Ok);
        }
        let minted = self.mint(client, &mut held, now).await;
        self.flights.fetch_add(1, Ordering::SeqCst);
        match minted {
            Ok(session) => {
                held.failed = None;
                Ok(session)
            }
            Err((failure, until)) => {
                held.failed = Some((failure.clone(), until));
                // The session before may still be good: the org says when it is not.
                held.session.clone().filter(|_| until.is_none()).ok_or(failure)
            }
        }
    }

    /// The org says that this session is over: the next one is asked for, once for all who were told so. Answers whether another
    /// can be asked for at all.
    pub(super) async fn expired(&self, session: &Session) -> bool {
        let mut held = self.held.lock().await;
        let is_held =
            held.session.as_ref().is_some_and(|known| known.access.expose_secret() == session.access.expose_secret());
        if is_held {
            held.session = None;
            held.failed = None;
        }
        !matches!(self.flow, Flow::Fixed(_))
    }

    /// Exchanges what the person's permission gave for tokens, and keeps them.
    pub(super) async fn log_in(&self, client: &Client, code: &SecretString) -> Result<Session, Failure> {
        let Flow::Refresh(app) = &self.flow else {
            return Err(Failure::refused("this connection logs in by itself: there is nothing to log in to"));
        };
        let mut held = self.held.lock().await;
        let now = Clock::system().wall();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.expose_secret()),
            ("redirect_uri", app.redirect_uri.as_str()),
        ];
        let session = self.ask(client, &form, Some(&app.client_id), Some(&app.client_secret), now).await;
        let session = session.map_err(|refusal| self.told(refusal).0)?;
        let session = self.checked(session)?;
        let Some(refresh) = session.refresh.clone() else {
            return Err(Failure::Unauthorized(
                "no refresh token came: give the app the scope refresh_token, and log in again".to_owned(),
            ));
        };
        let tokens = tokens(&session, refresh);
        self.adopt(&mut held, session.clone(), Some(tokens)).await?;
        Ok(session)
    }

    async fn mint(
        &self,
        client: &Client,
        held: &mut Held,
        now: Timestamp,
    ) -> Result<Arc<Session>, (Failure, Option<Timestamp>)> {
        let refused = |why: String| (Failure::Unauthorized(why), Some(now + REFUSED));
        let asked = match &self.flow {
            Flow::Jwt(app) => {
                let assertion = assertion::sign(app, now).map_err(refused)?;
                let form =
                    [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion.as_str())];
                self.ask(client, &form, None, None, now).await
            }
            Flow::Client(app) => {
                let form = [("grant_type", "client_credentials")];
                self.ask(client, &form, Some(&app.client_id), Some(&app.client_secret), now).await
            }
            Flow::Refresh(app) => {
                let Some(refresh) = self.kept(held).await.map_err(|failure| (failure, None))? else {
                    return Err(refused(format!("nobody has logged in yet; run `baton login {}`", self.connection)));
                };
                if !self.vault.as_ref().is_none_or(|vault| vault.may_refresh()) {
                    return self.borrowed(held);
                }
                let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose_secret())];
                self.ask(client, &form, Some(&app.client_id), Some(&app.client_secret), now).await
            }
            Flow::Fixed(_) => return Err(refused("a session id cannot be renewed".to_owned())),
        };
        let session = asked.map_err(|refusal| {
            let (failure, is_final) = self.told(refusal);
            (failure, is_final.then_some(now + REFUSED))
        })?;
        let session = self.checked(session).map_err(|failure| (failure, Some(now + REFUSED)))?;
        // A refresh token that did not rotate stays the one that is kept.
        let fresh = match (&self.flow, session.refresh.clone()) {
            (Flow::Refresh(_), Some(refresh)) => Some(tokens(&session, refresh)),
            _ => None,
        };
        self.adopt(held, session, fresh).await.map_err(|failure| (failure, None))
    }

    /// The refresh token that is kept. The vault is looked into anew after a login ended, since a person may have logged in with
    /// another process.
    async fn kept(&self, held: &mut Held) -> Result<Option<SecretString>, Failure> {
        if held.tokens.is_none() || held.failed.is_some() {
            let Some(vault) = &self.vault else { return Ok(None) };
            let read = vault.tokens(&self.connection).await;
            held.tokens =
                read.map_err(|error| Failure::Unauthorized(format!("the stored login cannot be read: {error}")))?;
        }
        Ok(held.tokens.as_ref().map(|tokens| tokens.refresh.clone()))
    }

    /// The session that a running daemon keeps: used as it is, and renewed by its owner alone.
    fn borrowed(&self, held: &Held) -> Result<Arc<Session>, (Failure, Option<Timestamp>)> {
        let nothing =
            || (Failure::Unauthorized("the stored session has no address: see `baton status`".to_owned()), None);
        let tokens = held.tokens.as_ref().ok_or_else(nothing)?;
        let instance = Url::parse(&tokens.account).map_err(|_| nothing())?;
        Ok(Arc::new(Session {
            access: tokens.access.clone(),
            instance,
            organization: None,
            user: None,
            refresh: None,
            given_at: tokens.given_at,
        }))
    }

    /// The org of the settings, and no other.
    fn checked(&self, session: Session) -> Result<Session, Failure> {
        let Some(wanted) = &self.account else { return Ok(session) };
        let found = session.organization.as_ref();
        // Fifteen letters or eighteen: the first fifteen tell. Source: section 4.
        if found.is_some_and(|found| wanted.get(..15) == found.as_str().get(..15)) {
            return Ok(session);
        }
        let found = found.map_or("an org that is not named", |found| found.as_str());
        Err(Failure::Unauthorized(format!(
            "the login belongs to org {found}, but account = \"{wanted}\" is configured; nothing is read or written"
        )))
    }

    async fn adopt(&self, held: &mut Held, session: Session, fresh: Option<Tokens>) -> Result<Arc<Session>, Failure> {
        if let Some(fresh) = fresh {
            held.unkept = Some((session.clone(), fresh));
            self.keep_unkept(held).await?;
        } else {
            held.session = Some(Arc::new(session.clone()));
        }
        Ok(held.session.clone().unwrap_or_else(|| Arc::new(session)))
    }

    async fn keep_unkept(&self, held: &mut Held) -> Result<(), Failure> {
        let Some((session, fresh)) = held.unkept.clone() else { return Ok(()) };
        if let Some(vault) = &self.vault {
            vault.keep(&self.connection, &fresh).await.map_err(|error| {
                Failure::NotSent(format!("the new tokens could not be stored, so they are not used: {error}"))
            })?;
        }
        held.unkept = None;
        held.tokens = Some(fresh);
        held.session = Some(Arc::new(session));
        Ok(())
    }

    /// Everything secret stands in the body or the header: what is in an address gets into logs.
    async fn ask(
        &self,
        client: &Client,
        form: &[(&str, &str)],
        client_id: Option<&str>,
        client_secret: Option<&SecretString>,
        now: Timestamp,
    ) -> Result<Session, Refusal> {
        match client.send(self.request(form, client_id, client_secret)).await {
            Ok(response) => answer::read(&response, &self.base, now),
            // A mint that got lost has no effect that anybody could miss, but for a refresh token that rotated: the old one is sent
            // again then, and the org says whether it is over.
            Err(error) => Err(Refusal::Passing(Failure::from(error))),
        }
    }

    fn request(&self, form: &[(&str, &str)], client_id: Option<&str>, client_secret: Option<&SecretString>) -> Request {
        let mut body = Serializer::new(String::new());
        body.extend_pairs(form);
        let mut request = Request::to(Method::Post, &self.base, &["services", "oauth2", "token"])
            .header("content-type", "application/x-www-form-urlencoded");
        match (client_id, client_secret, &self.flow) {
            (Some(id), Some(secret), Flow::Client(_)) => {
                let basic = STANDARD.encode(format!("{id}:{}", secret.expose_secret()));
                request = request.header("authorization", format!("Basic {basic}"));
            }
            (Some(id), Some(secret), _) => {
                body.append_pair("client_id", id).append_pair("client_secret", secret.expose_secret());
            }
            _ => {}
        }
        request.json(body.finish().into_bytes())
    }

    /// What a refusal means, and whether only a person can end it.
    fn told(&self, refusal: Refusal) -> (Failure, bool) {
        let name = &self.connection;
        match (refusal, &self.flow) {
            (Refusal::Passing(failure), _) => (failure, false),
            (Refusal::Over(said), Flow::Refresh(_)) => {
                (Failure::Unauthorized(format!("{said}; log in again: `baton login {name}`")), true)
            }
            (Refusal::Over(said), Flow::Jwt(_)) => (
                Failure::Unauthorized(format!(
                    "{said}; let the user in beforehand (the app's policy \"Admin approved users are pre-authorized\" and a permission \
                     set), and see that username, audience and this machine's clock are right in [connections.{name}.auth.jwt]"
                )),
                true,
            ),
            (Refusal::Over(said), _) => (
                Failure::Unauthorized(format!(
                    "{said}; client credentials need the address of My Domain in base_url, and a Run As user in the app"
                )),
                true,
            ),
            (Refusal::Settings(said), _) => (
                Failure::Unauthorized(format!(
                    "{said}; set the External Client App right (scopes api and refresh_token, permission set, key and secret), or \
                     [connections.{name}.auth]"
                )),
                true,
            ),
        }
    }

    /// What the org said of a session that was not let in, and what to do.
    pub(super) fn remedy(&self, said: &str) -> String {
        match &self.flow {
            Flow::Refresh(_) => format!("{said}; log in again: `baton login {}`", self.connection),
            Flow::Fixed(_) => format!("{said}; a session id ends by itself: use auth = {{ jwt = ... }} instead"),
            Flow::Jwt(_) | Flow::Client(_) => format!("{said}; see whether the org lets the app and its user in"),
        }
    }
}

/// The pair as it is kept. The account is the org's own address, which no other org has.
fn tokens(session: &Session, refresh: SecretString) -> Tokens {
    Tokens {
        access: session.access.clone(),
        refresh,
        given_at: session.given_at,
        expires_at: session.given_at.saturating_add(LIFE).unwrap_or(Timestamp::MAX),
        account: session.instance.origin().ascii_serialization(),
        scopes: Vec::new(),
    }
}
