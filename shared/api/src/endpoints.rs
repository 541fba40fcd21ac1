//! The list.

use domain::{Access, Scope};

use crate::TableAction::{BatchGetItem, DeleteItem, GetItem, PutItem, Query};
use crate::{ClusterNeed, Code, Endpoint, Index, Method, Needs, Secret, TableNeed, Trigger};

/// Every endpoint, in the order in which documents show them.
pub const ENDPOINTS: &[&Endpoint] = &[
    &APPLICATION_LAUNCH,
    &APPLICATION_READ,
    &APPLICATION_LIST,
    &APPLICATION_STOP,
    &TEMPLATE_LIST,
    &TEMPLATE_READ,
    &TEMPLATE_PUT,
    &TEMPLATE_DELETE,
    &HEALTH_READ,
    &VERSION_READ,
    &REAPER,
    &FALLBACK,
];

const NAMESPACE: ClusterNeed = ClusterNeed {
    group: "",
    resource: "namespaces",
    verbs: &["create", "delete", "get"],
};

/// What it takes to make, watch and end an application in its cluster.
const CLUSTER_LIFE: &[ClusterNeed] = &[
    NAMESPACE,
    ClusterNeed {
        group: "",
        resource: "pods",
        verbs: &["create", "get"],
    },
    ClusterNeed {
        group: "",
        resource: "serviceaccounts",
        verbs: &["create", "get"],
    },
    ClusterNeed {
        group: "networking.k8s.io",
        resource: "networkpolicies",
        verbs: &["create", "get"],
    },
];
/// What it takes to end one.
const CLUSTER_END: &[ClusterNeed] = &[ClusterNeed {
    group: "",
    resource: "namespaces",
    verbs: &["delete", "get"],
}];

const CELL_TOKENS: &[Secret] = &[Secret::ClusterTokens, Secret::ProxyTokens];
const KEYRING_AND_CELL_TOKENS: &[Secret] = &[Secret::Keyring, Secret::ClusterTokens, Secret::ProxyTokens];
const KEYRING: &[Secret] = &[Secret::Keyring];
const NO_SECRETS: &[Secret] = &[];

const APPLICATION_STEP: TableNeed = TableNeed {
    prefix: "APP#",
    actions: &[PutItem, Query],
};
const TEMPLATE_GET: TableNeed = TableNeed {
    prefix: "TPL#",
    actions: &[GetItem],
};

/// Start an application.
pub const APPLICATION_LAUNCH: Endpoint = Endpoint {
    id: "application-launch",
    summary: "Launch an application from a template",
    trigger: Trigger::Http {
        method: Method::Post,
        paths: &["/applications/{template}", "/applications"],
    },
    access: Access::OpenUnlessClosed(Scope::Apps),
    needs: Needs {
        table: &[
            TableNeed {
                prefix: "APP#",
                actions: &[PutItem, Query],
            },
            TableNeed {
                prefix: "IDEM#",
                actions: &[GetItem, PutItem],
            },
            TEMPLATE_GET,
            Needs::KEYS,
        ],
        indexes: &[],
        cluster: CLUSTER_LIFE,
        secrets: KEYRING_AND_CELL_TOKENS,
    },
    problems: &[
        Code::MalformedRequest,
        Code::MissingParameter,
        Code::RegistryError,
        Code::BadIdempotencyKey,
        Code::IdempotencyKeyReused,
        Code::IdempotencyKeyEnded,
        Code::BadKubeRequest,
    ],
};

/// Read one application, and bring it on where nobody else does.
pub const APPLICATION_READ: Endpoint = Endpoint {
    id: "application-read",
    summary: "Read an application, or wait until its status changes",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/applications/{template}/{id}"],
    },
    access: Access::Open,
    needs: Needs {
        table: &[APPLICATION_STEP],
        indexes: &[],
        cluster: CLUSTER_LIFE,
        secrets: CELL_TOKENS,
    },
    problems: &[Code::MalformedRequest, Code::NoRecord],
};

