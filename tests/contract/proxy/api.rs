//! The API's answers to whoever has the token and asks rightly.

use futures::future::join_all;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::server::Server;
use crate::target::nobody;

checks! {
    a_route_is_added_told_and_removed
    what_was_posted_beside_the_target_is_given_back
    a_route_that_is_posted_again_is_replaced_whole
    all_routes_are_told_by_their_paths
    a_slash_behind_a_path_makes_no_difference
    the_route_of_the_root_takes_what_no_other_does
    last_activity_is_in_utc_with_milliseconds
    only_what_was_idle_is_told_where_that_is_asked
    a_moment_is_told_in_any_form_of_iso_8601
    routes_that_are_posted_at_once_are_all_there
}

async fn a_route_is_added_told_and_removed(server: &Server) {
    let posted = json!({ "target": "http://10.0.0.7:8888" });
    let path = "/api/routes/user/0123456789abcdef0123456789abcdef";
    let added = server.manage(Method::POST, path, &posted.to_string()).await;
    assert_eq!((added.status, added.text()), (201, ""));
    let told = server.manage(Method::GET, path, "").await;
    assert_eq!(
        (told.status, told.header("content-type")),
        (200, Some("application/json"))
    );
    let told = told.json();
    assert_eq!(
        told,
        json!({ "target": "http://10.0.0.7:8888", "last_activity": told["last_activity"] })
    );
    let removed = server.manage(Method::DELETE, path, "").await;
    assert_eq!((removed.status, removed.text()), (204, ""));
    assert_eq!(server.manage(Method::GET, path, "").await.status, 404);
    assert_eq!(server.manage(Method::DELETE, path, "").await.status, 404);
    assert_eq!(server.routes().await.len(), 0);
}

async fn what_was_posted_beside_the_target_is_given_back(server: &Server) {
    let mut posted = json!({
        "target": "http://127.0.0.1:9", "layby": "prod", "": null, "more": { "a": [1, "ü", false] },
        "last_activity": "never",
    });
    server.post("/layby/prod", &posted).await;
    let told = server.manage(Method::GET, "/api/routes/layby/prod", "").await.json();
    assert!(
        told["last_activity"].as_str().unwrap().parse::<Timestamp>().is_ok(),
        "{told}"
    );
    posted["last_activity"] = told["last_activity"].clone();
    assert_eq!(told, posted);
    assert_eq!(server.routes().await["/layby/prod"], posted);
}

async fn a_route_that_is_posted_again_is_replaced_whole(server: &Server) {
    server
        .post("/user/x", &json!({ "target": "http://10.0.0.1:1", "layby": "a" }))
        .await;
    let again = json!({ "target": "http://10.0.0.2:2", "other": 1 });
    server
        .counts("registering again", async || server.post("/user/x", &again).await)
        .await;
    let told = server.manage(Method::GET, "/api/routes/user/x", "").await.json();
    assert_eq!(
        told,
        json!({ "target": "http://10.0.0.2:2", "other": 1, "last_activity": told["last_activity"] })
    );
}

async fn all_routes_are_told_by_their_paths(server: &Server) {
    let none = server.manage(Method::GET, "/api/routes", "").await;
    assert_eq!(
        (none.status, none.text(), none.header("content-type")),
        (200, "{}", Some("application/json"))
    );
    for path in ["/user/x", "/user/x/deep", "/layby/prod"] {
        server
            .post(path, &json!({ "target": "http://10.0.0.1:1", "of": path }))
            .await;
    }
    let routes = server.routes().await;
    assert_eq!(
        routes.keys().collect::<Vec<_>>(),
        ["/layby/prod", "/user/x", "/user/x/deep"]
    );
    assert!(routes.iter().all(|(path, route)| route["of"] == *path), "{routes:?}");
    let slashed = server.manage(Method::GET, "/api/routes/", "").await;
    assert_eq!(slashed.json(), json!(routes));
    server.manage(Method::DELETE, "/api/routes/user/x", "").await;
    assert_eq!(
        server.routes().await.keys().collect::<Vec<_>>(),
        ["/layby/prod", "/user/x/deep"],
        "what is below a route is a route of its own"
    );
}

async fn a_slash_behind_a_path_makes_no_difference(server: &Server) {
    server.post("/user/x/", &json!({ "target": "http://10.0.0.1:1" })).await;
    assert_eq!(server.routes().await.keys().collect::<Vec<_>>(), ["/user/x"]);
    assert_eq!(server.manage(Method::GET, "/api/routes/user/x", "").await.status, 200);
    assert_eq!(server.manage(Method::GET, "/api/routes/user/x/", "").await.status, 200);
    assert_eq!(
        server.manage(Method::DELETE, "/api/routes/user/x/", "").await.status,
        204
    );
}

