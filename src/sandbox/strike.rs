//! Which requests a fault strikes, and how often: the same words for every sandbox.

use serde::{Deserialize, Serialize};

/// Which requests a fault may strike. Everything left out matches everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Place {
    /// The HTTP method, in capitals.
    pub method: Option<String>,
    /// A part of the path, of Salesforce's behind the version and with its query; `*` stands for anything: `/contacts/*/associations`,
    /// `/v2/persons`, `query*FROM Lead`.
    pub path: Option<String>,
}

impl Place {
    /// Requests whose path contains `path` (`*` stands for anything).
    #[must_use]
    pub fn path(path: &str) -> Self {
        Self { method: None, path: Some(path.to_owned()) }
    }

    /// As [`Place::path`], for one method only.
    #[must_use]
    pub fn method(method: &str, path: &str) -> Self {
        Self { method: Some(method.to_owned()), path: Some(path.to_owned()) }
    }

    pub(super) fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted == method)
            && self.path.as_deref().is_none_or(|pattern| contains_pattern(path, pattern))
    }
}

fn contains_pattern(text: &str, pattern: &str) -> bool {
    let mut rest = text;
    pattern.split('*').all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

/// How often a fault strikes among the requests that match.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// How many matching requests pass first.
    pub skip: u32,
    /// How many are struck; `None` = all from then on.
    pub times: Option<u32>,
    /// The chance of each, 0 to 1.
    pub probability: f64,
    /// Seeds the dice.
    pub seed: u64,
}

impl Default for When {
    fn default() -> Self {
        Self { skip: 0, times: None, probability: 1.0, seed: 1 }
    }
}

impl When {
    /// The next `times` matching requests.
    #[must_use]
    pub fn times(times: u32) -> Self {
        Self { times: Some(times), ..Self::default() }
    }

    /// Each matching request with this chance, 0 to 1, by seeded dice.
    #[must_use]
    pub fn chance(probability: f64, seed: u64) -> Self {
        Self { probability, seed, ..Self::default() }
    }
}
