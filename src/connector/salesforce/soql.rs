//! Builds SOQL: conditions are values, and every literal knows how it is written. Pure. Source: the sheet, section 5.
//!
//! REST has no bind parameters, so a query is a text after all; this is the one place that makes it. A name is one of the
//! allowed letters or no name, an id is fifteen or eighteen letters and digits or no id, and a text is escaped.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// An id of any object. Nothing but letters and digits can be in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id(String);

impl Id {
    /// `text`, if it is an id. Source: section 5, "Literals and escaping".
    pub(super) fn parse(text: &str) -> Option<Self> {
        let fits = matches!(text.len(), 15 | 18) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        fits.then(|| Self(text.to_owned()))
    }

    /// The id's text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is an id of. Source: section 4.
    pub(super) fn prefix(&self) -> &str {
        &self.0[..3]
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an object or a field, with its path: `Owner.Type`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Column(String);

impl Column {
    /// `text`, if it is a name. Source: section 5.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_name = |part: &str| {
            part.starts_with(|letter: char| letter.is_ascii_alphabetic())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        (text.len() <= 255 && text.split('.').all(is_name)).then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A value in a query.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Id(Id),
    Text(String),
    /// Whole seconds, as stamps are.
    Moment(Timestamp),
    Flag(bool),
}

impl Literal {
    fn write(&self, out: &mut String) {
        let written = match self {
            Self::Id(id) => write!(out, "'{id}'"),
            Self::Text(text) => {
                out.push('\'');
                escape(text, out);
                out.push('\'');
                Ok(())
            }
            Self::Moment(at) => write!(out, "{}", at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ")),
            Self::Flag(flag) => write!(out, "{flag}"),
        };
        // A text takes everything.
        debug_assert!(written.is_ok());
    }
}

/// Only these may stand behind a backslash; what controls a terminal is written by its number. Source: section 5.
fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => {
                let written = write!(out, "\\u{:04X}", u32::from(control));
                debug_assert!(written.is_ok());
            }
            other => out.push(other),
        }
    }
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    /// `column = value`, `column > value`.
    Is(&'static str, Sign, Literal),
    /// The same of a field that the settings or the org name.
    Of(Column, Sign, Literal),
    In(&'static str, Vec<Literal>),
    /// Begins with this text.
    Begins(Column, String),
    All(Vec<Self>),
    Any(Vec<Self>),
}

/// How two values stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Equal,
    Greater,
    AtLeast,
}

impl Sign {
    fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }
}

impl Condition {
    /// `column` is one of these ids.
    pub(super) fn ids<'a>(column: &'static str, ids: impl IntoIterator<Item = &'a Id>) -> Self {
        Self::In(column, ids.into_iter().cloned().map(Literal::Id).collect())
    }

    fn write(&self, out: &mut String) {
        let compare = |out: &mut String, column: &str, sign: Sign, value: &Literal| {
            out.push_str(column);
            out.push(' ');
            out.push_str(sign.as_str());
            out.push(' ');
            value.write(out);
        };
        match self {
            Self::Is(column, sign, value) => compare(out, column, *sign, value),
            Self::Of(column, sign, value) => compare(out, column.as_str(), *sign, value),
            Self::In(column, values) => {
                out.push_str(column);
                out.push_str(" IN (");
                for (at, value) in values.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { ", " });
                    value.write(out);
                }
                out.push(')');
            }
            Self::Begins(column, start) => {
                out.push_str(column.as_str());
                out.push_str(" LIKE '");
                let mut escaped = String::new();
                escape(start, &mut escaped);
                for letter in escaped.chars() {
                    if matches!(letter, '%' | '_') {
                        out.push('\\');
                    }
                    out.push(letter);
                }
                out.push_str("%'");
            }
            Self::All(all) => join(all, " AND ", out),
            Self::Any(all) => join(all, " OR ", out),
        }
    }
}

/// Each part in parentheses: AND and OR do not mix without them.
fn join(all: &[Condition], word: &str, out: &mut String) {
    for (at, one) in all.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { word });
        let is_whole = matches!(one, Condition::All(_) | Condition::Any(_)) && all.len() > 1;
        out.push_str(if is_whole { "(" } else { "" });
        one.write(out);
        out.push_str(if is_whole { ")" } else { "" });
    }
}

/// A query.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Query {
    pub(super) columns: Vec<Column>,
    pub(super) from: &'static str,
    pub(super) filter: Vec<Condition>,
    pub(super) order: &'static str,
    pub(super) limit: Option<usize>,
}

