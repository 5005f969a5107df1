//! What every store keeps to, whatever holds the rows: the same cases for each engine.
//!
//! Only this file knows which engine is under test: [`open`] makes a store, [`Held::again`] what a restarted process does,
//! [`Held::by_hand`] what somebody with the database's own shell does.

mod approval;
mod claims;
mod colleague;
mod commit;
mod model;
mod queries;
mod recovery;
mod retention;
mod settle;

use std::path::PathBuf;

use std::collections::{BTreeSet, HashMap};

use baton::domain::agreement::Proof;
use baton::domain::calendar::Span;
use baton::domain::company::CompanyRecord;
use baton::domain::deal::{DealRecord, DealState};
use baton::domain::field::{Field, Known, Value};
use baton::domain::finding::{Checked, Finding, FindingKind, Subject};
use baton::domain::handoff::{CommitmentClock, Handoff, HandoffState, Turn, TurnBy};
use baton::domain::id::{HandoffId, LeadId, Object, OperationId, RecordRef, WorkspaceId};
use baton::domain::lead::LeadState;
use baton::domain::observation::UserSeen;
use baton::domain::patrol::{Cause, Round};
use baton::domain::plan::{Effect, Event, Happening, Lane, Notice, NoticeKind, Plan, Story, Write};
use baton::domain::record::{Key, KeyKind, Link, LinkRule, PersonRecord, Presence};
use baton::domain::touch::{Channel, Genuine, Touch};
use baton::store::{
    Apart, Batch, Claim, Decision, Outgoing, Repaired, Settlement, Share, Store, StoreError, StreamState, TeamState,
};
use jiff::{SignedDuration, Timestamp};

const LEASE: SignedDuration = SignedDuration::from_secs(60);

/// A store with what it stands on.
struct Held {
    store: Store,
    folder: tempfile::TempDir,
}

/// An empty store.
async fn open() -> Held {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("baton.db"), &workspace()).await.unwrap();
    Held { store, folder }
}

fn workspace() -> WorkspaceId {
    WorkspaceId::from("default")
}

impl Held {
    fn path(&self) -> PathBuf {
        self.folder.path().join("baton.db")
    }

    /// The same rows under the next process: this one's use of them has ended.
    async fn again(self) -> Self {
        self.resting(SignedDuration::ZERO).await
    }

    /// As [`again`](Self::again); what was being sent rests so long.
    async fn resting(self, rest: SignedDuration) -> Self {
        let Self { store, folder } = self;
        store.close().await;
        drop(store);
        let store = Store::open_resting(&folder.path().join("baton.db"), &workspace(), rest).await.unwrap();
        Self { store, folder }
    }

    /// Another process's look at the same rows, beside this one.
    async fn beside(&self) -> Store {
        Store::open_read_only(&self.path(), &workspace()).await.unwrap()
    }

    /// Runs a statement past Baton.
    async fn by_hand(&self, statement: String) {
        let pool = self.shell().await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&pool).await.unwrap();
        pool.close().await;
    }

    /// Every table that `commit` fills.
    async fn tables(&self) -> Vec<String> {
        let pool = self.shell().await;
        let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('credential', 'meta', 'policy', 'forgotten', 'hint', 'hook_event') ORDER BY name";
        let names: Vec<String> = sqlx::query_scalar(names).fetch_all(&pool).await.unwrap();
        pool.close().await;
        names.into_iter().filter(|name| !name.starts_with("sqlite_")).collect()
    }

    async fn shell(&self) -> sqlx::SqlitePool {
        sqlx::SqlitePool::connect_with(sqlx::sqlite::SqliteConnectOptions::new().filename(self.path())).await.unwrap()
    }
}

/// Long after the real time of any run: what rests by real time has rested.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(4_000_000_000 + second).unwrap()
}

fn op(name: &str) -> OperationId {
    OperationId::of(&[name])
}

fn person_ref(id: &str) -> RecordRef {
    RecordRef::new(&"hubspot".into(), Object::Person, id)
}

fn company_ref(id: &str) -> RecordRef {
    RecordRef::new(&"hubspot".into(), Object::Company, id)
}

fn call_ref(id: &str) -> RecordRef {
    RecordRef::new(&"hubspot".into(), Object::Call, id)
}

fn email(address: &str) -> Key {
    Key { kind: KeyKind::Email, value: address.into() }
}

