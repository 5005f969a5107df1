//! Text files that people write: parsed with the place of every value, and problems that point at it (floor 1).
//!
//! Nothing here knows what the files mean. [`node`] turns TOML into values that know where they stand, [`reader`] walks
//! them and notices keys that nobody asked for; a [`Problem`] says what was found and what to write instead. Problems
//! are gathered, never returned at the first: a person mends a file once, not once for each mistake.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

pub mod node;
pub mod reader;
pub mod shape;

pub use node::{Node, Value};
pub use reader::Reader;

/// The largest file that is read, in bytes.
pub const SOURCE_BYTES_MAX: usize = 1024 * 1024;

/// A text file.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path, as people know it.
    pub path: String,
    /// What it holds.
    pub text: String,
}

impl Source {
    /// A file with this path and text.
    #[must_use]
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { path: path.into(), text: text.into() })
    }

    /// Line and column, both from 1, of a byte of the text; columns count characters.
    #[must_use]
    pub fn position(&self, byte: usize) -> (usize, usize) {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        let before = &self.text[..byte];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file, from one byte to another.
    Text(Arc<Source>, Range<usize>),
    /// In an environment variable.
    Variable(Arc<str>),
    /// A file as a whole: it is missing, or not text.
    File(Arc<str>),
}

impl Place {
    /// The same file at another range; any other place stays.
    #[must_use]
    pub fn at(&self, range: Range<usize>) -> Self {
        match self {
            Self::Text(source, _) => Self::Text(Arc::clone(source), range),
            Self::Variable(_) | Self::File(_) => self.clone(),
        }
    }

    fn order(&self) -> (&str, usize) {
        match self {
            Self::Text(source, range) => (&source.path, range.start),
            Self::Variable(name) => (name, 0),
            Self::File(path) => (path, 0),
        }
    }
}

impl fmt::Display for Place {
    /// `agreement.toml:12:5`, or the name of the variable.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(source, range) => {
                let (line, column) = source.position(range.start);
                write!(f, "{}:{line}:{column}", source.path)
            }
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::File(path) => f.write_str(path),
        }
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing starts.
    Error,
    /// Probably not what was meant.
    Warning,
}

/// Something that is wrong with a file or a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// The key: `handoff.commitments[0].within`.
    pub key: String,
    /// What was found.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// A problem for machines to read.
#[derive(Debug, Serialize)]
pub struct ProblemView {
    severity: Severity,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variable: Option<String>,
    /// From 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// From 1, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    key: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl Problem {
    /// The problem for machines to read.
    #[must_use]
    pub fn view(&self) -> ProblemView {
        let (file, variable, position) = match &self.place {
            Place::Text(source, range) => (Some(source.path.clone()), None, Some(source.position(range.start))),
            Place::Variable(name) => (None, Some(name.to_string()), None),
            Place::File(path) => (Some(path.to_string()), None, None),
        };
        ProblemView {
            severity: self.severity,
            file,
            variable,
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
            key: self.key.clone(),
            message: self.message.clone(),
            help: self.help.clone(),
        }
    }

    fn render(&self, renderer: &Renderer, hidden: &[(Arc<Source>, Range<usize>)]) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = match &self.place {
            Place::Text(..) => self.message.clone(),
            Place::Variable(_) | Place::File(_) => format!("{}: {}", self.place, self.message),
        };
        let group = level.primary_title(title);
        let mut group = match &self.place {
            Place::Text(source, range) => group.element(
                Snippet::source(masked(source, hidden))
                    .path(source.path.as_str())
                    .annotation(AnnotationKind::Primary.span(visible(&source.text, range))),
            ),
            Place::Variable(_) | Place::File(_) => annotate_snippets::Group::with_title(group),
        };
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

/// The text with hidden parts as asterisks, byte for byte so that ranges keep their meaning.
fn masked(source: &Arc<Source>, hidden: &[(Arc<Source>, Range<usize>)]) -> String {
    let is_hidden = |at: usize| hidden.iter().any(|(of, range)| Arc::ptr_eq(of, source) && range.contains(&at));
    let mask = |(at, found): (usize, char)| match found {
        '\n' | '\r' => found.to_string(),
        found if is_hidden(at) => "*".repeat(found.len_utf8()),
        found => found.to_string(),
    };
    if hidden.is_empty() { source.text.clone() } else { source.text.char_indices().map(mask).collect() }
}

/// A range on character boundaries that ends with its first line: an underlined block of a page helps nobody.
fn visible(text: &str, range: &Range<usize>) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(range.start);
    let end = floor(range.end).max(start);
    let line_end = text[start..end].find('\n').map_or(end, |at| start + at);
    start..if line_end > start { line_end } else { end }
}

/// Every problem found so far.
#[derive(Debug, Default)]
pub struct Problems {
    found: RefCell<Vec<Problem>>,
    hidden: RefCell<Vec<(Arc<Source>, Range<usize>)>>,
    /// What could not be read at all: nothing more is said of it.
    broken: RefCell<Vec<Place>>,
    /// The keys that readers asked for, where somebody wants to know.
    asked: Option<Box<RefCell<BTreeSet<String>>>>,
}

impl Problems {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// None yet; keeps which keys are asked for.
    #[must_use]
    pub fn noting_keys() -> Self {
        Self { asked: Some(Box::default()), ..Self::default() }
    }

