//! What a Kubernetes API server does, as far as layby, its users' tools and leases rest on it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a check fails")]
#![allow(clippy::disallowed_methods, reason = "an edge: real servers live in the time of day")]

#[macro_use(checks)]
extern crate contract;

mod server;

mod namespaces;
mod objects;
mod pods;
mod raw;
mod requests;
mod strategic;
