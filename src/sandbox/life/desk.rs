//! Where salespeople work: each at the desk of one CRM, whose own steps they take.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::{Value, json};

use crate::sandbox::odoo::Odoo;
use crate::sandbox::pipedrive::{self, Pipedrive};
use crate::sandbox::salesforce::Salesforce;

/// A CRM in which sales works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The partners' opportunities.
    Odoo,
    /// The largest team's leads.
    Salesforce,
    /// Leads in the inbox, and the deals made of them.
    Pipedrive,
}

/// A lead in sales' hands: where, and its id there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct OnDesk {
    /// The CRM.
    pub place: Place,
    /// The lead's id there, also after something else was made of it.
    pub id: String,
}

/// What is known of somebody when their lead is entered by hand.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// First name.
    pub first: String,
    /// Last name.
    pub last: String,
    /// Address.
    pub email: String,
    /// Telephone.
    pub phone: String,
    /// Employer.
    pub company: String,
}

/// A CRM did not let somebody do something: it was deleted, or somebody else was there first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// The CRMs in which sales works.
#[derive(Clone)]
pub struct Desks {
    odoo: Odoo,
    salesforce: Salesforce,
    pipedrive: Pipedrive,
    /// What was made of leads, where that is another record.
    made: Arc<Mutex<BTreeMap<OnDesk, String>>>,
}

/// The field for the reason why a lead was given up, where Salesforce has none of its own.
const REASON: &str = "Disqualification_Reason__c";

impl Desks {
    /// Sales works in these, which nobody has entered a lead into yet.
    #[must_use]
    pub fn new(odoo: Odoo, salesforce: Salesforce, pipedrive: Pipedrive) -> Self {
        salesforce.add_field("Lead", REASON, "string", false);
        // As `baton setup` leaves the org.
        salesforce.add_field("Lead", "BatonKey__c", "string", true);
        salesforce.add_field("Task", "BatonKey__c", "string", true);
        Self { odoo, salesforce, pipedrive, made: Arc::default() }
    }

    /// Makes the account of a colleague in each; Odoo's login is `login`. The ids, by place.
    pub(super) fn hire(&self, login: &str, name: &str, email: &str) -> BTreeMap<Place, String> {
        BTreeMap::from([
            (Place::Odoo, self.odoo.add_user(login, name, email).to_string()),
            (Place::Salesforce, self.salesforce.add_user(email, name, email)),
            (Place::Pipedrive, self.pipedrive.add_user(name, email).to_string()),
        ])
    }

    /// Names the team of `members` and the reasons why leads are given up.
    pub(super) fn furnish(&self, members: &[String], reasons: &[&str]) {
        let members: Vec<i64> = members.iter().filter_map(|id| id.parse().ok()).collect();
        self.odoo.add_team("DACH", &members);
        for reason in reasons {
            self.odoo.reason(reason);
            self.pipedrive.label(reason);
        }
    }

    /// Every lead that nobody has closed, with its owner.
    #[must_use]
    pub fn open(&self) -> Vec<(OnDesk, String)> {
        let on = |place, id: String| OnDesk { place, id };
        let odoo = self.odoo.open_leads().into_iter();
        let mut open: Vec<(OnDesk, String)> =
            odoo.map(|(lead, owner)| (on(Place::Odoo, lead.to_string()), owner.to_string())).collect();
        let text = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        for id in self.salesforce.ids("Lead") {
            let Some(row) = self.salesforce.get("Lead", &id) else { continue };
            let is_closed = row.get("IsConverted") == Some(&json!(true)) || text(&row, "Status").starts_with("Closed");
            if !is_closed {
                open.push((on(Place::Salesforce, id), text(&row, "OwnerId")));
            }
        }
        for id in self.pipedrive.ids(pipedrive::Kind::Lead) {
            let Some(row) = self.pipedrive.get(pipedrive::Kind::Lead, &id) else { continue };
            if row.get("is_archived") != Some(&json!(true)) {
                let owner = row.get("owner_id").and_then(Value::as_i64).unwrap_or_default();
                open.push((on(Place::Pipedrive, id), owner.to_string()));
            }
        }
        open
    }

    /// Who has the lead, whatever was made of it.
    #[must_use]
    pub fn owner(&self, lead: &OnDesk) -> Option<String> {
        let made = self.made_of(lead);
        match lead.place {
            Place::Odoo => self.odoo.owner(lead.id.parse().ok()?).map(|owner| owner.to_string()),
            Place::Salesforce => {
                let row = match &made {
                    Some(made) => self.salesforce.get("Opportunity", made),
                    None => self.salesforce.get("Lead", &lead.id),
                };
                row?.get("OwnerId")?.as_str().map(str::to_owned)
            }
            Place::Pipedrive => {
                let row = match &made {
                    Some(made) => self.pipedrive.get(pipedrive::Kind::Deal, made),
                    None => self.pipedrive.get(pipedrive::Kind::Lead, &lead.id),
                };
                row?.get("owner_id")?.as_i64().map(|owner| owner.to_string())
            }
        }
    }

