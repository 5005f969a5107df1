//! What Baton made of a lead is taken back on a real Odoo, too.

use baton::connector::Connector as _;
use baton::domain::plan::Effect;
use serde_json::{Value, json};

use super::{Arc, Limiter, Name, Odoo, Server, is_done, push, write};

/// Loses a lead as Baton does, and takes that back.
async fn lost_and_restored(server: &Server, lead: i64) {
    let odoo = server.odoo();
    let lost = write(&odoo, lead, &["lose"], Effect::Reject(Name::from("too_dear")));
    let was = is_done(push(&odoo, &lost).await).was;
    assert_eq!(server.field(lead, "won_status").await, "lost");
    assert!(was.iter().any(|was| was.name.as_str() == "active"), "{was:?}");
    let back = write(&odoo, lead, &["back"], Effect::Restore { of: lost.write.op, values: was });
    assert_eq!(odoo.find_effect(&back).await.unwrap(), None);
    is_done(push(&odoo, &back).await);
    assert!(odoo.find_effect(&back).await.unwrap().is_some());
    is_done(push(&odoo, &back).await);
    for (field, value) in [("active", json!(true)), ("won_status", json!("pending")), ("lost_reason_id", json!(false))]
    {
        assert_eq!(server.field(lead, field).await, value, "{field}");
    }
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn a_lead_that_baton_lost_comes_back_with_the_odds_that_odoo_works_out() {
    let server = Server::new();
    let lead = server.lead("lost and found").await;
    let before = server.field(lead, "probability").await;
    lost_and_restored(&server, lead).await;
    let after = server.field(lead, "probability").await;
    assert!(after.as_f64().unwrap() > 0.0, "{before} before, {after} after");
    assert_eq!(server.field(lead, "is_automated_probability").await, json!(true));
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn a_lead_that_baton_lost_comes_back_with_the_odds_that_a_person_set() {
    let server = Server::new();
    let lead = server.lead("lost with odds").await;
    server.rep("crm.lead", "write", json!({ "ids": [lead], "vals": { "probability": 71.5 } })).await;
    assert_eq!(server.field(lead, "is_automated_probability").await, json!(false));
    lost_and_restored(&server, lead).await;
    assert_eq!(server.field(lead, "probability").await, json!(71.5));
}

#[tokio::test]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn setup_makes_fields_for_the_handoff_that_can_be_written_and_cleared() {
    use baton::connector::requirement::{Making, Requirement, State};
    use baton::connector::settings::HandoffPart;
    use baton::domain::handoff_fields::HandoffFields;
    let server = Server::new();
    let mut settings = server.settings("ODOO_KEY");
    settings.handoff_properties = vec![
        (HandoffPart::Reason, "x_baton_reason".to_owned()),
        (HandoffPart::OwnerDue, "x_baton_owner_due".to_owned()),
    ];
    let odoo = Odoo::new(settings, server.client.clone(), Arc::new(Limiter::default()));
    for part in HandoffPart::ALL {
        // The server may be one that an earlier run has used.
        let made = odoo.ensure(&Requirement::Handoff(part), Making::Make).await.unwrap().unwrap();
        assert!([State::Made, State::There].contains(&made.state), "{made:?}");
        let again = odoo.ensure(&Requirement::Handoff(part), Making::Make).await.unwrap().unwrap();
        assert_eq!(again.state, State::There, "{again:?}");
    }
    assert!(odoo.describe().await.unwrap().findings.iter().all(|finding| !finding.text.contains("x_baton")));
    let lead = server.lead("shown").await;
    let due = "2026-11-24T12:30:00Z".parse().unwrap();
    let shown = HandoffFields { reason: Some(Name::from("everyone: next in turn")), owner_due: Some(due) };
    let show = write(&odoo, lead, &["show"], Effect::SetHandoff(shown));
    is_done(push(&odoo, &show).await);
    assert!(odoo.find_effect(&show).await.unwrap().is_some());
    assert_eq!(server.field(lead, "x_baton_owner_due").await, Value::from("2026-11-24 12:30:00"));
    let clear = write(&odoo, lead, &["clear"], Effect::SetHandoff(HandoffFields::default()));
    is_done(push(&odoo, &clear).await);
    assert_eq!(server.field(lead, "x_baton_reason").await, json!(false));
    assert_eq!(server.field(lead, "x_baton_owner_due").await, json!(false));
}
