//! The function `cluster-pool-put`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&leases::POOL_PUT)
}
