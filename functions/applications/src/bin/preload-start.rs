//! The function `preload-start`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&applications::PRELOAD_START)
}
