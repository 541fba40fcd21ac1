//! The function `cluster-delete`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&leases::CLUSTER_DELETE)
}
