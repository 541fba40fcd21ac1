//! Environments and their deployments.

use domain::Access;

use super::cluster::{
    CLUSTER_DEPLOYMENT_CHANGE, CLUSTER_DEPLOYMENT_DELETE, CLUSTER_DEPLOYMENT_LOGS, CLUSTER_DEPLOYMENT_MAKE,
    CLUSTER_DEPLOYMENT_READ, CLUSTER_DEPLOYMENTS, CLUSTER_ENVIRONMENT, CLUSTER_ENVIRONMENT_END,
};
use super::{BINDING, KEYRING, KEYRING_AND_CLUSTER_TOKENS};
use crate::TableAction::{BatchGetItem, DeleteItem, GetItem, PutItem};
use crate::{Code, Endpoint, Index, Method, Needs, Secret, TableNeed, Trigger};

/// An environment that goes on.
pub(super) const ENVIRONMENT_STEP: TableNeed = TableNeed {
    prefix: "ENV#",
    actions: &[DeleteItem, GetItem, PutItem],
};
const ENVIRONMENT_GET: TableNeed = TableNeed {
    prefix: "ENV#",
    actions: &[GetItem],
};
const ENVIRONMENTS_LIST: TableNeed = TableNeed {
    prefix: "ENV#",
    actions: &[BatchGetItem],
};
/// Claims to host names, which come and go.
const HOSTS: TableNeed = TableNeed {
    prefix: "HOST#",
    actions: &[DeleteItem, PutItem],
};
/// Claims that go with their environment.
pub(super) const HOST_FREE: TableNeed = TableNeed {
    prefix: "HOST#",
    actions: &[DeleteItem],
};
/// All that the rooms do with environments.
pub(super) const ENVIRONMENTS: TableNeed = TableNeed {
    prefix: "ENV#",
    actions: &[BatchGetItem, DeleteItem, GetItem, PutItem],
};
/// All that the rooms do with claims.
pub(super) const HOSTS_ALL: TableNeed = TableNeed {
    prefix: "HOST#",
    actions: &[BatchGetItem, DeleteItem, PutItem],
};
const HOSTS_READ: TableNeed = TableNeed {
    prefix: "HOST#",
    actions: &[BatchGetItem],
};
const KEYRING_AND_ROUTER: &[Secret] = &[Secret::Keyring, Secret::ClusterTokens, Secret::RouterSecret];

/// What every endpoint about deployments needs: their environment, and who calls.
const ENVIRONMENT_AND_CALLER: &[TableNeed] = &[ENVIRONMENT_GET, Needs::JWKS, Needs::KEYS, Needs::KEY_USE];
/// What is answered about one deployment.
const OF_ONE_DEPLOYMENT: &[Code] = &[
    Code::MalformedRequest,
    Code::DoesNotExist,
    Code::Conflict,
    Code::BadKubeRequest,
    Code::AuthorityUnreachable,
];

/// Say that somebody answers.
pub const ENVIRONMENT_STATUS: Endpoint = Endpoint {
    id: "environment-status",
    summary: "Tell that somebody answers",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/environments/status"],
    },
    access: Access::Open,
    needs: Needs::NOTHING,
    problems: &[],
};

/// Make an environment.
pub const ENVIRONMENT_CREATE: Endpoint = Endpoint {
    id: "environment-create",
    summary: "Make an environment: a namespace with routing keys and host names",
    trigger: Trigger::Http {
        method: Method::Post,
        paths: &["/environments"],
    },
    access: Access::Environments,
    needs: Needs {
        table: &[
            ENVIRONMENT_STEP,
            HOSTS,
            BINDING,
            Needs::JWKS,
            Needs::KEYS,
            Needs::KEY_USE,
        ],
        indexes: &[],
        cluster: CLUSTER_ENVIRONMENT,
        secrets: KEYRING_AND_CLUSTER_TOKENS,
    },
    problems: &[
        Code::MalformedRequest,
        Code::NameTaken,
        Code::HostTaken,
        Code::HostTakenOfOld,
        Code::BadIdempotencyKey,
        Code::IdempotencyKeyReused,
        Code::IdempotencyKeyEnded,
        Code::Conflict,
        Code::AuthorityUnreachable,
    ],
};

