//! The function `pool-put`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&applications::POOL_PUT)
}
