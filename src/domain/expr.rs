//! The typed rule tree and its evaluation: missing is not false.
//!
//! The text of a rule (CEL syntax) is read in `agreement` (floor 2); what stands here is already resolved and typed.

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
}

/// What a rule says of a lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Yes,
    /// It does not hold.
    No,
    /// It cannot be said, because these facts are not known.
    Unknown(FieldSet),
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
        self.signals.push((name, count));
    }

    /// How often a signal happened.
    #[must_use]
    pub fn signal(&self, name: &Name) -> u32 {
        self.signals.iter().find(|(known, _)| known == name).map_or(0, |(_, count)| *count)
    }
}
