//! `/answer/...`: the page of a one-click answer. Asking for it changes nothing, so that link scanners and previews do no harm;
//! only the form acts.
//!
//! The link is a capability: whoever has it may answer, there is no cookie, and so nothing that another site could ride on.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use crate::domain::answer::Verdict;
use crate::domain::id::Name;
use crate::engine::{Asked, EngineError, Question, Rules};
use crate::report::words;

use super::board::{page, row};
use super::error::ApiError;
use super::{Api, view};

pub(super) async fn show(State(api): State<Api>, Path(link): Path<String>) -> Result<Response, ApiError> {
    let question = api.engine.question(&link).await.map_err(failed)?;
    let rules = api.engine.rules();
    Ok(match &question {
        Question::Open(asked) => answered(StatusCode::OK, "Accept or give back", &form(asked, &rules)),
        other => standing(other, &rules, StatusCode::OK),
    })
}

pub(super) async fn act(State(api): State<Api>, Path(link): Path<String>, body: String) -> Result<Response, ApiError> {
    let rules = api.engine.rules();
    let Some(word) = word(&body, &rules) else {
        let text =
            html! { p { "Say whether you take the lead, or why you give it back." } p { a href=(link) { "Back" } } };
        return Ok(answered(StatusCode::UNPROCESSABLE_ENTITY, "Nothing was chosen", &text));
    };
    let question = api.engine.answer(&link, word.clone()).await.map_err(failed)?;
    Ok(match &question {
        Question::Open(asked) => {
            let text = match word {
                Verdict::Accepted => html! { p { "You have taken " (row(&who(asked))) ". Good luck." } },
                Verdict::Rejected(reason) => html! {
                    p { "You have given " (row(&who(asked))) " back: " b { (words::reason(&reason)) } "." }
                    p { "Your CRM will show it in a moment." }
                },
            };
            answered(StatusCode::OK, "Thank you", &text)
        }
        other => standing(other, &rules, StatusCode::CONFLICT),
    })
}

/// What the form says; `None` if it says nothing that can be done.
fn word(body: &str, rules: &Rules) -> Option<Verdict> {
    let field = |name: &str| {
        url::form_urlencoded::parse(body.as_bytes())
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
    };
    match field("word")?.as_str() {
        "accepted" => Some(Verdict::Accepted),
        "rejected" => {
            let reason = Name::from(field("reason")?);
            rules.agreement.handoff.rejections.contains_key(&reason).then_some(Verdict::Rejected(reason))
        }
        _ => None,
    }
}

fn form(asked: &Asked, rules: &Rules) -> Markup {
    html! {
        p { b { (row(&who(asked))) } " " small { (asked.handoff.id) } }
        p { "With you, " (row(rules.roster.name_of(&asked.turn.owner))) ": " (row(&asked.turn.why)) }
        @for clock in &asked.turn.clocks {
            p { (row(clock.name.as_str())) " within " (clock.time)
                @if let Some(due) = clock.due_at { ", due " (view::Moment::new(due, &rules.zone)) }
                @if clock.met.is_some() { ", kept" }
            }
        }
        // Without an action a form goes to the page's own address.
        form method="post" { button name="word" value="accepted" { "Accept" } }
        form method="post" {
            label for="reason" { "Give it back, because: " }
            select id="reason" name="reason" required {
                option value="" { "choose" }
                @for reason in &asked.reasons { option value=(reason) { (words::reason(reason)) } }
            }
            " " button name="word" value="rejected" { "Give back" }
        }
        p { a href={ "/leads/" (asked.handoff.id.lead) } { "The whole story" } }
    }
}

/// What stands, where there is nothing to answer.
fn standing(question: &Question, rules: &Rules, otherwise: StatusCode) -> Response {
    let (status, title, text) = match question {
        Question::Over(what) => (otherwise, "This has been answered", words::happening(what, &rules.roster)),
        Question::PassedOn => (
            otherwise,
            "The lead went on to somebody else",
            "Your turn is over, so there is nothing to answer".to_owned(),
        ),
        Question::Expired(until) => (
            StatusCode::GONE,
            "This link has expired",
            format!("It was good until {}; answer in your CRM instead", view::Moment::new(*until, &rules.zone)),
        ),
        Question::NotYet => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Not yet",
            "Baton still reads everything for the first time; try again in a few minutes".to_owned(),
        ),
        Question::NotOurs | Question::Open(_) => (
            StatusCode::NOT_FOUND,
            "This link is not good",
            "Perhaps it was cut on its way; answer in your CRM instead".to_owned(),
        ),
    };
    answered(status, title, &html! { p { (row(&text)) "." } })
}

fn answered(status: StatusCode, title: &str, body: &Markup) -> Response {
    let body = html! { header { h1 { "Baton" } } section { h2 { (title) } (body) } };
    let mut response = (status, page(title, None, None, &body)).into_response();
    response.headers_mut().insert(header::HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
    response
}

fn who(asked: &Asked) -> String {
    asked.who.clone().unwrap_or_else(|| asked.handoff.id.lead.to_string())
}

fn failed(error: EngineError) -> ApiError {
    match error {
        EngineError::Store(error) => ApiError::Store(error),
        other => {
            tracing::error!("an answer could not be taken: {other}");
            ApiError::Unavailable
        }
    }
}
