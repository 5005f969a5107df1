//! Floor 2: the agreement's and the roster's text -> the domain's checked types.

pub mod holidays;
mod rule;

pub use rule::{RULE_BYTES_MAX, RULE_DEPTH_MAX, RULE_PARTS_MAX};
