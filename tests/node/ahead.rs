//! What is done ahead of launches: pools and preloads.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use tests::in_time;
use tokio::time::sleep;

use crate::ground::{Installation, cluster};

/// Between two looks.
const PACE: Duration = Duration::from_millis(250);
/// Looks until what goes on by itself has come about.
const LOOKS_MAX: usize = 480;

/// Reads `path` until `is_so`.
async fn read_until(installation: &Installation, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let mut seen = Value::Null;
    for _ in 0..LOOKS_MAX {
        seen = installation
            .app
            .get(path)
            .key(installation.app.admin())
            .await
            .expect(200);
        if is_so(&seen) {
            return seen;
        }
        sleep(PACE).await;
    }
    panic!("{path}: {seen}");
}

#[tokio::test]
async fn a_launch_out_of_a_pool_is_deployed_at_once() {
    in_time(async {
        let installation = Installation::start("pool").await;
        let app = &installation.app;
        installation.template("notebook", json!({})).await;
        app.pool("notebook", 2).await;
        read_until(&installation, "/pools/notebook", |pool| pool["available"] == 2).await;
        let one = app.launch("notebook").await;
        let seen = app.read(&one).await;
        assert_eq!(seen["status"], "deployed", "{seen}");
        let page = installation.page(&seen, "/").await;
        assert_eq!(page["path"], format!("/user/{}/", one.id));
        read_until(&installation, "/pools/notebook", |pool| pool["available"] == 2).await;
        app.delete("/pools/notebook").key(app.admin()).await.expect(200);
        installation.stop(&one).await;
        none_left(&installation).await;
        installation.app.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_preload_is_completed_once_the_node_has_reported_the_image() {
    in_time(async {
        let installation = Installation::start("preload").await;
        let app = &installation.app;
        installation.template("whole", json!({})).await;
        // There is no `true` in it: the container cannot start, and its image is there all the same.
        installation
            .template("bare", json!({ "image-source": real::node::BARE_IMAGE }))
            .await;
        // The node says of this one that it may not run, and never that its image is there.
        installation.template("root", json!({ "run-as-user": "image" })).await;
        let nothing = json!({ "image-source": "registry.invalid/nobody/nothing:1" });
        installation.template("nothing", nothing).await;
        for template in ["whole", "bare", "root", "nothing"] {
            app.post(&format!("/preload/{template}"))
                .key(app.apps())
                .await
                .expect(200);
        }
        for template in ["whole", "bare"] {
            let is_completed = |seen: &Value| seen["status"] == "completed";
            let seen = read_until(&installation, &format!("/preload/{template}"), is_completed).await;
            assert_eq!(seen["error"], Value::Null, "{seen}");
        }
        let seen = read_until(&installation, "/preload/root", |seen| !seen["error"].is_null()).await;
        let error = seen["error"].as_str().unwrap();
        assert!(
            error.starts_with("Given up. Node 'node-1': Its image needs root"),
            "{error}"
        );
        let seen = read_until(&installation, "/preload/nothing", |seen| !seen["error"].is_null()).await;
        let error = seen["error"].as_str().unwrap();
        println!("{error}");
        assert!(
            error.starts_with("Node 'node-1': 'registry.invalid/nobody/nothing:1' cannot be pulled: "),
            "{error}"
        );
        assert_eq!(seen["status"], "loading");
        // Something else is loaded in its place, so that it ends.
        installation.template("nothing", json!({})).await;
        app.post("/preload/nothing").key(app.apps()).await.expect(200);
        read_until(&installation, "/preload/nothing", |seen| seen["status"] == "completed").await;
        none_left(&installation).await;
        installation.app.stop().await;
    })
    .await;
}

/// Waits until the installation has no namespace in the cluster.
async fn none_left(installation: &Installation) {
    let namespaces: Api<Namespace> = Api::all(cluster().await);
    let label = format!(
        "layby.dev/installation={}",
        installation.app.adapter().config().installation
    );
    let own = ListParams::default().labels(&label);
    let mut left = Vec::new();
    for _ in 0..LOOKS_MAX {
        left = namespaces.list(&own).await.unwrap().items;
        if left.is_empty() {
            return;
        }
        sleep(PACE).await;
    }
    panic!("left over: {left:?}");
}
