//! The library binder-client.

use net::Peer;
use real::Binder;
use serde_json::{Value, json};
use tests::App;

use crate::{IDLE, LOOKS_MAX, PACE, UNKNOWN_ID, address, all_runs, page, run};

/// Every function that it has. One that is new to this list wants a test.
const FUNCTIONS: [&str; 11] = [
    "build.start",
    "build.status",
    "build.statusAll",
    "registry.fetch",
    "registry.fetchAll",
    "deploy.deploy",
    "deploy.status",
    "deploy.statusAll",
    "deploy._preload",
    "deploy._preloadStatus",
    "health.status",
];

/// Its functions, asked of one installation with a key.
struct Library<'a> {
    app: &'a App,
    binder: &'a Binder,
    key: &'a str,
}

impl Library<'_> {
    /// What a function hands over, or the message of its error.
    async fn call(&self, function: &str, options: Value) -> Result<Value, String> {
        let (host, port) = address(self.app);
        let mut all = json!({ "host": host, "port": port, "api-key": self.key });
        all.as_object_mut()
            .unwrap()
            .extend(options.as_object().unwrap().clone());
        self.binder.call(function, &all).await.unwrap()
    }

    /// An application's record.
    async fn status(&self, id: &Value) -> Value {
        let asked = json!({ "template-name": "course", "id": id });
        self.call("deploy.status", asked).await.unwrap()
    }
}

