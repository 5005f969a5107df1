//! Floor 5: HTTP. The board at `/`, the same figures as JSON under `/api/v1`, health and metrics.
//!
//! [`route`] is the table of all routes, each with what it needs of who asks ([`access`], [`login`]); [`unanswered`] is what is shown where
//! there is no answer.
//! What changes something comes as a form of the board ([`guard`]) and takes the road of the commands.
//! There is one road to the data: the board shows the views that the API answers with. Pages carry no script at all, and
//! the content security policy allows none, so a hostile value of a CRM has nothing to run in.

mod access;
mod answer;
mod board;
mod error;
mod guard;
mod hooks;
mod login;
mod metrics;
mod order;
mod plan;
mod review;
mod route;
mod sheet;
mod unanswered;
pub mod view;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::domain::id::CommitteeId;
use crate::engine::{Engine, Status};

pub use access::{Need, Peer};
pub use route::{Route, router, routes};

use access::MaybeCaller;
use error::ApiError;

/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Rows of a list.
const ROWS_MAX: usize = 500;
/// People of one company.
const PEOPLE_MAX: usize = 200;

/// What the handlers share.
#[derive(Clone, Debug)]
pub struct Api {
    /// The engine.
    pub engine: Arc<Engine>,
    /// What the loops report.
    pub status: Arc<Status>,
}

#[derive(Debug, Deserialize)]
struct Page {
    limit: Option<usize>,
    after: Option<i64>,
}

impl Page {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(100).clamp(1, ROWS_MAX)
    }
}

async fn status(State(api): State<Api>) -> Result<Json<view::StatusView>, ApiError> {
    Ok(Json(view::status(&api.engine, &api.status).await?))
}

async fn handoffs(State(api): State<Api>, Query(page): Query<Page>) -> Result<Json<Vec<view::HandoffView>>, ApiError> {
    Ok(Json(view::handoffs(&api.engine, page.limit()).await?))
}

async fn events(State(api): State<Api>, Query(page): Query<Page>) -> Result<Json<Vec<view::EventView>>, ApiError> {
    Ok(Json(view::events(&api.engine, page.after.unwrap_or(0), page.limit()).await?))
}

async fn findings(State(api): State<Api>, Query(page): Query<Page>) -> Result<Json<Vec<view::FindingView>>, ApiError> {
    Ok(Json(view::findings(&api.engine, page.limit()).await?))
}

async fn lead(State(api): State<Api>, Path(lead): Path<String>) -> Result<Json<view::LeadView>, ApiError> {
    no_address(&lead)?;
    let found = view::lead(api.engine.store(), &api.engine.rules(), api.engine.clock().now(), &lead).await?;
    found.map(Json).ok_or(ApiError::NotFound("no lead has this number or record"))
}

async fn companies(State(api): State<Api>, Query(page): Query<Page>) -> Result<Json<Vec<view::CompanyRow>>, ApiError> {
    let skip = usize::try_from(page.after.unwrap_or(0)).unwrap_or(0);
    Ok(Json(view::companies(&api.engine, skip, page.limit()).await?))
}

async fn company(State(api): State<Api>, Path(company): Path<String>) -> Result<Json<view::CommitteeView>, ApiError> {
    let (rules, now) = (api.engine.rules(), api.engine.clock().now());
    let found = view::company(api.engine.store(), &rules, now, &CommitteeId::from(company), PEOPLE_MAX).await?;
    found.map(Json).ok_or(ApiError::NotFound("no company has this page; /api/v1/companies lists them"))
}

/// No personal value stands in a URL (promise 10).
fn no_address(lead: &str) -> Result<(), ApiError> {
    if lead.contains('@') { Err(ApiError::AddressInUrl) } else { Ok(()) }
}

/// Alive: the process answers. Streams that are not read and loops that fail show in the body, but only a hang makes systemd
/// start it anew. Who is not logged in gets one word, for a probe has no password.
async fn healthz(State(api): State<Api>, caller: MaybeCaller) -> Response {
    let loops = view::loops(&api.status);
    match view::coverage(&api.engine).await {
        Ok(streams) => {
            let is_blind = streams.iter().any(|stream| stream.is_blind);
            let status = match (api.engine.store().is_full(), is_blind) {
                (true, _) => "disk full",
                (false, true) => "blind",
                (false, false) => "ok",
            };
            let mut body = serde_json::json!({ "status": status });
            if caller.is_some() {
                body["streams"] = serde_json::json!(streams);
                body["loops"] = serde_json::json!(loops);
            }
            (StatusCode::OK, Json(body)).into_response()
        }
        Err(error) => ApiError::from(error).into_response(),
    }
}

/// Ready: every stream was read once and the store answers.
async fn readyz(State(api): State<Api>) -> Response {
    let stored = api.engine.store().streams().await;
    match stored {
        Ok(_) if api.engine.store().is_full() => {
            let why = "the disk is full: nothing is stored or sent until there is room";
            (StatusCode::SERVICE_UNAVAILABLE, Json(serde_json::json!({ "ready": false, "why": why }))).into_response()
        }
        Ok(_) if api.engine.is_live() => (StatusCode::OK, Json(serde_json::json!({ "ready": true }))).into_response(),
        Ok(_) => {
            let why = "the first pass over every stream is still under way";
            (StatusCode::SERVICE_UNAVAILABLE, Json(serde_json::json!({ "ready": false, "why": why }))).into_response()
        }
        Err(error) => ApiError::from(error).into_response(),
    }
}
