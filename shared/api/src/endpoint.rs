//! One endpoint as a value.

use domain::Access;

use crate::{Code, Needs};

/// What there is to call: an HTTP route, the schedule, or everything that no route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Noun then verb: the name of its function, its binary and its handler's file.
    pub id: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// What calls it.
    pub trigger: Trigger,
    /// Who may call it.
    pub access: Access,
    /// What it needs from outside. Its role allows this and nothing else.
    pub needs: Needs,
    /// The problems that it answers with of its own; those of the edge ([`Code::EDGE`]) come on top.
    pub problems: &'static [Code],
}

/// What calls an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A method on one or more paths, without a trailing slash; `{name}` is one segment.
    Http {
        /// The method.
        method: Method,
        /// The paths.
        paths: &'static [&'static str],
    },
    /// Every so many minutes.
    Schedule {
        /// Minutes between two runs.
        minutes: u32,
    },
    /// Every request that no route takes.
    Default,
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Read.
    Get,
    /// Make.
    Post,
    /// Write whole.
    Put,
    /// Change what is named.
    Patch,
    /// Remove.
    Delete,
}

impl Method {
    /// As written in a request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

impl Endpoint {
    /// Method and paths, for an endpoint over HTTP.
    pub fn http(&self) -> Option<(Method, &'static [&'static str])> {
        match self.trigger {
            Trigger::Http { method, paths } => Some((method, paths)),
            Trigger::Schedule { .. } | Trigger::Default => None,
        }
    }

    /// Its route keys as API Gateway writes them, such as `GET /applications/{template}/{id}`.
    pub fn route_keys(&self) -> Vec<String> {
        match self.trigger {
            Trigger::Http { method, paths } => paths.iter().map(|path| format!("{} {path}", method.as_str())).collect(),
            Trigger::Schedule { .. } => Vec::new(),
            Trigger::Default => vec!["$default".to_owned()],
        }
    }
}
