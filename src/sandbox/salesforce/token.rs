//! The token endpoint: JWT bearer, client credentials, refresh token with rotation, and the code of a person's login. Source:
//! section 2.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};

use super::answer::Answer;
use super::state::State;
use crate::clock::Clock;

/// The certificate's key that the app is set up with. It opens sandboxes only.
pub(super) const KEY: &str = include_str!("key.pem");

const AUDIENCES: [&str; 2] = ["https://login.salesforce.com", "https://test.salesforce.com"];
/// The longest life of an assertion, and what clocks may be apart.
const ASSERTION_SECONDS: i64 = 5 * 60;
const SKEW_SECONDS: i64 = 60;

fn refused(error: &str, description: &str) -> Answer {
    Answer::json(400, &json!({"error": error, "error_description": description}))
}

/// Reads `a=1&b=2`.
fn form(body: &[u8]) -> impl Fn(&str) -> Option<String> {
    let pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    move |name| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

impl State {
    /// `authorization` is the header, `origin` where the request came in: the org's My Domain.
    pub(super) fn token(&mut self, body: &[u8], authorization: Option<&str>, origin: &str) -> Answer {
        if let Some((error, description)) = self.faults.oauth_error.clone() {
            return refused(&error, &description);
        }
        let field = form(body);
        match field("grant_type").as_deref() {
            Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => {
                match self.assertion(&field("assertion").unwrap_or_default(), origin) {
                    Ok(user) => self.mint(&user, origin, None),
                    Err(refusal) => refusal,
                }
            }
            Some("client_credentials") => {
                if !self.knows_client(&field, authorization) {
                    return refused("invalid_client", "invalid client credentials");
                }
                match self.settings.run_as.clone() {
                    Some(user) => self.mint(&user, origin, None),
                    None => refused("invalid_grant", "no client credentials user enabled"),
                }
            }
            Some("refresh_token") => {
                if !self.knows_client(&field, authorization) {
                    return refused("invalid_client", "invalid client credentials");
                }
                self.refresh(&field("refresh_token").unwrap_or_default(), origin)
            }
            Some("authorization_code") => {
                if !self.knows_client(&field, authorization) {
                    return refused("invalid_client", "invalid client credentials");
                }
                match self.codes.remove(&field("code").unwrap_or_default()) {
                    Some(user) => {
                        let refresh = self.new_refresh(&user);
                        self.mint(&user, origin, Some(refresh))
                    }
                    None => refused("invalid_grant", "authentication failure"),
                }
            }
            _ => refused("unsupported_grant_type", "grant type not supported"),
        }
    }

    fn knows_client(&self, field: &impl Fn(&str) -> Option<String>, authorization: Option<&str>) -> bool {
        let basic =
            authorization.and_then(|text| text.strip_prefix("Basic ")).and_then(|text| STANDARD.decode(text).ok());
        let basic = basic.and_then(|bytes| String::from_utf8(bytes).ok());
        let (key, secret) = match basic.as_deref().and_then(|text| text.split_once(':')) {
            Some((key, secret)) => (key.to_owned(), secret.to_owned()),
            None => (field("client_id").unwrap_or_default(), field("client_secret").unwrap_or_default()),
        };
        key == self.settings.consumer_key && secret == self.settings.consumer_secret
    }

    fn assertion(&self, assertion: &str, origin: &str) -> Result<String, Answer> {
        let bad = |words: &str| refused("invalid_grant", words);
        let Some((signed, signature)) = assertion.rsplit_once('.') else { return Err(bad("invalid assertion")) };
        let claims = signed.split_once('.').and_then(|(header, claims)| {
            let json = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
            Some((json(header)?, json(claims)?))
        });
        let Some((header, claims)) = claims else { return Err(bad("invalid assertion")) };
        let is_signed = header["alg"] == "RS256"
            && public_key().is_some_and(|key| {
                let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).verify(signed.as_bytes(), &signature).is_ok()
            });
        if !is_signed {
            return Err(bad("invalid assertion"));
        }
        if claims["iss"] != self.settings.consumer_key {
            return Err(refused("invalid_client_id", "client identifier invalid"));
        }
        let audience = claims["aud"].as_str().unwrap_or_default();
        if !AUDIENCES.contains(&audience) && audience != origin {
            return Err(bad("audience is invalid"));
        }
        // The assertion's life is of the world's time, whatever the sandbox's clock says.
        let now = Clock::system().wall().as_second();
        // Clients write it as a number or as a text.
        let ends = claims["exp"].as_i64().or_else(|| claims["exp"].as_str()?.parse().ok()).unwrap_or(0);
        if ends < now - SKEW_SECONDS || ends > now + ASSERTION_SECONDS + SKEW_SECONDS {
            return Err(bad("expired authorization code"));
        }
        let name = claims["sub"].as_str().unwrap_or_default();
        let user = self.ids_by("User", "Username", name).into_iter().find(|user| self.flag("User", user, "IsActive"));
        let user = user.ok_or_else(|| bad("user hasn't approved this consumer"))?;
        if self.settings.approved.as_ref().is_some_and(|approved| !approved.contains(&user)) {
            return Err(refused("invalid_app_access", "User isn't approved by an admin to access this app"));
        }
        Ok(user)
    }

    fn new_refresh(&mut self, user: &str) -> String {
        self.minted += 1;
        let refresh = format!("5Aep861.sandbox.refresh.{}", self.minted);
        self.refreshes.insert(refresh.clone(), (true, user.to_owned()));
        refresh
    }

    /// With rotation a token is good once; one that comes again ends the whole family. Source: section 2.
    fn refresh(&mut self, refresh: &str, origin: &str) -> Answer {
        let known = self.refreshes.get(refresh).cloned();
        let Some((is_good, user)) = known else { return refused("invalid_grant", "expired access/refresh token") };
        if !is_good {
            self.refreshes.values_mut().filter(|(_, of)| *of == user).for_each(|(good, _)| *good = false);
            self.sessions.retain(|_, of| *of != user);
            return refused("invalid_grant", "expired access/refresh token");
        }
        if !self.settings.rotates_refresh_tokens {
            return self.mint(&user, origin, None);
        }
        self.refreshes.insert(refresh.to_owned(), (false, user.clone()));
        let next = self.new_refresh(&user);
        self.mint(&user, origin, Some(next))
    }

    fn mint(&mut self, user: &str, origin: &str, refresh: Option<String>) -> Answer {
        self.minted += 1;
        let short: String = self.organization.chars().take(15).collect();
        let access = format!("{short}!AQ.sandbox.{}", self.minted);
        self.sessions.insert(access.clone(), user.to_owned());
        let mut body = json!({
            "access_token": access, "scope": "api refresh_token", "instance_url": origin, "token_type": "Bearer",
            "id": format!("https://login.salesforce.com/id/{}/{user}", self.organization),
        });
        if let (Some(refresh), Some(body)) = (refresh, body.as_object_mut()) {
            body.insert("refresh_token".to_owned(), json!(refresh));
            body.insert("issued_at".to_owned(), json!(self.now().to_string()));
        }
        Answer::json(200, &body)
    }
}

/// The key that assertions are checked with, as it stands in the app's certificate.
fn public_key() -> Option<Vec<u8>> {
    let text: String = KEY.lines().filter(|line| !line.starts_with("-----")).collect();
    let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(text).ok()?).ok()?;
    Some(pair.public_key().as_ref().to_vec())
}
