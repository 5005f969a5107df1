//! Business time. (The types that others name; the arithmetic follows.)

use jiff::SignedDuration;

/// A length of time as an agreement gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Open time of a calendar: `4 business hours`.
    Business(SignedDuration),
    /// Open days of a calendar: `2 business days`.
    BusinessDays(u32),
    /// Elapsed time, through nights: `30 minutes`.
    Elapsed(SignedDuration),
}

/// When a team works.
#[derive(Clone, Debug)]
pub struct Calendar;
