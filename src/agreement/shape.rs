//! What an agreement and a roster may hold, for editors. The readers beside this say what it must mean.

use crate::document::shape::{Key, Shape, key, list, named, needed};
use crate::domain::agreement::{Audience, Fairness, Proof, Skip};
use crate::domain::field::{Field, FieldSource};
use crate::domain::plan::NoticeKind;
use crate::domain::stage::Stage;

/// A condition in CEL.
const RULE: Shape = Shape::Text("company.employees >= 50");
/// A length of time.
const TIME: Shape = Shape::Text("4 business hours");
const ADDRESS: Shape = Shape::Text("a.lang@example.com");

/// `agreement.toml`.
#[must_use]
pub fn agreement() -> Shape {
    let signature = vec![
        needed("team", "which of the two", Shape::Choice(vec!["marketing", "sales"])),
        needed("by", "who", Shape::Text("J. Doe")),
        needed("on", "when", Shape::Date),
    ];
    let icp =
        vec![key("fits", "who is an ideal customer", RULE), key("never", "who is none, whatever else is true", RULE)];
    let stages = vec![
        key("engagement", "who is engaged", RULE),
        key("mql", "the bar: who is passed to sales", Shape::Text("icp.fits && score.intent >= 30")),
    ];
    let recycle = vec![
        key("cycles_max", "how often a lead may return; default 3", Shape::Integer(0, 100)),
        key("then", "where it goes after that; default disqualified", destination()),
        key("track", "the track, if that is nurture", Shape::Text("re-engage")),
    ];
    Shape::Table(vec![
        needed("version", "its name; another name is another agreement", Shape::Text("2026.1")),
        needed("effective", "what happened before it opens no hand-off", Shape::Date),
        key("review_by", "when both teams look at it again", Shape::Date),
        key("signed", "who signed", list(Shape::Table(signature))),
        key(
            "lists",
            "lists that rules ask for as `lists.NAME`",
            named("competitors", list(Shape::Text("rival.example"))),
        ),
        key("icp", "the ideal customer", Shape::Table(icp)),
        key("score", "points", Shape::Table(score())),
        key("stages", "rules that enter a stage", Shape::Table(stages)),
        needed(
            "handoff",
            "what must be known, what sales does by when, where rejected leads go",
            Shape::Table(handoff()),
        ),
        key("recycle", "returns to marketing", Shape::Table(recycle)),
        needed("routing", "who gets a lead; the first rule that fits", list(Shape::Table(routing()))),
        key("committee", "the people of one company, and their roles", Shape::Table(committee())),
        key("examples", "the agreement's own tests", list(Shape::Table(example()))),
    ])
}

fn score() -> Vec<Key> {
    let mut keys = points();
    let mut segment =
        vec![needed("name", "its name", Shape::Text("manufacturing")), needed("when", "whom it is for", RULE)];
    segment.extend(points());
    let bounds = || list(Shape::Integer(-1_000_000, 1_000_000));
    let grades = vec![
        key("fit", "three falling bounds: A, B, C", bounds()),
        key("intent", "three falling bounds: 1, 2, 3", bounds()),
    ];
    keys.push(key("segments", "other points for some; the first that fits", list(Shape::Table(segment))));
    keys.push(key("grades", "where letters and digits begin", Shape::Table(grades)));
    keys
}

fn points() -> Vec<Key> {
    let fit = vec![
        needed("when", "the condition", RULE),
        needed("points", "how many", Shape::Integer(-1_000, 1_000)),
        key("because", "how people are told", Shape::Text("company size")),
    ];
    let signal = || {
        list(Shape::Table(vec![
            needed("signal", "what happened", Shape::Text("demo_request")),
            needed("points", "how many for each time", Shape::Integer(-1_000, 1_000)),
            key("at_least", "points are given once, from this number on; default 1", Shape::Integer(1, 10_000)),
            key("within", "only what is not older", Shape::Text("7 days")),
            key("half_life", "after this the points are half", Shape::Text("14 days")),
            key("cap", "no more points than this", Shape::Integer(1, 1_000)),
        ]))
    };
    vec![
        key("fit", "points for what somebody is", list(Shape::Table(fit))),
        key("intent", "points for what shows that somebody wants to buy", signal()),
        key("engagement", "points for interest, which alone never crosses the bar", signal()),
    ]
}

