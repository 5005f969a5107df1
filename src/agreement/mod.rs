//! Floor 2: the agreement's and the roster's text -> the domain's checked types.

pub mod holidays;
