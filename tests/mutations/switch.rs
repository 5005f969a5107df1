//! Which safeguard is off: the one that the environment names. Stands in the scratch copy that `tests/mutations/run.sh` makes,
//! and nowhere else.

use std::sync::OnceLock;

/// Is the safeguard `name` off?
#[must_use]
pub fn off(name: &str) -> bool {
    static OFF: OnceLock<Option<String>> = OnceLock::new();
    OFF.get_or_init(|| std::env::var("BATON_MUTATION").ok()).as_deref() == Some(name)
}
