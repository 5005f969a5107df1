//! The plan: what waits for a person, lead by lead, with the forms that let it go or take it back.

use axum::extract::{Path, State};
use axum::response::Response;
use axum::{Extension, Json};
use maud::{Markup, html};

use crate::domain::counted::many;
use crate::engine::command::{Command, change_words, plan_data};
use crate::engine::propose::{Proposal, Proposed};

use super::Api;
use super::access::Caller;
use super::board::{Waits, nav, page as board_page, row};
use super::error::ApiError;
use super::order::{Page, carry_out};
use super::view::Moment;

/// Rows that the page shows; the plan holds all of them.
const ROWS: usize = 500;
/// Where its forms stand.
const PAGE: Page = Page { title: "Plan", at: "/plan" };

/// The plan as a page.
pub(super) async fn page(State(api): State<Api>, Extension(caller): Extension<Caller>) -> Result<Markup, ApiError> {
    let proposal = api.engine.propose().await.map_err(ApiError::Engine)?;
    let (rules, waits) = (api.engine.rules(), Waits::of(&api).await?);
    let since = |proposed: &Proposed| Moment::new(proposed.since, &rules.zone);
    Ok(board_page(
        "Plan",
        None,
        Some(&caller),
        &html! {
            (nav(PAGE.at, &waits))
            header { h1 { "Plan" @if !proposal.id.is_empty() { " " small { (proposal.id) } } } }
            section {
                (head(&proposal, caller.may_act()))
                @if !proposal.rows.is_empty() {
                    table.cards {
                        thead { tr { th scope="col" { "Lead" } th scope="col" { "Where" } th scope="col" { "What" } th scope="col" { "Why" } th scope="col" { "Since" } } }
                        tbody {
                            @for proposed in proposal.rows.iter().take(ROWS) {
                                tr {
                                    td data-label="Lead" { a href={ "/leads/" (proposed.lead) } { (row(proposed.who.as_deref().unwrap_or(""))) " " small { (proposed.lead) } } }
                                    td.number data-label="Where" { (row(proposed.connection.as_str())) }
                                    td data-label="What" { (row(&change_words(proposed, &rules.roster))) }
                                    td.why data-label="Why" { (row(&proposed.because)) @if let Some(why) = &proposed.why { ", " (row(why)) } }
                                    td data-label="Since" { (since(proposed)) }
                                }
                            }
                        }
                    }
                }
                @if proposal.rows.len() > ROWS { p { "and " (proposal.rows.len() - ROWS) " more, which " code { "baton plan" } " lists" } }
            }
        },
    ))
}

fn head(proposal: &Proposal, may_act: bool) -> Markup {
    html! {
        @if proposal.rows.is_empty() { p.empty { "Nothing waits for a person." } }
        @else if proposal.is_dry {
            p { "Nothing is written or sent, since " code { "writes = \"off\"" } ": this is what would be, for the hand-offs that are open." }
        }
        @else {
            p { (many(proposal.rows.len(), "effect waits", "effects wait")) ". What changes before they are let go is planned anew; this plan holds for 24 hours." }
            @if !may_act { p.facts { "An operator lets them go, or takes them back." } }
            @else { div.forms {
                form method="post" action={ "/plan/" (proposal.id) "/apply" } { button { "Let exactly these go" } }
                form method="post" action={ "/plan/" (proposal.id) "/discard" } { button.back { "Take these back for good" } }
            } }
        }
    }
}

/// The plan for a machine.
pub(super) async fn answer(State(api): State<Api>) -> Result<Json<serde_json::Value>, ApiError> {
    let proposal = api.engine.propose().await.map_err(ApiError::Engine)?;
    Ok(Json(plan_data(&proposal, &api.engine.rules().roster)))
}

/// Lets a plan go that somebody saw on the board.
pub(super) async fn apply(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    carry_out(&api, &caller, PAGE, Command::Apply { id }).await
}

/// Takes back what a plan holds.
pub(super) async fn discard(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    carry_out(&api, &caller, PAGE, Command::DiscardPlan { id }).await
}
