//! Whole lives of applications: readable scripts, processes that die at every call, many actors at once, and counts.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod brake;
mod counts;
mod crash_points;
mod environments;
mod flood;
mod isolation;
mod lanes;
mod leases;
mod pools;
mod preload;
mod quotas;
mod repair;
mod repair_crashes;
mod scripts;
mod together;

use tests::process;
