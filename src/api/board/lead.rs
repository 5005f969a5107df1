//! One lead's whole story.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use crate::domain::counted::many;

use super::super::access::Caller;
use super::super::error::ApiError;
use super::super::{Api, no_address, view};
use super::{Waits, company, event_list, finding_list, moment, nav, page, row, whole};

pub(in crate::api) async fn lead(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(lead): Path<String>,
) -> Result<Response, ApiError> {
    no_address(&lead)?;
    let found = view::lead(api.engine.store(), &api.engine.rules(), api.engine.clock().now(), &lead).await?;
    let lead = found.ok_or(ApiError::NotFound("no lead has this number or record"))?;
    let waits = Waits::of(&api).await?;
    let title = format!("{} {}", lead.lead, lead.who);
    Ok(page(&title, None, Some(&caller), &html! { (nav("", &waits)) (story(&lead)) }).into_response())
}

fn story(lead: &view::LeadView) -> Markup {
    html! {
        header {
            h1 { (row(&lead.who)) " " small { (lead.lead) } }
            p.facts {
                "Stage " b { (lead.stage) } " since " (moment(&lead.stage_since)) " · grade " b { (lead.grade) }
                " · fit " (lead.score[0]) " · intent " (lead.score[1]) " · engagement " (lead.score[2])
                @if let Some(company) = lead.company.as_ref().and_then(|company| company.name.as_deref()) { " · " (row(company)) }
                @if lead.is_adopted { " · past the bar before the agreement acted: only watched" }
                @if let Some(until) = &lead.rests_until { " · rests until " (moment(until)) }
            }
            @if lead.records.is_empty() { p.banner { "Erased at a person's word: of who it was nothing is kept, of what happened only when." } }
        }
        @if !lead.findings.is_empty() { section { h2 { "What you should know" } (finding_list(&lead.findings)) } }
        @for handoff in lead.handoffs.iter().rev() { (self::handoff(handoff, lead)) }
        @if !lead.journeys.is_empty() { section { h2 { "Journeys" } (journeys(&lead.journeys)) } }
        @if let Some(committee) = &lead.committee {
            section {
                h2 { "Who is known at " a href={ "/companies/" (committee.row.company) } { (row(committee.row.name.as_deref().unwrap_or("its company"))) } }
                (company::people(committee))
            }
        }
        div.columns {
            section { h2 { "What happened" } (event_list(&lead.events, false)) }
            div {
                section {
                    h2 { "Score" }
                    ul { @for part in &lead.score_parts { li { (row(part)) } } @if lead.score_parts.is_empty() { li.plain { "No rule gives points." } } }
                    @if let Some(why_not) = &lead.why_not { (shortfalls(why_not)) }
                }
                @if !lead.routing.is_empty() { section { h2 { "Who would get it now" } (routes(&lead.routing)) } }
            }
        }
        (facts(lead))
        (effects(&lead.effects))
        @if !lead.coverage.is_empty() {
            section { details { summary { "How far its CRMs were read" } ul { @for stream in &lead.coverage { li { (row(&stream.words())) } } } } }
        }
    }
}

/// Turn by turn; what ended is folded.
fn handoff(handoff: &view::HandoffStory, lead: &view::LeadView) -> Markup {
    let journey = lead.journeys.iter().find(|journey| journey.handoffs.contains(&handoff.id));
    let last = handoff.turns.len();
    html! {
        section {
            h2 {
                "Hand-off " (handoff.id) ": " (row(&handoff.state))
                @if let Some(journey) = journey.filter(|_| lead.journeys.len() > 1) { " " small { "journey " (journey.number) } }
            }
            @for turn in &handoff.turns {
                h3 { "Turn " (turn.number) ": " (row(&turn.owner)) " " small { (row(&turn.why)) } }
                @if turn.clocks.is_empty() { p.empty { "No clock runs." } }
                @for clock in &turn.clocks {
                    p {
                        b { (row(&clock.commitment)) } " within " (clock.time)
                        @if let Some(due) = &clock.due_at { ", due " (moment(due)) }
                        @if let Some(met) = &clock.met_at { ", " b.kept { "kept " (moment(met)) } }
                        @if !clock.calendar.is_empty() && usize::try_from(turn.number).is_ok_and(|number| number == last) { " (" (clock.counted) " counted by calendar " (clock.calendar) ")" }
                    }
                    p.steps { @for (at, step) in clock.steps.iter().enumerate() { @if at > 0 { " · " } (step) } }
                }
            }
        }
    }
}