/// Runs `test` with the functions and the key with the scope `apps`.
async fn with_library(test: impl AsyncFnOnce(Library<'_>)) {
    run(async |app, binder| {
        let key = app.apps();
        test(Library { app, binder, key }).await;
    })
    .await;
}

fn launch(cull_timeout: Value) -> Value {
    json!({ "template-name": "course", "cull-timeout": cull_timeout })
}

fn template(name: &str) -> Value {
    json!({ "template-name": name })
}

#[tokio::test]
async fn every_function_is_known_here() {
    run(async |_, binder| assert_eq!(binder.functions().await.unwrap(), FUNCTIONS)).await;
}

#[tokio::test]
async fn an_application_lives_from_its_launch_to_its_end() {
    with_library(async |library| {
        let launched = library.call("deploy.deploy", launch(json!(600_000))).await.unwrap();
        let id = &launched["id"];
        assert_eq!(id.as_str().unwrap().len(), 32, "{launched}");
        let mut seen = library.status(id).await;
        assert_eq!((&seen["id"], &seen["template-name"]), (id, &json!("course")));
        for _ in 0..LOOKS_MAX {
            if seen["status"] == "deployed" {
                break;
            }
            assert_eq!(
                (&seen["status"], &seen["location"]),
                (&json!("deploying"), &Value::Null)
            );
            library.app.advance(PACE).await;
            seen = library.status(id).await;
        }
        let location = &seen["location"];
        assert!(
            location
                .as_str()
                .unwrap()
                .ends_with(&format!("/user/{}", id.as_str().unwrap()))
        );
        assert_eq!(page(location).await.0, 200);

        let of_template = library.call("deploy.statusAll", template("course")).await.unwrap();
        assert_eq!(of_template[0]["location"], *location, "{of_template}");
        let of_all = library.call("deploy.statusAll", template("")).await.unwrap();
        assert_eq!(of_all, of_template);

        library.app.advance(IDLE).await;
        library.app.reap().await;
        assert_eq!(library.status(id).await["status"], "deleted");
        let listed = library.call("deploy.statusAll", template("course")).await.unwrap();
        assert_eq!((&listed[0]["id"], &listed[0]["status"]), (id, &json!("deleted")));
        assert_eq!(page(location).await.0, 404);
    })
    .await;
}

#[tokio::test]
async fn a_list_is_not_cut_short_where_the_client_could_not_go_on() {
    with_library(async |library| {
        for _ in 0..150 {
            library.app.launch("course").await;
        }
        for name in ["course", ""] {
            let listed = library.call("deploy.statusAll", template(name)).await.unwrap();
            assert_eq!(listed.as_array().unwrap().len(), 150);
        }
    })
    .await;
}

#[tokio::test]
async fn a_launch_takes_a_number_as_text_and_none_at_all() {
    with_library(async |library| {
        for given in [json!(null), json!("600000"), json!(6e5)] {
            library.call("deploy.deploy", launch(given.clone())).await.unwrap();
        }
        let refused = library.call("deploy.deploy", template("course")).await.unwrap_err();
        assert_eq!(
            refused,
            "Request does not contain the required parameters for this endpoint: "
        );
        for given in [json!("soon"), json!(""), json!(0), json!(-1), json!(1.5), json!([1])] {
            let refused = library.call("deploy.deploy", launch(given.clone())).await.unwrap_err();
            let told = [
                "An unidentifiable error occured",
                "malformedRequest",
                "'cull-timeout' is not as expected",
            ];
            assert!(told.iter().all(|part| refused.contains(part)), "{given}: {refused}");
        }
    })
    .await;
}

#[tokio::test]
async fn templates_are_read() {
    with_library(async |library| {
        let course = library.call("registry.fetch", template("course")).await.unwrap();
        assert_eq!((&course["name"], &course["port"]), (&json!("course"), &json!(8888)));
        assert_eq!(course["image-source"], "layby/notebook:1");
        let all = library.call("registry.fetchAll", json!({})).await.unwrap();
        assert_eq!(all, json!([course]));
    })
    .await;
}

#[tokio::test]
async fn a_preload_is_started_and_completed() {
    with_library(async |library| {
        let never = library.call("deploy._preloadStatus", template("course")).await.unwrap();
        assert_eq!(never, json!({}));
        let started = library.call("deploy._preload", template("course")).await.unwrap();
        assert_eq!(started, json!({ "template": "course" }));
        let mut seen = Value::Null;
        for _ in 0..LOOKS_MAX {
            seen = library.call("deploy._preloadStatus", template("course")).await.unwrap();
            if seen["status"] == "completed" {
                break;
            }
            assert_eq!(seen["status"], "loading");
            library.app.advance(PACE).await;
        }
        assert_eq!(
            (&seen["name"], &seen["status"]),
            (&json!("course"), &json!("completed"))
        );
        assert!(seen["start-time"].is_string(), "{seen}");
    })
    .await;
}

#[tokio::test]
async fn health_is_told() {
    with_library(async |library| {
        let mut told = library.call("health.status", json!({})).await.unwrap();
        for one in told.as_array_mut().unwrap() {
            assert!(one.as_object_mut().unwrap().remove("timestamp").unwrap().is_string());
        }
        assert_eq!(told, all_runs());
    })
    .await;
}

#[tokio::test]
async fn whoever_has_no_key_or_a_wrong_one_is_unauthorized() {
    with_library(async |library| {
        let keyed = [
            ("registry.fetch", template("course")),
            ("registry.fetchAll", json!({})),
            ("deploy.statusAll", template("course")),
            ("deploy._preload", template("course")),
            ("deploy._preloadStatus", template("course")),
            ("health.status", json!({})),
        ];
        for (function, options) in keyed {
            for key in ["wrong", ""] {
                let refused = Library { key, ..library }.call(function, options.clone()).await;
                assert_eq!(refused.unwrap_err(), "Unauthorized request", "{function}");
            }
        }
        let nobody = Library { key: "", ..library };
        let launched = nobody.call("deploy.deploy", launch(json!(null))).await.unwrap();
        assert_eq!(nobody.status(&launched["id"]).await["id"], launched["id"]);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_told_in_the_clients_words() {
    with_library(async |library| {
        let record = json!({ "template-name": "course", "id": UNKNOWN_ID });
        let unknown = json!({ "template-name": "unknown", "cull-timeout": null });
        let told = [
            (
                "registry.fetch",
                template("unknown"),
                "The requested resource does not exist",
            ),
            (
                "deploy.deploy",
                unknown,
                "Could not fetch template with name unknown from registry",
            ),
            (
                "deploy.status",
                record,
                "There is no record for that template/ID combination",
            ),
            (
                "deploy._preload",
                template("unknown"),
                "Could not fetch the template to preload from the registry",
            ),
        ];
        for (function, options, sentence) in told {
            assert_eq!(
                library.call(function, options).await.unwrap_err(),
                sentence,
                "{function}"
            );
        }
        let of_unknown = library.call("deploy.statusAll", template("unknown")).await.unwrap();
        assert_eq!(of_unknown, json!([]));
    })
    .await;
}

#[tokio::test]
async fn an_outage_is_told_in_a_sentence() {
    with_library(async |library| {
        // A keyed call would be refused alike by the key's own row.
        library.app.outages().begin(Peer::Store);
        let record = json!({ "template-name": "course", "id": UNKNOWN_ID });
        for (function, options) in [("deploy.deploy", launch(json!(null))), ("deploy.status", record)] {
            let refused = library.call(function, options).await.unwrap_err();
            assert_eq!(
                refused, "The database cannot be reached or is busy; try again shortly",
                "{function}"
            );
        }
        let (host, _) = address(library.app);
        let nowhere = library.call("health.status", json!({ "port": 1 })).await.unwrap_err();
        assert_eq!(nowhere, format!("Could not connect to the server at http://{host}:1"));
    })
    .await;
}

#[tokio::test]
async fn builds_are_nowhere() {
    with_library(async |library| {
        let start = json!({ "repository": "https://github.com/example/course", "force": false });
        let asked = [
            ("build.start", start),
            ("build.status", json!({ "image-name": "course" })),
            ("build.statusAll", json!({})),
        ];
        for (function, options) in asked {
            let refused = library.call(function, options).await.unwrap_err();
            let told = [
                "An unidentifiable error occured",
                "\"status\":404",
                "\"type\":\"notFound\"",
            ];
            assert!(told.iter().all(|part| refused.contains(part)), "{function}: {refused}");
        }
    })
    .await;
}
