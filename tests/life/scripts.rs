//! The scenario scripts, played by waiting.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tests::on_a_large_stack;
use tests::scenario::{Scale, Script, Stage};

use crate::ground::installation;

/// Scripts that are played at the same time: they mostly wait.
const TOGETHER: usize = 12;

/// By what each script's durations are divided: by less, the closer two limits of it are, so that there are ten seconds
/// between them on a busy machine too. Two minutes that let a run refill or empty a pool again stay longer than its 30 s.
const PLAYED: [(&str, u32); 23] = [
    ("age-ends-a-launch", 5),
    ("age-ends-what-is-used", 40),
    ("evicted-while-launching", 1),
    ("idle-is-culled", 90),
    ("namespace-deleted-while-launching", 1),
    ("needs-root", 1),
    ("nobody-looks", 90),
    ("only-the-proxy-sees-use", 25),
    ("outage-while-launching", 1),
    ("own-limit-at-launch", 30),
    ("pool-counts-from-the-launch", 45),
    ("pool-follows-its-template", 40),
    ("pool-hands-out", 30),
    ("pool-of-a-deleted-template", 3),
    ("promises-in-an-outage", 120),
    ("quota-of-a-template", 3),
    ("requests-keep", 90),
    ("slow-start", 1),
    ("stopped-by-key", 1),
    ("stopped-by-token", 1),
    ("stopped-while-launching", 1),
    ("template-deleted", 90),
    ("websockets-keep", 90),
];

/// What is not played by waiting, and why.
const LEFT_OUT: [(&str, &str); 12] = [
    ("a-week-late", LAUNCH),
    ("crash-loop", LAUNCH),
    ("failures-leave-nothing", LAUNCH),
    ("image-that-cannot-be-pulled", LAUNCH),
    ("lost-while-running", "a pass of the sweep takes 16 min"),
    ("never-ready", LAUNCH),
    ("outage-past-the-deadline", LAUNCH),
    ("pool-that-keeps-failing", "a pool pauses up to 15 min after failures"),
    (
        "proxy-restarted",
        "what a proxy calls a use is none for 30 s after its restart, which nothing divides",
    ),
    (
        "restarted-with-data",
        "it is about the embedded cluster, which ends with its process",
    ),
    ("template-changed", LAUNCH),
    ("unschedulable", LAUNCH),
];
const LAUNCH: &str = "it rests on the 5 min that a launch may take";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/scripts")
}

#[test]
fn every_script_is_played_or_left_out_for_a_reason() {
    let files = std::fs::read_dir(folder()).unwrap();
    let names = files.map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned());
    let played = PLAYED.iter().map(|(name, _)| (*name).to_owned());
    let left_out = LEFT_OUT.iter().map(|(name, _)| (*name).to_owned());
    let known: Vec<String> = played.chain(left_out).collect();
    assert_eq!(
        known.iter().collect::<BTreeSet<_>>().len(),
        known.len(),
        "a script is listed twice"
    );
    assert_eq!(names.collect::<BTreeSet<_>>(), known.into_iter().collect());
}

#[test]
fn scripts_hold_by_waiting() {
    let (scripts, failed) = (Mutex::new(PLAYED.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(|| {
                while let Some((name, by)) = next(&scripts) {
                    let played = || on_a_large_stack(|| play(name, Scale::Waited(*by)));
                    if std::panic::catch_unwind(played).is_err() {
                        failed.lock().unwrap().push(*name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "these did not hold: {failed:?}");
}

fn next<T>(items: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    items.lock().unwrap().next()
}

async fn play(name: &str, scale: Scale) {
    let text = std::fs::read_to_string(folder().join(format!("{name}.txt"))).unwrap();
    let script = Script::parse(&text).unwrap();
    let (app, _proxy) = installation(name).await;
    let mut stage = Stage::within(app, scale);
    for line in script.lines() {
        println!("{name} {}: {}", line.number, line.text);
        stage = stage.play(line).await;
    }
    stage.end().await;
    println!("{name} holds");
}
