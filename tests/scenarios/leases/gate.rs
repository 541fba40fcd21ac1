//! What a cluster must be to be registered, and to be given to somebody.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::limits::{LOOK_MAX, RETURN_MAX};
use domain::{ClusterState, Lease, Quarantine};
use jiff::{SignedDuration, Timestamp};
use lifecycle::{Acquired, Leasing, Registered, Renewed};
use net::{Fault, Net, Reach, Scope, within};
use tests::{App, this_machine};

use super::ground::{Ground, HOUR, KEY, kubeconfig_at, leasing, net, seconds};

/// A key that comes in front of [`KEY`].
const NEWER_KEY: &str = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=";

/// Clusters that are on this host.
async fn refused(ground: &Ground<'_>, leasing: &Leasing, kubeconfig: &str) -> String {
    match ground.register_by(leasing, "stranger", kubeconfig, "gate").await {
        Registered::Refused(why) | Registered::Unreachable(why) => why,
        Registered::Known(row) => panic!("{row:?}"),
    }
}

/// Why nobody gets a cluster that was not well.
async fn unhealthy(ground: &Ground<'_>, name: &str) -> String {
    match ground.cluster(name).await.state {
        ClusterState::Quarantined {
            why: Quarantine::Unhealthy { message, .. },
            ..
        } => message,
        state => panic!("{state:?}"),
    }
}

