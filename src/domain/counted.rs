//! Numbers with their nouns, in whatever is said to people: findings, screens, logs, errors.

use std::fmt::Display;

/// A number with its noun: `1 pair`, `2 pairs`.
#[must_use]
pub fn many<N: Copy + Display + PartialEq + From<u8>>(count: N, one: &str, many: &str) -> String {
    format!("{count} {}", noun(count, one, many))
}

/// The noun, where the number stands apart from it.
#[must_use]
pub fn noun<'a, N: Copy + PartialEq + From<u8>>(count: N, one: &'a str, many: &'a str) -> &'a str {
    if count == N::from(1) { one } else { many }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_said_of_one_alone() {
        assert_eq!(many(0_usize, "lead", "leads"), "0 leads");
        assert_eq!(many(1_i64, "lead", "leads"), "1 lead");
        assert_eq!(many(2_u32, "person", "people"), "2 people");
        assert_eq!(noun(1_u64, "write", "writes"), "write");
    }
}
