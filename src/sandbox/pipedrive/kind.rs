//! The kinds of record and what each field of theirs may hold. Source: section 4 and the vendor's specifications.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person.
    Person,
    /// An organization.
    Organization,
    /// A lead of the inbox.
    Lead,
    /// A deal.
    Deal,
    /// An activity.
    Activity,
    /// A note.
    Note,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Person, Self::Organization, Self::Lead, Self::Deal, Self::Activity, Self::Note];

    /// What webhooks call it. Source: section 8.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Organization => "organization",
            Self::Lead => "lead",
            Self::Deal => "deal",
            Self::Activity => "activity",
            Self::Note => "note",
        }
    }

    /// The kind in a path.
    pub(super) fn of_path(segment: &str) -> Option<Self> {
        Some(match segment {
            "persons" => Self::Person,
            "organizations" => Self::Organization,
            "leads" => Self::Lead,
            "deals" => Self::Deal,
            "activities" => Self::Activity,
            "notes" => Self::Note,
            _ => return None,
        })
    }

    /// The kind whose custom fields it has: leads have those of deals. Source: section 1.8.
    pub(super) fn of_fields(self) -> Self {
        if self == Self::Lead { Self::Deal } else { self }
    }

    pub(super) fn shapes(self) -> &'static [Shape] {
        match self {
            Self::Person => PERSON,
            Self::Organization => ORGANIZATION,
            Self::Lead => LEAD,
            Self::Deal => DEAL,
            Self::Activity => ACTIVITY,
            Self::Note => NOTE,
        }
    }

    pub(super) fn shape(self, name: &str) -> Option<&'static Shape> {
        self.shapes().iter().find(|shape| shape.name == name)
    }
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Int,
    Number,
    Text,
    Flag,
    /// `2026-11-24`.
    Date,
    /// `15:00:00`.
    Clock,
    Moment,
    Ints,
    Uuid,
    Uuids,
    /// `[{"value":…,"primary":…,"label":…}]`.
    Contacts,
    /// `{"amount":…,"currency":…}`.
    Money,
    Address,
    /// `[{"person_id":…,"primary":…}]`.
    Participants,
    Status,
    /// Anything; given by the server alone.
    Given,
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) holds: Type,
    /// May be sent when the record is made.
    pub(super) on_create: bool,
    /// May be sent later.
    pub(super) on_update: bool,
}

const fn both(name: &'static str, holds: Type) -> Shape {
    Shape { name, holds, on_create: true, on_update: true }
}

const fn given(name: &'static str) -> Shape {
    Shape { name, holds: Type::Given, on_create: false, on_update: false }
}

const PERSON: &[Shape] = &[
    both("name", Type::Text),
    given("first_name"),
    given("last_name"),
    both("owner_id", Type::Int),
    both("org_id", Type::Int),
    both("emails", Type::Contacts),
    both("phones", Type::Contacts),
    both("visible_to", Type::Int),
    both("label_ids", Type::Ints),
    both("job_title", Type::Text),
    both("notes", Type::Text),
    both("postal_address", Type::Address),
    both("marketing_status", Type::Text),
];

const ORGANIZATION: &[Shape] = &[
    both("name", Type::Text),
    both("owner_id", Type::Int),
    both("visible_to", Type::Int),
    both("label_ids", Type::Ints),
    both("address", Type::Address),
    both("website", Type::Text),
    both("linkedin", Type::Text),
    both("industry", Type::Int),
    both("annual_revenue", Type::Int),
    both("employee_count", Type::Int),
];

