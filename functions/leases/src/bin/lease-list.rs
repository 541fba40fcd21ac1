//! The function `lease-list`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&leases::LIST)
}
