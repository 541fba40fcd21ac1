//! Service accounts: the tokens that they are given, and when those are refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kube::Client;
use serde_json::{Value, json};

use crate::server::{Server, eventually};
use crate::wire::{delete, get, post};

checks! {
    a_token_says_who_it_is_for_and_until_when
    a_token_speaks_for_its_account
    a_token_lives_for_ten_minutes_at_least_and_an_hour_by_default
    a_token_is_refused_for_what_is_not_there
    a_wrong_token_is_unauthorized_everywhere
    a_token_ends_with_its_account
    a_token_ends_with_the_secret_that_it_is_bound_to
    a_token_ends_with_the_pod_that_it_is_bound_to
    a_token_for_another_audience_is_good_there_alone
    a_pod_gets_its_accounts_token_unless_it_is_told_otherwise
}

/// Makes an account and gives it.
pub(crate) async fn account(server: &Server, name: &str) -> Value {
    let path = format!("/api/v1/namespaces/{}/serviceaccounts", server.namespace);
    post(&server.client, &path, &json!({ "metadata": { "name": name } }))
        .await
        .done()
}

fn token_path(server: &Server, account: &str) -> String {
    let namespace = &server.namespace;
    format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token")
}

/// A token of an account, asked for with this specification.
async fn token(server: &Server, account: &str, spec: Value) -> Value {
    let path = token_path(server, account);
    post(&server.client, &path, &json!({ "spec": spec })).await.done()
}

/// A client that speaks for an account of the check's namespace, which it makes.
pub(crate) async fn client_of_account(server: &Server, name: &str) -> Client {
    account(server, name).await;
    let request = token(server, name, json!({})).await;
    server.client_of(request["status"]["token"].as_str().unwrap())
}

fn client_with(server: &Server, request: &Value) -> Client {
    server.client_of(request["status"]["token"].as_str().unwrap())
}

/// What a token claims.
fn claims(request: &Value) -> Value {
    let token = request["status"]["token"].as_str().unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap()
}

/// Who a client is, or `None` while its token is refused.
async fn who(client: &Client) -> Option<Value> {
    let answer = post(client, "/apis/authentication.k8s.io/v1/selfsubjectreviews", &json!({})).await;
    match answer.code {
        201 => Some(answer.body["status"]["userInfo"].clone()),
        401 => None,
        _ => panic!("{answer:?}"),
    }
}

async fn refused_in_the_end(client: &Client) {
    eventually("the token is refused", async || {
        who(client).await.is_none().then_some(())
    })
    .await;
}

async fn a_token_says_who_it_is_for_and_until_when(server: &Server) {
    let robot = account(server, "robot").await;
    let answer = post(
        &server.client,
        &token_path(server, "robot"),
        &json!({ "spec": { "expirationSeconds": 1200 } }),
    )
    .await;
    assert_eq!(answer.code, 201);
    let request = answer.body;
    assert_eq!(
        (&request["kind"], &request["apiVersion"]),
        (&json!("TokenRequest"), &json!("authentication.k8s.io/v1"))
    );
    assert_eq!(request["metadata"]["name"], "robot");
    assert_eq!(request["metadata"]["namespace"], server.namespace);
    let issuer = "https://kubernetes.default.svc";
    assert_eq!(
        request["spec"],
        json!({ "audiences": [issuer], "expirationSeconds": 1200, "boundObjectRef": null })
    );
    let claims = claims(&request);
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(issuer), &json!([issuer])));
    assert_eq!(
        claims["sub"],
        format!("system:serviceaccount:{}:robot", server.namespace)
    );
    let (issued, until) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert_eq!((until - issued, &claims["nbf"]), (1200, &claims["iat"]));
    let expiry: jiff::Timestamp = request["status"]["expirationTimestamp"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((expiry.as_second() - until).abs() <= 1, "{expiry} {until}");
    assert_eq!(claims["jti"].as_str().unwrap().len(), 36);
    assert_eq!(
        claims["kubernetes.io"],
        json!({
            "namespace": server.namespace,
            "serviceaccount": { "name": "robot", "uid": robot["metadata"]["uid"] },
        })
    );
}

async fn a_token_speaks_for_its_account(server: &Server) {
    let robot = account(server, "robot").await;
    let request = token(server, "robot", json!({})).await;
    let user = who(&client_with(server, &request)).await.unwrap();
    let namespace = &server.namespace;
    assert_eq!(user["username"], format!("system:serviceaccount:{namespace}:robot"));
    assert_eq!(user["uid"], robot["metadata"]["uid"]);
    assert_eq!(
        user["groups"],
        json!([
            "system:serviceaccounts",
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated"
        ])
    );
    let credential = format!("JTI={}", claims(&request)["jti"].as_str().unwrap());
    assert_eq!(
        user["extra"],
        json!({ "authentication.kubernetes.io/credential-id": [credential] })
    );
}

