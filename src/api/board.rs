//! The board: the same views as the API, as pages. No script; a page refreshes itself.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use crate::report::words;

use super::error::ApiError;
use super::{Api, view};

/// Hand-offs, events and findings on the first page.
const ROWS: usize = 40;
/// Characters of a value in a row.
const ROW_CHARS_MAX: usize = 200;
/// Characters of a value on a lead's own page.
const PAGE_CHARS_MAX: usize = 2_000;

pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("board.css")).into_response()
}

pub(super) async fn home(State(api): State<Api>) -> Result<Markup, ApiError> {
    let status = view::status(&api.engine, &api.status).await?;
    let handoffs = view::handoffs(&api.engine, ROWS).await?;
    let events = view::events(&api.engine, 0, ROWS).await?;
    let findings = view::findings(&api.engine, ROWS).await?;
    let pairs = view::pairs(api.engine.store(), &api.engine.rules().zone, ROWS).await?;
    let refresh = if status.time_factor > 1 { 2 } else { 15 };
    Ok(page(
        "Baton",
        Some(refresh),
        &html! {
            (head(&status))
            section {
                h2 { "Open hand-offs" span.count { (status.handoffs_open) } }
                (handoff_table(&handoffs))
            }
            div.columns {
                section { h2 { "What happened" } (event_list(&events)) }
                section { h2 { "What you should know" span.count { (findings.len()) } } (finding_list(&findings)) }
            }
            @if !pairs.is_empty() {
                section { h2 { "Who may be one person" span.count { (pairs.len()) } } (pair_table(&pairs)) }
            }
            section { h2 { "Connections" } (connections(&status)) }
            @if !status.channels.is_empty() { section { h2 { "Channels" } (channels(&status)) } }
        },
    ))
}

pub(super) async fn lead(State(api): State<Api>, Path(lead): Path<String>) -> Result<Response, ApiError> {
    super::no_address(&lead)?;
    let found = view::lead(api.engine.store(), &api.engine.rules(), api.engine.clock().now(), &lead).await?;
    let Some(lead) = found else {
        let body = html! { section { h2 { "No lead has this number" } p { a href="/" { "Back to the board" } } } };
        return Ok((StatusCode::NOT_FOUND, page("Not found", None, &body)).into_response());
    };
    let title = format!("{} {}", lead.lead, lead.who);
    Ok(page(&title, None, &story(&lead)).into_response())
}

/// What somebody else wrote, in a row: cut, and with a reading direction of its own.
pub(super) fn row(text: &str) -> Markup {
    html! { bdi { (words::shown(text, ROW_CHARS_MAX)) } }
}

/// The same on a lead's own page.
fn whole(text: &str) -> Markup {
    html! { bdi { (words::shown(text, PAGE_CHARS_MAX)) } }
}

pub(super) fn page(title: &str, refresh_seconds: Option<u32>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if let Some(seconds) = refresh_seconds { meta http-equiv="refresh" content=(seconds); }
                title { (words::flat(title, ROW_CHARS_MAX)) }
                link rel="stylesheet" href="/board.css";
            }
            body { main { (body) } }
        }
    }
}

