//! What layby itself sends, by its own client: its objects as it makes them, its lists, its deletions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cluster_client::{Cluster, Error, Presence, ProxyPlace, Removal, Settings, Token, TokenSource};
use domain::{Application, ApplicationId, Cell, CellName, InstallationId, PodSeen, Preload, PreloadRun, Template};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::server::{Server, eventually};

checks! {
    what_an_application_is_made_of_is_accepted_found_again_and_deleted
    what_was_made_before_is_found_and_what_is_somebody_elses_is_left
    what_a_preload_is_made_of_is_accepted_and_deleted
    the_cluster_is_known_by_its_identity
}

/// A client as layby makes it.
pub(crate) fn cluster(server: &Server, identity: Option<&str>) -> Cluster {
    let token = server
        .config
        .auth_info
        .token
        .as_ref()
        .map(|token| token.expose_secret().to_owned());
    let trust = net::Trust {
        ca_pem: certificates(server),
        identity_pem: None,
    };
    let settings = Settings {
        api_url: server.config.cluster_url.clone(),
        trust,
        token: token.map_or(TokenSource::None, |token| TokenSource::Static(Token::new(token))),
        identity: identity.map(str::to_owned),
        installation: InstallationId::parse("contract").unwrap(),
        proxy: ProxyPlace {
            namespace: "layby".to_owned(),
            labels: [("name".to_owned(), "proxy-server".to_owned())].into(),
        },
    };
    let net = net::Net::new(net::Settings::default()).unwrap();
    Cluster::connect(&net, settings).unwrap()
}

/// What vouches for the server, in PEM.
pub(crate) fn certificates(server: &Server) -> Option<Vec<u8>> {
    let certificates = server.config.root_cert.iter().flatten();
    let pem: Vec<String> = certificates
        .map(|der| {
            format!(
                "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
                STANDARD.encode(der)
            )
        })
        .collect();
    (!pem.is_empty()).then(|| pem.concat().into_bytes())
}

/// An id that no other check has.
fn id(server: &Server) -> ApplicationId {
    let number: u128 = server.namespace.rsplit('-').next().unwrap().parse().unwrap();
    ApplicationId::from_bytes(number.to_be_bytes())
}

/// An application of a template that says as much as one may.
fn application(server: &Server) -> Application {
    let template = json!({
        "name": "course", "image-source": "registry.example.org/course:1",
        "command": ["serve", "--port={port}"], "env": {"GREETING": "hello"},
        "limits": {"cpu": "500m", "memory": "512Mi"}, "requests": {"cpu": "10m", "memory": "64Mi"},
        "node-selector": {"no": "where"},
        "tolerations": [{"key": "x.io/a", "operator": "Exists", "effect": "NoSchedule"}],
    });
    let template: Template = serde_json::from_value(template).unwrap();
    let cell = Cell {
        name: CellName::parse("home").unwrap(),
        public_host: "apps.example".to_owned(),
    };
    Application::launch(id(server), &template, &cell, None, None, Timestamp::now())
}