/// List applications, newest first.
pub const APPLICATION_LIST: Endpoint = Endpoint {
    id: "application-list",
    summary: "List the applications of a template, or all",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/applications/{template}", "/applications"],
    },
    access: Access::Key(Scope::Apps),
    needs: Needs {
        table: &[
            TableNeed {
                prefix: "APP#",
                actions: &[BatchGetItem],
            },
            Needs::KEYS,
        ],
        indexes: &[Index::List, Index::Day],
        cluster: &[],
        secrets: KEYRING,
    },
    problems: &[Code::MalformedRequest, Code::BadCursor],
};

/// End an application now.
pub const APPLICATION_STOP: Endpoint = Endpoint {
    id: "application-stop",
    summary: "Stop an application",
    trigger: Trigger::Http {
        method: Method::Delete,
        paths: &["/applications/{template}/{id}"],
    },
    access: Access::KeyOrLaunchToken(Scope::Apps),
    needs: Needs {
        table: &[APPLICATION_STEP, Needs::KEYS],
        indexes: &[],
        cluster: CLUSTER_END,
        secrets: KEYRING_AND_CELL_TOKENS,
    },
    problems: &[Code::NoRecord, Code::Conflict, Code::BadKubeRequest],
};

/// List templates, newest first.
pub const TEMPLATE_LIST: Endpoint = Endpoint {
    id: "template-list",
    summary: "List the templates",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/templates"],
    },
    access: Access::Key(Scope::Apps),
    needs: Needs {
        table: &[
            TableNeed {
                prefix: "TPL#",
                actions: &[BatchGetItem],
            },
            Needs::KEYS,
        ],
        indexes: &[Index::List],
        cluster: &[],
        secrets: KEYRING,
    },
    problems: &[Code::MalformedRequest, Code::BadCursor],
};

/// Read one template.
pub const TEMPLATE_READ: Endpoint = Endpoint {
    id: "template-read",
    summary: "Read a template",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/templates/{name}"],
    },
    access: Access::Key(Scope::Apps),
    needs: Needs {
        table: &[TEMPLATE_GET, Needs::KEYS],
        indexes: &[],
        cluster: &[],
        secrets: NO_SECRETS,
    },
    problems: &[Code::DoesNotExist],
};

/// Write one template.
pub const TEMPLATE_PUT: Endpoint = Endpoint {
    id: "template-put",
    summary: "Write a template",
    trigger: Trigger::Http {
        method: Method::Put,
        paths: &["/templates/{name}"],
    },
    access: Access::Key(Scope::Admin),
    needs: Needs {
        table: &[
            TableNeed {
                prefix: "TPL#",
                actions: &[GetItem, PutItem],
            },
            Needs::KEYS,
        ],
        indexes: &[],
        cluster: &[],
        secrets: NO_SECRETS,
    },
    problems: &[Code::MalformedRequest, Code::RuleRefused, Code::Conflict],
};

/// Remove one template. Its applications live on.
pub const TEMPLATE_DELETE: Endpoint = Endpoint {
    id: "template-delete",
    summary: "Remove a template; its applications live on",
    trigger: Trigger::Http {
        method: Method::Delete,
        paths: &["/templates/{name}"],
    },
    access: Access::Key(Scope::Admin),
    needs: Needs {
        table: &[
            TableNeed {
                prefix: "TPL#",
                actions: &[DeleteItem, GetItem],
            },
            Needs::KEYS,
        ],
        indexes: &[],
        cluster: &[],
        secrets: NO_SECRETS,
    },
    problems: &[Code::DoesNotExist, Code::Conflict],
};

