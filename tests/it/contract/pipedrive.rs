//! Pipedrive under the contract: a person is a person with an open lead.

use axum::http::Method;
use baton::clock::Clock;
use baton::connector::Connector;
use baton::connector::pipedrive::Pipedrive as Connection;
use baton::connector::settings::{Auth, Kind as Crms, OauthApp, Settings};
use baton::domain::field::Field;
use baton::domain::id::RemoteId;
use baton::sandbox::pipedrive::{Fault, Kind, OauthApp as App, Pipedrive, Settings as Company};
use jiff::SignedDuration;
use serde_json::json;

use super::gate::Gate;
use super::{Crm, Line, client, limiter};

/// The administrator of every account.
const ADMIN: i64 = 1;

pub(super) struct Account {
    line: Line,
    crm: Pipedrive,
    connector: Connection,
    /// A field that the account has besides Pipedrive's own.
    region: String,
}

impl Account {
    pub(super) async fn start() -> Self {
        let line = Line::new();
        let app =
            App { client_id: "app".to_owned(), client_secret: "sesame".to_owned(), expires_in_s: 3_600, user: ADMIN };
        let company =
            Company { burst_per_2s: 100_000, searches_per_2s: 100_000, oauth: Some(app), ..Company::default() };
        let crm = Pipedrive::new(line.clock.clone(), company);
        let region = crm.add_field(Kind::Person, "Region", "varchar", &[]);
        let url =
            line.serve(crm.router(), |method, _| *method != Method::GET, |path| path.starts_with("/oauth/")).await;
        let mut settings = Settings::new("pipedrive", Crms::Pipedrive, url.parse().unwrap(), String::new().into());
        settings.auth = Auth::Oauth(OauthApp {
            client_id: "app".to_owned(),
            client_secret: "sesame".into(),
            redirect_uri: "http://localhost:8687/oauth/callback".parse().unwrap(),
        });
        settings.budget_percent = 100;
        settings.daily_tokens = Some(10_000_000);
        settings.fields = vec![(Field::Product, "Region".to_owned())];
        let connector = Connection::new(settings, client(), limiter(), None);
        connector.log_in(&permission(&url).await.into()).await.unwrap();
        Self { line, crm, connector, region }
    }

    fn number(id: &RemoteId) -> i64 {
        id.as_str().parse().unwrap()
    }

    /// The person's leads.
    fn leads(&self, person: &RemoteId) -> Vec<String> {
        let is_theirs =
            |id: &String| self.crm.get(Kind::Lead, id).is_some_and(|lead| lead["person_id"] == Self::number(person));
        self.crm.ids(Kind::Lead).into_iter().filter(is_theirs).collect()
    }
}

/// The code that a person's permission gives.
async fn permission(url: &str) -> String {
    let page = format!("{url}/oauth/authorize?client_id=app&redirect_uri=http://localhost/x&state=s");
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = client.get(page).send().await.unwrap();
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    location.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned()
}

impl Crm for Account {
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
        let address = format!("{}@example.com", name.to_lowercase().replace(' ', "."));
        self.crm.add_user(name, &address).to_string().into()
    }

    fn deactivate(&self, user: &RemoteId) {
        assert!(self.crm.deactivate_user(Self::number(user)));
    }

    fn takes_who_left(&self) -> bool {
        false
    }

    fn person(&self, email: &str, owner: &RemoteId) -> RemoteId {
        let owner = Self::number(owner);
        let emails = json!([{ "value": email, "primary": true, "label": "work" }]);
        let person = json!({ "name": email, "owner_id": owner, "emails": emails });
        let id: RemoteId = self.crm.create(ADMIN, Kind::Person, &person).unwrap().into();
        let lead = json!({ "title": "A request", "person_id": Self::number(&id), "owner_id": owner });
        self.crm.create(ADMIN, Kind::Lead, &lead).unwrap();
        id
    }

    fn import(&self, count: usize) {
        let before = self.crm.ids(Kind::Person).len();
        for number in before..before + count {
            let emails = json!([{ "value": format!("i{number}@import.example"), "primary": true, "label": "work" }]);
            self.crm.create(ADMIN, Kind::Person, &json!({ "name": format!("I {number}"), "emails": emails })).unwrap();
        }
    }

    fn change(&self, person: &RemoteId) {
        let region = json!({ "custom_fields": { self.region.as_str(): "North" } });
        self.crm.update(ADMIN, Kind::Person, person.as_str(), &region).unwrap();
    }

    fn late(&self, email: &str, owner: &RemoteId, ago: SignedDuration) {
        let ms = i64::try_from(ago.as_millis()).unwrap();
        self.crm.faults().set(Fault::CommitLag { ms });
        self.person(email, owner);
    }

    /// Polling cannot tell a merge from a deletion.
    fn merge(&self, winner: &RemoteId, loser: &RemoteId) -> bool {
        assert!(self.crm.merge_persons(ADMIN, winner.as_str(), loser.as_str()));
        false
    }

    fn delete(&self, person: &RemoteId) {
        assert!(self.crm.delete(ADMIN, Kind::Person, person.as_str()));
    }

    fn convert(&self, person: &RemoteId) -> bool {
        self.crm.convert(ADMIN, &self.leads(person)[0]).is_some()
    }

    fn owner(&self, person: &RemoteId) -> Option<RemoteId> {
        let lead = self.leads(person).into_iter().next()?;
        Some(self.crm.get(Kind::Lead, &lead)?["owner_id"].as_i64()?.to_string().into())
    }

    fn tasks(&self, person: &RemoteId) -> usize {
        let leads = self.leads(person);
        let on = |id: &String| {
            let activity = self.crm.get(Kind::Activity, id);
            activity.is_some_and(|activity| {
                activity["lead_id"].as_str().is_some_and(|lead| leads.iter().any(|of| of == lead))
            })
        };
        self.crm.ids(Kind::Activity).iter().filter(|id| on(id)).count()
    }

    fn use_up_the_day(&self) -> bool {
        self.crm.faults().set(Fault::DayUsed);
        true
    }

    fn end_session(&self) -> bool {
        self.crm.end_sessions(false);
        true
    }

    fn revoke(&self) {
        self.crm.end_sessions(true);
    }

    /// Its pages go on by a cursor or a number.
    fn link_elsewhere(&self, _: &str) -> bool {
        false
    }

    fn remove_field(&self) -> bool {
        self.crm.remove_field(&self.region)
    }

    fn people_stream(&self) -> &'static str {
        "persons"
    }
}
