//! Leads that may be one person, side by side, with the forms that take a person's word on them.

use axum::extract::{Path, State};
use axum::response::Response;
use axum::{Extension, Json};
use maud::{Markup, html};

use crate::domain::counted::many;
use crate::engine::command::Command;

use super::Api;
use super::access::Caller;
use super::board::{Waits, nav, page as board_page, row};
use super::error::ApiError;
use super::order::{Page, carry_out};
use super::view::{self, PairView};

/// Pairs on one page; the oldest come first, and the next follow once these are answered.
const PAIRS: usize = 20;
/// Where the forms stand.
const PAGE: Page = Page { title: "Who is one person", at: "/review" };

/// The pairs as a page.
pub(super) async fn page(State(api): State<Api>, Extension(caller): Extension<Caller>) -> Result<Markup, ApiError> {
    let store = api.engine.store();
    let pairs = view::pairs(store, &api.engine.rules(), PAIRS).await?;
    let waits = Waits::of(&api).await?;
    let all = usize::try_from(waits.pairs).unwrap_or_default();
    Ok(board_page(
        PAGE.title,
        None,
        Some(&caller),
        &html! {
            (nav(PAGE.at, &waits))
            header {
                h1 { (PAGE.title) }
                p.facts {
                    @if pairs.is_empty() { "No two leads look like one person." }
                    @else { "Nobody is joined by this list alone. What you say holds against every rule, and can be taken back." }
                }
            }
            @for pair in &pairs { (question(pair, caller.may_act())) }
            @if all > pairs.len() { p { "and " (many(all - pairs.len(), "more pair", "more pairs")) " after these" } }
        },
    ))
}

/// The pairs for a machine.
pub(super) async fn answer(State(api): State<Api>) -> Result<Json<Vec<PairView>>, ApiError> {
    Ok(Json(view::pairs(api.engine.store(), &api.engine.rules(), super::ROWS_MAX).await?))
}

fn question(pair: &PairView, may_act: bool) -> Markup {
    let lead = |lead: &str, who: &str| html! { a href={ "/leads/" (lead) } { (row(who)) } " " small { (lead) } };
    html! {
        section.pair {
            h2 { (row(&pair.who)) " and " (row(&pair.other_who)) }
            p { "What speaks for one person: " b { (pair.evidence.join("; ")) } small { " · since " (pair.since) } }
            table {
                thead { tr { th scope="col" { "" } th scope="col" { (lead(&pair.lead, &pair.who)) } th scope="col" { (lead(&pair.other, &pair.other_who)) } } }
                tbody {
                    @for fact in &pair.facts {
                        tr.same[fact.is_same] {
                            th scope="row" { (fact.fact) @if fact.is_same { " " span.mark { "same" } } }
                            td { (values(&fact.lead)) }
                            td { (values(&fact.other)) }
                        }
                    }
                }
            }
            @if may_act { div.forms {
                form method="post" action={ "/review/" (pair.lead) "/" (pair.other) "/same" } { button { "The same person" } }
                form method="post" action={ "/review/" (pair.lead) "/" (pair.other) "/apart" } { button.back { "Two people" } }
            } }
        }
    }
}

fn values(values: &[String]) -> Markup {
    html! {
        @if values.is_empty() { span.none { "not known" } }
        @for (at, value) in values.iter().enumerate() { @if at > 0 { br; } (row(value)) }
    }
}

/// They are one person.
pub(super) async fn same(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((lead, other)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    carry_out(&api, &caller, PAGE, Command::Link { what: other, lead }).await
}

/// They are two.
pub(super) async fn apart(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((lead, other)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    carry_out(&api, &caller, PAGE, Command::NotSame { lead, other }).await
}
