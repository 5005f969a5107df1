//! The first page: what is due next, with whom and why; where hand-offs leak; how things stand.

use axum::Extension;
use axum::extract::{Query, State};
use maud::{Markup, html};
use serde::Deserialize;

use crate::domain::counted::{many, noun};
use crate::domain::stage::Stage;
use crate::report::funnel::{Funnel, Promise};
use crate::report::words;

use super::super::access::Caller;
use super::super::error::ApiError;
use super::super::{Api, view};
use super::{Waits, event_list, finding_list, health, moment, nav, page, row};

/// Hand-offs and findings on the page.
const ROWS: usize = 40;
/// Events on the page.
const EVENTS: usize = 25;

#[derive(Debug, Deserialize)]
pub(in crate::api) struct Asked {
    /// Does the page stand still, instead of renewing itself?
    #[serde(default)]
    still: Option<u8>,
}

pub(in crate::api) async fn home(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Result<Markup, ApiError> {
    let status = view::status(&api.engine, &api.status).await?;
    let handoffs = view::handoffs(&api.engine, ROWS).await?;
    let events = view::events(&api.engine, 0, EVENTS).await?;
    let findings = view::findings(&api.engine, ROWS).await?;
    let waits = Waits::of(&api).await?;
    let funnel = view::funnel(&api.engine).await?;
    let refresh = if status.time_factor > 1 { 2 } else { 15 };
    let renews = asked.still.is_none().then_some(refresh);
    Ok(page(
        "Baton",
        renews,
        Some(&caller),
        &html! {
            (nav("/", &waits))
            (head(&status, waits.pairs))
            section aria-labelledby="due" {
                h2 id="due" {
                    "Due next" span.count { (status.handoffs_open) " open" }
                    " " a.sheet href="/api/v1/handoffs.csv" title="Hand-offs of the last 30 days, open and ended" { "CSV" }
                }
                (due(&handoffs, status.handoffs_open))
            }
            div.columns {
                section aria-labelledby="leaks" { (leaks(&funnel)) }
                div {
                    section aria-labelledby="know" {
                        h2 id="know" { "What you should know" span.count { (findings.len()) } }
                        (finding_list(&findings))
                    }
                    (health::section(&status))
                }
            }
            section aria-labelledby="happened" { h2 id="happened" { "What happened" } (event_list(&events, true)) }
            p.facts {
                @match renews {
                    Some(seconds) => { "This page renews itself every " (seconds) " seconds. " a href="/?still=1" { "Keep it as it is" } },
                    None => { "This page stands as it was at " (status.now) ". " a href="/" { "Renew it by itself" } },
                }
            }
        },
    ))
}

fn head(status: &view::StatusView, pairs: i64) -> Markup {
    html! {
        header {
            h1 { a href="/" { "Baton" } }
            p.facts {
                "Agreement " b { (row(&status.agreement)) }
                " · writes " b.(status.writes) { (status.writes) }
                " · notices " b.(status.notices) { (status.notices) }
                " · " (status.now)
                @if status.time_factor > 1 { " · " b.fast { "time runs " (status.time_factor) " times as fast" } }
            }
            @if let Some(paused) = &status.paused_words { p.banner.bad { "Paused by a person: " (row(paused)) ". " code { "baton resume" } " lets it go on." } }
            @for waiting in &status.waiting {
                p.banner { (many(waiting.effects, "effect", "effects")) " to " (row(&waiting.connection)) " for " (many(waiting.leads, "lead", "leads")) " " (noun(waiting.effects, "waits", "wait")) " for a person" (waiting_why(&waiting.hold)) ": " a href="/plan" { "look at the plan" } }
            }
            @if pairs > 0 { p.banner { (many(pairs, "pair", "pairs")) " of leads may be one person: " a href="/review" { "look at them" } } }
            @if !status.is_live { p.banner { "Reading everything for the first time: no decision is taken yet." } }
            @for stream in status.connections.iter().flat_map(|connection| &connection.streams) {
                @if let Some(error) = &stream.error { p.banner.bad { "Blind on " (stream.name) ": " (row(error)) } }
                @else if stream.is_blind {
                    p.banner.bad { "Blind on " (stream.name) @if let Some(until) = &stream.covered_until { " since " (until) } ": it has not been read up to the present" }
                }
            }
            ol.stages aria-label="Leads by stage" {
                @for stage in Stage::ALL {
                    @let count = status.leads_by_stage.get(stage.as_str()).copied().unwrap_or(0);
                    li.(if stage.is_on_the_way() || stage == Stage::Won { "way" } else { "beside" }) { b { (count) } span { (stage) } }
                }
            }
        }
    }
}

/// Why effects wait, where it is not the usual reason.
fn waiting_why(hold: &str) -> &'static str {
    match hold {
        "cap" => ", more than [caps] lets go by itself",
        "rules" => ", since another agreement asks for more than [caps] lets go by itself",
        _ => "",
    }
}

