//! What an object is, without what changes by itself.

use domain::{Exempt, Fingerprint, Kind, Thing};
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value};

/// Hexadecimal digits of a digest that are kept: 64 bits tell a changed object, and uid and name tell it from others.
const DIGEST_DIGITS: usize = 16;
/// What servers write into an object's metadata.
const SERVERS_OWN: [&str; 8] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// The group of what decides whether requests are granted: policies and webhooks.
pub(crate) const ADMISSION: &str = "admissionregistration.k8s.io";

/// Whose object something is: it comes and goes with what that controller was told, which is compared itself.
pub(crate) struct Controller {
    /// Of what kind, as far as the reference says it.
    pub(crate) kind: Kind,
    /// Which.
    pub(crate) uid: String,
}

/// The fingerprint of `object`, an object of this kind as a list has it; nothing when it is exempt.
pub(crate) fn fingerprint(kind: &Kind, object: Value, exempt: &Exempt) -> Option<Fingerprint> {
    let Value::Object(mut object) = object else {
        return None;
    };
    let meta = object.get("metadata")?.as_object()?.clone();
    let text = |field: &str| meta.get(field).and_then(Value::as_str).map(str::to_owned);
    let (namespace, name) = (text("namespace"), text("name")?);
    if exempt.covers(kind, namespace.as_deref(), &name) || is_servers_own(kind, &object) {
        return None;
    }
    if let Some(status) = object.remove("status")
        && is_request(kind)
    {
        object.insert("approved".to_owned(), is_approved_by(&status).into());
    }
    // Lists leave them out, single objects have them.
    object.remove("kind");
    object.remove("apiVersion");
    if let Some(Value::Object(said)) = object.get_mut("metadata") {
        said.retain(|field, _| !SERVERS_OWN.contains(&field.as_str()));
    }
    let finalizers = meta.get("finalizers").and_then(Value::as_array).into_iter().flatten();
    Some(Fingerprint {
        thing: Thing {
            kind: kind.clone(),
            namespace,
            name,
            uid: text("uid").unwrap_or_default(),
            digest: digest_of(&object),
        },
        created_at: text("creationTimestamp")
            .and_then(|at| at.parse().ok())
            .unwrap_or(Timestamp::MIN),
        terminating: meta.contains_key("deletionTimestamp"),
        finalizers: finalizers.filter_map(Value::as_str).map(str::to_owned).collect(),
    })
}

/// Who made `object`, if a controller did.
pub(crate) fn controller(object: &Value) -> Option<Controller> {
    let owners = object["metadata"]["ownerReferences"].as_array();
    let owner = owners.into_iter().flatten().find(|owner| owner["controller"] == true)?;
    let text = |field: &str| owner[field].as_str().unwrap_or_default();
    let group = text("apiVersion").split_once('/').map_or("", |(group, _)| group);
    Some(Controller {
        kind: Kind {
            group: group.to_owned(),
            kind: text("kind").to_owned(),
            custom: false,
        },
        uid: text("uid").to_owned(),
    })
}

/// Whether objects of this kind let somebody do something, or keep others from it, and no controller of Kubernetes makes
/// such: who says that one did may want to hide it.
pub(crate) fn gives_rights(kind: &Kind) -> bool {
    let makes_it_run = matches!(
        (kind.group.as_str(), kind.kind.as_str()),
        ("", "ServiceAccount" | "Secret") | ("apps", "Deployment" | "DaemonSet" | "StatefulSet") | ("batch", "CronJob")
    );
    let groups = [
        "rbac.authorization.k8s.io",
        ADMISSION,
        "apiregistration.k8s.io",
        "apiextensions.k8s.io",
    ];
    makes_it_run || groups.contains(&kind.group.as_str())
}

/// Whether `object` is a request for a certificate that was approved: whoever has the certificate keeps it.
pub(crate) fn is_approved(kind: &Kind, object: &Value) -> bool {
    is_request(kind) && is_approved_by(&object["status"])
}

fn is_request(kind: &Kind) -> bool {
    kind.group == "certificates.k8s.io" && kind.kind == "CertificateSigningRequest"
}

fn is_approved_by(status: &Value) -> bool {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Approved")
}

