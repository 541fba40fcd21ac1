//! Whoever has the README before them, at a shell.

use std::process::Command;

use bytes::Bytes;
use http::{Method, Response};
use serde_json::Value;
use tempfile::TempDir;
use tests::scenario::invariants;
use tests::{Answer, App};

use super::ORIGIN;
use super::origin::Origin;

/// What curl reads by itself, so that a line can stay as it is: nobody's proxy, and after the body, on standard error,
/// status and headers as JSON.
const CURLRC: &str = r#"
silent
noproxy = "*"
max-time = 60
write-out = "%{stderr}{\"status\": %{response_code}, \"headers\": %{header_json}}"
"#;

/// Whoever types the README's lines, with an access token or without.
pub(super) struct Reader<'a> {
    pub(super) app: &'a App,
    pub(super) origin: &'a Origin,
    pub(super) token: Option<String>,
    home: TempDir,
}

impl<'a> Reader<'a> {
    pub(super) fn new(app: &'a App, origin: &'a Origin, token: Option<String>) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(".curlrc"), CURLRC).unwrap();
        Self {
            app,
            origin,
            token,
            home,
        }
    }

    /// A line as it is run. Three things in it are its reader's: where the server is, since port 9000 may be somebody
    /// else's; on which port the pod template's host answers; and in production the token, in the header that the
    /// README names.
    fn filled(&self, line: &str) -> String {
        let api = self.app.ready().api.trim_start_matches("http://");
        let line = line
            .replace("localhost:9000", api)
            .replace(ORIGIN, &self.origin.authority());
        match &self.token {
            None => line,
            Some(token) => line.replacen("curl ", &format!("curl -H \"Authorization: Bearer {token}\" "), 1),
        }
    }

    /// What comes back to a line.
    pub(super) async fn run(&self, line: &str) -> Answer {
        let line = self.filled(line);
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(&line).env("CURL_HOME", self.home.path());
        let ran = tokio::task::spawn_blocking(move || shell.output()).await.unwrap();
        let ran = ran.unwrap();
        assert!(ran.status.success(), "{line}: {ran:?}");
        let told: Value = serde_json::from_slice(&ran.stderr).unwrap();
        let status = u16::try_from(told["status"].as_u64().unwrap()).unwrap();
        let mut answer = Response::builder().status(status);
        for (name, values) in told["headers"].as_object().unwrap() {
            for value in values.as_array().unwrap() {
                answer = answer.header(name, value.as_str().unwrap());
            }
        }
        Answer::new(line, answer.body(Bytes::from(ran.stdout)).unwrap())
    }

    /// What the cluster answers its administrator who reads this.
    pub(super) async fn cluster(&self, path: &str) -> Value {
        let answer = invariants::cluster(self.app, Method::GET, path, None).await;
        answer.expect(200)
    }
}
