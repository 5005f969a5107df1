//! Who may use the board: users with a role, what proves them, and how long a login lasts.
//!
//! Passwords and tokens are kept as what cannot be turned back into them. A password is short and made slow to guess
//! (Argon2id); a token is 256 random bits, which nobody guesses, so that one SHA-256 is enough.

use std::fmt;

use argon2::{Argon2, Params, PasswordHasher as _, PasswordVerifier as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jiff::{SignedDuration, Timestamp};
use subtle::ConstantTimeEq as _;

use super::id::Name;

/// Letters that a password has at least.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Bytes of a password that are read at most: what is longer is no password, but work for nothing.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// What a token's text begins with, so that a scanner of repositories knows one when it sees it.
const TOKEN: &str = "baton_";
/// What a kept token begins with.
const KEPT_TOKEN: &str = "sha256:";
/// KiB of memory for one guess: below the least that OWASP's cheat sheet on password storage lists, and above what a small
/// machine can spare.
const MEMORY_KIB: std::ops::RangeInclusive<u32> = 7_168..=262_144;
/// Passes over that memory.
const PASSES_MAX: u32 = 10;

/// What somebody may do; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Looks at everything.
    Viewer,
    /// Lets effects go, takes them back, says who is one person.
    Operator,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Viewer, Self::Operator];

    /// As the settings write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

/// Somebody, or a script, who may use the board.
#[derive(Clone, Debug)]
pub struct User {
    /// By which name.
    pub name: Name,
    /// What they may do.
    pub role: Role,
    /// What their password is held against; `None`: nobody logs in by this name.
    pub password: Option<PasswordHash>,
    /// What their token is held against; `None`: no script uses this name.
    pub token: Option<TokenHash>,
}

/// May a user be called so? The name goes into the journal and into commands: one word, and no surprises.
#[must_use]
pub fn is_user_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    (1..=60).contains(&text.len()) && text.bytes().all(fits)
}

/// Who may use the board, and for how long at once.
#[derive(Clone, Debug)]
pub struct Access {
    /// The users; none: whoever reaches the board may do everything, as on a machine of one's own or behind a proxy that
    /// logs people in.
    pub users: Vec<User>,
    /// How long a login lasts at most.
    pub lasts: SignedDuration,
    /// How long it lasts without a request.
    pub idle: SignedDuration,
    /// Does a proxy stand before the board, so that it alone knows a caller's address?
    pub behind_proxy: bool,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            users: Vec::new(),
            lasts: SignedDuration::from_hours(12),
            idle: SignedDuration::from_hours(1),
            behind_proxy: false,
        }
    }
}

impl Access {
    /// May anybody do everything?
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.users.is_empty()
    }

    /// The user of this name.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name.as_str() == name)
    }

    /// Whose token this is. Every user's is looked at, so that the time tells nothing of where it was found.
    #[must_use]
    pub fn bearer(&self, token: &str) -> Option<&User> {
        let brought = TokenHash::of(token);
        let is_theirs = |user: &User| user.token.as_ref().is_some_and(|kept| kept.is(&brought));
        self.users.iter().fold(None, |found, user| if is_theirs(user) { Some(user) } else { found })
    }

    /// Is `session` still good?
    #[must_use]
    pub fn holds(&self, session: &Session, now: Timestamp) -> bool {
        let ends = |from: Timestamp, after: SignedDuration| from.checked_add(after).unwrap_or(Timestamp::MAX);
        now < ends(session.since, self.lasts) && now < ends(session.used, self.idle)
    }
}

/// Somebody who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub user: Name,
    /// Since when.
    pub since: Timestamp,
    /// When they asked for something last.
    pub used: Timestamp,
}

/// A password as it is kept: `$argon2id$v=19$m=...,t=...,p=...$salt$hash`.
#[derive(Clone)]
pub struct PasswordHash(argon2::PasswordHash);

/// Why a text is no [`PasswordHash`] that Baton uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// It is something else; a password itself, perhaps.
    #[error("this is no hash of a password")]
    NoHash,
    /// It was made by another method.
    #[error("this hash was not made by Argon2id, version 19")]
    Method,
    /// It costs a guesser too little, or Baton too much.
    #[error("this hash takes too little or too much work: at least 7 MiB of memory, at most 256 MiB and 10 passes")]
    Cost,
    /// It cannot be made.
    #[error("a hash cannot be made of this")]
    Unmade,
}

impl PasswordHash {
    /// Reads a hash.
    ///
    /// # Errors
    /// [`HashError`] if it is none, or none that is worth something.
    pub fn read(text: &str) -> Result<Self, HashError> {
        let hash = argon2::PasswordHash::new(text).map_err(|_| HashError::NoHash)?;
        let is_whole = hash.salt.is_some_and(|salt| salt.len() >= 8) && hash.hash.is_some_and(|out| out.len() >= 16);
        if hash.algorithm != argon2::ARGON2ID_IDENT || hash.version != Some(0x13) {
            return Err(HashError::Method);
        }
        let cost = Params::try_from(&hash).map_err(|_| HashError::Cost)?;
        if !is_whole {
            return Err(HashError::NoHash);
        }
        let is_fair = MEMORY_KIB.contains(&cost.m_cost()) && cost.t_cost() <= PASSES_MAX && cost.p_cost() <= 8;
        if is_fair { Ok(Self(hash)) } else { Err(HashError::Cost) }
    }

