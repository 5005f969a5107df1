//! Makes a record under an external id that names the operation, or marks the one that sales already had.

use serde_json::{Value, json};

use super::super::api::Failure;
use super::super::catalogue::Catalogue;
use super::super::settings::{Maps, WON_STATUS};
use super::super::wire::{self, Row};
use super::super::{MODULE, Odoo, query};
use super::{Order, Step, Stop, lane, one, quiet, refused, restore};
use crate::connector::Done;
use crate::domain::field::{self, Field};
use crate::domain::id::{LeadId, Object, OperationId, RemoteId};

impl Odoo {
    pub(super) async fn create(
        &self,
        order: Order<'_>,
        values: &[(Field, field::Value)],
        owner: Option<&str>,
        (is_new_journey, not): (bool, &[RemoteId]),
    ) -> Step<Done> {
        let write = order.write;
        let catalogue = self.catalogue().await.map_err(Stop::Look)?;
        let id = external_id(write.lead, write.op);
        if let Some(known) = self.by_external_id(&id, &catalogue).await.map_err(Stop::Look)? {
            return Ok(self.made(Object::Person, Some(known), None));
        }
        let email = values.iter().find(|(field, _)| *field == Field::Email).and_then(|(_, value)| value.as_text());
        if !is_new_journey {
            let open = self.open_record(write.lead, email, not, &catalogue).await.map_err(Stop::Look)?;
            if let Some(row) = open {
                return self.link(order, &row, owner, &id, &catalogue).await;
            }
        }
        let (columns, cells) = self.columns(values, owner, &id, &catalogue).await.map_err(Stop::Look)?;
        let arguments = json!({ "fields": columns, "data": [cells], "context": quiet() });
        let answer = self.api.write(lane(write.lane), "crm.lead", "load", &arguments).await.map_err(Stop::Write)?;
        let row: Row = wire::whole(&answer.body).map_err(|at| Stop::Write(Failure::Unclear(at)))?;
        match row.ids("ids").first() {
            Some(made) => Ok(self.made(Object::Person, Some(*made), answer.began)),
            None => Err(refused(&load_words(&row))),
        }
    }

    /// The newest open record of the lead: by Baton's key, then by e-mail address. One that is won, lost or archived has had
    /// its journey; the lead gets a new one. What a person said is somebody else's (`not`) is not taken.
    async fn open_record(
        &self,
        lead: LeadId,
        email: Option<&str>,
        not: &[RemoteId],
        catalogue: &Catalogue,
    ) -> Result<Option<Row>, Failure> {
        let mut domains: Vec<Vec<Value>> = Vec::new();
        if catalogue.reads_keys {
            let start = format!("lead_{}_", lead.0);
            let domain = [
                json!(["module", "=", MODULE]),
                json!(["model", "=", "crm.lead"]),
                json!(["name", "=like", format!("lead\\_{}\\_%", lead.0)]),
            ];
            let rows = self.api.rows("ir.model.data", &query(&domain, &["name", "res_id"], "id desc", 100)).await?;
            let own = rows.iter().filter(|row| row.text("name").is_some_and(|name| name.starts_with(&start)));
            let ids: Vec<i64> = own.filter_map(|row| row.integer("res_id")).collect();
            if !ids.is_empty() {
                domains.push(vec![json!(["id", "in", ids])]);
            }
        }
        if let Some(email) = email {
            domains.push(vec![json!(["email_normalized", "=", email])]);
        }
        for domain in domains {
            let fields = ["user_id", "active", "won_status", "write_date"];
            let rows = self.api.rows("crm.lead", &query(&domain, &fields, "id desc", 100)).await?;
            let is_other = |row: &Row| row.id().is_some_and(|id| not.iter().any(|of| of.as_str() == id.to_string()));
            let is_open = |row: &Row| row.flag("active") && row.text(WON_STATUS) == Some("pending");
            let open = rows.into_iter().find(|row| is_open(row) && !is_other(row));
            if open.is_some() {
                return Ok(open);
            }
        }
        Ok(None)
    }

    /// Marks a record that sales already had with Baton's key, and gives it the owner if it has none: an owner that is
    /// there was somebody's choice.
    async fn link(
        &self,
        order: Order<'_>,
        row: &Row,
        owner: Option<&str>,
        id: &str,
        catalogue: &Catalogue,
    ) -> Step<Done> {
        let write = order.write;
        let mut was = Vec::new();
        let Some(lead) = row.id() else { return Err(refused("the record found has no id")) };
        let wanted = owner.and_then(|owner| owner.parse::<i64>().ok());
        if let (Some(wanted), None) = (wanted, row.link("user_id")) {
            was = order.keep(vec![restore::was("user_id", None, Some(json!(wanted)))]).await?;
            self.write(write, lead, one("user_id", json!(wanted))).await?;
        }
        if catalogue.reads_keys {
            let vals = json!({ "module": MODULE, "name": id, "model": "crm.lead", "res_id": lead, "noupdate": true });
            let arguments = json!({ "vals_list": [vals] });
            let marked = self.api.write(lane(write.lane), "ir.model.data", "create", &arguments).await;
            match marked {
                // Already there: somebody else of us was as quick. Or the key may read ids but not write them.
                Ok(_) | Err(Failure::Refused(_)) => {}
                Err(other) => return Err(Stop::Write(other)),
            }
        }
        Ok(Done { was, ..self.made(Object::Person, Some(lead), None) })
    }

