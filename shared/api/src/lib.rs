//! The endpoint descriptors: what there is to call, who may, what goes in and out, and what each needs to do its work.
//!
//! From this one list come the SAM template's functions and routes, the permission matrix and the router of
//! `cargo lambda watch`; the local adapter and `fallback` mount it; the tests walk it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod bodies;
mod code;
mod endpoint;
mod endpoints;
mod needs;

pub use bodies::{
    ActivityBody, ApplicationView, CleanBody, ClusterBody, ClusterPoolBody, ClusterPoolView, ClusterView,
    DependencyView, DeploymentBody, EnvironmentBody, EnvironmentView, EventView, HolderView, KeyBody, KeyMade, KeyView,
    LaunchBody, Launched, LeaseBody, LeaseView, PROVIDER_DEFAULT, PoolBody, PoolView, PreloadAnswer, PreloadView,
    RenewBody, TemplateBody, TemplateSource, VerifyBody, VerifyView, VersionView, hosts_in, seconds_until,
};
pub use code::Code;
pub use endpoint::{Endpoint, Method, Trigger};
pub use endpoints::{
    APPLICATION_ACTIVITY, APPLICATION_LAUNCH, APPLICATION_LIST, APPLICATION_LOGS, APPLICATION_READ, APPLICATION_STOP,
    CLUSTER_CLEAN, CLUSTER_DELETE, CLUSTER_LIST, CLUSTER_POOL_DELETE, CLUSTER_POOL_LIST, CLUSTER_POOL_PUT,
    CLUSTER_POOL_READ, CLUSTER_PUT, CLUSTER_READ, CLUSTER_RELEASE, DEPLOYMENT_CREATE, DEPLOYMENT_DELETE,
    DEPLOYMENT_LIST, DEPLOYMENT_LOGS, DEPLOYMENT_PATCH, DEPLOYMENT_READ, ENDPOINTS, ENVIRONMENT_CREATE,
    ENVIRONMENT_DELETE, ENVIRONMENT_LIST, ENVIRONMENT_PATCH, ENVIRONMENT_READ, ENVIRONMENT_ROTATE, ENVIRONMENT_STATUS,
    FALLBACK, HEALTH_READ, HEALTHZ_READ, KEY_CREATE, KEY_DELETE, KEY_LIST, LEASE_ACQUIRE, LEASE_LIST, LEASE_READ,
    LEASE_RELEASE, LEASE_RENEW, LEASE_VERIFY, POOL_DELETE, POOL_PUT, POOL_READ, PRELOAD_READ, PRELOAD_START, REAPER,
    TEMPLATE_DELETE, TEMPLATE_LIST, TEMPLATE_PUT, TEMPLATE_READ, VERSION_READ,
};
pub use needs::{ClusterNeed, Index, Needs, Secret, TableAction, TableNeed};
