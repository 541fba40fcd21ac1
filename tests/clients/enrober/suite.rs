//! What enrober's own tests asked, and what its code did beside its README. As there, nobody is asked who calls, bodies
//! have no `Content-Type`, and pod templates come with the requests.

use http::Method;
use serde_json::{Value, json};
use tests::scenario::invariants;
use tests::{Answer, App};

use super::{NAMESPACE, TEMPLATE, shows};
use crate::PACE;

const ENVIRONMENTS: &str = "/environments";
const ENVIRONMENT: &str = "/environments/org1:env1";
const DEPLOYMENTS: &str = "/environments/org1:env1/deployments";
const DEPLOYMENT: &str = "/environments/org1:env1/deployments/dep1";

/// Runs `test` with an installation to develop with, which has these variables besides.
async fn run_with(more: &[(&str, &str)], test: impl AsyncFnOnce(&App)) {
    let variables = [&[("DEPLOY_STATE", "DEV")][..], more].concat();
    App::run_with(&variables, test).await;
}

fn template() -> Value {
    serde_json::from_str(TEMPLATE).unwrap()
}

/// A deployment that is served nowhere, of this template.
fn deployment(template: &Value) -> Value {
    json!({ "deploymentName": "dep1", "publicHosts": "", "pts": template })
}

async fn make(app: &App, name: &str, hosts: &[&str]) -> Value {
    let asked = json!({ "environmentName": name, "hostNames": hosts });
    app.post(ENVIRONMENTS).json(&asked).await.expect(201)
}

async fn deploy(app: &App, asked: &Value) -> Answer {
    app.post(DEPLOYMENTS).json(asked).await
}

async fn change(app: &App, asked: &Value) -> Value {
    app.patch(DEPLOYMENT).json(asked).await.expect(200)
}

