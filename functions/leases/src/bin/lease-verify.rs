//! The function `lease-verify`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&leases::VERIFY)
}
