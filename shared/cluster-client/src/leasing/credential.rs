//! When the credential of a kubeconfig ends.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value};
use x509_parser::pem::Pem;

use crate::leasing::ClusterAccess;

impl ClusterAccess {
    /// When its credential ends, as it says itself: its client certificate, with the chain, by `notAfter`, and its token
    /// by `exp` where it is a JWT; of both, the earlier end. Nothing where none says so.
    pub fn ends_at(&self) -> Option<Timestamp> {
        let certificate = self.trust.identity_pem.as_deref().and_then(certificates_end);
        let token = token_end(self.token_text());
        certificate.into_iter().chain(token).min()
    }
}

/// When the first of the certificates in a PEM text ends.
fn certificates_end(pem: &[u8]) -> Option<Timestamp> {
    let blocks = Pem::iter_from_buffer(pem).filter_map(Result::ok);
    let ends = blocks.filter(|block| block.label == "CERTIFICATE").filter_map(|block| {
        let certificate = block.parse_x509().ok()?;
        Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
    });
    ends.min()
}

/// When a token ends that is a JWT. Whether it is genuine is for the cluster to say.
fn token_end(token: &str) -> Option<Timestamp> {
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&claims).ok()?;
    // Seconds since 1970, which need not be whole (RFC 7519, 2). What does not fit is cast to the largest number, which
    // no timestamp is.
    Timestamp::from_second(claims.get("exp")?.as_f64()? as i64).ok()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;

    fn access(user: &Value) -> ClusterAccess {
        let kubeconfig = json!({
            "current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "clusters": [{"name": "x", "cluster": {"server": "https://203.0.113.7"}}],
            "users": [{"name": "x", "user": user}],
        });
        ClusterAccess::read(&kubeconfig.to_string()).unwrap()
    }

    fn jwt(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    /// A certificate until the first of January of a year, and its key, as a kubeconfig has them.
    fn certificate(year: i32) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["x".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
        let certificate = parameters.self_signed(&key).unwrap();
        (certificate.pem(), STANDARD.encode(key.serialize_pem()))
    }

    fn at(text: &str) -> Option<Timestamp> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_token_ends_when_its_claims_say_so_and_another_never() {
        let ends = |token: &str| access(&json!({"token": token})).ends_at();
        assert_eq!(
            ends(&jwt(r#"{"exp": 1798761600, "sub": "x"}"#)),
            at("2027-01-01T00:00:00Z")
        );
        assert_eq!(ends(&jwt(r#"{"exp": 1798761600.9}"#)), at("2027-01-01T00:00:00Z"));
        for endless in [
            "s3cret",
            "a.b",
            "a.b.c.d",
            "a.*.c",
            &jwt("{}"),
            &jwt("[1]"),
            &jwt(r#"{"exp": 1e300}"#),
        ] {
            assert_eq!(ends(endless), None, "{endless}");
        }
    }

    #[test]
    fn a_client_certificate_ends_with_the_first_of_its_chain_and_before_or_after_a_token() {
        let (leaf, key) = certificate(2031);
        let (issuer, _) = certificate(2030);
        let user = |chain: &str| json!({"client-certificate-data": STANDARD.encode(chain), "client-key-data": key});
        assert_eq!(access(&user(&leaf)).ends_at(), at("2031-01-01T00:00:00Z"));
        let mut both = user(&format!("said by openssl\n{leaf}{issuer}"));
        assert_eq!(access(&both).ends_at(), at("2030-01-01T00:00:00Z"));
        both["token"] = jwt(r#"{"exp": 1798761600}"#).into();
        assert_eq!(access(&both).ends_at(), at("2027-01-01T00:00:00Z"));
        assert_eq!(access(&user("CERT")).ends_at(), None);
    }
}
