//! The typed rule tree and its evaluation: missing is not false.
//!
//! The text of a rule (CEL syntax) is read in `agreement` (floor 2); what stands here is already resolved and typed, so
//! that judging a lead can neither fail nor loop. Logic is three-valued: a fact that nobody knows makes its comparison
//! [`Verdict::Unknown`], `false && unknown` is no, `true || unknown` is yes. Text is compared without regard to case.
//! Nothing here allocates while a rule is judged.

use std::cmp::Ordering;
use std::sync::Arc;

use super::field::{Field, FieldSet, Value};
use super::id::Name;

/// A checked rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The rule as written.
    pub text: Arc<str>,
    /// The fields it asks for.
    pub uses: FieldSet,
    test: Arc<Test>,
}

/// What a rule says of a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Yes,
    /// It does not hold.
    No,
    /// It cannot be said, because these facts are not known.
    Unknown(FieldSet),
}

impl Verdict {
    /// Settled: does it hold for certain? Unknown counts as no.
    #[must_use]
    pub fn is_yes(self) -> bool {
        self == Self::Yes
    }

    /// The facts that were missing; empty if it could be said.
    #[must_use]
    pub fn missing(self) -> FieldSet {
        match self {
            Self::Unknown(fields) => fields,
            Self::Yes | Self::No => FieldSet::default(),
        }
    }
}

impl From<bool> for Verdict {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// A condition, resolved and typed.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Holds always or never.
    Always(bool),
    /// Holds if the other does not.
    Not(Box<Test>),
    /// Every one holds; an empty list holds.
    All(Vec<Test>),
    /// At least one holds; an empty list does not.
    Any(Vec<Test>),
    /// The fact is known.
    Has(Field),
    /// A flag is set.
    Flag(Field),
    /// Two numbers compare so.
    Compare(Number, Comparison, Number),
    /// A text is one of these.
    TextIn(Field, Texts),
    /// Two facts are the same text.
    SameText(Field, Field),
    /// A text holds one of these words (or phrases) whole: `cto` is not in `director`.
    HasWord(Field, Texts),
    /// A text holds, starts or ends with a part.
    Part(Field, Place, Folded),
}

/// Where a part of a text must stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Anywhere.
    Anywhere,
    /// At the start.
    Start,
    /// At the end.
    End,
}

/// How two numbers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

impl Comparison {
    /// The comparison with its sides swapped: `a < b` is `b > a`.
    #[must_use]
    pub fn swapped(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::Less => Self::Greater,
            Self::AtMost => Self::AtLeast,
            Self::Greater => Self::Less,
            Self::AtLeast => Self::AtMost,
        }
    }

    fn holds(self, left: f64, right: f64) -> bool {
        #[expect(clippy::float_cmp, reason = "the agreement asks for equality; whole numbers are exact here")]
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::Greater => left > right,
            Self::AtLeast => left >= right,
        }
    }
}

/// A number, resolved and typed.
#[derive(Clone, Debug, PartialEq)]
pub enum Number {
    /// As written.
    Constant(f64),
    /// A fact.
    Field(Field),
    /// How often a signal happened; one that was never seen counts 0.
    Signal(Name),
    /// The other, negated.
    Negative(Box<Number>),
    /// Two numbers, worked together. Without a finite result (a division by 0), the facts used count as missing.
    Of(Box<Number>, Operation, Box<Number>),
}

/// What is done with two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
}

/// A text in lower case, ready to be compared with any spelling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Folded(Box<str>);

