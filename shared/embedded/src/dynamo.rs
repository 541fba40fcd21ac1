//! DynamoDB inside the process: dynoxide on an ephemeral loopback port, in memory or on one file.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dynoxide::Database;
use dynoxide::errors::DynoxideError;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long stopping waits for requests under way before it aborts them.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A running DynamoDB. It accepts any credentials and region; dropping it stops it.
pub struct Dynamo {
    url: String,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), String>>,
}

/// Why DynamoDB could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file's path is not UTF-8, which the database behind it needs.
    #[error("the path {0:?} of the table's file is not UTF-8")]
    Path(PathBuf),
    /// The file cannot be opened as a database, or is one of something else.
    #[error("the table's file cannot be opened")]
    Open(#[source] Box<DynoxideError>),
    /// No loopback port can be listened on.
    #[error("no port for DynamoDB")]
    Listen(#[from] io::Error),
}

impl Dynamo {
    /// Opens `file`, made if absent in a folder that exists, or a table in memory, and serves it. One process owns a
    /// file at a time.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn start(file: Option<&Path>) -> Result<Dynamo, Error> {
        let database = match file {
            Some(file) => Database::new(file.to_str().ok_or_else(|| Error::Path(file.to_owned()))?),
            None => Database::memory(),
        }
        .map_err(|source| Error::Open(Box::new(source)))?;
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, async {
            // Told to stop, or dropped: either way it is the end.
            let _ = stopped.await;
        }));
        Ok(Dynamo { url, stop, server })
    }

    /// The endpoint URL for a DynamoDB client.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops, finishing the requests under way, and returns once the file is closed.
    pub async fn stop(mut self) {
        let _ = self.stop.send(());
        if tokio::time::timeout(STOP_TIMEOUT, &mut self.server).await.is_err() {
            self.server.abort();
            let _ = self.server.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;
    use serde_json::{Value, json};

    use super::*;

    async fn call(dynamo: &Dynamo, operation: &str, body: Value) -> (u16, Value) {
        let authorization =
            "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";
        let request = http::Request::post(dynamo.url())
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("x-amz-date", "20260101T000000Z")
            .header("authorization", authorization)
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn write_a_row(dynamo: &Dynamo) {
        let table = json!({
            "TableName": "layby", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        });
        let (status, answer) = call(dynamo, "CreateTable", table).await;
        assert_eq!(status, 200, "{answer}");
        let item = json!({"TableName": "layby", "Item": {"pk": {"S": "a"}, "n": {"N": "1"}}});
        let (status, answer) = call(dynamo, "PutItem", item).await;
        assert_eq!(status, 200, "{answer}");
    }

    #[tokio::test]
    async fn a_table_in_memory_is_seen_by_nobody_else() {
        let (one, other) = (Dynamo::start(None).await.unwrap(), Dynamo::start(None).await.unwrap());
        write_a_row(&one).await;
        assert_eq!(
            call(&one, "ListTables", json!({})).await.1,
            json!({"TableNames": ["layby"]})
        );
        assert_eq!(call(&other, "ListTables", json!({})).await.1, json!({"TableNames": []}));
    }

    #[tokio::test]
    async fn a_table_on_a_file_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.db");
        let dynamo = Dynamo::start(Some(&file)).await.unwrap();
        write_a_row(&dynamo).await;
        dynamo.stop().await;
        let dynamo = Dynamo::start(Some(&file)).await.unwrap();
        let (status, answer) = call(
            &dynamo,
            "GetItem",
            json!({"TableName": "layby", "Key": {"pk": {"S": "a"}}}),
        )
        .await;
        assert_eq!(
            (status, answer),
            (200, json!({"Item": {"pk": {"S": "a"}, "n": {"N": "1"}}}))
        );
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.db");
        std::fs::write(
            &file,
            "not a database, but long enough to be taken for the header of one".repeat(100),
        )
        .unwrap();
        assert!(matches!(Dynamo::start(Some(&file)).await, Err(Error::Open(_))));
    }
}
