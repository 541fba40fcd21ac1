//! Rules for what ConfigMaps and Secrets hold, in the words of the real server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::json::{members, text};
use super::metadata;
use super::status::Cause;

/// The data of a ConfigMap or a Secret, in bytes.
const DATA_MAX: usize = 1 << 20;
const KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  \
                   or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
/// Where a Secret says which account its token is of.
const ACCOUNT: &str = "kubernetes.io/service-account.name";

pub(super) fn config_map(object: &Value, causes: &mut Vec<Cause>) {
    let mut size = 0;
    for (key, value) in members(object, "/data") {
        keyed("data", key, causes);
        if object["binaryData"].get(key).is_some() {
            let field = format!("data[{key}]");
            causes.push(Cause::invalid(
                field,
                key.as_str(),
                "duplicate of key present in binaryData",
            ));
        }
        size += value.as_str().map_or(0, str::len);
    }
    for (key, value) in members(object, "/binaryData") {
        keyed("binaryData", key, causes);
        size += decoded(value);
    }
    bounded("[]", size, causes);
}

pub(super) fn secret(object: &Value, causes: &mut Vec<Cause>) {
    let mut size = 0;
    for (key, value) in members(object, "/data") {
        keyed("data", key, causes);
        size += decoded(value);
    }
    bounded("data", size, causes);
    let has = |key: &str| object["data"].get(key).is_some();
    let required: &[&str] = match text(object, "/type") {
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => &["username", "password"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/service-account-token" => {
            if object["metadata"]["annotations"].get(ACCOUNT).is_none() {
                causes.push(Cause::required(format!("metadata.annotations[{ACCOUNT}]"), ""));
            }
            &[]
        }
        _ => &[],
    };
    let missing = required.iter().filter(|key| !has(key));
    causes.extend(missing.map(|key| Cause::required(format!("data[{key}]"), "")));
}

/// What may not change: the type of a Secret, and all of what is immutable.
pub(super) fn change(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    if old["type"] != new["type"] {
        causes.push(Cause::invalid("type", text(new, "/type"), "field is immutable"));
    }
    if old["immutable"] != true {
        return;
    }
    for field in ["immutable", "data", "binaryData"] {
        if old[field] != new[field] {
            let detail = "field is immutable when `immutable` is set";
            causes.push(Cause::forbidden(field, detail));
        }
    }
}

fn keyed(part: &str, key: &str, causes: &mut Vec<Cause>) {
    let fits = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_' | b'.');
    let fits = !key.is_empty() && key.bytes().all(fits);
    let mut found = metadata::text_problems(key, metadata::SUBDOMAIN_MAX, fits, KEY);
    found.extend(match key {
        "." => Some("must not be '.'".to_owned()),
        ".." => Some("must not be '..'".to_owned()),
        key => key.starts_with("..").then(|| "must not start with '..'".to_owned()),
    });
    causes.extend(
        found
            .iter()
            .map(|problem| Cause::invalid(format!("{part}[{key}]"), key, problem)),
    );
}

fn bounded(field: &str, size: usize, causes: &mut Vec<Cause>) {
    if size > DATA_MAX {
        causes.push(Cause::too_long(
            field,
            &format!("may not be more than {DATA_MAX} bytes"),
        ));
    }
}

/// How many bytes stand behind a value in base64.
fn decoded(value: &Value) -> usize {
    let bytes = value.as_str().and_then(|value| STANDARD.decode(value).ok());
    bytes.map_or(0, |bytes| bytes.len())
}