    /// Every key that a reader asked for, by its path.
    #[must_use]
    pub fn asked(&self) -> BTreeSet<String> {
        self.asked.as_ref().map(|asked| asked.borrow().clone()).unwrap_or_default()
    }

    fn note_key(&self, path: impl FnOnce() -> String) {
        if let Some(asked) = &self.asked {
            asked.borrow_mut().insert(path());
        }
    }

    /// Adds one.
    pub fn add(&self, problem: Problem) {
        self.found.borrow_mut().push(problem);
    }

    /// Never shows what stands in `place`: a secret that somebody wrote into a file.
    pub fn hide(&self, place: &Place) {
        if let Place::Text(source, range) = place {
            self.hidden.borrow_mut().push((Arc::clone(source), range.clone()));
        }
    }

    /// Adds an error about text that could not be read; what else its place seems to lack only follows from that.
    pub fn broken(&self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.note(Severity::Error, place.clone(), "", message.into(), help.into());
        self.broken.borrow_mut().push(place);
    }

    /// Adds an error.
    pub fn error(&self, place: Place, key: &str, message: impl Into<String>, help: impl Into<String>) {
        self.note(Severity::Error, place, key, message.into(), help.into());
    }

    /// Adds a warning.
    pub fn warning(&self, place: Place, key: &str, message: impl Into<String>, help: impl Into<String>) {
        self.note(Severity::Warning, place, key, message.into(), help.into());
    }

    fn note(&self, severity: Severity, place: Place, key: &str, message: String, help: String) {
        if self.broken.borrow().contains(&place) {
            return;
        }
        let help = (!help.is_empty()).then_some(help);
        self.add(Problem { severity, place, key: key.to_owned(), message, help });
    }

    /// Is there an error among them?
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.found.borrow().iter().any(|problem| problem.severity == Severity::Error)
    }

    /// How many errors there are.
    #[must_use]
    pub fn error_count(&self) -> usize {
        self.found.borrow().iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    /// All of them, by file and place.
    #[must_use]
    pub fn list(&self) -> Vec<Problem> {
        let mut problems = self.found.borrow().clone();
        problems.sort_by(|a, b| a.place.order().cmp(&b.place.order()));
        problems
    }

    /// All of them as text for people: place, underlined span, what to write instead. `styled` = with colours.
    #[must_use]
    pub fn render(&self, styled: bool) -> String {
        let hidden = self.hidden.borrow();
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        let rendered: Vec<String> = self.list().iter().map(|problem| problem.render(&renderer, &hidden)).collect();
        rendered.join("\n\n")
    }

    /// All of them for machines.
    #[must_use]
    pub fn views(&self) -> Vec<ProblemView> {
        self.list().iter().map(Problem::view).collect()
    }
}

/// The candidate that `name` was probably meant to be: few edits away for its length.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let edits_max = (name.chars().count() / 3).clamp(1, 3);
    let distances = candidates.into_iter().map(|candidate| (distance(&name, &candidate.to_lowercase()), candidate));
    distances.filter(|(edits, _)| *edits <= edits_max).min_by_key(|(edits, _)| *edits).map(|(_, found)| found)
}

/// "did you mean `x`?", or the whole choice if it is short, or `otherwise`.
pub fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>, otherwise: &str) -> String {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    match nearest(name, candidates.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if candidates.len() == 1 => format!("the only one is {}", choice(&candidates)),
        None if !candidates.is_empty() && candidates.len() <= 12 => format!("one of {}", choice(&candidates)),
        None => otherwise.to_owned(),
    }
}

/// `` `a`, `b` or `c` ``
#[must_use]
pub fn choice(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|name| format!("`{name}`")).collect();
            format!("{} or `{last}`", first.join(", "))
        }
    }
}

/// Edits (one character put in, left out, changed, or swapped with its neighbour) between two names.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(80).collect(), b.chars().take(80).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_name_is_a_few_edits_away() {
        let names = ["routing", "handoff", "company.employees"];
        assert_eq!(nearest("handof", names), Some("handoff"));
        assert_eq!(nearest("ruoting", names), Some("routing"));
        assert_eq!(nearest("company.employes", names), Some("company.employees"));
        assert_eq!(nearest("x", names), None);
    }

    #[test]
    fn positions_count_lines_and_characters() {
        let source = Source::new("a", "ä = 1\nöö = 2\n");
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position("ä = 1\nöö".len()), (2, 3));
        assert_eq!(source.position(10_000), (3, 1));
    }

    #[test]
    fn problems_come_in_the_order_of_the_files() {
        let source = Source::new("b.toml", "one = 1\ntwo = 2\n");
        let problems = Problems::new();
        problems.error(Place::Text(Arc::clone(&source), 8..11), "two", "second", "");
        problems.warning(Place::Text(source, 0..3), "one", "first", "write 1");
        problems.error(Place::File("a.toml".into()), "", "cannot be read", "");
        let order: Vec<String> = problems.list().into_iter().map(|problem| problem.message).collect();
        assert_eq!(order, ["cannot be read", "first", "second"]);
        let text = problems.render(false);
        assert!(text.contains("b.toml:2:1") && text.contains("^^^") && text.contains("help: write 1"), "{text}");
        assert_eq!(problems.error_count(), 2);
    }
}
