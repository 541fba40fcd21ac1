//! What the local adapter has of its own, beside the endpoints.

use http::Method;
use tests::App;

#[tokio::test]
async fn what_it_refuses_is_a_problem_document_as_everywhere() {
    App::run(async |app| {
        for query in [
            "",
            "?seconds=soon",
            "?seconds=-1",
            "?seconds=31536001",
            "?seconds=1&seconds=2",
        ] {
            let path = format!("/_local/advance{query}");
            let sentence = app.post(&path).await.problem(400, "malformedRequest");
            assert_eq!(sentence, "'seconds' is a whole number, 0 to 31536000", "{path}");
        }
        let event = app.post("/_local/reap").body("{\"dry\": true}").await;
        assert!(event.problem(400, "malformedRequest").contains("'dry'"));
        let long = app.post("/_local/reap").body(vec![b' '; 3 * 1024 * 1024]).await;
        long.problem(413, "bodyTooLarge");
        for path in ["/_local/advance", "/_local/reap"] {
            let answer = app.ask(Method::GET, path).await;
            answer.problem(405, "methodNotAllowed");
            assert_eq!(answer.header("allow"), Some("POST"), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn every_answer_says_which_request_it_is_to() {
    App::run(async |app| {
        for path in ["/_local/advance?seconds=1", "/_local/reap"] {
            let answer = app.post(path).await;
            answer.expect(200);
            assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
            assert_eq!(answer.header("server"), Some("layby"), "{path}");
            let id = answer.header("x-request-id").unwrap_or_default();
            assert_eq!(id.len(), 36, "{path}");
        }
    })
    .await;
}
