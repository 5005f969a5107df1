//! The signed assertion of the JWT bearer flow. Source: the sheet, section 2.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::connector::settings::JwtApp;

/// How long an assertion is good.
const SECONDS: i64 = 180;

/// `now` is the world's time: the org compares it with its own.
///
/// # Errors
/// What is wrong with the key, without a part of it.
pub(super) fn sign(app: &JwtApp, now: Timestamp) -> Result<String, String> {
    let pair = pair(app.key.expose_secret())?;
    let claims = json!({
        "iss": app.client_id, "sub": app.username, "aud": app.audience, "exp": now.as_second() + SECONDS,
    });
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({"alg": "RS256"})), part(&claims));
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| "the assertion could not be signed".to_owned())?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The key of a PEM text, as `openssl genpkey` (PKCS #8) or `openssl genrsa -traditional` (PKCS #1) writes it.
fn pair(pem: &str) -> Result<RsaKeyPair, String> {
    let inner: String =
        pem.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("-----")).collect();
    let der = STANDARD.decode(inner).map_err(|_| "the private key is no PEM text".to_owned())?;
    RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der)).map_err(|_| {
        "the private key is no RSA key of at least 2048 bits: make one with `openssl genpkey -algorithm RSA`".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_told_without_quoting_it() {
        for key in ["", "canary", "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----"] {
            let app = JwtApp { client_id: "c".into(), username: "u".into(), key: key.into(), audience: "a".into() };
            let why = sign(&app, Timestamp::UNIX_EPOCH).unwrap_err();
            assert!(!why.contains("canary") && !why.contains("Y2Fu"), "{why}");
        }
    }
}
