//! One thin binary an endpoint.

use std::collections::BTreeSet;

use api::ENDPOINTS;
use cargo_metadata::{Metadata, Package, TargetKind};

use crate::workspace::{folder, metadata, read};

/// Lines that a thin binary may have.
const LINES_MAX: usize = 12;

/// The packages that a build at the root builds.
fn rooms(metadata: &Metadata) -> impl Iterator<Item = &Package> {
    let default = metadata.workspace_default_members.iter();
    default.filter_map(|id| metadata.packages.iter().find(|package| package.id == *id))
}

fn binaries(package: &Package) -> impl Iterator<Item = &cargo_metadata::Target> {
    package
        .targets
        .iter()
        .filter(|target| target.kind.contains(&TargetKind::Bin))
}

#[test]
fn a_build_at_the_root_makes_one_binary_for_each_endpoint() {
    let metadata = metadata();
    let mut names: Vec<&str> = rooms(&metadata)
        .flat_map(binaries)
        .map(|target| target.name.as_str())
        .collect();
    names.sort_unstable();
    let wanted: BTreeSet<&str> = ENDPOINTS.iter().map(|endpoint| endpoint.id).collect();
    assert_eq!(names, Vec::from_iter(wanted));
}

#[test]
fn binaries_are_thin_and_have_no_tests_benches_or_documents() {
    let metadata = metadata();
    for package in rooms(&metadata) {
        let manifest = read(folder(package).join("Cargo.toml"));
        let sections: Vec<&str> = manifest.split("[[bin]]").skip(1).collect();
        for target in binaries(package) {
            let name = &target.name;
            let section = sections
                .iter()
                .find(|section| section.contains(&format!("name = \"{name}\"")))
                .unwrap_or_else(|| panic!("{}: no [[bin]] names {name}", package.name));
            for line in ["test = false", "bench = false", "doc = false"] {
                assert!(section.contains(line), "{name} does not say `{line}`");
            }
            let lines = read(&target.src_path).lines().count();
            assert!(
                lines <= LINES_MAX,
                "{} has {lines} lines: the room's library is the place for more",
                target.src_path
            );
        }
    }
}