impl Folded {
    /// Folds `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.chars().flat_map(char::to_lowercase).collect())
    }

    /// The folded text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn order(&self, text: &str) -> Ordering {
        if self.0.is_ascii() && text.is_ascii() {
            return self.0.bytes().cmp(text.bytes().map(|byte| byte.to_ascii_lowercase()));
        }
        self.0.chars().cmp(text.chars().flat_map(char::to_lowercase))
    }

    fn is(&self, text: &str) -> bool {
        if self.0.is_ascii() && text.is_ascii() {
            return self.0.eq_ignore_ascii_case(text);
        }
        self.order(text) == Ordering::Equal
    }

    /// What follows this text at the start of `text`.
    fn rest<'a>(&self, text: &'a str) -> Option<&'a str> {
        let mut wanted = self.0.chars();
        let mut ahead = wanted.next();
        for (at, found) in text.char_indices() {
            if ahead.is_none() {
                return Some(&text[at..]);
            }
            for lower in found.to_lowercase() {
                if ahead != Some(lower) {
                    return None;
                }
                ahead = wanted.next();
            }
        }
        ahead.is_none().then_some("")
    }

    fn is_in(&self, text: &str) -> bool {
        if self.0.is_ascii() && text.is_ascii() {
            let (part, text) = (self.0.as_bytes(), text.as_bytes());
            return part.is_empty() || text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part));
        }
        self.0.is_empty() || text.char_indices().any(|(at, _)| self.rest(&text[at..]).is_some())
    }

    fn ends(&self, text: &str) -> bool {
        if self.0.is_ascii() && text.is_ascii() {
            let (part, text) = (self.0.as_bytes(), text.as_bytes());
            return text.len() >= part.len() && text[text.len() - part.len()..].eq_ignore_ascii_case(part);
        }
        self.0.is_empty() || text.char_indices().any(|(at, _)| self.rest(&text[at..]) == Some(""))
    }

    /// Does `text` hold this as whole words?
    fn is_word_of(&self, text: &str) -> bool {
        let mut before = None;
        for (at, found) in text.char_indices() {
            let is_start = !before.is_some_and(char::is_alphanumeric);
            if is_start
                && let Some(rest) = self.rest(&text[at..])
                && !rest.chars().next().is_some_and(char::is_alphanumeric)
            {
                return true;
            }
            before = Some(found);
        }
        false
    }
}

/// A set of texts in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts(Vec<Folded>);

impl Texts {
    /// Folds, sorts and dedups `texts`.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut folded: Vec<Folded> = texts.into_iter().map(Folded::new).collect();
        folded.sort();
        folded.dedup();
        Self(folded)
    }

    /// The texts, folded and sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Folded::as_str)
    }

    fn has(&self, text: &str) -> bool {
        match &self.0[..] {
            [] => false,
            few if few.len() <= 6 => few.iter().any(|one| one.is(text)),
            many => many.binary_search_by(|one| one.order(text)).is_ok(),
        }
    }
}

/// The facts a rule may ask for, as known of one lead at one time.
#[derive(Clone, Debug)]
pub struct Facts {
    values: [Option<Value>; Field::COUNT],
    signals: Vec<(Name, u32)>,
}

impl Default for Facts {
    fn default() -> Self {
        Self { values: std::array::from_fn(|_| None), signals: Vec::new() }
    }
}

impl Facts {
    /// Sets or clears one fact.
    pub fn set(&mut self, field: Field, value: Option<Value>) {
        self.values[field.index()] = value;
    }

    /// One fact, if known.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<&Value> {
        self.values[field.index()].as_ref()
    }

    /// How often a signal happened, for `signals.demo_request`; one that was never seen counts 0.
    pub fn set_signal(&mut self, name: Name, count: u32) {
        match self.signals.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = count,
            None => self.signals.push((name, count)),
        }
    }

    /// How often a signal happened.
    #[must_use]
    pub fn signal(&self, name: &Name) -> u32 {
        self.signals.iter().find(|(known, _)| known == name).map_or(0, |(_, count)| *count)
    }

    fn text(&self, field: Field) -> Result<&str, FieldSet> {
        self.get(field).and_then(Value::as_text).ok_or_else(|| only(field))
    }

    /// What `judge` says of a text, if it is known. A value of another type counts as not known, never as false.
    fn about(&self, field: Field, judge: impl FnOnce(&str) -> bool) -> Verdict {
        self.text(field).map_or_else(Verdict::Unknown, |text| judge(text).into())
    }

    fn number(&self, number: &Number) -> Result<f64, FieldSet> {
        match number {
            Number::Constant(constant) => Ok(*constant),
            Number::Field(field) => self.get(*field).and_then(Value::as_number).ok_or_else(|| only(*field)),
            Number::Signal(name) => Ok(f64::from(self.signal(name))),
            Number::Negative(inner) => self.number(inner).map(|value| -value),
            Number::Of(left, operation, right) => {
                let (left, right) = match (self.number(left), self.number(right)) {
                    (Ok(left), Ok(right)) => (left, right),
                    (Err(left), Err(right)) => return Err(left.union(right)),
                    (Err(missing), Ok(_)) | (Ok(_), Err(missing)) => return Err(missing),
                };
                let result = match operation {
                    Operation::Add => left + right,
                    Operation::Subtract => left - right,
                    Operation::Multiply => left * right,
                    Operation::Divide => left / right,
                };
                if result.is_finite() { Ok(result) } else { Err(number.uses()) }
            }
        }
    }
}

fn only(field: Field) -> FieldSet {
    let mut set = FieldSet::default();
    set.insert(field);
    set
}