/// An open deal of the person with the same id.
fn deal(id: &str) -> DealRecord {
    DealRecord {
        of: RecordRef::new(&"hubspot".into(), Object::Deal, id),
        modified: at(0),
        state: DealState::Open,
        stage: None,
        title: None,
        amount: Some(80.5),
        created: at(0),
        closed: None,
        owner: None,
        company: None,
        people: vec![person_ref(id)],
        is_gone: false,
    }
}

fn person(id: &str, lead: i64, keys: &[Key]) -> PersonRecord {
    PersonRecord {
        of: person_ref(id),
        link: Link { lead: LeadId(lead), rule: LinkRule::First, at: at(0) },
        modified: at(0),
        created: at(0),
        presence: Presence::Live,
        values: vec![Known { field: Field::FirstName, value: Value::text("Ada").unwrap(), at: at(0) }],
        keys: keys.to_vec(),
        company: None,
        stages: Vec::new(),
        owners: Vec::new(),
        disposition: None,
        signals: Vec::new(),
        scores: Vec::new(),
        company_since: None,
        has_history: false,
    }
}

fn company(id: &str, employees: f64) -> CompanyRecord {
    let values = vec![Known { field: Field::Employees, value: Value::Number(employees), at: at(0) }];
    CompanyRecord { of: company_ref(id), modified: at(0), values, owner: Some("9".into()), is_gone: false }
}

fn touch(id: &str, person: &str, second: i64) -> Touch {
    Touch {
        of: call_ref(id),
        person: person_ref(person),
        channel: Channel::Call,
        at: at(second),
        by: Some("7".into()),
        genuine: Genuine::Yes,
    }
}

fn user(id: &str, name: &str) -> (RecordRef, UserSeen) {
    let seen = UserSeen { email: Some("a@x.example".into()), login: None, name: name.into(), is_active: true };
    (RecordRef::new(&"odoo".into(), Object::User, id), seen)
}

pub(crate) fn lead(id: i64, version: i64) -> LeadState {
    LeadState { version, ..LeadState::new(LeadId(id), at(0)) }
}

pub(crate) fn plan(lead: LeadState) -> Plan {
    Plan {
        lead,
        handoff: None,
        events: Vec::new(),
        writes: Vec::new(),
        notices: Vec::new(),
        hold: None,
        cancels: None,
        findings: Vec::new(),
        wants_owner: None,
    }
}

fn handoff(lead: i64, number: u32, due: i64) -> Handoff {
    let clock = CommitmentClock {
        name: "first touch".into(),
        done_by: vec![Proof::Call],
        time: Span::Business(SignedDuration::from_hours(4)),
        ladder: Vec::new(),
        due_at: Some(at(due)),
        met: None,
        steps: Vec::new(),
    };
    let turn = Turn {
        number: 1,
        owner: "rep@x.example".into(),
        team: Some("dach".into()),
        why: "in turn".to_owned(),
        by: TurnBy::Routing,
        granted_at: at(0),
        clock_from: Some(at(0)),
        agreement: "2026.4".into(),
        clocks: vec![clock],
        answer: None,
        ended: None,
    };
    Handoff {
        id: HandoffId { lead: LeadId(lead), number },
        qualified_at: at(0),
        opened_at: at(0),
        below_bar: false,
        is_shadow: false,
        proposed_at: None,
        state: HandoffState::Open,
        turns: vec![turn],
    }
}

fn event(second: i64) -> Event {
    Event { at: at(second), handoff: Some(1), what: Happening::Opened { below_bar: false } }
}

fn write(name: &str, lead: i64, connection: &str, lane: Lane, effect: Effect) -> Write {
    Write {
        op: op(name),
        lead: LeadId(lead),
        handoff: Some(1),
        connection: connection.into(),
        record: None,
        lane,
        effect,
        because: "routing".to_owned(),
    }
}

/// A note in Odoo.
pub(crate) fn note(name: &str, lead: i64) -> Write {
    write(name, lead, "odoo", Lane::Recycle, Effect::AddNote { body: name.to_owned() })
}

/// An owner in Odoo.
fn owner(name: &str, lead: i64) -> Write {
    write(name, lead, "odoo", Lane::Assign, Effect::SetOwner { owner: "7".into(), expected: None })
}

