//! Floor 0: what is known, and the rules (pure).
//!
//! No async, clock, randomness, IO, serde or logging: instants come in as arguments, and every function here gives
//! the same answer to the same question for ever. Reading order: [`id`] and [`field`] (what things are called),
//! [`record`], [`touch`], [`company`], [`lead`] (what is known), [`agreement`] and [`roster`] (what was promised),
//! [`score`], [`calendar`], [`handoff`], [`routing`], [`recycle`] (the rules), [`plan`] and [`decide`] (what follows).

pub mod agreement;
pub mod calendar;
pub mod company;
pub mod coverage;
pub mod decide;
pub mod expr;
pub mod field;
pub mod finding;
pub mod handoff;
pub mod id;
pub mod identity;
pub mod instant;
pub mod lead;
pub mod observation;
pub mod plan;
pub mod reconcile;
pub mod record;
pub mod recycle;
pub mod retry;
pub mod roster;
pub mod routing;
pub mod score;
pub mod signal;
pub mod skew;
pub mod stage;
pub mod touch;
pub mod vanish;
