//! A request, as a handler sees it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use api::{Code, Endpoint};
use bytes::Bytes;
use domain::limits::{IDEMPOTENCY_KEY_MAX, IDEMPOTENCY_KEY_MIN_OPEN, MESSAGE_MAX};
use domain::{ApplicationId, Caller, KeyId, Look, OrganisationName, Refusal};
use http::HeaderMap;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use store::Binding;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{Asker, Edge, Problem};

/// The purpose under which the tokens of launches are derived.
const LAUNCH_TOKEN: &str = "launch-token";

/// The purpose under which API keys are derived.
const API_KEY: &str = "api-key";

/// What is left of a request's time for its last look, after it was held.
const LAST_LOOK: Duration = Duration::from_secs(3);

/// Rests for `pause` until the next look; `false` when the wait is over.
pub async fn rest(pause: Duration, until: Instant) -> bool {
    tokio::select! {
        biased;
        () = sleep_until(until) => false,
        () = sleep(pause) => true,
    }
}

/// One request, authenticated, its body not yet read as anything.
pub struct Call {
    pub(crate) endpoint: &'static Endpoint,
    pub(crate) edge: Arc<Edge>,
    pub(crate) request_id: String,
    pub(crate) path: String,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) caller: Caller,
    /// What the caller presented, where it may be a launch's token.
    pub(crate) credential: Option<String>,
    pub(crate) deadline: Instant,
    pub(crate) looks: AtomicU32,
}

impl Call {
    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// That the caller administers `organisation`: asked before anything is looked for, so that whoever does not is told
    /// the same whatever there is.
    ///
    /// # Errors
    /// 403, in the words of the older service.
    pub fn administers(&self, organisation: &OrganisationName) -> Result<(), Problem> {
        if self.caller.administered().covers(organisation) {
            Ok(())
        } else {
            Err(Problem::new(Code::Unauthorized, "You aren't an Org Admin"))
        }
    }

