//! What an operator does with a cluster before layby may use it, and what layby may do in it then.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use k8s_openapi::api::authorization::v1::SelfSubjectRulesReview;
use kube::api::PostParams;
use kube::config::Kubeconfig;
use kube::{Api, Client, Config};
use real::kubernetes::Kubectl;
use real::{ControlPlane, Node};
use serde_json::json;
use tests::parts::manifests;

use crate::ground::ground;

/// The token of the proxy's API.
pub(crate) const PROXY_TOKEN: &str = "not-a-secret";
/// What `infra/README.md` has applied for a token of layby's account.
const TOKEN: &str = r#"{
    "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
    "metadata": {
        "name": "layby-token", "namespace": "layby", "annotations": {"kubernetes.io/service-account.name": "layby"}
    }
}"#;

/// Prepares the cluster as `infra/README.md` says, and gives a kubeconfig with the token of layby's account.
pub(crate) fn prepare(node: &Node) -> PathBuf {
    let control = node.kubernetes();
    let applied = kubectl(control, &["apply", "-k", &manifests().to_string_lossy()]);
    assert_eq!(applied.said, "", "what is applied is warned of");
    let token = format!("--from-literal=token={PROXY_TOKEN}");
    kubectl(
        control,
        &["-n", "layby", "create", "secret", "generic", "proxy-token", &token],
    );
    let secret = control.folder().join("layby-token.json");
    std::fs::write(&secret, TOKEN).unwrap();
    kubectl(control, &["apply", "-f", &secret.to_string_lossy()]);
    kubectl(
        control,
        &[
            "-n",
            "layby",
            "wait",
            "--for=jsonpath={.data.token}",
            "secret/layby-token",
        ],
    );
    let template = "-o=go-template={{.data.token | base64decode}}";
    let token = kubectl(control, &["-n", "layby", "get", "secret", "layby-token", template]);
    let kubeconfig = control.kubeconfig_for("layby.kubeconfig", &token.printed);
    kubeconfig.unwrap_or_else(|error| panic!("{error}"))
}

/// Runs kubectl as the administrator.
pub(crate) fn kubectl(control: &ControlPlane, arguments: &[&str]) -> Kubectl {
    control.kubectl(arguments).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn the_account_may_do_what_layby_does_and_nothing_else() {
    let kubeconfig = Kubeconfig::read_from(&ground().await.kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &Default::default())
        .await
        .unwrap();
    let reviews: Api<SelfSubjectRulesReview> = Api::all(Client::try_from(config).unwrap());
    let anywhere = json!({ "spec": { "namespace": "default" } });
    let review = serde_json::from_value(anywhere).unwrap();
    let review = reviews.create(&PostParams::default(), &review).await.unwrap();
    let mut may = BTreeMap::<String, BTreeSet<String>>::new();
    for rule in review.status.unwrap().resource_rules {
        assert!(rule.resource_names.iter().flatten().count() == 0, "{rule:?}");
        let groups = rule.api_groups.iter().flatten();
        for (group, resource) in groups.flat_map(|group| rule.resources.iter().flatten().map(move |one| (group, one))) {
            let what = format!("{group}/{resource}");
            may.entry(what).or_default().extend(rule.verbs.iter().cloned());
        }
    }
    // What every account may: ask what it may.
    may.retain(|what, _| !what.contains("/selfsubject"));
    let may: Vec<_> = may
        .iter()
        .map(|(what, verbs)| (what.as_str(), verbs.iter().map(String::as_str).collect()))
        .collect();
    let expected: [(&str, Vec<&str>); 8] = [
        ("/namespaces", vec!["create", "delete", "get", "list", "update"]),
        ("/nodes", vec!["list"]),
        ("/pods", vec!["create", "get", "list"]),
        ("/pods/log", vec!["get"]),
        ("/secrets", vec!["create", "get", "update"]),
        ("/serviceaccounts", vec!["create", "get"]),
        ("apps/deployments", vec!["create", "delete", "get", "list", "update"]),
        (
            "networking.k8s.io/networkpolicies",
            vec!["create", "delete", "get", "update"],
        ),
    ];
    assert_eq!(may, expected);
}

#[tokio::test]
async fn manifests_are_taken_as_they_are() {
    let control = ground().await.node.kubernetes();
    let again = kubectl(control, &["apply", "-k", &manifests().to_string_lossy()]);
    let changed: Vec<_> = again
        .printed
        .lines()
        .filter(|line| !line.ends_with(" unchanged"))
        .collect();
    assert!(changed.is_empty() && again.said.is_empty(), "{changed:?}{}", again.said);
    let aws = manifests().with_file_name("cluster-aws");
    let aws = kubectl(control, &["apply", "--dry-run=server", "-k", &aws.to_string_lossy()]);
    assert!(aws.printed.contains("service/proxy-api configured"), "{}", aws.printed);
    assert_eq!(aws.said, "", "what is applied is warned of");
}
