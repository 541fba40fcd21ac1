//! The function `cluster-pool-delete`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&leases::POOL_DELETE)
}
