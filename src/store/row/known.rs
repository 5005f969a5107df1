//! What a record says of each field: most of every body, and so written and read in one go, without a tree between.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::json::{write_text, write_whole};
use super::{Body, Json, Read, no_json, variant, wrong};
use crate::domain::field::{Field, Known, Value};

impl Body for Value {
    fn write(&self) -> Json<'_> {
        match self {
            Self::Text(text) => Json::from(&**text),
            // As text: what reads JSON numbers may be off by the last bit, and this is the shortest text that is not.
            Self::Number(number) => Json::tagged("n", Json::from(format!("{number:?}"))),
            Self::Flag(flag) => Json::from(*flag),
        }
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        match json {
            Json::Text(text) => Ok(Self::Text(text.as_ref().into())),
            Json::Flag(flag) => Ok(Self::Flag(*flag)),
            other => match variant(other) {
                Ok(("n", Json::Text(text))) => {
                    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
                    number.map_or_else(|| wrong("a number", json), |number| Ok(Self::Number(number)))
                }
                _ => wrong("a value", json),
            },
        }
    }
}

impl Body for Known {
    fn write(&self) -> Json<'_> {
        Json::from([self.field.write(), self.value.write(), self.at.write()])
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        match json.as_list() {
            Some([field, value, at]) => {
                Ok(Self { field: Body::read(field)?, value: Body::read(value)?, at: Body::read(at)? })
            }
            _ => wrong("a known value", json),
        }
    }
    fn write_list(list: &[Self]) -> Json<'_> {
        if list.is_empty() {
            return Json::List(Vec::new());
        }
        let mut out = String::with_capacity(48 * list.len());
        for known in list {
            out.push(if out.is_empty() { '[' } else { ',' });
            out.push('[');
            write_text(known.field.name(), &mut out);
            out.push(',');
            match &known.value {
                Value::Text(text) => write_text(text, &mut out),
                number_or_flag @ (Value::Number(_) | Value::Flag(_)) => number_or_flag.write().write_to(&mut out),
            }
            out.push(',');
            write_whole(known.at.as_millisecond(), &mut out);
            out.push(']');
        }
        out.push(']');
        Json::Raw(Cow::Owned(out))
    }
    fn read_raw(list: &str) -> Read<Vec<Self>> {
        let rows: Vec<Row> = serde_json::from_str(list).map_err(no_json)?;
        Ok(rows.into_iter().map(|Row(known)| known).collect())
    }
}

/// `["lead.country","DE",1764374400000]`
struct Row(Known);

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Three;
        impl<'de> Visitor<'de> for Three {
            type Value = Row;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field, its value and since when")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Row, A::Error> {
                let short = || A::Error::custom("a known value has three parts");
                let FieldNamed(field) = seq.next_element()?.ok_or_else(short)?;
                let Said(value) = seq.next_element()?.ok_or_else(short)?;
                let at: i64 = seq.next_element()?.ok_or_else(short)?;
                let at = Timestamp::from_millisecond(at).map_err(|_| A::Error::custom("no instant"))?;
                if seq.next_element::<serde::de::IgnoredAny>()?.is_some() {
                    return Err(short());
                }
                Ok(Row(Known { field, value, at }))
            }
        }
        deserializer.deserialize_seq(Three)
    }
}

struct FieldNamed(Field);

impl<'de> Deserialize<'de> for FieldNamed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Named;
        impl Visitor<'_> for Named {
            type Value = FieldNamed;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field's name")
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<FieldNamed, E> {
                Field::parse(name).map(FieldNamed).ok_or_else(|| E::custom("no such field"))
            }
        }
        deserializer.deserialize_str(Named)
    }
}

struct Said(Value);

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Said;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a flag or a number")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Said, E> {
                Ok(Said(Value::Text(text.into())))
            }
            fn visit_bool<E: Error>(self, flag: bool) -> Result<Said, E> {
                Ok(Said(Value::Flag(flag)))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Said, A::Error> {
                let no_number = || A::Error::custom("no number");
                let (name, text): (Cow<'de, str>, Cow<'de, str>) = map.next_entry()?.ok_or_else(no_number)?;
                let number = text.parse().ok().filter(|number: &f64| number.is_finite()).filter(|_| name == "n");
                if map.next_key::<serde::de::IgnoredAny>()?.is_some() {
                    return Err(no_number());
                }
                number.map(|number| Said(Value::Number(number))).ok_or_else(no_number)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str) -> Read<Vec<Known>> {
        Known::read_raw(list)
    }

    #[test]
    fn in_one_go_or_through_the_tree_is_the_same() {
        let at = Timestamp::from_millisecond(1_764_374_400_123).unwrap();
        let values = [
            (Field::Title, Value::Text("a \"b\" \\ c\n\u{1}é".into())),
            (Field::Employees, Value::Number(0.1 + 0.2)),
            (Field::OptedOut, Value::Flag(false)),
        ];
        let list: Vec<Known> = values.into_iter().map(|(field, value)| Known { field, value, at }).collect();
        let mut text = String::new();
        Known::write_list(&list).write_to(&mut text);
        let mut tree = String::new();
        Json::List(list.iter().map(Body::write).collect()).write_to(&mut tree);
        assert_eq!(text, tree);
        assert_eq!(read(&text).unwrap(), list);
        let parsed: Vec<Json<'_>> = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed.iter().map(Known::read).collect::<Read<Vec<_>>>().unwrap(), list);
    }

    #[test]
    fn what_is_no_list_of_known_values_is_refused_without_its_value() {
        for list in [
            r#"["lead.title"]"#,
            r#"[["lead.title","secret"]]"#,
            r#"[["lead.title","secret",1,2]]"#,
            r#"[["lead.nothing","secret",1]]"#,
            r#"[["lead.title",{"m":"secret"},1]]"#,
            r#"[["lead.title",{"n":"secret"},1]]"#,
            r#"[["lead.title",{"n":"inf"},1]]"#,
            r#"[["lead.title",{"n":"1.0","o":"secret"},1]]"#,
            r#"[["lead.title",["secret"],1]]"#,
            r#"[["lead.title","secret","secret"]]"#,
            r#"[["lead.title","secret",99999999999999999]]"#,
            r#"[["lead.title","secret",1]"#,
        ] {
            let error = read(list).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
