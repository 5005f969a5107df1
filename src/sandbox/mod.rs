//! Sandbox CRMs with a company living in them: how a newcomer tries Baton without a CRM, and how the tests talk real HTTP.
//!
//! Beside the tower of floors: names only `clock`, and is named only by `cli` and the tests. It shares no wire types with
//! the connectors, or both would misread a vendor alike.

pub mod hubspot;
pub mod life;
pub mod odoo;
pub mod pipedrive;
pub mod salesforce;
mod strike;
