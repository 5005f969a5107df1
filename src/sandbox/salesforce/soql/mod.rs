//! SOQL: a small part of it, honestly: what is not known is refused as the org refuses what it does not know. Source: section 5.

mod check;
mod eval;
mod lex;
mod parse;
mod shown;

pub(super) use eval::{Scope, run};
pub(super) use parse::{columns, parse};
