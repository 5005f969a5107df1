//! One-click answers: a link that is good for one turn of one hand-off, for its owner, until a time.
//!
//! The link is a capability. Nothing in it names anybody: lead, hand-off and turn are numbers, and the owner is in the
//! signature alone, so that a link cannot be bent to another turn, another owner, or a later end.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jiff::Timestamp;
use ring::hmac;

use super::id::{HandoffId, LeadId, Name, PersonId, WorkspaceId};

/// Bytes of what a link says, before its signature.
const SAID: usize = 25;
/// The form of a link; another form gets another number.
const VERSION: u8 = 1;

/// The key that links are signed with.
#[derive(Clone)]
pub struct Key(hmac::Key);

impl Key {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// What a link is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Which hand-off.
    pub handoff: HandoffId,
    /// Which of its turns.
    pub turn: u32,
    /// No answer is taken after this; whole seconds.
    pub until: Timestamp,
}

/// A ticket as somebody brought it, which may be forged.
#[derive(Clone, Debug)]
pub struct Unproven {
    /// What it claims.
    pub ticket: Ticket,
    said: [u8; SAID],
    signature: Vec<u8>,
}

impl Ticket {
    /// The text of the link for `person`, who owns the turn.
    #[must_use]
    pub fn sign(&self, workspace: &WorkspaceId, person: &PersonId, key: &Key) -> String {
        let said = self.said();
        let tag = hmac::sign(&key.0, &signed(&said, workspace, person));
        BASE64.encode([&said[..], tag.as_ref()].concat())
    }

    /// Reads the text of a link; `None` if it is none of Baton's.
    #[must_use]
    pub fn read(text: &str) -> Option<Unproven> {
        if text.len() > 200 {
            return None;
        }
        let bytes = BASE64.decode(text).ok()?;
        let (said, signature) = bytes.split_first_chunk::<SAID>()?;
        let lead = i64::from_be_bytes(said[1..9].try_into().ok()?);
        let number = u32::from_be_bytes(said[9..13].try_into().ok()?);
        let turn = u32::from_be_bytes(said[13..17].try_into().ok()?);
        let until = Timestamp::from_second(i64::from_be_bytes(said[17..25].try_into().ok()?)).ok()?;
        let ticket = Self { handoff: HandoffId { lead: LeadId(lead), number }, turn, until };
        (said[0] == VERSION).then(|| Unproven { ticket, said: *said, signature: signature.to_vec() })
    }

    fn said(&self) -> [u8; SAID] {
        let mut said = [0; SAID];
        said[0] = VERSION;
        said[1..9].copy_from_slice(&self.handoff.lead.0.to_be_bytes());
        said[9..13].copy_from_slice(&self.handoff.number.to_be_bytes());
        said[13..17].copy_from_slice(&self.turn.to_be_bytes());
        said[17..25].copy_from_slice(&self.until.as_second().to_be_bytes());
        said
    }
}

impl Unproven {
    /// Was it signed for `person` with this key? Compared in constant time (fault 132).
    #[must_use]
    pub fn is_for(&self, workspace: &WorkspaceId, person: &PersonId, key: &Key) -> bool {
        hmac::verify(&key.0, &signed(&self.said, workspace, person), &self.signature).is_ok()
    }
}

/// What is signed. What is said has a fixed length and the workspace says its own, so no two meanings have one text.
fn signed(said: &[u8; SAID], workspace: &WorkspaceId, person: &PersonId) -> Vec<u8> {
    let workspace = workspace.as_str().as_bytes();
    [b"baton answer".as_slice(), said, &(workspace.len() as u64).to_be_bytes(), workspace, person.as_str().as_bytes()]
        .concat()
}

/// An owner's word on a lead, given by a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Which turn it is about.
    pub turn: u32,
    /// Whose word.
    pub by: PersonId,
    /// When.
    pub at: Timestamp,
    /// The word.
    pub word: Verdict,
}

/// An owner's word on a lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They take it.
    Accepted,
    /// They give it back, for this reason of the agreement.
    Rejected(Name),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        let handoff = HandoffId { lead: LeadId(42), number: 3 };
        Ticket { handoff, turn: 2, until: "2026-12-01T09:00:00Z".parse().unwrap() }
    }

    #[test]
    fn a_link_is_good_for_its_turn_owner_workspace_and_key_alone_fault_132() {
        let (key, home) = (Key::new(&[7; 32]), WorkspaceId::from("default"));
        let (anna, ben) = (PersonId::from("anna@example.com"), PersonId::from("ben@example.com"));
        let text = ticket().sign(&home, &anna, &key);
        let read = Ticket::read(&text).unwrap();
        assert_eq!(read.ticket, ticket());
        assert!(read.is_for(&home, &anna, &key));
        assert!(!read.is_for(&home, &ben, &key));
        assert!(!read.is_for(&WorkspaceId::from("other"), &anna, &key));
        assert!(!read.is_for(&home, &anna, &Key::new(&[8; 32])));
        for other in [
            Ticket { turn: 3, ..ticket() },
            Ticket { handoff: HandoffId { lead: LeadId(43), number: 3 }, ..ticket() },
            Ticket { until: "2027-12-01T09:00:00Z".parse().unwrap(), ..ticket() },
        ] {
            assert_ne!(other.sign(&home, &anna, &key), text);
        }
    }

    #[test]
    fn no_bit_of_a_link_can_be_changed_and_nothing_of_it_cut_fault_132() {
        let (key, home, anna) = (Key::new(&[7; 32]), WorkspaceId::from("default"), PersonId::from("anna@example.com"));
        let bytes = BASE64.decode(ticket().sign(&home, &anna, &key)).unwrap();
        let is_good =
            |bytes: &[u8]| Ticket::read(&BASE64.encode(bytes)).is_some_and(|read| read.is_for(&home, &anna, &key));
        assert!(is_good(&bytes));
        for bit in 0..bytes.len() * 8 {
            let mut bent = bytes.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_good(&bent), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(!is_good(&bytes[..length]), "{length} bytes");
        }
        assert!(!is_good(&[&bytes[..], &[0]].concat()));
    }

    #[test]
    fn a_link_names_nobody_and_fits_into_an_address() {
        let text =
            ticket().sign(&WorkspaceId::from("default"), &PersonId::from("anna@example.com"), &Key::new(&[7; 32]));
        let decoded = String::from_utf8_lossy(&BASE64.decode(&text).unwrap()).into_owned();
        assert!(!text.contains("anna") && !decoded.contains("anna"));
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'), "{text}");
        for other in ["", "x", "....", &"A".repeat(10_000)] {
            assert!(Ticket::read(other).is_none(), "{other}");
        }
    }
}
