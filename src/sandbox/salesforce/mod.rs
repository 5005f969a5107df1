//! A Salesforce org on loopback, faithful to the fact sheet down to error bodies, limits and traps.
//!
//! [`Salesforce`] is the org: [`Salesforce::as_user`] is what people do in its screens, [`Salesforce::router`] is its API, and
//! [`Salesforce::faults`] makes it misbehave. It must not know any connector's wire types: a shared misreading would hide itself.
//!
//! "Section n" in these files means the Salesforce fact sheet. Stamps, cursors and `Date` follow the sandbox's clock; the life of
//! an assertion is of the world's. Left out on purpose: SOAP, push channels, sharing rules, record types, Apex, and every part of
//! SOQL that nobody here sends, which is refused as malformed.

mod answer;
mod bulk;
mod check;
mod collections;
mod control;
mod failure;
mod faults;
mod follow;
mod id;
mod ledger;
mod moment;
mod people;
mod route;
mod schema;
mod server;
mod soql;
mod state;
mod token;
mod write;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::clock::Clock;

pub use failure::Failure;
pub use faults::{Fault, Faults, Place, When};
pub use ledger::{Effect, RequestCounts};
pub use people::{Converted, Person};

use state::{Actor, Row, State};

/// What a fresh org starts with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The consumer key of the External Client App.
    pub consumer_key: String,
    /// Its secret.
    pub consumer_secret: String,
    /// The integration user's name, whom the app runs as.
    pub username: String,
    /// The user of the client credentials flow; `None`: nobody was set. Filled in by [`Salesforce::new`].
    pub run_as: Option<String>,
    /// Who is pre-authorised for the app; `None`: everybody.
    pub approved: Option<Vec<String>>,
    /// Is Refresh Token Rotation on?
    pub rotates_refresh_tokens: bool,
    /// Requests a day.
    pub daily_limit: u64,
    /// The most rows of one page, below what the caller hints at; `None`: the hint counts.
    pub page_rows: Option<usize>,
    /// The fields of Lead whose history is tracked; empty: history is off.
    pub tracked: Vec<String>,
    /// Whom the assignment rule gives leads to, if there is one.
    pub assignment_rule_owner: Option<String>,
    /// Does the standard duplicate rule alert?
    pub duplicate_rule: bool,
    /// Hours for which the log of deletions is kept; a busy org purges it sooner. Source: section 6, "Deletes".
    pub deleted_kept_hours: i64,
    /// How often a bulk job is asked after until it is done.
    pub job_polls: u32,
    /// The most rows of one page of a job's results.
    pub job_rows: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            consumer_key: "3MVG9.sandbox.consumer.key".to_owned(),
            consumer_secret: "sandbox-consumer-secret".to_owned(),
            username: "baton@acme.example".to_owned(),
            run_as: None,
            approved: None,
            rotates_refresh_tokens: true,
            daily_limit: 100_000,
            page_rows: None,
            tracked: vec!["Owner".to_owned(), "Status".to_owned()],
            assignment_rule_owner: None,
            duplicate_rule: true,
            deleted_kept_hours: 15 * 24,
            job_polls: 1,
            job_rows: None,
        }
    }
}

/// The org. Cheap to clone; clones are the same org.
#[derive(Clone)]
pub struct Salesforce(Arc<Mutex<State>>);

