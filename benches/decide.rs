//! Deciding about one lead: twenty rules with reasons, all of `decide`, and a lead with an open hand-off.
//!
//! Run with `cargo bench --bench decide`. Times are the best of several rounds, in microseconds a lead.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on says so and ends")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use baton::agreement;
use baton::document::{Problems, Source};
use baton::domain::company::CompanyRecord;
use baton::domain::coverage::Coverage;
use baton::domain::decide::{Granted, appraise, decide, gather, grant};
use baton::domain::field::{Field, Known, Value};
use baton::domain::handoff::TurnBy;
use baton::domain::id::{ConnectionId, LeadId, Name, Object, PersonId, RecordRef, RemoteId, TeamId, WorkspaceId};
use baton::domain::lead::{LeadState, Projection};
use baton::domain::plan::{Ability, Case, CompanySummary, Mode, Policy};
use baton::domain::record::{Author, Link, LinkRule, PersonRecord, Presence};
use baton::domain::roster::Directory;
use baton::domain::signal::Signal;
use baton::domain::stage::{Stage, StageEntry};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// Beside the two rules of the demo's agreement: twenty with them.
const RULES: [&str; 18] = [
    "company.employees >= 200.0",
    "company.employees >= 50.0 && company.employees < 200.0",
    "company.country in ['DE', 'AT', 'CH']",
    "company.industry == 'manufacturing'",
    "company.industry in ['computer software', 'banking', 'insurance', 'retail']",
    "company.revenue > 1000000.0",
    "lead.country == 'DE' && company.country == 'DE'",
    "lead.language == 'de' || lead.language == 'en'",
    "lead.title.contains('Head')",
    "lead.title.startsWith('VP') || lead.title.startsWith('Chief')",
    "lead.title.endsWith('Finance')",
    "!lead.opted_out",
    "lead.email_domain in ['rival.example', 'copycat.example']",
    "lead.source == 'PAID_SEARCH'",
    "lead.budget >= 10000.0 && lead.timeline_days <= 90.0",
    "lead.seniority in ['director', 'vp', 'c_level']",
    "lead.product == 'suite'",
    "(lead.seniority == 'vp' || lead.title.contains('Chief')) && company.country != 'US' && lead.budget > 0.0",
];

fn now() -> Timestamp {
    "2026-11-24T10:00:00Z".parse().unwrap()
}

fn policy() -> Policy {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let problems = Problems::new();
    let more: String = RULES.iter().map(|rule| format!("{{ when = \"{rule}\", points = 1 }},\n")).collect();
    let text = include_str!("../config/demo/agreement.toml").replace("to = \"odoo\"", "to = \"hubspot\"").replacen(
        "fit = [",
        &format!("fit = [\n{more}"),
        1,
    );
    let draft = agreement::read(&Source::new("agreement.toml", text), &zone, &problems);
    let roster = agreement::read_roster(
        &Source::new("roster.toml", include_str!("../config/demo/roster.toml")),
        &|path| Err(format!("{path} is not there")),
        &problems,
    );
    assert!(!problems.has_errors(), "{}", problems.render(false));
    assert_eq!(draft.agreement.score.fit.len(), 20);
    let mut directory = Directory::default();
    directory.insert(hubspot(), RemoteId::from("7"), PersonId::from("a.lang@example.com"));
    Policy {
        workspace: WorkspaceId::from("default"),
        agreement: Arc::new(draft.agreement),
        roster: Arc::new(roster.roster),
        directory: Arc::new(directory),
        coverage: Coverage::default(),
        is_time_sure: true,
        connections: vec![Ability {
            connection: hubspot(),
            stages: vec![Stage::Mql],
            score: true,
            handoff: false,
            tracks: Vec::new(),
            reasons: Vec::new(),
            rejects: false,
            stage_back: false,
        }],
        zone,
        writes: Mode::On,
        notices: Mode::On,
        paused: baton::domain::plan::Paused::default(),
        public_url: Arc::from("http://board.example"),
        telling: Arc::default(),
    }
}

fn hubspot() -> ConnectionId {
    ConnectionId::from("hubspot")
}

fn reference(object: Object, id: &str) -> RecordRef {
    RecordRef { connection: hubspot(), object, id: RemoteId::from(id) }
}

fn known(mut values: Vec<(Field, Value)>) -> Vec<Known> {
    values.sort_by_key(|(field, _)| *field);
    let at = now() - SignedDuration::from_hours(240);
    values.into_iter().map(|(field, value)| Known { field, value, at }).collect()
}

