//! API keys, and nobody at all.

use domain::{KeyAsk, KeyId, KeyName, Look, Scope};

use super::*;
use gateway::key_sha256;

async fn key(ground: &Ground, process: &Process, text: &str, scopes: &[Scope], organisations: &[&str]) {
    let names = organisations.iter().map(|name| OrganisationName::parse(name).unwrap());
    let asked = KeyAsk {
        name: KeyName::parse(text).unwrap(),
        scopes: scopes.iter().copied().collect(),
        organisations: (!organisations.is_empty()).then(|| names.collect()),
        expires_at: None,
    };
    let look = Look {
        now: ground.clock().now(),
        by: text.to_owned(),
    };
    let sha256 = key_sha256(text);
    let id = KeyId::parse(&sha256[..32]).unwrap();
    let record = asked.into_record(id, look.now).unwrap();
    process
        .edge
        .store()
        .create_key(&sha256, &record, &look, None)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_key_administers_the_organisations_that_it_lists_and_without_a_list_all() {
    let ground = Ground::new().await;
    let process = ground.process(&[]).await;
    key(&ground, &process, "all", &[Scope::Envs], &[]).await;
    key(&ground, &process, "some", &[Scope::Envs], &["acme", "b"]).await;
    key(&ground, &process, "admin", &[Scope::Admin], &[]).await;
    key(&ground, &process, "apps", &[Scope::Apps], &[]).await;
    for (organisation, bearer, expected) in [
        ("acme", "all", good("key:all")),
        ("other", "Bearer all", good("key:all")),
        ("acme", "token some", good("key:some")),
        ("b", "some", good("key:some")),
        ("other", "some", stranger()),
        ("other", "admin", good("key:admin")),
    ] {
        assert_eq!(
            process.ask(organisation, bearer).await,
            expected,
            "{organisation} {bearer}"
        );
    }
    let unfit = process.ask("acme", "apps").await;
    assert_eq!(
        unfit.said,
        "this needs an API key with the scope 'envs' in the Authorization header"
    );
    assert_eq!(unfit.status, 403);
    for nobody in [None, Some("wrong"), Some("Bearer"), Some("Basic all")] {
        let answer = process.answer("acme", nobody).await;
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
        assert_eq!(
            told(&answer),
            invalid("this needs an API key with the scope 'envs' in the Authorization header"),
            "{nobody:?}"
        );
    }
}

#[tokio::test]
async fn where_nobody_is_asked_everybody_administers_all_and_a_variable_alone_does_not_say_so() {
    let ground = Ground::new().await;
    for state in ["DEV", "DEV_CONTAINER"] {
        let process = ground.process(&[("DEPLOY_STATE", state)]).await;
        assert_eq!(told(&process.answer("acme", None).await).status, 401, "{state}");
    }
    let process = ground
        .process_with(&[], |config| config.environments.ask_nobody())
        .await;
    for authorization in [None, Some("wrong"), Some("Bearer a.b.c")] {
        let answer = process.answer("acme", authorization).await;
        assert_eq!(told(&answer), good("unasked"), "{authorization:?}");
    }
}
