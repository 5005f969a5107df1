//! Floor 0: what is known, and the rules (pure).
//!
//! No async, clock, randomness, IO, serde or logging: instants come in as arguments, and every function here gives
//! the same answer to the same question for ever. Reading order: [`id`] and [`field`] (what things are called),
//! [`record`], [`touch`], [`company`], [`deal`], [`lead`] (what is known), [`identity`] and [`kin`] (who is the same
//! person), [`committee`] (who of one company), [`agreement`] and [`roster`] (what was promised), [`score`], [`calendar`],
//! [`handoff`], [`routing`], [`recycle`] (the rules), [`local`] (times of a zone), [`reach`], [`quiet`], [`answer`] (how people
//! are told and what they answer), [`plan`] and
//! [`decide`] (what follows). Beside them, [`access`]: who may use the board; [`counted`]: numbers with
//! their nouns.

pub mod access;
pub mod agreement;
pub mod alike;
pub mod answer;
pub mod breaker;
pub mod calendar;
pub mod caps;
pub mod committee;
pub mod company;
pub mod counted;
pub mod coverage;
pub mod deal;
pub mod decide;
pub mod expr;
pub mod field;
pub mod fight;
pub mod finding;
pub mod handoff;
pub mod handoff_fields;
pub mod id;
pub mod identity;
pub mod instant;
pub mod journey;
pub mod kin;
pub mod lead;
pub mod local;
pub mod name;
pub mod observation;
pub mod patrol;
pub mod plan;
pub mod proposal;
pub mod quiet;
pub mod reach;
pub mod reconcile;
pub mod record;
pub mod recycle;
pub mod retry;
pub mod roster;
pub mod routing;
pub mod sales;
pub mod score;
pub mod signal;
pub mod skew;
pub mod stage;
pub mod touch;
pub mod undo;
pub mod vanish;
pub mod zones;
