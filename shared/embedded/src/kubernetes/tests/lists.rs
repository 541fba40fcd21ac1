//! Lists, pages and watches.

use serde_json::{Value, json};

use super::Cluster;

fn with_maps() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.namespace("n");
    for (name, tier) in [("a", "front"), ("b", "back"), ("c", "front"), ("d", "front")] {
        let body = json!({"metadata": {"name": name, "labels": {"tier": tier}}});
        assert_eq!(cluster.post("/api/v1/namespaces/n/configmaps", body).0, 201);
    }
    cluster
}

fn names(list: &Value) -> Vec<&str> {
    list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["metadata"]["name"].as_str().unwrap())
        .collect()
}

#[test]
fn lists_are_selected_by_labels_fields_and_namespace() {
    let mut cluster = with_maps();
    let path = "/api/v1/namespaces/n/configmaps";
    let (_, all) = cluster.get(path);
    assert_eq!(
        (&all["kind"], &all["apiVersion"]),
        (&json!("ConfigMapList"), &json!("v1"))
    );
    assert_eq!(names(&all), ["a", "b", "c", "d", "kube-root-ca.crt"]);
    assert_eq!(all["items"][0]["kind"], Value::Null);
    assert_eq!(
        all["metadata"]["resourceVersion"],
        all["items"][3]["metadata"]["resourceVersion"]
    );
    assert_eq!(
        names(&cluster.get(&format!("{path}?labelSelector=tier%3Dfront")).1),
        ["a", "c", "d"]
    );
    assert_eq!(
        names(&cluster.get(&format!("{path}?labelSelector=tier+in+(back)")).1),
        ["b"]
    );
    assert_eq!(
        names(&cluster.get(&format!("{path}?fieldSelector=metadata.name=c")).1),
        ["c"]
    );
    assert_eq!(
        names(&cluster.get("/api/v1/configmaps?labelSelector=tier").1),
        ["a", "b", "c", "d"]
    );
    assert_eq!(names(&cluster.get("/api/v1/namespaces/absent/configmaps").1), [""; 0]);
    assert_eq!(cluster.get(&format!("{path}?fieldSelector=data.x=c")).0, 400);
}

#[test]
fn pages_show_one_revision_whatever_happens_between_them() {
    let mut cluster = with_maps();
    let path = "/api/v1/namespaces/n/configmaps";
    let (_, first) = cluster.get(&format!("{path}?limit=2"));
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    cluster.delete(&format!("{path}/c"), Value::Null);
    cluster.post(path, json!({"metadata": {"name": "bb"}}));
    let token = first["metadata"]["continue"].as_str().unwrap();
    let (_, second) = cluster.get(&format!("{path}?limit=2&continue={token}"));
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(
        second["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    let token = second["metadata"]["continue"].as_str().unwrap();
    let (_, third) = cluster.get(&format!("{path}?limit=2&continue={token}"));
    assert_eq!(
        (names(&third), &third["metadata"]["continue"]),
        (vec!["kube-root-ca.crt"], &Value::Null)
    );
    assert_eq!(cluster.get(&format!("{path}?limit=2&continue=forged")).0, 400);
}

#[test]
fn pods_of_one_shard_are_listed_over_all_namespaces_page_by_page() {
    let mut cluster = Cluster::new();
    for number in 0..24 {
        let namespace = format!("n{number:02}");
        cluster.namespace(&namespace);
        let labels = json!({"owner": if number % 6 == 1 { "b" } else { "a" }, "shard": (number % 3).to_string()});
        let body = json!({"metadata": {"name": "p", "labels": labels},
            "spec": {"containers": [{"name": "c", "image": "web"}]}});
        assert_eq!(
            cluster.post(&format!("/api/v1/namespaces/{namespace}/pods"), body).0,
            201
        );
    }
    let path = "/api/v1/pods?labelSelector=owner%3Da%2Cshard%3D1&limit=3";
    let places = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["metadata"]["namespace"].to_string())
            .collect()
    };
    let (_, first) = cluster.get(path);
    assert_eq!(places(&first), ["\"n04\"", "\"n10\"", "\"n16\""]);
    assert_eq!(first["metadata"]["remainingItemCount"], Value::Null);
    let token = first["metadata"]["continue"].as_str().unwrap();
    let (_, second) = cluster.get(&format!("{path}&continue={token}"));
    assert_eq!(
        (places(&second), &second["metadata"]["continue"]),
        (vec!["\"n22\"".to_owned()], &Value::Null)
    );
}

#[test]
fn a_page_of_a_forgotten_revision_is_gone() {
    let mut cluster = with_maps();
    let path = "/api/v1/namespaces/n/configmaps";
    let token = cluster.get(&format!("{path}?limit=2")).1["metadata"]["continue"]
        .as_str()
        .unwrap()
        .to_owned();
    for turn in 0..17_000 {
        cluster.merge(&format!("{path}/a"), json!({"data": {"turn": turn.to_string()}}));
    }
    let (code, status) = cluster.get(&format!("{path}?limit=2&continue={token}"));
    assert_eq!((code, &status["reason"]), (410, &json!("Expired")));
}

