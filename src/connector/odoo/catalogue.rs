//! What records refer to by number: people, activity types, countries, stages, lost reasons; and what the key may do.
//!
//! Read in a handful of requests at the start, and again when a record names something that is not known yet.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use serde_json::{Value, json};

use super::api::{Api, Failure};
use super::wire::{Link, Row};
use crate::domain::touch::Channel;

/// The user that Odoo's own jobs act as.
pub(super) const ODOOBOT: i64 = 1;
/// The group whose members see every lead, not only their own. Source: record rules of module `sales_team`.
const SEES_ALL: &str = "sales_team.group_sale_salesman_all_leads";
/// Tracked fields that the history of a lead is made of. Source: `tracking` in `fields_get` of `crm.lead`.
const TRACKED: &[&str] = &["stage_id", "type", "user_id", "active", "lost_reason_id", "won_status"];
/// More than any Odoo has of these.
const ROWS_MAX: u32 = 10_000;

/// A stage of the pipeline or a lost reason, by the name it has now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) id: i64,
    pub(super) name: String,
}

/// What an Odoo holds besides leads.
#[derive(Clone, Debug)]
pub(super) struct Catalogue {
    pub(super) read_at: Instant,
    /// The user that the key belongs to.
    pub(super) own: i64,
    /// In the order of the pipeline.
    pub(super) stages: Vec<Named>,
    /// Archived ones included: old leads still carry them.
    pub(super) reasons: Vec<Named>,
    pub(super) teams: usize,
    /// Members of staff by the partner that stands for them in messages.
    pub(super) staff: HashMap<i64, i64>,
    /// Time zones of users, where they have one.
    pub(super) zones: HashMap<i64, String>,
    /// Codes of ISO 3166-1 by country.
    pub(super) countries: HashMap<i64, String>,
    /// Activity types that are a way to reach a lead.
    pub(super) channels: HashMap<i64, Channel>,
    /// Every activity type.
    pub(super) activity_types: HashSet<i64>,
    /// Message subtypes that stay inside: notes.
    pub(super) internal: HashSet<i64>,
    /// The fields of `crm.lead` with their types.
    pub(super) fields: HashMap<String, String>,
    /// Tracked fields by the number they have in tracking values; `None` if the key may not read the history.
    pub(super) tracked: Option<HashMap<i64, String>>,
    /// May the key read external ids, where Baton's own key stands?
    pub(super) reads_keys: bool,
    pub(super) sees_all: bool,
}

impl Catalogue {
    /// Reads it whole.
    pub(super) async fn read(api: &Api) -> Result<Self, Failure> {
        let list = |fields: &[&str], domain: Value, order: &str| {
            let context = json!({ "active_test": false });
            json!({ "domain": domain, "fields": fields, "order": order, "limit": ROWS_MAX, "context": context })
        };
        // Without its own user Baton would take what it wrote itself for a person's word.
        let context = api.value::<Row>("res.users", "context_get", &json!({})).await?;
        let own = context.integer("uid").ok_or_else(|| Failure::Malformed("context_get names no uid".to_owned()))?;
        let stages = api.rows("crm.stage", &list(&["name"], json!([]), "sequence asc, id asc")).await?;
        let reasons = api.rows("crm.lost.reason", &list(&["name"], json!([]), "id asc")).await?;
        let teams = api.rows("crm.team", &list(&["name"], json!([]), "id asc")).await?;
        let inside = json!([["share", "=", false]]);
        let users = api.rows("res.users", &list(&["partner_id", "tz"], inside, "id asc")).await?;
        let countries = api.rows("res.country", &list(&["code"], json!([]), "id asc")).await?;
        let types = api.rows("mail.activity.type", &list(&["category", "name"], json!([]), "id asc")).await?;
        let type_ids: Vec<i64> = types.iter().filter_map(Row::id).collect();
        let type_names: HashMap<String, Value> =
            api.value("mail.activity.type", "get_external_id", &json!({ "ids": type_ids })).await?;
        let internal = json!([["internal", "=", true]]);
        let subtypes = api.rows("mail.message.subtype", &list(&["name"], internal, "id asc")).await?;
        let shapes: HashMap<String, Row> =
            api.value("crm.lead", "fields_get", &json!({ "attributes": ["type"] })).await?;
        let may = async |model: &str| {
            api.value::<bool>(model, "has_access", &json!({ "ids": [], "operation": "read" })).await
        };
        let reads_keys = may("ir.model.data").await?;
        let tracked = if may("mail.tracking.value").await? && may("ir.model.fields").await? {
            let domain = json!([["model", "=", "crm.lead"], ["name", "in", TRACKED]]);
            let rows = api.rows("ir.model.fields", &list(&["name"], domain, "id asc")).await?;
            Some(rows.iter().filter_map(|row| Some((row.id()?, row.text("name")?.to_owned()))).collect())
        } else {
            None
        };
        let sees_all = api.value("res.users", "has_group", &json!({ "ids": [own], "group_ext_id": SEES_ALL })).await?;
        Ok(Self {
            read_at: Instant::now(),
            own,
            stages: named(&stages),
            reasons: named(&reasons),
            teams: teams.len(),
            staff: users.iter().filter_map(|row| Some((row.link_id("partner_id")?, row.id()?))).collect(),
            zones: users.iter().filter_map(|row| Some((row.id()?, row.text("tz")?.to_owned()))).collect(),
            countries: countries.iter().filter_map(|row| Some((row.id()?, row.text("code")?.to_owned()))).collect(),
            channels: types.iter().filter_map(|row| Some((row.id()?, channel(row, &type_names)?))).collect(),
            activity_types: type_ids.into_iter().collect(),
            internal: subtypes.iter().filter_map(Row::id).collect(),
            fields: shapes
                .iter()
                .filter_map(|(name, row)| Some((name.clone(), row.text("type")?.to_owned())))
                .collect(),
            tracked,
            reads_keys,
            sees_all,
        })
    }

