//! Hand-offs as a table for spreadsheets: CSV by RFC 4180, a line for each.
//!
//! What a CRM says is text, whatever a spreadsheet would make of it: a cell that it would take for a formula gets an apostrophe
//! before it. Numbers are written as numbers, times as the workspace's own.

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use csv::{Terminator, Writer, WriterBuilder};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use serde::Deserialize;

use crate::domain::handoff::{CommitmentClock, Handoff, HandoffState, Outcome};
use crate::domain::id::{HandoffId, LeadId};
use crate::domain::lead::Points;
use crate::engine::Rules;
use crate::store::HandoffRow;

use super::Api;
use super::error::ApiError;

/// Rows of one table: more than anybody looks through, and little enough to be held in memory.
const ROWS_MAX: usize = 50_000;
/// Rows read at once.
const PAGE: usize = 500;
/// How far a table reaches back that names no beginning.
const BACK: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The columns; the names are fixed, and new ones come last.
const COLUMNS: [&str; 24] = [
    "handoff",
    "lead",
    "name",
    "stage",
    "grade",
    "fit",
    "intent",
    "engagement",
    "state",
    "owner",
    "owner_address",
    "team",
    "turns",
    "qualified",
    "opened",
    "clock_started",
    "due",
    "touched",
    "minutes_to_touch",
    "in_time",
    "breaches",
    "outcome",
    "reason",
    "closed",
];

/// What is asked for: dates (`2026-11-24`, both included, in the workspace's zone) or instants.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    from: Option<String>,
    to: Option<String>,
}

/// From when until when; what lies at the end is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    from: Timestamp,
    to: Timestamp,
}

/// Hand-offs that were open within the range, by lead and number.
pub(super) async fn handoffs(State(api): State<Api>, Query(asked): Query<Asked>) -> Result<Response, ApiError> {
    let rules = api.engine.rules();
    let range = Range::of(&asked, api.engine.clock().now(), &rules.zone)?;
    let mut table = writer();
    let mut rows = 0;
    table.write_record(COLUMNS).map_err(unwritten)?;
    let mut after = HandoffId { lead: LeadId(0), number: 0 };
    loop {
        let page = api.engine.store().handoffs_after(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.handoff.id;
        for row in page.iter().filter(|row| range.meets(&row.handoff)) {
            table.write_record(cells(row, &rules)).map_err(unwritten)?;
            rows += 1;
        }
        if rows > ROWS_MAX {
            let sentence =
                format!("more than {ROWS_MAX} hand-offs: ask for less time with ?from=2026-11-01&to=2026-11-30");
            return Err(ApiError::BadRange(sentence));
        }
    }
    let body = table.into_inner().map_err(|_| ApiError::Unavailable)?;
    let name = format!("attachment; filename=\"handoffs-{}.csv\"", range.to.to_zoned(rules.zone.clone()).date());
    Ok((
        [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present".to_owned()),
            (header::CONTENT_DISPOSITION, name),
        ],
        body,
    )
        .into_response())
}

fn writer() -> Writer<Vec<u8>> {
    // The mark at the beginning is what makes Excel read UTF-8.
    WriterBuilder::new().terminator(Terminator::CRLF).from_writer("\u{feff}".as_bytes().to_vec())
}

fn unwritten(error: csv::Error) -> ApiError {
    tracing::error!("a table could not be written: {error}");
    ApiError::Unavailable
}

impl Range {
    fn of(asked: &Asked, now: Timestamp, zone: &TimeZone) -> Result<Self, ApiError> {
        let from = match &asked.from {
            Some(text) => instant("from", text, zone, 0)?,
            None => now.saturating_sub(BACK).unwrap_or(Timestamp::MIN),
        };
        let to = match &asked.to {
            Some(text) => instant("to", text, zone, 1)?,
            // What is opened in this moment is in it.
            None => now.saturating_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX),
        };
        if from >= to {
            return Err(ApiError::BadRange("`from` lies behind `to`: exchange them".to_owned()));
        }
        Ok(Self { from, to })
    }

    /// Was it open at any time within the range?
    fn meets(self, handoff: &Handoff) -> bool {
        let is_over = matches!(&handoff.state, HandoffState::Closed { at, .. } if *at < self.from);
        handoff.opened_at < self.to && !is_over
    }
}

