//! enrober: every line of its README as it stands there, run by a shell and the real curl; what its own tests asked;
//! and what its switch for developers opens.

mod doors;
mod origin;
mod reader;
mod suite;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use embedded::issuer::Subject;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tests::{Answer, App};

use crate::{LOOKS_MAX, PACE};
use origin::Origin;
use reader::Reader;

// The README's own lines, with its own line breaks.

const CREATE_ENVIRONMENT: &str = r#"curl -X POST -d '{
"environmentName": "org1:env1",
"hostNames": ["host1"]
}' \
"localhost:9000/environments""#;

const UPDATE_ENVIRONMENT: &str = r#"curl -X PATCH -d '{
"hostNames": ["host1", "host2"]
}' \
"localhost:9000/environments/org1:env1""#;

const CREATE_DEPLOYMENT: &str = r#"curl -X POST -d '{
"deploymentName": "dep1",
"publicHosts": "",
"privateHosts": "",
"replicas": 1,
"ptsURL": "https://api.myjson.com/bins/3f781"
}' \
"localhost:9000/environments/org1:env1/deployments""#;

/// With a comma that JSON does not have.
const UPDATE_DEPLOYMENT: &str = r#"curl -X PATCH -d '{
"replicas": 3,
}' \
"localhost:9000/environments/org1:env1/deployments/dep1""#;

const DELETE_DEPLOYMENT: &str = r#"curl -X DELETE \
"localhost:9000/environments/org1:env1/deployments/dep1""#;

const DELETE_ENVIRONMENT: &str = r#"curl -X DELETE \
"localhost:9000/environments/org1:env1""#;

/// All of them, in the README's order.
const LINES: [&str; 6] = [
    CREATE_ENVIRONMENT,
    UPDATE_ENVIRONMENT,
    CREATE_DEPLOYMENT,
    UPDATE_DEPLOYMENT,
    DELETE_DEPLOYMENT,
    DELETE_ENVIRONMENT,
];

// What the README has no line for, in the form of those that it has.

const READ_ENVIRONMENT: &str = r#"curl "localhost:9000/environments/org1:env1""#;
const LIST_DEPLOYMENTS: &str = r#"curl "localhost:9000/environments/org1:env1/deployments""#;
const READ_DEPLOYMENT: &str = r#"curl "localhost:9000/environments/org1:env1/deployments/dep1""#;
const LOGS: &str = r#"curl "localhost:9000/environments/org1:env1/deployments/dep1/logs?tail=5&previous=false""#;

/// The README's example of a pod template.
const TEMPLATE: &str = r#"{
"metadata": {
"name": "django",
"labels": {
"component": "webapp"
}
},
"spec": {
"containers": [
{
"name": "frontend",
"image": "django",
"ports": [
{
"containerPort": 8000
}
]
}
]
}
}"#;

/// The host of the README's pod template, and the path there.
const ORIGIN: &str = "api.myjson.com";
const ORIGIN_PATH: &str = "/bins/3f781";

const NAMESPACE: &str = "/api/v1/namespaces/org1-env1";

/// Runs `test` with an installation whose `DEPLOY_STATE` is this, and with the host of the README's pod template. That
/// is played here, so it is pinned, and has a certificate of its own; where the state is not said, it is listed, too.
async fn run_in(state: Option<&str>, test: impl AsyncFnOnce(&App, &Origin)) {
    let origin = Origin::start(ORIGIN, ORIGIN_PATH, TEMPLATE).await;
    let (pin, authority) = (format!("{ORIGIN}=127.0.0.1"), origin.authority());
    let variables = [
        ("LAYBY_OUTSIDE_CA", origin.ca_pem()),
        ("LAYBY_OUTSIDE_PINS", pin.as_str()),
        match state {
            Some(state) => ("DEPLOY_STATE", state),
            None => ("LAYBY_FETCH_HOSTS", authority.as_str()),
        },
    ];
    App::run_with(&variables, async |app| test(app, &origin).await).await;
}

/// An access token of the embedded issuer, for somebody who administers this organisation.
fn token(app: &App, organisation: &str) -> String {
    let told = app.adapter().config().environments.issuer.unwrap();
    let about = Subject {
        name: "ann",
        audience: &told.audience,
        organisations: &[organisation],
    };
    let issuer = app.adapter().issuer().unwrap();
    let lasts = SignedDuration::from_hours(1);
    issuer.token(&about, app.now(), lasts).unwrap()
}