fn due(handoffs: &[view::HandoffView], open: i64) -> Markup {
    html! {
        @if handoffs.is_empty() { p.empty { "None: every lead that was passed on has been answered." } }
        @else {
            table.cards {
                thead { tr { th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "Lead" } th scope="col" { "With" } th scope="col" { "Why them" } } }
                tbody {
                    @for handoff in handoffs {
                        tr.(handoff.state).late[handoff.is_late] {
                            td.left { (handoff.left.as_deref().unwrap_or(waiting_words(handoff.state))) }
                            td data-label="What" { (row(handoff.commitment.as_deref().unwrap_or(handoff.state))) @if matches!(handoff.state, "shadow" | "proposed") { " " small { (handoff.state) } } }
                            td data-label="Lead" {
                                a href={ "/leads/" (handoff.lead) } { (row(&handoff.who)) } " " span.grade title="fit and intent" { (handoff.grade) }
                                @if let Some(company) = &handoff.company { br; small { (row(company)) } }
                            }
                            td data-label="With" {
                                (row(handoff.owner.as_deref().unwrap_or("nobody yet")))
                                @if handoff.turn > 1 { " " small { "turn " (handoff.turn) } }
                                @if let Some(waited) = &handoff.waited { br; small { "open for " (waited) } }
                            }
                            td.why data-label="Why them" { (row(handoff.why.as_deref().unwrap_or(""))) }
                        }
                    }
                }
            }
            @let more = open - i64::try_from(handoffs.len()).unwrap_or(open);
            @if more > 0 { p.empty { "and " (more) " more, which are due later" } }
        }
    }
}

fn waiting_words(state: &str) -> &'static str {
    match state {
        "incomplete" => "asked marketing",
        "shadow" => "shadow",
        "proposed" => "needs your word",
        _ => "waits for the CRM",
    }
}

/// The hand-offs of late as a funnel, and where the others went.
fn leaks(view: &view::FunnelView) -> Markup {
    let funnel = &view.funnel;
    html! {
        h2 id="leaks" { "Where hand-offs leak" span.count { "opened since " (moment(&view.since)) } }
        @if funnel.opened == 0 { p.empty { "None opened since then." } }
        @else {
            table.funnel {
                thead { tr { th scope="col" { "Step" } th scope="col" { "Hand-offs" } th scope="col" { "" } th scope="col" { "Median time" } } }
                tbody {
                    (bar("opened", funnel.opened, funnel, None))
                    (bar("with an owner", funnel.owned, funnel, None))
                    @for promise in &funnel.promises { (self::promise(promise, funnel)) }
                    (bar("confirmed by sales", funnel.qualified.count, funnel, funnel.qualified.median))
                }
            }
            ul.leaks {
                @if funnel.open > 0 { li { b { (funnel.open) } " still open" } }
                (gone(funnel.given_back.as_slice(), "given back by sales"))
                (gone(funnel.taken_back.as_slice(), "taken back, since nobody answered for them"))
                @if funnel.otherwise > 0 { li { b { (funnel.otherwise) } " merged, gone, or not to be handed over any more" } }
            }
        }
    }
}

fn bar(what: &str, count: usize, funnel: &Funnel, median: Option<jiff::SignedDuration>) -> Markup {
    html! {
        tr {
            th scope="row" { (row(what)) }
            td.number { (count) " " small { (percent(count, funnel.opened)) " %" } }
            td { meter min="0" max=(funnel.opened) value=(count) aria-label={ (percent(count, funnel.opened)) " percent" } {} }
            td { @if let Some(median) = median { (words::span(median)) } }
        }
    }
}

fn promise(promise: &Promise, funnel: &Funnel) -> Markup {
    html! {
        (bar(&format!("{} in time", promise.name), promise.in_time, funnel, promise.median))
        @if promise.late + promise.missed > 0 {
            tr.broken { th scope="row" { "" } td colspan="3" { small { (promise.late) " too late, " (promise.missed) " never" } } }
        }
    }
}

fn gone(reasons: &[(crate::domain::id::Name, usize)], what: &str) -> Markup {
    let all: usize = reasons.iter().map(|(_, count)| count).sum();
    html! {
        @if all > 0 {
            li {
                b { (all) } " " (what) ": "
                @for (at, (reason, count)) in reasons.iter().enumerate() { @if at > 0 { ", " } (row(&words::reason(reason))) " " (count) }
            }
        }
    }
}

fn percent(part: usize, all: usize) -> usize {
    (part * 100 + all / 2) / all.max(1)
}
