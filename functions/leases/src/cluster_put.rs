//! `PUT /clusters/{name}`.

use api::{ClusterBody, ClusterView, Code, PROVIDER_DEFAULT};
use domain::{ClusterName, ProviderName};
use gateway::{Call, Problem, Reply, TableAndLeases};
use lifecycle::{Registered, Registration};

/// Registers a cluster by its kubeconfig, and takes it in as far as the request's time allows.
pub async fn put(powers: TableAndLeases, call: Call) -> Result<Reply, Problem> {
    let name = call.param("name", ClusterName::parse)?;
    let body: ClusterBody = call.body()?;
    let pool = body
        .pool
        .clone()
        .unwrap_or_else(|| powers.leasing.pools().default().clone());
    if powers.leasing.pools().read(&pool).await?.is_none() {
        let why = format!("there is no cluster pool '{pool}'; make it first");
        return Err(Problem::new(Code::MalformedRequest, why));
    }
    let provider = match &body.cloud_provider {
        Some(provider) => provider.clone(),
        None => ProviderName::parse(PROVIDER_DEFAULT)?,
    };
    let asked = Registration {
        name,
        pool,
        cloud_provider: provider,
        kubeconfig: body.kubeconfig_text(),
        labels: body.labels,
        nonce: call.random()?,
        anew: false,
    };
    match powers.leasing.register(&asked, &call.look()).await? {
        Registered::Known(row) => Reply::ok(&ClusterView::from(&row.value)),
        Registered::Refused(why) => Err(Problem::new(Code::MalformedRequest, why)),
        Registered::Unreachable(why) => Err(Problem::new(Code::BadKubeRequest, why)),
    }
}
