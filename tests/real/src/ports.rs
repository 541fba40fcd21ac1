//! Ports that stay a server's own over a restart.

use std::net::TcpListener;
use std::ops::Range;

/// Below the ports that systems give to outgoing connections, which could take a server's while it is down.
const PORTS: Range<u16> = 20_000..32_000;
const TRIES: usize = 1_000;

/// A port on which nobody listens, on loopback.
///
/// # Panics
/// When there is none, which cannot be.
pub fn free() -> u16 {
    let mut tries = std::iter::repeat_with(|| fastrand::u16(PORTS)).take(TRIES);
    let free = tries.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.unwrap_or_else(|| panic!("no free port in {PORTS:?}"))
}

/// The port of a URL without a path.
pub(crate) fn of(url: &str) -> u16 {
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok());
    port.unwrap_or_else(|| panic!("no port in {url}"))
}

/// Whether somebody listens on this port of loopback.
pub(crate) async fn is_open(port: u16) -> bool {
    tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
}
