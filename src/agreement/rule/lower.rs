//! The parser's tree -> conditions.

use std::ops::Range;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};

use crate::document::{Node, suggest};
use crate::domain::expr::{Comparison, Folded, Number, Place, Test, Texts};
use crate::domain::field::Field;

use super::place::path;
use super::value::{arithmetic, kind};
use super::{Names, RULE_DEPTH_MAX, RULE_PARTS_MAX, Scope};

/// One rule on its way from the parser's tree to ours.
pub(super) struct Lowering<'a> {
    pub(super) text: &'a str,
    pub(super) info: &'a SourceInfo,
    pub(super) scope: Scope,
    pub(super) names: &'a Names,
    pub(super) node: &'a Node,
    pub(super) failed: bool,
    pub(super) parts: usize,
    pub(super) note: &'a dyn Fn(Range<usize>, String, String),
}

/// One side of a comparison.
pub(super) enum Side {
    Text(Field),
    Words(String),
    Number(Number),
    Flag(Test),
}

impl Lowering<'_> {
    /// Notes a complaint about `of`.
    pub(super) fn refuse<T>(
        &mut self,
        of: &IdedExpr,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<T> {
        self.failed = true;
        let range = self.extent(of, 0).unwrap_or(0..self.text.len());
        (self.note)(range, message.into(), help.into());
        None
    }

    pub(super) fn enter(&mut self, of: &IdedExpr, depth: usize) -> Option<()> {
        self.parts += 1;
        if self.parts > RULE_PARTS_MAX {
            return self.refuse(of, format!("a rule of more than {RULE_PARTS_MAX} parts"), "split the rule");
        }
        if depth > RULE_DEPTH_MAX * 2 {
            return self.refuse(of, format!("nested more than {RULE_DEPTH_MAX} deep"), "split the rule");
        }
        Some(())
    }

    pub(super) fn test(&mut self, of: &IdedExpr, depth: usize) -> Option<Test> {
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

    pub(super) fn call(&mut self, of: &IdedExpr, call: &CallExpr, depth: usize) -> Option<Test> {
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
