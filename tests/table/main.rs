//! The table on a real DynamoDB protocol: one test an access pattern (`ap01_…`), one or more a write rule (`w1_…`),
//! races, lost answers and injected failures.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod api_keys;
mod applications;
mod cells;
mod due;
mod failures;
mod launches;
mod lists;
mod preloads;
mod quotas;
mod rules;
mod spares;
mod support;
mod templates;
