//! A Kubernetes API server with simulated nodes: [`Machine`] answers requests and moves pods along as values and plain
//! calls, [`Kubernetes`] puts it on a loopback port and gives Ready pods a web server of their own.
//!
//! Statuses, wording and defaults are those of Kubernetes 1.35. What is not simulated is refused, with 501 or as an
//! unknown resource; `README.md` of this crate lists both, and the failure switches by image name.

mod access;
mod admission;
mod aggregated;
mod apply;
mod binding;
mod bindings;
mod canonical;
mod cause;
mod collections;
mod create;
mod data;
mod defaults;
mod delete;
mod discovery;
mod duplicates;
mod events;
mod fields;
mod garbage;
mod guests;
mod ids;
mod json;
mod kubelet;
mod limits;
mod listeners;
mod logs;
mod machine;
mod managers;
mod metadata;
mod namespaces;
mod network;
mod nodes;
mod objects;
mod openapi;
mod options;
mod patch;
mod pod_status;
mod quantity;
mod read;
mod registry;
mod request;
mod runs;
mod scale;
mod scheduler;
mod schema;
mod security;
mod selectors;
mod services;
mod shell;
mod status;
mod strategic;
mod streams;
mod switches;
mod timers;
mod update;
mod validation;
mod watch;
mod workloads;
mod writer;

#[cfg(test)]
mod tests;

pub use listeners::Listener;
pub use machine::{Config, Machine, Outcome};
pub use nodes::NodeShape;
pub use shell::{Kubernetes, Settings};
pub use watch::Watch;