/// A contact of a firm that fits, known for ten days, who asked for a demo an hour ago; marketing has not said so yet.
fn case() -> Case {
    let text = |text: &str| Value::text(text).unwrap();
    let since = now() - SignedDuration::from_hours(240);
    let contact = PersonRecord {
        of: reference(Object::Person, "501"),
        link: Link { lead: LeadId(7), rule: LinkRule::First, at: since },
        modified: since,
        created: since,
        presence: Presence::Live,
        values: known(vec![
            (Field::Email, text("jo@customer.example")),
            (Field::FirstName, text("Jo")),
            (Field::LastName, text("Roe")),
            (Field::Phone, text("+49 30 123456")),
            (Field::Title, text("Head of Finance")),
            (Field::Country, text("DE")),
            (Field::Language, text("de")),
            (Field::Source, text("ORGANIC_SEARCH")),
            (Field::Seniority, text("director")),
            (Field::Product, text("suite")),
        ]),
        keys: Vec::new(),
        company: Some(reference(Object::Company, "9")),
        stages: vec![StageEntry { stage: Stage::Engagement, at: since, by: Author::Automation(Name::from("form")) }],
        owners: Vec::new(),
        disposition: None,
        signals: vec![Signal { name: Name::from("demo_request"), at: now() - SignedDuration::from_hours(1) }],
        scores: Vec::new(),
        company_since: None,
        has_history: true,
    };
    let company = CompanyRecord {
        of: reference(Object::Company, "9"),
        modified: since,
        values: known(vec![
            (Field::CompanyName, text("Customer GmbH")),
            (Field::Employees, Value::Number(300.0)),
            (Field::CompanyCountry, text("DE")),
            (Field::Industry, text("insurance")),
            (Field::Revenue, Value::Number(5e7)),
        ]),
        owner: None,
        is_gone: false,
    };
    let mut lead = LeadState::new(LeadId(7), since);
    lead.version = 1;
    Case {
        lead,
        records: vec![contact],
        company: Some(CompanySummary { record: company, owner: None, open_deals: None, engaged: None }),
        colleagues: None,
        handoff: None,
        touches: Vec::new(),
        receipts: Vec::new(),
        open_deals: 0,
        apart: Vec::new(),
        told: Vec::new(),
        history: None,
        answer: None,
    }
}

fn best(mut work: impl FnMut()) -> f64 {
    const TIMES: u32 = 20_000;
    let round = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..TIMES).for_each(|_| work());
        start.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES)
    };
    (0..7).map(|_| round(&mut work)).fold(f64::INFINITY, f64::min)
}

fn main() {
    let (policy, fresh) = (policy(), case());
    let projection = Projection::of(&fresh.records);
    let facts = gather(&fresh, &projection);
    let rules = best(|| {
        for rule in &policy.agreement.score.fit {
            black_box(rule.when.eval(black_box(&facts)));
        }
    });
    println!("20 rules, what is missing with them:    {rules:.2} us (at most 3)");
    let scored = best(|| {
        let mut facts = facts.clone();
        black_box(appraise(now(), black_box(&fresh), &policy.agreement, &policy.zone, &mut facts));
    });
    println!("score with reasons:                     {scored:.2} us");

    // What most decisions are: nothing new follows.
    let mut settled = fresh.clone();
    settled.records[0].signals.clear();
    settled.lead = decide(now(), &settled, &policy).lead;
    let plan = decide(now(), &settled, &policy);
    assert!(plan.events.is_empty() && plan.writes.is_empty());
    let idle = best(|| drop(black_box(decide(now(), black_box(&settled), &policy))));
    println!("decide, nothing follows:                {idle:.2} us (at most 15)");

    let plan = decide(now(), &fresh, &policy);
    let wanted = plan.wants_owner.is_some();
    let opening = best(|| drop(black_box(decide(now(), black_box(&fresh), &policy))));
    println!("decide, qualifies and hands over:       {opening:.2} us (at most 15)");
    assert!(wanted, "the lead is handed over");

    let granted = Granted {
        person: PersonId::from("a.lang@example.com"),
        team: Some(TeamId::from("sales")),
        by: TurnBy::Routing,
        why: "next in turn".to_owned(),
        findings: Vec::new(),
    };
    let plan = grant(now(), plan, &fresh, &policy, &granted);
    let mut open = fresh;
    open.lead = plan.lead;
    open.handoff = plan.handoff;
    assert!(open.handoff.as_ref().is_some_and(|handoff| handoff.is_open()), "the hand-off is open");
    open.lead = decide(now(), &open, &policy).lead;
    let later = now() + SignedDuration::from_mins(5);
    let running = best(|| drop(black_box(decide(later, black_box(&open), &policy))));
    println!("decide, a hand-off is open:             {running:.2} us (at most 15)");
}
