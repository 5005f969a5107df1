//! Paces the requests of one connection: budgets, lanes, and the CRM's own wish to wait.
//!
//! A budget is so many requests in a window, of which Baton takes its share; the steady pace comes from `governor`.
//! Around it stand a gate that no request passes before the CRM said so, a factor that halves when the CRM refuses
//! without saying for how long and grows back, the room that other applications leave (`room`), and lanes: the urgent ones go first and find a reserve. It runs on the
//! runtime's monotonic clock, never on domain time.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

mod room;

use room::Room;

/// The longest wait that a CRM can ask for.
const HOLD_MAX: Duration = Duration::from_secs(24 * 3600);
/// Refusals within this time count as one: they answer requests that left together.
const REFUSALS_APART: Duration = Duration::from_secs(1);
/// How often the factor grows back by a tenth.
const RECOVERY_EVERY: Duration = Duration::from_secs(5);
/// The slowest pace, in percent of the share.
const FACTOR_PERCENT_MIN: u32 = 5;
/// A request that waited this long is no longer passed by more urgent ones.
const PATIENCE: Duration = Duration::from_secs(30);
/// When the day's requests are used up, one is let through this often to see whether a new day has begun.
const PROBE_EVERY: Duration = Duration::from_secs(15 * 60);

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
    /// Reading everything again: only what nobody else wants.
    Patrol,
}

const LANES: usize = 6;

impl Lane {
    const fn index(self) -> usize {
        match self {
            Self::Alert => 0,
            Self::Assign => 1,
            Self::Recycle => 2,
            Self::Score => 3,
            Self::Read => 4,
            Self::Patrol => 5,
        }
    }

    /// Whether it takes only what is left over: half of the pace at most, and never before anybody else who waits.
    const fn is_spare(self) -> bool {
        matches!(self, Self::Patrol)
    }

    /// How long a request may wait before its pass does something else, and comes back.
    const fn longest_wait(self) -> Duration {
        match self {
            Self::Patrol => Duration::from_secs(10),
            // Shorter than the lease of a write.
            Self::Alert | Self::Assign | Self::Recycle | Self::Score | Self::Read => Duration::from_secs(60),
        }
    }

    /// Whether it may use the tenth of each budget that is kept for what cannot wait.
    const fn uses_reserve(self) -> bool {
        matches!(self, Self::Alert | Self::Assign)
    }

    /// The percent of the day's requests that must be left for this lane to go on.
    const fn daily_reserve_percent(self) -> u32 {
        match self {
            Self::Alert => 0,
            Self::Assign => 1,
            Self::Recycle => 3,
            Self::Score => 8,
            // Reading for open clocks matters more than scores, but one page at a time it is most of the traffic.
            Self::Read => 5,
            Self::Patrol => 30,
        }
    }
}

/// So many requests in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests, at least 1.
    pub limit: NonZeroU32,
    /// In this time.
    pub window: Duration,
}

impl Rate {
    /// `limit` requests (at least 1) in `window` (at least a millisecond).
    #[must_use]
    pub fn new(limit: u32, window: Duration) -> Self {
        Self { limit: NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN), window: window.max(Duration::from_millis(1)) }
    }
}

/// How a limiter begins; the CRM's own headers correct it.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Percent of the CRM's limit that Baton may use, 1 to 100.
    pub share_percent: u32,
    /// The CRM's limit for common requests.
    pub burst: Rate,
    /// Its limit for searches.
    pub search: Rate,
}

impl Default for Settings {
    /// For a CRM without limits of its own: a hundred requests a second.
    fn default() -> Self {
        let rate = Rate::new(1000, Duration::from_secs(10));
        Self { share_percent: 100, burst: rate, search: rate }
    }
}

/// How a limiter stands, for the board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// How the common budget stands.
    pub burst: BudgetSnapshot,
    /// How the search budget stands.
    pub search: BudgetSnapshot,
    /// How long the CRM still wants to be left alone.
    pub held_for: Option<Duration>,
    /// Requests left today, as the CRM last said, less those since.
    pub left_today: Option<u32>,
    /// Requests that wait, by lane from [`Lane::Alert`] to [`Lane::Patrol`].
    pub waiting: [u32; LANES],
    /// Requests let through since the start.
    pub passed_count: u64,
}

