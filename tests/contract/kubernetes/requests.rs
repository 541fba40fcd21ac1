//! How a write is asked for: names that are drawn, dry runs, strictness, and the bounds of a request.

use http::Method;
use serde_json::{Value, json};

use crate::server::Server;
use crate::wire::JSON;

checks! {
    names_are_generated
    a_dry_run_shows_what_would_be_and_keeps_nothing
    options_that_are_not_known_are_refused
    fields_that_are_not_known_are_refused_warned_of_or_ignored
    a_body_too_large_is_refused
    methods_that_a_resource_has_not_are_refused
}

const MAPS: &str = "/api/v1/namespaces/{}/configmaps";
const A: &str = "/api/v1/namespaces/{}/configmaps/a";

async fn names_are_generated(server: &Server) {
    let generated = json!({"metadata": {"generateName": "made-"}});
    let (one, two) = (
        server.made(MAPS, generated.clone()).await,
        server.made(MAPS, generated).await,
    );
    let name = |made: &Value| made["metadata"]["name"].as_str().unwrap().to_owned();
    for made in [&one, &two] {
        assert!(name(made).starts_with("made-") && name(made).len() == 10, "{made}");
        assert_eq!(made["metadata"]["generateName"], "made-");
    }
    assert_ne!(name(&one), name(&two));
    let long = server
        .made(MAPS, json!({"metadata": {"generateName": "x".repeat(70)}}))
        .await;
    assert_eq!(name(&long).len(), 63);
    let given = json!({"metadata": {"name": "given", "generateName": "made-"}});
    assert_eq!(name(&server.made(MAPS, given).await), "given");
    let neither = server.post(MAPS, json!({"metadata": {}})).await;
    let message = "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required";
    assert_eq!(neither.refusal(), (422, "Invalid", message));
    assert_eq!(neither.body["details"]["causes"][0]["reason"], "FieldValueRequired");
    let wrong = server.post(MAPS, json!({"metadata": {"generateName": "No_"}})).await;
    let fields: Vec<&str> = wrong.causes().into_iter().map(|(field, _)| field).collect();
    assert_eq!(
        (wrong.code, fields),
        (422, vec!["metadata.generateName", "metadata.name"])
    );
}

async fn a_dry_run_shows_what_would_be_and_keeps_nothing(server: &Server) {
    let dry = |path: &str| format!("{path}?dryRun=All");
    let shown = server
        .post(&dry(MAPS), json!({"metadata": {"name": "a"}, "data": {"k": "1"}}))
        .await;
    assert_eq!((shown.code, &shown.body["data"]["k"]), (201, &json!("1")));
    assert!(shown.body["metadata"]["uid"].is_string());
    assert_eq!(shown.body["metadata"]["resourceVersion"], Value::Null);
    assert_eq!(server.get(A).await.code, 404);

    let made = server
        .made(MAPS, json!({"metadata": {"name": "a"}, "data": {"k": "1"}}))
        .await;
    let replaced = json!({"metadata": {"name": "a"}, "data": {"k": "2"}});
    for answer in [
        server.put(&dry(A), replaced).await,
        server.merge(&dry(A), json!({"data": {"k": "2"}})).await,
    ] {
        assert_eq!((answer.code, &answer.body["data"]["k"]), (200, &json!("2")));
        let version = &answer.body["metadata"]["resourceVersion"];
        assert_eq!(version, &made["metadata"]["resourceVersion"]);
    }
    for answer in [
        server.delete(&dry(A), Value::Null).await,
        server.delete(A, json!({"dryRun": ["All"]})).await,
    ] {
        assert_eq!((answer.code, &answer.body["status"]), (200, &json!("Success")));
    }
    let after = server.get(A).await.body;
    assert_eq!(
        (&after["data"], &after["metadata"]["uid"]),
        (&made["data"], &made["metadata"]["uid"])
    );
    let namespace = server.delete(&dry("/api/v1/namespaces/{}"), Value::Null).await;
    assert_eq!(
        (namespace.code, &namespace.body["status"]["phase"]),
        (200, &json!("Terminating"))
    );
    assert_eq!(
        server.get("/api/v1/namespaces/{}").await.body["status"]["phase"],
        "Active"
    );
}

