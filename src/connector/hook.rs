//! What a webhook is before anybody believes it, and what it may ask for: to look at records, never what they hold.

use std::time::Duration;

use jiff::Timestamp;
use ring::hmac;

use crate::domain::id::RecordRef;

/// A signed time may lie this far back. Source: section 12 of HubSpot's sheet.
pub const AGE_MAX: Duration = Duration::from_secs(300);
/// Events of one request; more are not read.
pub const EVENTS_MAX: usize = 500;

/// A webhook's request as it came in.
#[derive(Clone, Debug, Default)]
pub struct Knock {
    /// The headers, names in small letters.
    pub headers: Vec<(String, String)>,
    /// What stands behind the connection's name in the path.
    pub tail: Option<String>,
    /// The query, as it was sent.
    pub query: Option<String>,
    /// The body, byte by byte as it was sent.
    pub body: Vec<u8>,
    /// Real time.
    pub now: Timestamp,
}

impl Knock {
    /// The value of a header; `name` in small letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// One event: a record that is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What makes it that event, in short: the same again says nothing new.
    pub key: String,
    /// The record.
    pub of: RecordRef,
    /// Did what hangs on the record change?
    pub around: bool,
}

/// Why a webhook is not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The connection takes no webhooks.
    NotSetUp,
    /// It does not prove that it comes from the CRM, or proves an older time: what is wrong with the proof.
    Forged(&'static str),
    /// It is proved, but says nothing that can be read: where it stops making sense.
    Unreadable(String),
}

/// Are the two equal? The time that takes says nothing about where they differ.
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    // The tags of both under one key are compared by ring in constant time.
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"compare");
    hmac::verify(&key, one, hmac::sign(&key, other).as_ref()).is_ok()
}

/// A few bytes that stand for `parts`, wherever they are cut.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        context.update(&part.len().to_le_bytes());
        context.update(part.as_bytes());
    }
    context.finish().as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_compared_as_a_whole_fault_132() {
        assert!(is_same(b"sesame-sesame", b"sesame-sesame"));
        for other in [&b"sesame-sesamf"[..], b"sesame-sesam", b"", b"Sesame-sesame", b"sesame-sesame "] {
            assert!(!is_same(b"sesame-sesame", other));
        }
    }

    #[test]
    fn a_digest_depends_on_where_the_parts_are_cut() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_eq!(digest(&["ab", "c"]), digest(&["ab", "c"]));
    }
}
