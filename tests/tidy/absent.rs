//! What no build may contain.

use std::process::Command;

use crate::workspace::{read, root};

/// Never in a Lambda: a second TLS library, a C library, a second time crate, an unkept parser, the embedded parts.
const NEVER_SHIPPED: [&str; 8] = [
    "aws-lc-rs",
    "aws-lc-sys",
    "native-tls",
    "openssl-sys",
    "chrono",
    "serde_yaml",
    "dynoxide-rs",
    "embedded",
];
/// Never anywhere: beside `ring` it makes rustls unable to choose, and it is slow to start.
const NEVER_BUILT: [&str; 2] = ["aws-lc-rs", "aws-lc-sys"];
/// What Lambda runs.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Names of the packages that the functions are built from, features resolved as for a build at the root.
fn shipped() -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args([
            "tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--target", TARGET,
        ])
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    text.lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn functions_are_built_without_what_is_slow_to_start_or_not_kept() {
    let shipped = shipped();
    for room in ["applications", "fallback", "reaper", "site"] {
        assert!(
            shipped.iter().any(|name| name == room),
            "{room} is not built at the root"
        );
    }
    let found: Vec<&str> = NEVER_SHIPPED
        .into_iter()
        .filter(|banned| shipped.iter().any(|name| name == banned))
        .collect();
    assert!(
        found.is_empty(),
        "in a function: {found:?}; `cargo tree -i NAME` says why"
    );
}

#[test]
fn nothing_at_all_is_built_with_aws_lc() {
    let lock = read("Cargo.lock");
    assert!(lock.contains("name = \"ring\""), "the lock file is not the one meant");
    for banned in NEVER_BUILT {
        assert!(
            !lock.contains(&format!("name = \"{banned}\"")),
            "{banned} is in Cargo.lock"
        );
    }
}
