//! An issuer of ours: its keys, how often it is asked for them, and what becomes of tokens while it is away.

use std::sync::Mutex;

use super::*;
use crate::origin::{Act, Asked, Origin};

/// What the issuer's tokens are for.
pub(super) const AUDIENCE: &str = "layby";

/// An issuer that serves its discovery document and its keys.
pub(super) struct Issuing {
    pub(super) rsa: Signer,
    pub(super) ec: Signer,
    served: Served,
    origin: Origin,
}

/// What it serves.
#[derive(Clone)]
struct Served {
    keys: Arc<Mutex<Vec<Value>>>,
    /// What it says that it is called, where that is not its URL.
    name: Arc<Mutex<Option<String>>>,
    is_away: Arc<Mutex<bool>>,
}

impl Issuing {
    pub(super) async fn start() -> Self {
        let (rsa, ec) = (Signer::rsa(), Signer::ec());
        let to_encrypt = merged_jwk(rsa.jwk("enc"), json!({ "use": "enc" }));
        let shared = json!({ "kty": "oct", "kid": "oct", "k": "c2VjcmV0" });
        let strange = json!({ "kty": "XYZ", "kid": "rsa", "x": [1] });
        let served = Served {
            keys: Arc::new(Mutex::new(vec![
                strange,
                shared,
                to_encrypt,
                rsa.jwk("rsa"),
                ec.jwk("ec"),
            ])),
            name: Arc::default(),
            is_away: Arc::default(),
        };
        let serving = served.clone();
        let origin = Origin::http(move |asked| serving.answer(asked)).await;
        Self {
            rsa,
            ec,
            served,
            origin,
        }
    }

    pub(super) fn url(&self) -> String {
        self.origin.url()
    }

