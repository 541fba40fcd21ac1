//! What the proxy answers in its own words: where no route or no target does.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

const WAITING: &str = include_str!("waiting.html");
/// Reloads of the page for an application without a route: some five minutes, longer than a launch takes.
const ABSENT_TRIES: &str = "40";
/// Reloads of the page for an application that does not accept connections: some fifteen minutes.
const STARTING_TRIES: &str = "120";
/// For browsers without scripts. Only where the application is known to exist, because this never ends by itself.
const REFRESH: &str = "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>\n";

/// The page for a request to `path` that failed with `status`. Applications, `/user/<32 hex digits>`, get a page that
/// looks again by itself, and so does any route whose target does not answer.
pub(super) fn failure(status: StatusCode, path: &str) -> Response<Bytes> {
    let html = match status {
        StatusCode::SERVICE_UNAVAILABLE => waiting(
            "The application is starting",
            "It does not accept connections yet, or has just stopped.",
            STARTING_TRIES,
            REFRESH,
        ),
        StatusCode::NOT_FOUND if is_application(path) => waiting(
            "This application is starting, or not running",
            "It may still be starting, or it has ended: its record says which.",
            ABSENT_TRIES,
            "",
        ),
        StatusCode::NOT_FOUND => plain("404: Not Found", "No service is registered at this URL"),
        _ => plain("Proxy Error", "The request could not be passed on"),
    };
    let mut response = Response::new(Bytes::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn is_application(path: &str) -> bool {
    let id = path
        .strip_prefix("/user/")
        .map(|rest| rest.split_once('/').map_or(rest, |(id, _)| id));
    id.is_some_and(|id| id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

fn waiting(title: &str, message: &str, tries: &str, refresh: &str) -> String {
    WAITING
        .replace("{title}", title)
        .replace("{message}", message)
        .replace("{tries}", tries)
        .replace("{refresh}", refresh)
}

fn plain(title: &str, message: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body><h1>{title}</h1><p>{message}</p></body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn text(status: StatusCode, path: &str) -> String {
        let response = failure(status, path);
        assert_eq!(response.status(), status);
        String::from_utf8(response.into_body().to_vec()).unwrap()
    }

    #[test]
    fn an_application_without_a_route_gets_a_page_that_reloads_a_bounded_number_of_times() {
        for path in [format!("/user/{ID}"), format!("/user/{ID}/lab")] {
            let page = text(StatusCode::NOT_FOUND, &path);
            assert!(
                page.contains("limit = 40") && page.contains("location.reload()"),
                "{page}"
            );
            assert!(!page.contains("http-equiv") && !page.contains("{title}"), "{page}");
        }
        for path in ["/", "/user/x", &format!("/user/{ID}0"), &format!("/x/user/{ID}")] {
            assert!(!text(StatusCode::NOT_FOUND, path).contains("reload"), "{path}");
        }
    }

    #[test]
    fn a_target_that_does_not_answer_gets_a_page_that_reloads_even_without_scripts() {
        let page = text(StatusCode::SERVICE_UNAVAILABLE, "/anything");
        assert!(
            page.contains("http-equiv=\"refresh\"") && page.contains("limit = 120"),
            "{page}"
        );
        assert_eq!(
            failure(StatusCode::SERVICE_UNAVAILABLE, "/").headers()[RETRY_AFTER],
            "1"
        );
    }
}
