//! Clusters that can be leased, and their pools.

use domain::{Access, Scope};

use super::leases::{
    CLUSTER_GET, CLUSTER_STEP, CLUSTERS_LIST, LINES_STEP, LISTING, POINTER_PUT, POOL_STEP, POOLS_LIST, POOLS_STEP,
    SEAL_STEP, SEALS,
};
use super::{KEYRING, NO_SECRETS};
use crate::TableAction::{DeleteItem, GetItem, PutItem, Query};
use crate::{Code, Endpoint, Index, Method, Needs, TableNeed, Trigger};

/// A cluster that goes on, or goes, with what was found in it.
const CLUSTER_END: TableNeed = TableNeed {
    prefix: "CLUSTER#",
    actions: &[DeleteItem, GetItem, PutItem],
};
/// What a pool's list says of a cluster that goes.
const LISTED_END: TableNeed = TableNeed {
    prefix: "CPOOL#",
    actions: &[DeleteItem, PutItem],
};

/// List the clusters.
pub const CLUSTER_LIST: Endpoint = Endpoint {
    id: "cluster-list",
    summary: "List the clusters that can be leased",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/clusters"],
    },
    access: Access::Key(Scope::Admin),
    needs: Needs {
        table: &[CLUSTERS_LIST, Needs::KEYS, Needs::KEY_USE],
        indexes: &[Index::List],
        cluster: &[],
        secrets: KEYRING,
    },
    problems: &[Code::MalformedRequest, Code::BadCursor],
};

/// Tell of a cluster.
pub const CLUSTER_READ: Endpoint = Endpoint {
    id: "cluster-read",
    summary: "Tell of a cluster, and of what keeps it from being leased",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/clusters/{name}"],
    },
    access: Access::Key(Scope::Admin),
    needs: Needs {
        table: &[CLUSTER_GET, Needs::KEYS, Needs::KEY_USE],
        indexes: &[],
        cluster: &[],
        secrets: NO_SECRETS,
    },
    problems: &[Code::MalformedRequest, Code::DoesNotExist],
};

/// Register a cluster, or change what is known of it.
pub const CLUSTER_PUT: Endpoint = Endpoint {
    id: "cluster-put",
    summary: "Register a cluster by its kubeconfig, and take it in",
    trigger: Trigger::Http {
        method: Method::Put,
        paths: &["/clusters/{name}"],
    },
    access: Access::Key(Scope::Admin),
    needs: Needs {
        table: &[
            CLUSTER_STEP,
            POOLS_STEP,
            POINTER_PUT,
            LINES_STEP,
            SEAL_STEP,
            Needs::KEYS,
            Needs::KEY_USE,
        ],
        indexes: &[],
        cluster: &[],
        secrets: KEYRING,
    },
    problems: &[Code::MalformedRequest, Code::Conflict, Code::BadKubeRequest],
};

/// Take a cluster out.
pub const CLUSTER_DELETE: Endpoint = Endpoint {
    id: "cluster-delete",
    summary: "Take a cluster out, with ?force=true also from its holder",
    trigger: Trigger::Http {
        method: Method::Delete,
        paths: &["/clusters/{name}"],
    },
    access: Access::Key(Scope::Admin),
    needs: Needs {
        table: &[CLUSTER_END, LISTED_END, SEALS, Needs::KEYS, Needs::KEY_USE],
        indexes: &[],
        cluster: &[],
        secrets: KEYRING,
    },
    problems: &[Code::MalformedRequest, Code::DoesNotExist, Code::InUse, Code::Conflict],
};

