//! The function `environment-patch`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&environments::PATCH)
}
