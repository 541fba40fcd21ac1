//! The scheduled function: brings on, judges and ends what is due.
//!
//! Each cell has a lane of its own, and all lanes are worked on at the same time. A lane begins with a probe of what can be
//! reached; then the due index proposes rows, [`domain::plan`] says which of them and in which order, and [`domain::act`]
//! what is done with each. Launches and endings are brought on by `lifecycle` exactly as a status read would. What runs is
//! judged all together: nothing is culled before the brake of its cell has ruled over all candidates.
//!
//! Clusters that can be leased have a lane of their own, in which `lifecycle` brings each on by itself.
//!
//! Killed anywhere, run twice at once, late, or for the first time in a week: the rows' own `due_at` says who works on
//! what.

mod ask;
mod breaker;
mod environments;
mod judging;
mod lane;
mod leasing;
mod preloading;
mod reading;
mod refilling;
mod report;
mod run;
mod sweeping;

use gateway::{Route, route};

pub use environments::EnvironmentsReport;
pub use leasing::{Clusters, LeasesReport};
pub use report::Report;

/// The schedule.
pub static REAPER: Route = route!(api::REAPER, run::run);
