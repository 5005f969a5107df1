//! The shapes of answers, made by hand: the one road from the store to a screen.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::field::Field;
use crate::domain::handoff::{Handoff, HandoffState, Step};
use crate::domain::lead::Projection;
use crate::engine::{Engine, Rules, Status};
use crate::report::{clock, words};
use crate::store::{Store, StoreError};

/// How Baton is.
#[derive(Clone, Debug, Serialize)]
pub struct StatusView {
    /// Are decisions taken?
    pub is_live: bool,
    /// The version of the agreement in force.
    pub agreement: String,
    /// `off` or `on`.
    pub writes: &'static str,
    /// `off` or `on`.
    pub notices: &'static str,
    /// The clock's present instant.
    pub now: String,
    /// How many times faster than real time the clock runs; 1 in earnest.
    pub time_factor: u32,
    /// Open hand-offs.
    pub handoffs_open: i64,
    /// Shadows among them.
    pub handoffs_shadow: i64,
    /// Leads by stage.
    pub leads_by_stage: BTreeMap<String, i64>,
    /// Effects by state.
    pub effects_by_state: BTreeMap<String, i64>,
    /// Every connection.
    pub connections: Vec<ConnectionView>,
    /// Every loop.
    pub loops: BTreeMap<String, LoopView>,
}

/// How a connection is.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionView {
    /// Its name.
    pub name: String,
    /// Every stream.
    pub streams: Vec<StreamView>,
    /// Every request budget.
    pub budgets: Vec<BudgetView>,
}

/// How far a stream was read.
#[derive(Clone, Debug, Serialize)]
pub struct StreamView {
    /// `hubspot.calls`.
    pub name: String,
    /// Everything up to then was read.
    pub covered_until: Option<String>,
    /// Seconds from then to now.
    pub lag_seconds: Option<i64>,
    /// Why it could not be read last time.
    pub error: Option<String>,
}

/// How a request budget stands.
#[derive(Clone, Debug, Serialize)]
pub struct BudgetView {
    /// Which.
    pub name: &'static str,
    /// Requests left in the window.
    pub left: Option<u32>,
    /// Requests a window allows Baton.
    pub limit: Option<u32>,
    /// Seconds until requests may leave again.
    pub wait_seconds: Option<u64>,
}

/// How a loop is.
#[derive(Clone, Debug, Serialize)]
pub struct LoopView {
    /// When its last pass ended.
    pub last_at: Option<String>,
    /// How long that took.
    pub duration_ms: u64,
    /// Failed passes in a row.
    pub failures: u32,
    /// How the last one failed.
    pub error: Option<String>,
}

/// An open hand-off.
#[derive(Clone, Debug, Serialize)]
pub struct HandoffView {
    /// `L-42/1`.
    pub id: String,
    /// `L-42`.
    pub lead: String,
    /// The lead's name, else its address, else its number.
    pub who: String,
    /// incomplete, waiting, running or shadow.
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
    pub due_at: Option<String>,
    /// `in 2 h 10 min`, `35 min late`.
    pub left: Option<String>,
    /// Is it late?
    pub is_late: bool,
    /// `A1`.
    pub grade: String,
}

/// An event.
#[derive(Clone, Debug, Serialize)]
pub struct EventView {
    /// Its place in the journal.
    pub seq: i64,
    /// When it happened.
    pub at: String,
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
    /// What a person reads.
    pub text: String,
    /// Since when.
    pub since: Option<String>,
}

/// A lead's whole story.
#[derive(Clone, Debug, Serialize)]
pub struct LeadView {
    /// `L-42`.
    pub lead: String,
    /// The lead's name, address or number.
    pub who: String,
    /// Its stage.
    pub stage: String,
    /// Since when.
    pub stage_since: String,
    /// Was it past the bar before the agreement acted?
    pub is_adopted: bool,
    /// Fit, intent, engagement.
    pub score: [i32; 3],
    /// `A1`.
    pub grade: String,
    /// The score, reason by reason; the points of each axis sum to it.
    pub score_parts: Vec<String>,
    /// Why it is not past the bar; empty if it is.
    pub why_not: Vec<String>,
    /// How often it returned to marketing.
    pub cycles: u32,
    /// No new hand-off before this.
    pub rests_until: Option<String>,
    /// Its records, and why each is linked.
    pub records: Vec<RecordView>,
    /// What is known, from where.
    pub facts: Vec<FactView>,
    /// Its hand-offs.
    pub handoffs: Vec<HandoffStory>,
    /// What happened, oldest first.
    pub events: Vec<EventView>,
    /// Every effect and its fate.
    pub effects: Vec<EffectView>,
    /// What a person should know.
    pub findings: Vec<FindingView>,
}

