//! From a path to what it asks for: one table for v3, v4 and the date versions. Source: section 2.

use std::collections::BTreeMap;

use super::kind::{Kind, Version};

/// The part of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    Objects,
    Associations,
    Owners,
    Properties,
    Pipelines,
    Lists,
    Account,
    Oauth,
}

impl Area {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "objects" => Some(Self::Objects),
            "associations" => Some(Self::Associations),
            "owners" => Some(Self::Owners),
            "properties" => Some(Self::Properties),
            "pipelines" => Some(Self::Pipelines),
            "lists" => Some(Self::Lists),
            _ => None,
        }
    }
}

/// What a request is to the limits and to the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    List,
    Read,
    Search,
    BatchRead,
    Write,
    BatchWrite,
    AssociationRead,
    AssociationBatchRead,
    AssociationWrite,
    AssociationBatchWrite,
    Owners,
    Schema,
    Lists,
    ListWrite,
    Account,
    Oauth,
}

impl Class {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Read => "read",
            Self::Search => "search",
            Self::BatchRead => "batch_read",
            Self::Write => "write",
            Self::BatchWrite => "batch_write",
            Self::AssociationRead => "association_read",
            Self::AssociationBatchRead => "association_batch_read",
            Self::AssociationWrite => "association_write",
            Self::AssociationBatchWrite => "association_batch_write",
            Self::Owners => "owners",
            Self::Schema => "schema",
            Self::Lists => "lists",
            Self::ListWrite => "list_write",
            Self::Account => "account",
            Self::Oauth => "oauth",
        }
    }
}

/// A located request.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) area: Area,
    pub(super) version: Version,
    pub(super) rest: Vec<String>,
    pub(super) class: Class,
    pub(super) is_reading: bool,
}

impl Route {
    /// `None` for a path that no version has.
    pub(super) fn locate(method: &str, path: &str) -> Option<Self> {
        let mut parts: Vec<String> = path.trim_start_matches('/').split('/').map(decode).collect();
        if parts.last().is_some_and(String::is_empty) {
            parts.pop();
        }
        if parts.iter().any(String::is_empty) {
            return None;
        }
        let (area, version, taken) = match parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["crm", second, third, ..] => match (Version::parse(second), Version::parse(third)) {
                (Some(version), _) if !version.is_dated() => (Area::parse(third)?, version, 3),
                (None, Some(version)) if version.is_dated() => (Area::parse(second)?, version, 3),
                _ => return None,
            },
            ["account-info", version, "details"] => (Area::Account, Version::parse(version)?, 3),
            ["oauth", version, ..] => (Area::Oauth, Version::parse(version)?, 2),
            _ => return None,
        };
        let rest = parts.split_off(taken);
        let is_association = area == Area::Associations
            || (area == Area::Objects && rest.len() >= 3 && rest.get(2).is_some_and(|part| part == "associations"));
        let fits = match version {
            Version::V1 => area == Area::Oauth,
            Version::V3 => !is_association,
            Version::V4 => is_association,
            Version::March2026 | Version::September2026 => true,
        };
        let class = classify(method, area, &rest, is_association);
        let is_reading = match class {
            Class::Search | Class::BatchRead | Class::AssociationBatchRead | Class::Account | Class::Oauth => true,
            Class::Lists => true,
            _ => method == "GET",
        };
        fits.then_some(Self { area, version, rest, class, is_reading })
    }

    /// The scopes it needs. Source: section 1.
    pub(super) fn scopes(&self) -> Vec<String> {
        let writing = !self.is_reading;
        let kind = self.rest.first().and_then(|text| Kind::parse(text));
        match self.area {
            Area::Objects => kind.map(|kind| kind.scopes(writing)).unwrap_or_default(),
            Area::Associations => {
                let other = self.rest.get(1).and_then(|text| Kind::parse(text));
                kind.into_iter().chain(other).flat_map(|kind| kind.scopes(writing)).collect()
            }
            Area::Owners => vec!["crm.objects.owners.read".to_owned()],
            Area::Lists => vec![format!("crm.lists.{}", if writing { "write" } else { "read" })],
            Area::Properties | Area::Pipelines => {
                let name = kind.map_or("contacts", |kind| match kind {
                    Kind::Company => "companies",
                    Kind::Deal => "deals",
                    Kind::Lead => "leads",
                    Kind::Contact | Kind::Task | Kind::Note | Kind::Call | Kind::Email | Kind::Meeting => "contacts",
                });
                vec![format!("crm.schemas.{name}.{}", if writing { "write" } else { "read" })]
            }
            Area::Account | Area::Oauth => Vec::new(),
        }
    }
}