#[test]
fn revisions_of_lists_are_honoured() {
    let mut cluster = with_maps();
    let path = "/api/v1/namespaces/n/configmaps";
    let then = cluster.get(path).1["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned();
    cluster.delete(&format!("{path}/a"), Value::Null);
    let exact = cluster
        .get(&format!("{path}?resourceVersion={then}&resourceVersionMatch=Exact"))
        .1;
    assert_eq!(names(&exact)[0], "a");
    assert_eq!(names(&cluster.get(&format!("{path}?resourceVersion={then}")).1)[0], "b");
    let (code, status) = cluster.get(&format!("{path}?resourceVersion=9999999999999"));
    assert_eq!(
        (code, &status["details"]["causes"][0]["reason"]),
        (504, &json!("ResourceVersionTooLarge"))
    );
    assert_eq!(
        cluster
            .get(&format!("{path}?resourceVersion=5&resourceVersionMatch=Exact"))
            .0,
        410
    );
    assert_eq!(cluster.get(&format!("{path}?resourceVersion=x")).0, 400);
}

#[test]
fn a_watch_gives_every_change_after_its_version() {
    let mut cluster = with_maps();
    let path = "/api/v1/namespaces/n/configmaps";
    let version = cluster.get(path).1["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut watch = cluster.watch(&format!("{path}?watch=true&resourceVersion={version}&timeoutSeconds=7"));
    assert_eq!(watch.timeout().as_secs(), 7);
    assert!(cluster.events(&mut watch).is_empty());
    cluster.post(path, json!({"metadata": {"name": "e"}}));
    cluster.merge(&format!("{path}/e"), json!({"data": {"k": "v"}}));
    cluster.post(
        "/api/v1/namespaces/default/configmaps",
        json!({"metadata": {"name": "elsewhere"}}),
    );
    cluster.delete(&format!("{path}/e"), Value::Null);
    let events = cluster.events(&mut watch);
    let seen: Vec<(&str, &str)> = events
        .iter()
        .map(|(kind, name, _)| (kind.as_str(), name.as_str()))
        .collect();
    assert_eq!(seen, [("ADDED", "e"), ("MODIFIED", "e"), ("DELETED", "e")]);
    assert!(events.windows(2).all(|pair| pair[0].2 < pair[1].2));
    assert!(cluster.events(&mut watch).is_empty());
    assert_eq!(watch.bookmark(), None);
}

#[test]
fn objects_enter_and_leave_a_selective_watch() {
    let mut cluster = with_maps();
    let path = "/api/v1/namespaces/n/configmaps";
    let mut watch = cluster.watch(&format!("{path}?watch=1&labelSelector=tier=front"));
    let names: Vec<String> = cluster
        .events(&mut watch)
        .into_iter()
        .map(|(kind, name, _)| format!("{kind} {name}"))
        .collect();
    assert_eq!(names, ["ADDED a", "ADDED c", "ADDED d"]);
    cluster.merge(&format!("{path}/b"), json!({"metadata": {"labels": {"tier": "front"}}}));
    cluster.merge(&format!("{path}/a"), json!({"metadata": {"labels": {"tier": "back"}}}));
    let names: Vec<String> = cluster
        .events(&mut watch)
        .into_iter()
        .map(|(kind, name, _)| format!("{kind} {name}"))
        .collect();
    assert_eq!(names, ["ADDED b", "DELETED a"]);
}

#[test]
fn bookmarks_mark_the_end_of_the_initial_state_and_the_place_reached() {
    let mut cluster = with_maps();
    let options = "watch=true&allowWatchBookmarks=true";
    let path = "/api/v1/namespaces/n/configmaps";
    let mut watch = cluster.watch(&format!(
        "{path}?{options}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    ));
    let lines = cluster.machine.follow(&mut watch);
    let last: Value = serde_json::from_slice(lines.last().unwrap()).unwrap();
    assert_eq!((lines.len(), &last["type"]), (6, &json!("BOOKMARK")));
    assert_eq!(
        last["object"]["metadata"]["annotations"],
        json!({"k8s.io/initial-events-end": "true"})
    );
    let bookmark: Value = serde_json::from_slice(&watch.bookmark().unwrap()).unwrap();
    assert_eq!(
        bookmark["object"]["metadata"]["resourceVersion"],
        cluster.machine.revision().to_string()
    );
    assert_eq!(bookmark["object"]["kind"], "ConfigMap");
    assert_eq!(cluster.get(&format!("{path}?{options}&sendInitialEvents=true")).0, 422);
}

#[test]
fn a_watch_from_before_what_is_remembered_ends_with_410() {
    let mut cluster = with_maps();
    let mut watch = cluster.watch("/api/v1/configmaps?watch=true&resourceVersion=5");
    let lines = cluster.machine.follow(&mut watch);
    let event: Value = serde_json::from_slice(&lines[0]).unwrap();
    assert_eq!(
        (&event["type"], &event["object"]["code"], &event["object"]["reason"]),
        (&json!("ERROR"), &json!(410), &json!("Expired"))
    );
    assert!(watch.is_ended());
}

#[test]
fn a_long_history_is_followed_in_batches_without_loss() {
    let mut cluster = with_maps();
    let path = "/api/v1/namespaces/n/configmaps";
    let mut watch = cluster.watch(&format!("{path}?watch=true&fieldSelector=metadata.name=a"));
    assert_eq!(cluster.events(&mut watch).len(), 1);
    for turn in 0..600 {
        cluster.merge(&format!("{path}/a"), json!({"data": {"turn": turn.to_string()}}));
    }
    let mut seen = 0;
    loop {
        let events = cluster.events(&mut watch);
        assert!(events.len() <= 256);
        if events.is_empty() {
            break;
        }
        seen += events.len();
    }
    assert_eq!(seen, 600);
}
