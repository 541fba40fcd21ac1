//! Leases of whole clusters, the clusters, and their pools: one file an endpoint.
//!
//! The paths, statuses and bodies of `/lease` are those of k8s-claimer, both of its forms of a release among them; what
//! it got wrong (guessable tokens, 409 beside a free cluster, credentials that outlive their lease) is put right.

mod acquire;
mod cluster_clean;
mod cluster_delete;
mod cluster_list;
mod cluster_put;
mod cluster_read;
mod cluster_release;
mod list;
mod one;
mod pool_delete;
mod pool_list;
mod pool_put;
mod pool_read;
mod read;
mod release;
mod renew;
mod verify;

use gateway::{Route, route};

/// `POST /lease`.
pub static ACQUIRE: Route = route!(api::LEASE_ACQUIRE, acquire::acquire);
/// `DELETE /lease/{token}`.
pub static RELEASE: Route = route!(api::LEASE_RELEASE, release::release);
/// `GET /lease/{token}`.
pub static READ: Route = route!(api::LEASE_READ, read::read);
/// `PATCH /lease/{token}`.
pub static RENEW: Route = route!(api::LEASE_RENEW, renew::renew);
/// `POST /lease/{token}/verify`.
pub static VERIFY: Route = route!(api::LEASE_VERIFY, verify::verify);
/// `GET /leases`.
pub static LIST: Route = route!(api::LEASE_LIST, list::list);
/// `GET /clusters`.
pub static CLUSTER_LIST: Route = route!(api::CLUSTER_LIST, cluster_list::list);
/// `GET /clusters/{name}`.
pub static CLUSTER_READ: Route = route!(api::CLUSTER_READ, cluster_read::read);
/// `PUT /clusters/{name}`.
pub static CLUSTER_PUT: Route = route!(api::CLUSTER_PUT, cluster_put::put);
/// `DELETE /clusters/{name}`.
pub static CLUSTER_DELETE: Route = route!(api::CLUSTER_DELETE, cluster_delete::delete);
/// `POST /clusters/{name}/release`.
pub static CLUSTER_RELEASE: Route = route!(api::CLUSTER_RELEASE, cluster_release::release);
/// `POST /clusters/{name}/clean`.
pub static CLUSTER_CLEAN: Route = route!(api::CLUSTER_CLEAN, cluster_clean::clean);
/// `GET /cluster-pools`.
pub static POOL_LIST: Route = route!(api::CLUSTER_POOL_LIST, pool_list::list);
/// `GET /cluster-pools/{name}`.
pub static POOL_READ: Route = route!(api::CLUSTER_POOL_READ, pool_read::read);
/// `PUT /cluster-pools/{name}`.
pub static POOL_PUT: Route = route!(api::CLUSTER_POOL_PUT, pool_put::put);
/// `DELETE /cluster-pools/{name}`.
pub static POOL_DELETE: Route = route!(api::CLUSTER_POOL_DELETE, pool_delete::delete);

/// Every endpoint of this room.
pub static ROUTES: &[&Route] = &[
    &ACQUIRE,
    &RELEASE,
    &READ,
    &RENEW,
    &VERIFY,
    &LIST,
    &CLUSTER_LIST,
    &CLUSTER_READ,
    &CLUSTER_PUT,
    &CLUSTER_DELETE,
    &CLUSTER_RELEASE,
    &CLUSTER_CLEAN,
    &POOL_LIST,
    &POOL_READ,
    &POOL_PUT,
    &POOL_DELETE,
];
