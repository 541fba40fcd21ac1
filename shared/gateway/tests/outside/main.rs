//! What the edge asks of others: who vouches for callers, pod templates, and where keys are put. Over real HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod callers;
mod fetch;
mod kvm;
mod origin;

use std::sync::Arc;

use gateway::{Clock, Config, Edge, Entropy, Opening};

/// An edge with these variables.
async fn edge(variables: &[(&str, &str)]) -> Arc<Edge> {
    edge_with(variables, Clock::system(), |_| {}).await
}

/// An edge with these variables and this clock, whose configuration is changed before it opens.
async fn edge_with(variables: &[(&str, &str)], clock: Clock, change: impl FnOnce(&mut Config)) -> Arc<Edge> {
    let mut all = vec![
        ("LAYBY_INSTALLATION", "dev"),
        ("LAYBY_DYNAMODB_URL", "http://127.0.0.1:9"),
    ];
    // Later ones count.
    all.extend(variables);
    let variable = |name: &str| all.iter().rev().find(|(known, _)| *known == name);
    let mut config = Config::read(|name| variable(name).map(|(_, value)| (*value).to_owned())).unwrap();
    change(&mut config);
    let opening = Opening {
        config,
        net: net::Net::new(net::Settings::default()).unwrap(),
        clock,
        entropy: Entropy::system(),
        log: Arc::new(|_| {}),
    };
    Edge::open(opening).await.unwrap()
}
