//! The map against answers composed from the fact sheet; each test names its section.

use super::*;
use crate::connector::hubspot::wire;
use crate::connector::settings::{Kind, Settings, SignalMap, SignalTest};
use crate::domain::field::{Field, Value};
use crate::domain::record::{Author, Word};
use crate::domain::touch::{Genuine, NotGenuine};

fn settings() -> Settings {
    Settings::new("hubspot", Kind::HubSpot, "http://127.0.0.1:1".parse().unwrap(), String::from("t").into())
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const NOW: &str = "2026-09-21T14:00:00Z";

/// Maps one record of `json` with `settings`.
fn mapped(settings: &Settings, kind: Type, json: &str) -> (Observation, Vec<Finding>) {
    let maps = Maps::of(settings);
    let users = HashMap::from([("9586504".to_owned(), RemoteId::from("41629779"))]);
    let context = Context { connection: &settings.id, maps: &maps, users: &users, own_app: Some("77"), now: time(NOW) };
    let body = format!(r#"{{"results":[{json}]}}"#);
    let page = wire::page(body.as_bytes()).unwrap();
    let mut findings = Findings::default();
    let seen = observation(kind, &page.records[0], Some(&[RemoteId::from("55")]), &context, &mut findings);
    (seen, findings.0)
}

fn person_of(json: &str) -> (PersonSeen, Vec<Finding>) {
    person_with(&settings(), json)
}

fn person_with(settings: &Settings, json: &str) -> (PersonSeen, Vec<Finding>) {
    match mapped(settings, Type::Contacts, json) {
        (Observation { content: Content::Person(person), .. }, findings) => (*person, findings),
        other => panic!("{other:?}"),
    }
}

fn contact(properties: &str, history: &str) -> String {
    format!(
        r#"{{"id":"33451","properties":{{"lastmodifieddate":"2026-09-21T13:27:39.356Z"{properties}}},"propertiesWithHistory":{{{history}}},"createdAt":"2022-06-01T14:31:48.469Z","updatedAt":"2026-09-21T13:27:39.356Z","archived":false}}"#
    )
}

fn entry(value: &str, at: &str, source: &str) -> String {
    format!(r#"{{"value":"{value}","timestamp":"2026-09-{at}Z",{source}}}"#)
}

const BY_USER: &str = r#""sourceType":"CRM_UI","sourceId":"userId:9586504","updatedByUserId":9586504"#;
const BY_US: &str = r#""sourceType":"INTEGRATION","sourceId":"77""#;
const BY_FLOW: &str = r#""sourceType":"AUTOMATION_PLATFORM","sourceId":"12","sourceLabel":"Score flow""#;

#[test]
fn values_come_in_normal_form_section_3() {
    let (person, findings) = person_of(&contact(
        r#","email":" Lorelai@TheDragonfly.com ","country":"Germany","hs_email_optout":"false","hs_additional_emails":"L2@x.example;lorelai@thedragonfly.com","hs_merged_object_ids":"12;13""#,
        "",
    ));
    let value = |field| person.values.iter().find(|known| known.field == field).map(|known| known.value.clone());
    assert_eq!(value(Field::Email), Value::text("lorelai@thedragonfly.com"));
    assert_eq!(value(Field::Country), Value::text("DE"));
    assert_eq!(value(Field::OptedOut), Some(Value::Flag(false)));
    let keys: Vec<&str> = person.keys.iter().map(|key| key.value.as_str()).collect();
    assert_eq!(keys, ["lorelai@thedragonfly.com", "l2@x.example"]);
    assert_eq!(person.merged, [RemoteId::from("12"), RemoteId::from("13")]);
    assert_eq!(person.created, time("2022-06-01T14:31:48.469Z"));
    assert!(person.values.is_sorted_by_key(|known| known.field) && findings.is_empty());
    let (seen, findings) = mapped(
        &settings(),
        Type::Companies,
        r#"{"id":9,"properties":{"hs_lastmodifieddate":"2026-09-21T13:27:39.356Z","domain":"https://www.Acme.example/de","numberofemployees":"1,200","industry":"COMPUTER_SOFTWARE","annualrevenue":"a lot"}}"#,
    );
    let Content::Company(company) = seen.content else { panic!() };
    let value = |field| company.values.iter().find(|known| known.field == field).map(|known| known.value.clone());
    assert_eq!(value(Field::CompanyDomain), Value::text("acme.example"));
    assert_eq!(value(Field::Employees), Some(Value::Number(1200.0)));
    assert_eq!(value(Field::Industry), Value::text("computer software"));
    assert_eq!(value(Field::Revenue), None);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].text.contains("company.revenue") && !findings[0].text.contains("a lot"));
}

#[test]
fn an_unmapped_value_is_said_with_the_line_to_add_section_3() {
    let (person, findings) = person_of(&contact(r#","lifecyclestage":"51439524","country":"Atlantis""#, ""));
    assert!(person.stages.is_empty());
    let texts: Vec<&str> = findings.iter().map(|finding| finding.text.as_str()).collect();
    let line = "mql = { read = { lifecyclestage = [\"marketingqualifiedlead\", \"51439524\"] }, write = { lifecyclestage = \"marketingqualifiedlead\" } }";
    assert!(texts.iter().any(|text| text.ends_with(line)), "the line keeps what is mapped by default: {texts:?}");
    assert!(texts.iter().any(|text| text.contains("51439524") && text.contains("[connections.hubspot.stages]")));
    assert!(texts.iter().any(|text| text.contains("Atlantis")));
}

#[test]
fn two_properties_make_one_stage_section_3() {
    for (lifecycle, status, stage) in [
        ("lead", "", Some(Stage::Engagement)),
        ("marketingqualifiedlead", "NEW", Some(Stage::Mql)),
        ("marketingqualifiedlead", "IN_PROGRESS", Some(Stage::Sal)),
        ("salesqualifiedlead", "CONNECTED", Some(Stage::Sql)),
        ("customer", "OPEN_DEAL", Some(Stage::Won)),
        ("", "CONNECTED", Some(Stage::Sal)),
        ("", "", None),
    ] {
        let properties = format!(r#","lifecyclestage":"{lifecycle}","hs_lead_status":"{status}""#);
        let (person, _) = person_of(&contact(&properties, ""));
        assert_eq!(person.stages.last().map(|entry| entry.stage), stage, "{lifecycle} {status}");
        assert!(!person.has_history);
    }
}

#[test]
fn history_gives_times_and_authors_whatever_its_order_section_4() {
    let stages = [
        entry("marketingqualifiedlead", "20T10:00:00", BY_USER),
        entry("", "19T10:00:01", BY_US),
        entry("lead", "01T10:00:00", BY_FLOW),
        entry("salesqualifiedlead", "18T10:00:00", BY_FLOW),
    ];
    let owners = [entry("41629779", "20T11:00:00", BY_US), entry("", "02T10:00:00", r#""sourceType":null"#)];
    let history = format!(r#""lifecyclestage":[{}],"hubspot_owner_id":[{}]"#, stages.join(","), owners.join(","));
    let properties = r#","lifecyclestage":"marketingqualifiedlead","hubspot_owner_id":"41629779""#;
    let (person, _) = person_of(&contact(properties, &history));
    let ledger: Vec<(Stage, Author)> = person.stages.iter().map(|entry| (entry.stage, entry.by.clone())).collect();
    let flow = || Author::Automation(Name::from("Score flow"));
    let person_by = Author::Person(Some(RemoteId::from("41629779")));
    assert_eq!(ledger, [(Stage::Engagement, flow()), (Stage::Sql, flow()), (Stage::Mql, person_by)]);
    assert_eq!(person.stages[2].at, time("2026-09-20T10:00:00Z"));
    assert_eq!(person.owners[0].by, Author::Unknown);
    assert_eq!(person.owners[1].by, Author::Baton);
    assert_eq!(person.owners[1].owner, Some(RemoteId::from("41629779")));
}

#[test]
fn sales_word_is_the_last_one_and_is_taken_back_with_its_value() {
    for (values, word) in [
        (vec!["NEW"], None),
        (vec!["NEW", "IN_PROGRESS"], Some("accepted")),
        (vec!["IN_PROGRESS", "UNQUALIFIED"], Some("rejected")),
        (vec!["UNQUALIFIED", "NEW"], None),
        (vec!["IN_PROGRESS", "NEW"], None),
        (vec!["BAD_TIMING"], Some("bad_timing")),
    ] {
        let entries: Vec<String> = values
            .iter()
            .enumerate()
            .map(|(n, value)| entry(value, &format!("{:02}T10:00:00", n + 1), BY_USER))
            .collect();
        let history = format!(r#""hs_lead_status":[{}]"#, entries.join(","));
        let properties = format!(r#","hs_lead_status":"{}""#, values.last().unwrap());
        let (person, _) = person_of(&contact(&properties, &history));
        let found = person.disposition.map(|disposition| match disposition.word {
            Word::Accepted => "accepted".to_owned(),
            Word::Rejected { reason, .. } => reason.map_or("rejected".to_owned(), |name| name.to_string()),
        });
        assert_eq!(found.as_deref(), word, "{values:?}");
    }
}

#[test]
fn a_reason_comes_from_its_own_property_and_an_unmapped_one_is_said() {
    let mut own = settings();
    own.fields = vec![(Field::Reason, "rejection_reason".to_owned())];
    own.reasons = vec![(Name::from("bad_fit"), vec!["Bad fit".to_owned()])];
    for (said, reason, count) in [("bad fit", Some("bad_fit"), 0), ("Too purple", None, 1)] {
        let properties = format!(r#","hs_lead_status":"UNQUALIFIED","rejection_reason":"{said}""#);
        let (person, findings) = person_with(&own, &contact(&properties, ""));
        let wanted = Word::Rejected { reason: reason.map(Name::from), said: Some(Name::from(said)) };
        assert_eq!(person.disposition.unwrap().word, wanted);
        assert_eq!(findings.len(), count, "{findings:?}");
    }
}

#[test]
fn signals_are_counted_from_history_and_never_twice_section_3() {
    let mut own = settings();
    own.signals = vec![SignalMap {
        signal: Name::from("demo_request"),
        property: "recent_conversion_event_name".to_owned(),
        test: SignalTest::Contains("Demo".to_owned()),
        at: Some("recent_conversion_date".to_owned()),
    }];
    let form = r#""sourceType":"FORM""#;
    let names = [entry("Site: Demo", "10T10:00:02", form), entry("Library: Paper", "05T10:00:00", form)];
    let dates = [
        entry("2026-09-12T10:00:00Z", "12T10:00:01", form),
        entry("2026-09-10T10:00:00Z", "10T10:00:01", form),
        entry("2026-09-05T10:00:00Z", "05T10:00:00", form),
    ];
    let history = format!(
        r#""recent_conversion_event_name":[{}],"recent_conversion_date":[{}]"#,
        names.join(","),
        dates.join(",")
    );
    let properties = r#","recent_conversion_event_name":"Site: Demo","recent_conversion_date":"2026-09-12T10:00:00Z""#;
    let times = |person: PersonSeen| {
        let demo = person.signals.into_iter().filter(|signal| signal.name.as_str() == "demo_request");
        demo.map(|signal| signal.at.to_string()).collect::<Vec<_>>()
    };
    let (with, _) = person_with(&own, &contact(properties, &history));
    assert_eq!(times(with), ["2026-09-10T10:00:00Z", "2026-09-12T10:00:00Z"]);
    let (without, _) = person_with(&own, &contact(properties, ""));
    assert_eq!(times(without), ["2026-09-12T10:00:00Z"]);
}

#[test]
fn evidence_of_follow_up_is_told_from_its_likeness_section_3() {
    let yes = Genuine::Yes;
    let no = Genuine::No;
    let call = |direction: &str, status: &str, outcome: &str| {
        format!(r#""hs_call_direction":"{direction}","hs_call_status":"{status}","hs_call_disposition":"{outcome}""#)
    };
    let email =
        |direction: &str, status: &str| format!(r#""hs_email_direction":"{direction}","hs_email_status":"{status}""#);
    let meeting = |start: &str, outcome: &str| {
        format!(r#""hs_meeting_start_time":"2026-09-{start}Z","hs_meeting_outcome":"{outcome}""#)
    };
    for (kind, properties, genuine) in [
        (Type::Calls, call("OUTBOUND", "COMPLETED", ""), yes),
        (Type::Calls, call("OUTBOUND", "COMPLETED", "f240bbac-87c9-4f6e-bf70-924b57d47db7"), yes),
        (Type::Calls, call("OUTBOUND", "COMPLETED", "b2cf5968-551e-4856-9783-52b3da59a7d0"), yes),
        (Type::Calls, call("OUTBOUND", "COMPLETED", "a4c4c377-d246-4b32-a13b-75a56a4cd0ff"), yes),
        (Type::Calls, call("OUTBOUND", "COMPLETED", "73a0d17f-1163-4015-bdd5-ec830791da20"), no(NotGenuine::Failed)),
        (Type::Calls, call("OUTBOUND", "COMPLETED", "9d9162e7-6cf3-4944-bf63-4dff82258764"), no(NotGenuine::Failed)),
        (Type::Calls, call("OUTBOUND", "COMPLETED", "17b47fee-58de-441e-a44c-c6300d46f273"), no(NotGenuine::Failed)),
        (Type::Calls, call("OUTBOUND", "NO_ANSWER", ""), no(NotGenuine::Failed)),
        (Type::Calls, call("OUTBOUND", "QUEUED", ""), no(NotGenuine::NotDone)),
        (Type::Calls, call("INBOUND", "COMPLETED", ""), no(NotGenuine::Inbound)),
        (Type::Emails, email("EMAIL", "SENT"), yes),
        (Type::Emails, email("EMAIL", "BOUNCED"), no(NotGenuine::Failed)),
        (Type::Emails, email("EMAIL", "SCHEDULED"), no(NotGenuine::NotDone)),
        (Type::Emails, email("INCOMING_EMAIL", "SENT"), no(NotGenuine::Inbound)),
        (Type::Emails, email("FORWARDED_EMAIL", "SENT"), no(NotGenuine::Inbound)),
        (Type::Meetings, meeting("20T10:00:00", "COMPLETED"), yes),
        (Type::Meetings, meeting("20T10:00:00", "SCHEDULED"), yes),
        (Type::Meetings, meeting("22T10:00:00", "SCHEDULED"), no(NotGenuine::NotDone)),
        (Type::Meetings, meeting("22T10:00:00", "COMPLETED"), no(NotGenuine::NotDone)),
        (Type::Meetings, meeting("20T10:00:00", "NO_SHOW"), no(NotGenuine::Failed)),
        (Type::Meetings, meeting("20T10:00:00", "CANCELED"), no(NotGenuine::NotDone)),
    ] {
        let json = format!(
            r#"{{"id":"8","properties":{{"hs_timestamp":"2026-09-20T10:00:00Z","hs_lastmodifieddate":"2026-09-20T10:00:00Z","hubspot_owner_id":"41629779",{properties}}}}}"#
        );
        let (seen, _) = mapped(&settings(), kind, &json);
        let Content::Touch(touches) = seen.content else { panic!("{seen:?}") };
        assert_eq!(touches[0].genuine, genuine, "{properties}");
        assert_eq!(touches[0].by, Some(RemoteId::from("41629779")));
    }
}

#[test]
fn archived_records_are_gone_and_those_without_time_are_kept_apart_section_5() {
    let (seen, _) =
        mapped(&settings(), Type::Contacts, r#"{"id":"1","updatedAt":"2026-09-20T10:00:00Z","archived":true}"#);
    assert_eq!(seen.content, Content::Gone);
    let (seen, _) = mapped(&settings(), Type::Contacts, r#"{"id":"1","properties":{"email":"a@x.example"}}"#);
    assert!(matches!(seen.content, Content::Undecodable(_)));
}
