//! The minute's tick, in UTC.
//!
//! tokio-cron-scheduler keeps the *offset* a zone had when a job was made, so a local time would be an hour off after the
//! next change of the clocks (measured with 0.15.1). It is therefore used for one UTC job, which only nudges; what is due
//! at which local time Baton works out itself from the zone's rules.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// Nudges every one of `ticks` at the start of each minute until the scheduler is dropped. A nudge that finds its loop at work is
/// kept, and is one nudge however many come meanwhile.
pub(super) async fn start(ticks: Vec<Arc<Notify>>) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let job = Job::new_async("0 * * * * *", move |_, _| {
        let ticks = ticks.clone();
        Box::pin(async move { ticks.iter().for_each(|tick| tick.notify_one()) })
    })?;
    scheduler.add(job).await?;
    scheduler.start().await?;
    Ok(scheduler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ticks_that_come_while_a_job_runs_are_one_catch_up_run_fault_92() {
        let tick = Notify::new();
        let mut runs = 0;
        tick.notify_one();
        loop {
            tokio::select! {
                biased;
                () = tick.notified() => runs += 1,
                () = tokio::task::yield_now() => break,
            }
            if runs == 1 {
                // The job takes so long that five ticks come meanwhile.
                (0..5).for_each(|_| tick.notify_one());
            }
        }
        assert_eq!(runs, 2, "the run under way, and one after it");
    }
}
