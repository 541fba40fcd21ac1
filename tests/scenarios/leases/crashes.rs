//! Whoever leases a cluster out, takes it back or hands it over dies before every single call of it, or loses the call's
//! answer. A caller who asks again has a cluster that works; where nobody asks again, nobody has it, and it is free
//! again, and clean.

use domain::{Cluster, Epoch, LeaseId};
use lifecycle::{Acquired, Cleaned, Granted, LeaseAsk};
use serde_json::json;
use store::{Binding, NextDue};
use tests::process::Fate;
use tests::{App, Lessor, on_a_large_stack};

use super::ground::{Ground, seconds, word};

const NAME: &str = "leased-1";
/// Calls of one flow. One that makes more has lost a bound.
const CALLS_MAX: usize = 120;
/// Looks until a cluster that is on its way is there.
const LOOKS_MAX: usize = 40;

/// What is done by a process that dies over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Acquire { keyed: bool },
    Release,
    Return,
    HandOver,
    Fetch,
}

/// Who comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The caller, at once.
    Again,
    /// The caller, half a minute later.
    Later,
    /// Nobody but the reaper.
    Never,
}

#[test]
fn a_cluster_is_had_by_the_same_key_or_goes_back() {
    let then = [Then::Again, Then::Later, Then::Never];
    on_a_large_stack(|| every_call(Flow::Acquire { keyed: true }, &then));
}

#[test]
fn a_cluster_that_was_taken_without_a_key_goes_back() {
    on_a_large_stack(|| every_call(Flow::Acquire { keyed: false }, &[Then::Never]));
}

#[test]
fn a_release_is_asked_for_again_or_the_lease_ends_by_itself() {
    on_a_large_stack(|| every_call(Flow::Release, &[Then::Again, Then::Never]));
}

#[test]
fn a_return_is_finished_by_whoever_comes_next() {
    on_a_large_stack(|| every_call(Flow::Return, &[Then::Never]));
}

#[test]
fn a_cluster_is_handed_to_whoever_waits_or_is_free() {
    on_a_large_stack(|| every_call(Flow::HandOver, &[Then::Again, Then::Never]));
}

#[test]
fn a_cluster_that_was_handed_over_is_fetched_again_or_goes_back() {
    on_a_large_stack(|| every_call(Flow::Fetch, &[Then::Again, Then::Later, Then::Never]));
}

/// Plays the flow once undisturbed to learn its calls, then once for each call and each thing that can happen there.
async fn every_call(flow: Flow, thens: &[Then]) {
    let app = App::start(local::Options::embedded()).await;
    let ground = Ground::start(&app, 1).await;
    let undisturbed = point(&ground, flow, Fate::Lives, thens[0]).await;
    let calls = undisturbed.calls();
    assert!((4..CALLS_MAX).contains(&calls.len()), "{} {calls:?}", calls.len());
    println!("{flow:?}: {} calls", calls.len());
    for number in 0..calls.len() {
        for then in thens {
            point(&ground, flow, Fate::DiesBefore(number), *then).await;
        }
        point(&ground, flow, Fate::LosesAnswer(number), thens[0]).await;
    }
    point(&ground, flow, Fate::LosesEachOnce, thens[0]).await;
    drop(ground);
    app.stop().await;
}

async fn point(ground: &Ground<'_>, flow: Flow, fate: Fate, then: Then) -> Lessor {
    println!("{flow:?}, {fate:?}, {then:?}");
    let (before, bare) = (ground.cluster(NAME).await, ground.everything(NAME).await);
    assert_eq!(before.word(), "free");
    let lessor = Lessor::start(ground.app, fate);
    let given = match flow {
        Flow::Acquire { keyed } => acquire(ground, &lessor, keyed, then).await,
        Flow::Release => release(ground, &lessor, then).await,
        Flow::Return => take_back(ground, &lessor).await,
        Flow::HandOver => hand_over(ground, &lessor, then).await,
        Flow::Fetch => fetch(ground, &lessor, then).await,
    };
    lessor.has_met_its_fate();
    let after = ground.until(NAME, "free").await;
    assert_eq!(ground.everything(NAME).await, bare, "it is not what it was");
    let epochs: Vec<Epoch> = given.iter().map(|granted| granted.cluster.epoch).collect();
    let rise = [&[before.epoch], epochs.as_slice(), &[after.epoch]].concat();
    assert!(
        given.is_empty() || rise.is_sorted_by(|one, next| one < next),
        "{rise:?}"
    );
    assert!(before.epoch <= after.epoch);
    for granted in &given {
        let verified = ground.leasing.held(&granted.token, ground.app.now()).await;
        assert_eq!(verified.unwrap(), None);
        let (code, _) = ground.client(&granted.kubeconfig).get("/api/v1/namespaces").await;
        assert_eq!(code, 401);
    }
    lessor
}

/// Asks for a cluster in the process that may die; then what follows. What anybody was given, in order.
async fn acquire(ground: &Ground<'_>, lessor: &Lessor, keyed: bool, then: Then) -> Vec<Granted> {
    let mut ask = ground.ask("ci", seconds(60));
    ask.binding = keyed.then(key);
    let first = asked(ground, lessor, &ask).await;
    asked_again(ground, first, &ask, then).await
}

