//! Rules for names, labels and the rest of an object's metadata, in the words of the real server (apimachinery's
//! `pkg/api/validation` and `pkg/util/validation`).

use serde_json::Value;

use super::json::{items, members, text};
use super::registry::{Kind, Names};
use super::status::Cause;

pub(super) const SUBDOMAIN_MAX: usize = 253;
const LABEL_MAX: usize = 63;
/// All annotations of an object together, in bytes.
const ANNOTATIONS_MAX: usize = 256 << 10;
/// Finalizers without a domain of their own.
const FINALIZERS: [&str; 3] = ["foregroundDeletion", "kubernetes", "orphan"];
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
                     with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                     '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start \
                         and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
                         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
                          character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
                          validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start \
                           and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
                           validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
                         character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                         '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// What is wrong with the metadata of an object.
pub(super) fn problems(kind: &Kind, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (name, base) = (text(object, "/metadata/name"), text(object, "/metadata/generateName"));
    if !base.is_empty() {
        for problem in name_problems(kind.names, &without_last_dash(base)) {
            causes.push(Cause::invalid("metadata.generateName", base, &problem));
        }
    }
    for problem in name_problems(kind.names, name) {
        causes.push(Cause::invalid("metadata.name", name, &problem));
    }
    owners(object, &mut causes);
    for (index, finalizer) in items(object, "/metadata/finalizers").iter().enumerate() {
        let name = finalizer.as_str().unwrap_or("");
        let found = key_problems(name);
        let odd = found.is_empty() && !name.contains('/') && !FINALIZERS.contains(&name);
        for problem in found {
            causes.push(Cause::invalid("metadata.finalizers", name, &problem));
        }
        if odd {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            causes.push(Cause::invalid(format!("metadata.finalizers[{index}]"), name, detail));
        }
    }
    for (key, value) in members(object, "/metadata/labels") {
        let value = value.as_str().unwrap_or("");
        for problem in key_problems(key) {
            causes.push(Cause::invalid("metadata.labels", key.as_str(), &problem));
        }
        for problem in label_value_problems(value) {
            causes.push(Cause::invalid("metadata.labels", value, &problem));
        }
    }
    let mut size = 0;
    for (key, value) in members(object, "/metadata/annotations") {
        size += key.len() + value.as_str().map_or(0, str::len);
        for problem in key_problems(&key.to_ascii_lowercase()) {
            causes.push(Cause::invalid("metadata.annotations", key.as_str(), &problem));
        }
    }
    if size > ANNOTATIONS_MAX {
        let detail = format!("may not be more than {ANNOTATIONS_MAX} bytes");
        causes.push(Cause::too_long("metadata.annotations", &detail));
    }
    causes
}

fn owners(object: &Value, causes: &mut Vec<Cause>) {
    let at = "metadata.ownerReferences";
    let mut controller: Option<String> = None;
    let owners = items(object, "/metadata/ownerReferences");
    for owner in owners {
        if text(owner, "/apiVersion").is_empty() {
            causes.push(Cause::invalid(
                format!("{at}.apiVersion"),
                "",
                "version must not be empty",
            ));
        }
        for field in ["kind", "name", "uid"] {
            if owner[field].as_str().is_none_or(str::is_empty) {
                causes.push(Cause::invalid(format!("{at}.{field}"), "", "must not be empty"));
            }
        }
        if owner["controller"] != true {
            continue;
        }
        let this = format!("{}/{}", text(owner, "/kind"), text(owner, "/name"));
        match &controller {
            None => controller = Some(this),
            Some(first) => {
                let detail = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {this}"
                );
                causes.push(Cause::invalid(at, owners.to_vec(), &detail));
            }
        }
    }
}

/// What is wrong with a name.
pub(super) fn name_problems(rule: Names, name: &str) -> Vec<String> {
    let (most, fits, sentence) = match rule {
        Names::PathSegment => {
            let forbidden = matches!(name, "." | "..") || name.contains(['/', '%']);
            return if forbidden {
                vec!["may not be '.' or '..', or contain '/' or '%'".to_owned()]
            } else {
                Vec::new()
            };
        }
        Names::Label if is_subdomain(name) => (LABEL_MAX, is_label(name), "must not contain dots"),
        Names::Label => (LABEL_MAX, is_label(name), LABEL),
        Names::Label1035 => (
            LABEL_MAX,
            is_label(name) && name.starts_with(|first: char| first.is_ascii_lowercase()),
            LABEL_1035,
        ),
        Names::Subdomain => (SUBDOMAIN_MAX, is_subdomain(name), SUBDOMAIN),
    };
    text_problems(name, most, fits, sentence)
}

/// A beginning of names, which may end with what no name ends with.
fn without_last_dash(base: &str) -> String {
    let mut letters: Vec<char> = base.chars().collect();
    if letters.len() > 1 && base.ends_with('-') {
        letters.truncate(letters.len() - 2);
        letters.push('a');
    }
    letters.into_iter().collect()
}

/// What is wrong with a text that may have so many characters, and must fit the rule that `sentence` tells.
pub(super) fn text_problems(text: &str, most: usize, fits: bool, sentence: &str) -> Vec<String> {
    let long = (text.len() > most).then(|| format!("must be no more than {most} characters"));
    let odd = (!fits).then(|| sentence.to_owned());
    long.into_iter().chain(odd).collect()
}

fn is_label(text: &str) -> bool {
    let inner = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn is_qualified(text: &str) -> bool {
    let inner = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_' | b'.');
    let ends = |at: Option<u8>| at.is_some_and(|letter| letter.is_ascii_alphanumeric());
    text.bytes().all(inner) && ends(text.bytes().next()) && ends(text.bytes().last())
}

/// What is wrong with the key of a label or of an annotation.
pub(super) fn key_problems(key: &str) -> Vec<String> {
    let parts: Vec<&str> = key.split('/').collect();
    let (prefix, name) = match parts.as_slice() {
        [name] => (None, *name),
        [prefix, name] => (Some(*prefix), *name),
        _ => {
            let domain = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a valid label key {QUALIFIED} {domain}")];
        }
    };
    let mut found = Vec::new();
    match prefix {
        Some("") => found.push("prefix part must be non-empty".to_owned()),
        Some(prefix) if prefix.len() > SUBDOMAIN_MAX => {
            found.push(format!("prefix part must be no more than {SUBDOMAIN_MAX} bytes"));
        }
        Some(prefix) if !is_subdomain(prefix) => found.push(format!("prefix part {SUBDOMAIN}")),
        _ => {}
    }
    if name.is_empty() {
        found.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_MAX {
        found.push(format!("name part must be no more than {LABEL_MAX} bytes"));
    }
    if !is_qualified(name) {
        found.push(format!("name part {QUALIFIED}"));
    }
    found
}

/// What is wrong with the value of a label.
pub(super) fn label_value_problems(value: &str) -> Vec<String> {
    let long = (value.len() > LABEL_MAX).then(|| format!("must be no more than {LABEL_MAX} bytes"));
    let odd = (!value.is_empty() && !is_qualified(value)).then(|| LABEL_VALUE.to_owned());
    long.into_iter().chain(odd).collect()
}
