//! Watches: the state, what follows, and how far they have come.

use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use http::Request;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::{WatchStreamExt, reflector, watcher};
use serde_json::{Value, json};

use crate::server::{Server, eventually};

checks! {
    a_watch_begins_with_the_state
    a_watch_gives_every_change_after_its_version
    objects_enter_and_leave_a_selective_watch
    a_bookmark_marks_the_end_of_the_initial_state
    a_watch_without_initial_events_begins_with_what_is_new
    a_watch_ends_with_its_time
    a_watch_from_too_long_ago_ends_with_410
    a_watch_of_metadata_gives_metadata
    wrong_options_of_a_watch_are_refused
    a_watcher_follows_a_life
    a_reflector_mirrors_what_there_is
}

const MAPS: &str = "/api/v1/namespaces/{}/configmaps";
const A: &str = "/api/v1/namespaces/{}/configmaps/a";
const FRONT: &str = "labelSelector=tier=front";

/// All events of a watch that ends by itself, after `meanwhile` was done.
async fn watched(server: &Server, options: &str, accept: &str, meanwhile: impl AsyncFnOnce()) -> Vec<Value> {
    let path = format!(
        "/api/v1/namespaces/{}/configmaps?watch=true&timeoutSeconds=2&{options}",
        server.namespace
    );
    let request = Request::get(path).header("accept", accept).body(Vec::new()).unwrap();
    let stream = server.client.request_stream(request).await.unwrap();
    meanwhile().await;
    let lines: Vec<String> = stream.lines().try_collect().await.unwrap();
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn seen(server: &Server, options: &str, meanwhile: impl AsyncFnOnce()) -> Vec<String> {
    let events = watched(server, options, "application/json", meanwhile).await;
    events.iter().map(told).collect()
}

/// Type and name of an event.
fn told(event: &Value) -> String {
    let name = event["object"]["metadata"]["name"].as_str().unwrap_or("-");
    format!("{} {name}", event["type"].as_str().unwrap())
}

async fn make(server: &Server, name: &str, tier: &str) {
    let map = json!({"metadata": {"name": name, "labels": {"tier": tier}}});
    server.made(MAPS, map).await;
}

async fn version(server: &Server) -> String {
    let list = server.get(MAPS).await.body;
    list["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

async fn move_to(server: &Server, tier: &str) {
    let moved = json!({"metadata": {"labels": {"tier": tier}}});
    assert_eq!(server.merge(A, moved).await.code, 200);
}

async fn a_watch_begins_with_the_state(server: &Server) {
    make(server, "a", "front").await;
    make(server, "b", "back").await;
    for options in ["", "resourceVersion=0&"] {
        let events = seen(server, &format!("{options}{FRONT}"), async || {}).await;
        assert_eq!(events, ["ADDED a"]);
    }
}

async fn a_watch_gives_every_change_after_its_version(server: &Server) {
    make(server, "before", "front").await;
    let options = format!("resourceVersion={}&{FRONT}", version(server).await);
    let events = watched(server, &options, "application/json", async || {
        make(server, "a", "front").await;
        server.merge(A, json!({"data": {"k": "v"}})).await;
        server.delete(A, Value::Null).await;
    })
    .await;
    let told: Vec<String> = events.iter().map(told).collect();
    assert_eq!(told, ["ADDED a", "MODIFIED a", "DELETED a"]);
    let versions: Vec<u64> = events
        .iter()
        .map(|event| {
            event["object"]["metadata"]["resourceVersion"]
                .as_str()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    assert!(versions.is_sorted_by(|one, next| one < next), "{versions:?}");
    assert_eq!(
        (&events[0]["object"]["kind"], &events[2]["object"]["data"]["k"]),
        (&json!("ConfigMap"), &json!("v"))
    );
}

async fn objects_enter_and_leave_a_selective_watch(server: &Server) {
    let options = format!("resourceVersion={}&{FRONT}", version(server).await);
    let events = watched(server, &options, "application/json", async || {
        make(server, "a", "back").await;
        move_to(server, "front").await;
        move_to(server, "back").await;
        server.delete(A, Value::Null).await;
    })
    .await;
    let told: Vec<String> = events.iter().map(told).collect();
    assert_eq!(told, ["ADDED a", "DELETED a"]);
    // It leaves as it was last in the selection.
    assert_eq!(events[1]["object"]["metadata"]["labels"]["tier"], "front");
}

async fn a_bookmark_marks_the_end_of_the_initial_state(server: &Server) {
    make(server, "a", "front").await;
    let marked = json!({"k8s.io/initial-events-end": "true"});
    for options in [
        "allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
        "allowWatchBookmarks=true",
    ] {
        let events = watched(server, &format!("{options}&{FRONT}"), "application/json", async || {
            make(server, "b", "front").await;
        })
        .await;
        // Bookmarks of the ordinary kind come when the server likes.
        let is_ordinary =
            |event: &Value| event["type"] == "BOOKMARK" && event["object"]["metadata"]["annotations"].is_null();
        let events: Vec<Value> = events.into_iter().filter(|event| !is_ordinary(event)).collect();
        let told: Vec<String> = events.iter().take(3).map(told).collect();
        assert_eq!(told, ["ADDED a", "BOOKMARK -", "ADDED b"], "{options}");
        let bookmark = &events[1]["object"];
        assert_eq!(
            (&bookmark["kind"], &bookmark["metadata"]["annotations"]),
            (&json!("ConfigMap"), &marked)
        );
        assert!(bookmark["metadata"]["resourceVersion"].is_string());
        server.delete(&format!("{MAPS}/b"), Value::Null).await;
    }
    let without = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    assert_eq!(
        seen(server, &format!("{without}&{FRONT}"), async || {}).await,
        ["ADDED a"]
    );
}

async fn a_watch_without_initial_events_begins_with_what_is_new(server: &Server) {
    make(server, "a", "front").await;
    let options = format!("sendInitialEvents=false&resourceVersionMatch=NotOlderThan&{FRONT}");
    let events = seen(server, &options, async || make(server, "b", "front").await).await;
    assert_eq!(events, ["ADDED b"]);
}

async fn a_watch_ends_with_its_time(server: &Server) {
    make(server, "a", "front").await;
    let options = format!("resourceVersion={}&{FRONT}", version(server).await);
    assert_eq!(seen(server, &options, async || {}).await, [""; 0]);
    // Whether a bookmark tells how far it came is up to the server; before what it covers none comes.
    let options = format!("{options}&allowWatchBookmarks=true");
    let events = watched(server, &options, "application/json", async || {
        make(server, "b", "front").await
    })
    .await;
    let (bookmarks, others): (Vec<&Value>, Vec<&Value>) = events.iter().partition(|event| event["type"] == "BOOKMARK");
    assert_eq!(others.iter().map(|event| told(event)).collect::<Vec<_>>(), ["ADDED b"]);
    let version = |event: &Value| {
        event["object"]["metadata"]["resourceVersion"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert!(
        bookmarks.iter().all(|bookmark| version(bookmark) >= version(others[0])),
        "{events:?}"
    );
}

async fn a_watch_from_too_long_ago_ends_with_410(server: &Server) {
    // Of events the real server keeps no memory of its own: it forgets what etcd has compacted.
    let path = format!(
        "/api/v1/namespaces/{}/events?watch=true&timeoutSeconds=2&resourceVersion=1",
        server.namespace
    );
    let event = eventually("the version is forgotten", async || {
        let request = Request::get(&path).body(Vec::new()).unwrap();
        let lines = server.client.request_stream(request).await.unwrap().lines();
        let lines: Vec<String> = lines.try_collect().await.unwrap();
        let first: Value = serde_json::from_str(lines.first()?).unwrap();
        (first["type"] == "ERROR").then_some(first)
    })
    .await;
    let status = &event["object"];
    assert_eq!(
        (&status["kind"], &status["status"]),
        (&json!("Status"), &json!("Failure"))
    );
    assert_eq!((&status["code"], &status["reason"]), (&json!(410), &json!("Expired")));
}

async fn a_watch_of_metadata_gives_metadata(server: &Server) {
    make(server, "a", "front").await;
    server.merge(A, json!({"data": {"k": "v"}})).await;
    let accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let events = watched(server, FRONT, accept, async || {}).await;
    let [event] = events.as_slice() else {
        panic!("{events:?}")
    };
    let object = &event["object"];
    assert_eq!(
        (&object["kind"], &object["data"]),
        (&json!("PartialObjectMetadata"), &Value::Null)
    );
    assert_eq!(object["metadata"]["name"], "a");
}

async fn wrong_options_of_a_watch_are_refused(server: &Server) {
    for (options, causes) in [
        (
            "sendInitialEvents=true",
            vec!["Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"],
        ),
        (
            "resourceVersion=5&resourceVersionMatch=Exact",
            vec![
                "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                "Unsupported value: \"Exact\": supported values: \"NotOlderThan\"",
            ],
        ),
    ] {
        let answer = server.get(&format!("{MAPS}?watch=true&{options}")).await;
        let messages: Vec<&str> = answer.causes().into_iter().map(|(_, message)| message).collect();
        assert_eq!((answer.code, messages), (422, causes));
    }
    let answer = server.get(&format!("{MAPS}?sendInitialEvents=true")).await;
    let cause = (
        "sendInitialEvents",
        "Forbidden: sendInitialEvents is forbidden for list",
    );
    assert_eq!((answer.code, answer.causes()), (422, vec![cause]));
    let answer = server.get(&format!("{MAPS}?watch=true&fieldSelector=data.k=v")).await;
    assert_eq!((answer.refusal().0, answer.refusal().1), (400, "BadRequest"));
}

/// What a watcher tells of objects, in short.
fn short(event: watcher::Event<ConfigMap>) -> Option<String> {
    let of = |map: ConfigMap| format!("{} {}", map.metadata.name.unwrap(), map.data.is_some());
    match event {
        watcher::Event::InitApply(map) => Some(format!("init {}", of(map))),
        watcher::Event::Apply(map) => Some(format!("apply {}", of(map))),
        watcher::Event::Delete(map) => Some(format!("delete {}", of(map))),
        watcher::Event::InitDone => Some("done".to_owned()),
        watcher::Event::Init => None,
    }
}

async fn a_watcher_follows_a_life(server: &Server) {
    make(server, "a", "front").await;
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let config = config.labels("tier=front");
        let stream = watcher(server.api::<ConfigMap>(), config).try_filter_map(|event| async { Ok(short(event)) });
        let mut stream = std::pin::pin!(stream);
        let mut next = async || stream.next().await.unwrap().unwrap();
        assert_eq!([next().await, next().await], ["init a false", "done"]);
        make(server, "b", "front").await;
        assert_eq!(next().await, "apply b false");
        let b = format!("{MAPS}/b");
        server.merge(&b, json!({"data": {"k": "v"}})).await;
        assert_eq!(next().await, "apply b true");
        server.delete(&b, Value::Null).await;
        assert_eq!(next().await, "delete b true");
    }
}

async fn a_reflector_mirrors_what_there_is(server: &Server) {
    make(server, "a", "front").await;
    let (reader, writer) = reflector::store::<ConfigMap>();
    let config = watcher::Config::default().labels("tier=front");
    let stream = watcher(server.api::<ConfigMap>(), config).default_backoff();
    let mirror = reflector(writer, stream).for_each(|_| async {});
    let check = async {
        reader.wait_until_ready().await.unwrap();
        let names = || {
            let mut names: Vec<String> = reader
                .state()
                .iter()
                .filter_map(|map| map.metadata.name.clone())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names(), ["a"]);
        make(server, "b", "front").await;
        eventually("the new one", async || (names() == ["a", "b"]).then_some(())).await;
        move_to(server, "back").await;
        eventually("the one that left is gone", async || (names() == ["b"]).then_some(())).await;
    };
    tokio::select! {
        () = mirror => panic!("the mirror ended"),
        () = check => {}
    }
}
