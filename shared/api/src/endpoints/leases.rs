//! Leases of whole clusters.

use domain::{Access, Scope};

use super::{BINDING, KEYRING, NO_SECRETS};
use crate::TableAction::{BatchGetItem, DeleteItem, GetItem, PutItem, Query};
use crate::{Code, Endpoint, Index, Method, Needs, TableNeed, Trigger};

/// Clusters with what was found in them.
pub(super) const CLUSTERS: TableNeed = TableNeed {
    prefix: "CLUSTER#",
    actions: &[BatchGetItem, DeleteItem, GetItem, PutItem],
};
/// Pools of clusters with their lists.
pub(super) const POOLS: TableNeed = TableNeed {
    prefix: "CPOOL#",
    actions: &[BatchGetItem, DeleteItem, GetItem, PutItem, Query],
};
/// Pools of clusters, and what their lists say of one that goes on.
pub(super) const POOLS_STEP: TableNeed = TableNeed {
    prefix: "CPOOL#",
    actions: &[DeleteItem, GetItem, PutItem],
};
/// Where leases' tokens lead.
pub(super) const POINTERS: TableNeed = TableNeed {
    prefix: "LEASE#",
    actions: &[GetItem, PutItem],
};
/// A token that leads to a cluster which is handed over.
pub(super) const POINTER_PUT: TableNeed = TableNeed {
    prefix: "LEASE#",
    actions: &[PutItem],
};
/// Who waits.
pub(super) const LINES: TableNeed = TableNeed {
    prefix: "WAIT#",
    actions: &[DeleteItem, GetItem, PutItem, Query],
};
/// Who waits, and is served.
pub(super) const LINES_STEP: TableNeed = TableNeed {
    prefix: "WAIT#",
    actions: &[PutItem, Query],
};
/// Sealed kubeconfigs.
pub(super) const SEALS: TableNeed = TableNeed {
    prefix: "SEAL#",
    actions: &[DeleteItem, GetItem, PutItem],
};
/// A sealed kubeconfig, opened, and sealed anew where the key was an old one.
pub(super) const SEAL_STEP: TableNeed = TableNeed {
    prefix: "SEAL#",
    actions: &[GetItem, PutItem],
};
/// A cluster that goes on.
pub(super) const CLUSTER_STEP: TableNeed = TableNeed {
    prefix: "CLUSTER#",
    actions: &[GetItem, PutItem],
};
/// What a pool's list says of a cluster.
pub(super) const LISTING: TableNeed = TableNeed {
    prefix: "CPOOL#",
    actions: &[PutItem],
};
pub(super) const CLUSTER_GET: TableNeed = TableNeed {
    prefix: "CLUSTER#",
    actions: &[GetItem],
};
pub(super) const CLUSTERS_LIST: TableNeed = TableNeed {
    prefix: "CLUSTER#",
    actions: &[BatchGetItem],
};
const POINTER_GET: TableNeed = TableNeed {
    prefix: "LEASE#",
    actions: &[GetItem],
};
pub(super) const POOLS_LIST: TableNeed = TableNeed {
    prefix: "CPOOL#",
    actions: &[BatchGetItem],
};
const POOL_PICK: TableNeed = TableNeed {
    prefix: "CPOOL#",
    actions: &[GetItem, PutItem, Query],
};
pub(super) const POOL_STEP: TableNeed = TableNeed {
    prefix: "CPOOL#",
    actions: &[GetItem, PutItem],
};
const LINES_LIST: TableNeed = TableNeed {
    prefix: "WAIT#",
    actions: &[Query],
};

