//! Rules that objects must keep, in the words of the real server (apimachinery's validation, `pkg/apis/core/validation`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::json::{int, items, members, text};
use super::quantity::milli;
use super::registry::{CONFIG_MAPS, KINDS, Kind, KindId, Names, PODS, SECRETS, SERVICES};
use super::status::{Cause, Refusal};

const SUBDOMAIN_MAX: usize = 253;
const LABEL_MAX: usize = 63;
/// All annotations of an object together, in bytes.
const ANNOTATIONS_MAX: usize = 256 << 10;
/// The data of a ConfigMap or a Secret, in bytes.
const DATA_MAX: usize = 1 << 20;
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
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                         alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                         '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// Checks a whole object that is about to be stored.
pub(super) fn check(id: KindId, object: &Value) -> Result<(), Refusal> {
    let kind = &KINDS[id];
    let mut causes = metadata(kind, object);
    match id {
        PODS => pod(object, &mut causes),
        SERVICES => service(object, &mut causes),
        CONFIG_MAPS | SECRETS => data(object, &mut causes),
        _ => {}
    }
    refuse(kind, object, &causes)
}

/// Checks a change of a stored object.
pub(super) fn check_update(id: KindId, old: &Value, new: &Value) -> Result<(), Refusal> {
    let kind = &KINDS[id];
    let mut causes = Vec::new();
    let moved = |pointer: &str| old.pointer(pointer) != new.pointer(pointer);
    if !old["metadata"]["deletionTimestamp"].is_null() {
        let known = items(old, "/metadata/finalizers");
        let added: Vec<&Value> = items(new, "/metadata/finalizers")
            .iter()
            .filter(|one| !known.contains(one))
            .collect();
        if !added.is_empty() {
            let added: Vec<String> = added.iter().map(ToString::to_string).collect();
            let detail = "no new finalizers can be added if the object is being deleted, found new finalizers";
            causes.push(Cause::forbidden(
                "metadata.finalizers",
                &format!("{detail} []string{{{}}}", added.join(", ")),
            ));
        }
    }
    if id == PODS && moved("/spec") {
        causes.push(Cause::forbidden("spec", POD_UPDATE));
    }
    if id == SECRETS && moved("/type") {
        causes.push(Cause::invalid("type", text(new, "/type"), "field is immutable"));
    }
    if old["immutable"] == true && (moved("/data") || moved("/binaryData") || moved("/immutable")) {
        causes.push(Cause::forbidden("data", "field is immutable when `immutable` is set"));
    }
    if id == SERVICES && moved("/spec/clusterIP") {
        causes.push(Cause::invalid(
            "spec.clusterIPs[0]",
            text(new, "/spec/clusterIP"),
            "may not change once set",
        ));
    }
    if kind.group == "rbac.authorization.k8s.io" && moved("/roleRef") {
        causes.push(Cause::invalid(
            "roleRef",
            new["roleRef"].clone(),
            "cannot change roleRef",
        ));
    }
    refuse(kind, new, &causes)
}

const POD_UPDATE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
                          `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
                          `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

fn refuse(kind: &Kind, object: &Value, causes: &[Cause]) -> Result<(), Refusal> {
    if causes.is_empty() {
        return Ok(());
    }
    Err(Refusal::invalid(
        kind.group,
        kind.kind,
        text(object, "/metadata/name"),
        causes,
    ))
}

fn metadata(kind: &Kind, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let name = text(object, "/metadata/name");
    for problem in name_problems(kind.names, name) {
        causes.push(Cause::invalid("metadata.name", name, &problem));
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
        causes.push(Cause::too_long(
            "metadata.annotations",
            &format!("may not be more than {ANNOTATIONS_MAX} bytes"),
        ));
    }
    causes
}

fn name_problems(rule: Names, name: &str) -> Vec<String> {
    let (most, fits, sentence) = match rule {
        Names::PathSegment => {
            let forbidden = matches!(name, "." | "..") || name.contains(['/', '%']);
            return if forbidden {
                vec!["may not be '.' or '..', or contain '/' or '%'".to_owned()]
            } else {
                Vec::new()
            };
        }
        Names::Label => (LABEL_MAX, is_label(name), LABEL),
        Names::Label1035 => (
            LABEL_MAX,
            is_label(name) && name.starts_with(|first: char| first.is_ascii_lowercase()),
            LABEL_1035,
        ),
        Names::Subdomain => (SUBDOMAIN_MAX, name.split('.').all(is_label), SUBDOMAIN),
    };
    problems(name, most, fits, sentence)
}

fn problems(name: &str, most: usize, fits: bool, sentence: &str) -> Vec<String> {
    let long = (name.len() > most).then(|| format!("must be no more than {most} characters"));
    let odd = (!fits).then(|| sentence.to_owned());
    long.into_iter().chain(odd).collect()
}

