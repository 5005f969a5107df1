//! `/login` and `/logout`: a name and a password for a cookie.
//!
//! The cookie holds nothing but a random id. Scripts cannot read it, other sites' forms do not carry it, and with an address in
//! `https` it goes over nothing else. `Lax`, not `Strict`: a link in a notice is to open the board for who is logged in.

use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::html;
use url::form_urlencoded;

use crate::domain::counted::many;
use crate::engine::LoggedOn;

use super::access::{self, MaybeCaller};
use super::board::page;
use super::error::ApiError;
use super::{Api, BODY_BYTES_MAX};

/// The cookie, where the board's address is not in `https`.
const COOKIE: &str = "baton";
/// The same in `https`: browsers take a cookie of this name from this host alone, and never in the clear.
const HOST_COOKIE: &str = "__Host-baton";

/// What the browser holds.
pub(super) fn session(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| [COOKIE, HOST_COOKIE].contains(name)).map(|(_, value)| value.to_owned())
}

/// To the login, and back to `path` afterwards.
pub(super) fn send_to(path: &str) -> Response {
    let next = form_urlencoded::Serializer::new(String::new()).append_pair("next", own_path(path)).finish();
    let to = if path == "/" { "/login".to_owned() } else { format!("/login?{next}") };
    see(&to)
}

fn see(to: &str) -> Response {
    // A path of this board, encoded where it came from outside, is always a header's value.
    let Ok(to) = HeaderValue::from_str(to) else { return ApiError::Unavailable.into_response() };
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

/// `path` if it is one of this board's pages; else the first page. Browsers read `//host` and `/\host` as another host.
fn own_path(path: &str) -> &str {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~:%".contains(&byte);
    let is_own = path.starts_with('/') && !path.starts_with("//") && path.bytes().all(is_plain);
    if is_own && path != "/login" { path } else { "/" }
}

fn field(text: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(text.as_bytes()).find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// The form.
pub(super) async fn show(State(api): State<Api>, caller: MaybeCaller, RawQuery(query): RawQuery) -> Response {
    let next = query.and_then(|query| field(&query, "next")).unwrap_or_default();
    if caller.is_some() || api.engine.sessions().access().is_open() {
        return see(own_path(&next));
    }
    form(StatusCode::OK, own_path(&next), None)
}

fn form(status: StatusCode, next: &str, trouble: Option<&str>) -> Response {
    let body = html! {
        header { h1 { "Baton" } }
        section.login {
            h2 { "Log in" }
            @if let Some(trouble) = trouble { p.banner.bad role="alert" { (trouble) } }
            form method="post" action="/login" {
                label for="name" { "Name" }
                input id="name" name="name" autocomplete="username" autocapitalize="none" required autofocus;
                label for="password" { "Password" }
                input id="password" name="password" type="password" autocomplete="current-password" required;
                input type="hidden" name="next" value=(next);
                button { "Log in" }
            }
        }
    };
    (status, page("Log in", None, None, &body)).into_response()
}

/// Looks at name and password.
pub(super) async fn act(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| ApiError::Unreadable)?;
    let text = String::from_utf8_lossy(&body);
    let [name, password, next] = ["name", "password", "next"].map(|name| field(&text, name).unwrap_or_default());
    let next = own_path(&next);
    if api.engine.sessions().access().is_open() {
        return Ok(see(next));
    }
    let (from, before) = (access::address(&api, &parts), session(&parts.headers));
    let name = name.trim();
    let now = api.engine.clock().steady();
    match api.engine.sessions().log_on(name, &password, from, before.as_deref(), now).await {
        LoggedOn::In(token) => {
            api.engine.store().note_asked(api.engine.clock().now(), name, "log in to the board").await?;
            // By whom says the chained history; the log has no names.
            tracing::info!("somebody logged in to the board");
            Ok(with_cookie(see(next), &cookie(&api, &token, api.engine.sessions().access().lasts.as_secs())))
        }
        LoggedOn::Wrong => {
            // People type passwords into the field above: what was given is in no log.
            tracing::warn!("a login was refused: name or password is wrong");
            Ok(form(StatusCode::UNAUTHORIZED, next, Some("Name or password is wrong.")))
        }
        LoggedOn::TooOften(wait) => {
            tracing::warn!("a login was not looked at: too many tries");
            let seconds = wait.as_secs() + 1;
            let trouble = format!("Too many tries. Try again in {}.", many(seconds, "second", "seconds"));
            let mut answer = form(StatusCode::TOO_MANY_REQUESTS, next, Some(&trouble));
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            Ok(answer)
        }
        LoggedOn::Failed => Err(ApiError::Unavailable),
    }
}

/// Ends the session, here and in the browser.
pub(super) async fn leave(State(api): State<Api>, headers: HeaderMap) -> Response {
    if let Some(token) = session(&headers) {
        api.engine.sessions().log_off(&token);
    }
    with_cookie(see("/login"), &cookie(&api, "", 0))
}

fn cookie(api: &Api, token: &str, seconds: i64) -> String {
    let is_secure = api.engine.rules().public_url.starts_with("https://");
    let (name, secure) = if is_secure { (HOST_COOKIE, "; Secure") } else { (COOKIE, "") };
    format!("{name}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    // Letters, digits and signs of our own making.
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_to_the_boards_own_pages_alone() {
        for (path, expected) in [
            ("/leads/L-1", "/leads/L-1"),
            ("/plan", "/plan"),
            ("", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("javascript:alert(1)", "/"),
            ("/leads/a@b.example", "/"),
            ("/x\r\nset-cookie: a=b", "/"),
            ("/login", "/"),
        ] {
            assert_eq!(own_path(path), expected, "{path}");
        }
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let check = |lines: &[&str], expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, line.parse().unwrap());
            }
            assert_eq!(session(&headers).as_deref(), expected, "{lines:?}");
        };
        check(&["baton=a"], Some("a"));
        check(&["x=1; __Host-baton=b; y=2"], Some("b"));
        check(&["x=1", "baton=c"], Some("c"));
        check(&["batonx=1; xbaton=2"], None);
        check(&[], None);
    }
}
