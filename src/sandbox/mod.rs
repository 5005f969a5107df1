//! Sandbox CRMs.

pub mod hubspot;
