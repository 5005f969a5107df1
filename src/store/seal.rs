//! Secrets at rest: sealed with a key that stands outside of the database, or marked as clear.
//!
//! AES-256-GCM with a random nonce for each value; what a value is about is authenticated with it, so that a sealed value
//! cannot be moved to another row. The key is derived from the secret of the settings, whatever its length above the least.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret, SecretString};

/// The least length of the secret that a key is made from, in characters.
pub const KEY_CHARS_MIN: usize = 32;

/// What stands before a value that is not sealed.
const CLEAR: &str = "clear:";
/// What stands before a sealed value.
const SEALED: &str = "aes256gcm:";

/// The key of the store's secrets, or none.
pub struct Seal(Option<LessSafeKey>);

/// Why a value cannot be sealed or opened. Never holds the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The secret is too short to make a key from.
    #[error("the key has fewer than {KEY_CHARS_MIN} characters")]
    Short,
    /// The value is sealed, and there is no key.
    #[error("it is sealed, but the settings name no [store] key")]
    NoKey,
    /// The value was sealed with another key, or changed.
    #[error("the [store] key is not the one that it was sealed with, or it was changed")]
    OtherKey,
    /// The value is not one of ours.
    #[error("it is not in a form that this Baton knows")]
    Form,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

impl Seal {
    /// No key: values are kept as they are.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// The key that `secret` makes.
    ///
    /// # Errors
    /// [`SealError::Short`].
    pub fn of(secret: &SecretString) -> Result<Self, SealError> {
        let secret = secret.expose_secret().trim();
        if secret.chars().count() < KEY_CHARS_MIN {
            return Err(SealError::Short);
        }
        let derived = Salt::new(HKDF_SHA256, b"baton store").extract(secret.as_bytes());
        let key = derived.expand(&[b"secrets at rest 1"], &AES_256_GCM).map_err(|_| SealError::Form)?;
        Ok(Self(Some(LessSafeKey::new(UnboundKey::from(key)))))
    }

    /// Are values sealed?
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.0.is_some()
    }

    /// `value` in the form that is stored. `about` says what it is, and is needed again to open it.
    ///
    /// # Errors
    /// [`SealError::Random`].
    pub fn close(&self, about: &str, value: &SecretString) -> Result<String, SealError> {
        let Some(key) = &self.0 else { return Ok(format!("{CLEAR}{}", value.expose_secret())) };
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SealError::Random)?;
        let mut sealed = value.expose_secret().as_bytes().to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(about.as_bytes()), &mut sealed)
            .map_err(|_| SealError::Form)?;
        Ok(format!("{SEALED}{}", BASE64.encode([&nonce[..], &sealed].concat())))
    }

    /// The value that [`close`](Self::close) made `stored` of. What was stored before there was a key opens, too.
    ///
    /// # Errors
    /// [`SealError`] if it is sealed with no key, another key, or for something else.
    pub fn open(&self, about: &str, stored: &str) -> Result<SecretString, SealError> {
        if let Some(clear) = stored.strip_prefix(CLEAR) {
            return Ok(SecretString::from(clear.to_owned()));
        }
        let sealed = stored.strip_prefix(SEALED).ok_or(SealError::Form)?;
        let key = self.0.as_ref().ok_or(SealError::NoKey)?;
        let mut bytes = BASE64.decode(sealed).map_err(|_| SealError::Form)?;
        if bytes.len() < NONCE_LEN {
            return Err(SealError::Form);
        }
        let mut rest = bytes.split_off(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&bytes).map_err(|_| SealError::Form)?;
        let opened =
            key.open_in_place(nonce, Aad::from(about.as_bytes()), &mut rest).map_err(|_| SealError::OtherKey)?;
        let text = std::str::from_utf8(opened).map_err(|_| SealError::Form)?;
        Ok(SecretString::from(text.to_owned()))
    }

    /// Does `stored` stand as this seal would leave it?
    #[must_use]
    pub fn is_as_wanted(&self, stored: &str) -> bool {
        stored.starts_with(if self.has_key() { SEALED } else { CLEAR })
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.has_key() { "Seal(key)" } else { "Seal(none)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(letter: &str) -> Seal {
        Seal::of(&SecretString::from(letter.repeat(KEY_CHARS_MIN))).unwrap()
    }

    #[test]
    fn a_sealed_value_opens_only_with_its_key_and_for_what_it_is_about_fault_125() {
        let value = SecretString::from("canary-token");
        let sealed = seal("a").close("default/hubspot", &value).unwrap();
        assert!(!sealed.contains("canary"), "{sealed}");
        assert_eq!(seal("a").open("default/hubspot", &sealed).unwrap().expose_secret(), "canary-token");
        assert_ne!(sealed, seal("a").close("default/hubspot", &value).unwrap(), "each time another nonce");
        let error = |seal: Seal, about: &str, text: &str| seal.open(about, text).unwrap_err();
        assert_eq!(error(seal("b"), "default/hubspot", &sealed), SealError::OtherKey);
        assert_eq!(error(seal("a"), "default/other", &sealed), SealError::OtherKey);
        assert_eq!(error(Seal::none(), "default/hubspot", &sealed), SealError::NoKey);
        assert_eq!(error(seal("a"), "default/hubspot", "{}"), SealError::Form);
        let mut bytes = BASE64.decode(&sealed[SEALED.len()..]).unwrap();
        for place in 0..bytes.len() {
            bytes[place] ^= 1;
            let changed = format!("{SEALED}{}", BASE64.encode(&bytes));
            assert_eq!(error(seal("a"), "default/hubspot", &changed), SealError::OtherKey, "byte {place}");
            bytes[place] ^= 1;
        }
        assert!(!format!("{:?}", seal("a")).contains("aaa"));
    }

    #[test]
    fn without_a_key_values_are_marked_as_clear_and_a_key_opens_them_later() {
        let value = SecretString::from("v");
        let clear = Seal::none().close("x", &value).unwrap();
        assert_eq!(
            (clear.as_str(), Seal::none().is_as_wanted(&clear), seal("a").is_as_wanted(&clear)),
            ("clear:v", true, false)
        );
        assert_eq!(seal("a").open("x", &clear).unwrap().expose_secret(), "v");
        assert_eq!(Seal::of(&SecretString::from("a".repeat(KEY_CHARS_MIN - 1))).unwrap_err(), SealError::Short);
    }
}
