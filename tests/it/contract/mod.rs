//! One contract for every CRM: the same cases over real HTTP against each sandbox. What a case needs of a CRM is in [`Crm`]; a
//! CRM that cannot be brought into the situation says so there, with the reason, and the case is not counted for it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail loudly, as the tests do")]

mod cases;
mod gate;
mod hubspot;
mod odoo;
mod pipedrive;
mod salesforce;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Method;
use baton::clock::Clock;
use baton::connector::{Addressed, Connector, ConnectorError, Cursor, Forget, Outcome, Page};
use baton::domain::id::{LeadId, Object, OperationId, RecordRef, RemoteId};
use baton::domain::observation::{Content, Observation, PersonSeen};
use baton::domain::plan::{Effect, Lane, Write};
use baton::http::Client;
use baton::http::limiter::Limiter;
use gate::Gate;
use jiff::{SignedDuration, Timestamp};

/// A CRM whose sandbox is reached over HTTP, as its own users and Baton see it. Ids are the connector's.
trait Crm: Send + Sync {
    /// Baton's side.
    fn connector(&self) -> &dyn Connector;
    /// What lies between.
    fn gate(&self) -> &Gate;
    /// The sandbox's time.
    fn clock(&self) -> &Clock;
    /// How many people a page of the feed shows at most.
    fn page_rows(&self) -> usize;
    /// A new member of staff who can own records.
    fn user(&self, name: &str) -> RemoteId;
    /// They leave.
    fn deactivate(&self, user: &RemoteId);
    /// Does the CRM let somebody who left own a record? Then only the list of users says that they left, and the engine heeds it.
    fn takes_who_left(&self) -> bool;
    /// A person whom somebody enters, in the feed of the stream that [`Crm::people_stream`] names.
    fn person(&self, email: &str, owner: &RemoteId) -> RemoteId;
    /// So many people in one instant.
    fn import(&self, count: usize);
    /// Somebody changes a field that Baton reads.
    fn change(&self, person: &RemoteId);
    /// A person who is entered now, and whom the feed shows as of `ago`: a transaction or an index that was late.
    fn late(&self, email: &str, owner: &RemoteId, ago: SignedDuration);
    /// Two records become one. Does the CRM say so to who asks for the other? Else only a webhook does.
    fn merge(&self, winner: &RemoteId, loser: &RemoteId) -> bool;
    /// Gone, as a user does it.
    fn delete(&self, person: &RemoteId);
    /// Sales takes the person up: a deal is made of the lead. Whether this CRM has a step of that kind.
    fn convert(&self, person: &RemoteId) -> bool;
    /// Who owns them.
    fn owner(&self, person: &RemoteId) -> Option<RemoteId>;
    /// Tasks that hang on them.
    fn tasks(&self, person: &RemoteId) -> usize;
    /// From now on, nothing more today. Whether this CRM has a limit of that kind.
    fn use_up_the_day(&self) -> bool;
    /// Baton's session ends, and the next token works; `false` if this CRM knows only tokens that a person makes.
    fn end_session(&self) -> bool;
    /// Baton's credentials are taken back.
    fn revoke(&self);
    /// The next page's link leads to `host`. Whether this CRM's pages name the next one by a link.
    fn link_elsewhere(&self, host: &str) -> bool;
    /// A field that Baton reads of people is removed, or hidden from it. Whether that can happen in this CRM.
    fn remove_field(&self) -> bool;
    /// The stream that shows people.
    fn people_stream(&self) -> &'static str;
}

/// What a CRM's file needs to build one.
struct Line {
    gate: Gate,
    clock: Clock,
}

impl Line {
    fn new() -> Self {
        let clock = Clock::manual("2026-11-24T08:00:00.140Z".parse::<Timestamp>().unwrap());
        Self { gate: Gate::default(), clock }
    }

    /// Serves `router` behind the gate; the address.
    async fn serve(&self, router: Router, writes: fn(&Method, &str) -> bool, passes: fn(&str) -> bool) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = self.gate.before(router, writes, passes);
        #[expect(clippy::disallowed_methods, reason = "the test's own server")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }
}

/// A client that does not wait long.
fn client() -> Client {
    let settings = baton::http::Settings { deadline: Duration::from_secs(3), ..baton::http::Settings::default() };
    Client::with(settings).unwrap()
}

fn limiter() -> Arc<Limiter> {
    Arc::new(Limiter::default())
}

