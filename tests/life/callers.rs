//! Who calls, while something fails or much is asked at once, and what they are answered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::limits::LOOK_MAX;
use http::Method;
use serde_json::{Value, json};
use tests::{Answer, Ask, Http, Installation, Launched};
use tokio::time::{Instant, sleep, timeout};

/// By then every request is answered: layby's own deadline, and what a busy machine may add to it.
pub(crate) const ANSWERED: Duration = LOOK_MAX.saturating_add(Duration::from_secs(2));
/// Between two calls of one caller.
const PACE: Duration = Duration::from_millis(300);
/// Calls of one caller until it is answered what it came for.
const CALLS_MAX: usize = 200;
/// How long a visitor waits for a page.
const VISIT_MAX: Duration = Duration::from_secs(2);

/// What was seen of all callers together.
#[derive(Default)]
pub(crate) struct Seen {
    /// How often each kind of request was answered with each status.
    answers: BTreeMap<(&'static str, u16), usize>,
    /// The slowest answer to each kind of request.
    slowest: BTreeMap<&'static str, Duration>,
    /// What must not be.
    wrong: Vec<String>,
}

/// Callers of one installation. Clones see together.
#[derive(Clone)]
pub(crate) struct Callers {
    pub(crate) installation: Installation,
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
}

impl Callers {
    pub(crate) fn of(installation: &Installation) -> Self {
        Self {
            installation: installation.clone(),
            seen: Arc::default(),
            over: Arc::default(),
        }
    }

    /// Whoever calls again and again stops, or may begin again.
    pub(crate) fn set_over(&self, over: bool) {
        self.over.store(over, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub(crate) fn wrong(&self, what: String) {
        self.seen.lock().unwrap().wrong.push(what);
    }

    /// What was wrong so far.
    pub(crate) fn wrongs(&self) -> Vec<String> {
        self.seen.lock().unwrap().wrong.clone()
    }

    /// A line for each kind of request.
    pub(crate) fn summary(&self) -> String {
        let seen = self.seen.lock().unwrap();
        let line = |(what, slowest): (&&str, &Duration)| {
            let of = seen.answers.iter().filter(|((kind, _), _)| kind == what);
            let answers: Vec<String> = of.map(|((_, status), count)| format!("{count} × {status}")).collect();
            format!("  {what}: {}, the slowest in {slowest:.1?}\n", answers.join(", "))
        };
        seen.slowest.iter().map(line).collect()
    }

    /// Sends `ask`. What is answered must be a success, or say in a problem document that something is out of reach and
    /// when to come again; and it must be in time.
    async fn call(&self, what: &'static str, ask: Ask) -> Option<Answer> {
        let begun = now();
        let answered = timeout(2 * ANSWERED, ask.tried()).await;
        let span = now() - begun;
        let answer = match answered {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => {
                self.wrong(format!("{what}: {why}"));
                return None;
            }
            Err(_) => {
                self.wrong(format!("{what}: not answered within {span:.1?}"));
                return None;
            }
        };
        let status = answer.status.as_u16();
        {
            let mut seen = self.seen.lock().unwrap();
            *seen.answers.entry((what, status)).or_default() += 1;
            let slowest = seen.slowest.entry(what).or_default();
            *slowest = span.max(*slowest);
        }
        if span > ANSWERED {
            self.wrong(format!("{what}: answered {status} after {span:.1?}"));
        }
        match status {
            200 | 202 => Some(answer),
            503 if answer.header("retry-after").is_some() => None,
            _ => {
                self.wrong(format!("{what}: {status} {}", answer.text()));
                None
            }
        }
    }

    /// Calls again and again, as one caller who wants an answer.
    async fn insist(&self, what: &'static str, ask: impl Fn() -> Ask) -> Answer {
        for _ in 0..CALLS_MAX {
            if let Some(answer) = self.call(what, ask()).await {
                return answer;
            }
            sleep(PACE).await;
        }
        panic!("{what}: nobody was ever answered");
    }

    /// Launches once, however often that has to be asked for.
    pub(crate) async fn launch(&self, template: &str, body: &Value) -> Launched {
        let key = format!("{:032x}", fastrand::u128(..));
        let answer = self.insist("launch", || {
            let ask = self.installation.post(&format!("/applications/{template}"));
            ask.key(self.installation.apps())
                .header("idempotency-key", &key)
                .json(body)
        });
        Launched::of(template, &answer.await)
    }

    /// Stops an application.
    pub(crate) async fn stop(&self, one: &Launched) {
        self.insist("stop", || self.installation.delete(&one.path()).key(&one.token))
            .await;
    }

    /// Reads an application once.
    pub(crate) async fn read(&self, one: &Launched) -> Option<Value> {
        let answer = self.call("read", self.installation.get(&one.path())).await?;
        Some(answer.json())
    }

    /// Reads and lists, until it is over: those that live stay, in reads and in lists.
    pub(crate) async fn look_on(&self, residents: &[&Launched]) {
        while !self.is_over() {
            for one in residents {
                if let Some(seen) = self.read(one).await.filter(|seen| seen["status"] != "deployed") {
                    self.wrong(format!("somebody who lives is told as {seen}"));
                }
            }
            let ask = self
                .installation
                .get("/applications/?status=deployed")
                .key(self.installation.apps());
            if let Some(answer) = self.call("list", ask).await {
                let listed = answer.json();
                let ids: Vec<&str> = listed
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter_map(|one| one["id"].as_str())
                    .collect();
                for one in residents.iter().filter(|one| !ids.contains(&one.id.as_str())) {
                    self.wrong(format!("{} lives and is missing in a list of {}", one.id, ids.len()));
                }
            }
            sleep(PACE).await;
        }
    }

    /// Uses an application, until it is over.
    pub(crate) async fn use_it(&self, one: &Launched) {
        while !self.is_over() {
            self.visit(one).await;
            sleep(PACE).await;
        }
    }

    /// Whether an application answers at its location.
    pub(crate) async fn visit(&self, one: &Launched) -> bool {
        let proxy = Http::new(&self.installation.ready().proxy);
        let page = proxy.ask(Method::GET, &format!("/user/{}/", one.id)).tried();
        let page = timeout(VISIT_MAX, page).await;
        page.is_ok_and(|page| page.is_ok_and(|page| page.status == 200 && page.text().contains(&one.id)))
    }

    /// Runs the reaper, again and again until it is over.
    pub(crate) async fn keep_reaping(&self) {
        while !self.is_over() {
            self.reap().await;
            sleep(PACE).await;
        }
    }

    /// Runs the reaper once.
    pub(crate) async fn reap(&self) -> Value {
        let begun = now();
        let answer = self.installation.post("/_local/reap").tried().await;
        let span = now() - begun;
        let mut seen = self.seen.lock().unwrap();
        let slowest = seen.slowest.entry("run of the reaper").or_default();
        *slowest = span.max(*slowest);
        let Ok(answer) = answer else { return json!(null) };
        *seen
            .answers
            .entry(("run of the reaper", answer.status.as_u16()))
            .or_default() += 1;
        answer.json()
    }
}

#[expect(clippy::disallowed_methods, reason = "how long an answer takes is mechanical time")]
fn now() -> Instant {
    Instant::now()
}
