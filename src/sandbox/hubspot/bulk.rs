//! A large portal at once, the same for the same seed: for benches and for trying Baton on numbers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::HubSpot;
use super::association::{self, Types};
use super::kind::Kind;
use super::model::{Author, Entry, Model};

/// How many of what.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Population {
    /// Companies.
    pub companies: u32,
    /// Contacts, spread over the companies.
    pub contacts: u32,
    /// Calls, spread over the contacts.
    pub calls: u32,
    /// E-mails, spread over the contacts.
    pub emails: u32,
    /// Meetings, spread over the contacts.
    pub meetings: u32,
    /// Owners.
    pub owners: u32,
    /// Of a hundred contacts, how many are at or past `marketingqualifiedlead`.
    pub mql_percent: u8,
    /// Everything changed last within so many days before now.
    pub days: u32,
    /// Seeds the dice.
    pub seed: u64,
}

impl Default for Population {
    fn default() -> Self {
        Self {
            companies: 0,
            contacts: 0,
            calls: 0,
            emails: 0,
            meetings: 0,
            owners: 8,
            mql_percent: 5,
            days: 200,
            seed: 1,
        }
    }
}

const DAY_MS: i64 = 86_400_000;
const COUNTRIES: &[&str] = &["Germany", "Austria", "Switzerland", "France", "Netherlands", "Poland", "United States"];
const TITLES: &[&str] =
    &["Head of Finance", "CFO", "Engineer", "Marketing Manager", "Student", "Plant Manager", "Buyer", "CEO"];
const INDUSTRIES: &[&str] = &["MACHINERY", "COMPUTER_SOFTWARE", "AUTOMOTIVE", "CHEMICALS", "RETAIL"];
const SOURCES: &[&str] = &["ORGANIC_SEARCH", "PAID_SEARCH", "EMAIL_MARKETING", "DIRECT_TRAFFIC", "OFFLINE"];
const FORMS: &[&str] = &["Pricing: Demo request", "Library: White paper", "Blog: Newsletter"];

/// Fills one portal; values that repeat share their text.
struct Filler<'a> {
    model: &'a mut Model,
    dice: fastrand::Rng,
    now: i64,
    span: i64,
    shared: std::collections::HashMap<&'static str, Arc<str>>,
}

impl HubSpot {
    /// `n` contacts in `n / 5` companies, nothing else.
    pub fn bulk_contacts(&self, n: u32, seed: u64) {
        self.populate(&Population { contacts: n, companies: n / 5, seed, ..Population::default() });
    }

    /// Fills the portal, past the index lag and the ledger. Ids rise by one in the order companies, contacts, calls, e-mails, meetings.
    pub fn populate(&self, population: &Population) {
        for at in 0..population.owners {
            let email = format!("owner{at}@sandbox.example");
            if !self.owners().iter().any(|(present, _)| *present == email) {
                self.add_owner(&email, "Owner", &at.to_string());
            }
        }
        let mut state = self.lock();
        let now = state.now();
        let mut filler = Filler {
            model: &mut state.model,
            dice: fastrand::Rng::with_seed(population.seed),
            now,
            span: i64::from(population.days.max(1)) * DAY_MS,
            shared: std::collections::HashMap::new(),
        };
        let owners: Vec<Arc<str>> = filler.model.owners.keys().map(|id| id.to_string().into()).collect();
        let companies: Vec<u64> = (0..population.companies).map(|at| filler.company(at, &owners)).collect();
        let contacts: Vec<u64> = (0..population.contacts)
            .map(|at| filler.contact(at, &owners, &companies, population.mql_percent))
            .collect();
        for (kind, count) in
            [(Kind::Call, population.calls), (Kind::Email, population.emails), (Kind::Meeting, population.meetings)]
        {
            for _ in 0..count {
                filler.touch(kind, &owners, &contacts);
            }
        }
    }
}

