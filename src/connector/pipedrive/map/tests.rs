use serde_json::{Value as Json, json};

use super::*;
use crate::connector::pipedrive::book::Journey;
use crate::connector::pipedrive::catalogue::Named;
use crate::connector::settings::{Kind, Settings};
use crate::domain::field::Field;
use crate::domain::id::RemoteId;
use crate::domain::record::{Author, KeyKind, Word};
use crate::domain::stage::Stage;

fn row(value: Json) -> Row {
    serde_json::from_value(value).unwrap()
}

fn named(id: &str, name: &str) -> Named {
    Named { id: id.to_owned(), name: name.to_owned() }
}

/// What a person says with one lead or deal of theirs.
fn told(journey: Option<Journey>, person: Json) -> (Observation, PersonSeen) {
    let base = "http://127.0.0.1:8703".parse().unwrap();
    let mut settings = Settings::new("pipedrive", Kind::Pipedrive, base, "k".to_owned().into());
    settings.reasons = vec![
        (Name::from("bad_timing"), vec!["archived".to_owned(), "Not now".to_owned()]),
        (Name::from("competitor"), vec!["Went elsewhere".to_owned()]),
        (Name::from("duplicate"), vec!["deleted".to_owned()]),
    ];
    let maps = Maps::of(&settings);
    let stages = vec![named("1", "Qualified"), named("9", "Legal review")];
    let catalogue = Catalogue::of(vec![named("l-1", "Hot"), named("l-2", "Not now")], stages);
    let mut book = Book::default();
    if let Some(journey) = journey {
        book.note(journey);
    }
    let seen = super::person(&row(person), Context { maps: &maps, catalogue: &catalogue, book: &book }).unwrap();
    let Content::Person(person) = seen.content.clone() else { unreachable!("{seen:?}") };
    (seen, *person)
}

fn jane() -> Json {
    json!({"id": 7, "first_name": "Jane", "owner_id": 3, "add_time": "2026-11-20T08:00:00Z", "update_time": "2026-11-20T09:00:00Z",
        "emails": [{"value": "old@acme.example", "primary": false}, {"value": " Jane@Acme.example ", "primary": true}]})
}

fn lead(more: Json) -> Option<Journey> {
    let mut lead = json!({"id": "a", "person_id": 7, "owner_id": 5, "add_time": "2026-11-21T08:00:00Z",
        "update_time": "2026-11-24T08:00:00Z", "is_archived": false});
    lead.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Journey::of_lead(&row(lead), &[])
}

fn deal(more: Json) -> Option<Journey> {
    let mut deal = json!({"id": 4, "person_id": 7, "owner_id": 5, "add_time": "2026-11-21T08:00:00Z",
        "update_time": "2026-11-24T08:00:00Z", "stage_id": 1, "status": "open"});
    deal.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Journey::of_deal(&row(deal), &[])
}

fn word(journey: Option<Journey>) -> Option<(Word, String)> {
    told(journey, jane()).1.disposition.map(|said| (said.word, said.at.to_string()))
}

fn rejected(reason: Option<&str>, said: &str) -> Word {
    Word::Rejected { reason: reason.map(Name::from), said: Some(Name::from(said)) }
}

#[test]
fn somebody_without_a_journey_is_their_owners_and_says_nothing() {
    let (seen, jane) = told(None, jane());
    assert_eq!(seen.modified.to_string(), "2026-11-20T09:00:00Z");
    assert_eq!((jane.owners[0].owner.clone(), jane.owners[0].by.clone()), (Some(RemoteId::from("3")), Author::Unknown));
    assert!(jane.stages.is_empty() && jane.disposition.is_none() && !jane.has_history);
    let emails: Vec<&str> = jane.keys.iter().map(|key| key.value.as_str()).collect();
    assert_eq!(emails, ["jane@acme.example", "old@acme.example"], "every address is theirs");
    let email = jane.values.iter().find(|known| known.field == Field::Email).map(|known| known.value.to_string());
    assert_eq!(email.as_deref(), Some("jane@acme.example"), "the first one is what is written to");
}

