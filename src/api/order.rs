//! What a person orders by a form of the board: it takes the road of the commands, and the answer is a page.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use maud::html;

use crate::engine::command::{Asked, Command, CommandError};

use super::Api;
use super::access::Caller;
use super::board::{Waits, nav, page, row};
use super::error::ApiError;

/// The page whose form was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    /// What it is called.
    pub(super) title: &'static str,
    /// Its path.
    pub(super) at: &'static str,
}

/// Carries out `command` and says what came of it, or why nothing did.
pub(super) async fn carry_out(api: &Api, caller: &Caller, from: Page, command: Command) -> Result<Response, ApiError> {
    let done = api.engine.execute(&Asked { by: caller.by(), command }).await;
    let (status, lines) = match done {
        Ok(answer) => (StatusCode::OK, answer.lines),
        Err(CommandError::Refused(sentence)) => (StatusCode::CONFLICT, vec![sentence]),
        Err(CommandError::Engine(error)) => return Err(ApiError::Engine(error)),
    };
    let waits = Waits::of(api).await?;
    let body = html! {
        (nav("", &waits))
        header { h1 { (from.title) } }
        section { @for line in &lines { p { (row(line)) } } p { a href=(from.at) { "Back to the page" } } }
    };
    Ok((status, page(from.title, None, Some(caller), &body)).into_response())
}
