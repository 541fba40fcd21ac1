//! Applications, the templates that they are launched from, and what makes launches fast: one file an endpoint.
//!
//! The paths, statuses and bodies are those of binder-deploy-kubernetes and its registry; what the older service got
//! wrong (culling by age instead of inactivity, 200 for unknown ids, an empty list of all) is put right.

mod activity;
mod launch;
mod list;
mod logs;
mod one;
mod pool;
mod pool_delete;
mod pool_put;
mod pool_read;
mod preload_read;
mod preload_start;
mod read;
mod stop;
mod template_delete;
mod template_list;
mod template_put;
mod template_read;

use gateway::{Route, route};

/// `POST /applications/{template}`.
pub static LAUNCH: Route = route!(api::APPLICATION_LAUNCH, launch::launch);
/// `GET /applications/{template}/{id}`.
pub static READ: Route = route!(api::APPLICATION_READ, read::read);
/// `GET /applications/{template}`.
pub static LIST: Route = route!(api::APPLICATION_LIST, list::list);
/// `DELETE /applications/{template}/{id}`.
pub static STOP: Route = route!(api::APPLICATION_STOP, stop::stop);
/// `GET /applications/{template}/{id}/logs`.
pub static LOGS: Route = route!(api::APPLICATION_LOGS, logs::logs);
/// `POST /applications/{template}/{id}/activity`.
pub static ACTIVITY: Route = route!(api::APPLICATION_ACTIVITY, activity::activity);
/// `GET /templates`.
pub static TEMPLATE_LIST: Route = route!(api::TEMPLATE_LIST, template_list::list);
/// `GET /templates/{name}`.
pub static TEMPLATE_READ: Route = route!(api::TEMPLATE_READ, template_read::read);
/// `PUT /templates/{name}`.
pub static TEMPLATE_PUT: Route = route!(api::TEMPLATE_PUT, template_put::put);
/// `DELETE /templates/{name}`.
pub static TEMPLATE_DELETE: Route = route!(api::TEMPLATE_DELETE, template_delete::delete);
/// `POST /preload/{template}`.
pub static PRELOAD_START: Route = route!(api::PRELOAD_START, preload_start::start);
/// `GET /preload/{template}`.
pub static PRELOAD_READ: Route = route!(api::PRELOAD_READ, preload_read::read);
/// `PUT /pools/{template}`.
pub static POOL_PUT: Route = route!(api::POOL_PUT, pool_put::put);
/// `GET /pools/{template}`.
pub static POOL_READ: Route = route!(api::POOL_READ, pool_read::read);
/// `DELETE /pools/{template}`.
pub static POOL_DELETE: Route = route!(api::POOL_DELETE, pool_delete::delete);

/// Every endpoint of this room.
pub static ROUTES: &[&Route] = &[
    &LAUNCH,
    &READ,
    &LIST,
    &STOP,
    &LOGS,
    &ACTIVITY,
    &TEMPLATE_LIST,
    &TEMPLATE_READ,
    &TEMPLATE_PUT,
    &TEMPLATE_DELETE,
    &PRELOAD_START,
    &PRELOAD_READ,
    &POOL_PUT,
    &POOL_READ,
    &POOL_DELETE,
];
