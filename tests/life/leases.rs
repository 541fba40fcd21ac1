//! Leases of real clusters, each a control plane of its own: holders do to it what they like.

mod ground;

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::limits::{CLEAN_MAX, CLEAN_RANK_PATIENCE};
use domain::{ClusterState, EndingWhy, Quarantine};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt as _};
use lifecycle::Acquired;
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use tests::{TEST_MAX, on_a_large_stack, on_a_large_stack_within};
use tokio::time::{Instant, sleep, sleep_until};

use ground::{Ground, client, instant};

/// From the end of a lease that is given back until its token is refused.
const REFUSED: Duration = Duration::from_secs(15);
/// From the end of a lease that expires until its token is refused: the reaper comes once a minute.
const EXPIRED: Duration = Duration::from_secs(90);
/// Between two runs of the reaper.
const REAPER: Duration = Duration::from_secs(60);
/// How long a cluster is left alone; `LAYBY_TESTS_ALONE`, in seconds, says otherwise.
const ALONE: Duration = Duration::from_secs(10 * 60);
/// Between two looks at a cluster that is left alone.
const GLANCE: Duration = Duration::from_secs(10);
/// How many webhooks a holder leaves.
const CROWD: usize = 200;
/// Between two tries of a token.
const TRY: Duration = Duration::from_millis(100);

/// What can be taken away, in the order in which it is made.
const LEAVES: &str = include_str!("leases/leaves.yaml");
const OBJECTS: &str = include_str!("leases/objects.yaml");
const GEAR: &str = include_str!("leases/gear.yaml");
const LOCKS: &str = include_str!("leases/locks.yaml");
/// What was there before anybody leased the cluster.
const FURNITURE: &str = include_str!("leases/furniture.yaml");
/// What cannot be taken away.
const STUCK: &str = include_str!("leases/stuck.yaml");

#[test]
fn whatever_a_holder_leaves_goes_and_a_cluster_left_alone_stays_as_it_was() {
    // Both together: they mostly wait.
    on_a_large_stack_within(TEST_MAX + alone(), async || {
        tokio::join!(
            Box::pin(whatever_a_holder_leaves_goes()),
            Box::pin(a_cluster_left_alone_stays_as_it_was())
        );
    });
}

async fn whatever_a_holder_leaves_goes() {
    let ground = Ground::start("leaves").await;
    let before = ground.everything().await;
    let granted = ground.granted(3_600).await;
    let begun = instant();
    let holder = client(&granted.kubeconfig).await;
    works(&holder).await;
    println!("the first answer after {:.1?}", begun.elapsed());
    let kubeconfig = ground.file("holder.kubeconfig", &granted.kubeconfig);
    let account = leave_everything(&ground, &kubeconfig).await;
    assert_eq!(account, format!("layby-leaves-holder-{}", granted.cluster.epoch));

    let released = instant();
    assert!(ground.leasing.release(&granted.token, &ground.look()).await.unwrap());
    println!("released within {:.1?}", released.elapsed());
    refused_within(&holder, released, REFUSED).await;
    assert!(ground.control.kubectl_by(&kubeconfig, &["get", "namespaces"]).is_err());

    let after = ground.until(&["free", "quarantined"]).await;
    let list = ground.leasing.store().left_over(&after.name, after.epoch).await;
    let left: Option<Vec<String>> = list.unwrap();
    assert_eq!((after.word(), left), ("free", None));
    assert_eq!(after.epoch, granted.cluster.epoch.next());
    let now = ground.everything().await;
    let different: Vec<&String> = before.symmetric_difference(&now).collect();
    // The role that gathered another for a while is written again, and says the same.
    let gathered = |one: &&&String| !one.starts_with("ClusterRole /edit ") && !one.starts_with("ClusterRole /admin ");
    let different: Vec<&&String> = different.iter().filter(gathered).collect();
    assert_eq!(different, [] as [&&String; 0]);
}