    /// Enters somebody by hand.
    pub(super) fn enter(&self, place: Place, by: &str, known: &Known) -> Result<OnDesk, Refused> {
        let name = format!("{} {}", known.first, known.last);
        let id = match place {
            Place::Odoo => {
                let lead = json!({"name": known.company, "type": "opportunity", "contact_name": name, "partner_name": known.company,
                    "email_from": known.email, "phone": known.phone});
                self.odoo.as_user(number(by)?).create_lead(lead).map_err(|_| Refused)?.to_string()
            }
            Place::Salesforce => {
                let lead = json!({"FirstName": known.first, "LastName": known.last, "Company": known.company,
                    "Email": known.email, "Phone": known.phone, "OwnerId": by});
                self.salesforce.as_user(by).create("Lead", lead).map_err(|_| Refused)?
            }
            Place::Pipedrive => {
                let by = number(by)?;
                let person = json!({"name": name, "owner_id": by,
                    "emails": [{"value": known.email, "primary": true, "label": "work"}],
                    "phones": [{"value": known.phone, "primary": true, "label": "work"}]});
                let person = self.pipedrive.create(by, pipedrive::Kind::Person, &person).map_err(|_| Refused)?;
                let lead = json!({"title": known.company, "person_id": number(&person)?, "owner_id": by});
                self.pipedrive.create(by, pipedrive::Kind::Lead, &lead).map_err(|_| Refused)?
            }
        };
        Ok(OnDesk { place, id })
    }

    pub(super) fn call(&self, lead: &OnDesk, by: &str, outcome: &str) -> Result<(), Refused> {
        match lead.place {
            Place::Odoo => self.odoo.as_user(number(by)?).log_call(number(&lead.id)?, outcome).map_err(|_| Refused),
            Place::Salesforce => self.salesforce.as_user(by).log_call(&lead.id, outcome).map(drop).map_err(|_| Refused),
            Place::Pipedrive => self.logged(lead, by, "call"),
        }
    }

    pub(super) fn mail(&self, lead: &OnDesk, by: &str, subject: &str, body: &str) -> Result<(), Refused> {
        match lead.place {
            Place::Odoo => {
                let person = self.odoo.as_user(number(by)?);
                person.send_email(number(&lead.id)?, subject, body).map(drop).map_err(|_| Refused)
            }
            Place::Salesforce => {
                let task = json!({"WhoId": lead.id, "Subject": subject, "Description": body, "Status": "Completed",
                    "TaskSubtype": "Email", "OwnerId": by});
                self.salesforce.as_user(by).create("Task", task).map(drop).map_err(|_| Refused)
            }
            Place::Pipedrive => self.logged(lead, by, "email"),
        }
    }

    /// The customer's reply, where the CRM receives mail. Whether it does.
    pub(super) fn reply(&self, lead: &OnDesk, body: &str) -> bool {
        let Place::Odoo = lead.place else { return false };
        let Ok(id) = lead.id.parse() else { return false };
        let known = self.odoo.get_lead(id).unwrap_or_default();
        let from = known.get("email_from").and_then(Value::as_str).unwrap_or_default();
        self.odoo.as_admin().receive_email(id, from, body).is_ok()
    }

    pub(super) fn give(&self, lead: &OnDesk, by: &str, to: &str) -> Result<(), Refused> {
        match lead.place {
            Place::Odoo => {
                let values = json!({"user_id": number(to)?});
                self.odoo.as_user(number(by)?).write_lead(number(&lead.id)?, values).map_err(|_| Refused)
            }
            Place::Salesforce => {
                self.salesforce.as_user(by).update("Lead", &lead.id, json!({"OwnerId": to})).map_err(|_| Refused)
            }
            Place::Pipedrive => {
                let values = json!({"owner_id": number(to)?});
                self.pipedrive.update(number(by)?, pipedrive::Kind::Lead, &lead.id, &values).map_err(|_| Refused)
            }
        }
    }

    /// Confirms the lead: from now on there is a sale to be made.
    pub(super) fn take_up(&self, lead: &OnDesk, by: &str) -> Result<(), Refused> {
        match lead.place {
            Place::Odoo => {
                let values = json!({"stage_id": 2});
                self.odoo.as_user(number(by)?).write_lead(number(&lead.id)?, values).map_err(|_| Refused)
            }
            Place::Salesforce => {
                let row = self.salesforce.get("Lead", &lead.id).ok_or(Refused)?;
                let company = row.get("Company").and_then(Value::as_str).unwrap_or("A sale");
                let made = self.salesforce.as_user(by).convert(&lead.id, None, Some(company)).map_err(|_| Refused)?;
                self.keep(lead, made.opportunity)
            }
            Place::Pipedrive => {
                let made = self.pipedrive.convert(number(by)?, &lead.id);
                self.keep(lead, made)
            }
        }
    }

