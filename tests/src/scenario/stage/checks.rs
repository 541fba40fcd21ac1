//! What a script expects to see.

use http::Method;
use serde_json::Value;

use super::{Place, Stage};
use crate::Http;
use crate::scenario::script::Expected;
use crate::scenario::{cluster, invariants};

impl Stage {
    /// An application as lists tell it: unlike a read, that brings nothing on.
    pub(super) async fn listed(&self, name: &str) -> Value {
        let one = self.one(name);
        let path = format!("/applications/{}", one.template);
        let all = self
            .installation()
            .get(&path)
            .key(self.installation().apps())
            .await
            .expect(200);
        let found = all
            .as_array()
            .unwrap()
            .iter()
            .find(|seen| seen["id"] == one.id.as_str());
        found.unwrap_or_else(|| panic!("{name} is not among {all}")).clone()
    }

    pub(super) async fn expect(&self, name: &str, expected: &Expected) {
        let seen = self.listed(name).await;
        assert_eq!(seen["status"], expected.status.as_str(), "{seen}");
        if let Some(phase) = &expected.phase {
            assert_eq!(seen["phase"], phase.as_str(), "{seen}");
        }
        if let Some(reason) = &expected.reason {
            let reason = self.scale.words(reason);
            assert!(
                seen["reason"].as_str().is_some_and(|why| why.contains(reason)),
                "{seen}"
            );
        }
    }

    pub(super) async fn list(&self, status: &str, names: &[String]) {
        let path = format!("/applications/?status={status}");
        let all = self
            .installation()
            .get(&path)
            .key(self.installation().apps())
            .await
            .expect(200);
        let seen = all
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_str().unwrap().to_owned());
        let mut seen: Vec<String> = seen.collect();
        let mut wanted: Vec<String> = names.iter().map(|name| self.one(name).id.clone()).collect();
        seen.sort();
        wanted.sort();
        assert_eq!(seen, wanted, "{all}");
    }

    pub(super) async fn expect_pool(&self, name: &str, fields: &[(String, String)]) {
        self.is_pool(name, fields).await.unwrap_or_else(|seen| panic!("{seen}"));
    }

    /// # Errors
    /// The pool as it is, when something is otherwise.
    pub(super) async fn is_pool(&self, name: &str, fields: &[(String, String)]) -> Result<(), Value> {
        let installation = self.installation();
        let seen = installation
            .get(&format!("/pools/{name}"))
            .key(installation.admin())
            .await;
        let seen = seen.expect(200);
        let is_so = |(field, wanted): &(String, String)| {
            serde_json::from_str::<Value>(wanted).is_ok_and(|wanted| seen[field] == wanted)
        };
        if fields.iter().all(is_so) { Ok(()) } else { Err(seen) }
    }

    pub(super) async fn gone(&self, name: &str) {
        let id = &self.one(name).id;
        let seen = self.listed(name).await;
        assert!(seen["status"] == "deleted" || seen["status"] == "failed", "{seen}");
        if let Place::Here { app, .. } = &self.place {
            assert!(
                !invariants::has_route(app, id).await,
                "the proxy still has a route for {name}"
            );
        }
        let visited = Http::new(&self.installation().ready().proxy)
            .ask(Method::GET, &format!("/user/{id}/"))
            .await;
        assert_eq!(visited.status, 404);
        let namespace = cluster::ask(
            self.installation(),
            Method::GET,
            &format!("/api/v1/namespaces/{id}"),
            None,
        )
        .await;
        assert_eq!(namespace.status, 404, "{}", namespace.text());
    }
}
