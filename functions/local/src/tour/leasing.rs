//! Whole clusters: leased, used, taken back and cleaned, kept from others where that fails, waited for in line.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cluster_client::ClusterAccess;
use http::{Method, Request, header};
use net::{Net, Peer, Settings};
use serde_json::{Value, json};

use super::{Tour, failed};
use crate::Error;
use crate::http::Api;

/// How long leases are asked for, in seconds.
const MINUTE: u64 = 60;
/// Looks of the reaper, a minute apart, in which a cluster comes back.
const RUNS_MAX: usize = 30;
/// What the holder makes.
const NAMESPACES: &str = "/api/v1/namespaces";
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

impl Tour<'_> {
    pub(super) async fn leasing(&mut self) -> Result<(), Error> {
        self.tell("\nWhole clusters can be leased too: three are there.");
        let listed = self.call(Method::GET, "/clusters", 200).await?;
        let is_free = |cluster: &Value| cluster["state"] == "free";
        let free = listed
            .as_array()
            .is_some_and(|all| all.len() == 3 && all.iter().all(is_free));
        self.check(free, "all three are free")?;
        self.expired().await?;
        self.left_behind().await?;
        self.in_line().await
    }

    async fn expired(&mut self) -> Result<(), Error> {
        self.tell("\nLease one for a minute, and use it by the kubeconfig that comes with it.");
        let lease = self.lease(&json!({ "max_time": MINUTE })).await?;
        let name = lease["cluster_name"].as_str().unwrap_or_default().to_owned();
        let made = self
            .in_cluster(&lease, NAMESPACES, &json!({ "metadata": { "name": "mine" } }))
            .await?;
        self.check(made == 201, "its holder may do everything in it")?;
        let token = lease["token"].as_str().unwrap_or_default();
        let epoch = json!({ "epoch": lease["epoch"] });
        let verify = format!("/lease/{token}/verify");
        let (status, verified) = self.api.call(Method::POST, &verify, Some(&epoch)).await?;
        self.show(format_args!("POST /lease/…/verify {epoch}"), status, &verified);
        self.check(
            status == 200 && verified["valid"] == true,
            "whoever is shown the token can verify it",
        )?;

        self.tell("\nThe minute passes, and nobody renews the lease.");
        self.advance(2).await?;
        let (status, refused) = self.api.call(Method::POST, &verify, Some(&epoch)).await?;
        self.show(format_args!("POST /lease/…/verify {epoch}"), status, &refused);
        self.check(
            status == 410,
            "it does not hold any more, whether or not the reaper has come",
        )?;
        self.reap().await?;
        let refused = self
            .in_cluster(&lease, NAMESPACES, &json!({ "metadata": { "name": "late" } }))
            .await?;
        self.check(refused == 401 || refused == 403, "the kubeconfig is refused")?;
        let clean = self.until(&name, "free").await?;
        self.check(
            clean["epoch"].as_u64() > lease["epoch"].as_u64(),
            "it is free by a higher epoch",
        )?;
        let again = self
            .lease(&json!({ "max_time": MINUTE, "cluster_regex": format!("^{name}$") }))
            .await?;
        let made = self
            .in_cluster(&again, NAMESPACES, &json!({ "metadata": { "name": "mine" } }))
            .await?;
        self.check(made == 201, "what its last holder had made is gone")?;
        self.give_back(&again).await?;
        self.until(&name, "free").await.map(drop)
    }

    async fn left_behind(&mut self) -> Result<(), Error> {
        self.tell("\nAnother holder leaves something that cannot be deleted, and gives the cluster back.");
        let lease = self.lease(&json!({ "max_time": MINUTE })).await?;
        let name = lease["cluster_name"].as_str().unwrap_or_default().to_owned();
        let stuck = json!({ "metadata": { "name": "stuck", "finalizers": ["example.org/never"] } });
        let made = self.in_cluster(&lease, CONFIG_MAPS, &stuck).await?;
        self.check(made == 201, "it is there")?;
        self.give_back(&lease).await?;
        let kept = self.until(&name, "quarantined").await?;
        let left = kept["left-over"].to_string();
        self.check(
            left.contains("stuck") && left.contains("example.org/never"),
            "the cluster is kept from everybody, and the list says why",
        )
    }

    async fn in_line(&mut self) -> Result<(), Error> {
        self.tell("\nThe other two are leased; whoever comes then waits in line with a ticket.");
        let hour = json!({ "max_time": 60 * MINUTE });
        let first = self.lease(&hour).await?;
        self.lease(&hour).await?;
        let path = "/lease";
        let (status, none) = self.leases()?.call(Method::POST, path, Some(&hour)).await?;
        self.show(format_args!("POST /lease {hour}"), status, &none);
        self.check(
            status == 409 && none["position"] == 1,
            "none is free; one would be the first in line",
        )?;
        let ticket = none["ticket"].clone();
        let shown = json!({ "max_time": 60 * MINUTE, "ticket": ticket });
        let (status, _) = self.leases()?.call(Method::POST, path, Some(&shown)).await?;
        self.check(status == 409, "the ticket becomes a place when it is shown")?;
        self.give_back(&first).await?;
        for _ in 0..RUNS_MAX {
            let (status, lease) = self.leases()?.call(Method::POST, path, Some(&shown)).await?;
            if status == 200 {
                self.show(format_args!("POST /lease   (with the ticket)"), status, &lease);
                return self.check(
                    lease["cluster_name"] == first["cluster_name"],
                    "the cluster is handed over once it is clean",
                );
            }
            self.wind(20).await?;
            self.reap().await?;
        }
        Err(failed("whoever waits is served"))
    }

    fn leases(&self) -> Result<Api, Error> {
        let ready = self.adapter.ready();
        Api::new(&ready.api, &ready.keys["leases"])
    }

    async fn lease(&mut self, asked: &Value) -> Result<Value, Error> {
        let (status, lease) = self.leases()?.call(Method::POST, "/lease", Some(asked)).await?;
        self.show(format_args!("POST /lease {asked}"), status, &lease);
        self.check(status == 200, "a cluster is leased")?;
        Ok(lease)
    }

    async fn give_back(&mut self, lease: &Value) -> Result<(), Error> {
        let token = lease["token"].as_str().unwrap_or_default();
        let (status, _) = self
            .leases()?
            .call(Method::DELETE, &format!("/lease/{token}"), None)
            .await?;
        self.console.say(format_args!("  DELETE /lease/…\n  {status}"));
        self.check(status == 200, "it is given back")
    }

    /// The cluster once it is in that state.
    async fn until(&mut self, name: &str, state: &str) -> Result<Value, Error> {
        let path = format!("/clusters/{name}");
        for _ in 0..RUNS_MAX {
            let (_, seen) = self.api.call(Method::GET, &path, None).await?;
            if seen["state"] == state {
                self.show(format_args!("GET {path}"), 200, &seen);
                return Ok(seen);
            }
            self.advance(1).await?;
            self.reap().await?;
        }
        Err(failed(&format!("the cluster '{name}' becomes {state}")))
    }

    /// Makes something in a leased cluster, by the lease's kubeconfig, as kubectl would; gives the status.
    async fn in_cluster(&mut self, lease: &Value, path: &str, body: &Value) -> Result<u16, Error> {
        let wrong = |error: &dyn std::fmt::Display| Error::Sentence(format!("the leased cluster: {error}"));
        let encoded = lease["kubeconfig"].as_str().unwrap_or_default();
        let decoded = STANDARD.decode(encoded).map_err(|error| wrong(&error))?;
        let access = ClusterAccess::read(&String::from_utf8_lossy(&decoded)).map_err(|error| wrong(&error))?;
        let net = Net::new(Settings::default()).map_err(|error| wrong(&error))?;
        let client = net
            .client_trusting(Peer::Cluster, &access.trust)
            .map_err(|error| wrong(&error))?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{path}", access.server))
            .header(header::AUTHORIZATION, format!("Bearer {}", access.token_text()))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.to_string().into())
            .map_err(|error| wrong(&error))?;
        let answer = client.send(request).await.map_err(|error| wrong(&error))?;
        let status = answer.status().as_u16();
        self.console.say(format_args!(
            "  in {}: POST {path} {body}\n  {status}",
            lease["cluster_name"]
        ));
        Ok(status)
    }
}
