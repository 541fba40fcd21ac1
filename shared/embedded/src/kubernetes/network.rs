//! Network policies: what they are given, and the rules that they must keep (`pkg/apis/networking`). Nobody enforces them.

use ipnet::IpNet;
use serde_json::{Value, json};

use super::json::{default, int, items, items_mut, members, text};
use super::metadata::{key_problems, label_value_problems};
use super::status::Cause;

const DIRECTIONS: [(&str, &str, &str); 2] = [("ingress", "from", "Ingress"), ("egress", "to", "Egress")];
const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
const PORT_RANGE: &str = "must be between 1 and 65535, inclusive";
const PORT_NAME_MAX: usize = 15;

/// Fills in what a policy leaves out.
pub(super) fn fill(policy: &mut Value) {
    default(policy, "/spec/podSelector", json!({}));
    if items(policy, "/spec/policyTypes").is_empty() {
        let both = !items(policy, "/spec/egress").is_empty();
        policy["spec"]["policyTypes"] = if both {
            json!(["Ingress", "Egress"])
        } else {
            json!(["Ingress"])
        };
    }
    for (direction, ..) in DIRECTIONS {
        for rule in items_mut(policy, &format!("/spec/{direction}")) {
            for port in items_mut(rule, "/ports") {
                default(port, "/protocol", "TCP");
            }
        }
    }
}

/// Adds what is wrong with a policy.
pub(super) fn check(policy: &Value, causes: &mut Vec<Cause>) {
    selector(&policy["spec"]["podSelector"], "spec.podSelector", causes);
    for (direction, peers, _) in DIRECTIONS {
        for (index, rule) in items(policy, &format!("/spec/{direction}")).iter().enumerate() {
            let at = format!("spec.{direction}[{index}]");
            for (index, one) in items(rule, "/ports").iter().enumerate() {
                port(one, &format!("{at}.ports[{index}]"), causes);
            }
            for (index, one) in items(rule, &format!("/{peers}")).iter().enumerate() {
                peer(one, &format!("{at}.{peers}[{index}]"), causes);
            }
        }
    }
    let known = DIRECTIONS.map(|(_, _, name)| name);
    for (index, one) in items(policy, "/spec/policyTypes").iter().enumerate() {
        let one = one.as_str().unwrap_or("");
        if !known.contains(&one) {
            causes.push(Cause::unsupported(format!("spec.policyTypes[{index}]"), one, &known));
        }
    }
}

fn port(port: &Value, at: &str, causes: &mut Vec<Cause>) {
    let protocol = text(port, "/protocol");
    if !PROTOCOLS.contains(&protocol) {
        causes.push(Cause::unsupported(format!("{at}.protocol"), protocol, &PROTOCOLS));
    }
    let end = int(port, "/endPort");
    match (&port["port"], end) {
        (Value::Number(_), end) => {
            let number = int(port, "/port").unwrap_or(0);
            port_number(format!("{at}.port"), number, causes);
            if end.is_some_and(|end| end < number) {
                let detail = "must be greater than or equal to `port`";
                causes.push(Cause::invalid(format!("{at}.endPort"), number, detail));
            }
            if let Some(end) = end {
                port_number(format!("{at}.endPort"), end, causes);
            }
        }
        (Value::String(name), end) => {
            if let Some(end) = end {
                let detail = "may not be specified when `port` is non-numeric";
                causes.push(Cause::invalid(format!("{at}.endPort"), end, detail));
            }
            let problems = port_name_problems(name).into_iter();
            causes.extend(problems.map(|problem| Cause::invalid(format!("{at}.port"), name.as_str(), &problem)));
        }
        (_, Some(end)) => {
            let detail = "may not be specified when `port` is not specified";
            causes.push(Cause::invalid(format!("{at}.endPort"), end, detail));
        }
        _ => {}
    }
}

/// Adds what is wrong with the number of a port.
pub(super) fn port_number(field: String, number: i64, causes: &mut Vec<Cause>) {
    if !(1..=65_535).contains(&number) {
        causes.push(Cause::invalid(field, number, PORT_RANGE));
    }
}

