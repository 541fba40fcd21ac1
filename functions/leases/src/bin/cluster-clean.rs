//! The function `cluster-clean`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&leases::CLUSTER_CLEAN)
}