/// Lease a cluster.
pub const LEASE_ACQUIRE: Endpoint = Endpoint {
    id: "lease-acquire",
    summary: "Lease a whole cluster, or take a place in the line for one",
    trigger: Trigger::Http {
        method: Method::Post,
        paths: &["/lease"],
    },
    access: Access::Key(Scope::Leases),
    needs: Needs {
        table: &[
            CLUSTER_STEP,
            POOL_PICK,
            POINTER_PUT,
            LINES,
            SEAL_STEP,
            BINDING,
            Needs::KEYS,
            Needs::KEY_USE,
        ],
        indexes: &[Index::Free],
        cluster: &[],
        secrets: KEYRING,
    },
    problems: &[
        Code::MalformedRequest,
        Code::BadIdempotencyKey,
        Code::IdempotencyKeyReused,
        Code::IdempotencyKeyEnded,
        Code::NoneFree,
        Code::Busy,
    ],
};

/// Tell of a lease.
pub const LEASE_READ: Endpoint = Endpoint {
    id: "lease-read",
    summary: "Tell of a lease, with a fresh kubeconfig",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/lease/{token}", "/lease"],
    },
    access: Access::Key(Scope::Leases),
    needs: Needs {
        table: &[CLUSTER_GET, POINTER_GET, SEAL_STEP, Needs::KEYS, Needs::KEY_USE],
        indexes: &[],
        cluster: &[],
        secrets: KEYRING,
    },
    problems: &[Code::MalformedRequest, Code::LeaseOver, Code::BadKubeRequest],
};

/// Make a lease hold longer.
pub const LEASE_RENEW: Endpoint = Endpoint {
    id: "lease-renew",
    summary: "Make a lease hold longer",
    trigger: Trigger::Http {
        method: Method::Patch,
        paths: &["/lease/{token}", "/lease"],
    },
    access: Access::Key(Scope::Leases),
    needs: Needs {
        table: &[
            CLUSTER_STEP,
            POINTER_GET,
            POOL_STEP,
            SEAL_STEP,
            Needs::KEYS,
            Needs::KEY_USE,
        ],
        indexes: &[],
        cluster: &[],
        secrets: KEYRING,
    },
    problems: &[
        Code::MalformedRequest,
        Code::LeaseOver,
        Code::RuleRefused,
        Code::Conflict,
        Code::BadKubeRequest,
    ],
};

/// Give a cluster back.
pub const LEASE_RELEASE: Endpoint = Endpoint {
    id: "lease-release",
    summary: "Give a leased cluster back",
    trigger: Trigger::Http {
        method: Method::Delete,
        // In the older service's second form the provider stands before the token.
        paths: &["/lease/{token}", "/lease/{token}/{lease}"],
    },
    access: Access::Key(Scope::Leases),
    needs: Needs {
        table: &[
            CLUSTER_STEP,
            POINTER_GET,
            LISTING,
            SEAL_STEP,
            Needs::KEYS,
            Needs::KEY_USE,
        ],
        indexes: &[],
        cluster: &[],
        secrets: KEYRING,
    },
    problems: &[Code::MalformedRequest, Code::NoLease, Code::Conflict],
};

/// Tell whether a lease holds.
pub const LEASE_VERIFY: Endpoint = Endpoint {
    id: "lease-verify",
    summary: "Tell a third party whether a lease holds",
    trigger: Trigger::Http {
        method: Method::Post,
        paths: &["/lease/{token}/verify"],
    },
    access: Access::Open,
    needs: Needs {
        table: &[CLUSTER_GET, POINTER_GET],
        indexes: &[],
        cluster: &[],
        secrets: NO_SECRETS,
    },
    problems: &[Code::MalformedRequest, Code::LeaseOver],
};

/// List who has what, and who waits.
pub const LEASE_LIST: Endpoint = Endpoint {
    id: "lease-list",
    summary: "List who has which cluster until when, and who waits",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/leases"],
    },
    access: Access::Key(Scope::Leases),
    needs: Needs {
        table: &[CLUSTERS_LIST, POOLS_LIST, LINES_LIST, Needs::KEYS, Needs::KEY_USE],
        indexes: &[Index::List],
        cluster: &[],
        secrets: KEYRING,
    },
    problems: &[Code::MalformedRequest, Code::BadCursor],
};
