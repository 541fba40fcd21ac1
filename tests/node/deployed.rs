//! The route proxy as `infra/cluster` describes it, in the cluster, and who may talk to whom there.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use tests::parts::{ProxyAddress, manifests};
use tests::{Http, in_time};

use crate::ground::{Installation, cluster, ground};
use crate::operator::{PROXY_TOKEN, kubectl};
use crate::policies::{End, Policies};

/// The addresses of the proxy, once it is Ready.
async fn proxy() -> ProxyAddress {
    let ground = ground().await;
    let ready = [
        "-n",
        "layby",
        "rollout",
        "status",
        "deployment/layby-proxy",
        "--timeout=120s",
    ];
    tokio::task::block_in_place(|| kubectl(ground.node.kubernetes(), &ready));
    let address = only_pod("layby").await.status.unwrap().pod_ip.unwrap();
    (
        format!("http://{address}:8001"),
        format!("{address}:8000"),
        PROXY_TOKEN.to_owned(),
    )
}

/// The one pod of a namespace.
async fn only_pod(namespace: &str) -> Pod {
    let pods: Api<Pod> = Api::namespaced(cluster().await, namespace);
    let mut pods = pods.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(pods.len(), 1, "{pods:?}");
    pods.remove(0)
}

/// The text of one of the proxy's pages.
fn page(name: &str) -> String {
    std::fs::read_to_string(manifests().join("pages").join(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_of_the_manifests_leads_to_applications_and_shows_their_pages() {
    in_time(async {
        let installation = Installation::with_proxy("deployed", proxy().await).await;
        let app = &installation.app;
        installation.template("notebook", json!({})).await;
        let command = ["server", "--exit-after=5s"];
        installation.template("dying", json!({ "command": command })).await;
        let (one, dying) = (app.launch("notebook").await, app.launch("dying").await);
        let seen = installation.deployed(&one).await;
        assert_eq!(
            installation.page(&seen, "/").await["path"],
            format!("/user/{}/", one.id)
        );

        let dying = installation.deployed(&dying).await;
        let dying = Http::new(&format!("http://{}", dying["location"].as_str().unwrap()));
        let mut down = dying.get("/").await;
        for _ in 0..120 {
            if down.status != 200 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            down = dying.get("/").await;
        }
        assert_eq!((down.status.as_u16(), down.text()), (503, page("503.html")));

        installation.stop(&one).await;
        let location = format!("http://{}", seen["location"].as_str().unwrap());
        let gone = Http::new(&location).get("/").await;
        assert_eq!((gone.status.as_u16(), gone.text()), (404, page("404.html")));
        let refused = Http::new(&installation.proxy.0).get("/api/routes").await;
        assert_eq!(refused.status, 403, "{refused:?}");
        installation.app.stop().await;
    })
    .await;
}

/// A pod of this namespace with these labels, which is nowhere else.
fn stranger(namespace: &str, labels: Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": { "name": "stranger", "namespace": namespace, "labels": labels },
        "status": { "podIP": "10.250.250.250" },
    }))
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_policies_let_through_what_must_be_and_nothing_else() {
    in_time(async {
        proxy().await;
        let installation = Installation::start("policies").await;
        installation.template("notebook", json!({})).await;
        let (one, other) = (
            installation.app.launch("notebook").await,
            installation.app.launch("notebook").await,
        );
        for one in [&one, &other] {
            installation.deployed(one).await;
        }
        let policies = Policies::of(cluster().await).await;
        let (application, neighbour) = (only_pod(&one.id).await, only_pod(&other.id).await);
        let proxy = only_pod("layby").await;
        let dns = stranger("kube-system", json!({ "k8s-app": "kube-dns" }));
        let (beside, elsewhere) = (
            stranger("layby", json!({})),
            stranger("default", json!({ "name": "proxy-server" })),
        );
        let (application, neighbour, proxy) = (End::Pod(&application), End::Pod(&neighbour), End::Pod(&proxy));
        let (dns, beside, elsewhere) = (End::Pod(&dns), End::Pod(&beside), End::Pod(&elsewhere));
        let at = |address: &str| End::Address(address.parse().unwrap());
        let kubernetes = ground().await.node.kubernetes().config().await.unwrap().cluster_url;
        let (host, port) = (kubernetes.host().unwrap(), kubernetes.port_u16().unwrap());

        for (what, from, to, protocol, port) in [
            ("the proxy to an application", proxy, application, "TCP", 8888),
            ("an application to DNS", application, dns, "UDP", 53),
            ("an application to DNS", application, dns, "TCP", 53),
            (
                "an application to the internet",
                application,
                at("198.51.100.7"),
                "TCP",
                443,
            ),
            (
                "an application to the internet",
                application,
                at("2001:db8::7"),
                "TCP",
                443,
            ),
            ("people to the proxy", at("198.51.100.7"), proxy, "TCP", 8000),
            ("a function to the proxy's API", at("192.0.2.77"), proxy, "TCP", 8001),
        ] {
            assert!(policies.allow(from, to, protocol, port), "{what} is not let through");
        }
        for (what, from, to, protocol, port) in [
            (
                "the proxy to another port of an application",
                proxy,
                application,
                "TCP",
                22,
            ),
            ("the proxy to the internet", proxy, at("198.51.100.7"), "TCP", 443),
            ("the proxy to other pods", proxy, elsewhere, "TCP", 8888),
            ("a pod beside the proxy", beside, application, "TCP", 8888),
            ("a pod elsewhere", elsewhere, application, "TCP", 8888),
            (
                "the internet to an application",
                at("198.51.100.7"),
                application,
                "TCP",
                8888,
            ),
            ("an application to another", application, neighbour, "TCP", 8888),
            ("an application to the proxy", application, proxy, "TCP", 8000),
            ("an application to the proxy's API", application, proxy, "TCP", 8001),
            ("an application to what is beside DNS", application, dns, "TCP", 443),
            (
                "an application to the metadata service",
                application,
                at("169.254.169.254"),
                "TCP",
                80,
            ),
            (
                "an application to the metadata service",
                application,
                at("fd00:ec2::254"),
                "TCP",
                80,
            ),
            (
                "an application to the cluster's API",
                application,
                at(host),
                "TCP",
                port,
            ),
            (
                "an application to the cluster's API",
                application,
                at("10.96.0.1"),
                "TCP",
                443,
            ),
            ("an application to its node", application, at(host), "TCP", 10250),
            (
                "an application to the host's network",
                application,
                at("192.168.1.1"),
                "TCP",
                80,
            ),
            (
                "the internet to the proxy's API",
                at("198.51.100.7"),
                proxy,
                "TCP",
                8001,
            ),
        ] {
            assert!(!policies.allow(from, to, protocol, port), "{what} is let through");
        }
        for one in [&one, &other] {
            installation.stop(one).await;
        }
        installation.app.stop().await;
    })
    .await;
}