/// Ask how the dependencies are.
pub const HEALTH_READ: Endpoint = Endpoint {
    id: "health-read",
    summary: "Tell how each dependency is",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/health"],
    },
    access: Access::AnyKey,
    needs: Needs {
        table: &[Needs::KEYS],
        indexes: &[],
        cluster: &[ClusterNeed {
            group: "",
            resource: "namespaces",
            verbs: &["get"],
        }],
        secrets: CELL_TOKENS,
    },
    problems: &[],
};

/// Tell the version.
pub const VERSION_READ: Endpoint = Endpoint {
    id: "version-read",
    summary: "Tell name and version",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/version"],
    },
    access: Access::Open,
    needs: Needs::NOTHING,
    problems: &[],
};

/// Bring on, judge and end what is due.
pub const REAPER: Endpoint = Endpoint {
    id: "reaper",
    summary: "Bring on, judge and end what is due",
    trigger: Trigger::Schedule { minutes: 1 },
    access: Access::Schedule,
    needs: Needs {
        table: &[APPLICATION_STEP],
        indexes: &[Index::Due],
        cluster: CLUSTER_LIFE,
        secrets: CELL_TOKENS,
    },
    problems: &[],
};

/// Take what no route takes: forms with a trailing slash go to their endpoint, the rest is 404 or 405.
pub const FALLBACK: Endpoint = Endpoint {
    id: "fallback",
    summary: "Answer what no route takes: trailing slashes, unknown paths, wrong methods",
    trigger: Trigger::Default,
    access: Access::Open,
    needs: Needs {
        table: &[
            TableNeed {
                prefix: "APP#",
                actions: &[BatchGetItem, PutItem, Query],
            },
            TableNeed {
                prefix: "IDEM#",
                actions: &[GetItem, PutItem],
            },
            TableNeed {
                prefix: "TPL#",
                actions: &[BatchGetItem, DeleteItem, GetItem, PutItem],
            },
            Needs::KEYS,
        ],
        indexes: &[Index::List, Index::Day],
        cluster: CLUSTER_LIFE,
        secrets: KEYRING_AND_CELL_TOKENS,
    },
    problems: &[Code::NotFound, Code::MethodNotAllowed],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_routes_are_unique_and_without_a_trailing_slash() {
        let mut ids: Vec<&str> = ENDPOINTS.iter().map(|endpoint| endpoint.id).collect();
        let mut routes: Vec<String> = ENDPOINTS.iter().flat_map(|endpoint| endpoint.route_keys()).collect();
        assert!(
            routes.iter().all(|route| !route.ends_with('/')),
            "API Gateway cannot register those"
        );
        let (ids_before, routes_before) = (ids.len(), routes.len());
        ids.sort_unstable();
        ids.dedup();
        routes.sort_unstable();
        routes.dedup();
        assert_eq!((ids.len(), routes.len()), (ids_before, routes_before));
    }

    #[test]
    fn fallback_may_do_what_its_rooms_may() {
        let rooms = ENDPOINTS.iter().filter(|endpoint| endpoint.http().is_some());
        for endpoint in rooms {
            for need in endpoint.needs.table {
                let own = FALLBACK
                    .needs
                    .table
                    .iter()
                    .find(|own| own.prefix == need.prefix)
                    .unwrap();
                assert!(
                    need.actions.iter().all(|action| own.actions.contains(action)),
                    "{} {}",
                    endpoint.id,
                    need.prefix
                );
            }
            assert!(
                endpoint
                    .needs
                    .indexes
                    .iter()
                    .all(|index| FALLBACK.needs.indexes.contains(index)),
                "{}",
                endpoint.id
            );
            for need in endpoint.needs.cluster {
                let own = FALLBACK
                    .needs
                    .cluster
                    .iter()
                    .find(|own| (own.group, own.resource) == (need.group, need.resource))
                    .unwrap();
                assert!(
                    need.verbs.iter().all(|verb| own.verbs.contains(verb)),
                    "{} {}",
                    endpoint.id,
                    need.resource
                );
            }
        }
    }
}
