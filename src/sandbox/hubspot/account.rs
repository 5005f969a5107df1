//! The portal's identity and OAuth tokens. Source: sections 1 and 11.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use serde_json::json;

use super::answer::{Answer, Reply, no_such_path};
use super::route::Query;
use super::server::Call;
use super::{HubSpot, State};

pub(super) fn details(call: &Call<'_>) -> Answer {
    let settings = &call.state.settings;
    let offset = call.state.clock.now().in_tz(&settings.time_zone).map_or(0, |at| at.offset().seconds());
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.abs() / 60;
    Answer::json(
        200,
        &json!({
            "portalId": settings.portal_id, "accountType": "STANDARD", "timeZone": settings.time_zone, "companyCurrency": "EUR",
            "additionalCurrencies": [], "utcOffset": format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60),
            "utcOffsetMilliseconds": i64::from(offset) * 1000, "uiDomain": "app.hubspot.com", "dataHostingLocation": "na1"
        }),
    )
}

/// What the portal knows of an app that was let in.
#[derive(Default)]
pub(super) struct Oauth {
    serial: u64,
    /// The refresh token that works now; `None`: the one of the settings.
    refresh: Option<String>,
    /// What it may do; empty = everything.
    scopes: Vec<String>,
    codes: HashMap<String, Code>,
}

/// A permission that was not yet exchanged.
struct Code {
    redirect_uri: String,
    scopes: Vec<String>,
}

/// An access token.
pub(super) struct OauthToken {
    pub(super) until: Instant,
    /// `None` = everything.
    pub(super) scopes: Option<BTreeSet<String>>,
}

impl HubSpot {
    /// The refresh token that works now, if an app was let in.
    #[must_use]
    pub fn refresh_token(&self) -> Option<String> {
        let state = self.lock();
        state.oauth.refresh.clone().or_else(|| state.settings.oauth.as_ref().map(|app| app.refresh_token.clone()))
    }
}

/// The page on which a person lets an app in: here somebody always does, at once.
pub(super) fn authorize(state: &mut State, query: &Query) -> Answer {
    let Some(app) = state.settings.oauth.clone() else { return no_such_path() };
    let field = |name: &str| query.one(name).unwrap_or_default().to_owned();
    if field("client_id") != app.client_id {
        return refused("BAD_CLIENT_ID", "invalid_client", "missing or unknown client id");
    }
    let Ok(mut back) = url::Url::parse(&field("redirect_uri")) else {
        return refused("BAD_REDIRECT_URI", "invalid_request", "missing or invalid redirect uri");
    };
    let is_granted = |scope: &&str| app.grants.as_ref().is_none_or(|grants| grants.contains(*scope));
    let asked = [field("scope"), field("optional_scope")].join(" ");
    let scopes: Vec<String> = asked.split_whitespace().filter(is_granted).map(str::to_owned).collect();
    if field("scope").split_whitespace().any(|scope| !is_granted(&scope)) {
        back.query_pairs_mut().append_pair("error", "access_denied").append_pair("state", &field("state"));
        return Answer::raw(302, Vec::new()).with("location", back.to_string());
    }
    state.oauth.serial += 1;
    let code = format!("code-{}", state.oauth.serial);
    back.query_pairs_mut().append_pair("code", &code).append_pair("state", &field("state"));
    state.oauth.codes.insert(code, Code { redirect_uri: field("redirect_uri"), scopes });
    Answer::raw(302, Vec::new()).with("location", back.to_string())
}

fn refused(status: &str, error: &str, words: &str) -> Answer {
    Answer::json(400, &json!({"error": error, "error_description": words, "status": status, "message": words}))
}

/// Token, introspection and revocation; form-encoded bodies, never the query. Tokens live by the monotonic clock.
pub(super) fn oauth(
    state: &mut State,
    method: &str,
    rest: &[String],
    query: &Query,
    content_type: Option<&str>,
    body: &[u8],
) -> Reply {
    let Some(app) = state.settings.oauth.clone() else { return Err(no_such_path()) };
    if !content_type.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
        || query.one("client_secret").is_some()
    {
        return Err(refused("BAD_REQUEST", "invalid_request", "parameters belong into a form-encoded body"));
    }
    let form: HashMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if field("client_id") != app.client_id {
        return Err(refused("BAD_CLIENT_ID", "invalid_client", "missing or unknown client id"));
    }
    if field("client_secret") != app.client_secret {
        return Err(refused("BAD_CLIENT_SECRET", "invalid_client", "missing or invalid client secret"));
    }
    let parts: Vec<&str> = rest.iter().map(String::as_str).collect();
    match (method, &parts[..]) {
        ("POST", ["token"]) => {
            let (refresh, scopes) = match field("grant_type") {
                "authorization_code" => {
                    let code = state.oauth.codes.remove(field("code"));
                    let Some(code) = code.filter(|code| code.redirect_uri == field("redirect_uri")) else {
                        return Err(refused("BAD_AUTH_CODE", "invalid_grant", "missing or unknown auth code"));
                    };
                    state.faults.revoked.remove("oauth");
                    (None, code.scopes)
                }
                "refresh_token" => {
                    let known = state.oauth.refresh.clone().unwrap_or_else(|| app.refresh_token.clone());
                    let is_good = !known.is_empty() && field("refresh_token") == known;
                    if !is_good || state.faults.revoked.contains("oauth") {
                        return Err(refused(
                            "BAD_REFRESH_TOKEN",
                            "invalid_grant",
                            "refresh token is invalid, expired or revoked",
                        ));
                    }
                    (Some(known).filter(|_| !app.rotates), state.oauth.scopes.clone())
                }
                _ => return Err(refused("BAD_GRANT_TYPE", "unsupported_grant_type", "missing or unknown grant type")),
            };
            state.oauth.serial += 1;
            let token = format!("oauth-access-{}", state.oauth.serial);
            let refresh = refresh.unwrap_or_else(|| format!("na1-refresh-{}", state.oauth.serial));
            state.oauth.refresh = Some(refresh.clone());
            state.oauth.scopes.clone_from(&scopes);
            let granted = (!scopes.is_empty()).then(|| scopes.iter().cloned().collect());
            let until = Instant::now() + Duration::from_secs(app.expires_in_s);
            state.gate.oauth_tokens.insert(token.clone(), OauthToken { until, scopes: granted });
            state.faults.expired.remove("oauth");
            let scopes = if scopes.is_empty() { vec!["oauth".to_owned()] } else { scopes };
            Ok(Answer::json(
                200,
                &json!({"token_type": "bearer", "access_token": token, "refresh_token": refresh, "expires_in": app.expires_in_s,
                        "hub_id": state.settings.portal_id, "scopes": scopes, "token_use": "access_token", "user_id": 222_222}),
            ))
        }
        ("POST", ["token", "introspect"]) => {
            let known = state.gate.oauth_tokens.get(field("token")).map(|token| token.until);
            let body = match known.filter(|until| Instant::now() < *until) {
                None => json!({"active": false}),
                Some(until) => json!({"active": true, "hub_id": state.settings.portal_id, "token_use": "access_token",
                                      "expires_in": (until - Instant::now()).as_secs()}),
            };
            Ok(Answer::json(200, &body))
        }
        ("POST", ["token", "revoke"] | ["revoke"]) => {
            state.gate.oauth_tokens.remove(field("token"));
            if state.oauth.refresh.as_deref().unwrap_or(&app.refresh_token) == field("token") {
                state.oauth.refresh = Some(String::new());
            }
            Ok(Answer::empty())
        }
        _ => Err(no_such_path()),
    }
}
