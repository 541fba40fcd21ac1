//! A process that dies before every single call of a preload, or loses that call's answer. Whoever comes next, a look or
//! the reaper, reaches the same end.

use domain::PreloadState;
use http::Method;
use tests::{App, on_a_large_stack};

use super::{PACE, PATH, ROUNDS_MAX, TEMPLATE, image, namespaces, row, stored, told};
use crate::process::{Fate, Next, Process};

/// Calls of one preload. One that makes more has lost a bound.
const CALLS_MAX: usize = 60;

#[test]
fn a_preload_that_dies_anywhere_is_finished_by_looks() {
    on_a_large_stack(|| every_call(Next::Look, Fate::DiesBefore));
}

#[test]
fn a_preload_that_loses_any_answer_goes_on() {
    on_a_large_stack(|| every_call(Next::Look, Fate::LosesAnswer));
}

#[test]
fn a_preload_that_dies_anywhere_is_finished_by_the_reaper() {
    on_a_large_stack(|| every_call(Next::Reaper, Fate::DiesBefore));
}

/// Plays a preload once undisturbed to learn its calls, then once for each call and what happens there.
async fn every_call(next: Next, fate: fn(usize) -> Fate) {
    let app = App::start(local::Options::embedded()).await;
    let undisturbed = Process::start(&app, Fate::Lives).await;
    point(&app, next, &undisturbed).await;
    let calls = undisturbed.calls();
    assert!((10..CALLS_MAX).contains(&calls.len()), "{calls:?}");
    for fate in (0..calls.len()).map(fate) {
        println!("{next:?} next, {fate:?}");
        let process = Process::start(&app, fate).await;
        point(&app, next, &process).await;
        process.has_met_its_fate();
    }
    app.stop().await;
}

/// The whole preload in the process, as far as it lives; then the end by `next`.
async fn point(app: &App, next: Next, process: &Process) {
    let before = app.now();
    app.template_of(TEMPLATE, &image("layby/notebook:1")).await;
    let key = app.apps().to_owned();
    let ask = async |method| process.ask(method, PATH, &[("authorization", &key)], "").await;
    let mut done = false;
    if ask(Method::POST).await.is_some() {
        for _ in 0..ROUNDS_MAX {
            let Some(answer) = ask(Method::GET).await else {
                break;
            };
            assert_eq!(answer.status(), 200, "{answer:?}");
            done = is_done(app, before).await;
            if done {
                break;
            }
            app.advance(PACE).await;
        }
    }
    if !done && !is_of(app, before).await {
        // It died before its row was written: nothing at all has happened, and whoever asked asks again.
        assert_eq!(namespaces(app).await, Vec::<String>::new());
        app.post(PATH).key(app.apps()).await.expect(200);
    }
    if !done {
        app.advance(domain::limits::TAKE_BUDGET).await;
    }
    for _ in 0..ROUNDS_MAX {
        if is_done(app, before).await {
            break;
        }
        match next {
            Next::Look => drop(told(app).await),
            Next::Reaper => assert_eq!(app.reap().await["errors"], 0),
        }
        app.advance(PACE).await;
    }
    assert_eq!(row(app).await.state, PreloadState::Done { completed: true });
    assert_eq!(told(app).await["status"], "completed");
    assert_eq!(namespaces(app).await, Vec::<String>::new());
}

/// Whether the preload that was asked for since `before` is over.
async fn is_done(app: &App, before: jiff::Timestamp) -> bool {
    is_of(app, before).await && matches!(row(app).await.state, PreloadState::Done { .. })
}

/// Whether there is a preload that was asked for since `before`.
async fn is_of(app: &App, before: jiff::Timestamp) -> bool {
    stored(app)
        .await
        .is_some_and(|preload| preload.current.started_at >= before)
}
