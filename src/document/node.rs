//! TOML as values that know where they stand.

use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::{Place, Problems, SOURCE_BYTES_MAX, Source};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands.
    pub place: Place,
    /// Where its key stands; its own place for members of a list.
    pub key_place: Place,
}

/// A value of a document.
#[derive(Clone, Debug)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// True or false.
    Flag(bool),
    /// A date, a time or both.
    Date(toml::value::Datetime),
    /// A list.
    List(Vec<Node>),
    /// A table, in the order of its keys.
    Table(Vec<(String, Node)>),
}

impl Value {
    /// What it is, for people.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::Date(_) => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Reads a file's text. Mistakes of syntax are noted, and what could still be read is returned.
#[must_use]
pub fn parse(source: &Arc<Source>, problems: &Problems) -> Node {
    let whole = Place::Text(Arc::clone(source), 0..0);
    let empty = Node { value: Value::Table(Vec::new()), place: whole.clone(), key_place: whole };
    if source.text.len() > SOURCE_BYTES_MAX {
        let message = format!("{} bytes, more than the {SOURCE_BYTES_MAX} that are read", source.text.len());
        problems.error(Place::File(source.path.as_str().into()), "", message, "");
        return empty;
    }
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    for error in errors {
        let range = error.span().unwrap_or(0..0);
        let help = match error.message() {
            message if message.contains("duplicate key") => "name each key once",
            _ => "text goes in quotes, dates do not; `#` starts a comment",
        };
        let place = Place::Text(Arc::clone(source), range);
        problems.broken(place, format!("not TOML: {}", error.message()), help);
    }
    let span = table.span();
    Node { value: convert_table(source, table.into_inner()), place: at(source, span), ..empty }
}

fn at(source: &Arc<Source>, range: Range<usize>) -> Place {
    Place::Text(Arc::clone(source), range)
}

fn convert_table(source: &Arc<Source>, table: DeTable<'_>) -> Value {
    let mut entries: Vec<(usize, String, Node)> = table
        .into_iter()
        .map(|(key, value)| {
            let key_span = key.span();
            let value_span = value.span();
            let node = Node {
                value: convert(source, value.into_inner()),
                place: at(source, value_span),
                key_place: at(source, key_span.clone()),
            };
            (key_span.start, key.into_inner().into_owned(), node)
        })
        .collect();
    entries.sort_by_key(|(start, _, _)| *start);
    Value::Table(entries.into_iter().map(|(_, key, node)| (key, node)).collect())
}

fn convert(source: &Arc<Source>, value: DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.into_owned()),
        // What does not fit 64 bits is no number that any key accepts; its text makes the complaint readable.
        DeValue::Integer(integer) => match i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()) {
            Ok(integer) => Value::Integer(integer),
            Err(_) => Value::Float(f64::INFINITY),
        },
        DeValue::Float(float) => Value::Float(float.as_str().replace('_', "").parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Flag(flag),
        DeValue::Datetime(date) => Value::Date(date),
        DeValue::Array(list) => Value::List(
            list.into_iter()
                .map(|member| {
                    let place = at(source, member.span());
                    Node { value: convert(source, member.into_inner()), key_place: place.clone(), place }
                })
                .collect(),
        ),
        DeValue::Table(table) => convert_table(source, table),
    }
}

impl Node {
    /// Where a part of a text value stands in the file: `range` counts bytes of the value, and escapes and line breaks of
    /// the file's own spelling are followed. The whole value if the spelling cannot be followed.
    #[must_use]
    pub fn within(&self, range: Range<usize>) -> Place {
        let (Place::Text(source, span), Value::Text(value)) = (&self.place, &self.value) else {
            return self.place.clone();
        };
        let Some(raw) = source.text.get(span.clone()) else { return self.place.clone() };
        match spelled(raw, value) {
            Some(map) => {
                let place_of = |at: usize| map.get(at.min(value.len())).copied();
                match (place_of(range.start), place_of(range.end.max(range.start))) {
                    (Some(from), Some(to)) => self.place.at(span.start + from..span.start + to.max(from + 1)),
                    _ => self.place.clone(),
                }
            }
            None => self.place.clone(),
        }
    }
}

/// For every byte of `value` (and the one after its last) the byte of `raw` that it was written with.
fn spelled(raw: &str, value: &str) -> Option<Vec<usize>> {
    let quotes = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| raw.starts_with(quotes))?;
    let mut at = quotes.len();
    let end = raw.len().checked_sub(quotes.len())?;
    if quotes.len() == 3 {
        at += if raw[at..].starts_with("\r\n") { 2 } else { usize::from(raw[at..].starts_with('\n')) };
    }
    let escapes = quotes.starts_with('"');
    let mut map = Vec::with_capacity(value.len() + 1);
    let mut wanted = value.chars();
    while at < end {
        let found = raw.get(at..end)?.chars().next()?;
        if escapes && found == '\\' {
            let escaped = raw.get(at + 1..end)?.chars().next()?;
            if escaped.is_whitespace() {
                at = end - raw[at + 1..end].trim_start().len();
                continue;
            }
            let length = match escaped {
                'x' => 4,
                'u' => 6,
                'U' => 10,
                _ => 2,
            };
            let decoded = wanted.next()?;
            map.extend(std::iter::repeat_n(at, decoded.len_utf8()));
            at += length;
        } else {
            let decoded = wanted.next()?;
            // A file with CRLF may have been read with LF.
            if decoded != found {
                if found == '\r' && decoded == '\n' {
                    map.push(at);
                    at += 2;
                    continue;
                }
                return None;
            }
            map.extend(at..at + found.len_utf8());
            at += found.len_utf8();
        }
    }
    map.push(end);
    (wanted.next().is_none() && map.len() == value.len() + 1).then_some(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, part: &str) {
        let source = Source::new("a.toml", text);
        let problems = Problems::new();
        let root = parse(&source, &problems);
        assert!(!problems.has_errors(), "{}", problems.render(false));
        let Value::Table(entries) = &root.value else { panic!("a document is a table") };
        let Value::Text(value) = &entries[0].1.value else { panic!("text") };
        let start = value.find(part).expect("the part is in the value");
        let Place::Text(_, range) = entries[0].1.within(start..start + part.len()) else { panic!("a place in text") };
        assert_eq!(&text[range], part, "{text}");
    }

    #[test]
    fn a_part_of_a_text_is_found_in_the_file() {
        check("a = \"one two\"", "two");
        check("a = 'one two'", "two");
        check("a = \"\\u00e4 \\\"x\\\" two\"", "two");
        check("a = \"\"\"\none \\\n   two\"\"\"", "two");
        check("a = '''\none\ntwo'''", "two");
        check("a = \"\"\"ä\r\ntwo\"\"\"", "two");
    }

    #[test]
    fn what_is_not_toml_is_told_with_its_place() {
        let problems = Problems::new();
        let source = Source::new("a.toml", "a = 1\nb = = 2\nc = 3\n");
        let root = parse(&source, &problems);
        assert!(problems.list()[0].place.to_string().starts_with("a.toml:2:"));
        assert!(matches!(root.value, Value::Table(_)));
    }
}
