//! No endpoint lacks its cases, and each case goes as it must, with and without a trailing slash.

use std::collections::BTreeSet;

use api::{Code, ENDPOINTS, Endpoint};
use domain::Access;
use net::Peer;
use serde_json::json;
use tests::cases::leases::{CLUSTERS, UNKNOWN_TOKEN};
use tests::cases::{Case, Expected, NOTEBOOK, Play, Setting, UNKNOWN_ID, all, prepare, settings, told};
use tests::{Answer, App, Http};

use crate::own::Own;

#[test]
fn every_endpoint_has_its_success_its_refusals_and_its_unauthorised_case() {
    let cases = all();
    let mut lacking = BTreeSet::new();
    for endpoint in ENDPOINTS {
        let own: Vec<Expected> = of(&cases, endpoint).map(|case| case.expected).collect();
        if !own.iter().any(|expected| matches!(expected, Expected::Success(_))) {
            lacking.insert(format!("{} has no success", endpoint.id));
        }
        for code in endpoint.problems {
            if !own.contains(&Expected::Refusal(*code)) {
                lacking.insert(format!("{} has no {code:?}", endpoint.id));
            }
        }
        let is_keyed = !matches!(endpoint.access, Access::Open | Access::Schedule);
        if is_keyed && !own.contains(&Expected::Unauthorised) {
            lacking.insert(format!("{} has no unauthorised case", endpoint.id));
        }
    }
    assert!(lacking.is_empty(), "{lacking:#?}");
}

#[test]
fn every_refusal_that_is_asked_for_stands_in_its_descriptor() {
    for case in all() {
        if let Expected::Refusal(code) = case.expected {
            let declared = case.endpoint.problems.contains(&code) || Code::EDGE.contains(&code);
            assert!(declared, "{} does not declare {code:?}", case.endpoint.id);
        }
    }
}

#[tokio::test]
async fn every_case_goes_as_it_must_with_and_without_a_trailing_slash() {
    App::run_leasing(CLUSTERS, async |app| {
        prepare(app).await;
        for case in all() {
            let own = open(app, &case).await;
            match case.play {
                Play::Run(event) => case.hold(&own.run(event(app).await).await),
                Play::Http(ask) => {
                    let door = if case.setting == Setting::Usual {
                        app.http()
                    } else {
                        &own.http
                    };
                    let bare = ask(app, door).await;
                    case.hold(&bare);
                    let slashed = ask(app, &door.slashed()).await;
                    case.hold(&slashed);
                    assert_eq!(told(&bare), told(&slashed), "{}", case.name());
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn every_endpoint_refuses_a_body_over_1_mib_before_anything_else() {
    App::run(async |app| {
        for endpoint in ENDPOINTS {
            let Some((method, paths)) = endpoint.http() else {
                continue;
            };
            for path in paths {
                let path = path.replace(['{', '}'], "");
                let ask = app.ask(method.as_str().parse().unwrap(), &path);
                let detail = ask.body(vec![b' '; 1024 * 1024 + 1]).await.problem(413, "bodyTooLarge");
                assert_eq!(detail, "The body has 1048577 bytes, at most 1048576 are allowed");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn without_its_table_every_endpoint_that_needs_one_answers_503_and_when_to_come_back() {
    App::run(async |app| {
        app.outages().begin(Peer::Store);
        for endpoint in ENDPOINTS.iter().filter(|endpoint| !endpoint.needs.table.is_empty()) {
            let Some((method, paths)) = endpoint.http() else {
                continue;
            };
            for path in paths {
                let path = path.replace("{template}", NOTEBOOK).replace("{name}", NOTEBOOK);
                let path = path
                    .replace("{id}", UNKNOWN_ID)
                    .replace("{environment}", "acme:none")
                    .replace("{token}", UNKNOWN_TOKEN)
                    .replace("{lease}", UNKNOWN_TOKEN);
                let body = match endpoint.id {
                    "application-activity" => json!({}),
                    "environment-create" => json!({ "environmentName": "acme:none" }),
                    "environment-patch" => json!({}),
                    "deployment-create" => json!({ "deploymentName": "web", "publicHosts": "" }),
                    "key-create" => json!({ "name": NOTEBOOK, "scopes": ["apps"] }),
                    "pool-put" => json!({ "size": 1 }),
                    "lease-acquire" | "lease-renew" => json!({ "max_time": 60 }),
                    "lease-verify" => json!({ "epoch": 1 }),
                    "cluster-put" => json!({ "kubeconfig": "x", "pool": NOTEBOOK }),
                    "cluster-pool-put" | "cluster-clean" => json!({}),
                    "template-put" => json!({ "image-source": "x" }),
                    _ => json!({ "template-name": NOTEBOOK }),
                };
                for key in [app.apps(), app.admin()] {
                    let answer = app
                        .ask(method.as_str().parse().unwrap(), &path)
                        .key(key)
                        .header("x-lease-token", UNKNOWN_TOKEN)
                        .json(&body)
                        .await;
                    // The configured key is known without the table, and health is told whatever is down.
                    if endpoint.id == api::HEALTH_READ.id && key == app.admin() {
                        answer.expect(200);
                        continue;
                    }
                    let sentence = answer.problem(503, "badDatabase");
                    assert_eq!(sentence, "The database cannot be reached or is busy; try again shortly");
                    assert_eq!(answer.header("retry-after"), Some("5"), "{}", endpoint.id);
                }
            }
        }
    })
    .await;
}

/// The cases of one endpoint.
pub fn of<'a>(cases: &'a [Case], endpoint: &Endpoint) -> impl Iterator<Item = &'a Case> {
    let id = endpoint.id;
    cases.iter().filter(move |case| case.endpoint.id == id)
}

/// The endpoint of `case` by itself, in its setting.
async fn open(app: &App, case: &Case) -> Own {
    let config = settings::config(case.setting, app.adapter().config());
    Own::open(app, case.endpoint, config, settings::faults(case.setting)).await
}

/// Asks an endpoint over HTTP by way of `door`, or runs it by itself.
pub async fn play(app: &App, case: &Case, own: &Own, door: &Http) -> Answer {
    match case.play {
        Play::Http(ask) => ask(app, door).await,
        Play::Run(event) => own.run(event(app).await).await,
    }
}
