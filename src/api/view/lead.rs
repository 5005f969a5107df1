//! One lead: what is known, how it scores, why it is not past the bar, who would get it, and its story.

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

use crate::domain::counted::many;
use crate::domain::deal::DealRecord;
use crate::domain::field::Field;
use crate::domain::lead::Projection;
use crate::engine::Rules;
use crate::report::{bar, route, words};
use crate::store::{Store, StoreError};

use super::Moment;
use super::committee::{self, CommitteeView};
use super::journey::{self, JourneyView};
use super::list::{EventView, FindingView, event, finding};
use super::story::{HandoffStory, story};

/// People of its company that a lead's own story tells of.
const COLLEAGUES_MAX: usize = 12;

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
    pub stage_since: Moment,
    /// Was it past the bar before the agreement acted?
    pub is_adopted: bool,
    /// Fit, intent, engagement.
    pub score: [i32; 3],
    /// `A1`.
    pub grade: String,
    /// The score, reason by reason; the points of each axis sum to it.
    pub score_parts: Vec<String>,
    /// Why it is not past the bar; missing if it is.
    pub why_not: Option<WhyNotView>,
    /// What each routing rule says of it now; the first that holds and can be followed wins.
    pub routing: Vec<RouteView>,
    /// How often it returned to marketing.
    pub cycles: u32,
    /// No new hand-off before this.
    pub rests_until: Option<Moment>,
    /// Its records, and why each is linked.
    pub records: Vec<RecordView>,
    /// Records that people said are somebody else's: which, who said so, when.
    pub apart: Vec<String>,
    /// Its company, with what decisions see of it; missing if it has none.
    pub company: Option<CompanyView>,
    /// The people of its company over all connections; missing if the agreement does not look at them.
    pub committee: Option<CommitteeView>,
    /// The deals its records are in, oldest first: one may be won, one open.
    pub deals: Vec<DealView>,
    /// Each pass from entering the funnel to an end, oldest first.
    pub journeys: Vec<JourneyView>,
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
    /// How far the streams of its records' connections were read: what came later is not known yet.
    pub coverage: Vec<ReadView>,
}

/// How far a stream was read.
#[derive(Clone, Debug, Serialize)]
pub struct ReadView {
    /// `hubspot.calls`.
    pub stream: String,
    /// Everything up to then was read.
    pub covered_until: Option<Moment>,
    /// Why it could not be read last time.
    pub error: Option<String>,
}

impl ReadView {
    /// As a line.
    #[must_use]
    pub fn words(&self) -> String {
        let until = self.covered_until.as_ref().map_or_else(|| "first pass under way".to_owned(), ToString::to_string);
        let error = self.error.as_ref().map(|error| format!(" (blind: {error})")).unwrap_or_default();
        format!("{}: {until}{error}", self.stream)
    }
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

/// An employer as decisions see it.
#[derive(Clone, Debug, Serialize)]
pub struct CompanyView {
    /// `hubspot:company:7`.
    pub record: String,
    /// Its name, if known.
    pub name: Option<String>,
    /// Deals of it that are open.
    pub open_deals: u32,
    /// Leads of it at `engagement` or past it.
    pub engaged: u32,
}

/// A deal.
#[derive(Clone, Debug, Serialize)]
pub struct DealView {
    /// `hubspot:deal:9`.
    pub deal: String,
    /// What it is called.
    pub title: Option<String>,
    /// open, won or lost.
    pub state: &'static str,
    /// The CRM's own name of its stage.
    pub stage: Option<String>,
    /// What it is worth, in the CRM's currency.
    pub amount: Option<f64>,
    /// When it was made.
    pub created: Moment,
    /// When it was won or lost.
    pub closed: Option<Moment>,
}

impl DealView {
    /// The deal on one line.
    #[must_use]
    pub fn line(&self) -> String {
        let title = self.title.as_deref().unwrap_or("without a name");
        let stage = self.stage.as_ref().map(|stage| format!(" in {stage}")).unwrap_or_default();
        let worth = self.amount.map(|amount| format!(", worth {amount}")).unwrap_or_default();
        let end = self.closed.as_ref().map(|at| format!(", {} {at}", self.state)).unwrap_or_default();
        format!("{title} ({}): {}{stage}{worth}, since {}{end}", self.deal, self.state, self.created)
    }
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
    /// Since when it says so.
    pub since: Moment,
    /// What other records say.
    pub conflicts: Vec<String>,
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
    pub settled_at: Option<Moment>,
    /// Why it is as it is.
    pub message: Option<String>,
    /// May it have arrived, or taken effect, more than once?
    pub possibly_repeated: bool,
    /// A notice waits for the end of quiet hours.
    pub held_until: Option<Moment>,
    /// Why it waits for a person, if it does: `plan`, `cap`, `rules`, `paused:TEAM`.
    pub hold: Option<String>,
}

impl EffectView {
    /// What became of it, in words: `done: possibly repeated; told in a digest of 40 notices`.
    #[must_use]
    pub fn fate(&self) -> String {
        let note = self.note();
        if note.is_empty() { self.state.clone() } else { format!("{}: {note}", self.state) }
    }

