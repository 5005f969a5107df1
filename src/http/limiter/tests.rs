use std::collections::VecDeque;

use super::*;

fn limiter(limit: u32, seconds: u64, share_percent: u32) -> Limiter {
    let rate = Rate::new(limit, Duration::from_secs(seconds));
    Limiter::new(Settings { share_percent, burst: rate, search: rate })
}

/// Requests of one lane as fast as they may go, for `time`: when each left.
async fn drain(limiter: &Limiter, lane: Lane, time: Duration) -> Vec<Instant> {
    let end = Instant::now() + time;
    let mut left = Vec::new();
    while tokio::time::timeout_at(end, limiter.acquire(Budget::Burst, lane)).await.is_ok() {
        left.push(Instant::now());
    }
    left
}

/// The most requests in any window.
fn most(times: &[Instant], window: Duration) -> usize {
    let mut inside = VecDeque::new();
    let mut most = 0;
    for time in times {
        inside.push_back(*time);
        while inside.front().is_some_and(|first| time.duration_since(*first) >= window) {
            inside.pop_front();
        }
        most = most.max(inside.len());
    }
    most
}

#[tokio::test(start_paused = true)]
async fn no_window_holds_more_than_the_share_and_most_of_it_is_used() {
    for (limit, seconds, share) in [(190, 10, 100), (100, 10, 60), (5, 1, 80), (4, 1, 100), (1, 1, 100), (40, 1, 100)] {
        let limiter = limiter(limit, seconds, share);
        let window = Duration::from_secs(seconds);
        let times = drain(&limiter, Lane::Alert, window * 20).await;
        let allowed = usize::try_from(limit * share / 100).unwrap().max(1);
        let most = most(&times, window);
        assert!(most <= allowed, "{limit}: {most} in a window of {allowed}");
        assert!(times.len() >= allowed * 20 * 9 / 10, "{limit}: only {}", times.len());
    }
}

/// Fault 53: not one request leaves inside the window that the CRM asked for.
#[tokio::test(start_paused = true)]
async fn nothing_leaves_before_the_wait_is_over() {
    let limiter = limiter(100, 10, 100);
    drain(&limiter, Lane::Read, Duration::from_secs(3)).await;
    let began = Instant::now();
    limiter.hold(Duration::from_secs(30));
    limiter.hold(Duration::from_secs(2));
    assert!(limiter.snapshot().held_for.is_some_and(|left| left >= Duration::from_secs(29)));
    assert!(limiter.acquire_within(Budget::Burst, Lane::Alert, Duration::from_secs(5)).await.is_err());
    let times = drain(&limiter, Lane::Alert, Duration::from_secs(40)).await;
    let first = times.first().expect("requests after the wait").duration_since(began);
    assert!(first >= Duration::from_secs(30) && first < Duration::from_secs(32), "{first:?}");
}

/// Fault 54: refusals without a time slow down, and the pace is back within a minute.
#[tokio::test(start_paused = true)]
async fn refusals_halve_the_pace_and_it_grows_back() {
    let limiter = limiter(100, 1, 100);
    for _ in 0..6 {
        limiter.refused(Budget::Burst);
        limiter.refused(Budget::Burst);
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    let slow = drain(&limiter, Lane::Alert, Duration::from_secs(2)).await.len();
    assert!(slow <= 25, "{slow} in two seconds after a storm");
    assert_eq!(limiter.snapshot().search.factor_percent, 100, "the other budget keeps its pace");
    drain(&limiter, Lane::Alert, Duration::from_secs(58)).await;
    assert_eq!(limiter.snapshot().burst.factor_percent, 100);
    let fast = drain(&limiter, Lane::Alert, Duration::from_secs(10)).await.len();
    assert!(fast >= 850, "{fast} in ten seconds after a minute");
}

/// Fault 69: an alert does not wait behind a queue of score write-backs.
#[tokio::test(start_paused = true)]
async fn alerts_pass_a_full_queue_of_scores() {
    let limiter = limiter(100, 10, 100);
    let scores = async {
        let many = (0..40).map(|_| drain(&limiter, Lane::Score, Duration::from_secs(60)));
        let mut sent = 0;
        for times in futures_of(many).await {
            sent += times.len();
        }
        sent
    };
    let alerts = async {
        let mut longest = Duration::ZERO;
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let began = Instant::now();
            limiter.acquire(Budget::Burst, Lane::Alert).await;
            longest = longest.max(began.elapsed());
        }
        longest
    };
    let (sent, longest) = tokio::join!(scores, alerts);
    assert!(longest <= Duration::from_millis(200), "an alert waited {longest:?}");
    assert!(sent >= 400, "only {sent} scores went out");
}

