//! A person's choice of owner wins over Baton's, also one that is made between Baton's look and Baton's write (promise 5).

use std::sync::Arc;

use baton::connector::settings::{Settings, StageMap};
use baton::connector::{Addressed, Connector as _, Forget, Outcome};
use baton::domain::id::Name;
use baton::domain::plan::Effect;
use baton::domain::stage::Stage;
use baton::http::Client;
use baton::http::limiter::Limiter;
use baton::sandbox::salesforce::{Fault, Place, When};
use jiff::SignedDuration;
use serde_json::json;

use super::{Connector, Org, done, org, org_with, remote, settings};
use crate::late::Outbox;

/// One lead of Anna's, which an administrator gives to Clara right before the request that carries Baton's own.
fn clara_before(org: &Org, lead: &str, clara: &str, method: &str, path: &str) {
    let (sandbox, lead, clara) = (org.sandbox.clone(), lead.to_owned(), clara.to_owned());
    org.meanwhile.before(method, path, move || {
        sandbox.as_admin().update("Lead", &lead, json!({"OwnerId": clara})).unwrap();
    });
}

/// Owners whose history says something, so that they may go as a collection.
async fn tracked() -> (Org, [String; 3]) {
    let org = org().await;
    let reps = ["Anna Lang", "Ben May", "Clara Voss"].map(|name| org.rep(name));
    let first = org.lead(&reps[0], "First");
    org.sandbox.as_admin().update("Lead", &first, json!({"OwnerId": reps[1]})).unwrap();
    org.salesforce.describe().await.unwrap();
    org.clock.advance(SignedDuration::from_mins(1));
    (org, reps)
}

#[tokio::test]
async fn an_owner_whom_a_person_sets_before_a_collection_is_put_back_fault_68() {
    let (org, [anna, ben, clara]) = tracked().await;
    let leads = ["A", "B", "C"].map(|name| org.lead(&anna, name));
    org.clock.advance(SignedDuration::from_mins(1));
    let set =
        |lead: &String| org.write(Some(lead), Effect::SetOwner { owner: remote(&ben), expected: Some(remote(&anna)) });
    let writes: Vec<_> = leads.iter().map(set).collect();
    clara_before(&org, &leads[1], &clara, "PATCH", "composite/sobjects");
    org.sandbox.reset_requests();
    let outcomes = org.salesforce.push(&writes, &Forget).await;
    let of = |at: usize| &outcomes.iter().find(|(op, _)| *op == writes[at].write.op).unwrap().1;
    assert!(matches!(of(0), Outcome::Done(done) if done.at.is_some() && done.was.len() == 1), "{:?}", of(0));
    assert!(matches!(of(1), Outcome::Superseded { found } if found.contains(&clara)), "{:?}", of(1));
    let owner = |lead: &str| org.sandbox.get("Lead", lead).unwrap()["OwnerId"].clone();
    assert_eq!([&leads[0], &leads[1], &leads[2]].map(|lead| owner(lead)), [json!(ben), json!(clara), json!(ben)]);
    let requests = org.sandbox.requests();
    assert_eq!(requests.total, 4, "look, write, history, and the one that is put back: {requests:?}");
}

#[tokio::test]
async fn an_owner_whom_a_person_sets_before_a_single_write_stays_fault_68() {
    let (org, [anna, ben, clara]) = tracked().await;
    let lead = org.lead(&anna, "Jane");
    org.clock.advance(SignedDuration::from_mins(1));
    let set = org.write(Some(&lead), Effect::SetOwner { owner: remote(&ben), expected: Some(remote(&anna)) });
    clara_before(&org, &lead, &clara, "PATCH", &format!("sobjects/Lead/{lead}"));
    // The condition shows it.
    assert!(matches!(org.push(&set).await, Outcome::Superseded { found } if found.contains(&clara)));
    // Within the second of the lead's last change it does not, but the history does.
    let other = org.lead(&anna, "John");
    let set = org.write(Some(&other), Effect::SetOwner { owner: remote(&ben), expected: Some(remote(&anna)) });
    clara_before(&org, &other, &clara, "PATCH", &format!("sobjects/Lead/{other}"));
    assert!(matches!(org.push(&set).await, Outcome::Superseded { found } if found.contains(&clara)));
    for lead in [&lead, &other] {
        assert_eq!(org.sandbox.get("Lead", lead).unwrap()["OwnerId"], clara.as_str());
    }
}

