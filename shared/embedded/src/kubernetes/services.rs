//! Services: what they are given, and the rules that they must keep (`pkg/apis/core`, `pkg/registry/core/service`).
//! Nobody routes to them.

mod addresses;
mod families;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use http::StatusCode;
use serde_json::{Value, json};

use super::json::{cut, default, int, items, items_mut, keep, members, put, text};
use super::machine::Machine;
use super::metadata::{key_problems, label_value_problems, name_problems};
use super::network::{port_name_problems, port_number};
use super::registry::{KindId, Names, SERVICES};
use super::status::{Cause, Refusal};

pub(super) use addresses::Addresses;

const CLUSTER_IP: &str = "/spec/clusterIP";
const CLUSTER_IPS: &str = "/spec/clusterIPs";
const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const FULL: &str = "Internal error occurred: failed to allocate a serviceIP: range is full";
/// How long a client stays with a pod, in seconds, where sessions are kept and nothing is said: three hours.
const AFFINITY: u32 = 10_800;

/// Fills in what a service leaves out, but for its address.
pub(super) fn fill(service: &mut Value) {
    default(service, "/spec/type", "ClusterIP");
    default(service, "/spec/sessionAffinity", "None");
    match text(service, "/spec/sessionAffinity") {
        "None" => drop(cut(service, "/spec/sessionAffinityConfig")),
        "ClientIP" => default(service, "/spec/sessionAffinityConfig/clientIP/timeoutSeconds", AFFINITY),
        _ => {}
    }
    match has_address(service) {
        true => default(service, "/spec/internalTrafficPolicy", "Cluster"),
        false => drop(cut(service, "/spec/internalTrafficPolicy")),
    }
    for port in items_mut(service, "/spec/ports") {
        default(port, "/protocol", "TCP");
        if matches!(&port["targetPort"], target if target.is_null() || *target == 0 || *target == "") {
            port["targetPort"] = port["port"].clone();
        }
    }
}

/// Adds what is wrong with a service, but for what its address depends on.
pub(super) fn check(service: &Value, causes: &mut Vec<Cause>) {
    let ports = items(service, "/spec/ports");
    if ports.is_empty() && !is_headless(service) && has_address(service) {
        causes.push(Cause::required("spec.ports", ""));
    }
    if !has_address(service) {
        external_name(service, causes);
    }
    let mut names = BTreeSet::new();
    for (index, one) in ports.iter().enumerate() {
        let at = format!("spec.ports[{index}]");
        let name = text(one, "/name");
        if name.is_empty() && ports.len() > 1 {
            causes.push(Cause::required(format!("{at}.name"), ""));
        }
        if !name.is_empty() {
            let problems = name_problems(Names::Label, name).into_iter();
            causes.extend(problems.map(|problem| Cause::invalid(format!("{at}.name"), name, &problem)));
            if !names.insert(name) {
                causes.push(Cause::duplicate(format!("{at}.name"), name));
            }
        }
        port(one, &at, causes);
    }
    selector(service, causes);
    one_of(service, "sessionAffinity", &["ClientIP", "None"], causes);
    one_of(service, "type", &TYPES, causes);
    for (index, _) in ports
        .iter()
        .enumerate()
        .filter(|(_, one)| int(one, "/nodePort").unwrap_or(0) != 0)
    {
        let detail = "may not be used when `type` is 'ClusterIP'";
        causes.push(Cause::forbidden(format!("spec.ports[{index}].nodePort"), detail));
    }
    let mut numbers = BTreeSet::new();
    for (index, one) in ports.iter().enumerate() {
        if !numbers.insert((text(one, "/protocol"), int(one, "/port"))) {
            causes.push(Cause {
                reason: "FieldValueDuplicate",
                field: format!("spec.ports[{index}]"),
                message: format!(
                    r#"Duplicate value: {{"Name":"","Protocol":{},"AppProtocol":null,"Port":{},"TargetPort":0,"NodePort":0}}"#,
                    one["protocol"], one["port"]
                ),
            });
        }
    }
    one_of(service, "internalTrafficPolicy", &["Cluster", "Local"], causes);
}

/// Adds what is wrong with a change of a service.
pub(super) fn check_update(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let both = has_address(old) && has_address(new) && !(is_headless(old) && is_headless(new));
    if both && items(old, CLUSTER_IPS).first() != items(new, CLUSTER_IPS).first() {
        let shown = new["spec"]["clusterIPs"].clone();
        causes.push(Cause::invalid("spec.clusterIPs[0]", shown, "may not change once set"));
    }
}