fn handoff() -> Vec<Key> {
    let fields = || {
        let held = Field::ALL.iter().filter(|field| field.source() != FieldSource::Derived && **field != Field::Reason);
        Shape::Choice(
            held.map(|field| field.name()).flat_map(|name| [name.trim_start_matches("lead."), name]).collect(),
        )
    };
    let incomplete = vec![
        needed("ask", "whom to ask for what is missing", ADDRESS),
        key("within", "by when; default 1 business day", TIME),
    ];
    let rejection = vec![
        needed("to", "where the lead goes", destination()),
        key("track", "the track, if that is nurture", Shape::Text("re-engage")),
        key("cool_off", "how long it rests; default 30 days", Shape::Text("30 days")),
        key("needs_touches", "genuine touches before sales may say so", Shape::Integer(0, 100)),
    ];
    vec![
        key("to", "sales' connection", Shape::Text("odoo")),
        key("skip", "who is not passed; default all of them", list(words(&Skip::ALL.map(Skip::as_str)))),
        needed(
            "requires",
            "what must be known; an inner list: any one of them",
            list(Shape::Either(vec![fields(), list(fields())])),
        ),
        key("incomplete", "what happens when something is missing", Shape::Table(incomplete)),
        needed("commitments", "what sales promises", list(Shape::Table(commitment()))),
        needed("rejections", "where a lead goes that sales gives back", named("bad_timing", Shape::Table(rejection))),
        key("turns_max", "owners before the fallback; default 3", Shape::Integer(1, 20)),
    ]
}

fn commitment() -> Vec<Key> {
    let tier = vec![key("when", "for whom", RULE), needed("time", "how long", TIME)];
    let rung = vec![
        needed("at", "share of the time that is over", Shape::Text("80%")),
        key("tell", "whom", list(words(&Audience::ALL.map(Audience::as_str)))),
        key("task", "a task in the CRM", Shape::Flag),
        key("reassign", "the next owner, with a full clock", Shape::Flag),
        key("recycle", "back to marketing, for this reason", Shape::Text("no_response")),
    ];
    vec![
        needed("name", "its name", Shape::Text("first touch")),
        needed("done_by", "what keeps it", list(words(&Proof::ALL.map(Proof::as_str)))),
        needed("within", "by when", Shape::Either(vec![TIME, list(Shape::Table(tier))])),
        key("ladder", "what happens meanwhile and after", list(Shape::Table(rung))),
    ]
}

fn routing() -> Vec<Key> {
    vec![
        needed("name", "its name", Shape::Text("everyone else")),
        key("when", "for whom; the last rule has none", RULE),
        key("team", "the team that gets them", Shape::Text("dach")),
        key("owner", "`company.owner`, or a person", Shape::Text("company.owner")),
        key("by", "how the team shares; default least_loaded", words(&Fairness::ALL.map(Fairness::as_str))),
    ]
}

fn committee() -> Vec<Key> {
    let role = vec![
        needed("name", "its name", Shape::Text("economic buyer")),
        needed("when", "who has it", Shape::Text("lead.title.has_word(['cfo', 'finance'])")),
    ];
    let needs = || Shape::Either(vec![Shape::Integer(1, 30), list(Shape::Text("economic buyer"))]);
    let stages = Stage::ALL.into_iter().filter(|stage| stage.is_on_the_way());
    let stages = stages.map(|stage| key(stage.as_str(), "a number of different roles, or these", needs()));
    vec![
        needed("roles", "who plays which part", list(Shape::Table(role))),
        key("roles_required", "which must be known from a stage on", Shape::Table(stages.collect())),
        key("engaged_within", "who did nothing for longer is not engaged; default 90 days", Shape::Text("90 days")),
    ]
}

