//! What tells about the installation itself: how its dependencies are, and which version it is.

mod health;
mod version;

use gateway::Route;

/// `GET /health`.
pub static HEALTH: Route = Route {
    endpoint: &api::HEALTH_READ,
    mount: |edge, endpoint| edge.mount(endpoint, health::read),
};
/// `GET /version`.
pub static VERSION: Route = Route {
    endpoint: &api::VERSION_READ,
    mount: |edge, endpoint| edge.mount(endpoint, version::read),
};

/// Every endpoint of this room.
pub static ROUTES: &[&Route] = &[&HEALTH, &VERSION];
