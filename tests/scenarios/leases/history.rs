//! Many who lease clusters at once, and what they were told.

use std::path::Path;

use tests::leases::{self, Settings};

/// The same with other numbers: `cargo run -p tests --bin leases -- --operations 20000 --seed 7`.
#[test]
fn many_who_lease_clusters_at_once_are_told_nothing_that_is_not_so() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let findings = leases::play(Settings {
        operations: 2_000,
        seed: 1,
        clusters: 4,
        once: 1,
        clients: 12,
        save: Some(folder.join("leases.jsonl")),
        save_wrong: folder.join("leases.jsonl"),
    });
    let findings = findings.unwrap_or_else(|error| panic!("{error}"));
    println!("{findings}");
    assert!(
        findings.verdict.wrong.is_empty(),
        "{:#?}, saved in {:?}",
        findings.verdict.wrong,
        findings.saved
    );
    let judged = &findings.verdict.judged;
    for what in ["leases", "verified", "refused", "leases that followed others"] {
        assert!(
            judged.get(what).is_some_and(|number| *number > 0),
            "no {what}: {judged:?}"
        );
    }
    let saved = leases::judge_saved(&folder.join("leases.jsonl")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(saved.judged, *judged, "what is saved is not what was judged");
}
