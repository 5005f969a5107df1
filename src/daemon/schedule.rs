//! The minute's tick, in UTC.
//!
//! tokio-cron-scheduler keeps the *offset* a zone had when a job was made, so a local time would be an hour off after the
//! next change of the clocks (measured with 0.15.1). It is therefore used for one UTC job, which only nudges; what is due
//! at which local time Baton works out itself from the zone's rules.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// Nudges `tick` at the start of each minute until the scheduler is dropped.
pub(super) async fn start(tick: Arc<Notify>) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let job = Job::new_async("0 * * * * *", move |_, _| {
        let tick = Arc::clone(&tick);
        Box::pin(async move { tick.notify_one() })
    })?;
    scheduler.add(job).await?;
    scheduler.start().await?;
    Ok(scheduler)
}
