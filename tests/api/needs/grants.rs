//! What a request takes, in the words of the descriptors.

use std::collections::BTreeSet;

use api::{Endpoint, Index, Secret, TableAction};
use bytes::Bytes;
use http::{Method, Request, header};
use net::Peer;
use serde_json::Value;
use tests::cases::settings::{REGISTRY_KEY, ROUTING_HEADER, action};

/// Something that a role allows, or a secret that is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// An action on rows with a prefix.
    Rows(String, TableAction),
    /// Queries of an index.
    Index(Index),
    /// A verb on a resource of a group.
    Verb(String, String, String),
    /// A part of the installation's secret.
    Secret(Secret),
}

/// The row that no installation has, which whoever uses the table may read to open its connection.
const WARM: &str = "WARM";

const ACTIONS: [TableAction; 6] = [
    TableAction::BatchGetItem,
    TableAction::DeleteItem,
    TableAction::GetItem,
    TableAction::PutItem,
    TableAction::Query,
    TableAction::UpdateItem,
];

/// All that `endpoint` lists.
pub fn granted(endpoint: &Endpoint) -> BTreeSet<Grant> {
    let needs = endpoint.needs;
    let rows = needs.table.iter().flat_map(|need| {
        let rows = |action: &TableAction| Grant::Rows(need.prefix.to_owned(), *action);
        need.actions.iter().map(rows)
    });
    let verbs = needs.cluster.iter().flat_map(|need| {
        let verb = |verb: &&str| Grant::Verb(need.group.to_owned(), need.resource.to_owned(), (*verb).to_owned());
        need.verbs.iter().map(verb)
    });
    let indexes = needs.indexes.iter().copied().map(Grant::Index);
    let secrets = needs.secrets.iter().copied().map(Grant::Secret);
    rows.chain(verbs).chain(indexes).chain(secrets).collect()
}

/// What `request` takes; an error names what no descriptor could list.
pub fn wanted(endpoint: &Endpoint, peer: Peer, request: &Request<Bytes>) -> Result<Vec<Grant>, String> {
    let shows_token = request.headers().contains_key(header::AUTHORIZATION);
    match peer {
        Peer::Store => of_table(endpoint, action(request), request.body()),
        Peer::Cluster => {
            let token = shows_token.then_some(Grant::Secret(Secret::ClusterTokens));
            let verb = of_cluster(request.method(), request.uri().path())?;
            Ok(token.into_iter().chain(verb).collect())
        }
        // What opens it is in the table.
        Peer::Leased => Ok(Vec::new()),
        Peer::Proxy => Ok(shows_token
            .then_some(Grant::Secret(Secret::ProxyTokens))
            .into_iter()
            .collect()),
        Peer::Outside => {
            let headers = request.headers();
            let shows_key = headers
                .get(header::AUTHORIZATION)
                .is_some_and(|key| key == REGISTRY_KEY);
            let registry = shows_key.then_some(Grant::Secret(Secret::RegistryKey));
            let router = headers
                .contains_key(ROUTING_HEADER)
                .then_some(Grant::Secret(Secret::RouterSecret));
            Ok(registry.into_iter().chain(router).collect())
        }
        Peer::Platform => Err(format!("{} of a platform service", request.method())),
    }
}

