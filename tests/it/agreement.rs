//! Agreements and rosters as people write them: what works, and what is told when something does not.

use std::path::Path;
use std::sync::Arc;

use baton::agreement::{check_together, read, read_roster};
use baton::document::{Problems, Severity, Source};
use baton::domain::agreement::{Audience, Destination, RouteTo, Skip};
use baton::domain::calendar::Span;
use baton::domain::id::Name;
use jiff::SignedDuration;
use jiff::tz::TimeZone;

fn config(name: &str) -> Arc<Source> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
    Source::new(name, std::fs::read_to_string(path).unwrap())
}

fn open(path: &str) -> Result<String, String> {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(path)).map_err(|e| e.to_string())
}

/// The problems of an agreement, rendered.
fn told(text: &str) -> String {
    let problems = Problems::new();
    let _draft = read(&Source::new("agreement.toml", text), &TimeZone::UTC, &problems);
    problems.render(false).replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn the_full_agreement_and_roster_have_no_problem() {
    let problems = Problems::new();
    let draft = read(&config("agreement.toml"), &TimeZone::get("Europe/Berlin").unwrap(), &problems);
    let roster = read_roster(&config("roster.toml"), &open, &problems);
    check_together(&draft, &roster, &problems);
    assert_eq!(problems.render(false), "");
    let agreement = draft.agreement;
    assert_eq!(agreement.effective.to_string(), "2026-11-30T23:00:00Z");
    assert_eq!(agreement.handoff.commitments[0].within[0].time, Span::Business(SignedDuration::from_mins(30)));
    assert_eq!(agreement.handoff.commitments[0].ladder.len(), 4);
    assert_eq!(agreement.routing[0].to, RouteTo::CompanyOwner);
    let names: Vec<_> = agreement.signals().iter().map(Name::to_string).collect();
    assert_eq!(names, ["demo_request", "pricing_page", "whitepaper"]);
    let person = &roster.roster.people[&"a.lang@example.com".into()];
    assert_eq!(person.away.len(), 1);
    assert_eq!(person.accounts.len(), 2);
}

#[test]
fn the_starter_has_under_thirty_lines_and_every_element() {
    let source = config("starter.toml");
    assert!(source.text.lines().count() < 30);
    let problems = Problems::new();
    let agreement = read(&source, &TimeZone::UTC, &problems).agreement;
    assert!(!problems.has_errors(), "{}", problems.render(false));
    assert_eq!(agreement.handoff.skip, Skip::ALL);
    let ladder = &agreement.handoff.commitments[0].ladder;
    assert_eq!(ladder.iter().map(|rung| rung.at_percent).collect::<Vec<_>>(), [80, 100, 150, 300]);
    assert_eq!(ladder[3].tell, [Audience::Manager, Audience::Marketing]);
    assert_eq!(agreement.handoff.rejections[&Name::from("no_response")].cool_off, SignedDuration::from_hours(720));
    assert_eq!(agreement.recycle.then, Destination::Disqualified);
}

#[test]
fn every_mistake_of_a_file_is_told_at_once() {
    let text = r#"version = 2026.4
effective = "2026-12-01"
[icp]
fits = "company.employes >= 50 && company.country == 'Germany'"
[score]
fit = [{ wen = "company.employees >= 200", points = 25 }]
intent = [{ signal = "demo_request", points = "40", half_life = "2 business days" }]
[stages]
mql = "score.engagement >= 20"
[handof]
to = "odoo"
[handoff]
requires = ["email", "fone"]
skip = ["customers"]
[[handoff.commitments]]
name = "first touch"
done_by = ["phone"]
within = [{ time = "30 minutes" }, { when = "score.intent > 'x'", time = "4 busy hours" }]
ladder = [{ at = "100%", tell = ["boss"] }, { at = "80%", reassign = true }, { at = "300%", recycle = "no_respons" }]
[handoff.rejections]
no_response = { to = "nurture" }
bad_fit = { to = "disqualify" }
[[routing]]
name = "all"
when = "true"
team = "dach"
[committee]
roles_required = { sql = 2 }
"#;
    insta::assert_snapshot!(told(text));
}

#[test]
fn an_agreement_that_lacks_an_element_is_refused() {
    let starter = config("starter.toml").text.clone();
    let check = |cut: &str, put: &str, expected: &str| {
        assert!(starter.contains(cut), "{cut}");
        let problems = told(&starter.replace(cut, put));
        assert!(problems.contains(expected), "{cut}:\n{problems}");
    };
    check("requires = [\"email\"]\n", "", "the first of the four elements is missing");
    check("[[handoff.commitments]]", "[[other]]", "the second of the four elements is missing");
    check("[handoff.rejections]", "[other]", "the third of the four elements is missing");
    check(
        "no_response = { to = \"nurture\", track = \"re-engage\" }\n",
        "",
        "the fourth element, recycling, is missing",
    );
    check("[[routing]]", "[[other]]", "nobody gets the leads");
    check("version = \"1\"\n", "", "the file lacks `version`");
    check("effective = 2026-12-01\n", "", "the file lacks `effective`");
}

#[test]
fn the_mistakes_of_a_committee_are_told_with_what_to_write() {
    let starter = config("starter.toml").text.clone();
    let buyer = "roles = [{ name = \"buyer\", when = \"lead.title.has_word(['cfo'])\" }]";
    let with = |committee: &str| told(&format!("{starter}\n[committee]\n{committee}\n"));
    let right =
        with(&format!("{buyer}\nroles_required = {{ sql = 1, proposal = [\"buyer\"] }}\nengaged_within = \"4 weeks\""));
    assert!(!right.contains("committee"), "{right}");
    for (committee, message, help) in [
        ("engaged_within = \"90 days\"", "`committee` lacks `roles`", "economic buyer"),
        ("roles = []", "no role is named", "leave `[committee]` out"),
        ("roles = [{ name = \"buyer\" }]", "`committee.roles[0]` lacks `when`", "has_word"),
        (
            "roles = [{ name = \"a\", when = \"lead.titel == 'x'\" }]",
            "no field is called `lead.titel`",
            "did you mean `lead.title`?",
        ),
        (
            "roles = [{ name = \"a\", when = \"company.roles >= 2\" }]",
            "`company.roles` cannot be asked for here",
            "counts the people",
        ),
        (
            "roles = [{ name = \"a\", when = \"score.fit >= 2\" }]",
            "`score.fit` cannot be asked for here",
            "worked out later",
        ),
        (
            "roles = [{ name = \"a\", when = \"true\" }, { name = \"a\", when = \"true\" }]",
            "two roles are called `a`",
            "join their rules",
        ),
        (
            &format!("{buyer}\nroles_required = {{ sql = 2 }}"),
            "`sql` needs 2 different roles, but only 1 can be read",
            "ask for fewer",
        ),
        (
            &format!("{buyer}\nroles_required = {{ sql = [\"byer\"] }}"),
            "no role is called `byer`",
            "did you mean `buyer`?",
        ),
        (&format!("{buyer}\nroles_required = {{ sql = [] }}"), "`sql` needs no role", "leave the stage out"),
        (
            &format!("{buyer}\nroles_required = {{ sqll = 1 }}"),
            "`sqll` is no stage on the way to a sale",
            "did you mean `sql`?",
        ),
        (&format!("{buyer}\nroles_required = {{ won = 1 }}"), "`won` is no stage on the way to a sale", ""),
        (&format!("{buyer}\nengaged_within = \"2 business days\""), "counts working time", "plain days"),
        (&format!("{buyer}\nengaged_within = \"400 days\""), "longer than 365 days", "365 days"),
        (&format!("{buyer}\nengaged = \"90 days\""), "unknown key `engaged` in `committee`", "engaged_within"),
    ] {
        let problems = with(committee);
        assert!(problems.contains(message) && problems.contains(help), "{committee}:\n{problems}");
    }
}

#[test]
fn engagement_alone_never_crosses_the_bar() {
    let starter = config("starter.toml").text.clone();
    let with = |bar: &str| {
        let engagement = "intent = [{ signal = \"demo_request\", points = 40, half_life = \"14 days\" }]";
        let scored = format!("{engagement}\nengagement = [{{ signal = \"whitepaper\", points = 3 }}]");
        told(&starter.replace(engagement, &scored).replace("icp.fits && score.intent >= 30", bar))
    };
    for bar in [
        "score.engagement >= 20",
        "icp.fits && score.engagement >= 20",
        "score.fit >= 25 && score.engagement >= 20",
        "score.intent >= 30 || signals.whitepaper >= 5",
        "score.fit + score.intent + score.engagement >= 50",
    ] {
        assert!(with(bar).contains("engagement alone can cross this bar"), "{bar}\n{}", with(bar));
    }
    for bar in ["score.intent >= 30", "score.intent >= 10 && score.engagement >= 20", "signals.demo_request >= 1"] {
        assert!(!with(bar).contains("engagement alone"), "{bar}");
    }
    assert!(with("score.fit >= 60 && score.intent >= 30").contains("no lead can cross this bar"));
}

#[test]
fn examples_are_run() {
    let full = config("agreement.toml").text.clone();
    let problems = told(&full.replace("signals = { whitepaper = 3 }", "signals = { demo_request = 2 }"));
    assert!(problems.contains("this example does not hold: a booked demo outranks"), "{problems}");
    assert!(problems.contains("the lead is B2 (fit 25, intent 40, engagement 0; mql)"), "{problems}");
    let problems = told(&full.replace("{ title = \"Student\",", "{ title = \"Head\","));
    assert!(problems.contains("this example does not hold: a student is never passed on"), "{problems}");
    let problems = told(&full.replace("signals = { whitepaper = 3 }", "signals = { whitpaper = 3 }"));
    assert!(problems.contains("did you mean `whitepaper`?"), "{problems}");
}

#[test]
fn time_that_runs_through_nights_is_a_warning() {
    let starter = config("starter.toml").text.replace("4 business hours", "30 minutes");
    let problems = Problems::new();
    let _draft = read(&Source::new("agreement.toml", starter), &TimeZone::UTC, &problems);
    let told = problems.list();
    let told = told.iter().find(|problem| problem.key == "handoff.commitments[0].within").unwrap();
    assert_eq!(told.severity, Severity::Warning);
    assert_eq!(told.help.as_deref(), Some("write \"30 business minutes\" if only working time is meant"));
}

#[test]
fn the_roster_is_held_against_the_agreement() {
    let problems = Problems::new();
    let starter = config("starter.toml");
    let draft = read(&starter, &TimeZone::UTC, &problems);
    let roster = r#"
[teams.sale]
members = [{ person = "a@example.com", weight = 0, away = ["2027-01-02/2026-12-24"] }]
calendar = "berlin"
[calendars.berln]
zone = "Europe/Berln"
open = { mon-thu = ["8-17"] , thurs = "09:00-17:00" }
holidays = ["none.ics"]
"#;
    let roster = read_roster(&Source::new("roster.toml", roster), &open, &problems);
    check_together(&draft, &roster, &problems);
    insta::assert_snapshot!(problems.render(false));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}", at in 0_usize..3_000, keep in 0_usize..3_000) {
        told(&text);
        let full = config("agreement.toml").text.clone();
        let cut = |mut at: usize| { while !full.is_char_boundary(at) { at += 1; } at };
        let (at, keep) = (cut(at.min(full.len())), cut(keep.min(full.len())));
        told(&format!("{}{text}{}", &full[..at], &full[keep..]));
    }
}

#[test]
fn the_table_of_fields_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/fields.md");
    let table = baton::agreement::fields::table();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, table, "run this test with UPDATE_DOCS=1 to write docs/fields.md anew");
}
