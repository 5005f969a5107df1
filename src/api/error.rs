//! One map from errors to answers: a status, a stable code and a safe sentence. The cause goes to the log.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::store::StoreError;

/// Why a request got no answer.
#[derive(Debug)]
pub(super) enum ApiError {
    /// There is no such thing.
    NotFound(&'static str),
    /// Baton's own failure.
    Store(StoreError),
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, sentence) = match self {
            Self::NotFound(sentence) => (StatusCode::NOT_FOUND, "not_found", sentence),
            Self::Store(error) => {
                tracing::error!("the store failed: {error}");
                (StatusCode::INTERNAL_SERVER_ERROR, "store_failed", "the store failed; the log says why")
            }
        };
        (status, Json(serde_json::json!({ "error": { "code": code, "message": sentence } }))).into_response()
    }
}
