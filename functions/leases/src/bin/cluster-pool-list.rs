//! The function `cluster-pool-list`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&leases::POOL_LIST)
}
