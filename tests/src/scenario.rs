#![doc = include_str!("../scenarios/README.md")]

mod cluster;
pub mod invariants;
pub mod meddling;
mod scale;
mod script;
mod stage;

pub use scale::Scale;
pub use script::{Line, Script};
pub use stage::{Stage, play};
