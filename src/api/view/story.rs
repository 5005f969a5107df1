//! A hand-off's story: its turns and their clocks.

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::handoff::{Handoff, HandoffState, Step};
use crate::engine::Rules;
use crate::report::{clock, words};

use super::Moment;

/// A hand-off with its turns and clocks.
#[derive(Clone, Debug, Serialize)]
pub struct HandoffStory {
    /// `L-42/1`.
    pub id: String,
    /// Where it stands.
    pub state: String,
    /// Its turns.
    pub turns: Vec<TurnView>,
}

/// A turn.
#[derive(Clone, Debug, Serialize)]
pub struct TurnView {
    /// Which.
    pub number: u32,
    /// Whose.
    pub owner: String,
    /// Why them.
    pub why: String,
    /// When the clock started.
    pub clock_from: Option<Moment>,
    /// Its clocks.
    pub clocks: Vec<ClockView>,
}

/// A commitment's clock.
#[derive(Clone, Debug, Serialize)]
pub struct ClockView {
    /// The commitment.
    pub commitment: String,
    /// The time given.
    pub time: String,
    /// When it is due.
    pub due_at: Option<Moment>,
    /// When it was kept.
    pub met_at: Option<Moment>,
    /// The ladder's steps with their fate.
    pub steps: Vec<String>,
    /// The calendar that counts.
    pub calendar: String,
    /// Open time so far.
    pub counted: String,
    /// Every stretch with its reason.
    pub stretches: Vec<StretchView>,
}

/// A stretch of a clock.
#[derive(Clone, Debug, Serialize)]
pub struct StretchView {
    /// From.
    pub from: Moment,
    /// To.
    pub to: Moment,
    /// How long it is.
    pub length: String,
    /// Did it count?
    pub counts: bool,
    /// Why, or why not.
    pub why: String,
}

pub(super) fn story(handoff: &Handoff, now: Timestamp, rules: &Rules) -> HandoffStory {
    let zone = &rules.zone;
    let state = match &handoff.state {
        HandoffState::Incomplete { missing, .. } => {
            let names: Vec<&str> = missing.iter().flatten().map(|field| field.name()).collect();
            format!("incomplete: {} missing", names.join(", "))
        }
        HandoffState::Open if handoff.proposed_at.is_some() => "proposed: its writes wait for a person".to_owned(),
        HandoffState::Open if handoff.is_shadow => "shadow: nobody is told of it and nobody held to it".to_owned(),
        HandoffState::Open => "open".to_owned(),
        HandoffState::Closed { outcome, at } => {
            let what = crate::domain::plan::Happening::Closed(outcome.clone());
            format!("{}, {}", words::happening(&what, &rules.roster), words::instant(*at, zone))
        }
    };
    let turns = handoff.turns.iter().map(|turn| {
        let accounts = clock::accounts(now, turn, &rules.roster);
        let is_running = !handoff.is_closed() && turn.ended.is_none();
        TurnView {
            number: turn.number,
            owner: rules.roster.name_of(&turn.owner).to_owned(),
            why: turn.why.clone(),
            clock_from: turn.clock_from.map(|at| Moment::new(at, zone)),
            clocks: turn
                .clocks
                .iter()
                .enumerate()
                .map(|(at, clock)| {
                    let account = accounts.get(at);
                    ClockView {
                        commitment: clock.name.to_string(),
                        time: clock.time.to_string(),
                        due_at: clock.due_at.map(|at| Moment::new(at, zone)),
                        met_at: clock.met.as_ref().map(|met| Moment::new(met.at, zone)),
                        steps: clock
                            .ladder
                            .iter()
                            .zip(&clock.steps)
                            .map(|(rung, step)| {
                                step_words(rung.at_percent, *step, is_running && clock.is_running(), zone)
                            })
                            .collect(),
                        calendar: account.map_or_else(String::new, |account| account.calendar.clone()),
                        counted: account.map_or_else(String::new, |account| words::span(account.counted)),
                        stretches: account.map_or_else(Vec::new, |account| {
                            let view = |stretch: &clock::Stretch| StretchView {
                                from: Moment::new(stretch.from, zone),
                                to: Moment::new(stretch.to, zone),
                                length: words::span(stretch.to.duration_since(stretch.from)),
                                counts: stretch.counts,
                                why: stretch.why.clone(),
                            };
                            account.stretches.iter().map(view).collect()
                        }),
                    }
                })
                .collect(),
        }
    });
    HandoffStory { id: handoff.id.to_string(), state, turns: turns.collect() }
}

fn step_words(at_percent: u32, step: Step, is_running: bool, zone: &jiff::tz::TimeZone) -> String {
    match step {
        Step::Waiting if is_running => format!("{at_percent} %: waiting"),
        Step::Waiting => format!("{at_percent} %: not reached"),
        Step::Fired { due_at, .. } => format!("{at_percent} %: fired {}", words::instant(due_at, zone)),
        Step::Withdrawn { at } => format!("{at_percent} %: withdrawn {}", words::instant(at, zone)),
    }
}