    pub(super) async fn by_external_id(&self, id: &str, catalogue: &Catalogue) -> Result<Option<i64>, Failure> {
        if !catalogue.reads_keys {
            return Ok(None);
        }
        let domain = [json!(["module", "=", MODULE]), json!(["name", "=", id])];
        let rows = self.api.rows("ir.model.data", &query(&domain, &["res_id"], "id asc", 1)).await?;
        let Some(lead) = rows.first().and_then(|row| row.integer("res_id")) else { return Ok(None) };
        // The id of a deleted record may outlive it for a moment.
        Ok(self.look(lead).await?.map(|_| lead))
    }

    /// Columns and cells for `load`.
    async fn columns(
        &self,
        values: &[(Field, field::Value)],
        owner: Option<&str>,
        id: &str,
        catalogue: &Catalogue,
    ) -> Result<(Vec<String>, Vec<String>), Failure> {
        let mut cells = fixed_cells(values, owner, id, &self.maps, catalogue);
        for (field, model) in [(Field::Source, "utm.source"), (Field::Campaign, "utm.campaign")] {
            let text = values.iter().find(|(known, _)| *known == field).and_then(|(_, value)| value.as_text());
            let property = self.maps.fields.iter().find(|(known, _)| *known == field).map(|(_, property)| property);
            let (Some(text), Some(property)) = (text, property.filter(|name| name.ends_with("_id"))) else { continue };
            // Only names that exist: a campaign that Baton invents would stand in marketing's figures.
            let rows = self.api.rows(model, &query(&[json!(["name", "=ilike", text])], &["name"], "id asc", 1)).await?;
            cells.extend(rows.first().and_then(Row::id).map(|id| (format!("{property}/.id"), id.to_string())));
        }
        Ok(cells.into_iter().unzip())
    }
}

/// The name of the external id of a record that operation `op` makes for `lead`.
pub(super) fn external_id(lead: LeadId, op: OperationId) -> String {
    format!("lead_{}_{op}", lead.0)
}

/// The cells that need no look into the CRM. The e-mail address goes to `email_from`, from which Odoo makes the normal form.
fn fixed_cells(
    values: &[(Field, field::Value)],
    owner: Option<&str>,
    id: &str,
    maps: &Maps,
    catalogue: &Catalogue,
) -> Vec<(String, String)> {
    let text = |field: Field| values.iter().find(|(known, _)| *known == field).and_then(|(_, value)| value.as_text());
    let names: Vec<&str> = [text(Field::FirstName), text(Field::LastName)].into_iter().flatten().collect();
    let person = names.join(" ");
    let titles: Vec<&str> = [person.as_str(), text(Field::CompanyName).unwrap_or_default()].to_vec();
    let titles: Vec<&str> = titles.into_iter().filter(|part| !part.is_empty()).collect();
    let title = if titles.is_empty() { text(Field::Email).unwrap_or("New lead").to_owned() } else { titles.join(", ") };
    let mut cells = vec![
        ("id".to_owned(), format!("{MODULE}.{id}")),
        ("name".to_owned(), title),
        ("type".to_owned(), "opportunity".to_owned()),
    ];
    cells.extend(owner.map(|owner| ("user_id/.id".to_owned(), owner.to_owned())));
    if !person.is_empty() {
        cells.push(("contact_name".to_owned(), person));
    }
    for (field, property) in &maps.fields {
        let Some((_, value)) = values.iter().find(|(known, _)| known == field) else { continue };
        let shape = catalogue.fields.get(property).map(String::as_str);
        match (property.as_str(), shape) {
            ("email_normalized", _) => cells.push(("email_from".to_owned(), value.to_string())),
            ("country_id", _) => {
                let code = value.to_string();
                let found = catalogue.countries.iter().find(|(_, known)| known.eq_ignore_ascii_case(&code));
                cells.extend(found.map(|(id, _)| ("country_id/.id".to_owned(), id.to_string())));
            }
            // Worked out by Odoo, or not for a program to say.
            ("contact_name" | "lang_code" | "is_blacklisted" | "email_domain_criterion", _) => {}
            (_, Some("char" | "text" | "float" | "monetary" | "integer" | "selection")) => {
                cells.push((property.clone(), value.to_string()));
            }
            _ => {}
        }
    }
    if let Some(property) = &maps.key_property {
        let lead = id.split('_').nth(1).unwrap_or_default();
        cells.push((property.clone(), format!("L-{lead}")));
    }
    cells.sort_by(|one, other| one.0.cmp(&other.0));
    cells.dedup_by(|later, earlier| later.0 == earlier.0);
    cells
}

/// What `load` says when it made nothing; it answers 200. Values of people are left out.
fn load_words(row: &Row) -> String {
    let messages = row.0.get("messages").and_then(Value::as_array);
    let first = messages.and_then(|list| list.first());
    let field = first.and_then(|message| message.get("field")).and_then(Value::as_str).unwrap_or("a value");
    let words = first.and_then(|message| message.get("message")).and_then(Value::as_str).unwrap_or("no reason given");
    wire::Fault { name: format!("load, {field}"), message: words.to_owned() }.words()
}
