//! The function `environment-status`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&environments::STATUS)
}