impl Salesforce {
    /// An org with Sales Cloud as it is delivered, and two users: an administrator, and the integration user that the app runs as.
    #[must_use]
    pub fn new(clock: Clock, settings: Settings) -> Self {
        let username = settings.username.clone();
        let org = Self(Arc::new(Mutex::new(State::new(clock, settings))));
        let admin = org.add_user("admin@acme.example", "Ada Admin", "admin@acme.example");
        let baton = org.add_user(&username, "Baton", &username);
        let mut state = org.lock();
        let actor = Actor::person(&admin);
        state.seed_rows(&actor);
        let name = json!({"Name": "Acme Sandbox", "InstanceName": "SBX1", "IsSandbox": true, "OrganizationType": "Developer Edition", "TimeZoneSidKey": "Europe/Berlin"});
        state.insert("Organization", &actor, row(name));
        state.settings.run_as.get_or_insert(baton);
        drop(state);
        org
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The API, to be served on any listener; `/_sandbox/{faults,ledger,requests,users,act}` beside it steers and shows.
    pub fn router(&self) -> axum::Router {
        axum::Router::new().fallback(server::serve).with_state(self.clone())
    }

    /// The private key (PEM) whose certificate stands in the app; it opens sandboxes only.
    #[must_use]
    pub fn private_key(&self) -> &'static str {
        token::KEY
    }