/// Every case for every CRM: a test of its own, named after both.
macro_rules! every {
    ($($case:ident),* $(,)?) => {
        mod on_hubspot { $(#[tokio::test] async fn $case() { super::cases::$case(&super::hubspot::Portal::start().await).await; })* }
        mod on_salesforce { $(#[tokio::test] async fn $case() { super::cases::$case(&super::salesforce::Org::start().await).await; })* }
        mod on_pipedrive { $(#[tokio::test] async fn $case() { super::cases::$case(&super::pipedrive::Account::start().await).await; })* }
        mod on_odoo { $(#[tokio::test] async fn $case() { super::cases::$case(&super::odoo::Database::start().await).await; })* }
    };
}

every!(
    page_drift_loses_nobody,
    people_of_one_instant_fill_more_than_a_page,
    ten_thousand_people_of_one_instant_are_all_read,
    what_is_late_is_read_all_the_same,
    a_merged_record_leads_to_the_one_that_is_left,
    a_deleted_record_is_gone,
    a_converted_lead_keeps_person_and_owner,
    an_owner_who_left_is_refused_for_good,
    one_bad_row_spoils_no_other,
    a_write_without_an_answer_is_found_and_not_doubled,
    too_many_requests_are_waited_for,
    a_day_that_is_used_up_is_no_reason_to_hammer,
    a_session_that_ends_is_renewed_or_a_person_is_asked,
    a_page_for_people_is_no_empty_answer,
    half_an_answer_is_none,
    no_redirect_is_followed,
    a_link_to_another_host_is_not_followed,
    a_drip_is_not_waited_for,
    a_field_that_is_gone_is_told_and_the_rest_is_read,
);

impl dyn Crm + '_ {
    async fn pull(&self, cursor: &Cursor) -> Result<Page, ConnectorError> {
        let name = self.people_stream();
        let stream = self.connector().streams().iter().find(|stream| stream.name.as_str() == name).unwrap();
        self.connector().pull(stream, cursor, self.clock().now()).await
    }

    /// Everything that the feed has to say, and where to go on.
    async fn drain(&self, mut cursor: Cursor) -> (Vec<Observation>, Cursor) {
        let mut seen = Vec::new();
        loop {
            let page = self.pull(&cursor).await.unwrap();
            seen.extend(page.observations);
            cursor = page.next;
            if !page.has_more {
                return (seen, cursor);
            }
        }
    }

    /// Reads until the present is covered: whatever a CRM keeps back for a while is there then.
    async fn catch_up(&self, mut cursor: Cursor) -> (Vec<Observation>, Cursor) {
        let mut all = Vec::new();
        for _ in 0..6 {
            self.clock().advance(SignedDuration::from_secs(60));
            let (seen, next) = self.drain(cursor).await;
            all.extend(seen);
            cursor = next;
        }
        (all, cursor)
    }

    fn of(&self, person: &RemoteId) -> RecordRef {
        RecordRef::new(self.connector().id(), Object::Person, person.as_str())
    }

    /// The record as it is now, after merges and conversions: what is left of it.
    async fn now(&self, person: &RemoteId) -> (RecordRef, PersonSeen) {
        let mut of = self.of(person);
        for _ in 0..4 {
            let seen = self.connector().read(std::slice::from_ref(&of)).await.unwrap();
            let seen = seen.into_iter().find(|seen| seen.of == of || seen.person().is_some()).unwrap();
            match seen.content {
                Content::Person(person) => return (seen.of, *person),
                Content::MergedInto(into) => of = RecordRef { id: into, ..of },
                other => panic!("{of}: {other:?}"),
            }
        }
        panic!("{person} leads in a circle");
    }

    fn write(&self, person: &RemoteId, effect: Effect) -> Addressed {
        let record = Some(self.of(person));
        let write = Write {
            op: OperationId::of(&["contract", effect.as_str(), person.as_str()]),
            lead: LeadId(42),
            handoff: Some(1),
            connection: self.connector().id().clone(),
            record: record.clone(),
            lane: Lane::Assign,
            effect,
            because: "a test".to_owned(),
        };
        Addressed { write, record, attempt: 1, earlier: None }
    }

    async fn push(&self, writes: &[Addressed]) -> Vec<Outcome> {
        let outcomes: BTreeMap<_, _> = self.connector().push(writes, &Forget).await.into_iter().collect();
        writes.iter().map(|write| outcomes[&write.write.op].clone()).collect()
    }
}
