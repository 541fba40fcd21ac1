//! What is done behind the installation's back, and what in its cluster and at its proxy belongs to others.

use http::Method;
use serde_json::{Value, json};

use super::Flood;
use super::people::{Life, Meddled};
use super::plan::Deed;
use super::weather::Table;
use crate::App;
use crate::scenario::{invariants, meddling};

/// One of so many applications is the victim of a deed.
const VICTIMS: usize = 200;
/// The other installation in the cluster.
const OTHER: &str = "other";
/// Its application.
const OTHERS_APPLICATION: &str = "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f";
/// A namespace of somebody who knows nothing of layby, named as applications are.
const STRANGER: &str = "f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0";
/// Routes of others: of the other installation, of one that says nothing, and of no application.
const ROUTES: [(&str, Option<&str>); 3] = [
    ("/user/0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f", Some(OTHER)),
    ("/user/f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0", None),
    ("/hub", None),
];

/// What belongs to others, as it must stay.
#[derive(Debug, PartialEq)]
pub struct Foreign {
    objects: Vec<Value>,
    routes: Vec<Value>,
}

/// What a proxy tells of all its routes.
pub async fn routes(app: &App) -> Table {
    let told = meddling::proxy(app, Method::GET, "", &Value::Null).await.expect(200);
    told.as_object().expect("a table is an object").clone()
}

/// Makes what belongs to others.
pub async fn make_foreign(app: &App) {
    meddling::make_namespace(app, OTHERS_APPLICATION, OTHER).await;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": STRANGER}});
    let made = invariants::cluster(app, Method::POST, "/api/v1/namespaces", Some(&namespace)).await;
    made.expect(201);
    for (namespace, labels) in [
        (
            OTHERS_APPLICATION,
            json!({"layby.dev/installation": OTHER, "layby.dev/application": OTHERS_APPLICATION}),
        ),
        (STRANGER, json!({})),
    ] {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "application", "labels": labels},
            "spec": {"containers": [{"name": "application", "image": "others/thing:1"}]},
        });
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        invariants::cluster(app, Method::POST, &path, Some(&pod))
            .await
            .expect(201);
    }
    make_foreign_routes(app).await;
}

/// Makes the routes of others, as they do themselves when the proxy has lost them.
pub async fn make_foreign_routes(app: &App) {
    for (path, installation) in ROUTES {
        let mut route = json!({"target": "http://127.0.0.1:9"});
        if let Some(installation) = installation {
            route["layby"] = json!(installation);
        }
        meddling::proxy(app, Method::POST, path, &route).await.expect(201);
    }
}

/// What belongs to others, as it is.
pub async fn foreign(app: &App, routes: &Table) -> Foreign {
    let mut objects = Vec::new();
    for namespace in [OTHERS_APPLICATION, STRANGER] {
        let path = format!("/api/v1/namespaces/{namespace}");
        for path in [path.clone(), format!("{path}/pods/application")] {
            objects.push(invariants::cluster(app, Method::GET, &path, None).await.json());
        }
    }
    let routes = ROUTES.iter().map(|(path, _)| routes.get(*path).cloned());
    Foreign {
        objects,
        routes: routes.map(Option::unwrap_or_default).collect(),
    }
}

impl Flood<'_> {
    /// Does a deed.
    pub(super) async fn meddle(&mut self, deed: Deed) {
        match deed {
            Deed::RestartProxy => {
                meddling::lose_routes(self.app);
                self.restarted = self.app.now();
                make_foreign_routes(self.app).await;
                let routes = routes(self.app).await;
                self.foreign = foreign(self.app, &routes).await;
                self.findings.inject("restarts of the proxy", 1);
            }
            Deed::Evict => {
                for number in self.victims(|life| life.is_regular()) {
                    evict(self.app, &self.lives[number].launched.id).await;
                    self.lives[number].meddled = Some(Meddled::Killed);
                    self.findings.inject("evicted pods", 1);
                }
            }
            Deed::DeleteNamespaces => {
                for number in self.victims(|life| life.is_regular()) {
                    let path = format!("/api/v1/namespaces/{}", self.lives[number].id);
                    let deleted = invariants::cluster(self.app, Method::DELETE, &path, None).await;
                    deleted.expect(200);
                    self.lives[number].meddled = Some(Meddled::Killed);
                    self.findings.inject("deleted namespaces", 1);
                }
            }
            Deed::LoseRows => {
                // Those who come often are kept by their use; the others are not.
                let often = self.victims(|life| life.is_regular() && life.kind.name == "quick");
                let never = self.victims(|life| !life.is_regular());
                for number in often.into_iter().chain(never) {
                    self.lose_row(number).await;
                }
            }
            Deed::LateNamespaces => {
                let installation = self.app.adapter().config().installation.to_string();
                let ended: Vec<String> = self.ended_ids(self.victim_count());
                let unknown = (0..2).map(|_| format!("{:032x}", self.rng.u128(..)));
                let unknown: Vec<String> = unknown.collect();
                for id in ended.iter().chain(&unknown) {
                    meddling::make_namespace(self.app, id, &installation).await;
                    self.findings.inject("late namespaces", 1);
                }
                self.strangers.extend(unknown);
            }
        }
    }

    async fn lose_row(&mut self, number: usize) {
        let life = &mut self.lives[number];
        let row = invariants::row(self.app, &life.launched.id).await;
        let Some(row) = row.filter(|row| row.value.is_live()) else {
            return;
        };
        self.uncounted
            .extend(row.value.counted.into_iter().map(|place| place.to_string()));
        meddling::lose_row(self.app, &life.launched.id).await;
        life.meddled = Some(Meddled::Orphaned);
        life.cull_timeout = domain::Millis::of(domain::limits::ORPHAN_GRACE);
        self.findings.inject("deleted rows", 1);
    }

    fn victim_count(&self) -> usize {
        (self.lives.len() / VICTIMS).max(1)
    }

    /// Some that live, and to which nothing has happened yet.
    fn victims(&mut self, may: impl Fn(&Life) -> bool) -> Vec<usize> {
        let may = |life: &Life| !life.ended && life.meddled.is_none() && may(life);
        let mut all: Vec<usize> = (0..self.lives.len())
            .filter(|number| may(&self.lives[*number]))
            .collect();
        self.rng.shuffle(&mut all);
        all.truncate(self.victim_count());
        all
    }
}

async fn evict(app: &App, id: &str) {
    let pods = format!("/api/v1/namespaces/{id}/pods");
    let list = invariants::cluster(app, Method::GET, &pods, None).await.expect(200);
    let pod = list["items"][0]["metadata"]["name"].as_str().expect("there is a pod");
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": id},
    });
    let path = format!("{pods}/{pod}/eviction");
    let evicted = invariants::cluster(app, Method::POST, &path, Some(&eviction)).await;
    evicted.expect(201);
}
