//! Lists: what is selected, in which pages, of which state, and how much of each object.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::server::Server;

checks! {
    labels_select
    selectors_that_cannot_be_read_are_refused
    fields_select_where_the_kind_has_them
    pages_show_one_state_whatever_happens_between_them
    what_is_left_is_counted_where_nothing_is_selected
    a_page_that_cannot_be_continued_is_refused
    versions_of_lists_are_honoured
    what_is_forgotten_is_gone
    metadata_alone_is_given_to_those_who_ask_for_it
}

const MAPS: &str = "/api/v1/namespaces/{}/configmaps";

/// Four maps, and the one that every namespace has.
async fn make_maps(server: &Server) {
    for (name, labels) in [
        ("a", json!({"tier": "front", "x.io/y": ""})),
        ("b", json!({"tier": "back"})),
        ("c", json!({"tier": "front"})),
        ("d", json!({})),
    ] {
        let map = json!({"metadata": {"name": name, "labels": labels}, "data": {"k": "v"}});
        server.made(MAPS, map).await;
    }
    crate::server::eventually("the map of every namespace", async || {
        let found = server.get(&format!("{MAPS}/kube-root-ca.crt")).await;
        (found.code == 200).then_some(())
    })
    .await;
}

fn selecting(labels: &str) -> String {
    let escaped: String = labels.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("{MAPS}?labelSelector={escaped}")
}

async fn labels_select(server: &Server) {
    make_maps(server).await;
    for (selector, names) in [
        ("tier=front", vec!["a", "c"]),
        ("tier==front", vec!["a", "c"]),
        ("tier!=front", vec!["b", "d", "kube-root-ca.crt"]),
        ("tier in (front, back)", vec!["a", "b", "c"]),
        ("tier notin (front)", vec!["b", "d", "kube-root-ca.crt"]),
        ("tier", vec!["a", "b", "c"]),
        ("!tier", vec!["d", "kube-root-ca.crt"]),
        ("x.io/y=", vec!["a"]),
        ("tier in (front),x.io/y", vec!["a"]),
        ("tier=front,tier=back", vec![]),
    ] {
        assert_eq!(server.get(&selecting(selector)).await.names(), names, "{selector}");
    }
}

async fn selectors_that_cannot_be_read_are_refused(server: &Server) {
    for selector in [
        "=x", "a=b=c", "a in b", "a b", "a in (b", "a,", "a=b!", "-a=b", "a/b/c=d",
    ] {
        let (code, reason) = (400, "BadRequest");
        let answer = server.get(&selecting(selector)).await;
        assert_eq!((answer.refusal().0, answer.refusal().1), (code, reason), "{selector}");
    }
}

async fn fields_select_where_the_kind_has_them(server: &Server) {
    make_maps(server).await;
    let of = |field: &str| format!("{MAPS}?fieldSelector={field}");
    for (field, names) in [
        ("metadata.name=a", vec!["a"]),
        ("metadata.name==a", vec!["a"]),
        ("metadata.name!=kube-root-ca.crt,metadata.name!=a", vec!["b", "c", "d"]),
        ("metadata.namespace=other", vec![]),
    ] {
        assert_eq!(server.get(&of(field)).await.names(), names, "{field}");
    }
    let answer = server.get(&of("data.k=v")).await;
    let message = "\"data.k\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
    assert_eq!(answer.refusal(), (400, "BadRequest", message));
    let half = server.get(&of("metadata.name")).await;
    let message = "invalid selector: 'metadata.name'; can't understand 'metadata.name'";
    assert_eq!(half.refusal(), (400, "BadRequest", message));

    let pods = "/api/v1/namespaces/{}/pods";
    let spec = json!({"nodeSelector": {"no": "where"}, "containers": [{"name": "c", "image": "i"}]});
    server
        .made(pods, json!({"metadata": {"name": "p"}, "spec": spec}))
        .await;
    for (field, found) in [
        ("status.phase=Pending", vec!["p"]),
        ("status.phase!=Pending", vec![]),
        ("spec.nodeName=", vec!["p"]),
        ("spec.nodeName=somewhere", vec![]),
        ("spec.restartPolicy=Always", vec!["p"]),
    ] {
        let list = server.get(&format!("{pods}?fieldSelector={field}")).await;
        assert_eq!(list.names(), found, "{field}");
    }
    let answer = server.get(&format!("{pods}?fieldSelector=spec.hostname=x")).await;
    let message = "field label not supported: spec.hostname";
    assert_eq!(answer.refusal(), (400, "BadRequest", message));
    let own = format!(
        "/api/v1/namespaces?fieldSelector=status.phase=Active,metadata.name={}",
        server.namespace
    );
    assert_eq!(server.get(&own).await.names(), [server.namespace.as_str()]);
}

