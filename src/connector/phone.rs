//! Telephone numbers as CRMs hold them -> E.164, and the key that a person is recognised by. Pure.
//!
//! Countries, their lengths and the digits that are dialled in front come from `phonelib`, whose tables are those of
//! Google's libphonenumber; it needs no other crate and no state.

use phonelib::PhoneNumber;

use crate::domain::field::{Field, Known};
use crate::domain::identity;
use crate::domain::record::Key;

/// The number in E.164; `country` (ISO 3166-1 alpha-2) is where a number without its country's code is dialled. An extension
/// is left out. `None` if it is no number, or nobody says of which country.
#[must_use]
pub fn e164(text: &str, country: Option<&str>) -> Option<String> {
    let number = match country {
        Some(country) => PhoneNumber::parse_with_country(text, country).or_else(|| PhoneNumber::parse(text)),
        None => PhoneNumber::parse(text),
    };
    number.map(|number| number.e164().to_owned())
}

/// What a person with these values is recognised by: number and whole name together, see [`identity::phone_key`]. The
/// country is the person's own, else that of the connection.
#[must_use]
pub fn key(values: &[Known], country: Option<&str>) -> Option<Key> {
    let value = |field: Field| values.iter().find(|known| known.field == field).and_then(|known| known.value.as_text());
    let number = e164(value(Field::Phone)?, value(Field::Country).or(country))?;
    identity::phone_key(&number, value(Field::FirstName)?, value(Field::LastName)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::field::Value;

    #[test]
    fn numbers_have_one_form_however_they_are_written() {
        for (text, country, expected) in [
            ("+49 30 1234567", Some("DE"), Some("+49301234567")),
            ("030 / 1234567", Some("DE"), Some("+49301234567")),
            ("0049 (0)30 1234567", Some("DE"), Some("+49301234567")),
            ("+49 (0) 30 1234567", None, Some("+49301234567")),
            ("tel:+49-30-1234567", None, Some("+49301234567")),
            ("+49 30 1234567 ext. 12", Some("DE"), Some("+49301234567")),
            ("044 668 18 00", Some("CH"), Some("+41446681800")),
            ("06 12 34 56 78", Some("FR"), Some("+33612345678")),
            ("02 1234 5678", Some("IT"), Some("+390212345678")),
            ("06 1 234 5678", Some("HU"), Some("+3612345678")),
            ("8 912 345-67-89", Some("RU"), Some("+79123456789")),
            ("020 7946 0958", Some("GB"), Some("+442079460958")),
            ("(202) 555-0173", Some("US"), Some("+12025550173")),
            ("+1 202-555-0173", Some("DE"), Some("+12025550173")),
            ("030 1234567", None, None),
            ("n/a", Some("DE"), None),
            ("12", Some("DE"), None),
            ("", Some("DE"), None),
            ("+49 30 1234567", Some("XX"), Some("+49301234567")),
        ] {
            assert_eq!(e164(text, country).as_deref(), expected, "{text:?} in {country:?}");
        }
    }

    #[test]
    fn the_persons_own_country_goes_before_the_connections() {
        let at = jiff::Timestamp::UNIX_EPOCH;
        let known = |field, text: &str| Known { field, value: Value::text(text).unwrap(), at };
        let mut values =
            vec![known(Field::Phone, "044 668 18 00"), known(Field::FirstName, "Jane"), known(Field::LastName, "Roe")];
        assert_eq!(key(&values, None), None, "of which country?");
        assert_eq!(key(&values, Some("CH")).unwrap().value.as_str(), "+41446681800 jane roe");
        values.push(known(Field::Country, "CH"));
        assert_eq!(key(&values, Some("DE")).unwrap().value.as_str(), "+41446681800 jane roe");
        values.retain(|known| known.field != Field::LastName);
        assert_eq!(key(&values, Some("DE")), None, "half a name is none");
    }
}
