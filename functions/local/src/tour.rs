//! An application's whole life, and a leased cluster's, told call by call. Every step says what must be true and fails when it is not.

mod course;
mod environments;
mod leasing;

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use http::Method;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::demo::{NOTEBOOK, templates, wait_until_deployed};
use crate::http::Api;
use crate::{Adapter, Advanced, Console, Error, Options};

/// How many clusters there are to lease.
const CLUSTERS: usize = 3;
/// What is secret in answers.
const SECRETS: [&str; 6] = ["token", "uuid", "kubeconfig", "ticket", "publicSecret", "privateSecret"];
/// How long a websocket may take to answer.
const ECHO_MAX: Duration = Duration::from_secs(5);

/// Starts an adapter of its own, plays the whole life, and stops it.
///
/// # Errors
/// [`Error::Sentence`] with the step that was not as it should be.
pub async fn tour(console: Console) -> Result<(), Error> {
    let options = Options {
        clusters: CLUSTERS,
        ..Options::embedded()
    };
    let adapter = Adapter::start(options).await?;
    let ready = adapter.ready();
    let api = Api::new(&ready.api, &ready.keys["admin"])?;
    let mut tour = Tour {
        adapter: &adapter,
        api,
        console,
        steps: 0,
    };
    let played = tour.play().await;
    let steps = tour.steps;
    adapter.stop().await;
    played?;
    console.say(format_args!("\nAll of it was as it should be: {steps} steps."));
    Ok(())
}

struct Tour<'a> {
    adapter: &'a Adapter,
    api: Api,
    console: Console,
    steps: usize,
}

