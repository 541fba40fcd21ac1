//! Label and field selectors (apimachinery's `pkg/labels` and `pkg/fields`).

use serde_json::{Map, Value};

use super::json::{items, members, text};
use super::metadata;
use super::registry::Kind;
use super::status::Refusal;

/// Requirements that an object must meet, all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<FieldRequirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Absent(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

#[derive(Clone, Debug)]
struct FieldRequirement {
    pointer: String,
    value: String,
    equal: bool,
}

impl Selector {
    /// Reads both selectors of a list or watch of `kind`; empty ones select everything.
    pub(super) fn read(kind: &Kind, labels: &str, fields: &str) -> Result<Selector, Refusal> {
        let labels = parts(labels)?.into_iter().map(requirement).collect::<Result<_, _>>()?;
        let fields = fields
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| field(kind, part))
            .collect::<Result<_, _>>()?;
        Ok(Selector { labels, fields })
    }

    /// Reads a `metav1.LabelSelector`. One that cannot be read selects nothing.
    pub(super) fn of_labels(selector: &Value) -> Selector {
        let nothing = Requirement::In(String::new(), Vec::new());
        Selector::of(selector).unwrap_or_else(|| Selector {
            labels: match selector {
                Value::Null => Vec::new(),
                _ => vec![nothing],
            },
            fields: Vec::new(),
        })
    }

    /// Reads a `metav1.LabelSelector`; `None` when there is none, or a wrong one.
    pub(super) fn of(selector: &Value) -> Option<Selector> {
        selector.as_object()?;
        let mut labels = Vec::new();
        for (key, value) in members(selector, "/matchLabels") {
            labels.push(Requirement::In(key.clone(), vec![value.as_str()?.to_owned()]));
        }
        for expression in items(selector, "/matchExpressions") {
            let key = text(expression, "/key").to_owned();
            let values = items(expression, "/values").iter().filter_map(Value::as_str);
            let values: Vec<String> = values.map(str::to_owned).collect();
            labels.push(match (text(expression, "/operator"), values.is_empty()) {
                ("In", false) => Requirement::In(key, values),
                ("NotIn", false) => Requirement::NotIn(key, values),
                ("Exists", true) => Requirement::Exists(key),
                ("DoesNotExist", true) => Requirement::Absent(key),
                _ => return None,
            });
        }
        Some(Selector {
            labels,
            fields: Vec::new(),
        })
    }

    /// Whether the object meets all requirements.
    pub(super) fn selects(&self, object: &Value) -> bool {
        let labels = object["metadata"]["labels"].as_object();
        self.labels.iter().all(|requirement| requirement.holds(labels))
            && self
                .fields
                .iter()
                .all(|field| (text(object, &field.pointer) == field.value) == field.equal)
    }

    /// Whether everything is selected.
    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }
}

impl std::fmt::Display for Selector {
    /// The requirements on labels, as `labelSelector` takes them.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let part = |requirement: &Requirement| match requirement {
            Requirement::Exists(key) => key.clone(),
            Requirement::Absent(key) => format!("!{key}"),
            Requirement::In(key, values) if values.len() == 1 => format!("{key}={}", values[0]),
            Requirement::In(key, values) => format!("{key} in ({})", values.join(",")),
            Requirement::NotIn(key, values) => format!("{key} notin ({})", values.join(",")),
        };
        let parts: Vec<String> = self.labels.iter().map(part).collect();
        formatter.write_str(&parts.join(","))
    }
}

impl Requirement {
    fn holds(&self, labels: Option<&Map<String, Value>>) -> bool {
        let label = |key: &str| labels?.get(key)?.as_str();
        let among =
            |key: &str, values: &[String]| label(key).is_some_and(|value| values.iter().any(|one| one == value));
        match self {
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Absent(key) => label(key).is_none(),
            Requirement::In(key, values) => among(key, values),
            Requirement::NotIn(key, values) => !among(key, values),
        }
    }
}

