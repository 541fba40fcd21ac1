//! Who may know whom among the crates of the workspace. Dependencies of tests are not judged.

use cargo_metadata::{DependencyKind, Package};

use crate::workspace::metadata;

/// Each crate with the crates of the workspace that it may know.
const MAY_KNOW: [(&str, &[&str]); 20] = [
    ("domain", &[]),
    ("net", &[]),
    ("embedded", &[]),
    ("api", &["domain"]),
    ("vault", &["domain"]),
    ("store", &["domain", "net"]),
    ("cluster-client", &["domain", "net"]),
    ("routes", &["domain", "net"]),
    (
        "lifecycle",
        &["cluster-client", "domain", "net", "routes", "store", "vault"],
    ),
    (
        "gateway",
        &[
            "api",
            "cluster-client",
            "domain",
            "lifecycle",
            "net",
            "routes",
            "store",
            "vault",
        ],
    ),
    ("access", ROOM),
    ("applications", ROOM),
    ("environments", ROOM),
    ("leases", ROOM),
    ("reaper", ROOM),
    ("site", ROOM),
    (
        "fallback",
        &[
            "access",
            "api",
            "applications",
            "cluster-client",
            "domain",
            "environments",
            "gateway",
            "leases",
            "lifecycle",
            "site",
            "store",
        ],
    ),
    ("local", LOCAL),
    ("real", &[]),
    ("contract", &["real"]),
];
const ROOM: &[&str] = &["api", "cluster-client", "domain", "gateway", "lifecycle", "store"];
const LOCAL: &[&str] = &[
    "access",
    "api",
    "applications",
    "cluster-client",
    "domain",
    "embedded",
    "environments",
    "fallback",
    "gateway",
    "leases",
    "lifecycle",
    "net",
    "reaper",
    "site",
    "store",
];
/// What may know everybody, and nobody may know.
const TESTS: &str = "tests";
/// What `domain` is made of. It decides: whatever waits, listens or asks has no place in it.
const DOMAIN_IS_MADE_OF: [&str; 5] = ["jiff", "regex", "serde", "serde_json", "thiserror"];
/// Crates that say what things are and do nothing.
const VALUES: [&str; 3] = ["api", "domain", "vault"];
/// What does things.
const DOERS: [&str; 9] = [
    "axum",
    "http",
    "hyper",
    "hyper-util",
    "k8s-openapi",
    "kube",
    "lambda_http",
    "tokio",
    "tower",
];

/// Names of what a package depends on outside its tests.
fn dependencies(package: &Package) -> impl Iterator<Item = &str> {
    let normal = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind == DependencyKind::Normal);
    normal.map(|dependency| dependency.name.as_str())
}

#[test]
fn crates_know_only_whom_they_may_know() {
    let packages = metadata().packages;
    let is_ours = |name: &str| packages.iter().any(|package| package.name.as_str() == name);
    let mut strangers = Vec::new();
    for package in packages.iter().filter(|package| package.name.as_str() != TESTS) {
        let name = package.name.as_str();
        let Some((_, allowed)) = MAY_KNOW.iter().find(|(own, _)| *own == name) else {
            strangers.push(format!("{name} is not listed: say whom it may know"));
            continue;
        };
        let wrong = dependencies(package).filter(|other| is_ours(other) && !allowed.contains(other));
        strangers.extend(wrong.map(|other| format!("{name} knows {other}")));
    }
    assert!(strangers.is_empty(), "{}", strangers.join("\n"));
    for (name, _) in MAY_KNOW {
        assert!(is_ours(name), "{name} is listed and does not exist");
    }
}

#[test]
fn what_decides_depends_on_nothing_that_does() {
    let packages = metadata().packages;
    let package = |name: &str| {
        packages
            .iter()
            .find(|package| package.name.as_str() == name)
            .expect("a crate of ours")
    };
    let found: Vec<&str> = dependencies(package("domain"))
        .filter(|name| !DOMAIN_IS_MADE_OF.contains(name))
        .collect();
    assert!(found.is_empty(), "domain depends on {found:?}");
    for name in VALUES {
        let found: Vec<&str> = dependencies(package(name))
            .filter(|name| DOERS.contains(name) || name.starts_with("aws-"))
            .collect();
        assert!(found.is_empty(), "{name} depends on {found:?}");
    }
}