/// How one budget stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetSnapshot {
    /// The CRM's limit.
    pub rate: Rate,
    /// The pace, in percent of Baton's share; below 100 after refusals.
    pub factor_percent: u32,
}

/// Paces the requests of one connection.
#[derive(Debug)]
pub struct Limiter {
    share_percent: u32,
    burst: Paced,
    search: Paced,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    not_before: Option<Instant>,
    left_today: Option<u32>,
    most_today: u32,
    probed_at: Option<Instant>,
    waiting: [u32; LANES],
    passed_count: u64,
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Limiter {
    /// A limiter that begins with `settings`.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let share_percent = settings.share_percent.clamp(1, 100);
        Self {
            share_percent,
            burst: Paced::new(settings.burst, share_percent),
            search: Paced::new(settings.search, share_percent),
            state: Mutex::new(State::default()),
        }
    }

    /// Waits until a request may leave. Dropping the future gives its place up.
    pub async fn acquire(&self, budget: Budget, lane: Lane) {
        let place = Place::take(self, lane);
        let began = Instant::now();
        let mut held = Held { spare: !lane.is_spare(), lower: lane.uses_reserve() };
        while let Some(wait) = self.attempt(budget, lane, began, &mut held) {
            tokio::time::sleep(wait).await;
        }
        drop(place);
    }

    /// The same, but no pass waits for ever: it comes back later if the wait is longer than its lane allows.
    ///
    /// # Errors
    /// How long the wait would be, as far as is known.
    pub async fn acquire_soon(&self, budget: Budget, lane: Lane) -> Result<(), Duration> {
        self.acquire_within(budget, lane, lane.longest_wait()).await
    }

    /// The same, but gives up at once if it would have to wait longer than `longest`: a pass that is short of time
    /// does something else.
    ///
    /// # Errors
    /// How long the wait would be, as far as is known.
    pub async fn acquire_within(&self, budget: Budget, lane: Lane, longest: Duration) -> Result<(), Duration> {
        let known = self.held_for().unwrap_or_default();
        if known > longest {
            return Err(known);
        }
        tokio::time::timeout(longest, self.acquire(budget, lane)).await.map_err(|_| longest)
    }

    /// `None`: a request leaves now. Otherwise how long to wait before asking again.
    fn attempt(&self, budget: Budget, lane: Lane, began: Instant, has: &mut Held) -> Option<Duration> {
        let now = Instant::now();
        let paced = self.paced(budget);
        // The state stays locked until the decision is made, so that nobody passes between a check and its use.
        let mut state = self.state();
        if let Some(held) =
            state.not_before.and_then(|until| until.checked_duration_since(now)).filter(|d| !d.is_zero())
        {
            return Some(held);
        }
        paced.recover(now, self.share_percent);
        let cells = paced.cells.load();
        let urgent_waits = state.waiting[..lane.index()].iter().any(|count| *count > 0);
        // Patience ends for all but alerts: nobody, however long they waited, goes before one.
        let alert_waits = lane > Lane::Alert && state.waiting[Lane::Alert.index()] > 0;
        if alert_waits || (urgent_waits && (lane.is_spare() || now.duration_since(began) < PATIENCE)) {
            return Some(cells.period);
        }
        if let Some(wait) = state.daily_wait(lane, now) {
            return Some(wait);
        }
        if let Some(wait) = paced.wait_for_room(now, lane) {
            return Some(wait);
        }
        for (has, governor) in [(&mut has.spare, &cells.spare), (&mut has.lower, &cells.lower)] {
            if !*has {
                if let Err(wait) = cells.check(governor) {
                    return Some(wait);
                }
                *has = true;
            }
        }
        if let Err(wait) = cells.check(&cells.all) {
            return Some(wait);
        }
        state.left_today = state.left_today.map(|left| left.saturating_sub(1));
        state.passed_count += 1;
        paced.count(now);
        None
    }

    /// No request before `wait` has passed: the CRM asked for it (`Retry-After`, or its documented wait). A little
    /// chance is added, so that several connections do not come back in the same instant; a day is the most.
    pub fn hold(&self, wait: Duration) {
        let wait = wait.min(HOLD_MAX);
        let jitter = Duration::from_millis(fastrand::u64(0..=500)).min(wait / 20);
        let until = Instant::now() + wait + jitter;
        let mut state = self.state();
        state.not_before = Some(state.not_before.map_or(until, |known| known.max(until)));
    }

