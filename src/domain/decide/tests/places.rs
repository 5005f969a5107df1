//! Teams that keep one agreement in CRMs of their own.

use super::*;
use crate::domain::agreement::{Fairness, RouteTo};
use crate::domain::plan::Among;
use crate::domain::roster::Team;

/// The team works in Pipedrive, the agreement's CRM is Odoo; both know its people. A second team works in Odoo.
fn partners() -> World {
    let mut world = World::new();
    let mut roster = Roster::clone(&world.policy.roster);
    let inside: Team = roster.teams[&TeamId::from("dach")].clone();
    roster.teams.get_mut(&TeamId::from("dach")).unwrap().works_in = Some(ConnectionId::from("pipedrive"));
    roster.teams.insert(TeamId::from("inside"), Team { members: Vec::new(), ..inside });
    world.policy.roster = Arc::new(roster);
    let mut directory = Directory::clone(&world.policy.directory);
    for (name, id) in [("anna", "701"), ("bela", "702"), ("cleo", "703"), ("boss", "709")] {
        directory.insert(ConnectionId::from("pipedrive"), RemoteId::from(id), person(name));
    }
    world.policy.directory = Arc::new(directory);
    let odoo = world.policy.connections[1].clone();
    let stages = vec![Stage::Mql, Stage::Sql];
    world.policy.connections.push(Ability { connection: ConnectionId::from("pipedrive"), stages, ..odoo });
    world
}

fn to_everybody(world: &mut World, team: &str) {
    let mut agreement = Agreement::clone(&world.policy.agreement);
    agreement.routing[0].to = RouteTo::Team(TeamId::from(team), Fairness::RoundRobin);
    world.policy.agreement = Arc::new(agreement);
}

#[test]
fn a_lead_goes_to_the_crm_where_its_team_works_and_only_there() {
    let mut world = partners();
    let mut stranger = record("odoo", "9", Vec::new());
    stranger.created = at(-500);
    world.case.records.push(stranger);
    world.stage(0, Stage::Mql, Author::Person(None));
    world.play(0);
    assert_eq!(world.owner().as_deref(), Some("anna"));
    assert!(world.effects("pipedrive").contains(&"create"), "{:?}", world.written);
    let owners = world.written.iter().filter_map(|write| match &write.effect {
        Effect::Create { owner: Some(owner), .. } => Some((write.connection.as_str(), owner.as_str())),
        _ => None,
    });
    assert_eq!(owners.collect::<Vec<_>>(), [("pipedrive", "701")], "by her account there");
    assert!(!world.effects("pipedrive").contains(&"stage"), "sales' word stands there: {:?}", world.written);
}

#[test]
fn a_clock_starts_by_the_receipt_of_the_team_s_crm_and_an_owner_there_is_followed() {
    let mut world = partners();
    world.stage(0, Stage::Mql, Author::Person(None));
    world.play(0);
    for write in world.written.clone() {
        world.case.receipts.push(Receipt { op: write.op, fate: Fate::Done, at: at(1) });
    }
    let mut made = record("pipedrive", "44", Vec::new());
    made.created = at(1);
    made.owners = vec![OwnerEntry { owner: Some(RemoteId::from("701")), at: at(1), by: Author::Baton }];
    world.case.records.push(made);
    world.play(1);
    assert_eq!(world.clock_from(), Some(at(1)));
    let taken = OwnerEntry { owner: Some(RemoteId::from("703")), at: at(5), by: Author::Person(None) };
    world.case.records.last_mut().unwrap().owners.push(taken);
    world.play(6);
    assert_eq!(world.owner().as_deref(), Some("cleo"));
    world.case.records.last_mut().unwrap().presence = Presence::Gone(at(7));
    world.play(8);
    assert!(world.case.handoff.as_ref().unwrap().is_closed(), "its record is gone, whatever stands elsewhere");
}

#[test]
fn whom_a_person_made_the_owner_where_their_team_works_keeps_the_lead() {
    let owned = |connection: &str, account: &str| {
        let mut world = partners();
        to_everybody(&mut world, "inside");
        let mut met = record(connection, "44", Vec::new());
        met.owners = vec![OwnerEntry { owner: Some(RemoteId::from(account)), at: at(-60), by: Author::Person(None) }];
        world.case.records.push(met);
        world.stage(0, Stage::Mql, Author::Person(None));
        decide(at(0), &world.case, &world.policy)
    };
    let kept = owned("pipedrive", "702");
    assert_eq!(kept.handoff.unwrap().turn().unwrap().owner, person("bela"));
    // Who works in Pipedrive does not work on a record that stands in Odoo.
    assert!(owned("odoo", "12").wants_owner.is_some());
}

#[test]
fn a_lead_that_is_reassigned_stays_in_the_crm_where_its_record_is() {
    let mut world = partners();
    world.stage(0, Stage::Mql, Author::Person(None));
    world.play(0);
    world.receive(1);
    world.play(1);
    to_everybody(&mut world, "inside");
    world.case.handoff.as_mut().unwrap().turn_mut().unwrap().ended =
        Some(crate::domain::handoff::TurnEnd { at: at(2), how: crate::domain::handoff::TurnEnded::OwnerGone });
    let plan = decide(at(2), &world.case, &world.policy);
    let wanted = plan.wants_owner.unwrap();
    assert_eq!(wanted.among, Among::Fallback(TeamId::from("dach")), "no rule names its team any more");
    assert!(wanted.why.starts_with("stays in the CRM of dach"), "{}", wanted.why);
}
