//! JSON as bodies use it: texts borrowed where they can be, objects as pairs in their order, no fractions.
//!
//! A general JSON value copies every key and every text and sorts the keys: that was a tenth of a full sync.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true`, `false`
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// A text.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Json<'a>>),
    /// An object, its pairs in order.
    Pairs(Vec<(Cow<'a, str>, Json<'a>)>),
    /// A list that is not taken apart: what a record says of each field is most of it, and is read and written in one go.
    Raw(Cow<'a, str>),
}

/// The key under which a list stays raw.
pub(super) const RAW: &str = "values";

impl<'a> Json<'a> {
    /// `{"name": body}`
    pub(super) fn tagged(name: &'a str, body: Json<'a>) -> Self {
        Self::Pairs(vec![(Cow::Borrowed(name), body)])
    }

    /// An object of the pairs that are neither null nor an empty list: most of a record is not there most of the time.
    pub fn object<const N: usize>(pairs: [(&'a str, Json<'a>); N]) -> Self {
        let is_there = |value: &Self| match value {
            Self::Null => false,
            Self::List(list) => !list.is_empty(),
            Self::Flag(_) | Self::Whole(_) | Self::Text(_) | Self::Pairs(_) | Self::Raw(_) => true,
        };
        let pairs = pairs.into_iter().filter(|(_, value)| is_there(value));
        Self::Pairs(pairs.map(|(key, value)| (Cow::Borrowed(key), value)).collect())
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.as_pairs()?.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    pub(super) fn as_pairs(&self) -> Option<&[(Cow<'a, str>, Self)]> {
        if let Self::Pairs(pairs) = self { Some(pairs) } else { None }
    }

    /// What it is, without its value: for errors.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Flag(_) => "a flag",
            Self::Whole(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) | Self::Raw(_) => "a list",
            Self::Pairs(_) => "an object",
        }
    }

    /// Its text, on one line.
    pub(super) fn write_to(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Flag(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Self::Whole(number) => write_whole(*number, out),
            Self::Raw(text) => out.push_str(text),
            Self::Text(text) => write_text(text, out),
            Self::List(list) => {
                out.push('[');
                for (at, one) in list.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    one.write_to(out);
                }
                out.push(']');
            }
            Self::Pairs(pairs) => {
                out.push('{');
                for (at, (key, value)) in pairs.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    write_text(key, out);
                    out.push(':');
                    value.write_to(out);
                }
                out.push('}');
            }
        }
    }
}

pub(super) fn write_whole(number: i64, out: &mut String) {
    use fmt::Write as _;
    write!(out, "{number}").expect("a string takes all text");
}

/// `text` in quotes, with what JSON wants escaped. All that is stored goes through here, byte by byte.
pub(super) fn write_text(text: &str, out: &mut String) {
    out.push('"');
    let (mut from, mut at) = (0, 0);
    while let Some(byte) = text.as_bytes().get(at).copied() {
        if byte < 0x20 || byte == b'"' || byte == b'\\' {
            out.push_str(&text[from..at]);
            match byte {
                b'"' => out.push_str("\\\""),
                b'\\' => out.push_str("\\\\"),
                b'\n' => out.push_str("\\n"),
                control => out.push_str(&format!("\\u{control:04x}")),
            }
            from = at + 1;
        }
        at += 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}

impl From<bool> for Json<'_> {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i64> for Json<'_> {
    fn from(number: i64) -> Self {
        Self::Whole(number)
    }
}

impl<'a> From<&'a str> for Json<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Json<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'a, const N: usize> From<[Json<'a>; N]> for Json<'a> {
    fn from(list: [Json<'a>; N]) -> Self {
        Self::List(list.into())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without fractions")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }
    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Json::Flag(flag))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Json::Whole(number))
    }
    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        i64::try_from(number).map(Json::Whole).map_err(|_| E::custom("a number is too large"))
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(one) = seq.next_element()? {
            list.push(one);
        }
        Ok(Json::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::with_capacity(8);
        while let Some(Key(key)) = map.next_key()? {
            let value = if key == RAW { list_or_any(map.next_value()?)? } else { map.next_value()? };
            pairs.push((key, value));
        }
        Ok(Json::Pairs(pairs))
    }
}

/// A list as it stands; anything else taken apart.
fn list_or_any<'de, E: Error>(raw: &'de RawValue) -> Result<Json<'de>, E> {
    if raw.get().starts_with('[') {
        return Ok(Json::Raw(Cow::Borrowed(raw.get())));
    }
    serde_json::from_str(raw.get()).map_err(E::custom)
}

/// A key, borrowed if it needs no unescaping.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(json: &Json<'_>) -> String {
        let mut out = String::new();
        json.write_to(&mut out);
        out
    }

    proptest! {
        /// Another reader reads every text as it was written, and no raw line break is in it.
        #[test]
        fn any_text_is_written_as_json_on_one_line(said in any::<String>()) {
            let written = text(&Json::from([Json::from(said.as_str()), Json::tagged(&said, Json::Null)]));
            prop_assert!(!written.contains('\n'));
            let read: serde_json::Value = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(read[0].as_str(), Some(said.as_str()));
            prop_assert!(read[1][&said].is_null());
            let again: Json<'_> = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(text(&again), written);
        }
    }

    #[test]
    fn numbers_are_whole_and_fit() {
        for (written, is_read) in [
            ("-9223372036854775808", true),
            ("9223372036854775807", true),
            ("9223372036854775808", false),
            ("1.5", false),
        ] {
            assert_eq!(serde_json::from_str::<Json<'_>>(written).is_ok(), is_read, "{written}");
        }
    }
}
