//! Access tokens: which are good, and why others are not.

use super::issuer::{AUDIENCE, Issuing};
use super::*;

#[tokio::test]
async fn a_good_token_says_who_calls_and_what_they_administer() {
    let ground = Ground::new().await;
    let issuing = Issuing::start().await;
    let process = ground.process(&issuing.variables()).await;
    let claims = issuing.claims(&ground);
    for (id, signer) in [("rsa", &issuing.rsa), ("ec", &issuing.ec)] {
        let token = signer.usual(id, &claims);
        for form in [format!("Bearer {token}"), token.clone(), format!("JWT  {token}")] {
            assert_eq!(process.ask("acme", &form).await, good("oidc:ann"), "{form}");
        }
        assert_eq!(process.bearing("other", &token).await, stranger());
    }
    let of_several = json!({ "aud": ["another", AUDIENCE], "organisations": "b" });
    let token = issuing.rsa.usual("rsa", &merged(&claims, of_several));
    assert_eq!(process.bearing("b", &token).await, good("oidc:ann"));
    let of_none = issuing
        .rsa
        .usual("rsa", &merged(&claims, json!({ "organisations": null })));
    assert_eq!(process.bearing("acme", &of_none).await, stranger());
}

#[tokio::test]
async fn a_token_that_is_forged_late_early_or_anothers_is_refused_with_the_reason() {
    let ground = Ground::new().await;
    let issuing = Issuing::start().await;
    let process = ground.process(&issuing.variables()).await;
    let (rsa, claims) = (&issuing.rsa, issuing.claims(&ground));
    let with = |more: Value| rsa.usual("rsa", &merged(&claims, more));
    let headed = |header: Value| rsa.token(&header, &claims);
    let without = |claim: &str| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(claim);
        rsa.usual("rsa", &claims)
    };
    let good_token = with(json!({}));
    let mut parts: Vec<String> = good_token.split('.').map(str::to_owned).collect();
    let signature = parts.pop().unwrap();
    let forged = merged(&claims, json!({ "organisations": ["other"] }));
    let forged = unsigned(&json!({ "alg": "RS256", "kid": "rsa" }), &forged);
    let now = ground.now();
    let unmatched = "its signature does not match";
    let algorithm = "it is signed neither with RS256 nor with ES256";
    for (what, token, why) in [
        ("another key", Signer::other_rsa().usual("rsa", &claims), unmatched),
        ("other claims", format!("{forged}.{signature}"), unmatched),
        ("no signature", format!("{}.", parts.join(".")), unmatched),
        ("cut off", good_token[..good_token.len() - 2].to_owned(), unmatched),
        (
            "another type of key",
            rsa.usual("ec", &claims),
            "its issuer has no such key",
        ),
        (
            "an unknown key",
            rsa.usual("unknown", &claims),
            "its issuer has no such key",
        ),
        (
            "a key to encrypt with",
            rsa.usual("enc", &claims),
            "its issuer has no such key",
        ),
        (
            "a shared secret",
            rsa.usual("oct", &claims),
            "its issuer has no such key",
        ),
        ("HMAC by the public key", issuing.by_hmac(&claims), algorithm),
        ("RS384", headed(json!({ "alg": "RS384", "kid": "rsa" })), algorithm),
        ("PS256", headed(json!({ "alg": "PS256", "kid": "rsa" })), algorithm),
        ("EdDSA", headed(json!({ "alg": "EdDSA", "kid": "rsa" })), algorithm),
        (
            "critical",
            headed(json!({ "alg": "RS256", "kid": "rsa", "crit": ["exp"] })),
            "its header has 'crit', and nothing of it is known here",
        ),
        (
            "a key of its own",
            Signer::other_rsa().token(
                &json!({ "alg": "RS256", "kid": "rsa", "jwk": Signer::other_rsa().jwk("rsa"), "jku": issuing.url() }),
                &claims,
            ),
            unmatched,
        ),
        ("expired", with(json!({ "exp": now })), "it has expired"),
        ("without end", without("exp"), "it lacks a good 'exp'"),
        ("not yet", with(json!({ "nbf": now + 11 })), "it is not valid yet"),
        (
            "for another",
            with(json!({ "aud": "another" })),
            "it is for another audience",
        ),
        ("for nobody", without("aud"), "it lacks 'iss' or 'aud'"),
        (
            "of another",
            with(json!({ "iss": "https://other.example" })),
            "its issuer is not known here",
        ),
        ("of nobody", without("iss"), "its issuer is not known here"),
        ("nobody's", without("sub"), "its 'sub' names nobody"),
        (
            "a line's end",
            with(json!({ "sub": "ann\nbob" })),
            "its 'sub' names nobody",
        ),
        (
            "a long name",
            with(json!({ "sub": "a".repeat(256) })),
            "its 'sub' names nobody",
        ),
    ] {
        assert_eq!(process.bearing("acme", &token).await, invalid(why), "{what}");
    }
    // What is no token at all is taken for a key, which nobody has.
    for (what, token) in [
        (
            "none",
            format!("{}.", unsigned(&json!({ "alg": "none", "kid": "rsa" }), &claims)),
        ),
        ("None", format!("{}.", unsigned(&json!({ "alg": "None" }), &claims))),
        ("unknown", headed(json!({ "alg": "RS1", "kid": "rsa" }))),
        ("two parts", parts.join(".")),
        ("four parts", format!("{good_token}.x")),
        ("too long", with(json!({ "more": "x".repeat(20_000) }))),
        ("no base64", good_token.replace('.', ".?")),
    ] {
        let said = process.bearing("acme", &token).await;
        assert_eq!(said.status, 401, "{what}: {said:?}");
        assert!(said.said.starts_with("Invalid Token: "), "{what}: {said:?}");
    }
    assert_eq!(process.bearing("acme", &good_token).await, good("oidc:ann"));
}

/// `claims` with `more`; what is null there is taken out.
fn merged(claims: &Value, more: Value) -> Value {
    let mut merged = claims.clone();
    for (name, value) in more.as_object().unwrap() {
        merged[name] = value.clone();
    }
    merged
}
