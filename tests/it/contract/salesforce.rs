//! Salesforce under the contract.

use axum::http::Method;
use baton::clock::Clock;
use baton::connector::Connector;
use baton::connector::salesforce::Salesforce as Connection;
use baton::connector::settings::{Auth, JwtApp, Kind as Crms, Settings};
use baton::domain::id::RemoteId;
use baton::sandbox::salesforce::{Fault, Place, Salesforce, Settings as Population, When};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::gate::Gate;
use super::{Crm, Line, client, limiter};

pub(super) struct Org {
    line: Line,
    org: Salesforce,
    connector: Connection,
}

impl Org {
    pub(super) async fn start() -> Self {
        let line = Line::new();
        let org = Salesforce::new(line.clock.clone(), Population::default());
        // As `baton setup` leaves it.
        org.add_field("Lead", "BatonKey__c", "string", true);
        org.add_field("Task", "BatonKey__c", "string", true);
        let writes = |method: &Method, path: &str| *method != Method::GET && !path.contains("/jobs/query");
        let url = line.serve(org.router(), writes, |path| path.ends_with("/oauth2/token")).await;
        let mut settings = Settings::new("salesforce", Crms::Salesforce, url.parse().unwrap(), String::new().into());
        let population = org.settings();
        settings.auth = Auth::Jwt(JwtApp {
            client_id: population.consumer_key,
            username: population.username,
            key: org.private_key().to_owned().into(),
            audience: "https://login.salesforce.com".to_owned(),
        });
        let connector = Connection::new(settings, client(), limiter(), None);
        Self { line, org, connector }
    }

    fn values(email: &str, owner: &RemoteId) -> Value {
        json!({ "LastName": "Roe", "Company": "Acme GmbH", "Email": email, "OwnerId": owner.as_str() })
    }
}

impl Crm for Org {
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
        1_000
    }

    fn user(&self, name: &str) -> RemoteId {
        let address = format!("{}@example.com", name.to_lowercase().replace(' ', "."));
        self.org.add_user(&address, name, &address).into()
    }

    fn deactivate(&self, user: &RemoteId) {
        self.org.deactivate_user(user.as_str());
    }

    fn takes_who_left(&self) -> bool {
        false
    }

    fn person(&self, email: &str, owner: &RemoteId) -> RemoteId {
        self.org.as_user(owner.as_str()).create("Lead", Self::values(email, owner)).unwrap().into()
    }

    fn import(&self, count: usize) {
        self.org.import_leads(count);
    }

    fn change(&self, person: &RemoteId) {
        self.org.as_admin().update("Lead", person.as_str(), json!({ "Title": "Head of change" })).unwrap();
    }

    fn late(&self, email: &str, owner: &RemoteId, ago: SignedDuration) {
        self.org.as_user(owner.as_str()).begun(ago).create("Lead", Self::values(email, owner)).unwrap();
    }

    fn merge(&self, winner: &RemoteId, loser: &RemoteId) -> bool {
        self.org.as_admin().merge("Lead", winner.as_str(), loser.as_str()).unwrap();
        true
    }

    fn delete(&self, person: &RemoteId) {
        self.org.as_admin().delete("Lead", person.as_str()).unwrap();
    }

    fn convert(&self, person: &RemoteId) -> bool {
        self.org.as_admin().convert(person.as_str(), None, Some("Acme: a sale")).unwrap();
        true
    }

    fn owner(&self, person: &RemoteId) -> Option<RemoteId> {
        self.org.get("Lead", person.as_str())?["OwnerId"].as_str().map(RemoteId::from)
    }

    fn tasks(&self, person: &RemoteId) -> usize {
        self.org.find("Task", "WhoId", person.as_str()).len()
    }

    fn use_up_the_day(&self) -> bool {
        self.org.faults().set(Fault::DailyLimit { left: 0 });
        true
    }

    fn end_session(&self) -> bool {
        self.org.faults().set(Fault::SessionsExpire);
        true
    }

    fn revoke(&self) {
        let description = "user hasn't approved this consumer".to_owned();
        self.org.faults().set(Fault::OauthError { error: "invalid_grant".to_owned(), description });
        self.org.faults().set(Fault::SessionsExpire);
    }

    fn link_elsewhere(&self, host: &str) -> bool {
        self.org.faults().inject(Place::path("query"), When::default(), Fault::NextLink { to: host.to_owned() });
        true
    }

    fn remove_field(&self) -> bool {
        self.org.faults().set(Fault::FieldHidden { object: "Lead".to_owned(), field: "Title".to_owned() });
        true
    }

    fn people_stream(&self) -> &'static str {
        "leads"
    }
}
