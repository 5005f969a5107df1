//! What stands in a fresh Odoo 19 database with the CRM app: stages, reasons, types, users, descriptions of fields.

use serde_json::{Value, json};

use super::moment;
use super::state::{ROBOT, Row, State};
use super::thread::field_number;

/// The administrator that every database has.
pub(super) const ADMINISTRATOR: i64 = 2;

fn row(value: Value, stamp: &str) -> Row {
    let mut row = Row::new();
    if let Value::Object(fields) = value {
        for (name, value) in fields {
            if let Some(name) = known(&name) {
                row.insert(name, value);
            }
        }
    }
    row.insert("create_date", json!(stamp));
    row.insert("write_date", json!(stamp));
    row.insert("create_uid", json!(ROBOT));
    row.insert("write_uid", json!(ROBOT));
    row
}

fn known(name: &str) -> Option<&'static str> {
    const NAMES: &[&str] = &[
        "name",
        "code",
        "phone_code",
        "sequence",
        "is_won",
        "active",
        "use_leads",
        "use_opportunities",
        "member_ids",
        "user_id",
        "login",
        "email",
        "partner_id",
        "role",
        "company_id",
        "share",
        "notification_type",
        "is_company",
        "parent_id",
        "summary",
        "category",
        "icon",
        "delay_count",
        "delay_unit",
        "delay_from",
        "chaining_type",
        "res_model",
        "internal",
        "default",
        "hidden",
        "module",
        "model",
        "res_id",
        "field_description",
        "ttype",
        "relation",
        "tracking",
        "model_id",
        "store",
        "title",
    ];
    NAMES.iter().find(|known| **known == name).copied()
}

