//! The function `version-read`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&site::VERSION)
}
