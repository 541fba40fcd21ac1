//! The headers of a request and an answer on their way through the proxy.

use std::net::IpAddr;

use http::header::{CONNECTION, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};

const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Port of an HTTP URL that names none.
const HTTP_PORT: u16 = 80;

/// Whether `request` asks to become a websocket. Another `Upgrade`, such as to HTTP/2, is not followed: the request is
/// passed on without it.
pub(super) fn asks_for_websocket<B>(request: &Request<B>) -> bool {
    let protocol = request.headers().get(UPGRADE);
    request.method() == Method::GET
        && protocol.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Makes a caller's headers those for the target. `Host` stays the caller's own. Of a websocket's handshake the real
/// proxy sets no `x-forwarded-host`.
pub(super) fn for_target(headers: &mut HeaderMap, remote: IpAddr, websocket: bool) {
    drop_hop_by_hop(headers);
    let host = headers.get(HOST).cloned();
    let authority = host.as_ref().and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let port = authority
        .and_then(|authority| authority.port_u16())
        .unwrap_or(HTTP_PORT);
    append(headers, FORWARDED_FOR, &remote.to_string());
    append(headers, FORWARDED_PORT, &port.to_string());
    append(headers, FORWARDED_PROTO, if websocket { "ws" } else { "http" });
    if websocket {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    } else if let Some(host) = host {
        headers.entry(FORWARDED_HOST).or_insert(host);
    }
}

/// Removes what concerns one connection only, and whatever `Connection` names.
pub(super) fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn append(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    let before = headers.get_all(&name).iter().filter_map(|value| value.to_str().ok());
    let all = before.chain([value]).collect::<Vec<_>>().join(",");
    // An address, a port or a protocol after what was a header value already: always a header value.
    if let Ok(all) = HeaderValue::try_from(all) {
        headers.insert(name, all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(received: &[(&'static str, &'static str)], websocket: bool) -> Vec<String> {
        let received = received
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        let mut headers: HeaderMap = received.collect();
        for_target(&mut headers, IpAddr::from([9, 8, 7, 6]), websocket);
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn the_caller_is_appended_to_the_forwarded_headers() {
        let received = [
            ("host", "pub:81"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-host", "outer"),
        ];
        let expected = [
            "host: pub:81",
            "x-forwarded-for: 1.1.1.1,9.8.7.6",
            "x-forwarded-host: outer",
            "x-forwarded-port: 81",
            "x-forwarded-proto: http",
        ];
        assert_eq!(sent(&received, false), expected);
        assert!(sent(&[("host", "pub")], false).contains(&"x-forwarded-host: pub".to_owned()));
        assert!(sent(&[("host", "[::1]")], false).contains(&"x-forwarded-port: 80".to_owned()));
    }

    #[test]
    fn what_concerns_one_connection_is_not_passed_on() {
        let received = [
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
        ];
        let expected = [
            "x-forwarded-for: 9.8.7.6",
            "x-forwarded-port: 80",
            "x-forwarded-proto: http",
        ];
        assert_eq!(sent(&received, false), expected);
    }

    #[test]
    fn a_websockets_handshake_stays_one() {
        let received = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-key", "k"),
        ];
        let expected = [
            "connection: Upgrade",
            "sec-websocket-key: k",
            "upgrade: websocket",
            "x-forwarded-for: 9.8.7.6",
            "x-forwarded-port: 80",
            "x-forwarded-proto: ws",
        ];
        assert_eq!(sent(&received, true), expected);
    }
}
