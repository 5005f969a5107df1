//! What stands behind the figures: how far each connection was read, what the patrol repaired, whether notices arrive.

use maud::{Markup, html};

use crate::domain::counted::{many, noun};
use crate::report::words;

use super::super::view;
use super::{moment, row};

/// A line for each connection, and all of it for whoever opens it.
pub(super) fn section(status: &view::StatusView) -> Markup {
    html! {
        section aria-labelledby="health" {
            h2 id="health" { "Health and coverage" }
            ul.health scope="col" {
                @for connection in &status.connections { (line(connection)) }
                @for channel in &status.channels {
                    li {
                        b { (row(&channel.name)) } " "
                        @match &channel.told_at { Some(at) => { "last notice arrived " (moment(at)) }, None => "no notice has been sent yet" }
                    }
                }
                @if status.notices_held > 0 { li.warn { (many(status.notices_held, "notice waits", "notices wait")) " for the end of quiet hours" } }
            }
            details { summary { "Streams, requests, patrol and webhooks" } (connections(status)) }
            @if !status.channels.is_empty() { details { summary { "Channels" } (channels(status)) } }
        }
    }
}

fn line(connection: &view::ConnectionView) -> Markup {
    // Who has an account is asked for at a pace of its own, up to once an hour: it says nothing of how old the leads are.
    let behind =
        connection.streams.iter().filter(|stream| !stream.is_of_users).filter_map(|stream| stream.lag_seconds).max();
    let is_first_pass = connection.streams.iter().any(|stream| stream.covered_until.is_none());
    let blind = connection.streams.iter().filter(|stream| stream.is_blind || stream.error.is_some()).count();
    let is_well = blind == 0 && connection.breaker == "closed";
    html! {
        li.(if is_well { "good" } else { "bad" }) {
            b { (connection.name) } " "
            @if !is_well {
                span { (if blind > 0 { "cannot be judged by" } else { "does not answer" }) }
                @if blind > 0 { " (" (blind) " of " (many(connection.streams.len(), "stream", "streams")) " " (noun(blind, "is", "are")) " not read up to the present)" }
            } @else if is_first_pass { span { "first pass under way" } }
            @else {
                span { "well" } @if let Some(seconds) = behind { ": everything read up to " (words::span(jiff::SignedDuration::from_secs(seconds))) " ago" }
            }
        }
    }
}

fn connections(status: &view::StatusView) -> Markup {
    html! {
        table {
            thead { tr { th scope="col" { "Stream" } th scope="col" { "Read until" } th scope="col" { "Behind" } th scope="col" { "Trouble" } } }
            tbody {
                @for connection in &status.connections {
                    @for stream in &connection.streams {
                        tr {
                            td { (stream.name) }
                            td { @match &stream.covered_until { Some(at) => (moment(at)), None => "first pass under way" } }
                            td { @if let Some(seconds) = stream.lag_seconds { (words::span(jiff::SignedDuration::from_secs(seconds))) } }
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
                (many(connection.hints_waiting, "record", "records")) " to look at"
                @for (outcome, count) in connection.hooks.iter().filter(|(_, count)| **count > 0) { " · " (count) " " (outcome) }
            } }
        }
    }
}

fn channels(status: &view::StatusView) -> Markup {
    html! {
        table {
            thead { tr { th scope="col" { "Channel" } th scope="col" { "Last notice arrived" } th scope="col" { "Last self-test arrived" } } }
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
