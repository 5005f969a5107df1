//! Who is logged in to the board.
//!
//! Sessions are kept in memory, by the hash of what the browser holds: whoever reads this process's files finds none, and a
//! restart logs everybody out. The id is made anew at each login, so that one which somebody planted is worth nothing.

mod attempts;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::Semaphore;

use crate::domain::access::{Access, PasswordHash, Session, TokenHash, User};

use attempts::Attempts;

/// Passwords that are looked at at once: each takes 19 MiB and a core for a moment.
const LOOKS_MAX: usize = 2;
/// Sessions of one user; the one that was used longest ago ends for the next.
const SESSIONS_PER_USER_MAX: usize = 20;

/// What came of a try to log in.
#[derive(Debug)]
pub enum LoggedOn {
    /// It was them; what their browser holds from now on.
    In(String),
    /// Name or password is wrong; which of them is told to nobody.
    Wrong,
    /// Too many tries; how long to wait.
    TooOften(Duration),
    /// The machine could not say.
    Failed,
}

/// How often what happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogOns {
    /// Logged in.
    pub good: u64,
    /// Name or password was wrong.
    pub wrong: u64,
    /// Not looked at, since there were too many tries.
    pub refused: u64,
}

/// Who is logged in.
#[derive(Default)]
pub struct Sessions {
    access: Access,
    open: Mutex<HashMap<TokenHash, Session>>,
    attempts: Attempts,
    looks: Looks,
    good: AtomicU64,
    wrong: AtomicU64,
    refused: AtomicU64,
}

struct Looks(Semaphore);

impl Default for Looks {
    fn default() -> Self {
        Self(Semaphore::new(LOOKS_MAX))
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").field("open", &self.open().len()).finish_non_exhaustive()
    }
}

impl Sessions {
    /// Nobody is logged in yet.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self { access, ..Self::default() }
    }

    /// Who may.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    fn open(&self) -> MutexGuard<'_, HashMap<TokenHash, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks whether `name` and `password` belong together. `before` is what the browser held until now: that session ends.
    pub async fn log_on(
        &self,
        name: &str,
        password: &str,
        from: Option<IpAddr>,
        before: Option<&str>,
        now: Timestamp,
    ) -> LoggedOn {
        if let Err(wait) = self.attempts.take(from, name) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return LoggedOn::TooOften(wait);
        }
        let known = self.access.user(name).and_then(|user| Some((user, user.password.clone()?)));
        // A name that does not exist takes as long as one that does.
        let Some(held_against) = known.as_ref().map(|(_, hash)| hash.clone()).or_else(|| self.decoy()) else {
            return LoggedOn::Wrong;
        };
        let password = password.to_owned();
        // Awaited at once: a thread that may be kept busy for a moment, and no task of its own.
        let Ok(_turn) = self.looks.0.acquire().await else { return LoggedOn::Failed };
        let is_theirs = match tokio::task::spawn_blocking(move || held_against.is_for(&password)).await {
            Ok(is_theirs) => is_theirs,
            Err(error) => {
                tracing::error!("a password could not be looked at: {error}");
                return LoggedOn::Failed;
            }
        };
        let Some((user, _)) = known.filter(|_| is_theirs) else {
            self.wrong.fetch_add(1, Ordering::Relaxed);
            return LoggedOn::Wrong;
        };
        let Some(token) = random().map(TokenHash::token) else { return LoggedOn::Failed };
        if let Some(before) = before {
            self.log_off(before);
        }
        self.begin(&token, user, now);
        self.good.fetch_add(1, Ordering::Relaxed);
        LoggedOn::In(token)
    }

    /// Something that costs as much as the users' own hashes and is nobody's.
    fn decoy(&self) -> Option<PasswordHash> {
        self.access.users.iter().find_map(|user| user.password.as_ref())?.decoy(random()?)
    }

    fn begin(&self, token: &str, user: &User, now: Timestamp) {
        let mut open = self.open();
        open.retain(|_, session| self.access.holds(session, now));
        let mut theirs: Vec<(Timestamp, TokenHash)> = open
            .iter()
            .filter(|(_, session)| session.user == user.name)
            .map(|(token, session)| (session.used, *token))
            .collect();
        theirs.sort_unstable_by_key(|(used, _)| *used);
        let too_many = (theirs.len() + 1).saturating_sub(SESSIONS_PER_USER_MAX);
        for (_, token) in theirs.into_iter().take(too_many) {
            open.remove(&token);
        }
        open.insert(TokenHash::of(token), Session { user: user.name.clone(), since: now, used: now });
    }

    /// Whose session `token` is, if it is still good. `is_use`: it was a person who asked, not a page that renews itself.
    #[must_use]
    pub fn user(&self, token: &str, is_use: bool, now: Timestamp) -> Option<&User> {
        let mut open = self.open();
        let key = TokenHash::of(token);
        let session = open.get_mut(&key)?;
        if !self.access.holds(session, now) {
            open.remove(&key);
            return None;
        }
        if is_use {
            session.used = now;
        }
        self.access.user(session.user.as_str())
    }

    /// Ends the session of `token`.
    pub fn log_off(&self, token: &str) {
        self.open().remove(&TokenHash::of(token));
    }

    /// Ends every session of `user`, or of everybody; how many.
    pub fn end(&self, user: Option<&str>) -> usize {
        let mut open = self.open();
        let before = open.len();
        open.retain(|_, session| user.is_some_and(|user| session.user.as_str() != user));
        before - open.len()
    }

    /// How many are good now.
    #[must_use]
    pub fn count(&self, now: Timestamp) -> usize {
        self.open().values().filter(|session| self.access.holds(session, now)).count()
    }

    /// What happened since the start.
    #[must_use]
    pub fn log_ons(&self) -> LogOns {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        LogOns { good: read(&self.good), wrong: read(&self.wrong), refused: read(&self.refused) }
    }
}