fn notice(name: &str, lead: i64, channel: &str) -> Notice {
    Notice {
        op: op(name),
        lead: LeadId(lead),
        handoff: Some(HandoffId { lead: LeadId(lead), number: 1 }),
        at: at(0),
        kind: NoticeKind::Breach,
        channel: channel.into(),
        people: vec![("m@x.example".into(), Some("U1".into()))],
        audience: Vec::new(),
        story: Story {
            headline: "late".to_owned(),
            lines: vec!["one".to_owned()],
            link: "https://b.example".to_owned(),
        },
        withdraws: None,
        about: None,
        ask: None,
        package: None,
    }
}

fn finding(subject: Subject, text: &str) -> Finding {
    Finding { kind: FindingKind::Unmapped, subject, text: text.to_owned() }
}

fn stream(cursor: &str) -> StreamState {
    StreamState {
        connection: "hubspot".into(),
        stream: "contacts".into(),
        cursor: cursor.to_owned(),
        covered_until: Some(at(9)),
        read_at: Some(at(10)),
        error: None,
    }
}

fn team(version: i64, given: i64) -> TeamState {
    let share = Share {
        person: "rep@x.example".into(),
        given,
        given_at: Some(at(4)),
        given_today: 1,
        day: Some(jiff::civil::date(2026, 11, 24)),
        credit: -5,
    };
    TeamState { team: "dach".into(), version, shares: vec![share] }
}

fn batch(plans: Vec<Plan>) -> Batch {
    Batch { plans, now: Some(at(1)), ..Batch::default() }
}

/// Something for every table, all about lead `id`, of which `version` is stored.
fn page(id: i64, version: i64, now: i64) -> Batch {
    let text = id.to_string();
    let mut record = person(&text, id, &[email(&format!("p{id}@x.example"))]);
    record.company = Some(company_ref(&text));
    let mut decided = plan(LeadState {
        name: Some("Ada".into()),
        email: Some(format!("p{id}@x.example").into()),
        look_again_at: Some(at(400 + now)),
        ..lead(id, version)
    });
    decided.handoff = Some(handoff(id, 1, 400));
    decided.events = vec![event(now)];
    decided.writes = vec![owner(&format!("owner {id} {now}"), id)];
    decided.notices = vec![notice(&format!("notice {id} {now}"), id, "slack.dach")];
    decided.findings = vec![finding(Subject::Lead(LeadId(id)), "unknown stage")];
    Batch {
        people: vec![record],
        keys: HashMap::new(),
        companies: vec![company(&text, 80.5)],
        touches: vec![(call_ref(&text), vec![touch(&text, &text, now)])],
        deals: vec![deal(&text)],
        users: vec![user(&text, "Ada")],
        plans: vec![decided],
        // About somebody who has no key yet, whichever page it is.
        decisions: vec![Decision { lead: LeadId(1_000 * id + now), input: "{}".to_owned(), result: text.clone() }],
        rechecks: vec![(LeadId(id), at(300 + now))],
        colleagues: BTreeSet::from([company_ref(&text)]),
        cursors: vec![stream(&format!("cursor {now}"))],
        teams: vec![team(version.min(1), now)],
        notices: Vec::new(),
        findings: vec![finding(Subject::Policy("zone".into()), "no zone")],
        checked: vec![Checked::One(FindingKind::ClockStep, Subject::Policy("clock".into()))],
        undecided: vec![LeadId(id)],
        vanished: vec![("hubspot".into(), 1)],
        rounds: vec![Round::first(&"hubspot".into(), &"contacts".into(), at(now), 7)],
        repairs: vec![Repaired {
            connection: "hubspot".into(),
            stream: "contacts".into(),
            cause: Cause::Late,
            total: 2,
            last_at: at(now),
            age: SignedDuration::from_secs(30),
            age_at: at(now),
        }],
        apart: vec![Apart { of: person_ref(&text), other: person_ref("99"), by: "ops".into(), at: at(now) }],
        together: Vec::new(),
        now: Some(at(now)),
        ..Batch::default()
    }
}

/// Leads 1 to `leads`, and these effects, all decided with lead 1 but each about the lead that it names.
async fn with_effects(leads: i64, writes: Vec<Write>, notices: Vec<Notice>) -> Held {
    let held = open().await;
    held.store.commit(&batch((1..=leads).map(|id| plan(lead(id, 0))).collect())).await.unwrap();
    held.store.commit(&batch(vec![Plan { writes, notices, ..plan(lead(1, 1)) }])).await.unwrap();
    held
}

