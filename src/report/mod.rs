//! Floor 4: figures from the store -> words. What the terminal, the board and `explain` say in common.

pub mod bar;
pub mod clock;
pub mod committee;
pub mod compare;
pub mod funnel;
pub mod route;
pub mod rule;
pub mod words;
