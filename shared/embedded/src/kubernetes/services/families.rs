//! Which families of addresses a service has. The cluster has IPv4 only.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::{CLUSTER_IP, CLUSTER_IPS, has_address, is_headless};
use crate::kubernetes::json::{default, items, keep, members, put, text};
use crate::kubernetes::status::Cause;

const FAMILIES: &str = "/spec/ipFamilies";
const POLICY: &str = "/spec/ipFamilyPolicy";
const POLICIES: [&str; 3] = ["PreferDualStack", "RequireDualStack", "SingleStack"];

/// Settles families and their policy, in the order in which the real server looks at them.
pub(super) fn settle(old: Option<&Value>, new: &mut Value) -> Result<(), Vec<Cause>> {
    if !has_address(new) {
        return Ok(());
    }
    let selects = members(new, "/spec/selector").next().is_some();
    // It is for those who make its endpoints to say what it leads to.
    let is_open = is_headless(new) && !selects;
    if let Some(old) = old.filter(|_| text(new, POLICY).is_empty()) {
        keep(old, new, POLICY);
    }
    default(new, POLICY, if is_open { "RequireDualStack" } else { "SingleStack" });
    done(related(new))?;
    let is_single = text(new, POLICY) == "SingleStack";
    if let Some(old) = old.filter(|_| is_single)
        && items(old, FAMILIES) == items(new, FAMILIES)
        && let [first, _] = items(new, FAMILIES)
    {
        put(new, FAMILIES, json!([first]));
    }
    done(single(new))?;
    if items(new, FAMILIES).is_empty() {
        put(new, FAMILIES, json!(["IPv4"]));
    }
    if is_open {
        if let ([only], false) = (items(new, FAMILIES), is_single) {
            let other = if only == "IPv4" { "IPv6" } else { "IPv4" };
            put(new, FAMILIES, json!([only, other]));
        }
        return Ok(());
    }
    done(configured(new))
}

fn done(causes: Vec<Cause>) -> Result<(), Vec<Cause>> {
    if causes.is_empty() { Ok(()) } else { Err(causes) }
}

/// What is wrong among `clusterIP`, `clusterIPs`, `ipFamilies` and `ipFamilyPolicy`.
fn related(service: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (first, all) = (text(service, CLUSTER_IP), items(service, CLUSTER_IPS));
    let whole = |detail: &str| Cause::invalid("spec.clusterIPs", all, detail);
    if first.is_empty() && !all.is_empty() {
        causes.push(whole("must be empty when `clusterIP` is not specified"));
    }
    if !first.is_empty() && all.first().is_some_and(|one| one != first) {
        causes.push(whole("first value must match `clusterIP`"));
    }
    let mut seen = BTreeSet::new();
    for (index, family) in items(service, FAMILIES).iter().enumerate() {
        let (family, field) = (family.as_str().unwrap_or(""), format!("spec.ipFamilies[{index}]"));
        if !matches!(family, "IPv4" | "IPv6") {
            causes.push(Cause::unsupported(field.clone(), family, &["IPv4", "IPv6"]));
        }
        if !seen.insert(family) {
            causes.push(Cause::duplicate(field, family));
        }
    }
    let policy = text(service, POLICY);
    if !POLICIES.contains(&policy) {
        causes.push(Cause::unsupported("spec.ipFamilyPolicy", policy, &POLICIES));
    }
    if all.first().is_some_and(|one| one == "None") {
        if all.len() > 1 {
            causes.push(whole("'None' must be the first and only value"));
        }
        return causes;
    }
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (index, one) in all.iter().enumerate() {
        let one = one.as_str().unwrap_or("");
        let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        match one.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => causes.push(Cause::invalid(format!("spec.clusterIPs[{index}]"), one, detail)),
        }
    }
    if all.len() > 2 {
        causes.push(whole("may only hold up to 2 values"));
    }
    if addresses.len() < all.len() {
        return causes;
    }
    if addresses.len() > 1 {
        let families: BTreeSet<bool> = addresses.iter().map(IpAddr::is_ipv4).collect();
        if families.len() < 2 {
            causes.push(whole("may specify no more than one IP for each IP family"));
        }
    }
    for (index, (address, family)) in addresses.iter().zip(items(service, FAMILIES)).enumerate() {
        if family_of(*address) != family {
            let detail = format!(
                "expected an {} value as indicated by `ipFamilies[{index}]`",
                text(family, "")
            );
            let field = format!("spec.clusterIPs[{index}]");
            causes.push(Cause::invalid(field, all[index].clone(), &detail));
        }
    }
    causes
}

/// What a service of one family may not have, and an address of a family that it could not have.
fn single(service: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (addresses, families) = (items(service, CLUSTER_IPS), items(service, FAMILIES));
    if text(service, POLICY) == "SingleStack" {
        for (count, what) in [(addresses.len(), "cluster IPs"), (families.len(), "IP families")] {
            if count == 2 {
                let detail =
                    format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified");
                causes.push(Cause::invalid("spec.ipFamilyPolicy", "SingleStack", &detail));
            }
        }
    }
    for (index, address) in addresses.iter().enumerate().skip(families.len()) {
        if address
            .as_str()
            .is_some_and(|address| address.parse().is_ok_and(|address: IpAddr| address.is_ipv6()))
        {
            let field = format!("spec.clusterIPs[{index}]");
            causes.push(Cause::invalid(
                field,
                addresses,
                "IPv6 is not configured on this cluster",
            ));
        }
    }
    causes
}

/// What the cluster does not have.
fn configured(service: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    if text(service, POLICY) == "RequireDualStack" {
        let detail = "this cluster is not configured for dual-stack services";
        causes.push(Cause::invalid("spec.ipFamilyPolicy", "RequireDualStack", detail));
    }
    for (index, family) in items(service, FAMILIES).iter().enumerate() {
        if family != "IPv4" {
            let detail = "not configured on this cluster";
            causes.push(Cause::invalid(
                format!("spec.ipFamilies[{index}]"),
                family.clone(),
                detail,
            ));
        }
    }
    causes
}

fn family_of(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}
