//! One look at the world.

use jiff::Timestamp;

/// One `now` for everything that one look compares, records and writes, and who is looking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Domain time, stamped once at the edge.
    pub now: Timestamp,
    /// Stamped on every write (`by`): the request or run and the number of the look, so that a failed condition
    /// tells a lost answer from a lost race.
    pub by: String,
}
