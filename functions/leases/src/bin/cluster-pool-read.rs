//! The function `cluster-pool-read`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&leases::POOL_READ)
}
