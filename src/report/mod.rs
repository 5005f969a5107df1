//! Floor 4: figures from the store -> words. What the terminal, the board and `explain` say in common.

pub mod clock;
pub mod words;