fn journeys(journeys: &[view::JourneyView]) -> Markup {
    html! {
        table.cards {
            thead { tr { th scope="col" { "Journey" } th scope="col" { "Began" } th scope="col" { "Furthest" } th scope="col" { "Hand-offs" } th scope="col" { "Deals" } th scope="col" { "Ended" } } }
            tbody {
                @for journey in journeys {
                    tr {
                        td data-label="Journey" { b { (journey.number) } }
                        td data-label="Began" { (journey.began) ", " (moment(&journey.began_at)) }
                        td data-label="Furthest" { (journey.furthest) ", " (moment(&journey.furthest_at)) }
                        td data-label="Hand-offs" { (journey.handoffs.join(", ")) }
                        @if journey.deals.is_empty() { td {} } @else { td data-label="Deals" { (row(&journey.deals.join(", "))) } }
                        td data-label="Ended" {
                            @match (journey.ended, &journey.ended_at) {
                                (Some(ended), Some(at)) => { (ended) @if let Some(why) = &journey.why { " (" (row(why)) ")" } ", " (moment(at)) }
                                _ => b { "goes on" },
                            }
                        }
                    }
                }
            }
        }
    }
}

fn facts(lead: &view::LeadView) -> Markup {
    html! {
        section {
            h2 { "Known facts" }
            table.cards {
                thead { tr { th scope="col" { "Fact" } th scope="col" { "Value" } th scope="col" { "From" } th scope="col" { "Since" } th scope="col" { "Others say" } } }
                tbody {
                    @for fact in &lead.facts {
                        tr {
                            td { (fact.field) } td data-label="Value" { (whole(&fact.value)) } td data-label="From" { (fact.from) } td data-label="Since" { (moment(&fact.since)) }
                            @if fact.conflicts.is_empty() { td {} } @else { td data-label="Others say" { (whole(&fact.conflicts.join("; "))) } }
                        }
                    }
                }
            }
            @if let Some(company) = &lead.company {
                p { "Company " (row(company.name.as_deref().unwrap_or("without a name"))) ": " (many(company.open_deals, "open deal", "open deals")) ", " (many(company.engaged, "engaged lead", "engaged leads")) }
            }
            @if !lead.deals.is_empty() {
                h3 { "Deals" }
                ul { @for deal in &lead.deals { li { (row(&deal.line())) } } }
            }
            @if !lead.records.is_empty() {
                h3 { "Records" }
                ul { @for record in &lead.records { li { (record.record) ": " (row(&record.link)) " (" (record.presence) ")" } } @for apart in &lead.apart { li { (row(apart)) } } }
            }
        }
    }
}

fn effects(effects: &[view::EffectView]) -> Markup {
    html! {
        section {
            h2 { "What Baton wrote and sent" }
            @if effects.is_empty() { p.empty { "Nothing was written or sent because of this lead." } }
            @else { table.cards {
                thead { tr { th scope="col" { "Effect" } th scope="col" { "To" } th scope="col" { "State" } th scope="col" { "Settled" } th scope="col" { "Note" } } }
                tbody {
                    @for effect in effects {
                        tr {
                            td { (effect.effect) } td data-label="To" { (row(&effect.to)) } td data-label="State" { (effect.state) }
                            @if let Some(at) = &effect.settled_at { td data-label="Settled" { (moment(at)) } } @else { td {} }
                            @let note = effect.note();
                            @if note.is_empty() { td {} } @else { td data-label="Note" { (whole(&note)) } }
                        }
                    }
                }
            } }
        }
    }
}

fn shortfalls(why_not: &view::WhyNotView) -> Markup {
    html! {
        h3 { "Why this is not an MQL yet" }
        p { (whole(&why_not.headline)) }
        @if let Some(segment) = &why_not.segment { p { "Segment " (whole(segment)) } }
        table.cards {
            thead { tr { th scope="col" { "Rule" } th scope="col" { "Needs" } th scope="col" { "Found" } th scope="col" { "What would raise it" } } }
            tbody {
                @for part in &why_not.parts {
                    tr {
                        td { (part.of) } td data-label="Needs" { code { (whole(&part.needs)) } } td data-label="Found" { (row(&part.found)) }
                        td data-label="What would raise it" { ul { @for help in &part.helps { li { (row(help)) } } } }
                    }
                }
            }
        }
    }
}

fn routes(routes: &[view::RouteView]) -> Markup {
    html! {
        table.cards {
            thead { tr { th scope="col" { "Routing rule" } th scope="col" { "Holds" } th scope="col" { "Why, or why not" } } }
            tbody {
                @for route in routes {
                    tr { td { (row(&route.rule)) @if route.wins { " " b { "wins" } } } td data-label="Holds" { (if route.holds { "yes" } else { "no" }) } td.why data-label="Why, or why not" { (row(&route.why)) } }
                }
            }
        }
    }
}
