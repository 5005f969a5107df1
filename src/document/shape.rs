//! What a file may hold, said once as a value: editors get it as JSON Schema, and the readers are held against it.
//!
//! A reader asks for keys one by one and says what is wrong with them; that is more than a schema can say. What both know is
//! which keys there are. `tests/it/schema.rs` reads [samples](Shape::sample) made of a shape with the reader, and
//! compares what the reader asked for with what the shape has: neither can gain a key without the other.

use serde_json::{Map, Value, json};

/// What may stand somewhere in a file.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Text; the first part is one that could stand there.
    Text(&'static str),
    /// One of these words.
    Choice(Vec<&'static str>),
    /// A whole number within bounds.
    Integer(i64, i64),
    /// True or false.
    Flag,
    /// A date without quotes.
    Date,
    /// A list of what is alike.
    List(Box<Shape>),
    /// A table with these keys and no others.
    Table(Vec<Key>),
    /// A table with these keys, and others that people choose; the second part is one of those.
    Open(Vec<Key>, &'static str, Box<Shape>),
    /// One of several forms.
    Either(Vec<Shape>),
}

/// A key of a table.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it says, with its unit and default.
    pub about: &'static str,
    /// What stands there.
    pub shape: Shape,
    /// Must it be there?
    pub is_needed: bool,
}

impl Key {
    /// Is this the key that `steps` begin with, and do the rest lead on? Its own name may have dots, as fields' names do.
    fn leads(&self, steps: &[&str]) -> bool {
        let own = self.name.split('.').count();
        steps.len() >= own && steps[..own].iter().copied().eq(self.name.split('.')) && self.shape.leads(&steps[own..])
    }
}

/// A key that may be left out.
#[must_use]
pub fn key(name: &'static str, about: &'static str, shape: Shape) -> Key {
    Key { name, about, shape, is_needed: false }
}

/// A key that must be there.
#[must_use]
pub fn needed(name: &'static str, about: &'static str, shape: Shape) -> Key {
    Key { name, about, shape, is_needed: true }
}

/// A list of `shape`.
#[must_use]
pub fn list(shape: Shape) -> Shape {
    Shape::List(Box::new(shape))
}

/// A table whose keys people choose.
#[must_use]
pub fn named(sample: &'static str, shape: Shape) -> Shape {
    Shape::Open(Vec::new(), sample, Box::new(shape))
}

impl Shape {
    /// The JSON Schema (draft 2020-12) of a file of this shape.
    #[must_use]
    pub fn json_schema(&self, title: &str) -> Value {
        let mut schema = self.schema();
        if let Value::Object(members) = &mut schema {
            members.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
            members.insert("title".to_owned(), title.into());
        }
        schema
    }

    fn schema(&self) -> Value {
        match self {
            Self::Text(sample) => json!({ "type": "string", "minLength": 1, "examples": [sample] }),
            Self::Choice(words) => json!({ "type": "string", "enum": words }),
            Self::Integer(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Self::Flag => json!({ "type": "boolean" }),
            Self::Date => json!({ "type": "string", "format": "date" }),
            Self::List(of) => json!({ "type": "array", "items": of.schema() }),
            Self::Either(forms) => json!({ "anyOf": forms.iter().map(Self::schema).collect::<Vec<_>>() }),
            Self::Table(keys) => table(keys, false.into()),
            Self::Open(keys, _, of) => table(keys, of.schema()),
        }
    }

    /// A file with every key that this shape has, as TOML. Where there is a choice of words or forms it takes the one with
    /// the number `pick`, or the last.
    #[must_use]
    pub fn sample(&self, pick: usize) -> String {
        let Self::Table(keys) = self else { return self.value(pick) };
        let lines = keys.iter().map(|key| format!("{} = {}\n", quoted(key.name), key.shape.value(pick)));
        lines.collect()
    }

    fn value(&self, pick: usize) -> String {
        match self {
            Self::Text(sample) => format!("{sample:?}"),
            Self::Choice(words) => format!("{:?}", words.get(pick).or(words.last()).copied().unwrap_or_default()),
            Self::Integer(least, _) => least.to_string(),
            Self::Flag => "true".to_owned(),
            Self::Date => "2026-12-01".to_owned(),
            Self::List(of) => format!("[{}]", of.value(pick)),
            Self::Open(keys, sample, of) => {
                let other = format!("{} = {}", quoted(sample), of.value(pick));
                format!("{{ {} }}", pairs(keys, pick).chain([other]).collect::<Vec<_>>().join(", "))
            }
            Self::Either(forms) => forms.get(pick).or(forms.last()).map(|form| form.value(pick)).unwrap_or_default(),
            Self::Table(keys) => format!("{{ {} }}", pairs(keys, pick).collect::<Vec<_>>().join(", ")),
        }
    }

    /// Does a file of this shape have this key? `path` is as a reader names it: `handoff.commitments[0].within`.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        let steps = path.split('.').flat_map(|part| {
            let (name, indexes) = part.split_once('[').map_or((part, ""), |(name, rest)| (name, rest));
            std::iter::once(name).chain(indexes.split('[').filter(|index| !index.is_empty()).map(|_| "[]"))
        });
        let steps: Vec<&str> = steps.collect();
        self.leads(&steps)
    }

    fn leads(&self, steps: &[&str]) -> bool {
        let Some((first, rest)) = steps.split_first() else { return true };
        match self {
            Self::Either(forms) => forms.iter().any(|form| form.leads(steps)),
            Self::List(of) => *first == "[]" && of.leads(rest),
            Self::Table(keys) => keys.iter().any(|key| key.leads(steps)),
            Self::Open(keys, sample, of) => {
                let is_known = keys.iter().any(|key| key.leads(steps));
                // A name that people choose may have dots in it, as addresses do: it takes as many steps as it needs.
                let is_name = || dots_of_host(&steps.join(".")) == dots_of_host(sample);
                let fits = |taken: usize| of.leads(&rest[taken..]) && (taken < rest.len() || is_name());
                is_known || (*first != "[]" && (0..=rest.len()).any(fits))
            }
            Self::Text(_) | Self::Choice(_) | Self::Integer(..) | Self::Flag | Self::Date => false,
        }
    }

    /// Every key of closed tables, as a reader names it in a [sample](Self::sample) with this `pick`.
    #[must_use]
    pub fn keys(&self, pick: usize) -> Vec<String> {
        let mut found = Vec::new();
        self.gather("", pick, &mut found);
        found
    }

    fn gather(&self, path: &str, pick: usize, found: &mut Vec<String>) {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match self {
            Self::Table(keys) | Self::Open(keys, ..) => {
                for key in keys {
                    found.push(below(key.name));
                    key.shape.gather(&below(key.name), pick, found);
                }
                if let Self::Open(_, sample, of) = self {
                    of.gather(&below(sample), pick, found);
                }
            }
            Self::List(of) => of.gather(&format!("{path}[0]"), pick, found),
            Self::Either(forms) => {
                if let Some(form) = forms.get(pick).or(forms.last()) {
                    form.gather(path, pick, found);
                }
            }
            Self::Text(_) | Self::Choice(_) | Self::Integer(..) | Self::Flag | Self::Date => {}
        }
    }
}

