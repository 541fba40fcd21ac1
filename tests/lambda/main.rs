//! The functions as they are deployed, each a program of its own under cargo-lambda's emulator, over the embedded parts.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod cases;
mod life;
mod support;
