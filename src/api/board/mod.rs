//! The board: the same views as the API, as pages. No script; what renews itself says how to stop that.
//!
//! [`home`] is what is due and how things stand, [`lead`] one lead's whole story, [`company`] who may decide at one company, [`health`] what stands behind both,
//! [`nav`] leads from one to the other.

pub(super) mod company;
mod health;
pub(super) mod home;
pub(super) mod lead;
mod nav;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use crate::report::words;

use super::access::{Caller, RENEWED};
use super::view;

pub(super) use nav::{Waits, nav};

/// Characters of a value in a row.
const ROW_CHARS_MAX: usize = 200;
/// Characters of a value on a lead's own page.
const PAGE_CHARS_MAX: usize = 2_000;

pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("board.css")).into_response()
}

/// What somebody else wrote, in a row: cut, and with a reading direction of its own.
pub(super) fn row(text: &str) -> Markup {
    html! { bdi { (words::shown(text, ROW_CHARS_MAX)) } }
}

/// The same on a lead's own page.
fn whole(text: &str) -> Markup {
    html! { bdi { (words::shown(text, PAGE_CHARS_MAX)) } }
}

/// An instant, for people and for machines that read the page.
pub(super) fn moment(at: &view::Moment) -> Markup {
    html! { time datetime=(at.at) { (at) } }
}

/// A page. What renews itself says so in its address: nobody is at work there. `caller`: who is logged in, if anybody is.
pub(super) fn page(title: &str, refresh_seconds: Option<u32>, caller: Option<&Caller>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(seconds) = refresh_seconds { meta http-equiv="refresh" content={ (seconds) "; url=/?" (RENEWED) }; }
                title { (words::flat(title, ROW_CHARS_MAX)) }
                link rel="stylesheet" href="/board.css";
            }
            body {
                a.skip href="#main" { "To the content" }
                @if let Some((name, role)) = caller.and_then(Caller::shown) {
                    nav.who aria-label="Who you are" {
                        span { (row(name.as_str())) " · " (role.as_str()) }
                        form method="post" action="/logout" { button { "Log out" } }
                    }
                }
                main id="main" { (body) }
            }
        }
    }
}

/// `is_of_many`: each line names its lead.
fn event_list(events: &[view::EventView], is_of_many: bool) -> Markup {
    html! {
        ul.events {
            @for event in events {
                li.(event.tone) { (moment(&event.at)) div { @if is_of_many { a href={ "/leads/" (event.lead) } { (row(&event.who)) } " " } span { (row(&event.text)) } } }
            }
            @if events.is_empty() { li.plain { "Nothing yet." } }
        }
    }
}

fn finding_list(findings: &[view::FindingView]) -> Markup {
    html! {
        ul.findings {
            @for finding in findings { li { b { (row(&finding.subjects)) } " " span { (whole(&finding.text)) } } }
            @if findings.is_empty() { li.plain { "Nothing." } }
        }
    }
}
