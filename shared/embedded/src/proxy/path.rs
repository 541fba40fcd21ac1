//! What a request asks for, read as the real proxy reads it: as browsers read a URL, not byte by byte.

use http::Uri;
use percent_encoding::percent_decode_str;
use url::Url;

/// Whose paths these are is nobody's business, but a URL has to have a host.
const ANYWHERE: &str = "http://anywhere.invalid";

/// A request's path and query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// What the route is looked up by: without escapes, and without segments that lead up.
    pub(super) routed: String,
    /// What goes on: without segments that lead up, the escapes as they came.
    pub(super) path: String,
    /// What is behind the question mark; nothing where nothing is.
    pub(super) query: Option<String>,
}

/// Reads what `uri` asks for; nothing when it is no URL's, or its escapes make no text.
pub(super) fn read(uri: &Uri) -> Option<Asked> {
    let asked = uri.path_and_query()?.as_str();
    // In front of a route the real one takes two slashes for the beginning of a host; what goes on keeps them.
    let routed = Url::parse(ANYWHERE).ok()?.join(asked).ok()?;
    let sent = Url::parse(&format!("{ANYWHERE}/{}", asked.strip_prefix('/').unwrap_or(asked))).ok()?;
    Some(Asked {
        routed: decoded(routed.path())?,
        path: sent.path().to_owned(),
        query: sent.query().filter(|query| !query.is_empty()).map(str::to_owned),
    })
}

/// A path without its escapes; nothing when one is half, or they are not UTF-8.
fn decoded(path: &str) -> Option<String> {
    let is_escape = |rest: &[u8]| rest.len() >= 2 && rest[..2].iter().all(u8::is_ascii_hexdigit);
    let mut escapes = path.match_indices('%');
    if !escapes.all(|(at, _)| is_escape(&path.as_bytes()[at + 1..])) {
        return None;
    }
    Some(percent_decode_str(path).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(uri: &str) -> Option<(String, String)> {
        let asked = read(&uri.parse().unwrap())?;
        let query = asked.query.map(|query| format!("?{query}")).unwrap_or_default();
        Some((asked.routed, asked.path + &query))
    }

    #[test]
    fn a_path_is_routed_by_what_it_means_and_goes_on_as_it_came() {
        for (uri, routed, sent) in [
            ("/user/x?q=1", "/user/x", "/user/x?q=1"),
            ("/user/x/?", "/user/x/", "/user/x/"),
            ("/a%20b%2Fc/%C3%BC", "/a b/c/ü", "/a%20b%2Fc/%C3%BC"),
            ("/a/./b/../c//d/%2e%2E/e", "/a/c//e", "/a/c//e"),
            ("/../../a", "/a", "/a"),
            ("//host/a", "/a", "//host/a"),
            ("http://host/a?b", "/a", "/a?b"),
            ("*", "/*", "/*"),
        ] {
            assert_eq!(asked(uri), Some((routed.to_owned(), sent.to_owned())), "{uri}");
        }
    }

    #[test]
    fn an_escape_that_is_none_is_no_path() {
        for uri in ["/%", "/a%2", "/%zz", "/%ff", "/%%41"] {
            assert_eq!(asked(uri), None, "{uri}");
        }
        assert!(asked("/a?%zz").is_some());
    }
}
