//! The function `cluster-read`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&leases::CLUSTER_READ)
}
