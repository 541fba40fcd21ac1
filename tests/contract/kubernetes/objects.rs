//! Making, reading and replacing objects, and what is refused of that.

use http::Method;
use serde_json::{Value, json};

use crate::server::Server;

checks! {
    what_is_not_there_is_not_found
    what_no_server_has_is_not_found
    a_taken_name_already_exists
    a_body_of_another_kind_or_version_is_refused
    a_body_of_another_place_is_refused
    a_body_that_cannot_be_read_is_refused
    a_stale_version_or_another_uid_conflicts
    a_replacement_without_version_overwrites_but_for_some_kinds
    some_kinds_are_made_by_their_first_replacement
    a_write_that_changes_nothing_has_no_new_version
    what_the_server_gave_stays
}

const MAPS: &str = "/api/v1/namespaces/{}/configmaps";
const A: &str = "/api/v1/namespaces/{}/configmaps/a";

async fn what_is_not_there_is_not_found(server: &Server) {
    let missing = server.get(A).await;
    assert_eq!(missing.refusal(), (404, "NotFound", "configmaps \"a\" not found"));
    assert_eq!(missing.body["details"], json!({"name": "a", "kind": "configmaps"}));
    let lease = server.get("/apis/coordination.k8s.io/v1/namespaces/{}/leases/a").await;
    assert_eq!(lease.refusal().2, "leases.coordination.k8s.io \"a\" not found");
    assert_eq!(
        lease.body["details"],
        json!({"name": "a", "group": "coordination.k8s.io", "kind": "leases"})
    );
    for answer in [
        server.put(A, json!({"metadata": {"name": "a"}})).await,
        server.merge(A, json!({"data": {"k": "v"}})).await,
        server.delete(A, Value::Null).await,
    ] {
        assert_eq!(answer.refusal(), (404, "NotFound", "configmaps \"a\" not found"));
    }
    let nowhere = "/api/v1/namespaces/absent-namespace/configmaps";
    let made = server.post(nowhere, json!({"metadata": {"name": "a"}})).await;
    assert_eq!(
        made.refusal(),
        (404, "NotFound", "namespaces \"absent-namespace\" not found")
    );
    assert_eq!(
        made.body["details"],
        json!({"name": "absent-namespace", "kind": "namespaces"})
    );
    assert_eq!(server.get(nowhere).await.names(), [""; 0]);
}

async fn what_no_server_has_is_not_found(server: &Server) {
    for path in [
        "/api/v1/namespaces/{}/widgets",
        "/api/v1/widgets",
        "/apis/apps/v1/namespaces/{}/pods",
        "/api/v2/pods",
        "/apis/apps/v2",
        "/api/v1/namespaces/{}/configmaps/a/status",
        "/api/v1/pods/a",
    ] {
        let answer = server.get(path).await;
        let message = "the server could not find the requested resource";
        assert_eq!(answer.refusal(), (404, "NotFound", message), "{path}");
        assert_eq!(answer.body["details"], json!({}), "{path}");
    }
    for path in ["/apis/x.io/v1/things", "/apis/x.io", "/nothing"] {
        let answer = server.get(path).await;
        assert_eq!(
            (answer.code, &answer.body),
            (404, &json!("404 page not found\n")),
            "{path}"
        );
    }
}

async fn a_taken_name_already_exists(server: &Server) {
    server.made(MAPS, json!({"metadata": {"name": "a"}})).await;
    for path in [MAPS, "/api/v1/namespaces/{}/configmaps?dryRun=All"] {
        let again = server.post(path, json!({"metadata": {"name": "a"}})).await;
        assert_eq!(
            again.refusal(),
            (409, "AlreadyExists", "configmaps \"a\" already exists")
        );
        assert_eq!(again.body["details"], json!({"name": "a", "kind": "configmaps"}));
    }
}