/// List environments.
pub const ENVIRONMENT_LIST: Endpoint = Endpoint {
    id: "environment-list",
    summary: "List the environments of the organisations that the caller administers",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/environments"],
    },
    access: Access::Environments,
    needs: Needs {
        table: &[ENVIRONMENTS_LIST, Needs::JWKS, Needs::KEYS, Needs::KEY_USE],
        indexes: &[Index::List],
        cluster: &[],
        secrets: KEYRING,
    },
    problems: &[Code::MalformedRequest, Code::BadCursor, Code::AuthorityUnreachable],
};

/// Tell of an environment.
pub const ENVIRONMENT_READ: Endpoint = Endpoint {
    id: "environment-read",
    summary: "Tell of an environment, and of what it waits for",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/environments/{environment}"],
    },
    access: Access::Environments,
    needs: Needs {
        table: &[ENVIRONMENT_STEP, HOST_FREE, Needs::JWKS, Needs::KEYS, Needs::KEY_USE],
        indexes: &[],
        cluster: CLUSTER_ENVIRONMENT,
        secrets: KEYRING_AND_CLUSTER_TOKENS,
    },
    problems: &[Code::MalformedRequest, Code::DoesNotExist, Code::AuthorityUnreachable],
};

/// Change an environment.
pub const ENVIRONMENT_PATCH: Endpoint = Endpoint {
    id: "environment-patch",
    summary: "Change an environment: its host names, its end, its protection, its sleep",
    trigger: Trigger::Http {
        method: Method::Patch,
        paths: &["/environments/{environment}"],
    },
    access: Access::Environments,
    needs: Needs {
        table: &[ENVIRONMENT_STEP, HOSTS, Needs::JWKS, Needs::KEYS, Needs::KEY_USE],
        indexes: &[],
        cluster: CLUSTER_ENVIRONMENT,
        secrets: KEYRING_AND_CLUSTER_TOKENS,
    },
    problems: &[
        Code::MalformedRequest,
        Code::DoesNotExist,
        Code::HostTaken,
        Code::HostTakenOfOld,
        Code::Conflict,
        Code::AuthorityUnreachable,
    ],
};

/// End an environment.
pub const ENVIRONMENT_DELETE: Endpoint = Endpoint {
    id: "environment-delete",
    summary: "End an environment with all that is in it",
    trigger: Trigger::Http {
        method: Method::Delete,
        paths: &["/environments/{environment}"],
    },
    access: Access::Environments,
    needs: Needs {
        table: &[ENVIRONMENT_STEP, HOST_FREE, Needs::JWKS, Needs::KEYS, Needs::KEY_USE],
        indexes: &[],
        cluster: CLUSTER_ENVIRONMENT_END,
        secrets: KEYRING_AND_CLUSTER_TOKENS,
    },
    problems: &[
        Code::MalformedRequest,
        Code::RuleRefused,
        Code::DoesNotExist,
        Code::Conflict,
        Code::AuthorityUnreachable,
    ],
};

/// Rotate the routing keys.
pub const ENVIRONMENT_ROTATE: Endpoint = Endpoint {
    id: "environment-rotate",
    summary: "Give an environment two other routing keys",
    trigger: Trigger::Http {
        method: Method::Post,
        paths: &["/environments/{environment}/keys"],
    },
    access: Access::Environments,
    needs: Needs {
        table: &[ENVIRONMENT_STEP, HOST_FREE, Needs::JWKS, Needs::KEYS, Needs::KEY_USE],
        indexes: &[],
        cluster: CLUSTER_ENVIRONMENT,
        secrets: KEYRING_AND_CLUSTER_TOKENS,
    },
    problems: &[
        Code::MalformedRequest,
        Code::DoesNotExist,
        Code::Conflict,
        Code::AuthorityUnreachable,
    ],
};

