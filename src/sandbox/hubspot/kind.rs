//! The object types of the sandbox portal and the versions of its API: names, numeric type ids, and what differs.

use serde::{Deserialize, Serialize};

/// A CRM object type. Source: sheet section 2, numeric type ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `contacts`, `0-1`.
    Contact,
    /// `companies`, `0-2`.
    Company,
    /// `deals`, `0-3`.
    Deal,
    /// `leads`, `0-136`; only where the settings say that the portal has them.
    Lead,
    /// `tasks`, `0-27`.
    Task,
    /// `notes`, `0-46`.
    Note,
    /// `calls`, `0-48`.
    Call,
    /// `emails`, `0-49`.
    Email,
    /// `meetings`, `0-47`.
    Meeting,
}

impl Kind {
    /// Every type the sandbox serves.
    pub const ALL: [Self; 9] = [
        Self::Contact,
        Self::Company,
        Self::Deal,
        Self::Lead,
        Self::Task,
        Self::Note,
        Self::Call,
        Self::Email,
        Self::Meeting,
    ];

    /// Reads a path segment: plural name, singular name or numeric type id; `None` for a type not served here.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.plural() == text || kind.type_id() == text || kind.singular() == text)
    }

    /// The name in paths, `contacts`.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Contact => "contacts",
            Self::Company => "companies",
            Self::Deal => "deals",
            Self::Lead => "leads",
            Self::Task => "tasks",
            Self::Note => "notes",
            Self::Call => "calls",
            Self::Email => "emails",
            Self::Meeting => "meetings",
        }
    }

    /// The name in association types and messages, `contact`.
    #[must_use]
    pub fn singular(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Company => "company",
            Self::Deal => "deal",
            Self::Lead => "lead",
            Self::Task => "task",
            Self::Note => "note",
            Self::Call => "call",
            Self::Email => "email",
            Self::Meeting => "meeting",
        }
    }

    /// The numeric type id, `0-1`.
    #[must_use]
    pub fn type_id(self) -> &'static str {
        match self {
            Self::Contact => "0-1",
            Self::Company => "0-2",
            Self::Deal => "0-3",
            Self::Lead => "0-136",
            Self::Task => "0-27",
            Self::Note => "0-46",
            Self::Call => "0-48",
            Self::Email => "0-49",
            Self::Meeting => "0-47",
        }
    }

    /// The last-modified property: contacts alone call it `lastmodifieddate`. Source: sheet section 3.
    pub(super) fn modified(self) -> &'static str {
        if self == Self::Contact { "lastmodifieddate" } else { "hs_lastmodifieddate" }
    }

    /// The creation time property: activities call it `hs_createdate`. Source: sheet sections 3 and 10.3.
    pub(super) fn created(self) -> &'static str {
        match self {
            Self::Contact | Self::Company | Self::Deal | Self::Lead => "createdate",
            Self::Task | Self::Note | Self::Call | Self::Email | Self::Meeting => "hs_createdate",
        }
    }

    /// What a read answers with when it names no properties (the creation and modification times and the id come always).
    pub(super) fn defaults(self) -> &'static [&'static str] {
        match self {
            Self::Contact => &["email", "firstname", "lastname"],
            Self::Company => &["domain", "name"],
            Self::Deal => &["amount", "closedate", "dealname", "dealstage", "pipeline"],
            Self::Lead | Self::Task | Self::Note | Self::Call | Self::Email | Self::Meeting => &[],
        }
    }

    /// The scopes that reading (or writing) this type needs. Source: sheet section 1.
    pub(super) fn scopes(self, writing: bool) -> Vec<String> {
        let verb = if writing { "write" } else { "read" };
        match self {
            Self::Contact | Self::Company | Self::Deal | Self::Lead => {
                vec![format!("crm.objects.{}.{verb}", self.plural())]
            }
            Self::Task | Self::Note | Self::Call | Self::Meeting => vec![format!("crm.objects.contacts.{verb}")],
            Self::Email => vec![format!("crm.objects.contacts.{verb}"), "sales-email-read".to_owned()],
        }
    }
}

/// A version segment. One handler serves all; the methods are the table of differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Version {
    /// `v1`, only for OAuth.
    V1,
    /// `v3`.
    V3,
    /// `v4`, only for associations.
    V4,
    /// `2026-03`.
    March2026,
    /// `2026-09`.
    September2026,
}

impl Version {
    /// Every version there is.
    pub const ALL: [Self; 5] = [Self::V1, Self::V3, Self::V4, Self::March2026, Self::September2026];

    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "v1" => Some(Self::V1),
            "v3" => Some(Self::V3),
            "v4" => Some(Self::V4),
            "2026-03" => Some(Self::March2026),
            "2026-09" => Some(Self::September2026),
            _ => None,
        }
    }

    /// Whether the version stands after the area in the path, `/crm/objects/2026-09`.
    pub(super) fn is_dated(self) -> bool {
        matches!(self, Self::March2026 | Self::September2026)
    }

    /// Writes obey the portal's rules on required properties only since 2026-09. Source: sheet section 2.
    pub(super) fn enforces_required(self) -> bool {
        self == Self::September2026
    }

    /// Inexact dates are put right and reported since 2026-09, refused before. Source: sheet section 2.
    pub(super) fn normalises_dates(self) -> bool {
        self == Self::September2026
    }

    /// `POST /crm/lists/V/all` is new in 2026-09. Source: sheet section 2.
    pub(super) fn lists_all(self) -> bool {
        self == Self::September2026
    }

    /// Association batch archive answers a body in the date versions, nothing in v4. Source: sheet sections 2 and 7.
    pub(super) fn archive_answers_body(self) -> bool {
        self.is_dated()
    }
}
