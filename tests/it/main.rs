//! One test binary; run a file with `cargo test --test it calendar::`.

mod agreement;
mod calendar;
mod config;
mod connector_hubspot;
mod connector_odoo;
mod coverage;
mod expr;
mod floors;
mod harness;
mod http;
mod main_job;
mod odoo_real;
mod sandbox_clients;
mod sandbox_hubspot;
mod sandbox_odoo;
