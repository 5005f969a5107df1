//! Whatever the store is given, it gives back; and it says where a body is not what it should be.

mod any;

use std::fmt::Debug;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value as Json, json};

use crate::domain::agreement::Proof;
use crate::domain::coverage::{Coverage, StreamCoverage};
use crate::domain::decide::Granted;
use crate::domain::finding::{Finding, FindingKind, Subject};
use crate::domain::handoff::TurnBy;
use crate::domain::id::LeadId;
use crate::domain::lead::LeadState;
use crate::domain::plan::{Case, CompanySummary, Fate, Receipt};
use crate::domain::record::PersonRecord;
use crate::domain::skew::Skew;

use super::row::{Body, Input, LeadBody, decode, encode};
use crate::domain::committee::Headcount;
use any::*;

/// `value` reads back; with something unknown in it, or something of another kind, it is refused, and the place is said.
fn check<T: Body + PartialEq + Debug>(value: &T, place: Index) -> Result<(), TestCaseError> {
    let text = encode(value);
    let read = decode::<T>(&text);
    prop_assert_eq!(read.as_ref(), Ok(value), "{}", text);

    let whole: Json = serde_json::from_str(&text).unwrap();
    let mut places = Vec::new();
    every_place(&whole, String::new(), &mut places);
    let place = place.get(&places);
    let key = place.split('/').nth(1).unwrap_or("unexpected");
    let spoilt = |spoil: &dyn Fn(&mut Json)| {
        let mut spoilt = whole.clone();
        spoil(spoilt.pointer_mut(place).unwrap());
        let error = decode::<T>(&spoilt.to_string()).err().map(|error| error.to_string());
        (error, spoilt)
    };
    if whole.pointer(place).unwrap().is_object() {
        let (error, spoilt) = spoilt(&|place| place["unexpected"] = json!(true));
        prop_assert!(error.as_ref().is_some_and(|error| error.starts_with(key)), "{:?}: {}", error, spoilt);
    }
    let (error, spoilt) = spoilt(&|place| {
        *place = match place {
            Json::Array(_) => json!("of another kind"),
            Json::Object(_) => json!([]),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => json!({ "other": true }),
        }
    });
    let says = |error: &String| place.is_empty() || error.starts_with(key);
    prop_assert!(error.as_ref().is_some_and(says), "{:?}: {}", error, spoilt);
    Ok(())
}

/// The pointers to every value in `json`, itself included.
fn every_place(json: &Json, at: String, places: &mut Vec<String>) {
    match json {
        Json::Array(list) => {
            list.iter().enumerate().for_each(|(number, one)| every_place(one, format!("{at}/{number}"), places));
        }
        Json::Object(pairs) => pairs.iter().for_each(|(key, one)| every_place(one, format!("{at}/{key}"), places)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
    places.push(at);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, ..ProptestConfig::default() })]

    #[test]
    fn records_read_back(person in person(), company in company(), touch in touch(), user in user(), place: Index) {
        check(&person, place)?;
        check(&company, place)?;
        check(&touch, place)?;
        check(&user, place)?;
    }

    #[test]
    fn deals_read_back(deal in deal(), place: Index) {
        check(&deal, place)?;
    }

    #[test]
    fn leads_and_teams_read_back(lead in lead(), team in team(), place: Index) {
        check(&lead, place)?;
        check(&team, place)?;
    }

    #[test]
    fn handoffs_read_back(handoff in handoff(), place: Index) {
        check(&handoff, place)?;
    }

    #[test]
    fn events_read_back(event in event(), place: Index) {
        check(&event, place)?;
    }

    #[test]
    fn effects_read_back(write in write(), notice in notice(), place: Index) {
        check(&write, place)?;
        check(&notice, place)?;
    }

    /// As text, which is what the journal keeps: what a decision saw has no equality of its own.
    #[test]
    fn what_decisions_saw_reads_back(
        lead in lead(),
        records in vec(person(), 0..3),
        company in option::of(company()),
        handoff in option::of(handoff()),
        touches in vec(touch(), 0..3),
        (op, now, name) in (operation(), time(), option::of(text())),
        is_time_sure: bool,
    ) {
        let who = name.as_deref().unwrap_or("a@x.example");
        let LeadBody(lead) = lead;
        let company = company.map(|record| CompanySummary { record, owner: Some(who.into()), open_deals: None, engaged: Some(3) });
        let receipts = [Fate::Pending, Fate::Done, Fate::Dead].map(|fate| Receipt { op, fate, at: now }).to_vec();
        let subjects = [Subject::Lead(lead.id), Subject::Policy("zone".into()), Subject::Connection("crm".into(), who.into())];
        let findings: Vec<Finding> = subjects
            .into_iter()
            .zip(FindingKind::ALL)
            .map(|(subject, kind)| Finding { kind, subject, text: who.to_owned() })
            .collect();
        let granted = Granted {
            person: who.into(), team: name.as_deref().map(Into::into), by: TurnBy::Routing, why: who.to_owned(), findings,
        };
        let stream = StreamCoverage { stream: "crm.calls".into(), proves: vec![Proof::Call], covered_until: Some(now) };
        let input = Input {
            now,
            case: Case {
                lead: LeadState { name: name.as_deref().map(Arc::from), look_again_at: Some(now), ..lead },
                records, company, handoff, touches, receipts,
                colleagues: Some(Headcount { people: 3, engaged: 1, roles: vec![("buyer".into(), 2)] }),
                history: None, answer: None, open_deals: 2, apart: Vec::new(), told: Vec::new(),
            },
            nobody: granted.findings.clone(),
            granted: vec![granted],
            coverage: Coverage {
                streams: vec![stream],
                clocks: vec![Skew { connection: "crm".into(), ahead: SignedDuration::ZERO, behind: SignedDuration::from_secs(61) }],
            },
            is_time_sure,
            versions: ["a", "b", "c", "d"].map(str::to_owned),
        };
        let kept = encode(&input);
        let again: Input = decode(&kept).unwrap();
        prop_assert_eq!(encode(&again), kept);
    }

    #[test]
    fn what_is_no_body_is_refused(text: String) {
        prop_assert!(decode::<PersonRecord>(&text).is_err());
        prop_assert!(decode::<LeadBody>(&text).is_err());
    }
}

#[test]
fn a_body_that_is_cut_off_is_refused_at_every_length() {
    let whole = encode(&LeadBody(LeadState::new(LeadId(0), Timestamp::UNIX_EPOCH)));
    assert!(decode::<LeadBody>(&whole).is_ok());
    for end in 0..whole.len() {
        assert!(decode::<LeadBody>(&whole[..end]).is_err(), "{}", &whole[..end]);
    }
}
