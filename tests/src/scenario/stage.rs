//! Plays a script on an installation.

mod checks;
mod place;

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use place::{Place, restarted};

use super::script::{Credential, Line, Script, Step, duration};
use super::{Scale, cluster, invariants};
use crate::{Http, Launched};

/// Domain time between two runs, or two reads, of something that goes on by itself: a little more than the least that
/// the product rests between two looks.
const PAUSE: Duration = Duration::from_millis(1_100);
/// How often the pause between runs doubles where it costs nothing.
const DOUBLED_MAX: u32 = 4;
/// Runs of the reaper until nothing is due.
const RUNS_MAX: u32 = 80;
/// Reads until a status is there.
const READS_MAX: usize = 60;
/// How long a websocket may take to answer.
const ECHO_MAX: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// An installation with the names that a script gave to what it launched.
pub struct Stage {
    place: Place,
    scale: Scale,
    named: BTreeMap<String, Launched>,
    sockets: BTreeMap<String, Socket>,
    /// What is out of reach.
    broken: Vec<net::Peer>,
}

/// Plays the script `text` on an installation of its own, and checks at its end that nothing is left over or missing.
///
/// # Panics
/// When a line does not hold.
pub async fn play(text: &str, scale: Scale) {
    let script = Script::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let mut stage = Stage::of_its_own(&script, scale).await;
    for line in script.lines() {
        println!("{}: {}", line.number, line.text);
        stage = stage.play(line).await;
    }
    stage.end().await;
}

impl Stage {
    /// Plays one line.
    ///
    /// # Panics
    /// When it does not hold.
    pub async fn play(mut self, line: &Line) -> Self {
        match line.step.clone() {
            Step::KeepData => {}
            Step::Template(name, fields) => self.template(&name, &fields).await,
            Step::DeleteTemplate(name) => {
                let installation = self.installation();
                let answer = installation.delete(&format!("/templates/{name}"));
                answer.key(installation.admin()).await.expect(200);
            }
            Step::NoLaunch(name) => {
                let answer = self.installation().post(&format!("/applications/{name}")).await;
                answer.expect(404);
            }
            Step::NoRoom(name) => {
                let answer = self.installation().post(&format!("/applications/{name}")).await;
                answer.problem(429, "quotaExceeded");
                let wait = answer.header("retry-after").and_then(|wait| wait.parse::<u64>().ok());
                assert!(wait.is_some_and(|wait| (1..=3600).contains(&wait)), "{answer:?}");
            }
            Step::Pool(name, size) => drop(self.installation().pool(&name, size).await),
            Step::DeletePool(name) => {
                let installation = self.installation();
                let answer = installation.delete(&format!("/pools/{name}"));
                answer.key(installation.admin()).await.expect(200);
            }
            Step::ExpectPool(name, fields) => self.expect_pool(&name, &fields).await,
            Step::ReapUntilPool(name, fields) => self.reap_until_pool(&name, &fields).await,
            Step::Launch(template, name, fields) => self.launch(&template, name, &fields).await,
            Step::Read(name) => drop(self.installation().read(self.one(&name)).await),
            Step::Wait(name, status) => self.wait(&name, &status).await,
            Step::Open(name) => self.open(&name).await,
            Step::Connect(name) => self.connect(&name).await,
            Step::Say(name) => self.say(&name).await,
            Step::Stop(name, with) => self.stop(&name, with).await,
            Step::Advance(by) => self.pass(self.scale.of(by)).await,
            Step::Reap => drop(self.reap().await),
            Step::ReapUntilQuiet => self.reap_until_quiet().await,
            Step::Expect(name, expected) => self.expect(&name, &expected).await,
            Step::List(status, names) => self.list(&status, &names).await,
            Step::Gone(name) => self.gone(&name).await,
            Step::Break(peer) => {
                self.inside().outages().begin(peer);
                self.broken.push(peer);
            }
            Step::Mend(peer) => {
                self.inside().outages().end(peer);
                self.broken.retain(|broken| *broken != peer);
            }
            Step::Evict(name) => self.evict(&name).await,
            Step::DeleteNamespace(name) => {
                let path = format!("/api/v1/namespaces/{}", self.one(&name).id);
                let answer = cluster::ask(self.installation(), Method::DELETE, &path, None).await;
                answer.expect(200);
            }
            Step::ForgetRoutes => self.forget_routes(),
            Step::Restart => self.place = restarted(self.place).await,
        }
        self
    }

    fn one(&self, name: &str) -> &Launched {
        self.named
            .get(name)
            .unwrap_or_else(|| panic!("nothing was launched as {name}"))
    }

    /// Lets `by` of domain time pass.
    async fn pass(&self, by: Duration) {
        match self.scale {
            Scale::Wound => self.wind(by).await,
            Scale::Waited(_) => tokio::time::sleep(by).await,
        }
    }

    fn fields(&self, fields: &[(String, String)]) -> serde_json::Map<String, Value> {
        let value = |text: &str| match (duration(text), text.parse::<u64>()) {
            (_, Ok(number)) => json!(number),
            (Some(span), _) => json!(self.scale.of(span).as_millis() as u64),
            (None, Err(_)) => json!(text),
        };
        fields.iter().map(|(name, text)| (name.clone(), value(text))).collect()
    }

