//! An Odoo 19 on loopback, faithful to JSON-2 as a running server answered: shapes, error bodies, side effects and traps.
//!
//! [`Odoo`] is the server: [`Odoo::as_user`] is what people do in its screens, [`Odoo::router`] is its API, and [`Odoo::faults`]
//! makes it misbehave. It must not know any connector's wire types: a shared misreading would hide itself.
//!
//! "Trap n" in these files means the list at the end of the Odoo fact sheet. Left out on purpose: other apps, mail
//! delivery, relative dates in domains, `read_group`, webhooks, and the statistics behind `automated_probability`.

mod call;
mod domain;
mod failure;
mod faults;
mod lead;
mod ledger;
mod moment;
mod people;
mod schema;
mod seed;
mod server;
mod state;
mod thread;
mod transaction;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use crate::clock::Clock;

pub use failure::Failure;
pub use faults::{Fault, Faults, Place, When};
pub use ledger::{Effect, RequestCounts};
pub use people::{ActivityKind, Person};

use call::Answer;
use state::{ROBOT, State};
use transaction::Transaction;

/// What a fresh server starts with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The database's name; a request that names another is answered 404.
    pub database: String,
    /// The key of the integration user, an administrator that sees every lead.
    pub api_key: String,
    /// The key of an ordinary salesperson, who sees own and unassigned leads. Source: trap 10.
    pub rep_key: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            database: "odoo19".to_owned(),
            api_key: "sandbox-odoo-key".to_owned(),
            rep_key: "sandbox-odoo-rep-key".to_owned(),
        }
    }
}

/// The server. Cheap to clone; clones are the same server.
#[derive(Clone)]
pub struct Odoo(Arc<Mutex<State>>);

impl Odoo {
    /// A server with the CRM app, no leads, and four users: the robot, `admin`, `baton` (the integration user, whose key is
    /// `settings.api_key`) and `rita` (a salesperson, `settings.rep_key`).
    #[must_use]
    pub fn new(clock: Clock, settings: Settings) -> Self {
        let mut state = State::new(clock, settings);
        seed::fill(&mut state);
        let baton = seed::add_user(&mut state, None, "baton", "Baton", "baton@example.com", true);
        let rita = seed::add_user(&mut state, None, "rita", "Rita Rep", "rita@example.com", false);
        let (api_key, rep_key) = (state.settings.api_key.clone(), state.settings.rep_key.clone());
        state.keys.insert(api_key, baton);
        state.keys.insert(rep_key, rita);
        Self(Arc::new(Mutex::new(state)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The API, to be served on any listener; `/_sandbox/{faults,ledger,requests,act}` beside it steers and shows.
    pub fn router(&self) -> axum::Router {
        axum::Router::new().fallback(server::serve).with_state(self.clone())
    }

    /// The settings the server was made with.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.lock().settings.clone()
    }

    /// Adds a salesperson; answers the user's id. The author of their messages is a partner with another id.
    pub fn add_user(&self, login: &str, name: &str, email: &str) -> i64 {
        seed::add_user(&mut self.lock(), None, login, name, email, false)
    }

    /// Gives a user a further API key.
    pub fn add_key(&self, user: i64, key: &str) {
        self.lock().keys.insert(key.to_owned(), user);
    }

    /// Archives a user, as when somebody leaves; their leads stay theirs.
    pub fn deactivate_user(&self, user: i64) {
        self.lock().set("res.users", user, "active", json!(false));
    }

    /// A user's id by login.
    #[must_use]
    pub fn user(&self, login: &str) -> Option<i64> {
        let state = self.lock();
        state.ids("res.users").into_iter().find(|user| state.stored("res.users", *user, "login") == login)
    }

    /// Adds a sales team with its members; answers its id.
    pub fn add_team(&self, name: &str, members: &[i64]) -> i64 {
        let values = json!({"name": name, "active": true, "use_opportunities": true, "member_ids": [[6, 0, members]], "sequence": 10});
        self.made("crm.team", values)
    }

    /// A lost reason's id by name, made if there is none yet.
    pub fn reason(&self, name: &str) -> i64 {
        let known = {
            let state = self.lock();
            state.ids("crm.lost.reason").into_iter().find(|id| state.stored("crm.lost.reason", *id, "name") == name)
        };
        known.unwrap_or_else(|| self.made("crm.lost.reason", json!({"name": name})))
    }

    fn made(&self, model: &str, values: Value) -> i64 {
        let made = self.as_user(seed::ADMINISTRATOR).call(model, "create", json!({"vals_list": [values]}));
        made.ok().and_then(|made| made.get(0).and_then(Value::as_i64)).unwrap_or(0)
    }

    /// A person at work.
    #[must_use]
    pub fn as_user(&self, user: i64) -> Person {
        Person { odoo: self.clone(), user, ago: SignedDuration::ZERO }
    }

    /// The administrator at work.
    #[must_use]
    pub fn as_admin(&self) -> Person {
        self.as_user(seed::ADMINISTRATOR)
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

impl State {
    /// One transaction: the call, the automations it sets off, and its line in the ledger.
    fn carry_out(
        &mut self,
        user: i64,
        ago_ms: i64,
        model: &str,
        method: &str,
        body: Map<String, Value>,
        is_api: bool,
    ) -> Result<Answer, Failure> {
        let mut tx = Transaction::begin(self, user, ago_ms);
        let answer = call::call(&mut tx, model, method, body.clone())?;
        if call::is_reading(method) {
            return Ok(answer);
        }
        let writes_owner = is_api
            && model == "crm.lead"
            && method == "write"
            && body.get("vals").is_some_and(|vals| vals.get("user_id").is_some());
        self.note(user, is_api, model, method, &answer.ids, Value::Object(body));
        if writes_owner && let Some(owner) = self.faults.automatic_owner() {
            let arguments =
                json!({"ids": answer.ids, "vals": {"user_id": owner}}).as_object().cloned().unwrap_or_default();
            self.carry_out(ROBOT, 0, model, "write", arguments, false)?;
        }
        Ok(answer)
    }

    fn note(&mut self, user: i64, is_api: bool, model: &str, method: &str, ids: &[i64], mut arguments: Value) {
        if let Some(arguments) = arguments.as_object_mut() {
            arguments.remove("ids");
            arguments.remove("context");
        }
        let sequence = self.ledger.len() as u64 + 1;
        let (model, method, ids) = (model.to_owned(), method.to_owned(), ids.to_vec());
        self.ledger.push(Effect { sequence, at: self.clock.now(), user, is_api, model, method, ids, arguments });
    }
}
