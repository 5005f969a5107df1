//! The portal's identity and OAuth tokens. Source: sections 1 and 11.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::json;

use super::State;
use super::answer::{Answer, Reply, no_such_path};
use super::route::Query;
use super::server::Call;

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
            let is_good = field("grant_type") == "refresh_token" && field("refresh_token") == app.refresh_token;
            if !is_good || state.faults.revoked.contains("oauth") {
                return Err(refused(
                    "BAD_REFRESH_TOKEN",
                    "invalid_grant",
                    "refresh token is invalid, expired or revoked",
                ));
            }
            state.oauth_serial += 1;
            let token = format!("oauth-access-{}", state.oauth_serial);
            state.gate.oauth_tokens.insert(token.clone(), Instant::now() + Duration::from_secs(app.expires_in_s));
            state.faults.expired.remove("oauth");
            Ok(Answer::json(
                200,
                &json!({"token_type": "bearer", "access_token": token, "refresh_token": app.refresh_token, "expires_in": app.expires_in_s,
                        "hub_id": state.settings.portal_id, "scopes": ["oauth"], "token_use": "access_token", "user_id": 222_222}),
            ))
        }
        ("POST", ["token", "introspect"]) => {
            let until = state.gate.oauth_tokens.get(field("token")).filter(|until| Instant::now() < **until);
            let body = match until {
                None => json!({"active": false}),
                Some(until) => json!({"active": true, "hub_id": state.settings.portal_id, "token_use": "access_token",
                                      "expires_in": (*until - Instant::now()).as_secs()}),
            };
            Ok(Answer::json(200, &body))
        }
        ("POST", ["token", "revoke"] | ["revoke"]) => {
            state.gate.oauth_tokens.remove(field("token"));
            Ok(Answer::empty())
        }
        _ => Err(no_such_path()),
    }
}