impl Machine {
    /// Gives a service its address, or lets it keep what `old` has. It is taken only by [`Machine::exchange_address`].
    pub(super) fn give_address(
        &self,
        id: KindId,
        old: Option<&Value>,
        new: &mut Value,
        dry_run: bool,
    ) -> Result<(), Refusal> {
        if id != SERVICES {
            return Ok(());
        }
        let refuse =
            |new: &Value, causes: &[Cause]| Refusal::invalid("", "Service", text(new, "/metadata/name"), causes);
        follow(old, new);
        families::settle(old, new).map_err(|causes| refuse(new, &causes))?;
        if let Some(old) = old.filter(|old| has_address(old)) {
            if !has_address(new) {
                leave(old, new);
            }
            return Ok(());
        }
        if !has_address(new) || is_headless(new) {
            return Ok(());
        }
        let address = match text(new, CLUSTER_IP).parse() {
            Ok(address) => {
                let problem = match dry_run {
                    true => Addresses::problem_dry(address),
                    false => self.addresses.problem(address).map(str::to_owned),
                };
                if let Some(problem) = problem {
                    let problem = format!("failed to allocate IP {address}: {problem}");
                    let shown = new["spec"]["clusterIPs"].clone();
                    return Err(refuse(new, &[Cause::invalid("spec.clusterIPs", shown, &problem)]));
                }
                address
            }
            Err(_) if dry_run => Addresses::shown_dry(),
            Err(_) => self
                .addresses
                .free()
                .ok_or_else(|| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", FULL))?,
        };
        put(new, CLUSTER_IP, address.to_string());
        put(new, CLUSTER_IPS, json!([address.to_string()]));
        Ok(())
    }

    /// Takes the address of what is stored, and gives back that of what was.
    pub(super) fn exchange_address(&mut self, id: KindId, old: Option<&Value>, new: Option<&Value>) {
        let address = |service: Option<&Value>| -> Option<Ipv4Addr> {
            let service = service.filter(|_| id == SERVICES)?;
            text(service, CLUSTER_IP).parse().ok()
        };
        let (old, new) = (address(old), address(new));
        if old != new {
            old.into_iter().for_each(|address| self.addresses.release(address));
            new.into_iter().for_each(|address| self.addresses.take(address));
        }
    }
}

/// Brings `clusterIP`, which old clients know, and `clusterIPs` together, and both to what they were.
fn follow(old: Option<&Value>, new: &mut Value) {
    let Some(old) = old else {
        let given = text(new, CLUSTER_IP).to_owned();
        if !given.is_empty() && items(new, CLUSTER_IPS).is_empty() {
            put(new, CLUSTER_IPS, json!([given]));
        }
        return;
    };
    let stays = has_address(old) && has_address(new);
    if stays && text(new, CLUSTER_IP).is_empty() {
        keep(old, new, CLUSTER_IP);
    }
    let same = text(old, CLUSTER_IP) == text(new, CLUSTER_IP);
    if (stays || same) && items(new, CLUSTER_IPS).is_empty() {
        keep(old, new, CLUSTER_IPS);
    }
    if !same && items(old, CLUSTER_IPS) == items(new, CLUSTER_IPS) {
        match text(new, CLUSTER_IP).to_owned() {
            given if given.is_empty() => drop(cut(new, CLUSTER_IPS)),
            given => put(new, CLUSTER_IPS, json!([given])),
        }
    }
}

/// A service that becomes a name loses what it had as an address, unless that was changed too, which is then refused.
fn leave(old: &Value, new: &mut Value) {
    if items(old, CLUSTER_IPS) == items(new, CLUSTER_IPS) {
        cut(new, CLUSTER_IP);
        cut(new, CLUSTER_IPS);
    }
    for field in ["/spec/ipFamilies", "/spec/ipFamilyPolicy"] {
        if old.pointer(field) == new.pointer(field) {
            cut(new, field);
        }
    }
}

fn external_name(service: &Value, causes: &mut Vec<Cause>) {
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if !service["spec"][field].is_null() {
            let detail = "may not be set for ExternalName services";
            causes.push(Cause::forbidden(format!("spec.{field}"), detail));
        }
    }
    let name = text(service, "/spec/externalName");
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        causes.push(Cause::required("spec.externalName", ""));
    } else {
        let problems = name_problems(Names::Subdomain, name).into_iter();
        causes.extend(problems.map(|problem| Cause::invalid("spec.externalName", name, &problem)));
    }
}

fn port(port: &Value, at: &str, causes: &mut Vec<Cause>) {
    port_number(format!("{at}.port"), int(port, "/port").unwrap_or(0), causes);
    let protocol = text(port, "/protocol");
    if !PROTOCOLS.contains(&protocol) {
        causes.push(Cause::unsupported(format!("{at}.protocol"), protocol, &PROTOCOLS));
    }
    let field = format!("{at}.targetPort");
    match &port["targetPort"] {
        Value::String(name) => {
            let problems = port_name_problems(name).into_iter();
            causes.extend(problems.map(|problem| Cause::invalid(field.clone(), name.as_str(), &problem)));
        }
        target => port_number(field, target.as_i64().unwrap_or(0), causes),
    }
}

fn selector(service: &Value, causes: &mut Vec<Cause>) {
    for (key, value) in members(service, "/spec/selector") {
        let value = value.as_str().unwrap_or("");
        let keys = key_problems(key).into_iter().map(|problem| (key.as_str(), problem));
        let values = label_value_problems(value).into_iter().map(|problem| (value, problem));
        let problems = keys.chain(values);
        causes.extend(problems.map(|(shown, problem)| Cause::invalid("spec.selector", shown, &problem)));
    }
}

/// A field of the specification is absent or one of these.
fn one_of(service: &Value, field: &str, known: &[&str], causes: &mut Vec<Cause>) {
    let value = &service["spec"][field];
    if !value.is_null() && !known.iter().any(|one| value == one) {
        causes.push(Cause::unsupported_value(format!("spec.{field}"), value, known));
    }
}

/// Whether a service is more than a name of something elsewhere.
fn has_address(service: &Value) -> bool {
    text(service, "/spec/type") != "ExternalName"
}

fn is_headless(service: &Value) -> bool {
    items(service, CLUSTER_IPS)
        .first()
        .map_or(text(service, CLUSTER_IP) == "None", |first| first == "None")
}
