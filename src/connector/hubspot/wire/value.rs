//! Values that come in more than one form.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// A value that HubSpot sends as text, and in places as a number: ids, property values. Source: sections 3 and 7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::connector::hubspot) struct Text<'a>(pub(in crate::connector::hubspot) Cow<'a, str>);

impl Text<'_> {
    pub(in crate::connector::hubspot) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a number")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(if flag { "true" } else { "false" })))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
                // Beyond that a float has been rounded already: another id, or another amount, would stand in its place.
                if number.abs() < FLOAT_WHOLE_MAX {
                    return Ok(Text(Cow::Owned(number.to_string())));
                }
                Err(E::custom("a number with more digits than can be kept"))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Up to here a float holds every whole number: 2^53.
const FLOAT_WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// A JSON object as pairs in the order of the answer; `null` is an empty one. Faster than a map for the few dozen
/// properties of a record.
#[derive(Clone, Debug)]
pub(in crate::connector::hubspot) struct Pairs<'a, V>(pub(in crate::connector::hubspot) Vec<(Cow<'a, str>, V)>);

impl<V> Default for Pairs<'_, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> Pairs<'_, V> {
    pub(in crate::connector::hubspot) fn get(&self, name: &str) -> Option<&V> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Pairs<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Object<V> {
            type Value = Pairs<'de, V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Pairs::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::with_capacity(32);
                while let Some(Text(name)) = map.next_key()? {
                    pairs.push((name, map.next_value()?));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_any(Object(PhantomData))
    }
}

/// Text or a list of texts; anything else is nothing.
#[derive(Clone, Debug, Default)]
pub(in crate::connector::hubspot) struct OneOrMany<'a>(pub(in crate::connector::hubspot) Vec<Text<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for OneOrMany<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Either<'a> {
            #[serde(borrow)]
            Many(Vec<Text<'a>>),
            #[serde(borrow)]
            One(Text<'a>),
            Other(IgnoredAny),
        }
        Ok(Self(match Either::deserialize(deserializer)? {
            Either::Many(values) => values,
            Either::One(value) => vec![value],
            Either::Other(_) => Vec::new(),
        }))
    }
}
