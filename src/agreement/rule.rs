//! A rule's text -> a typed, bounded [`Rule`]. The `cel` crate reads the syntax; names, types and limits are ours, so that
//! what could go wrong for a lead is found when the file is read.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};

use crate::document::{Node, Problems, nearest, suggest};
use crate::domain::expr::{Comparison, Folded, Number, Operation, Place, Rule, Test, Texts};
use crate::domain::field::{Field, FieldType};
use crate::domain::id::Name;
use crate::domain::lead::Grade;
use crate::domain::stage::Stage;

/// The longest rule, in bytes.
pub const RULE_BYTES_MAX: usize = 4_000;
/// The deepest nesting of a rule.
pub const RULE_DEPTH_MAX: usize = 32;
/// The most parts (names, values, operators) of a rule.
pub const RULE_PARTS_MAX: usize = 500;

/// Where a rule stands: what is worked out later cannot be asked for earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// `[icp]`: knows the person, the company and the signals.
    Icp,
    /// `[score]`: knows `icp` too.
    Score,
    /// `[stages]`: knows `score` too.
    Stages,
    /// `[handoff]` and `[[routing]]`: know everything.
    Handoff,
}

impl Scope {
    /// Why `field` cannot be asked for here.
    fn refuses(self, field: Field) -> Option<&'static str> {
        let name = field.name();
        let is_handoff = name.starts_with("handoff.") && field != Field::Reason;
        match self {
            Self::Icp if name.starts_with("icp.") => Some("`[icp]` is what works `icp` out"),
            Self::Icp if name.starts_with("score.") => Some("the score is worked out after `[icp]`"),
            Self::Score if name.starts_with("score.") => Some("`[score]` is what works the score out"),
            Self::Icp | Self::Score | Self::Stages if is_handoff => Some("there is no hand-off yet when this is asked"),
            Self::Icp | Self::Score | Self::Stages | Self::Handoff => None,
        }
    }
}

/// The names that rules may use besides the fields.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) lists: BTreeMap<String, Vec<String>>,
    pub(super) lists_used: RefCell<BTreeSet<String>>,
    /// Signals that rules count, with the place of each mention.
    pub(super) signals_used: RefCell<Vec<(Name, crate::document::Place)>>,
}

/// Reads the rule in `node`; problems are noted under `key`.
pub(super) fn read(
    node: &Node,
    text: &str,
    key: &str,
    scope: Scope,
    names: &Names,
    problems: &Problems,
) -> Option<Rule> {
    let note = |range: Range<usize>, message: String, help: String| {
        problems.error(node.within(range), key, message, help);
    };
    if let Err((range, message, help)) = bounded(text) {
        note(range, message, help);
        return None;
    }
    let program = match cel::Program::compile(text) {
        Ok(program) => program,
        Err(errors) => {
            for error in errors.errors.iter().take(1) {
                let (range, message, help) = syntax(text, error.pos, &error.msg);
                note(range, message, help);
            }
            return None;
        }
    };
    let mut lowering =
        Lowering { text, info: program.source_info(), scope, names, node, failed: false, parts: 0, note: &note };
    let test = lowering.test(program.expression(), 0)?;
    (!lowering.failed).then(|| Rule::new(text, test))
}

type Complaint = (Range<usize>, String, String);