    /// Who asks for a pod template that is somewhere else. An API key is between its holder and this installation: it is
    /// shown to nobody else.
    pub fn asker(&self) -> Asker<'_> {
        let is_key = matches!(
            self.caller,
            Caller::Key { .. } | Caller::ConfiguredAdmin | Caller::ConfiguredLeases
        );
        Asker {
            host: self.header("host"),
            authorization: self.headers.get(http::header::AUTHORIZATION).filter(|_| !is_key),
        }
    }

    /// One `now` and a stamp of its own, for one look at the world. A request that waits looks again.
    pub fn look(&self) -> Look {
        let number = self.looks.fetch_add(1, Ordering::Relaxed);
        Look {
            now: self.edge.clock.now(),
            by: format!("{}/{number}", self.request_id),
        }
    }

    /// When everything that this request does must be done, in mechanical time.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Until when this request may be held that asks to be held for `wait`, with time left for a last look.
    #[expect(clippy::disallowed_methods, reason = "how long a request is held is mechanical time")]
    pub fn end_of_wait(&self, wait: Duration) -> Instant {
        (Instant::now() + wait).min(self.deadline - LAST_LOOK)
    }

    /// Keeps an error that this request goes on in spite of, for its log line.
    pub fn note(&self, what: &str, error: &(dyn std::error::Error + 'static)) {
        net::note(what, error);
    }

    /// The path parameter `name`, parsed.
    ///
    /// # Errors
    /// What `parse` refuses.
    pub fn param<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, Refusal>) -> Result<T, Problem> {
        self.optional_param(name, parse)?
            .ok_or_else(|| Problem::new(Code::NotFound, format!("The path lacks its '{name}'")))
    }

    /// The path parameter `name`, parsed, where this form of the path has it.
    ///
    /// # Errors
    /// What `parse` refuses.
    pub fn optional_param<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Result<Option<T>, Problem> {
        let value = self
            .params
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value);
        Ok(value.map(|value| parse(value)).transpose()?)
    }

    /// The header `name`, where it is plain text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The query parameter `name`, as it was sent first.
    pub fn query(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes())
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The query parameter `name` as whole seconds up to `most`.
    ///
    /// # Errors
    /// 400 with the range.
    pub fn query_seconds(&self, name: &str, most: Duration) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.query(name) else {
            return Ok(None);
        };
        let seconds = text.parse().ok().filter(|seconds| *seconds <= most.as_secs());
        let range = || format!("'{name}' is a whole number of seconds, 0 to {}", most.as_secs());
        seconds
            .map(|s| Some(Duration::from_secs(s)))
            .ok_or_else(|| Problem::new(Code::MalformedRequest, range()))
    }

    /// The query parameter `name` as a whole number up to `most`.
    ///
    /// # Errors
    /// 400 with the range.
    pub fn query_number(&self, name: &str, most: u32) -> Result<Option<u32>, Problem> {
        let Some(text) = self.query(name) else {
            return Ok(None);
        };
        // Digits only: Rust would take a sign too.
        let number = text
            .parse()
            .ok()
            .filter(|number| *number <= most && !text.starts_with('+'));
        let range = || format!("'{name}' is a whole number, 0 to {most}");
        number
            .map(Some)
            .ok_or_else(|| Problem::new(Code::MalformedRequest, range()))
    }

    /// Whether the query parameter `name` is `true`, or another word that Go reads so, as the older services did; absent
    /// means `false`.
    ///
    /// # Errors
    /// 400 when it is neither `true` nor `false`.
    pub fn query_flag(&self, name: &str) -> Result<bool, Problem> {
        match self.query(name).as_deref() {
            None | Some("0" | "f" | "F" | "false" | "False" | "FALSE") => Ok(false),
            Some("1" | "t" | "T" | "true" | "True" | "TRUE") => Ok(true),
            Some(_) => Err(Problem::new(
                Code::MalformedRequest,
                format!("'{name}' is 'true' or 'false'"),
            )),
        }
    }

    /// The body, parsed as JSON whatever its `Content-Type`; an absent or empty body is `{}`.
    ///
    /// # Errors
    /// 400 with the position where it is not JSON, or the field whose value is wrong.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let text: &[u8] = if self.body.trim_ascii().is_empty() {
            b"{}"
        } else {
            &self.body
        };
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let Object(value) = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| unreadable(&error))?;
        deserializer.end().map_err(|error| not_json(&error))?;
        Ok(value)
    }

    /// What the request's `Idempotency-Key` binds to: caller, route, key, and everything that was asked.
    ///
    /// # Errors
    /// 400 when the key is too long, not plain text, or too short for somebody without an API key.
    pub fn binding(&self) -> Result<Option<Binding>, Problem> {
        let Some(header) = self.headers.get("idempotency-key") else {
            return Ok(None);
        };
        let bad = |why: String| Problem::new(Code::BadIdempotencyKey, why);
        let key = header
            .to_str()
            .map_err(|_| bad("An Idempotency-Key is plain ASCII text".into()))?;
        let least = if self.caller.is_known() {
            1
        } else {
            IDEMPOTENCY_KEY_MIN_OPEN
        };
        if !(least..=IDEMPOTENCY_KEY_MAX).contains(&key.len()) {
            let length = key.len();
            return Err(bad(format!(
                "An Idempotency-Key here has {least} to {IDEMPOTENCY_KEY_MAX} characters; this one has {length}"
            )));
        }
        let asked = serde_json::json!([self.params, vault::sha256_hex(&self.body)]).to_string();
        Ok(Some(Binding {
            caller: self.caller.word(),
            route: self.endpoint.id.to_owned(),
            key: key.to_owned(),
            body_sha256: vault::sha256_hex(asked.as_bytes()),
        }))
    }

    /// Unpredictable bytes for an id.
    ///
    /// # Errors
    /// 500 when the operating system has none to give.
    pub fn random<const N: usize>(&self) -> Result<[u8; N], Problem> {
        let bytes = self.edge.entropy.bytes();
        bytes.ok_or_else(|| Problem::new(Code::Internal, "The operating system gives no random numbers"))
    }

    /// The token with which the launch of `id` alone can be stopped or kept alive. Derived, so that it is the same
    /// when the launch is asked for again, and nothing secret is stored for it.
    ///
    /// # Errors
    /// 500 when this function was not given the keyring, which is a bug.
    pub fn launch_token(&self, id: &ApplicationId) -> Result<String, Problem> {
        Ok(self.edge.keyring()?.token(LAUNCH_TOKEN, id.as_str()))
    }

    /// The API key of `id`. Derived, as the tokens of launches are.
    ///
    /// # Errors
    /// As [`Call::launch_token`].
    pub fn api_key(&self, id: &KeyId) -> Result<String, Problem> {
        Ok(self.edge.keyring()?.token(API_KEY, id.as_str()))
    }

    /// The API key of `id` that has this SHA-256, as it was made: before the keyring was rotated, perhaps. None when the
    /// keyring does not have its key any more.
    ///
    /// # Errors
    /// As [`Call::launch_token`].
    pub fn api_key_again(&self, id: &KeyId, sha256: &str) -> Result<Option<String>, Problem> {
        let mut keys = self.edge.keyring()?.tokens(API_KEY, id.as_str());
        Ok(keys.find(|key| crate::key_sha256(key) == sha256))
    }

    /// Whether the caller presented the token of the launch of `id`.
    ///
    /// # Errors
    /// As [`Call::launch_token`].
    pub fn holds_launch_token(&self, id: &ApplicationId) -> Result<bool, Problem> {
        let keyring = self.edge.keyring()?;
        Ok(self
            .credential
            .as_deref()
            .is_some_and(|presented| keyring.token_matches(LAUNCH_TOKEN, id.as_str(), presented)))
    }
}

/// What is written as a JSON object. Of an array, serde would take the entries for a struct's fields in their order.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields))
            }
        }
        deserializer.deserialize_map(Fields(PhantomData)).map(Object)
    }
}

fn unreadable(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let inner = error.inner();
    if !inner.is_data() {
        return not_json(inner);
    }
    let path = short(&error.path().to_string());
    let whole = inner.to_string();
    // serde_json appends the position, which says nothing to somebody who sent a well-formed document.
    let why = short(whole.rsplit_once(" at line ").map_or(whole.as_str(), |(why, _)| why));
    let detail = if path == "." {
        format!("The body is not as expected: {why}")
    } else {
        format!("'{path}' is not as expected: {why}")
    };
    Problem::new(Code::MalformedRequest, detail)
}

/// The beginning of a text that may quote what the caller sent.
fn short(text: &str) -> String {
    let mut short: String = text.chars().take(MESSAGE_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn not_json(error: &serde_json::Error) -> Problem {
    let detail = format!("The body is not JSON: line {}, column {}", error.line(), error.column());
    Problem::new(Code::MalformedRequest, detail)
}
