//! Whom the switch for developers lets in, and where.

use api::{ENDPOINTS, Endpoint};
use domain::{Access, Scope};
use tests::{Answer, App};

/// What nobody in particular is answered by an endpoint, at each of its paths, with what was asked.
async fn asked_by_nobody(app: &App, endpoint: &Endpoint) -> Vec<(String, Answer)> {
    let mut answers = Vec::new();
    let Some((method, paths)) = endpoint.http() else {
        return answers;
    };
    for path in paths {
        let path = path.replace("{environment}", "org1:env1").replace(['{', '}'], "");
        let answer = app.ask(method.as_str().parse().unwrap(), &path).await;
        answers.push((format!("{} {path}", method.as_str()), answer));
    }
    answers
}

#[tokio::test]
async fn to_develop_with_only_the_paths_of_environments_are_open() {
    for state in ["DEV", "DEV_CONTAINER"] {
        App::run_with(&[("DEPLOY_STATE", state)], async |app| {
            app.get("/environments").await.expect(200);
            app.get("/environments").key("whatever").await.expect(200);
            let mut refused = Vec::new();
            for endpoint in ENDPOINTS {
                let status = match endpoint.access {
                    Access::Key(Scope::Leases) => 401,
                    Access::Key(_) | Access::AnyKey => 403,
                    _ => continue,
                };
                for (what, answer) in asked_by_nobody(app, endpoint).await {
                    answer.problem(status, "unauthorized");
                    refused.push(what);
                }
            }
            for what in ["GET /leases", "POST /keys", "PUT /templates/name"] {
                assert!(refused.iter().any(|one| one == what), "{what} not in {refused:?}");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn in_production_every_path_of_environments_asks_who_calls() {
    // What is not said is production; of old it was not.
    for state in [None, Some("PROD")] {
        let variables: Vec<(&str, &str)> = state.map(|state| ("DEPLOY_STATE", state)).into_iter().collect();
        App::run_with(&variables, async |app| {
            let mut refused = 0;
            for endpoint in ENDPOINTS {
                if endpoint.access != Access::Environments {
                    continue;
                }
                for (what, answer) in asked_by_nobody(app, endpoint).await {
                    let sentence = answer.problem(401, "unauthorized");
                    assert!(sentence.starts_with("Invalid Token"), "{what}: {sentence}");
                    refused += 1;
                }
            }
            assert!(refused > 0);
            for shown in ["wrong", "Bearer wrong", "Bearer no.good.token", "Basic YTpi", "a b c"] {
                let ask = app.get("/environments/org1:env1").header("authorization", shown);
                let sentence = ask.await.problem(401, "unauthorized");
                assert!(sentence.starts_with("Invalid Token"), "{shown}: {sentence}");
            }
            // As of old, nobody is asked for a name to be told that somebody answers.
            assert_eq!(app.get("/environments/status").await.text(), "OK");
        })
        .await;
    }
}