/// The first holder gives it back, and somebody waits; whoever waits asks in the process that may die.
async fn fetch(ground: &Ground<'_>, lessor: &Lessor, then: Then) -> Vec<Granted> {
    let (first, waiting) = somebody_waits(ground).await;
    ground.release(&first).await;
    for _ in 0..LOOKS_MAX {
        ground.advance(10).await;
        ground.reap().await;
        if ground.cluster(NAME).await.word() == "granting" {
            break;
        }
        ground.none(&mut waiting.clone()).await;
    }
    let second = asked(ground, lessor, &waiting).await;
    let mut given = vec![first];
    given.extend(asked_again(ground, second, &waiting, then).await);
    given
}

/// What a process that may die gives; one that lives gives what is asked for.
async fn asked(ground: &Ground<'_>, lessor: &Lessor, ask: &LeaseAsk) -> Option<Granted> {
    let look = lessor.look(ground.app, "acquire");
    match lessor.unless_dead(lessor.leasing.acquire(ask, &look)).await?.unwrap() {
        Acquired::Granted(granted) => Some(*granted),
        other => panic!("a process that lives says: {}", word(&other)),
    }
}

async fn asked_again(ground: &Ground<'_>, first: Option<Granted>, ask: &LeaseAsk, then: Then) -> Vec<Granted> {
    if then == Then::Never {
        for _ in 0..2 {
            ground.advance(60).await;
            ground.reap().await;
        }
        let word = ground.cluster(NAME).await.word();
        assert_ne!(word, "granting", "it is not on its way back within two minutes");
        return Vec::from_iter(first);
    }
    if then == Then::Later {
        ground.advance(27).await;
    }
    let again = LeaseAsk {
        id: LeaseId::from_bytes(fastrand::u128(..).to_be_bytes()),
        ..ask.clone()
    };
    let again = ground.granted(&again).await;
    ground.works(&again).await;
    if let Some(first) = first {
        assert_eq!(
            (first.token, first.cluster.epoch),
            (again.token.clone(), again.cluster.epoch)
        );
    }
    ground.release(&again).await;
    vec![again]
}

/// Gives a cluster back in the process that may die.
async fn release(ground: &Ground<'_>, lessor: &Lessor, then: Then) -> Vec<Granted> {
    let granted = used(ground, 120).await;
    let look = lessor.look(ground.app, "release");
    let released = lessor
        .unless_dead(lessor.leasing.release(&granted.token, &look))
        .await
        .map(Result::unwrap);
    assert_ne!(released, Some(false));
    if then == Then::Again {
        let again = ground.leasing.release(&granted.token, &ground.look("again")).await;
        assert!(!again.unwrap() || released.is_none());
        assert_eq!(
            ground.leasing.held(&granted.token, ground.app.now()).await.unwrap(),
            None
        );
    }
    vec![granted]
}

/// Takes a cluster back and cleans it in the process that may die.
async fn take_back(ground: &Ground<'_>, lessor: &Lessor) -> Vec<Granted> {
    let granted = used(ground, 3_600).await;
    ground.release(&granted).await;
    reaped(ground, lessor, async || ground.cluster(NAME).await.word() == "free").await;
    vec![granted]
}

/// Takes a cluster back in the process that may die, while somebody waits for it.
async fn hand_over(ground: &Ground<'_>, lessor: &Lessor, then: Then) -> Vec<Granted> {
    let (first, waiting) = somebody_waits(ground).await;
    ground.release(&first).await;
    reaped(ground, lessor, async || {
        ground.cluster(NAME).await.word() == "granting" || {
            ground.none(&mut waiting.clone()).await;
            false
        }
    })
    .await;
    let mut given = vec![first];
    if then == Then::Again {
        let second = until_granted(ground, &waiting).await;
        ground.works(&second).await;
        ground.release(&second).await;
        given.push(second);
    }
    given
}

/// Asks, and lets the reaper come, over time, until a cluster is given.
async fn until_granted(ground: &Ground<'_>, ask: &LeaseAsk) -> Granted {
    for _ in 0..LOOKS_MAX {
        match ground.acquire(ask).await {
            Acquired::Granted(granted) => return *granted,
            Acquired::None { waits: true, .. } => {}
            other => panic!("{}", word(&other)),
        }
        ground.advance(10).await;
        ground.reap().await;
    }
    panic!("whoever waits gets nothing: {:?}", ground.cluster(NAME).await);
}

/// Reaps in the process that may die, over time, until it is done or dead.
async fn reaped(ground: &Ground<'_>, lessor: &Lessor, is_done: impl AsyncFn() -> bool) {
    for _ in 0..LOOKS_MAX {
        ground.advance(10).await;
        if lessor.unless_dead(ground.reap_by(lessor)).await.is_none() || is_done().await {
            return;
        }
    }
    panic!(
        "a process that lives does not get there: {:?}",
        ground.cluster(NAME).await
    );
}

