//! The shell over a real socket, under a clock that is wound by hand.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::shell::{Kubernetes, Settings};

/// Longest time that any step of these tests may take.
const PATIENCE: Duration = Duration::from_secs(20);

struct Harness {
    kubernetes: Kubernetes,
    now: Arc<Mutex<Timestamp>>,
}

impl Harness {
    async fn start() -> Harness {
        let now: Arc<Mutex<Timestamp>> = Arc::new(Mutex::new("2026-01-01T00:00:00Z".parse().unwrap()));
        let clock = Arc::clone(&now);
        let settings = Settings::new(Arc::new(move || *clock.lock().unwrap()), "test", "secret");
        Harness {
            kubernetes: Kubernetes::start(settings).await.unwrap(),
            now,
        }
    }

    async fn wind(&self, seconds: i64) {
        *self.now.lock().unwrap() += SignedDuration::from_secs(seconds);
        self.kubernetes.tick().await;
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> http::Response<Incoming> {
        let body = if body.is_null() {
            Bytes::new()
        } else {
            Bytes::from(body.to_string())
        };
        self.send_bytes(method, path, body).await
    }

    async fn send_bytes(&self, method: Method, path: &str, body: Bytes) -> http::Response<Incoming> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.kubernetes.url()))
            .header("authorization", format!("Bearer {}", self.kubernetes.token()))
            .header("content-type", "application/json")
            .body(Full::new(body))
            .unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        tokio::time::timeout(PATIENCE, client.request(request))
            .await
            .unwrap()
            .unwrap()
    }

    async fn json(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let response = self.send(method, path, &body).await;
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap())
    }

    async fn make_pod(&self, name: &str) {
        let pods = "/api/v1/namespaces/default/pods";
        let labels = json!({"layby.dev/application": "a1", "layby.dev/template": "demo"});
        let pod = json!({"metadata": {"name": name, "labels": labels}, "spec": {"containers": [{"name": "c", "image": "web"}]}});
        assert_eq!(self.json(Method::POST, pods, pod).await.0, 201);
    }
}

async fn page(ip: &str) -> Result<String, String> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let response = client
        .get(format!("http://{ip}:8888/").parse().unwrap())
        .await
        .map_err(|error| error.to_string())?;
    let bytes = response
        .into_body()
        .collect()
        .await
        .map_err(|error| error.to_string())?
        .to_bytes();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test]
async fn a_ready_pod_answers_on_its_address_until_it_is_deleted() {
    let harness = Harness::start().await;
    harness.make_pod("p").await;
    harness.wind(1).await;
    harness.wind(1).await;
    let (_, pod) = harness
        .json(Method::GET, "/api/v1/namespaces/default/pods/p", Value::Null)
        .await;
    let ready = pod["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["type"] == "Ready")
        .unwrap();
    assert_eq!(ready["status"], "True", "{pod}");
    let ip = pod["status"]["podIP"].as_str().unwrap().to_owned();
    let shown = page(&ip).await.unwrap();
    assert!(shown.contains("a1") && shown.contains("demo"), "{shown}");
    harness
        .json(Method::DELETE, "/api/v1/namespaces/default/pods/p", Value::Null)
        .await;
    harness.wind(2).await;
    assert!(page(&ip).await.is_err());
    harness.kubernetes.stop().await;
}

#[tokio::test]
async fn an_address_that_is_taken_keeps_the_pod_from_being_ready() {
    let harness = Harness::start().await;
    let first = harness
        .kubernetes
        .with_machine(|machine| machine.next_address(&json!({})));
    let next = format!(
        "{}:8888",
        std::net::Ipv4Addr::from(u32::from(first.ip().to_string().parse::<std::net::Ipv4Addr>().unwrap()) + 1)
    );
    let taken = tokio::net::TcpListener::bind(&next).await.unwrap();
    harness.make_pod("p").await;
    harness.wind(1).await;
    harness.wind(1).await;
    let (_, pod) = harness
        .json(Method::GET, "/api/v1/namespaces/default/pods/p", Value::Null)
        .await;
    let message = pod["status"]["message"].as_str().unwrap();
    assert!(message.starts_with(&format!("cannot listen on {next}: ")), "{message}");
    drop(taken);
    harness.wind(3).await;
    let (_, pod) = harness
        .json(Method::GET, "/api/v1/namespaces/default/pods/p", Value::Null)
        .await;
    assert_eq!(pod["status"]["containerStatuses"][0]["ready"], true);
    harness.kubernetes.stop().await;
}

#[tokio::test]
async fn a_watch_streams_events_as_they_happen_and_ends_with_its_time() {
    let harness = Harness::start().await;
    let path = "/api/v1/namespaces/default/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds=2";
    let mut stream = harness.send(Method::GET, path, &Value::Null).await.into_body();
    harness.make_pod("p").await;
    harness.wind(1).await;
    harness.wind(1).await;
    let mut text = String::new();
    let reading = async {
        while let Some(frame) = stream.frame().await {
            text.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        (kinds.first(), kinds.last()),
        (Some(&"BOOKMARK"), Some(&"BOOKMARK")),
        "{kinds:?}"
    );
    assert_eq!(kinds[1], "ADDED");
    assert!(
        events
            .iter()
            .any(|event| event["object"]["status"]["containerStatuses"][0]["ready"] == true)
    );
    harness.kubernetes.stop().await;
}

#[tokio::test]
async fn stopping_ends_watches_and_frees_the_port() {
    let harness = Harness::start().await;
    let mut stream = harness
        .send(Method::GET, "/api/v1/pods?watch=true", &Value::Null)
        .await
        .into_body();
    let address = harness.kubernetes.url().trim_start_matches("http://").to_owned();
    tokio::time::timeout(PATIENCE, harness.kubernetes.stop()).await.unwrap();
    let end = async { while let Some(Ok(_)) = stream.frame().await {} };
    tokio::time::timeout(PATIENCE, end).await.unwrap();
    assert!(tokio::net::TcpListener::bind(&address).await.is_ok());
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_refused() {
    let harness = Harness::start().await;
    let response = harness
        .send_bytes(
            Method::POST,
            "/api/v1/namespaces",
            Bytes::from(vec![b' '; (3 << 20) + 1]),
        )
        .await;
    assert_eq!(response.status(), 413);
    harness.kubernetes.stop().await;
}

#[tokio::test]
async fn the_kubeconfig_names_the_server_and_the_token() {
    let harness = Harness::start().await;
    let config: Value = serde_json::from_str(&harness.kubernetes.kubeconfig()).unwrap();
    assert_eq!(config["clusters"][0]["cluster"]["server"], harness.kubernetes.url());
    assert_eq!(config["users"][0]["user"]["token"], "secret");
    harness.kubernetes.stop().await;
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the clock of this test is the real one")]
async fn time_that_passes_by_itself_needs_no_tick() {
    let began = std::time::Instant::now();
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let clock = move || start + SignedDuration::try_from(began.elapsed()).unwrap();
    let kubernetes = Kubernetes::start(Settings::new(Arc::new(clock), "test", "secret"))
        .await
        .unwrap();
    let harness = Harness {
        kubernetes,
        now: Arc::new(Mutex::new(start)),
    };
    harness.make_pod("p").await;
    let ready = async {
        loop {
            let (_, pod) = harness
                .json(Method::GET, "/api/v1/namespaces/default/pods/p", Value::Null)
                .await;
            if pod["status"]["containerStatuses"][0]["ready"] == true {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.unwrap();
    harness.kubernetes.stop().await;
}
