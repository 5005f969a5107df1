//! The parser's tree -> what conditions compare: fields, numbers, signals, texts.

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};

use crate::document::{nearest, suggest};
use crate::domain::expr::{Number, Operation, Test};
use crate::domain::field::{Field, FieldType};
use crate::domain::id::Name;
use crate::domain::lead::Grade;
use crate::domain::stage::Stage;

use super::lower::{Lowering, Side};
use super::place::path;

impl Lowering<'_> {
    pub(super) fn side(&mut self, of: &IdedExpr, depth: usize) -> Option<Side> {
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

    pub(super) fn signal(&mut self, of: &IdedExpr, name: &str) -> Number {
        let name = Name::from(name);
        let range = self.extent(of, 0).unwrap_or(0..self.text.len());
        self.names.signals_used.borrow_mut().push((name.clone(), self.node.within(range)));
        Number::Signal(name)
    }

    pub(super) fn field(&mut self, of: &IdedExpr, name: &str) -> Option<Field> {
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
    pub(super) fn fits(&mut self, of: &IdedExpr, field: Field, text: &str) {
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

/// What a side is called in a complaint.
pub(super) fn kind(side: &Side) -> &'static str {
    match side {
        Side::Text(_) | Side::Words(_) => "text",
        Side::Number(_) => "a number",
        Side::Flag(_) => "a condition",
    }
}

/// The operation that an operator of the parser stands for.
pub(super) fn arithmetic(name: &str) -> Option<Operation> {
    match name {
        operators::ADD => Some(Operation::Add),
        operators::SUBSTRACT => Some(Operation::Subtract),
        operators::MULTIPLY => Some(Operation::Multiply),
        operators::DIVIDE => Some(Operation::Divide),
        _ => None,
    }
}
