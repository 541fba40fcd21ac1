//! The function `environment-rotate`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&environments::ROTATE)
}
