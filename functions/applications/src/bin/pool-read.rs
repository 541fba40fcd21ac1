//! The function `pool-read`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&applications::POOL_READ)
}