impl Query {
    /// All rows of `from`.
    pub(super) fn of(from: &'static str, columns: &[&str]) -> Self {
        let columns = columns.iter().filter_map(|column| Column::parse(column)).collect();
        Self { columns, from, filter: Vec::new(), order: "", limit: None }
    }

    /// Only those that fulfil this, too.
    pub(super) fn filter(mut self, condition: Condition) -> Self {
        self.filter.push(condition);
        self
    }

    /// In this order.
    pub(super) fn order(mut self, order: &'static str) -> Self {
        self.order = order;
        self
    }

    /// At most so many.
    pub(super) fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The query as it is sent.
    pub(super) fn text(&self) -> String {
        let mut out = String::from("SELECT ");
        for (at, column) in self.columns.iter().enumerate() {
            out.push_str(if at == 0 { "" } else { ", " });
            out.push_str(column.as_str());
        }
        out.push_str(" FROM ");
        out.push_str(self.from);
        self.finish(&mut out);
        out
    }

    /// The query that counts the same rows.
    pub(super) fn count(&self) -> String {
        let mut out = format!("SELECT COUNT() FROM {}", self.from);
        let uncounted = Self { order: "", limit: None, ..self.clone() };
        uncounted.finish(&mut out);
        out
    }

    fn finish(&self, out: &mut String) {
        if !self.filter.is_empty() {
            out.push_str(" WHERE ");
            join(&self.filter, " AND ", out);
        }
        if !self.order.is_empty() {
            out.push_str(" ORDER BY ");
            out.push_str(self.order);
        }
        if let Some(limit) = self.limit {
            out.push_str(" LIMIT ");
            out.push_str(&limit.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_query_is_written_as_the_sheet_has_it_section_5() {
        let at: Timestamp = "2026-11-20T17:40:19.9Z".parse().unwrap();
        let id = Id::parse("00Q5f000005bwLFEAY").unwrap();
        let query = Query::of("Lead", &["Id", "Owner.Type"])
            .filter(Condition::Any(vec![
                Condition::All(vec![
                    Condition::Is("SystemModstamp", Sign::Equal, Literal::Moment(at)),
                    Condition::Is("Id", Sign::Greater, Literal::Id(id.clone())),
                ]),
                Condition::Is("SystemModstamp", Sign::Greater, Literal::Moment(at)),
            ]))
            .filter(Condition::In("Email", vec![Literal::Text("o'hara\\@x.example".to_owned())]))
            .order("SystemModstamp, Id")
            .limit(5);
        assert_eq!(
            query.text(),
            "SELECT Id, Owner.Type FROM Lead WHERE ((SystemModstamp = 2026-11-20T17:40:19Z AND Id > '00Q5f000005bwLFEAY') OR \
             SystemModstamp > 2026-11-20T17:40:19Z) AND Email IN ('o\\'hara\\\\@x.example') ORDER BY SystemModstamp, Id LIMIT 5"
        );
        assert!(query.count().starts_with("SELECT COUNT() FROM Lead WHERE") && !query.count().contains("LIMIT"));
        let begins = Condition::Begins(Column::parse("BatonKey__c").unwrap(), "L-4_'%".to_owned());
        assert!(Query::of("Lead", &["Id"]).filter(begins).text().ends_with("BatonKey__c LIKE 'L-4\\_\\'\\%%'"));
    }

    #[test]
    fn what_is_no_name_or_id_cannot_be_part_of_a_query_fault_116() {
        for bad in ["", "1a", "a b", "a'", "a--", "a.", ".a", "Id FROM User", "a\u{e9}", "a,b", "a)"] {
            assert_eq!(Column::parse(bad), None, "{bad}");
        }
        for bad in [
            "",
            "00Q",
            "00Q5f000005bwL'",
            "00Q5f000005bwLFEA ",
            "00Q5f000005bwLFEAYx",
            "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
        ] {
            assert_eq!(Id::parse(bad), None, "{bad}");
        }
        assert!(Column::parse("Owner.Type").is_some() && Id::parse("00Q5f000005bwLF").is_some());
    }

    proptest! {
        /// Whatever a text holds, it ends where its own quote ends.
        #[test]
        fn no_text_leaves_its_quotes_fault_116(text in any::<String>()) {
            let mut out = String::new();
            Literal::Text(text.clone()).write(&mut out);
            let inner = &out[1..out.len() - 1];
            let mut letters = inner.chars();
            while let Some(letter) = letters.next() {
                prop_assert!(letter != '\'' && !letter.is_control(), "{out}");
                if letter == '\\' {
                    prop_assert!(matches!(letters.next(), Some('\\' | '\'' | 'n' | 'r' | 't' | 'u')), "{out}");
                }
            }
        }
    }
}
