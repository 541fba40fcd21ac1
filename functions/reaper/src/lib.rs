//! The scheduled function: brings on, judges and ends what is due.
//!
//! The reaper decides little. The due index proposes rows, [`domain::plan`] says which of them and in which order, and
//! each is taken and brought on by `lifecycle` exactly as a status read would. Killed anywhere, run twice at once,
//! late, or for the first time in a week: the rows' own `due_at` says who works on what.

mod report;
mod run;

use gateway::{Route, route};

pub use report::Report;

/// The schedule.
pub static REAPER: Route = route!(api::REAPER, run::run);
