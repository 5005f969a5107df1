//! HubSpot under the contract.

use axum::http::Method;
use baton::clock::Clock;
use baton::connector::Connector;
use baton::connector::hubspot::HubSpot as Connection;
use baton::connector::settings::{Kind as Crms, Settings};
use baton::domain::id::RemoteId;
use baton::sandbox::hubspot::{Author, Fault, HubSpot, Kind, Place, Settings as Account, When};
use jiff::SignedDuration;

use super::gate::Gate;
use super::{Crm, Line, client, limiter};

pub(super) struct Portal {
    line: Line,
    hub: HubSpot,
    connector: Connection,
}

impl Portal {
    pub(super) async fn start() -> Self {
        let line = Line::new();
        let account = Account {
            index_lag: SignedDuration::ZERO,
            burst_per_10s: 1_000_000,
            associations_per_10s: 1_000_000,
            searches_per_s: 1_000_000,
            ..Account::default()
        };
        let hub = HubSpot::new(line.clock.clone(), account);
        let writes = |method: &Method, path: &str| {
            let reads = path.ends_with("/search") || path.ends_with("/batch/read");
            *method != Method::GET && !reads
        };
        let url = line.serve(hub.router(), writes, |_| false).await;
        let token = String::from("pat-na1-sandbox").into();
        let settings = Settings::new("hubspot", Crms::HubSpot, url.parse().unwrap(), token);
        let connector = Connection::new(settings, client(), limiter(), None);
        Self { line, hub, connector }
    }

    /// The contact's record today: a merge makes a new one.
    fn get(&self, person: &RemoteId, property: &str) -> Option<String> {
        self.hub.get(Kind::Contact, person.as_str())?.get(property).cloned().filter(|value| !value.is_empty())
    }
}

impl Crm for Portal {
    fn connector(&self) -> &dyn Connector {
        &self.connector
    }

    fn gate(&self) -> &Gate {
        &self.line.gate
    }

    fn clock(&self) -> &Clock {
        &self.line.clock
    }

    fn page_rows(&self) -> usize {
        100
    }

    fn user(&self, name: &str) -> RemoteId {
        let (first, last) = name.split_once(' ').unwrap();
        let address = format!("{}@example.com", first.to_lowercase());
        self.hub.add_owner(&address, first, last).id.into()
    }

    fn deactivate(&self, user: &RemoteId) {
        assert!(self.hub.archive_owner(user.as_str()));
    }

    fn takes_who_left(&self) -> bool {
        false
    }

    fn person(&self, email: &str, owner: &RemoteId) -> RemoteId {
        let values = [("email", email), ("hubspot_owner_id", owner.as_str())];
        self.hub.create_contact(Author::User(7), &values).into()
    }

    fn import(&self, count: usize) {
        let before = self.hub.ids(Kind::Contact).len();
        for number in before..before + count {
            self.hub.create_contact(Author::Import, &[("email", &format!("i{number}@import.example"))]);
        }
    }

    fn change(&self, person: &RemoteId) {
        let values = [("jobtitle", "Head of change")];
        assert!(self.hub.update(Kind::Contact, person.as_str(), Author::User(7), &values));
    }

    /// No transaction of HubSpot is late, its index is.
    fn late(&self, email: &str, owner: &RemoteId, ago: SignedDuration) {
        self.hub.set_index_lag(ago);
        self.person(email, owner);
    }

    fn merge(&self, winner: &RemoteId, loser: &RemoteId) -> bool {
        self.hub.merge(Kind::Contact, winner.as_str(), loser.as_str(), Author::User(7)).unwrap();
        true
    }

    fn delete(&self, person: &RemoteId) {
        assert!(self.hub.archive(Kind::Contact, person.as_str()));
    }

    /// A contact stays a contact.
    fn convert(&self, _: &RemoteId) -> bool {
        false
    }

    fn owner(&self, person: &RemoteId) -> Option<RemoteId> {
        self.get(person, "hubspot_owner_id").map(RemoteId::from)
    }

    fn tasks(&self, person: &RemoteId) -> usize {
        self.hub.associated(Kind::Contact, person.as_str(), Kind::Task).len()
    }

    fn use_up_the_day(&self) -> bool {
        let fault = Fault::RateLimit { policy: "DAILY".to_owned(), retry_after: None };
        self.hub.faults().inject(Place::default(), When::default(), fault);
        true
    }

    /// Its token is made by a person.
    fn end_session(&self) -> bool {
        false
    }

    fn revoke(&self) {
        self.hub.faults().set(Fault::TokenRevoked { token: "sandbox".to_owned() });
    }

    fn link_elsewhere(&self, host: &str) -> bool {
        self.hub.faults().inject(Place::default(), When::default(), Fault::NextLink { to: host.to_owned() });
        true
    }

    fn remove_field(&self) -> bool {
        self.hub.remove_property(Kind::Contact, "jobtitle")
    }

    fn people_stream(&self) -> &'static str {
        "contacts"
    }
}
