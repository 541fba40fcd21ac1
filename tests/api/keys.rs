//! `/keys`, and API keys on the paths that need one.

mod create;
mod delete;
mod list;
mod uses;

use api::ENDPOINTS;
use domain::{Access, Scope};
use serde_json::{Value, json};
use tests::App;

/// Makes a key with the scope `apps`, and gives what was answered.
async fn made(app: &App, name: &str) -> Value {
    let body = json!({ "name": name, "scopes": ["apps"] });
    app.post("/keys").key(app.admin()).json(&body).await.expect(201)
}

/// The key in the answer to its making.
fn shown(answer: &Value) -> &str {
    answer["key"].as_str().unwrap()
}

#[tokio::test]
async fn a_key_is_read_in_its_three_forms() {
    App::run(async |app| {
        let key = app.apps();
        let forms = [
            key.to_owned(),
            format!("Bearer {key}"),
            format!("bearer {key}"),
            format!("token {key}"),
            format!("Token  {key} "),
        ];
        for form in forms {
            app.get("/templates/").header("authorization", &form).await.expect(200);
        }
        for form in [
            "",
            "Bearer",
            "Bearer ",
            "Basic abc",
            "wrong",
            &format!("Basic {key}"),
            &key.to_uppercase(),
        ] {
            app.get("/templates/")
                .header("authorization", form)
                .await
                .problem(403, "unauthorized");
        }
    })
    .await;
}

#[tokio::test]
async fn every_keyed_path_refuses_whoever_has_no_key_or_a_wrong_one_in_the_same_words() {
    App::run(async |app| {
        for endpoint in ENDPOINTS {
            let Some((method, paths)) = endpoint.http() else {
                continue;
            };
            let needed = match endpoint.access {
                Access::Key(scope) => format!("an API key with the scope '{}'", scope.as_str()),
                Access::AnyKey => "an API key".to_owned(),
                Access::Open
                | Access::OpenUnlessClosed(_)
                | Access::KeyOrLaunchToken(_)
                | Access::Environments
                | Access::Schedule => continue,
            };
            for path in paths {
                let path = path.replace(['{', '}'], "");
                let ask = || app.ask(method.as_str().parse().unwrap(), &path);
                let expected = format!("this needs {needed} in the Authorization header");
                // The older services differ in the status.
                let is_lease = endpoint.access == Access::Key(Scope::Leases);
                let status = if is_lease { 401 } else { 403 };
                assert_eq!(ask().await.problem(status, "unauthorized"), expected);
                assert_eq!(ask().key("wrong").await.problem(status, "unauthorized"), expected);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn without_the_table_a_key_is_not_called_wrong() {
    App::run(async |app| {
        app.outages().begin(net::Peer::Store);
        app.get("/templates").key(app.apps()).await.problem(503, "badDatabase");
        app.get("/templates").await.problem(403, "unauthorized");
    })
    .await;
}