/// Sees that `body` has each of these values at its place, a JSON pointer (RFC 6901).
fn shows(body: &Value, values: &[(&str, Value)]) {
    for (place, value) in values {
        assert_eq!(body.pointer(place), Some(value), "{place} in {body}");
    }
}

#[tokio::test]
async fn every_line_of_the_readme_is_answered_where_nobody_is_asked() {
    run_in(Some("DEV"), async |app, origin| {
        usage(&Reader::new(app, origin, None)).await;
    })
    .await;
}

#[tokio::test]
async fn every_line_of_the_readme_is_answered_to_an_administrator() {
    run_in(None, async |app, origin| {
        let reader = Reader::new(app, origin, Some(token(app, "org1")));
        usage(&reader).await;
        let elsewhere = CREATE_DEPLOYMENT.replace(ORIGIN, "elsewhere.example");
        let refused = reader.run(&elsewhere).await.problem(400, "malformedRequest");
        let told = "Attempting to use PTS from unauthorized host: elsewhere.example, expected: 127.0.0.1:";
        assert!(refused.starts_with(told), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn no_line_of_the_readme_is_for_nobody_or_for_another_organisations_administrator() {
    run_in(None, async |app, origin| {
        let nobody = Reader::new(app, origin, None);
        let demo = app.ready().demo.clone().unwrap();
        let stranger = Reader::new(app, origin, Some(demo.token));
        for line in LINES {
            let refused = nobody.run(line).await.problem(401, "unauthorized");
            assert!(refused.starts_with("Invalid Token"), "{line}: {refused}");
            let refused = stranger.run(line).await.problem(403, "unauthorized");
            assert_eq!(refused, "You aren't an Org Admin", "{line}");
        }
        assert!(origin.asked().is_empty());
        let own = CREATE_ENVIRONMENT.replace("org1", &demo.organisation);
        stranger.run(&own).await.expect(201);
    })
    .await;
}

/// The README from its first line to its last, and what there is to see between them.
async fn usage(reader: &Reader<'_>) {
    environment(reader).await;
    deployment(reader).await;
    ends(reader).await;
}

async fn environment(reader: &Reader<'_>) {
    let created = reader.run(CREATE_ENVIRONMENT).await;
    let environment = created.expect(201);
    assert_eq!(created.header("location"), Some("/environments/org1:env1"));
    shows(
        &environment,
        &[("/name", json!("org1-env1")), ("/hostNames", json!(["host1"]))],
    );
    let namespace = reader.cluster(NAMESPACE).await;
    shows(
        &namespace["metadata"],
        &[
            ("/labels/runtime", json!("shipyard")),
            ("/labels/organization", json!("org1")),
            ("/labels/environment", json!("env1")),
            ("/labels/name", json!("org1-env1")),
            ("/annotations/hostNames", json!("host1")),
        ],
    );
    let secret = reader.cluster(&format!("{NAMESPACE}/secrets/routing")).await;
    for (told, stored) in [("publicSecret", "public-api-key"), ("privateSecret", "private-api-key")] {
        // The API shows what is stored in base64, and so do the routers' callers.
        assert_eq!(environment[told], secret["data"][stored]);
        let key = STANDARD.decode(environment[told].as_str().unwrap()).unwrap();
        assert_eq!(key.len(), 44, "{told}");
        assert_eq!(URL_SAFE.decode(key).unwrap().len(), 32, "{told}");
    }
    assert_ne!(environment["publicSecret"], environment["privateSecret"]);

    // The older service refused to add a host name, and had no body for what changed nothing.
    let mut changed = environment;
    changed["hostNames"] = json!(["host1", "host2"]);
    for line in [UPDATE_ENVIRONMENT, UPDATE_ENVIRONMENT, READ_ENVIRONMENT] {
        assert_eq!(reader.run(line).await.expect(200), changed, "{line}");
    }
    let namespace = reader.cluster(NAMESPACE).await;
    shows(&namespace, &[("/metadata/annotations/hostNames", json!("host1 host2"))]);
}

async fn deployment(reader: &Reader<'_>) {
    // Of old the connection was dropped.
    let nothing_there = CREATE_DEPLOYMENT.replace(ORIGIN_PATH, "/bins/none");
    let failed = reader.run(&nothing_there).await.problem(502, "originFailed");
    assert_eq!(failed, "Expected 200 from ptsURL got: 404");

    let created = reader.run(CREATE_DEPLOYMENT).await;
    let deployment = created.expect(201);
    let location = "/environments/org1:env1/deployments/dep1";
    assert_eq!(created.header("location"), Some(location));
    shows(
        &deployment,
        &[
            ("/kind", json!("Deployment")),
            ("/apiVersion", json!("apps/v1")),
            ("/metadata/name", json!("dep1")),
            ("/metadata/namespace", json!("org1-env1")),
            // In the old API version Kubernetes itself gave it the labels of its template.
            ("/metadata/labels/component", json!("webapp")),
            ("/spec/replicas", json!(1)),
            ("/spec/revisionHistoryLimit", json!(5)),
            ("/spec/selector", json!({"matchLabels": {"component": "webapp"}})),
            (
                "/spec/template/metadata/labels",
                json!({"component": "webapp", "routable": "true", "runtime": "shipyard"}),
            ),
            (
                "/spec/template/metadata/annotations",
                json!({"publicHosts": "", "privateHosts": ""}),
            ),
            ("/spec/template/spec/containers/0/image", json!("django")),
        ],
    );
    let authorization = reader.token.as_ref().map(|token| format!("Bearer {token}"));
    assert_eq!(reader.origin.asked(), [authorization]);

    let refused = reader.run(UPDATE_DEPLOYMENT).await.problem(400, "malformedRequest");
    assert!(refused.starts_with("The body is not JSON: line 3"), "{refused}");
    let read = reader.run(READ_DEPLOYMENT).await.expect(200);
    shows(&read, &[("/kind", json!("Deployment")), ("/spec/replicas", json!(1))]);
    let scaled = reader.run(&UPDATE_DEPLOYMENT.replace("3,", "3")).await.expect(200);
    shows(
        &scaled,
        &[
            ("/spec/replicas", json!(3)),
            ("/spec/template", deployment["spec"]["template"].clone()),
        ],
    );
    let listed = reader.run(LIST_DEPLOYMENTS).await.expect(200);
    shows(
        &listed,
        &[
            ("/kind", json!("DeploymentList")),
            ("/apiVersion", json!("apps/v1")),
            ("/items/0/metadata/name", json!("dep1")),
            ("/items/0/spec/replicas", json!(3)),
        ],
    );
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);

    reader.app.advance(PACE).await;
    let logs = reader.run(LOGS).await;
    assert_eq!(logs.status, 200, "{logs:?}");
    assert_eq!(logs.header("content-type"), Some("text/plain; charset=utf-8"));
    let text = logs.text();
    let pods = text.lines().filter(|line| line.starts_with("Logs for pod: dep1-"));
    assert_eq!(pods.count(), 3, "{text}");
}

async fn ends(reader: &Reader<'_>) {
    let deleted = reader.run(DELETE_DEPLOYMENT).await;
    assert_eq!((deleted.status.as_u16(), deleted.text()), (204, String::new()));
    reader.run(READ_DEPLOYMENT).await.problem(404, "doesNotExist");
    let replica_sets = "/apis/apps/v1/namespaces/org1-env1/replicasets";
    for path in [replica_sets, &format!("{NAMESPACE}/pods")] {
        emptied(reader, path).await;
    }

    let deleted = reader.run(DELETE_ENVIRONMENT).await;
    assert_eq!((deleted.status.as_u16(), deleted.text()), (204, String::new()));
    let sentence = gone(reader).await.problem(404, "doesNotExist");
    assert_eq!(sentence, "Namespace org1-env1 doesn't exist");
    // Its name and its host names are free.
    reader.run(CREATE_ENVIRONMENT).await.expect(201);
}

/// Waits until nothing is left in this list of the cluster's.
async fn emptied(reader: &Reader<'_>, path: &str) {
    for _ in 0..LOOKS_MAX {
        if reader.cluster(path).await["items"] == json!([]) {
            return;
        }
        reader.app.advance(PACE).await;
    }
    panic!("{path} is never empty");
}

/// Waits until the environment is gone, and gives the answer that says so.
async fn gone(reader: &Reader<'_>) -> Answer {
    for _ in 0..LOOKS_MAX {
        let answer = reader.run(READ_ENVIRONMENT).await;
        if answer.status == 404 {
            return answer;
        }
        shows(&answer.expect(200), &[("/phase", json!("deleting"))]);
        reader.app.advance(PACE).await;
        reader.app.reap().await;
    }
    panic!("it is never gone");
}
