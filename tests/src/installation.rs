//! An installation as it is seen from outside, wherever it runs.

use std::sync::Arc;

use http::Method;
use kube::Client;
use local::Ready;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{Answer, Ask, Http};

/// An installation as it is seen from outside: its addresses, its keys and its API. Cheap to clone.
#[derive(Clone)]
pub struct Installation {
    ready: Ready,
    http: Http,
    reap: Arc<str>,
    /// The client of its cluster, once somebody has asked for it.
    pub(crate) cluster: Arc<OnceCell<Client>>,
}

/// What a launch was answered with.
#[derive(Clone, Debug)]
pub struct Launched {
    /// The template.
    pub template: String,
    /// The application's id.
    pub id: String,
    /// The token with which it can be stopped.
    pub token: String,
}

impl Launched {
    /// What `answer` says was launched.
    pub fn of(template: &str, answer: &Answer) -> Self {
        let body = answer.expect(200);
        let word = |name: &str| {
            body[name]
                .as_str()
                .unwrap_or_else(|| panic!("no '{name}' in {body}"))
                .to_owned()
        };
        Self {
            template: template.to_owned(),
            id: word("id"),
            token: word("token"),
        }
    }

    /// The path of the application.
    pub fn path(&self) -> String {
        format!("/applications/{}/{}", self.template, self.id)
    }
}

impl Installation {
    /// The installation at these addresses, which serves already.
    pub fn new(ready: Ready) -> Self {
        Self::reaping_at(ready, "/_local/reap")
    }

    /// As [`Installation::new`], where posting to `reap` runs the reaper.
    pub fn reaping_at(ready: Ready, reap: &str) -> Self {
        let http = Http::new(&ready.api);
        Self {
            ready,
            http,
            reap: reap.into(),
            cluster: Arc::default(),
        }
    }

    /// Addresses and keys.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The client of the API.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// A key with the scope `admin`.
    pub fn admin(&self) -> &str {
        &self.ready.keys["admin"]
    }

    /// A key with the scope `apps`.
    pub fn apps(&self) -> &str {
        &self.ready.keys["apps"]
    }

    /// A request, to be sent by awaiting it.
    pub fn ask(&self, method: Method, path: &str) -> Ask {
        self.http.ask(method, path)
    }

    /// `GET path`.
    pub fn get(&self, path: &str) -> Ask {
        self.http.get(path)
    }

    /// `POST path`.
    pub fn post(&self, path: &str) -> Ask {
        self.http.post(path)
    }

    /// `PUT path`.
    pub fn put(&self, path: &str) -> Ask {
        self.http.put(path)
    }

    /// `PATCH path`.
    pub fn patch(&self, path: &str) -> Ask {
        self.http.patch(path)
    }

    /// `DELETE path`.
    pub fn delete(&self, path: &str) -> Ask {
        self.http.delete(path)
    }

    /// Runs the reaper once, and gives its report.
    pub async fn reap(&self) -> Value {
        self.reap_asked(&json!({})).await.expect(200)
    }

    /// Runs the reaper once with this event, and gives its answer.
    pub async fn reap_asked(&self, event: &Value) -> Answer {
        self.post(&self.reap).json(event).await
    }

    /// Writes a template that runs `image`.
    pub async fn template(&self, name: &str, image: &str) {
        self.template_of(name, &json!({ "image-source": image })).await;
    }

    /// Writes a template with this body.
    pub async fn template_of(&self, name: &str, body: &Value) {
        let answer = self
            .put(&format!("/templates/{name}"))
            .key(self.admin())
            .json(body)
            .await;
        answer.expect(200);
    }

    /// Gives a template a pool of this size, and tells how it is filled.
    pub async fn pool(&self, template: &str, size: u32) -> Value {
        let ask = self.put(&format!("/pools/{template}")).key(self.admin());
        ask.json(&json!({ "size": size })).await.expect(200)
    }

    /// Launches from a template.
    pub async fn launch(&self, template: &str) -> Launched {
        self.launch_of(template, &json!({})).await
    }

    /// Launches from a template with this body.
    pub async fn launch_of(&self, template: &str, body: &Value) -> Launched {
        let answer = self.post(&format!("/applications/{template}")).json(body).await;
        Launched::of(template, &answer)
    }

    /// The application as it is now. Reading it brings it on, as every read does.
    pub async fn read(&self, launched: &Launched) -> Value {
        self.get(&launched.path()).await.expect(200)
    }
}