async fn a_token_lives_for_ten_minutes_at_least_and_an_hour_by_default(server: &Server) {
    account(server, "robot").await;
    let path = token_path(server, "robot");
    let answer = post(&server.client, &path, &json!({ "spec": { "expirationSeconds": 599 } })).await;
    assert_eq!(
        answer.refusal(),
        (
            422,
            "Invalid",
            "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 599: may not specify \
             a duration less than 10 minutes"
        )
    );
    let answer = post(
        &server.client,
        &path,
        &json!({ "spec": { "expirationSeconds": 4_294_967_297_i64 } }),
    )
    .await;
    let cause = &answer.body["details"]["causes"][0];
    assert_eq!(
        (answer.code, &cause["field"]),
        (422, &json!("spec.expirationSeconds")),
        "{answer:?}"
    );
    let shortest = claims(&token(server, "robot", json!({ "expirationSeconds": 600 })).await);
    assert_eq!(
        shortest["exp"].as_i64().unwrap() - shortest["iat"].as_i64().unwrap(),
        600
    );
    let usual = token(server, "robot", json!({})).await;
    assert_eq!(usual["spec"]["expirationSeconds"], 3600);
}

async fn a_token_is_refused_for_what_is_not_there(server: &Server) {
    let answer = post(&server.client, &token_path(server, "nobody"), &json!({ "spec": {} })).await;
    assert_eq!(
        answer.refusal(),
        (404, "NotFound", "serviceaccounts \"nobody\" not found")
    );
    account(server, "robot").await;
    let path = token_path(server, "robot");
    let other = json!({ "metadata": { "name": "other" }, "spec": {} });
    let answer = post(&server.client, &path, &other).await;
    assert_eq!(
        (answer.code, &answer.body["details"]["causes"][0]["field"]),
        (422, &json!("metadata.name")),
        "{answer:?}"
    );
    let bound = |reference: Value| json!({ "spec": { "boundObjectRef": reference } });
    let missing = bound(json!({ "kind": "Secret", "apiVersion": "v1", "name": "none" }));
    let answer = post(&server.client, &path, &missing).await;
    assert_eq!(answer.refusal(), (404, "NotFound", "secrets \"none\" not found"));
    let odd = bound(json!({ "kind": "ConfigMap", "apiVersion": "v1", "name": "kube-root-ca.crt" }));
    let answer = post(&server.client, &path, &odd).await;
    assert_eq!(
        answer.refusal(),
        (
            400,
            "BadRequest",
            "cannot bind token to object of type /v1, Kind=ConfigMap"
        )
    );
}

async fn a_wrong_token_is_unauthorized_everywhere(server: &Server) {
    account(server, "robot").await;
    let request = token(server, "robot", json!({})).await;
    let good = request["status"]["token"].as_str().unwrap();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let mut forged = URL_SAFE_NO_PAD.decode(signature).unwrap();
    forged[0] ^= 1;
    let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(forged));
    for wrong in ["nonsense", "a.b.c", &forged] {
        let client = server.client_of(wrong);
        for path in ["/api/v1/namespaces", "/api", "/version", "/no/such/path"] {
            let answer = get(&client, path).await;
            assert_eq!(
                answer.body,
                json!({
                    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                    "message": "Unauthorized", "reason": "Unauthorized", "code": 401,
                }),
                "{wrong} {path}"
            );
            assert_eq!(answer.code, 401);
        }
    }
}

async fn a_token_ends_with_its_account(server: &Server) {
    account(server, "robot").await;
    let client = client_with(server, &token(server, "robot", json!({})).await);
    assert!(who(&client).await.is_some());
    let path = format!("/api/v1/namespaces/{}/serviceaccounts/robot", server.namespace);
    delete(&server.client, &path).await.done();
    account(server, "robot").await;
    refused_in_the_end(&client).await;
    let newer = client_with(server, &token(server, "robot", json!({})).await);
    assert!(who(&newer).await.is_some());
}

async fn a_token_ends_with_the_secret_that_it_is_bound_to(server: &Server) {
    account(server, "robot").await;
    let secrets = format!("/api/v1/namespaces/{}/secrets", server.namespace);
    let secret = post(&server.client, &secrets, &json!({ "metadata": { "name": "lease" } })).await;
    let uid = secret.done()["metadata"]["uid"].clone();
    let reference = json!({ "kind": "Secret", "apiVersion": "v1", "name": "lease", "uid": uid });
    let request = token(server, "robot", json!({ "boundObjectRef": reference })).await;
    assert_eq!(
        claims(&request)["kubernetes.io"]["secret"],
        json!({ "name": "lease", "uid": uid })
    );
    let client = client_with(server, &request);
    assert!(who(&client).await.is_some());
    let stale = json!({ "kind": "Secret", "apiVersion": "v1", "name": "lease", "uid": "another" });
    let answer = post(
        &server.client,
        &token_path(server, "robot"),
        &json!({ "spec": { "boundObjectRef": stale } }),
    )
    .await;
    assert_eq!((answer.refusal().0, answer.refusal().1), (409, "Conflict"));
    delete(&server.client, &format!("{secrets}/lease")).await.done();
    refused_in_the_end(&client).await;
}

