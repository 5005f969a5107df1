//! What the files may say of a Salesforce connection alone, and its hours as calendars of the roster, by the real binary.

use baton::clock::Clock;
use baton::connector::settings::CampaignSignal;
use baton::domain::id::Name;
use baton::domain::roster::CalendarSource;
use baton::sandbox::salesforce::Salesforce;
use jiff::civil::date;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::config::{Folder, ROSTER, SETTINGS};
use super::harness::serve;
use super::online::Scene;

const ORG: &str = r#"
[connections.sf]
kind = "salesforce"
auth = { client = { client_id = "key", client_secret = { env = "SF_SECRET" } } }
events = "held"
[connections.sf.signals]
webinar = { campaign = "Webinar March", status = ["Attended", "On demand"] }
fair = { campaign = "Fair" }
demo = { property = "Demo__c" }
[connections.sf.tracks]
re-engage = { campaign = "Nurture", queue = "Marketing" }
"#;

fn told(settings: &str, roster: &str) -> String {
    let folder = Folder::new(settings);
    folder.put("roster.toml", roster);
    folder.told(&[("SF_SECRET", "canary")])
}

#[test]
fn campaigns_show_signals_and_a_queue_stands_beside_a_campaign() {
    let loaded = Folder::new(&format!("{SETTINGS}{ORG}")).load(&[("SF_SECRET", "canary")]);
    let loaded = loaded.unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let org = loaded.settings.connections.iter().find(|one| one.id.as_str() == "sf").unwrap();
    let signal = |signal: &str, campaign: &str, statuses: &[&str]| CampaignSignal {
        signal: Name::from(signal),
        campaign: campaign.to_owned(),
        statuses: statuses.iter().map(|status| (*status).to_owned()).collect(),
    };
    let wanted = [signal("webinar", "Webinar March", &["Attended", "On demand"]), signal("fair", "Fair", &[])];
    assert!(org.campaigns.len() == 2 && wanted.iter().all(|one| org.campaigns.contains(one)), "{:?}", org.campaigns);
    assert_eq!(org.signals.len(), 1);
    assert_eq!(org.queues, [(Name::from("re-engage"), "Marketing".to_owned())]);
    assert!(org.events_are_held);
    assert!(!loaded.settings.connections.iter().any(|one| one.id.as_str() == "hubspot" && one.events_are_held));
}

#[test]
fn what_only_salesforce_knows_is_refused_elsewhere_at_its_place() {
    let check = |from: &str, to: &str, words: &[&str]| {
        let text = format!("{SETTINGS}{ORG}");
        assert!(text.contains(from), "{from}");
        let told = told(&text.replacen(from, to, 1), ROSTER);
        for word in words {
            assert!(told.contains(word), "{word} is missing in {told}");
        }
    };
    let demo = "{ property = \"recent_conversion_event_name\", contains = \"Demo\" }";
    check(demo, "{ campaign = \"Demo\" }", &["only Salesforce shows signals by its campaigns", "baton.toml:6:"]);
    check("{ list = \"Nurture: re-engage\" }", "{ list = \"N\", queue = \"Q\" }", &["only Salesforce has queues"]);
    check("campaign = \"Nurture\", queue", "list = \"Nurture\", queue", &["a queue stands beside a campaign"]);
    check("campaign = \"Fair\"", "campaign = \"Fair\", property = \"X\"", &["by a campaign or by a property"]);
    check("[\"Attended\", \"On demand\"]", "[]", &["a signal that no status shows"]);
    check("events = \"held\"", "events = \"maybe\"", &["booked"]);
    check("kind = \"hubspot\"", "kind = \"hubspot\"\nevents = \"held\"", &["only Salesforce leaves open"]);
}

