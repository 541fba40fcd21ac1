//! What is generated from the endpoint descriptors: the template's functions, the clusters' permissions, the
//! permission matrix and the router of `cargo lambda watch`. Each is a section between two markers in a file.

mod functions;
mod matrix;
mod rbac;
mod router;

use std::fs;

use api::{Endpoint, Index, TableAction, TableNeed};

use crate::workspace::{read, root};

/// What rewrites the sections instead of comparing them.
const HOW: &str = "UPDATE=1 cargo test -p tests --test tidy";
/// The row that no installation has, which `store` reads to open its connection and to tell whether it answers.
const WARM: TableNeed = TableNeed {
    prefix: "WARM",
    actions: &[TableAction::GetItem],
};

/// A generated section of a file.
struct Section {
    file: &'static str,
    /// What stands between `BEGIN generated` and the end of the marker's line.
    name: &'static str,
    indent: usize,
    comment: Comment,
}

#[derive(Clone, Copy)]
enum Comment {
    Hash,
    Markup,
}

impl Section {
    fn marker(&self, word: &str) -> String {
        let (indent, name) = (" ".repeat(self.indent), self.name);
        match self.comment {
            Comment::Hash => format!("{indent}# {word} generated {name}\n"),
            Comment::Markup => format!("{indent}<!-- {word} generated {name} -->\n"),
        }
    }

    /// Compares the section with what it should be, or rewrites it.
    fn hold(&self, wanted: &str) {
        let text = read(self.file);
        let (begin, end) = (self.marker("BEGIN"), self.marker("END"));
        let (before, rest) = text
            .split_once(&begin)
            .unwrap_or_else(|| panic!("{} has no line '{}'", self.file, begin.trim()));
        let (found, after) = rest
            .split_once(&end)
            .unwrap_or_else(|| panic!("{} has no line '{}'", self.file, end.trim()));
        if found == wanted {
            return;
        }
        assert!(
            is_updating(),
            "{}, section '{}', is not what the descriptors say: run `{HOW}`",
            self.file,
            self.name
        );
        let whole = format!("{before}{begin}{wanted}{end}{after}");
        fs::write(root().join(self.file), whole).expect("the file can be written");
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "whether to rewrite is asked of the person who runs the tests"
)]
fn is_updating() -> bool {
    std::env::var_os("UPDATE").is_some_and(|value| value == "1")
}

/// The need for rows of the table, with the one that `store` itself has.
fn table_needs(endpoint: &Endpoint) -> Vec<TableNeed> {
    let warm = (!endpoint.needs.table.is_empty()).then_some(WARM);
    endpoint.needs.table.iter().copied().chain(warm).collect()
}

/// Partition keys, as IAM patterns, of the rows with a prefix. Prefixes end in `#`, except where a row is meant.
fn pattern(prefix: &str) -> String {
    if prefix.ends_with('#') {
        format!("{prefix}*")
    } else {
        prefix.to_owned()
    }
}

/// Partition keys of an index, as IAM patterns: the parts of it in which rows stand that the endpoint may read.
fn index_patterns(endpoint: &Endpoint, index: Index) -> Vec<&'static str> {
    // What an index proposes is read by key; to look one row up takes no list of them.
    let lists = |prefix: &str| {
        let mut own = endpoint.needs.table.iter().filter(|need| need.prefix == prefix);
        own.any(|need| need.actions.contains(&TableAction::BatchGetItem))
    };
    match index {
        Index::Due => vec!["DUE#*"],
        Index::Day => vec!["APP#*"],
        Index::Pick => vec!["SPARE#*"],
        Index::Free => vec!["FREE#*"],
        Index::List => [
            ("APP#", "APP#*"),
            ("APP#", "SPARE#*"),
            ("ENV#", "ENVALL"),
            ("ENV#", "ENV#*"),
            ("TPL#", "TPL"),
            ("TPL#", "POOL"),
            ("KEY#", "KEY"),
            ("CLUSTER#", "CLUSTER"),
            ("CPOOL#", "CPOOL"),
        ]
        .into_iter()
        .filter(|(prefix, _)| lists(prefix))
        .map(|(_, pattern)| pattern)
        .collect(),
    }
}

/// `application-launch` as `ApplicationLaunch`.
fn pascal_case(id: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    id.split('-').map(word).collect()
}

#[test]
fn the_template_has_one_function_for_each_endpoint_and_names_the_roles_that_clusters_must_know() {
    let section = |name| Section {
        file: "infra/template.yaml",
        name,
        indent: 2,
        comment: Comment::Hash,
    };
    section("functions").hold(&functions::resources());
    section("outputs").hold(&functions::outputs());
}

#[test]
fn clusters_allow_each_function_what_it_needs() {
    let section = Section {
        file: "infra/cluster/rbac.yaml",
        name: "roles",
        indent: 0,
        comment: Comment::Hash,
    };
    section.hold(&rbac::manifests());
}

#[test]
fn the_permission_matrix_is_what_the_descriptors_say() {
    let section = Section {
        file: "infra/README.md",
        name: "permissions",
        indent: 0,
        comment: Comment::Markup,
    };
    section.hold(&matrix::table());
}

#[test]
fn cargo_lambda_routes_as_the_gateway_does() {
    let section = Section {
        file: "Cargo.toml",
        name: "router",
        indent: 0,
        comment: Comment::Hash,
    };
    section.hold(&router::table());
}
