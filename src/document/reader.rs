//! Walks a table of a document: notes what has the wrong type, and keys that nobody asked for.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use super::{Node, Place, Problems, Value, choice, nearest, suggest};

/// One table of a document, while it is read.
///
/// Every method that asks for a key marks it as known; [`Reader::finish`] then reports the others. A value of the wrong
/// type is a problem, and then reads as if it were missing, so that reading goes on.
#[derive(Debug)]
pub struct Reader<'a> {
    entries: &'a [(String, Node)],
    place: Place,
    path: String,
    problems: &'a Problems,
    asked: RefCell<BTreeSet<String>>,
    is_open: Cell<bool>,
}

impl<'a> Reader<'a> {
    /// The table `node`, which stands at `path`; `None` and a problem if it is none.
    pub fn of(node: &'a Node, path: &str, problems: &'a Problems) -> Option<Self> {
        match &node.value {
            Value::Table(entries) => Some(Self {
                entries,
                place: node.key_place.clone(),
                path: path.to_owned(),
                problems,
                asked: RefCell::default(),
                is_open: Cell::new(false),
            }),
            other => {
                let message = format!("`{path}` must be a table, not {}", other.kind());
                problems.error(node.place.clone(), path, message, format!("write it as `[{path}]` or `{{ ... }}`"));
                None
            }
        }
    }