#[tokio::test]
async fn an_environment_without_host_names_has_none() {
    run_with(&[], async |app| {
        let made = make(app, "org1:env1", &[]).await;
        let read = app.get(ENVIRONMENT).await.expect(200);
        let given = json!({ "hostNames": ["host1"] });
        let changed = app.patch(ENVIRONMENT).json(&given).await.expect(200);
        assert_eq!(changed["hostNames"], given["hostNames"]);
        // What is not said stays; of old it was taken away.
        let unchanged = app.patch(ENVIRONMENT).await.expect(200);
        assert_eq!(unchanged, changed);
        let none = json!({ "hostNames": [] });
        let taken_away = app.patch(ENVIRONMENT).json(&none).await.expect(200);
        for environment in [made, read, taken_away] {
            assert_eq!(environment.get("hostNames"), None, "{environment}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_deployment_is_made_and_changed_by_templates_in_the_requests() {
    run_with(&[], async |app| {
        make(app, "org1:env1", &[]).await;
        // Without 'replicas' there was no answer of old.
        let asked = json!({
            "deploymentName": "dep1",
            "publicHosts": "deploy.k8s.public",
            "privateHosts": "deploy.k8s.private",
            "pts": template(),
            "envVars": [{ "name": "test1", "value": "test3" }, { "name": "test2", "value": "test4" }],
        });
        let made = deploy(app, &asked).await.expect(201);
        shows(
            &made,
            &[
                ("/spec/replicas", json!(1)),
                ("/spec/template/spec/containers/0/env", asked["envVars"].clone()),
                (
                    "/spec/template/metadata/annotations",
                    json!({ "publicHosts": "deploy.k8s.public", "privateHosts": "deploy.k8s.private" }),
                ),
            ],
        );

        // What was given once holds for another template, too, and only in its first container.
        let mut other = template();
        other["spec"]["containers"] = json!([
            { "name": "frontend", "image": "django:2", "env": [{ "name": "test1", "value": "of the template" }] },
            { "name": "beside", "image": "beside" },
        ]);
        let patch = json!({ "pts": other, "replicas": 3, "publicHosts": "other.k8s.public" });
        shows(
            &change(app, &patch).await,
            &[
                ("/spec/replicas", json!(3)),
                ("/spec/template/spec/containers/0/image", json!("django:2")),
                ("/spec/template/spec/containers/0/env", asked["envVars"].clone()),
                ("/spec/template/spec/containers/1/name", json!("beside")),
                (
                    "/spec/template/metadata/annotations",
                    json!({ "publicHosts": "other.k8s.public", "privateHosts": "deploy.k8s.private" }),
                ),
                (
                    "/spec/template/metadata/labels",
                    json!({ "component": "webapp", "routable": "true", "runtime": "shipyard" }),
                ),
            ],
        );
        let patch = json!({ "envVars": [{ "name": "test2", "value": "new" }] });
        let changed = change(app, &patch).await;
        shows(
            &changed,
            &[
                ("/spec/replicas", json!(3)),
                (
                    "/spec/template/spec/containers/0/env",
                    json!([{ "name": "test1", "value": "test3" }, { "name": "test2", "value": "new" }]),
                ),
            ],
        );
        assert_eq!(changed["spec"]["template"]["spec"]["containers"][1].get("env"), None);
        let restarted = change(app, &json!({})).await;
        assert_ne!(restarted["spec"]["template"], changed["spec"]["template"]);
        assert_eq!(restarted["spec"]["replicas"], 3);
        let asleep = change(app, &json!({ "replicas": 0 })).await;
        assert_eq!(asleep["spec"]["replicas"], 0);
    })
    .await;
}

#[tokio::test]
async fn a_component_is_in_an_environment_once() {
    run_with(&[], async |app| {
        make(app, "org1:env1", &[]).await;
        let first = deployment(&template());
        deploy(app, &first).await.expect(201);
        let again = deploy(app, &first).await.problem(409, "nameTaken");
        assert_eq!(again, "Deployment dep1 already exists");
        let mut second = first.clone();
        second["deploymentName"] = json!("dep2");
        let same = deploy(app, &second).await.problem(409, "nameTaken");
        assert!(
            same.starts_with("LabelSelector component=webapp already exists"),
            "{same}"
        );
        // Whoever says no component is one of the deployment's name.
        second["pts"]["metadata"] = json!({});
        let made = deploy(app, &second).await.expect(201);
        assert_eq!(made["spec"]["selector"]["matchLabels"], json!({ "component": "dep2" }));
        let mut other = template();
        other["metadata"]["labels"]["component"] = json!("other");
        let patch = app.patch(DEPLOYMENT).json(&json!({ "pts": other })).await;
        patch.problem(400, "malformedRequest");

        let listed = app.get(DEPLOYMENTS).await.expect(200);
        let names = listed["items"].as_array().unwrap().iter();
        let names: Vec<&Value> = names.map(|one| &one["metadata"]["name"]).collect();
        assert_eq!(names, ["dep1", "dep2"]);
        app.delete(DEPLOYMENT).await.expect(204);
        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            app.ask(method, DEPLOYMENT).await.problem(404, "doesNotExist");
        }
        deploy(app, &first).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn no_container_is_privileged_unless_the_installation_lets_it_be() {
    for allowed in [None, Some("true")] {
        let variables: Vec<(&str, &str)> = allowed
            .map(|allowed| ("ALLOW_PRIV_CONTAINERS", allowed))
            .into_iter()
            .collect();
        run_with(&variables, async |app| {
            make(app, "org1:env1", &[]).await;
            let mut template = template();
            template["spec"]["containers"][0]["securityContext"] = json!({ "privileged": true });
            let made = deploy(app, &deployment(&template)).await.expect(201);
            // A change let it in of old.
            template["spec"]["containers"][0]["image"] = json!("django:2");
            let changed = change(app, &json!({ "pts": template })).await;
            let place = "/spec/template/spec/containers/0/securityContext/privileged";
            for told in [made, changed] {
                shows(&told, &[(place, json!(allowed.is_some()))]);
            }

            // And the namespace lets in what layby does.
            app.advance(PACE).await;
            let namespace = invariants::cluster(app, Method::GET, NAMESPACE, None).await.expect(200);
            let enforced = allowed.map_or("baseline", |_| "privileged");
            assert_eq!(
                namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"],
                enforced
            );
            let pods = format!("{NAMESPACE}/pods");
            let pods = invariants::cluster(app, Method::GET, &pods, None).await.expect(200);
            assert_ne!(pods["items"], json!([]));
        })
        .await;
    }
}

#[tokio::test]
async fn a_taken_host_name_has_the_status_that_the_installation_chose() {
    for (switch, status) in [("false", 409), ("true", 500)] {
        run_with(&[("LAYBY_TAKEN_HOST_500", switch)], async |app| {
            make(app, "org1:env1", &[]).await;
            make(app, "org1:env2", &["api.example"]).await;
            let taken = json!({ "environmentName": "org1:env3", "hostNames": ["host3", "API.example"] });
            let mut served = deployment(&template());
            served["publicHosts"] = json!("dep1.example api.example");
            for refused in [
                app.post(ENVIRONMENTS).json(&taken).await,
                app.patch(ENVIRONMENT).json(&taken).await,
                deploy(app, &served).await,
            ] {
                let sentence = refused.problem(status, "hostTaken");
                assert!(sentence.starts_with("Duplicate HostNames"), "{sentence}");
            }
            app.get("/environments/org1:env3").await.problem(404, "doesNotExist");
            // Of old a name that is part of another one, or has it as a part, was taken for it.
            make(app, "org1:env4", &["pi.example", "my.api.example", "api.example.org"]).await;
            // What an environment has already is not taken.
            let own = json!({ "hostNames": ["api.example", "more.example"] });
            app.patch("/environments/org1:env2").json(&own).await.expect(200);
        })
        .await;
    }
}

#[tokio::test]
async fn what_was_500_or_a_dropped_connection_is_400_with_the_sentence() {
    run_with(&[], async |app| {
        for (asked, said) in [
            (json!({}), "Invalid environment name"),
            (
                json!({ "environmentName": "org1" }),
                "is called 'organisation:environment'",
            ),
            (json!({ "environmentName": "org1:" }), "is not allowed"),
            (json!({ "environmentName": "org1:env1:more" }), "is not allowed"),
            (json!({ "environmentName": "Org1:env_1" }), "is not allowed"),
            (
                json!({ "environmentName": "kube:system" }),
                "namespaces that begin with 'kube-' are the cluster's own",
            ),
            (
                json!({ "environmentName": "org1:env1", "hostNames": ["host1:80"] }),
                "without a port",
            ),
            (
                json!({ "environmentName": "org1:env1", "hostNames": ["host1", "HOST1"] }),
                "Duplicate HostNames",
            ),
        ] {
            let refused = app.post(ENVIRONMENTS).json(&asked).await;
            let sentence = refused.problem(400, "malformedRequest");
            assert!(sentence.contains(said), "{asked}: {sentence}");
        }
        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            app.ask(method.clone(), "/environments/kube:system")
                .await
                .problem(400, "malformedRequest");
            let missing = app.ask(method, ENVIRONMENT).await.problem(404, "doesNotExist");
            assert_eq!(missing, "Namespace org1-env1 doesn't exist");
        }
        assert_eq!(app.get(ENVIRONMENTS).await.expect(200), json!([]));

        make(app, "org1:env1", &[]).await;
        let with = |field: &str, value: Value| {
            let mut asked = deployment(&template());
            asked[field] = value;
            asked
        };
        let no_hosts = "No privateHosts or publicHosts given";
        let no_container = "spec.containers: there is none";
        let from = |url: &str| json!({ "deploymentName": "dep1", "publicHosts": "", "ptsURL": url });
        for (asked, said) in [
            (with("deploymentName", Value::Null), "No deploymentName given"),
            (with("publicHosts", Value::Null), no_hosts),
            (json!({ "deploymentName": "dep1", "pts": template() }), no_hosts),
            (with("publicHosts", json!("host1:80")), "without a port"),
            (with("replicas", json!(-1)), "'replicas' is a whole number"),
            (with("pts", Value::Null), "No ptsURL or pts given"),
            (with("pts", json!({})), no_container),
            (with("pts", json!({ "spec": { "containers": [] } })), no_container),
            (with("pts", json!({ "spec": { "containers": 7 } })), "spec.containers"),
            (with("ptsURL", json!("https://templates.example/")), "not both"),
            (from("http://templates.example/"), "by https, not by 'http'"),
            (from("https://127.0.0.1/"), "which is not of the public internet"),
        ] {
            let sentence = deploy(app, &asked).await.problem(400, "malformedRequest");
            assert!(sentence.contains(said), "{asked}: {sentence}");
        }
        assert_eq!(app.get(DEPLOYMENTS).await.expect(200)["items"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn paths_are_taken_in_each_of_their_forms_and_others_are_not_there() {
    run_with(&[], async |app| {
        let made = make(app, "org1:env1", &["host1"]).await;
        for path in [ENVIRONMENT, "/environments/org1%3Aenv1", "/environments/org1%3aenv1/"] {
            assert_eq!(app.get(path).await.expect(200), made, "{path}");
        }
        deploy(app, &deployment(&template())).await.expect(201);
        let encoded = DEPLOYMENT.replace(':', "%3A");
        app.get(&encoded).await.expect(200);
        for path in ["/environments/status", "/environments/status/"] {
            let told = app.get(path).await;
            assert_eq!((told.status.as_u16(), told.text().as_str()), (200, "OK"), "{path}");
            assert_eq!(told.header("content-type"), Some("text/plain; charset=utf-8"), "{path}");
        }
        // The dash of the older service's own `Location` was no path of it, either.
        let dashed = app.get("/environments/org1-env1").await;
        dashed.problem(400, "malformedRequest");
        for tail in [
            "/config",
            "/config/map",
            "/deployments/dep1/log",
            "/deployments/dep1/logs/all",
        ] {
            let path = format!("{ENVIRONMENT}{tail}");
            app.get(&path).await.problem(404, "notFound");
        }
        let logs = format!("{DEPLOYMENT}/logs");
        for (method, path, allowed) in [
            (Method::DELETE, ENVIRONMENTS, "GET, POST"),
            (Method::PUT, ENVIRONMENT, "DELETE, GET, PATCH"),
            (Method::PATCH, DEPLOYMENTS, "GET, POST"),
            (Method::POST, DEPLOYMENT, "DELETE, GET, PATCH"),
            (Method::DELETE, logs.as_str(), "GET"),
        ] {
            let refused = app.ask(method, path).await;
            refused.problem(405, "methodNotAllowed");
            assert_eq!(refused.header("allow"), Some(allowed), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn logs_are_asked_for_as_of_old() {
    run_with(&[], async |app| {
        make(app, "org1:env1", &[]).await;
        let logs = format!("{DEPLOYMENT}/logs");
        app.get(&logs).await.problem(404, "doesNotExist");
        deploy(app, &deployment(&template())).await.expect(201);
        // Of a pod that has not started yet, and of one that runs.
        for _ in 0..2 {
            for query in ["", "?tail=1", "?previous=F", "?tail=10&previous=true"] {
                let told = app.get(&format!("{logs}{query}")).await;
                let text = told.text();
                assert_eq!(told.status, 200, "{query}: {text}");
                assert!(text.starts_with("Logs for pod: dep1-"), "{query}: {text}");
            }
            app.advance(PACE).await;
        }
        for query in ["?tail=none", "?tail=-1", "?previous=maybe"] {
            let refused = app.get(&format!("{logs}{query}")).await;
            refused.problem(400, "malformedRequest");
        }
        app.patch(DEPLOYMENT).json(&json!({ "replicas": 0 })).await.expect(200);
        app.advance(PACE).await;
        let none = app.get(&logs).await;
        assert_eq!((none.status.as_u16(), none.text()), (200, String::new()));
    })
    .await;
}
