//! Leasing whole clusters: one holder at a time, by epoch, and nothing of a holder stays.

mod cluster;
mod inventory;
mod lease;
mod line;
mod pool;
mod step;
mod wish;

pub use cluster::{Cluster, ClusterState, Ending, EndingWhy, Identity, Offer, Quarantine};
pub use inventory::{Difference, Exempt, Fingerprint, Kind, Thing, compare, deletions};
pub use lease::{Epoch, Lease, LeaseTime, Validity};
pub use line::{Line, Place, Ticket};
pub use pool::{ClusterPool, Reuse};
pub use step::{ClusterStep, next_for_cluster};
pub use wish::{Wanted, Wish};