async fn with_writes(leads: i64, writes: Vec<Write>) -> Held {
    with_effects(leads, writes, Vec::new()).await
}

async fn claim(store: &Store, connection: &str, second: i64) -> Vec<Claim> {
    store.claim_writes(&connection.into(), at(second), LEASE, 100).await.unwrap()
}

async fn claim_notices(store: &Store, channel: &str, second: i64) -> Vec<Claim> {
    store.claim_notices(&channel.into(), at(second), Timestamp::MAX, LEASE, 100).await.unwrap()
}

/// Settles one claim. The error is the effect whose lease was over.
async fn settle(store: &Store, claim: &Claim, settlement: Settlement) -> Result<(), OperationId> {
    settle_with(store, claim, settlement, &Batch::default()).await
}

async fn settle_with(store: &Store, claim: &Claim, settlement: Settlement, batch: &Batch) -> Result<(), OperationId> {
    let lapsed = store.settle(&[(claim.clone(), settlement)], batch).await.unwrap();
    lapsed.first().map_or(Ok(()), |op| Err(*op))
}

fn done(second: i64) -> Settlement {
    Settlement::Done { at: at(second), made: None, was: Vec::new() }
}

fn again(second: i64) -> Settlement {
    Settlement::Again { not_before: at(second), counts: true, message: "503".to_owned() }
}

fn unknown(second: i64) -> Settlement {
    Settlement::Unknown { not_before: at(second), message: "timeout".to_owned() }
}

fn dead(second: i64) -> Settlement {
    Settlement::Dead { at: at(second), message: "no such stage".to_owned() }
}

fn ops(claims: &[Claim]) -> Vec<OperationId> {
    claims.iter().map(|claim| claim.op).collect()
}

fn names(names: &[&str]) -> Vec<OperationId> {
    names.iter().map(|name| op(name)).collect()
}

/// The state of every effect of a lead, in the order of their decisions.
async fn states(store: &Store, lead: i64) -> Vec<String> {
    store.effects_of(LeadId(lead)).await.unwrap().into_iter().map(|row| row.state).collect()
}

fn body(claim: &Claim) -> String {
    match &claim.what {
        Outgoing::Write(write) => format!("{:?}", write.effect),
        Outgoing::Notice(notice) => notice.story.headline.clone(),
    }
}

/// Everything that can be asked of the store, as text to be compared.
async fn everything(store: &Store, leads: i64) -> String {
    let ids: Vec<LeadId> = (1..=leads).map(LeadId).collect();
    let refs: Vec<RecordRef> = (1..=leads).map(|id| person_ref(&id.to_string())).collect();
    let companies: Vec<RecordRef> = (1..=leads).map(|id| company_ref(&id.to_string())).collect();
    let calls: Vec<RecordRef> = (1..=leads).map(|id| call_ref(&id.to_string())).collect();
    let keys: Vec<Key> = (1..=leads).map(|id| email(&format!("p{id}@x.example"))).collect();
    let mut text = format!(
        "{:#?}{:#?}{:#?}{:#?}{:#?}{:#?}{:#?}{:#?}{:#?}{:#?}{:#?}{:#?}{:#?}{:#?}{:#?}{:#?}",
        store.cases(&ids, at(-9_999)).await.unwrap(),
        store.people(&refs).await.unwrap(),
        store.companies(&companies).await.unwrap(),
        store.touches(&calls).await.unwrap(),
        store.leads_by_keys(&keys).await.unwrap(),
        store.users().await.unwrap(),
        store.streams().await.unwrap(),
        store.teams().await.unwrap(),
        store.open_loads().await.unwrap(),
        store.overview().await.unwrap(),
        store.findings(99).await.unwrap(),
        store.recent_events(0, 99).await.unwrap(),
        store.next_lead_number().await.unwrap(),
        store.undecided(99).await.unwrap(),
        store.rounds().await.unwrap(),
        store.repairs().await.unwrap(),
    );
    for id in ids {
        text.push_str(&format!("{:#?}", store.effects_of(id).await.unwrap()));
        text.push_str(&format!("{:#?}", store.lead_state(id).await.unwrap()));
    }
    text
}
