//! `GET /keys`.

use std::time::Duration;

use serde_json::{Value, json};
use tests::App;

use super::made;

fn names(page: &Value) -> Vec<String> {
    let keys = page.as_array().unwrap().iter();
    keys.map(|key| key["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn keys_are_listed_newest_first_page_by_page_and_never_shown() {
    App::run(async |app| {
        for name in ["one", "two", "three"] {
            app.advance(Duration::from_secs(1)).await;
            made(app, name).await;
        }
        let (mut path, mut seen) = ("/keys?limit=2".to_owned(), Vec::new());
        loop {
            let answer = app.get(&path).key(app.admin()).await;
            let page = answer.expect(200);
            assert!(page.as_array().unwrap().len() <= 2);
            seen.extend(names(&page));
            match crate::applications::next(&answer) {
                Some(next) => path = next,
                None => break,
            }
        }
        assert_eq!(seen[..3], ["three", "two", "one"]);
        assert_eq!(seen.len(), 7, "{seen:?} has the adapter's own four");
        let whole = app.get("/keys").key(app.admin()).await.expect(200);
        assert_eq!(names(&whole), seen);
        assert_eq!(
            whole[0],
            json!({ "name": "three", "scopes": ["apps"], "created_at": whole[0]["created_at"] })
        );
    })
    .await;
}

#[tokio::test]
async fn a_page_has_a_hundred_keys_unless_asked_for_up_to_a_thousand() {
    App::run(async |app| {
        for number in 0..105 {
            made(app, &format!("k{number}")).await;
        }
        let list = async |path: &str| app.get(path).key(app.admin()).await;
        assert_eq!(names(&list("/keys").await.expect(200)).len(), 100);
        assert_eq!(names(&list("/keys?limit=1000").await.expect(200)).len(), 109);
        for bad in ["0", "1001", "-1", "many"] {
            let sentence = list(&format!("/keys?limit={bad}"))
                .await
                .problem(400, "malformedRequest");
            assert_eq!(sentence, "'limit' is a whole number, 1 to 1000");
        }
    })
    .await;
}

#[tokio::test]
async fn what_has_expired_is_listed_until_it_is_deleted() {
    App::run(async |app| {
        let end = app.now() + jiff::SignedDuration::from_mins(10);
        let body = json!({ "name": "passing", "scopes": ["apps"], "expires_at": end.to_string() });
        let answer = app.post("/keys").key(app.admin()).json(&body).await.expect(201);
        let key = answer["key"].as_str().unwrap();
        app.get("/templates").key(key).await.expect(200);
        app.advance(Duration::from_secs(601)).await;
        app.get("/templates").key(key).await.problem(403, "unauthorized");
        let list = app.get("/keys").key(app.admin()).await.expect(200);
        assert!(names(&list).contains(&"passing".to_owned()));
        app.delete("/keys/passing").key(app.admin()).await.expect(204);
        let list = app.get("/keys").key(app.admin()).await.expect(200);
        assert!(!names(&list).contains(&"passing".to_owned()));
    })
    .await;
}