fn field(kind: &Kind, part: &str) -> Result<FieldRequirement, Refusal> {
    let (name, value, equal) = operator(part)
        .ok_or_else(|| Refusal::bad_request(format!("invalid selector: '{part}'; can't understand '{part}'")))?;
    let known = matches!(name, "metadata.name" | "metadata.namespace") || kind.fields.contains(&name);
    if !known {
        return Err(Refusal::bad_request(match kind.fields.is_empty() {
            true => format!("{name:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""),
            false => format!("field label not supported: {name}"),
        }));
    }
    let place = if name == "source" { "source.component" } else { name };
    Ok(FieldRequirement {
        pointer: format!("/{}", place.replace('.', "/")),
        value: value.to_owned(),
        equal,
    })
}

/// Splits at `!=`, `==` or `=`; true for equality.
fn operator(part: &str) -> Option<(&str, &str, bool)> {
    let at = part.find(['!', '='])?;
    let (key, rest) = part.split_at(at);
    let (value, equal) = match rest {
        rest if rest.starts_with("!=") => (&rest[2..], false),
        rest if rest.starts_with("==") => (&rest[2..], true),
        rest if rest.starts_with('=') => (&rest[1..], true),
        _ => return None,
    };
    Some((key.trim(), value.trim(), equal))
}

/// Splits a label selector at the commas outside parentheses.
fn parts(selector: &str) -> Result<Vec<&str>, Refusal> {
    let mut parts = Vec::new();
    let (mut start, mut inside) = (0, false);
    for (at, letter) in selector.char_indices() {
        match letter {
            '(' if !inside => inside = true,
            ')' if inside => inside = false,
            '(' | ')' => return Err(unreadable(selector)),
            ',' if !inside => {
                parts.push(selector[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = selector[start..].trim();
    if inside || (last.is_empty() && !parts.is_empty()) || parts.contains(&"") {
        return Err(unreadable(selector));
    }
    parts.extend(Some(last).filter(|last| !last.is_empty()));
    Ok(parts)
}

fn requirement(part: &str) -> Result<Requirement, Refusal> {
    if let Some((key, value, equal)) = operator(part).filter(|(key, _, _)| !key.is_empty()) {
        let (key, values) = (checked(key, part)?, vec![checked_value(value, part)?]);
        return Ok(if equal {
            Requirement::In(key, values)
        } else {
            Requirement::NotIn(key, values)
        });
    }
    if let Some(key) = part.strip_prefix('!') {
        return Ok(Requirement::Absent(checked(key.trim(), part)?));
    }
    if let Some((head, set)) = part.split_once('(') {
        let set = set.strip_suffix(')').ok_or_else(|| unreadable(part))?;
        let (key, word) = head
            .trim()
            .split_once(char::is_whitespace)
            .ok_or_else(|| unreadable(part))?;
        let values = set
            .split(',')
            .map(|value| checked_value(value.trim(), part))
            .collect::<Result<_, _>>()?;
        let key = checked(key, part)?;
        return match word.trim() {
            "in" => Ok(Requirement::In(key, values)),
            "notin" => Ok(Requirement::NotIn(key, values)),
            _ => Err(unreadable(part)),
        };
    }
    Ok(Requirement::Exists(checked(part, part)?))
}

fn checked(key: &str, part: &str) -> Result<String, Refusal> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '/');
    if key.is_empty() || !key.chars().all(fits) {
        return Err(unreadable(part));
    }
    let odd = metadata::key_problems(key);
    if odd.is_empty() {
        Ok(key.to_owned())
    } else {
        Err(invalid(key, &odd))
    }
}

fn checked_value(value: &str, part: &str) -> Result<String, Refusal> {
    let odd = metadata::label_value_problems(value);
    match odd.is_empty() {
        true => Ok(value.to_owned()),
        false if value.contains(['/', ' ', '(', ')', '=', '!']) => Err(unreadable(part)),
        false => Err(invalid(value, &odd)),
    }
}

fn invalid(text: &str, problems: &[String]) -> Refusal {
    Refusal::bad_request(format!(
        "unable to parse requirement: <nil>: Invalid value: {text:?}: {}",
        problems.join("; ")
    ))
}

fn unreadable(part: &str) -> Refusal {
    Refusal::bad_request(format!(
        "unable to parse requirement: found {part:?}, which is not a selector"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::registry::{KINDS, PODS};
    use super::*;

    fn selects(labels: &str, fields: &str) -> bool {
        let pod = json!({
            "metadata": {"name": "p", "namespace": "n", "labels": {"app": "web", "tier": "front", "x.io/y": ""}},
            "spec": {"nodeName": "n1"}, "status": {"phase": "Running"},
        });
        Selector::read(&KINDS[PODS], labels, fields).unwrap().selects(&pod)
    }

    #[test]
    fn label_selectors_follow_the_grammar_of_the_real_server() {
        for holds in [
            "",
            "app",
            "app=web",
            "app==web",
            "app!=db",
            "nothing!=db",
            "!nothing",
            "app in (db, web)",
            "x.io/y=",
            "app notin (db),tier",
            "nothing notin (a)",
            "app=web,tier in (front)",
        ] {
            assert!(selects(holds, ""), "{holds}");
        }
        for fails in [
            "nothing",
            "app=db",
            "app!=web",
            "!app",
            "app in (db)",
            "app notin (web, db)",
            "app=web,tier=back",
        ] {
            assert!(!selects(fails, ""), "{fails}");
        }
    }

    #[test]
    fn field_selectors_compare_single_fields() {
        assert!(selects("", "metadata.name=p,status.phase!=Failed"));
        assert!(selects("app=web", "spec.nodeName==n1"));
        assert!(!selects("", "metadata.namespace=other"));
    }

    #[test]
    fn what_is_not_a_selector_is_a_bad_request() {
        for labels in [
            "a in b",
            "a in (b",
            "a)",
            ",a",
            "a,,b",
            "a=b c",
            "a in (b)(c)",
            "=x",
            "a=b/c",
        ] {
            assert!(Selector::read(&KINDS[PODS], labels, "").is_err(), "{labels}");
        }
        for fields in ["spec.hostname=x", "metadata.name", "metadata.name!x"] {
            let refusal = Selector::read(&KINDS[PODS], "", fields).unwrap_err();
            assert_eq!(refusal.body()["code"], 400, "{fields}");
        }
    }
}
