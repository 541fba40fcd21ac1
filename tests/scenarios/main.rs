//! Whole lives of applications: readable scripts, processes that die at every call, many actors at once, and counts.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod counts;
mod crash_points;
mod invariants;
mod isolation;
mod process;
mod scale;
mod script;
mod scripts;
mod stage;
mod together;
