//! The function `lease-release`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&leases::RELEASE)
}
