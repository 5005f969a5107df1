//! Starts a loop anew that broke: a fault in what one connection says must not end the work for the others.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::engine::Status;

use super::task::sleep;

/// The pause after the first panic; each further one doubles it.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// After running so long without one, panics are counted anew.
const STEADY: Duration = Duration::from_secs(600);

/// What a supervised loop is watched by.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) status: Arc<Status>,
    pub(super) clock: Clock,
    pub(super) stop: CancellationToken,
}

/// Runs the loop that `make` makes until it ends by itself. One that panics is made anew, ever later, and counted.
pub(super) async fn supervised<F>(name: String, watched: Watched, make: impl Fn() -> F) -> &'static str
where
    F: Future<Output = &'static str> + Send + 'static,
{
    let mut panics = 0_u32;
    loop {
        // A set of one: dropped with this task, it takes the loop along.
        let mut inner = JoinSet::new();
        inner.spawn(make());
        let began = Instant::now();
        let Some(Err(error)) = (match inner.join_next().await {
            Some(Ok(ended)) => return ended,
            other => other,
        }) else {
            return "supervised";
        };
        if !error.is_panic() {
            return "supervised";
        }
        panics = if began.elapsed() > STEADY { 1 } else { panics.saturating_add(1) };
        let pause = PAUSE.saturating_mul(2_u32.saturating_pow((panics - 1).min(16))).min(PAUSE_MAX);
        watched.status.panicked(&name, watched.clock.now());
        tracing::error!(
            panics,
            pause_s = pause.as_secs(),
            "`{name}` broke and is started anew; this is a fault of Baton's"
        );
        watched.status.rests(&name, std::time::Instant::now() + pause);
        if sleep(&watched.stop, pause).await {
            return "supervised";
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_breaks_is_started_anew_ever_later_and_counted_fault_17() {
        let status = Arc::new(Status::default());
        let stop = CancellationToken::new();
        let watched = Watched {
            status: Arc::clone(&status),
            clock: Clock::manual(jiff::Timestamp::UNIX_EPOCH),
            stop: stop.clone(),
        };
        let starts: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let began = Instant::now();
        let seen = Arc::clone(&starts);
        let make = move || {
            let seen = Arc::clone(&seen);
            async move {
                let count = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(Instant::now());
                    seen.len()
                };
                assert!(count > 12, "the connection said something that nobody thought of");
                "poll"
            }
        };
        assert_eq!(supervised("poll crm".to_owned(), watched, make).await, "poll");
        let starts = starts.lock().unwrap();
        let waits: Vec<u64> = starts.windows(2).map(|two| two[1].duration_since(two[0]).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(starts[0], began);
        let known = status.loops().remove("poll crm").unwrap();
        assert_eq!((known.panics, known.panicked_at), (12, Some(jiff::Timestamp::UNIX_EPOCH)));
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_does_not_wait_for_the_next_start() {
        let stop = CancellationToken::new();
        let watched =
            Watched { status: Arc::default(), clock: Clock::manual(jiff::Timestamp::UNIX_EPOCH), stop: stop.clone() };
        stop.cancel();
        let began = Instant::now();
        supervised("poll crm".to_owned(), watched, || async { panic!("broken") }).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
