//! Finds or makes a person, and a lead of theirs that bears the operation's mark.

use serde_json::{Value, json};

use super::super::Pipedrive;
use super::super::answer::Failure;
use super::super::book::Journey;
use super::super::catalogue::{Catalogue, FieldDef};
use super::super::map::values::origin;
use super::super::settings::{Of, property};
use super::super::wire;
use super::{Order, Step, Stop, refused};
use crate::connector::Done;
use crate::domain::field::{self, Field, FieldSource};
use crate::domain::id::{Object, RemoteId};
use crate::domain::plan::Write;
use crate::http::Method;

type Values = [(Field, field::Value)];

impl Pipedrive {
    pub(super) async fn create(
        &self,
        order: Order<'_>,
        values: &Values,
        owner: Option<&str>,
        is_new_journey: bool,
        not: &[RemoteId],
    ) -> Step<Done> {
        let owner = match owner.map(str::parse::<i64>) {
            Some(Ok(owner)) => Some(owner),
            Some(Err(_)) => return Err(refused("the owner's id is no number")),
            None => None,
        };
        let email = text(values, Field::Email);
        let found = self.persons_with(email, not).await.map_err(Stop::Look)?;
        for person in &found {
            self.look_at_person(*person, order.catalogue).await.map_err(Stop::Look)?;
        }
        if let Some(person) = found.iter().copied().find(|person| self.bears_mark(*person, order.write)) {
            return Ok(self.made(Object::Person, Some(person), None));
        }
        let open = found.iter().copied().find_map(|person| {
            let book = self.book();
            book.current(person).filter(|journey| journey.is_open()).map(|journey| (person, journey.clone()))
        });
        if let (Some((person, journey)), false) = (open, is_new_journey) {
            return self.link(order, person, &journey, owner).await;
        }
        let (person, organization) = match found.first() {
            Some(person) => (*person, None),
            None => self.make_person(order, values, owner).await?,
        };
        self.make_lead(order, values, person, organization, owner).await
    }

    /// Gives a lead or deal that sales already had the owner, unless it has one that somebody chose: every record has one, so the one
    /// that counts as nobody's is Baton's own.
    async fn link(&self, order: Order<'_>, person: i64, journey: &Journey, owner: Option<i64>) -> Step<Done> {
        let is_ours = journey.owner.is_none() || journey.owner == Some(order.catalogue.own);
        let mut at = None;
        if let (Some(owner), true) = (owner, is_ours) {
            at = self.patch(order, &journey.id, &json!({ "owner_id": owner })).await?.time("update_time");
        }
        self.mark_person(order, person).await?;
        Ok(self.made(Object::Person, Some(person), at))
    }

    /// Writes Baton's key into the person's own field, where the settings name one.
    async fn mark_person(&self, order: Order<'_>, person: i64) -> Step<()> {
        let Some(name) = self.maps.key_property.as_deref() else { return Ok(()) };
        let Some(field) = order.catalogue.field(Of::Person, name).filter(|field| field.is_custom) else {
            return Err(refused(&format!("persons have no field {name:?} for Baton's key")));
        };
        let body = json!({ "custom_fields": { field.code.as_str(): order.write.lead.to_string() } });
        let path = ["v2", "persons", &person.to_string()];
        self.api.write(order.lane(), Method::Patch, &path, &body).await.map_err(Stop::Write)?;
        Ok(())
    }

    /// Persons with this address, the oldest first, without those that a person said are somebody else.
    async fn persons_with(&self, email: Option<&str>, not: &[RemoteId]) -> Result<Vec<i64>, Failure> {
        let Some(email) = email else { return Ok(Vec::new()) };
        let query = [("term", email), ("fields", "email"), ("exact_match", "true"), ("limit", "100")];
        let answer = self.api.ask(&["v2", "persons", "search"], &query).await?;
        let hits = wire::found(&answer.body).map_err(|at| Failure::Malformed(format!("persons/search: {at}")))?;
        let mut found: Vec<i64> = hits.iter().filter_map(wire::Row::number).collect();
        found.sort_unstable();
        found.retain(|id| !not.iter().any(|other| other.as_str() == id.to_string()));
        Ok(found)
    }

    /// Has this person a lead (or what became of it) that this very operation made?
    fn bears_mark(&self, person: i64, write: &Write) -> bool {
        let mark = origin(write.lead, &write.op.to_string());
        self.book().of(person).any(|journey| journey.origin.as_deref() == Some(mark.as_str()))
    }

    /// The person whom this operation made a lead for, if it did.
    pub(super) async fn made_by(
        &self,
        write: &Write,
        values: &Values,
        not: &[RemoteId],
    ) -> Result<Option<i64>, Failure> {
        let catalogue = self.ready().await?;
        let found = self.persons_with(text(values, Field::Email), not).await?;
        for person in &found {
            self.look_at_person(*person, &catalogue).await?;
        }
        Ok(found.into_iter().find(|person| self.bears_mark(*person, write)))
    }

    /// Makes a person, with their organization: found by its whole name, else made.
    async fn make_person(&self, order: Order<'_>, values: &Values, owner: Option<i64>) -> Step<(i64, Option<i64>)> {
        let organization = match text(values, Field::CompanyName) {
            Some(name) => Some(self.organization(order, name, values, owner).await?),
            None => None,
        };
        let mut body = json!({ "name": called(values) });
        for (field, property) in [(Field::Email, "emails"), (Field::Phone, "phones")] {
            if let Some(value) = text(values, field) {
                body[property] = json!([{ "value": value, "primary": true, "label": "work" }]);
            }
        }
        for (name, value) in [("owner_id", owner), ("org_id", organization)] {
            if let Some(value) = value {
                body[name] = json!(value);
            }
        }
        self.fill_in(&mut body, FieldSource::Person, values, order.catalogue);
        if let Some(field) = self.maps.key_property.as_deref().and_then(|name| order.catalogue.field(Of::Person, name))
        {
            body["custom_fields"][field.code.as_str()] = json!(order.write.lead.to_string());
        }
        let row = self.api.write(order.lane(), Method::Post, &["v2", "persons"], &body).await.map_err(Stop::Write)?;
        let person = row.number().ok_or_else(|| Stop::Write(Failure::Malformed("persons: no id".to_owned())))?;
        Ok((person, organization))
    }