/// Makes as a holder whatever could be in the way. Gives the name of the holder's account.
async fn leave_everything(ground: &Ground, holder: &Path) -> String {
    let kubectl = |arguments: &[&str]| ground.kubectl(holder, arguments);
    let user = kubectl(&["auth", "whoami", "--output=jsonpath={.status.userInfo.username}"]);
    let account = user.rsplit(':').next().unwrap().to_owned();
    ground.apply(holder, &LEAVES.replace("{account}", &account));
    for definition in ["crd/widgets.example.org", "crd/gears.example.net"] {
        kubectl(&["wait", "--for=condition=Established", definition]);
    }
    kubectl(&[
        "wait",
        "--for=jsonpath={.status.readyReplicas}=3",
        "deployment/web",
        "--timeout=60s",
    ]);
    kubectl(&["create", "job", "--from=cronjob/again", "once"]);
    ground.apply(holder, OBJECTS);
    ground.apply(holder, GEAR);
    // What tells layby its own account, but for the name, is the holder's to change.
    for own in ["clusterrolebinding", "serviceaccount"] {
        let patch = r#"{"metadata":{"labels":null,"finalizers":["example.org/never"]}}"#;
        kubectl(&[
            "patch",
            own,
            &account,
            "--namespace=kube-system",
            "--type=merge",
            "--patch",
            patch,
        ]);
    }
    let file = ground.file("crowd.json", &crowd());
    kubectl(&["create", "--filename", &file.to_string_lossy()]);
    ground.apply(holder, LOCKS);
    let refused = ground
        .control
        .kubectl(&["delete", "configmap", "beside", "--namespace=kube-system"]);
    let refused = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(
        refused.contains("nothing is deleted here") || refused.contains("nobody.example.org"),
        "{refused}"
    );
    account
}

/// So many webhooks that each refuse every deletion that whoever must delete them one by one first comes late.
fn crowd() -> String {
    let hook = |number: usize| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": format!("crowd-{number:03}")},
            "webhooks": [{
                "name": "crowd.nobody.example.org", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "failurePolicy": "Fail", "timeoutSeconds": 2,
                "clientConfig": {"service": {"namespace": "mine", "name": "nobody"}},
                "rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["DELETE"], "resources": ["*"]}],
            }],
        })
    };
    let hooks: Vec<_> = (0..CROWD).map(hook).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": hooks}).to_string()
}