impl Number {
    fn uses(&self) -> FieldSet {
        match self {
            Self::Constant(_) | Self::Signal(_) => FieldSet::default(),
            Self::Field(field) => only(*field),
            Self::Negative(inner) => inner.uses(),
            Self::Of(left, _, right) => left.uses().union(right.uses()),
        }
    }

    fn signals(&self, into: &mut Vec<Name>) {
        match self {
            Self::Constant(_) | Self::Field(_) => {}
            Self::Signal(name) => into.push(name.clone()),
            Self::Negative(inner) => inner.signals(into),
            Self::Of(left, _, right) => {
                left.signals(into);
                right.signals(into);
            }
        }
    }
}

impl Test {
    /// What the condition says of `facts`.
    #[must_use]
    pub fn eval(&self, facts: &Facts) -> Verdict {
        match self {
            Self::Always(holds) => (*holds).into(),
            Self::Not(inner) => match inner.eval(facts) {
                Verdict::Yes => Verdict::No,
                Verdict::No => Verdict::Yes,
                unknown @ Verdict::Unknown(_) => unknown,
            },
            Self::All(tests) => join(tests, facts, Verdict::No, Verdict::Yes),
            Self::Any(tests) => join(tests, facts, Verdict::Yes, Verdict::No),
            Self::Has(field) => facts.get(*field).is_some().into(),
            Self::Flag(field) => match facts.get(*field).and_then(Value::as_flag) {
                Some(flag) => flag.into(),
                None => Verdict::Unknown(only(*field)),
            },
            Self::Compare(left, comparison, right) => match (facts.number(left), facts.number(right)) {
                (Ok(left), Ok(right)) => comparison.holds(left, right).into(),
                (Err(left), Err(right)) => Verdict::Unknown(left.union(right)),
                (Err(missing), Ok(_)) | (Ok(_), Err(missing)) => Verdict::Unknown(missing),
            },
            Self::TextIn(field, texts) => facts.about(*field, |text| texts.has(text)),
            Self::SameText(left, right) => match (facts.text(*left), facts.text(*right)) {
                (Ok(left), Ok(right)) => {
                    let same = left.eq_ignore_ascii_case(right)
                        || left.chars().flat_map(char::to_lowercase).eq(right.chars().flat_map(char::to_lowercase));
                    same.into()
                }
                (Err(left), Err(right)) => Verdict::Unknown(left.union(right)),
                (Err(missing), Ok(_)) | (Ok(_), Err(missing)) => Verdict::Unknown(missing),
            },
            Self::HasWord(field, words) => facts.about(*field, |text| words.0.iter().any(|word| word.is_word_of(text))),
            Self::Part(field, place, part) => facts.about(*field, |text| match place {
                Place::Anywhere => part.is_in(text),
                Place::Start => part.rest(text).is_some(),
                Place::End => part.ends(text),
            }),
        }
    }

    /// The fields it asks for.
    #[must_use]
    pub fn uses(&self) -> FieldSet {
        match self {
            Self::Always(_) => FieldSet::default(),
            Self::Not(inner) => inner.uses(),
            Self::All(tests) | Self::Any(tests) => {
                tests.iter().fold(FieldSet::default(), |uses, test| uses.union(test.uses()))
            }
            Self::Has(field)
            | Self::Flag(field)
            | Self::TextIn(field, _)
            | Self::HasWord(field, _)
            | Self::Part(field, _, _) => only(*field),
            Self::Compare(left, _, right) => left.uses().union(right.uses()),
            Self::SameText(left, right) => only(*left).union(only(*right)),
        }
    }

    fn signals(&self, into: &mut Vec<Name>) {
        match self {
            Self::Not(inner) => inner.signals(into),
            Self::All(tests) | Self::Any(tests) => tests.iter().for_each(|test| test.signals(into)),
            Self::Compare(left, _, right) => {
                left.signals(into);
                right.signals(into);
            }
            Self::Always(_)
            | Self::Has(_)
            | Self::Flag(_)
            | Self::TextIn(..)
            | Self::SameText(..)
            | Self::HasWord(..)
            | Self::Part(..) => {}
        }
    }
}

/// Goes through `tests` until one says `decisive`; if none does, anything missing makes it unknown, else `otherwise`.
fn join(tests: &[Test], facts: &Facts, decisive: Verdict, otherwise: Verdict) -> Verdict {
    let mut missing = FieldSet::default();
    for test in tests {
        let verdict = test.eval(facts);
        if verdict == decisive {
            return decisive;
        }
        missing = missing.union(verdict.missing());
    }
    if missing.is_empty() { otherwise } else { Verdict::Unknown(missing) }
}

