//! A small HTTP client for what the adapter says to itself, over the project's one connector.

use std::time::Duration;

use bytes::Bytes;
use http::request::Builder;
use http::{Method, Request, Response, header};
use net::{Client, Net, Peer, Settings};
use serde_json::Value;

use crate::Error;

/// Speaks to one API with one key.
#[derive(Clone)]
pub(crate) struct Api {
    client: Client,
    base: String,
    key: String,
}

impl Api {
    pub(crate) fn new(base: &str, key: &str) -> Result<Self, Error> {
        let mut settings = Settings::default();
        settings.timeouts.platform = Duration::from_secs(40);
        let net = Net::new(settings).map_err(|error| Error::Sentence(error.to_string()))?;
        Ok(Self {
            client: net.client(Peer::Platform),
            base: base.to_owned(),
            key: key.to_owned(),
        })
    }

    /// Sends `method path` with the key and `body`, and reads the answer as JSON (or as text where it is none).
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Value), Error> {
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let url = format!("{}{path}", self.base);
        let request = Request::builder()
            .method(method)
            .uri(&url)
            .header(header::AUTHORIZATION, &self.key);
        let answer = self.send(request, &url, body).await?;
        let text = answer.body();
        let value =
            serde_json::from_slice(text).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(text).into_owned()));
        Ok((answer.status().as_u16(), value))
    }

    /// `GET url` without the key, whatever it answers: what is there may be somebody's application.
    pub(crate) async fn open(&self, url: &str) -> Result<(u16, String), Error> {
        let request = Request::builder().uri(url);
        let answer = self.send(request, url, Bytes::new()).await?;
        Ok((
            answer.status().as_u16(),
            String::from_utf8_lossy(answer.body()).into_owned(),
        ))
    }

    async fn send(&self, request: Builder, url: &str, body: Bytes) -> Result<Response<Bytes>, Error> {
        let wrong = |error: &dyn std::fmt::Display| Error::Sentence(format!("{url}: {error}"));
        let request = request.body(body).map_err(|error| wrong(&error))?;
        let within = net::Scope::lasting(Duration::from_secs(60));
        let answer = net::within(within, self.client.send(request)).await;
        answer.map_err(|error| wrong(&error))
    }
}
