//! The function `cluster-list`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&leases::CLUSTER_LIST)
}