    /// The settings the org was made with.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.lock().settings.clone()
    }

    /// Changes the settings.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.lock().settings);
    }

    /// The org's id.
    #[must_use]
    pub fn organization(&self) -> String {
        self.lock().organization.clone()
    }

    /// A code as a person gets it who lets the app in; good once.
    #[must_use]
    pub fn authorization_code(&self, user: &str) -> String {
        let mut state = self.lock();
        let code = format!("aPrx.sandbox.{}", state.codes.len() + 1);
        state.codes.insert(code.clone(), user.to_owned());
        code
    }

    /// Adds a user; answers the id.
    pub fn add_user(&self, username: &str, name: &str, email: &str) -> String {
        let mut state = self.lock();
        let (first, last) = name.split_once(' ').unwrap_or(("", name));
        let values = json!({
            "Username": username, "Name": name, "FirstName": first, "LastName": last, "Email": email, "IsActive": true,
            "UserType": "Standard", "TimeZoneSidKey": "Europe/Berlin",
        });
        let actor = Actor::person("005000000000000AAA");
        state.insert("User", &actor, row(values))
    }

    /// Deactivates a user, as when somebody leaves; their records stay theirs.
    pub fn deactivate_user(&self, user: &str) {
        let mut state = self.lock();
        let actor = Actor::person(user);
        if let Some(row) = state.row_mut("User", user) {
            row.insert("IsActive".to_owned(), json!(false));
        }
        state.touch("User", user, &actor);
    }

    /// A user's id by username.
    #[must_use]
    pub fn user(&self, username: &str) -> Option<String> {
        self.lock().ids_by("User", "Username", username).into_iter().next()
    }

    /// Adds a queue that may own leads; answers its id.
    pub fn add_queue(&self, name: &str) -> String {
        let mut state = self.lock();
        let actor = Actor::person(&state.settings.run_as.clone().unwrap_or_default());
        let queue = state.insert(
            "Group",
            &actor,
            row(json!({"Name": name, "DeveloperName": name.replace(' ', "_"), "Type": "Queue"})),
        );
        state.insert("QueueSobject", &actor, row(json!({"QueueId": queue, "SobjectType": "Lead"})));
        queue
    }

    /// Adds a campaign with the usual member statuses; answers its id.
    pub fn add_campaign(&self, name: &str) -> String {
        let mut state = self.lock();
        let actor = Actor::person(&state.settings.run_as.clone().unwrap_or_default());
        let campaign =
            state.insert("Campaign", &actor, row(json!({"Name": name, "IsActive": true, "OwnerId": actor.user})));
        for (label, is_default, responded) in [("Sent", true, false), ("Responded", false, true)] {
            let values = json!({"CampaignId": campaign, "Label": label, "IsDefault": is_default, "HasResponded": responded, "SortOrder": 1});
            state.insert("CampaignMemberStatus", &actor, row(values));
        }
        campaign
    }

    /// Adds business hours, or a holiday: setup objects, which no API user makes; answers the id.
    pub fn add_setup(&self, object: &str, values: Value) -> String {
        let mut state = self.lock();
        let actor = Actor::person(&state.settings.run_as.clone().unwrap_or_default());
        state.insert(object, &actor, row(values))
    }

    /// Changes a row that no API user may change.
    pub fn set_setup(&self, object: &str, id: &str, field: &str, value: Value) {
        if let Some(row) = self.lock().row_mut(object, id) {
            row.insert(field.to_owned(), value);
        }
    }

    /// Adds a custom field of an object: `add_field("Task", "BatonKey__c", "string", true)`.
    pub fn add_field(&self, object: &str, name: &str, kind: &str, is_external_id: bool) {
        self.lock().schema.add(object, name, kind, is_external_id);
    }

    /// A user at work.
    #[must_use]
    pub fn as_user(&self, user: &str) -> Person {
        Person { org: self.clone(), user: user.to_owned(), ago: SignedDuration::ZERO }
    }

    /// The administrator at work.
    #[must_use]
    pub fn as_admin(&self) -> Person {
        self.as_user(&self.user("admin@acme.example").unwrap_or_default())
    }

    /// A row as it stands, deleted ones included.
    #[must_use]
    pub fn get(&self, object: &str, id: &str) -> Option<Value> {
        self.lock().row(object, id).map(|row| json!(row))
    }

    /// The ids of all rows of an object that are not deleted, oldest first.
    #[must_use]
    pub fn ids(&self, object: &str) -> Vec<String> {
        let state = self.lock();
        let live = state.rows(object).filter(|row| row.get("IsDeleted") != Some(&json!(true)));
        live.filter_map(|row| row.get("Id").and_then(Value::as_str).map(str::to_owned)).collect()
    }

    /// The rows of `object` whose `field` is `value`, deleted ones left out.
    #[must_use]
    pub fn find(&self, object: &str, field: &str, value: &str) -> Vec<Value> {
        let state = self.lock();
        let ids = state.ids_by(object, field, value);
        ids.iter()
            .filter(|id| state.is_live(object, id))
            .filter_map(|id| state.row(object, id))
            .map(|row| json!(row))
            .collect()
    }

    /// Adds `count` leads at one instant, as an import does: no history, one stamp; answers their ids.
    pub fn import_leads(&self, count: usize) -> Vec<String> {
        let mut state = self.lock();
        let actor = Actor::person(&state.settings.run_as.clone().unwrap_or_default());
        let one = |at: usize| {
            row(json!({
                "LastName": format!("Import {at}"), "Name": format!("Import {at}"), "Company": "Imported \"Ltd\"\nSecond line", "OwnerId": actor.user,
                "Email": format!("import{at}@example.com"), "Status": "Open - Not Contacted", "IsConverted": false, "HasOptedOutOfEmail": false,
            }))
        };
        (0..count).map(|at| state.insert("Lead", &actor, one(at))).collect()
    }

    /// Empties a row out of the recycle bin: only `getDeleted` tells of it then.
    pub fn purge(&self, object: &str, id: &str) {
        self.lock().purge(object, id);
    }

    /// Every bulk job fails.
    pub fn fail_jobs(&self, message: &str) {
        self.lock().fail_jobs(message);
    }

    /// The queries of all bulk jobs.
    #[must_use]
    pub fn job_queries(&self) -> Vec<String> {
        self.lock().job_queries()
    }

    /// Every accepted change so far, in order.
    #[must_use]
    pub fn ledger(&self) -> Vec<Effect> {
        self.lock().ledger.clone()
    }

    /// Requests through the API so far.
    #[must_use]
    pub fn requests(&self) -> RequestCounts {
        self.lock().counts.clone()
    }

    /// Starts counting requests anew.
    pub fn reset_requests(&self) {
        self.lock().counts = RequestCounts::default();
    }

    /// The switchboard of faults.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults(self.clone())
    }
}

fn row(values: Value) -> Row {
    match values {
        Value::Object(map) => map.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Row::new(),
    }
}
