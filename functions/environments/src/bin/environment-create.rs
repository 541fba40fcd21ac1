//! The function `environment-create`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&environments::CREATE)
}