fn table(keys: &[Key], others: Value) -> Value {
    let described = |key: &Key| {
        let mut schema = key.shape.schema();
        if let Value::Object(members) = &mut schema {
            members.insert("description".to_owned(), key.about.into());
        }
        (key.name.to_owned(), schema)
    };
    let properties: Map<String, Value> = keys.iter().map(described).collect();
    let required: Vec<&str> = keys.iter().filter(|key| key.is_needed).map(|key| key.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": others })
}

fn pairs(keys: &[Key], pick: usize) -> impl Iterator<Item = String> {
    keys.iter().map(move |key| format!("{} = {}", quoted(key.name), key.shape.value(pick)))
}

/// A key as TOML takes it.
fn quoted(name: &str) -> String {
    let is_bare = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if is_bare { name.to_owned() } else { format!("{name:?}") }
}

/// How many dots a chosen name has behind its `@`, or in all: by these a name is told from a name with a key behind it.
fn dots_of_host(name: &str) -> usize {
    name.rsplit_once('@').map_or(name, |(_, host)| host).matches('.').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        Shape::Table(vec![
            needed("name", "its name", Shape::Text("x")),
            key(
                "within",
                "a time",
                Shape::Either(vec![
                    Shape::Text("4 hours"),
                    list(Shape::Table(vec![key("time", "how long", Shape::Text("1 day"))])),
                ]),
            ),
            key("people", "by address", named("a@example.com", Shape::Table(vec![key("away", "days", Shape::Date)]))),
        ])
    }

    #[test]
    fn a_path_is_found_as_the_readers_name_it() {
        for (path, has) in [
            ("name", true),
            ("within", true),
            ("within[0].time", true),
            ("within[3].time", true),
            ("within.time", false),
            ("people.a@example.com.away", true),
            ("people.a@example.com.home", false),
            ("other", false),
            ("name.x", false),
        ] {
            assert_eq!(shape().has(path), has, "{path}");
        }
        assert_eq!(shape().keys(1), ["name", "within", "within[0].time", "people", "people.a@example.com.away"]);
    }

    #[test]
    fn a_sample_has_every_key_and_is_toml() {
        let text = shape().sample(1);
        assert!(text.parse::<toml::Table>().is_ok(), "{text}");
        assert!(text.contains("within = [{ time = \"1 day\" }]") && text.contains("\"a@example.com\""), "{text}");
        let schema = shape().json_schema("t");
        assert_eq!(
            schema["properties"]["within"]["anyOf"][1]["items"]["properties"]["time"]["description"],
            "how long"
        );
        assert_eq!((&schema["required"], &schema["additionalProperties"]), (&json!(["name"]), &json!(false)));
    }
}
