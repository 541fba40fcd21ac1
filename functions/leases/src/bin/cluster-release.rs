//! The function `cluster-release`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&leases::CLUSTER_RELEASE)
}
