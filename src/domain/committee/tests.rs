use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::*;
use crate::domain::agreement::{Destination, HandoffPolicy, Icp, RecyclePolicy, ScoreModel, SignalRule};
use crate::domain::company::employers;
use crate::domain::expr::{Rule, Test, Texts};
use crate::domain::field::{FieldSet, Known};
use crate::domain::id::{ConnectionId, LeadId, Object, RecordRef};
use crate::domain::lead::{LeadState, Projection};
use crate::domain::plan::CompanySummary;
use crate::domain::record::{Link, LinkRule, PersonRecord, Presence};
use crate::domain::signal::Signal;
use crate::domain::stage::Stage;

fn at(day: i64) -> Timestamp {
    Timestamp::from_second(1_795_510_800).unwrap() + SignedDuration::from_hours(24 * day)
}

fn titled(name: &str, words: &[&str]) -> RoleRule {
    let test = Test::HasWord(Field::Title, Texts::new(words.iter().copied()));
    RoleRule { name: Name::from(name), when: Rule::new(&format!("title has {words:?}"), test) }
}

fn policy(required: Vec<(Stage, Required)>) -> CommitteePolicy {
    let roles = vec![
        titled("economic buyer", &["cfo", "finance"]),
        titled("technical buyer", &["it"]),
        titled("user", &["clerk"]),
    ];
    CommitteePolicy { roles, required, engaged_within_days: 90 }
}

fn agreement() -> Agreement {
    let scored = |name: &str| SignalRule {
        signal: Name::from(name),
        points: 10,
        at_least: 1,
        within_days: None,
        half_life_days: None,
        cap: None,
    };
    Agreement {
        version: Name::from("1"),
        effective: Timestamp::UNIX_EPOCH,
        review_by: None,
        signed: Vec::new(),
        icp: Icp { fits: None, never: None },
        score: ScoreModel {
            intent: vec![scored("demo_request")],
            engagement: vec![scored("whitepaper")],
            ..ScoreModel::default()
        },
        stages: Vec::new(),
        handoff: HandoffPolicy {
            to: None,
            skip: Vec::new(),
            requires: Vec::new(),
            incomplete: None,
            commitments: Vec::new(),
            rejections: BTreeMap::new(),
            turns_max: 3,
        },
        recycle: RecyclePolicy { cycles_max: 3, then: Destination::Disqualified },
        routing: Vec::new(),
        committee: Some(policy(Vec::new())),
        uses: FieldSet::default(),
    }
}

fn known(field: Field, text: &str) -> Known {
    Known { field, value: Value::text(text).unwrap(), at: at(-100) }
}

fn account(connection: &str, id: &str, domain: Option<&str>) -> CompanyRecord {
    let of = RecordRef::new(&ConnectionId::from(connection), Object::Company, id);
    let values = domain.map(|domain| known(Field::CompanyDomain, domain)).into_iter().collect();
    CompanyRecord { of, modified: at(-100), values, owner: None, is_gone: false }
}

fn person(lead: i64, connection: &str, id: &str, title: &str) -> PersonRecord {
    PersonRecord {
        of: RecordRef::new(&ConnectionId::from(connection), Object::Person, id),
        link: Link { lead: LeadId(lead), rule: LinkRule::First, at: at(-100) },
        modified: at(-100),
        created: at(-100),
        presence: Presence::Live,
        values: vec![known(Field::Title, title)],
        keys: Vec::new(),
        company: None,
        company_since: None,
        stages: Vec::new(),
        owners: Vec::new(),
        scores: Vec::new(),
        disposition: None,
        signals: Vec::new(),
        has_history: false,
    }
}

fn case(lead: i64, title: &str, company: Option<CompanyRecord>) -> Case {
    Case {
        lead: LeadState::new(LeadId(lead), at(-100)),
        records: vec![person(lead, "hubspot", &lead.to_string(), title)],
        company: company.map(|record| CompanySummary { record, owner: None, open_deals: None, engaged: None }),
        colleagues: None,
        handoff: None,
        touches: Vec::new(),
        receipts: Vec::new(),
        history: None,
        answer: None,
        open_deals: 0,
        apart: Vec::new(),
        told: Vec::new(),
    }
}

fn facts(case: &Case) -> Facts {
    crate::domain::decide::gather(case, &Projection::of(&case.records))
}

fn seat(case: &Case) -> Option<Membership> {
    membership(at(0), case, &facts(case), &agreement())
}