/// Make a deployment.
pub const DEPLOYMENT_CREATE: Endpoint = Endpoint {
    id: "deployment-create",
    summary: "Make a deployment in an environment",
    trigger: Trigger::Http {
        method: Method::Post,
        paths: &["/environments/{environment}/deployments"],
    },
    access: Access::Environments,
    needs: Needs {
        table: &[
            ENVIRONMENT_GET,
            HOSTS_READ,
            BINDING,
            Needs::JWKS,
            Needs::KEYS,
            Needs::KEY_USE,
        ],
        indexes: &[],
        cluster: CLUSTER_DEPLOYMENT_MAKE,
        secrets: KEYRING_AND_ROUTER,
    },
    problems: &[
        Code::MalformedRequest,
        Code::DoesNotExist,
        Code::NameTaken,
        Code::HostTaken,
        Code::HostTakenOfOld,
        Code::OriginFailed,
        Code::BadIdempotencyKey,
        Code::IdempotencyKeyReused,
        Code::IdempotencyKeyEnded,
        Code::Conflict,
        Code::BadKubeRequest,
        Code::AuthorityUnreachable,
    ],
};

/// List deployments.
pub const DEPLOYMENT_LIST: Endpoint = Endpoint {
    id: "deployment-list",
    summary: "List an environment's deployments as Kubernetes does",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/environments/{environment}/deployments"],
    },
    access: Access::Environments,
    needs: Needs {
        table: ENVIRONMENT_AND_CALLER,
        indexes: &[],
        cluster: CLUSTER_DEPLOYMENTS,
        secrets: KEYRING_AND_CLUSTER_TOKENS,
    },
    problems: &[
        Code::MalformedRequest,
        Code::BadCursor,
        Code::DoesNotExist,
        Code::Conflict,
        Code::BadKubeRequest,
        Code::AuthorityUnreachable,
    ],
};

/// Tell of a deployment.
pub const DEPLOYMENT_READ: Endpoint = Endpoint {
    id: "deployment-read",
    summary: "Tell of a deployment as Kubernetes does",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/environments/{environment}/deployments/{name}"],
    },
    access: Access::Environments,
    needs: Needs {
        table: ENVIRONMENT_AND_CALLER,
        indexes: &[],
        cluster: CLUSTER_DEPLOYMENT_READ,
        secrets: KEYRING_AND_CLUSTER_TOKENS,
    },
    problems: OF_ONE_DEPLOYMENT,
};

/// Change a deployment.
pub const DEPLOYMENT_PATCH: Endpoint = Endpoint {
    id: "deployment-patch",
    summary: "Change a deployment, or start its pods anew",
    trigger: Trigger::Http {
        method: Method::Patch,
        paths: &["/environments/{environment}/deployments/{name}"],
    },
    access: Access::Environments,
    needs: Needs {
        table: &[ENVIRONMENT_GET, HOSTS_READ, Needs::JWKS, Needs::KEYS, Needs::KEY_USE],
        indexes: &[],
        cluster: CLUSTER_DEPLOYMENT_CHANGE,
        secrets: KEYRING_AND_ROUTER,
    },
    problems: &[
        Code::MalformedRequest,
        Code::DoesNotExist,
        Code::HostTaken,
        Code::HostTakenOfOld,
        Code::OriginFailed,
        Code::Conflict,
        Code::BadKubeRequest,
        Code::AuthorityUnreachable,
    ],
};

/// Delete a deployment.
pub const DEPLOYMENT_DELETE: Endpoint = Endpoint {
    id: "deployment-delete",
    summary: "Delete a deployment",
    trigger: Trigger::Http {
        method: Method::Delete,
        paths: &["/environments/{environment}/deployments/{name}"],
    },
    access: Access::Environments,
    needs: Needs {
        table: ENVIRONMENT_AND_CALLER,
        indexes: &[],
        cluster: CLUSTER_DEPLOYMENT_DELETE,
        secrets: KEYRING_AND_CLUSTER_TOKENS,
    },
    problems: OF_ONE_DEPLOYMENT,
};

/// Read logs.
pub const DEPLOYMENT_LOGS: Endpoint = Endpoint {
    id: "deployment-logs",
    summary: "Read what a deployment's pods wrote",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/environments/{environment}/deployments/{name}/logs"],
    },
    access: Access::Environments,
    needs: Needs {
        table: ENVIRONMENT_AND_CALLER,
        indexes: &[],
        cluster: CLUSTER_DEPLOYMENT_LOGS,
        secrets: KEYRING_AND_CLUSTER_TOKENS,
    },
    problems: OF_ONE_DEPLOYMENT,
};
