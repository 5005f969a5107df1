use std::collections::HashSet;
use std::time::Instant;

use super::super::wire::{self, rows};
use super::touches::judge_message;
use super::*;
use crate::connector::settings::{Kind, Settings};
use crate::domain::id::RemoteId;
use crate::domain::record::{Author, Disposition, KeyKind, OwnerEntry, Word};
use crate::domain::stage::Stage;
use crate::domain::touch::{Channel, Genuine, NotGenuine};

// Recorded from Odoo 19.0: made as a lead, qualified, lost, called, noted, written to, answered.
const LEAD: &str = include_str!("../../../../tests/fixtures/odoo/lead_lost.json");
const TRACKING: &str = include_str!("../../../../tests/fixtures/odoo/tracking.json");
const MESSAGES: &str = include_str!("../../../../tests/fixtures/odoo/messages.json");
const NOTIFICATIONS: &str = include_str!("../../../../tests/fixtures/odoo/notifications.json");

fn maps() -> Maps {
    let mut settings =
        Settings::new("odoo", Kind::Odoo, "http://127.0.0.1:8069".parse().unwrap(), "k".to_owned().into());
    settings.reasons = vec![(Name::from("too_dear"), vec!["too expensive".to_owned()])];
    Maps::of(&settings)
}

fn catalogue(has_history: bool) -> Catalogue {
    let named = |id: i64, name: &str| Named { id, name: name.to_owned() };
    let tracked = [
        (3930, "user_id"),
        (3937, "active"),
        (3938, "type"),
        (3940, "stage_id"),
        (3984, "won_status"),
        (3985, "lost_reason_id"),
    ];
    let tracked = tracked.into_iter().map(|(id, name)| (id, name.to_owned())).collect();
    Catalogue {
        read_at: Instant::now(),
        own: 2,
        stages: vec![named(1, "New"), named(2, "Qualified")],
        reasons: vec![named(1, "Too expensive")],
        teams: 1,
        staff: HashMap::from([(2, 1), (3, 2), (42, 7)]),
        zones: HashMap::new(),
        countries: HashMap::from([(57, "DE".to_owned())]),
        channels: HashMap::from([(2, Channel::Call)]),
        activity_types: HashSet::from([2, 4]),
        internal: HashSet::from([2, 3]),
        fields: HashMap::new(),
        tracked: has_history.then_some(tracked),
        reads_keys: true,
        sees_all: true,
    }
}

