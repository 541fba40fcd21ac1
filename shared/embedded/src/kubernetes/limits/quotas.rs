//! Resource quotas: counted, and charged with what is created (`apiserver/pkg/admission/plugin/resourcequota`).

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::json::{items, members, put, text};
use super::super::machine::Machine;
use super::super::objects::Key;
use super::super::quantity::Quantity;
use super::super::registry::{KINDS, KindId, PODS, RESOURCE_QUOTAS};
use super::super::status::Refusal;
use super::super::timers::Timer;
use super::{Amounts, add, amounts, usage};

impl Machine {
    /// Charges the quotas of a namespace with a new object, or says which of them it exceeds. Nothing is kept of it
    /// unless `keep`.
    pub(in super::super) fn charge(
        &mut self,
        id: KindId,
        namespace: &str,
        object: &Value,
        keep: bool,
    ) -> Result<(), Refusal> {
        if namespace.is_empty() {
            return Ok(());
        }
        let quotas: Vec<(Key, Arc<Value>)> = self
            .objects
            .list(RESOURCE_QUOTAS, namespace)
            .map(|(key, quota)| (key.clone(), Arc::clone(quota)))
            .collect();
        let refuse = |why: String| Err(Refusal::forbidden(&KINDS[id], text(object, "/metadata/name"), &why));
        let mut charged = Vec::new();
        for (key, quota) in quotas {
            let hard = amounts(&quota, "/status/hard");
            let names: Vec<&str> = hard
                .keys()
                .map(String::as_str)
                .filter(|name| usage::is_about(id, name))
                .collect();
            let scopes = items(&quota, "/spec/scopes").iter().filter_map(Value::as_str);
            if names.is_empty() || !scopes.into_iter().all(|scope| usage::is_in(id, object, scope)) {
                continue;
            }
            let unsaid = usage::unsaid(object, &names);
            if !unsaid.is_empty() && id == PODS {
                return refuse(format!(
                    "failed quota: {}: must specify {}",
                    key.name,
                    unsaid.join("; ")
                ));
            }
            let mut asked = usage::of(id, object);
            asked.retain(|name, amount| hard.contains_key(name) && !amount.is_zero());
            let used = amounts(&quota, "/status/used");
            let mut now = used.clone();
            add(&mut now, &asked);
            let exceeded: Vec<&String> = asked.keys().filter(|name| now[*name] > hard[*name]).collect();
            if !exceeded.is_empty() {
                let show = |of: &Amounts| {
                    let of = |name: &&String| format!("{name}={}", of.get(*name).copied().unwrap_or_default());
                    exceeded.iter().map(of).collect::<Vec<_>>().join(",")
                };
                return refuse(format!(
                    "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                    key.name,
                    show(&asked),
                    show(&used),
                    show(&hard)
                ));
            }
            if !asked.is_empty() {
                charged.push((key, quota, now));
            }
        }
        for (key, quota, now) in charged.into_iter().filter(|_| keep) {
            let mut changed = Value::clone(&quota);
            put(&mut changed, "/status/used", written(&now));
            self.objects.write(key, changed);
        }
        Ok(())
    }

    /// Counts a namespace anew once the machine ticks, where there is a quota.
    pub(in super::super) fn count_soon(&mut self, namespace: &str) {
        let counted = self.objects.list(RESOURCE_QUOTAS, namespace).next().is_some();
        if !namespace.is_empty() && counted && self.uncounted.insert(namespace.to_owned()) {
            self.timers.set(self.now, Timer::Count(namespace.to_owned()));
        }
    }

    /// Gives the quotas of a namespace what is used of them.
    pub(in super::super) fn count(&mut self, namespace: &str) {
        self.uncounted.remove(namespace);
        let quotas = self.objects.list(RESOURCE_QUOTAS, namespace);
        let quotas: Vec<(Key, Arc<Value>)> = quotas.map(|(key, quota)| (key.clone(), Arc::clone(quota))).collect();
        for (key, quota) in quotas {
            let status = json!({"hard": quota["spec"]["hard"], "used": written(&self.counted(&quota, namespace))});
            if quota["status"] != status {
                let mut changed = Value::clone(&quota);
                put(&mut changed, "/status", status);
                self.objects.write(key, changed);
            }
        }
    }

    /// What of a quota is used, by the names that are counted here.
    fn counted(&self, quota: &Value, namespace: &str) -> Amounts {
        let scopes: Vec<&str> = items(quota, "/spec/scopes").iter().filter_map(Value::as_str).collect();
        let names: Vec<&str> = members(quota, "/spec/hard").map(|(name, _)| name.as_str()).collect();
        let mut used = Amounts::new();
        for id in (0..KINDS.len()).filter(|id| KINDS[*id].namespaced) {
            let own: Vec<&str> = names.iter().copied().filter(|name| usage::is_about(id, name)).collect();
            if own.is_empty() {
                continue;
            }
            used.extend(own.iter().map(|name| ((*name).to_owned(), Quantity::default())));
            for (_, object) in self.objects.list(id, namespace) {
                if scopes.iter().all(|scope| usage::is_in(id, object, scope)) {
                    let mut usage = usage::of(id, object);
                    usage.retain(|name, _| own.contains(&name.as_str()));
                    add(&mut used, &usage);
                }
            }
        }
        if names.contains(&"replicationcontrollers") {
            used.insert("replicationcontrollers".to_owned(), Quantity::default());
        }
        used
    }
}

fn written(amounts: &Amounts) -> Value {
    amounts
        .iter()
        .map(|(name, amount)| (name.clone(), Value::from(amount.to_string())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Refuses quotas of what is not counted here: storage classes, and scopes that no pod here is in.
pub(in super::super) fn check_simulated(quota: &Value) -> Result<(), Refusal> {
    const SCOPES: [&str; 4] = ["BestEffort", "NotBestEffort", "Terminating", "NotTerminating"];
    let other = items(quota, "/spec/scopes")
        .iter()
        .filter_map(Value::as_str)
        .find(|scope| !SCOPES.contains(scope));
    if let Some(scope) = other {
        return Err(Refusal::not_simulated(&format!("a quota with the scope {scope}")));
    }
    if !quota["spec"]["scopeSelector"].is_null() {
        return Err(Refusal::not_simulated("a quota with a scope selector"));
    }
    let by_class = |(name, _): (&String, &Value)| name.contains(".storageclass.storage.k8s.io/");
    match members(quota, "/spec/hard").any(by_class) {
        true => Err(Refusal::not_simulated("a quota of a storage class")),
        false => Ok(()),
    }
}