    /// What is to be said of it besides its state.
    #[must_use]
    pub fn note(&self) -> String {
        let waits = self.hold.as_deref().map(words::hold);
        let held = self.held_until.as_ref().map(|until| format!("held over quiet hours until {until}"));
        let tried = (self.attempt > 1).then(|| format!("tried {}", many(self.attempt, "time", "times")));
        let repeated = self.possibly_repeated.then(|| "possibly repeated".to_owned());
        [waits, held, tried, repeated, self.message.clone()].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

/// How a lead stands to the bar.
#[derive(Clone, Debug, Serialize)]
pub struct WhyNotView {
    /// The bar and what came of it, in a sentence.
    pub headline: String,
    /// The parts that fail.
    pub parts: Vec<ShortfallView>,
    /// Which segment's lines score it; missing if the agreement has no segments.
    pub segment: Option<String>,
}

/// A part of the bar that fails.
#[derive(Clone, Debug, Serialize)]
pub struct ShortfallView {
    /// `mql`, `icp.fits`, `icp.never` or `requires`.
    pub of: &'static str,
    /// What is needed: `score.fit >= 50`.
    pub needs: String,
    /// What was found: `34 (16 short)`.
    pub found: String,
    /// What would help, a line each.
    pub helps: Vec<String>,
}

/// A routing rule and what it says of the lead now.
#[derive(Clone, Debug, Serialize)]
pub struct RouteView {
    /// The rule's name.
    pub rule: String,
    /// Does its condition hold?
    pub holds: bool,
    /// Is it the one that is followed?
    pub wins: bool,
    /// Why, or why not.
    pub why: String,
}

/// The whole story of the lead that `words` name; `None` if none does.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn lead(store: &Store, rules: &Rules, now: Timestamp, named: &str) -> Result<Option<LeadView>, StoreError> {
    let Some(id) = store.find_lead(named).await? else { return Ok(None) };
    let mut cases = store.cases(&[id], Timestamp::MIN).await?;
    if rules.agreement.committee.is_some() {
        store.count_colleagues(&mut cases).await?;
    }
    let Some(case) = cases.pop() else { return Ok(None) };
    let zone = &rules.zone;
    let shown = |at: Timestamp| Moment::new(at, zone);
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
            since: shown(chosen.at),
            conflicts: chosen.conflicts.iter().map(|(of, value)| format!("{of} says {value}")).collect(),
        })
        .collect();
    if let Some(company) = &case.company {
        facts.extend(company.record.values.iter().map(|known| FactView {
            field: known.field.name(),
            value: known.value.to_string(),
            from: company.record.of.to_string(),
            since: shown(known.at),
            conflicts: Vec::new(),
        }));
    }
    facts.retain(|fact| Field::parse(fact.field).is_some());
    let records = case.records.iter().map(|record| RecordView {
        record: record.of.to_string(),
        link: format!("{}, since {}", link_words(&record.link.rule), shown(record.link.at)),
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
        attempt: row.attempt,
        settled_at: row.settled_at.map(shown),
        message: row.message,
        // Of a write it is looked for before it is repeated; of a notice nobody can look.
        possibly_repeated: row.is_doubtful && row.is_notice,
        held_until: row.held_until.filter(|until| *until > now && row.state == "pending").map(shown),
        hold: row.hold.filter(|_| row.state == "held"),
        state: row.state,
    });
    let said = store.apart_said(id).await?.into_iter();
    let apart =
        said.map(|said| format!("{} is not the person of {}: {} on {}", said.of, said.other, said.by, shown(said.at)));
    let company = match &case.company {
        Some(company) => Some(CompanyView {
            record: company.record.of.to_string(),
            name: company.record.value(Field::CompanyName).map(ToString::to_string),
            open_deals: store.open_deals_of_company(&company.record.of).await?,
            engaged: store.engaged_of_company(&company.record.of).await?,
        }),
        None => None,
    };
    let events = store.events_of(id).await?;
    let deals = store.deals_of(id).await?;
    let journeys = journey::views(&case, &events, &deals, rules);
    let deals = deals.into_iter().map(|known| deal(known, zone));
    let committee = match &case.lead.committee {
        Some(seat) => committee::company(store, rules, now, &seat.committee, COLLEAGUES_MAX).await?,
        None => None,
    };
    let states = store.streams().await?;
    let coverage =
        states.into_iter().filter(|state| case.records.iter().any(|of| of.of.connection == state.connection));
    let coverage = coverage.map(|state| ReadView {
        stream: format!("{}.{}", state.connection, state.stream),
        covered_until: state.covered_until.map(shown),
        error: state.error,
    });
    let coverage: Vec<ReadView> = coverage.collect();
    let owner = case.company.as_ref().and_then(|company| company.owner.as_ref());
    let routes = route::claims(now, &known, owner, &rules.agreement.routing, &rules.roster, &[]);
    Ok(Some(LeadView {
        lead: id.to_string(),
        who: who.clone(),
        stage: case.lead.stage.to_string(),
        stage_since: shown(case.lead.stage_since),
        is_adopted: case.lead.adopted,
        score: [points.fit, points.intent, points.engagement],
        grade: points.grade.to_string(),
        score_parts: score.parts.iter().map(part_words).collect(),
        why_not: bar::standing(case.lead.stage, &rules.agreement, &known, &score).map(why_not),
        routing: routes.into_iter().map(route).collect(),
        cycles: case.lead.cycles,
        rests_until: case.lead.rests_until.map(shown),
        records: records.collect(),
        apart: apart.collect(),
        company,
        committee,
        deals: deals.collect(),
        journeys,
        facts,
        handoffs: store.handoffs_of(id).await?.iter().map(|handoff| story(handoff, now, rules)).collect(),
        events: events.into_iter().map(|row| EventView { who: who.clone(), ..event(row, rules) }).collect(),
        effects: effects.collect(),
        findings: store.findings_of(id).await?.into_iter().map(|row| finding(row, zone)).collect(),
        coverage,
    }))
}