/// A lease of a minute that is over for whoever made it, and somebody who waits for the cluster.
async fn somebody_waits(ground: &Ground<'_>) -> (Granted, LeaseAsk) {
    let first = ground.granted(&ground.ask("first", seconds(3_600))).await;
    ground.advance(60).await;
    let mut waiting = ground.ask("second", seconds(60));
    waiting.waits = true;
    ground.none(&mut waiting).await;
    (first, waiting)
}

/// A lease in which things were made. Nobody can be making its credential any more.
async fn used(ground: &Ground<'_>, lasting: u64) -> Granted {
    let granted = ground.granted(&ground.ask("ci", seconds(lasting))).await;
    let holder = ground.client(&granted.kubeconfig);
    for (path, name) in [
        ("/api/v1/namespaces", "mine"),
        ("/api/v1/namespaces/mine/configmaps", "inside"),
        ("/api/v1/namespaces/default/configmaps", "beside"),
    ] {
        holder.post(path, &json!({"metadata": {"name": name}})).await;
    }
    ground.advance(60).await;
    granted
}

/// A key that nobody has used.
fn key() -> Binding {
    Binding {
        caller: "ci".to_owned(),
        route: "acquire".to_owned(),
        key: format!("{:032x}", fastrand::u128(..)),
        body_sha256: "body".to_owned(),
    }
}

#[test]
fn what_was_approved_is_forgotten_by_nobody_who_dies_over_it() {
    on_a_large_stack(async || {
        let app = App::start(local::Options::embedded()).await;
        let ground = Ground::start(&app, 1).await;
        let calls = approved(&ground, Fate::Lives).await.calls().len();
        assert!((4..CALLS_MAX).contains(&calls), "{calls}");
        for number in 0..calls {
            approved(&ground, Fate::DiesBefore(number)).await;
        }
        drop(ground);
        app.stop().await;
    });
}

/// A cluster in which a certificate was approved comes back, in a process that may die, and is cleaned once more; an
/// operator takes it as it is at last.
async fn approved(ground: &Ground<'_>, fate: Fate) -> Lessor {
    println!("{fate:?}");
    let granted = used(ground, 3_600).await;
    ground.release(&granted).await;
    let row = ground
        .leasing
        .store()
        .cluster(&granted.cluster.name)
        .await
        .unwrap()
        .unwrap();
    let cluster = Cluster {
        approved: vec!["during".to_owned()],
        ..row.value.clone()
    };
    let due = row.due_at.map(|at| NextDue { at, attempt: 0 });
    let look = ground.look("approved");
    let put = ground.leasing.store().put_cluster(Some(&row), &cluster, due, &look);
    put.await.unwrap();
    let lessor = Lessor::start(ground.app, fate);
    reaped(ground, &lessor, async || {
        ground.cluster(NAME).await.word() == "quarantined"
    })
    .await;
    lessor.has_met_its_fate();
    for _ in 0..2 {
        let kept = ground.until(NAME, "quarantined").await;
        assert_eq!(kept.approved, ["during"]);
        let cleaned = ground
            .leasing
            .clean_again(&kept.name, false, &ground.look("clean"))
            .await;
        assert!(matches!(cleaned, Ok(Cleaned::Begun(_))));
    }
    let kept = ground.until(NAME, "quarantined").await;
    ground
        .leasing
        .clean_again(&kept.name, true, &ground.look("accept"))
        .await
        .unwrap();
    assert_eq!(ground.until(NAME, "free").await.approved, [] as [&str; 0]);
    lessor
}

#[tokio::test]
async fn an_ask_that_waits_is_known_again_by_its_key_alone() {
    App::run(async |app| {
        let ground = Ground::start(app, 2).await;
        let held = [
            ground.granted(&ground.ask("first", seconds(3_600))).await,
            ground.granted(&ground.ask("first", seconds(3_600))).await,
        ];
        let mut ask = ground.ask("ci", seconds(3_600));
        (ask.waits, ask.binding) = (true, Some(key()));
        let tried = || LeaseAsk {
            id: LeaseId::from_bytes(fastrand::u128(..).to_be_bytes()),
            ..ask.clone()
        };
        for _ in 0..3 {
            let none = ground.acquire(&tried()).await;
            assert!(
                matches!(
                    none,
                    Acquired::None {
                        position: 1,
                        waits: true,
                        ..
                    }
                ),
                "{}",
                word(&none)
            );
        }
        ground.advance(60).await;
        assert!(matches!(
            ground.acquire(&tried()).await,
            Acquired::None { waits: true, .. }
        ));
        for granted in &held {
            ground.release(granted).await;
        }
        let given = until_granted(&ground, &ask).await;
        // Its answer was lost: the same key finds it, and does not take the other one too.
        for _ in 0..2 {
            assert_eq!(ground.granted(&tried()).await.token, given.token);
        }
        ground.release(&given).await;
        assert!(matches!(ground.acquire(&tried()).await, Acquired::Over));
        ground.until(given.cluster.name.as_str(), "free").await;
        assert!(matches!(ground.acquire(&tried()).await, Acquired::Over));
    })
    .await;
}
