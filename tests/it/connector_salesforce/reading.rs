//! What reading does when a query is too slow, a cursor dies, or a record was deleted for good (sections 5, 6 and 9).

use baton::connector::{Connector as _, ConnectorError, Cursor};
use baton::domain::finding::FindingKind;
use baton::domain::observation::Content;
use baton::sandbox::salesforce::{Fault, Place, When};
use jiff::SignedDuration;
use serde_json::json;

use super::{Org, org, org_with};

fn failing(org: &Org, path: &str, when: When, code: &str) {
    let fault = Fault::Status { status: 400, code: Some(code.to_owned()), retry_after: None };
    org.sandbox.faults().inject(Place::path(path), when, fault);
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_asked_for_half_until_it_comes_section_6_5() {
    let org = org().await;
    let leads = org.sandbox.import_leads(300);
    // Whatever asks for more than 125 leads takes too long.
    for rows in [1_000, 500, 250] {
        failing(&org, &format!("FROM Lead *LIMIT {rows}"), When::default(), "QUERY_TIMEOUT");
    }
    let start = Cursor::default();
    for _ in 0..3 {
        let error = org.page("leads", &start).await.unwrap_err();
        assert!(matches!(error, ConnectorError::Unavailable { .. }), "it may pass: {error}");
        // Others are quick, which says nothing of this one.
        org.page("tasks", &start).await.unwrap();
    }
    let (seen, cursor) = org.drain("leads", start).await;
    assert_eq!(seen.len(), leads.len());
    assert!(!cursor.0.is_empty());
}

#[tokio::test]
async fn a_cursor_that_dies_begins_the_window_anew_section_5() {
    let org = org_with(|of| of.page_rows = Some(2), |_| {}).await;
    let anna = org.rep("Anna Lang");
    let lead = org.lead(&anna, "Jane");
    for status in ["Working - Contacted", "Open - Not Contacted", "Working - Contacted"] {
        org.clock.advance(SignedDuration::from_secs(1));
        org.sandbox.as_user(&anna).update("Lead", &lead, json!({"Status": status})).unwrap();
    }
    org.salesforce.describe().await.unwrap();
    // The history takes two pages.
    failing(&org, "query/01g", When::times(1), "INVALID_QUERY_LOCATOR");
    let error = org.page("leads", &Cursor::default()).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Unavailable { .. }), "no refusal that a person must mend: {error}");
    let (seen, _) = org.drain("leads", Cursor::default()).await;
    assert!(seen.iter().any(|one| one.of.id.as_str() == lead && one.person().is_some()));
}

#[tokio::test]
async fn what_was_deleted_for_good_is_found_within_the_hour_section_6() {
    let org = org().await;
    let anna = org.rep("Anna Lang");
    let [purged, kept, merged] = ["A", "B", "C"].map(|name| org.lead(&anna, name));
    let (_, cursor) = org.drain("leads", Cursor::default()).await;
    org.clock.advance(SignedDuration::from_mins(30));
    org.sandbox.purge("Lead", &purged);
    org.sandbox.as_admin().merge("Lead", &kept, &merged).unwrap();
    org.sandbox.reset_requests();
    let (seen, cursor) = org.drain("leads", cursor).await;
    assert!(!seen.iter().any(|one| one.of.id.as_str() == purged), "no query shows it");
    assert!(!org.sandbox.requests().by_call.contains_key("GET sobjects/Lead"), "not before the hour is over");
    org.clock.advance(SignedDuration::from_mins(45));
    let (seen, cursor) = org.drain("leads", cursor).await;
    let content = |id: &str| seen.iter().rfind(|one| one.of.id.as_str() == id).map(|one| one.content.clone());
    assert_eq!(content(&purged), Some(Content::Gone));
    assert!(matches!(content(&merged), Some(Content::MergedInto(winner)) if winner.as_str() == kept));
    assert_eq!(org.sandbox.requests().by_call["GET sobjects/Lead"], 1);
    // Asked on from where it ended.
    org.clock.advance(SignedDuration::from_mins(70));
    let (seen, cursor) = org.drain("leads", cursor).await;
    assert!(!seen.iter().any(|one| one.of.id.as_str() == purged));
    // What takes a moment is asked again, and the page stands.
    org.clock.advance(SignedDuration::from_mins(70));
    failing(&org, "sobjects/Lead/deleted", When::times(1), "SERVER_UNAVAILABLE");
    let before = org.sandbox.requests().by_call["GET sobjects/Lead"];
    let (_, cursor) = org.drain("leads", cursor).await;
    let (_, cursor) = org.drain("leads", cursor).await;
    assert_eq!(org.sandbox.requests().by_call["GET sobjects/Lead"], before + 2);
    // A log that does not reach back that far, or is refused, is told, and left to the patrol.
    org.clock.advance(SignedDuration::from_mins(70));
    failing(&org, "sobjects/Lead/deleted", When::times(1), "EXCEEDED_ID_LIMIT");
    let page = org.page("leads", &cursor).await.unwrap();
    let told = |page: &baton::connector::Page| {
        page.findings
            .iter()
            .any(|finding| finding.kind == FindingKind::Connection && finding.text.contains("found by the patrol"))
    };
    assert!(told(&page), "{:?}", page.findings);
    org.clock.advance(SignedDuration::from_hours(16 * 24));
    org.sandbox.reset_requests();
    let (_, quiet) = org.drain("leads", page.next.clone()).await;
    assert!(!org.sandbox.requests().by_call.contains_key("GET sobjects/Lead"), "it would be refused");
    org.sandbox.set(|of| of.deleted_kept_hours = 2);
    org.clock.advance(SignedDuration::from_hours(5));
    let page = org.page("leads", &quiet).await.unwrap();
    assert!(told(&page), "the log of a busy org ends earlier: {:?}", page.findings);
    assert!(
        org.salesforce
            .describe()
            .await
            .unwrap()
            .checked
            .iter()
            .any(|checked| format!("{checked:?}").contains("deletions"))
    );
}
