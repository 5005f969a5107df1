//! Campaigns as signals, and queues that own who is nurtured (section 4, CampaignMember and QueueSobject; section 11, "Recycle to nurture").

use baton::connector::settings::CampaignSignal;
use baton::connector::{Connector as _, Cursor, Outcome};
use baton::domain::id::Name;
use baton::domain::observation::Observation;
use baton::domain::plan::Effect;
use jiff::SignedDuration;
use serde_json::json;

use super::{Org, done, org_with, person, remote};

async fn webinar() -> (Org, String) {
    let org = org_with(
        |_| {},
        |settings| {
            let signal = |signal: &str, statuses: &[&str]| CampaignSignal {
                signal: Name::from(signal),
                campaign: "Webinar March".to_owned(),
                statuses: statuses.iter().map(|status| (*status).to_owned()).collect(),
            };
            settings.campaigns = vec![signal("webinar", &[]), signal("invited", &["sent", "Waiting"])];
            settings.tracks.clear();
        },
    )
    .await;
    let campaign = org.sandbox.add_campaign("Webinar March");
    org.sandbox.add_campaign("Another");
    (org, campaign)
}

fn signals(seen: &[Observation], id: &str) -> Vec<(String, String)> {
    let signals = &person(seen, id).signals;
    signals.iter().map(|signal| (signal.name.to_string(), signal.at.to_string())).collect()
}

#[tokio::test]
async fn a_response_to_a_campaign_is_a_signal_of_the_lead_once_section_4() {
    let (org, campaign) = webinar().await;
    let anna = org.rep("Anna Lang");
    let leads = ["Jane", "John"].map(|name| org.lead(&anna, name));
    assert_eq!(org.salesforce.streams().last().unwrap().name.as_str(), "members");
    let (seen, _) = org.drain("leads", Cursor::default()).await;
    assert!(signals(&seen, &leads[0]).is_empty());
    let (seen, members) = org.drain("members", Cursor::default()).await;
    assert!(seen.is_empty());

    org.clock.advance(SignedDuration::from_mins(5));
    let admin = org.sandbox.as_admin();
    let member = admin.create("CampaignMember", json!({"CampaignId": campaign, "LeadId": leads[0]})).unwrap();
    let (seen, members) = org.drain("members", members).await;
    let invited = ("invited".to_owned(), "2026-11-24T08:05:00Z".to_owned());
    assert_eq!(signals(&seen, &leads[0]), [invited], "since they became a member");
    assert!(!seen.iter().any(|one| one.of.id.as_str() == leads[1]), "who is no member is not read");

    org.clock.advance(SignedDuration::from_hours(30));
    admin.update("CampaignMember", &member, json!({"Status": "Responded"})).unwrap();
    let (seen, members) = org.drain("members", members).await;
    let responded = [("webinar".to_owned(), "2026-11-25T00:00:00Z".to_owned())];
    assert_eq!(signals(&seen, &leads[0]), responded, "the day of the first response is all that the org keeps");
    // Whatever happens to the membership later, it is the same signal.
    org.clock.advance(SignedDuration::from_hours(48));
    admin.update("CampaignMember", &member, json!({"Status": "Responded"})).unwrap();
    let (seen, _) = org.drain("members", members).await;
    assert_eq!(signals(&seen, &leads[0]), responded);
    // A feed that reads the lead for another reason shows it, too; and so does the contact that it becomes.
    let (seen, _) = org.drain("leads", Cursor::default()).await;
    assert_eq!(signals(&seen, &leads[0]), responded);
}

#[tokio::test]
async fn a_contact_shows_its_own_memberships_section_4() {
    let (org, campaign) = webinar().await;
    let contact = org.sandbox.as_admin().create("Contact", json!({"LastName": "Roe"})).unwrap();
    let values = json!({"CampaignId": campaign, "ContactId": contact, "Status": "Responded"});
    org.sandbox.as_admin().create("CampaignMember", values).unwrap();
    let (seen, _) = org.drain("members", Cursor::default()).await;
    // Responded on the day they joined: not before they joined.
    assert_eq!(signals(&seen, &contact), [("webinar".to_owned(), "2026-11-24T08:00:00Z".to_owned())]);
    let (seen, _) = org.drain("contacts", Cursor::default()).await;
    assert_eq!(signals(&seen, &contact).len(), 1);
}

/// An org where sales gives back by its status, and a track with a queue.
async fn nurturing(tracked: &[&str]) -> (Org, [String; 3], String) {
    let org = org_with(
        |of| of.tracked = tracked.iter().map(|field| (*field).to_owned()).collect(),
        |settings| settings.queues = vec![(Name::from("next-quarter"), "Nurture".to_owned())],
    )
    .await;
    let reps = ["Anna Lang", "Ben May", "Clara Voss"].map(|name| org.rep(name));
    org.sandbox.add_campaign("Nurture: next quarter");
    let queue = org.sandbox.add_queue("Nurture");
    (org, reps, queue)
}