#[test]
fn a_company_is_one_over_all_connections_by_its_domain_and_by_nothing_less() {
    let of = |company: Option<CompanyRecord>, said: Option<&str>, email: Option<&str>| {
        let mut facts = Facts::default();
        facts.set(Field::CompanyDomain, said.and_then(Value::text));
        facts.set(Field::EmailDomain, email.and_then(Value::text));
        id_of(company.as_ref(), &facts)
    };
    let acme = of(Some(account("hubspot", "7", Some("acme.example"))), None, None);
    let check = |name: &str, other: Option<CommitteeId>, is_acme: bool| {
        assert_eq!(other == acme, is_acme, "{name}: {other:?}");
    };
    check("another CRM", of(Some(account("salesforce", "1", Some("acme.example"))), None, None), true);
    check("written otherwise", of(Some(account("odoo", "1", Some(" WWW.Acme.example. "))), None, None), true);
    check(
        "the record stands above the address",
        of(Some(account("odoo", "1", Some("other.example"))), None, Some("acme.example")),
        false,
    );
    check("no record: what the person's says", of(None, Some("acme.example"), Some("agency.example")), true);
    check("no record: a business address", of(None, None, Some("acme.example")), true);
    check(
        "a record without a domain is itself",
        of(Some(account("odoo", "1", None)), None, Some("acme.example")),
        false,
    );
    assert_ne!(
        of(Some(account("odoo", "1", None)), None, None),
        of(Some(account("odoo", "2", None)), None, None),
        "and no other one"
    );
    assert_eq!(of(None, None, Some("gmail.com")), None, "anybody may have an address there");
    assert_eq!(of(None, None, None), None);
    let free = of(Some(account("odoo", "1", Some("gmail.com"))), None, None);
    assert_eq!(free, of(Some(account("odoo", "1", None)), None, None), "a domain of anybody is none");
    let id = acme.unwrap();
    assert!(id.as_str().len() == 16 && !id.as_str().contains("acme"), "{id}");
}

#[test]
fn the_employer_is_what_changed_last() {
    let named = |connection: &str, company: &str, since: Option<i64>| {
        let mut record = person(1, connection, "1", "CFO");
        record.company = Some(RecordRef::new(&ConnectionId::from(connection), Object::Company, company));
        record.company_since = since.map(at);
        record
    };
    let check = |records: &[PersonRecord], expected: &[&str]| {
        let found: Vec<&str> = employers(records).iter().map(|of| of.id.as_str()).collect();
        assert_eq!(found, expected);
    };
    check(&[named("a", "1", None), named("b", "2", None)], &["1", "2"]);
    check(&[named("a", "1", None), named("b", "2", Some(3))], &["2", "1"]);
    check(&[named("a", "1", Some(4)), named("b", "2", Some(3))], &["1", "2"]);
    let mut gone = named("b", "2", Some(9));
    gone.presence = Presence::Gone(at(9));
    check(&[named("a", "1", None), gone, person(1, "c", "1", "CFO")], &["1"]);
}

#[test]
fn whoever_did_something_scored_or_answered_lately_is_engaged() {
    let touch = |day: i64, channel: Channel, genuine: Genuine| {
        let of = RecordRef::new(&ConnectionId::from("odoo"), Object::Call, format!("m{day}"));
        let person = RecordRef::new(&ConnectionId::from("hubspot"), Object::Person, "1");
        Touch { of, person, channel, at: at(day), by: None, genuine }
    };
    let signal = |day: i64, name: &str| Signal { name: Name::from(name), at: at(day) };
    let check = |name: &str, signals: &[Signal], touches: &[Touch], expected: Option<&str>| {
        let mut case = case(1, "CFO", Some(account("hubspot", "7", Some("acme.example"))));
        case.records[0].signals = signals.to_vec();
        case.touches = touches.to_vec();
        let found = seat(&case).unwrap().engaged.map(|engaged| match engaged.by {
            EngagedBy::Signal(name) => name.to_string(),
            EngagedBy::Answer(channel) => channel.as_str().to_owned(),
        });
        assert_eq!(found.as_deref(), expected, "{name}");
    };
    check("nothing", &[], &[], None);
    check("intent", &[signal(-89, "demo_request")], &[], Some("demo_request"));
    check("engagement", &[signal(-1, "whitepaper")], &[], Some("whitepaper"));
    check("of no rule", &[signal(-1, "newsletter_opened")], &[], None);
    check("too long ago", &[signal(-90, "demo_request")], &[], None);
    check("still to come", &[signal(1, "demo_request")], &[], None);
    check("sales called", &[], &[touch(-1, Channel::Call, Genuine::Yes)], None);
    check("they wrote", &[], &[touch(-1, Channel::Email, Genuine::No(NotGenuine::Inbound))], Some("email"));
    check("they came", &[], &[touch(-1, Channel::Meeting, Genuine::Yes)], Some("meeting"));
    check("they did not come", &[], &[touch(-1, Channel::Meeting, Genuine::No(NotGenuine::NotDone))], None);
    check("a machine wrote", &[], &[touch(-1, Channel::Email, Genuine::No(NotGenuine::Automated))], None);
    let both = [touch(-2, Channel::Meeting, Genuine::Yes)];
    check("the newest", &[signal(-3, "demo_request"), signal(-1, "whitepaper")], &both, Some("whitepaper"));
    check("the newest", &[signal(-3, "demo_request")], &both, Some("meeting"));
}

