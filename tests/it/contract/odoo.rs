//! Odoo under the contract.

use axum::http::Method;
use baton::clock::Clock;
use baton::connector::Connector;
use baton::connector::odoo::{Odoo as Connection, is_reading};
use baton::connector::settings::{Kind as Crms, Settings};
use baton::domain::id::RemoteId;
use baton::sandbox::odoo::{Fault, Odoo, Settings as Population};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::gate::Gate;
use super::{Crm, Line, client, limiter};

pub(super) struct Database {
    line: Line,
    odoo: Odoo,
    connector: Connection,
    key: String,
}

impl Database {
    pub(super) async fn start() -> Self {
        let line = Line::new();
        let odoo = Odoo::new(line.clock.clone(), Population::default());
        let writes = |_: &Method, path: &str| {
            let words: Vec<&str> = path.trim_matches('/').split('/').collect();
            matches!(words[..], ["json", "2", _, method] if !is_reading(method))
        };
        let url = line.serve(odoo.router(), writes, |_| false).await;
        let population = odoo.settings();
        let key = population.api_key;
        let mut settings = Settings::new("odoo", Crms::Odoo, url.parse().unwrap(), key.clone().into());
        settings.account = Some(population.database);
        let connector = Connection::new(settings, client(), limiter());
        Self { line, odoo, connector, key }
    }

    fn lead(&self, person: &RemoteId) -> i64 {
        person.as_str().parse().unwrap()
    }

    fn values(email: &str, owner: &RemoteId) -> Value {
        let owner: i64 = owner.as_str().parse().unwrap();
        json!({ "name": email, "email_from": email, "user_id": owner, "type": "lead" })
    }
}

impl Crm for Database {
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
        500
    }

    fn user(&self, name: &str) -> RemoteId {
        let login = name.to_lowercase().replace(' ', ".");
        self.odoo.add_user(&login, name, &format!("{login}@example.com")).to_string().into()
    }

    fn deactivate(&self, user: &RemoteId) {
        self.odoo.deactivate_user(self.lead(user));
    }

    /// An archived user is a value like any other.
    fn takes_who_left(&self) -> bool {
        true
    }

    fn person(&self, email: &str, owner: &RemoteId) -> RemoteId {
        self.odoo.as_admin().create_lead(Self::values(email, owner)).unwrap().to_string().into()
    }

    fn import(&self, count: usize) {
        let before = self.odoo.leads().len();
        for number in before..before + count {
            let address = format!("i{number}@import.example");
            let values = json!({ "name": address, "email_from": address, "type": "lead" });
            self.odoo.as_admin().create_lead(values).unwrap();
        }
    }

    fn change(&self, person: &RemoteId) {
        let values = json!({ "function": "Head of change" });
        self.odoo.as_admin().write_lead(self.lead(person), values).unwrap();
    }

    fn late(&self, email: &str, owner: &RemoteId, ago: SignedDuration) {
        self.odoo.as_admin().begun(ago).create_lead(Self::values(email, owner)).unwrap();
    }

    fn merge(&self, winner: &RemoteId, loser: &RemoteId) -> bool {
        self.odoo.as_admin().merge(&[self.lead(winner), self.lead(loser)]).unwrap();
        true
    }

    fn delete(&self, person: &RemoteId) {
        self.odoo.as_admin().delete(self.lead(person)).unwrap();
    }

    fn convert(&self, person: &RemoteId) -> bool {
        self.odoo.as_admin().convert(self.lead(person)).unwrap();
        true
    }

    fn owner(&self, person: &RemoteId) -> Option<RemoteId> {
        self.odoo.owner(self.lead(person)).map(|user| user.to_string().into())
    }

    fn tasks(&self, person: &RemoteId) -> usize {
        self.odoo.activities(self.lead(person)).len()
    }

    /// Odoo counts no requests of a day.
    fn use_up_the_day(&self) -> bool {
        false
    }

    /// Its key is made by a person.
    fn end_session(&self) -> bool {
        false
    }

    fn revoke(&self) {
        self.odoo.faults().set(Fault::KeyRevoked { key: self.key.clone() });
    }

    /// Its pages are asked for by values, not by links.
    fn link_elsewhere(&self, _: &str) -> bool {
        false
    }

    /// What the CRM itself brings cannot be taken away; a mapped field that is not there is in `connector_odoo`.
    fn remove_field(&self) -> bool {
        false
    }

    fn people_stream(&self) -> &'static str {
        "leads"
    }
}
