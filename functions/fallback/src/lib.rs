//! Every room's endpoints in one place: what stands behind API Gateway's `$default` route, which gets the forms with a
//! trailing slash, unknown paths and wrong methods.

use gateway::Route;

/// The rooms.
pub static ROOMS: &[&[&Route]] = &[
    applications::ROUTES,
    environments::ROUTES,
    leases::ROUTES,
    access::ROUTES,
    site::ROUTES,
];