fn head(status: &view::StatusView) -> Markup {
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
                p.banner { (waiting.effects) " effects to " (row(&waiting.connection)) " for " (waiting.leads) " leads wait for a person" (waiting_why(&waiting.hold)) ": " a href="/plan" { "look at the plan" } }
            }
            @if !status.is_live { p.banner { "Reading everything for the first time: no decision is taken yet." } }
            @for stream in status.connections.iter().flat_map(|connection| &connection.streams) {
                @if let Some(error) = &stream.error { p.banner.bad { "Blind on " (stream.name) ": " (row(error)) } }
                @else if stream.is_blind {
                    p.banner.bad { "Blind on " (stream.name) @if let Some(until) = &stream.covered_until { " since " (until) } ": it has not been read up to the present" }
                }
            }
            ol.stages {
                @for stage in crate::domain::stage::Stage::ALL {
                    @let count = status.leads_by_stage.get(stage.as_str()).copied().unwrap_or(0);
                    li { b { (count) } span { (stage) } }
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

fn handoff_table(handoffs: &[view::HandoffView]) -> Markup {
    html! {
        @if handoffs.is_empty() { p.empty { "None: every lead that was passed on has been answered." } }
        @else {
            table {
                thead { tr { th { "Time left" } th { "Lead" } th { "Grade" } th { "Owner" } th { "Next" } th { "Why this owner" } } }
                tbody {
                    @for handoff in handoffs {
                        tr.(handoff.state).late[handoff.is_late] {
                            td.left { (handoff.left.as_deref().unwrap_or(waiting_words(handoff.state))) }
                            td { a href={ "/leads/" (handoff.lead) } { (row(&handoff.who)) } " " small { (handoff.id) } }
                            td { span.grade { (handoff.grade) } }
                            td { (row(handoff.owner.as_deref().unwrap_or("nobody yet"))) @if handoff.turn > 1 { " " small { "turn " (handoff.turn) } } }
                            td { (row(handoff.commitment.as_deref().unwrap_or(handoff.state))) }
                            td.why { (row(handoff.why.as_deref().unwrap_or(""))) }
                        }
                    }
                }
            }
        }
    }
}

fn waiting_words(state: &str) -> &'static str {
    match state {
        "incomplete" => "asked marketing",
        "shadow" => "shadow",
        _ => "waits for the CRM",
    }
}

fn event_list(events: &[view::EventView]) -> Markup {
    html! {
        ul.events {
            @for event in events {
                li.(event.tone) { time { (event.at) } div { a href={ "/leads/" (event.lead) } { (row(&event.who)) } " " span { (row(&event.text)) } } }
            }
            @if events.is_empty() { li.plain { "Nothing yet." } }
        }
    }
}

fn finding_list(findings: &[view::FindingView]) -> Markup {
    html! {
        ul.findings {
            @for finding in findings { li { b { (row(&finding.subject)) } " " span { (whole(&finding.text)) } } }
            @if findings.is_empty() { li.plain { "Nothing." } }
        }
    }
}

fn pair_table(pairs: &[view::PairView]) -> Markup {
    let lead = |lead: &str, who: &str| html! { a href={ "/leads/" (lead) } { (row(who)) } " " small { (lead) } };
    html! {
        table {
            thead { tr { th { "Lead" } th { "Other" } th { "What speaks for it" } th { "Since" } } }
            tbody {
                @for pair in pairs {
                    tr {
                        td { (lead(&pair.lead, &pair.who)) } td { (lead(&pair.other, &pair.other_who)) }
                        td.why { (pair.evidence.join("; ")) } td { (pair.since) }
                    }
                }
            }
        }
        p.empty { "One person: " code { "baton review accept LEAD OTHER" } ". Two people: " code { "baton review reject LEAD OTHER" } "." }
    }
}

fn connections(status: &view::StatusView) -> Markup {
    html! {
        table {
            thead { tr { th { "Stream" } th { "Read until" } th { "Behind" } th { "Trouble" } } }
            tbody {
                @for connection in &status.connections {
                    @for stream in &connection.streams {
                        tr {
                            td { (stream.name) }
                            td { @match &stream.covered_until { Some(at) => (at), None => "first pass under way" } }
                            td { @if let Some(seconds) = stream.lag_seconds { (seconds) " s" } }
                            td { (row(stream.error.as_deref().unwrap_or(""))) }
                        }
                    }
                    (feed(connection))
                    @for budget in &connection.budgets {
                        tr {
                            td { (connection.name) " " (budget.name) " requests" }
                            td colspan="3" {
                                @if let (Some(left), Some(limit)) = (budget.left, budget.limit) { (left) " of " (limit) " left" }
                                @if let Some(wait) = budget.wait_seconds { " · waits " (wait) " s, as the CRM asked" }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What stands behind a connection's feed: the patrol, its repairs, the webhooks, and whether it is asked at all.
fn feed(connection: &view::ConnectionView) -> Markup {
    html! {
        @if connection.breaker != "closed" {
            tr { td { (connection.name) } td colspan="3" {
                "left alone after failures in a row"
                @if let Some(seconds) = connection.asked_again_seconds { "; asked again in " (seconds) " s" } @else { "; one request looks whether it answers" }
            } }
        }
        @for patrol in &connection.patrol {
            tr { td { (connection.name) "." (patrol.stream) " patrol" } td colspan="3" {
                (patrol.percent) " % of this round"
                @if let Some(at) = &patrol.whole_at { " · all read again by " (at) }
                @if patrol.is_late { " · " b { "late" } }
                @if let Some(why) = &patrol.halted { " · halted: " (row(why)) }
            } }
        }
        @if connection.repairs.iter().any(|repair| repair.total > 0) {
            tr { td { (connection.name) " repaired by the patrol" } td colspan="3" {
                @for (at, repair) in connection.repairs.iter().filter(|repair| repair.total > 0).enumerate() {
                    @if at > 0 { " · " } (repair.total) " " (words::cause(repair.cause))
                }
            } }
        }
        @if connection.hints_waiting > 0 || connection.hooks.values().any(|count| *count > 0) {
            tr { td { (connection.name) " webhooks" } td colspan="3" {
                (connection.hints_waiting) " records to look at"
                @for (outcome, count) in connection.hooks.iter().filter(|(_, count)| **count > 0) { " · " (count) " " (outcome) }
            } }
        }
    }
}

fn channels(status: &view::StatusView) -> Markup {
    html! {
        @if status.notices_held > 0 { p { (status.notices_held) " notices wait for the end of quiet hours" } }
        table {
            thead { tr { th { "Channel" } th { "Last notice arrived" } th { "Last self-test arrived" } } }
            tbody {
                @for channel in &status.channels {
                    tr {
                        td { (row(&channel.name)) }
                        td { @match &channel.told_at { Some(at) => (at), None => "none yet" } }
                        td { @match &channel.tested_at { Some(at) => (at), None => "never: baton notify test" } }
                    }
                }
            }
        }
    }
}

fn story(lead: &view::LeadView) -> Markup {
    html! {
        header {
            p { a href="/" { "Board" } }
            h1 { (row(&lead.who)) " " small { (lead.lead) } }
            p.facts {
                "Stage " b { (lead.stage) } " since " (lead.stage_since) " · grade " b { (lead.grade) }
                " · fit " (lead.score[0]) " · intent " (lead.score[1]) " · engagement " (lead.score[2])
                @if lead.is_adopted { " · past the bar before the agreement acted: only watched" }
                @if let Some(until) = &lead.rests_until { " · rests until " (until) }
            }
        }
        @for handoff in lead.handoffs.iter().rev() {
            section {
                h2 { "Hand-off " (handoff.id) ": " (row(&handoff.state)) }
                @for turn in &handoff.turns {
                    h3 { "Turn " (turn.number) ": " (row(&turn.owner)) " " small { (row(&turn.why)) } }
                    @for clock in &turn.clocks {
                        p {
                            b { (row(&clock.commitment)) } " within " (clock.time)
                            @if let Some(due) = &clock.due_at { ", due " (due) }
                            @if let Some(met) = &clock.met_at { ", kept " (met) }
                            @if !clock.calendar.is_empty() { " (" (clock.counted) " counted by calendar " (clock.calendar) ")" }
                        }
                        ul.steps { @for step in &clock.steps { li { (step) } } }
                    }
                }
            }
        }
        @if !lead.coverage.is_empty() {
            section { h2 { "Read until" } ul { @for stream in &lead.coverage { li { (row(&stream.words())) } } } }
        }
        section {
            h2 { "Score" }
            ul { @for part in &lead.score_parts { li { (row(part)) } } @if lead.score_parts.is_empty() { li.plain { "No rule gives points." } } }
            @if let Some(why_not) = &lead.why_not { (shortfalls(why_not)) }
        }
        @if !lead.routing.is_empty() { section { h2 { "Who would get it now" } (routes(&lead.routing)) } }
        section { h2 { "What happened" } (event_list(&lead.events)) }
        @if !lead.findings.is_empty() { section { h2 { "What you should know" } (finding_list(&lead.findings)) } }
        section {
            h2 { "Effects" }
            @if lead.effects.is_empty() { p.empty { "None: nothing was written or sent because of this lead." } }
            @else { table {
                thead { tr { th { "Effect" } th { "To" } th { "State" } th { "Settled" } th { "Note" } } }
                tbody {
                    @for effect in &lead.effects {
                        tr {
                            td { (effect.effect) } td { (row(&effect.to)) } td { (effect.state) }
                            td { @if let Some(at) = &effect.settled_at { (at) } } td { (whole(&effect.note())) }
                        }
                    }
                }
            } }
        }
        section {
            h2 { "Known facts" }
            table {
                thead { tr { th { "Fact" } th { "Value" } th { "From" } th { "Since" } th { "Others say" } } }
                tbody {
                    @for fact in &lead.facts {
                        tr {
                            td { (fact.field) } td { (whole(&fact.value)) } td { (fact.from) } td { (fact.since) }
                            td { (whole(&fact.conflicts.join("; "))) }
                        }
                    }
                }
            }
            @if let Some(company) = &lead.company {
                p { "Company " (row(company.name.as_deref().unwrap_or("without a name"))) ": " (company.open_deals) " open deals, " (company.engaged) " engaged leads" }
            }
            @if !lead.deals.is_empty() {
                h3 { "Deals" }
                ul { @for deal in &lead.deals { li { (row(&deal.line())) } } }
            }
            ul { @for record in &lead.records { li { (record.record) ": " (row(&record.link)) " (" (record.presence) ")" } } @for apart in &lead.apart { li { (row(apart)) } } }
        }
    }
}

fn shortfalls(why_not: &view::WhyNotView) -> Markup {
    html! {
        h3 { "Why this is not an MQL yet" }
        p { (whole(&why_not.headline)) }
        @if let Some(segment) = &why_not.segment { p { "Segment " (whole(segment)) } }
        table {
            thead { tr { th { "Rule" } th { "Needs" } th { "Found" } th { "What would raise it" } } }
            tbody {
                @for part in &why_not.parts {
                    tr {
                        td { (part.of) } td { code { (whole(&part.needs)) } } td { (row(&part.found)) }
                        td { ul { @for help in &part.helps { li { (row(help)) } } } }
                    }
                }
            }
        }
    }
}

fn routes(routes: &[view::RouteView]) -> Markup {
    html! {
        table {
            thead { tr { th { "Routing rule" } th { "Holds" } th { "Why, or why not" } } }
            tbody {
                @for route in routes {
                    tr { td { (row(&route.rule)) @if route.wins { " " b { "wins" } } } td { (if route.holds { "yes" } else { "no" }) } td.why { (row(&route.why)) } }
                }
            }
        }
    }
}