async fn a_token_ends_with_the_pod_that_it_is_bound_to(server: &Server) {
    account(server, "robot").await;
    account(server, "other").await;
    let pods = format!("/api/v1/namespaces/{}/pods", server.namespace);
    let pod = json!({
        "metadata": { "name": "worker" },
        "spec": {
            "serviceAccountName": "robot",
            "nodeSelector": { "layby.dev/none": "none" },
            "containers": [{ "name": "c", "image": "layby.dev/none:1" }],
        },
    });
    let uid = post(&server.client, &pods, &pod).await.done()["metadata"]["uid"].clone();
    let reference = json!({ "kind": "Pod", "apiVersion": "v1", "name": "worker" });
    let spec = json!({ "boundObjectRef": reference });
    let answer = post(
        &server.client,
        &token_path(server, "other"),
        &json!({ "spec": spec.clone() }),
    )
    .await;
    assert_eq!(
        answer.refusal(),
        (
            400,
            "BadRequest",
            "cannot bind token for serviceaccount \"other\" to pod running with different serviceaccount name."
        )
    );
    let request = token(server, "robot", spec).await;
    assert_eq!(
        claims(&request)["kubernetes.io"]["pod"],
        json!({ "name": "worker", "uid": uid })
    );
    let client = client_with(server, &request);
    let user = who(&client).await.unwrap();
    assert_eq!(
        user["extra"]["authentication.kubernetes.io/pod-name"],
        json!(["worker"])
    );
    delete(&server.client, &format!("{pods}/worker")).await.done();
    refused_in_the_end(&client).await;
}

async fn a_token_for_another_audience_is_good_there_alone(server: &Server) {
    account(server, "robot").await;
    let request = token(server, "robot", json!({ "audiences": ["vault", "mail"] })).await;
    assert_eq!(claims(&request)["aud"], json!(["vault", "mail"]));
    assert_eq!(who(&client_with(server, &request)).await, None);
    let review = async |spec: Value| {
        let review = json!({ "spec": spec });
        let answer = post(&server.client, "/apis/authentication.k8s.io/v1/tokenreviews", &review);
        answer.await.done()["status"].clone()
    };
    let given = &request["status"]["token"];
    let there = review(json!({ "token": given, "audiences": ["vault", "phone"] })).await;
    assert_eq!(
        (&there["authenticated"], &there["audiences"]),
        (&json!(true), &json!(["vault"]))
    );
    assert_eq!(
        there["user"]["username"],
        format!("system:serviceaccount:{}:robot", server.namespace)
    );
    let here = review(json!({ "token": given })).await;
    assert_ne!(here["authenticated"], true);
    assert!(here["error"].as_str().unwrap().contains("token audiences"), "{here}");
}

async fn a_pod_gets_its_accounts_token_unless_it_is_told_otherwise(server: &Server) {
    let pods = format!("/api/v1/namespaces/{}/pods", server.namespace);
    let pod = |name: &str, automount: Value| {
        json!({
            "metadata": { "name": name },
            "spec": {
                "automountServiceAccountToken": automount,
                "nodeSelector": { "layby.dev/none": "none" },
                "containers": [{ "name": "c", "image": "layby.dev/none:1" }],
            },
        })
    };
    let pod_with = post(&server.client, &pods, &pod("with", Value::Null)).await.done();
    let volume = &pod_with["spec"]["volumes"][0];
    let name = volume["name"].as_str().unwrap();
    assert!(name.starts_with("kube-api-access-") && name.len() == 21, "{name}");
    assert_eq!(
        volume["projected"],
        json!({ "defaultMode": 420, "sources": [
            { "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } },
            { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
            { "downwardAPI": { "items": [
                { "path": "namespace", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } },
            ] } },
        ] })
    );
    assert_eq!(
        pod_with["spec"]["containers"][0]["volumeMounts"],
        json!([{ "name": name, "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount" }])
    );
    let pod_without = post(&server.client, &pods, &pod("without", json!(false))).await.done();
    assert_eq!(pod_without["spec"]["volumes"], Value::Null);
    assert_eq!(pod_without["spec"]["containers"][0]["volumeMounts"], Value::Null);
}