/// Whether it is an API service without a service: the API server makes and deletes those with its own groups and with
/// custom resource definitions, and makes them again at once when somebody else deletes them.
fn is_servers_own(kind: &Kind, object: &Map<String, Value>) -> bool {
    let is_one = kind.group == "apiregistration.k8s.io" && kind.kind == "APIService";
    is_one && object.get("spec").is_none_or(|spec| spec["service"].is_null())
}

/// Of the text that `serde_json` makes of it, whose maps are in the order of their keys.
fn digest_of(object: &Map<String, Value>) -> String {
    let text = serde_json::to_vec(object).unwrap_or_default();
    let mut digits = hex::encode(digest(&SHA256, &text));
    digits.truncate(DIGEST_DIGITS);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kind() -> Kind {
        Kind {
            group: String::new(),
            kind: "ConfigMap".into(),
            custom: false,
        }
    }

    fn seen(object: Value) -> Option<Fingerprint> {
        fingerprint(&kind(), object, &Exempt::default())
    }

    fn map() -> Value {
        json!({
            "metadata": {
                "name": "a", "namespace": "n", "uid": "u", "resourceVersion": "1", "generation": 1,
                "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"b": "1", "a": "2"}, "managedFields": [],
            },
            "data": {"k": "v"},
        })
    }

    #[test]
    fn what_servers_write_changes_nothing() {
        let before = seen(map()).unwrap();
        let mut later = map();
        later["metadata"]["resourceVersion"] = "9".into();
        later["metadata"]["generation"] = 2.into();
        later["status"] = json!({"x": 1});
        later["kind"] = "ConfigMap".into();
        assert_eq!(seen(later).unwrap(), before);
        assert_eq!(before.thing.to_string(), "ConfigMap n/a");
        assert_eq!(before.created_at, "2026-01-01T00:00:00Z".parse().unwrap());
    }

    #[test]
    fn what_people_write_does() {
        let digest = |object: Value| seen(object).unwrap().thing.digest;
        let before = digest(map());
        for (pointer, value) in [("/data/k", json!("w")), ("/metadata/labels/a", json!("3"))] {
            let mut changed = map();
            *changed.pointer_mut(pointer).unwrap() = value;
            assert_ne!(digest(changed), before, "{pointer}");
        }
    }

    #[test]
    fn who_made_it_is_the_one_owner_that_controls_it() {
        let mut owned = map();
        let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "uid": "r", "controller": true});
        owned["metadata"]["ownerReferences"] = json!([{"kind": "Node", "uid": "n"}, owner]);
        let found = controller(&owned).unwrap();
        assert_eq!(
            (found.kind.group.as_str(), found.kind.kind.as_str(), found.uid.as_str()),
            ("apps", "ReplicaSet", "r")
        );
        owned["metadata"]["ownerReferences"][1]["controller"] = false.into();
        assert!(controller(&owned).is_none() && controller(&map()).is_none());
    }

    #[test]
    fn of_a_request_for_a_certificate_it_matters_whether_it_was_approved() {
        let kind = Kind {
            group: "certificates.k8s.io".into(),
            kind: "CertificateSigningRequest".into(),
            custom: false,
        };
        let mut request = map();
        request["status"] = json!({"conditions": [{"type": "Denied"}]});
        let denied = fingerprint(&kind, request.clone(), &Exempt::default()).unwrap();
        assert!(!is_approved(&kind, &request));
        request["status"]["conditions"][0]["type"] = "Approved".into();
        assert!(is_approved(&kind, &request));
        assert_ne!(fingerprint(&kind, request, &Exempt::default()).unwrap(), denied);
    }

    #[test]
    fn api_services_of_the_server_itself_are_left_out() {
        let kind = Kind {
            group: "apiregistration.k8s.io".into(),
            kind: "APIService".into(),
            custom: false,
        };
        let mut own = map();
        own["spec"] = json!({"group": "example.org", "service": null});
        assert_eq!(fingerprint(&kind, own.clone(), &Exempt::default()), None);
        own["spec"]["service"] = json!({"name": "nobody", "namespace": "mine"});
        assert!(fingerprint(&kind, own, &Exempt::default()).is_some());
    }

    #[test]
    fn what_is_going_says_what_it_waits_for() {
        let mut going = map();
        going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:01Z".into();
        going["metadata"]["finalizers"] = json!(["example.org/never"]);
        let going = seen(going).unwrap();
        assert!(going.terminating);
        assert_eq!(going.finalizers, ["example.org/never"]);
    }
}