fn classify(method: &str, area: Area, rest: &[String], is_association: bool) -> Class {
    let tail: Vec<&str> = rest.iter().map(String::as_str).collect();
    match area {
        Area::Associations => match tail[..] {
            [_, _, "batch", "read"] => Class::AssociationBatchRead,
            [_, _, "batch", ..] => Class::AssociationBatchWrite,
            _ if method == "GET" => Class::AssociationRead,
            _ => Class::AssociationWrite,
        },
        Area::Objects if is_association => {
            if method == "GET" {
                Class::AssociationRead
            } else {
                Class::AssociationWrite
            }
        }
        Area::Objects => match tail[..] {
            [_, "search"] => Class::Search,
            [_, "batch", "read"] => Class::BatchRead,
            [_, "batch", _] => Class::BatchWrite,
            [_] if method == "GET" => Class::List,
            _ if method == "GET" => Class::Read,
            _ => Class::Write,
        },
        Area::Owners => Class::Owners,
        Area::Properties | Area::Pipelines => Class::Schema,
        Area::Lists => match tail[..] {
            ["search" | "all" | "idmapping" | "records", ..] => Class::Lists,
            _ if method == "GET" => Class::Lists,
            _ => Class::ListWrite,
        },
        Area::Account => Class::Account,
        Area::Oauth => Class::Oauth,
    }
}

/// Percent-decodes one segment.
fn decode(segment: &str) -> String {
    // A plus sign stands for itself in a path.
    let literal = segment.replace('+', "%2B");
    url::form_urlencoded::parse(format!("x={}", literal.replace('&', "%26")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// The query: every value of each name; commas separate values too.
#[derive(Debug, Default)]
pub(super) struct Query(BTreeMap<String, Vec<String>>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            all.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        Self(all)
    }

    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|values| values.first()).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn many(&self, name: &str) -> Vec<&str> {
        let values = self.0.get(name).into_iter().flatten();
        values.flat_map(|value| value.split(',')).map(str::trim).filter(|value| !value.is_empty()).collect()
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.one(name) == Some("true")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_stand_where_the_sheet_puts_them() {
        let check = |path: &str, expected: Option<(Area, Version)>| {
            let found = Route::locate("GET", path).map(|route| (route.area, route.version));
            assert_eq!(found, expected, "{path}");
        };
        check("/crm/v3/objects/contacts", Some((Area::Objects, Version::V3)));
        check("/crm/objects/2026-09/contacts/12", Some((Area::Objects, Version::September2026)));
        check("/crm/v4/objects/contacts/1/associations/companies", Some((Area::Objects, Version::V4)));
        check("/crm/v3/objects/contacts/1/associations/companies", None);
        check("/crm/v4/objects/contacts/1", None);
        check("/crm/v4/associations/contacts/companies/batch/read", Some((Area::Associations, Version::V4)));
        check("/crm/2026-09/objects/contacts", None);
        check("/crm/objects/v3/contacts", None);
        check("/crm/v3/owners/", Some((Area::Owners, Version::V3)));
        check("/account-info/2026-03/details", Some((Area::Account, Version::March2026)));
        check("/oauth/v1/token", Some((Area::Oauth, Version::V1)));
    }
}
