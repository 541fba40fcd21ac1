//! What no route takes.

use std::collections::BTreeMap;

use api::ENDPOINTS;
use http::Method;
use tests::App;

#[tokio::test]
async fn an_unknown_path_is_404_in_the_form_of_every_problem() {
    App::run(async |app| {
        for path in [
            "/",
            "/nowhere",
            "/applications/a/b/c",
            "/templates/a/b",
            "//",
            "/version/x",
            "/VERSION",
            "/%00",
            "/applications/%FF/%FF/%FF",
        ] {
            for method in [Method::GET, Method::POST, Method::DELETE] {
                let answer = app.ask(method, path).await;
                let sentence = answer.problem(404, "notFound");
                assert_eq!(
                    sentence, "There is nothing at this path; GET /version tells what this is",
                    "{path}"
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_wrong_method_is_405_with_those_that_the_path_has() {
    App::run(async |app| {
        let mut allowed: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (method, paths) in ENDPOINTS.iter().filter_map(|endpoint| endpoint.http()) {
            for path in paths {
                allowed.entry(path).or_default().push(method.as_str());
            }
        }
        for (path, mut methods) in allowed {
            methods.sort_unstable();
            let allow = methods.join(", ");
            let path = path.replace(['{', '}'], "");
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"] {
                if methods.contains(&method) {
                    continue;
                }
                for path in [path.clone(), format!("{path}/")] {
                    let answer = app.ask(method.parse().unwrap(), &path).await;
                    let sentence = answer.problem(405, "methodNotAllowed");
                    assert_eq!(sentence, format!("This path has {allow}, not {method}"));
                    assert_eq!(answer.header("allow"), Some(allow.as_str()));
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn every_answer_carries_a_request_id_of_its_own() {
    App::run(async |app| {
        let answers = [
            app.get("/version").await,
            app.get("/version/").await,
            app.get("/nowhere").await,
            app.ask(Method::PATCH, "/version").await,
            app.get("/templates").await,
            app.post("/applications/unknown").await,
            app.post("/applications/unknown")
                .body(vec![b'x'; 2 * 1024 * 1024])
                .await,
        ];
        let mut ids: Vec<&str> = answers
            .iter()
            .map(|answer| answer.header("x-request-id").unwrap())
            .collect();
        assert!(
            ids.iter().all(|id| id.len() == 36 && id.matches('-').count() == 4),
            "{ids:?}"
        );
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), answers.len());
    })
    .await;
}