#[tokio::test]
async fn a_lead_that_is_given_back_is_owned_by_the_queue_of_its_track_section_11() {
    let (org, [anna, ..], queue) = nurturing(&["Owner", "Status"]).await;
    let leads = ["A", "B"].map(|name| org.lead(&anna, name));
    org.clock.advance(SignedDuration::from_mins(1));
    org.sandbox.as_user(&anna).update("Lead", &leads[0], json!({"Status": "Closed - Not Converted"})).unwrap();
    org.clock.advance(SignedDuration::from_mins(1));
    let join = |lead: &str| org.write(Some(lead), Effect::JoinTrack(Name::from("next-quarter")));
    for lead in &leads {
        done(org.push(&join(lead)).await);
        assert_eq!(org.sandbox.find("CampaignMember", "LeadId", lead).len(), 1);
    }
    let owner = |lead: &str| org.sandbox.get("Lead", lead).unwrap()["OwnerId"].clone();
    assert_eq!(owner(&leads[0]), json!(queue));
    assert_eq!(owner(&leads[1]), json!(anna), "who is still at work on it keeps it");
    let (seen, _) = org.drain("leads", Cursor::default()).await;
    assert_eq!(person(&seen, &leads[0]).owners.last().unwrap().owner, None, "a queue is nobody");
    let before = org.sandbox.ledger().len();
    done(org.push(&join(&leads[0])).await);
    assert_eq!(org.sandbox.ledger().len(), before, "once");
}

#[tokio::test]
async fn an_owner_whom_a_person_chose_after_it_was_given_back_keeps_it_fault_68() {
    let (org, [anna, ben, clara], _) = nurturing(&["Owner", "Status"]).await;
    let leads = ["A", "B"].map(|name| org.lead(&anna, name));
    // The history says something of owners.
    let first = org.lead(&anna, "First");
    org.sandbox.as_admin().update("Lead", &first, json!({"OwnerId": ben})).unwrap();
    for lead in &leads {
        org.clock.advance(SignedDuration::from_mins(1));
        org.sandbox.as_user(&anna).update("Lead", lead, json!({"Status": "Closed - Not Converted"})).unwrap();
    }
    org.clock.advance(SignedDuration::from_mins(1));
    org.sandbox.as_admin().update("Lead", &leads[0], json!({"OwnerId": clara})).unwrap();
    org.salesforce.describe().await.unwrap();
    let join = |lead: &str| org.write(Some(lead), Effect::JoinTrack(Name::from("next-quarter")));
    done(org.push(&join(&leads[0])).await);
    assert_eq!(org.sandbox.get("Lead", &leads[0]).unwrap()["OwnerId"], clara.as_str());
    // In the same moment: the condition refuses, and the next try sees the choice.
    let (sandbox, lead, chosen) = (org.sandbox.clone(), leads[1].clone(), clara.clone());
    org.meanwhile.before("PATCH", &format!("sobjects/Lead/{lead}"), move || {
        sandbox.as_admin().update("Lead", &lead, json!({"OwnerId": chosen})).unwrap();
    });
    assert!(matches!(org.push(&join(&leads[1])).await, Outcome::Again { counts: true, .. }));
    done(org.push(&join(&leads[1])).await);
    assert_eq!(org.sandbox.get("Lead", &leads[1]).unwrap()["OwnerId"], clara.as_str());
    assert_eq!(org.sandbox.find("CampaignMember", "LeadId", &leads[1]).len(), 1);
}

#[tokio::test]
async fn a_look_tells_campaigns_statuses_and_queues_that_are_not_there() {
    let (org, campaign) = webinar().await;
    let told = |findings: &[baton::domain::finding::Finding]| -> Vec<String> {
        let about = ["campaign", "queue", "status"];
        let texts = findings.iter().map(|finding| finding.text.clone());
        texts.filter(|text| about.iter().any(|word| text.contains(&format!("{word} \"")))).collect()
    };
    let found = told(&org.salesforce.describe().await.unwrap().findings);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("status \"Waiting\"") && found[0].contains("\"Sent\""), "{found:?}");
    let values = json!({"CampaignId": campaign, "Label": "Waiting"});
    org.sandbox.as_admin().create("CampaignMemberStatus", values).unwrap();
    assert!(told(&org.salesforce.describe().await.unwrap().findings).is_empty());

    let bare = org_with(
        |_| {},
        |settings| {
            settings.queues = vec![(Name::from("next-quarter"), "Nurture".to_owned())];
            settings.campaigns =
                vec![CampaignSignal { signal: Name::from("fair"), campaign: "Fair".to_owned(), statuses: Vec::new() }];
        },
    )
    .await;
    let found = told(&bare.salesforce.describe().await.unwrap().findings);
    assert_eq!(found.len(), 3, "{found:?}");
    let anna = bare.rep("Anna Lang");
    let lead = bare.lead(&anna, "Jane");
    bare.sandbox.add_campaign("Nurture: next quarter");
    bare.sandbox.as_user(&anna).update("Lead", &lead, json!({"Status": "Closed - Not Converted"})).unwrap();
    let join = bare.write(Some(&lead), Effect::JoinTrack(Name::from("next-quarter")));
    match bare.push(&join).await {
        Outcome::Refused { message } => assert!(message.contains("no queue \"Nurture\""), "{message}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(bare.sandbox.get("Lead", &lead).unwrap()["OwnerId"], remote(&anna).as_str());
}