/// A record of a lead.
#[derive(Clone, Debug, Serialize)]
pub struct RecordView {
    /// `hubspot:person:501`.
    pub record: String,
    /// Why it belongs to the lead.
    pub link: String,
    /// live, gone or merged.
    pub presence: &'static str,
    /// Its stages: when, which, by whom.
    pub stages: Vec<String>,
}

/// A fact about a lead.
#[derive(Clone, Debug, Serialize)]
pub struct FactView {
    /// `company.employees`.
    pub field: &'static str,
    /// The value.
    pub value: String,
    /// The record it comes from.
    pub from: String,
    /// What other records say.
    pub conflicts: Vec<String>,
}

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
    pub clock_from: Option<String>,
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
    pub due_at: Option<String>,
    /// When it was kept.
    pub met_at: Option<String>,
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
    pub from: String,
    /// To.
    pub to: String,
    /// Did it count?
    pub counts: bool,
    /// Why, or why not.
    pub why: String,
}

/// An effect.
#[derive(Clone, Debug, Serialize)]
pub struct EffectView {
    /// The operation id.
    pub op: String,
    /// Where to.
    pub to: String,
    /// What.
    pub effect: String,
    /// Its state.
    pub state: String,
    /// How often it was tried.
    pub attempt: i64,
    /// When it was settled.
    pub settled_at: Option<String>,
    /// Why it is as it is.
    pub message: Option<String>,
}

/// How Baton is.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn status(engine: &Engine, status: &Status) -> Result<StatusView, StoreError> {
    use crate::domain::plan::Mode;
    let rules = engine.rules();
    let now = engine.clock().now();
    let overview = engine.store().overview().await?;
    let coverage = engine.coverage().await?;
    let states = engine.store().streams().await?;
    let mode = |mode| if mode == Mode::On { "on" } else { "off" };
    let connections = engine.connectors().iter().map(|connector| {
        let prefix = format!("{}.", connector.id());
        let streams =
            coverage.streams.iter().filter(|stream| stream.stream.as_str().starts_with(&prefix)).map(|stream| {
                let error = states
                    .iter()
                    .find(|state| format!("{}.{}", state.connection, state.stream) == stream.stream.as_str())
                    .and_then(|state| state.error.clone());
                StreamView {
                    name: stream.stream.to_string(),
                    covered_until: stream.covered_until.map(|at| words::instant(at, &rules.zone)),
                    lag_seconds: stream.covered_until.map(|at| now.duration_since(at).as_secs().max(0)),
                    error,
                }
            });
        let budgets = connector.budgets().into_iter().map(|budget| BudgetView {
            name: budget.name,
            left: budget.left,
            limit: budget.limit,
            wait_seconds: budget.wait_seconds,
        });
        ConnectionView { name: connector.id().to_string(), streams: streams.collect(), budgets: budgets.collect() }
    });
    Ok(StatusView {
        is_live: engine.is_live(),
        agreement: rules.agreement.version.to_string(),
        writes: mode(rules.writes),
        notices: mode(rules.notices),
        now: words::instant(now, &rules.zone),
        time_factor: engine.clock().factor(),
        handoffs_open: overview.open,
        handoffs_shadow: overview.shadows,
        leads_by_stage: overview.stages,
        effects_by_state: overview.effects,
        connections: connections.collect(),
        loops: loops(status),
    })
}

/// Every loop.
#[must_use]
pub fn loops(status: &Status) -> BTreeMap<String, LoopView> {
    let view = |known: crate::engine::LoopStatus| LoopView {
        last_at: known.last_at.map(|at| at.to_string()),
        duration_ms: known.duration_ms,
        failures: known.failures,
        error: known.error,
    };
    status.loops().into_iter().map(|(name, known)| (name, view(known))).collect()
}

/// Open hand-offs by time left.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn handoffs(engine: &Engine, limit: usize) -> Result<Vec<HandoffView>, StoreError> {
    let rules = engine.rules();
    let now = engine.clock().now();
    let rows = engine.store().open_handoffs(limit).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let who = row.name.or(row.email).unwrap_or_else(|| row.handoff.id.lead.to_string());
            handoff(&row.handoff, who, row.score.grade.to_string(), now, &rules)
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
        due_at: due_at.map(|at| words::instant(at, &rules.zone)),
        left: due_at.map(|at| words::left(now, at)),
        is_late: due_at.is_some_and(|at| at < now),
        grade,
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

