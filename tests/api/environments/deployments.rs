//! `/environments/{environment}/deployments` and what is below it.

use serde_json::{Value, json};
use tests::App;
use tests::cases::settings::pod_template;

use super::{create, key};

const PATH: &str = "/environments/acme:one/deployments";
const WEB: &str = "/environments/acme:one/deployments/web";

fn asked() -> Value {
    json!({"deploymentName": "web", "publicHosts": "a.example b.example", "pts": pod_template()})
}

async fn environment(app: &App) {
    create(app, &json!({"environmentName": "acme:one", "hostNames": ["a.example"]}))
        .await
        .expect(201);
}

async fn patch(app: &App, body: &Value) -> Value {
    app.patch(WEB).key(key(app)).json(body).await.expect(200)
}

#[tokio::test]
async fn a_deployment_is_made_as_of_old_and_marked_by_layby_alone() {
    App::run(async |app| {
        environment(app).await;
        let mut body = asked();
        body["replicas"] = json!(2);
        body["envVars"] = json!([{"name": "A", "value": "1"}]);
        body["pts"]["metadata"]["labels"] = json!({"component": "web", "routable": "false", "runtime": "mine"});
        let answer = app.post(PATH).key(key(app)).json(&body).await;
        assert_eq!(answer.header("location"), Some(WEB));
        let made = answer.expect(201);
        assert_eq!(
            (&made["kind"], &made["apiVersion"]),
            (&json!("Deployment"), &json!("apps/v1"))
        );
        let spec = &made["spec"];
        assert_eq!(
            (&spec["revisionHistoryLimit"], &spec["replicas"]),
            (&json!(5), &json!(2))
        );
        assert_eq!(spec["selector"]["matchLabels"], json!({"component": "web"}));
        let pod = &spec["template"];
        let labels = json!({"component": "web", "routable": "true", "runtime": "shipyard"});
        assert_eq!(pod["metadata"]["labels"], labels);
        assert_eq!(pod["metadata"]["annotations"]["publicHosts"], "a.example b.example");
        assert_eq!(
            pod["spec"]["containers"][0]["env"],
            json!([{"name": "A", "value": "1"}])
        );
    })
    .await;
}

#[tokio::test]
async fn a_patch_changes_only_what_it_names_and_nothing_named_starts_the_pods_anew() {
    App::run(async |app| {
        environment(app).await;
        let mut body = asked();
        body["envVars"] = json!([{"name": "A", "value": "1"}]);
        let made = app.post(PATH).key(key(app)).json(&body).await.expect(201);
        let scaled = patch(app, &json!({"replicas": 3})).await;
        assert_eq!(
            (&scaled["spec"]["replicas"], &scaled["spec"]["template"]),
            (&json!(3), &made["spec"]["template"])
        );
        let mut other = pod_template();
        other["spec"]["containers"][0]["image"] = json!("layby/web:2");
        let replaced = patch(app, &json!({"pts": other, "envVars": [{"name": "B", "value": "2"}]})).await;
        let container = &replaced["spec"]["template"]["spec"]["containers"][0];
        let both = json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]);
        assert_eq!((&container["image"], &container["env"]), (&json!("layby/web:2"), &both));
        let annotations = &replaced["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(annotations, &json!({"publicHosts": "a.example b.example"}));
        let anew = patch(app, &json!({})).await;
        let annotations = anew["spec"]["template"]["metadata"]["annotations"].as_object().unwrap();
        assert!(
            annotations.contains_key("kubectl.kubernetes.io/restartedAt"),
            "{annotations:?}"
        );
        assert_eq!(anew["spec"]["replicas"], 3);
    })
    .await;
}

#[tokio::test]
async fn what_a_template_said_of_hosts_holds_until_something_else_is_said() {
    App::run(async |app| {
        environment(app).await;
        let mut body = asked();
        body["publicHosts"] = json!("");
        body["pts"]["metadata"]["annotations"] = json!({"privateHosts": "inside.example", "more": "x"});
        app.post(PATH).key(key(app)).json(&body).await.expect(201);
        let replaced = patch(app, &json!({"pts": pod_template()})).await;
        let annotations = &replaced["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(
            annotations,
            &json!({"publicHosts": "", "privateHosts": "inside.example"})
        );
    })
    .await;
}

#[tokio::test]
async fn what_a_template_may_not_ask_for_is_refused_with_its_path_when_it_is_made_and_when_it_is_changed() {
    App::run(async |app| {
        environment(app).await;
        app.post(PATH).key(key(app)).json(&asked()).await.expect(201);
        for (pointer, value, said) in [
            ("hostNetwork", json!(true), "spec.hostNetwork"),
            ("nodeName", json!("node-1"), "spec.nodeName"),
            (
                "terminationGracePeriodSeconds",
                json!(601),
                "spec.terminationGracePeriodSeconds",
            ),
            ("serviceAccountName", json!("admin"), "spec.serviceAccountName"),
            (
                "volumes",
                json!([{"name": "v", "hostPath": {"path": "/"}}]),
                "spec.volumes[0].hostPath",
            ),
            ("containers", json!([]), "spec.containers"),
            (
                "containers",
                json!([{"name": "web", "image": 7}]),
                "spec.containers[0].image",
            ),
        ] {
            let mut template = pod_template();
            template["spec"][pointer] = value;
            let mut body = asked();
            (body["deploymentName"], body["pts"]) = (json!("other"), template.clone());
            body["pts"]["metadata"]["labels"]["component"] = json!("other");
            let made = app.post(PATH).key(key(app)).json(&body).await;
            let changed = app.patch(WEB).key(key(app)).json(&json!({"pts": template})).await;
            for answer in [made, changed] {
                let refusal = answer.problem(400, "malformedRequest");
                assert!(refusal.contains(said), "{pointer}: {refusal}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn deployments_sleep_with_their_environment_and_wake_as_they_were() {
    App::run(async |app| {
        environment(app).await;
        let mut body = asked();
        body["replicas"] = json!(2);
        app.post(PATH).key(key(app)).json(&body).await.expect(201);
        let sleep = async |asleep: bool| {
            let asked = json!({"asleep": asleep});
            let told = app.patch("/environments/acme:one").key(key(app)).json(&asked).await;
            told.expect(200)["phase"].take()
        };
        let replicas = async || app.get(WEB).key(key(app)).await.expect(200)["spec"]["replicas"].take();
        assert_eq!((sleep(true).await, replicas().await), (json!("asleep"), json!(0)));
        assert_eq!(patch(app, &json!({"replicas": 4})).await["spec"]["replicas"], 0);
        assert_eq!((sleep(false).await, replicas().await), (json!("ready"), json!(4)));
    })
    .await;
}

#[tokio::test]
async fn a_key_is_good_for_what_it_made_and_for_nothing_of_the_same_name() {
    App::run(async |app| {
        environment(app).await;
        let ask = |body: &Value| {
            app.post(PATH)
                .key(key(app))
                .header("idempotency-key", "the-same")
                .json(body)
        };
        let made = ask(&asked()).await.expect(201);
        let again = ask(&asked()).await.expect(201);
        assert_eq!(made["metadata"]["uid"], again["metadata"]["uid"]);
        let mut other = asked();
        other["replicas"] = json!(2);
        ask(&other).await.problem(422, "idempotencyKeyReused");
        app.delete(WEB).key(key(app)).await.expect(204);
        app.post(PATH).key(key(app)).json(&asked()).await.expect(201);
        ask(&asked()).await.problem(409, "idempotencyKeyEnded");
    })
    .await;
}
