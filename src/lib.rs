//! Baton keeps the agreement between marketing and sales: a daemon beside the CRMs that gives every qualified lead a named
//! owner and a clock in business time, warns before a promise is missed, hands on after it, and returns to marketing what
//! sales gives back.
//!
//! # The way of a fact
//! [`connector`]s read pages of what changed and say it in the domain's words. [`engine`] reconciles them into records,
//! links and leads, and asks [`domain::decide`] what follows: a pure function from a case to a plan. [`store`] makes page,
//! plans, effects and cursor true in one transaction. [`engine`]'s deliver sends the effects to the CRMs, and as notices
//! through [`notify`], each under a lease, looking before it repeats. Due steps come from the same store by the sweep.
//!
//! # Floors
//! A module names only floors below its own; modules of one floor do not name each other (`tests/it/floors.rs` checks).
//! In reading order:
//!
//! | floor | modules |
//! | --- | --- |
//! | 0 | [`domain`]: what is known, and the rules; pure |
//! | 1 | [`clock`], [`http`], [`document`] (text files with places) |
//! | 2 | [`agreement`] (text to policy), [`connector`], [`notify`], [`store`] |
//! | 3 | [`engine`]: poll, reconcile, judge, deliver, sweep, prune |
//! | 4 | [`report`]: the store's figures as words |
//! | 5 | [`api`] (HTTP and the board), [`config`] (the settings' layers) |
//! | 6 | [`daemon`]: the composition root |
//! | 7 | [`cli`]: the commands |
//!
//! [`sandbox`] stands beside the tower: CRMs made up of the vendors' documentation, which share no types with the
//! connectors and are named by the commands and the tests alone.
//!
//! # Invariants
//! - `commit` is the only door to the outbox; nothing is sent that is not committed.
//! - Only `daemon` starts tasks; only [`clock`] reads the wall clock; no state is static.
//! - What accuses or takes away waits until every stream that could prove a touch has been read past the instant.
//! - No value of a person gets into a log line, a metric, an error or a URL.

pub mod agreement;
pub mod api;
pub mod cli;
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
