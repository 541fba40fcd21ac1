//! What a request asks for, as authorization sees it: a verb, and a resource or a path.

use std::fmt;

use axum::extract::Query as Pairs;
use bytes::Bytes;
use http::{Method, Request};

/// A verb with what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attributes {
    Resource(ResourceAttributes),
    /// What is no resource: discovery, health.
    Path {
        verb: String,
        path: String,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ResourceAttributes {
    pub(super) verb: String,
    /// Empty for the core group, as the following are for what is not named.
    pub(super) group: String,
    pub(super) resource: String,
    pub(super) subresource: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Attributes {
    /// Reads them off a request, whether its resource exists or not.
    pub(super) fn of(request: &Request<Bytes>) -> Attributes {
        let path = request.uri().path();
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let (group, rest) = match segments.as_slice() {
            ["api", _, rest @ ..] if !rest.is_empty() => ("", rest),
            ["apis", group, _, rest @ ..] if !rest.is_empty() => (*group, rest),
            _ => {
                return Attributes::Path {
                    verb: request.method().as_str().to_ascii_lowercase(),
                    path: path.to_owned(),
                };
            }
        };
        let (namespace, rest) = match rest {
            ["namespaces", name] | ["namespaces", name, "status" | "finalize", ..] => (*name, rest),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            _ => ("", rest),
        };
        let part = |index: usize| rest.get(index).copied().unwrap_or("").to_owned();
        let mut asked = ResourceAttributes {
            verb: String::new(),
            group: group.to_owned(),
            resource: part(0),
            name: part(1),
            subresource: part(2),
            namespace: namespace.to_owned(),
        };
        asked.verb = verb(request, &mut asked.name).to_owned();
        Attributes::Resource(asked)
    }

    /// The namespace whose roles count, empty for none.
    pub(super) fn namespace(&self) -> &str {
        match self {
            Attributes::Resource(asked) => &asked.namespace,
            Attributes::Path { .. } => "",
        }
    }
}

/// The verb of a request for a resource. A list of one object by its name is narrowed to that name.
fn verb(request: &Request<Bytes>, name: &mut String) -> &'static str {
    match *request.method() {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if name.is_empty() => "deletecollection",
        Method::DELETE => "delete",
        Method::GET | Method::HEAD if !name.is_empty() => "get",
        Method::GET | Method::HEAD => {
            let pairs = Pairs::<Vec<(String, String)>>::try_from_uri(request.uri());
            let pairs = pairs.map(|Pairs(pairs)| pairs).unwrap_or_default();
            let first = |option: &str| {
                pairs
                    .iter()
                    .find(|(key, _)| key == option)
                    .map(|(_, value)| value.as_str())
            };
            let by_name = first("fieldSelector").and_then(|selector| {
                let parts = selector.split(',').map(|part| part.split_once('='));
                parts
                    .flatten()
                    .find_map(|(field, value)| (field.trim() == "metadata.name").then(|| value.trim_start_matches('=')))
            });
            by_name.unwrap_or("").trim().clone_into(name);
            match first("watch") {
                None | Some("0" | "f" | "F" | "false" | "False" | "FALSE") => "list",
                Some(_) => "watch",
            }
        }
        _ => "",
    }
}

/// What follows "cannot".
impl fmt::Display for Attributes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = match self {
            Attributes::Path { verb, path } => return write!(out, "{verb} path {path:?}"),
            Attributes::Resource(asked) => asked,
        };
        let resource = match asked.subresource.as_str() {
            "" => asked.resource.clone(),
            part => format!("{}/{part}", asked.resource),
        };
        write!(
            out,
            "{} resource {resource:?} in API group {:?} ",
            asked.verb, asked.group
        )?;
        match asked.namespace.as_str() {
            "" => write!(out, "at the cluster scope"),
            namespace => write!(out, "in the namespace {namespace:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: Method, uri: &str) -> String {
        let request = Request::builder().method(method).uri(uri).body(Bytes::new()).unwrap();
        let attributes = Attributes::of(&request);
        match &attributes {
            Attributes::Resource(asked) => format!("{:?} {attributes}", asked.name),
            Attributes::Path { .. } => attributes.to_string(),
        }
    }

    #[test]
    fn requests_are_read_as_verbs_and_resources() {
        let core = "in API group \"\"";
        for (method, uri, seen) in [
            (
                Method::GET,
                "/api/v1/pods",
                format!("\"\" list resource \"pods\" {core} at the cluster scope"),
            ),
            (
                Method::GET,
                "/api/v1/namespaces/n/pods/p/log",
                format!("\"p\" get resource \"pods/log\" {core} in the namespace \"n\""),
            ),
            (
                Method::GET,
                "/api/v1/namespaces/n",
                format!("\"n\" get resource \"namespaces\" {core} in the namespace \"n\""),
            ),
            (
                Method::PUT,
                "/api/v1/namespaces/n/status",
                format!("\"n\" update resource \"namespaces/status\" {core} in the namespace \"n\""),
            ),
            (
                Method::GET,
                "/api/v1/namespaces/n/pods?watch=true&fieldSelector=metadata.name%3D%3Dp",
                format!("\"p\" watch resource \"pods\" {core} in the namespace \"n\""),
            ),
            (
                Method::DELETE,
                "/apis/apps/v1/namespaces/n/deployments",
                "\"\" deletecollection resource \"deployments\" in API group \"apps\" in the namespace \"n\""
                    .to_owned(),
            ),
            (Method::GET, "/apis/apps/v1", "get path \"/apis/apps/v1\"".to_owned()),
            (Method::POST, "/healthz", "post path \"/healthz\"".to_owned()),
        ] {
            assert_eq!(of(method, uri), seen, "{uri}");
        }
    }
}
