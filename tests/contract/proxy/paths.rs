//! Which route a path takes, and what of it arrives.

use http::Request;
use serde_json::{Value, json};

use crate::ask::{Wire, send, whole};
use crate::server::Server;

checks! {
    the_path_and_the_query_arrive_unshortened
    the_targets_own_path_and_query_come_first
    the_longest_prefix_of_whole_segments_wins
    a_route_is_found_by_what_a_path_means
    two_slashes_in_front_are_the_beginning_of_a_host
    a_path_that_leads_out_of_a_route_does_not_take_it
    a_path_that_is_encoded_wrongly_is_refused
    a_route_that_was_removed_or_replaced_is_so_at_once
}

/// What the target was asked for: the URI as it arrives.
async fn arrives(server: &Server, path: &str) -> Value {
    // Byte by byte, because clients tidy paths up.
    let mut wire = Wire::to(&server.url).await;
    wire.write(&format!("GET {path} HTTP/1.1\nHost: a\nConnection: close\n\n"))
        .await;
    let answer = wire.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    let body = &answer[answer.find('{').unwrap()..=answer.rfind('}').unwrap()];
    body.parse::<Value>().unwrap()["uri"].clone()
}

/// The status of a path that does not arrive.
async fn refused(server: &Server, path: &str) -> String {
    let mut wire = Wire::to(&server.url).await;
    wire.write(&format!("GET {path} HTTP/1.1\nHost: a\nConnection: close\n\n"))
        .await;
    wire.read_to_end().await[9..12].to_owned()
}

async fn the_path_and_the_query_arrive_unshortened(server: &Server) {
    let _target = server.with_target().await;
    for path in [
        "/user/x",
        "/user/x/",
        "/user/x/a/b.c~d-e_f",
        "/user/x//a///b/",
        "/user/x/a%20b%2Fc%3F%25%C3%BC",
        "/user/x?q=1&q=2&e=&f",
        "/user/x/?path=/other/../%2F..&url=http://a.example/?b",
        "/user/x/a:b@c;d=e,f!$'()*+|~",
    ] {
        assert_eq!(arrives(server, path).await, *path);
    }
}

async fn the_targets_own_path_and_query_come_first(server: &Server) {
    let target = server.with_target().await;
    for (own, asked, arrived) in [
        ("", "/user/y/a", "/user/y/a"),
        ("/", "/user/y/a", "/user/y/a"),
        ("/base", "/user/y/a", "/base/user/y/a"),
        ("/base/", "/user/y/", "/base/user/y/"),
        ("/base?k=v", "/user/y", "/base/user/y?k=v"),
        ("/base?k=v", "/user/y?q=1", "/base/user/y?k=v&q=1"),
    ] {
        server
            .post(
                "/user/y",
                &json!({ "target": format!("http://{}{own}", target.address) }),
            )
            .await;
        assert_eq!(arrives(server, asked).await, *arrived);
    }
}

async fn the_longest_prefix_of_whole_segments_wins(server: &Server) {
    let target = server.with_target().await;
    for path in ["/user", "/user/x", "/user/x/deep", "/user/x/deep/a/b"] {
        server
            .post(
                path,
                &json!({ "target": format!("http://{}/of{path}", target.address) }),
            )
            .await;
    }
    for (path, route) in [
        ("/user", "/user"),
        ("/user/", "/user"),
        ("/user/xy", "/user"),
        ("/user/X", "/user"),
        ("/user/x", "/user/x"),
        ("/user/x?deep", "/user/x"),
        ("/user/x/dee", "/user/x"),
        ("/user/x/deep", "/user/x/deep"),
        ("/user/x/deep/a", "/user/x/deep"),
        ("/user/x/deep/a/b/c", "/user/x/deep/a/b"),
    ] {
        assert_eq!(arrives(server, path).await, *format!("/of{route}{path}"));
    }
    for path in ["/", "/users", "/use", "/other/user/x", "/?/user/x"] {
        assert_eq!(refused(server, path).await, "404", "{path}");
    }
}

async fn a_route_is_found_by_what_a_path_means(server: &Server) {
    let _target = server.with_target().await;
    for path in ["/user/%78/a", "/%75ser/x", "/user%2Fx/a", "/user/x%2fa"] {
        assert_eq!(arrives(server, path).await, *path, "the escapes stay");
    }
    for (path, arrived) in [
        ("/user/./x/a", "/user/x/a"),
        ("/user/y/../x/a", "/user/x/a"),
        ("/user/y/%2e%2E/x?q=/../", "/user/x?q=/../"),
        ("/user/x/a/../../../user/x/b", "/user/x/b"),
        ("/user/x/'a'?'b'", "/user/x/'a'?%27b%27"),
    ] {
        assert_eq!(arrives(server, path).await, *arrived);
    }
}

async fn two_slashes_in_front_are_the_beginning_of_a_host(server: &Server) {
    let _target = server.with_target().await;
    assert_eq!(refused(server, "//user/x").await, "404");
    assert_eq!(arrives(server, "//host/user/x/a").await, "//host/user/x/a", "and go on");
}

async fn a_path_that_leads_out_of_a_route_does_not_take_it(server: &Server) {
    let _target = server.with_target().await;
    for path in [
        "/user/x/../y",
        "/user/x/..",
        "/user/x/%2e%2e/y",
        "/user/x/../../api/routes",
        "/user/x/.%2e/y",
    ] {
        assert_eq!(refused(server, path).await, "404", "{path}");
    }
}

async fn a_path_that_is_encoded_wrongly_is_refused(server: &Server) {
    let _target = server.with_target().await;
    for path in ["/user/x/%zz", "/user/x/%", "/user/x/%a", "/user/x/%ff", "/none/%zz"] {
        assert_eq!(refused(server, path).await, "500", "{path}");
    }
    assert_eq!(
        arrives(server, "/user/x?%zz").await,
        "/user/x?%zz",
        "a query is nobody's business"
    );
}

async fn a_route_that_was_removed_or_replaced_is_so_at_once(server: &Server) {
    let target = server.with_target().await;
    let mut wire = Wire::to(&server.url).await;
    let request = "POST /user/x HTTP/1.1\nHost: a\nContent-Length: 0\n\n";
    wire.write(request).await;
    assert!(wire.read_until("}").await.contains("200 OK"));
    server
        .post(
            "/user/x",
            &json!({ "target": format!("http://{}/moved", target.address) }),
        )
        .await;
    wire.write(request).await;
    assert!(wire.read_until("}").await.contains("\"/moved/user/x\""));
    server.manage(http::Method::DELETE, "/api/routes/user/x", "").await;
    wire.write(request).await;
    assert!(wire.read_until("</html>").await.contains("404 Not Found"));
    let post = Request::post(server.at("/user/x/echo")).body(whole(vec![7; 1 << 20]));
    assert_eq!(send(post.unwrap()).await.status, 404, "whatever is sent");
}
