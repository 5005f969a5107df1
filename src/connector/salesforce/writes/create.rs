//! Makes a lead under Baton's key, or marks the record that sales already has. Source: the sheet, sections 7 and 11.

use serde_json::{Map, Value, json};

use super::super::Salesforce;
use super::super::catalogue::Catalogue;
use super::super::failure::Failure;
use super::super::read::{Ask, Source};
use super::super::settings::Kind;
use super::super::soql::{Column, Condition, Id, Literal, Sign};
use super::super::wire::{self, Row, Saved};
use super::{Person, Step, Stop, lane, one, refused};
use crate::connector::Done;
use crate::domain::field::{self, Field, FieldType};
use crate::domain::id::{LeadId, Object, OperationId, RemoteId};
use crate::domain::plan::Write;
use crate::http::Method;

/// What stands where a lead has no company: the field is required. Source: section 4, Lead.
const NO_COMPANY: &str = "[not provided]";

impl Salesforce {
    pub(super) async fn create(
        &self,
        write: &Write,
        values: &[(Field, field::Value)],
        owner: Option<&RemoteId>,
        is_new_journey: bool,
        not: &[RemoteId],
    ) -> Step<Done> {
        let catalogue = self.catalogue().await.map_err(Stop::Look)?;
        let key = key(write.lead, write.op);
        let is_keyed = catalogue.is_key("Lead", &self.maps.key);
        if is_keyed && let Some(known) = self.by_key("Lead", &key).await.map_err(Stop::Look)? {
            return Ok(self.made(Object::Person, known.as_str(), None));
        }
        let email = values.iter().find(|(field, _)| *field == Field::Email).and_then(|(_, value)| value.as_text());
        if !is_new_journey {
            let open = self.open_record(write.lead, email, not, &catalogue).await.map_err(Stop::Look)?;
            if let Some((source, row)) = open {
                return self.link(write, source, &row, owner, &key, &catalogue).await;
            }
        }
        let mut body = lead_values(values, &self.maps, &catalogue);
        if let Some(owner) = owner {
            body.insert("OwnerId".to_owned(), json!(owner.as_str()));
        }
        let answer = if is_keyed {
            let path = ["sobjects", "Lead", &self.maps.key, &key];
            self.api.write(lane(write.lane), Method::Patch, &path, &body, None).await
        } else {
            self.api.write(lane(write.lane), Method::Post, &["sobjects", "Lead"], &body, None).await
        };
        let answer = answer.map_err(Stop::Write)?;
        let saved: Saved = wire::whole(&answer.response.body).map_err(|at| Stop::Write(Failure::Unclear(at)))?;
        match saved.id.filter(|_| saved.success) {
            Some(id) => Ok(self.made(Object::Person, &id, answer.began)),
            None => Err(Stop::Write(Failure::Unclear("the lead was not made, and no reason is given".to_owned()))),
        }
    }

    /// The newest open record of the person: a lead by Baton's key or by address, else a contact by address. One that was converted or
    /// given back has had its journey. What a person said is somebody else's (`not`) is not taken.
    async fn open_record(
        &self,
        lead: LeadId,
        email: Option<&str>,
        not: &[RemoteId],
        catalogue: &Catalogue,
    ) -> Result<Option<(Source, Row)>, Failure> {
        let mut asks: Vec<(Source, Condition)> = Vec::new();
        if let Some(key) = Column::parse(&self.maps.key).filter(|_| catalogue.field("Lead", &self.maps.key).is_some()) {
            asks.push((Source::Leads, Condition::Begins(key, format!("{lead}."))));
        }
        if let Some(email) = email {
            let is_theirs = Condition::Is("Email", Sign::Equal, Literal::Text(email.to_owned()));
            asks.push((Source::Leads, is_theirs.clone()));
            asks.push((Source::Contacts, is_theirs));
        }
        for (source, condition) in asks {
            let ask = Ask { filter: Some(condition), order: "CreatedDate DESC, Id DESC", limit: Some(100) };
            let rows = self.api.rows(&self.query(source, catalogue, &ask), false).await?;
            let is_other = |row: &Row| row.id("Id").is_some_and(|id| not.iter().any(|of| of.as_str() == id.as_str()));
            let is_open = |row: &Row| !row.flag("IsConverted") && !self.is_given_back(row);
            let open = rows.into_iter().find(|row| !is_other(row) && is_open(row));
            if let Some(row) = open {
                return Ok(Some((source, row)));
            }
        }
        Ok(None)
    }