/// Looks at brackets and length before the parser does: it must never see what could exhaust it.
fn bounded(text: &str) -> Result<(), Complaint> {
    if text.len() > RULE_BYTES_MAX {
        let message = format!("this rule has {} bytes; {RULE_BYTES_MAX} are the most", text.len());
        return Err((0..1, message, "move long lists to `[lists]`, or split the rule".to_owned()));
    }
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, found) in text.char_indices() {
        match (quote, found) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(found),
            (None, '(' | '[' | '{') => {
                depth += 1;
                if depth > RULE_DEPTH_MAX {
                    let message = format!("nested more than {RULE_DEPTH_MAX} deep");
                    return Err((at..at + 1, message, "split the rule".to_owned()));
                }
            }
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, '?') => {
                let help = "write `(a && b) || (!a && c)`, or two rules";
                return Err((at..at + 1, "a rule has no `? :`".to_owned(), help.to_owned()));
            }
            (None, '`' | ';' | '#' | '@' | '$') => {
                return Err((at..at + 1, format!("`{found}` means nothing in a rule"), String::new()));
            }
            (None, _) => {}
        }
    }
    // Chains of these nest as deep as they are long.
    let mut chain = 0_usize;
    let (mut sums, mut words) = (0_usize, 0_usize);
    let (mut quote_open, mut before) = (None, ' ');
    for (at, found) in text.char_indices() {
        match (quote_open, found) {
            (Some(open), close) if open == close => quote_open = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => {
                quote_open = Some(found);
                chain = 0;
            }
            (None, '.' | '!' | '-') => chain += 1,
            (None, '(' | '[' | ',' | '&' | '|' | '<' | '>' | '=') => chain = 0,
            (None, _) => {}
        }
        sums += usize::from(matches!(found, '+' | '-' | '*' | '/' | '%') && quote_open.is_none());
        words += usize::from(found.is_alphanumeric() && !before.is_alphanumeric());
        before = found;
        if chain > RULE_DEPTH_MAX || sums > 2 * RULE_DEPTH_MAX || words > RULE_PARTS_MAX {
            let message = "a rule of too many parts".to_owned();
            return Err((at..at + found.len_utf8(), message, "split the rule".to_owned()));
        }
    }
    match quote {
        Some(open) => {
            let at = text.find(open).unwrap_or(0);
            Err((at..text.len(), format!("a text that is opened with {open} is not closed"), format!("add {open}")))
        }
        None => Ok(()),
    }
}

/// The parser's complaint in our words.
fn syntax(text: &str, (line, column): (isize, isize), said: &str) -> Complaint {
    let line_start: usize = text.split_inclusive('\n').take(usize::try_from(line - 1).unwrap_or(0)).map(str::len).sum();
    let rest = text.get(line_start..).unwrap_or("");
    let column = usize::try_from(column - 1).unwrap_or(0);
    let at = line_start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at);
    let found = said.split('\'').nth(1).unwrap_or("").trim();
    let trimmed = text.trim_end().len();
    if found == "<EOF>" || at >= trimmed {
        let help = "something must follow, such as a value or a closing bracket";
        return (trimmed.saturating_sub(1)..trimmed, "the rule ends too early".to_owned(), help.to_owned());
    }
    let end = (at + found.len().max(1)).min(text.len());
    let help = match found {
        "=" => "compare with `==`",
        "and" | "AND" => "write `&&`",
        "or" | "OR" => "write `||`",
        "not" | "NOT" => "write `!`",
        "&" => "write `&&`",
        "|" => "write `||`",
        "<>" => "write `!=`",
        _ if text[..at].trim_end().ends_with('=') => "compare with `==`",
        _ => "a rule reads like `company.employees >= 50 && company.country in ['DE', 'AT']`",
    };
    let shown =
        if found.is_empty() { &text[at..at + text[at..].chars().next().map_or(0, char::len_utf8)] } else { found };
    (at..end, format!("`{shown}` does not fit here"), help.to_owned())
}

struct Lowering<'a> {
    text: &'a str,
    info: &'a SourceInfo,
    scope: Scope,
    names: &'a Names,
    node: &'a Node,
    failed: bool,
    parts: usize,
    note: &'a dyn Fn(Range<usize>, String, String),
}

/// One side of a comparison.
enum Side {
    Text(Field),
    Words(String),
    Number(Number),
    Flag(Test),
}