async fn pages_show_one_state_whatever_happens_between_them(server: &Server) {
    make_maps(server).await;
    let first = server.get(&format!("{MAPS}?limit=2")).await;
    assert_eq!(first.names(), ["a", "b"]);
    assert_eq!(first.body["metadata"]["remainingItemCount"], 3);
    server.delete(&format!("{MAPS}/c"), Value::Null).await;
    server.made(MAPS, json!({"metadata": {"name": "bb"}})).await;
    let next = |page: &crate::wire::Answer| {
        let token = page.body["metadata"]["continue"].as_str().expect("there is more");
        format!("{MAPS}?limit=2&continue={token}")
    };
    let second = server.get(&next(&first)).await;
    assert_eq!(second.names(), ["c", "d"]);
    let version = |page: &crate::wire::Answer| page.body["metadata"]["resourceVersion"].clone();
    assert_eq!(version(&second), version(&first));
    let third = server.get(&next(&second)).await;
    assert_eq!(
        (third.names(), version(&third)),
        (vec!["kube-root-ca.crt"], version(&first))
    );
    assert_eq!(third.body["metadata"]["continue"], Value::Null);
}

async fn what_is_left_is_counted_where_nothing_is_selected(server: &Server) {
    make_maps(server).await;
    let page = server.get(&format!("{MAPS}?limit=1&labelSelector=tier")).await;
    assert_eq!(page.names(), ["a"]);
    assert!(page.body["metadata"]["continue"].is_string());
    assert_eq!(page.body["metadata"]["remainingItemCount"], Value::Null);
    let all = server.get(&format!("{MAPS}?limit=5")).await;
    assert_eq!(all.names().len(), 5);
    assert_eq!(all.body["metadata"]["continue"], Value::Null);
    assert_eq!(server.get(&format!("{MAPS}?limit=0")).await.names().len(), 5);
}

async fn a_page_that_cannot_be_continued_is_refused(server: &Server) {
    let garbage = server.get(&format!("{MAPS}?limit=2&continue=garbage")).await;
    let (code, reason, message) = garbage.refusal();
    assert_eq!((code, reason), (400, "BadRequest"));
    assert!(
        message.starts_with("invalid continue token: continue key is not valid"),
        "{message}"
    );
    make_maps(server).await;
    let first = server.get(&format!("{MAPS}?limit=2")).await;
    let token = first.body["metadata"]["continue"].as_str().unwrap();
    let both = server.get(&format!("{MAPS}?continue={token}&resourceVersion=5")).await;
    let message = "specifying resource version is not allowed when using continue";
    assert_eq!(both.refusal(), (400, "BadRequest", message));
}

