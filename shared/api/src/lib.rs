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

pub use bodies::{ApplicationView, DependencyView, LaunchBody, Launched, TemplateBody, VersionView};
pub use code::Code;
pub use endpoint::{Endpoint, Method, Trigger};
pub use endpoints::{
    APPLICATION_LAUNCH, APPLICATION_LIST, APPLICATION_READ, APPLICATION_STOP, ENDPOINTS, FALLBACK, HEALTH_READ, REAPER,
    TEMPLATE_DELETE, TEMPLATE_LIST, TEMPLATE_PUT, TEMPLATE_READ, VERSION_READ,
};
pub use needs::{ClusterNeed, Index, Needs, Secret, TableAction, TableNeed};
