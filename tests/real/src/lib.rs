//! The real parts that tests run against: each is found in a cache or built into it, started on free ports of loopback,
//! waited for, and stopped with whoever started it, however that ends.
#![allow(
    clippy::disallowed_methods,
    reason = "an edge: waiting for servers is mechanical time"
)]

pub mod binder;
mod cache;
pub mod claimer;
pub mod dynamodb;
mod error;
pub mod kubernetes;
pub mod kwok;
pub mod lambda;
pub mod node;
pub mod npm;
mod ports;
mod process;
pub mod proxy;
mod ran;
mod scratch;

pub use binder::Binder;
pub use claimer::Claimer;
pub use dynamodb::DynamoDb;
pub use error::Error;
pub use kubernetes::ControlPlane;
pub use kwok::Kwok;
pub use lambda::Functions;
pub use node::Node;
pub use process::{Process, Program};
pub use proxy::Proxy;
pub use ran::Ran;
pub use scratch::Scratch;
