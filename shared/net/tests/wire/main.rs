//! The client against servers that misbehave on a real socket.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(
    clippy::disallowed_methods,
    reason = "how long a real exchange takes is what is tested"
)]

mod deadlines;
mod exchange;
mod faults;
mod fetch;
mod retries;
mod server;
mod trust;

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use net::{Net, Settings, Timeouts};

/// A `Net` whose attempts last `span` whoever the peer is.
fn net(span: Duration) -> Net {
    Net::new(settings(span)).unwrap()
}

fn settings(span: Duration) -> Settings {
    let timeouts = Timeouts {
        store: span,
        cluster: span,
        proxy: span,
        platform: span,
        outside: span,
    };
    Settings {
        timeouts,
        ..Settings::default()
    }
}

fn request(method: Method, url: &str) -> Request<Bytes> {
    Request::builder()
        .method(method)
        .uri(url)
        .body(Bytes::from_static(b"asked"))
        .unwrap()
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}
