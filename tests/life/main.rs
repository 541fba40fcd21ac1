//! The application's life on real parts: kube-apiserver, etcd, DynamoDB Local and configurable-http-proxy. Only kubelets
//! are played. See `tests/src/parts.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod callers;
mod environments;
mod failures;
mod ground;
mod launches;
mod leases;
mod scripts;