    async fn organization(&self, order: Order<'_>, name: &str, values: &Values, owner: Option<i64>) -> Step<i64> {
        let query = [("term", name), ("fields", "name"), ("exact_match", "true"), ("limit", "100")];
        // A name of one letter cannot be searched for; such a company is made anew.
        if name.chars().count() > 1 {
            let answer = self.api.ask(&["v2", "organizations", "search"], &query).await.map_err(Stop::Look)?;
            let hits = wire::found(&answer.body)
                .map_err(|at| Stop::Look(Failure::Malformed(format!("organizations/search: {at}"))))?;
            if let Some(known) = hits.iter().filter_map(wire::Row::number).min() {
                return Ok(known);
            }
        }
        let mut body = json!({ "name": name });
        if let Some(owner) = owner {
            body["owner_id"] = json!(owner);
        }
        self.fill_in(&mut body, FieldSource::Company, values, order.catalogue);
        let path = ["v2", "organizations"];
        let row = self.api.write(order.lane(), Method::Post, &path, &body).await.map_err(Stop::Write)?;
        row.number().ok_or_else(|| Stop::Write(Failure::Malformed("organizations: no id".to_owned())))
    }

    /// Adds mapped values, as far as their fields take them: a choice by its option. Addresses and consent are not Baton's to say.
    fn fill_in(&self, body: &mut Value, source: FieldSource, values: &Values, catalogue: &Catalogue) {
        let of = if source == FieldSource::Company { Of::Organization } else { Of::Person };
        for (field, text) in self.maps.fields.iter().filter(|(field, _)| field.source() == source) {
            let Some((_, value)) = values.iter().find(|(known, _)| known == field) else { continue };
            let (is_of, name) = property(text, of);
            let Some(known) = catalogue.field(is_of, name).filter(|_| is_of == of) else { continue };
            if known.is_custom {
                if let Some(value) = custom(known, value) {
                    body["custom_fields"][known.code.as_str()] = value;
                }
            } else if let Some(value) = plain(&known.code, value) {
                body[known.code.as_str()] = value;
            }
        }
    }

    async fn make_lead(
        &self,
        order: Order<'_>,
        values: &Values,
        person: i64,
        organization: Option<i64>,
        owner: Option<i64>,
    ) -> Step<Done> {
        let titles: Vec<String> =
            [Some(called(values)), text(values, Field::CompanyName).map(str::to_owned)].into_iter().flatten().collect();
        self.open_lead(order, person, organization, owner, &titles.join(", ")).await
    }

    /// Makes a lead for a person, under the operation's mark.
    pub(super) async fn open_lead(
        &self,
        order: Order<'_>,
        person: i64,
        organization: Option<i64>,
        owner: Option<i64>,
        title: &str,
    ) -> Step<Done> {
        let mark = origin(order.write.lead, &order.write.op.to_string());
        let mut body = json!({ "title": title, "person_id": person, "origin_id": mark });
        for (name, value) in [("organization_id", organization), ("owner_id", owner)] {
            if let Some(value) = value {
                body[name] = json!(value);
            }
        }
        let row = self.api.write(order.lane(), Method::Post, &["v1", "leads"], &body).await.map_err(Stop::Write)?;
        let keep = self.kept(order.catalogue);
        self.note(Journey::of_lead(&row, &keep));
        Ok(self.made(Object::Person, Some(person), row.time("add_time")))
    }
}

fn text(values: &Values, field: Field) -> Option<&str> {
    values.iter().find(|(known, _)| *known == field).and_then(|(_, value)| value.as_text())
}

/// What a person is called: their names, else their address.
fn called(values: &Values) -> String {
    let names: Vec<&str> =
        [Field::FirstName, Field::LastName].into_iter().filter_map(|field| text(values, field)).collect();
    if names.is_empty() { text(values, Field::Email).unwrap_or("New lead").to_owned() } else { names.join(" ") }
}

/// A number without a fraction, as these properties take it.
fn whole(number: f64) -> Option<Value> {
    let text = format!("{number}");
    text.parse::<i64>().ok().map(|number| json!(number))
}

/// A value as one of the company's own fields takes it.
fn custom(of: &FieldDef, value: &field::Value) -> Option<Value> {
    match (of.holds.as_str(), value) {
        ("enum", value) => of.option(&value.to_string())?.id.parse::<i64>().ok().map(|id| json!(id)),
        ("double" | "int", field::Value::Number(number)) => Some(json!(number)),
        ("varchar" | "text" | "phone", field::Value::Text(text)) => Some(json!(text.as_ref())),
        _ => None,
    }
}

/// A value as a field that every company has takes it; the others are written elsewhere, or not by Baton.
fn plain(code: &str, value: &field::Value) -> Option<Value> {
    match (code, value) {
        ("job_title" | "website", field::Value::Text(text)) => Some(json!(text.as_ref())),
        ("employee_count" | "annual_revenue", field::Value::Number(number)) => whole(*number),
        _ => None,
    }
}
