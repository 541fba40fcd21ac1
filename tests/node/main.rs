//! The application's life where containers really run: `real::Node`, DynamoDB Local, configurable-http-proxy, and layby
//! with the rights that `infra/cluster` gives it. For root alone.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod ahead;
mod deployed;
mod environments;
mod failures;
mod ground;
mod leftovers;
mod life;
mod operator;
mod policies;
mod together;
