//! The list.

mod applications;
mod cluster;
mod clusters;
mod environments;
mod keys;
mod leases;
mod pools;
mod preload;
mod templates;

use domain::Access;

use crate::TableAction::{BatchGetItem, DeleteItem, GetItem, PutItem, Query, UpdateItem};
use crate::{Code, Endpoint, Index, Method, Needs, Secret, TableNeed, Trigger};

use cluster::{CLUSTER_DUE, CLUSTER_END, CLUSTER_LIFE, CLUSTER_ROOMS, NAMESPACE_READ};

pub use applications::{
    APPLICATION_ACTIVITY, APPLICATION_LAUNCH, APPLICATION_LIST, APPLICATION_LOGS, APPLICATION_READ, APPLICATION_STOP,
};
pub use clusters::{
    CLUSTER_CLEAN, CLUSTER_DELETE, CLUSTER_LIST, CLUSTER_POOL_DELETE, CLUSTER_POOL_LIST, CLUSTER_POOL_PUT,
    CLUSTER_POOL_READ, CLUSTER_PUT, CLUSTER_READ, CLUSTER_RELEASE,
};
pub use environments::{
    DEPLOYMENT_CREATE, DEPLOYMENT_DELETE, DEPLOYMENT_LIST, DEPLOYMENT_LOGS, DEPLOYMENT_PATCH, DEPLOYMENT_READ,
    ENVIRONMENT_CREATE, ENVIRONMENT_DELETE, ENVIRONMENT_LIST, ENVIRONMENT_PATCH, ENVIRONMENT_READ, ENVIRONMENT_ROTATE,
    ENVIRONMENT_STATUS,
};
pub use keys::{KEY_CREATE, KEY_DELETE, KEY_LIST};
pub use leases::{LEASE_ACQUIRE, LEASE_LIST, LEASE_READ, LEASE_RELEASE, LEASE_RENEW, LEASE_VERIFY};
pub use pools::{POOL_DELETE, POOL_PUT, POOL_READ};
pub use preload::{PRELOAD_READ, PRELOAD_START};
pub use templates::{TEMPLATE_DELETE, TEMPLATE_LIST, TEMPLATE_PUT, TEMPLATE_READ};

/// Every endpoint, in the order in which documents show them.
pub const ENDPOINTS: &[&Endpoint] = &[
    &APPLICATION_LAUNCH,
    &APPLICATION_READ,
    &APPLICATION_LIST,
    &APPLICATION_STOP,
    &APPLICATION_LOGS,
    &APPLICATION_ACTIVITY,
    &TEMPLATE_LIST,
    &TEMPLATE_READ,
    &TEMPLATE_PUT,
    &TEMPLATE_DELETE,
    &PRELOAD_START,
    &PRELOAD_READ,
    &POOL_PUT,
    &POOL_READ,
    &POOL_DELETE,
    &ENVIRONMENT_CREATE,
    &ENVIRONMENT_LIST,
    &ENVIRONMENT_READ,
    &ENVIRONMENT_PATCH,
    &ENVIRONMENT_DELETE,
    &ENVIRONMENT_ROTATE,
    &DEPLOYMENT_CREATE,
    &DEPLOYMENT_LIST,
    &DEPLOYMENT_READ,
    &DEPLOYMENT_PATCH,
    &DEPLOYMENT_DELETE,
    &DEPLOYMENT_LOGS,
    &ENVIRONMENT_STATUS,
    &LEASE_ACQUIRE,
    &LEASE_READ,
    &LEASE_RENEW,
    &LEASE_RELEASE,
    &LEASE_VERIFY,
    &LEASE_LIST,
    &CLUSTER_LIST,
    &CLUSTER_READ,
    &CLUSTER_PUT,
    &CLUSTER_DELETE,
    &CLUSTER_RELEASE,
    &CLUSTER_CLEAN,
    &CLUSTER_POOL_LIST,
    &CLUSTER_POOL_READ,
    &CLUSTER_POOL_PUT,
    &CLUSTER_POOL_DELETE,
    &KEY_CREATE,
    &KEY_LIST,
    &KEY_DELETE,
    &HEALTH_READ,
    &HEALTHZ_READ,
    &VERSION_READ,
    &REAPER,
    &FALLBACK,
];