async fn options_that_are_not_known_are_refused(server: &Server) {
    server.made(MAPS, json!({"metadata": {"name": "a"}})).await;
    let object = json!({"metadata": {"name": "a"}});
    let message = |options: &str| {
        format!(
            "{options}.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\""
        )
    };
    for (options, answer) in [
        (
            "CreateOptions",
            server.post(&format!("{MAPS}?dryRun=Some"), object.clone()).await,
        ),
        (
            "UpdateOptions",
            server.put(&format!("{A}?dryRun=Some"), object.clone()).await,
        ),
        (
            "PatchOptions",
            server.merge(&format!("{A}?dryRun=Some"), json!({})).await,
        ),
        (
            "DeleteOptions",
            server.delete(&format!("{A}?dryRun=Some"), Value::Null).await,
        ),
        ("DeleteOptions", server.delete(A, json!({"dryRun": ["Some"]})).await),
    ] {
        assert_eq!(answer.refusal(), (422, "Invalid", message(options).as_str()));
        assert_eq!(answer.body["details"]["kind"], options);
    }
    let answer = server.post(&format!("{MAPS}?fieldValidation=Loud"), object).await;
    let cause = "Unsupported value: \"Loud\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"";
    assert_eq!((answer.code, answer.causes()), (422, vec![("fieldValidation", cause)]));
}

async fn fields_that_are_not_known_are_refused_warned_of_or_ignored(server: &Server) {
    let send = async |path: &str, validation: &str, body: &str| {
        let path = format!("{path}?dryRun=All&fieldValidation={validation}");
        server.send(Method::POST, &path, JSON, json!(body)).await
    };
    let unknown = r#"{"metadata": {"name": "a"}, "colour": "red"}"#;
    let strict = send(MAPS, "Strict", unknown).await;
    let message =
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"colour\"";
    assert_eq!(strict.refusal(), (400, "BadRequest", message));
    for validation in ["Warn", ""] {
        let warned = send(MAPS, validation, unknown).await;
        assert_eq!((warned.code, &warned.body["colour"]), (201, &Value::Null));
        assert_eq!(warned.warnings, [r#"unknown field "colour""#]);
    }
    let ignored = send(MAPS, "Ignore", unknown).await;
    assert_eq!((ignored.code, ignored.warnings.len()), (201, 0));
    let twice = r#"{"metadata": {"name": "a"}, "data": {"k": "1", "k": "2"}}"#;
    let strict = send(MAPS, "Strict", twice).await;
    assert!(
        strict
            .refusal()
            .2
            .ends_with("strict decoding error: duplicate field \"data.k\"")
    );
    let warned = send(MAPS, "Warn", twice).await;
    assert_eq!((warned.code, &warned.body["data"]["k"]), (201, &json!("2")));
    assert_eq!(warned.warnings, [r#"duplicate field "data.k""#]);
    let deep = r#"{"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c", "image": "i", "imagine": 1}]}}"#;
    let strict = send("/api/v1/namespaces/{}/pods", "Strict", deep).await;
    assert!(
        strict
            .refusal()
            .2
            .ends_with("unknown field \"spec.containers[0].imagine\"")
    );
    server.made(MAPS, json!({"metadata": {"name": "a"}})).await;
    let patch = json!({"colour": "red"});
    let patched = server
        .merge(&format!("{A}?fieldValidation=Strict"), patch.clone())
        .await;
    let (code, reason, message) = patched.refusal();
    assert_eq!((code, reason), (422, "Invalid"));
    assert!(
        message.starts_with(" \"\" is invalid: patch: Invalid value: "),
        "{message}"
    );
    assert!(
        message.ends_with("strict decoding error: unknown field \"colour\""),
        "{message}"
    );
    let patched = server.merge(A, patch).await;
    assert_eq!(patched.warnings, [r#"unknown field "colour""#]);
}

async fn a_body_too_large_is_refused(server: &Server) {
    let big = |bytes: usize| json!({"metadata": {"name": "a"}, "data": {"k": "x".repeat(bytes)}});
    let answer = server.post(MAPS, big(3 << 20)).await;
    let message = "Request entity too large: limit is 3145728";
    assert_eq!(answer.refusal(), (413, "RequestEntityTooLarge", message));
    let answer = server.post(MAPS, big((1 << 20) + 1)).await;
    assert_eq!(
        answer.causes(),
        [("[]", "Too long: may not be more than 1048576 bytes")]
    );
    let annotations = json!({"metadata": {"name": "a", "annotations": {"k": "x".repeat(256 << 10)}}});
    let answer = server.post(MAPS, annotations).await;
    let long = ("metadata.annotations", "Too long: may not be more than 262144 bytes");
    assert_eq!((answer.code, answer.causes()), (422, vec![long]));
    server.made(MAPS, big(1 << 20)).await;
}

async fn methods_that_a_resource_has_not_are_refused(server: &Server) {
    let object = json!({"metadata": {"name": "a"}});
    let message = "the server does not allow this method on the requested resource";
    for answer in [
        server.put(MAPS, object.clone()).await,
        server.post(A, object.clone()).await,
        server.merge(MAPS, object).await,
        server.delete("/api/v1/configmaps", Value::Null).await,
        server.delete("/api/v1/namespaces", Value::Null).await,
    ] {
        assert_eq!(answer.refusal(), (405, "MethodNotAllowed", message));
    }
}
