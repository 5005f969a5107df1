//! The names of things: workspaces, connections, leads, records, hand-offs, operations.

use std::fmt;
use std::sync::Arc;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps `text` as it stands.
            #[must_use]
            pub fn new(text: &str) -> Self {
                Self(Arc::from(text))
            }

            /// The text of the id.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text, shared and not copied.
            #[must_use]
            pub fn shared(&self) -> Arc<str> {
                Arc::clone(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// One company that uses Baton. A plain install has one: `default`.
    WorkspaceId
}
text_id! {
    /// One CRM account Baton talks to, as named in the settings: `hubspot`, `odoo-eu`.
    ConnectionId
}
text_id! {
    /// A person of the roster, by the e-mail address the roster names them with, in lower case.
    PersonId
}
text_id! {
    /// A team of the roster: `dach`.
    TeamId
}
text_id! {
    /// The id a CRM gave one of its objects or users, as text, whatever it is made of.
    RemoteId
}
text_id! {
    /// The people of one company over all connections, as 16 hexadecimal digits that say nothing of which company it is.
    CommitteeId
}
text_id! {
    /// The name of a signal, a rejection reason or a nurture track in the agreement: `demo_request`, `bad_timing`.
    Name
}

/// One lead of a workspace. Numbers are given in order of appearance and never again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeadId(pub i64);

impl LeadId {
    /// No lead: what is about Baton itself.
    pub const NONE: Self = Self(0);
}

impl fmt::Display for LeadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L-{}", self.0)
    }
}

impl std::str::FromStr for LeadId {
    type Err = ();

    /// Reads `L-42` or `42`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.strip_prefix("L-").or_else(|| text.strip_prefix("l-")).unwrap_or(text);
        digits.parse().map(LeadId).map_err(|_| ())
    }
}

/// One hand-off: the lead's `number`-th, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HandoffId {
    /// The lead that is handed over.
    pub lead: LeadId,
    /// The lead's first hand-off is 1.
    pub number: u32,
}

impl fmt::Display for HandoffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.lead, self.number)
    }
}

/// The kinds of object that Baton reads from or makes in a CRM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Object {
    /// A person someone may sell to: a HubSpot contact, an Odoo `crm.lead`.
    Person,
    /// A person's employer.
    Company,
    /// A telephone call.
    Call,
    /// An e-mail message.
    Email,
    /// A meeting.
    Meeting,
    /// A task for a member of staff: a HubSpot task, an Odoo activity.
    Task,
    /// A note on a record.
    Note,
    /// A member of staff with access to the CRM, who can own records.
    User,
    /// A possible sale: a HubSpot deal, an Odoo opportunity that sales confirmed.
    Deal,
}

impl Object {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Person,
        Self::Company,
        Self::Call,
        Self::Email,
        Self::Meeting,
        Self::Task,
        Self::Note,
        Self::User,
        Self::Deal,
    ];

    /// The kind's name in tables and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Company => "company",
            Self::Call => "call",
            Self::Email => "email",
            Self::Meeting => "meeting",
            Self::Task => "task",
            Self::Note => "note",
            Self::User => "user",
            Self::Deal => "deal",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|object| object.as_str() == text)
    }
}

/// One object of one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordRef {
    /// Where it lives.
    pub connection: ConnectionId,
    /// What it is.
    pub object: Object,
    /// Its id there.
    pub id: RemoteId,
}

impl RecordRef {
    /// A reference to the object `id` of kind `object` on `connection`.
    #[must_use]
    pub fn new(connection: &ConnectionId, object: Object, id: impl Into<RemoteId>) -> Self {
        Self { connection: connection.clone(), object, id: id.into() }
    }
}

impl RecordRef {
    /// As people name it to a command: `hubspot:501`.
    #[must_use]
    pub fn spoken(&self) -> String {
        format!("{}:{}", self.connection, self.id)
    }
}

impl fmt::Display for RecordRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.connection, self.object.as_str(), self.id)
    }
}

/// What makes one effect that effect.
///
/// The same decision gives the same id on every machine and after every restart, so that a second insert is a no-op and a
/// CRM can be asked whether it has the effect already (promise 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId([u8; 16]);

impl OperationId {
    /// The id of the effect that `parts` name: workspace, hand-off, commitment, turn, step, effect. Parts are joined
    /// unambiguously, so `["ab", "c"]` and `["a", "bc"]` differ.
    #[must_use]
    pub fn of(parts: &[&str]) -> Self {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let digest = context.finish();
        let mut id = [0; 16];
        id.copy_from_slice(&digest.as_ref()[..16]);
        Self(id)
    }

    /// Reads the 32 hexadecimal digits that `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut id = [0; 16];
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        for (at, byte) in id.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
        }
        Some(Self(id))
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        // All of them are ASCII.
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operation_id_depends_on_where_the_parts_are_cut() {
        assert_ne!(OperationId::of(&["ab", "c"]), OperationId::of(&["a", "bc"]));
        assert_eq!(OperationId::of(&["a", "b"]), OperationId::of(&["a", "b"]));
    }

    #[test]
    fn operation_id_reads_back() {
        let id = OperationId::of(&["default", "L-1/1", "first touch", "1", "owner"]);
        assert_eq!(OperationId::parse(&id.to_string()), Some(id));
        assert_eq!(OperationId([0x0f; 16]).to_string(), "0f".repeat(16));
        assert_eq!(OperationId::parse("xyz"), None);
    }

    #[test]
    fn lead_id_reads_back() {
        assert_eq!("L-42".parse(), Ok(LeadId(42)));
        assert_eq!("42".parse(), Ok(LeadId(42)));
        assert_eq!("jane@x.example".parse::<LeadId>(), Err(()));
    }
}