pub(super) fn port_name_problems(name: &str) -> Vec<String> {
    let fits = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
    [
        (name.len() > PORT_NAME_MAX, "must be no more than 15 characters"),
        (
            name.is_empty() || !name.bytes().all(fits),
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (
            !name.bytes().any(|letter| letter.is_ascii_lowercase()),
            "must contain at least one letter (a-z)",
        ),
        (name.contains("--"), "must not contain consecutive hyphens"),
        (
            name.starts_with('-') || name.ends_with('-'),
            "must not begin or end with a hyphen",
        ),
    ]
    .into_iter()
    .filter(|(broken, _)| *broken)
    .map(|(_, problem)| problem.to_owned())
    .collect()
}

fn peer(peer: &Value, at: &str, causes: &mut Vec<Cause>) {
    let mut peers = 0;
    for field in ["podSelector", "namespaceSelector"] {
        if !peer[field].is_null() {
            peers += 1;
            selector(&peer[field], &format!("{at}.{field}"), causes);
        }
    }
    let block = &peer["ipBlock"];
    if !block.is_null() {
        ip_block(block, &format!("{at}.ipBlock"), causes);
    }
    match (peers, block.is_null()) {
        (0, true) => causes.push(Cause::required(at, "must specify a peer")),
        (1.., false) => {
            let detail = "may not specify both ipBlock and another peer";
            causes.push(Cause::forbidden(at, detail));
        }
        _ => {}
    }
}

fn ip_block(block: &Value, at: &str, causes: &mut Vec<Cause>) {
    let cidr = text(block, "/cidr");
    if cidr.is_empty() {
        causes.push(Cause::required(format!("{at}.cidr"), ""));
        return;
    }
    let mut read = |text: &str, field: String| {
        let detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
        let read = text.parse::<IpNet>();
        read.map_err(|_| causes.push(Cause::invalid(field, text, detail))).ok()
    };
    let Some(whole) = read(cidr, format!("{at}.cidr")) else {
        return;
    };
    let mut outside = Vec::new();
    for (index, except) in items(block, "/except").iter().enumerate() {
        let (except, field) = (except.as_str().unwrap_or(""), format!("{at}.except[{index}]"));
        let Some(part) = read(except, field.clone()) else {
            continue;
        };
        if !whole.contains(&part) || whole.prefix_len() >= part.prefix_len() {
            outside.push(Cause::invalid(field, except, "must be a strict subset of `cidr`"));
        }
    }
    causes.extend(outside);
}

fn selector(selector: &Value, at: &str, causes: &mut Vec<Cause>) {
    for (key, value) in members(selector, "/matchLabels") {
        let value = value.as_str().unwrap_or("");
        let field = format!("{at}.matchLabels");
        let keys = key_problems(key).into_iter().map(|problem| (key.as_str(), problem));
        let values = label_value_problems(value).into_iter().map(|problem| (value, problem));
        causes.extend(
            keys.chain(values)
                .map(|(shown, problem)| Cause::invalid(field.clone(), shown, &problem)),
        );
    }
    for (index, expression) in items(selector, "/matchExpressions").iter().enumerate() {
        let at = format!("{at}.matchExpressions[{index}]");
        let (operator, values) = (text(expression, "/operator"), items(expression, "/values"));
        match (operator, values.is_empty()) {
            ("In" | "NotIn", true) => {
                let detail = "must be specified when `operator` is 'In' or 'NotIn'";
                causes.push(Cause::required(format!("{at}.values"), detail));
            }
            ("Exists" | "DoesNotExist", false) => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                causes.push(Cause::forbidden(format!("{at}.values"), detail));
            }
            ("In" | "NotIn" | "Exists" | "DoesNotExist", _) => {}
            _ => {
                let detail = "not a valid selector operator";
                causes.push(Cause::invalid(format!("{at}.operator"), operator, detail));
            }
        }
        let key = text(expression, "/key");
        let problems = key_problems(key).into_iter();
        causes.extend(problems.map(|problem| Cause::invalid(format!("{at}.key"), key, &problem)));
        for (index, value) in values.iter().enumerate() {
            let value = value.as_str().unwrap_or("");
            let problems = label_value_problems(value).into_iter();
            causes.extend(problems.map(|problem| Cause::invalid(format!("{at}.values[{index}]"), value, &problem)));
        }
    }
}
