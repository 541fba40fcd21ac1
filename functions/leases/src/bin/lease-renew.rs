//! The function `lease-renew`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&leases::RENEW)
}