impl Lowering<'_> {
    /// Notes a complaint about `of`.
    fn refuse<T>(&mut self, of: &IdedExpr, message: impl Into<String>, help: impl Into<String>) -> Option<T> {
        self.failed = true;
        let range = self.extent(of, 0).unwrap_or(0..self.text.len());
        (self.note)(range, message.into(), help.into());
        None
    }

    /// From the first to the last byte of a part.
    fn extent(&self, of: &IdedExpr, depth: usize) -> Option<Range<usize>> {
        let own = self.info.offset_for(of.id).map(|(start, stop)| start as usize..stop as usize + 1);
        if depth > RULE_PARTS_MAX {
            return own;
        }
        let join = |a: Option<Range<usize>>, b: Option<Range<usize>>| match (a, b) {
            (Some(a), Some(b)) => Some(a.start.min(b.start)..a.end.max(b.end)),
            (a, b) => a.or(b),
        };
        match &of.expr {
            Expr::Select(select) => {
                let named = own.map(|dot| {
                    let name = self.text[dot.end.min(self.text.len())..].find(&select.field).unwrap_or(0);
                    dot.start..dot.end + name + select.field.len()
                });
                let operand = self.extent(&select.operand, depth + 1);
                if select.test {
                    operand.map(|o| o.start..o.end + 1 + select.field.len())
                } else {
                    join(operand, named)
                }
            }
            Expr::Call(call) => {
                let target = call.target.as_ref().and_then(|target| self.extent(target, depth + 1));
                let parts = call.args.iter().fold(join(own, target), |all, arg| join(all, self.extent(arg, depth + 1)));
                let name = call.func_name.as_str();
                let is_named = call.target.is_none() && name.starts_with(|first: char| first.is_alphabetic());
                let closes = call.target.is_some() || is_named;
                let before = if is_named { name.len() } else { 0 };
                parts.map(|range| {
                    let bracket = self.text[range.end.min(self.text.len())..].find(')').unwrap_or(0);
                    if closes { range.start.saturating_sub(before)..range.end + bracket + 1 } else { range }
                })
            }
            Expr::List(list) => {
                let members = list.elements.iter().fold(own, |all, one| join(all, self.extent(one, depth + 1)));
                members.map(|range| {
                    let bracket = self.text[range.end.min(self.text.len())..].find(']').map_or(0, |at| at + 1);
                    range.start..range.end + bracket
                })
            }
            _ => own,
        }
    }

    fn enter(&mut self, of: &IdedExpr, depth: usize) -> Option<()> {
        self.parts += 1;
        if self.parts > RULE_PARTS_MAX {
            return self.refuse(of, format!("a rule of more than {RULE_PARTS_MAX} parts"), "split the rule");
        }
        if depth > RULE_DEPTH_MAX * 2 {
            return self.refuse(of, format!("nested more than {RULE_DEPTH_MAX} deep"), "split the rule");
        }
        Some(())
    }

    fn test(&mut self, of: &IdedExpr, depth: usize) -> Option<Test> {
        self.enter(of, depth)?;
        match &of.expr {
            Expr::Literal(LiteralValue::Boolean(flag)) => Some(Test::Always(*flag.inner())),
            Expr::Select(select) if select.test => {
                let operand = path(&select.operand).unwrap_or_default();
                let name = format!("{operand}.{}", select.field);
                if operand == "signals" {
                    let count = self.signal(of, &select.field);
                    return Some(Test::Compare(count, Comparison::Greater, Number::Constant(0.0)));
                }
                self.field(of, &name).map(Test::Has)
            }
            Expr::Select(_) | Expr::Ident(_) => match self.side(of, depth + 1)? {
                Side::Flag(test) => Some(test),
                Side::Text(field) => self.refuse(
                    of,
                    format!("`{field}` is text, not a condition"),
                    format!("write `{field} == '...'` or `has({field})`"),
                ),
                Side::Number(_) => {
                    let name = path(of).unwrap_or_default();
                    self.refuse(of, format!("`{name}` is a number, not a condition"), format!("write `{name} > 0`"))
                }
                Side::Words(_) => None,
            },
            Expr::Call(call) => self.call(of, call, depth),
            Expr::Comprehension(_) => {
                self.refuse(of, "a rule has no loops", "use `in [...]`, `lists.name` or `.has_word([...])`")
            }
            Expr::Literal(_) | Expr::List(_) => self.refuse(of, "a value, not a condition", "compare it with a field"),
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => self.refuse(of, "this means nothing in a rule", ""),
        }
    }

    fn call(&mut self, of: &IdedExpr, call: &CallExpr, depth: usize) -> Option<Test> {
        let name = call.func_name.as_str();
        if let (operators::LOGICAL_AND | operators::LOGICAL_OR, [left, right]) = (name, &call.args[..]) {
            let (left, right) = (self.test(left, depth + 1), self.test(right, depth + 1));
            return Some(if name == operators::LOGICAL_AND {
                let mut tests = Vec::new();
                for test in [left?, right?] {
                    if let Test::All(inner) = test { tests.extend(inner) } else { tests.push(test) }
                }
                Test::All(tests)
            } else {
                let mut tests = Vec::new();
                for test in [left?, right?] {
                    if let Test::Any(inner) = test { tests.extend(inner) } else { tests.push(test) }
                }
                Test::Any(tests)
            });
        }
        if let (operators::LOGICAL_NOT, [inner]) = (name, &call.args[..]) {
            return self.test(inner, depth + 1).map(|test| Test::Not(Box::new(test)));
        }
        if let (Some(comparison), [left, right]) = (comparison(name), &call.args[..]) {
            return self.compare(of, left, comparison, right, depth);
        }
        if let (operators::IN, [left, right]) = (name, &call.args[..]) {
            return self.membership(left, right, depth);
        }
        if let Some(target) = &call.target {
            return self.method(of, target, call, depth);
        }
        if arithmetic(name).is_some() || name == operators::NEGATE {
            return self.refuse(of, "a number, not a condition", "compare it with another number");
        }
        self.refuse(of, format!("a rule has no `{name}()`"), "only `has(...)` stands in front of a bracket")
    }

    fn method(&mut self, of: &IdedExpr, target: &IdedExpr, call: &CallExpr, depth: usize) -> Option<Test> {
        const METHODS: [&str; 4] = ["has_word", "contains", "startsWith", "endsWith"];
        let name = call.func_name.as_str();
        if !METHODS.contains(&name) {
            let help = suggest(name, METHODS, "");
            return self.refuse(of, format!("a rule has no `.{name}()`"), help);
        }
        let Side::Text(field) = self.side(target, depth + 1)? else {
            return self.refuse(
                target,
                format!("`.{name}()` asks about text"),
                "put a text field before it, such as `lead.title`",
            );
        };
        let [argument] = &call.args[..] else {
            return self.refuse(of, format!("`.{name}()` takes one argument"), format!("write `.{name}('...')`"));
        };
        if name == "has_word" {
            let words = self.texts(argument)?;
            return Some(Test::HasWord(field, Texts::new(words.iter().map(String::as_str))));
        }
        let Expr::Literal(LiteralValue::String(part)) = &argument.expr else {
            return self.refuse(argument, format!("`.{name}()` takes a text"), format!("write `.{name}('...')`"));
        };
        let place = match name {
            "startsWith" => Place::Start,
            "endsWith" => Place::End,
            _ => Place::Anywhere,
        };
        Some(Test::Part(field, place, Folded::new(part.inner())))
    }

    fn membership(&mut self, left: &IdedExpr, right: &IdedExpr, depth: usize) -> Option<Test> {
        match self.side(left, depth + 1)? {
            Side::Text(field) => {
                let texts = self.texts(right)?;
                for text in &texts {
                    self.fits(right, field, text);
                }
                Some(Test::TextIn(field, Texts::new(texts.iter().map(String::as_str))))
            }
            Side::Number(number) => {
                let Expr::List(list) = &right.expr else {
                    return self.refuse(right, "a number can only be in a list of numbers", "write `in [1, 2]`");
                };
                let mut tests = Vec::new();
                for one in &list.elements {
                    match self.side(one, depth + 1)? {
                        Side::Number(wanted @ Number::Constant(_)) => {
                            tests.push(Test::Compare(number.clone(), Comparison::Equal, wanted));
                        }
                        _ => return self.refuse(one, "not a number", "write numbers only"),
                    }
                }
                Some(Test::Any(tests))
            }
            Side::Words(_) | Side::Flag(_) => {
                self.refuse(left, "`in` asks about a text or number field", "write `company.country in ['DE', 'AT']`")
            }
        }
    }

    /// A list of texts, written out or named.
    fn texts(&mut self, of: &IdedExpr) -> Option<Vec<String>> {
        self.parts += 1;
        match &of.expr {
            Expr::List(list) => {
                let mut texts = Vec::new();
                for one in &list.elements {
                    match &one.expr {
                        Expr::Literal(LiteralValue::String(text)) => texts.push(text.inner().to_owned()),
                        _ => return self.refuse(one, "not a text", "write texts in quotes only"),
                    }
                }
                if texts.is_empty() {
                    return self.refuse(of, "an empty list matches nothing", "name at least one text");
                }
                Some(texts)
            }
            Expr::Literal(LiteralValue::String(text)) => Some(vec![text.inner().to_owned()]),
            Expr::Select(select) if path(&select.operand).as_deref() == Some("lists") => {
                let name = &select.field;
                self.names.lists_used.borrow_mut().insert(name.clone());
                match self.names.lists.get(name) {
                    Some(list) => Some(list.clone()),
                    None => {
                        let help = suggest(name, self.names.lists.keys().map(String::as_str), "add it to `[lists]`");
                        self.refuse(of, format!("no list is called `{name}`"), help)
                    }
                }
            }
            _ => self.refuse(of, "a list is needed here", "write `['a', 'b']` or `lists.name`"),
        }
    }

    fn compare(
        &mut self,
        of: &IdedExpr,
        left: &IdedExpr,
        how: Comparison,
        right: &IdedExpr,
        depth: usize,
    ) -> Option<Test> {
        let sides = (self.side(left, depth + 1), self.side(right, depth + 1));
        let (a, b) = (sides.0?, sides.1?);
        let equal = match how {
            Comparison::Equal => Some(true),
            Comparison::NotEqual => Some(false),
            Comparison::Less | Comparison::AtMost | Comparison::Greater | Comparison::AtLeast => None,
        };
        let signed = |test: Test, equal: bool| if equal { test } else { Test::Not(Box::new(test)) };
        match (a, b, equal) {
            (Side::Number(a), Side::Number(b), _) => Some(Test::Compare(a, how, b)),
            (Side::Text(field), Side::Words(text), Some(equal)) => {
                self.fits(right, field, &text);
                Some(signed(Test::TextIn(field, Texts::new([text.as_str()])), equal))
            }
            (Side::Words(text), Side::Text(field), Some(equal)) => {
                self.fits(left, field, &text);
                Some(signed(Test::TextIn(field, Texts::new([text.as_str()])), equal))
            }
            (Side::Text(a), Side::Text(b), Some(equal)) => Some(signed(Test::SameText(a, b), equal)),
            (Side::Flag(test), Side::Flag(Test::Always(wanted)), Some(equal))
            | (Side::Flag(Test::Always(wanted)), Side::Flag(test), Some(equal)) => Some(signed(test, wanted == equal)),
            (Side::Flag(_), Side::Flag(_), _) => {
                self.refuse(of, "two conditions cannot be compared", "use `&&`, `||` and `!`")
            }
            (Side::Text(_) | Side::Words(_), Side::Text(_) | Side::Words(_), None) => {
                self.refuse(of, "text has no order here", "compare text with `==`, `!=` or `in`")
            }
            (Side::Words(_), Side::Words(_), Some(_)) => {
                self.refuse(of, "two fixed texts are compared", "put a field on one side")
            }
            (a, b, _) => {
                let message = format!("{} is compared with {}", kind(&a), kind(&b));
                let help = match (&a, &b) {
                    (Side::Number(_), Side::Words(text)) | (Side::Words(text), Side::Number(_))
                        if text.trim().parse::<f64>().is_ok() =>
                    {
                        format!("write {} without quotes", text.trim())
                    }
                    (Side::Text(_), Side::Number(_)) | (Side::Number(_), Side::Text(_)) => {
                        "put the value in quotes, or compare a number field".to_owned()
                    }
                    _ => "compare like with like; docs/fields.md has the type of every field".to_owned(),
                };
                self.refuse(of, message, help)
            }
        }
    }

    fn side(&mut self, of: &IdedExpr, depth: usize) -> Option<Side> {
        self.enter(of, depth)?;
        match &of.expr {
            Expr::Literal(LiteralValue::String(text)) => Some(Side::Words(text.inner().to_owned())),
            Expr::Literal(LiteralValue::Boolean(flag)) => Some(Side::Flag(Test::Always(*flag.inner()))),
            Expr::Literal(LiteralValue::Double(number)) => Some(Side::Number(Number::Constant(*number.inner()))),
            #[expect(clippy::cast_precision_loss, reason = "an agreement's numbers are far below 2^52")]
            Expr::Literal(LiteralValue::Int(number)) => Some(Side::Number(Number::Constant(*number.inner() as f64))),
            #[expect(clippy::cast_precision_loss, reason = "an agreement's numbers are far below 2^52")]
            Expr::Literal(LiteralValue::UInt(number)) => Some(Side::Number(Number::Constant(*number.inner() as f64))),
            Expr::Literal(LiteralValue::Null) => {
                self.refuse(of, "a rule has no null: what nobody knows is missing", "ask with `has(...)`")
            }
            Expr::Select(select) if !select.test => {
                let Some(name) = path(of) else {
                    return self.refuse(of, "this is no name", "names read like `company.employees`");
                };
                if let Some(signal) = name.strip_prefix("signals.") {
                    return Some(Side::Number(self.signal(of, signal)));
                }
                if name.starts_with("lists.") {
                    return self.refuse(of, format!("`{name}` is a list"), format!("write `... in {name}`"));
                }
                let field = self.field(of, &name)?;
                Some(match field.kind() {
                    FieldType::Text => Side::Text(field),
                    FieldType::Number => Side::Number(Number::Field(field)),
                    FieldType::Flag => Side::Flag(Test::Flag(field)),
                })
            }
            Expr::Ident(name) => self.field(of, name).and(None),
            Expr::Call(call) => match (arithmetic(&call.func_name), call.func_name.as_str(), &call.args[..]) {
                (Some(operation), _, [left, right]) => {
                    let (left, right) = (self.number(left, depth + 1), self.number(right, depth + 1));
                    Some(Side::Number(Number::Of(Box::new(left?), operation, Box::new(right?))))
                }
                (None, operators::NEGATE, [inner]) => {
                    let inner = self.number(inner, depth + 1)?;
                    Some(Side::Number(Number::Negative(Box::new(inner))))
                }
                _ => self.call(of, call, depth).map(Side::Flag),
            },
            Expr::List(_) => self.refuse(of, "a list has its place only after `in`", "write `... in [...]`"),
            _ => self.test(of, depth).map(Side::Flag),
        }
    }

    fn number(&mut self, of: &IdedExpr, depth: usize) -> Option<Number> {
        match self.side(of, depth)? {
            Side::Number(number) => Some(number),
            other => self.refuse(of, format!("{} cannot be reckoned with", kind(&other)), "use number fields"),
        }
    }

    fn signal(&mut self, of: &IdedExpr, name: &str) -> Number {
        let name = Name::from(name);
        let range = self.extent(of, 0).unwrap_or(0..self.text.len());
        self.names.signals_used.borrow_mut().push((name.clone(), self.node.within(range)));
        Number::Signal(name)
    }

    fn field(&mut self, of: &IdedExpr, name: &str) -> Option<Field> {
        let Some(field) = Field::parse(name) else {
            let fields = || Field::ALL.iter().map(|field| field.name());
            let by_last = fields().find(|known| known.rsplit('.').next() == name.rsplit('.').next());
            let help = match nearest(name, fields()).or(by_last) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "docs/fields.md lists every field; signals are `signals.name`, lists `lists.name`".to_owned(),
            };
            return self.refuse(of, format!("no field is called `{name}`"), help);
        };
        match self.scope.refuses(field) {
            Some(why) => self.refuse(of, format!("`{field}` cannot be asked for here"), why),
            None => Some(field),
        }
    }

    /// Complains about a text that `field` can never hold in its normal form.
    fn fits(&mut self, of: &IdedExpr, field: Field, text: &str) {
        let is_code = |length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        let help = match field {
            Field::Country | Field::CompanyCountry if !is_code(2) => {
                "countries are ISO 3166-1 codes of two letters: `'DE'`"
            }
            Field::Language if !is_code(2) => "languages are ISO 639-1 codes of two letters: `'de'`",
            Field::Grade if text.parse::<Grade>().is_err() => "grades go from `'A1'` to `'D4'`",
            Field::EmailDomain | Field::CompanyDomain if text.contains(['@', '/']) => {
                "write the bare domain: `'example.com'`"
            }
            Field::Stage if Stage::parse(text).is_none() => {
                let help = suggest(text, Stage::ALL.map(Stage::as_str), "");
                self.refuse::<()>(of, format!("`{field}` is never `{text}`"), help);
                return;
            }
            _ => return,
        };
        self.refuse::<()>(of, format!("`{field}` is never `{text}`"), help);
    }
}

