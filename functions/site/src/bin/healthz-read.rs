//! The function `healthz-read`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&site::HEALTHZ)
}