const LEAD: &[Shape] = &[
    both("title", Type::Text),
    both("owner_id", Type::Int),
    given("creator_id"),
    both("label_ids", Type::Uuids),
    both("person_id", Type::Int),
    both("organization_id", Type::Int),
    given("source_name"),
    given("origin"),
    // Yours to set on create alone. Source: section 4.
    Shape { name: "origin_id", holds: Type::Text, on_create: true, on_update: false },
    both("channel", Type::Int),
    both("channel_id", Type::Text),
    given("source_deal_id"),
    Shape { name: "is_archived", holds: Type::Flag, on_create: false, on_update: true },
    both("was_seen", Type::Flag),
    both("value", Type::Money),
    both("expected_close_date", Type::Date),
    given("next_activity_id"),
    both("visible_to", Type::Text),
    given("cc_email"),
];

const DEAL: &[Shape] = &[
    both("title", Type::Text),
    given("creator_user_id"),
    both("owner_id", Type::Int),
    both("value", Type::Number),
    both("person_id", Type::Int),
    both("org_id", Type::Int),
    both("stage_id", Type::Int),
    both("pipeline_id", Type::Int),
    both("currency", Type::Text),
    given("stage_change_time"),
    both("status", Type::Status),
    both("is_archived", Type::Flag),
    both("probability", Type::Number),
    both("lost_reason", Type::Text),
    both("visible_to", Type::Int),
    both("close_time", Type::Moment),
    both("won_time", Type::Moment),
    both("lost_time", Type::Moment),
    both("expected_close_date", Type::Date),
    both("label_ids", Type::Ints),
    given("origin"),
    given("origin_id"),
    given("channel"),
    given("channel_id"),
    given("source_lead_id"),
];

const ACTIVITY: &[Shape] = &[
    both("subject", Type::Text),
    both("type", Type::Text),
    both("owner_id", Type::Int),
    given("creator_user_id"),
    both("deal_id", Type::Int),
    both("lead_id", Type::Uuid),
    // Read-only, whatever the specification says: what is sent is dropped. Source: section 4.
    given("person_id"),
    both("org_id", Type::Int),
    given("project_id"),
    both("due_date", Type::Date),
    both("due_time", Type::Clock),
    both("duration", Type::Clock),
    both("busy", Type::Flag),
    both("done", Type::Flag),
    given("marked_as_done_time"),
    both("participants", Type::Participants),
    both("public_description", Type::Text),
    both("priority", Type::Int),
    both("note", Type::Text),
];

const NOTE: &[Shape] = &[
    both("content", Type::Text),
    both("lead_id", Type::Uuid),
    both("deal_id", Type::Int),
    both("person_id", Type::Int),
    both("org_id", Type::Int),
    both("user_id", Type::Int),
];

/// Does `value` fit? v2 takes no numbers as text and no 1 for true. Source: section 3.
pub(super) fn fits(holds: Type, value: &Value) -> bool {
    if value.is_null() {
        return true;
    }
    let list_of = |fits: &dyn Fn(&Value) -> bool| value.as_array().is_some_and(|list| list.iter().all(fits));
    match holds {
        Type::Int => value.is_i64() || value.is_u64(),
        Type::Number => value.is_number(),
        Type::Text => value.is_string(),
        Type::Flag => value.is_boolean(),
        Type::Date => value.as_str().is_some_and(|text| text.parse::<jiff::civil::Date>().is_ok()),
        Type::Clock => value.as_str().is_some_and(|text| text.is_empty() || text.parse::<jiff::civil::Time>().is_ok()),
        Type::Moment => value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
        Type::Ints => list_of(&|one| one.is_i64()),
        Type::Uuid => value.as_str().is_some_and(is_uuid),
        Type::Uuids => list_of(&|one| one.as_str().is_some_and(is_uuid)),
        Type::Contacts => list_of(&|one| one.get("value").is_some_and(Value::is_string)),
        Type::Money => {
            value.get("amount").is_some_and(Value::is_number) && value.get("currency").is_some_and(Value::is_string)
        }
        Type::Address => value.is_object(),
        Type::Participants => list_of(&|one| one.get("person_id").is_some_and(Value::is_i64)),
        Type::Status => matches!(value.as_str(), Some("open" | "won" | "lost")),
        Type::Given => false,
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