#[tokio::test]
async fn an_owner_that_came_late_over_a_persons_is_put_back_by_the_next_try_fault_68() {
    let (org, [anna, ben, clara]) = tracked().await;
    let leads = ["A", "B"].map(|name| org.lead(&anna, name));
    org.clock.advance(SignedDuration::from_mins(1));
    let mut writes: Vec<_> = leads
        .iter()
        .map(|lead| org.write(Some(lead), Effect::SetOwner { owner: remote(&ben), expected: Some(remote(&anna)) }))
        .collect();
    clara_before(&org, &leads[1], &clara, "PATCH", "composite/sobjects");
    org.sandbox.faults().inject(Place::path("composite/sobjects"), When::times(1), Fault::Reset { after_effect: true });
    let outcomes = org.salesforce.push(&writes, &Forget).await;
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Unknown { .. })), "{outcomes:?}");
    for one in &mut writes {
        one.attempt = 2;
    }
    assert!(org.salesforce.find_effect(&writes[0]).await.unwrap().is_some());
    assert!(org.salesforce.find_effect(&writes[1]).await.unwrap().is_none(), "it does not stand as it shall stay");
    done(org.push(&writes[0]).await);
    assert!(matches!(org.push(&writes[1]).await, Outcome::Superseded { found } if found.contains(&clara)));
    assert_eq!(org.sandbox.get("Lead", &leads[1]).unwrap()["OwnerId"], clara.as_str());
    // The history that cannot be read leaves it open, and the next try looks.
    let more = ["C", "D"].map(|name| org.lead(&anna, name));
    org.clock.advance(SignedDuration::from_mins(1));
    let mut writes: Vec<_> = more
        .iter()
        .map(|lead| org.write(Some(lead), Effect::SetOwner { owner: remote(&ben), expected: Some(remote(&anna)) }))
        .collect();
    clara_before(&org, &more[0], &clara, "PATCH", "composite/sobjects");
    let status = Fault::Status { status: 400, code: Some("INVALID_TYPE".to_owned()), retry_after: None };
    org.sandbox.faults().inject(Place::path("FROM LeadHistory"), When::times(1), status);
    let outcomes = org.salesforce.push(&writes, &Forget).await;
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Unknown { .. })), "{outcomes:?}");
    writes[0].attempt = 2;
    assert!(matches!(org.push(&writes[0]).await, Outcome::Superseded { found } if found.contains(&clara)));
}

#[tokio::test]
async fn without_history_owners_go_one_by_one_under_the_condition_fault_68() {
    let org = org_with(|of| of.tracked = vec!["Status".to_owned()], |_| {}).await;
    let [anna, ben, clara] = ["Anna Lang", "Ben May", "Clara Voss"].map(|name| org.rep(name));
    let leads = ["A", "B", "C"].map(|name| org.lead(&anna, name));
    org.clock.advance(SignedDuration::from_mins(1));
    let set =
        |lead: &String| org.write(Some(lead), Effect::SetOwner { owner: remote(&ben), expected: Some(remote(&anna)) });
    let writes: Vec<_> = leads.iter().map(set).collect();
    clara_before(&org, &leads[1], &clara, "PATCH", &format!("sobjects/Lead/{}", leads[1]));
    let outcomes = org.salesforce.push(&writes, &Forget).await;
    let of = |at: usize| &outcomes.iter().find(|(op, _)| *op == writes[at].write.op).unwrap().1;
    assert!(matches!(of(0), Outcome::Done(_)) && matches!(of(2), Outcome::Done(_)), "{outcomes:?}");
    assert!(matches!(of(1), Outcome::Superseded { found } if found.contains(&clara)), "{:?}", of(1));
    assert_eq!(org.sandbox.get("Lead", &leads[1]).unwrap()["OwnerId"], clara.as_str());
    assert!(!org.sandbox.requests().by_call.contains_key("PATCH composite/sobjects"));
}

#[tokio::test]
async fn once_the_history_says_nothing_of_a_collection_owners_go_one_by_one_fault_68() {
    let (org, [anna, ben, clara]) = tracked().await;
    org.sandbox.set(|settings| settings.tracked.clear());
    let mut collections = Vec::new();
    for round in ["first", "second"] {
        let leads = ["A", "B"].map(|name| org.lead(&anna, &format!("{round}{name}")));
        org.clock.advance(SignedDuration::from_mins(1));
        let set = |lead: &String| {
            org.write(Some(lead), Effect::SetOwner { owner: remote(&ben), expected: Some(remote(&anna)) })
        };
        let writes: Vec<_> = leads.iter().map(set).collect();
        clara_before(&org, &leads[1], &clara, "PATCH", &format!("sobjects/Lead/{}", leads[1]));
        org.sandbox.reset_requests();
        org.salesforce.push(&writes, &Forget).await;
        let requests = org.sandbox.requests();
        collections.push(requests.by_call.keys().filter(|call| call.contains("composite")).count());
        let now = org.sandbox.get("Lead", &leads[1]).unwrap()["OwnerId"].clone();
        assert_eq!(now, if round == "first" { json!(ben) } else { json!(clara) }, "{round}: {requests:?}");
    }
    assert_eq!(collections, [1, 0]);
}

