//! What tells about the installation itself: how its dependencies are, and which version it is.

mod health;
mod healthz;
mod version;

use gateway::{Route, route};

/// `GET /health`.
pub static HEALTH: Route = route!(api::HEALTH_READ, health::read);
/// `GET /healthz`.
pub static HEALTHZ: Route = route!(api::HEALTHZ_READ, healthz::read);
/// `GET /version`.
pub static VERSION: Route = route!(api::VERSION_READ, version::read);

/// Every endpoint of this room.
pub static ROUTES: &[&Route] = &[&HEALTH, &HEALTHZ, &VERSION];
