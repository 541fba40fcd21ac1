//! What the API does not take.

use http::Method;
use serde_json::json;

use crate::server::Server;

checks! {
    without_the_token_nothing_is_told_or_changed
    nonsense_is_refused_before_the_token_is_looked_at
    a_body_without_a_target_is_refused
    a_moment_that_is_none_is_refused
    other_methods_and_other_paths_are_refused
    the_api_has_a_port_of_its_own
}

async fn without_the_token_nothing_is_told_or_changed(server: &Server) {
    server.post("/user/x", &json!({ "target": "http://10.0.0.1:1" })).await;
    let before = server.routes().await;
    let token = &server.token;
    let other = format!("{token}0");
    for credentials in [
        "",
        "token",
        token,
        &format!("Bearer {token}"),
        &format!("token {other}"),
        "token x",
        &format!("Token {token}"),
    ] {
        for (method, path) in [
            (Method::GET, "/api/routes"),
            (Method::GET, "/api/routes/user/x"),
            (Method::GET, "/api/routes/user/none"),
            (Method::DELETE, "/api/routes/user/x"),
            (Method::POST, "/api/routes/user/x"),
            (Method::POST, "/api/routes/user/y"),
        ] {
            let body = r#"{"target":"http://10.0.0.2:2"}"#;
            let answer = server.manage_as(credentials, method.clone(), path, body).await;
            assert_eq!(
                (answer.status, answer.text()),
                (403, ""),
                "{credentials:?} {method} {path}"
            );
        }
    }
    assert_eq!(server.routes().await, before);
}

async fn nonsense_is_refused_before_the_token_is_looked_at(server: &Server) {
    let put = server.manage_as("", Method::PUT, "/api/routes/user/x", "").await;
    assert_eq!(put.status, 405);
    let post = server.manage_as("", Method::POST, "/api/routes/user/x", "{").await;
    assert_eq!(post.status, 400);
    assert!(post.text().starts_with("Body not valid JSON"), "{}", post.text());
    assert_eq!(server.manage_as("", Method::GET, "/api/other", "").await.status, 404);
}

async fn a_body_without_a_target_is_refused(server: &Server) {
    for body in ["", "{", "target=http://10.0.0.1:1", "{} {}"] {
        let answer = server.manage(Method::POST, "/api/routes/user/x", body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.text().starts_with("Body not valid JSON"), "{}", answer.text());
    }
    for body in [
        "{}",
        "[]",
        "3",
        "null",
        "\"http://10.0.0.1:1\"",
        r#"{"target":1}"#,
        r#"{"Target":"http://10.0.0.1:1"}"#,
    ] {
        let answer = server.manage(Method::POST, "/api/routes/user/x", body).await;
        assert_eq!(
            (answer.status, answer.text()),
            (400, "Must specify 'target' as string"),
            "{body}"
        );
    }
    assert_eq!(server.routes().await.len(), 0);
}

async fn a_moment_that_is_none_is_refused(server: &Server) {
    let now = "2026-11-21T10:00:00";
    // A bare plus is a space, and then the offset is none.
    for moment in [
        "soon",
        "yesterday",
        "2026-13-01",
        "2026-11-21T25:00:00Z",
        &format!("{now}+01:00"),
    ] {
        let answer = server
            .manage(Method::GET, &format!("/api/routes?inactive_since={moment}"), "")
            .await;
        let told = moment.replace('+', " ");
        let expected = format!("Invalid datestamp '{told}' must be ISO8601.");
        assert_eq!((answer.status, answer.text()), (400, &*expected));
    }
}

async fn other_methods_and_other_paths_are_refused(server: &Server) {
    server.post("/user/x", &json!({ "target": "http://10.0.0.1:1" })).await;
    for method in [Method::PUT, Method::PATCH, Method::HEAD, Method::OPTIONS] {
        for path in ["/api/routes", "/api/routes/user/x"] {
            let answer = server.manage(method.clone(), path, "").await;
            assert_eq!(answer.status, 405, "{method} {path}");
        }
    }
    for path in ["/", "/api", "/api/", "/api/routesx", "/routes", "/other/api/routes"] {
        assert_eq!(server.manage(Method::GET, path, "").await.status, 404, "{path}");
    }
}

async fn the_api_has_a_port_of_its_own(server: &Server) {
    let target = server.with_target().await;
    let public = server.get("/api/routes").await;
    assert_eq!(public.status, 404, "not at the public port");
    assert_eq!(
        server.manage(Method::GET, "/user/x", "").await.status,
        404,
        "and nobody's page at the API's"
    );
    server.route("/api", target.address).await;
    assert_eq!(
        server.get("/api/routes").await.json()["uri"],
        "/api/routes",
        "so that an application may have the path"
    );
}