/// Bytes that nobody guesses; `None` if the machine gives none.
fn random<const COUNT: usize>() -> Option<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => Some(bytes),
        Err(_) => {
            tracing::error!("this machine gives no random numbers: nobody can log in");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::domain::access::Role;
    use crate::domain::id::Name;

    const PASSWORD: &str = "correct horse battery";

    fn sessions(names: &[&str]) -> Sessions {
        let user = |name: &&str| User {
            name: Name::from(*name),
            role: Role::Viewer,
            password: Some(PasswordHash::of(PASSWORD, [7; 16]).unwrap()),
            token: None,
        };
        Sessions::new(Access { users: names.iter().map(user).collect(), ..Access::default() })
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    async fn log_on(sessions: &Sessions, name: &str, before: Option<&str>, minutes: i64) -> String {
        match sessions.log_on(name, PASSWORD, None, before, at(minutes)).await {
            LoggedOn::In(token) => token,
            other => unreachable!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn an_id_is_new_at_each_login_and_the_one_before_ends_fault_127() {
        let sessions = sessions(&["anna"]);
        let planted = "baton_planted-by-somebody-else";
        let first = log_on(&sessions, "anna", Some(planted), 0).await;
        assert!(sessions.user(planted, true, at(0)).is_none(), "a planted id opens nothing after the login");
        let second = log_on(&sessions, "anna", Some(&first), 0).await;
        assert_ne!(first, second);
        assert!(sessions.user(&first, true, at(0)).is_none() && sessions.user(&second, true, at(0)).is_some());
        sessions.log_off(&second);
        assert!(sessions.user(&second, true, at(0)).is_none());
    }

    #[tokio::test]
    async fn a_page_that_renews_itself_keeps_nobody_logged_in_fault_127() {
        let sessions = sessions(&["anna"]);
        let token = log_on(&sessions, "anna", None, 0).await;
        assert!(sessions.user(&token, true, at(30)).is_some());
        assert!(sessions.user(&token, false, at(80)).is_some());
        assert!(sessions.user(&token, false, at(91)).is_none(), "an hour after the last use");
        assert_eq!(sessions.count(at(91)), 0);
    }

    #[tokio::test]
    async fn all_sessions_of_one_or_of_everybody_are_ended_at_once_fault_127() {
        let sessions = sessions(&["anna", "ben"]);
        let (anna, ben) = (log_on(&sessions, "anna", None, 0).await, log_on(&sessions, "ben", None, 0).await);
        log_on(&sessions, "anna", None, 0).await;
        assert_eq!(sessions.end(Some("anna")), 2);
        assert!(sessions.user(&anna, true, at(0)).is_none() && sessions.user(&ben, true, at(0)).is_some());
        assert_eq!(sessions.end(None), 1);
        assert!(sessions.user(&ben, true, at(0)).is_none());
    }

    #[tokio::test]
    async fn a_user_has_so_many_sessions_and_no_more() {
        let sessions = sessions(&["anna"]);
        let user = sessions.access().user("anna").unwrap();
        for minute in 0..30 {
            sessions.begin(&format!("token {minute}"), user, at(minute));
        }
        assert_eq!(sessions.count(at(30)), SESSIONS_PER_USER_MAX);
        assert!(sessions.user("token 9", true, at(30)).is_none() && sessions.user("token 10", true, at(30)).is_some());
    }

    #[tokio::test]
    async fn a_wrong_name_and_a_wrong_password_are_one_answer_and_take_the_same_work_fault_127() {
        let sessions = sessions(&["anna"]);
        for (name, password) in [("anna", "wrong"), ("nobody", PASSWORD), ("", ""), ("ANNA", PASSWORD)] {
            let told = sessions.log_on(name, password, None, None, at(0)).await;
            assert!(matches!(told, LoggedOn::Wrong), "{name}: {told:?}");
        }
        let decoy = sessions.decoy().expect("there is something to hold unknown names against");
        let kept = sessions.access().user("anna").and_then(|user| user.password.clone()).unwrap();
        let cost = |hash: &PasswordHash| hash.to_string().split('$').nth(3).map(str::to_owned);
        assert_eq!(cost(&decoy), cost(&kept));
        assert_eq!(sessions.log_ons(), LogOns { good: 0, wrong: 4, refused: 0 });
    }
}