async fn a_body_of_another_kind_or_version_is_refused(server: &Server) {
    let scheme = "in scheme \"pkg/runtime/scheme.go:111\"";
    for (api_version, kind, message) in [
        (
            "v1",
            "Secret",
            "Secret in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown \
             conversion"
                .to_owned(),
        ),
        (
            "v1",
            "Nothing",
            format!(
                "Nothing in version \"v1\" cannot be handled as a ConfigMap: no kind \"Nothing\" is registered for version \
                 \"v1\" {scheme}"
            ),
        ),
        (
            "v2",
            "ConfigMap",
            format!(
                "ConfigMap in version \"v2\" cannot be handled as a ConfigMap: no kind \"ConfigMap\" is registered for \
                 version \"v2\" {scheme}"
            ),
        ),
        (
            "apps/v1",
            "ConfigMap",
            format!(
                "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: no kind \"ConfigMap\" is registered for \
                 version \"apps/v1\" {scheme}"
            ),
        ),
    ] {
        let body = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}});
        let answer = server.post(MAPS, body).await;
        assert_eq!(answer.refusal(), (400, "BadRequest", message.as_str()));
    }
    // Neither needs to be said.
    server.made(MAPS, json!({"metadata": {"name": "a"}})).await;
}

async fn a_body_of_another_place_is_refused(server: &Server) {
    let body = json!({"metadata": {"name": "a", "namespace": "other"}});
    let message = "the namespace of the provided object does not match the namespace sent on the request";
    assert_eq!(
        server.post(MAPS, body.clone()).await.refusal(),
        (400, "BadRequest", message)
    );
    server.made(MAPS, json!({"metadata": {"name": "a"}})).await;
    assert_eq!(server.put(A, body).await.refusal(), (400, "BadRequest", message));
    let other = server.put(A, json!({"metadata": {"name": "b"}})).await;
    let message = "the name of the object (b) does not match the name on the URL (a)";
    assert_eq!(other.refusal(), (400, "BadRequest", message));
    let none = server.put(A, json!({"metadata": {}})).await;
    let message = "the name of the object (a based on URL) was undeterminable: name must be provided";
    assert_eq!(none.refusal(), (400, "BadRequest", message));
    let versioned = json!({"metadata": {"name": "b", "resourceVersion": "5"}});
    let answer = server.post(MAPS, versioned).await;
    let message = "resourceVersion should not be set on objects to be created";
    assert_eq!(answer.refusal(), (500, "", message));
}

async fn a_body_that_cannot_be_read_is_refused(server: &Server) {
    for (body, shown) in [("not json", "(6e6f74206a736f6e)"), ("", "(<empty>)"), ("[]", "(5b5d)")] {
        let answer = server.post(MAPS, json!(body)).await;
        let (code, reason, message) = answer.refusal();
        assert_eq!((code, reason), (400, "BadRequest"), "{body}");
        let start = "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse \
                     error: ";
        assert!(message.starts_with(start) && message.ends_with(shown), "{message}");
    }
    let number = json!({"metadata": {"name": "a"}, "data": {"k": 5}});
    let answer = server.post(MAPS, number).await;
    let (code, reason, message) = answer.refusal();
    assert_eq!((code, reason), (400, "BadRequest"));
    let start = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: ";
    assert!(message.starts_with(start), "{message}");
    let other = server.send(Method::POST, MAPS, "text/plain", json!("a: b")).await;
    let (code, reason, message) = other.refusal();
    assert_eq!((code, reason), (415, "UnsupportedMediaType"));
    let start = "the body of the request was in an unknown format - accepted media types include: application/json";
    assert!(message.starts_with(start), "{message}");
}

async fn a_stale_version_or_another_uid_conflicts(server: &Server) {
    let made = server
        .made(MAPS, json!({"metadata": {"name": "a"}, "data": {"k": "1"}}))
        .await;
    let mut changed = made.clone();
    changed["data"]["k"] = json!("2");
    let stored = server.put(A, changed.clone()).await;
    assert_eq!(stored.code, 200);
    assert_ne!(
        stored.body["metadata"]["resourceVersion"],
        made["metadata"]["resourceVersion"]
    );
    let stale = "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to \
                 the latest version and try again";
    let again = server.put(A, changed).await;
    assert_eq!(again.refusal(), (409, "Conflict", stale));
    assert_eq!(again.body["details"], json!({"name": "a", "kind": "configmaps"}));
    let version = json!({"metadata": {"resourceVersion": "1"}});
    assert_eq!(server.merge(A, version).await.refusal(), (409, "Conflict", stale));
    let odd = server
        .put(A, json!({"metadata": {"name": "a", "resourceVersion": "x"}}))
        .await;
    let message = "strconv.ParseUint: parsing \"x\": invalid syntax";
    assert_eq!(odd.refusal(), (500, "", message));
    let (own, place) = (&made["metadata"]["uid"], &server.namespace);
    let other = server.put(A, json!({"metadata": {"name": "a", "uid": "other"}})).await;
    let message = format!(
        "Operation cannot be fulfilled on configmaps \"a\": StorageError: invalid object, Code: 4, Key: \
         /registry/configmaps/{place}/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: \
         other, UID in object meta: {}",
        own.as_str().unwrap()
    );
    assert_eq!(other.refusal(), (409, "Conflict", message.as_str()));
    let other = server.merge(A, json!({"metadata": {"uid": "other"}})).await;
    assert_eq!((other.code, other.causes()[0].0), (422, "metadata.uid"));
}