/// An instant, or the midnight that is `days` behind the beginning of a date.
fn instant(key: &str, text: &str, zone: &TimeZone, days: i64) -> Result<Timestamp, ApiError> {
    let midnight = |date: Date| {
        let date = date.checked_add(Span::new().days(days)).ok()?;
        Some(zone.to_ambiguous_zoned(date.to_datetime(Time::midnight())).compatible().ok()?.timestamp())
    };
    let found = text.parse::<Date>().ok().filter(|_| text.len() == 10).and_then(midnight);
    found.or_else(|| text.parse().ok()).ok_or_else(|| {
        ApiError::BadRange(format!("`{key}` is no date: write it as {key}=2026-11-24 or {key}=2026-11-24T08:00:00Z"))
    })
}

/// The cells of one line, in the order of [`COLUMNS`].
fn cells(row: &HandoffRow, rules: &Rules) -> [String; COLUMNS.len()] {
    let handoff = &row.handoff;
    let Points { fit, intent, engagement, grade } = row.score;
    let at = |at: Option<Timestamp>| at.map_or_else(String::new, |at| time(at, &rules.zone));
    let turn = handoff.turns.last();
    let promise = turn.and_then(|turn| turn.clocks.first());
    let touched = handoff.turns.iter().filter_map(|turn| turn.clocks.first()?.met.as_ref()).map(|met| met.at).min();
    let started = handoff.turns.iter().find_map(|turn| turn.clock_from);
    let (outcome, reason) = ended(handoff);
    let closed = match &handoff.state {
        HandoffState::Closed { at, .. } => Some(*at),
        HandoffState::Open | HandoffState::Incomplete { .. } => None,
    };
    [
        text(&handoff.id.to_string()),
        text(&handoff.id.lead.to_string()),
        text(row.name.as_deref().unwrap_or_default()),
        text(&row.stage),
        text(&grade.to_string()),
        fit.to_string(),
        intent.to_string(),
        engagement.to_string(),
        state(handoff).to_owned(),
        text(turn.map_or("", |turn| rules.roster.name_of(&turn.owner))),
        text(turn.map_or("", |turn| turn.owner.as_str())),
        text(turn.and_then(|turn| turn.team.as_ref()).map_or("", |team| team.as_str())),
        handoff.turns.len().to_string(),
        at(Some(handoff.qualified_at)),
        at(Some(handoff.opened_at)),
        at(started),
        at(promise.and_then(|clock| clock.due_at)),
        at(touched),
        started
            .zip(touched)
            .map_or_else(String::new, |(from, to)| to.duration_since(from).as_mins().max(0).to_string()),
        promise.map_or("", in_time).to_owned(),
        breaches(handoff).to_string(),
        outcome.to_owned(),
        text(&reason),
        at(closed),
    ]
}

fn state(handoff: &Handoff) -> &'static str {
    match &handoff.state {
        HandoffState::Closed { .. } => "ended",
        HandoffState::Open | HandoffState::Incomplete { .. } if handoff.is_shadow => "shadow",
        HandoffState::Incomplete { .. } => "incomplete",
        HandoffState::Open => "open",
    }
}

fn in_time(clock: &CommitmentClock) -> &'static str {
    match (&clock.met, clock.due_at) {
        (Some(met), Some(due)) if met.at > due => "no",
        (Some(_), _) => "yes",
        (None, _) if is_breached(clock) => "no",
        (None, _) => "",
    }
}

/// Promises that were not kept in time, of all turns.
fn breaches(handoff: &Handoff) -> usize {
    handoff.turns.iter().flat_map(|turn| &turn.clocks).filter(|clock| is_breached(clock)).count()
}

fn is_breached(clock: &CommitmentClock) -> bool {
    clock.ladder.iter().zip(&clock.steps).any(|(rung, step)| rung.at_percent >= 100 && step.is_fired())
}

