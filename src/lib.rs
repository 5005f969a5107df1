//! Baton keeps the agreement between marketing and sales.
pub mod agreement;
pub mod api;
pub mod clock;
pub mod config;
pub mod connector;
pub mod daemon;
pub mod document;
pub mod domain;
pub mod engine;
pub mod http;
pub mod notify;
pub mod report;
pub mod sandbox;
pub mod store;
