//! The function `environment-read`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&environments::READ)
}
