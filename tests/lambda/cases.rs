//! Every case of the API, by way of the functions.

use std::collections::BTreeSet;

use gateway::SecretsFrom;
use real::Functions;
use serde_json::json;
use tests::cases::{BROKEN, Case, NOTEBOOK, POOLED, Play, Setting, all, prepare, settings, told};
use tests::{App, Http, Registry};

use crate::support::{built, run, start};

/// The cases that functions are not sent: faults of a connector are brought about inside its process, and a clock is
/// wound where its reader is. Nor do functions go to clusters to lease on this machine, as the local adapter does.
const LEFT_OUT: [&str; 141] = [
    "application-activity Refusal(Conflict) Overtaking",
    "application-launch Success(200) LosingCluster",
    "application-launch Success(200) RefusingCluster",
    "application-read Success(200) LosingCluster",
    "application-read Success(200) Usual, Clock",
    "application-read Success(200) Usual, Clock",
    "application-stop Refusal(Conflict) Overtaking",
    "application-stop Success(202) Usual, Clock",
    "cluster-clean Refusal(Conflict) Overtaking, Clock",
    "cluster-clean Refusal(InUse) Usual, Clock",
    "cluster-clean Success(202) RotatedKeys, Clock",
    "cluster-clean Success(202) Usual, Clock",
    "cluster-delete Refusal(Conflict) Overtaking, Clock",
    "cluster-delete Refusal(InUse) Usual, Clock",
    "cluster-delete Success(200) RotatedKeys, Clock",
    "cluster-delete Success(200) Usual, Clock",
    "cluster-list Success(200) Usual, Clock",
    "cluster-pool-delete Refusal(Conflict) Overtaking",
    "cluster-pool-delete Refusal(InUse) Usual, Clock",
    "cluster-pool-put Refusal(Conflict) Overtaking",
    "cluster-put Refusal(BadKubeRequest) Usual, Clock",
    "cluster-put Refusal(Conflict) Overtaking, Clock",
    "cluster-put Success(200) RotatedKeys, Clock",
    "cluster-put Success(200) Usual, Clock",
    "cluster-put Success(200) Usual, Clock",
    "cluster-read Success(200) Usual, Clock",
    "cluster-release Refusal(Conflict) Overtaking, Clock",
    "cluster-release Refusal(NoLease) Usual, Clock",
    "cluster-release Success(202) RotatedKeys, Clock",
    "deployment-create Refusal(AuthorityUnreachable) IssuerDown",
    "deployment-create Refusal(BadKubeRequest) ClusterDown",
    "deployment-create Refusal(Conflict) Usual, Outage",
    "deployment-create Refusal(Conflict) Usual, Outage",
    "deployment-create Refusal(HostTakenOfOld) OldHostStatus",
    "deployment-create Refusal(MalformedRequest) OwnHosts",
    "deployment-create Refusal(OriginFailed) OriginDown",
    "deployment-create Success(201) LosingCluster",
    "deployment-create Success(201) OwnHosts",
    "deployment-create Success(201) Router",
    "deployment-delete Refusal(AuthorityUnreachable) IssuerDown",
    "deployment-delete Refusal(BadKubeRequest) ClusterDown",
    "deployment-delete Refusal(Conflict) Usual, Outage",
    "deployment-list Refusal(AuthorityUnreachable) IssuerDown",
    "deployment-list Refusal(BadKubeRequest) ClusterDown",
    "deployment-list Refusal(Conflict) Usual, Outage",
    "deployment-logs Refusal(AuthorityUnreachable) IssuerDown",
    "deployment-logs Refusal(BadKubeRequest) ClusterDown",
    "deployment-logs Refusal(Conflict) Usual, Outage",
    "deployment-patch Refusal(AuthorityUnreachable) IssuerDown",
    "deployment-patch Refusal(BadKubeRequest) ClusterDown",
    "deployment-patch Refusal(Conflict) Usual, Outage",
    "deployment-patch Refusal(HostTakenOfOld) OldHostStatus",
    "deployment-patch Refusal(OriginFailed) OriginDown",
    "deployment-patch Success(200) Router",
    "deployment-read Refusal(AuthorityUnreachable) IssuerDown",
    "deployment-read Refusal(BadKubeRequest) ClusterDown",
    "deployment-read Refusal(Conflict) Usual, Outage",
    "environment-create Refusal(AuthorityUnreachable) IssuerDown",
    "environment-create Refusal(Conflict) Overtaking",
    "environment-create Refusal(HostTakenOfOld) OldHostStatus",
    "environment-create Refusal(IdempotencyKeyEnded) Usual, Clock",
    "environment-create Success(201) ApigeeDown",
    "environment-create Success(201) ClusterDown",
    "environment-create Success(201) Isolated, Outage",
    "environment-create Success(201) Isolated, Outage",
    "environment-create Success(201) LosingCluster",
    "environment-create Success(201) Usual, Outage",
    "environment-create Success(201) Usual, Outage",
    "environment-delete Refusal(AuthorityUnreachable) IssuerDown",
    "environment-delete Refusal(Conflict) Overtaking",
    "environment-delete Success(204) Usual, Clock",
    "environment-delete Success(204) Usual, Outage",
    "environment-list Refusal(AuthorityUnreachable) IssuerDown",
    "environment-patch Refusal(AuthorityUnreachable) IssuerDown",
    "environment-patch Refusal(Conflict) Overtaking",
    "environment-patch Refusal(Conflict) Usual, Outage",
    "environment-patch Refusal(DoesNotExist) Usual, Clock",
    "environment-patch Refusal(HostTakenOfOld) OldHostStatus",
    "environment-patch Success(200) Isolated, Outage",
    "environment-patch Success(200) Isolated, Outage",
    "environment-patch Success(200) Usual, Outage",
    "environment-patch Success(200) Usual, Outage",
    "environment-read Refusal(AuthorityUnreachable) IssuerDown",
    "environment-read Refusal(DoesNotExist) Usual, Clock",
    "environment-read Success(200) Isolated, Outage",
    "environment-read Success(200) Isolated, Outage",
    "environment-read Success(200) RotatedKeys",
    "environment-read Success(200) Usual, Outage",
    "environment-read Success(200) Usual, Outage",
    "environment-rotate Refusal(AuthorityUnreachable) IssuerDown",
    "environment-rotate Refusal(Conflict) Usual, Outage",
    "environment-rotate Refusal(DoesNotExist) Usual, Clock",
    "environment-rotate Success(200) Isolated, Outage",
    "environment-rotate Success(200) Isolated, Outage",
    "environment-rotate Success(200) Usual, Outage",
    "environment-rotate Success(200) Usual, Outage",
    "key-delete Refusal(Conflict) Overtaking",
    "lease-acquire Refusal(Busy) Overtaking, Clock",
    "lease-acquire Refusal(IdempotencyKeyEnded) Usual, Clock",
    "lease-acquire Refusal(IdempotencyKeyReused) Usual, Clock",
    "lease-acquire Refusal(NoneFree) Usual, Clock",
    "lease-acquire Refusal(NoneFree) Usual, Clock",
    "lease-acquire Success(200) RotatedKeys, Clock",
    "lease-acquire Success(200) Usual, Clock",
    "lease-acquire Success(200) Usual, Clock",
    "lease-list Success(200) Usual, Clock",
    "lease-list Success(200) Usual, Clock",
    "lease-read Refusal(BadKubeRequest) LeasedDown, Clock",
    "lease-read Success(200) RotatedKeys, Clock",
    "lease-read Success(200) Usual, Clock",
    "lease-release Refusal(Conflict) Overtaking, Clock",
    "lease-release Refusal(NoLease) Usual, Clock",
    "lease-release Success(200) RotatedKeys, Clock",
    "lease-release Success(200) Usual, Clock",
    "lease-renew Refusal(BadKubeRequest) LeasedDown, Clock",
    "lease-renew Refusal(Conflict) Overtaking, Clock",
    "lease-renew Refusal(RuleRefused) Usual, Clock",
    "lease-renew Success(200) RotatedKeys, Clock",
    "lease-renew Success(200) Usual, Clock",
    "lease-verify Success(200) Usual, Clock",
    "pool-delete Refusal(Conflict) Overtaking",
    "pool-put Refusal(Conflict) Overtaking",
    "preload-read Success(200) LosingCluster",
    "preload-read Success(200) Usual, Outage",
    "preload-start Refusal(Conflict) Overtaking",
    "preload-start Success(200) LosingCluster",
    "reaper Success(200) Isolated, Outage",
    "reaper Success(200) Isolated, Outage",
    "reaper Success(200) LosingCluster",
    "reaper Success(200) RotatedKeys, Clock",
    "reaper Success(200) Usual, Clock",
    "reaper Success(200) Usual, Clock",
    "reaper Success(200) Usual, Clock",
    "reaper Success(200) Usual, Clock",
    "reaper Success(200) Usual, Clock",
    "reaper Success(200) Usual, Clock",
    "reaper Success(200) Usual, Outage",
    "reaper Success(200) Usual, Outage",
    "reaper Success(200) Usual, Outage",
    "template-delete Refusal(Conflict) Overtaking",
    "template-put Refusal(Conflict) Overtaking",
];

