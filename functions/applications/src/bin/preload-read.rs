//! The function `preload-read`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&applications::PRELOAD_READ)
}
