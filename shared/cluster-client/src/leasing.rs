//! Clusters that can be leased: how they are reached, what is in them, and what a holder gets and leaves.

mod credential;
mod fingerprint;
mod inventory;
mod kubeconfig;
mod leased;

pub use inventory::Inventory;
pub use kubeconfig::{ClusterAccess, KUBECONFIG_BYTES_MAX, KubeconfigError};
pub use leased::{Hand, LeasedCluster};
