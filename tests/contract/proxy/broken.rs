//! Targets that are not there, or break off; callers that leave.

use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::ask::{Wire, ask};
use crate::server::Server;
use crate::target::nobody;

checks! {
    without_a_route_there_is_nothing
    a_target_that_is_out_of_reach_is_503_until_it_is_back
    a_target_that_is_no_url_is_500
    a_target_that_closes_without_an_answer_is_503
    an_answer_that_breaks_off_is_not_taken_for_a_whole_one
    a_kept_connection_that_the_target_closed_is_opened_anew
    a_caller_who_leaves_is_not_waited_for
}

async fn without_a_route_there_is_nothing(server: &Server) {
    for method in [Method::GET, Method::POST, Method::HEAD] {
        let answer = ask(method.clone(), &server.at("/user/x")).await;
        assert_eq!(answer.status, 404, "{method}");
        assert!(
            answer.header("content-type").unwrap().starts_with("text/html"),
            "{answer:?}"
        );
        assert_eq!(answer.body.is_empty(), method == Method::HEAD);
    }
}

async fn a_target_that_is_out_of_reach_is_503_until_it_is_back(server: &Server) {
    let address = nobody().await;
    server.route("/user/x", address).await;
    let answer = server.get("/user/x/lab").await;
    assert_eq!(answer.status, 503);
    assert!(
        answer.header("content-type").unwrap().starts_with("text/html"),
        "{answer:?}"
    );
    assert_eq!(ask(Method::POST, &server.at("/user/x")).await.status, 503);
    let listener = TcpListener::bind(address).await.unwrap();
    let (answer, ()) = futures::join!(server.get("/user/x/lab"), async {
        let mut target = Wire::forwarded_to(&listener).await;
        target
            .write("HTTP/1.1 200 OK\nContent-Length: 4\nConnection: close\n\nback")
            .await;
    });
    assert_eq!((answer.status, answer.text()), (200, "back"));
    drop(listener);
    assert_eq!(server.get("/user/x/lab").await.status, 503);
}

async fn a_target_that_is_no_url_is_500(server: &Server) {
    for target in ["nonsense", "", "ftp://127.0.0.1:1"] {
        server.post("/user/x", &json!({ "target": target })).await;
        assert_eq!(server.get("/user/x").await.status, 500, "'{target}'");
    }
}

async fn a_target_that_closes_without_an_answer_is_503(server: &Server) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    server.route("/user/x", listener.local_addr().unwrap()).await;
    for said in ["", "HTTP/1.1 200 OK\nContent-"] {
        let url = server.at("/user/x");
        let (answer, ()) = futures::join!(ask(Method::POST, &url), async {
            let mut target = Wire::forwarded_to(&listener).await;
            target.write(said).await;
        });
        assert_eq!(answer.status, 503, "after '{said}'");
    }
}

async fn an_answer_that_breaks_off_is_not_taken_for_a_whole_one(server: &Server) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    server.route("/user/x", listener.local_addr().unwrap()).await;
    for (head, rest) in [
        ("Content-Length: 100", "begin"),
        ("Transfer-Encoding: chunked", "5\nbegin\n"),
    ] {
        let mut caller = Wire::to(&server.url).await;
        let deed = async || {
            caller.write("GET /user/x HTTP/1.1\nHost: a\n\n").await;
            let mut target = caller.is_forwarded_to(&listener).await;
            target.write(&format!("HTTP/1.1 200 OK\n{head}\n\n{rest}")).await;
            caller.read_until("begin").await;
        };
        server.does_not_count("half an answer", deed).await;
        // The real one leaves the caller waiting; ours ends the connection.
        let rest = timeout(Duration::from_secs(1), caller.read_to_end()).await;
        assert_eq!(rest.unwrap_or_default(), "");
    }
}

async fn a_kept_connection_that_the_target_closed_is_opened_anew(server: &Server) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    server.route("/user/x", listener.local_addr().unwrap()).await;
    for number in 0..3 {
        let (answer, ()) = futures::join!(server.get("/user/x"), async {
            let mut target = Wire::forwarded_to(&listener).await;
            target.write("HTTP/1.1 200 OK\nContent-Length: 4\n\nwell").await;
        });
        assert_eq!((answer.status, answer.text()), (200, "well"), "request {number}");
        // The proxy has to notice that the connection which it would keep is closed.
        sleep(Duration::from_millis(200)).await;
    }
}

async fn a_caller_who_leaves_is_not_waited_for(server: &Server) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    server.route("/user/x", listener.local_addr().unwrap()).await;
    let mut caller = Wire::to(&server.url).await;
    caller.write("GET /user/x HTTP/1.1\nHost: a\n\n").await;
    let mut target = caller.is_forwarded_to(&listener).await;
    drop(caller);
    assert_eq!(target.read_to_end().await, "", "the target sees the connection end");
}