/// Fault 69: counted, not timed. While every other lane is full, an alert is passed by no more than the few that leave in the
/// same instant; and the patrol never leaves while anybody else waits, nor takes more than half of an idle budget.
#[tokio::test(start_paused = true)]
async fn an_alert_lets_few_others_pass_and_the_patrol_takes_only_what_is_left_fault_69() {
    let limiter = limiter(100, 10, 100);
    let full = async {
        let lanes = [Lane::Assign, Lane::Recycle, Lane::Score, Lane::Read, Lane::Patrol];
        let many = (0..50).map(|at| drain(&limiter, lanes[at % lanes.len()], Duration::from_secs(120)));
        let mut sent = [0; LANES];
        for (at, times) in futures_of(many).await.into_iter().enumerate() {
            sent[lanes[at % lanes.len()].index()] += times.len();
        }
        sent
    };
    let alerts = async {
        let mut passed = Vec::new();
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let before = limiter.snapshot().passed_count;
            limiter.acquire(Budget::Burst, Lane::Alert).await;
            passed.push(limiter.snapshot().passed_count - before - 1);
        }
        passed.sort_unstable();
        passed
    };
    let (sent, passed) = tokio::join!(full, alerts);
    assert!(passed[98] <= 2, "p99 of those who went before an alert: {passed:?}");
    assert_eq!(sent[Lane::Patrol.index()], 0, "others waited all the while: {sent:?}");
    assert!(sent.iter().sum::<usize>() >= 900, "the budget is used: {sent:?}");
    // With nobody else about, the patrol goes at half of the pace.
    let alone = drain(&limiter, Lane::Patrol, Duration::from_secs(60)).await.len();
    assert!((200..=310).contains(&alone), "{alone} of 600 in a minute");
    // And stops before the day's requests run short.
    limiter.observe(Budget::Burst, None, None, None, Some(1_000));
    limiter.observe(Budget::Burst, None, None, None, Some(299));
    limiter.acquire(Budget::Burst, Lane::Patrol).await;
    assert!(limiter.acquire_soon(Budget::Burst, Lane::Patrol).await.is_err(), "one goes as a probe, no more");
    assert_eq!(limiter.acquire_soon(Budget::Burst, Lane::Read).await, Ok(()));
}

/// Runs futures side by side on one task.
async fn futures_of<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, result) in &mut running {
            if result.is_none()
                && let std::task::Poll::Ready(done) = future.as_mut().poll(context)
            {
                *result = Some(done);
            }
        }
        let all = running.iter().all(|(_, result)| result.is_some());
        if all { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, result)| result).collect()
}

/// Fault 56: the limit in the CRM's own headers is followed.
#[tokio::test(start_paused = true)]
async fn headers_correct_the_budget() {
    let limiter = limiter(1000, 10, 100);
    limiter.observe(Budget::Burst, Some(99), Some(100), Some(Duration::from_secs(10)), None);
    let times = drain(&limiter, Lane::Alert, Duration::from_secs(10)).await;
    assert!((80..=100).contains(&times.len()), "{}", times.len());
    limiter.observe(Budget::Burst, Some(100 - u32::try_from(times.len()).unwrap()), Some(100), None, None);
    let times = drain(&limiter, Lane::Alert, Duration::from_secs(10)).await;
    assert!(times.len() >= 90, "it was low by our own requests: {}", times.len());
    tokio::time::sleep(Duration::from_secs(11)).await;
    limiter.observe(Budget::Burst, Some(2), None, None, None);
    let times = drain(&limiter, Lane::Alert, Duration::from_secs(9)).await;
    assert_eq!(times.len(), 0, "somebody else had all of it");
    let times = drain(&limiter, Lane::Alert, Duration::from_secs(10)).await;
    assert!(times.len() >= 80, "what nobody says any more is forgotten: {}", times.len());
}

