//! Colleagues of a changed company: all of them, a bounded number at a time, whatever happens meanwhile.

use std::collections::BTreeSet;

use baton::domain::id::LeadId;
use baton::store::{Batch, Colleagues, Store};

use super::{Held, at, batch, company_ref, lead, open, person, plan, workspace};

/// People `from..to`, each a lead, all at `company`.
async fn people(held: &Held, company: &str, from: i64, to: i64) {
    for start in (from..to).step_by(500) {
        let ids = start..to.min(start + 500);
        let people = ids.clone().map(|id| {
            let mut record = person(&id.to_string(), id, &[]);
            record.company = Some(company_ref(company));
            record
        });
        let plans = ids.clone().map(|id| plan(lead(id, 0))).collect();
        held.store.commit(&Batch { people: people.collect(), ..batch(plans) }).await.unwrap();
    }
}

async fn note(held: &Held, companies: &[&str], now: i64) {
    let colleagues: BTreeSet<_> = companies.iter().map(|company| company_ref(company)).collect();
    held.store.commit(&Batch { colleagues, now: Some(at(now)), ..Batch::default() }).await.unwrap();
}

/// The same store after an end and a start.
async fn reopened(held: Held) -> Held {
    let Held { store, folder } = held;
    store.close().await;
    drop(store);
    Held { store: Store::open(&folder.path().join("baton.db"), &workspace()).await.unwrap(), folder }
}

async fn next(held: &Held, now: i64) -> Colleagues {
    held.store.next_colleagues(500, at(now)).await.unwrap()
}

#[tokio::test]
async fn a_company_of_five_thousand_is_gone_through_in_bounded_steps_and_nobody_is_left_out() {
    let mut held = open().await;
    people(&held, "big", 1, 5_001).await;
    people(&held, "small", 5_001, 5_004).await;
    note(&held, &["big"], 1).await;
    note(&held, &["small"], 2).await;
    let mut seen: Vec<LeadId> = Vec::new();
    for step in 0..10 {
        let found = next(&held, 10).await;
        assert_eq!((found.leads.len(), found.has_more), (500, true), "step {step}");
        // Whoever was given is due in the store, too: a process that ends now has lost nobody.
        let due = held.store.leads_due(at(10), at(0), 10_000).await.unwrap();
        assert_eq!(due.len(), seen.len() + 500, "step {step}");
        seen.extend(found.leads);
        if step == 4 {
            // It changes again in the middle, and the process ends.
            note(&held, &["big"], 11).await;
            held = reopened(held).await;
        }
    }
    assert_eq!(seen, (1..=5_000).map(LeadId).collect::<Vec<_>>(), "the change in the middle began nothing anew");
    let found = next(&held, 12).await;
    let small: Vec<LeadId> = (5_001..=5_003).map(LeadId).collect();
    assert_eq!(found.leads, small, "then the other company, before the next round of the big one");
    assert!(found.has_more);
    let mut again = 0;
    loop {
        let found = next(&held, 20).await;
        again += found.leads.len();
        if !found.has_more {
            break;
        }
    }
    assert_eq!(again, 5_000, "what changed in the middle, everybody hears of");
    assert_eq!(next(&held, 30).await, Colleagues::default(), "and that is all");
}

#[tokio::test]
async fn many_small_companies_share_one_step() {
    let held = open().await;
    for company in 1..=60 {
        people(&held, &format!("c{company}"), company, company + 1).await;
    }
    let names: Vec<String> = (1..=60).map(|company| format!("c{company}")).collect();
    note(&held, &names.iter().map(String::as_str).collect::<Vec<_>>(), 1).await;
    let (first, second) = (next(&held, 2).await, next(&held, 2).await);
    assert_eq!((first.leads.len(), first.has_more), (50, true), "so many companies at most");
    assert_eq!((second.leads.len(), second.has_more), (10, false));
    let all: BTreeSet<LeadId> = first.leads.into_iter().chain(second.leads).collect();
    assert_eq!(all.len(), 60);
}