fn is_label(text: &str) -> bool {
    let inner = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_qualified(text: &str) -> bool {
    let inner = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_' | b'.');
    let ends = |at: Option<u8>| at.is_some_and(|letter| letter.is_ascii_alphanumeric());
    text.bytes().all(inner) && ends(text.bytes().next()) && ends(text.bytes().last())
}

fn key_problems(key: &str) -> Vec<String> {
    let (prefix, name) = key.split_once('/').unwrap_or(("", key));
    let mut found = problems(name, LABEL_MAX, is_qualified(name), QUALIFIED);
    if key.contains('/') && !prefix.split('.').all(is_label) {
        found.push(format!("prefix part {SUBDOMAIN}"));
    }
    found
}

fn label_value_problems(value: &str) -> Vec<String> {
    problems(value, LABEL_MAX, value.is_empty() || is_qualified(value), LABEL_VALUE)
}

fn pod(object: &Value, causes: &mut Vec<Cause>) {
    let policies = ["Always", "OnFailure", "Never"];
    let policy = text(object, "/spec/restartPolicy");
    if !policies.contains(&policy) {
        causes.push(Cause::unsupported("spec.restartPolicy", policy, &policies));
    }
    for field in ["terminationGracePeriodSeconds", "activeDeadlineSeconds"] {
        if let Some(seconds) = int(object, &format!("/spec/{field}")).filter(|seconds| *seconds < 0) {
            causes.push(Cause::invalid(
                format!("spec.{field}"),
                seconds,
                "must be greater than or equal to 0",
            ));
        }
    }
    let volumes: BTreeSet<&str> = items(object, "/spec/volumes")
        .iter()
        .map(|volume| text(volume, "/name"))
        .collect();
    let containers = items(object, "/spec/containers");
    if containers.is_empty() {
        causes.push(Cause::required("spec.containers", ""));
    }
    let mut names = BTreeSet::new();
    for (index, one) in containers.iter().enumerate() {
        let at = format!("spec.containers[{index}]");
        if !names.insert(text(one, "/name")) {
            causes.push(Cause::duplicate(format!("{at}.name"), text(one, "/name")));
        }
        container(one, &at, &volumes, causes);
    }
}

fn container(container: &Value, at: &str, volumes: &BTreeSet<&str>, causes: &mut Vec<Cause>) {
    let name = text(container, "/name");
    if name.is_empty() {
        causes.push(Cause::required(format!("{at}.name"), ""));
    } else {
        let found = name_problems(Names::Label, name);
        causes.extend(
            found
                .iter()
                .map(|problem| Cause::invalid(format!("{at}.name"), name, problem)),
        );
    }
    if text(container, "/image").trim().is_empty() {
        causes.push(Cause::required(format!("{at}.image"), ""));
    }
    let policies = ["Always", "IfNotPresent", "Never"];
    let policy = text(container, "/imagePullPolicy");
    if !policies.contains(&policy) {
        causes.push(Cause::unsupported(format!("{at}.imagePullPolicy"), policy, &policies));
    }
    for (index, port) in items(container, "/ports").iter().enumerate() {
        let number = int(port, "/containerPort").unwrap_or(0);
        if !(1..=65_535).contains(&number) {
            let field = format!("{at}.ports[{index}].containerPort");
            causes.push(Cause::invalid(field, number, "must be between 1 and 65535, inclusive"));
        }
    }
    for (index, mount) in items(container, "/volumeMounts").iter().enumerate() {
        if !volumes.contains(text(mount, "/name")) {
            let field = format!("{at}.volumeMounts[{index}].name");
            causes.push(Cause::invalid(field, text(mount, "/name"), "no volume has this name"));
        }
    }
    for pointer in ["/securityContext/runAsUser", "/securityContext/runAsGroup"] {
        if let Some(id) = int(container, pointer).filter(|id| *id < 0) {
            let field = format!("{at}{}", pointer.replace('/', "."));
            causes.push(Cause::invalid(field, id, "must be between 0 and 2147483647, inclusive"));
        }
    }
    resources(container, at, causes);
}

fn resources(container: &Value, at: &str, causes: &mut Vec<Cause>) {
    for part in ["limits", "requests"] {
        for (name, quantity) in members(container, &format!("/resources/{part}")) {
            if milli(quantity.as_str().unwrap_or("")).is_ok_and(|amount| amount < 0) {
                let field = format!("{at}.resources.{part}[{name}]");
                causes.push(Cause::invalid(
                    field,
                    quantity.clone(),
                    "must be greater than or equal to 0",
                ));
            }
        }
    }
    for (name, request) in members(container, "/resources/requests") {
        let limit = container["resources"]["limits"][name].as_str();
        let request = request.as_str().unwrap_or("");
        if let Some(limit) = limit.filter(|limit| milli(request).ok() > milli(limit).ok()) {
            let detail = format!("must be less than or equal to {name} limit of {limit}");
            causes.push(Cause::invalid(format!("{at}.resources.requests"), request, &detail));
        }
    }
}

fn service(object: &Value, causes: &mut Vec<Cause>) {
    let ports = items(object, "/spec/ports");
    let headless = text(object, "/spec/clusterIP") == "None";
    if ports.is_empty() && !headless && text(object, "/spec/type") != "ExternalName" {
        causes.push(Cause::required("spec.ports", ""));
    }
    for (index, port) in ports.iter().enumerate() {
        let number = int(port, "/port").unwrap_or(0);
        if !(1..=65_535).contains(&number) {
            let detail = "must be between 1 and 65535, inclusive";
            causes.push(Cause::invalid(format!("spec.ports[{index}].port"), number, detail));
        }
        if ports.len() > 1 && text(port, "/name").is_empty() {
            causes.push(Cause::required(format!("spec.ports[{index}].name"), ""));
        }
    }
}

fn data(object: &Value, causes: &mut Vec<Cause>) {
    let (mut size, mut odd) = (0, Vec::new());
    for part in ["/data", "/binaryData"] {
        for (key, value) in members(object, part) {
            size += value.as_str().map_or(0, str::len);
            let fits = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_' | b'.');
            if key.is_empty() || key.len() > SUBDOMAIN_MAX || !key.bytes().all(fits) {
                odd.push((part, key));
            }
        }
    }
    for (part, key) in odd {
        let detail = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or \
                      'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
        causes.push(Cause::invalid(format!("{}[{key}]", &part[1..]), key.as_str(), detail));
    }
    if size > DATA_MAX {
        causes.push(Cause::too_long(
            "data",
            &format!("may not be more than {DATA_MAX} bytes"),
        ));
    }
}
