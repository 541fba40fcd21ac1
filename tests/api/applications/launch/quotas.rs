//! A launch that there is no room for, and when it is told to come back.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use domain::limits::TAKE_BUDGET;
use jiff::{SignedDuration, Timestamp};
use net::Fault;
use serde_json::{Value, json};
use tests::{Answer, App, Launched};

use crate::own::Own;

const PATH: &str = "/applications/notebook";
/// Inactivity after which these are culled, which is when the first of them ends.
const IDLE: Duration = Duration::from_secs(600);

async fn template(app: &App, quota: Option<u32>) {
    let idle = IDLE.as_millis() as u64;
    let body = json!({"image-source": "layby/notebook:1", "cull-timeout": idle, "quota": quota});
    app.template_of("notebook", &body).await;
}

/// The launch of an installation whose one cell may have so many applications, so many of which may be starting.
async fn limited(app: &App, capacity: Option<u32>, starts: Option<u32>) -> Own {
    let mut config = app.adapter().config();
    config.cells[0].capacity = capacity;
    config.cells[0].starts = starts;
    Own::open(app, &api::APPLICATION_LAUNCH, config, Arc::new(|_, _| Fault::Pass)).await
}

/// How long the answer says to wait, in seconds, once it names `limit`.
fn told(answer: &Answer, limit: &str) -> i64 {
    let sentence = answer.problem(429, "quotaExceeded");
    assert!(sentence.contains(limit), "{sentence}");
    let wait = answer.header("retry-after").unwrap_or_else(|| panic!("{answer:?}"));
    wait.parse().unwrap()
}

/// What a caller may be told who waits for `seconds`: that, and up to half as much more.
fn spread(seconds: i64) -> RangeInclusive<i64> {
    seconds..=seconds + seconds / 2
}

/// What a caller may be told at `now` who waits for the end of what was used last at `since`.
fn until_idle(since: &Value, now: Timestamp) -> RangeInclusive<i64> {
    let since: Timestamp = since.as_str().unwrap().parse().unwrap();
    let end = since + SignedDuration::try_from(IDLE).unwrap();
    let left = end.duration_since(now).as_secs();
    // The clock goes on between the question and its answer.
    let (least, most) = (left - 2, left + 1);
    least..=*spread(most).end()
}

/// Brings it up, and tells since when it runs.
async fn deployed_at(app: &App, launched: &Launched) -> Value {
    let seen = app.read_until(launched, "deployed").await;
    let events = seen["events"].as_array().unwrap();
    let deployed = events.iter().find(|event| event["event"] == "deployed");
    deployed.unwrap()["at"].clone()
}

#[tokio::test]
async fn over_a_templates_quota_it_is_told_when_the_first_of_its_applications_would_end() {
    App::run(async |app| {
        template(app, Some(2)).await;
        let first = app.launch("notebook").await;
        let since = deployed_at(app, &first).await;
        app.advance(IDLE / 2).await;
        let second = app.launch("notebook").await;
        app.read_until(&second, "deployed").await;
        let expected = until_idle(&since, app.now());
        let waits = told(
            &app.post(PATH).await,
            "The template 'notebook' may have 2 applications at once",
        );
        assert!(expected.contains(&waits), "{waits} is not in {expected:?}");
    })
    .await;
}

#[tokio::test]
async fn over_the_installations_quota_it_is_told_when_the_first_of_all_would_end() {
    App::run_with(&[("LAYBY_QUOTA", "2")], async |app| {
        template(app, None).await;
        app.template("other", "layby/notebook:1").await;
        let first = app.launch("notebook").await;
        let since = deployed_at(app, &first).await;
        app.launch("other").await;
        let expected = until_idle(&since, app.now());
        let waits = told(
            &app.post(PATH).await,
            "This installation may have 2 applications at once",
        );
        assert!(expected.contains(&waits), "{waits} is not in {expected:?}");
    })
    .await;
}

#[tokio::test]
async fn over_a_cells_capacity_it_is_told_when_the_first_that_runs_there_would_end() {
    App::run(async |app| {
        template(app, None).await;
        let own = limited(app, Some(1), None).await;
        let launched = Launched::of("notebook", &own.http.post(PATH).await);
        let sentence = "the cell 'default' may have 1 applications at once";
        // Nothing runs yet, so that nothing is known.
        let waits = told(&own.http.post(PATH).await, sentence);
        assert!(spread(60).contains(&waits), "{waits}");
        let since = deployed_at(app, &launched).await;
        let expected = until_idle(&since, app.now());
        let waits = told(&own.http.post(PATH).await, sentence);
        assert!(expected.contains(&waits), "{waits} is not in {expected:?}");

        // What is ending is gone soon, whenever it would have been idle, once nobody can be making anything of it.
        app.advance(TAKE_BUDGET).await;
        app.outages().begin(net::Peer::Cluster);
        app.delete(&launched.path()).key(app.apps()).await.expect(202);
        let waits = told(&own.http.post(PATH).await, sentence);
        assert!(spread(5).contains(&waits), "{waits}");
    })
    .await;
}

#[tokio::test]
async fn while_too_many_start_it_is_told_to_come_back_soon() {
    App::run(async |app| {
        template(app, None).await;
        let own = limited(app, None, Some(1)).await;
        let launched = Launched::of("notebook", &own.http.post(PATH).await);
        let sentence = "in the cell 'default' 1 applications may be starting at once";
        let waits = told(&own.http.post(PATH).await, sentence);
        assert!(spread(5).contains(&waits), "{waits}");
        app.read_until(&launched, "deployed").await;
        own.http.post(PATH).await.expect(200);
    })
    .await;
}