impl Rule {
    /// A rule from its text and what the text means.
    #[must_use]
    pub fn new(text: &str, test: Test) -> Self {
        Self { text: Arc::from(text), uses: test.uses(), test: Arc::new(test) }
    }

    /// What the rule says of `facts`.
    #[must_use]
    pub fn eval(&self, facts: &Facts) -> Verdict {
        self.test.eval(facts)
    }

    /// What the text means.
    #[must_use]
    pub fn test(&self) -> &Test {
        &self.test
    }

    /// The signals it counts, sorted, each once.
    #[must_use]
    pub fn signals(&self) -> Vec<Name> {
        let mut names = Vec::new();
        self.test.signals(&mut names);
        names.sort();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let mut facts = Facts::default();
        facts.set(Field::Employees, Some(Value::Number(120.0)));
        facts.set(Field::CompanyCountry, Value::text("DE"));
        facts.set(Field::Title, Value::text("Managing Director, Söhne & Co"));
        facts.set(Field::OptedOut, Some(Value::Flag(false)));
        facts.set_signal(Name::from("demo_request"), 2);
        facts
    }

    fn more_than(field: Field, bound: f64) -> Test {
        Test::Compare(Number::Field(field), Comparison::Greater, Number::Constant(bound))
    }

    fn check(test: &Test, expected: Verdict) {
        assert_eq!(test.eval(&facts()), expected, "{test:?}");
    }

    #[test]
    fn missing_is_not_false() {
        let unknown = || more_than(Field::Revenue, 1.0);
        let revenue = Verdict::Unknown(only(Field::Revenue));
        check(&unknown(), revenue);
        check(&Test::Not(Box::new(unknown())), revenue);
        check(&Test::All(vec![unknown(), Test::Always(false)]), Verdict::No);
        check(&Test::All(vec![unknown(), Test::Always(true)]), revenue);
        check(&Test::Any(vec![unknown(), Test::Always(true)]), Verdict::Yes);
        check(&Test::Any(vec![unknown(), Test::Always(false)]), revenue);
        check(&Test::Has(Field::Revenue), Verdict::No);
        let both = Test::All(vec![unknown(), Test::Flag(Field::IcpFits)]);
        check(&both, Verdict::Unknown(only(Field::Revenue).union(only(Field::IcpFits))));
    }

    #[test]
    fn a_value_of_another_type_is_missing() {
        check(&more_than(Field::Title, 1.0), Verdict::Unknown(only(Field::Title)));
        check(&Test::Flag(Field::Employees), Verdict::Unknown(only(Field::Employees)));
    }

    #[test]
    fn text_is_compared_without_regard_to_case() {
        check(&Test::TextIn(Field::CompanyCountry, Texts::new(["de", "at"])), Verdict::Yes);
        let many = (0..40).map(|i| format!("c{i}")).chain(["De".to_owned()]).collect::<Vec<_>>();
        check(&Test::TextIn(Field::CompanyCountry, Texts::new(many.iter().map(String::as_str))), Verdict::Yes);
        check(&Test::Part(Field::Title, Place::Start, Folded::new("MANAGING")), Verdict::Yes);
        check(&Test::Part(Field::Title, Place::End, Folded::new("söhne & CO")), Verdict::Yes);
        check(&Test::Part(Field::Title, Place::Anywhere, Folded::new("SÖHNE")), Verdict::Yes);
        check(&Test::Part(Field::Title, Place::Anywhere, Folded::new("intern")), Verdict::No);
    }

    #[test]
    fn words_are_whole() {
        let word = |word: &str| Test::HasWord(Field::Title, Texts::new([word]));
        check(&word("director"), Verdict::Yes);
        check(&word("managing director"), Verdict::Yes);
        check(&word("cto"), Verdict::No);
        check(&word("söhne"), Verdict::Yes);
        check(&word("hne"), Verdict::No);
    }

    #[test]
    fn a_division_by_zero_is_missing_not_false() {
        let ratio = Number::Of(
            Box::new(Number::Field(Field::Employees)),
            Operation::Divide,
            Box::new(Number::Signal(Name::from("never"))),
        );
        let test = Test::Compare(ratio, Comparison::Greater, Number::Constant(1.0));
        check(&test, Verdict::Unknown(only(Field::Employees)));
    }

    #[test]
    fn signals_count() {
        let test = |at_least| {
            let name = Name::from("demo_request");
            Test::Compare(Number::Signal(name), Comparison::AtLeast, Number::Constant(at_least))
        };
        check(&test(2.0), Verdict::Yes);
        check(&test(3.0), Verdict::No);
        assert_eq!(Rule::new("", test(1.0)).signals(), [Name::from("demo_request")]);
    }
}