#[test]
fn days_off_stand_in_the_roster_by_their_dates_and_a_calendar_may_name_its_source() {
    let lines = "closed = [\"2026-12-25\", \"2026-12-24 12:00-24:00 Christmas Eve\", \"2027-01-04 Bridge day\"]\n\
                 source = { connection = \"hubspot\", hours = \"Default\", holidays = [\"Christmas\"] }\n";
    let folder = Folder::new(SETTINGS);
    folder.put("roster.toml", &format!("{ROSTER}{lines}"));
    let roster = folder.load(&[]).unwrap_or_else(|problems| panic!("{}", problems.render(false))).roster;
    let calendar = &roster.calendars[&Name::from("berlin")];
    let off: Vec<String> = calendar
        .holidays()
        .closures()
        .map(|off| {
            format!("{} {} {}", off.date, off.part.map_or("all day".to_owned(), |part| part.to_string()), off.name)
        })
        .collect();
    assert_eq!(
        off,
        ["2026-12-24 12:00-24:00 Christmas Eve", "2026-12-25 all day day off", "2027-01-04 all day Bridge day"]
    );
    let source = CalendarSource {
        connection: "hubspot".into(),
        hours: Name::from("Default"),
        holidays: Some(vec![Name::from("Christmas")]),
    };
    assert_eq!(roster.sources[&Name::from("berlin")], source);
    let wrong = told(SETTINGS, &format!("{ROSTER}{}", lines.replace("\"2026-12-25\"", "\"25.12.2026\"")));
    assert!(wrong.contains("`25.12.2026` is no day off") && wrong.contains("roster.toml:"), "{wrong}");
    let wrong = told(SETTINGS, &format!("{ROSTER}{}", lines.replace("\"hubspot\"", "\"salesforce\"")));
    assert!(wrong.contains("no connection is called `salesforce`"), "{wrong}");
}

#[tokio::test]
async fn setup_prints_hours_as_a_calendar_and_a_look_tells_when_they_change() {
    let scene = Scene::new().await;
    let org = Salesforce::new(Clock::system(), baton::sandbox::salesforce::Settings::default());
    let mut servers = JoinSet::new();
    let at = serve(&mut servers, org.router()).await;
    let key = org.settings().consumer_key;
    scene.add(&format!(
        "[connections.sf]\nkind = \"salesforce\"\nbase_url = \"{at}\"\n\
         auth = {{ client = {{ client_id = \"{key}\", client_secret = {{ env = \"SF_SECRET\" }} }} }}"
    ));
    let year = Clock::system().wall().to_zoned(jiff::tz::TimeZone::UTC).date().year() + 1;
    // A Wednesday or whatever else, as long as people work on it.
    let workday = (1..=7).map(|day| date(year, 5, day)).find(|day| day.weekday() == jiff::civil::Weekday::Wednesday);
    let workday = workday.unwrap();
    org.add_setup("Holiday", json!({"Name": "Fair", "IsAllDay": true, "ActivityDate": workday.to_string()}));
    let run = async |arguments: &[&str]| {
        let output = scene.command(arguments).env("SF_SECRET", &org.settings().consumer_secret).output().await.unwrap();
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), told)
    };
    let (status, _, told) = run(&["setup", "sf"]).await;
    assert_eq!(status, Some(0), "{told}");
    assert!(
        told.contains("[calendars.default]\nzone = \"Europe/Berlin\"\nopen = { mon-fri = [\"09:00-17:00\"] }"),
        "{told}"
    );
    let (_, printed, _) = run(&["setup", "sf", "--json"]).await;
    let printed: Value = serde_json::from_str(&printed).unwrap();
    let section: Vec<&str> = printed["calendars"][0].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let roster = std::fs::read_to_string(scene.path("roster.toml")).unwrap();
    std::fs::write(scene.path("roster.toml"), format!("{roster}\n{}\n", section.join("\n"))).unwrap();
    let (status, _, told) = run(&["check", "--online"]).await;
    assert_eq!(status, Some(0), "what setup prints is a calendar of the roster: {told}");
    assert!(!told.contains("calendars.default"), "and agrees with its source: {told}");

    let hours = org.ids("BusinessHours").remove(0);
    org.set_setup("BusinessHours", &hours, "FridayEndTime", json!("15:00:00.000Z"));
    let other = workday.tomorrow().unwrap();
    org.add_setup("Holiday", json!({"Name": "Bridge day", "IsAllDay": true, "ActivityDate": other.to_string()}));
    let (status, _, told) = run(&["check", "--online"]).await;
    assert_eq!(status, Some(0), "warnings alone: {told}");
    let bridge = format!("{other} Bridge day is off there");
    let line = |start: &str| {
        let roster = std::fs::read_to_string(scene.path("roster.toml")).unwrap();
        let at = roster.rfind(start).unwrap();
        format!("roster.toml:{}:1", roster[..at].lines().count() + 1)
    };
    assert!(told.contains(&line("open = ")), "it points at `open`: {told}");
    assert!(told.contains(&line("closed = ")), "and at `closed`: {told}");
    for part in ["fri is 09:00-15:00 there, 09:00-17:00 here", bridge.as_str(), "roster.toml:", "`baton setup sf`"] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    assert!(org.ledger().iter().all(|effect| !effect.is_api), "nothing was written");
}

