//! Who asks, and whether they may: the one place where a login, a token and a role are looked at (faults 127 and 133).
//!
//! Every route says in the table of [`super::route`] what it needs; nothing is served that does not stand there. Without users
//! in the settings whoever reaches the board is an operator, as on a machine of one's own.

use std::net::{IpAddr, SocketAddr};

use axum::Extension;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use maud::html;

use crate::domain::access::Role;
use crate::domain::id::Name;

use super::board::page;
use super::error::ApiError;
use super::{Api, guard, login};

/// What a page of the board that renews itself asks for: nobody is at work there.
pub(super) const RENEWED: &str = "renewed=1";

/// What a route needs of who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it tells nothing that anybody may not know.
    Nothing,
    /// A proof of its own, which its handler looks at: a signed link, or a CRM's signature.
    Proof,
    /// A user with at least this role.
    Role(Role),
}

/// Where a connection comes from. The daemon's listener says it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// By what name; `None`: nobody needs one here.
    name: Option<Name>,
    role: Role,
    /// Do they bring a token with each request? Then no page can send a form for them.
    is_script: bool,
}

impl Caller {
    fn anybody() -> Self {
        Self { name: None, role: Role::Operator, is_script: false }
    }

    /// May they do what the forms do?
    pub(super) fn may_act(&self) -> bool {
        self.role >= Role::Operator
    }

    /// Who did it, for the journal and the history.
    pub(super) fn by(&self) -> String {
        self.name.as_ref().map_or_else(|| "the board".to_owned(), |name| format!("{name} on the board"))
    }

    /// Name and role, if they are logged in.
    pub(super) fn shown(&self) -> Option<(&Name, Role)> {
        self.name.as_ref().map(|name| (name, self.role))
    }
}

/// What stands before a route.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) api: Api,
    pub(super) need: Need,
    /// Does it change something?
    pub(super) is_form: bool,
}

/// Lets a request through that may come through.
pub(super) async fn admit(State(check): State<Check>, mut request: Request, next: Next) -> Response {
    let caller = caller(&check.api, request.headers(), request.uri().query() != Some(RENEWED));
    let is_own_proof = check.need == Need::Proof || caller.as_ref().is_some_and(|caller| caller.is_script);
    if check.is_form && !is_own_proof && !guard::is_own(request.headers(), &check.api.engine.rules().public_url) {
        tracing::warn!("a form was refused: it does not come from a page of the board");
        return ApiError::ForeignForm.into_response();
    }
    match (check.need, &caller) {
        (Need::Role(_), None) => return log_in_first(&request),
        (Need::Role(least), Some(caller)) if caller.role < least => return too_little(&request, caller, least),
        (Need::Role(_) | Need::Nothing | Need::Proof, _) => {}
    }
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    next.run(request).await
}

/// Who asks; `None` if nobody known. A token that is wrong is not made good by a cookie.
pub(super) fn caller(api: &Api, headers: &HeaderMap, is_use: bool) -> Option<Caller> {
    let sessions = api.engine.sessions();
    if sessions.access().is_open() {
        return Some(Caller::anybody());
    }
    let (user, is_script) = match bearer(headers) {
        Some(token) => (sessions.access().bearer(token)?, true),
        None => (sessions.user(&login::session(headers)?, is_use, api.engine.clock().steady())?, false),
    };
    Some(Caller { name: Some(user.name.clone()), role: user.role, is_script })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Is it a person's browser that asks for a page, or a program that reads data?
pub(super) fn is_page(request: &Request) -> bool {
    const PROGRAMS: [&str; 5] = ["/api", "/hooks", "/metrics", "/healthz", "/readyz"];
    let path = request.uri().path();
    let is_below = |root: &&str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    !PROGRAMS.iter().any(is_below) && !request.headers().contains_key(header::AUTHORIZATION)
}

fn log_in_first(request: &Request) -> Response {
    if !is_page(request) {
        return ApiError::NotLoggedIn.into_response();
    }
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return login::send_to(request.uri().path());
    }
    // What was asked for is not done after the login: the page may not show any more what it was about.
    let body = html! {
        header { h1 { "Baton" } }
        section { h2 { "You are not logged in any more" } p { "Nothing was done. " a href="/login" { "Log in" } ", and use the form again." } }
    };
    (StatusCode::UNAUTHORIZED, page("Not logged in", None, None, &body)).into_response()
}

fn too_little(request: &Request, caller: &Caller, least: Role) -> Response {
    if !is_page(request) {
        return ApiError::TooLittle(least).into_response();
    }
    let body = html! {
        header { h1 { "Not yours to do" } }
        section { p { "Nothing was done: this takes the role " b { (least.as_str()) } ", and yours is " b { (caller.role.as_str()) } ". The settings say who has which." } }
    };
    (StatusCode::FORBIDDEN, page("Not yours to do", None, Some(caller), &body)).into_response()
}

/// Where a request comes from: the connection's other end, or what the proxy before the board says of it; nothing if neither is
/// told. Of the proxies' list only the last entry is the word of one's own.
pub(super) fn address(api: &Api, parts: &Parts) -> Option<IpAddr> {
    if !api.engine.sessions().access().behind_proxy {
        return parts.extensions.get::<ConnectInfo<Peer>>().map(|ConnectInfo(Peer(address))| address.ip());
    }
    let told = parts.headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    told.rsplit(',').next()?.trim().parse().ok()
}

/// Who asks, where that may be nobody.
pub(super) type MaybeCaller = Option<Extension<Caller>>;