const CELL_TOKENS: &[Secret] = &[Secret::ClusterTokens, Secret::ProxyTokens];
const CELL_TOKENS_AND_REGISTRY: &[Secret] = &[Secret::ClusterTokens, Secret::ProxyTokens, Secret::RegistryKey];
const KEYRING_AND_CELL_TOKENS: &[Secret] = &[Secret::Keyring, Secret::ClusterTokens, Secret::ProxyTokens];
const KEYRING: &[Secret] = &[Secret::Keyring];
const KEYRING_AND_CLUSTER_TOKENS: &[Secret] = &[Secret::Keyring, Secret::ClusterTokens];
const KEYRING_CELL_TOKENS_AND_REGISTRY: &[Secret] = &[
    Secret::Keyring,
    Secret::ClusterTokens,
    Secret::ProxyTokens,
    Secret::RegistryKey,
];
const EVERY_SECRET: &[Secret] = &[
    Secret::Keyring,
    Secret::ClusterTokens,
    Secret::ProxyTokens,
    Secret::RegistryKey,
    Secret::RouterSecret,
];
const NO_SECRETS: &[Secret] = &[];

const APPLICATION_GET: TableNeed = TableNeed {
    prefix: "APP#",
    actions: &[GetItem],
};
const APPLICATION_STEP: TableNeed = TableNeed {
    prefix: "APP#",
    actions: &[GetItem, PutItem],
};
/// Reading many at a time too, and bringing them on.
const APPLICATIONS_STEP: TableNeed = TableNeed {
    prefix: "APP#",
    actions: &[BatchGetItem, GetItem, PutItem],
};
/// What an `Idempotency-Key` made.
const BINDING: TableNeed = TableNeed {
    prefix: "IDEM#",
    actions: &[GetItem, PutItem],
};
/// A cell's brake and sweep.
const CELL_ROWS: TableNeed = TableNeed {
    prefix: "CELL#",
    actions: &[PutItem, Query],
};
const PRELOAD_STEP: TableNeed = TableNeed {
    prefix: "TPL#",
    actions: &[BatchGetItem, PutItem],
};
/// Templates with their pools and preloads.
const TEMPLATES_POOLS_PRELOADS: TableNeed = TableNeed {
    prefix: "TPL#",
    actions: &[BatchGetItem, DeleteItem, GetItem, PutItem],
};
/// Giving back places in counters.
const QUOTA_GIVE_BACK: TableNeed = TableNeed {
    prefix: "QUOTA#",
    actions: &[UpdateItem],
};
/// Taking places in counters, and reading what they count.
const QUOTA_TAKE: TableNeed = TableNeed {
    prefix: "QUOTA#",
    actions: &[BatchGetItem, UpdateItem],
};
const TEMPLATE_GET: TableNeed = TableNeed {
    prefix: "TPL#",
    actions: &[GetItem],
};
/// A template, alone or with its pool.
const TEMPLATE_AND_POOL: TableNeed = TableNeed {
    prefix: "TPL#",
    actions: &[BatchGetItem, GetItem],
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
        table: &[Needs::KEYS, Needs::KEY_USE],
        indexes: &[],
        cluster: &[NAMESPACE_READ],
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

/// Tell that there is somebody.
pub const HEALTHZ_READ: Endpoint = Endpoint {
    id: "healthz-read",
    summary: "Tell that the installation answers",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/healthz"],
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
        table: &[
            APPLICATIONS_STEP,
            TEMPLATES_POOLS_PRELOADS,
            QUOTA_TAKE,
            CELL_ROWS,
            environments::ENVIRONMENTS,
            environments::HOST_FREE,
            leases::CLUSTERS,
            leases::POOLS_STEP,
            leases::POINTER_PUT,
            leases::LINES_STEP,
            leases::SEALS,
        ],
        indexes: &[Index::Due, Index::List],
        cluster: CLUSTER_DUE,
        secrets: KEYRING_CELL_TOKENS_AND_REGISTRY,
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
            APPLICATIONS_STEP,
            BINDING,
            TEMPLATES_POOLS_PRELOADS,
            QUOTA_TAKE,
            environments::ENVIRONMENTS,
            environments::HOSTS_ALL,
            Needs::JWKS,
            leases::CLUSTERS,
            leases::POOLS,
            leases::POINTERS,
            leases::LINES,
            leases::SEALS,
            keys::RECORDS,
            keys::NAMES,
            keys::USES,
        ],
        indexes: &[Index::List, Index::Day, Index::Pick, Index::Free, Index::Due],
        cluster: CLUSTER_ROOMS,
        secrets: EVERY_SECRET,
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
    fn whoever_asks_for_a_key_may_look_it_up_and_note_its_use() {
        for endpoint in ENDPOINTS {
            let asks = !matches!(endpoint.access, Access::Open | Access::Schedule);
            for wanted in [Needs::KEYS, Needs::KEY_USE] {
                let own = endpoint.needs.table.iter().find(|own| own.prefix == wanted.prefix);
                let may = |own: &TableNeed| wanted.actions.iter().all(|action| own.actions.contains(action));
                assert!(!asks || own.is_some_and(may), "{} {}", endpoint.id, wanted.prefix);
            }
        }
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
