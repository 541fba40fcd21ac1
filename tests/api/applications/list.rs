//! `GET /applications/{template}` and `GET /applications`.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Answer, App, Launched};

use super::apart;

/// The next page's path and query, from `Link`.
pub fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    let path = link
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
    Some(path.unwrap_or_else(|| panic!("{link}")).to_owned())
}

fn ids(list: &Value) -> Vec<String> {
    let items = list.as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

/// Launches `count` applications of `template`, a second apart, and gives their ids, the newest first.
async fn launches(app: &App, template: &str, count: usize) -> Vec<Launched> {
    let mut launched = Vec::new();
    for _ in 0..count {
        launched.insert(0, app.launch(template).await);
        app.advance(Duration::from_secs(1)).await;
    }
    launched
}

async fn list(app: &App, path: &str) -> Value {
    app.get(path).key(app.apps()).await.expect(200)
}

#[tokio::test]
async fn applications_are_listed_newest_first_with_the_deleted_ones() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        app.template("other", "layby/notebook:1").await;
        let mut notebooks = launches(app, "notebook", 3).await;
        let others = launches(app, "other", 1).await;
        app.delete(&notebooks[1].path()).key(app.apps()).await.expect(202);
        app.read_until_ended(&notebooks[1]).await;
        let id = |launched: &Launched| launched.id.clone();
        let of_notebook: Vec<String> = notebooks.iter().map(id).collect();
        assert_eq!(ids(&list(app, "/applications/notebook").await), of_notebook);
        notebooks.insert(0, others[0].clone());
        let all: Vec<String> = notebooks.iter().map(id).collect();
        assert_eq!(ids(&list(app, "/applications/").await), all);
        let one = list(app, "/applications/notebook").await[1].clone();
        let (read, _) = apart(app.read(&notebooks[2]).await);
        assert_eq!(one, read, "the same as a read's, without what happened to it");
        assert_eq!(list(app, "/applications/unknown").await, json!([]));
    })
    .await;
}

#[tokio::test]
async fn a_list_is_narrowed_by_status() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let launched = launches(app, "notebook", 3).await;
        app.read_until(&launched[0], "deployed").await;
        app.delete(&launched[1].path()).key(app.apps()).await.expect(202);
        for path in ["/applications", "/applications/notebook"] {
            for (status, expected) in [("deployed", 0), ("deleted", 1), ("deploying", 2)] {
                let found = ids(&list(app, &format!("{path}?status={status}")).await);
                assert_eq!(found, [launched[expected].id.clone()], "{path} {status}");
            }
            assert_eq!(list(app, &format!("{path}?status=failed")).await, json!([]));
            let wrong = app.get(&format!("{path}?status=gone")).key(app.apps()).await;
            let sentence = wrong.problem(400, "malformedRequest");
            assert_eq!(
                sentence,
                "'status' is one of pending, deploying, deployed, failed, deleted"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_repetition() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let launched = launches(app, "notebook", 5).await;
        app.delete(&launched[3].path()).key(app.apps()).await.expect(202);
        app.read_until_ended(&launched[3]).await;
        let all: Vec<String> = launched.iter().map(|one| one.id.clone()).collect();
        for first in [
            "/applications?limit=2",
            "/applications/notebook?limit=2",
            "/applications/?limit=1",
        ] {
            let (mut path, mut seen) = (Some(first.to_owned()), Vec::new());
            while let Some(asked) = path {
                let answer = app.get(&asked).key(app.apps()).await;
                seen.extend(ids(&answer.expect(200)));
                path = next(&answer);
                assert!(seen.len() <= all.len(), "{first} never ends");
            }
            assert_eq!(seen, all, "{first}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_limit_out_of_range_is_refused_with_the_range() {
    App::run(async |app| {
        for path in ["/applications", "/applications/notebook", "/templates"] {
            for limit in ["0", "1001", "-1", "1.5", "many", ""] {
                let answer = app.get(&format!("{path}?limit={limit}")).key(app.apps()).await;
                let sentence = answer.problem(400, "malformedRequest");
                assert_eq!(sentence, "'limit' is a whole number, 1 to 1000", "{path} {limit}");
            }
            assert_eq!(list(app, &format!("{path}?limit=1000")).await, json!([]));
        }
    })
    .await;
}

#[tokio::test]
async fn a_cursor_is_good_for_its_caller_list_and_filter_and_for_a_day() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        app.template("other", "layby/notebook:1").await;
        launches(app, "notebook", 2).await;
        let first = app.get("/applications/notebook?limit=1").key(app.apps()).await;
        let path = next(&first).unwrap();
        let cursor = path.split_once("cursor=").unwrap().1;
        assert!(path.starts_with("/applications/notebook?limit=1&cursor="), "{path}");
        let sentence =
            "This cursor was not given out for this list and caller, or too long ago; begin again without it";
        let refused = async |path: &str, key: &str| {
            assert_eq!(
                app.get(path).key(key).await.problem(400, "badCursor"),
                sentence,
                "{path}"
            );
        };
        refused(&path, app.admin()).await;
        refused(&format!("/applications/other?cursor={cursor}"), app.apps()).await;
        refused(&format!("/applications?cursor={cursor}"), app.apps()).await;
        refused(&format!("/templates?cursor={cursor}"), app.apps()).await;
        refused(
            &format!("/applications/notebook?status=pending&cursor={cursor}"),
            app.apps(),
        )
        .await;
        refused("/applications/notebook?cursor=", app.apps()).await;
        refused("/applications/notebook?cursor=forged", app.apps()).await;
        refused(
            &format!("/applications/notebook?cursor={}", "A".repeat(5000)),
            app.apps(),
        )
        .await;
        let flipped = if cursor[10..].starts_with('A') { 'B' } else { 'A' };
        let tampered = format!("{}{flipped}{}", &cursor[..10], &cursor[11..]);
        refused(&format!("/applications/notebook?cursor={tampered}"), app.apps()).await;

        app.advance(Duration::from_secs(23 * 60 * 60)).await;
        app.get(&path).key(app.apps()).await.expect(200);
        app.advance(Duration::from_secs(2 * 60 * 60)).await;
        refused(&path, app.apps()).await;
    })
    .await;
}

#[tokio::test]
async fn a_name_that_no_template_can_have_is_refused_with_the_rule() {
    App::run(async |app| {
        let sentence = app
            .get("/applications/Big")
            .key(app.apps())
            .await
            .problem(400, "malformedRequest");
        assert!(
            sentence.starts_with("'Big' is not allowed: a template's name begins with"),
            "{sentence}"
        );
    })
    .await;
}

#[tokio::test]
async fn an_outage_is_never_an_empty_list() {
    App::run(async |app| {
        for path in ["/applications", "/applications/notebook", "/templates"] {
            list(app, path).await;
            app.outages().begin(net::Peer::Store);
            app.get(path).key(app.apps()).await.problem(503, "badDatabase");
            app.outages().end(net::Peer::Store);
        }
    })
    .await;
}