    async fn template(&self, name: &str, fields: &[(String, String)]) {
        let (limits, fields): (Vec<_>, Vec<_>) = fields
            .iter()
            .cloned()
            .partition(|(name, _)| ["cpu", "memory"].contains(&name.as_str()));
        let mut body = self.fields(&fields);
        let image = body
            .remove("image")
            .unwrap_or_else(|| panic!("the template {name} has no image="));
        body.insert("image-source".to_owned(), image);
        let limits: BTreeMap<String, String> = limits.into_iter().collect();
        body.insert("limits".to_owned(), json!(limits));
        body.insert("requests".to_owned(), json!(limits));
        self.installation().template_of(name, &body.into()).await;
    }

    async fn launch(&mut self, template: &str, name: String, fields: &[(String, String)]) {
        let launched = self
            .installation()
            .launch_of(template, &self.fields(fields).into())
            .await;
        self.named.insert(name, launched);
    }

    async fn wait(&self, name: &str, status: &str) {
        let mut seen = Value::Null;
        for _ in 0..READS_MAX {
            seen = self.installation().read(self.one(name)).await;
            if seen["status"] == status {
                return;
            }
            self.pass(PAUSE).await;
        }
        panic!("{name} never became {status}: {seen}");
    }

    async fn location(&self, name: &str) -> String {
        let seen = self.listed(name).await;
        seen["location"]
            .as_str()
            .unwrap_or_else(|| panic!("no location in {seen}"))
            .to_owned()
    }

    async fn open(&self, name: &str) {
        let page = Http::new(&format!("http://{}", self.location(name).await))
            .ask(Method::GET, "/")
            .await;
        assert!(
            page.status == 200 && page.text().contains(&self.one(name).id),
            "{page:?}"
        );
    }

    async fn connect(&mut self, name: &str) {
        let url = format!("ws://{}/echo", self.location(name).await);
        let (socket, _) = connect_async(&url).await.unwrap();
        self.sockets.insert(name.to_owned(), socket);
    }

    async fn say(&mut self, name: &str) {
        use futures::{SinkExt, StreamExt};
        let socket = self
            .sockets
            .get_mut(name)
            .unwrap_or_else(|| panic!("{name} has no websocket"));
        socket.send(Message::text("are you there?")).await.unwrap();
        let answer = tokio::time::timeout(ECHO_MAX, socket.next())
            .await
            .expect("an echo in time");
        assert_eq!(answer.unwrap().unwrap().to_text().unwrap(), "are you there?");
    }

    async fn stop(&self, name: &str, with: Credential) {
        let one = self.one(name);
        let (key, status) = match &with {
            Credential::Key => (self.installation().apps(), 202),
            Credential::Token => (one.token.as_str(), 202),
            Credential::WrongKey => ("nobody-knows-this-key", 403),
            Credential::TokenOf(other) => (self.one(other).token.as_str(), 403),
        };
        self.installation().delete(&one.path()).key(key).await.expect(status);
    }

    async fn reap(&self) -> Value {
        let report = self.installation().reap().await;
        assert_eq!(report["errors"], 0, "{report}");
        report
    }

    async fn reap_until_quiet(&self) {
        let mut report = Value::Null;
        for run in 0..RUNS_MAX {
            self.pass(match self.scale {
                Scale::Wound => PAUSE * 2u32.pow(run.min(DOUBLED_MAX)),
                Scale::Waited(_) => PAUSE,
            })
            .await;
            report = self.reap().await;
            if report["due"] == 0 && !self.any_waits().await {
                return;
            }
        }
        panic!("something is still due: {report}");
    }

    /// Runs the reaper, over time, until the pool is as it should be.
    async fn reap_until_pool(&self, name: &str, fields: &[(String, String)]) {
        for _ in 0..RUNS_MAX {
            if self.is_pool(name, fields).await.is_ok() {
                return;
            }
            self.pass(PAUSE).await;
            self.reap().await;
        }
        self.expect_pool(name, fields).await;
    }

    /// Whether anything is on its way up or down, other than what says that it waits for an outage's end.
    async fn any_waits(&self) -> bool {
        for name in self.named.keys() {
            let one = self.listed(name).await;
            let reason = one["reason"].as_str().unwrap_or_default();
            let names = |peer: &net::Peer| match peer {
                net::Peer::Cluster => reason.contains("cluster cannot be reached"),
                _ => reason.contains("proxy cannot be reached"),
            };
            let waits_for_outage = self.broken.iter().any(names);
            let moving = ["waiting", "starting", "ending"].contains(&one["phase"].as_str().unwrap_or_default());
            if moving && !waits_for_outage {
                return true;
            }
        }
        // Spares are in no list, and their endings wait between two looks: only from inside can they be seen.
        match &self.place {
            Place::Here { app, .. } if self.broken.is_empty() => {
                let rows = invariants::rows(app).await;
                rows.values().any(|row| row.state == "ending")
            }
            _ => false,
        }
    }

    async fn evict(&self, name: &str) {
        let pods = format!("/api/v1/namespaces/{}/pods", self.one(name).id);
        let list = cluster::ask(self.installation(), Method::GET, &pods, None).await;
        let list = list.expect(200);
        let pod = list["items"][0]["metadata"]["name"]
            .as_str()
            .unwrap_or_else(|| panic!("no pod in {list}"));
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": self.one(name).id},
        });
        let path = format!("{pods}/{pod}/eviction");
        let evicted = cluster::ask(self.installation(), Method::POST, &path, Some(&eviction)).await;
        evicted.expect(201);
    }
}
