//! Which bytes of a rule a part of the parser's tree stands on.

use std::ops::Range;

use cel::common::ast::{Expr, IdedExpr};

use super::RULE_PARTS_MAX;
use super::lower::Lowering;

impl Lowering<'_> {
    /// From the first to the last byte of a part.
    pub(super) fn extent(&self, of: &IdedExpr, depth: usize) -> Option<Range<usize>> {
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
}

/// The dotted name that `of` is, if it is one: `company.employees`.
pub(super) fn path(of: &IdedExpr) -> Option<String> {
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
