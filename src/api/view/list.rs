//! The rows of the board: open hand-offs, events, findings.

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::company::CompanyRecord;
use crate::domain::field::Field;
use crate::domain::handoff::{Handoff, HandoffState};
use crate::domain::id::RecordRef;
use crate::engine::{Engine, Rules};
use crate::report::words;
use crate::store::StoreError;

use super::Moment;

/// An open hand-off.
#[derive(Clone, Debug, Serialize)]
pub struct HandoffView {
    /// `L-42/1`.
    pub id: String,
    /// `L-42`.
    pub lead: String,
    /// The lead's name, else its address, else its number.
    pub who: String,
    /// incomplete, waiting, running, proposed or shadow.
    pub state: &'static str,
    /// The turn's owner.
    pub owner: Option<String>,
    /// Why them.
    pub why: Option<String>,
    /// Which turn.
    pub turn: u32,
    /// The commitment that is due next.
    pub commitment: Option<String>,
    /// When.
    pub due_at: Option<Moment>,
    /// `in 2 h 10 min`, `35 min late`.
    pub left: Option<String>,
    /// Is it late?
    pub is_late: bool,
    /// `A1`.
    pub grade: String,
    /// Where the lead works, if known.
    pub company: Option<String>,
    /// How long it has been open, over all turns.
    pub waited: Option<String>,
}

/// An event.
#[derive(Clone, Debug, Serialize)]
pub struct EventView {
    /// Its place in the journal.
    pub seq: i64,
    /// When it happened.
    pub at: Moment,
    /// `L-42`.
    pub lead: String,
    /// The lead's name or number.
    pub who: String,
    /// What happened.
    pub text: String,
    /// good, warn, bad, back or plain.
    pub tone: &'static str,
}

/// A finding.
#[derive(Clone, Debug, Serialize)]
pub struct FindingView {
    /// Its kind.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// How many other subjects the same is said of.
    pub others: i64,
    /// Subject and others in words.
    #[serde(skip)]
    pub subjects: String,
    /// What a person reads.
    pub text: String,
    /// Since when.
    pub since: Option<Moment>,
}

/// Open hand-offs by time left.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn handoffs(engine: &Engine, limit: usize) -> Result<Vec<HandoffView>, StoreError> {
    let rules = engine.rules();
    let now = engine.clock().now();
    let rows = engine.store().open_handoffs(limit).await?;
    let refs: Vec<RecordRef> = rows.iter().filter_map(|row| row.company.clone()).collect();
    let companies = engine.store().companies(&refs).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let is_theirs = |company: &&CompanyRecord| Some(&company.of) == row.company.as_ref();
            let company = companies.iter().find(is_theirs).and_then(|company| company.value(Field::CompanyName));
            let company = company.map(ToString::to_string);
            let who = row.name.or(row.email).unwrap_or_else(|| row.handoff.id.lead.to_string());
            HandoffView { company, ..handoff(&row.handoff, who, row.score.grade.to_string(), now, &rules) }
        })
        .collect())
}

fn handoff(handoff: &Handoff, who: String, grade: String, now: Timestamp, rules: &Rules) -> HandoffView {
    let turn = handoff.turn();
    let due_at = handoff.due_at();
    let next = turn.and_then(|turn| {
        turn.clocks.iter().filter(|clock| clock.is_running() && clock.due_at.is_some()).min_by_key(|clock| clock.due_at)
    });
    let state = match &handoff.state {
        HandoffState::Incomplete { .. } => "incomplete",
        HandoffState::Open | HandoffState::Closed { .. } if handoff.proposed_at.is_some() => "proposed",
        HandoffState::Open | HandoffState::Closed { .. } if handoff.is_shadow => "shadow",
        HandoffState::Open | HandoffState::Closed { .. } if turn.is_none_or(|turn| turn.clock_from.is_none()) => {
            "waiting"
        }
        HandoffState::Open | HandoffState::Closed { .. } => "running",
    };
    HandoffView {
        id: handoff.id.to_string(),
        lead: handoff.id.lead.to_string(),
        who,
        state,
        owner: turn.map(|turn| rules.roster.name_of(&turn.owner).to_owned()),
        why: turn.map(|turn| turn.why.clone()),
        turn: turn.map_or(0, |turn| turn.number),
        commitment: next.map(|clock| clock.name.to_string()),
        due_at: due_at.map(|at| Moment::new(at, &rules.zone)),
        left: due_at.map(|at| words::left(now, at)),
        is_late: due_at.is_some_and(|at| at < now),
        grade,
        company: None,
        waited: Some(words::span(now.duration_since(handoff.opened_at))),
    }
}

/// Events after `seq`, the newest first.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn events(engine: &Engine, after: i64, limit: usize) -> Result<Vec<EventView>, StoreError> {
    let rules = engine.rules();
    let rows = engine.store().recent_events(after, limit).await?;
    Ok(rows.into_iter().map(|row| event(row, &rules)).collect())
}

pub(super) fn event(row: crate::store::EventRow, rules: &Rules) -> EventView {
    EventView {
        seq: row.seq,
        at: Moment::new(row.event.at, &rules.zone),
        lead: row.lead.to_string(),
        who: row.name.unwrap_or_else(|| row.lead.to_string()),
        text: words::happening(&row.event.what, &rules.roster),
        tone: words::tone(&row.event.what),
    }
}

/// Findings that stand.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn findings(engine: &Engine, limit: usize) -> Result<Vec<FindingView>, StoreError> {
    let zone = engine.rules().zone.clone();
    Ok(engine.store().findings(limit).await?.into_iter().map(|row| finding(row, &zone)).collect())
}

pub(super) fn finding(row: crate::store::FindingRow, zone: &jiff::tz::TimeZone) -> FindingView {
    FindingView {
        subjects: row.subjects(),
        kind: row.kind,
        subject: row.subject,
        others: row.others,
        text: row.text,
        since: row.first_at.map(|at| Moment::new(at, zone)),
    }
}