fn row(edit: &[(&str, serde_json::Value)]) -> Row {
    let mut row = rows(LEAD.as_bytes()).unwrap().remove(0);
    row.0.extend(edit.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    row
}

fn beside(catalogue: &Catalogue) -> Beside {
    let lead = row(&[]).id().unwrap();
    let lead_of = HashMap::from([(3634, lead), (3635, lead)]);
    let changes = rows(TRACKING.as_bytes()).unwrap();
    let changes = changes.iter().filter_map(|row| change(row, catalogue, &lead_of)).collect();
    let keys = vec!["lead_42_00ff".to_owned(), "something_else".to_owned()];
    Beside { changes: HashMap::from([(lead, changes)]), keys: HashMap::from([(lead, keys)]) }
}

fn seen(row: &Row, catalogue: &Catalogue) -> (PersonSeen, Vec<Finding>) {
    let beside = if catalogue.tracked.is_some() { beside(catalogue) } else { Beside::default() };
    let observation = lead(row, &beside, &maps(), catalogue).unwrap();
    match observation.content {
        Content::Person(person) => (*person, observation.findings),
        other => panic!("{other:?}"),
    }
}

fn at(text: &str) -> Timestamp {
    wire::instant(text).unwrap()
}

#[test]
fn a_lost_lead_tells_its_whole_history_with_authors() {
    let (person, findings) = seen(&row(&[]), &catalogue(true));
    let rita = Author::Person(Some(RemoteId::from("7")));
    let (moved, lost) = (at("2026-11-24 02:27:28"), at("2026-11-24 02:27:29"));
    assert_eq!(
        person.stages,
        [
            StageEntry { stage: Stage::Sql, at: moved, by: rita.clone() },
            StageEntry { stage: Stage::Lost, at: lost, by: rita.clone() },
        ]
    );
    let owner = OwnerEntry { owner: Some("7".into()), at: at("2026-11-24 02:27:26"), by: Author::Baton };
    assert_eq!(person.owners, [owner]);
    let word = Word::Rejected { reason: Some("too_dear".into()), said: Some("Too expensive".into()) };
    assert_eq!(person.disposition, Some(Disposition { word, at: lost, by: rita }));
    assert!(person.has_history && findings.is_empty(), "{findings:?}");
}

#[test]
fn fields_come_in_normal_form() {
    let (person, _) = seen(&row(&[]), &catalogue(true));
    let found: Vec<String> = person.values.iter().map(|known| format!("{}={}", known.field, known.value)).collect();
    assert_eq!(
        found,
        [
            "lead.email=jane@exa.example",
            "lead.first_name=Jane",
            "lead.last_name=van Doe",
            "lead.phone=+49 30 123456",
            "lead.title=Head of Finance",
            "lead.country=DE",
            "lead.source=Search engine",
            "lead.opted_out=false",
            "handoff.reason=Too expensive",
            "company.name=Exa GmbH",
            "company.domain=exa.example",
            "company.country=DE",
        ]
    );
    let keys: Vec<(KeyKind, &str)> = person.keys.iter().map(|key| (key.kind, key.value.as_str())).collect();
    let by_phone = (KeyKind::Phone, "+4930123456 doe jane van");
    assert_eq!(keys, [(KeyKind::Own, "L-42"), (KeyKind::Email, "jane@exa.example"), by_phone]);
}

#[test]
fn without_history_only_the_present_is_known() {
    let (person, _) = seen(&row(&[]), &catalogue(false));
    assert_eq!(person.owners.len(), 1);
    assert_eq!(person.stages[0].by, Author::Unknown);
    assert_eq!(person.disposition.unwrap().by, Author::Unknown);
    assert!(!person.has_history);
}

#[test]
fn a_restored_lead_is_not_rejected_and_an_archived_one_is_gone() {
    let open = [("active", true.into()), ("won_status", "pending".into()), ("lost_reason_id", false.into())];
    let (person, _) = seen(&row(&open), &catalogue(true));
    assert_eq!(person.disposition.unwrap().word, Word::Accepted);
    let archived = row(&[("won_status", "pending".into())]);
    let observation = lead(&archived, &Beside::default(), &maps(), &catalogue(true)).unwrap();
    assert_eq!(observation.content, Content::Gone);
}

#[test]
fn unknown_values_are_findings_with_the_line_that_maps_them() {
    let strange = [
        ("stage_id", serde_json::json!([9, "On hold"])),
        ("lost_reason_id", serde_json::json!([8, "Ghosted"])),
        ("country_id", serde_json::json!([999, "Atlantis"])),
    ];
    let (person, findings) = seen(&row(&strange), &catalogue(true));
    let texts: Vec<&str> = findings.iter().map(|finding| finding.text.as_str()).collect();
    for wanted in ["stage_id = [\"On hold\"]", "[\"Ghosted\"]", "Atlantis"] {
        assert!(texts.iter().any(|text| text.contains(wanted)), "{wanted}: {texts:?}");
    }
    assert!(matches!(person.disposition.unwrap().word, Word::Rejected { reason: None, said: Some(_) }));
    let (_, findings) = seen(&row(&[("stage_id", serde_json::json!([1, "New"]))]), &catalogue(true));
    assert!(findings.is_empty(), "`New` is no stage, and that is right: {findings:?}");
}

#[test]
fn changes_newer_than_the_row_wait_for_the_next_pass() {
    let early = [
        ("write_date", "2026-11-24 02:27:27".into()),
        ("active", true.into()),
        ("won_status", "pending".into()),
        ("stage_id", serde_json::json!([1, "New"])),
    ];
    let (person, _) = seen(&row(&early), &catalogue(true));
    assert!(person.stages.is_empty() && person.disposition.is_none(), "{person:?}");
}

#[test]
fn messages_that_reach_a_lead_are_touches_and_logs_are_none() {
    let sent: Vec<Sent> = rows(NOTIFICATIONS.as_bytes())
        .unwrap()
        .iter()
        .map(|row| Sent {
            message: row.link_id("mail_message_id").unwrap(),
            partner: row.link_id("res_partner_id"),
            status: row.text("notification_status").unwrap().to_owned(),
        })
        .collect();
    let judged = |status: Option<&str>| -> Vec<(Channel, Genuine)> {
        let messages = rows(MESSAGES.as_bytes()).unwrap();
        let touch = |row: &Row| {
            let mut own: Vec<Sent> = sent.iter().filter(|one| Some(one.message) == row.id()).cloned().collect();
            own.iter_mut().for_each(|one| one.status = status.unwrap_or(&one.status).to_owned());
            judge_message(row, &own, &catalogue(true))
        };
        messages.iter().filter_map(touch).collect()
    };
    let inbound = (Channel::Email, Genuine::No(NotGenuine::Inbound));
    let call = (Channel::Call, Genuine::Yes);
    assert_eq!(judged(None), [call, (Channel::Email, Genuine::No(NotGenuine::Failed)), inbound]);
    assert_eq!(judged(Some("sent")), [call, (Channel::Email, Genuine::Yes), inbound]);
}
