//! The client as the AWS SDK takes it.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::Request;

use crate::{Client, Error};

pub(crate) fn http_client(client: Client) -> SharedHttpClient {
    SharedHttpClient::new(Connector(client))
}

#[derive(Clone, Debug)]
struct Connector(Client);

impl HttpClient for Connector {
    // The settings are the SDK's own time-outs, which are switched off: time is the client's matter.
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move { carry(&client, request).await.map_err(connector_error) })
    }
}

async fn carry(client: &Client, request: HttpRequest) -> Result<HttpResponse, Error> {
    let answer = client.send(in_memory(request)?).await?;
    HttpResponse::try_from(answer.map(SdkBody::from)).map_err(|error| Error::Interrupted(error.into()))
}

#[derive(Debug, thiserror::Error)]
#[error("the body is a stream, which cannot be sent twice")]
struct Streamed;

fn in_memory(request: HttpRequest) -> Result<Request<Bytes>, Error> {
    let (head, body) = request
        .try_into_http1x()
        .map_err(|error| Error::BadRequest(error.into()))?
        .into_parts();
    let bytes = body.bytes().ok_or_else(|| Error::BadRequest(Streamed.into()))?;
    Ok(Request::from_parts(head, Bytes::copy_from_slice(bytes)))
}

fn connector_error(error: Error) -> ConnectorError {
    match error {
        Error::TimedOut | Error::OutOfTime => ConnectorError::timeout(error.into()),
        Error::Unreachable(_) | Error::Interrupted(_) => ConnectorError::io(error.into()),
        Error::BadRequest(_) | Error::BadTrust(_) | Error::Guarded(_) => ConnectorError::user(error.into()),
        Error::TooLarge => ConnectorError::other(error.into(), None),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Fault, Faults, Net, Peer, Scope, Settings, within};

    fn connector(faults: Faults) -> Connector {
        let net = Net::new(Settings {
            faults: Some(faults),
            ..Settings::default()
        })
        .unwrap();
        Connector(net.client(Peer::Store))
    }

    fn request() -> HttpRequest {
        let request = Request::post("http://store.invalid/")
            .header("x-amz-target", "GetItem")
            .body(SdkBody::from("{}"));
        HttpRequest::try_from(request.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_request_of_the_sdk_goes_through_the_same_policy_and_accounts() {
        let faults: Faults = Arc::new(|peer, request| {
            assert_eq!(peer, Peer::Store);
            assert_eq!(request.headers()["x-amz-target"], "GetItem");
            assert_eq!(request.body(), "{}");
            Fault::Answer(
                http::Response::builder()
                    .status(500)
                    .body(Bytes::from("{\"a\":1}"))
                    .unwrap(),
            )
        });
        let scope = Scope::lasting(std::time::Duration::from_secs(5));
        let answer = within(scope.clone(), connector(faults).call(request())).await.unwrap();
        assert_eq!(answer.status().as_u16(), 500);
        assert_eq!(answer.body().bytes(), Some("{\"a\":1}".as_bytes()));
        assert_eq!(scope.counts().store, crate::ATTEMPTS as u64);
    }

    #[tokio::test]
    async fn an_error_is_found_again_in_what_the_sdk_gets() {
        let error = connector(Arc::new(|_, _| Fault::Refuse))
            .call(request())
            .await
            .unwrap_err();
        assert!(error.is_io());
        assert!(matches!(Error::find(&error), Some(Error::Unreachable(_))));

        let past = Scope::lasting(std::time::Duration::ZERO);
        let error = within(past, connector(Arc::new(|_, _| Fault::Pass)).call(request()))
            .await
            .unwrap_err();
        assert!(error.is_timeout());
        assert!(matches!(Error::find(&error), Some(Error::OutOfTime)));
    }
}