#[test]
fn what_cannot_go_is_named_and_a_lease_that_expires_is_taken_away() {
    on_a_large_stack(async || {
        let ground = Ground::start_with("stuck", async |control| {
            let file = control.folder().join("furniture.yaml");
            std::fs::write(&file, FURNITURE).unwrap();
            let applied = control.kubectl(&["apply", "--filename", &file.to_string_lossy()]);
            applied.unwrap_or_else(|error| panic!("{error}"));
            request(control.folder(), "before", |file| {
                drop(control.kubectl(&["apply", "--filename", file]).unwrap());
                drop(control.kubectl(&["certificate", "approve", "before"]).unwrap());
            });
        })
        .await;
        let granted = ground.granted(30).await;
        let begun = instant();
        let holder = client(&granted.kubeconfig).await;
        works(&holder).await;
        let kubeconfig = ground.file("holder.kubeconfig", &granted.kubeconfig);
        leave_what_stays(&ground, &kubeconfig);
        println!("everything is left after {:.1?}", begun.elapsed());

        // The worst that can be: a run of the reaper just before the lease is to be taken away.
        let left = granted.lease.expires_at.duration_since(ground.look().now);
        let lease_end = instant() + Duration::try_from(left).unwrap();
        sleep_until(lease_end).await;
        ground.reap().await;
        assert_eq!(ground.cluster().await.word(), "leased");
        let look = ground.look();
        let verified = ground
            .leasing
            .verified(&granted.token, granted.cluster.epoch, look.now)
            .await;
        assert_eq!(verified.unwrap(), None, "nobody relies on it any more");
        let (reaped, _) = tokio::join!(
            async {
                sleep(REAPER).await;
                ground.reap().await;
                ground.cluster().await
            },
            refused_within(&holder, lease_end, EXPIRED)
        );
        let ClusterState::Ending { ending } = &reaped.state else {
            panic!("{reaped:?}");
        };
        assert_eq!(ending.why, EndingWhy::Expired);

        ground.until(&["cleaning"]).await;
        // Until all has gone that goes. Layby waits for long between one sort of things and the next.
        let is_gone = |what: &[&str]| ground.control.kubectl(&[&["get"], what].concat()).is_err();
        while !is_gone(&["namespace/mine"]) || !is_gone(&["certificatesigningrequest/during"]) {
            assert!(begun.elapsed() < TEST_MAX, "{:?}", ground.cluster().await);
            ground.reap().await;
            sleep(Duration::from_secs(1)).await;
            ground.skip(CLEAN_RANK_PATIENCE / 3);
        }
        ground.skip(CLEAN_MAX);
        let kept = ground.until(&["free", "quarantined"]).await;
        let mut list = ground.list(&kept).await;
        for line in &mut list {
            // The one name that a controller drew.
            if let Some((before, _)) = line.split_once("lasting-") {
                *line = format!("{before}lasting-…");
            }
        }
        assert_eq!(
            list,
            [
                "left over: ConfigMap default/stuck (waits for its finalizers example.org/never)",
                "left over: CustomResourceDefinition.apiextensions.k8s.io widgets.example.org (waits for its finalizers customresourcecleanup.apiextensions.k8s.io)",
                "left over: Namespace finalized (waits for its finalizers example.org/never)",
                "left over: Namespace held",
                "left over: Pod default/lasting-…",
                "left over: Widget.example.org held/stuck (waits for its finalizers example.org/never)",
                "changed: ConfigMap team/changed",
                "missing: ConfigMap team/deleted",
            ]
        );
        let ClusterState::Quarantined { why, .. } = kept.state else {
            panic!("it is quarantined");
        };
        assert_eq!(kept.approved, ["during"]);
        let unclean = Quarantine::Unclean {
            left_over: 6,
            changed: 1,
            missing: 1,
        };
        assert_eq!(why, unclean);
        let refused = ground
            .leasing
            .acquire(&ground.ask(domain::LeaseTime::new(60).unwrap()), &ground.look())
            .await;
        assert!(matches!(refused.unwrap(), Acquired::None { .. }));
    });
}

/// Makes as a holder what cannot be taken away.
fn leave_what_stays(ground: &Ground, holder: &Path) {
    let kubectl = |arguments: &[&str]| ground.kubectl(holder, arguments);
    let (kinds, objects) = STUCK.split_once("# Then:").unwrap();
    ground.apply(holder, kinds);
    kubectl(&["wait", "--for=condition=Established", "crd/widgets.example.org"]);
    ground.apply(holder, objects);
    kubectl(&[
        "wait",
        "--for=jsonpath={.status.readyReplicas}=1",
        "deployment/lasting",
        "--timeout=20s",
    ]);
    kubectl(&[
        "patch",
        "configmap",
        "changed",
        "--namespace=team",
        "--type=merge",
        "--patch",
        r#"{"data":{"k":"mine"}}"#,
    ]);
    kubectl(&["delete", "configmap", "deleted", "--namespace=team"]);
    request(ground.control.folder(), "during", |file| {
        kubectl(&["apply", "--filename", file]);
        kubectl(&["certificate", "approve", "during"]);
    });
}

