//! What a Kubernetes API server does, as far as layby, its users' tools and leases rest on it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a check fails")]
#![allow(clippy::disallowed_methods, reason = "an edge: real servers live in the time of day")]

#[macro_use(checks)]
extern crate contract;

mod looks;
mod server;
mod wire;

mod accounts;
mod admission;
mod apply;
mod bindings;
mod data;
mod deletion;
mod deployments;
mod discovery;
mod environment_deployments;
mod environments;
mod escalation;
mod installation;
mod jobs;
mod layby;
mod leased;
mod limit_ranges;
mod lists;
mod managers;
mod names;
mod namespaces;
mod network_policies;
mod nodes;
mod objects;
mod pod_security;
mod pods;
mod quotas;
mod replicasets;
mod requests;
mod reviews;
mod roles;
mod rollouts;
mod services;
mod strategic;
mod watches;
