//! Nothing lies about: no source that no build reads, no stray file at the top, no unfinished work.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::workspace::{files, has_extension, metadata, read, root};

/// What the top level may hold. What git ignores is not judged.
const TOP: [&str; 16] = [
    "LICENSE",
    ".ci",
    ".clippy.toml",
    ".git",
    ".gitignore",
    ".rustfmt.toml",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "functions",
    "infra",
    "samconfig.toml",
    "shared",
    "tests",
];
/// Files whose text is the project's own. Pictures and the like are not searched.
const TEXT: [&str; 9] = ["css", "html", "json", "md", "mjs", "rs", "sh", "toml", "yaml"];

/// The modules that `file` declares in files of their own, as the places where each may be.
fn declared(file: &Path, is_root: bool) -> Vec<[PathBuf; 2]> {
    let folder = file.parent().expect("a file lies in a folder");
    let stem = file.file_stem().expect("a file has a name");
    let below = if is_root || stem == "mod" {
        folder.to_owned()
    } else {
        folder.join(stem)
    };
    let text = read(file);
    let mut lines = text.lines().map(str::trim).peekable();
    let mut modules = Vec::new();
    while let Some(line) = lines.next() {
        let given = line
            .strip_prefix("#[path = \"")
            .and_then(|rest| rest.strip_suffix("\"]"));
        let line = if given.is_some() {
            lines.next().unwrap_or_default()
        } else {
            line
        };
        let Some((visibility, name)) = line.strip_suffix(';').and_then(|rest| rest.rsplit_once("mod ")) else {
            continue;
        };
        if !(visibility.is_empty() || visibility.starts_with("pub")) {
            continue;
        }
        modules.push(match given {
            Some(path) => [folder.join(path), folder.join(path)],
            None => [below.join(format!("{name}.rs")), below.join(name).join("mod.rs")],
        });
    }
    modules
}

/// Every source file that some target is built from.
fn built() -> BTreeSet<PathBuf> {
    let root = root().canonicalize().expect("the repository's folder exists");
    let metadata = metadata();
    let targets = metadata.packages.iter().flat_map(|package| &package.targets);
    let from_root = |path: &Path| {
        path.strip_prefix(&root)
            .expect("targets lie in the repository")
            .to_owned()
    };
    let mut open: Vec<(PathBuf, bool)> = targets
        .map(|target| (from_root(target.src_path.as_std_path()), true))
        .collect();
    let mut seen = BTreeSet::new();
    while let Some((file, is_root)) = open.pop() {
        if seen.insert(file.clone()) {
            let existing = declared(&file, is_root)
                .into_iter()
                .flatten()
                .filter(|place| root.join(place).is_file());
            open.extend(existing.map(|place| (place, false)));
        }
    }
    seen
}

#[test]
fn every_source_file_is_part_of_some_build() {
    let built = built();
    let dead: Vec<PathBuf> = files(|path| has_extension(path, "rs"))
        .into_iter()
        .filter(|path| !built.contains(path))
        .collect();
    assert!(dead.is_empty(), "no build reads {dead:?}");
    assert!(
        built.contains(Path::new("tests/tidy/files.rs")),
        "this file itself was not found"
    );
}

#[test]
fn the_top_level_holds_what_it_should_and_nothing_else() {
    let ignored = read(".gitignore");
    let is_ignored = |name: &str| ignored.lines().any(|line| line.trim_matches('/') == name);
    let entries = std::fs::read_dir(root()).expect("the repository's folder can be read");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let stray: Vec<String> = names
        .filter(|name| !TOP.contains(&name.as_str()) && !is_ignored(name))
        .collect();
    assert!(stray.is_empty(), "not wanted at the top level: {stray:?}");
}

#[test]
fn nothing_is_left_to_do_and_no_test_is_skipped() {
    // Put together, so that this file does not find itself.
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["#[ign", "ore"].concat()];
    let mut found = Vec::new();
    for path in files(|path| TEXT.iter().any(|extension| has_extension(path, extension))) {
        let text = read(&path);
        let lines = text.lines().zip(1..);
        let marked = lines.filter(|(line, _)| marks.iter().any(|mark| line.contains(mark)));
        found.extend(marked.map(|(line, number)| format!("{}:{number}: {}", path.display(), line.trim())));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