    pub(super) fn variables(&self) -> [(&'static str, &str); 2] {
        let url: &'static str = Box::leak(self.url().into_boxed_str());
        [("LAYBY_OIDC_ISSUER", url), ("LAYBY_OIDC_AUDIENCE", AUDIENCE)]
    }

    /// What a good token says: for ann, who administers acme, for a quarter of an hour.
    pub(super) fn claims(&self, ground: &Ground) -> Value {
        let now = ground.now();
        json!({
            "iss": self.url(), "aud": AUDIENCE, "sub": "ann", "iat": now, "nbf": now, "exp": now + 900,
            "organisations": ["acme"],
        })
    }

    /// A token that is "signed" with the public key as a secret that both sides know.
    pub(super) fn by_hmac(&self, claims: &Value) -> String {
        let unsigned = unsigned(&json!({ "alg": "HS256", "kid": "rsa" }), claims);
        let secret = self.rsa.jwk("rsa")["n"].as_str().unwrap().to_owned();
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
        let signature = ring::hmac::sign(&key, unsigned.as_bytes());
        format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn publishes(&self, key: Value) {
        self.served.keys.lock().unwrap().push(key);
    }

    fn goes_away(&self, is_away: bool) {
        *self.served.is_away.lock().unwrap() = is_away;
    }

    /// How often it was asked for its keys.
    fn asked(&self) -> usize {
        let asked = self.origin.asked();
        asked.iter().filter(|one| one.uri.path() == "/keys").count()
    }
}

impl Served {
    fn answer(&self, asked: &Asked) -> Act {
        let url = format!("http://{}", asked.header("host").unwrap());
        if *self.is_away.lock().unwrap() {
            return Act::Answer(500, String::new());
        }
        let document = match asked.uri.path() {
            "/.well-known/openid-configuration" => {
                let name = self.name.lock().unwrap().clone().unwrap_or_else(|| url.clone());
                json!({ "issuer": name, "jwks_uri": format!("{url}/keys") })
            }
            "/keys" => json!({ "keys": *self.keys.lock().unwrap() }),
            _ => return Act::Answer(404, String::new()),
        };
        Act::Answer(200, document.to_string())
    }
}

fn merged_jwk(mut jwk: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        jwk[name] = value.clone();
    }
    jwk
}

fn away() -> Told {
    Told {
        status: 503,
        said: "Whoever vouches for this token cannot be reached or did not answer in time; try again shortly"
            .to_owned(),
    }
}

#[tokio::test]
async fn an_issuer_is_asked_once_for_all_processes_and_for_made_up_keys_once_in_half_a_minute() {
    let ground = Ground::new().await;
    let issuing = Issuing::start().await;
    let process = ground.process(&issuing.variables()).await;
    let claims = issuing.claims(&ground);
    let token = issuing.rsa.usual("rsa", &claims);
    let asks = (0..8).map(|_| process.bearing("acme", &token));
    for told in futures::future::join_all(asks).await {
        assert_eq!(told, good("oidc:ann"));
    }
    let another = ground.process(&issuing.variables()).await;
    assert_eq!(another.bearing("acme", &token).await, good("oidc:ann"));
    assert_eq!(issuing.asked(), 1);
    // A flood, at both: they have just asked.
    for number in 0..50 {
        let made_up = issuing.rsa.usual(&format!("made-up-{number}"), &claims);
        for process in [&process, &another] {
            assert_eq!(
                process.bearing("acme", &made_up).await,
                invalid("its issuer has no such key")
            );
        }
    }
    assert_eq!(issuing.asked(), 1);
    ground.wind(30);
    for number in 0..50 {
        let made_up = issuing.rsa.usual(&format!("made-up-{number}"), &claims);
        for process in [&process, &another] {
            process.bearing("acme", &made_up).await;
        }
    }
    assert_eq!(issuing.asked(), 2);
}

#[tokio::test]
async fn a_new_key_is_good_at_once_and_one_that_was_taken_back_is_refused_after_ten_minutes() {
    let ground = Ground::new().await;
    let issuing = Issuing::start().await;
    let process = ground.process(&issuing.variables()).await;
    let claims = issuing.claims(&ground);
    let old = issuing.rsa.usual("rsa", &claims);
    assert_eq!(process.bearing("acme", &old).await, good("oidc:ann"));
    ground.wind(31);
    let next = Signer::other_rsa();
    issuing.served.keys.lock().unwrap().clear();
    issuing.publishes(next.jwk("next"));
    // All who come with the new key wait for the one who asks.
    let new = next.usual("next", &claims);
    let asks = (0..8).map(|_| process.bearing("acme", &new));
    for told in futures::future::join_all(asks).await {
        assert_eq!(told, good("oidc:ann"));
    }
    assert_eq!(issuing.asked(), 2);
    assert_eq!(
        process.bearing("acme", &old).await,
        invalid("its issuer has no such key")
    );
    // A token without a key's id can only mean the one key that there is.
    let unnamed = next.token(&json!({ "alg": "RS256" }), &claims);
    assert_eq!(process.bearing("acme", &unnamed).await, good("oidc:ann"));
    issuing.publishes(issuing.rsa.jwk("third"));
    ground.wind(600);
    assert_eq!(
        process.bearing("acme", &unnamed).await,
        invalid("its issuer has no such key")
    );
    assert_eq!(issuing.asked(), 3);
}

#[tokio::test]
async fn while_the_issuer_is_away_known_keys_are_good_and_unknown_ones_are_nobodys_fault() {
    let ground = Ground::new().await;
    let issuing = Issuing::start().await;
    issuing.goes_away(true);
    let process = ground.process(&issuing.variables()).await;
    let token = issuing.rsa.usual("rsa", &issuing.claims(&ground));
    let answer = process.answer("acme", Some(&token)).await;
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(told(&answer), away());
    issuing.goes_away(false);
    ground.wind(31);
    assert_eq!(process.bearing("acme", &token).await, good("oidc:ann"));
    issuing.goes_away(true);
    for days in [0, 1, 5] {
        ground.wind(days * 24 * 60 * 60 + 601);
        let claims = issuing.claims(&ground);
        let known = issuing.rsa.usual("rsa", &claims);
        let unknown = issuing.rsa.usual("unknown", &claims);
        // A process that has just begun has the keys from the table.
        let fresh = ground.process(&issuing.variables()).await;
        for process in [&process, &fresh] {
            assert_eq!(process.bearing("acme", &known).await, good("oidc:ann"), "{days}");
            assert_eq!(process.bearing("acme", &unknown).await, away(), "{days}");
        }
    }
    // Not for ever: it may have taken its keys back long ago.
    ground.wind(24 * 60 * 60);
    let known = issuing.rsa.usual("rsa", &issuing.claims(&ground));
    assert_eq!(process.bearing("acme", &known).await, away());
}

#[tokio::test]
async fn keys_are_where_the_configuration_says_or_the_issuer_that_it_names() {
    let ground = Ground::new().await;
    let issuing = Issuing::start().await;
    let token = issuing.ec.usual("ec", &issuing.claims(&ground));
    *issuing.served.name.lock().unwrap() = Some("https://another.example".to_owned());
    let process = ground.process(&issuing.variables()).await;
    assert_eq!(process.bearing("acme", &token).await, away());
    let keys = format!("{}/keys", issuing.url());
    let mut variables = issuing.variables().to_vec();
    variables.push(("LAYBY_OIDC_JWKS_URL", &keys));
    let process = ground.process(&variables).await;
    assert_eq!(process.bearing("acme", &token).await, good("oidc:ann"));
}

#[tokio::test]
async fn without_an_issuer_nobody_vouches_for_a_token() {
    let ground = Ground::new().await;
    let issuing = Issuing::start().await;
    let process = ground.process(&[]).await;
    let token = issuing.rsa.usual("rsa", &issuing.claims(&ground));
    assert_eq!(
        process.bearing("acme", &token).await,
        invalid("its issuer is not known here")
    );
    assert!(issuing.origin.asked().is_empty());
}
