//! Callers on the paths of environments, over real HTTP, with a table.

mod issuer;
mod keys;
mod roles;
mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use api::{Endpoint, Method, Needs, Trigger};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use domain::{Access, OrganisationName};
use embedded::dynamo::Dynamo;
use http::{HeaderMap, Response};
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use gateway::{Call, Clock, Config, Edge, Incoming, Mounted, Nothing, Problem, Reply, api_deadline};

/// When the tests begin, in seconds.
const BEGIN: i64 = 1_800_000_000;

static READ: Endpoint = Endpoint {
    id: "environment-read",
    summary: "An environment of the organisation in the path",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/environments/{organisation}"],
    },
    access: Access::Environments,
    needs: Needs::NOTHING,
    problems: &[],
};

/// Says who called, to whoever administers the organisation of the path.
async fn read(_: Nothing, call: Call) -> Result<Reply, Problem> {
    call.administers(&call.param("organisation", OrganisationName::parse)?)?;
    Reply::ok(&json!({ "caller": call.caller().word() }))
}

/// The table, which outlives every process over it, and the time.
struct Ground {
    dynamo: Dynamo,
    now: Arc<AtomicI64>,
}

/// One process over a ground.
struct Process {
    edge: Arc<Edge>,
    endpoint: Mounted,
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    status: u16,
    /// Who called, or the problem's sentence.
    said: String,
}

impl Ground {
    async fn new() -> Self {
        Self {
            dynamo: Dynamo::start(None).await.unwrap(),
            now: Arc::new(AtomicI64::new(BEGIN * 1000)),
        }
    }

    fn wind(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let now = Arc::clone(&self.now);
        Clock::from_fn(move || Timestamp::from_millisecond(now.load(Ordering::SeqCst)).unwrap())
    }

    fn now(&self) -> i64 {
        self.now.load(Ordering::SeqCst) / 1000
    }

    async fn process(&self, variables: &[(&str, &str)]) -> Process {
        self.process_with(variables, |_| {}).await
    }

    async fn process_with(&self, variables: &[(&str, &str)], change: impl FnOnce(&mut Config)) -> Process {
        let mut all = vec![("LAYBY_DYNAMODB_URL", self.dynamo.url())];
        all.extend(variables);
        let edge = crate::edge_with(&all, self.clock(), change).await;
        edge.store().ensure_table().await.unwrap();
        let endpoint = edge.mount(&READ, read).unwrap();
        Process { edge, endpoint }
    }
}

impl Process {
    /// Asks for an environment of `organisation` with this `Authorization`.
    async fn answer(&self, organisation: &str, authorization: Option<&str>) -> Response<Bytes> {
        let mut headers = HeaderMap::new();
        if let Some(authorization) = authorization {
            headers.insert("authorization", authorization.parse().unwrap());
        }
        let incoming = Incoming {
            path: format!("/environments/{organisation}"),
            params: vec![("organisation".to_owned(), organisation.to_owned())],
            query: String::new(),
            headers,
            body: Bytes::new(),
            request_id: self.edge.request_id(),
            route_key: "GET /environments/{organisation}".to_owned(),
            deadline: api_deadline(Duration::ZERO),
        };
        self.endpoint.answer(incoming).await
    }

    async fn ask(&self, organisation: &str, authorization: &str) -> Told {
        told(&self.answer(organisation, Some(authorization)).await)
    }

    /// As [`Process::ask`], with a token.
    async fn bearing(&self, organisation: &str, token: &str) -> Told {
        self.ask(organisation, &format!("Bearer {token}")).await
    }
}

fn told(answer: &Response<Bytes>) -> Told {
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    let said = if answer.status() == 200 {
        &body["caller"]
    } else {
        &body["detail"]
    };
    Told {
        status: answer.status().as_u16(),
        said: said.as_str().unwrap().to_owned(),
    }
}

fn good(caller: &str) -> Told {
    Told {
        status: 200,
        said: caller.to_owned(),
    }
}

fn invalid(why: &str) -> Told {
    Told {
        status: 401,
        said: format!("Invalid Token: {why}"),
    }
}

fn stranger() -> Told {
    Told {
        status: 403,
        said: "You aren't an Org Admin".to_owned(),
    }
}

/// Signs tokens, as an issuer does. The two RSA keys beside this file serve nothing else: `ring` makes none.
enum Signer {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

impl Signer {
    fn rsa() -> Self {
        Self::of_rsa(include_bytes!("callers/pem/rsa.pem"))
    }

    fn other_rsa() -> Self {
        Self::of_rsa(include_bytes!("callers/pem/other-rsa.pem"))
    }

    fn of_rsa(pem: &[u8]) -> Self {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem).unwrap();
        Self::Rsa(RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap())
    }

    #[expect(clippy::disallowed_methods, reason = "keys of tests are made anew each time")]
    fn ec() -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::Ec(EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap())
    }

    /// The public key as an issuer publishes it.
    fn jwk(&self, id: &str) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Signer::Rsa(key) => {
                let RsaPublicKeyComponents { n, e } = RsaPublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": text(&n), "e": text(&e) })
            }
            Signer::Ec(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "kid": id, "x": text(x), "y": text(y) })
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "signatures of tests are made anew each time")]
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Signer::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Signer::Ec(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
        }
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let unsigned = unsigned(header, claims);
        let signature = URL_SAFE_NO_PAD.encode(self.sign(unsigned.as_bytes()));
        format!("{unsigned}.{signature}")
    }

    /// A token of the key `id` with the header that it needs.
    fn usual(&self, id: &str, claims: &Value) -> String {
        let algorithm = match self {
            Signer::Rsa(_) => "RS256",
            Signer::Ec(_) => "ES256",
        };
        self.token(&json!({ "alg": algorithm, "typ": "at+jwt", "kid": id }), claims)
    }
}

/// Header and claims of a token, which lacks its signature.
fn unsigned(header: &Value, claims: &Value) -> String {
    let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", text(header), text(claims))
}
