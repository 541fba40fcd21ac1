//! How much a container may use and what is kept free for it.

use domain::{Quantity, Workload};
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource;

/// A quantity with what it amounts to in base units.
#[derive(Clone, Copy, Debug)]
struct Amount<'a> {
    text: &'a str,
    amount: f64,
}

/// What holds for a resource of which a template says nothing.
struct Defaults {
    limit: Amount<'static>,
    request: Amount<'static>,
}

/// Those of mybinder.org's user pods (`singleuser.cpu` 0.01 … 1 and `singleuser.memory` 450M … 2G of its
/// `mybinder/values.yaml`).
const CPU: Defaults = Defaults {
    limit: Amount { text: "1", amount: 1.0 },
    request: Amount {
        text: "10m",
        amount: 0.01,
    },
};
const MEMORY: Defaults = Defaults {
    limit: Amount {
        text: "2G",
        amount: 2e9,
    },
    request: Amount {
        text: "450M",
        amount: 450e6,
    },
};

/// Limits and requests of both resources, always: without them a pod could take its node's neighbours' share.
pub(super) fn requirements(run: &Workload) -> ResourceRequirements {
    let cpu = settle(run.limits.cpu.as_ref(), run.requests.cpu.as_ref(), &CPU);
    let memory = settle(run.limits.memory.as_ref(), run.requests.memory.as_ref(), &MEMORY);
    let both = |cpu: Amount<'_>, memory: Amount<'_>| {
        let quantity = |amount: Amount<'_>| resource::Quantity(amount.text.to_owned());
        [
            ("cpu".to_owned(), quantity(cpu)),
            ("memory".to_owned(), quantity(memory)),
        ]
        .into()
    };
    ResourceRequirements {
        limits: Some(both(cpu.0, memory.0)),
        requests: Some(both(cpu.1, memory.1)),
        claims: None,
    }
}

/// Limit and request. What the template says wins over a default: a default limit rises to the template's request, and
/// a request never passes the limit.
fn settle<'a>(
    limit: Option<&'a Quantity>,
    request: Option<&'a Quantity>,
    defaults: &Defaults,
) -> (Amount<'a>, Amount<'a>) {
    let amount = |quantity: &'a Quantity| Amount {
        text: quantity.as_str(),
        amount: quantity.amount(),
    };
    let asked = request.map(amount);
    let limit = limit.map(amount).unwrap_or_else(|| match asked {
        Some(asked) if asked.amount > defaults.limit.amount => asked,
        _ => defaults.limit,
    });
    let request = asked.unwrap_or(defaults.request);
    (limit, if request.amount > limit.amount { limit } else { request })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::manifests::sample::made;

    fn both(more: Value) -> Value {
        made(more, |plan| requirements(plan.run))
    }

    #[test]
    fn a_template_that_says_nothing_gets_the_defaults() {
        assert_eq!(
            both(json!({})),
            json!({"limits": {"cpu": "1", "memory": "2G"}, "requests": {"cpu": "10m", "memory": "450M"}})
        );
    }

    #[test]
    fn the_defaults_amount_to_what_they_say() {
        for amount in [CPU.limit, CPU.request, MEMORY.limit, MEMORY.request] {
            let parsed = Quantity::parse(amount.text).unwrap().amount();
            assert!((parsed - amount.amount).abs() < 1e-9 * amount.amount, "{amount:?}");
        }
    }

    #[test]
    fn a_request_never_passes_its_limit() {
        assert_eq!(
            both(json!({"limits": {"cpu": "5m", "memory": "256Mi"}})),
            json!({"limits": {"cpu": "5m", "memory": "256Mi"}, "requests": {"cpu": "5m", "memory": "256Mi"}})
        );
        assert_eq!(
            both(json!({"limits": {"memory": "1Gi"}, "requests": {"memory": "2Gi"}}))["requests"]["memory"],
            "1Gi"
        );
    }

    #[test]
    fn a_default_limit_gives_way_to_what_the_template_requests() {
        assert_eq!(
            both(json!({"requests": {"cpu": 2, "memory": "512Mi"}})),
            json!({"limits": {"cpu": "2", "memory": "2G"}, "requests": {"cpu": "2", "memory": "512Mi"}})
        );
    }
}
