//! A rule's text -> a typed, bounded [`Rule`]. The `cel` crate reads the syntax; names, types and limits are ours, so that
//! what could go wrong for a lead is found when the file is read.
//!
//! [`syntax`] looks at the text before and after the parser does, [`lower`] turns its tree into conditions, [`value`] into
//! what is compared in them, and [`place`] knows which bytes each part of the tree stands on.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::document::{Node, Problems};
use crate::domain::expr::Rule;
use crate::domain::field::Field;
use crate::domain::id::Name;

mod lower;
mod place;
mod syntax;
#[cfg(test)]
mod tests;
mod value;

/// The longest rule, in bytes.
pub const RULE_BYTES_MAX: usize = 4_000;
/// The deepest nesting of a rule.
pub const RULE_DEPTH_MAX: usize = 32;
/// The most parts (names, values, operators) of a rule.
pub const RULE_PARTS_MAX: usize = 500;

/// Where a rule stands: what is worked out later cannot be asked for earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::agreement) enum Scope {
    /// `[icp]`: knows the person, the company and the signals.
    Icp,
    /// `[committee]`: knows the same, but not what follows from the roles of others, or roles could chase each other.
    Committee,
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
            Self::Committee if matches!(field, Field::CompanyPeople | Field::CompanyRoles | Field::CompanyEngaged) => {
                Some("`[committee]` is what counts the people of a company")
            }
            Self::Committee if name.starts_with("icp.") || name.starts_with("score.") => {
                Some("a role says who somebody is; what follows from it is worked out later")
            }
            Self::Icp if name.starts_with("icp.") => Some("`[icp]` is what works `icp` out"),
            Self::Icp if name.starts_with("score.") => Some("the score is worked out after `[icp]`"),
            Self::Score if name.starts_with("score.") => Some("`[score]` is what works the score out"),
            Self::Icp | Self::Committee | Self::Score | Self::Stages if is_handoff => {
                Some("there is no hand-off yet when this is asked")
            }
            Self::Icp | Self::Committee | Self::Score | Self::Stages | Self::Handoff => None,
        }
    }
}

/// The names that rules may use besides the fields.
#[derive(Debug, Default)]
pub(in crate::agreement) struct Names {
    pub(in crate::agreement) lists: BTreeMap<String, Vec<String>>,
    pub(in crate::agreement) lists_used: RefCell<BTreeSet<String>>,
    /// Signals that rules count, with the place of each mention.
    pub(in crate::agreement) signals_used: RefCell<Vec<(Name, crate::document::Place)>>,
}

/// Reads the rule in `node`; problems are noted under `key`.
pub(in crate::agreement) fn read(
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
    if let Err((range, message, help)) = syntax::bounded(text) {
        note(range, message, help);
        return None;
    }
    let program = match cel::Program::compile(text) {
        Ok(program) => program,
        Err(errors) => {
            for error in errors.errors.iter().take(1) {
                let (range, message, help) = syntax::complaint(text, error.pos, &error.msg);
                note(range, message, help);
            }
            return None;
        }
    };
    let mut lowering =
        lower::Lowering { text, info: program.source_info(), scope, names, node, failed: false, parts: 0, note: &note };
    let test = lowering.test(program.expression(), 0)?;
    (!lowering.failed).then(|| Rule::new(text, test))
}
