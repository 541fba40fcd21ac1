//! The repository held against itself: who may know whom, what is generated, what no build ships, dead files, links.
#![allow(clippy::expect_used, reason = "a test ends where the repository cannot be read")]

mod absent;
mod binaries;
mod edges;
mod files;
mod generated;
mod links;
mod lints;
mod template;
mod workspace;
