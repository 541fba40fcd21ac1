//! Applications and the templates that they are launched from: one file an endpoint.
//!
//! The paths, statuses and bodies are those of binder-deploy-kubernetes and its registry; what the older service got
//! wrong (culling by age instead of inactivity, 200 for unknown ids, an empty list of all) is put right.

mod launch;
mod list;
mod read;
mod stop;
mod template_delete;
mod template_list;
mod template_put;
mod template_read;

use gateway::Route;

/// `POST /applications/{template}`.
pub static LAUNCH: Route = Route {
    endpoint: &api::APPLICATION_LAUNCH,
    mount: |edge, endpoint| edge.mount(endpoint, launch::launch),
};
/// `GET /applications/{template}/{id}`.
pub static READ: Route = Route {
    endpoint: &api::APPLICATION_READ,
    mount: |edge, endpoint| edge.mount(endpoint, read::read),
};
/// `GET /applications/{template}`.
pub static LIST: Route = Route {
    endpoint: &api::APPLICATION_LIST,
    mount: |edge, endpoint| edge.mount(endpoint, list::list),
};
/// `DELETE /applications/{template}/{id}`.
pub static STOP: Route = Route {
    endpoint: &api::APPLICATION_STOP,
    mount: |edge, endpoint| edge.mount(endpoint, stop::stop),
};
/// `GET /templates`.
pub static TEMPLATE_LIST: Route = Route {
    endpoint: &api::TEMPLATE_LIST,
    mount: |edge, endpoint| edge.mount(endpoint, template_list::list),
};
/// `GET /templates/{name}`.
pub static TEMPLATE_READ: Route = Route {
    endpoint: &api::TEMPLATE_READ,
    mount: |edge, endpoint| edge.mount(endpoint, template_read::read),
};
/// `PUT /templates/{name}`.
pub static TEMPLATE_PUT: Route = Route {
    endpoint: &api::TEMPLATE_PUT,
    mount: |edge, endpoint| edge.mount(endpoint, template_put::put),
};
/// `DELETE /templates/{name}`.
pub static TEMPLATE_DELETE: Route = Route {
    endpoint: &api::TEMPLATE_DELETE,
    mount: |edge, endpoint| edge.mount(endpoint, template_delete::delete),
};

/// Every endpoint of this room.
pub static ROUTES: &[&Route] = &[
    &LAUNCH,
    &READ,
    &LIST,
    &STOP,
    &TEMPLATE_LIST,
    &TEMPLATE_READ,
    &TEMPLATE_PUT,
    &TEMPLATE_DELETE,
];