#[tokio::test]
async fn a_cluster_of_an_inward_address_is_refused_unless_the_configuration_lists_its_network() {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        // Nothing leaves this host, whatever is admitted.
        let settings = net::Settings {
            faults: Some(Arc::new(|_, _| Fault::Refuse)),
            ..net::Settings::default()
        };
        let silent = Net::new(settings).unwrap();
        let with = |networks: &[&str]| {
            let reach = Reach {
                networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
                loopback: false,
            };
            leasing(app, silent.clone(), &[KEY], reach)
        };
        let all = ["0.0.0.0/0", "::/0"];
        for (server, kind) in [
            ("https://169.254.169.254", "link-local or metadata"),
            ("https://[fd00:ec2::254]", "metadata"),
            ("https://[fe80::1]:6443", "link-local"),
            ("https://0.0.0.0:6443", "unspecified"),
            ("https://127.0.0.1:6443", "loopback"),
        ] {
            let said = refused(&ground, &with(&all), &kubeconfig_at(server, "t")).await;
            assert!(said.contains(&format!("has a {kind} address")), "{server}: {said}");
        }
        let private = kubeconfig_at("https://10.0.0.1:6443", "t");
        let said = refused(&ground, &with(&["10.1.0.0/16"]), &private).await;
        assert_eq!(
            said,
            "the cluster cannot be used by this kubeconfig: the address is refused: its host has a private address, \
             which is not of the public internet"
        );
        let said = refused(&ground, &with(&["10.0.0.0/16"]), &private).await;
        assert!(said.contains("cannot be reached"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn a_name_of_this_host_is_judged_by_what_it_resolves_to_and_so_is_every_later_step() {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        let strict = leasing(app, net(), &[KEY], Reach::default());
        let here = ground.kubeconfig("leased-1");
        for kubeconfig in [here.clone(), here.replace("127.0.0.1", "localhost")] {
            let said = refused(&ground, &strict, &kubeconfig).await;
            assert!(said.contains("has a loopback address"), "{said}");
        }
        let asked = strict.acquire(&ground.ask("ci", HOUR), &ground.look("acquire")).await;
        assert!(matches!(asked, Ok(Acquired::None { .. })));
        let said = unhealthy(&ground, "leased-1").await;
        assert!(said.contains("has a loopback address"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn a_kubeconfig_that_an_older_key_sealed_is_sealed_with_the_newest_by_whoever_opens_it() {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        let in_ring = |keys: &[&str]| leasing(app, net(), keys, this_machine());
        let seal = async || {
            let name = ground.cluster("leased-1").await.name;
            ground.leasing.store().seal(&name).await.unwrap().unwrap()
        };
        let before = seal().await;
        let rotated = in_ring(&[NEWER_KEY, KEY]);
        let granted = ground.granted_by(&rotated, &ground.ask("ci", HOUR)).await;
        let after = seal().await;
        assert!(after.version == before.version + 1 && after.value.sealed != before.value.sealed);

        // The older key is taken away: the cluster can be reached, also to be given back, and is not sealed again.
        let newest = in_ring(&[NEWER_KEY]);
        let held = newest.held(&granted.token, app.now()).await.unwrap().unwrap();
        assert!(newest.kubeconfig_again(&held.row, app.now()).await.unwrap().is_some());
        assert!(newest.release(&granted.token, &ground.look("release")).await.unwrap());
        let ClusterState::Ending { ending } = ground.cluster("leased-1").await.state else {
            panic!("it was released");
        };
        assert!(ending.revoked_at.is_some());
        assert_eq!(seal().await.version, after.version);
    })
    .await;
}

/// A token that says when it ends.
fn token_until(end: Timestamp) -> String {
    let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp": {}}}"#, end.as_second()));
    format!("e30.{claims}.c2ln")
}

#[tokio::test]
async fn a_cluster_whose_credential_ends_is_leased_for_as_long_as_it_can_be_returned() {
    App::run(async |app| {
        let mut ground = Ground::start(app, 0).await;
        let past = kubeconfig_at(
            "https://203.0.113.7",
            &token_until("2020-01-01T00:00:00Z".parse().unwrap()),
        );
        let said = refused(&ground, &ground.leasing, &past).await;
        assert!(said.ends_with("its credential ended at 2020-01-01T00:00:00Z"), "{said}");

        let end = app.now() + HOUR.duration() + SignedDuration::try_from(RETURN_MAX).unwrap();
        let token = token_until(end);
        ground.add("leased-1", |settings| settings.token = token).await;
        ground.advance(10).await;
        assert!(matches!(
            ground.acquire(&ground.ask("ci", HOUR)).await,
            Acquired::None { .. }
        ));
        assert_eq!(
            ground.cluster("leased-1").await.word(),
            "free",
            "it is only too short for this"
        );
        ground.add("leased-2", |_| {}).await;
        let granted = ground.granted(&ground.ask("ci", HOUR)).await;
        assert_eq!(granted.cluster.name.as_str(), "leased-2");
        let short = ground.granted(&ground.ask("ci", seconds(600))).await;
        assert_eq!(short.cluster.name.as_str(), "leased-1");
        let renewed = ground
            .leasing
            .renew(&short.token, HOUR, &ground.look("renew"))
            .await
            .unwrap();
        let Renewed::Renewed(held) = renewed else {
            panic!("it is not renewed");
        };
        assert_eq!(
            Some(held.lease.expires_at),
            ground.cluster("leased-1").await.lent_until()
        );
        assert!(
            ground
                .leasing
                .release(&short.token, &ground.look("release"))
                .await
                .unwrap()
        );
        ground.until("leased-1", "free").await;

        ground.advance(3_600).await;
        assert!(!matches!(
            ground.acquire(&ground.ask("ci", seconds(1))).await,
            Acquired::Granted(_)
        ));
        let said = unhealthy(&ground, "leased-1").await;
        assert!(said.starts_with("its registered credential ends at 2"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn a_cluster_that_hangs_is_left_in_time_for_the_next_one() {
    App::run(async |app| {
        let mut ground = Ground::start(app, 0).await;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let hanging = format!("https://{}", listener.local_addr().unwrap());
        for name in ["leased-1", "leased-2", "leased-3"] {
            ground.add(name, |_| {}).await;
            if name != "leased-3" {
                ground.lead_to(name, &kubeconfig_at(&hanging, "t")).await;
            }
        }
        let ask = ground.ask_that_begins_with("leased-1").await;
        let scope = Scope::lasting(LOOK_MAX);
        let granted = within(scope.clone(), ground.granted(&ask)).await;
        assert_eq!(granted.cluster.name.as_str(), "leased-3");
        assert!(scope.left() > LOOK_MAX / 2, "{:?} left", scope.left());
        assert_eq!(unhealthy(&ground, "leased-1").await, "the cluster cannot be reached");

        // With little time nothing is begun that could not be brought to its end.
        ground
            .leasing
            .release(&granted.token, &ground.look("release"))
            .await
            .unwrap();
        ground.until("leased-3", "free").await;
        let late = within(Scope::lasting(LOOK_MAX / 4), ground.acquire(&ground.ask("ci", HOUR))).await;
        assert!(matches!(late, Acquired::Raced));
        assert_eq!(ground.cluster("leased-3").await.word(), "free");
    })
    .await;
}

#[tokio::test]
async fn a_lease_is_no_longer_than_the_token_that_its_cluster_gives_and_says_so() {
    App::run(async |app| {
        let mut ground = Ground::start(app, 0).await;
        ground
            .add("leased-1", |settings| settings.longest_token = Some(3_600))
            .await;
        let long = seconds(3 * 3_600);
        let granted = ground.granted(&ground.ask("ci", long)).await;
        let lasts = |until: Timestamp| until.duration_since(app.now()).as_secs();
        assert!(granted.shortened && (3_590..=3_600).contains(&lasts(granted.lease.expires_at)));
        ground.advance(1_800).await;
        let renewed = ground
            .leasing
            .renew(&granted.token, long, &ground.look("renew"))
            .await
            .unwrap();
        let Renewed::Renewed(held) = renewed else {
            panic!("it is not renewed");
        };
        assert!(
            (3_590..=3_600).contains(&lasts(held.lease.expires_at)),
            "{:?}",
            held.lease
        );
        let row = ground
            .leasing
            .held(&granted.token, app.now())
            .await
            .unwrap()
            .unwrap()
            .row;
        let again = ground.leasing.kubeconfig_again(&row, app.now()).await.unwrap().unwrap();
        assert_eq!(
            (again.lease.expires_at, again.shortened),
            (held.lease.expires_at, false)
        );

        // Told by a row that says more, as before the server was set so.
        let mut row = row;
        let lease = Lease {
            expires_at: held.lease.expires_at + HOUR.duration(),
            ..held.lease
        };
        row.value = row.value.held(lease);
        let again = ground.leasing.kubeconfig_again(&row, app.now()).await.unwrap().unwrap();
        assert!(again.shortened && lasts(again.lease.expires_at) <= 3_600);

        ground
            .leasing
            .release(&granted.token, &ground.look("release"))
            .await
            .unwrap();
        ground.until("leased-1", "free").await;
        let granted = ground.granted(&ground.ask("ci", HOUR)).await;
        assert!(!granted.shortened, "a second is not told");
    })
    .await;
}
