//! Thousands of applications at once, and everything that can go wrong around them.

use tests::flood::{self, Settings};

/// The same with other numbers: `cargo run -p tests --bin flood -- --applications 500 --seed 7`.
const SETTINGS: Settings = Settings {
    applications: 2_000,
    seed: 1,
};

#[test]
fn a_flood_culls_nobody_in_use_and_leaves_nothing_behind() {
    let findings = flood::play(SETTINGS).unwrap_or_else(|error| panic!("{error}"));
    println!("{findings}");
    assert!(findings.wrong.is_empty(), "{:#?}", findings.wrong);
}
