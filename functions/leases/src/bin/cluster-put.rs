//! The function `cluster-put`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&leases::CLUSTER_PUT)
}