impl Filler<'_> {
    fn text(&mut self, text: &'static str) -> Arc<str> {
        self.shared.entry(text).or_insert_with(|| text.into()).clone()
    }

    fn pick(&mut self, of: &'static [&'static str]) -> Arc<str> {
        let at = self.dice.usize(..of.len());
        self.text(of[at])
    }

    /// Makes a record with one value each, created and changed at the same past instant.
    fn record(&mut self, kind: Kind, author: Author, values: Vec<(&str, Arc<str>)>) -> (u64, i64) {
        let at = self.now - self.dice.i64(1..self.span);
        let id = self.model.fresh_id();
        self.model.insert_with(kind, id, at);
        let entries: Vec<(u16, Entry)> = {
            let schema = self.model.schema(kind);
            values
                .into_iter()
                .filter_map(|(name, value)| Some((schema.find(name)?, Entry { value, at, author })))
                .collect()
        };
        if let Some(email) = entries.iter().find(|(number, _)| self.model.schema(kind).get(*number).is_unique) {
            self.model.unique.entry((kind, email.0)).or_default().insert(email.1.value.clone(), id);
        }
        if let Some(object) = self.model.objects.entry(kind).or_default().get_mut(&id) {
            object.values = entries;
        }
        (id, at)
    }

    fn company(&mut self, at: u32, owners: &[Arc<str>]) -> u64 {
        let mut values: Vec<(&str, Arc<str>)> = vec![
            ("name", format!("Company {at}").into()),
            ("domain", format!("c{at}.example").into()),
            ("numberofemployees", self.dice.u32(1..2000).to_string().into()),
            ("country", self.pick(COUNTRIES)),
            ("industry", self.pick(INDUSTRIES)),
        ];
        if !owners.is_empty() && self.dice.u8(..4) == 0 {
            values.push(("hubspot_owner_id", owners[self.dice.usize(..owners.len())].clone()));
        }
        self.record(Kind::Company, Author::Import, values).0
    }

    fn contact(&mut self, at: u32, owners: &[Arc<str>], companies: &[u64], mql_percent: u8) -> u64 {
        let company = (!companies.is_empty()).then(|| self.dice.usize(..companies.len()));
        let is_mql = self.dice.u8(..100) < mql_percent;
        let stage = if is_mql {
            self.pick(&[
                "marketingqualifiedlead",
                "marketingqualifiedlead",
                "salesqualifiedlead",
                "opportunity",
                "customer",
            ])
        } else {
            self.pick(&["subscriber", "lead", "lead"])
        };
        let host = company.map_or_else(|| "nowhere.example".to_owned(), |company| format!("c{company}.example"));
        let converted = self.now - self.dice.i64(1..self.span);
        let mut values: Vec<(&str, Arc<str>)> = vec![
            ("email", format!("p{at}@{host}").into()),
            ("firstname", format!("First{at}").into()),
            ("lastname", format!("Last{at}").into()),
            ("phone", format!("+49 30 {:06}", at % 1_000_000).into()),
            ("jobtitle", self.pick(TITLES)),
            ("country", self.pick(COUNTRIES)),
            ("lifecyclestage", stage),
            ("hs_analytics_source", self.pick(SOURCES)),
            ("hs_analytics_num_page_views", self.dice.u32(..40).to_string().into()),
        ];
        if self.dice.u8(..3) == 0 {
            values.push(("recent_conversion_event_name", self.pick(FORMS)));
            values.push(("recent_conversion_date", super::answer::time_text(converted).into()));
            values.push(("num_conversion_events", self.dice.u32(1..5).to_string().into()));
        }
        if is_mql && !owners.is_empty() {
            values.push(("hubspot_owner_id", owners[self.dice.usize(..owners.len())].clone()));
            values.push(("hs_lead_status", self.pick(&["NEW", "OPEN", "IN_PROGRESS", "CONNECTED"])));
        }
        let (id, changed) = self.record(Kind::Contact, Author::Form, values);
        if is_mql {
            self.grow(id, changed);
        }
        if let Some(company) = company {
            let (contact, company) = ((Kind::Contact, id), (Kind::Company, companies[company]));
            self.model.associations.insert((contact, company), Types::of(&[1, 279]));
            self.model.associations.insert((company, contact), Types::of(&[2, 280]));
        }
        id
    }

    /// Gives a qualified contact the stage it had before.
    fn grow(&mut self, id: u64, changed: i64) {
        let lead = self.text("lead");
        let Some(stage) = self.model.schema(Kind::Contact).find("lifecyclestage") else { return };
        let earlier = changed - 3 * DAY_MS;
        if let Some(object) = self.model.objects.entry(Kind::Contact).or_default().get_mut(&id) {
            object.created = earlier;
            object.earlier.push((stage, Entry { value: lead, at: earlier, author: Author::Form }));
            if let Some((_, entry)) = object.values.iter_mut().find(|(number, _)| *number == stage) {
                entry.author = Author::Workflow(9002);
            }
        }
    }

    fn touch(&mut self, kind: Kind, owners: &[Arc<str>], contacts: &[u64]) {
        let when: Arc<str> = super::answer::time_text(self.now - self.dice.i64(1..self.span)).into();
        let mut values: Vec<(&str, Arc<str>)> = vec![("hs_timestamp", when.clone())];
        match kind {
            Kind::Call => {
                values.push(("hs_call_direction", self.pick(&["OUTBOUND", "OUTBOUND", "INBOUND"])));
                values.push(("hs_call_status", self.pick(&["COMPLETED", "NO_ANSWER"])));
                values.push(("hs_call_duration", self.dice.u32(..600_000).to_string().into()));
            }
            Kind::Email => {
                values.push(("hs_email_direction", self.pick(&["EMAIL", "INCOMING_EMAIL"])));
                values.push(("hs_email_status", self.text("SENT")));
            }
            Kind::Meeting => {
                values.push(("hs_meeting_start_time", when));
                values.push(("hs_meeting_outcome", self.pick(&["SCHEDULED", "COMPLETED", "NO_SHOW"])));
            }
            Kind::Contact | Kind::Company | Kind::Deal | Kind::Lead | Kind::Task | Kind::Note => {}
        }
        if !owners.is_empty() {
            values.push(("hubspot_owner_id", owners[self.dice.usize(..owners.len())].clone()));
        }
        let (id, _) = self.record(kind, Author::User(1), values);
        if contacts.is_empty() {
            return;
        }
        let (touch, contact) = ((kind, id), (Kind::Contact, contacts[self.dice.usize(..contacts.len())]));
        for (from, to) in [(touch, contact), (contact, touch)] {
            let plain = association::plain(from.0, to.0).unwrap_or_default();
            self.model.associations.insert((from, to), Types::of(&[plain]));
        }
    }
}
