//! The function `environment-list`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&environments::LIST)
}
