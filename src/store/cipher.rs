//! Values of one person under a key of that person: AES-256-GCM, so that destroying the key erases them wherever they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::domain::id::LeadId;

use super::StoreError;

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// A person's key.
pub(super) struct Secret {
    key: LessSafeKey,
    /// Bound into every seal: what was sealed for one lead opens for no other.
    lead: [u8; 8],
}

impl Secret {
    /// The key that `text` holds, if it is one.
    pub(super) fn parse(lead: LeadId, text: &str) -> Option<Self> {
        let bytes = STANDARD_NO_PAD.decode(text).ok()?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &bytes).ok()?);
        Some(Self { key, lead: lead.0.to_le_bytes() })
    }

    /// A new key, and the text to keep it as.
    pub(super) fn new(lead: LeadId) -> Result<(Self, String), StoreError> {
        let text = STANDARD_NO_PAD.encode(random::<KEY_BYTES>()?);
        let secret = Self::parse(lead, &text).ok_or(StoreError::Randomness)?;
        Ok((secret, text))
    }

    /// `plain`, sealed: a fresh nonce, then what only this key opens.
    pub(super) fn seal(&self, mut plain: Vec<u8>) -> Result<String, StoreError> {
        let nonce = random::<NONCE_LEN>()?;
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(self.lead), &mut plain)
            .map_err(|_| StoreError::Randomness)?;
        let mut sealed = nonce.to_vec();
        sealed.append(&mut plain);
        Ok(STANDARD_NO_PAD.encode(sealed))
    }

    /// What was sealed, unless it was changed or sealed by another key.
    pub(super) fn open(&self, sealed: &str) -> Option<Vec<u8>> {
        let bytes = STANDARD_NO_PAD.decode(sealed).ok()?;
        let (nonce, rest) = bytes.split_at_checked(NONCE_LEN)?;
        let mut rest = rest.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.key.open_in_place(nonce, Aad::from(self.lead), &mut rest).ok()?;
        Some(opened.to_vec())
    }
}

/// Random bytes that nobody can guess.
pub(super) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| StoreError::Randomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_own_key_and_lead_alone() {
        let (secret, text) = Secret::new(LeadId(7)).unwrap();
        let sealed = secret.seal(b"Ada Lovelace".to_vec()).unwrap();
        assert_ne!(sealed, secret.seal(b"Ada Lovelace".to_vec()).unwrap(), "equal values do not look equal");
        let again = Secret::parse(LeadId(7), &text).unwrap();
        assert_eq!(again.open(&sealed).as_deref(), Some(&b"Ada Lovelace"[..]));
        assert_eq!(Secret::parse(LeadId(8), &text).unwrap().open(&sealed), None, "another lead");
        assert_eq!(Secret::new(LeadId(7)).unwrap().0.open(&sealed), None, "another key");
        let changed = sealed.replacen(&sealed[20..21], if &sealed[20..21] == "A" { "B" } else { "A" }, 1);
        assert_eq!(again.open(&changed), None, "changed");
        assert_eq!(again.open("short"), None);
    }
}
