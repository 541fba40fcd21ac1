//! The repository as data, for the other modules.

use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, MetadataCommand, Package};

/// Entries of the top level that hold no source of the project.
const NOT_SOURCE: [&str; 2] = [".git", "target"];
/// Files that one walk may meet, so that a loop of links ends.
const FILES_MAX: usize = 20_000;

/// The repository's folder.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests/ lies in the repository").to_owned()
}

/// The text of a file, by its path from the repository's folder.
pub fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file of the repository for which `wanted` holds, by its path from the repository's folder, in order.
pub fn files(wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let (root, mut folders, mut found) = (root(), vec![PathBuf::new()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).expect("a folder just seen can be read") {
            let entry = entry.expect("an entry of a readable folder");
            let path = folder.join(entry.file_name());
            let kind = entry.file_type().expect("the kind of an entry");
            if kind.is_dir() && !NOT_SOURCE.iter().any(|skipped| path == Path::new(skipped)) {
                folders.push(path);
            } else if kind.is_file() && wanted(&path) {
                found.push(path);
            }
            assert!(
                found.len() + folders.len() < FILES_MAX,
                "too many files below {}",
                root.display()
            );
        }
    }
    found.sort();
    found
}

/// Whether a file has this extension.
pub fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|own| own == extension)
}

/// The workspace's packages, without what they depend on in turn.
pub fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo describes the workspace")
}

/// A package's folder, from the repository's.
pub fn folder(package: &Package) -> PathBuf {
    let manifest = package.manifest_path.as_std_path();
    let folder = manifest.parent().expect("a manifest lies in a folder");
    folder
        .strip_prefix(root().canonicalize().expect("the repository's folder exists"))
        .or_else(|_| folder.strip_prefix(root()))
        .expect("a member lies in the repository")
        .to_owned()
}