impl Tour<'_> {
    async fn play(&mut self) -> Result<(), Error> {
        self.tell("Everything runs in this process: API, table, cluster, route proxy, reaper.");
        let version = self.call(Method::GET, "/version", 200).await?;
        self.check(version["name"] == "layby", "the version names layby")?;
        templates(&self.api).await?;
        let listed = self.call(Method::GET, "/templates/", 200).await?;
        self.check(
            listed.as_array().is_some_and(|all| all.len() == 2),
            "two templates are registered",
        )?;

        let id = self.launch(NOTEBOOK).await?;
        let location = self.deployed(&id).await?;
        self.open(&location, &id).await?;
        self.echo(&location).await?;
        self.in_use_is_kept(&id, &location).await?;
        self.idle_is_culled(&id, &location).await?;
        self.broken_explains_itself().await?;
        self.stopped_by_its_own_token().await?;
        self.course().await?;
        self.environments().await?;
        self.leasing().await
    }

    async fn launch(&mut self, template: &str) -> Result<String, Error> {
        self.tell(format_args!(
            "\nLaunch '{template}': the answer comes at once, the location later."
        ));
        let launched = self
            .call(Method::POST, &format!("/applications/{template}"), 200)
            .await?;
        let id = launched["id"].as_str().unwrap_or_default().to_owned();
        self.check(id.len() == 32, "the id has 32 digits")?;
        Ok(id)
    }

    async fn deployed(&mut self, id: &str) -> Result<String, Error> {
        self.tell("\nRead it until it is deployed; each read waits for a change and brings the launch on.");
        let seen = wait_until_deployed(&self.api, NOTEBOOK, id).await?;
        self.show(format_args!("GET /applications/{NOTEBOOK}/{id}?wait=20"), 200, &seen);
        self.check(seen["status"] == "deployed", "it is deployed")?;
        let location = seen["location"].as_str().unwrap_or_default().to_owned();
        self.check(
            location.ends_with(&format!("/user/{id}")),
            "it has a location without a scheme",
        )?;
        Ok(location)
    }

    async fn open(&mut self, location: &str, id: &str) -> Result<(), Error> {
        self.tell("\nOpen its location, through the route proxy, as a browser would.");
        let (status, page) = self.api.open(&format!("http://{location}/")).await?;
        self.console.say(format_args!(
            "  GET http://{location}/\n  {status}, {} bytes of HTML",
            page.len()
        ));
        self.check(status == 200 && page.contains(id), "the page names the application")
    }

    async fn echo(&mut self, location: &str) -> Result<(), Error> {
        self.tell("\nTalk to it over a websocket.");
        let url = format!("ws://{location}/echo");
        let spoken = async {
            let (mut socket, _) = tokio_tungstenite::connect_async(&url).await?;
            socket.send(Message::text("are you there?")).await?;
            let answer = socket.next().await.transpose()?;
            socket.close(None).await?;
            Ok::<_, tokio_tungstenite::tungstenite::Error>(answer)
        };
        let answer = tokio::time::timeout(ECHO_MAX, spoken)
            .await
            .map_err(|_| failed("the websocket did not answer"))?;
        let answer = answer.map_err(|error| failed(&format!("the websocket failed: {error}")))?;
        self.console.say(format_args!(
            "  {url}\n  > are you there?\n  < {}",
            answer.as_ref().map_or("", text_of)
        ));
        self.check(answer.as_ref().map(text_of) == Some("are you there?"), "it echoes")
    }

    async fn in_use_is_kept(&mut self, id: &str, location: &str) -> Result<(), Error> {
        self.tell("\n45 minutes pass, it is used once more, and another 45 pass. Its limit is an hour of inactivity.");
        self.advance(45).await?;
        self.api.open(&format!("http://{location}/")).await?;
        self.advance(45).await?;
        let report = self.reap().await?;
        self.check(
            report["kept"] == 1 && report["culled"] == 0,
            "the reaper keeps what is in use",
        )?;
        let seen = self
            .call(Method::GET, &format!("/applications/{NOTEBOOK}/{id}"), 200)
            .await?;
        self.check(seen["status"] == "deployed", "it is still deployed")
    }

    async fn idle_is_culled(&mut self, id: &str, location: &str) -> Result<(), Error> {
        self.tell("\nThen nobody uses it for 61 minutes.");
        self.advance(61).await?;
        let report = self.reap().await?;
        self.check(report["culled"] == 1, "the reaper culls what is idle")?;
        self.advance(1).await?;
        self.reap().await?;
        let seen = self
            .call(Method::GET, &format!("/applications/{NOTEBOOK}/{id}"), 200)
            .await?;
        self.check(
            seen["status"] == "deleted" && seen["phase"] == "ended",
            "it is deleted, down to its record",
        )?;
        let reason = seen["reason"].as_str().unwrap_or_default();
        self.check(
            reason.starts_with("Culled for inactivity") && reason.contains("limit is 1 h"),
            "the record says why",
        )?;

        let (status, _) = self.api.open(&format!("http://{location}/")).await?;
        self.console.say(format_args!("  GET http://{location}/\n  {status}"));
        self.check(status == 404, "its route is gone from the proxy")?;
        let namespaces = self.namespaces().await?;
        self.check(
            !namespaces.iter().any(|name| name == id),
            "its namespace is gone from the cluster",
        )?;
        let listed = self.call(Method::GET, "/applications/?status=deleted", 200).await?;
        self.check(
            listed.as_array().is_some_and(|all| all.len() == 1),
            "lists still tell of it",
        )
    }

    async fn broken_explains_itself(&mut self) -> Result<(), Error> {
        let template = "no-such-image";
        let id = self.launch(template).await?;
        self.advance(1).await?;
        let seen = self
            .call(Method::GET, &format!("/applications/{template}/{id}"), 200)
            .await?;
        let reason = seen["reason"].as_str().unwrap_or_default();
        self.check(
            seen["status"] == "deploying" && reason.contains("cannot be pulled"),
            "it says what it waits for",
        )?;
        self.advance(5).await?;
        self.reap().await?;
        self.advance(1).await?;
        self.reap().await?;
        let seen = self
            .call(Method::GET, &format!("/applications/{template}/{id}"), 200)
            .await?;
        let reason = seen["reason"].as_str().unwrap_or_default();
        self.check(
            seen["status"] == "failed" && reason.contains("not ready within 5 min"),
            "past its deadline it failed, and says why",
        )
    }

    async fn stopped_by_its_own_token(&mut self) -> Result<(), Error> {
        self.tell("\nWhoever launches gets a token with which that launch alone can be stopped.");
        let launched = self
            .call(Method::POST, &format!("/applications/{NOTEBOOK}"), 200)
            .await?;
        let (id, token) = (
            launched["id"].as_str().unwrap_or_default(),
            launched["token"].as_str().unwrap_or_default(),
        );
        let path = format!("/applications/{NOTEBOOK}/{id}");
        let stranger = Api::new(&self.adapter.ready().api, "nobody-knows-this-key")?;
        let (status, refused) = stranger.call(Method::DELETE, &path, None).await?;
        self.show(format_args!("DELETE {path}   (with a wrong key)"), status, &refused);
        self.check(status == 403, "nobody else can stop it")?;
        let holder = Api::new(&self.adapter.ready().api, token)?;
        let (status, stopped) = holder.call(Method::DELETE, &path, None).await?;
        self.show(format_args!("DELETE {path}   (with its token)"), status, &stopped);
        self.check(
            status == 202 && stopped["status"] == "deleted",
            "its own token stops it",
        )
    }

    async fn advance(&mut self, minutes: u64) -> Result<(), Error> {
        self.wind(minutes * 60).await
    }

    async fn wind(&mut self, seconds: u64) -> Result<(), Error> {
        match self.adapter.advance(Duration::from_secs(seconds)).await {
            Advanced::To(now) => {
                self.console.say(format_args!("  … the clock shows {now:.0}"));
                Ok(())
            }
            Advanced::Refused => Err(failed("the clock can be wound")),
        }
    }

    async fn reap(&mut self) -> Result<Value, Error> {
        let (status, report) = self.adapter.reap().await;
        let found = [
            "due", "deployed", "kept", "culled", "failed", "ended", "waiting", "errors",
        ]
        .map(|name| format!("{} {name}", report[name]))
        .join(", ");
        self.console.say(format_args!("  the reaper runs: {found}"));
        self.check(status == 200 && report["errors"] == 0, "the reaper's run is in order")?;
        Ok(report)
    }

    async fn namespaces(&mut self) -> Result<Vec<String>, Error> {
        let kubernetes = self
            .adapter
            .kubernetes()
            .ok_or_else(|| failed("the cluster is embedded"))?;
        let cluster = Api::new(&kubernetes.url(), &format!("Bearer {}", kubernetes.token()))?;
        let (_, list) = cluster.call(Method::GET, "/api/v1/namespaces", None).await?;
        let items = list["items"]
            .as_array()
            .ok_or_else(|| failed("the cluster lists its namespaces"))?;
        Ok(items
            .iter()
            .filter_map(|item| item["metadata"]["name"].as_str().map(str::to_owned))
            .collect())
    }

    async fn call(&mut self, method: Method, path: &str, wanted: u16) -> Result<Value, Error> {
        self.send(method, path, None, wanted).await
    }

    async fn send(&mut self, method: Method, path: &str, body: Option<&Value>, wanted: u16) -> Result<Value, Error> {
        let (status, answer) = self.api.call(method.clone(), path, body).await?;
        let sent = body.map_or(String::new(), |body| format!(" {body}"));
        self.show(format_args!("{method} {path}{sent}"), status, &answer);
        self.check(status == wanted, &format!("the answer is {wanted}"))?;
        Ok(answer)
    }

    fn tell(&self, line: impl std::fmt::Display) {
        self.console.say(line);
    }

    fn show(&self, call: std::fmt::Arguments<'_>, status: u16, answer: &Value) {
        let mut shown = answer.clone();
        for name in SECRETS {
            if let Some(secret) = shown.get_mut(name) {
                *secret = "…".into();
            }
        }
        // Long, and nobody reads it.
        if let Some(metadata) = shown.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        self.console.say(format_args!("  {call}\n  {status} {shown}"));
    }

    fn check(&mut self, holds: bool, what: &str) -> Result<(), Error> {
        self.steps += 1;
        if holds { Ok(()) } else { Err(failed(what)) }
    }
}

fn failed(what: &str) -> Error {
    Error::Sentence(format!("the tour stops here, because this does not hold: {what}"))
}

fn text_of(message: &Message) -> &str {
    message.to_text().unwrap_or_default()
}
