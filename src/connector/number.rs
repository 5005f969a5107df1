//! Numbers of CRMs, which come as text: never rounded in silence (fault 42).

/// The number that `text` says, if it can be kept as it is: finite, and read back digit for digit. A number with more digits than
/// that is none, because another one would be kept in its place.
pub(super) fn exact(text: &str) -> Option<f64> {
    let said = Decimal::of(text)?;
    let number: f64 = text.trim().parse().ok()?;
    (number.is_finite() && Decimal::of(&format!("{number}")) == Some(said)).then_some(number)
}

/// Do both say the same number? Compared digit for digit, so that two numbers that a float could not tell apart are two.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    let one = Decimal::of(one);
    one.is_some() && one == Decimal::of(other)
}

/// A decimal number without the freedom in how it is written: `-007.50`, `-7.5` and `-75e-1` are one.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    /// Without zeros at either end; empty = zero.
    digits: String,
    /// Where the point stands, counted from before the first digit.
    point: i64,
}

impl Decimal {
    fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        let (sign, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole, part].concat();
        if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
        let leading = all.len() - all.trim_start_matches('0').len();
        let digits = all.trim_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self { is_negative: false, digits, point: 0 });
        }
        Some(Self { is_negative: sign, digits, point: point - i64::try_from(leading).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_number_has_many_forms_and_two_numbers_are_two_fault_42() {
        for (one, other) in [
            ("7.5", "007.50"),
            ("-75e-1", "-7.5"),
            ("1.0E7", "10000000"),
            ("0", "-0.00"),
            ("+3", "3"),
            ("9007199254740993", "9007199254740993.0"),
        ] {
            assert!(is_same(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("9007199254740993", "9007199254740992"),
            ("7.5", "-7.5"),
            ("0.1", "0.10000000000000001"),
            ("12", "1.2"),
            ("NaN", "NaN"),
            ("", ""),
            ("inf", "inf"),
            ("1e", "1"),
            ("1.2.3", "1.2.3"),
        ] {
            assert!(!is_same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn what_a_float_cannot_hold_is_no_number_fault_42() {
        for text in ["0", "-1", "300", "1200000.5", "0.1", "9007199254740992", "1.0E7", "123456789012345"] {
            assert_eq!(exact(text), text.parse().ok(), "{text}");
        }
        for text in
            ["9007199254740993", "123456789012345678901", "0.1234567890123456789", "NaN", "inf", "1e999", "", "-"]
        {
            assert_eq!(exact(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_number_is_kept_as_it_was_said_or_not_at_all_fault_42(whole in any::<u64>(), part in 0..1_000_000u32) {
            let text = format!("{whole}.{part:06}");
            match exact(&text) {
                Some(number) => prop_assert!(is_same(&number.to_string(), &text), "{text} became {number}"),
                None => {
                    let number: f64 = text.parse().unwrap();
                    prop_assert!(!is_same(&number.to_string(), &text), "{text} could be kept");
                }
            }
        }

        #[test]
        fn every_whole_number_of_fifteen_digits_is_kept_fault_42(whole in -999_999_999_999_999i64..=999_999_999_999_999) {
            prop_assert!(exact(&whole.to_string()).is_some());
        }

        #[test]
        fn two_numbers_are_the_same_only_if_they_are_fault_42(one in any::<i128>(), other in any::<i128>()) {
            prop_assert_eq!(is_same(&one.to_string(), &other.to_string()), one == other);
            let longer = format!("{one}.000");
            prop_assert!(is_same(&one.to_string(), &longer));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = (exact(&text), is_same(&text, &text));
        }
    }
}
