//! The cluster of an installation, as its kubeconfig leads there.

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;

use crate::{Answer, Installation};

/// A client of the installation's cluster, as its administrator.
///
/// # Errors
/// A sentence, when the kubeconfig cannot be read or used.
pub(super) async fn client(installation: &Installation) -> Result<Client, String> {
    let client = installation.cluster.get_or_try_init(|| connect(installation)).await;
    client.cloned()
}

async fn connect(installation: &Installation) -> Result<Client, String> {
    let file = &installation.ready().kubeconfig;
    let kubeconfig = Kubeconfig::read_from(file).map_err(|error| format!("{file}: {error}"))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let config = config.map_err(|error| format!("{file}: {error}"))?;
    Client::try_from(config).map_err(|error| format!("{file}: {error}"))
}

/// A request to the installation's cluster.
pub(super) async fn ask(installation: &Installation, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let client = client(installation).await.unwrap_or_else(|error| panic!("{error}"));
    let what = format!("{method} {path}");
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.into_bytes()))
        .expect("the request is well formed");
    let answer = client.send(request).await;
    let (parts, body) = answer.unwrap_or_else(|error| panic!("{what}: {error}")).into_parts();
    let body: Bytes = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => panic!("{what}: {error}"),
    };
    Answer::new(what, Response::from_parts(parts, body))
}