async fn versions_of_lists_are_honoured(server: &Server) {
    make_maps(server).await;
    let then = server.get(MAPS).await.body["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned();
    server.delete(&format!("{MAPS}/a"), Value::Null).await;
    let at = |options: &str| format!("{MAPS}?{options}");
    let exact = server
        .get(&at(&format!("resourceVersion={then}&resourceVersionMatch=Exact")))
        .await;
    assert_eq!(
        (exact.names()[0], &exact.body["metadata"]["resourceVersion"]),
        ("a", &json!(then))
    );
    for options in [
        String::new(),
        format!("resourceVersion={then}&resourceVersionMatch=NotOlderThan"),
    ] {
        assert_eq!(server.get(&at(&options)).await.names()[0], "b", "{options}");
    }
    for path in [
        at("resourceVersion=99999999999999"),
        format!("{MAPS}/b?resourceVersion=99999999999999"),
    ] {
        let future = server.get(&path).await;
        let (code, reason, message) = future.refusal();
        assert_eq!((code, reason), (504, "Timeout"), "{path}");
        let start = "Timeout: Too large resource version: 99999999999999, current: ";
        assert!(message.starts_with(start), "{message}");
        assert_eq!(future.body["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
    }
    assert_eq!(server.get(&at("resourceVersion=x")).await.code, 400);
    for (options, cause) in [
        (
            "resourceVersionMatch=Exact",
            "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        (
            "resourceVersionMatch=Exact&resourceVersion=0",
            "Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
        ),
        (
            "resourceVersionMatch=Near&resourceVersion=5",
            "Unsupported value: \"Near\": supported values: \"Exact\", \"NotOlderThan\", \"\"",
        ),
    ] {
        let answer = server.get(&at(options)).await;
        assert_eq!(
            (answer.code, answer.causes()),
            (422, vec![("resourceVersionMatch", cause)])
        );
    }
}

async fn what_is_forgotten_is_gone(server: &Server) {
    make_maps(server).await;
    let old = format!("{MAPS}?resourceVersion=1&resourceVersionMatch=Exact");
    let gone = crate::server::eventually("the version is forgotten", async || {
        let answer = server.get(&old).await;
        (answer.code == 410).then_some(answer)
    })
    .await;
    let (code, reason, message) = gone.refusal();
    assert_eq!((code, reason), (410, "Expired"));
    assert_eq!(message, "The resourceVersion for the provided list is too old.");
    let first = server.get(&format!("{MAPS}?limit=2")).await;
    let token = first.body["metadata"]["continue"].as_str().unwrap();
    let mut token: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).unwrap()).unwrap();
    assert_eq!(
        (&token["v"], &token["start"]),
        (&json!("meta.k8s.io/v1"), &json!("/b\u{0}"))
    );
    token["rv"] = 1.into();
    let token = URL_SAFE_NO_PAD.encode(token.to_string());
    let gone = server.get(&format!("{MAPS}?limit=2&continue={token}")).await;
    let message = "The provided continue parameter is too old to display a consistent list result. You can start a new list \
                   without the continue parameter, or use the continue token in this response to retrieve the remainder of the \
                   results. Continuing with the provided token results in an inconsistent list - objects that were created, \
                   modified, or deleted between the time the first chunk was returned and now may show up in the list.";
    assert_eq!(gone.refusal(), (410, "Expired", message));
}

async fn metadata_alone_is_given_to_those_who_ask_for_it(server: &Server) {
    make_maps(server).await;
    let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let list = server.show(&selecting("tier"), accept).await;
    assert_eq!(list.names(), ["a", "b", "c"]);
    assert_eq!(
        (&list.body["kind"], &list.body["apiVersion"]),
        (&json!("PartialObjectMetadataList"), &json!("meta.k8s.io/v1"))
    );
    let item = &list.body["items"][0];
    assert_eq!(
        (&item["kind"], &item["data"]),
        (&json!("PartialObjectMetadata"), &Value::Null)
    );
    assert_eq!(item["metadata"]["labels"]["tier"], "front");
    let accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let one = server.show(&format!("{MAPS}/a"), accept).await;
    assert_eq!(
        (&one.body["kind"], &one.body["data"]),
        (&json!("PartialObjectMetadata"), &Value::Null)
    );
    assert_eq!(one.body["metadata"]["name"], "a");
    let refused = server.show(&format!("{MAPS}/a"), "text/html").await;
    let (code, reason, message) = refused.refusal();
    assert_eq!((code, reason), (406, "NotAcceptable"));
    assert!(
        message.contains("Available representations: application/json"),
        "{message}"
    );
}