#[test]
fn an_open_lead_has_an_owner_and_no_word() {
    let (seen, jane) = told(lead(json!({"origin_id": "baton:L-42:7f"})), jane());
    assert_eq!(seen.modified.to_string(), "2026-11-24T08:00:00Z", "the lead's own change is the person's");
    assert_eq!(jane.owners[0].owner, Some(RemoteId::from("5")));
    assert!(jane.disposition.is_none());
    let own: Vec<&str> =
        jane.keys.iter().filter(|key| key.kind == KeyKind::Own).map(|key| key.value.as_str()).collect();
    assert_eq!(own, ["L-42"], "what Baton wrote into it names the lead");
}

#[test]
fn an_archived_lead_is_given_back_with_its_label_or_the_word_for_archived() {
    let at = "2026-11-24T08:00:00Z".to_owned();
    let gone = |labels: Json| word(lead(json!({"is_archived": true, "archive_time": at, "label_ids": labels})));
    assert_eq!(gone(json!(["l-1"])), Some((rejected(Some("bad_timing"), "archived"), at.clone())));
    assert_eq!(gone(json!(["l-1", "l-2"])), Some((rejected(Some("bad_timing"), "Not now"), at.clone())));
}

#[test]
fn a_deal_is_accepted_since_it_was_made_and_a_lost_one_says_why() {
    let made = "2026-11-21T08:00:00Z".to_owned();
    assert_eq!(word(deal(json!({}))), Some((Word::Accepted, made.clone())));
    let won = json!({"status": "won", "won_time": "2026-11-24T07:00:00Z"});
    assert_eq!(word(deal(won)), Some((Word::Accepted, made)));
    let lost = |why: Json| deal(json!({"status": "lost", "lost_time": "2026-11-24T07:00:00Z", "lost_reason": why}));
    let at = "2026-11-24T07:00:00Z".to_owned();
    assert_eq!(word(lost(json!("went elsewhere"))), Some((rejected(Some("competitor"), "went elsewhere"), at.clone())));
    assert_eq!(word(lost(json!("Cosmic rays"))), Some((rejected(None, "Cosmic rays"), at.clone())));
    assert_eq!(word(lost(json!(null))), Some((Word::Rejected { reason: None, said: None }, at)));
    let (seen, _) = told(lost(json!("Cosmic rays")), jane());
    assert!(seen.findings[0].text.contains("cosmic_rays = [\"Cosmic rays\"]"), "{:?}", seen.findings);
}

#[test]
fn a_deals_place_is_its_stage_and_its_end_goes_before() {
    let stage = |more: Json| told(deal(more), jane()).1.stages.first().map(|entry| entry.stage);
    assert_eq!(stage(json!({})), Some(Stage::Sql));
    assert_eq!(stage(json!({"status": "won", "won_time": "2026-11-24T07:00:00Z"})), Some(Stage::Won));
    assert_eq!(stage(json!({"stage_id": 9})), None, "a stage of the company's own is not guessed");
    let (seen, _) = told(deal(json!({"stage_id": 9})), jane());
    assert!(seen.findings[0].text.contains("Legal review"), "{:?}", seen.findings);
}

#[test]
fn the_consent_of_campaigns_is_only_ever_a_withdrawal() {
    for (said, is_out) in [("unsubscribed", "true"), ("subscribed", "false"), ("no_consent", "false")] {
        let mut row = jane();
        row["marketing_status"] = json!(said);
        let (_, jane) = told(None, row);
        let known = jane.values.iter().find(|known| known.field == Field::OptedOut);
        assert_eq!(known.map(|known| known.value.to_string()).as_deref(), Some(is_out), "{said}");
    }
}

#[test]
fn a_row_that_lacks_its_time_is_said_to_and_a_deleted_one_is_gone() {
    let base = "http://127.0.0.1:8703".parse().unwrap();
    let maps = Maps::of(&Settings::new("pipedrive", Kind::Pipedrive, base, "k".to_owned().into()));
    let (catalogue, book) = (Catalogue::of(Vec::new(), Vec::new()), Book::default());
    let context = Context { maps: &maps, catalogue: &catalogue, book: &book };
    assert_eq!(super::person(&row(json!({"id": 7})), context), Err("update_time is no time".to_owned()));
    let gone = json!({"id": 7, "is_deleted": true, "update_time": "2026-11-24T08:00:00Z"});
    assert_eq!(super::person(&row(gone), context).unwrap().content, Content::Gone);
}
