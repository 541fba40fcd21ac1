//! Each endpoint asks on the wire for what its descriptor lists, for nothing else, and for all of it.

mod grants;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use api::{Code, ENDPOINTS, Endpoint, FALLBACK, Secret};
use bytes::Bytes;
use domain::Access;
use gateway::Config;
use http::{Request, Response};
use net::{Fault, Faults, Peer};
use serde_json::json;
use tests::App;
use tests::cases::leases::CLUSTERS;
use tests::cases::settings::{self, reply, status};
use tests::cases::{Case, Expected, all, prepare};

use crate::coverage::{of, play};
use crate::own::{Own, without_secrets};
use grants::{Grant, granted, wanted};

/// What an endpoint was seen to ask for.
#[derive(Default)]
struct Seen {
    used: BTreeSet<Grant>,
    denied: BTreeSet<String>,
}

/// Lets through what the descriptor of `endpoint` lists, and answers everything else as AWS and Kubernetes answer what
/// a role does not allow. What is let through meets the faults `then`.
fn watch(endpoint: &'static Endpoint, seen: &Arc<Mutex<Seen>>, then: Faults) -> Faults {
    let (seen, granted) = (Arc::clone(seen), granted(endpoint));
    Arc::new(move |peer, request| {
        let denied = match wanted(endpoint, peer, request) {
            Ok(grants) => {
                let mut seen = seen.lock().unwrap();
                let lacking = grants
                    .iter()
                    .find(|grant| !granted.contains(grant))
                    .map(|grant| format!("{grant:?}"));
                seen.used.extend(grants);
                lacking
            }
            Err(unknown) => Some(unknown),
        };
        match denied {
            None => then(peer, request),
            Some(what) => {
                seen.lock().unwrap().denied.insert(what);
                Fault::Answer(denial(peer, request))
            }
        }
    })
}

fn denial(peer: Peer, request: &Request<Bytes>) -> Response<Bytes> {
    match peer {
        Peer::Store | Peer::Platform => reply(
            400,
            &json!({
                "__type": "com.amazon.coral.service#AccessDeniedException",
                "Message": format!("User is not authorized to perform: dynamodb:{}", settings::action(request)),
            }),
        ),
        Peer::Cluster | Peer::Leased | Peer::Proxy | Peer::Outside => {
            status(403, "Forbidden", "the role does not allow this")
        }
    }
}

/// As a function has it: with secrets only where its descriptor lists some, and cells whose identity is recorded.
async fn config(app: &App, endpoint: &Endpoint) -> Config {
    let mut config = app.adapter().config();
    let lifecycle = app.adapter().lifecycle().unwrap();
    let home = lifecycle.cells().next().unwrap();
    config.cells[0].identity = home.cluster.identity().await.unwrap();
    if endpoint.needs.secrets.is_empty() {
        without_secrets(config)
    } else {
        config
    }
}

fn successes<'a>(cases: &'a [Case], endpoint: &Endpoint) -> Vec<&'a Case> {
    // Whoever is refused over a quota is told when to come back, for which much is looked at; whoever finds no cluster free
    // has a place in the line; whoever finds that an environment is over, or its namespace somebody else's, writes its end.
    let is_success = |case: &&Case| match case.expected {
        Expected::Success(_) | Expected::Refusal(Code::QuotaExceeded | Code::NoneFree) => true,
        Expected::Refusal(Code::DoesNotExist | Code::NameTaken | Code::IdempotencyKeyEnded) => {
            case.endpoint.access == Access::Environments
        }
        Expected::Refusal(_) | Expected::Unauthorised => false,
    };
    if endpoint.id == FALLBACK.id {
        // Every room's forms with a trailing slash come to it.
        return cases
            .iter()
            .filter(is_success)
            .filter(|case| case.endpoint.http().is_some())
            .collect();
    }
    of(cases, endpoint).filter(is_success).collect()
}

/// Plays every success of `endpoint`, and tells what it asked for.
async fn observe(app: &App, endpoint: &'static Endpoint) -> Seen {
    let seen = Arc::default();
    let config = config(app, endpoint).await;
    for case in successes(&all(), endpoint) {
        let faults = watch(endpoint, &seen, settings::faults(case.setting));
        let own = Own::open(app, endpoint, settings::config(case.setting, config.clone()), faults).await;
        own.warm().await;
        case.hold(&play(app, case, &own, &own.http.slashed()).await);
    }
    std::mem::take(&mut *seen.lock().unwrap())
}

/// Whether some success of `endpoint` fails where there is no keyring.
async fn needs_keyring(app: &App, endpoint: &'static Endpoint) -> bool {
    let config = without_secrets(app.adapter().config());
    for case in successes(&all(), endpoint) {
        if case.endpoint.needs.secrets.contains(&Secret::Keyring) {
            let config = settings::config(case.setting, config.clone());
            let own = Own::try_open(app, endpoint, config, Arc::new(|_, _| Fault::Pass)).await;
            let Ok(own) = own else { return true };
            if play(app, case, &own, &own.http).await.status == 500 {
                return true;
            }
        }
    }
    false
}

async fn hold_endpoint(app: &App, endpoint: &'static Endpoint) -> Vec<String> {
    let mut seen = observe(app, endpoint).await;
    if endpoint.needs.secrets.contains(&Secret::Keyring) && needs_keyring(app, endpoint).await {
        seen.used.insert(Grant::Secret(Secret::Keyring));
    }
    let granted = granted(endpoint);
    seen.used.extend(races(endpoint));
    let unused = granted.difference(&seen.used);
    let unused = unused.map(|grant| format!("{}: {grant:?} is granted and not used", endpoint.id));
    let denied = seen
        .denied
        .iter()
        .map(|what| format!("{}: {what} is used and not granted", endpoint.id));
    unused.chain(denied).collect()
}

