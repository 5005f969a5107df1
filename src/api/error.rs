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
    /// What is asked for in the URL has no place there.
    AddressInUrl,
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
            Self::AddressInUrl => {
                let sentence = "an e-mail address has no place in a URL, which is logged on its way; name the lead by its \
                                number or record, or ask `baton explain`";
                (StatusCode::BAD_REQUEST, "address_in_url", sentence)
            }
            Self::Store(error) => {
                tracing::error!("the store failed: {error}");
                (StatusCode::INTERNAL_SERVER_ERROR, "store_failed", "the store failed; the log says why")
            }
        };
        (status, Json(serde_json::json!({ "error": { "code": code, "message": sentence } }))).into_response()
    }
}
