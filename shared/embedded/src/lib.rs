//! The real protocols that layby talks to, inside one process, each on an ephemeral loopback port:
//! DynamoDB ([`dynamo`]), Kubernetes with simulated nodes ([`kubernetes`]) and the route proxy ([`proxy`]).
//!
//! Kubernetes and the proxy are each a plain machine with a shell around it. The machine has no clock, thread or
//! randomness; the shell owns sockets, timers and the web servers of pods ([`web`]).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

use std::sync::Arc;

pub mod dynamo;
pub mod issuer;
pub mod kubernetes;
pub mod proxy;
mod serve;
mod tls;
pub mod web;

/// Domain time as the embedded parts see it: whoever starts them may wind it.
pub type Clock = Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>;