/// End whatever lease a cluster has.
pub const CLUSTER_RELEASE: Endpoint = Endpoint {
    id: "cluster-release",
    summary: "End the lease of a cluster, whoever has it",
    trigger: Trigger::Http {
        method: Method::Post,
        paths: &["/clusters/{name}/release"],
    },
    access: Access::Key(Scope::Admin),
    needs: Needs {
        table: &[CLUSTER_STEP, LISTING, SEAL_STEP, Needs::KEYS, Needs::KEY_USE],
        indexes: &[],
        cluster: &[],
        secrets: KEYRING,
    },
    problems: &[
        Code::MalformedRequest,
        Code::DoesNotExist,
        Code::NoLease,
        Code::Conflict,
    ],
};

/// Clean a cluster once more.
pub const CLUSTER_CLEAN: Endpoint = Endpoint {
    id: "cluster-clean",
    summary: "Clean a cluster once more, or accept what is there as its baseline",
    trigger: Trigger::Http {
        method: Method::Post,
        paths: &["/clusters/{name}/clean"],
    },
    access: Access::Key(Scope::Admin),
    needs: Needs {
        table: &[
            CLUSTER_END,
            POOL_STEP,
            POINTER_PUT,
            LINES_STEP,
            SEAL_STEP,
            Needs::KEYS,
            Needs::KEY_USE,
        ],
        indexes: &[],
        cluster: &[],
        secrets: KEYRING,
    },
    problems: &[Code::MalformedRequest, Code::DoesNotExist, Code::InUse, Code::Conflict],
};

/// List the pools.
pub const CLUSTER_POOL_LIST: Endpoint = Endpoint {
    id: "cluster-pool-list",
    summary: "List the pools of clusters",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/cluster-pools"],
    },
    access: Access::Key(Scope::Admin),
    needs: Needs {
        table: &[POOLS_LIST, Needs::KEYS, Needs::KEY_USE],
        indexes: &[Index::List],
        cluster: &[],
        secrets: KEYRING,
    },
    problems: &[Code::MalformedRequest, Code::BadCursor],
};

/// Tell the rules of a pool.
pub const CLUSTER_POOL_READ: Endpoint = Endpoint {
    id: "cluster-pool-read",
    summary: "Tell the rules of a pool of clusters",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/cluster-pools/{name}"],
    },
    access: Access::Key(Scope::Admin),
    needs: Needs {
        table: &[
            TableNeed {
                prefix: "CPOOL#",
                actions: &[GetItem],
            },
            Needs::KEYS,
            Needs::KEY_USE,
        ],
        indexes: &[],
        cluster: &[],
        secrets: NO_SECRETS,
    },
    problems: &[Code::MalformedRequest, Code::DoesNotExist],
};

/// Write down the rules of a pool.
pub const CLUSTER_POOL_PUT: Endpoint = Endpoint {
    id: "cluster-pool-put",
    summary: "Write down the rules of a pool of clusters",
    trigger: Trigger::Http {
        method: Method::Put,
        paths: &["/cluster-pools/{name}"],
    },
    access: Access::Key(Scope::Admin),
    needs: Needs {
        table: &[POOL_STEP, Needs::KEYS, Needs::KEY_USE],
        indexes: &[],
        cluster: &[],
        secrets: NO_SECRETS,
    },
    problems: &[Code::MalformedRequest, Code::RuleRefused, Code::Conflict],
};

/// Delete the rules of a pool.
pub const CLUSTER_POOL_DELETE: Endpoint = Endpoint {
    id: "cluster-pool-delete",
    summary: "Delete the rules of a pool that has no clusters",
    trigger: Trigger::Http {
        method: Method::Delete,
        paths: &["/cluster-pools/{name}"],
    },
    access: Access::Key(Scope::Admin),
    needs: Needs {
        table: &[
            TableNeed {
                prefix: "CPOOL#",
                actions: &[DeleteItem, GetItem, Query],
            },
            Needs::KEYS,
            Needs::KEY_USE,
        ],
        indexes: &[],
        cluster: &[],
        secrets: NO_SECRETS,
    },
    problems: &[Code::MalformedRequest, Code::DoesNotExist, Code::InUse, Code::Conflict],
};
