//! One map from errors to answers: a status, a stable code and a safe sentence. The cause goes to the log.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};

use crate::domain::access::Role;
use crate::engine::EngineError;
use crate::engine::command::CommandError;
use crate::store::StoreError;

use super::unanswered::Told;

/// Why a request got no answer.
#[derive(Debug)]
pub(super) enum ApiError {
    /// There is no such thing.
    NotFound(&'static str),
    /// What is asked for in the URL has no place there.
    AddressInUrl,
    /// A range of time that cannot be answered; the sentence says what to write instead.
    BadRange(String),
    /// Nobody is logged in, and no token that is good was brought.
    NotLoggedIn,
    /// The role does not reach: this one is needed.
    TooLittle(Role),
    /// A form that does not come from a page of the board.
    ForeignForm,
    /// An order that cannot be carried out as it was given; the sentence says what to do instead.
    Refused(String),
    /// It does not prove that it comes from the CRM: what is wrong with the proof.
    NotProved(&'static str),
    /// It cannot be read.
    Unreadable,
    /// It is packed, which nothing here unpacks.
    Packed,
    /// There is no room for it now.
    NoRoom,
    /// Baton's own failure.
    Store(StoreError),
    /// Something else failed; the log says what.
    Unavailable,
    /// Another of its own.
    Engine(EngineError),
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Refused(sentence) => Self::Refused(sentence),
            CommandError::Engine(error) => Self::Engine(error),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, sentence): (_, _, &str) = match &self {
            Self::NotFound(sentence) => (StatusCode::NOT_FOUND, "not_found", sentence),
            Self::ForeignForm => {
                let sentence = "this form does not come from a page of the board; open the board by its own address and use \
                                the form there, or give the command on the machine";
                (StatusCode::FORBIDDEN, "foreign_form", sentence)
            }
            Self::NotLoggedIn => {
                let sentence = "log in at /login, or send a user's token as `Authorization: Bearer TOKEN`; `baton user NAME \
                                --token` makes one";
                (StatusCode::UNAUTHORIZED, "not_logged_in", sentence)
            }
            Self::TooLittle(Role::Operator) => {
                (StatusCode::FORBIDDEN, "too_little", "this takes the role `operator`; the settings say who has which")
            }
            Self::TooLittle(Role::Viewer) => {
                (StatusCode::FORBIDDEN, "too_little", "this takes the role `viewer`; the settings say who has which")
            }
            Self::Refused(sentence) => (StatusCode::CONFLICT, "refused", sentence),
            Self::BadRange(sentence) => (StatusCode::BAD_REQUEST, "bad_range", sentence),
            Self::Engine(error) => {
                tracing::error!("an order failed: {error}");
                (StatusCode::INTERNAL_SERVER_ERROR, "failed", "it failed; the log says why")
            }
            Self::AddressInUrl => {
                let sentence = "an e-mail address has no place in a URL, which is logged on its way; name the lead by its \
                                number or record, or ask `baton explain`";
                (StatusCode::BAD_REQUEST, "address_in_url", sentence)
            }
            Self::NotProved(why) => (StatusCode::UNAUTHORIZED, "not_proved", why),
            Self::Unreadable => {
                (StatusCode::BAD_REQUEST, "unreadable", "this is no list of events; the log says where")
            }
            Self::Packed => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "packed", "send the body as it is: content-encoding is not taken")
            }
            Self::NoRoom => {
                (StatusCode::TOO_MANY_REQUESTS, "no_room", "too much waits to be looked at; send it again later")
            }
            Self::Unavailable => {
                let sentence = "it did not work; try again in a moment";
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", sentence)
            }
            Self::Store(error) => {
                tracing::error!("the store failed: {error}");
                (StatusCode::INTERNAL_SERVER_ERROR, "store_failed", "the store failed; the log says why")
            }
        };
        let body = Json(serde_json::json!({ "error": { "code": code, "message": sentence } }));
        let told = Extension(Told(sentence.to_owned()));
        if matches!(self, Self::NotLoggedIn) {
            return (status, told, [(header::WWW_AUTHENTICATE, "Bearer")], body).into_response();
        }
        (status, told, body).into_response()
    }
}
