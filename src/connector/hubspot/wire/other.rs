//! What is no record: owners, associations read by themselves, the account, properties.

use super::{Paging, RowError, Text};

/// `GET /crm/owners/V`. Source: section 10.1.
#[derive(serde::Deserialize)]
pub(in crate::connector::hubspot) struct Owners<'a> {
    #[serde(borrow)]
    pub(in crate::connector::hubspot) results: Vec<Owner<'a>>,
    #[serde(borrow, default)]
    paging: Option<Paging<'a>>,
}

impl Owners<'_> {
    pub(in crate::connector::hubspot) fn after(&self) -> Option<String> {
        Some(self.paging.as_ref()?.next.as_ref()?.after.as_str().to_owned())
    }
}

/// An owner: records are assigned by `id`, histories name the `user_id`. Source: section 3.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::connector::hubspot) struct Owner<'a> {
    #[serde(borrow)]
    pub(in crate::connector::hubspot) id: Text<'a>,
    #[serde(borrow, default)]
    pub(in crate::connector::hubspot) email: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(in crate::connector::hubspot) first_name: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(in crate::connector::hubspot) last_name: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(in crate::connector::hubspot) user_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(in crate::connector::hubspot) user_id_including_inactive: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(in crate::connector::hubspot) updated_at: Option<Text<'a>>,
    #[serde(default)]
    pub(in crate::connector::hubspot) archived: Option<bool>,
}

/// The answer of an association batch read. Source: section 7.
#[derive(serde::Deserialize)]
pub(in crate::connector::hubspot) struct AssociationRows<'a> {
    #[serde(borrow)]
    pub(in crate::connector::hubspot) results: Vec<AssociationRow<'a>>,
    #[serde(borrow, default)]
    pub(in crate::connector::hubspot) errors: Option<Vec<RowError<'a>>>,
}

/// The associations of one record.
#[derive(serde::Deserialize)]
pub(in crate::connector::hubspot) struct AssociationRow<'a> {
    #[serde(borrow)]
    pub(in crate::connector::hubspot) from: Ided<'a>,
    #[serde(borrow, default)]
    pub(in crate::connector::hubspot) to: Vec<ToObject<'a>>,
    #[serde(borrow, default)]
    paging: Option<Paging<'a>>,
}

impl AssociationRow<'_> {
    /// Has the record more associations than the row shows?
    pub(in crate::connector::hubspot) fn has_more(&self) -> bool {
        self.paging.as_ref().is_some_and(|paging| paging.next.is_some())
    }
}

/// Something with an id.
#[derive(serde::Deserialize)]
pub(in crate::connector::hubspot) struct Ided<'a> {
    #[serde(borrow)]
    pub(in crate::connector::hubspot) id: Text<'a>,
}

/// The other end of an association; the id is a number in samples and text in the spec. Source: section 7.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::connector::hubspot) struct ToObject<'a> {
    #[serde(borrow)]
    pub(in crate::connector::hubspot) to_object_id: Text<'a>,
    #[serde(default)]
    pub(in crate::connector::hubspot) association_types: Vec<AssociationType>,
}

/// The type of an association.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::connector::hubspot) struct AssociationType {
    #[serde(default)]
    pub(in crate::connector::hubspot) type_id: i64,
}

/// `GET /crm/objects/V/{from}/{id}/associations/{to}`.
#[derive(serde::Deserialize)]
pub(in crate::connector::hubspot) struct AssociatedObjects<'a> {
    #[serde(borrow)]
    pub(in crate::connector::hubspot) results: Vec<ToObject<'a>>,
    #[serde(borrow, default)]
    paging: Option<Paging<'a>>,
}

impl AssociatedObjects<'_> {
    pub(in crate::connector::hubspot) fn after(&self) -> Option<String> {
        Some(self.paging.as_ref()?.next.as_ref()?.after.as_str().to_owned())
    }
}

/// `GET /account-info/V/details`. Source: section 1.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::connector::hubspot) struct Account<'a> {
    #[serde(borrow)]
    pub(in crate::connector::hubspot) portal_id: Text<'a>,
    #[serde(borrow, default)]
    pub(in crate::connector::hubspot) time_zone: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(in crate::connector::hubspot) account_type: Option<Text<'a>>,
}

/// `GET /crm/properties/V/{type}`. Source: section 10.7.
#[derive(serde::Deserialize)]
pub(in crate::connector::hubspot) struct PropertyList<'a> {
    #[serde(borrow)]
    pub(in crate::connector::hubspot) results: Vec<Property<'a>>,
}

/// A property's definition.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::connector::hubspot) struct Property<'a> {
    #[serde(borrow)]
    pub(in crate::connector::hubspot) name: Text<'a>,
    #[serde(borrow, rename = "type", default)]
    pub(in crate::connector::hubspot) kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(in crate::connector::hubspot) options: Option<Vec<Choice<'a>>>,
    #[serde(default)]
    pub(in crate::connector::hubspot) archived: Option<bool>,
    #[serde(default)]
    pub(in crate::connector::hubspot) modification_metadata: Option<Modification>,
}

/// One value that an enumeration may have.
#[derive(serde::Deserialize)]
pub(in crate::connector::hubspot) struct Choice<'a> {
    #[serde(borrow)]
    pub(in crate::connector::hubspot) value: Text<'a>,
    #[serde(borrow, default)]
    pub(in crate::connector::hubspot) label: Option<Text<'a>>,
}

/// What may be changed of a property.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::connector::hubspot) struct Modification {
    #[serde(default)]
    pub(in crate::connector::hubspot) read_only_value: bool,
}
