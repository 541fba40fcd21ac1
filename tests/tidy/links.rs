//! Relative links in documents lead somewhere, and so do their anchors.

use std::path::{Component, Path, PathBuf};

use crate::workspace::{files, has_extension, read, root};

/// The lines of a document outside fenced code, with inline code blanked out.
fn prose(text: &str) -> Vec<String> {
    let mut is_code = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            let parts = line.split('`').enumerate();
            lines.push(
                parts
                    .map(|(number, part)| if number % 2 == 0 { part } else { "x" })
                    .collect(),
            );
        }
    }
    lines
}

/// The targets of `[text](target)` and `[text]: target`.
fn targets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        let inline = line
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', ' ']).next());
        found.extend(inline.map(str::to_owned));
        if let Some((_, target)) = line.split_once("]: ").filter(|(label, _)| label.starts_with('[')) {
            found.push(target.trim().to_owned());
        }
    }
    found
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let mut is_code = false;
    let mut found: Vec<String> = Vec::new();
    for line in text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        let heading = line.trim_start_matches('#');
        if is_code || heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let kept = heading
            .trim()
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor: String = kept
            .flat_map(char::to_lowercase)
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let same = found.iter().filter(|own| **own == anchor).count();
        found.push(if same == 0 { anchor } else { format!("{anchor}-{same}") });
    }
    found
}

/// `path` without `.` and `..`; nothing where it leads out of the repository.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut whole = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => whole.push(name),
            Component::ParentDir if !whole.pop() => return None,
            Component::ParentDir | Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(whole)
}

/// What is wrong with a link of `document`, if anything is.
fn fault(document: &Path, target: &str) -> Option<String> {
    let is_elsewhere = target.contains("://") || target.starts_with("mailto:");
    if is_elsewhere {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let place = if path.is_empty() {
        Some(document.to_owned())
    } else {
        normal(&document.parent().unwrap_or(Path::new("")).join(path))
    };
    let Some(place) = place.filter(|place| root().join(place).exists()) else {
        return Some(format!("{}: no {target}", document.display()));
    };
    let has_anchor =
        anchor.is_empty() || !has_extension(&place, "md") || anchors(&read(&place)).iter().any(|own| own == anchor);
    (!has_anchor).then(|| format!("{}: no heading for {target}", document.display()))
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut faults = Vec::new();
    for document in files(|path| has_extension(path, "md")) {
        faults.extend(
            targets(&read(&document))
                .iter()
                .filter_map(|target| fault(&document, target)),
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_broken_link_is_found_and_code_is_not_read_as_one() {
    let document = Path::new("infra/README.md");
    assert!(fault(document, "../Cargo.toml").is_none() && fault(document, "https://example.org/x").is_none());
    assert!(fault(document, "absent.md").is_some() && fault(document, "../../Cargo.toml").is_some());
    assert!(fault(document, "#no-such-heading").is_some());
    assert_eq!(
        targets("see [a](b.md#c) and `[d](e)`\n```\n[f](g)\n```\n[h]: i.md"),
        ["b.md#c", "i.md"]
    );
    assert_eq!(
        anchors("# A b\n## The `x`, twice\n# A b\n```\n# no\n```"),
        ["a-b", "the-x-twice", "a-b-1"]
    );
}
