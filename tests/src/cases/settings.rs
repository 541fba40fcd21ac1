//! What is out of the ordinary in a case, brought about.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use gateway::{Config, Launches, RouterConfig, SecretsFrom};
use http::{HeaderName, Method, Request, Response};
use net::{Fault, Faults, Peer};
use serde_json::{Value, json};

use vault::Keyring;

use super::Setting;

/// A key of thirty-two bytes that installations with clusters to lease have behind their own.
pub const OLDER_KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// A host that pod templates may come from.
pub const ORIGIN: &str = "templates.invalid";

/// The host whose pod templates come through the operator's router.
pub const ROUTED: &str = "routed.invalid";
/// The header in which that router is shown its secret.
pub const ROUTING_HEADER: HeaderName = HeaderName::from_static("x-routing-api-key");
/// An issuer of access tokens that nobody reaches.
pub const ISSUER: &str = "https://issuer.invalid";
/// What an external registry is shown.
pub const REGISTRY_KEY: &str = "the-registrys-key";

/// A pod template that runs.
pub fn pod_template() -> Value {
    json!({
        "metadata": {"labels": {"component": "web"}},
        "spec": {"containers": [{"name": "web", "image": "layby/web:1"}]},
    })
}

/// `config` as the setting has it.
pub fn config(setting: Setting, mut config: Config) -> Config {
    match setting {
        Setting::KeyedLaunches => config.launches = Launches::Keyed,
        Setting::NoCells => config.cells.clear(),
        Setting::NoRoom => {
            config.quota = Some(0);
            config.cells[0].capacity = Some(1);
        }
        Setting::Registry | Setting::RegistryDown => {
            config.registry_url = Some("http://registry.invalid".parse().unwrap());
            if let SecretsFrom::Given(secrets) = &mut config.secrets {
                secrets.registry_key = REGISTRY_KEY.to_owned();
            }
        }
        Setting::RotatedKeys => {
            if let SecretsFrom::Given(secrets) = &mut config.secrets {
                let first = Keyring::from_base64(&[OLDER_KEY]).unwrap();
                secrets.keyring = first.before(&secrets.keyring);
            }
        }
        Setting::OldHostStatus => config.environments.deployments.taken_host_is_500 = true,
        Setting::OwnHosts => config.environments.deployments.hosts_must_be_own = true,
        Setting::ApigeeDown => config.environments.kvm_url = Some("https://apigee.invalid".parse().unwrap()),
        Setting::IssuerDown => {
            let issuer = config.environments.issuer.as_mut().unwrap();
            ISSUER.clone_into(&mut issuer.url);
        }
        Setting::Isolated => config.environments.namespaces.isolated_but_from = Some(Vec::new()),
        Setting::Router => {
            config.environments.fetch.router = Some(RouterConfig {
                host: ROUTED.to_owned(),
                internal: "http://router.invalid".parse().unwrap(),
                header: ROUTING_HEADER,
                secret: None,
            });
            if let SecretsFrom::Given(secrets) = &mut config.secrets {
                secrets.router_secret = "the-routers-secret".to_owned();
            }
        }
        Setting::OriginDown => config.environments.fetch.hosts = [ORIGIN.to_owned()].into(),
        Setting::Usual
        | Setting::LosingCluster
        | Setting::RefusingCluster
        | Setting::Overtaking
        | Setting::ClusterDown
        | Setting::LeasedDown => {}
    }
    config
}

