//! Roles that are looked up, as of old.

use super::issuer::Issuing;
use super::*;
use crate::origin::{Act, Asked, Origin};

/// A service of roles: ann administers acme, and is something else in other.
async fn service() -> Origin {
    Origin::http(|asked: &Asked| match asked.uri.path() {
        "/v1/users/ann%40example.org/userroles" => Act::Answer(
            200,
            json!({ "role": [
                { "name": "orgadmin", "organization": "acme" },
                { "name": "orgadmin", "organization": "Not A Name" },
                { "name": "user", "organization": "other" },
            ] })
            .to_string(),
        ),
        "/v1/users/nothing/userroles" => Act::Answer(200, "{}".to_owned()),
        "/v1/users/page/userroles" => Act::Answer(200, "<html>".to_owned()),
        "/v1/users/moved/userroles" => Act::Redirect(302, "/v1/users/ann%40example.org/userroles".to_owned()),
        "/v1/users/ill/userroles" => Act::Answer(500, String::new()),
        "/v1/users/busy/userroles" => Act::Answer(429, String::new()),
        "/v1/users/mute/userroles" => Act::Hang,
        _ => Act::Answer(403, String::new()),
    })
    .await
}

/// A token that nobody here can verify.
fn token(claims: &Value) -> String {
    format!("{}.signature", unsigned(&json!({ "alg": "HS512" }), claims))
}

fn named(name: &str) -> String {
    token(&json!({ "user_name": name }))
}

#[tokio::test]
async fn whoever_can_read_somebodys_roles_with_a_token_of_theirs_is_they() {
    let (ground, service) = (Ground::new().await, service().await);
    let url = service.url();
    let process = ground.process(&[("AUTH_API_HOST", &url)]).await;
    let ann = token(&json!({ "user_name": "ann@example.org", "exp": ground.now() + 50, "iss": "https://old.example" }));
    for _ in 0..3 {
        assert_eq!(
            process.ask("acme", &format!("anything {ann}")).await,
            good("user:ann@example.org")
        );
        assert_eq!(process.bearing("other", &ann).await, stranger());
    }
    // Remembered, by the token; asked with the caller's own.
    let asked = service.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("authorization").unwrap(), format!("Bearer {ann}"));
    let other = token(&json!({ "user_name": "ann@example.org", "exp": ground.now() + 51 }));
    process.bearing("acme", &other).await;
    assert_eq!(service.asked().len(), 2);
    // Never beyond its end.
    ground.wind(50);
    assert_eq!(process.bearing("acme", &ann).await, invalid("it has expired"));
    assert_eq!(process.bearing("acme", &other).await.status, 200);
    assert_eq!(process.bearing("acme", &named("nothing")).await, stranger());
}

#[tokio::test]
async fn a_name_is_one_segment_of_the_path_whatever_is_in_it() {
    let (ground, service) = (Ground::new().await, service().await);
    let url = format!("{}/", service.url());
    let process = ground.process(&[("AUTH_API_HOST", &url)]).await;
    for (name, path) in [
        ("../admin", "/v1/users/..%2Fadmin/userroles"),
        ("a/b?c#d", "/v1/users/a%2Fb%3Fc%23d/userroles"),
        ("a b+c;d=é%2F", "/v1/users/a%20b%2Bc%3Bd%3D%C3%A9%252F/userroles"),
        ("...", "/v1/users/.../userroles"),
        ("a\\b", "/v1/users/a%5Cb/userroles"),
    ] {
        let refused = invalid("the service of roles does not take it");
        assert_eq!(process.bearing("acme", &named(name)).await, refused, "{name}");
        assert_eq!(service.asked().last().unwrap().uri.to_string(), path);
    }
    let before = service.asked().len();
    for nobody in [
        json!({}),
        json!({ "user_name": "" }),
        json!({ "user_name": "." }),
        json!({ "user_name": ".." }),
        json!({ "user_name": "a\r\nb" }),
        json!({ "user_name": 7 }),
        json!({ "user_name": "a".repeat(256) }),
        json!({ "sub": "ann@example.org" }),
    ] {
        assert_eq!(
            process.bearing("acme", &token(&nobody)).await,
            invalid("its 'user_name' names nobody")
        );
    }
    assert_eq!(service.asked().len(), before);
}

#[tokio::test]
async fn an_outage_is_nobodys_fault_and_is_not_remembered() {
    let (ground, service) = (Ground::new().await, service().await);
    let url = service.url();
    let process = ground.process(&[("AUTH_API_HOST", &url)]).await;
    for name in ["ill", "busy", "page", "mute"] {
        let before = service.asked().len();
        let answer = process.answer("acme", Some(&named(name))).await;
        assert_eq!(told(&answer).status, 503, "{name}");
        assert!(answer.headers().contains_key("retry-after"), "{name}");
        let once = service.asked().len() - before;
        if name != "mute" {
            assert_eq!(process.bearing("acme", &named(name)).await.status, 503, "{name}");
            assert_eq!(service.asked().len() - before, 2 * once, "{name}");
        }
    }
    // A redirect is not followed: the token would go there too.
    assert_eq!(
        process.bearing("acme", &named("moved")).await,
        invalid("the service of roles does not take it")
    );
    let gone = process.bearing("acme", &named("ann@example.org")).await;
    assert_eq!(gone.status, 200);
    drop(service);
    assert_eq!(process.bearing("acme", &named("bob")).await.status, 503);
    assert_eq!(process.bearing("acme", &named("ann@example.org")).await.status, 200);
}

#[tokio::test]
async fn a_token_of_the_issuer_never_goes_to_the_service_of_roles() {
    let (ground, service, issuing) = (Ground::new().await, service().await, Issuing::start().await);
    let url = service.url();
    let mut variables = issuing.variables().to_vec();
    variables.push(("AUTH_API_HOST", &url));
    let process = ground.process(&variables).await;
    let claims = issuing.claims(&ground);
    let forged = Signer::other_rsa().usual("rsa", &claims);
    assert_eq!(
        process.bearing("acme", &forged).await,
        invalid("its signature does not match")
    );
    let own = issuing.rsa.usual("rsa", &claims);
    assert_eq!(process.bearing("acme", &own).await, good("oidc:ann"));
    assert!(service.asked().is_empty());
    let other = named("ann@example.org");
    assert_eq!(process.bearing("acme", &other).await, good("user:ann@example.org"));
}
