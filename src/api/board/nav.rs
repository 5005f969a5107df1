//! The way between the pages of the board, with what waits for a person.

use maud::{Markup, html};

use super::super::Api;
use crate::store::StoreError;

/// What waits for a person.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::api) struct Waits {
    /// Effects that are held.
    pub(in crate::api) effects: i64,
    /// Pairs of leads that may be one person.
    pub(in crate::api) pairs: i64,
}

impl Waits {
    /// As the store has it now.
    pub(in crate::api) async fn of(api: &Api) -> Result<Self, StoreError> {
        let store = api.engine.store();
        let effects = super::view::waiting(store).await?.iter().map(|waiting| waiting.effects).sum();
        Ok(Self { effects, pairs: store.pairs_count().await? })
    }
}

/// The pages, of which `at` is shown now.
pub(in crate::api) fn nav(at: &str, waits: &Waits) -> Markup {
    let pages = [
        ("/", "Board", 0),
        ("/plan", "Plan", waits.effects),
        ("/review", "Review", waits.pairs),
        ("/companies", "Companies", 0),
    ];
    html! {
        nav.pages aria-label="Pages" {
            @for (path, name, waiting) in pages {
                a href=(path) aria-current=[(path == at).then_some("page")] { (name) @if waiting > 0 { " " b title="wait for a person" { (waiting) } } }
            }
        }
    }
}
