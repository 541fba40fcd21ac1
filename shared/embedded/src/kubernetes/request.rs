//! Reading a request: which resource its path names, and which options its query carries.

use std::cell::RefCell;
use std::collections::BTreeMap;

use axum::extract::Query as Pairs;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};
use serde_json::Value;

use super::access::User;
use super::options;
use super::registry::{self, KINDS, Kind, KindId};
use super::status::Refusal;
use super::writer;

/// Options that change nothing here: how to print, who writes, how strictly, how long to wait.
const HARMLESS: &[&str] = &["pretty", "timeout", "fieldManager", "fieldValidation"];
const LIST: &[&str] = &[
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
];
const GET: &[&str] = &["resourceVersion"];
const LOG: &[&str] = &[
    "container",
    "follow",
    "previous",
    "sinceSeconds",
    "tailLines",
    "limitBytes",
    "timestamps",
    "stream",
];
const WRITE: &[&str] = &["dryRun", "force"];
const DELETE: &[&str] = &["dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"];

/// How many bytes of a body that is no object are told.
const BODY_SHOWN: usize = 30;

/// A resource that a path names, or one object of it.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) method: &'a Method,
    pub(super) id: KindId,
    /// Empty for resources without namespaces, and for a look over all namespaces.
    pub(super) namespace: String,
    /// Empty for the collection.
    pub(super) name: String,
    pub(super) subresource: String,
    pub(super) query: Query,
    pub(super) body: &'a Bytes,
    /// Whom the first part of its `User-Agent` names.
    pub(super) agent: String,
    /// Media type of the body without its parameters, empty when absent.
    pub(super) content_type: String,
    pub(super) shape: Shape,
    warnings: RefCell<Vec<String>>,
    /// Who asks.
    pub(super) user: User,
}

/// How much of an object the caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Whole,
    /// `PartialObjectMetadata`.
    Metadata,
}

/// The options of a request; of one given twice the first counts, where it is not a list.
#[derive(Debug, Default)]
pub(super) struct Query(BTreeMap<String, Vec<String>>);

impl Query {
    /// The value of an option, empty when absent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or("")
    }

    /// All values of an option.
    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Whether an option is given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A boolean as Go's `strconv.ParseBool` has it; absent is false, and a mere name is true.
    pub(super) fn flag(&self, name: &str) -> bool {
        let value = self.all(name).next();
        value.is_some_and(|value| !matches!(value, "0" | "f" | "F" | "false" | "False" | "FALSE"))
    }

    /// A whole number that is not negative.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        match self.text(name) {
            "" => Ok(None),
            text => text
                .parse()
                .map(Some)
                .map_err(|_| Refusal::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))),
        }
    }

    /// Whether nothing is to be kept of what the request does.
    pub(super) fn dry_run(&self) -> bool {
        self.has("dryRun")
    }

    fn only(&self, allowed: &[&str]) -> Result<(), Refusal> {
        match self
            .0
            .keys()
            .find(|name| !allowed.contains(&name.as_str()) && !HARMLESS.contains(&name.as_str()))
        {
            Some(name) => Err(Refusal::bad_request(format!(
                "the query parameter {name:?} is not known here"
            ))),
            None => Ok(()),
        }
    }
}