fn ended(handoff: &Handoff) -> (&'static str, String) {
    let HandoffState::Closed { outcome, .. } = &handoff.state else { return ("", String::new()) };
    match outcome {
        Outcome::Qualified => ("qualified", String::new()),
        Outcome::Rejected(reason) => ("rejected", reason.to_string()),
        Outcome::Recycled(reason) => ("recycled", reason.to_string()),
        Outcome::Merged(into) => ("merged", into.to_string()),
        Outcome::Gone => ("gone", String::new()),
        Outcome::Skipped(why) => ("skipped", why.to_string()),
    }
}

/// A time as spreadsheets read one: `2026-11-24 09:00:00`.
fn time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// What others wrote, as text that stays text.
///
/// What a spreadsheet takes for the beginning of a formula gets an apostrophe before it, full-width signs included; a plain
/// number stays one.
fn text(value: &str) -> String {
    const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    let is_formula = value.starts_with(FORMULA) && !is_number(value);
    if is_formula { format!("'{value}") } else { value.to_owned() }
}

/// Digits with a minus before them and a point among them, and nothing else.
fn is_number(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    are_digits(whole) && are_digits(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line with this cell, as it stands in the file.
    fn written(cell: &str) -> String {
        let mut table = writer();
        table.write_record(["a", cell, "z"]).unwrap();
        let line = String::from_utf8(table.into_inner().unwrap()).unwrap();
        line.trim_start_matches('\u{feff}').to_owned()
    }

    #[test]
    fn no_cell_is_a_formula_and_numbers_stay_numbers_fault_120() {
        for (value, expected) in [
            ("=1+1", "'=1+1"),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+49 30 1234", "'+49 30 1234"),
            ("-1+1", "'-1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("\n=1", "'\n=1"),
            ("＝1+1", "'＝1+1"),
            ("-", "'-"),
            ("--5", "'--5"),
            ("-5e3", "'-5e3"),
            ("-5", "-5"),
            ("-5.25", "-5.25"),
            ("42", "42"),
            ("", ""),
            ("Jane Roe", "Jane Roe"),
            ("a=b", "a=b"),
            ("'=1", "'=1"),
        ] {
            assert_eq!(text(value), expected, "{value:?}");
        }
    }

    #[test]
    fn cells_are_quoted_as_rfc_4180_says() {
        for (cell, expected) in [
            ("plain", "a,plain,z\r\n"),
            ("one, two", "a,\"one, two\",z\r\n"),
            ("say \"hi\"", "a,\"say \"\"hi\"\"\",z\r\n"),
            ("two\nlines", "a,\"two\nlines\",z\r\n"),
            ("two\r\nlines", "a,\"two\r\nlines\",z\r\n"),
            ("", "a,,z\r\n"),
            ("Zoë – größer", "a,Zoë – größer,z\r\n"),
        ] {
            assert_eq!(written(cell), expected, "{cell:?}");
            let read =
                csv::ReaderBuilder::new().has_headers(false).from_reader(written(cell).as_bytes()).records().next();
            assert_eq!(&read.unwrap().unwrap()[1], cell);
        }
    }

    #[test]
    fn a_range_is_of_whole_days_in_the_workspaces_zone() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let now: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        let asked =
            |from: Option<&str>, to: Option<&str>| Asked { from: from.map(str::to_owned), to: to.map(str::to_owned) };
        let range = |from, to| {
            Range::of(&asked(from, to), now, &zone).ok().map(|range| (range.from.to_string(), range.to.to_string()))
        };
        let pair = |from: &str, to: &str| Some((from.to_owned(), to.to_owned()));
        assert_eq!(range(Some("2026-11-01"), Some("2026-11-30")), pair("2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z"));
        assert_eq!(range(Some("2026-11-01T05:00:00Z"), None), pair("2026-11-01T05:00:00Z", "2026-11-24T08:00:01Z"));
        assert_eq!(range(None, None), pair("2026-10-25T08:00:00Z", "2026-11-24T08:00:01Z"));
        for (from, to) in [
            ("yesterday", "2026-11-30"),
            ("2026-11-30", "2026-11-01"),
            ("2026-13-01", "2026-11-30"),
            ("", "2026-11-30"),
        ] {
            assert_eq!(range(Some(from), Some(to)), None, "{from}..{to}");
        }
    }
}