pub(super) fn deal(deal: DealRecord, zone: &TimeZone) -> DealView {
    DealView {
        deal: deal.of.to_string(),
        title: deal.title.as_deref().map(str::to_owned),
        state: deal.state.as_str(),
        stage: deal.stage.as_ref().map(ToString::to_string),
        amount: deal.amount,
        created: Moment::new(deal.created, zone),
        closed: deal.closed.map(|at| Moment::new(at, zone)),
    }
}

fn part_words(part: &crate::domain::score::Part) -> String {
    let names = |fields: crate::domain::field::FieldSet| fields.iter().map(Field::name).collect::<Vec<_>>().join(", ");
    let missing = if part.missing.is_empty() { String::new() } else { format!(" (unknown: {})", names(part.missing)) };
    format!("{:+} {} ({}){missing}", part.points, part.because, part.axis.as_str())
}

fn why_not(standing: bar::Standing) -> WhyNotView {
    let view =
        |part: bar::Shortfall| ShortfallView { of: part.of, needs: part.needs, found: part.found, helps: part.helps };
    WhyNotView {
        headline: standing.headline,
        parts: standing.parts.into_iter().map(view).collect(),
        segment: standing.segment,
    }
}

fn route(claim: route::Claim) -> RouteView {
    RouteView { rule: claim.rule, holds: claim.holds, wins: claim.wins, why: claim.why }
}

fn link_words(rule: &crate::domain::record::LinkRule) -> String {
    use crate::domain::record::LinkRule;
    match rule {
        LinkRule::First => "the first record seen of this person".to_owned(),
        LinkRule::Key(key) => format!("same {}: {}", key.kind.as_str(), key.value),
        LinkRule::Made => "made by Baton for this lead".to_owned(),
        LinkRule::Merged(id) => format!("the CRM merged it with {id}"),
        LinkRule::Joined { by, from } => format!("{by} said that it is the same person; it was {from} before"),
        LinkRule::Parted { by, from } => format!("{by} said that it is not the person of {from}"),
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
