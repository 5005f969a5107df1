//! A CRM's time against ours.
//!
//! Ours have milliseconds. Some CRMs show whole seconds, cut and not rounded, so that what a person did a moment after
//! Baton reads as done up to a second before it, and would be taken for old news for good.
//! Source: Odoo 19, trap 2 of its fact sheet: times are stored with microseconds and shown without.

use jiff::Timestamp;

/// Did what a CRM dates `theirs` happen at `ours` or later, as far as `theirs` can tell?
///
/// A time without a fraction may have been cut, so the whole of its second counts as "or later"; a CRM that shows
/// fractions is compared exactly.
#[must_use]
pub fn is_since(theirs: Timestamp, ours: Timestamp) -> bool {
    theirs >= ours || is_same_cut_second(theirs, ours)
}

/// Does a time without a fraction leave open whether it was before or after `ours`, which is later in the same second?
#[must_use]
pub fn is_same_cut_second(theirs: Timestamp, ours: Timestamp) -> bool {
    theirs < ours && theirs.subsec_nanosecond() == 0 && theirs.as_second() == ours.as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_may_have_been_cut_counts_as_after_within_its_second() {
        let check = |theirs: i64, ours: i64, since: bool, open: bool| {
            let at = |ms: i64| Timestamp::from_millisecond(ms).unwrap();
            assert_eq!(is_since(at(theirs), at(ours)), since, "{theirs} since {ours}");
            assert_eq!(is_same_cut_second(at(theirs), at(ours)), open, "{theirs} in the second of {ours}");
        };
        check(5_000, 5_500, true, true);
        check(5_000, 5_000, true, false);
        check(6_000, 5_500, true, false);
        check(4_000, 5_500, false, false);
        check(5_200, 5_500, false, false);
        check(5_700, 5_500, true, false);
    }
}