/// What an endpoint asks for only where somebody else does something at the same moment: for a second deployment of its
/// component, or for the sleep of its environment.
fn races(endpoint: &Endpoint) -> Vec<Grant> {
    let verbs: &[&str] = match endpoint.id {
        "deployment-create" => &["delete", "update"],
        "deployment-patch" => &["list"],
        _ => &[],
    };
    let of_deployments = |verb: &&str| Grant::Verb("apps".into(), "deployments".into(), (*verb).to_owned());
    verbs.iter().map(of_deployments).collect()
}

/// One test an endpoint, so that they share the processors.
macro_rules! needs {
    ($($name:ident: $endpoint:ident,)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                App::run_leasing(CLUSTERS, async |app| {
                    prepare(app).await;
                    let wrong = hold_endpoint(app, &api::$endpoint).await;
                    assert!(wrong.is_empty(), "{wrong:#?}");
                })
                .await;
            }
        )*

        #[test]
        fn no_endpoint_is_left_out() {
            let held = [$(api::$endpoint.id),*];
            assert_eq!(held.to_vec(), ENDPOINTS.iter().map(|endpoint| endpoint.id).collect::<Vec<_>>());
        }
    };
}

needs! {
    application_launch_asks_for_what_it_lists: APPLICATION_LAUNCH,
    application_read_asks_for_what_it_lists: APPLICATION_READ,
    application_list_asks_for_what_it_lists: APPLICATION_LIST,
    application_stop_asks_for_what_it_lists: APPLICATION_STOP,
    application_logs_asks_for_what_it_lists: APPLICATION_LOGS,
    application_activity_asks_for_what_it_lists: APPLICATION_ACTIVITY,
    template_list_asks_for_what_it_lists: TEMPLATE_LIST,
    template_read_asks_for_what_it_lists: TEMPLATE_READ,
    template_put_asks_for_what_it_lists: TEMPLATE_PUT,
    template_delete_asks_for_what_it_lists: TEMPLATE_DELETE,
    preload_start_asks_for_what_it_lists: PRELOAD_START,
    preload_read_asks_for_what_it_lists: PRELOAD_READ,
    pool_put_asks_for_what_it_lists: POOL_PUT,
    pool_read_asks_for_what_it_lists: POOL_READ,
    pool_delete_asks_for_what_it_lists: POOL_DELETE,
    environment_create_asks_for_what_it_lists: ENVIRONMENT_CREATE,
    environment_list_asks_for_what_it_lists: ENVIRONMENT_LIST,
    environment_read_asks_for_what_it_lists: ENVIRONMENT_READ,
    environment_patch_asks_for_what_it_lists: ENVIRONMENT_PATCH,
    environment_delete_asks_for_what_it_lists: ENVIRONMENT_DELETE,
    environment_rotate_asks_for_what_it_lists: ENVIRONMENT_ROTATE,
    deployment_create_asks_for_what_it_lists: DEPLOYMENT_CREATE,
    deployment_list_asks_for_what_it_lists: DEPLOYMENT_LIST,
    deployment_read_asks_for_what_it_lists: DEPLOYMENT_READ,
    deployment_patch_asks_for_what_it_lists: DEPLOYMENT_PATCH,
    deployment_delete_asks_for_what_it_lists: DEPLOYMENT_DELETE,
    deployment_logs_asks_for_what_it_lists: DEPLOYMENT_LOGS,
    environment_status_asks_for_what_it_lists: ENVIRONMENT_STATUS,
    lease_acquire_asks_for_what_it_lists: LEASE_ACQUIRE,
    lease_read_asks_for_what_it_lists: LEASE_READ,
    lease_renew_asks_for_what_it_lists: LEASE_RENEW,
    lease_release_asks_for_what_it_lists: LEASE_RELEASE,
    lease_verify_asks_for_what_it_lists: LEASE_VERIFY,
    lease_list_asks_for_what_it_lists: LEASE_LIST,
    cluster_list_asks_for_what_it_lists: CLUSTER_LIST,
    cluster_read_asks_for_what_it_lists: CLUSTER_READ,
    cluster_put_asks_for_what_it_lists: CLUSTER_PUT,
    cluster_delete_asks_for_what_it_lists: CLUSTER_DELETE,
    cluster_release_asks_for_what_it_lists: CLUSTER_RELEASE,
    cluster_clean_asks_for_what_it_lists: CLUSTER_CLEAN,
    cluster_pool_list_asks_for_what_it_lists: CLUSTER_POOL_LIST,
    cluster_pool_read_asks_for_what_it_lists: CLUSTER_POOL_READ,
    cluster_pool_put_asks_for_what_it_lists: CLUSTER_POOL_PUT,
    cluster_pool_delete_asks_for_what_it_lists: CLUSTER_POOL_DELETE,
    key_create_asks_for_what_it_lists: KEY_CREATE,
    key_list_asks_for_what_it_lists: KEY_LIST,
    key_delete_asks_for_what_it_lists: KEY_DELETE,
    health_read_asks_for_what_it_lists: HEALTH_READ,
    healthz_read_asks_for_what_it_lists: HEALTHZ_READ,
    version_read_asks_for_what_it_lists: VERSION_READ,
    the_reaper_asks_for_what_it_lists: REAPER,
    fallback_asks_for_what_it_lists: FALLBACK,
}
