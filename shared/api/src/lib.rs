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
    ActivityBody, ApplicationView, DependencyView, EventView, KeyBody, KeyMade, KeyView, LaunchBody, Launched,
    PoolBody, PoolView, PreloadAnswer, PreloadView, TemplateBody, VersionView,
};
pub use code::Code;
pub use endpoint::{Endpoint, Method, Trigger};
pub use endpoints::{
    APPLICATION_ACTIVITY, APPLICATION_LAUNCH, APPLICATION_LIST, APPLICATION_LOGS, APPLICATION_READ, APPLICATION_STOP,
    ENDPOINTS, FALLBACK, HEALTH_READ, KEY_CREATE, KEY_DELETE, KEY_LIST, POOL_DELETE, POOL_PUT, POOL_READ, PRELOAD_READ,
    PRELOAD_START, REAPER, TEMPLATE_DELETE, TEMPLATE_LIST, TEMPLATE_PUT, TEMPLATE_READ, VERSION_READ,
};
pub use needs::{ClusterNeed, Index, Needs, Secret, TableAction, TableNeed};