    /// An offer is out.
    pub(super) fn offer(&self, lead: &OnDesk, by: &str) -> Result<(), Refused> {
        let stage = || self.pipedrive.stage("Proposal Made");
        match lead.place {
            Place::Odoo => {
                let values = json!({"stage_id": 3, "expected_revenue": 24_000});
                self.odoo.as_user(number(by)?).write_lead(number(&lead.id)?, values).map_err(|_| Refused)
            }
            Place::Salesforce => self.deal(lead, by, json!({"StageName": "Proposal/Price Quote", "Amount": 24_000})),
            Place::Pipedrive => self.deal(lead, by, json!({"stage_id": stage(), "value": 24_000})),
        }
    }

    pub(super) fn win(&self, lead: &OnDesk, by: &str) -> Result<(), Refused> {
        match lead.place {
            Place::Odoo => self.odoo.as_user(number(by)?).mark_won(number(&lead.id)?).map_err(|_| Refused),
            Place::Salesforce => self.deal(lead, by, json!({"StageName": "Closed Won"})),
            Place::Pipedrive => self.deal(lead, by, json!({"status": "won"})),
        }
    }

    pub(super) fn lose(&self, lead: &OnDesk, by: &str, reason: &str) -> Result<(), Refused> {
        let is_deal = self.made_of(lead).is_some();
        match lead.place {
            Place::Odoo => self.odoo.as_user(number(by)?).mark_lost(number(&lead.id)?, reason).map_err(|_| Refused),
            Place::Salesforce if is_deal => self.deal(lead, by, json!({"StageName": "Closed Lost"})),
            Place::Salesforce => {
                let values = json!({"Status": "Closed - Not Converted", REASON: reason});
                self.salesforce.as_user(by).update("Lead", &lead.id, values).map_err(|_| Refused)
            }
            Place::Pipedrive if is_deal => self.deal(lead, by, json!({"status": "lost", "lost_reason": reason})),
            Place::Pipedrive => {
                let values = json!({"label_ids": [self.pipedrive.label(reason)], "is_archived": true});
                self.pipedrive.update(number(by)?, pipedrive::Kind::Lead, &lead.id, &values).map_err(|_| Refused)
            }
        }
    }

    /// Why the lead was given up, as its CRM says it.
    #[must_use]
    pub fn lost_for(&self, lead: &OnDesk) -> Option<String> {
        match lead.place {
            Place::Odoo => {
                self.odoo.get_lead(lead.id.parse().ok()?)?.get("lost_reason_id")?.get(1)?.as_str().map(str::to_owned)
            }
            Place::Salesforce => self.salesforce.get("Lead", &lead.id)?.get(REASON)?.as_str().map(str::to_owned),
            Place::Pipedrive => self.pipedrive.labels_of(&lead.id).into_iter().next(),
        }
    }

    /// Changes the sale that was made of the lead.
    fn deal(&self, lead: &OnDesk, by: &str, values: Value) -> Result<(), Refused> {
        let made = self.made_of(lead).ok_or(Refused)?;
        if lead.place == Place::Salesforce {
            return self.salesforce.as_user(by).update("Opportunity", &made, values).map_err(|_| Refused);
        }
        self.pipedrive.update(number(by)?, pipedrive::Kind::Deal, &made, &values).map_err(|_| Refused)
    }

    fn logged(&self, lead: &OnDesk, by: &str, kind: &str) -> Result<(), Refused> {
        let row = self.pipedrive.get(pipedrive::Kind::Lead, &lead.id).ok_or(Refused)?;
        let mut on = serde_json::Map::new();
        on.insert("lead_id".to_owned(), json!(lead.id));
        on.insert("person_id".to_owned(), row.get("person_id").cloned().ok_or(Refused)?);
        self.pipedrive.log(number(by)?, kind, &on).map(drop).map_err(|_| Refused)
    }

    fn keep(&self, lead: &OnDesk, made: Option<String>) -> Result<(), Refused> {
        self.lock().insert(lead.clone(), made.ok_or(Refused)?);
        Ok(())
    }

    fn made_of(&self, lead: &OnDesk) -> Option<String> {
        self.lock().get(lead).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<OnDesk, String>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn number(id: &str) -> Result<i64, Refused> {
    id.parse().map_err(|_| Refused)
}