fn of_table(endpoint: &Endpoint, action: &str, body: &[u8]) -> Result<Vec<Grant>, String> {
    let asked: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if action == "Query" {
        return of_query(endpoint, &asked);
    }
    let keys: Vec<(&str, &Value)> = match action {
        "GetItem" | "DeleteItem" | "UpdateItem" => vec![(action, &asked["Key"])],
        "PutItem" => vec![(action, &asked["Item"])],
        "BatchGetItem" => {
            let tables = asked["RequestItems"]
                .as_object()
                .into_iter()
                .flat_map(|tables| tables.values());
            let keys = tables.flat_map(|table| table["Keys"].as_array().into_iter().flatten());
            keys.map(|key| (action, key)).collect()
        }
        "TransactWriteItems" => asked["TransactItems"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(parts)
            .collect(),
        other => return Err(format!("{other} of the table")),
    };
    if keys.is_empty() {
        return Err(format!("{action} without a key"));
    }
    let is_warming = !endpoint.needs.table.is_empty();
    let keys = keys
        .into_iter()
        .filter(|(action, key)| !(is_warming && *action == "GetItem" && key["pk"]["S"] == WARM));
    keys.map(|(action, key)| on_rows(action, key["pk"]["S"].as_str().unwrap_or_default()))
        .collect()
}

/// The parts of one entry of a transaction: the action that it needs, and where its key is.
fn parts(entry: &Value) -> Vec<(&str, &Value)> {
    let part = |(kind, part): (&'static str, &'static str), place| entry.get(kind).map(|found| (part, &found[place]));
    [
        part(("Put", "PutItem"), "Item"),
        part(("Update", "UpdateItem"), "Key"),
        part(("Delete", "DeleteItem"), "Key"),
        part(("ConditionCheck", "ConditionCheckItem"), "Key"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `action` on the row whose partition key is `pk`.
fn on_rows(action: &str, pk: &str) -> Result<Grant, String> {
    let known = ACTIONS.into_iter().find(|known| known.as_str() == action);
    let prefix = pk.split_inclusive('#').next().unwrap_or_default();
    known
        .map(|action| Grant::Rows(prefix.to_owned(), action))
        .ok_or_else(|| format!("{action} of {prefix}"))
}

fn of_query(endpoint: &Endpoint, asked: &Value) -> Result<Vec<Grant>, String> {
    let condition = asked["KeyConditionExpression"].as_str().unwrap_or_default();
    let first = condition.split(" AND ").next().unwrap_or_default();
    let place = first.split_once(" = ").map(|(_, place)| place).unwrap_or_default();
    let part = asked["ExpressionAttributeValues"][place]["S"]
        .as_str()
        .unwrap_or_default();
    let Some(index) = asked["IndexName"].as_str() else {
        return Ok(vec![on_rows("Query", part)?]);
    };
    let lists = |prefix: &str| granted(endpoint).contains(&Grant::Rows(prefix.to_owned(), TableAction::BatchGetItem));
    let (index, is_right) = match index {
        "due" => (Index::Due, part.starts_with("DUE#")),
        "day" => (Index::Day, part.starts_with("APP#")),
        "pick" => (Index::Pick, part.starts_with("SPARE#")),
        "free" => (Index::Free, part.starts_with("FREE#")),
        "list" => (
            Index::List,
            (["TPL", "KEY", "CLUSTER", "CPOOL"].contains(&part) && lists(&format!("{part}#")))
                || (part == "POOL" && lists("TPL#"))
                || ((part == "ENVALL" || part.starts_with("ENV#")) && lists("ENV#"))
                || ((part.starts_with("APP#") || part.starts_with("SPARE#")) && lists("APP#")),
        ),
        other => return Err(format!("Query of the index {other}")),
    };
    if is_right {
        Ok(vec![Grant::Index(index)])
    } else {
        Err(format!("Query of {part} in the index {index:?}"))
    }
}

/// The verb that Kubernetes checks, if it checks any: every client may ask for the version.
fn of_cluster(method: &Method, path: &str) -> Result<Option<Grant>, String> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let (group, rest) = match segments.as_slice() {
        ["version"] => return Ok(None),
        ["api", "v1", rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return Err(format!("{method} {path} of the cluster")),
    };
    let (resource, is_named) = match rest {
        ["namespaces", _, "pods", _, "log"] => ("pods/log", true),
        ["namespaces", _, resource] => (*resource, false),
        ["namespaces", _, resource, _] => (*resource, true),
        [resource] => (*resource, false),
        [resource, _] => (*resource, true),
        _ => return Err(format!("{method} {path} of the cluster")),
    };
    let verb = match (method, is_named) {
        (&Method::GET, true) => "get",
        (&Method::GET, false) => "list",
        (&Method::POST, false) => "create",
        (&Method::PATCH, true) => "patch",
        (&Method::PUT, true) => "update",
        (&Method::DELETE, true) => "delete",
        _ => return Err(format!("{method} {path} of the cluster")),
    };
    Ok(Some(Grant::Verb(
        group.to_owned(),
        resource.to_owned(),
        verb.to_owned(),
    )))
}