fn event(row: crate::store::EventRow, rules: &Rules) -> EventView {
    EventView {
        seq: row.seq,
        at: words::instant(row.event.at, &rules.zone),
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

fn finding(row: crate::store::FindingRow, zone: &jiff::tz::TimeZone) -> FindingView {
    FindingView {
        kind: row.kind,
        subject: row.subject,
        text: row.text,
        since: row.first_at.map(|at| words::instant(at, zone)),
    }
}

/// The whole story of the lead that `words` name; `None` if none does.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn lead(store: &Store, rules: &Rules, now: Timestamp, named: &str) -> Result<Option<LeadView>, StoreError> {
    let Some(id) = store.find_lead(named).await? else { return Ok(None) };
    let Some(case) = store.cases(&[id], Timestamp::MIN).await?.pop() else { return Ok(None) };
    let zone = &rules.zone;
    let shown = |at: Timestamp| words::instant(at, zone);
    let projection = Projection::of(&case.records);
    let who = case.lead.name.as_deref().or(case.lead.email.as_deref());
    let who = who.map_or_else(|| id.to_string(), str::to_owned);
    let mut facts: Vec<FactView> = projection
        .values
        .iter()
        .map(|chosen| FactView {
            field: chosen.field.name(),
            value: chosen.value.to_string(),
            from: chosen.from.to_string(),
            conflicts: chosen.conflicts.iter().map(|(of, value)| format!("{of} says {value}")).collect(),
        })
        .collect();
    if let Some(company) = &case.company {
        facts.extend(company.record.values.iter().map(|known| FactView {
            field: known.field.name(),
            value: known.value.to_string(),
            from: company.record.of.to_string(),
            conflicts: Vec::new(),
        }));
    }
    facts.retain(|fact| Field::parse(fact.field).is_some());
    let records = case.records.iter().map(|record| RecordView {
        record: record.of.to_string(),
        link: link_words(&record.link.rule),
        presence: match record.presence {
            crate::domain::record::Presence::Live => "live",
            crate::domain::record::Presence::Gone(_) => "gone",
            crate::domain::record::Presence::Merged { .. } => "merged",
        },
        stages: record
            .stages
            .iter()
            .map(|entry| format!("{} {} by {}", shown(entry.at), entry.stage, author(&entry.by)))
            .collect(),
    });
    let mut known = crate::domain::decide::gather(&case, &projection);
    let score = crate::domain::decide::appraise(now, &case, &rules.agreement, zone, &mut known);
    let points = score.points;
    let effects = store.effects_of(id).await?.into_iter().map(|row| EffectView {
        op: row.op,
        to: row.to,
        effect: row.effect,
        state: row.state,
        attempt: row.attempt,
        settled_at: row.settled_at.map(shown),
        message: row.message,
    });
    Ok(Some(LeadView {
        lead: id.to_string(),
        who: who.clone(),
        stage: case.lead.stage.to_string(),
        stage_since: shown(case.lead.stage_since),
        is_adopted: case.lead.adopted,
        score: [points.fit, points.intent, points.engagement],
        grade: points.grade.to_string(),
        score_parts: score.parts.iter().map(part_words).collect(),
        why_not: why_not(case.lead.stage, rules, &known),
        cycles: case.lead.cycles,
        rests_until: case.lead.rests_until.map(shown),
        records: records.collect(),
        facts,
        handoffs: store.handoffs_of(id).await?.iter().map(|handoff| story(handoff, now, rules)).collect(),
        events: store
            .events_of(id)
            .await?
            .into_iter()
            .map(|row| EventView { who: who.clone(), ..event(row, rules) })
            .collect(),
        effects: effects.collect(),
        findings: store.findings_of(id).await?.into_iter().map(|row| finding(row, zone)).collect(),
    }))
}

fn part_words(part: &crate::domain::score::Part) -> String {
    let names = |fields: crate::domain::field::FieldSet| fields.iter().map(Field::name).collect::<Vec<_>>().join(", ");
    let missing = if part.missing.is_empty() { String::new() } else { format!(" (unknown: {})", names(part.missing)) };
    format!("{:+} {} ({}){missing}", part.points, part.because, part.axis.as_str())
}

/// Why a lead below the bar is there: the bar, what is not known, and where the score stands.
fn why_not(stage: crate::domain::stage::Stage, rules: &Rules, known: &crate::domain::expr::Facts) -> Vec<String> {
    use crate::domain::expr::Verdict;
    if stage.is_past_bar() {
        return Vec::new();
    }
    let Some(bar) = rules.agreement.bar() else {
        return vec!["the agreement has no rule for `mql`: only a person can qualify a lead".to_owned()];
    };
    let mut reasons = match bar.eval(known) {
        Verdict::Yes => {
            vec![format!("it fulfils `{}`, but nothing happened since its last hand-off, or it rests", bar.text)]
        }
        Verdict::No => vec![format!("the bar is `{}`, and it does not hold", bar.text)],
        Verdict::Unknown(missing) => {
            let names: Vec<&str> = missing.iter().map(Field::name).collect();
            vec![format!("the bar is `{}`, and nobody knows {}", bar.text, names.join(", "))]
        }
    };
    let stands = bar.uses.iter().map(|field| {
        let value = known.get(field).map_or_else(|| "not known".to_owned(), ToString::to_string);
        format!("{field} is {value}")
    });
    reasons.extend(stands);
    reasons
}

fn story(handoff: &Handoff, now: Timestamp, rules: &Rules) -> HandoffStory {
    let zone = &rules.zone;
    let state = match &handoff.state {
        HandoffState::Incomplete { missing, .. } => {
            let names: Vec<&str> = missing.iter().flatten().map(|field| field.name()).collect();
            format!("incomplete: {} missing", names.join(", "))
        }
        HandoffState::Open if handoff.is_shadow => "shadow: writes are off".to_owned(),
        HandoffState::Open => "open".to_owned(),
        HandoffState::Closed { outcome, at } => {
            let what = crate::domain::plan::Happening::Closed(outcome.clone());
            format!("{}, {}", words::happening(&what, &rules.roster), words::instant(*at, zone))
        }
    };
    let turns = handoff.turns.iter().map(|turn| {
        let accounts = clock::accounts(now, turn, &rules.roster);
        TurnView {
            number: turn.number,
            owner: rules.roster.name_of(&turn.owner).to_owned(),
            why: turn.why.clone(),
            clock_from: turn.clock_from.map(|at| words::instant(at, zone)),
            clocks: turn
                .clocks
                .iter()
                .enumerate()
                .map(|(at, clock)| {
                    let account = accounts.get(at);
                    ClockView {
                        commitment: clock.name.to_string(),
                        time: clock.time.to_string(),
                        due_at: clock.due_at.map(|at| words::instant(at, zone)),
                        met_at: clock.met.as_ref().map(|met| words::instant(met.at, zone)),
                        steps: clock
                            .ladder
                            .iter()
                            .zip(&clock.steps)
                            .map(|(rung, step)| step_words(rung.at_percent, *step, zone))
                            .collect(),
                        calendar: account.map_or_else(String::new, |account| account.calendar.clone()),
                        counted: account.map_or_else(String::new, |account| words::span(account.counted)),
                        stretches: account.map_or_else(Vec::new, |account| {
                            let view = |stretch: &clock::Stretch| StretchView {
                                from: words::instant(stretch.from, zone),
                                to: words::instant(stretch.to, zone),
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

fn step_words(at_percent: u32, step: Step, zone: &jiff::tz::TimeZone) -> String {
    match step {
        Step::Waiting => format!("{at_percent} %: waiting"),
        Step::Fired { due_at, .. } => format!("{at_percent} %: fired {}", words::instant(due_at, zone)),
        Step::Withdrawn { at } => format!("{at_percent} %: withdrawn {}", words::instant(at, zone)),
    }
}

fn link_words(rule: &crate::domain::record::LinkRule) -> String {
    use crate::domain::record::LinkRule;
    match rule {
        LinkRule::First => "the first record seen of this person".to_owned(),
        LinkRule::Key(key) => format!("same {}: {}", key.kind.as_str(), key.value),
        LinkRule::Made => "made by Baton for this lead".to_owned(),
        LinkRule::Merged(id) => format!("the CRM merged {id} into it"),
    }
}

fn author(by: &crate::domain::record::Author) -> String {
    use crate::domain::record::Author;
    match by {
        Author::Person(Some(user)) => format!("user {user}"),
        Author::Person(None) => "a person".to_owned(),
        Author::Automation(name) => name.to_string(),
        Author::Baton => "Baton".to_owned(),
        Author::Unknown => "an author the CRM does not name".to_owned(),
    }
}
