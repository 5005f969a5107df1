//! `POST /hooks/{connection}`: a CRM says "look at this record now". Answered only once that is on the disk.
//!
//! Where the request comes from is proved by the connector (a signature, or a secret part of the path); nothing that it says
//! is believed but the names of records.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::connector::hook::{Knock, Refusal};
use crate::domain::id::ConnectionId;
use crate::engine::Knocked;

use super::Api;
use super::error::ApiError;

/// Bytes of a webhook: a hundred events of HubSpot's, several times over.
pub(super) const BYTES_MAX: usize = 256 * 1024;
/// Seconds after which a webhook that found no room is to come again.
const AGAIN_SECONDS: &str = "60";

pub(super) async fn plain(
    State(api): State<Api>,
    Path(connection): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    take(&api, &connection, None, query, &headers, &body).await
}

pub(super) async fn secret(
    State(api): State<Api>,
    Path((connection, tail)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    take(&api, &connection, Some(tail), query, &headers, &body).await
}

async fn take(
    api: &Api,
    connection: &str,
    tail: Option<String>,
    query: Option<String>,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, ApiError> {
    // Nothing is unpacked, so no body grows past the limit once it is here.
    let packed = headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding.as_bytes() != b"identity");
    if packed {
        return Err(ApiError::Packed);
    }
    let text = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    let headers = headers.iter().filter_map(text).collect();
    let knock = Knock { headers, tail, query, body: body.to_vec(), ..Knock::default() };
    match api.engine.knock(&ConnectionId::from(connection), knock).await? {
        Knocked::Taken(news) => {
            Ok((StatusCode::OK, Json(serde_json::json!({ "taken": true, "news": news }))).into_response())
        }
        Knocked::Full => {
            let mut answer = ApiError::NoRoom.into_response();
            answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static(AGAIN_SECONDS));
            Ok(answer)
        }
        Knocked::Refused(Refusal::NotSetUp) => Err(ApiError::NotFound("no connection of this name takes webhooks")),
        Knocked::Refused(Refusal::Forged(why)) => Err(ApiError::NotProved(why)),
        Knocked::Refused(Refusal::Unreadable(_)) => Err(ApiError::Unreadable),
    }
}