fn example() -> Vec<Key> {
    let fact = || {
        Shape::Either(vec![Shape::Text("DE"), Shape::Integer(i64::from(i32::MIN), i64::from(i32::MAX)), Shape::Flag])
    };
    let lead = || {
        let keys = vec![
            key("company", "facts of the company", named("employees", fact())),
            key("signals", "what happened, and how often", named("demo_request", Shape::Integer(0, 1_000))),
        ];
        Shape::Open(keys, "country", Box::new(fact()))
    };
    vec![
        needed("that", "what it shows", Shape::Text("a booked demo outranks three white papers")),
        needed("lead", "a made-up lead", lead()),
        key("beats", "another that goes after it", lead()),
        key("is", "the stage it is in", words(&Stage::ALL.map(Stage::as_str))),
        key("is_not", "a stage it is not in", words(&Stage::ALL.map(Stage::as_str))),
    ]
}

fn destination() -> Shape {
    Shape::Choice(vec!["nurture", "disqualified", "merge_review"])
}

fn words(words: &[&'static str]) -> Shape {
    Shape::Choice(words.to_vec())
}

/// `roster.toml`.
#[must_use]
pub fn roster() -> Shape {
    let away = || list(Shape::Text("2026-12-24/2027-01-02"));
    let quiet = || Shape::Text("19:00-08:00");
    let told = NoticeKind::ALL.into_iter().filter(|kind| *kind != NoticeKind::Test);
    let kinds: Vec<&'static str> = told.map(NoticeKind::as_str).collect();
    let kinds = || list(Shape::Choice(kinds.clone()));
    let member = vec![
        needed("person", "by e-mail address", ADDRESS),
        key("weight", "share of the team's leads; default 1", Shape::Integer(1, 1_000)),
        key("open_max", "open hand-offs at once", Shape::Integer(1, 100_000)),
        key("day_max", "hand-offs a day", Shape::Integer(1, 100_000)),
        key("away", "first and last day of absences", away()),
    ];
    let team = vec![
        key("manager", "who is told of breaches", ADDRESS),
        key("fallback", "who gets what nobody can take", ADDRESS),
        key("calendar", "working hours; may be left out if there is only one", Shape::Text("berlin")),
        key("works_in", "the connection where it works, if not the agreement's", Shape::Text("pipedrive")),
        key("tell", "the channel of its notices", Shape::Text("slack.dach")),
        key("quiet", "hours in which nobody is told; what comes then is told after them", quiet()),
        key("quiet_except", "what is told in quiet hours all the same", kinds()),
        key("members", "who shares the leads", list(Shape::Table(member))),
    ];
    let person = vec![
        key("name", "how people are told", Shape::Text("Anna Lang")),
        key("slack", "member id in Slack", Shape::Text("U024BE7LH")),
        key("tell", "told in person, by this way", Shape::Text("email.main")),
        key("quiet", "other quiet hours than the team's", quiet()),
        key("quiet_except", "what is told in them all the same", kinds()),
        key("calendar", "other hours than the team's", Shape::Text("berlin")),
        key("away", "first and last day of absences", away()),
    ];
    let open = Shape::Either(vec![list(Shape::Text("09:00-17:00")), Shape::Text("09:00-17:00")]);
    let source = vec![
        needed("connection", "the CRM, by its name in the settings", Shape::Text("salesforce")),
        needed("hours", "the hours' name there", Shape::Text("Default")),
        key("holidays", "the holidays there that belong to them; default: all", list(Shape::Text("Christmas"))),
    ];
    let calendar = vec![
        needed("zone", "by its IANA name", Shape::Text("Europe/Berlin")),
        needed("open", "days = windows of time", named("mon-fri", open)),
        key("holidays", "iCalendar files, beside the roster", list(Shape::Text("de.ics"))),
        key("closed", "days off: a date, a part of the day, a name", list(Shape::Text("2026-12-25 Christmas"))),
        key(
            "source",
            "the CRM's hours that it was taken from; `check --online` tells where they differ",
            Shape::Table(source),
        ),
    ];
    Shape::Table(vec![
        key("own_domains", "whose addresses are our own staff", list(Shape::Text("example.com"))),
        needed("teams", "who shares leads", named("dach", Shape::Table(team))),
        key(
            "people",
            "by e-mail address; other keys: connection = account",
            named("a.lang@example.com", Shape::Open(person, "hubspot", Box::new(Shape::Text("41629779")))),
        ),
        key("calendars", "working hours", named("berlin", Shape::Table(calendar))),
    ])
}
