//! JSON web tokens (RFC 7519) in the compact form, signed by HMAC with SHA-256.
//!
//! The machine has neither randomness nor a clock, so no library that reads them fits: the signature is ring's, and what
//! the claims mean is for whoever reads them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

/// Signs claims and knows its own signatures again.
pub(in super::super) struct Signer(hmac::Key);

impl Signer {
    /// The signer of this secret.
    pub(in super::super) fn new(secret: &[u8; 32]) -> Signer {
        Signer(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The token that makes these claims.
    pub(super) fn sign(&self, claims: &Value) -> String {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&json!({"alg": "HS256", "typ": "JWT"})), encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// What a token claims, if it was signed here.
    pub(super) fn verify(&self, token: &str) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.0, signed.as_bytes(), &signature).ok()?;
        let (_, claims) = signed.split_once('.')?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_signer_alone() {
        let (own, other) = (Signer::new(&[1; 32]), Signer::new(&[2; 32]));
        let claims = json!({"sub": "somebody"});
        let token = own.sign(&claims);
        assert_eq!(own.verify(&token), Some(claims));
        assert_eq!(other.verify(&token), None);
        let (head, _) = token.rsplit_once('.').unwrap();
        for wrong in [head, "", "a.b.c", &format!("{head}."), &format!("{token}A")] {
            assert_eq!(own.verify(wrong), None, "{wrong}");
        }
    }
}
