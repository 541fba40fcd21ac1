//! One test a script, and a check that no script lacks its test.

use std::path::Path;

use tests::scenario::{Scale, Script, Stage, invariants, play};
use tests::{App, in_time};

async fn script(name: &str) {
    script_at(name, Scale::Wound).await;
}

async fn script_at(name: &str, scale: Scale) {
    in_time(play(&text(name), scale)).await;
}

fn text(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/scripts/{name}.txt"));
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[test]
fn every_script_has_its_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/scripts");
    let scripts = std::fs::read_dir(folder).unwrap();
    let names = scripts.map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned());
    let tests = include_str!("scripts.rs");
    let lacking: Vec<String> = names
        .filter(|name| !tests.contains(&format!("script(\"{name}\")")))
        .collect();
    assert!(lacking.is_empty(), "no test plays {lacking:?}");
}

/// Real parts cannot be wound, so the same script must also come true by waiting.
#[tokio::test]
async fn idle_is_culled_by_waiting_too() {
    script_at("idle-is-culled", Scale::Waited(900)).await;
}

/// Everything that a script says from outside, it can say to an installation that somebody else started.
#[tokio::test]
async fn a_running_installation_can_be_played_on() {
    App::run(async |app| {
        for name in ["evicted-while-launching", "idle-is-culled"] {
            let script = Script::parse(&text(name)).unwrap();
            let mut stage = Stage::at(app.ready().clone(), &script, Scale::Wound).await.unwrap();
            for line in script.lines() {
                stage = stage.play(line).await;
            }
            stage.end().await;
        }
        let rows = invariants::at_rest(app).await;
        assert!(
            rows.len() >= 2 && rows.values().all(|row| row.state == "ended"),
            "{rows:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn what_needs_the_inside_of_a_running_installation_is_refused_before_anything_is_played() {
    App::run(async |app| {
        for sentence in ["keep data", "restart", "break proxy", "mend cluster", "forget routes"] {
            let script = Script::parse(&format!("reap\n{sentence}")).unwrap();
            let refused = Stage::at(app.ready().clone(), &script, Scale::Wound).await.err();
            let wanted = format!("line 2 needs the inside of a process that was started elsewhere: {sentence}");
            assert_eq!(refused, Some(wanted));
        }
    })
    .await;
}

#[tokio::test]
async fn a_run_a_week_late_ends_what_should_have() {
    script("a-week-late").await;
}

#[tokio::test]
async fn age_ends_a_launch() {
    script("age-ends-a-launch").await;
}

#[tokio::test]
async fn age_ends_what_is_used() {
    script("age-ends-what-is-used").await;
}

#[tokio::test]
async fn crash_loop() {
    script("crash-loop").await;
}

#[tokio::test]
async fn evicted_while_launching() {
    script("evicted-while-launching").await;
}

#[tokio::test]
async fn failures_leave_nothing() {
    script("failures-leave-nothing").await;
}

#[tokio::test]
async fn idle_is_culled() {
    script("idle-is-culled").await;
}

#[tokio::test]
async fn image_that_cannot_be_pulled() {
    script("image-that-cannot-be-pulled").await;
}

#[tokio::test]
async fn namespace_deleted_while_launching() {
    script("namespace-deleted-while-launching").await;
}

#[tokio::test]
async fn needs_root() {
    script("needs-root").await;
}

#[tokio::test]
async fn never_ready() {
    script("never-ready").await;
}

#[tokio::test]
async fn nobody_looks() {
    script("nobody-looks").await;
}

#[tokio::test]
async fn only_the_proxy_sees_use() {
    script("only-the-proxy-sees-use").await;
}

#[tokio::test]
async fn outage_past_the_deadline() {
    script("outage-past-the-deadline").await;
}

#[tokio::test]
async fn outage_while_launching() {
    script("outage-while-launching").await;
}

#[tokio::test]
async fn own_limit_at_launch() {
    script("own-limit-at-launch").await;
}

#[tokio::test]
async fn promises_in_an_outage() {
    script("promises-in-an-outage").await;
}

#[tokio::test]
async fn lost_while_running() {
    script("lost-while-running").await;
}

#[tokio::test]
async fn proxy_restarted() {
    script("proxy-restarted").await;
}

#[tokio::test]
async fn requests_keep() {
    script("requests-keep").await;
}

#[tokio::test]
async fn restarted_with_data() {
    script("restarted-with-data").await;
}

#[tokio::test]
async fn slow_start() {
    script("slow-start").await;
}

#[tokio::test]
async fn stopped_by_key() {
    script("stopped-by-key").await;
}

#[tokio::test]
async fn stopped_by_token() {
    script("stopped-by-token").await;
}

#[tokio::test]
async fn stopped_while_launching() {
    script("stopped-while-launching").await;
}

#[tokio::test]
async fn template_changed() {
    script("template-changed").await;
}

#[tokio::test]
async fn template_deleted() {
    script("template-deleted").await;
}

#[tokio::test]
async fn unschedulable() {
    script("unschedulable").await;
}

#[tokio::test]
async fn websockets_keep() {
    script("websockets-keep").await;
}

#[tokio::test]
async fn pool_hands_out() {
    script("pool-hands-out").await;
}

#[tokio::test]
async fn pool_counts_from_the_launch() {
    script("pool-counts-from-the-launch").await;
}

#[tokio::test]
async fn pool_follows_its_template() {
    script("pool-follows-its-template").await;
}

#[tokio::test]
async fn pool_of_a_deleted_template() {
    script("pool-of-a-deleted-template").await;
}

#[tokio::test]
async fn pool_that_keeps_failing() {
    script("pool-that-keeps-failing").await;
}

#[tokio::test]
async fn quota_of_a_template() {
    script("quota-of-a-template").await;
}