/// Settings that functions are told in variables.
const TOLD: [Setting; 6] = [
    Setting::Usual,
    Setting::KeyedLaunches,
    Setting::NoCells,
    Setting::NoRoom,
    Setting::Registry,
    Setting::RegistryDown,
];

fn is_left_out(case: &Case) -> bool {
    case.here.is_some() || !TOLD.contains(&case.setting)
}

fn name(case: &Case) -> String {
    let here = case.here.map(|here| format!(", {here:?}"));
    format!("{}{}", case.name(), here.unwrap_or_default())
}

#[test]
fn what_is_left_out_is_known() {
    let mut left_out: Vec<String> = all().iter().filter(|case| is_left_out(case)).map(name).collect();
    left_out.sort_unstable();
    assert_eq!(left_out, LEFT_OUT);
}

#[tokio::test]
async fn every_case_goes_as_it_must_with_and_without_a_trailing_slash() {
    run(async |app, functions| {
        prepare(app).await;
        let registry = registry().await;
        let mut sent = 0;
        for setting in TOLD {
            let cases: Vec<Case> = all().into_iter().filter(|case| case.setting == setting).collect();
            let own = of_setting(app, setting, &cases, &registry).await;
            let functions = own.as_ref().unwrap_or(functions);
            for case in cases.iter().filter(|case| !is_left_out(case)) {
                hold(app, case, functions).await;
                sent += 1;
            }
        }
        println!("{sent} cases by way of the functions, {} left out", LEFT_OUT.len());
    })
    .await;
}

