//! What is shown where there is no answer: a page in the board's layout for people, a sentence in JSON for programs. Whoever
//! refuses says why ([`ApiError`]); where nobody does, as at an address that there is not, the status says it.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use maud::html;

use super::Api;
use super::access::{caller, is_page};
use super::board::{Waits, nav, page};
use super::error::ApiError;

/// Why a request got no answer, for a page; goes along with the response.
#[derive(Clone, Debug)]
pub(super) struct Told(pub(super) String);

/// An address that nothing stands at.
pub(super) async fn nowhere() -> ApiError {
    ApiError::NotFound("there is nothing at this address")
}

/// Gives every refusal and failure a body that its reader can read.
pub(super) async fn shown(State(api): State<Api>, request: Request, next: Next) -> Response {
    let is_page = is_page(&request);
    let asked = request.headers().clone();
    let response = next.run(request).await;
    let status = response.status();
    let is_fine = !status.is_client_error() && !status.is_server_error();
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if is_fine || kind.starts_with("text/html") || (!is_page && kind.starts_with("application/json")) {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let sentence =
        parts.extensions.remove::<Told>().map_or_else(|| words(status).2.to_owned(), |Told(sentence)| sentence);
    let body = if is_page {
        as_page(&api, &asked, status, &sentence)
    } else {
        Json(serde_json::json!({ "error": { "code": words(status).0, "message": sentence } })).into_response()
    };
    // What the refusal says to a program, such as how long to wait, stays.
    [header::CONTENT_TYPE, header::CONTENT_LENGTH].iter().for_each(|name| drop(parts.headers.remove(name)));
    let (of_body, body) = body.into_parts();
    parts.headers.extend(of_body.headers);
    Response::from_parts(parts, body)
}

fn as_page(api: &Api, asked: &HeaderMap, status: StatusCode, sentence: &str) -> Response {
    let caller = caller(api, asked, false);
    let (_, title, _) = words(status);
    let body = html! {
        @if caller.is_some() { (nav("", &Waits::default())) }
        header { h1 { (title) } }
        section { p { (spoken(sentence)) } p { a href="/" { "To the board" } } }
    };
    page(title, None, caller.as_ref(), &body).into_response()
}

/// A sentence as it stands on a page: with a capital letter and a full stop.
fn spoken(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

/// A status as a code for programs, as a title, and as a sentence where nobody says more.
fn words(status: StatusCode) -> (&'static str, &'static str, &'static str) {
    match status {
        StatusCode::NOT_FOUND => ("not_found", "Nothing here", "there is nothing at this address"),
        StatusCode::UNAUTHORIZED => ("not_logged_in", "Not logged in", "log in first"),
        StatusCode::FORBIDDEN => ("refused", "Not allowed", "nothing was done"),
        StatusCode::METHOD_NOT_ALLOWED => {
            ("method_not_allowed", "Not this way", "this address does not take requests of this kind; nothing was done")
        }
        StatusCode::CONFLICT => ("refused", "Not done", "nothing was done"),
        StatusCode::PAYLOAD_TOO_LARGE => ("too_long", "Too long", "more was sent than is read; nothing was done"),
        StatusCode::TOO_MANY_REQUESTS => ("too_many", "Too much at once", "wait a moment, and try again"),
        status if status.is_client_error() => {
            ("bad_request", "Not understood", "the address, or what was sent with it, cannot be read; nothing was done")
        }
        _ => ("failed", "It did not work", "it did not work; the log says why"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_reads_as_a_sentence() {
        assert_eq!(spoken("no lead has this number"), "No lead has this number.");
        assert_eq!(spoken("Done."), "Done.");
        assert_eq!(spoken(""), ".");
    }
}