async fn the_route_of_the_root_takes_what_no_other_does(server: &Server) {
    let target = server.with_target().await;
    assert_eq!(server.get("/other").await.status, 404);
    server
        .post(
            "/",
            &json!({ "target": format!("http://{}", target.address), "root": true }),
        )
        .await;
    assert_eq!(server.routes().await["/"]["root"], true);
    assert_eq!(server.get("/other").await.json()["uri"], "/other");
    server.route("/user/x", nobody().await).await;
    assert_eq!(server.get("/user/x").await.status, 503);
    assert_eq!(server.manage(Method::DELETE, "/api/routes/", "").await.status, 204);
    assert_eq!(server.get("/other").await.status, 404);
}

async fn last_activity_is_in_utc_with_milliseconds(server: &Server) {
    let before = Timestamp::now();
    server.post("/user/x", &json!({ "target": "http://10.0.0.1:1" })).await;
    let told = server.manage(Method::GET, "/api/routes/user/x", "").await.json();
    let text = told["last_activity"].as_str().unwrap();
    assert_eq!(
        (text.len(), &text[10..11], &text[19..20], &text[23..]),
        (24, "T", ".", "Z"),
        "{text}"
    );
    let at: Timestamp = text.parse().unwrap();
    let slack = SignedDuration::from_millis(1);
    assert!(before - slack <= at && at <= Timestamp::now(), "{before} {at}");
}

/// The paths that are told for this query.
async fn idle(server: &Server, query: &str) -> Vec<String> {
    let answer = server.manage(Method::GET, &format!("/api/routes?{query}"), "").await;
    assert_eq!(answer.status, 200, "{query}");
    answer.json().as_object().unwrap().keys().cloned().collect()
}

async fn only_what_was_idle_is_told_where_that_is_asked(server: &Server) {
    let target = server.with_target().await;
    server.route("/user/y", target.address).await;
    server.counts("a request", async || server.get("/user/x").await).await;
    let (x, y) = (server.used("/user/x").await, server.used("/user/y").await);
    let millisecond = SignedDuration::from_millis(1);
    for name in ["inactive_since", "inactiveSince"] {
        assert_eq!(idle(server, &format!("{name}={y}")).await, [""; 0], "strictly before");
        assert_eq!(idle(server, &format!("{name}={}", y + millisecond)).await, ["/user/y"]);
        assert_eq!(idle(server, &format!("{name}={x}")).await, ["/user/y"]);
        assert_eq!(
            idle(server, &format!("{name}={}", x + millisecond)).await,
            ["/user/x", "/user/y"]
        );
        assert_eq!(
            idle(server, &format!("{name}=")).await,
            ["/user/x", "/user/y"],
            "as if it were not there"
        );
    }
    assert_eq!(idle(server, "other=2000-01-01").await, ["/user/x", "/user/y"]);
}

async fn a_moment_is_told_in_any_form_of_iso_8601(server: &Server) {
    server.post("/user/x", &json!({ "target": "http://10.0.0.1:1" })).await;
    let used = server.used("/user/x").await;
    let whole = |hours: i64| format!("{:.0}", used + SignedDuration::from_hours(hours));
    // As UTC; without an offset it is UTC too, because that is where both servers live; and as a day.
    for late in [
        whole(1),
        whole(1).replace('Z', ""),
        whole(48)[..10].to_owned(),
        whole(1).replace('Z', "%2B00:00"),
    ] {
        assert_eq!(
            idle(server, &format!("inactive_since={late}")).await,
            ["/user/x"],
            "{late}"
        );
    }
    for early in [
        whole(-1),
        whole(-1).replace('Z', ""),
        whole(-48)[..10].to_owned(),
        whole(1).replace('Z', "%2B02:00"),
    ] {
        assert_eq!(
            idle(server, &format!("inactive_since={early}")).await,
            [""; 0],
            "{early}"
        );
    }
}

async fn routes_that_are_posted_at_once_are_all_there(server: &Server) {
    let posts = (0..200).map(async |number| {
        let path = format!("/user/{number:032x}");
        server
            .post(
                &path,
                &json!({ "target": format!("http://10.0.0.1:{}", 1000 + number), "n": number }),
            )
            .await;
    });
    join_all(posts).await;
    let routes = server.routes().await;
    assert_eq!(routes.len(), 200);
    for number in 0..200 {
        let route = &routes[&format!("/user/{number:032x}")];
        assert_eq!(
            (&route["n"], &route["target"]),
            (&json!(number), &json!(format!("http://10.0.0.1:{}", 1000 + number)))
        );
    }
}
