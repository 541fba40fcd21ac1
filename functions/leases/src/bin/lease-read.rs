//! The function `lease-read`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&leases::READ)
}
