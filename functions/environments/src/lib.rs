//! Environments and the deployments in them: one file an endpoint.
//!
//! The paths, statuses and bodies are those of enrober; what it got wrong (500 for everything, dropped connections, a
//! substring that refused good host names, privileged containers let in by a change, templates fetched from anywhere) is
//! put right.

mod create;
mod delete;
mod deployment;
mod deployment_create;
mod deployment_delete;
mod deployment_list;
mod deployment_logs;
mod deployment_patch;
mod deployment_read;
mod keys;
mod list;
mod one;
mod patch;
mod read;
mod rotate;
mod status;

use gateway::{Route, route};

/// `GET /environments/status`.
pub static STATUS: Route = route!(api::ENVIRONMENT_STATUS, status::status);
/// `POST /environments`.
pub static CREATE: Route = route!(api::ENVIRONMENT_CREATE, create::create);
/// `GET /environments`.
pub static LIST: Route = route!(api::ENVIRONMENT_LIST, list::list);
/// `GET /environments/{environment}`.
pub static READ: Route = route!(api::ENVIRONMENT_READ, read::read);
/// `PATCH /environments/{environment}`.
pub static PATCH: Route = route!(api::ENVIRONMENT_PATCH, patch::patch);
/// `DELETE /environments/{environment}`.
pub static DELETE: Route = route!(api::ENVIRONMENT_DELETE, delete::delete);
/// `POST /environments/{environment}/keys`.
pub static ROTATE: Route = route!(api::ENVIRONMENT_ROTATE, rotate::rotate);
/// `POST /environments/{environment}/deployments`.
pub static DEPLOYMENT_CREATE: Route = route!(api::DEPLOYMENT_CREATE, deployment_create::create);
/// `GET /environments/{environment}/deployments`.
pub static DEPLOYMENT_LIST: Route = route!(api::DEPLOYMENT_LIST, deployment_list::list);
/// `GET /environments/{environment}/deployments/{name}`.
pub static DEPLOYMENT_READ: Route = route!(api::DEPLOYMENT_READ, deployment_read::read);
/// `PATCH /environments/{environment}/deployments/{name}`.
pub static DEPLOYMENT_PATCH: Route = route!(api::DEPLOYMENT_PATCH, deployment_patch::patch);
/// `DELETE /environments/{environment}/deployments/{name}`.
pub static DEPLOYMENT_DELETE: Route = route!(api::DEPLOYMENT_DELETE, deployment_delete::delete);
/// `GET /environments/{environment}/deployments/{name}/logs`.
pub static DEPLOYMENT_LOGS: Route = route!(api::DEPLOYMENT_LOGS, deployment_logs::logs);

/// Every endpoint of this room.
pub static ROUTES: &[&Route] = &[
    &STATUS,
    &CREATE,
    &LIST,
    &READ,
    &PATCH,
    &DELETE,
    &ROTATE,
    &DEPLOYMENT_CREATE,
    &DEPLOYMENT_LIST,
    &DEPLOYMENT_READ,
    &DEPLOYMENT_PATCH,
    &DEPLOYMENT_DELETE,
    &DEPLOYMENT_LOGS,
];