#[test]
fn a_stage_asks_for_what_the_last_one_named_before_it_asks_for() {
    let counted = |roles: &[&str]| {
        let mut headcount = Headcount::default();
        roles.iter().for_each(|role| headcount.add(&[Name::from(*role)], 1, 0));
        headcount
    };
    let named = ["economic buyer", "user"].map(Name::from).to_vec();
    let policy = policy(vec![
        (Stage::Mql, Required::Count(1)),
        (Stage::Sql, Required::Count(2)),
        (Stage::Proposal, Required::Roles(named)),
    ]);
    let check = |stage: Stage, roles: &[&str], expected: Option<&str>| {
        let gap = policy.gap(stage, &counted(roles));
        let words = gap.map(|gap| format!("{} {}/{}: {}", gap.stage, gap.known, gap.wanted, gap.words()));
        assert_eq!(words.as_deref(), expected, "{stage} {roles:?}");
    };
    check(Stage::Engagement, &[], None);
    check(Stage::Mql, &[], Some("mql 0/1: 1 more of economic buyer, technical buyer, user"));
    check(Stage::Sal, &["user"], None);
    check(Stage::Sal, &["stranger"], Some("mql 0/1: 1 more of economic buyer, technical buyer, user"));
    check(Stage::Sql, &["user"], Some("sql 1/2: 1 more of economic buyer, technical buyer"));
    check(Stage::Sql, &["user", "user", "technical buyer"], None);
    check(Stage::Proposal, &["user", "technical buyer"], Some("proposal 1/2: economic buyer"));
    check(Stage::Negotiation, &[], Some("proposal 0/2: economic buyer and user"));
    check(Stage::Won, &[], None);
    check(Stage::Nurture, &[], None);
}

#[test]
fn whoever_is_taken_out_of_a_headcount_leaves_it_as_it_was() {
    let member = |roles: &[&str], engaged: bool| Membership {
        committee: CommitteeId::from("c"),
        roles: roles.iter().map(|role| Name::from(*role)).collect(),
        engaged: engaged.then(|| Engaged { at: at(0), by: EngagedBy::Answer(Channel::Call) }),
    };
    let people = [member(&["b", "a"], true), member(&["a"], false), member(&[], true)];
    let all = people.iter().fold(Headcount::default(), Headcount::with);
    assert_eq!((all.people, all.engaged), (3, 2));
    assert_eq!(all.roles, [(Name::from("a"), 2), (Name::from("b"), 1)]);
    for one in &people {
        assert_eq!(all.clone().without(one).with(one), all, "{one:?}");
    }
    let without = all.without(&people[0]);
    assert!(!without.knows(&Name::from("b")) && without.knows(&Name::from("a")));
    assert!(Headcount::default().with(&people[0]).is_single_threaded());
}

#[test]
fn a_committee_is_its_people_each_once_with_why() {
    let acme = || Some(account("hubspot", "7", Some("acme.example")));
    let mut jane = case(1, "Head of IT", acme());
    jane.records.push(person(1, "salesforce", "x", "Head of IT"));
    let mut carl = case(2, "CFO, IT and Finance", Some(account("salesforce", "1", Some("acme.example"))));
    carl.records[0].signals.push(Signal { name: Name::from("demo_request"), at: at(-2) });
    let eve = case(3, "CFO", Some(account("hubspot", "8", Some("other.example"))));
    let mut gone = case(4, "CFO", acme());
    gone.records[0].presence = Presence::Gone(at(-1));
    let id = seat(&jane).unwrap().committee;
    let committee = Committee::of(at(0), &id, &[jane, eve, gone, carl], &agreement(), &TimeZone::UTC);
    let told: Vec<(i64, Vec<&str>, bool)> = committee
        .people
        .iter()
        .map(|member| {
            let roles = member.roles.iter().map(|(name, _)| name.as_str()).collect();
            (member.lead.0, roles, member.engaged.is_some())
        })
        .collect();
    assert_eq!(told, [(2, vec!["economic buyer", "technical buyer"], true), (1, vec!["technical buyer"], false)]);
    assert_eq!(committee.people[1].roles[0].1, "title has [\"it\"]", "the rule says why");
    let headcount = committee.headcount();
    assert_eq!((headcount.people, headcount.engaged, headcount.is_single_threaded()), (2, 1, false));
}

#[test]
fn a_sale_is_as_far_as_its_furthest_and_an_open_deal_is_confirmed() {
    assert_eq!(reached(Stage::Mql, true), Some(Stage::Sql));
    assert_eq!(reached(Stage::Proposal, true), Some(Stage::Proposal));
    assert_eq!(reached(Stage::Lost, false), None);
    assert_eq!(reached(Stage::Won, true), Some(Stage::Sql), "who bought once may be in another deal");
    assert_eq!(furthest(&[Stage::Won, Stage::Mql, Stage::Disqualified], false), Some(Stage::Mql));
    assert_eq!(furthest(&[Stage::Nurture], false), None);
    assert_eq!(furthest(&[], true), Some(Stage::Sql));
}

#[test]
fn without_a_committee_in_the_agreement_nobody_sits_anywhere() {
    let case = case(1, "CFO", Some(account("hubspot", "7", Some("acme.example"))));
    let none = Agreement { committee: None, ..agreement() };
    assert_eq!(membership(at(0), &case, &facts(&case), &none), None);
    assert!(seat(&case).is_some());
}