/// Writes a request for a certificate to a file, for `done`.
fn request(folder: &Path, name: &str, done: impl FnOnce(&str)) {
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default()
        .serialize_request(&key)
        .unwrap()
        .pem()
        .unwrap();
    let manifest = json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name},
        "spec": {
            "signerName": "example.org/somebody", "usages": ["client auth"],
            "request": STANDARD.encode(request),
        },
    });
    let file = folder.join(format!("{name}.json"));
    std::fs::write(&file, manifest.to_string()).unwrap();
    done(&file.to_string_lossy());
}

/// And when it is another one at last, that one is not touched.
async fn a_cluster_left_alone_stays_as_it_was() {
    let mut ground = Ground::start("alone").await;
    let begun = instant();
    while begun.elapsed() < alone() {
        sleep(GLANCE).await;
        let difference = ground.difference().await;
        assert!(
            !difference.matters(false),
            "after {:.1?}: {difference:?}",
            begun.elapsed()
        );
    }
    println!("nothing changed within {:.1?}", begun.elapsed());
    ground
        .leasing
        .clean_again(&ground.cluster().await.name, false, &ground.look())
        .await
        .unwrap();
    ground.until(&["free", "quarantined"]).await;
    assert_eq!(ground.cluster().await.word(), "free");

    let granted = ground.granted(3_600).await;
    works(&client(&granted.kubeconfig).await).await;
    ground.control.replace().await.unwrap_or_else(|error| panic!("{error}"));
    // What looks like layby's own is somebody else's too.
    ground
        .control
        .kubectl(&[
            "create",
            "serviceaccount",
            &format!("layby-alone-holder-{}", granted.cluster.epoch),
            "--namespace=kube-system",
        ])
        .unwrap();
    ground.control.kubectl(&["create", "namespace", "theirs"]).unwrap();
    sleep(Duration::from_secs(4)).await;
    let other = ground.everything().await;
    assert!(ground.leasing.release(&granted.token, &ground.look()).await.unwrap());
    let kept = ground.until(&["free", "quarantined"]).await;
    assert!(
        matches!(
            kept.state,
            ClusterState::Quarantined {
                why: Quarantine::AnotherCluster { .. },
                ..
            }
        ),
        "{kept:?}"
    );
    let look = ground.look();
    ground.leasing.clean_again(&kept.name, false, &look).await.unwrap();
    ground.until(&["quarantined"]).await;
    assert_eq!(ground.everything().await, other);
}

/// How long a cluster is left alone.
fn alone() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "an edge: whoever runs the test says how long")]
    let said = std::env::var("LAYBY_TESTS_ALONE").ok();
    said.map_or(ALONE, |said| Duration::from_secs(said.parse().unwrap()))
}

/// Waits until a holder's kubeconfig can be used to make and read something.
async fn works(holder: &Client) {
    let maps: Api<ConfigMap> = Api::namespaced(holder.clone(), "default");
    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"generateName": "by-kube-"}})).unwrap();
    let made = maps.create(&PostParams::default(), &map).await.unwrap();
    assert_eq!(
        maps.get(&made.name_any()).await.unwrap().metadata.uid,
        made.metadata.uid
    );
}

/// Tries a token until it is refused as one that nobody has, and again: that must be so within `most` of `since`.
async fn refused_within(holder: &Client, since: Instant, most: Duration) {
    let maps: Api<ConfigMap> = Api::namespaced(holder.clone(), "default");
    let mut forbidden = None;
    loop {
        match maps.list(&Default::default()).await {
            Err(kube::Error::Api(status)) if status.code == 401 => break,
            Err(kube::Error::Api(status)) if status.code == 403 => drop(forbidden.get_or_insert(since.elapsed())),
            Ok(_) | Err(kube::Error::Api(_)) => {}
            Err(error) => panic!("{error}"),
        }
        assert!(
            since.elapsed() < most,
            "the token is good after {:.1?}",
            since.elapsed()
        );
        sleep(TRY).await;
    }
    println!(
        "nothing allowed after {forbidden:.1?}, the token refused after {:.1?}",
        since.elapsed()
    );
}
