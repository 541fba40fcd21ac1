//! The permission matrix: function by table rows, indexes, cluster and secrets.

use std::fmt::Write;

use api::{ENDPOINTS, Endpoint};

use super::{index_patterns, pattern, table_needs};

/// What stands in a cell with nothing to say.
const NOTHING: &str = "–";

/// The matrix in Markdown.
pub fn table() -> String {
    let mut text =
        "| function | called by | table rows: actions | indexes: partitions | home cluster: verbs | secrets |\n\
                    |---|---|---|---|---|---|\n"
            .to_owned();
    for endpoint in ENDPOINTS {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {} |",
            endpoint.id,
            callers(endpoint),
            rows(endpoint),
            indexes(endpoint),
            cluster(endpoint),
            secrets(endpoint)
        );
    }
    text
}

fn joined(parts: Vec<String>) -> String {
    if parts.is_empty() {
        NOTHING.to_owned()
    } else {
        parts.join("<br>")
    }
}

fn callers(endpoint: &Endpoint) -> String {
    let routes: Vec<String> = endpoint.route_keys().iter().map(|route| format!("`{route}`")).collect();
    if routes.is_empty() {
        "the schedule".to_owned()
    } else {
        joined(routes)
    }
}

fn rows(endpoint: &Endpoint) -> String {
    let row = |need: api::TableNeed| {
        let actions: Vec<&str> = need.actions.iter().map(|action| action.as_str()).collect();
        format!("`{}`: {}", pattern(need.prefix), actions.join(", "))
    };
    joined(table_needs(endpoint).into_iter().map(row).collect())
}

fn indexes(endpoint: &Endpoint) -> String {
    let index = |index: &api::Index| {
        let partitions: Vec<String> = index_patterns(endpoint, *index)
            .iter()
            .map(|pattern| format!("`{pattern}`"))
            .collect();
        format!("`{}`: {}", index.as_str(), partitions.join(", "))
    };
    joined(endpoint.needs.indexes.iter().map(index).collect())
}

fn cluster(endpoint: &Endpoint) -> String {
    let need = |need: &api::ClusterNeed| format!("{}: {}", need.resource, need.verbs.join(", "));
    joined(endpoint.needs.cluster.iter().map(need).collect())
}

fn secrets(endpoint: &Endpoint) -> String {
    joined(
        endpoint
            .needs
            .secrets
            .iter()
            .map(|secret| secret.as_str().to_owned())
            .collect(),
    )
}
