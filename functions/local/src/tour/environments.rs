//! Environments: one with a deployment that is scaled and read, another one that is refused its host name, and its end.

use http::Method;
use serde_json::{Value, json};

use super::{Tour, failed};
use crate::Error;
use crate::http::Api;

/// The environment.
const ENVIRONMENT: &str = "/environments/demo:shop";
/// What runs in it.
const DEPLOYMENTS: &str = "/environments/demo:shop/deployments";
const WEB: &str = "/environments/demo:shop/deployments/web";
/// How long it lives, in seconds.
const LIVES: u64 = 30 * 60;
/// Looks of the reaper until what has expired is gone.
const RUNS_MAX: usize = 10;

impl Tour<'_> {
    pub(super) async fn environments(&mut self) -> Result<(), Error> {
        self.tell(
            "\nEnvironments: a namespace with routing keys and host names, for whoever administers an organisation.",
        );
        let ready = self.adapter.ready();
        let demo = ready.demo.ok_or_else(|| failed("there is a demo organisation"))?;
        let administrator = Api::new(&ready.api, &demo.token)?;
        let admin = std::mem::replace(&mut self.api, administrator);
        let played = self.environment().await;
        self.api = admin;
        played
    }

    async fn environment(&mut self) -> Result<(), Error> {
        let asked = json!({"environmentName": "demo:shop", "hostNames": ["shop.example"], "ttl": LIVES});
        let made = self.send(Method::POST, "/environments", Some(&asked), 201).await?;
        let key = made["publicSecret"].as_str().unwrap_or_default();
        self.check(
            made["name"] == "demo-shop" && key.len() == 60,
            "its namespace and its routing keys are told",
        )?;

        self.tell("\nA deployment in it, by the pod template that comes with the request.");
        let template = json!({
            "metadata": {"labels": {"component": "web"}},
            "spec": {"containers": [{"name": "web", "image": "layby/web:1", "ports": [{"containerPort": 8080}]}]},
        });
        let asked = json!({"deploymentName": "web", "publicHosts": "shop.example", "pts": template});
        let deployed = self.send(Method::POST, DEPLOYMENTS, Some(&asked), 201).await?;
        self.check(deployed["kind"] == "Deployment", "it is told as Kubernetes tells it")?;
        let scaled = self
            .send(Method::PATCH, WEB, Some(&json!({"replicas": 2})), 200)
            .await?;
        self.check(scaled["spec"]["replicas"] == 2, "it is scaled")?;
        self.wind(10).await?;
        let logs = self.call(Method::GET, &format!("{WEB}/logs"), 200).await?;
        let text = logs.as_str().unwrap_or_default();
        self.check(text.contains("Logs for pod: web-"), "each of its pods has its lines")?;

        self.tell("\nA host name has one owner.");
        let asked = json!({"environmentName": "demo:other", "hostNames": ["SHOP.example"]});
        let refused = self.send(Method::POST, "/environments", Some(&asked), 409).await?;
        self.check(refused["type"] == "hostTaken", "whoever asks for it too is refused")?;

        self.tell("\nIts time passes.");
        self.advance(LIVES / 60 + 1).await?;
        for _ in 0..RUNS_MAX {
            self.reap().await?;
            let (status, told) = self.api.call(Method::GET, ENVIRONMENT, None).await?;
            if status == 404 {
                self.show(format_args!("GET {ENVIRONMENT}"), status, &told);
                let made = self.send(Method::POST, "/environments", Some(&asked), 201).await?;
                return self.check(
                    made["hostNames"] == json!(["shop.example"]),
                    "it is gone with all that was in it, and its host name is somebody else's now",
                );
            }
            self.wind(30).await?;
        }
        let _: Value = self.call(Method::GET, ENVIRONMENT, 404).await?;
        Ok(())
    }
}