    pub(super) fn is_given_back(&self, row: &Row) -> bool {
        row.text(super::super::settings::STATUS).is_some_and(|status| {
            self.maps.stage(super::super::settings::STATUS, status) == Some(crate::domain::stage::Stage::Disqualified)
                || self.maps.reason(status).is_some()
        })
    }

    /// Marks a record that sales already had with Baton's key, and gives it the owner if a queue has it: an owner who is there was
    /// somebody's choice.
    async fn link(
        &self,
        write: &Write,
        source: Source,
        row: &Row,
        owner: Option<&RemoteId>,
        key: &str,
        catalogue: &Catalogue,
    ) -> Step<Done> {
        let Some(id) = row.id("Id") else { return Err(refused("the record found has no id")) };
        let is_free = row.id("OwnerId").is_none_or(|owner| owner.prefix() != "005");
        let mut values = Map::new();
        if let Some(owner) = owner.filter(|_| is_free) {
            values.extend(one("OwnerId", json!(owner.as_str())));
        }
        if catalogue.field(source.object(), &self.maps.key).is_some() && row.text(&self.maps.key).is_none() {
            values.extend(one(&self.maps.key, json!(key)));
        }
        if !values.is_empty() {
            let person = Person { id: id.clone(), source };
            // Whoever takes it out of the queue in the same moment keeps it: the next try looks anew.
            let unmodified = row.time("LastModifiedDate").filter(|_| values.contains_key("OwnerId"));
            self.patch(write, &person, &values, unmodified).await.map_err(Stop::Write)?;
        }
        Ok(self.made(Object::Person, id.as_str(), None))
    }

    /// The record of `object` that has this key.
    pub(super) async fn by_key(&self, object: &'static str, key: &str) -> Result<Option<Id>, Failure> {
        let Some(column) = Column::parse(&self.maps.key) else { return Ok(None) };
        let query = super::super::soql::Query::of(object, &["Id"])
            .filter(Condition::Of(column, Sign::Equal, Literal::Text(key.to_owned())))
            .limit(1);
        Ok(self.api.rows(&query, false).await?.first().and_then(|row| row.id("Id")))
    }
}

/// The key of a record that operation `op` makes for `lead`: the number by which the person is recognised, and what made it.
pub(super) fn key(lead: LeadId, op: OperationId) -> String {
    format!("{lead}.{op}")
}

/// What a new lead says. Both names and the company must stand there. Source: section 4, Lead.
fn lead_values(
    values: &[(Field, field::Value)],
    maps: &super::super::settings::Maps,
    catalogue: &Catalogue,
) -> Map<String, Value> {
    let text = |field: Field| values.iter().find(|(known, _)| *known == field).and_then(|(_, value)| value.as_text());
    let mut body = Map::new();
    for (field, property) in maps.fields(Kind::Lead) {
        let Some((_, value)) = values.iter().find(|(known, _)| *known == field) else { continue };
        let is_writable = catalogue.field("Lead", property).is_some_and(|known| known.createable);
        if !is_writable || field == Field::OptedOut {
            continue;
        }
        let value = match field.kind() {
            FieldType::Text | FieldType::Flag => json!(value.to_string()),
            FieldType::Number => value.to_string().parse::<serde_json::Number>().map_or(Value::Null, Value::Number),
        };
        body.insert(property.to_owned(), value);
    }
    let address = text(Field::Email).and_then(|email| email.split('@').next()).unwrap_or("Unknown");
    body.entry("LastName".to_owned()).or_insert_with(|| json!(text(Field::LastName).unwrap_or(address)));
    body.entry("Company".to_owned()).or_insert_with(|| json!(text(Field::CompanyName).unwrap_or(NO_COMPANY)));
    body
}