/// The errors of one `auth`, without the warnings.
fn of_auth(kind: &str, auth: &str) -> Vec<(String, String)> {
    let folder = Folder::new(&format!("{SETTINGS}[connections.other]\nkind = \"{kind}\"\n{auth}\n"));
    let problems = folder.load(&[]).map(|loaded| loaded.warnings).unwrap_or_else(|problems| problems);
    let all = problems.list().into_iter().filter(|problem| problem.severity == baton::document::Severity::Error);
    all.map(|problem| (problem.message, problem.help.unwrap_or_default())).collect()
}

#[test]
fn one_mistake_in_a_login_is_one_error_with_the_line_to_write() {
    let client =
        "write `auth = { client = { client_id = \"the app's consumer key\", client_secret = { env = \"NAME\" } } }`";
    for (auth, message) in [
        ("", "lacks `auth`"),
        ("auth = {}", "is empty"),
        ("auth = { client = {} }", "lacks `client_id` and `client_secret`"),
        ("auth = { client = { client_id = \"k\" } }", "lacks `client_secret`"),
        ("auth = { client = { client_id = \"k\", secret = { env = \"S\" } } }", "knows no `secret`"),
        ("auth = { client_credentials = { client_id = \"k\" } }", "`client_credentials` is no way to log in"),
        ("auth = { token = { env = \"S\" } }", "session ids end within hours"),
    ] {
        let told = of_auth("salesforce", auth);
        assert_eq!(told.len(), 1, "{auth}: {told:?}");
        assert!(told[0].0.contains(message), "{auth}: {told:?}");
        let line = client.trim_start_matches("write `").trim_end_matches('`');
        assert!(told[0].1.contains(line), "{auth}: {told:?}");
    }
    let told = of_auth("hubspot", "auth = { jwt = {} }");
    assert!(told.len() == 1 && told[0].1.contains("`auth = { token = { env = \"NAME\" } }`"), "{told:?}");
}

#[test]
fn a_calendar_from_a_crm_without_working_hours_is_told_without_asking_it() {
    let calendar = "[calendars.taken]\nzone = \"Europe/Berlin\"\nopen = { mon-fri = [\"09:00-17:00\"] }\n\
                    source = { connection = \"hubspot\", hours = \"Default\" }\n";
    let wrong = told(SETTINGS, &format!("{ROSTER}{calendar}"));
    assert!(wrong.contains("hubspot keeps no working hours that this could be taken from"), "{wrong}");
    assert!(wrong.contains("roster.toml") && wrong.contains("take `source` out"), "{wrong}");
    let fine = told(&format!("{SETTINGS}{ORG}"), &format!("{ROSTER}{}", calendar.replace("\"hubspot\"", "\"sf\"")));
    assert!(!fine.contains("keeps no working hours"), "{fine}");
}
