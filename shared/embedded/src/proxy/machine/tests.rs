//! The API's answers, case by case as observed of configurable-http-proxy 5.3.0.

use serde_json::json;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::new(1_800_000_000 + second, 123_456_789).unwrap()
}

fn call_as(machine: &mut Machine, credentials: &str, now: Timestamp, line: &str, body: &str) -> (u16, String) {
    let (method, uri) = line.split_once(' ').unwrap();
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header(AUTHORIZATION, credentials);
    let response = machine.handle(now, &request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap());
    (
        response.status().as_u16(),
        String::from_utf8(response.into_body().to_vec()).unwrap(),
    )
}

fn call(machine: &mut Machine, now: Timestamp, line: &str, body: &str) -> (u16, String) {
    call_as(machine, "token t", now, line, body)
}

fn with_routes(paths: &[&str]) -> Machine {
    let mut machine = Machine::new("t".to_owned());
    for path in paths {
        let body = json!({"target": format!("http://10.0.0.1:80/{path}")}).to_string();
        assert_eq!(
            call(&mut machine, at(0), &format!("POST /api/routes{path}"), &body).0,
            201
        );
    }
    machine
}

#[test]
fn a_route_is_added_read_replaced_and_removed() {
    let mut machine = Machine::new("t".to_owned());
    let body = r#"{"target":"http://a:1","extra":1}"#;
    assert_eq!(
        call(&mut machine, at(0), "POST /api/routes/user/x", body),
        (201, String::new())
    );
    let (status, text) = call(&mut machine, at(9), "GET /api/routes/user/x/", "");
    let shown = json!({"target": "http://a:1", "extra": 1, "last_activity": "2027-01-15T08:00:00.123Z"});
    assert_eq!((status, text.parse::<Value>().unwrap()), (200, shown.clone()));
    let (status, text) = call(&mut machine, at(9), "GET /api/routes", "");
    assert_eq!(
        (status, text.parse::<Value>().unwrap()),
        (200, json!({"/user/x": shown}))
    );
    assert_eq!(
        call(
            &mut machine,
            at(5),
            "POST /api/routes/user/x",
            r#"{"target":"http://b:1"}"#
        )
        .0,
        201
    );
    let text = call(&mut machine, at(9), "GET /api/routes/user/x", "").1;
    let shown = json!({"target": "http://b:1", "last_activity": "2027-01-15T08:00:05.123Z"});
    assert_eq!(
        text.parse::<Value>().unwrap(),
        shown,
        "registering again starts the activity anew"
    );
    assert_eq!(
        call(&mut machine, at(9), "DELETE /api/routes/user/x", ""),
        (204, String::new())
    );
    assert_eq!(
        call(&mut machine, at(9), "DELETE /api/routes/user/x", ""),
        (404, String::new())
    );
    assert_eq!(
        call(&mut machine, at(9), "GET /api/routes/user/x", ""),
        (404, String::new())
    );
}

#[test]
fn bad_input_gets_the_real_ones_statuses() {
    let mut machine = Machine::new("t".to_owned());
    for (line, body, expected) in [
        ("POST /api/routes/x", "{", 400),
        ("POST /api/routes/x", "", 400),
        ("POST /api/routes/x", "{}", 400),
        ("POST /api/routes/x", "[]", 400),
        ("POST /api/routes/x", "3", 400),
        ("POST /api/routes/x", r#"{"target":1}"#, 400),
        ("POST /api/routes/x", r#"{"target":"https://a"}"#, 501),
        ("POST /api/routes/%78", r#"{"target":"http://a"}"#, 501),
        ("PUT /api/routes/x", "", 405),
        ("HEAD /api/routes", "", 405),
        ("GET /api", "", 404),
        ("GET /api/routesx", "", 404),
        ("GET /", "", 404),
    ] {
        assert_eq!(call(&mut machine, at(0), line, body).0, expected, "{line} {body}");
    }
    assert_eq!(call(&mut machine, at(0), "GET /api/routes", "").1, "{}");
}

#[test]
fn without_the_token_nothing_is_read_or_changed() {
    let mut machine = with_routes(&["/user/x"]);
    for credentials in ["", "token", "token ", "token tt", "t", "tokent", "bearer t"] {
        for line in [
            "GET /api/routes",
            "GET /api/routes/user/x",
            "DELETE /api/routes/user/x",
            "POST /api/routes/y",
        ] {
            let answer = call_as(&mut machine, credentials, at(0), line, r#"{"target":"http://a"}"#);
            assert_eq!(answer, (403, String::new()), "{credentials:?} {line}");
        }
    }
    assert!(machine.route("/user/x").is_some() && machine.route("/y").is_none());
}

#[test]
fn the_longest_prefix_of_whole_segments_wins() {
    let machine = with_routes(&["/user/x", "/user/x/deep", "/user"]);
    let prefix = |path| machine.route(path).map(|found| found.prefix);
    assert_eq!(prefix("/user/x"), Some("/user/x"));
    assert_eq!(prefix("//user/x//"), Some("/user/x"));
    assert_eq!(prefix("/user/x/a/b"), Some("/user/x"));
    assert_eq!(prefix("/user/x/deep/er"), Some("/user/x/deep"));
    assert_eq!(prefix("/user/xy"), Some("/user"));
    assert_eq!(prefix("/users"), None);
    assert_eq!(prefix("/"), None);
    assert_eq!(prefix(""), None);
    let machine = with_routes(&["/", "/user/x"]);
    assert_eq!(machine.route("/other").unwrap().prefix, "/");
    assert_eq!(machine.route("*").unwrap().prefix, "/");
    assert_eq!(machine.route("/user/x").unwrap().target, "http://10.0.0.1:80//user/x");
}

#[test]
fn inactive_since_lists_what_was_idle_before_it() {
    let mut machine = with_routes(&["/idle", "/used"]);
    machine.touch(at(60), "/used");
    machine.touch(at(60), "/gone");
    assert_eq!(machine.last_activity("/gone"), None);
    let mut idle = |query: &str| {
        let (status, text) = call(&mut machine, at(99), &format!("GET /api/routes?{query}"), "");
        (
            status,
            text.parse::<Value>()
                .map(|value| value.as_object().unwrap().len())
                .unwrap_or(99),
        )
    };
    assert_eq!(
        idle("inactive_since=2027-01-15T08:00:00.123Z"),
        (200, 0),
        "strictly before"
    );
    assert_eq!(idle("inactive_since=2027-01-15T08:00:00.124Z"), (200, 1));
    assert_eq!(idle("inactiveSince=2027-01-15T09:00:30%2B01:00"), (200, 1));
    assert_eq!(
        idle("inactive_since=2027-01-15T08:00:30"),
        (200, 1),
        "UTC where no offset is named"
    );
    assert_eq!(idle("inactive_since=2027-01-16"), (200, 2));
    assert_eq!(idle("inactive_since="), (200, 2));
    assert_eq!(
        idle("inactive_since=2027-01-15T09:00:30+01:00").0,
        400,
        "a bare plus is a space"
    );
    assert_eq!(idle("inactive_since=yesterday").0, 400);
}
