//! What the caller sees when all is well.

use api::Code;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::{Metric, Problem};

/// An answer in the making.
#[derive(Debug)]
pub struct Reply {
    pub(crate) response: Response<Bytes>,
    pub(crate) metrics: Vec<Metric>,
}

impl Reply {
    /// 200 with `body` as JSON.
    ///
    /// # Errors
    /// [`Code::Internal`] when the body cannot be written, which is a bug.
    pub fn ok(body: &impl Serialize) -> Result<Self, Problem> {
        Self::json(StatusCode::OK, body)
    }

    /// `status` with `body` as JSON.
    ///
    /// # Errors
    /// As [`Reply::ok`].
    pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let text = serde_json::to_vec(body).map_err(Problem::internal)?;
        let mut response = Response::new(Bytes::from(text));
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self {
            response,
            metrics: Vec::new(),
        })
    }

    /// 200 with `text`, which nobody may take for anything else.
    pub fn text(text: String) -> Self {
        let mut response = Response::new(Bytes::from(text));
        let headers = response.headers_mut();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, plain);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Self {
            response,
            metrics: Vec::new(),
        }
    }

    /// 200, and nothing to say.
    pub fn empty() -> Self {
        Self {
            response: Response::new(Bytes::new()),
            metrics: Vec::new(),
        }
    }

    /// 204: done, and nothing to say.
    pub fn no_content() -> Self {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Self {
            response,
            metrics: Vec::new(),
        }
    }

    /// With a header.
    ///
    /// # Errors
    /// [`Code::Internal`] when `value` cannot stand in a header, which is a bug.
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Result<Self, Problem> {
        let value = HeaderValue::from_str(value)
            .map_err(|error| Problem::new(Code::Internal, "An answer could not be written").because(error))?;
        self.response.headers_mut().insert(name, value);
        Ok(self)
    }

    /// With figures that go into the log line, from where CloudWatch takes them.
    pub fn with_metrics(mut self, metrics: impl IntoIterator<Item = Metric>) -> Self {
        self.metrics.extend(metrics);
        self
    }
}
