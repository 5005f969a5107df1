//! Baton keeps the agreement between marketing and sales.
pub mod clock;
pub mod domain;
pub mod sandbox;
