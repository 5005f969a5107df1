//! Every route: its path, what it needs of who asks, and what answers. What does not stand here is not served.

use axum::Router;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::domain::access::Role;

use super::access::{Check, Need, admit};
use super::{
    Api, BODY_BYTES_MAX, answer, board, companies, company, events, findings, handoffs, healthz, hooks, lead, login,
    metrics, plan, readyz, review, sheet, status, unanswered,
};

/// A route.
#[derive(Debug)]
pub struct Route {
    /// How it is asked for. `GET` changes nothing; `POST` is a form of the board, or proves itself.
    pub method: Method,
    /// Its path.
    pub path: &'static str,
    /// What it needs.
    pub need: Need,
    handler: MethodRouter<Api>,
}

/// Every route there is.
#[must_use]
pub fn routes() -> Vec<Route> {
    const OPEN: Need = Need::Nothing;
    const PROOF: Need = Need::Proof;
    const LOOK: Need = Need::Role(Role::Viewer);
    const ACT: Need = Need::Role(Role::Operator);
    let on = |need: Need, method: Method, path: &'static str, handler: MethodRouter<Api>| Route {
        method,
        path,
        need,
        handler,
    };
    vec![
        on(OPEN, Method::GET, "/login", get(login::show)),
        on(OPEN, Method::POST, "/login", post(login::act)),
        on(OPEN, Method::POST, "/logout", post(login::leave)),
        on(OPEN, Method::GET, "/board.css", get(board::style)),
        on(OPEN, Method::GET, "/healthz", get(healthz)),
        on(OPEN, Method::GET, "/readyz", get(readyz)),
        on(LOOK, Method::GET, "/", get(board::home::home)),
        on(LOOK, Method::GET, "/leads/{lead}", get(board::lead::lead)),
        on(LOOK, Method::GET, "/companies", get(board::company::list)),
        on(LOOK, Method::GET, "/companies/{company}", get(board::company::company)),
        on(LOOK, Method::GET, "/plan", get(plan::page)),
        on(LOOK, Method::GET, "/review", get(review::page)),
        on(LOOK, Method::GET, "/metrics", get(metrics::metrics)),
        on(LOOK, Method::GET, "/api/v1/status", get(status)),
        on(LOOK, Method::GET, "/api/v1/handoffs", get(handoffs)),
        on(LOOK, Method::GET, "/api/v1/handoffs.csv", get(sheet::handoffs)),
        on(LOOK, Method::GET, "/api/v1/events", get(events)),
        on(LOOK, Method::GET, "/api/v1/findings", get(findings)),
        on(LOOK, Method::GET, "/api/v1/leads/{lead}", get(lead)),
        on(LOOK, Method::GET, "/api/v1/companies", get(companies)),
        on(LOOK, Method::GET, "/api/v1/companies/{company}", get(company)),
        on(LOOK, Method::GET, "/api/v1/plan", get(plan::answer)),
        on(LOOK, Method::GET, "/api/v1/pairs", get(review::answer)),
        on(ACT, Method::POST, "/plan/{id}/apply", post(plan::apply)),
        on(ACT, Method::POST, "/plan/{id}/discard", post(plan::discard)),
        on(ACT, Method::POST, "/review/{lead}/{other}/same", post(review::same)),
        on(ACT, Method::POST, "/review/{lead}/{other}/apart", post(review::apart)),
        on(PROOF, Method::GET, "/answer/{link}", get(answer::show)),
        on(PROOF, Method::POST, "/answer/{link}", post(answer::act)),
        on(PROOF, Method::POST, "/hooks/{connection}", post(hooks::plain)),
        on(PROOF, Method::POST, "/hooks/{connection}/{secret}", post(hooks::secret)),
    ]
}

/// The router of the board and the API.
pub fn router(api: Api) -> Router {
    let fixed = |name: header::HeaderName, value: &'static str| {
        SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
    };
    let mut router = Router::new();
    for Route { method, path, need, handler } in routes() {
        let bytes_max = if path.starts_with("/hooks/") { hooks::BYTES_MAX } else { BODY_BYTES_MAX };
        let check = Check { api: api.clone(), need, is_form: method == Method::POST };
        let handler: MethodRouter<Api> = handler.layer(from_fn_with_state(check, admit));
        router = router.route(path, handler.layer(RequestBodyLimitLayer::new(bytes_max)));
    }
    router
        .fallback(unanswered::nowhere)
        .with_state(api.clone())
        .layer(CatchPanicLayer::new())
        .layer(from_fn_with_state(api, unanswered::shown))
        .layer(fixed(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
        .layer(fixed(header::CACHE_CONTROL, "no-store"))
}
