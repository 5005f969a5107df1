//! Baton keeps the agreement between marketing and sales.
pub mod agreement;
pub mod clock;
pub mod connector;
pub mod document;
pub mod domain;
pub mod http;
pub mod notify;
pub mod sandbox;
pub mod store;
