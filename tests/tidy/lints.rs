//! Every crate takes its lints, its package fields and its versions from the workspace.

use crate::workspace::{folder, metadata, read};

/// Fields that no crate sets for itself.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

/// The lines of a manifest's section `[name]`, without comments and empty ones.
fn section<'a>(manifest: &'a str, name: &str) -> Vec<&'a str> {
    let header = format!("[{name}]");
    let after = manifest
        .lines()
        .map(str::trim)
        .skip_while(move |line| *line != header)
        .skip(1);
    let inside = after.take_while(|line| !line.starts_with('['));
    inside
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

#[test]
fn every_crate_inherits_lints_and_package_fields() {
    for package in metadata().packages {
        let manifest = read(folder(&package).join("Cargo.toml"));
        assert_eq!(section(&manifest, "lints"), ["workspace = true"], "{}", package.name);
        let fields = section(&manifest, "package");
        for field in INHERITED {
            let line = format!("{field}.workspace = true");
            assert!(
                fields.contains(&line.as_str()),
                "{} does not say `{line}`",
                package.name
            );
        }
    }
}

#[test]
fn versions_stand_in_the_workspace_table_alone() {
    for package in metadata().packages {
        let manifest = read(folder(&package).join("Cargo.toml"));
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for line in section(&manifest, kind) {
                let is_inherited = line.ends_with(".workspace = true") || line.contains("{ workspace = true");
                assert!(is_inherited, "{}: `{line}` has a version of its own", package.name);
            }
        }
        assert!(
            !manifest.contains("dependencies."),
            "{}: dependencies stand one on a line",
            package.name
        );
    }
}