async fn what_an_application_is_made_of_is_accepted_found_again_and_deleted(server: &Server) {
    let (cluster, application) = (cluster(server, None), application(server));
    let id = &application.id;
    let made = cluster.make_objects(&application).await.unwrap();
    let seen = cluster.observe_pod(&application).await.unwrap();
    assert!(matches!(seen, PodSeen::There(_)), "{seen:?}");
    let pod = server
        .get(&format!("/api/v1/namespaces/{id}/pods/frontend-server"))
        .await
        .body;
    let container = &pod["spec"]["containers"][0];
    assert_eq!(
        container["resources"]["requests"],
        json!({"cpu": "10m", "memory": "64Mi"})
    );
    assert_eq!(
        (&container["image"], &container["env"][0]["value"]),
        (&json!("registry.example.org/course:1"), &json!("hello"))
    );
    assert_eq!(
        (&pod["spec"]["serviceAccountName"], &pod["spec"]["volumes"]),
        (&json!("application"), &Value::Null)
    );
    let policy = format!("/apis/networking.k8s.io/v1/namespaces/{id}/networkpolicies/isolation");
    let policy = server.get(&policy).await.body;
    assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));

    let shard = domain::shard_of(id);
    let namespaces = cluster.namespaces_of(shard).await.unwrap();
    let found = namespaces
        .iter()
        .find(|one| one.name == id.as_str())
        .expect("its namespace is listed");
    assert_eq!(
        (&found.uid, found.application.as_ref()),
        (&made.namespace_uid, Some(id))
    );
    assert_eq!((found.template.as_deref(), found.going), (Some("course"), false));
    let pods = cluster.pods_of(shard).await.unwrap();
    assert!(
        pods.iter()
            .any(|one| one.application == *id && one.namespace == id.as_str())
    );

    let uid = Some(made.namespace_uid.as_str());
    assert_eq!(cluster.delete_namespace(id, uid).await.unwrap(), Removal::Going);
    eventually("its namespace is gone", async || {
        (cluster.namespace(id, uid).await.unwrap() == Presence::Gone).then_some(())
    })
    .await;
    assert_eq!(cluster.delete_namespace(id, uid).await.unwrap(), Removal::Gone);
    assert_eq!(cluster.observe_pod(&application).await.unwrap(), PodSeen::NamespaceGone);
}

async fn what_was_made_before_is_found_and_what_is_somebody_elses_is_left(server: &Server) {
    let (cluster, application) = (cluster(server, None), application(server));
    let made = cluster.make_objects(&application).await.unwrap();
    assert_eq!(cluster.make_objects(&application).await.unwrap(), made);
    let namespace = format!("/api/v1/namespaces/{}", application.id);
    let foreign = json!({"metadata": {"labels": {"layby.dev/installation": "other"}}});
    assert_eq!(server.merge(&namespace, foreign).await.code, 200);
    let refused = cluster.make_objects(&application).await.unwrap_err();
    assert!(matches!(refused, Error::NotOurs), "{refused:?}");
    assert_eq!(
        cluster.delete_namespace(&application.id, None).await.unwrap(),
        Removal::NotOurs
    );
    let own = json!({"metadata": {"labels": {"layby.dev/installation": "contract"}}});
    server.merge(&namespace, own).await;
    assert_eq!(
        cluster.delete_namespace(&application.id, None).await.unwrap(),
        Removal::Going
    );
    let late = cluster.make_objects(&application).await.unwrap_err();
    assert!(matches!(late, Error::Terminating), "{late:?}");
}

async fn what_a_preload_is_made_of_is_accepted_and_deleted(server: &Server) {
    let (cluster, application) = (cluster(server, None), application(server));
    let run = PreloadRun {
        id: application.id.clone(),
        workload: application.run.clone().unwrap(),
        started_at: Timestamp::now(),
    };
    let preload = Preload::new(application.template.clone(), application.cell.clone(), run);
    let made = cluster.make_preload(&preload).await.unwrap();
    let preload = preload.loading(made.namespace_uid.clone());
    let nodes = server.cluster::<Node>().list(&ListParams::default()).await.unwrap();
    let nodes: Vec<String> = nodes.items.into_iter().filter_map(|node| node.metadata.name).collect();
    assert!(!nodes.is_empty());
    let refused = cluster.make_preload_pods(&preload, nodes.clone()).await.unwrap();
    assert!(refused.is_empty(), "{refused:?}");
    let seen = cluster.observe_preload(&preload).await.unwrap();
    assert_eq!(seen.into_keys().collect::<Vec<_>>(), nodes);
    let uid = Some(made.namespace_uid.as_str());
    let removal = cluster.delete_preload(&application.id, uid).await.unwrap();
    assert_eq!(removal, Removal::Going);
}

async fn the_cluster_is_known_by_its_identity(server: &Server) {
    let any = cluster(server, None);
    any.warm().await.unwrap();
    let identity = any.identity().await.unwrap();
    let system = server.get("/api/v1/namespaces/kube-system").await.body;
    assert_eq!(system["metadata"]["uid"], identity.as_str());
    cluster(server, Some(&identity)).warm().await.unwrap();
    let other = cluster(server, Some("another")).warm().await.unwrap_err();
    assert!(matches!(other, Error::Identity { .. }), "{other:?}");
}
