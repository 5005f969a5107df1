//! OAuth: the code that a person's permission gives, and access tokens for the refresh token, which stays. Source: section 2.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::State;
use super::answer::{Answer, no_such_path, uuid};
use super::page::Query;

const SCOPES: &str =
    "base,leads:full,deals:full,contacts:full,activities:full,users:read,recents:read,search:read,admin";

/// Codes and tokens that were given.
#[derive(Debug, Default)]
pub(super) struct Logins {
    codes: Vec<String>,
    refresh: Option<String>,
    access: HashMap<String, (Instant, i64)>,
    given: u64,
}

impl Logins {
    /// Every access token ends now; the refresh token is good for more.
    pub(super) fn end(&mut self) {
        self.access.clear();
    }

    /// The company takes the app's permission back.
    pub(super) fn revoke(&mut self) {
        *self = Self { given: self.given, ..Self::default() };
    }

    /// How many access tokens were given.
    pub(super) fn given(&self) -> u64 {
        self.given
    }

    /// The user whom an access token stands for, while it lives.
    pub(super) fn user_of(&self, access: &str) -> Option<i64> {
        self.access.get(access).filter(|(until, _)| Instant::now() < *until).map(|(_, user)| *user)
    }
}

pub(super) fn serve(
    state: &mut State,
    method: &str,
    path: &str,
    query: &Query,
    authorization: Option<&str>,
    body: &[u8],
) -> Answer {
    let Some(app) = state.settings.oauth.clone() else { return no_such_path() };
    match (method, path) {
        // A person who clicks "allow" at once.
        ("GET", "authorize") => {
            let code = uuid();
            state.oauth.codes.push(code.clone());
            let back = query.one("redirect_uri").unwrap_or_default();
            let state_text = query.one("state").unwrap_or_default();
            let joined = if back.contains('?') { '&' } else { '?' };
            Answer::raw(302, Vec::new()).with("location", format!("{back}{joined}code={code}&state={state_text}"))
        }
        ("POST", "token") => {
            let form = Query::parse(&String::from_utf8_lossy(body));
            let wanted = format!("Basic {}", STANDARD.encode(format!("{}:{}", app.client_id, app.client_secret)));
            if authorization != Some(wanted.as_str()) {
                return refused(401, "invalid_client", "Client authentication failed");
            }
            let granted = match form.one("grant_type") {
                Some("authorization_code") => {
                    let code = form.one("code").unwrap_or_default();
                    let place = state.oauth.codes.iter().position(|known| known == code);
                    place.map(|place| state.oauth.codes.remove(place)).is_some()
                }
                Some("refresh_token") => {
                    form.one("refresh_token").is_some_and(|token| state.oauth.refresh.as_deref() == Some(token))
                }
                _ => false,
            };
            if !granted {
                return refused(400, "invalid_grant", "Invalid grant: the code or refresh token is invalid");
            }
            let refresh = state.oauth.refresh.get_or_insert_with(|| format!("refresh-{}", uuid())).clone();
            let access = format!("v1u:{}", uuid());
            let until = Instant::now() + Duration::from_secs(app.expires_in_s);
            state.oauth.given += 1;
            state.oauth.access.insert(access.clone(), (until, app.user));
            Answer::json(
                200,
                &json!({
                    "access_token": access,
                    "token_type": "bearer",
                    "refresh_token": refresh,
                    "scope": SCOPES,
                    "expires_in": app.expires_in_s,
                    "api_domain": format!("https://{}.pipedrive.com", state.settings.company_domain),
                }),
            )
        }
        _ => no_such_path(),
    }
}

fn refused(status: u16, error: &str, message: &str) -> Answer {
    let body: Value = json!({"success": false, "error": error, "message": message});
    Answer::json(status, &body)
}