/// Fault 56: what another application leaves of a rolling window is used, nine tenths of it at least, and not one request of ours is
/// refused, be it steady or in bursts. That it doubles all at once nobody can know before an answer has told.
#[tokio::test(start_paused = true)]
async fn what_others_leave_is_used_and_nothing_is_refused() {
    const LIMIT: usize = 100;
    // Requests of the other application in each second of a minute, and of the minute after it.
    for (name, [first, second], every, refused_max, percent) in [
        ("steady", [3, 3], 1, 0, 90),
        ("in bursts", [6, 6], 2, 0, 90),
        ("nobody", [0, 0], 1, 0, 95),
        ("growing", [3, 6], 1, 1, 85),
        ("leaving", [6, 1], 1, 1, 85),
    ] {
        let limiter = limiter(100, 10, 100);
        let (window, began) = (Duration::from_secs(10), Instant::now());
        let mut crm: VecDeque<Instant> = VecDeque::new();
        let (mut refused, mut used, mut due) = (0, [0_usize; 2], 0_u64);
        while began.elapsed() < Duration::from_secs(120) {
            limiter.acquire(Budget::Burst, if used[0] % 2 == 0 { Lane::Alert } else { Lane::Assign }).await;
            let now = Instant::now();
            while began + Duration::from_secs(due) <= now {
                let at = began + Duration::from_secs(due);
                crm.extend(std::iter::repeat_n(at, if due < 60 { first } else { second }));
                due += every;
            }
            while crm.front().is_some_and(|sent| now.duration_since(*sent) >= window) {
                crm.pop_front();
            }
            if crm.len() >= LIMIT {
                refused += 1;
                limiter.turned_away(Budget::Burst);
                limiter.observe(Budget::Burst, Some(0), Some(100), Some(window), None);
                continue;
            }
            crm.push_back(now);
            used[usize::from(now.duration_since(began) >= Duration::from_secs(60))] += 1;
            let left = u32::try_from(LIMIT - crm.len()).unwrap();
            limiter.observe(Budget::Burst, Some(left), Some(100), Some(window), None);
        }
        assert!(refused <= refused_max, "{name}: {refused} refused");
        for (used, others) in used.into_iter().zip([first, second]) {
            let permitted = 600 - others * 60 / usize::try_from(every).unwrap();
            assert!(used * 100 >= permitted * percent, "{name}: {used} of {permitted}");
        }
        assert_eq!(limiter.snapshot().burst.factor_percent, 100, "{name}: nothing is slowed");
    }
}

/// What waits for others leaves the last tenth of it to what cannot wait.
#[tokio::test(start_paused = true)]
async fn of_what_others_leave_a_tenth_is_kept_for_alerts() {
    let limiter = limiter(100, 10, 100);
    limiter.observe(Budget::Burst, Some(50), Some(100), None, None);
    let scores = drain(&limiter, Lane::Score, Duration::from_secs(9)).await.len();
    assert_eq!(scores, 41, "of 46: others have 50, and may send four more");
    for _ in 0..4 {
        let soon = limiter.acquire_within(Budget::Burst, Lane::Alert, Duration::from_millis(300)).await;
        assert_eq!(soon, Ok(()));
    }
}

/// Fault 55: the last requests of a day are kept for what cannot wait.
#[tokio::test(start_paused = true)]
async fn the_day_s_last_requests_are_for_alerts() {
    let limiter = limiter(1000, 10, 100);
    limiter.observe(Budget::Burst, None, None, None, Some(1000));
    limiter.observe(Budget::Burst, None, None, None, Some(40));
    // One goes as a probe, then scores wait while alerts go on.
    limiter.acquire(Budget::Burst, Lane::Score).await;
    assert!(limiter.acquire_within(Budget::Burst, Lane::Score, Duration::from_secs(60)).await.is_err());
    for _ in 0..38 {
        assert_eq!(limiter.acquire_within(Budget::Burst, Lane::Alert, Duration::from_secs(10)).await, Ok(()));
    }
    limiter.observe(Budget::Burst, None, None, None, Some(0));
    assert!(limiter.acquire_within(Budget::Burst, Lane::Alert, Duration::from_secs(60)).await.is_err());
    // A probe finds the new day.
    assert_eq!(limiter.acquire_within(Budget::Burst, Lane::Alert, PROBE_EVERY).await, Ok(()));
    limiter.observe(Budget::Burst, None, None, None, Some(1000));
    assert_eq!(limiter.acquire_within(Budget::Burst, Lane::Read, Duration::from_secs(1)).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_given_up_leaves_the_queue() {
    let limiter = limiter(1, 10, 100);
    limiter.acquire(Budget::Burst, Lane::Alert).await;
    assert!(limiter.acquire_within(Budget::Burst, Lane::Alert, Duration::from_secs(1)).await.is_err());
    assert_eq!(limiter.snapshot().waiting, [0; LANES]);
    assert_eq!(limiter.snapshot().passed_count, 1);
}
