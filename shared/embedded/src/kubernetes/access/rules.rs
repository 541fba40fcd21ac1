//! Rules of roles: what one allows, and whether some cover another.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::json::items;
use super::attributes::Attributes;

/// Whether a rule allows what is asked for.
pub(super) fn allows(rule: &Value, attributes: &Attributes) -> bool {
    match attributes {
        Attributes::Path { verb, path } => {
            has(rule, "verbs", verb) && strings(rule, "nonResourceURLs").any(|allowed| path_matches(allowed, path))
        }
        Attributes::Resource(asked) => {
            has(rule, "verbs", &asked.verb)
                && has(rule, "apiGroups", &asked.group)
                && resource_matches(rule, &asked.resource, &asked.subresource)
                && (strings(rule, "resourceNames").next().is_none()
                    || strings(rule, "resourceNames").any(|name| name == asked.name))
        }
    }
}

/// The smallest piece of a rule: one verb on one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Resource {
        group: String,
        /// With its subresource.
        resource: String,
        /// `None` for every name.
        name: Option<String>,
        verb: String,
    },
    Path {
        path: String,
        verb: String,
    },
}

/// The pieces that rules consist of.
pub(super) fn pieces(rules: &[Value]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for rule in rules {
        let names: Vec<Option<&str>> = match items(rule, "/resourceNames").is_empty() {
            true => vec![None],
            false => strings(rule, "resourceNames").map(Some).collect(),
        };
        for group in strings(rule, "apiGroups") {
            for resource in strings(rule, "resources") {
                for verb in strings(rule, "verbs") {
                    pieces.extend(names.iter().map(|name| Piece::Resource {
                        group: group.to_owned(),
                        resource: resource.to_owned(),
                        name: name.map(str::to_owned),
                        verb: verb.to_owned(),
                    }));
                }
            }
        }
        for path in strings(rule, "nonResourceURLs") {
            pieces.extend(strings(rule, "verbs").map(|verb| Piece::Path {
                path: path.to_owned(),
                verb: verb.to_owned(),
            }));
        }
    }
    pieces
}

impl Piece {
    /// Whether a rule gives all of this piece.
    pub(super) fn is_covered_by(&self, rule: &Value) -> bool {
        match self {
            Piece::Path { path, verb } => {
                has(rule, "verbs", verb) && strings(rule, "nonResourceURLs").any(|held| path_matches(held, path))
            }
            Piece::Resource {
                group,
                resource,
                name,
                verb,
            } => {
                let part = resource.split_once('/').map_or("", |(_, part)| part);
                let mut names = strings(rule, "resourceNames").peekable();
                has(rule, "verbs", verb)
                    && has(rule, "apiGroups", group)
                    && strings(rule, "resources")
                        .any(|held| held == "*" || held == resource || (!part.is_empty() && is_part(held, part)))
                    && (names.peek().is_none() || names.any(|held| Some(held) == name.as_deref()))
            }
        }
    }

    /// Whether another piece is about the same resource.
    fn is_beside(&self, other: &Piece) -> bool {
        match (self, other) {
            (
                Piece::Resource {
                    group, resource, name, ..
                },
                Piece::Resource {
                    group: other_group,
                    resource: other_resource,
                    name: other_name,
                    ..
                },
            ) => (group, resource, name) == (other_group, other_resource, other_name),
            _ => false,
        }
    }
}

/// Pieces as refusals list them: the verbs of one resource together, in the order of the sentences.
pub(super) fn describe(pieces: &[Piece]) -> Vec<String> {
    let mut groups: Vec<Vec<&Piece>> = Vec::new();
    for piece in pieces {
        match groups.iter_mut().find(|group| piece.is_beside(group[0])) {
            Some(group) => group.push(piece),
            None => groups.push(vec![piece]),
        }
    }
    let sentences: BTreeSet<String> = groups
        .iter()
        .map(|group| {
            let verbs: Vec<String> = group
                .iter()
                .map(|piece| match piece {
                    Piece::Resource { verb, .. } | Piece::Path { verb, .. } => format!("{verb:?}"),
                })
                .collect();
            let verbs = verbs.join(" ");
            match group[0] {
                Piece::Path { path, .. } => format!("{{NonResourceURLs:[{path:?}], Verbs:[{verbs}]}}"),
                Piece::Resource {
                    group, resource, name, ..
                } => {
                    let name = name
                        .as_ref()
                        .map(|name| format!("ResourceNames:[{name:?}], "))
                        .unwrap_or_default();
                    format!("{{APIGroups:[{group:?}], Resources:[{resource:?}], {name}Verbs:[{verbs}]}}")
                }
            }
        })
        .collect();
    sentences.into_iter().collect()
}

fn strings<'a>(rule: &'a Value, field: &str) -> impl Iterator<Item = &'a str> {
    rule[field].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Whether a list of a rule has this value, or a star for all of them.
fn has(rule: &Value, field: &str, value: &str) -> bool {
    strings(rule, field).any(|one| one == "*" || one == value)
}

fn resource_matches(rule: &Value, resource: &str, subresource: &str) -> bool {
    strings(rule, "resources").any(|allowed| match subresource {
        _ if allowed == "*" => true,
        "" => allowed == resource,
        part => allowed.split_once('/') == Some((resource, part)) || is_part(allowed, part),
    })
}

/// Whether this is `*/part`: that subresource of every resource.
fn is_part(allowed: &str, part: &str) -> bool {
    allowed.strip_prefix("*/") == Some(part)
}

fn path_matches(allowed: &str, path: &str) -> bool {
    allowed == path || (allowed.ends_with('*') && path.starts_with(allowed.trim_end_matches('*')))
}
