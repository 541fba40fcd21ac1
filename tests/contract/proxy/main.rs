//! What a route proxy does, as far as layby and the people behind it rest on it: configurable-http-proxy's API, what
//! counts as use, and how requests and websockets get through.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a check fails")]
#![allow(clippy::disallowed_methods, reason = "an edge: real servers live in the time of day")]

#[macro_use(checks)]
extern crate contract;

mod ask;
mod server;
mod target;

mod activity;
mod api;
mod broken;
mod client;
mod paths;
mod refusals;
mod requests;
mod restart;
mod websockets;
