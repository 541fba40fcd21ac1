//! The function `environment-delete`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&environments::DELETE)
}