    /// The CRM refused a request without saying for how long: the pace of that budget halves, and grows back by a
    /// tenth every five seconds without refusal.
    pub fn refused(&self, budget: Budget) {
        self.paced(budget).slow(Instant::now(), self.share_percent, REFUSALS_APART);
    }

    /// A request was refused, and so has used nothing of its budget.
    pub fn turned_away(&self, budget: Budget) {
        self.paced(budget).state().room.turned_away();
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
        let paced = self.paced(budget);
        paced.follow(limit, window, self.share_percent);
        if let Some(left) = left {
            let mut state = paced.state();
            let rate = state.rate;
            state.room.told(Instant::now(), rate, left);
        }
        if let Some(left) = left_today {
            let mut state = self.state();
            state.most_today = state.most_today.max(left);
            state.left_today = Some(left);
        }
    }

    /// How it stands.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let held_for = self.held_for();
        let state = self.state();
        Snapshot {
            burst: self.burst.snapshot(),
            search: self.search.snapshot(),
            held_for,
            left_today: state.left_today,
            waiting: state.waiting,
            passed_count: state.passed_count,
        }
    }

    fn held_for(&self) -> Option<Duration> {
        let until = self.state().not_before?;
        until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    fn paced(&self, budget: Budget) -> &Paced {
        match budget {
            Budget::Burst => &self.burst,
            Budget::Search => &self.search,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, and the figures stay usable anyway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How long `lane` must wait for the day's sake.
    fn daily_wait(&mut self, lane: Lane, now: Instant) -> Option<Duration> {
        let left = self.left_today?;
        let reserve = u64::from(self.most_today) * u64::from(lane.daily_reserve_percent()) / 100;
        if left > 0 && u64::from(left) > reserve {
            return None;
        }
        let waited = self.probed_at.map(|probed| now.duration_since(probed));
        match waited.and_then(|waited| PROBE_EVERY.checked_sub(waited)).filter(|rest| !rest.is_zero()) {
            Some(rest) => Some(rest),
            None => {
                self.probed_at = Some(now);
                None
            }
        }
    }
}

/// What a request that waits has got already.
struct Held {
    spare: bool,
    lower: bool,
}

/// A place among those who wait, given up when dropped.
struct Place<'a> {
    limiter: &'a Limiter,
    lane: Lane,
}

impl<'a> Place<'a> {
    fn take(limiter: &'a Limiter, lane: Lane) -> Self {
        limiter.state().waiting[lane.index()] += 1;
        Self { limiter, lane }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.limiter.state();
        let count = &mut state.waiting[self.lane.index()];
        *count = count.saturating_sub(1);
    }
}

/// One budget: its rate, its factor and the cells in use.
#[derive(Debug)]
struct Paced {
    state: Mutex<PacedState>,
    cells: ArcSwap<Cells>,
}

#[derive(Debug)]
struct PacedState {
    rate: Rate,
    factor_percent: u32,
    refused_at: Option<Instant>,
    grown_at: Instant,
    /// What of the window is used, by us and by others.
    room: Room,
}

impl Paced {
    fn new(rate: Rate, share_percent: u32) -> Self {
        let now = Instant::now();
        let state = PacedState { rate, factor_percent: 100, refused_at: None, grown_at: now, room: Room::default() };
        Self { state: Mutex::new(state), cells: ArcSwap::from_pointee(Cells::new(rate, share_percent)) }
    }

    fn state(&self) -> MutexGuard<'_, PacedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, now: Instant) {
        let mut state = self.state();
        let rate = state.rate;
        state.room.count(now, rate);
    }

    /// How long a request of `lane` waits for other applications. The tenth that is kept for what cannot wait is kept of what they leave.
    fn wait_for_room(&self, now: Instant, lane: Lane) -> Option<Duration> {
        let state = self.state();
        state.room.wait(now, state.rate, if lane.uses_reserve() { 100 } else { 90 })
    }

    fn slow(&self, now: Instant, share_percent: u32, apart: Duration) {
        let mut state = self.state();
        if state.refused_at.is_some_and(|last| now.duration_since(last) < apart) {
            return;
        }
        state.refused_at = Some(now);
        state.grown_at = now;
        state.factor_percent = (state.factor_percent / 2).max(FACTOR_PERCENT_MIN);
        self.swap(&state, share_percent);
    }

    fn recover(&self, now: Instant, share_percent: u32) {
        let mut state = self.state();
        if state.factor_percent >= 100 {
            return;
        }
        let steps = now.duration_since(state.grown_at).as_secs() / RECOVERY_EVERY.as_secs();
        let Some(steps) = u32::try_from(steps).ok().filter(|steps| *steps > 0) else { return };
        state.factor_percent = state.factor_percent.saturating_add(steps.saturating_mul(10)).min(100);
        state.grown_at = now;
        self.swap(&state, share_percent);
    }

    fn follow(&self, limit: Option<u32>, window: Option<Duration>, share_percent: u32) {
        let mut state = self.state();
        let limit = limit.filter(|limit| *limit > 0).unwrap_or_else(|| state.rate.limit.get());
        let rate = Rate::new(limit, window.filter(|window| !window.is_zero()).unwrap_or(state.rate.window));
        if rate != state.rate {
            state.rate = rate;
            self.swap(&state, share_percent);
        }
    }

    /// New cells begin empty: a change of pace must not hand out a second burst.
    fn swap(&self, state: &PacedState, share_percent: u32) {
        let cells = Cells::new(state.rate, share_percent * state.factor_percent / 100);
        cells.empty();
        self.cells.store(Arc::new(cells));
    }

    fn snapshot(&self) -> BudgetSnapshot {
        let state = self.state();
        BudgetSnapshot { rate: state.rate, factor_percent: state.factor_percent }
    }
}

