//! What a Kubernetes API server does, as far as layby, its users' tools and leases rest on it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a check fails")]

#[macro_use]
mod server;

mod namespaces;