fn kind(side: &Side) -> &'static str {
    match side {
        Side::Text(_) | Side::Words(_) => "text",
        Side::Number(_) => "a number",
        Side::Flag(_) => "a condition",
    }
}

fn path(of: &IdedExpr) -> Option<String> {
    match &of.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => match &select.operand.expr {
            Expr::Ident(root) => Some(format!("{root}.{}", select.field)),
            Expr::Select(inner) if matches!(inner.operand.expr, Expr::Ident(_)) && !inner.test => {
                path(&select.operand).map(|root| format!("{root}.{}", select.field))
            }
            _ => None,
        },
        _ => None,
    }
}

fn comparison(name: &str) -> Option<Comparison> {
    match name {
        operators::EQUALS => Some(Comparison::Equal),
        operators::NOT_EQUALS => Some(Comparison::NotEqual),
        operators::LESS => Some(Comparison::Less),
        operators::LESS_EQUALS => Some(Comparison::AtMost),
        operators::GREATER => Some(Comparison::Greater),
        operators::GREATER_EQUALS => Some(Comparison::AtLeast),
        _ => None,
    }
}

fn arithmetic(name: &str) -> Option<Operation> {
    match name {
        operators::ADD => Some(Operation::Add),
        operators::SUBSTRACT => Some(Operation::Subtract),
        operators::MULTIPLY => Some(Operation::Multiply),
        operators::DIVIDE => Some(Operation::Divide),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Source, Value, node};
    use crate::domain::expr::{Facts, Verdict};
    use crate::domain::field::Value as Fact;

    /// The rule and its problems, each as `part: message | help`.
    fn parse(rule: &str) -> (Option<Rule>, Vec<String>) {
        let text = format!("rule = '''\n{rule}'''");
        let source = Source::new("a.toml", text.clone());
        let problems = Problems::new();
        let root = node::parse(&source, &problems);
        let Value::Table(entries) = &root.value else { panic!("a table") };
        let Value::Text(rule) = &entries[0].1.value else { panic!("text") };
        let mut names = Names::default();
        names.lists.insert("competitors".into(), vec!["rival.example".into(), "Other.example".into()]);
        let rule = read(&entries[0].1, rule, "rule", Scope::Handoff, &names, &problems);
        let told = problems.list().into_iter().map(|problem| {
            let crate::document::Place::Text(_, range) = problem.place else { panic!("a place in text") };
            format!("{}: {} | {}", &text[range], problem.message, problem.help.unwrap_or_default())
        });
        (rule, told.collect())
    }

    #[test]
    fn what_a_rule_says() {
        let mut facts = Facts::default();
        facts.set(Field::Employees, Some(Fact::Number(120.0)));
        facts.set(Field::CompanyCountry, Fact::text("DE"));
        facts.set(Field::EmailDomain, Fact::text("other.example"));
        facts.set(Field::Title, Fact::text("Head of Finance, CFO"));
        facts.set(Field::IcpFits, Some(Fact::Flag(true)));
        facts.set(Field::Fit, Some(Fact::Number(30.0)));
        facts.set_signal(Name::from("demo_request"), 2);
        let check = |text: &str, expected: Option<bool>| {
            let (rule, problems) = parse(text);
            let rule = rule.unwrap_or_else(|| panic!("{text}: {problems:?}"));
            let found = match rule.eval(&facts) {
                Verdict::Yes => Some(true),
                Verdict::No => Some(false),
                Verdict::Unknown(_) => None,
            };
            assert_eq!(found, expected, "{text}");
        };
        check("company.employees >= 50 && company.country in ['DE', 'AT', 'CH']", Some(true));
        check("lead.email_domain in lists.competitors || lead.title.has_word(['student', 'intern'])", Some(true));
        check("lead.title.has_word(['cfo', 'finance'])", Some(true));
        check("lead.title.has_word(['fin'])", Some(false));
        check("'de' == company.country", Some(true));
        check("company.country != 'de'", Some(false));
        check("icp.fits && !icp.never && score.fit >= 25", None);
        check("icp.fits == true && icp.fits != false", Some(true));
        check("has(company.owner)", Some(false));
        check("company.owner == 'x'", None);
        check("signals.demo_request >= 2 && has(signals.demo_request) && !has(signals.webinar)", Some(true));
        check("score.fit + 10 * 2 > 49.5 && -score.fit < -1 && score.fit in [10, 30]", Some(true));
        check("score.fit - 30 > 0", Some(false));
        check("lead.title.startsWith('HEAD') && lead.title.endsWith('cfo') && lead.title.contains('of F')", Some(true));
        check("company.employees / 0 > 1", None);
        check("true", Some(true));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let check = |text: &str, expected: &str| {
            let (rule, problems) = parse(text);
            assert!(rule.is_none(), "{text}");
            assert_eq!(problems.join(" // "), expected, "{text}");
        };
        check(
            "company.employes >= 50",
            "company.employes: no field is called `company.employes` | did you mean `company.employees`?",
        );
        check("employees >= 50", "employees: no field is called `employees` | did you mean `company.employees`?");
        check(
            "icp.fits && lead.title > 5",
            "lead.title > 5: text is compared with a number | put the value in quotes, or compare a number field",
        );
        check("score.fit >= '25'", "score.fit >= '25': a number is compared with text | write 25 without quotes");
        check("score.fit = 25", "=: `=` does not fit here | compare with `==`");
        check("icp.fits and icp.never", "and: `and` does not fit here | write `&&`");
        check(
            "(score.fit >= 25",
            "5: the rule ends too early | something must follow, such as a value or a closing bracket",
        );
        check(
            "company.country == 'Germany'",
            "'Germany': `company.country` is never `Germany` | countries are ISO 3166-1 codes of two letters: `'DE'`",
        );
        check(
            "lead.email_domain in lists.competitor",
            "lists.competitor: no list is called `competitor` | did you mean `competitors`?",
        );
        check(
            "lead.title",
            "lead.title: `lead.title` is text, not a condition | write `lead.title == '...'` or `has(lead.title)`",
        );
        check("[1].exists(x, x > 1)", "(: a rule has no loops | use `in [...]`, `lists.name` or `.has_word([...])`");
        check("icp.fits ? true : false", "?: a rule has no `? :` | write `(a && b) || (!a && c)`, or two rules");
        check(
            "lead.title.hasword(['a'])",
            "lead.title.hasword(['a']): a rule has no `.hasword()` | did you mean `has_word`?",
        );
        check("lead.stage == 'mqll'", "'mqll': `lead.stage` is never `mqll` | did you mean `mql`?");
        check(
            "size(lead.title) > 3",
            "size(lead.title): a rule has no `size()` | only `has(...)` stands in front of a bracket",
        );
        check("lead.title > 'a'", "lead.title > 'a': text has no order here | compare text with `==`, `!=` or `in`");
        check("has(lead.titel)", "lead.titel: no field is called `lead.titel` | did you mean `lead.title`?");
        check("lead.title == 'a", "'a: a text that is opened with ' is not closed | add '");
    }

    #[test]
    fn two_mistakes_in_one_rule_are_both_told() {
        let (_, problems) = parse("company.employes >= 50 && lead.titel == 'x'");
        assert_eq!(problems.len(), 2, "{problems:?}");
    }

    #[test]
    fn deep_and_long_rules_are_refused() {
        for text in [
            format!("{}true{}", "(".repeat(5_00), ")".repeat(5_00)),
            format!("{}true{}", "(".repeat(40), ")".repeat(40)),
            "icp.fits && ".repeat(400) + "true",
            format!("score.fit > {}1", "1 + ".repeat(300)),
            format!("{}true", "!".repeat(3_900)),
            format!("score.fit > {}1", "-".repeat(3_900)),
            format!("a{}", ".b".repeat(1_900)),
        ] {
            let (rule, problems) = parse(&text);
            assert!(rule.is_none() || text.starts_with('!') || text.contains("--"), "{text}");
            assert!(rule.is_some() || !problems.is_empty(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "([a-z.]{0,9}|[0-9]{1,3}|[ ()\\[\\]'\"&|!=<>+*/,?:-]|has|in|icp.fits|score.fit){0,30}") {
            parse(&text.replace("'''", ""));
        }
    }
}
