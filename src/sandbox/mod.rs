//! Sandbox CRMs.
