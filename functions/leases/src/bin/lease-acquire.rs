//! The function `lease-acquire`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&leases::ACQUIRE)
}