impl<'a> Call<'a> {
    /// Finds the resource of a request, or says that there is none.
    pub(super) fn read(request: &'a Request<Bytes>, user: User) -> Result<Call<'a>, Refusal> {
        let segments: Vec<&str> = request.uri().path().split('/').skip(1).collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] if registry::is_group(group) => (*group, *version, rest),
            _ => return Err(Refusal::unknown_path()),
        };
        let (namespace, plural, name, subresource) = match rest {
            ["namespaces", name, subresource @ ("status" | "finalize")] => ("", "namespaces", *name, *subresource),
            ["namespaces", namespace, plural] => (*namespace, *plural, "", ""),
            ["namespaces", namespace, plural, name] => (*namespace, *plural, *name, ""),
            ["namespaces", namespace, plural, name, subresource] => (*namespace, *plural, *name, *subresource),
            [plural] => ("", *plural, "", ""),
            [plural, name] => ("", *plural, *name, ""),
            [plural, name, subresource] => ("", *plural, *name, *subresource),
            _ => return Err(Refusal::unknown_resource()),
        };
        let id = registry::find(group, version, plural).ok_or_else(Refusal::unknown_resource)?;
        let kind = &KINDS[id];
        let misplaced = if kind.namespaced {
            namespace.is_empty() && !name.is_empty()
        } else {
            !namespace.is_empty()
        };
        let unknown_part = !subresource.is_empty() && !kind.subresources.contains(&subresource);
        let hollow = rest.len() > 1 && rest.iter().any(|segment| segment.is_empty());
        if misplaced || hollow {
            return Err(Refusal::unknown_resource());
        }
        if unknown_part {
            return Err(Refusal::unknown_resource());
        }
        let call = Call {
            warnings: RefCell::default(),
            method: request.method(),
            id,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
            query: query(request)?,
            body: request.body(),
            agent: writer::agent_name(header_text(request, &header::USER_AGENT)),
            content_type: media_type(request),
            shape: shape(request)?,
            user,
        };
        call.check_options()?;
        Ok(call)
    }

    /// A controller that makes an object.
    pub(super) fn of_controller(id: KindId, namespace: &str) -> Call<'static> {
        static NOTHING: Bytes = Bytes::new();
        Call {
            method: &Method::POST,
            id,
            namespace: namespace.to_owned(),
            name: String::new(),
            subresource: String::new(),
            query: Query::default(),
            body: &NOTHING,
            agent: "kube-controller-manager".to_owned(),
            content_type: String::new(),
            shape: Shape::Whole,
            warnings: RefCell::default(),
            user: User::admin(),
        }
    }

    pub(super) fn kind(&self) -> &'static Kind {
        &KINDS[self.id]
    }

    /// Has the caller warned of something that is done all the same.
    pub(super) fn warn(&self, warning: String) {
        self.warnings.borrow_mut().push(warning);
    }

    /// The values of the `Warning` headers of the answer (RFC 7234).
    pub(super) fn warnings(&self) -> Vec<HeaderValue> {
        let warnings = self.warnings.borrow();
        let values = warnings
            .iter()
            .map(|text| HeaderValue::from_str(&format!("299 - {text:?}")));
        values.filter_map(Result::ok).collect()
    }

    /// The body as JSON. An empty one is an error, as everywhere but in DELETE.
    pub(super) fn json(&self) -> Result<Value, Refusal> {
        if !matches!(self.content_type.as_str(), "" | "application/json" | "*/*") {
            return Err(Refusal::unsupported_media_type("application/json"));
        }
        serde_json::from_slice(self.body).map_err(|error| self.unrecognized(&error.to_string()))
    }

    /// The body is no object at all.
    pub(super) fn unrecognized(&self, error: &str) -> Refusal {
        let shown = match self.body.get(..BODY_SHOWN) {
            Some(beginning) => format!("{} ...", hex::encode(beginning)),
            None if self.body.is_empty() => "<empty>".to_owned(),
            None => hex::encode(self.body),
        };
        Refusal::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: \
             {error} ({shown})",
            self.kind().kind
        ))
    }

    fn check_options(&self) -> Result<(), Refusal> {
        let allowed = match *self.method {
            Method::GET if self.subresource == "log" => LOG,
            Method::GET if self.name.is_empty() => LIST,
            Method::GET => GET,
            Method::DELETE if self.name.is_empty() => {
                self.query.only(&[LIST, DELETE].concat())?;
                return options::check(self);
            }
            Method::DELETE => DELETE,
            _ => WRITE,
        };
        self.query.only(allowed)?;
        options::check(self)
    }
}

fn query(request: &Request<Bytes>) -> Result<Query, Refusal> {
    let Pairs(pairs) = Pairs::<Vec<(String, String)>>::try_from_uri(request.uri())
        .map_err(|error| Refusal::bad_request(format!("the query cannot be read: {error}")))?;
    let mut query = Query::default();
    for (name, value) in pairs {
        query.0.entry(name).or_default().push(value);
    }
    Ok(query)
}

fn header_text<'a>(request: &'a Request<Bytes>, name: &HeaderName) -> &'a str {
    let value = request.headers().get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or("")
}

fn media_type(request: &Request<Bytes>) -> String {
    let value = header_text(request, &header::CONTENT_TYPE);
    value.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

/// What `Accept` asks for. Tables are not made: like any client's fallback says, plain JSON is the answer then.
fn shape(request: &Request<Bytes>) -> Result<Shape, Refusal> {
    let accept = header_text(request, &header::ACCEPT);
    for range in accept.split(',').map(str::trim) {
        let media = range.split(';').next().unwrap_or("").trim();
        if media == "application/json" && range.contains("as=PartialObjectMetadata") {
            return Ok(Shape::Metadata);
        }
        if matches!(media, "" | "application/json" | "application/*" | "*/*" | "text/plain") {
            return Ok(Shape::Whole);
        }
    }
    Err(Refusal::not_acceptable())
}
