//! Pairs of leads that may be one person.

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::domain::alike::Evidence;
use crate::store::{Store, StoreError};

use super::Moment;

/// Two leads that may be one person.
#[derive(Clone, Debug, Serialize)]
pub struct PairView {
    /// `L-4`.
    pub lead: String,
    /// Its name or address.
    pub who: String,
    /// `L-9`.
    pub other: String,
    /// Its name or address.
    pub other_who: String,
    /// What speaks for it, in words, the strongest first.
    pub evidence: Vec<&'static str>,
    /// Since when it is known.
    pub since: Moment,
}

/// What a person should look at, the oldest first.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn pairs(store: &Store, zone: &TimeZone, limit: usize) -> Result<Vec<PairView>, StoreError> {
    let pairs = store.pairs(limit).await?.into_iter();
    let view = |pair: crate::store::Pair| PairView {
        lead: pair.lead.to_string(),
        who: pair.who.unwrap_or_else(|| "without a name".to_owned()),
        other: pair.other.to_string(),
        other_who: pair.other_who.unwrap_or_else(|| "without a name".to_owned()),
        evidence: pair.evidence.iter().copied().map(Evidence::words).collect(),
        since: Moment::new(pair.first_at, zone),
    };
    Ok(pairs.map(view).collect())
}