async fn a_replacement_without_version_overwrites_but_for_some_kinds(server: &Server) {
    server
        .made(MAPS, json!({"metadata": {"name": "a"}, "data": {"k": "1"}}))
        .await;
    let over = server
        .put(A, json!({"metadata": {"name": "a"}, "data": {"l": "2"}}))
        .await;
    assert_eq!((over.code, &over.body["data"]), (200, &json!({"l": "2"})));
    let leases = "/apis/coordination.k8s.io/v1/namespaces/{}/leases";
    server.made(leases, json!({"metadata": {"name": "l"}})).await;
    let lease = server
        .put(&format!("{leases}/l"), json!({"metadata": {"name": "l"}}))
        .await;
    assert_eq!((lease.refusal().0, lease.refusal().1), (422, "Invalid"));
    assert_eq!(
        lease.causes(),
        [(
            "metadata.resourceVersion",
            "Invalid value: 0: must be specified for an update"
        )]
    );
}

async fn some_kinds_are_made_by_their_first_replacement(server: &Server) {
    let lease = "/apis/coordination.k8s.io/v1/namespaces/{}/leases/new";
    let made = server
        .put(
            lease,
            json!({"metadata": {"name": "new"}, "spec": {"holderIdentity": "me"}}),
        )
        .await;
    assert_eq!((made.code, &made.body["spec"]["holderIdentity"]), (201, &json!("me")));
    assert!(made.body["metadata"]["uid"].is_string());
    let service = json!({"metadata": {"name": "new"}, "spec": {"ports": [{"port": 80}]}});
    assert_eq!(
        server.put("/api/v1/namespaces/{}/services/new", service).await.code,
        201
    );
    let secret = server
        .put(
            "/api/v1/namespaces/{}/secrets/new",
            json!({"metadata": {"name": "new"}}),
        )
        .await;
    assert_eq!(secret.code, 404);
}

async fn a_write_that_changes_nothing_has_no_new_version(server: &Server) {
    let made = server
        .made(MAPS, json!({"metadata": {"name": "a"}, "data": {"k": "1"}}))
        .await;
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    let same = server.put(A, made.clone()).await;
    assert_eq!((same.code, version(&same.body)), (200, version(&made)));
    let same = server.merge(A, json!({"data": {"k": "1", "l": null}})).await;
    assert_eq!((same.code, version(&same.body)), (200, version(&made)));
}

async fn what_the_server_gave_stays(server: &Server) {
    let given = json!({"metadata": {
        "name": "a", "uid": "mine", "creationTimestamp": "2000-01-01T00:00:00Z",
        "deletionTimestamp": "2000-01-01T00:00:00Z", "selfLink": "/mine",
    }});
    let made = server.made(MAPS, given).await;
    let metadata = &made["metadata"];
    assert_ne!(metadata["uid"], "mine");
    assert_ne!(metadata["creationTimestamp"], "2000-01-01T00:00:00Z");
    assert_eq!(
        (&metadata["deletionTimestamp"], &metadata["selfLink"]),
        (&Value::Null, &Value::Null)
    );
    let changed = json!({"metadata": {"creationTimestamp": null}, "data": {"k": "v"}});
    let patched = server.merge(A, changed).await;
    assert_eq!(patched.code, 200);
    assert_eq!(
        patched.body["metadata"]["creationTimestamp"],
        metadata["creationTimestamp"]
    );
    assert_eq!(patched.body["metadata"]["uid"], metadata["uid"]);
}
