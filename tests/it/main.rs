//! One test binary; run a file with `cargo test --test it calendar::`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and its helpers do")]

mod agreement;
mod board;
mod calendar;
mod canary;
mod commit_crash;
mod config;
mod connector_hubspot;
mod connector_hubspot_batches;
mod connector_odoo;
mod control;
mod coverage;
mod delivery;
mod delivery_hubspot;
mod explain;
mod expr;
mod findings;
mod floors;
mod harness;
mod http;
mod http_tls;
mod kill;
mod main_job;
mod main_job_real;
mod merge;
mod notices;
mod odoo_real;
mod sandbox_clients;
mod sandbox_hubspot;
mod sandbox_odoo;
mod shell;
mod stop;
mod store_contract;
mod time;
mod vanish;