#[tokio::test]
async fn a_lead_that_a_rep_takes_from_the_queue_before_the_key_is_written_stays_theirs_fault_68() {
    let org = org().await;
    org.keyed();
    let [anna, clara] = ["Anna Lang", "Clara Voss"].map(|name| org.rep(name));
    let queue = org.sandbox.add_queue("Inbound");
    let values = json!({"LastName": "Roe", "Company": "Acme", "Email": "jane@acme.example", "OwnerId": queue});
    let lead = org.sandbox.as_admin().create("Lead", values).unwrap();
    org.clock.advance(SignedDuration::from_mins(1));
    let email = baton::domain::field::Value::text("jane@acme.example").unwrap();
    let create = Effect::Create {
        values: vec![(baton::domain::field::Field::Email, email)],
        owner: Some(remote(&anna)),
        is_new_journey: false,
        not: Vec::new(),
    };
    let create = org.write(None, create);
    clara_before(&org, &lead, &clara, "PATCH", &format!("sobjects/Lead/{lead}"));
    assert!(matches!(org.push(&create).await, Outcome::Again { counts: true, .. }));
    let found = done(org.push(&create).await).made.unwrap();
    assert_eq!(found.id.as_str(), lead);
    assert_eq!(org.sandbox.get("Lead", &lead).unwrap()["OwnerId"], clara.as_str());
}

#[tokio::test]
async fn a_status_that_was_written_late_over_a_persons_choice_is_put_back_over_a_start_anew_too_fault_59() {
    let takes = |settings: &mut Settings| {
        let write = vec![("Status".to_owned(), "Working - Contacted".to_owned())];
        settings.stages = vec![StageMap { stage: Stage::Sal, read: Vec::new(), write }];
    };
    let org = org_with(|_| {}, takes).await;
    let anna = org.rep("Anna Lang");
    // The history has shown by now that statuses are tracked.
    let known = org.lead(&anna, "Known");
    org.sandbox.as_user(&anna).update("Lead", &known, json!({"Status": "Working - Contacted"})).unwrap();
    org.salesforce.describe().await.unwrap();
    let taken = Effect::SetStage { stage: Stage::Sal, is_backward: false };
    let given_back = Effect::Reject(Name::from("bad_timing"));
    let cases = [
        ("A", taken.clone(), Some("Closed - Not Converted"), false),
        ("B", taken.clone(), None, true),
        ("C", given_back.clone(), Some("Working - Contacted"), true),
        ("D", given_back, None, false),
    ];
    for (name, effect, theirs, anew) in cases {
        let lead = org.lead(&anna, name);
        org.clock.advance(SignedDuration::from_mins(1));
        // Right before the request that is carried out and not answered, somebody is quicker.
        if let Some(theirs) = theirs {
            let (sandbox, lead, anna) = (org.sandbox.clone(), lead.clone(), anna.clone());
            let (clock, path) = (org.clock.clone(), format!("sobjects/Lead/{lead}"));
            org.meanwhile.before("PATCH", &path, move || {
                clock.advance(SignedDuration::from_secs(1));
                sandbox.as_user(&anna).update("Lead", &lead, json!({"Status": theirs})).unwrap();
                clock.advance(SignedDuration::from_secs(1));
            });
        }
        let lost = Fault::Reset { after_effect: true };
        org.sandbox.faults().inject(Place::path("sobjects/Lead"), When::times(1), lost);
        let (outbox, write) = (Outbox::default(), org.write(Some(&lead), effect.clone()));
        outbox.lose(&org.salesforce, &write).await;
        let mut same = settings(&org.sandbox, &org.url);
        takes(&mut same);
        let other = Connector::new(same, Client::new().unwrap(), Arc::new(Limiter::default()), None);
        let connector = if anew { &other } else { &org.salesforce };
        let mut again = [Addressed { attempt: 1, ..write }];
        let outcome = outbox.push(connector, &mut again).await.remove(0).1;
        let found = connector.find_effect(&again[0]).await.unwrap();
        let stands = org.sandbox.get("Lead", &lead).unwrap()["Status"].clone();
        match theirs {
            Some(theirs) => {
                assert!(
                    matches!(&outcome, Outcome::Superseded { found } if found.contains("Status")),
                    "{name}: {outcome:?}"
                );
                assert_eq!(stands, json!(theirs), "{name}");
            }
            None => {
                assert!(matches!(outcome, Outcome::Done(_)) && found.is_some(), "{name}: {outcome:?} {found:?}");
                assert_ne!(stands, json!("Open - Not Contacted"), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn what_was_spent_of_the_rolling_day_is_spent_after_a_start_anew_section_8() {
    let (org, _) = tracked().await;
    let fresh =
        || Connector::new(settings(&org.sandbox, &org.url), Client::new().unwrap(), Arc::new(Limiter::default()), None);
    let left = |connector: &Connector| connector.budgets()[0].left.unwrap();
    let now = org.clock.now();
    org.salesforce.recall_spent("", now);
    for _ in 0..40 {
        org.salesforce.choices().await.unwrap();
    }
    let (before, kept) = (left(&org.salesforce), org.salesforce.spent().unwrap());
    let anew = fresh();
    anew.recall_spent(&kept, now);
    anew.choices().await.unwrap();
    let forgetful = fresh();
    forgetful.choices().await.unwrap();
    assert!(left(&anew) < before, "{} of {before}", left(&anew));
    assert!(left(&forgetful) > before + 30, "the test would not see it: {} of {before}", left(&forgetful));
    let later = fresh();
    later.recall_spent(&kept, now + SignedDuration::from_hours(24));
    later.choices().await.unwrap();
    assert_eq!(left(&later), left(&forgetful), "a day later it counts no more");
}
