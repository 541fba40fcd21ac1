//! `/environments` and `/environments/{environment}`.

mod deployments;

use std::sync::{Arc, Mutex};

use api::{ENVIRONMENT_CREATE, ENVIRONMENT_ROTATE};
use domain::Scope;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tests::cases::{ACME, Setting, prepare, settings};
use tests::{Answer, App};

use crate::own::Own;

const PATH: &str = "/environments/acme:one";

pub(crate) fn key(app: &App) -> &str {
    &app.ready().keys[Scope::Envs.as_str()]
}

pub(crate) async fn create(app: &App, body: &Value) -> Answer {
    app.post("/environments").key(key(app)).json(body).await
}

async fn patch(app: &App, body: &Value) -> Answer {
    app.patch(PATH).key(key(app)).json(body).await
}

#[tokio::test]
async fn an_environment_is_answered_as_of_old_with_more_after_it() {
    App::run(async |app| {
        let asked = json!({"environmentName": "acme:one", "hostNames": ["One.Example", "10.0.0.1"], "unknown": 1});
        let answer = create(app, &asked).await;
        assert_eq!(answer.header("location"), Some(PATH));
        let text = answer.text();
        assert!(
            text.starts_with(r#"{"name":"acme-one","hostNames":["one.example","10.0.0.1"],"publicSecret":""#),
            "{text}"
        );
        let made = answer.expect(201);
        for secret in ["publicSecret", "privateSecret"] {
            assert_eq!(made[secret].as_str().unwrap().len(), 60, "{secret}");
        }
        assert_ne!(made["publicSecret"], made["privateSecret"]);
        assert_eq!(app.get(PATH).key(key(app)).await.expect(200), made);
        let encoded = app.get("/environments/acme%3Aone").key(key(app)).await;
        assert_eq!(encoded.expect(200), made);
        let log = serde_json::to_string(&app.log()).unwrap();
        for secret in ["publicSecret", "privateSecret"] {
            assert!(!log.contains(made[secret].as_str().unwrap()), "{secret} is in the log");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_not_said_stays_and_host_names_are_replaced_as_a_whole() {
    App::run(async |app| {
        let asked = json!({"environmentName": "acme:one", "hostNames": ["a.example"], "ttl": 600, "protect": true});
        let made = create(app, &asked).await.expect(201);
        assert_eq!(patch(app, &json!({})).await.expect(200), made);
        let more = json!({"hostNames": ["a.example", "b.example"]});
        let changed = patch(app, &more).await.expect(200);
        let expected = (&json!(["a.example", "b.example"]), &made["expiresAt"], &json!(true));
        assert_eq!(
            (&changed["hostNames"], &changed["expiresAt"], &changed["protect"]),
            expected
        );
        let forever = patch(app, &json!({"ttl": null, "hostNames": []})).await.expect(200);
        assert_eq!(
            (forever.get("expiresAt"), forever.get("hostNames")),
            (None, None),
            "{forever}"
        );
        let until = patch(app, &json!({"expiresAt": "2027-01-01T00:00:00Z"}))
            .await
            .expect(200);
        assert_eq!(until["expiresAt"], "2027-01-01T00:00:00Z");
        assert_eq!(
            until["publicSecret"], made["publicSecret"],
            "keys never change on PATCH"
        );
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_400_with_the_sentence() {
    App::run(async |app| {
        for (body, said) in [
            (json!({}), "Invalid environment name"),
            (json!({"environmentName": "kube:system"}), "the cluster's own"),
            (json!({"environmentName": "a:b:c"}), "is a DNS label"),
            (json!({"environmentName": "Acme:one"}), "is a DNS label"),
            (
                json!({"environmentName": "acme:one", "hostNames": ["a:80"]}),
                "without a port",
            ),
            (
                json!({"environmentName": "acme:one", "hostNames": ["a", "A"]}),
                "Duplicate HostNames",
            ),
            (json!({"environmentName": "acme:one", "hostNames": "a"}), "hostNames"),
            (json!({"environmentName": "acme:one", "ttl": -1}), "ttl"),
            (json!({"environmentName": "acme:one", "ttl": 0}), "ends in the future"),
            (
                json!({"environmentName": "acme:one", "expiresAt": "tomorrow"}),
                "expiresAt",
            ),
            (
                json!({"environmentName": "acme:one", "ttl": 1, "expiresAt": "2027-01-01T00:00:00Z"}),
                "not both",
            ),
        ] {
            let refusal = create(app, &body).await.problem(400, "malformedRequest");
            assert!(refusal.contains(said), "{body}: {refusal}");
        }
        let many: Vec<String> = (0..41).map(|number| format!("h{number}.example")).collect();
        let refusal = create(app, &json!({"environmentName": "acme:one", "hostNames": many})).await;
        assert_eq!(
            refusal.problem(400, "malformedRequest"),
            "an environment has at most 40 host names"
        );
    })
    .await;
}

#[tokio::test]
async fn two_names_that_would_share_a_namespace_are_one_too_many() {
    App::run(async |app| {
        create(app, &json!({"environmentName": "a-b:c"})).await.expect(201);
        let refusal = create(app, &json!({"environmentName": "a:b-c"})).await;
        assert_eq!(
            refusal.problem(409, "nameTaken"),
            "The environment 'a-b:c' has the namespace 'a-b-c', which 'a:b-c' would share"
        );
        app.get("/environments/a:b-c")
            .key(key(app))
            .await
            .problem(404, "doesNotExist");
        app.delete("/environments/a:b-c")
            .key(key(app))
            .await
            .problem(404, "doesNotExist");
        app.get("/environments/a-b:c").key(key(app)).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn a_list_has_the_environments_of_the_callers_organisations_without_their_keys() {
    App::run(async |app| {
        prepare(app).await;
        for name in ["acme:one", "other:one", "acme:two"] {
            create(app, &json!({"environmentName": name})).await.expect(201);
            app.advance(std::time::Duration::from_secs(1)).await;
        }
        let names = async |path: &str, key: &str| -> Vec<String> {
            let list = app.get(path).key(key).await.expect(200);
            let list = list.as_array().unwrap();
            assert!(list.iter().all(|one| one.get("publicSecret").is_none()), "{list:?}");
            let names = list
                .iter()
                .map(|one| one["environmentName"].as_str().unwrap().to_owned());
            names.collect()
        };
        assert_eq!(
            names("/environments", key(app)).await,
            ["acme:two", "other:one", "acme:one"]
        );
        assert_eq!(names("/environments", ACME).await, ["acme:two", "acme:one"]);
        let first = app.get("/environments?limit=1").key(ACME).await;
        let next = first.header("link").unwrap().to_owned();
        let next = next.trim_start_matches('<').split('>').next().unwrap();
        assert_eq!(names(next, ACME).await, ["acme:one"]);
        app.get(next).key(key(app)).await.problem(400, "badCursor");
    })
    .await;
}

#[tokio::test]
async fn what_is_being_deleted_says_why_it_is_still_there() {
    App::run(async |app| {
        create(app, &json!({"environmentName": "acme:one", "hostNames": ["a.example"]}))
            .await
            .expect(201);
        app.outages().begin(net::Peer::Cluster);
        app.delete(PATH).key(key(app)).await.expect(204);
        let told = app.get(PATH).key(key(app)).await.expect(200);
        assert_eq!(
            (&told["phase"], &told["reason"]),
            (&json!("deleting"), &json!("the cluster cannot be reached"))
        );
        patch(app, &json!({})).await.problem(409, "conflict");
        let again = create(app, &json!({"environmentName": "acme:one"})).await;
        assert_eq!(
            again.problem(409, "nameTaken"),
            "The environment 'acme:one' is still being deleted"
        );
        let claim = json!({"environmentName": "acme:two", "hostNames": ["a.example"]});
        create(app, &claim).await.problem(409, "hostTaken");
        app.outages().end(net::Peer::Cluster);
        app.advance(std::time::Duration::from_secs(60)).await;
        app.delete(PATH).key(key(app)).await.expect(204);
        app.advance(std::time::Duration::from_secs(60)).await;
        app.get(PATH).key(key(app)).await.problem(404, "doesNotExist");
        create(app, &claim).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn that_apigee_is_not_told_the_key_is_a_warning() {
    App::run(async |app| {
        let token = app.ready().demo.clone().unwrap().token;
        // The issuer's keys are known from then on, while nobody outside is reached.
        app.get("/environments").key(&token).await.expect(200);
        for (endpoint, path, body) in [
            (
                &ENVIRONMENT_CREATE,
                "/environments".to_owned(),
                json!({"environmentName": "demo:one"}),
            ),
            (&ENVIRONMENT_ROTATE, "/environments/demo:one/keys".to_owned(), json!({})),
        ] {
            let config = settings::config(Setting::ApigeeDown, app.adapter().config());
            let own = Own::open(app, endpoint, config, settings::faults(Setting::ApigeeDown)).await;
            let told = own.http.post(&path).key(&token).json(&body).await;
            assert!(told.status.is_success(), "{told:?}");
            let warning = told.json()["warning"].as_str().unwrap().to_owned();
            assert!(
                warning.starts_with("Apigee was not told the public key; the operator"),
                "{warning}"
            );
        }
        assert_eq!(
            app.get("/environments/demo:one").key(key(app)).await.expect(200)["phase"],
            "ready"
        );
    })
    .await;
}

#[tokio::test]
async fn a_key_is_shown_to_nobody_else_and_a_namespace_of_the_installation_is_nobodys() {
    App::run(async |app| {
        let mut config = settings::config(Setting::ApigeeDown, app.adapter().config());
        config.environments.routers = vec![domain::NamespaceName::parse("acme-router").unwrap()];
        let shown = Arc::new(Mutex::new(0));
        let seen = Arc::clone(&shown);
        let faults: net::Faults = Arc::new(move |peer, _| {
            if peer == net::Peer::Outside {
                *seen.lock().unwrap() += 1;
                return net::Fault::Refuse;
            }
            net::Fault::Pass
        });
        let own = Own::open(app, &ENVIRONMENT_CREATE, config, faults).await;
        let asked = |name: &str| json!({"environmentName": name});
        let told = own
            .http
            .post("/environments")
            .key(app.admin())
            .json(&asked("acme:one"))
            .await;
        assert_eq!(
            told.expect(201)["warning"],
            "Apigee was not told the public key: there is no access token to tell it with"
        );
        assert_eq!(*shown.lock().unwrap(), 0);
        let refused = own
            .http
            .post("/environments")
            .key(key(app))
            .json(&asked("acme:router"))
            .await;
        assert_eq!(
            refused.problem(400, "malformedRequest"),
            "'acme:router' is not allowed: the namespace 'acme-router' is the installation's own"
        );
    })
    .await;
}

#[tokio::test]
async fn a_key_replayed_after_the_end_that_was_asked_for_is_told_of_that_end() {
    App::run(async |app| {
        let until = app.now() + SignedDuration::from_secs(300);
        let asked = json!({"environmentName": "acme:one", "expiresAt": until.to_string()});
        let ask = || {
            app.post("/environments")
                .key(key(app))
                .header("idempotency-key", "the-same")
        };
        ask().json(&asked).await.expect(201);
        app.advance(std::time::Duration::from_secs(600)).await;
        ask().json(&asked).await.problem(409, "idempotencyKeyEnded");
    })
    .await;
}
