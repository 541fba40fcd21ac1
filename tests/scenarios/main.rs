//! Whole lives of applications: readable scripts, processes that die at every call, many actors at once, and counts.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod counts;
mod crash_points;
mod isolation;
mod process;
mod scripts;
mod together;
