//! The function `health-read`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&site::HEALTH)
}