/// Asks a case twice, without and with a trailing slash, or runs it.
async fn hold(app: &App, case: &Case, functions: &Functions) {
    let door = Http::new(functions.url());
    match case.play {
        Play::Run(event) => {
            let event = event(app).await;
            case.hold(&door.post(&Functions::events(case.endpoint.id)).body(event).await);
        }
        Play::Http(ask) => {
            let bare = ask(app, &door).await;
            case.hold(&bare);
            let slashed = ask(app, &door.slashed()).await;
            case.hold(&slashed);
            assert_eq!(told(&bare), told(&slashed), "{}", case.name());
        }
    }
}

/// The functions that `cases` ask in this setting, where it is told to them.
async fn of_setting(app: &App, setting: Setting, cases: &[Case], registry: &Registry) -> Option<Functions> {
    if setting == Setting::Usual {
        return None;
    }
    let mut config = settings::config(setting, app.adapter().config());
    if setting == Setting::Registry {
        config.registry_url = Some(registry.url().parse().unwrap());
        if let SecretsFrom::Given(secrets) = &mut config.secrets {
            secrets.registry_key = Registry::KEY.to_owned();
        }
    }
    let mut names: BTreeSet<&str> = cases.iter().map(|case| case.endpoint.id).collect();
    names.insert(api::FALLBACK.id);
    Some(start(built(), names, &config).await)
}

/// A registry that has the templates of the cases.
async fn registry() -> Registry {
    let registry = Registry::start().await;
    for name in [NOTEBOOK, POOLED, BROKEN, "refilled"] {
        registry.has(name, &json!({ "image-source": "layby/notebook:1" }));
    }
    registry
}