    /// Stages and lost reasons alone, as they are now.
    pub(super) async fn choices(api: &Api) -> Result<(Vec<Named>, Vec<Named>), Failure> {
        let list = |order: &str| {
            let context = json!({ "active_test": false });
            json!({ "domain": [], "fields": ["name"], "order": order, "limit": ROWS_MAX, "context": context })
        };
        let stages = api.rows("crm.stage", &list("sequence asc, id asc")).await?;
        let reasons = api.rows("crm.lost.reason", &list("id asc")).await?;
        Ok((named(&stages), named(&reasons)))
    }

    /// The stage that the pipeline begins with.
    pub(super) fn first_stage(&self) -> Option<&Named> {
        self.stages.first()
    }

    /// Does a record name something that appeared after this was read?
    pub(super) fn knows(&self, row: &Row) -> bool {
        let known = |name: &str, has: &dyn Fn(i64) -> bool| row.link_id(name).is_none_or(has);
        known("stage_id", &|id| self.stages.iter().any(|stage| stage.id == id))
            && known("country_id", &|id| self.countries.contains_key(&id))
            && known("mail_activity_type_id", &|id| self.activity_types.contains(&id))
    }
}

/// The one with this name or number, without regard to case.
pub(super) fn find<'a>(list: &'a [Named], wanted: &str) -> Option<&'a Named> {
    let wanted = wanted.trim();
    let by_name = list.iter().find(|named| named.name.trim().eq_ignore_ascii_case(wanted));
    by_name.or_else(|| list.iter().find(|named| named.id.to_string() == wanted))
}

fn named(rows: &[Row]) -> Vec<Named> {
    let one = |row: &Row| Some(Named { id: row.id()?, name: row.text("name")?.to_owned() });
    rows.iter().filter_map(one).collect()
}

/// By which way an activity of this type reaches a lead. Odoo's category says so of calls and meetings; its own type
/// "Email" has none and is known by its external id, which no renaming or translation changes.
fn channel(row: &Row, external: &HashMap<String, Value>) -> Option<Channel> {
    match row.text("category") {
        Some("phonecall") => Some(Channel::Call),
        Some("meeting") => Some(Channel::Meeting),
        _ => {
            let id = external.get(&row.id()?.to_string())?.as_str()?;
            (id == "mail.mail_activity_data_email").then_some(Channel::Email)
        }
    }
}

impl From<Link<'_>> for Named {
    fn from(link: Link<'_>) -> Self {
        Self { id: link.id, name: link.name.to_owned() }
    }
}
