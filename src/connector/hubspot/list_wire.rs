//! HubSpot's JSON of lists and who is on them. Source: section 10.5.

use super::wire::{Paging, Text};

/// `GET /crm/lists/V/object-type-id/0-1/name/{name}`.
#[derive(serde::Deserialize)]
pub(super) struct ListFound<'a> {
    #[serde(borrow)]
    pub(super) list: List<'a>,
}

/// A list.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List<'a> {
    #[serde(borrow)]
    pub(super) list_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) processing_type: Option<Text<'a>>,
}

/// The answer to a change of a list's members.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Membership<'a> {
    /// The spelling is HubSpot's.
    #[serde(borrow, default)]
    pub(super) records_ids_added: Vec<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) record_ids_removed: Vec<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) record_ids_missing: Vec<Text<'a>>,
}

/// The lists that a record is on.
#[derive(serde::Deserialize)]
pub(super) struct ListsOf<'a> {
    #[serde(borrow)]
    pub(super) results: Vec<ListRef<'a>>,
}

/// One of them.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListRef<'a> {
    #[serde(borrow)]
    pub(super) list_id: Text<'a>,
}

/// A page of a list's members.
#[derive(serde::Deserialize)]
pub(super) struct Members<'a> {
    #[serde(borrow)]
    pub(super) results: Vec<Member<'a>>,
    #[serde(borrow, default)]
    paging: Option<Paging<'a>>,
}

/// One of them.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Member<'a> {
    #[serde(borrow)]
    pub(super) record_id: Text<'a>,
}

impl Members<'_> {
    pub(super) fn after(&self) -> Option<String> {
        self.paging.as_ref()?.after()
    }
}
