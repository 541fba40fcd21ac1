//! What DynamoDB does, as far as layby rests on it: one check an access pattern (`ap01_…`), one or more a write rule
//! (`w1_…`), races, lost answers and injected failures; and the protocol itself.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a check fails")]

#[macro_use(checks)]
extern crate contract;

mod raw;
mod server;
mod support;

mod api_keys;
mod applications;
mod cells;
mod clusters;
mod conditions;
mod due;
mod environments;
mod failures;
mod launches;
mod lines;
mod lists;
mod preloads;
mod queries;
mod quotas;
mod rules;
mod spares;
mod templates;
mod transactions;
mod values;