/// The faults that the setting has.
pub fn faults(setting: Setting) -> Faults {
    match setting {
        Setting::Usual
        | Setting::KeyedLaunches
        | Setting::NoCells
        | Setting::NoRoom
        | Setting::OldHostStatus
        | Setting::OwnHosts
        | Setting::Isolated
        | Setting::RotatedKeys => Arc::new(|_, _| Fault::Pass),
        Setting::ClusterDown => Arc::new(|peer, _| match peer {
            Peer::Cluster => Fault::Refuse,
            _ => Fault::Pass,
        }),
        Setting::LeasedDown => Arc::new(|peer, _| match peer {
            Peer::Leased => Fault::Refuse,
            _ => Fault::Pass,
        }),
        Setting::Registry => outside(|| Fault::Answer(reply(200, &json!({ "image-source": "layby/notebook:1" })))),
        Setting::Router => outside(|| Fault::Answer(reply(200, &pod_template()))),
        Setting::RegistryDown | Setting::ApigeeDown | Setting::IssuerDown | Setting::OriginDown => {
            outside(|| Fault::Refuse)
        }
        Setting::LosingCluster => losing(),
        Setting::RefusingCluster => Arc::new(|peer, request| {
            let is_pod = request.uri().path().ends_with("/pods");
            if (peer, request.method()) == (Peer::Cluster, &Method::POST) && is_pod {
                Fault::Answer(status(422, "Invalid", "the pod is not wanted here"))
            } else {
                Fault::Pass
            }
        }),
        Setting::Overtaking => Arc::new(|peer, request| match (peer, action(request)) {
            (Peer::Store, "PutItem" | "DeleteItem" | "UpdateItem") => Fault::Answer(overtaken(request)),
            (Peer::Store, "TransactWriteItems") => Fault::Answer(cancelled(request)),
            _ => Fault::Pass,
        }),
    }
}

/// Everything outside meets this fault.
fn outside(fault: impl Fn() -> Fault + Send + Sync + 'static) -> Faults {
    Arc::new(move |peer, _| if peer == Peer::Outside { fault() } else { Fault::Pass })
}

/// The first answer to each creation is lost: the object is there, and its maker does not know.
fn losing() -> Faults {
    let seen = Mutex::new(HashSet::new());
    Arc::new(move |peer, request| {
        let creates = (peer, request.method()) == (Peer::Cluster, &Method::POST);
        if creates && seen.lock().unwrap().insert(request.uri().path().to_owned()) {
            Fault::LoseAnswer
        } else {
            Fault::Pass
        }
    })
}

/// DynamoDB's answer to a write whose condition does not hold, with a row of somebody else's where one is there.
fn overtaken(request: &Request<Bytes>) -> Response<Bytes> {
    let asked: Value = serde_json::from_slice(request.body()).unwrap();
    let answer = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed",
        "Item": others(&asked),
    });
    reply(400, &answer)
}

/// The same answer to a transaction, whose first write meets the row of somebody else.
fn cancelled(request: &Request<Bytes>) -> Response<Bytes> {
    let asked: Value = serde_json::from_slice(request.body()).unwrap();
    let parts = asked["TransactItems"].as_array().unwrap().iter();
    let mut reasons: Vec<Value> = parts.map(|_| json!({ "Code": "None" })).collect();
    let first = asked["TransactItems"][0].as_object().unwrap().values().next().unwrap();
    reasons[0] = json!({ "Code": "ConditionalCheckFailed", "Item": others(first) });
    let answer = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
        "CancellationReasons": reasons,
    });
    reply(400, &answer)
}

/// The row that a write was asked for, as somebody else has written it.
fn others(write: &Value) -> Value {
    let mut row = write["Item"].clone();
    if row.is_null() {
        row = json!({ "pk": write["Key"]["pk"], "sk": write["Key"]["sk"] });
    } else {
        row["by"] = json!({ "S": "somebody else" });
    }
    row
}

/// A failure as Kubernetes words it.
pub fn status(code: u16, reason: &str, message: &str) -> Response<Bytes> {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    reply(code, &body)
}

/// `body` as an answer.
pub fn reply(status: u16, body: &Value) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Bytes::from(body.to_string()))
        .unwrap()
}

/// The action that a request to DynamoDB names, such as `GetItem`; empty for every other request.
pub fn action(request: &Request<Bytes>) -> &str {
    let target = request
        .headers()
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok());
    target.and_then(|target| target.rsplit('.').next()).unwrap_or_default()
}