    /// The hash of `password`, with these random bytes: 19 MiB and two passes, as OWASP's cheat sheet has it.
    ///
    /// # Errors
    /// [`HashError::Unmade`] if there is no memory for it.
    pub fn of(password: &str, salt: [u8; 16]) -> Result<Self, HashError> {
        let made = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
        made.map(Self).map_err(|_| HashError::Unmade)
    }

    /// Is `password` theirs? Takes its time; what is compared is compared in constant time (fault 132).
    #[must_use]
    pub fn is_for(&self, password: &str) -> bool {
        password.len() <= PASSWORD_BYTES_MAX && Argon2::default().verify_password(password.as_bytes(), &self.0).is_ok()
    }

    /// A hash that costs the same and is nobody's: what a name that does not exist is held against, so that it takes as long.
    #[must_use]
    pub fn decoy(&self, random: [u8; 48]) -> Option<Self> {
        let (salt, output) = random.split_at(16);
        let mut hash = self.0.clone();
        hash.salt = Some(argon2::password_hash::phc::Salt::new(salt).ok()?);
        hash.hash = Some(argon2::password_hash::phc::Output::new(output).ok()?);
        Some(Self(hash))
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// A token as it is kept: `sha256:...`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The text of a token of these random bytes.
    #[must_use]
    pub fn token(random: [u8; 32]) -> String {
        format!("{TOKEN}{}", BASE64.encode(random))
    }

    /// What is kept of `token`.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let mut kept = [0; 32];
        kept.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, token.as_bytes()).as_ref());
        Self(kept)
    }

    /// Reads what is kept; `None` if it is something else, such as the token itself.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text.strip_prefix(KEPT_TOKEN)?).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// Compares in constant time (fault 132).
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KEPT_TOKEN}{}", BASE64.encode(self.0))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_opens_what_was_made_of_it_and_nothing_else_fault_132() {
        let kept = PasswordHash::of("correct horse battery", [7; 16]).unwrap();
        let read = PasswordHash::read(&kept.to_string()).unwrap();
        assert!(read.is_for("correct horse battery"));
        assert!(!read.is_for("correct horse batterz") && !read.is_for("") && !read.is_for(&"x".repeat(5_000)));
        let decoy = read.decoy([9; 48]).unwrap();
        assert!(!decoy.is_for("correct horse battery"));
        let cost = |hash: &PasswordHash| hash.to_string().split('$').nth(3).map(str::to_owned);
        assert_eq!(cost(&decoy), cost(&read), "it takes as long");
        assert_eq!(format!("{kept:?}"), "PasswordHash", "it is in no log");
    }

    #[test]
    fn what_is_no_hash_or_is_worth_nothing_is_refused_with_the_reason() {
        let good = PasswordHash::of("correct horse battery", [7; 16]).unwrap().to_string();
        for (text, expected) in [
            (good.clone(), None),
            ("correct horse battery".to_owned(), Some(HashError::NoHash)),
            ("$2b$12$KIXQ4S5Yc0mGx6bq0rj2uOe".to_owned(), Some(HashError::NoHash)),
            (good.replace("argon2id", "argon2i"), Some(HashError::Method)),
            (good.replace("v=19", "v=16"), Some(HashError::Method)),
            (good.replace("m=19456", "m=64"), Some(HashError::Cost)),
            (good.replace("m=19456", "m=4000000"), Some(HashError::Cost)),
            (good.replace("t=2", "t=4000"), Some(HashError::Cost)),
            (good.rsplit_once('$').unwrap().0.to_owned(), Some(HashError::NoHash)),
        ] {
            assert_eq!(PasswordHash::read(&text).err(), expected, "{text}");
        }
    }

    #[test]
    fn a_token_is_known_by_its_hash_alone_fault_132() {
        let token = TokenHash::token([5; 32]);
        assert!(token.starts_with("baton_"), "{token}");
        let kept = TokenHash::of(&token);
        assert_eq!(TokenHash::read(&kept.to_string()), Some(kept));
        assert_eq!(TokenHash::read(&token), None, "the token itself is not what is kept");
        let user = |name: &str, token: Option<&str>| User {
            name: Name::from(name),
            role: Role::Viewer,
            password: None,
            token: token.map(TokenHash::of),
        };
        let users = vec![user("none", None), user("one", Some(&token)), user("two", Some("baton_other"))];
        let access = Access { users, ..Access::default() };
        assert_eq!(access.bearer(&token).map(|user| user.name.as_str()), Some("one"));
        assert!(access.bearer("baton_").is_none() && access.bearer("").is_none());
        assert!(access.bearer(&kept.to_string()).is_none(), "what is kept opens nothing");
    }

    #[test]
    fn a_session_ends_idle_and_at_last_whatever_is_done_fault_127() {
        let access =
            Access { lasts: SignedDuration::from_hours(12), idle: SignedDuration::from_hours(1), ..Access::default() };
        let at = |minutes: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        for (used, now, expected) in
            [(0, 0, true), (0, 59, true), (0, 60, false), (600, 659, true), (700, 719, true), (719, 720, false)]
        {
            let session = Session { user: Name::from("anna"), since: at(0), used: at(used) };
            assert_eq!(access.holds(&session, at(now)), expected, "used {used}, now {now}");
        }
    }

    #[test]
    fn an_operator_may_what_a_viewer_may() {
        assert!(Role::Operator > Role::Viewer);
    }
}