    /// The path of `key` in the document.
    #[must_use]
    pub fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Where the table stands.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Where problems go.
    #[must_use]
    pub fn problems(&self) -> &'a Problems {
        self.problems
    }

    /// The value of `key`, whatever it is.
    pub fn get(&self, key: &str) -> Option<&'a Node> {
        self.asked.borrow_mut().insert(key.to_owned());
        self.problems.note_key(|| self.path(key));
        self.entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// Notes an error about `key`'s value.
    pub fn error(&self, key: &str, message: impl Into<String>, help: impl Into<String>) {
        let place = self.get(key).map_or(&self.place, |node| &node.place);
        self.problems.error(place.clone(), &self.path(key), message, help);
    }

    /// Notes a warning about `key`'s value.
    pub fn warning(&self, key: &str, message: impl Into<String>, help: impl Into<String>) {
        let place = self.get(key).map_or(&self.place, |node| &node.place);
        self.problems.warning(place.clone(), &self.path(key), message, help);
    }

    fn mistyped(&self, key: &str, node: &Node, wanted: &str) {
        let message = format!("`{key}` must be {wanted}, not {}", node.value.kind());
        let help = match (&node.value, wanted) {
            (Value::Integer(_) | Value::Float(_) | Value::Flag(_) | Value::Date(_), wanted)
                if wanted.contains("text") =>
            {
                "put it in quotes"
            }
            (Value::Text(_), wanted) if !wanted.contains("text") => "write it without quotes",
            _ => "",
        };
        self.problems.error(node.place.clone(), &self.path(key), message, help);
    }

    /// Notes that `key` is needed; `example` is what to write.
    pub fn missing(&self, key: &str, example: &str) {
        let table = if self.path.is_empty() { "the file".to_owned() } else { format!("`{}`", self.path) };
        let message = format!("{table} lacks `{key}`");
        self.problems.error(self.place.clone(), &self.path(key), message, format!("add `{key} = {example}`"));
    }

    /// A text that is not empty, with its node.
    pub fn text(&self, key: &str) -> Option<(&'a str, &'a Node)> {
        let node = self.get(key)?;
        match &node.value {
            Value::Text(text) if !text.trim().is_empty() => Some((text, node)),
            Value::Text(_) => {
                self.error(key, format!("`{key}` is empty"), "write something, or leave the key out");
                None
            }
            _ => {
                self.mistyped(key, node, "text");
                None
            }
        }
    }

    /// A text that must be there.
    pub fn needed(&self, key: &str, example: &str) -> Option<(&'a str, &'a Node)> {
        if self.get(key).is_none() {
            self.missing(key, example);
        }
        self.text(key)
    }

    /// A text that `parse` understands; else its complaint is noted: what is wrong, and what to write.
    pub fn parsed<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T, (String, String)>) -> Option<T> {
        let (text, node) = self.text(key)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err((message, help)) => {
                self.problems.error(node.place.clone(), &self.path(key), message, help);
                None
            }
        }
    }

    /// One of `choices`, by name.
    pub fn one_of<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        self.parsed(key, |text| {
            let found = choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
            found.ok_or_else(|| {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                (format!("`{text}` is no value of `{key}`"), suggest(text, names.clone(), &choice(&names)))
            })
        })
    }

    /// A whole number within `range`.
    pub fn integer(&self, key: &str, range: std::ops::RangeInclusive<i32>) -> Option<i32> {
        let node = self.get(key)?;
        let found = match &node.value {
            Value::Integer(found) => i32::try_from(*found).ok().filter(|found| range.contains(found)),
            // Variables hold nothing but text.
            Value::Text(text) if matches!(node.place, Place::Variable(_)) => {
                text.trim().parse().ok().filter(|found| range.contains(found))
            }
            _ => {
                self.mistyped(key, node, "a whole number");
                return None;
            }
        };
        if found.is_none() {
            let message = format!("`{key}` is out of range");
            self.error(key, message, format!("write a whole number from {} to {}", range.start(), range.end()));
        }
        found
    }

    /// A whole number that is not negative, within `range`.
    pub fn count(&self, key: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let bound = |bound: u32| i32::try_from(bound).unwrap_or(i32::MAX);
        self.integer(key, bound(*range.start())..=bound(*range.end())).and_then(|found| u32::try_from(found).ok())
    }

    /// True or false.
    pub fn flag(&self, key: &str) -> Option<bool> {
        let node = self.get(key)?;
        match &node.value {
            Value::Flag(flag) => return Some(*flag),
            Value::Text(text) if matches!(node.place, Place::Variable(_)) => {
                if let Ok(flag) = text.trim().to_ascii_lowercase().parse() {
                    return Some(flag);
                }
            }
            _ => {}
        }
        self.mistyped(key, node, "true or false");
        None
    }

    /// A list of anything.
    pub fn list(&self, key: &str) -> Option<&'a [Node]> {
        let node = self.get(key)?;
        if let Value::List(list) = &node.value {
            return Some(list);
        }
        self.mistyped(key, node, "a list");
        None
    }

    /// A list of texts, each with its node; none is empty.
    pub fn texts(&self, key: &str) -> Option<Vec<(&'a str, &'a Node)>> {
        let list = self.list(key)?;
        Some(list.iter().filter_map(|node| self.text_of(key, node)).collect())
    }

    /// The text of a list's member.
    pub fn text_of(&self, key: &str, node: &'a Node) -> Option<(&'a str, &'a Node)> {
        match &node.value {
            Value::Text(text) if !text.trim().is_empty() => Some((text, node)),
            Value::Text(_) => {
                self.problems.error(node.place.clone(), &self.path(key), "an empty text", "leave it out");
                None
            }
            _ => {
                self.mistyped(key, node, "a list of texts");
                None
            }
        }
    }

    /// Members of a list, each by the name of one of `choices`.
    pub fn some_of<T: Copy + PartialEq>(&self, key: &str, choices: &[(&str, T)]) -> Option<Vec<T>> {
        let mut found: Vec<T> = Vec::new();
        for (text, node) in self.texts(key)? {
            match choices.iter().find(|(name, _)| *name == text) {
                Some((_, value)) if found.contains(value) => {
                    self.problems.error(node.place.clone(), &self.path(key), format!("`{text}` twice"), "name it once");
                }
                Some((_, value)) => found.push(*value),
                None => {
                    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                    let help = suggest(text, names.clone(), &choice(&names));
                    let message = format!("`{text}` is no member of `{key}`");
                    self.problems.error(node.place.clone(), &self.path(key), message, help);
                }
            }
        }
        Some(found)
    }

    /// A table.
    pub fn table(&self, key: &str) -> Option<Reader<'a>> {
        let node = self.get(key)?;
        Reader::of(node, &self.path(key), self.problems)
    }

    /// A list of tables: `[[key]]` or `key = [{ ... }]`. Empty if the key is missing.
    pub fn tables(&self, key: &str) -> Vec<Reader<'a>> {
        let Some(node) = self.get(key) else { return Vec::new() };
        let Value::List(list) = &node.value else {
            self.mistyped(key, node, "a list of tables");
            return Vec::new();
        };
        let path = self.path(key);
        let readers =
            list.iter().enumerate().map(|(at, node)| Reader::of(node, &format!("{path}[{at}]"), self.problems));
        readers.flatten().collect()
    }

    /// Every entry, for tables whose keys are names that people choose.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Node)> + use<'a> {
        self.is_open.set(true);
        self.entries.iter().map(|(key, node)| (key.as_str(), node))
    }

    /// Refuses `key` by name if it is there: it is known, but this version does not act on it. `instead` says what serves
    /// meanwhile.
    pub fn later(&self, key: &str, what: &str, instead: &str) {
        if let Some((_, node)) = self.entries.iter().find(|(name, _)| name == key) {
            let version = env!("CARGO_PKG_VERSION");
            let message = format!("`{}` is not acted on by this version ({version}): {what}", self.path(key));
            let help = format!("take it out for now; {instead}");
            self.problems.error(node.key_place.clone(), &self.path(key), message, help);
        }
    }

    /// Reports every key that nobody asked for, with the nearest one that is known.
    pub fn finish(self) {
        if self.is_open.get() {
            return;
        }
        let asked = self.asked.borrow();
        for (key, node) in self.entries {
            let is_told = || self.problems.list().iter().any(|known| known.key == self.path(key));
            if asked.contains(key) || is_told() {
                continue;
            }
            let table = if self.path.is_empty() { String::new() } else { format!(" in `{}`", self.path) };
            let names: Vec<&str> = asked.iter().map(String::as_str).collect();
            let help = match nearest(key, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", names.join(", ")),
            };
            self.problems.error(node.key_place.clone(), &self.path(key), format!("unknown key `{key}`{table}"), help);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Source, node};
    use super::*;

    #[test]
    fn unknown_and_mistyped_keys_are_all_told() {
        let problems = Problems::new();
        let source = Source::new("a.toml", "nmae = 'x'\nsize = 'big'\nlater = 1\nkind = 'redd'\n");
        let root = node::parse(&source, &problems);
        let reader = Reader::of(&root, "", &problems).expect("a table");
        reader.text("name");
        reader.integer("size", 0..=9);
        reader.one_of("kind", &[("red", 1), ("blue", 2)]);
        reader.later("later", "nothing reads it", "write `now`");
        reader.finish();
        let told: Vec<String> = problems
            .list()
            .into_iter()
            .map(|p| format!("{} {} | {}", p.place, p.message, p.help.unwrap_or_default()))
            .map(|line| line.replace(env!("CARGO_PKG_VERSION"), "VERSION"))
            .collect();
        assert_eq!(
            told,
            [
                "a.toml:1:1 unknown key `nmae` | did you mean `name`?",
                "a.toml:2:8 `size` must be a whole number, not text | write it without quotes",
                "a.toml:3:1 `later` is not acted on by this version (VERSION): nothing reads it | take it out for now; write \
                 `now`",
                "a.toml:4:8 `redd` is no value of `kind` | did you mean `red`?",
            ]
        );
    }
}