type Governor = RateLimiter<NotKeyed, InMemoryState, Monotonic, NoOpMiddleware<Duration>>;

/// The tokens of one pace.
#[derive(Debug)]
struct Cells {
    /// All lanes together.
    all: Governor,
    /// The lanes without the reserve.
    lower: Governor,
    /// What is left over for the patrol.
    spare: Governor,
    burst: NonZeroU32,
    /// The time between two requests of the steady pace.
    period: Duration,
    clock: Monotonic,
}

impl Cells {
    /// A twenty-fifth of the allowed requests at once and the rest evenly, so that no window of that length, wherever it
    /// begins, ever holds more than the allowed number. What may leave at once is lost to the steady pace, so it is little.
    fn new(rate: Rate, percent: u32) -> Self {
        let clock = Monotonic(Instant::now());
        let allowed = f64::from(rate.limit.get()) * f64::from(percent.max(1)) / 100.0;
        let burst = NonZeroU32::new(whole(allowed / 25.0)).unwrap_or(NonZeroU32::MIN);
        // The burst's first request opens the window, so the steady ones may fill the rest of it.
        let steady = allowed - f64::from(burst.get() - 1);
        let period = rate.window.div_f64(steady).max(Duration::from_nanos(1));
        // Nine tenths of the pace, and of the burst, for those who can wait.
        let lower_burst = NonZeroU32::new(whole(f64::from(burst.get()) * 0.9)).unwrap_or(NonZeroU32::MIN);
        let lower_period = period.mul_f64(10.0 / 9.0);
        // Half of the pace and no burst, so that a poll that comes now finds room.
        let spare_period = period * 2;
        Self {
            all: RateLimiter::direct_with_clock(quota(period, burst), clock),
            lower: RateLimiter::direct_with_clock(quota(lower_period, lower_burst), clock),
            spare: RateLimiter::direct_with_clock(quota(spare_period, NonZeroU32::MIN), clock),
            burst,
            period,
            clock,
        }
    }

    fn check(&self, governor: &Governor) -> Result<(), Duration> {
        governor.check().map_err(|until| until.wait_time_from(self.clock.now()).max(Duration::from_millis(1)))
    }

    fn empty(&self) {
        for governor in [&self.all, &self.lower, &self.spare] {
            let mut left = self.burst.get();
            while left > 0 && governor.check().is_ok() {
                left -= 1;
            }
        }
    }
}

fn quota(period: Duration, burst: NonZeroU32) -> Quota {
    Quota::with_period(period).expect("a period is at least a nanosecond").allow_burst(burst)
}

/// A positive number without its fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u32 is no more than it")]
fn whole(number: f64) -> u32 {
    number as u32
}

/// The runtime's clock for `governor`, which would otherwise wait in real time while a test's clock stands still.
#[derive(Clone, Copy, Debug)]
struct Monotonic(Instant);

impl Clock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Instant::now().duration_since(self.0)
    }
}

#[cfg(test)]
mod tests;