/// Fills an empty database.
pub(super) fn fill(state: &mut State) {
    let stamp = moment::kept(state.now());
    let mut add = |model: &'static str, id: i64, value: Value| state.insert_as(model, id, row(value, &stamp));
    add("res.partner", 1, json!({"name": "YourCompany", "is_company": true, "active": true}));
    add("res.company", 1, json!({"name": "YourCompany", "partner_id": 1}));
    for (id, name, code, phone_code) in [
        (12, "Austria", "AT", 43),
        (43, "Switzerland", "CH", 41),
        (57, "Germany", "DE", 49),
        (75, "France", "FR", 33),
        (165, "Netherlands", "NL", 31),
        (177, "Poland", "PL", 48),
        (231, "United Kingdom", "GB", 44),
        (233, "United States", "US", 1),
    ] {
        add("res.country", id, json!({"name": name, "code": code, "phone_code": phone_code}));
    }
    for (id, name, sequence, is_won) in
        [(1, "New", 1, false), (2, "Qualified", 2, false), (3, "Proposition", 3, false), (4, "Won", 70, true)]
    {
        add("crm.stage", id, json!({"name": name, "sequence": sequence, "is_won": is_won}));
        add(
            "ir.model.data",
            24769 + id,
            json!({"module": "crm", "name": format!("stage_lead{id}"), "model": "crm.stage", "res_id": id}),
        );
    }
    for (id, name) in [(1, "Too expensive"), (2, "We don't have people/skills"), (3, "Not enough stock")] {
        add("crm.lost.reason", id, json!({"name": name, "active": true}));
    }
    add(
        "crm.team",
        1,
        json!({"name": "Sales", "active": true, "sequence": 0, "use_opportunities": true, "member_ids": [], "user_id": ADMINISTRATOR}),
    );
    for (id, name) in [(1, "Product"), (2, "Software"), (3, "Services")] {
        add("crm.tag", id, json!({"name": name}));
    }
    for (id, name) in [(1, "Search engine"), (2, "Lead Recall"), (3, "Newsletter"), (6, "LinkedIn")] {
        add("utm.source", id, json!({"name": name}));
    }
    for (id, name) in [(1, "Website"), (2, "Phone"), (3, "Direct"), (4, "Email")] {
        add("utm.medium", id, json!({"name": name, "active": true}));
    }
    for (id, name, icon, category, xmlid, days) in [
        (4, "To-Do", "fa-check", "default", "todo", 5),
        (1, "Email", "fa-envelope", "default", "email", 0),
        (2, "Call", "fa-phone", "phonecall", "call", 2),
        (3, "Meeting", "fa-users", "meeting", "meeting", 0),
        (5, "Document", "fa-upload", "upload_file", "upload_document", 5),
    ] {
        let kind = json!({"name": name, "summary": name, "sequence": match id { 4 => 2, 1 => 3, 2 => 6, 3 => 9, _ => 25 }, "active": true, "icon": icon,
            "category": category, "delay_count": days, "delay_unit": "days", "delay_from": "previous_activity", "chaining_type": "suggest"});
        add("mail.activity.type", id, kind);
        let name = format!("mail_activity_data_{xmlid}");
        add(
            "ir.model.data",
            13674 + id,
            json!({"module": "mail", "name": name, "model": "mail.activity.type", "res_id": id}),
        );
    }
    for (id, name, res_model, is_internal, xmlid) in [
        (1, "Discussions", json!(false), false, "mail.mt_comment"),
        (2, "Note", json!(false), true, "mail.mt_note"),
        (3, "Activities", json!(false), true, "mail.mt_activities"),
        (5, "Opportunity Created", json!("crm.lead"), false, "crm.mt_lead_create"),
        (6, "Stage Changed", json!("crm.lead"), false, "crm.mt_lead_stage"),
        (7, "Opportunity Won", json!("crm.lead"), false, "crm.mt_lead_won"),
        (8, "Opportunity Lost", json!("crm.lead"), false, "crm.mt_lead_lost"),
        (9, "Opportunity Restored", json!("crm.lead"), false, "crm.mt_lead_restored"),
    ] {
        add("mail.message.subtype", id, json!({"name": name, "res_model": res_model, "internal": is_internal}));
        let (module, name) = xmlid.split_once('.').unwrap_or_default();
        add(
            "ir.model.data",
            13652 + id,
            json!({"module": module, "name": name, "model": "mail.message.subtype", "res_id": id}),
        );
    }
    add("ir.model", 422, json!({"name": "Lead", "model": "crm.lead"}));
    let schema = state.schema.clone();
    for (position, field) in schema.model("crm.lead").into_iter().flat_map(|model| &model.fields).enumerate() {
        let (number, is_tracked) = field_number(field.name, position);
        let relation = if field.relation.is_empty() { json!(false) } else { json!(field.relation) };
        let description = json!({"name": field.name, "model": "crm.lead", "model_id": 422, "field_description": field.label,
            "ttype": field.kind_word(), "relation": relation, "tracking": if is_tracked { 100 } else { 0 }, "store": true});
        state.insert_as("ir.model.fields", number, row(description, &stamp));
    }
    for (id, login, name, is_active) in
        [(ROBOT, "__system__", "OdooBot", false), (ADMINISTRATOR, "admin", "Administrator", true)]
    {
        add_user(state, Some(id), login, name, &format!("{login}@example.com").replace("__system__", "odoobot"), true);
        state.set("res.users", id, "active", json!(is_active));
    }
}

/// Adds a user with the partner that stands for it as an author: the two have different ids, as in Odoo.
pub(super) fn add_user(
    state: &mut State,
    id: Option<i64>,
    login: &str,
    name: &str,
    email: &str,
    is_admin: bool,
) -> i64 {
    let stamp = moment::kept(state.now());
    let partner = json!({"name": name, "email": email, "active": true});
    let partner = state.insert("res.partner", row(partner, &stamp));
    let role = if is_admin { "group_system" } else { "group_user" };
    let user = json!({"login": login, "name": name, "email": email, "active": true, "partner_id": partner, "role": role,
        "company_id": 1, "share": false, "notification_type": "email"});
    let user = row(user, &stamp);
    match id {
        Some(id) => {
            state.insert_as("res.users", id, user);
            id
        }
        None => state.insert("res.users", user),
    }
}
