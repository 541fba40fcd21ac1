//! The API as its callers see it: one file for each of its URLs; what holds for every endpoint by the list of them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod applications;
mod coverage;
mod environments;
mod fallback;
mod figures;
mod health;
mod keys;
mod leases;
mod local;
mod log;
mod needs;
mod own;
mod pools;
mod preload;
mod reaper;
mod templates;
mod version;
