//! Pods of another API server.

use serde_json::{Value, json};

use super::{Cluster, condition};

const PATH: &str = "/api/v1/namespaces/elsewhere/pods/guest";

fn guest(image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "guest", "namespace": "elsewhere", "uid": "11111111-2222-4333-8444-555555555555",
            "resourceVersion": "7", "finalizers": ["example.org/theirs"],
        },
        "spec": {"nodeName": "embedded-2", "containers": [{"name": "c", "image": image}]},
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    })
}

#[test]
fn a_guest_leads_its_life_under_its_own_uid_and_goes_when_it_is_deleted() {
    let mut cluster = Cluster::new();
    let now = cluster.now;
    cluster.machine.host(now, guest("web"));
    cluster.pass(2.0);
    let seen = cluster.get(PATH).1;
    assert_eq!(seen["metadata"]["uid"], "11111111-2222-4333-8444-555555555555");
    assert_eq!(
        (condition(&seen, "Ready").0, &seen["status"]["phase"]),
        ("True", &json!("Running"))
    );
    assert_eq!(
        seen["status"]["qosClass"], "BestEffort",
        "what the other server decided is kept"
    );
    assert!(seen["status"]["podIP"].is_string());

    let now = cluster.now;
    cluster.machine.host(now, guest("crash-loop"));
    cluster.pass(5.0);
    let again = cluster.get(PATH).1;
    assert_eq!(again["status"], seen["status"], "the same pod is taken up once");

    assert_eq!(cluster.delete(PATH, json!({"gracePeriodSeconds": 5})).0, 200);
    cluster.pass(1.5);
    assert_eq!(cluster.get(PATH).0, 404, "its finalizers are the other server's");
}

#[test]
fn a_guests_image_switches_as_everybodys_does() {
    let mut cluster = Cluster::new();
    let now = cluster.now;
    cluster.machine.host(now, guest("pull-error-on-embedded-2"));
    cluster.pass(2.0);
    let waiting = &cluster.get(PATH).1["status"]["containerStatuses"][0]["state"]["waiting"];
    assert_eq!(waiting["reason"], "ErrImagePull");
}
